// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers by their value, in decimal: `1`, `1.0` and `10e-1` are one, and no digit is ever lost.
//!
//! No floats: `0.1` has no exact one, and identifiers of 20 digits would meet.

use std::borrow::Cow;

/// Zeros that are written out; a number that needs more keeps an exponent. Any value would do, as long as it stays the same.
const MAX_PLAIN_DIGITS: usize = 40;

/// One text for each number: the same exactly for texts of the same value. What is no decimal number stays as it is.
///
/// An exponent of more than 30 digits is compared as it is written.
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    if is_canonical(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    parts(text).map_or(Cow::Borrowed(text), |parts| Cow::Owned(parts.text()))
}

/// Most numbers are; of the others some may be, and are found to be so at length.
fn is_canonical(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || (whole > 1 && unsigned[0] == b'0') {
        return false;
    }
    match &unsigned[whole..] {
        [] => whole <= MAX_PLAIN_DIGITS && text != b"-0",
        [b'.', fraction @ .., b'1'..=b'9'] => {
            whole + 2 * (fraction.len() + 1) <= MAX_PLAIN_DIGITS && fraction.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// The number is `digits` times ten to the power of `exponent`; no zero at either end of the digits.
struct Parts {
    negative: bool,
    digits: String,
    exponent: i128,
}

fn parts(text: &str) -> Option<Parts> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    let exponent = power(exponent)?;
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0').to_string();
    if digits.is_empty() {
        return Some(Parts { negative: false, digits: "0".to_string(), exponent: 0 });
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    Some(Parts { negative, digits, exponent: exponent - fraction.len() as i128 + zeros as i128 })
}

fn power(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let significant = digits.trim_start_matches('0');
    if digits.is_empty() || significant.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = if significant.is_empty() { 0 } else { significant.parse::<i128>().ok()? };
    Some(if text.starts_with('-') { -size } else { size })
}

impl Parts {
    fn text(&self) -> String {
        let Self { digits, exponent, .. } = self;
        let sign = if self.negative { "-" } else { "" };
        let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if zeros.saturating_add(digits.len()) > MAX_PLAIN_DIGITS {
            return format!("{sign}{digits}e{exponent}");
        }
        if *exponent >= 0 {
            return format!("{sign}{digits}{}", "0".repeat(zeros));
        }
        let padded = format!("{}{digits}", "0".repeat((zeros + 1).saturating_sub(digits.len())));
        let (whole, fraction) = padded.split_at(padded.len() - zeros);
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, parts};

    #[test]
    fn texts_of_one_number_are_one() {
        for (texts, expected) in [
            (&["1", "1.0", "1.00", "10e-1", "0.1e1", "+1", "1E+0", "1e-0", "01"][..], "1"),
            (&["100", "1e2", "1.0E2", "10.0e+1"], "100"),
            (&["0", "-0", "0.0", "-0.0e5", "0e99"], "0"),
            (&["-0.5", "-.5", "-5e-1", "-0.50"], "-0.5"),
            (&["0.001", "1e-3"], "0.001"),
            (&["12.34", "1234e-2"], "12.34"),
            (&["1e400", "10e399", "0.1e401"], "1e400"),
        ] {
            for text in texts {
                assert_eq!(canonical(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn no_digit_is_lost() {
        let long = "123456789012345678901234567890123456789012345678901";
        assert_ne!(canonical(long), canonical(&long.replace("901", "902")));
        assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
        assert_ne!(canonical("1e400"), canonical("1e401"));
        assert_eq!(canonical(&format!("{long}0")), canonical(&format!("{long}e1")));
    }

    #[test]
    fn the_short_way_and_the_long_way_lead_to_one_text() {
        for text in ["0", "-0", "7", "-120", "0.5", "-0.25", "12.0625", "0.0", "1.50", "-0.0", "100.001", "0.0001"] {
            for text in [text.to_string(), format!("{text}1"), format!("{text}{}", "3".repeat(30)), "8".repeat(40)] {
                assert_eq!(canonical(&text), parts(&text).unwrap().text(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_decimal_number_stays_as_it_is() {
        for text in ["", ".inf", "nan", "-", "0x1f", "1e", "1e+", ".", "1.2.3", "--1"] {
            assert_eq!(canonical(text), text);
        }
        let exponent = format!("1e{}", "9".repeat(100));
        assert_eq!(canonical(&exponent), exponent);
    }
}
