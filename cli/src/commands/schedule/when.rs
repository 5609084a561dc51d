// SPDX-License-Identifier: MIT OR Apache-2.0
//! When something is done again and again, in words, and as systemd and cron write it.

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Last day that every month has.
const LAST_DAY: u8 = 28;

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the full hour.
    Hourly,
    /// Each day at hour and minute.
    Daily(u8, u8),
    /// On a day of the week, counted from Sunday.
    Weekly(u8, u8, u8),
    /// On a day of the month.
    Monthly(u8, u8, u8),
}

impl When {
    /// `hourly`, `daily 03:00`, `weekly Sun 05:00`, `monthly 1 05:00`.
    ///
    /// # Errors
    /// It is something else, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let refuse = || {
            format!(
                "{text:?} is no time: hourly, daily 03:00, weekly Sun 05:00 or monthly 1 05:00 (day 1 to {LAST_DAY}) is"
            )
        };
        match words[..] {
            ["hourly"] => Ok(Self::Hourly),
            ["daily", time] => clock(time).map(|(hour, minute)| Self::Daily(hour, minute)).ok_or_else(refuse),
            ["weekly", day, time] => {
                let day = DAYS.iter().position(|known| known.eq_ignore_ascii_case(day)).ok_or_else(refuse)?;
                clock(time).map(|(hour, minute)| Self::Weekly(day as u8, hour, minute)).ok_or_else(refuse)
            }
            ["monthly", day, time] => {
                let day = day.parse().ok().filter(|day| (1..=LAST_DAY).contains(day)).ok_or_else(refuse)?;
                clock(time).map(|(hour, minute)| Self::Monthly(day, hour, minute)).ok_or_else(refuse)
            }
            _ => Err(refuse()),
        }
    }

    /// As `OnCalendar=` takes it.
    pub fn systemd(self) -> String {
        match self {
            Self::Hourly => "*-*-* *:00:00".to_string(),
            Self::Daily(hour, minute) => format!("*-*-* {hour:02}:{minute:02}:00"),
            Self::Weekly(day, hour, minute) => format!("{} *-*-* {hour:02}:{minute:02}:00", DAYS[usize::from(day)]),
            Self::Monthly(day, hour, minute) => format!("*-*-{day:02} {hour:02}:{minute:02}:00"),
        }
    }

    /// The five fields of a crontab.
    pub fn cron(self) -> String {
        match self {
            Self::Hourly => "0 * * * *".to_string(),
            Self::Daily(hour, minute) => format!("{minute} {hour} * * *"),
            Self::Weekly(day, hour, minute) => format!("{minute} {hour} * * {day}"),
            Self::Monthly(day, hour, minute) => format!("{minute} {hour} {day} * *"),
        }
    }
}

fn clock(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

#[cfg(test)]
mod tests {
    use super::When;

    #[test]
    fn times_are_written_as_systemd_and_cron_take_them() {
        let table = [
            ("hourly", "*-*-* *:00:00", "0 * * * *"),
            ("daily 03:00", "*-*-* 03:00:00", "0 3 * * *"),
            ("weekly Sun 05:30", "Sun *-*-* 05:30:00", "30 5 * * 0"),
            ("weekly sat 5:07", "Sat *-*-* 05:07:00", "7 5 * * 6"),
            ("monthly 1 23:59", "*-*-01 23:59:00", "59 23 1 * *"),
        ];
        for (text, systemd, cron) in table {
            let when = When::parse(text).unwrap();
            assert_eq!((when.systemd().as_str(), when.cron().as_str()), (systemd, cron), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_is_one() {
        for text in [
            "",
            "daily",
            "daily 24:00",
            "daily 3",
            "daily 03:60",
            "daily +3:00",
            "weekly 05:00",
            "weekly Foo 05:00",
            "monthly 29 05:00",
            "monthly 0 05:00",
            "03:00",
        ] {
            assert!(When::parse(text).unwrap_err().contains("daily 03:00"), "{text}");
        }
    }
}
