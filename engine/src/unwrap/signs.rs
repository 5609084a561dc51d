// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where deflate streams begin: gzip members, entries of a zip archive, zlib streams. By content, never by name.
//!
//! A sign is a guess that costs an attempt when it is wrong: whatever is found here is verified before it counts.

use super::limits::MAX_HEADER_BYTES;

/// Bytes at the beginning of a file that are enough for [`is_archive`].
pub const HEAD_BYTES: usize = 512;

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// Place of the byte of it that text never has: a search for `P` would stop at every hundredth byte of a program.
const ZIP_RARE: usize = 2;
/// Bytes of a sign at most; so many at the end of what is in view may be the beginning of one.
const SIGN_BYTES: usize = ZIP.len();

/// Whether a file that begins like this is looked into: the first [`HEAD_BYTES`], or all if it is shorter.
pub fn is_archive(head: &[u8]) -> bool {
    let is_tar = head.get(257..262) == Some(&b"ustar"[..]);
    is_tar || head.starts_with(&ZIP) || is_zlib(head) || (head.starts_with(&GZIP) && head.len() >= 18)
}

/// zlib with a window of 32 KiB and no dictionary. Too weak a sign for anywhere but the beginning.
fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [0x78, flags, ..] if flags & 0x20 == 0 && (0x7800 | u16::from(*flags)).is_multiple_of(31))
}

/// A place where a deflate stream may begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// None; this many bytes can be passed over.
    None { passed: usize },
    /// The header at `start` is not whole yet.
    Part { start: usize },
    /// The deflate stream begins at `body`.
    Body { body: usize },
}

/// Which part of its region the bytes in view are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    Middle,
}

/// The next sign in `data`. With `is_last` nothing follows `data`.
pub(super) fn next(data: &[u8], from: From, is_last: bool) -> Sign {
    if from == From::Beginning && is_zlib(data) {
        return Sign::Body { body: 2 };
    }
    let mut at = 0;
    while let Some(found) = memchr::memchr2(GZIP[0], ZIP[ZIP_RARE], &data[at..]) {
        let found = at + found;
        at = found + 1;
        let start = if data[found] == GZIP[0] { Some(found) } else { found.checked_sub(ZIP_RARE) };
        let Some(start) = start else { continue };
        match header(&data[start..]) {
            Header::Whole(length) => return Sign::Body { body: start + length },
            Header::Part if !is_last => return Sign::Part { start },
            Header::Part | Header::None => {}
        }
    }
    match (1..=ZIP_RARE).rev().find(|length| data.ends_with(&ZIP[..*length])) {
        Some(length) if !is_last => Sign::Part { start: data.len() - length },
        _ => Sign::None { passed: data.len() },
    }
}

enum Header {
    None,
    Part,
    Whole(usize),
}

fn header(data: &[u8]) -> Header {
    let begins = |sign: &[u8]| data.iter().zip(sign).all(|(byte, sign)| byte == sign);
    if !begins(&GZIP) && !begins(&ZIP) {
        return Header::None;
    }
    if data.len() < SIGN_BYTES {
        return Header::Part;
    }
    let length = if data[0] == GZIP[0] { gzip(data) } else { zip(data) };
    match length {
        Some(0) => Header::None,
        Some(length) if length <= MAX_HEADER_BYTES => Header::Whole(length),
        None if data.len() <= MAX_HEADER_BYTES => Header::Part,
        _ => Header::None,
    }
}

/// Length of a gzip header (RFC 1952); 0 if it is none, `None` if more has to be in view.
fn gzip(data: &[u8]) -> Option<usize> {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let flags = *data.get(3)?;
    if flags & 0xe0 != 0 {
        return Some(0);
    }
    let mut at = 10;
    if flags & EXTRA != 0 {
        at += 2 + usize::from(u16_at(data, at)?);
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            at += 1 + memchr::memchr(0, data.get(at..)?)?;
        }
    }
    if flags & CRC != 0 {
        at += 2;
    }
    (data.len() >= at).then_some(at)
}

/// Length of a zip entry's local header; 0 if its content is not deflated, or encrypted.
fn zip(data: &[u8]) -> Option<usize> {
    const ENCRYPTED: u16 = 1;
    const DEFLATED: u16 = 8;
    let (flags, method) = (u16_at(data, 6)?, u16_at(data, 8)?);
    if flags & ENCRYPTED != 0 || method != DEFLATED {
        return Some(0);
    }
    let length = 30 + usize::from(u16_at(data, 26)?) + usize::from(u16_at(data, 28)?);
    (data.len() >= length || length > MAX_HEADER_BYTES).then_some(length)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip_header(flags: u8, rest: &[u8]) -> Vec<u8> {
        [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3], rest].concat()
    }

    #[test]
    fn a_gzip_header_is_as_long_as_its_flags_say() {
        let headers = [
            (gzip_header(0, b""), 10),
            (gzip_header(8, b"dump.sql\0"), 19),
            (gzip_header(4, b"\x03\0abc"), 15),
            (gzip_header(4 | 8 | 16 | 2, b"\x01\0xname\0comment\0cc"), 10 + 3 + 5 + 8 + 2),
        ];
        for (header, length) in headers {
            let data = [b"before", &header[..], b"deflate"].concat();
            assert_eq!(next(&data, From::Middle, false), Sign::Body { body: 6 + length });
            for cut in 7..6 + length {
                assert_eq!(next(&data[..cut], From::Middle, false), Sign::Part { start: 6 }, "{cut}");
                assert_eq!(next(&data[..cut], From::Middle, true), Sign::None { passed: cut });
            }
        }
    }

    #[test]
    fn headers_without_end_and_reserved_flags_are_no_signs() {
        let endless = gzip_header(8, &[b'x'; MAX_HEADER_BYTES]);
        assert_eq!(next(&endless, From::Middle, false), Sign::None { passed: endless.len() });
        let reserved = gzip_header(0x20, b"");
        assert_eq!(next(&reserved, From::Middle, false), Sign::None { passed: reserved.len() });
    }

    fn zip_header(flags: u8, method: u8) -> Vec<u8> {
        let mut header = [0; 30];
        header[..4].copy_from_slice(b"PK\x03\x04");
        (header[6], header[8], header[26], header[28]) = (flags, method, 4, 2);
        [&header[..], b"nameex"].concat()
    }

    #[test]
    fn only_deflated_entries_of_a_zip_that_are_not_encrypted_are_signs() {
        let data = [b"PP".to_vec(), zip_header(8, 8)].concat();
        assert_eq!(next(&data, From::Middle, false), Sign::Body { body: 2 + 36 });
        for other in [zip_header(1, 8), zip_header(0, 0), zip_header(0, 9)] {
            assert_eq!(next(&other, From::Beginning, true), Sign::None { passed: 36 });
        }
    }

    #[test]
    fn a_sign_that_may_begin_at_the_end_of_what_is_in_view_is_waited_for() {
        for length in 1..ZIP.len() {
            let data = [b"PK\x03 before".as_slice(), &ZIP[..length]].concat();
            assert_eq!(next(&data, From::Middle, false), Sign::Part { start: 10 }, "{length}");
            assert_eq!(next(&data, From::Middle, true), Sign::None { passed: data.len() });
        }
        for data in [&b"\x03K"[..], b"K\x03\x04", b"PX", b"PKPK\x03\x05"] {
            assert_eq!(next(data, From::Middle, false), Sign::None { passed: data.len() }, "{data:?}");
        }
    }

    #[test]
    fn zlib_is_a_sign_at_the_beginning_only() {
        for flags in [0x01, 0x5e, 0x9c, 0xda] {
            assert_eq!(next(&[0x78, flags, 3, 0], From::Beginning, true), Sign::Body { body: 2 });
            assert_eq!(next(&[0x78, flags, 3, 0], From::Middle, true), Sign::None { passed: 4 });
            assert!(is_archive(&[0x78, flags]));
        }
        assert!(!is_archive(&[0x78, 0x9d]) && !is_archive(b"") && !is_archive(b"text"));
    }
}
