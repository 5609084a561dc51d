// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking inside archives: a file that begins as gzip, zip, zlib or tar becomes a stream that deflate does not hide, and a
//! recipe for each layer; and the way back, to the identical bytes (`docs/format.md` section 8.5).
//!
//! For operations that store or give back contents. Everything streams, in bounded memory; a deflate stream counts only after it was
//! made again from what is stored and compared. Knows no chunk, no file and no repository.

mod deflate;
mod layer;
mod rewrap;
mod signs;
mod unwrapper;

#[cfg(test)]
mod tests;

pub use deflate::is_guarded;
pub use rewrap::{Faults, Piece, RewrapError, Rewrapped, Supply};
pub use signs::{HEAD_BYTES, is_archive};
pub use unwrapper::{Part, Unwrapped, Unwrapper, whole};

/// Version of `preflate-rs` that takes deflate apart: it stands in every recipe. Another one may not understand the corrections.
pub const LIBRARY: &str = "0.7.6";

/// What unwrapping may cost. One place, so that nobody has to add up limits from several.
mod limits {
    /// Compressed bytes that are looked at together.
    pub const WINDOW_BYTES: usize = 1 << 20;
    /// The same at the beginning of a deflate stream. The library guesses the compressor from these: for zlib's streams 1 MiB is enough,
    /// but most of miniz's of a text had a match behind that which its guess can not make, and everything from there on was lost.
    pub const FIRST_WINDOW_BYTES: usize = 4 << 20;
    /// A block of deflate that does not fit in here stays raw. Blocks have 10 to 300 KB; only odd compressors make one of everything.
    pub const MAX_WINDOW_BYTES: usize = keepfast_repo_format::recipe::MAX_PACKED_BYTES;
    /// Plain bytes that the library may hold. zlib makes at most 4.3 MB of one block (16,383 matches of 258 bytes), so bombs get this far.
    pub const PLAIN_BYTES: usize = 16 << 20;
    /// Plain bytes of one deflate stream: the library counts them in 31 bits. What follows stays raw.
    pub const STREAM_BYTES: u64 = (1 << 31) - (64 << 20);
    /// Streams shorter than this stay raw: record, parameters and ids would take as much as is won.
    pub const MIN_PACKED_BYTES: usize = 256;
    /// Corrections may take this share of the packed bytes (and [`FREE_CORRECTIONS_BYTES`]); with more, the original is cheaper.
    /// GNU gzip and zlib take 0.2 %; unknown compressors 5 to 30 %.
    pub const CORRECTIONS_SHARE: usize = 4;
    /// What the parameters of the shortest stream take.
    pub const FREE_CORRECTIONS_BYTES: usize = 64;
    /// A layer's stream may have this many times the file's bytes so far ... Dumps reach 20 to 50, deflate ends at 1032: beyond it
    /// are bombs and zeros, which cost nothing as they are.
    pub const MAX_RATIO: u64 = 200;
    /// ... and this many more, so that small files are not held to it.
    pub const FREE_STREAM_BYTES: u64 = 16 << 20;
    /// Attempts that may come to nothing, and ...
    pub const FREE_FAILURES: u64 = 32;
    /// ... one more for this many bytes of the file: each costs up to a window. Then the rest is taken as it is.
    pub const BYTES_PER_FAILURE: u64 = 1 << 20;
    /// Plaintexts below this many bytes have no cut points of their own, as members of a tar archive do not (`keepfast_chunker`).
    pub const CUT_BYTES: usize = 4096;
    /// Raw bytes between two deflate streams, if fewer than this, stand in the recipe: headers change every night, and the stream of a
    /// `.sql.gz` shall be the dump and nothing else.
    pub const INLINE_BYTES: usize = 4096;
    /// A header longer than this is none.
    pub const MAX_HEADER_BYTES: usize = 2048;
}
