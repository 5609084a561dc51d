// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values as people read them. Names out of a backup are hostile: control characters never reach the terminal.

use std::error::Error;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keepfast_engine::events::Problem;
use unicode_width::UnicodeWidthStr;

/// Digits of an id that people are shown.
pub const SHORT_ID: usize = 8;

/// The beginning of an id.
pub fn short(id: impl ToString) -> String {
    let mut id = id.to_string();
    id.truncate(SHORT_ID);
    id
}

/// A path on one line: UTF-8 as it is; control characters, what is not UTF-8 and backslashes escaped.
pub fn path(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                character if is_unsafe(character) => text.extend(character.escape_default()),
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes any text");
        }
    }
    text
}

/// Controls, separators of lines, and the marks that make a terminal or a browser write from right to left: all can disguise what is shown.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A path in the head of a patch, as `patch` takes it: one with a blank ends with a tab, and one with what no line may hold is quoted as in C.
pub fn patched_path(path: &[u8]) -> String {
    let is_odd = |character: char| is_unsafe(character) || matches!(character, '"' | '\\' | '\u{fffd}');
    let plain = String::from_utf8_lossy(path);
    if !plain.contains(is_odd) {
        return format!("{plain}{}", if plain.contains(' ') { "\t" } else { "" });
    }
    let mut text = "\"".to_string();
    for byte in path {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\{byte:03o}").expect("a string takes any text"),
        }
    }
    text + "\""
}

/// A path in a snapshot, from its top.
pub fn stored_path(stored: &[u8]) -> String {
    if stored.starts_with(b"/") { path(stored) } else { format!("/{}", path(stored)) }
}

/// Columns of a terminal that a text takes: letters of some scripts take two, combining marks none.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A text with blanks behind it, so that it takes that many columns.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Text of unknown origin on one line.
pub fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, character| {
        if is_unsafe(character) {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
        plain
    })
}

/// An error and its causes on one line.
pub fn error(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors quote their cause, some leave it to the reader.
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    plain(&message)
}

/// A problem on one line.
pub fn problem(problem: &Problem) -> String {
    if problem.path.is_empty() {
        return plain(&problem.text);
    }
    format!("{}: {}", path(&problem.path), plain(&problem.text))
}

/// A size in bytes with three or four digits: `999 B`, `72.3 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.995 { format!("{value:.2} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// What was new, and what it takes: the two lines that `backup` and `import` print. More may be new than there is content: trees, and
/// what comes out of archives.
pub fn added(content: u64, new: u64, stored: Option<u64>) -> [String; 2] {
    let added = match stored {
        Some(stored) => format!("added    {}, before compression {} with metadata", size(stored), size(new)),
        None => format!("new      {} with metadata, not compressed yet", size(new)),
    };
    [format!("content  {}", size(content)), added]
}

/// A number with commas.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun, which is put in the plural where it belongs there.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        _ if number == 1 => noun.to_string(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", count(number))
}

/// A span of time: `0.84 s`, `3 min 12 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.2} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Local time to the minute, of Unix nanoseconds.
pub fn time(nanoseconds: i64) -> String {
    format_time(i128::from(nanoseconds), "%Y-%m-%d %H:%M")
}

/// The same with the zone, for what is read elsewhere.
pub fn time_and_zone(nanoseconds: i64) -> String {
    format_time(i128::from(nanoseconds), "%Y-%m-%d %H:%M %:z")
}

/// Local time to the second, of Unix seconds.
pub fn time_of_seconds(seconds: i64) -> String {
    format_time(i128::from(seconds) * 1_000_000_000, "%Y-%m-%d %H:%M:%S")
}

fn format_time(nanoseconds: i128, format: &str) -> String {
    match Timestamp::from_nanosecond(nanoseconds) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => "(no valid time)".to_string(),
    }
}

/// Time in UTC as RFC 3339, of Unix nanoseconds: for JSON.
pub fn rfc3339(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
