// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part of the format; see `docs/format.md`.

/// What kind of problem a path had; the numbers are the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProblemCode {
    /// It, or its content, could not be read.
    Unreadable = 1,
    /// It changed while it was read.
    Torn = 2,
    /// It was gone before it could be read.
    Vanished = 3,
    /// A part of its metadata could not be read.
    Metadata = 4,
    /// The command that should produce it failed.
    Stream = 5,
}

/// A path that is not, or not completely, in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path.
    pub path: Vec<u8>,
    /// What happened.
    pub code: ProblemCode,
    /// What the system said.
    pub text: String,
}
