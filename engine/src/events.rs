// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an operation tells its caller while it runs. The library prints nothing; the cli implements [`Events`].

pub use keepfast_repo_format::manifest::{Problem, ProblemCode};

/// Receives progress and non-fatal problems. Every method may be called from several threads at once and must return quickly.
pub trait Events: Sync {
    /// A path was finished: `bytes` of content, read or known to be unchanged.
    fn path_done(&self, _path: &[u8], _bytes: u64) {}

    /// Content bytes went by within a path (big files report as they go; their `path_done` then carries 0).
    fn bytes_done(&self, _bytes: u64) {}

    /// The operation learned how much there is to do.
    fn expected(&self, _paths: u64, _bytes: u64) {}

    /// Something could not be saved or restored, and the operation goes on.
    fn problem(&self, _problem: &Problem) {}

    /// A command whose output is captured as `path` said this on standard error.
    fn said(&self, _path: &[u8], _line: &str) {}

    /// Whether the user asked to stop. Operations look at it between chunks of work.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Tells nobody.
pub struct Silent;

impl Events for Silent {}
