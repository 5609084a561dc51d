// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments: runs of chunks, compressed and sealed together (`docs/format.md` section 6).
//!
//! For writers and readers of packs; every byte of a backup goes through here, so no buffer is copied without need. Knows
//! no pack: a segment can be moved between packs as it is.

use std::ops::Range;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

use crate::crypto::{NONCE_LEN, TAG_LEN, hedged_nonce, random};
use crate::envelope::SUITE;
use crate::error::FormatError;
use crate::id::{ChunkId, RepositoryId};
use crate::keys::SessionKey;

const WHAT: &str = "segment";
const AAD_LABEL: &[u8] = b"keepfast v1 segment";
/// Bytes of plaintext in a segment at most.
pub const MAX_PLAIN_BYTES: usize = 16 << 20;
/// Bytes of base chunks of a segment at most.
pub const MAX_PREFIX_BYTES: usize = 16 << 20;
/// Steps at most from a segment without edges to one that needs it.
pub const MAX_DELTA_STEPS: u32 = 16;
/// Bytes that sealing adds to a payload.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// How a segment's plaintext became its payload; the numbers are the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is: zstd does not make it smaller.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
    /// One zstd frame with the segment's base chunks, concatenated, as prefix.
    Delta = 2,
}

impl Codec {
    /// The codec with this stored number.
    pub fn from_stored(number: u8) -> Option<Self> {
        [Self::Raw, Self::Zstd, Self::Delta].into_iter().find(|codec| *codec as u8 == number)
    }
}

/// What a segment holds before it is sealed; room for the nonce is kept in front of it.
#[derive(Clone, Debug)]
pub struct Payload {
    codec: Codec,
    plain_len: u32,
    buffer: Vec<u8>,
}

impl Payload {
    /// How it came from the plaintext.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The payload without the room in front.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[NONCE_LEN..]
    }

    fn new(codec: Codec, plain_len: usize, bytes: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(bytes.len() + OVERHEAD);
        buffer.extend_from_slice(&[0; NONCE_LEN]);
        buffer.extend_from_slice(bytes);
        Self { codec, plain_len: plain_len as u32, buffer }
    }
}

/// A segment as it is stored, with what its row in the directory needs.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Nonce, ciphertext and tag.
    pub stored: Vec<u8>,
    /// How the payload came from the plaintext.
    pub codec: Codec,
    /// Bytes of plaintext.
    pub plain_len: u32,
}

/// Compresses segments; one per thread, because it keeps its context and its buffer.
pub struct Compressor {
    context: zstd::bulk::Compressor<'static>,
    level: i32,
    scratch: Vec<u8>,
}

impl Compressor {
    /// A compressor with this zstd level; levels outside zstd's range are moved into it.
    ///
    /// # Panics
    /// When there is no memory for a context.
    pub fn new(level: i32) -> Self {
        let known = zstd::compression_level_range();
        let level = level.clamp(*known.start(), *known.end());
        let context = zstd::bulk::Compressor::new(level).expect("there is memory for a context of a known level");
        Self { context, level, scratch: Vec::new() }
    }

    /// Compresses with this zstd level from now on; levels outside zstd's range are moved into it.
    ///
    /// # Panics
    /// Never: a level inside the range is always taken.
    pub fn set_level(&mut self, level: i32) {
        let known = zstd::compression_level_range();
        let level = level.clamp(*known.start(), *known.end());
        self.context.set_compression_level(level).expect("the level is inside zstd's range");
        self.level = level;
    }

    /// The payload of `plain`: compressed, or raw when that is not smaller.
    ///
    /// # Panics
    /// When `plain` is longer than [`MAX_PLAIN_BYTES`]: no reader would accept the result.
    pub fn compress(&mut self, plain: &[u8]) -> Payload {
        assert!(plain.len() <= MAX_PLAIN_BYTES, "a segment of {} bytes could never be read", plain.len());
        self.scratch.clear();
        self.scratch.reserve(compress_bound(plain.len()));
        match self.context.compress_to_buffer(plain, &mut self.scratch) {
            // The buffer is larger than the segment will be, and stays for the next one.
            Ok(length) if length < plain.len() => Payload::new(Codec::Zstd, plain.len(), &self.scratch[..length]),
            _ => Payload::new(Codec::Raw, plain.len(), plain),
        }
    }

    /// The delta payload of `plain` against `prefix`, the segment's base chunks one after the other; `None` when that is not smaller than
    /// `plain` itself.
    ///
    /// # Panics
    /// When `plain` or `prefix` is longer than a reader would accept, or there is no memory for a context.
    pub fn compress_delta(&mut self, plain: &[u8], prefix: &[u8]) -> Option<Payload> {
        assert!(plain.len() <= MAX_PLAIN_BYTES, "a segment of {} bytes could never be read", plain.len());
        assert!(prefix.len() <= MAX_PREFIX_BYTES, "{} bytes of base chunks could never be read", prefix.len());
        self.scratch.clear();
        self.scratch.reserve(compress_bound(plain.len()));
        // A context that has seen a prefix is bound to the prefix's life, so each has its own.
        let mut context = CCtx::create();
        let window = usize::BITS - (plain.len() + prefix.len()).leading_zeros();
        let table = window.saturating_sub(TABLE_SHARE_LOG).max(window.clamp(MIN_TABLE_LOG, WHOLE_TABLE_LOG));
        let parameters = [
            CParameter::CompressionLevel(self.level),
            CParameter::WindowLog(window.clamp(MIN_WINDOW_LOG, MAX_WINDOW_LOG)),
            CParameter::HashLog(table),
            CParameter::ChainLog(table),
        ];
        for parameter in parameters {
            context.set_parameter(parameter).expect("level and window are inside zstd's range");
        }
        context.ref_prefix(prefix).expect("a new context takes a prefix");
        match context.compress2(&mut self.scratch, plain) {
            Ok(length) if length < plain.len() => {
                Some(Payload::new(Codec::Delta, plain.len(), &self.scratch[..length]))
            }
            _ => None,
        }
    }
}

/// Windows of zstd, as powers of two: the least it takes, and the one that spans the longest segment and prefix.
const MIN_WINDOW_LOG: u32 = 10;
const MAX_WINDOW_LOG: u32 = (MAX_PLAIN_BYTES + MAX_PREFIX_BYTES).ilog2();

/// zstd's own tables are made for the segment alone, and forget most of a prefix: with level 3 a nightly dump took 1.24 MB in place of 0.89,
/// with level 6 and a longer prefix five times what it takes with this share of the window, which is a quarter.
const TABLE_SHARE_LOG: u32 = 2;
/// Up to this window a table holds every place: with fewer the beginning of a prefix is forgotten.
const WHOLE_TABLE_LOG: u32 = 18;
const MIN_TABLE_LOG: u32 = 10;

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor(..)")
    }
}

/// Decompresses segments; one per thread, because it keeps its context, and for [`view`] its buffers.
pub struct Decompressor {
    context: DCtx<'static>,
    stored: Vec<u8>,
    plain: Vec<u8>,
}

/// Base chunks that begin so would be taken for a dictionary of zstd's own format (RFC 8878 section 5).
const DICTIONARY_MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();

impl Decompressor {
    /// A decompressor.
    ///
    /// # Panics
    /// When there is no memory for a context.
    pub fn new() -> Self {
        Self { context: DCtx::create(), stored: Vec::new(), plain: Vec::new() }
    }
}

/// Decompresses into `plain`, whose content goes.
fn decompress(
    context: &mut DCtx,
    payload: &[u8],
    plain: &mut Vec<u8>,
    plain_len: usize,
    prefix: &[u8],
) -> Result<(), FormatError> {
    plain.clear();
    plain.reserve_exact(plain_len);
    let taken = if prefix.is_empty() {
        context.decompress(plain, payload)
    } else if prefix.starts_with(&DICTIONARY_MAGIC) {
        // A context that has a prefix is bound to the prefix's life, like the compressor's.
        let mut context = DCtx::create();
        context.ref_prefix(prefix).and_then(|_| context.decompress(plain, payload))
    } else {
        context.decompress_using_dict(plain, payload, prefix)
    };
    match taken {
        Ok(length) if length == plain_len => Ok(()),
        _ => Err(FormatError::Decompress { what: WHAT, expected: plain_len as u64 }),
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decompressor(..)")
    }
}

/// Seals a payload in place. `number` counts the segments of the session key; with the ids of the chunks inside it
/// keeps nonces apart even where the system's random bytes repeat.
pub fn seal(
    key: &SessionKey,
    repository: &RepositoryId,
    number: u32,
    payload: Payload,
    chunk_ids: &[ChunkId],
) -> Sealed {
    let Payload { codec, plain_len, mut buffer } = payload;
    let payload_len = (buffer.len() - NONCE_LEN) as u32;
    let numbers = [number.to_le_bytes(), plain_len.to_le_bytes(), payload_len.to_le_bytes()];
    let codec_byte = [codec as u8];
    let head: [&[u8]; 2] = [numbers.as_flattened(), &codec_byte];
    let content: Vec<&[u8]> = head.into_iter().chain(chunk_ids.iter().map(ChunkId::as_bytes)).collect();
    let nonce = hedged_nonce(key.key(), &random(), &content);
    let (front, body) = buffer.split_at_mut(NONCE_LEN);
    front.copy_from_slice(&nonce);
    let tag = XChaCha20Poly1305::new(key.key().into())
        .encrypt_inout_detached((&nonce).into(), &aad(key, repository), body.into())
        .expect("no segment comes near the cipher's 256 GiB");
    buffer.extend_from_slice(&tag);
    Sealed { stored: buffer, codec, plain_len }
}

/// The plaintext of a stored segment. `prefix` is its base chunks one after the other, empty unless the codec is delta. That its chunks
/// have the content their ids promise is for the caller to check, and so that the base chunks had.
///
/// # Errors
/// Out of range for a `plain_len` beyond [`MAX_PLAIN_BYTES`] or a prefix beyond [`MAX_PREFIX_BYTES`]; truncated, unauthentic, or not
/// `plain_len` bytes of plaintext.
pub fn open(
    key: &SessionKey,
    repository: &RepositoryId,
    mut stored: Vec<u8>,
    codec: Codec,
    plain_len: u32,
    prefix: &[u8],
    decompressor: &mut Decompressor,
) -> Result<Vec<u8>, FormatError> {
    let mut plain = Vec::new();
    decrypt(key, repository, &mut stored)?;
    let payload = decode(&stored, codec, plain_len, prefix, &mut decompressor.context, &mut plain)?;
    if let Some(payload) = payload {
        stored.truncate(payload.end);
        stored.drain(..payload.start);
        return Ok(stored);
    }
    Ok(plain)
}

/// The same for whoever only looks at the plaintext: it lies in the decompressor's memory, and goes with the next segment.
///
/// # Errors
/// As [`open`].
pub fn view<'a>(
    key: &SessionKey,
    repository: &RepositoryId,
    stored: &[u8],
    codec: Codec,
    plain_len: u32,
    prefix: &[u8],
    decompressor: &'a mut Decompressor,
) -> Result<&'a [u8], FormatError> {
    let Decompressor { context, stored: opened, plain } = decompressor;
    opened.clear();
    opened.extend_from_slice(stored);
    decrypt(key, repository, opened)?;
    let payload = decode(opened, codec, plain_len, prefix, context, plain)?;
    Ok(payload.map_or(&plain[..], |payload| &opened[payload]))
}

/// Puts the plaintext of a decrypted segment into `plain`, or says where in the segment it stands as it is.
fn decode(
    decrypted: &[u8],
    codec: Codec,
    plain_len: u32,
    prefix: &[u8],
    context: &mut DCtx,
    plain: &mut Vec<u8>,
) -> Result<Option<Range<usize>>, FormatError> {
    let plain_len = plain_len as usize;
    let limits = [
        ("plain length of a segment", plain_len, MAX_PLAIN_BYTES),
        ("length of a segment's base chunks", prefix.len(), MAX_PREFIX_BYTES),
    ];
    for (what, found, max) in limits {
        if found > max {
            return Err(FormatError::OutOfRange { what, found: found as u64, min: 0, max: max as u64 });
        }
    }
    let payload = NONCE_LEN..decrypted.len() - TAG_LEN;
    let prefix = match codec {
        Codec::Raw if payload.len() == plain_len => return Ok(Some(payload)),
        Codec::Raw => return Err(FormatError::Decompress { what: WHAT, expected: plain_len as u64 }),
        Codec::Zstd => &[],
        Codec::Delta => prefix,
    };
    decompress(context, &decrypted[payload], plain, plain_len, prefix)?;
    Ok(None)
}

/// Decrypts between nonce and tag, which stay where they are.
fn decrypt(key: &SessionKey, repository: &RepositoryId, stored: &mut [u8]) -> Result<(), FormatError> {
    let (needed, found) = (OVERHEAD as u64, stored.len() as u64);
    let truncated = FormatError::Truncated { what: WHAT, needed, found };
    let Some((nonce, rest)) = stored.split_first_chunk_mut::<NONCE_LEN>() else { return Err(truncated) };
    let Some((body, tag)) = rest.split_last_chunk_mut::<TAG_LEN>() else { return Err(truncated) };
    XChaCha20Poly1305::new(key.key().into())
        .decrypt_inout_detached((&*nonce).into(), &aad(key, repository), body.into(), &Tag::from(*tag))
        .map_err(|_| FormatError::Unauthentic { what: WHAT })
}

fn aad(key: &SessionKey, repository: &RepositoryId) -> Vec<u8> {
    let suite = SUITE.to_le_bytes();
    [AAD_LABEL, repository.as_bytes(), &[key.kind.letter()], &suite, key.id.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
