// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes as people type them: `500`, `100M`, `1.5GiB`. Units are powers of 1024, as in every backup tool.

use crate::exit::Failure;

/// Reads a size in bytes.
///
/// # Errors
/// Not a size, or more than 16 EiB.
pub fn parse(text: &str) -> Result<u64, Failure> {
    let refuse = || Failure::Usage(format!("{text:?} is not a size; write 500, 64K, 100M or 1.5G"));
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let shift = match &lower[number.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(refuse()),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(refuse());
    }
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(refuse);
    }
    let bytes = number.parse::<f64>().map_err(|_| refuse())? * (1_u64 << shift) as f64;
    if (0.0..1.8e19).contains(&bytes) { Ok(bytes as u64) } else { Err(refuse()) }
}

/// Reads a size that must fit 32 bits.
///
/// # Errors
/// Not a size, or 4 GiB and more.
pub fn parse_u32(text: &str) -> Result<u32, Failure> {
    let bytes = parse(text)?;
    u32::try_from(bytes).map_err(|_| Failure::Usage(format!("{text:?} is too large; the limit is 4 GiB")))
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_u32};

    #[test]
    fn sizes_are_read_with_and_without_unit() {
        let table = [
            ("0", 0),
            ("500", 500),
            ("64K", 64 << 10),
            ("100m", 100 << 20),
            ("1.5G", 3 << 29),
            ("2TiB", 2 << 40),
            ("7 ", 7),
        ];
        for (text, bytes) in table {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "K", "-1", "1X", "inf", "nan", "1e3M", "99999999999999T", "1..2", "0x10"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_u32("4G").is_err());
    }
}
