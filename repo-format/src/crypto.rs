// SPDX-License-Identifier: MIT OR Apache-2.0
//! The primitives of `docs/format.md` section 1 under the names used there: hashing, derivation, sealing, nonces.
//!
//! For the other modules of this crate and for whoever seals segments. Chooses no keys and knows no object.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroize;

use crate::error::FormatError;

/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 24;

/// Length of the authentication tag in bytes.
pub const TAG_LEN: usize = 16;

const NONCE_CONTEXT: &str = "keepfast 2026 v1 nonce";

/// A secret of 32 bytes; wiped when dropped, never printed.
#[derive(Clone)]
pub struct SymmetricKey([u8; 32]);

impl SymmetricKey {
    /// Takes the bytes over; the caller wipes any copy it keeps.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for SymmetricKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SymmetricKey(..)")
    }
}

/// `H(x)`: the name of an object is this hash of its stored bytes.
pub fn object_hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// `KH(k, x)` over the parts, one after the other.
pub fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

/// `DK(context, material)`, the parts of the material one after the other.
pub fn derive(context: &str, material: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    derive_xof(context, material, &mut key);
    key
}

/// `DK(context, material)` with as many bytes as `out` takes.
pub fn derive_xof(context: &str, material: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    material.iter().for_each(|part| {
        hasher.update(part);
    });
    hasher.finalize_xof().fill(out);
}

/// Random bytes of the operating system.
///
/// # Panics
/// When the system has none to give: nothing may be sealed then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A nonce that is fresh if the random bytes are fresh or the content is new: a machine that was cloned with its random
/// state gives no nonce twice for different content.
pub fn hedged_nonce(key: &[u8; 32], random: &[u8; 32], content: &[&[u8]]) -> [u8; NONCE_LEN] {
    let mut nonce_key = derive(NONCE_CONTEXT, &[key]);
    let mut hasher = blake3::Hasher::new_keyed(&nonce_key);
    nonce_key.zeroize();
    hasher.update(random);
    content.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut nonce = [0; NONCE_LEN];
    hasher.finalize_xof().fill(&mut nonce);
    nonce
}

/// `SEAL(k, n, aad, x)`; the result is [`TAG_LEN`] longer than `plain`.
pub fn seal(key: &[u8; 32], nonce: &[u8; NONCE_LEN], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(plain.len() + TAG_LEN);
    buffer.extend_from_slice(plain);
    seal_in_place(key, nonce, aad, &mut buffer);
    buffer
}

/// [`seal`] without a second buffer: `buffer` holds the plaintext before, the ciphertext and its tag after.
pub fn seal_in_place(key: &[u8; 32], nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) {
    XChaCha20Poly1305::new(key.into())
        .encrypt_in_place(nonce.into(), aad, buffer)
        .expect("a vector grows, and no object comes near the cipher's 256 GiB");
}

/// Opens what [`seal`] made; `what` names it in the error.
pub fn open(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
    what: &'static str,
) -> Result<Vec<u8>, FormatError> {
    let mut buffer = sealed.to_vec();
    open_in_place(key, nonce, aad, &mut buffer, what)?;
    Ok(buffer)
}

/// [`open`] without a second buffer: the plaintext is left in `buffer`, the tag is gone. After an error the content of
/// `buffer` means nothing.
pub fn open_in_place(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    buffer: &mut Vec<u8>,
    what: &'static str,
) -> Result<(), FormatError> {
    XChaCha20Poly1305::new(key.into())
        .decrypt_in_place(nonce.into(), aad, buffer)
        .map_err(|_| FormatError::Unauthentic { what })
}

#[cfg(test)]
mod tests {
    use super::{hedged_nonce, open, seal};

    #[test]
    fn a_stuck_random_source_gives_no_nonce_twice_for_other_content() {
        let (key, stuck) = ([7; 32], [0; 32]);
        let one = hedged_nonce(&key, &stuck, &[b"one"]);
        assert_ne!(one, hedged_nonce(&key, &stuck, &[b"two"]));
        assert_ne!(one, hedged_nonce(&[8; 32], &stuck, &[b"one"]));
        assert_ne!(one, hedged_nonce(&key, &[1; 32], &[b"one"]));
        assert_eq!(one, hedged_nonce(&key, &stuck, &[b"o", b"ne"]));
    }

    #[test]
    fn every_part_of_a_sealed_message_is_authenticated() {
        let sealed = seal(&[1; 32], &[2; 24], b"aad", b"plain");
        assert_eq!(open(&[1; 32], &[2; 24], b"aad", &sealed, "it").unwrap(), b"plain");
        for byte in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[byte] ^= 1;
            assert!(open(&[1; 32], &[2; 24], b"aad", &damaged, "it").is_err());
            assert!(open(&[1; 32], &[2; 24], b"aad", &sealed[..byte], "it").is_err());
        }
        assert!(open(&[1; 32], &[3; 24], b"aad", &sealed, "it").is_err());
        assert!(open(&[1; 32], &[2; 24], b"add", &sealed, "it").is_err());
        assert!(open(&[0; 32], &[2; 24], b"aad", &sealed, "it").is_err());
    }
}
