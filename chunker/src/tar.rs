// SPDX-License-Identifier: MIT OR Apache-2.0
//! Just enough of the tar format (POSIX ustar and its descendants) to know where members' contents lie.
//!
//! For the cutter only. Reads nothing but headers, and believes none of them further than where to cut: a wrong or
//! hostile header moves cuts and can not hurt otherwise.

/// Headers and contents begin at multiples of this many bytes.
pub const BLOCK_BYTES: usize = 512;

const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..262;

/// Bytes of content that follow the header in `block`; `None` if it is no header.
///
/// The sum over the block tells a header from anything else. The magic is asked for as well: without it, archives
/// older than 1988 are cut as plain data, and so is everything else that only looks like a header.
pub fn content_len(block: &[u8; BLOCK_BYTES]) -> Option<u64> {
    if &block[MAGIC] != b"ustar" || octal(&block[CHECKSUM])? != sum(block) {
        return None;
    }
    match block[TYPE] {
        // Links, devices, folders and pipes have none, whatever their size field says.
        b'1'..=b'6' => Some(0),
        _ => number(&block[SIZE]),
    }
}

/// Length of `content` bytes with the zeros that fill their last block.
pub fn padded(content: u64) -> u64 {
    content.next_multiple_of(BLOCK_BYTES as u64)
}

fn sum(block: &[u8; BLOCK_BYTES]) -> u64 {
    let all: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let field: u64 = block[CHECKSUM].iter().map(|byte| u64::from(*byte)).sum();
    all - field + CHECKSUM.len() as u64 * u64::from(b' ')
}

/// Octal digits, or (GNU, for 8 GiB and more) a binary number behind a byte of 0x80.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => {
            let (high, low) = rest.split_at(rest.len() - 8);
            let value = low.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            (high.iter().all(|byte| *byte == 0) && value < 1 << 62).then_some(value)
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = field.trim_ascii_start();
    let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(text.len());
    let digits = &text[..end];
    let all_octal = !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    all_octal.then(|| digits.iter().fold(0, |value, digit| value << 3 | u64::from(digit - b'0')))
}
