// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys: what algorithm and size a public one has, and the public part of a private one.
//!
//! Public parts are put into the form that certificates have them in (SPKI), so that a key and its certificate show
//! the same fingerprint.

use ed25519_dalek::SigningKey;
use x509_cert::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::oid::db::DB;
use x509_cert::der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::{Draft, hex, sha256};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key in the form of certificates.
pub(super) fn public(spki: &[u8]) -> Option<Draft> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    let mut draft = Draft::new("public key");
    describe(&mut draft, &info, spki);
    Some(draft)
}

/// Adds what a public key is.
pub(super) fn describe(draft: &mut Draft, info: &SubjectPublicKeyInfoRef<'_>, spki: &[u8]) {
    draft.add("key", algorithm(info));
    draft.add("public_key_sha256", hex(&sha256(spki)));
}

/// A private key of the form that the label names: its kind, and the fingerprint of its public part if it has one.
pub(super) fn private(label: &str, data: &[u8], is_sealed: bool) -> Draft {
    let mut draft = Draft::new("private key");
    if is_sealed {
        draft.name = "encrypted".into();
        // The bytes are encrypted under a salt of their own: their digest says that they changed, and nothing else.
        draft.add("encrypted_sha256", hex(&sha256(data)));
        return draft;
    }
    let spki = match label {
        "PRIVATE KEY" => pkcs8_spki(data),
        "RSA PRIVATE KEY" => rsa_private_spki(data),
        "EC PRIVATE KEY" => ec_spki(data, None),
        _ => None,
    };
    let info = spki.as_deref().and_then(|spki| Some((SubjectPublicKeyInfoRef::from_der(spki).ok()?, spki)));
    match info {
        Some((info, spki)) => describe(&mut draft, &info, spki),
        None => {
            let of_label = label.trim_end_matches("PRIVATE KEY").trim_end();
            draft.add("key", pkcs8_algorithm(data).map_or_else(|| of_label.to_string(), name_of));
        }
    }
    draft
}

/// A private key in DER, of any of the forms.
pub(super) fn private_der(data: &[u8]) -> Option<Draft> {
    let found = [("PRIVATE KEY", pkcs8_spki(data)), ("RSA PRIVATE KEY", rsa_private_spki(data))];
    let label = found.iter().find(|(_, spki)| spki.is_some()).map(|(label, _)| *label)?;
    Some(private(label, data, false))
}

/// The form of certificates of a public RSA key in its own form.
pub(super) fn rsa_spki(public: &[u8]) -> Vec<u8> {
    spki(RSA, &[0x05, 0x00], public)
}

/// The public key inside of PKCS#8: version, algorithm, key.
fn pkcs8_spki(data: &[u8]) -> Option<Vec<u8>> {
    let parts = sequence(data)?;
    let (algorithm, key) = (parts.get(1)?, parts.get(2)?);
    let key = key.decode_as::<&OctetStringRef>().ok()?.as_bytes();
    let algorithm = elements(*algorithm)?;
    let oid: ObjectIdentifier = algorithm.first()?.decode_as().ok()?;
    match oid {
        RSA => rsa_private_spki(key),
        EC => ec_spki(key, algorithm.get(1)?.decode_as().ok()),
        ED25519 => {
            let seed: Zeroizing<[u8; 32]> = Zeroizing::new(key.strip_prefix(&[0x04, 0x20])?.try_into().ok()?);
            Some(spki(ED25519, &[], SigningKey::from_bytes(&seed).verifying_key().as_bytes()))
        }
        _ => None,
    }
}

fn pkcs8_algorithm(data: &[u8]) -> Option<ObjectIdentifier> {
    elements(*sequence(data)?.get(1)?)?.first()?.decode_as().ok()
}

/// The public key inside of PKCS#1: version, modulus, exponent, and what is secret.
fn rsa_private_spki(data: &[u8]) -> Option<Vec<u8>> {
    let parts = sequence(data)?;
    let (modulus, exponent) = (parts.get(1)?, parts.get(2)?);
    if parts.len() < 9 || parts.iter().any(|part| part.tag() != Tag::Integer) {
        return None;
    }
    let numbers = [tlv(0x02, modulus.value()), tlv(0x02, exponent.value())].concat();
    Some(rsa_spki(&tlv(0x30, &numbers)))
}

/// The public key inside of SEC 1, if it is there: version, key, `[0]` curve, `[1]` public key.
fn ec_spki(data: &[u8], curve: Option<ObjectIdentifier>) -> Option<Vec<u8>> {
    let parts = sequence(data)?;
    let tag = |number| Tag::ContextSpecific { constructed: true, number: TagNumber(number) };
    let numbered = |number| parts.iter().find(|part| part.tag() == tag(number));
    let curve = curve.or_else(|| ObjectIdentifier::from_der(numbered(0)?.value()).ok())?;
    let public = BitStringRef::from_der(numbered(1)?.value()).ok()?;
    Some(spki(EC, &tlv(0x06, curve.as_bytes()), public.as_bytes()?))
}

fn spki(algorithm: ObjectIdentifier, parameters: &[u8], public: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&tlv(0x06, algorithm.as_bytes()), parameters].concat());
    tlv(0x30, &[algorithm, tlv(0x03, &[&[0], public].concat())].concat())
}

/// One element of DER.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut length: Vec<u8> = Vec::new();
    let mut left = content.len();
    while left > 0 {
        length.insert(0, u8::try_from(left & 0xff).unwrap_or_default());
        left >>= 8;
    }
    match (length.as_slice(), content.len()) {
        ([], _) => length.push(0),
        (_, 128..) => length.insert(0, 0x80 | u8::try_from(length.len()).unwrap_or_default()),
        _ => {}
    }
    [&[tag], length.as_slice(), content].concat()
}

/// The elements of a sequence that is the whole data.
fn sequence(data: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    elements(AnyRef::from_der(data).ok()?)
}

fn elements(sequence: AnyRef<'_>) -> Option<Vec<AnyRef<'_>>> {
    if sequence.tag() != Tag::Sequence {
        return None;
    }
    let mut reader = SliceReader::new(sequence.value()).ok()?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(parts)
}

/// `RSA 2048`, `EC P-256`, `Ed25519`.
fn algorithm(info: &SubjectPublicKeyInfoRef<'_>) -> String {
    let parameter = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    match info.algorithm.oid {
        RSA => match info.subject_public_key.as_bytes().and_then(modulus_bits) {
            Some(bits) => format!("RSA {bits}"),
            None => "RSA".into(),
        },
        EC => format!("EC {}", parameter.map_or_else(|| "with parameters".into(), curve)),
        oid => name_of(oid),
    }
}

fn modulus_bits(public: &[u8]) -> Option<usize> {
    let parts = sequence(public)?;
    Some(bits_of(parts.first()?.value()))
}

/// Bits of a positive number.
pub(super) fn bits_of(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = &number[zeros..];
    let first = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len() * 8 - first
}

fn curve(oid: ObjectIdentifier) -> String {
    match name_of(oid).as_str() {
        "secp256r1" => "P-256".into(),
        "secp384r1" => "P-384".into(),
        "secp521r1" => "P-521".into(),
        other => other.to_string(),
    }
}

/// The name of an algorithm, a curve or a purpose; its number if it has none.
pub(super) fn name_of(oid: ObjectIdentifier) -> String {
    let name = DB.by_oid(&oid).map_or_else(|| oid.to_string(), ToString::to_string);
    name.trim_start_matches("id-").trim_start_matches("kp-").to_string()
}
