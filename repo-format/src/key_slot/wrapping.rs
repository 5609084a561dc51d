// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a password or a key file to the key that wraps a bundle, and its commitment.
//!
//! For [`super::KeySlot`]. Bounds what a hostile slot can make this machine do.

use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::KeyFile;
use crate::crypto::{SymmetricKey, derive_xof};
use crate::envelope::within;
use crate::error::FormatError;

const OUTPUT_LEN: usize = 64;
const MIN_MEMORY_KIB: u32 = 8 << 10;
const MAX_MEMORY_KIB: u32 = 4 << 20;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// Cost of stretching a password with Argon2id. The default is 256 MiB, 3 passes, 4 lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl KdfParams {
    /// Parameters within the limits that every reader holds to.
    ///
    /// # Errors
    /// Out of range: memory not within 8 MiB to 4 GiB, passes or lanes not within 1 to 16.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, FormatError> {
        within("Argon2 memory in KiB", memory_kib.into(), MIN_MEMORY_KIB.into(), MAX_MEMORY_KIB.into())?;
        within("number of Argon2 passes", passes.into(), 1, MAX_PASSES.into())?;
        within("number of Argon2 lanes", lanes.into(), 1, MAX_LANES.into())?;
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes that may run at the same time.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Stretches `password`, in Unicode NFC: the same characters typed on another system are the same password.
    pub(super) fn stretch(&self, password: &str, salt: &[u8; 32]) -> Result<Wrapping, FormatError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT_LEN))
            .expect("the limits here are stricter than those of Argon2");
        // NFC never makes UTF-8 text longer than three times itself; without growing, no copy is left behind.
        let mut normal = Zeroizing::new(String::with_capacity(3 * password.len()));
        normal.extend(password.nfc());
        let mut output = Zeroizing::new([0; OUTPUT_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(normal.as_bytes(), salt, &mut *output)
            .map_err(|_| FormatError::Memory { kib: self.memory_kib })?;
        Ok(Wrapping::split(&output))
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self { memory_kib: 256 << 10, passes: 3, lanes: 4 }
    }
}

/// The key that wraps a bundle, and the commitment that tells it fits before anything is decrypted.
pub(super) struct Wrapping {
    pub(super) kek: SymmetricKey,
    pub(super) commitment: [u8; 32],
}

impl Wrapping {
    fn split(output: &[u8; OUTPUT_LEN]) -> Self {
        let (kek, commitment) = output.split_at(32);
        let half = |bytes: &[u8]| bytes.try_into().expect("half of 64 bytes is 32");
        Self { kek: SymmetricKey::new(half(kek)), commitment: half(commitment) }
    }
}

/// The wrapping key of a key file: its secret is random, so nothing needs stretching.
pub(super) fn of_key_file(file: &KeyFile, salt: &[u8; 32]) -> Wrapping {
    let mut output = Zeroizing::new([0; OUTPUT_LEN]);
    derive_xof("keepfast 2026 v1 key file", &[file.secret(), salt], &mut *output);
    Wrapping::split(&output)
}
