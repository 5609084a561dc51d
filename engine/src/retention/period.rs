// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hours, days, weeks, months, quarters, years: the buckets that count rules keep one snapshot of.

use std::fmt;

use jiff::Zoned;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Every snapshot is a bucket of its own.
    Last,
    /// An hour of the clock.
    Hourly,
    /// A day of the calendar.
    Daily,
    /// A week by ISO 8601: from Monday, the first being the one with the year's first Thursday.
    Weekly,
    /// A month of the calendar.
    Monthly,
    /// Three months from January, April, July or October.
    Quarterly,
    /// A year of the calendar.
    Yearly,
}

/// Names a bucket among those of the same period: two moments in one bucket have the same.
pub(super) type Bucket = (i16, i8, i8, i64);

impl Period {
    /// Every period, short ones first.
    pub const ALL: [Self; 7] =
        [Self::Last, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Quarterly, Self::Yearly];

    /// The word in options and reasons.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }

    /// The bucket of the snapshot number `place`, made at `time`.
    pub(super) fn bucket(self, time: &Zoned, place: usize) -> Bucket {
        match self {
            Self::Last => (0, 0, 0, place as i64),
            // With the offset: when clocks are set back, an hour comes twice.
            Self::Hourly => {
                let offset = i64::from(time.offset().seconds());
                (time.year(), time.month(), time.day(), i64::from(time.hour()) << 32 | (offset + (1 << 30)))
            }
            Self::Daily => (time.year(), time.month(), time.day(), 0),
            Self::Weekly => {
                let week = time.date().iso_week_date();
                (week.year(), week.week(), 0, 0)
            }
            Self::Monthly => (time.year(), time.month(), 0, 0),
            Self::Quarterly => (time.year(), (time.month() - 1) / 3, 0, 0),
            Self::Yearly => (time.year(), 0, 0, 0),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
