// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session keys (`docs/format.md` section 4.4): made by a writer, found again only with the recipient's secret key.
//!
//! For packs and manifests. Does not seal anything itself.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable, HpkeError, OpModeR, OpModeS, PskBundle, Serializable};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Keys;
use crate::crypto::{SymmetricKey, object_hash};
use crate::envelope::{Kind, SUITE};
use crate::error::FormatError;
use crate::id::KeyId;
use crate::wire::Reader;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

const INFO_LABEL: &[u8] = b"keepfast v1 session";
const PSK_LABEL: &[u8] = b"keepfast v1 psk";
const KEY_LABEL: &[u8] = b"segment key";
const COMMITMENT_LABEL: &[u8] = b"key commitment";

/// What a reader needs to find a session key again: a row of a pack's key table, or the extension of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Names the key: the first 16 bytes of `H(enc)`.
    pub id: KeyId,
    /// The encapsulated key.
    pub enc: [u8; 32],
    /// Compared before anything is decrypted, so that no ciphertext opens under two keys.
    pub commitment: [u8; 32],
}

impl KeyRow {
    /// Length of a row in bytes.
    pub const LEN: usize = 80;

    /// A row for `enc`, with the id that belongs to it.
    pub fn new(enc: [u8; 32], commitment: [u8; 32]) -> Self {
        Self { id: key_id(&enc), enc, commitment }
    }

    /// The row as stored.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut row = [0; Self::LEN];
        row[..16].copy_from_slice(self.id.as_bytes());
        row[16..48].copy_from_slice(&self.enc);
        row[48..].copy_from_slice(&self.commitment);
        row
    }

    /// Reads a row; whether its id fits is checked when the key is opened.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        Self::read(&mut Reader::new(bytes, "key row")).expect("an array of the row's length is long enough")
    }

    /// The next row of a table.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self { id: KeyId(reader.array()?), enc: reader.array()?, commitment: reader.array()? })
    }
}

/// One key per session and recipient.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// Names the key in key tables and in the associated data of segments.
    pub id: KeyId,
    /// Data pack, tree pack or manifest.
    pub kind: Kind,
    row: KeyRow,
    key: SymmetricKey,
}

impl SessionKey {
    /// Makes a fresh key for objects of `kind`.
    ///
    /// # Panics
    /// For a kind that is not sealed to a public key: any but data pack, tree pack and manifest. When the operating
    /// system has no random bytes to give.
    pub fn create(keys: &Keys, kind: Kind) -> Self {
        let (_, public) = recipient(keys, kind).expect("the caller names a kind that is sealed to a public key");
        let public = PublicKey::from_bytes(&public).expect("32 bytes are a public key");
        let psk_id = psk_id(keys);
        let mode = OpModeS::Psk(psk_bundle(keys, &psk_id));
        let (enc, context) =
            hpke::setup_sender::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&mode, &public, &info(keys, kind))
                .expect("a public key that was derived from its secret key is no low-order point");
        let enc = enc.to_bytes().into();
        let (key, commitment) = exported(|label, out| context.export(label, out));
        let row = KeyRow::new(enc, commitment);
        Self { id: row.id, kind, row, key }
    }

    /// Finds the key of `row` again.
    ///
    /// # Errors
    /// Malformed for an id that does not fit or an encapsulated key that is a low-order point; commitment when the row
    /// was made for other keys, another repository or another kind.
    pub fn open(keys: &Keys, kind: Kind, row: &KeyRow) -> Result<Self, FormatError> {
        let malformed = |why: &str| FormatError::Malformed { what: "key row", why: why.into() };
        if row.id != key_id(&row.enc) {
            return Err(malformed("its id does not fit its encapsulated key"));
        }
        let (secret, _) = recipient(keys, kind).ok_or_else(|| malformed("this kind of object has no session keys"))?;
        let secret = PrivateKey::from_bytes(secret.as_bytes()).expect("32 bytes are a secret key");
        let enc = EncappedKey::from_bytes(&row.enc).map_err(|_| malformed("no encapsulated key"))?;
        let psk_id = psk_id(keys);
        let mode = OpModeR::Psk(psk_bundle(keys, &psk_id));
        let context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &mode,
            &secret,
            &enc,
            &info(keys, kind),
        )
        .map_err(|_| malformed("its encapsulated key is a low-order point"))?;
        let (key, commitment) = exported(|label, out| context.export(label, out));
        if !bool::from(commitment.ct_eq(&row.commitment)) {
            return Err(FormatError::Commitment);
        }
        Ok(Self { id: row.id, kind, row: *row, key })
    }

    /// The row that lets a reader find this key.
    pub fn key_row(&self) -> KeyRow {
        self.row
    }

    /// The key itself.
    pub fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
}

/// The session key and its commitment, from the exporter of either side.
fn exported(export: impl Fn(&[u8], &mut [u8]) -> Result<(), HpkeError>) -> (SymmetricKey, [u8; 32]) {
    let (mut key, mut commitment) = (Zeroizing::new([0; 32]), [0; 32]);
    export(KEY_LABEL, &mut *key).expect("32 bytes are not too many to export");
    export(COMMITMENT_LABEL, &mut commitment).expect("32 bytes are not too many to export");
    (SymmetricKey::new(*key), commitment)
}

/// The X25519 public key of a secret.
pub(super) fn public_of(secret: &SymmetricKey) -> [u8; 32] {
    let secret = PrivateKey::from_bytes(secret.as_bytes()).expect("32 bytes are a secret key");
    X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into()
}

fn recipient(keys: &Keys, kind: Kind) -> Option<(&SymmetricKey, [u8; 32])> {
    match kind {
        Kind::DataPack => Some((&keys.data_secret, keys.data_public)),
        Kind::TreePack | Kind::Manifest => Some((&keys.meta_secret, keys.meta_public)),
        _ => None,
    }
}

fn key_id(enc: &[u8; 32]) -> KeyId {
    KeyId(*object_hash(enc).first_chunk().expect("a hash is longer than a key id"))
}

fn psk_id(keys: &Keys) -> Vec<u8> {
    [PSK_LABEL, keys.repository.as_bytes()].concat()
}

fn psk_bundle<'a>(keys: &'a Keys, psk_id: &'a [u8]) -> PskBundle<'a> {
    PskBundle::new(keys.psk.as_bytes(), psk_id).expect("neither the psk nor its id is empty")
}

fn info(keys: &Keys, kind: Kind) -> Vec<u8> {
    let (suite, epoch) = (SUITE.to_le_bytes(), keys.epoch.to_le_bytes());
    [INFO_LABEL, keys.repository.as_bytes(), &suite, &epoch, &[kind.letter()]].concat()
}

#[cfg(test)]
mod tests {
    use super::{KeyRow, SessionKey};
    use crate::envelope::Kind;
    use crate::error::FormatError;
    use crate::id::RepositoryId;
    use crate::keys::{Keys, RootSecret};

    fn keys(root: u8, repository: u8) -> Keys {
        Keys::derive(&RootSecret::from_bytes([root; 32]), RepositoryId([repository; 16]), 0)
    }

    #[test]
    fn a_session_key_is_found_again_from_its_row() {
        let keys = keys(1, 2);
        for kind in [Kind::DataPack, Kind::TreePack, Kind::Manifest] {
            let made = SessionKey::create(&keys, kind);
            let row = KeyRow::decode(&made.key_row().encode());
            assert_eq!(SessionKey::open(&keys, kind, &row).unwrap().key(), made.key());
            assert_ne!(SessionKey::create(&keys, kind).key(), made.key());
        }
    }

    #[test]
    fn a_row_fits_its_repository_root_and_kind_only() {
        let row = SessionKey::create(&keys(1, 2), Kind::TreePack).key_row();
        for (keys, kind) in [
            (keys(1, 3), Kind::TreePack),
            (keys(4, 2), Kind::TreePack),
            (keys(1, 2), Kind::DataPack),
            (keys(1, 2), Kind::Manifest),
        ] {
            assert_eq!(SessionKey::open(&keys, kind, &row).unwrap_err(), FormatError::Commitment);
        }
        assert!(SessionKey::open(&keys(1, 2), Kind::Log, &row).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_row_is_noticed() {
        let keys = keys(1, 2);
        let row = SessionKey::create(&keys, Kind::DataPack).key_row().encode();
        for byte in 0..row.len() {
            let mut damaged = row;
            damaged[byte] ^= 0x80;
            assert!(SessionKey::open(&keys, Kind::DataPack, &KeyRow::decode(&damaged)).is_err(), "byte {byte}");
        }
    }

    #[test]
    fn low_order_points_are_refused() {
        for point in [0_u8, 1] {
            let mut enc = [0; 32];
            enc[0] = point;
            let error = SessionKey::open(&keys(1, 2), Kind::DataPack, &KeyRow::new(enc, [0; 32])).unwrap_err();
            assert!(matches!(error, FormatError::Malformed { .. }), "{error}");
        }
    }
}
