// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lengths of time by the calendar, as people write them: `1y5m7d2h`. Years and months are as long as the calendar says.

use std::fmt;

use jiff::Zoned;

use super::PolicyError;

/// A length of time; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    years: u16,
    months: u16,
    days: u16,
    hours: u16,
}

impl Span {
    /// Reads `1y5m7d2h`; each unit at most once, in any order, also weeks (`2w`).
    ///
    /// # Errors
    /// Anything else, also zero, and numbers above 9999.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let refuse = || PolicyError::Span { text: text.to_string() };
        let mut span = Self { years: 0, months: 0, days: 0, hours: 0 };
        let mut seen = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let unit = *rest.as_bytes().get(digits).ok_or_else(refuse)?;
            if digits == 0 || digits > 4 || seen.contains(&unit) {
                return Err(refuse());
            }
            let number: u16 = rest[..digits].parse().map_err(|_| refuse())?;
            match unit {
                b'y' => span.years = number,
                b'm' => span.months = number,
                b'w' => span.days += 7 * number.min(MAX_WEEKS),
                b'd' => span.days += number,
                b'h' => span.hours = number,
                _ => return Err(refuse()),
            }
            seen.push(unit);
            rest = &rest[digits + 1..];
        }
        let is_zero = span.years == 0 && span.months == 0 && span.days == 0 && span.hours == 0;
        if is_zero { Err(refuse()) } else { Ok(span) }
    }

    /// The moment this long before `time`; the earliest there is if the calendar ends before.
    pub fn before(&self, time: &Zoned) -> Zoned {
        let calendar = jiff::Span::new().years(self.years).months(self.months).days(self.days);
        time.saturating_sub(calendar).saturating_sub(jiff::Span::new().hours(self.hours))
    }
}

/// Keeps the number of days in its type; more than a hundred years in weeks is no retention rule.
const MAX_WEEKS: u16 = 7000;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, unit) in [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')] {
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}
