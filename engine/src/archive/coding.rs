// SPDX-License-Identifier: MIT OR Apache-2.0
//! How an archive is compressed as a whole: told by its first bytes when it is read, chosen by the user when it is written.
//!
//! For readers and writers of archives. Each decoder reads its input to the end, so that check sums behind the last member are compared.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::error::Fault;

/// Bytes read from a file at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Enough to tell a format: a tar archive tells itself behind its first 257 bytes.
const HEAD_BYTES: usize = 512;

/// How an archive is compressed, and how hard when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Plain,
    /// With gzip.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// With zstd.
    Zstd {
        /// 1 to 19.
        level: i32,
    },
}

/// What a file begins with, and what that is.
const FORMATS: [(&[u8], Found); 12] = [
    (b"\x1f\x8b", Found::Gzip),
    (b"\x28\xb5\x2f\xfd", Found::Zstd),
    (b"\xfd7zXZ\0", Found::Xz),
    (b"BZh", Found::Bzip2),
    (b"\x1f\x9d", Found::Other("compressed with `compress`")),
    (b"LZIP", Found::Other("compressed with lzip")),
    (b"\x04\x22\x4d\x18", Found::Other("compressed with lz4")),
    (b"PK\x03\x04", Found::Other("a zip file")),
    (b"7z\xbc\xaf\x27\x1c", Found::Other("a 7z file")),
    (b"070701", Found::Other("a cpio archive")),
    (b"070707", Found::Other("a cpio archive")),
    (b"-----BEGIN PGP", Found::Other("an encrypted or signed file")),
];

#[derive(Clone, Copy)]
enum Found {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Other(&'static str),
}

/// The decompressed bytes of `input`, whatever compresses them.
///
/// # Errors
/// The input can not be read, or is of a format that this does not know.
pub(crate) fn decoded<'a>(mut input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, Fault> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    if head.is_empty() {
        return Err(Fault::OtherFormat { found: "an empty file" });
    }
    let found = FORMATS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, found)| *found);
    let input = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
    Ok(match found {
        None => Box::new(input),
        Some(Found::Gzip) => Box::new(GzipMembers(Some(GzDecoder::new(input)))),
        Some(Found::Zstd) => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        Some(Found::Xz) => Box::new(lzma_rust2::XzReader::new(input, true)),
        Some(Found::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Some(Found::Other(found)) => return Err(Fault::OtherFormat { found }),
    })
}

/// All members of a gzip file, one after the other. Zeros behind the last one are padding, as of a tape; anything else is damage.
struct GzipMembers<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let rest = self.0.take().map(GzDecoder::into_inner);
            self.0 = rest.map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut has_padding = false;
    loop {
        match rest.fill_buf()? {
            [] => return Ok(None),
            [0, ..] => {
                has_padding = true;
                rest.consume(1);
            }
            [0x1f, ..] if !has_padding => return Ok(Some(GzDecoder::new(rest))),
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "behind its last member the gzip file goes on"));
            }
        }
    }
}

/// Compresses what is written into it.
pub enum Encoder<W: Write> {
    /// Not at all.
    Plain(W),
    /// With gzip.
    Gzip(GzEncoder<W>),
    /// With zstd.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// In front of `output`. The same bytes give the same output: no time and no name is noted.
    ///
    /// # Errors
    /// The level is none.
    pub fn new(output: W, coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Plain => Self::Plain(output),
            Coding::Gzip { level } => Self::Gzip(GzEncoder::new(output, flate2::Compression::new(level))),
            Coding::Zstd { level } => {
                let mut encoder = zstd::stream::write::Encoder::new(output, level)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The output.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
        .and_then(|mut output| output.flush())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Nothing: flushing in between would cut the compression short.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
