// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers in one canonical text each, of any size and without rounding.
//!
//! `1.50`, `+1.5` and `15e-1` are all `1.5`; an integer and a fraction of the same value are the same number.

/// Digits before the point, or zeros after it, that are written out; beyond them the number gets an exponent. Integers
/// of 128 bits have 39.
const MAX_PLAIN_DIGITS: i64 = 40;

/// The canonical text of `[+-] digits [. digits] [e [+-] digits]`, where either side of the point may lack its digits;
/// none if the text is no such number.
pub(super) fn decimal(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + exponent;
    let digits = digits.trim_matches('0');
    if digits.is_empty() {
        return Some("0".into());
    }
    Some(format!("{}{}", if negative { "-" } else { "" }, written(digits, point)))
}

/// The canonical text of digits to another base; of those beyond 128 bits, the digits in lower case with their prefix.
pub(super) fn with_radix(digits: &str, radix: u32, prefix: &str) -> Option<String> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u128::from_str_radix(digits, radix);
    Some(value.map_or_else(|_| format!("{prefix}{}", digits.to_ascii_lowercase()), |value| value.to_string()))
}

/// An exponent small enough to reckon with.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The number 0.`digits` times ten to the power of `point`; the digits neither begin nor end with a zero.
fn written(digits: &str, point: i64) -> String {
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if point > length.max(MAX_PLAIN_DIGITS) || point < -MAX_PLAIN_DIGITS {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{first}{dot}{rest}e{}", point - 1);
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    if point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else if point >= length {
        format!("{digits}{}", zeros(point - length))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, with_radix};

    #[test]
    fn equal_numbers_have_one_text() {
        for (text, canonical) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("+1", "1"),
            ("1.50", "1.5"),
            ("15e-1", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1E3", "1000"),
            ("-120", "-120"),
            ("0.0010", "0.001"),
            ("1e300", "1e300"),
            ("10.0e299", "1e300"),
            ("-1.25e-50", "-1.25e-50"),
            ("123456789012345678901234567890.0", "123456789012345678901234567890"),
        ] {
            assert_eq!(decimal(text).as_deref(), Some(canonical), "{text}");
        }
        assert_eq!(with_radix("fF", 16, "0x").as_deref(), Some("255"));
        assert_eq!(with_radix(&"F".repeat(40), 16, "0x"), Some(format!("0x{}", "f".repeat(40))));
    }

    #[test]
    fn what_is_no_number_has_none() {
        for text in
            ["", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "0x1", "1_000", "١", "1e9999999999999999", "--1", "1e--1"]
        {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
