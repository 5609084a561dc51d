// SPDX-License-Identifier: MIT OR Apache-2.0
//! Points in time as people type them, and the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use keepfast_engine::format::tree::entry::Timestamp as StoredTime;

use crate::exit::Failure;

/// The end of what `--at` means, in Unix nanoseconds: a date means all of that day, a time to the minute all of that minute.
///
/// # Errors
/// Not a time.
pub fn parse_until(text: &str, zone: &TimeZone) -> Result<i64, Failure> {
    span(text, zone).map(|(_, end)| end)
}

/// Its beginning, for `--newer` and `--older`.
///
/// # Errors
/// Not a time.
pub fn parse_from(text: &str, zone: &TimeZone) -> Result<i64, Failure> {
    span(text, zone).map(|(start, _)| start)
}

/// First and last nanosecond.
fn span(text: &str, zone: &TimeZone) -> Result<(i64, i64), Failure> {
    let refuse = || {
        Failure::Usage(format!("{text:?} is not a time; write 2026-11-01T03:00, 2026-11-01 or 2026-11-01T03:00:00Z"))
    };
    let instant = |local: DateTime| {
        local.to_zoned(zone.clone()).map(|zoned| zoned.timestamp().as_nanosecond()).map_err(|_| refuse())
    };
    let (start, end) = if let Ok(exact) = text.parse::<Timestamp>() {
        (exact.as_nanosecond(), exact.as_nanosecond())
    } else if let (10, Ok(date)) = (text.len(), text.parse::<Date>()) {
        let midnight = |date: Date| instant(date.to_datetime(jiff::civil::Time::midnight()));
        (midnight(date)?, midnight(date.tomorrow().map_err(|_| refuse())?)? - 1)
    } else {
        let start = instant(text.parse().map_err(|_| refuse())?)?;
        let names_seconds = text.bytes().filter(|byte| *byte == b':').count() > 1;
        (start, start + if names_seconds { 999_999_999 } else { 59_999_999_999 })
    };
    Ok((i64::try_from(start).map_err(|_| refuse())?, i64::try_from(end).map_err(|_| refuse())?))
}

/// A length of time: a number and `s`, `m`, `h`, `d` or `w`; 0 needs none.
///
/// # Errors
/// It is none.
pub fn parse_duration(text: &str) -> Result<Duration, Failure> {
    let refuse = || Failure::Usage(format!("{text:?} is no duration; write 90s, 10m, 12h or 7d"));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let unit = match unit.trim() {
        "" if number == 0 => 1,
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(refuse()),
    };
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(refuse)
}

/// Now, as it is stored.
pub fn now() -> StoredTime {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => StoredTime { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() },
        // A clock before 1970 is wrong; the snapshot is worth more than its date.
        Err(_) => StoredTime::default(),
    }
}

/// Now, in Unix seconds.
pub fn now_seconds() -> u64 {
    now().seconds.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_duration, parse_from, parse_until};
    use jiff::tz::{Offset, TimeZone};

    const HOUR: i64 = 3_600_000_000_000;
    /// 2026-11-01T00:00Z.
    const DAY: i64 = 1_793_491_200_000_000_000;

    #[test]
    fn times_are_local_unless_they_name_a_zone() {
        let east = TimeZone::fixed(Offset::constant(2));
        let until = |text| parse_until(text, &east).unwrap();
        assert_eq!(until("2026-11-01T03:00Z"), DAY + 3 * HOUR);
        assert_eq!(until("2026-11-01T03:00+02:00"), DAY + HOUR);
        assert_eq!(until("2026-11-01T03:00"), DAY + HOUR + 59_999_999_999);
        assert_eq!(until("2026-11-01 03:00:07"), DAY + HOUR + 7_999_999_999);
        assert_eq!(until("2026-11-01"), DAY + 22 * HOUR - 1);
        let from = |text| parse_from(text, &east).unwrap();
        assert_eq!(from("2026-11-01T03:00Z"), DAY + 3 * HOUR);
        assert_eq!(from("2026-11-01T03:00"), DAY + HOUR);
        assert_eq!(from("2026-11-01"), DAY - 2 * HOUR);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-11-01T25:00", "11/01/2026", "9999-12-31"] {
            assert!(parse_until(text, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit_unless_they_are_nothing() {
        let table = [("0", 0), ("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)];
        for (text, seconds) in table {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for bad in ["", "5", "m", "-1m", "1.5h", "1y", "99999999999999999999d", "999999999999999w"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
