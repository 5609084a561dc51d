// SPDX-License-Identifier: MIT OR Apache-2.0
//! What fuzz targets share: keys, fixed and made once, because deriving them takes longer than a decoder; and envelopes around fuzzed
//! bytes, because no fuzzer finds a header's check by chance.

#![allow(dead_code, reason = "every target uses a part of it")]

use std::sync::LazyLock;

use keepfast_repo_format::envelope::{Header, Kind};
use keepfast_repo_format::id::RepositoryId;
use keepfast_repo_format::keys::{Keys, RootSecret};

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::derive(&RootSecret::from_bytes([7; 32]), RepositoryId([7; 16]), 0));

/// Every key of the fuzzed repository.
pub fn keys() -> &'static Keys {
    &KEYS
}

/// An object of the fuzzed repository with a header that fits.
pub fn object(kind: Kind, extension: &[u8], body: &[u8]) -> Vec<u8> {
    let header = Header::new(kind, keys().repository(), 0, extension.len(), body.len()).encode();
    [&header[..], extension, body].concat()
}

/// CBOR `[payload, 64 bytes of signature]`, in its one form.
pub fn signed(payload: &[u8]) -> Vec<u8> {
    let head = match payload.len() {
        len @ 0..=23 => vec![0x40 | len as u8],
        len @ 24..=0xff => vec![0x58, len as u8],
        len @ 0x100..=0xffff => [&[0x59][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[0x5a][..], &(len as u32).to_be_bytes()].concat(),
    };
    [&[0x82][..], &head, payload, &[0x58, 64], &[0; 64]].concat()
}
