// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key slots (`docs/format.md` section 4.2): the root secret, wrapped by a password or a key file.
//!
//! For `init`, `key` and everything that opens a repository. Asks nobody for a password and reads no file.

use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{SymmetricKey, random};
use crate::envelope::{Envelope, Kind, within};
use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::keys::{Keys, RootSecret};
use crate::record::{from_cbor, open_body, seal_with, to_cbor};

mod key_file;
mod wrapping;

pub use key_file::KeyFile;
pub use wrapping::KdfParams;

const WHAT: &str = "key slot";
const BUNDLE_WHAT: &str = "key bundle";
const KIND_PASSWORD: u8 = 1;
const KIND_KEY_FILE: u8 = 2;
const BUNDLE_OWNER: u8 = 1;

/// The longest label in bytes.
pub const MAX_LABEL_BYTES: usize = 255;

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A password, stretched with these parameters.
    Password(KdfParams),
    /// A key file.
    KeyFile,
}

/// A key slot, not opened yet.
#[derive(Clone, Debug)]
pub struct KeySlot {
    object: Vec<u8>,
    repository: RepositoryId,
    protection: Protection,
    clear: Clear,
}

/// What a key slot holds.
#[derive(Clone, Debug)]
pub struct OpenedSlot {
    /// The root secret.
    pub root: RootSecret,
    /// The key epoch it belongs to.
    pub epoch: u16,
}

/// The extension: in clear, authenticated by the body.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Clear {
    #[n(0)]
    kind: u8,
    #[n(1)]
    memory_kib: u32,
    #[n(2)]
    passes: u32,
    #[n(3)]
    lanes: u32,
    #[cbor(n(4), with = "minicbor::bytes")]
    salt: [u8; 32],
    #[cbor(n(5), with = "minicbor::bytes")]
    commitment: [u8; 32],
    #[n(6)]
    created: u64,
    #[n(7)]
    label: String,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Bundle {
    #[n(0)]
    kind: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    root: [u8; 32],
    #[n(2)]
    epoch: u16,
}

impl KeySlot {
    /// Reads the clear part of a slot. `repository` is `None` only where it is not known yet.
    ///
    /// # Errors
    /// As [`Envelope::parse`]; malformed; out of range for parameters that would exhaust memory or time.
    pub fn parse(object: &[u8], repository: Option<RepositoryId>) -> Result<Self, FormatError> {
        let envelope = Envelope::parse(object, Kind::KeySlot, repository)?;
        let clear: Clear = from_cbor(envelope.extension, WHAT)?;
        check_label(&clear.label)?;
        let protection = match (clear.kind, (clear.memory_kib, clear.passes, clear.lanes)) {
            (KIND_PASSWORD, (memory, passes, lanes)) => Protection::Password(KdfParams::new(memory, passes, lanes)?),
            (KIND_KEY_FILE, (0, 0, 0)) => Protection::KeyFile,
            _ => return Err(malformed("its kind is unknown or has other fields")),
        };
        Ok(Self { object: object.to_vec(), repository: envelope.header.repository, protection, clear })
    }

    /// What opens it.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// The repository it says it belongs to.
    pub fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// When it was made, in Unix seconds.
    pub fn created(&self) -> u64 {
        self.clear.created
    }

    /// What its maker called it.
    pub fn label(&self) -> &str {
        &self.clear.label
    }

    /// Opens a password slot. Takes the time and the memory that its parameters say.
    ///
    /// # Errors
    /// Commitment for another password, or for a slot that no password opens; memory; unauthentic for a damaged slot.
    pub fn open_with_password(&self, password: &str) -> Result<OpenedSlot, FormatError> {
        let Protection::Password(params) = self.protection else { return Err(FormatError::Commitment) };
        self.open(&params.stretch(password, &self.clear.salt)?)
    }

    /// Opens a key file slot.
    ///
    /// # Errors
    /// Commitment for another key file, or for a slot that no key file opens; wrong repository; signature when the root
    /// key is not the one that the key file pins; unauthentic for a damaged slot.
    pub fn open_with_key_file(&self, file: &KeyFile) -> Result<OpenedSlot, FormatError> {
        check_repository(self.repository, file)?;
        let Protection::KeyFile = self.protection else { return Err(FormatError::Commitment) };
        let opened = self.open(&wrapping::of_key_file(file, &self.clear.salt))?;
        check_pin(file, &opened.root, self.repository, opened.epoch)?;
        Ok(opened)
    }

    fn open(&self, wrapping: &wrapping::Wrapping) -> Result<OpenedSlot, FormatError> {
        if !bool::from(wrapping.commitment.ct_eq(&self.clear.commitment)) {
            return Err(FormatError::Commitment);
        }
        let envelope = Envelope::parse(&self.object, Kind::KeySlot, Some(self.repository))?;
        let plain = Zeroizing::new(open_body(&envelope, wrapping.kek.as_bytes())?);
        let mut bundle: Bundle = from_cbor(&plain, BUNDLE_WHAT)?;
        let root = RootSecret::from_bytes(bundle.root);
        bundle.root.zeroize();
        if bundle.kind != BUNDLE_OWNER {
            return Err(FormatError::Malformed { what: BUNDLE_WHAT, why: "its kind is unknown".into() });
        }
        within("key epoch", bundle.epoch.into(), envelope.header.epoch.into(), envelope.header.epoch.into())?;
        Ok(OpenedSlot { root, epoch: bundle.epoch })
    }
}

/// A slot that `password` opens, with `label` (at most [`MAX_LABEL_BYTES`]) and a creation time in Unix seconds.
///
/// # Errors
/// Out of range for the label; memory.
pub fn seal_password(
    repository: RepositoryId,
    root: &RootSecret,
    epoch: u16,
    password: &str,
    params: KdfParams,
    label: &str,
    created: u64,
) -> Result<Vec<u8>, FormatError> {
    check_label(label)?;
    let salt = random();
    let wrapping = params.stretch(password, &salt)?;
    let clear = Clear {
        kind: KIND_PASSWORD,
        memory_kib: params.memory_kib(),
        passes: params.passes(),
        lanes: params.lanes(),
        salt,
        commitment: wrapping.commitment,
        created,
        label: label.into(),
    };
    Ok(seal(repository, root, epoch, &wrapping.kek, &clear))
}

/// A slot that `file` opens, with `label` (at most [`MAX_LABEL_BYTES`]) and a creation time in Unix seconds.
///
/// # Errors
/// Out of range for the label; wrong repository or signature for a key file that was made for another root secret.
pub fn seal_key_file(
    repository: RepositoryId,
    root: &RootSecret,
    epoch: u16,
    file: &KeyFile,
    label: &str,
    created: u64,
) -> Result<Vec<u8>, FormatError> {
    check_label(label)?;
    check_repository(repository, file)?;
    check_pin(file, root, repository, epoch)?;
    let salt = random();
    let wrapping = wrapping::of_key_file(file, &salt);
    let (kind, commitment, label) = (KIND_KEY_FILE, wrapping.commitment, label.into());
    let clear = Clear { kind, memory_kib: 0, passes: 0, lanes: 0, salt, commitment, created, label };
    Ok(seal(repository, root, epoch, &wrapping.kek, &clear))
}

fn seal(repository: RepositoryId, root: &RootSecret, epoch: u16, kek: &SymmetricKey, clear: &Clear) -> Vec<u8> {
    let mut bundle = Bundle { kind: BUNDLE_OWNER, root: *root.as_bytes(), epoch };
    let plain = Zeroizing::new(to_cbor(&bundle));
    bundle.root.zeroize();
    seal_with(repository, epoch, Kind::KeySlot, kek.as_bytes(), &to_cbor(clear), &plain)
}

fn check_label(label: &str) -> Result<(), FormatError> {
    within("length of the label", label.len() as u64, 0, MAX_LABEL_BYTES as u64)
}

fn check_repository(expected: RepositoryId, file: &KeyFile) -> Result<(), FormatError> {
    let found = file.repository;
    if expected == found { Ok(()) } else { Err(FormatError::WrongRepository { expected, found }) }
}

fn check_pin(file: &KeyFile, root: &RootSecret, repository: RepositoryId, epoch: u16) -> Result<(), FormatError> {
    if Keys::derive(root, repository, epoch).root_public() == file.root_public {
        return Ok(());
    }
    Err(FormatError::Signature { what: "the root key that the key file pins" })
}

fn malformed(why: &str) -> FormatError {
    FormatError::Malformed { what: WHAT, why: why.into() }
}

#[cfg(test)]
mod tests;
