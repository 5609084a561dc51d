// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only place that calls `preflate-rs`: deflate to plain bytes and corrections, and back.
//!
//! The library panics on some input that it does not expect. It works on copies and has no state outside of its own values, so a
//! panic costs the deflate stream at hand and nothing else. When it does not find a match it prints lines to standard output, which
//! no call of it prevents: a program that prints there itself has to keep the two apart.

use std::cell::Cell;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keepfast_repo_format::recipe::{MAX_PLAIN_BYTES, Place};
use preflate_rs::{ExitCode, PreflateConfig, PreflateStreamProcessor, RecreateStreamProcessor};

use super::limits::{CORRECTIONS_SHARE, FREE_CORRECTIONS_BYTES, PLAIN_BYTES, STREAM_BYTES};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is where a panic is expected and costs nothing: for the program's panic hook, which then stays silent.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Runs the library; `None` if it panicked.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    GUARDED.set(true);
    // Whoever calls drops the library's values after a panic.
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.ok()
}

/// Takes one deflate stream apart, block by block.
pub(super) struct Taker {
    library: PreflateStreamProcessor,
    /// Makes what was taken once more: what a restore will do.
    proof: Maker,
    plain_bytes: u64,
    pub(super) place: Place,
}

/// A part of a deflate stream that comes back as it was.
pub(super) struct Taken {
    /// Bytes of the window that it covers.
    pub(super) packed: usize,
    pub(super) plain: Vec<u8>,
    pub(super) corrections: Vec<u8>,
    /// Whether the deflate stream ends here.
    pub(super) is_done: bool,
}

/// What became of a window.
pub(super) enum Outcome {
    Taken(Taken),
    /// There is not even one whole block in it.
    NeedsMore,
    /// It is no deflate, or does not come back, or costs too much.
    Failed,
}

impl Taker {
    pub(super) fn new() -> Self {
        // Verified here, by the very code that restores.
        let config = PreflateConfig { plain_text_limit: PLAIN_BYTES, verify_compression: false, ..Default::default() };
        let library = PreflateStreamProcessor::new(&config);
        Self { library, proof: Maker::new(), plain_bytes: 0, place: Place::First }
    }

    /// Takes whole blocks from the front of `window`. After anything but [`Outcome::NeedsMore`] and [`Outcome::Taken`] it is of no use.
    pub(super) fn take(&mut self, window: &[u8]) -> Outcome {
        if self.plain_bytes + MAX_PLAIN_BYTES as u64 > STREAM_BYTES {
            return Outcome::Failed;
        }
        let library = &mut self.library;
        let taken = guarded(|| {
            let chunk = library.decompress(window)?;
            let plain = library.plain_text().text().to_vec();
            library.shrink_to_dictionary();
            Ok::<_, preflate_rs::PreflateError>((chunk.compressed_size, plain, chunk.corrections))
        });
        let (packed, plain, corrections) = match taken {
            Some(Ok(taken)) => taken,
            Some(Err(error)) if error.exit_code() == ExitCode::ShortRead => return Outcome::NeedsMore,
            Some(Err(_)) | None => return Outcome::Failed,
        };
        let is_cheap = corrections.len() <= packed / CORRECTIONS_SHARE + FREE_CORRECTIONS_BYTES;
        if packed == 0 || plain.len() > MAX_PLAIN_BYTES || !is_cheap {
            return Outcome::Failed;
        }
        if self.proof.make(&plain, &corrections).is_none_or(|made| made != window[..packed]) {
            return Outcome::Failed;
        }
        self.plain_bytes += plain.len() as u64;
        Outcome::Taken(Taken { packed, plain, corrections, is_done: self.library.is_done() })
    }
}

/// Makes one deflate stream again, part by part.
pub(super) struct Maker(RecreateStreamProcessor);

impl Maker {
    pub(super) fn new() -> Self {
        Self(RecreateStreamProcessor::new())
    }

    /// The next part; `None` if the corrections do not fit the plain bytes: it is of no use then.
    pub(super) fn make(&mut self, plain: &[u8], corrections: &[u8]) -> Option<Vec<u8>> {
        let library = &mut self.0;
        match guarded(|| library.recompress(&mut Cursor::new(plain), corrections)) {
            Some(Ok((made, _))) => Some(made),
            Some(Err(_)) | None => None,
        }
    }
}
