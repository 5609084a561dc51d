// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of pax extended headers: `length key=value`, both of any bytes. The `tar` crate parts them at line ends, which binary
//! values (ACLs, capabilities) contain; here the length counts.

use keepfast_repo_format::tree::entry::Timestamp;

/// Keys and values, in their order.
pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Digits of a length: more than an archive can have bytes.
const MAX_LENGTH_DIGITS: usize = 19;

/// Reads all records; `None` if something is none.
pub(super) fn decode(mut rest: &[u8]) -> Option<Records> {
    let mut records = Vec::new();
    // Some programs fill up with zeros.
    while !rest.is_empty() && rest[0] != 0 {
        let digits = rest.iter().take(MAX_LENGTH_DIGITS).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let record = rest.get(digits + 1..length)?;
        let (key_and_value, end) = record.split_at_checked(record.len().checked_sub(1)?)?;
        let equals = key_and_value.iter().position(|byte| *byte == b'=')?;
        if end != b"\n" || equals == 0 {
            return None;
        }
        records.push((key_and_value[..equals].to_vec(), key_and_value[equals + 1..].to_vec()));
        rest = &rest[length..];
    }
    Some(records)
}

/// Writes records.
pub(super) fn encode(records: &Records) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let without_digits = 3 + key.len() + value.len();
        let digits = |length: usize| length.to_string().len();
        let mut length = without_digits + digits(without_digits);
        // One more digit may take one more byte.
        length = without_digits + digits(length);
        bytes.extend_from_slice(length.to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(key);
        bytes.push(b'=');
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

/// The value of the last record with this key; an empty value takes earlier ones back.
pub(super) fn find<'a>(records: &'a Records, key: &str) -> Option<&'a [u8]> {
    let found = records.iter().rev().find(|(found, _)| found == key.as_bytes());
    found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
}

/// A decimal number without a sign.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let is_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_digits)?.parse().ok()
}

/// Seconds since 1970 with a fraction, which may be finer than nanoseconds.
pub(super) fn time(value: &[u8]) -> Option<Timestamp> {
    let (is_negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = i64::try_from(number(whole)?).ok()?;
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| 10 * nanos + u32::from(digit - b'0'));
    Some(match (is_negative, nanos) {
        (false, nanos) => Timestamp { seconds, nanos },
        (true, 0) => Timestamp { seconds: -seconds, nanos: 0 },
        // The nanoseconds count upwards from the second.
        (true, nanos) => Timestamp { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// The reverse of [`time`].
pub(super) fn decimal(time: Timestamp) -> String {
    let Timestamp { seconds, nanos } = time;
    if seconds >= 0 || nanos == 0 {
        return format!("{seconds}.{nanos:09}");
    }
    let whole = seconds + 1;
    format!("{}{}.{:09}", if whole == 0 { "-" } else { "" }, whole, 1_000_000_000 - nanos)
}

#[cfg(test)]
mod tests {
    use super::{decimal, decode, encode, find, time};
    use keepfast_repo_format::tree::entry::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_back(records in prop::collection::vec(("[a-zA-Z.]{1,12}", prop::collection::vec(any::<u8>(), 0..1100)), 0..6)) {
            let records = records.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect();
            prop_assert_eq!(decode(&encode(&records)), Some(records));
        }

        #[test]
        fn any_bytes_are_records_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn times_come_back(seconds in -(1_i64 << 50)..1 << 50, nanos in 0_u32..1_000_000_000) {
            let stamp = Timestamp { seconds, nanos };
            prop_assert_eq!(time(decimal(stamp).as_bytes()), Some(stamp));
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [
            &b"5 a=b\n"[..],
            b"7 a=b\n",
            b"6 abc\n",
            b"6 a=b",
            b" a=b\n",
            b"6 =ab\n",
            b"99999999999999999999 a=b\n",
            b"0 \n",
            b"1",
        ] {
            assert_eq!(decode(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(decode(b"6 a=b\n\0\0").unwrap().len(), 1);
    }

    #[test]
    fn an_empty_value_takes_the_earlier_one_back() {
        let records = decode(b"6 a=b\n5 a=\n6 c=d\n").unwrap();
        assert_eq!((find(&records, "a"), find(&records, "c")), (None, Some(&b"d"[..])));
    }

    #[test]
    fn times_may_be_finer_than_nanoseconds() {
        assert_eq!(time(b"1.1234567899"), Some(Timestamp { seconds: 1, nanos: 123_456_789 }));
        assert_eq!(time(b"-0.5"), Some(Timestamp { seconds: -1, nanos: 500_000_000 }));
        for bad in [&b""[..], b".5", b"1.x", b"--1", b"1e5", b"99999999999999999999"] {
            assert_eq!(time(bad), None, "{}", bad.escape_ascii());
        }
    }
}
