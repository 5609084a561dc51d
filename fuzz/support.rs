// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys that fuzz targets open with: fixed, and made once, because deriving them takes longer than a decoder.

use std::sync::LazyLock;

use keepfast_repo_format::id::RepositoryId;
use keepfast_repo_format::keys::{Keys, RootSecret};

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::derive(&RootSecret::from_bytes([7; 32]), RepositoryId([7; 16]), 0));

/// Every key of the fuzzed repository.
pub fn keys() -> &'static Keys {
    &KEYS
}
