// SPDX-License-Identifier: MIT OR Apache-2.0
//! One header block of a tar archive: v7, ustar and GNU have its fields in common. Layout by the `tar` crate; numbers are read
//! here, because the crate knows no negative ones and no empty fields.

use tar::Header;

use super::error::Fault;

/// Everything in a tar archive begins at a multiple of this many bytes.
pub(super) const BLOCK_BYTES: usize = 512;
pub(super) type Block = [u8; BLOCK_BYTES];

const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Fields of a header.
#[derive(Debug)]
pub(super) struct Fields {
    /// Type of the member, as stored.
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: i64,
    pub(super) mode: i64,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) modified: i64,
    pub(super) user: Vec<u8>,
    pub(super) group: Vec<u8>,
    pub(super) device: (i64, i64),
}

/// Reads a header.
///
/// # Errors
/// Its sum is wrong, or a field is no number.
pub(super) fn decode(block: &Block) -> Result<Fields, Fault> {
    if !has_sum(block) {
        return Err(Fault::NoHeader);
    }
    let header = Header::from_byte_slice(block);
    let old = header.as_old();
    let field = |what, field: &[u8]| number(field).ok_or_else(|| Fault::malformed(format!("{what} is no number")));
    // Only the ustar family has these; in an archive of v7 there is anything in their place.
    let device = match (header.as_ustar(), header.as_gnu()) {
        (Some(header), _) => (header.dev_major, header.dev_minor),
        (_, Some(header)) => (header.dev_major, header.dev_minor),
        _ => Default::default(),
    };
    Ok(Fields {
        kind: block[156],
        name: header.path_bytes().into_owned(),
        link: header.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default(),
        size: field("the size", &old.size)?,
        mode: field("the mode", &old.mode)?,
        uid: field("the user id", &old.uid)?,
        gid: field("the group id", &old.gid)?,
        modified: field("the time", &old.mtime)?,
        user: header.username_bytes().unwrap_or_default().to_vec(),
        group: header.groupname_bytes().unwrap_or_default().to_vec(),
        device: (field("a device number", &device.0)?, field("a device number", &device.1)?),
    })
}

/// Whether the sum in the header is that of its bytes. Some old programs added signed ones.
fn has_sum(block: &Block) -> bool {
    let counted = |at: usize| if CHECKSUM.contains(&at) { b' ' } else { block[at] };
    let unsigned: i64 = (0..BLOCK_BYTES).map(|at| i64::from(counted(at))).sum();
    let signed: i64 = (0..BLOCK_BYTES).map(|at| i64::from(counted(at).cast_signed())).sum();
    // An empty sum would make zeros a header.
    let field = &block[CHECKSUM];
    field.iter().any(u8::is_ascii_digit) && number(field).is_some_and(|sum| sum == unsigned || sum == signed)
}

/// Octal digits between spaces and zeros; or, where the first bit is set (GNU), a big-endian number with a sign. Nothing is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            let sign: i128 = if first & 0x40 != 0 { -1 } else { 0 };
            let start = sign << 6 | i128::from(first & 0x3f);
            // At most 12 bytes.
            i64::try_from(rest.iter().fold(start, |value, byte| value << 8 | i128::from(*byte))).ok()
        }
        _ => {
            let text = field.trim_ascii_start();
            let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(text.len());
            let digits = &text[..end];
            let is_octal = digits.iter().all(|byte| matches!(byte, b'0'..=b'7'));
            is_octal.then(|| digits.iter().fold(0, |value, digit| value << 3 | i64::from(digit - b'0')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, number};

    #[test]
    fn numbers_are_octal_or_binary_with_a_sign() {
        let table: [(&[u8], Option<i64>); 9] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000689\0", None),
            (b"-000644\0", None),
        ];
        for (field, expected) in table {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn a_block_with_another_sum_is_no_header() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a/b").unwrap();
        header.set_size(5);
        header.set_cksum();
        let mut block = *header.as_bytes();
        assert_eq!(decode(&block).unwrap().name, b"a/b");
        for at in 0..512 {
            block[at] ^= 1;
            // The field of the sum has signs that do not count.
            assert!(decode(&block).is_err() || (154..156).contains(&at), "{at}");
            block[at] ^= 1;
        }
        assert!(decode(&[0; 512]).is_err());
        assert!(decode(&[b' '; 512]).is_err());
    }
}
