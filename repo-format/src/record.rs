// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sealed bodies and canonical CBOR (`docs/format.md` sections 1 and 3): what index, generation, log slot, session record
//! and manifest have in common. Knows no fields.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::crypto::{NONCE_LEN, TAG_LEN, hedged_nonce, open, random, seal};
use crate::envelope::{Envelope, HEADER_LEN, Header, Kind};
use crate::error::FormatError;
use crate::frame;
use crate::keys::Keys;
use crate::wire::Reader;

/// Room for a key bundle without growing: a vector that grows leaves copies of a secret behind.
const CBOR_ROOM: usize = 128;

/// An object of `kind` (index, generation, log slot, session record) that holds `plain`, sealed with the structure key.
///
/// # Panics
/// When `plain` is longer than [`frame::MAX_PLAIN_BYTES`].
pub fn seal_structure(keys: &Keys, kind: Kind, plain: &[u8]) -> Vec<u8> {
    seal_object(keys, kind, keys.structure(), &[], &frame::encode(plain))
}

/// The payload of an object that [`seal_structure`] made.
///
/// # Errors
/// As [`Envelope::parse`] and [`frame::decode`]; an extension where none belongs; a body that is damaged or sealed
/// with other keys.
pub fn open_structure(keys: &Keys, kind: Kind, object: &[u8]) -> Result<Vec<u8>, FormatError> {
    let envelope = envelope_of(keys, kind, object)?;
    no_extension(&envelope)?;
    frame::decode(&open_body(&envelope, keys.structure())?, kind.name())
}

/// `value` as deterministic CBOR.
pub fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CBOR_ROOM);
    minicbor::encode(value, &mut bytes).expect("a vector takes every byte, and no encoder of this crate fails");
    bytes
}

/// Reads deterministic CBOR; `what` names the structure in errors.
///
/// # Errors
/// Malformed for bytes that are not exactly what [`to_cbor`] makes of the value: another form of a number, another order,
/// an unknown field, trailing bytes.
pub fn from_cbor<T>(bytes: &[u8], what: &'static str) -> Result<T, FormatError>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let value: T = minicbor::decode(bytes).map_err(|error| FormatError::Malformed { what, why: error.to_string() })?;
    let again = Zeroizing::new(to_cbor(&value));
    if *again != bytes {
        return Err(FormatError::Malformed { what, why: "it is not canonical CBOR of known fields".into() });
    }
    Ok(value)
}

/// CBOR `[payload, signature]`: the body of a config, and of a log slot before it is sealed.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Signed {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) payload: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) signature: [u8; 64],
}

impl Signed {
    /// Checks the signature of `message` by `public`, by the strict rules: one signature, one meaning, for everyone.
    pub(crate) fn verify(&self, public: &[u8; 32], message: &[u8], what: &'static str) -> Result<(), FormatError> {
        ed25519_dalek::VerifyingKey::from_bytes(public)
            .and_then(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&self.signature)))
            .map_err(|_| FormatError::Signature { what })
    }
}

/// Header, extension and a body that holds `content` sealed with `key`.
pub(crate) fn seal_object(keys: &Keys, kind: Kind, key: &[u8; 32], extension: &[u8], content: &[u8]) -> Vec<u8> {
    seal_with(keys.repository(), keys.epoch(), kind, key, extension, content)
}

/// [`seal_object`] for who has no [`Keys`]: a key slot.
pub(crate) fn seal_with(
    repository: crate::id::RepositoryId,
    epoch: u16,
    kind: Kind,
    key: &[u8; 32],
    extension: &[u8],
    content: &[u8],
) -> Vec<u8> {
    let body_len = NONCE_LEN + content.len() + TAG_LEN;
    let header = Header::new(kind, repository, epoch, extension.len(), body_len);
    let mut object = Vec::with_capacity(HEADER_LEN + extension.len() + body_len);
    object.extend_from_slice(&header.encode());
    object.extend_from_slice(extension);
    let nonce = hedged_nonce(key, &random(), &[content]);
    let sealed = seal(key, &nonce, &object, content);
    object.extend_from_slice(&nonce);
    object.extend_from_slice(&sealed);
    object
}

/// Whether the header of an object sealed with the structure key names another repository.
///
/// # Errors
/// As [`Envelope::parse`]; of another one also for an extension where none belongs, and for another key epoch.
pub fn is_of_another(keys: &Keys, kind: Kind, object: &[u8]) -> Result<bool, FormatError> {
    let envelope = Envelope::parse(object, kind, None)?;
    if envelope.header.repository == keys.repository() {
        return Ok(false);
    }
    no_extension(&envelope)?;
    in_epoch(keys, &envelope)?;
    Ok(true)
}

/// Takes an object of this repository and key epoch apart.
pub(crate) fn envelope_of<'a>(keys: &Keys, kind: Kind, object: &'a [u8]) -> Result<Envelope<'a>, FormatError> {
    let envelope = Envelope::parse(object, kind, Some(keys.repository()))?;
    in_epoch(keys, &envelope)?;
    Ok(envelope)
}

fn in_epoch(keys: &Keys, envelope: &Envelope<'_>) -> Result<(), FormatError> {
    let (found, known) = (u64::from(envelope.header.epoch), u64::from(keys.epoch()));
    crate::envelope::within("key epoch", found, known, known)
}

/// Refuses an extension where none belongs.
pub(crate) fn no_extension(envelope: &Envelope<'_>) -> Result<(), FormatError> {
    crate::envelope::within("extension length", envelope.extension.len() as u64, 0, 0)
}

/// Opens the body of an object with `key`.
pub(crate) fn open_body(envelope: &Envelope<'_>, key: &[u8; 32]) -> Result<Vec<u8>, FormatError> {
    let what = envelope.header.kind.name();
    let mut reader = Reader::new(envelope.body, what);
    let nonce = reader.array::<NONCE_LEN>()?;
    let sealed = reader.bytes(reader.remaining())?;
    open(key, &nonce, envelope.authenticated, sealed, what)
}

#[cfg(test)]
mod tests;
