// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments: runs of chunks, compressed and sealed together (`docs/format.md` section 6).
//!
//! For writers and readers of packs; every byte of a backup goes through here, so no buffer is copied without need. Knows
//! no pack: a segment can be moved between packs as it is.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305};

use crate::crypto::{NONCE_LEN, TAG_LEN, hedged_nonce, random};
use crate::envelope::{Features, SUITE};
use crate::error::FormatError;
use crate::id::{ChunkId, RepositoryId};
use crate::keys::SessionKey;

const WHAT: &str = "segment";
const AAD_LABEL: &[u8] = b"keepfast v1 segment";
/// Bytes of plaintext in a segment at most.
pub const MAX_PLAIN_BYTES: usize = 16 << 20;
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
    /// One zstd frame with base chunks as prefix; known in tables, not decoded yet.
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
        Self { context, scratch: Vec::new() }
    }

    /// Compresses with this zstd level from now on; levels outside zstd's range are moved into it.
    ///
    /// # Panics
    /// Never: a level inside the range is always taken.
    pub fn set_level(&mut self, level: i32) {
        let known = zstd::compression_level_range();
        let level = level.clamp(*known.start(), *known.end());
        self.context.set_compression_level(level).expect("the level is inside zstd's range");
    }

    /// The payload of `plain`: compressed, or raw when that is not smaller.
    ///
    /// # Panics
    /// When `plain` is longer than [`MAX_PLAIN_BYTES`]: no reader would accept the result.
    pub fn compress(&mut self, plain: &[u8]) -> Payload {
        assert!(plain.len() <= MAX_PLAIN_BYTES, "a segment of {} bytes could never be read", plain.len());
        self.scratch.clear();
        self.scratch.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        match self.context.compress_to_buffer(plain, &mut self.scratch) {
            // The buffer is larger than the segment will be, and stays for the next one.
            Ok(length) if length < plain.len() => Payload::new(Codec::Zstd, plain.len(), &self.scratch[..length]),
            _ => Payload::new(Codec::Raw, plain.len(), plain),
        }
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor(..)")
    }
}

/// Decompresses segments; one per thread, because it keeps its context.
pub struct Decompressor {
    context: zstd::bulk::Decompressor<'static>,
}

impl Decompressor {
    /// A decompressor.
    ///
    /// # Panics
    /// When there is no memory for a context.
    pub fn new() -> Self {
        Self { context: zstd::bulk::Decompressor::new().expect("there is memory for a context") }
    }

    fn decompress(&mut self, payload: &[u8], plain_len: usize) -> Result<Vec<u8>, FormatError> {
        let mut plain = Vec::with_capacity(plain_len);
        match self.context.decompress_to_buffer(payload, &mut plain) {
            Ok(length) if length == plain_len => Ok(plain),
            _ => Err(FormatError::Decompress { what: WHAT, expected: plain_len as u64 }),
        }
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

/// The plaintext of a stored segment. That its chunks have the content their ids promise is for the caller to check.
///
/// # Errors
/// `Features` for delta, which this version does not decode; out of range for a `plain_len` beyond
/// [`MAX_PLAIN_BYTES`]; truncated, unauthentic, or not `plain_len` bytes of plaintext.
pub fn open(
    key: &SessionKey,
    repository: &RepositoryId,
    mut stored: Vec<u8>,
    codec: Codec,
    plain_len: u32,
    decompressor: &mut Decompressor,
) -> Result<Vec<u8>, FormatError> {
    let plain_len = plain_len as usize;
    if codec == Codec::Delta {
        Features { read: Features::DELTA, ..Features::default() }.check_read()?;
    }
    if plain_len > MAX_PLAIN_BYTES {
        let (found, max) = (plain_len as u64, MAX_PLAIN_BYTES as u64);
        return Err(FormatError::OutOfRange { what: "plain length of a segment", found, min: 0, max });
    }
    decrypt(key, repository, &mut stored)?;
    match codec {
        Codec::Raw if stored.len() == OVERHEAD + plain_len => {
            stored.truncate(NONCE_LEN + plain_len);
            stored.drain(..NONCE_LEN);
            Ok(stored)
        }
        Codec::Zstd => decompressor.decompress(&stored[NONCE_LEN..stored.len() - TAG_LEN], plain_len),
        _ => Err(FormatError::Decompress { what: WHAT, expected: plain_len as u64 }),
    }
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
