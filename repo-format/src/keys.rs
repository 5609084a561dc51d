// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every key of a repository, derived from its root secret (`docs/format.md` sections 4.1 and 4.4).
//!
//! For every module that seals, opens, signs or names something. Never prints a secret, wipes what it drops, and hands
//! out no secret that a caller does not need.

use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroize;

use crate::crypto::{SymmetricKey, derive, derive_xof, random};
use crate::id::{ChunkId, RepositoryId, WriterId};

mod session_key;

pub use session_key::{KeyRow, SessionKey};

const GEAR_ENTRIES: usize = 256;

/// The secret everything else is derived from; it stands in key slots only.
#[derive(Clone, Debug)]
pub struct RootSecret(SymmetricKey);

impl RootSecret {
    /// A fresh one, for a new repository.
    pub fn generate() -> Self {
        Self::from_bytes(random())
    }

    /// One that was stored; the caller wipes any copy it keeps.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(SymmetricKey::new(bytes))
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// Every key of one key epoch of a repository.
pub struct Keys {
    repository: RepositoryId,
    epoch: u16,
    root: RootSecret,
    data_id: SymmetricKey,
    tree_id: SymmetricKey,
    gear: Box<[u64; GEAR_ENTRIES]>,
    boundary: SymmetricKey,
    structure: SymmetricKey,
    meta_secret: SymmetricKey,
    data_secret: SymmetricKey,
    psk: SymmetricKey,
    root_signing: SigningKey,
    meta_public: [u8; 32],
    data_public: [u8; 32],
}

impl Keys {
    /// Derives every key of `epoch`.
    pub fn derive(root: &RootSecret, repository: RepositoryId, epoch: u16) -> Self {
        let key = |context: &str| SymmetricKey::new(derive(context, &[root.as_bytes(), &epoch.to_le_bytes()]));
        let meta_secret = key("keepfast 2026 v1 meta secret");
        let data_secret = key("keepfast 2026 v1 data secret");
        Self {
            repository,
            epoch,
            root: root.clone(),
            data_id: key("keepfast 2026 v1 data chunk id"),
            tree_id: key("keepfast 2026 v1 tree chunk id"),
            gear: derive_gear(root, epoch),
            boundary: key("keepfast 2026 v1 tree boundary"),
            structure: key("keepfast 2026 v1 structure"),
            meta_public: session_key::public_of(&meta_secret),
            data_public: session_key::public_of(&data_secret),
            meta_secret,
            data_secret,
            psk: key("keepfast 2026 v1 psk"),
            // Without the epoch: key files pin it, and they must outlive a rotation.
            root_signing: SigningKey::from_bytes(&derive("keepfast 2026 v1 root signing", &[root.as_bytes()])),
        }
    }

    /// The repository these keys belong to.
    pub fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// The key epoch.
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The id of a chunk of data.
    pub fn data_chunk_id(&self, plain: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(self.data_id.as_bytes(), plain).as_bytes())
    }

    /// The id of a tree node. Another key than for data: a file's content can not pass as a node.
    pub fn tree_chunk_id(&self, plain: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(self.tree_id.as_bytes(), plain).as_bytes())
    }

    /// The chunker's table: secret, because cut points would tell the content.
    pub fn gear_table(&self) -> [u64; 256] {
        *self.gear
    }

    /// The key of the rule where tree nodes end.
    pub fn boundary(&self) -> &[u8; 32] {
        self.boundary.as_bytes()
    }

    /// The key of index, directories, log and sessions.
    pub fn structure(&self) -> &[u8; 32] {
        self.structure.as_bytes()
    }

    /// The Ed25519 key that clients pin.
    pub fn root_public(&self) -> [u8; 32] {
        self.root_signing.verifying_key().to_bytes()
    }

    /// The X25519 key that trees and manifests are sealed to.
    pub fn meta_public(&self) -> [u8; 32] {
        self.meta_public
    }

    /// The X25519 key that file contents are sealed to.
    pub fn data_public(&self) -> [u8; 32] {
        self.data_public
    }

    /// Signs a config's message with the root key.
    pub fn sign_config(&self, message: &[u8]) -> [u8; 64] {
        self.root_signing.sign(message).to_bytes()
    }

    /// The key that signs the log of `writer`.
    pub fn writer_signing(&self, writer: &WriterId) -> SigningKey {
        let material: [&[u8]; 3] = [self.root.as_bytes(), &self.epoch.to_le_bytes(), writer.as_bytes()];
        let seed = SymmetricKey::new(derive("keepfast 2026 v1 writer signing", &material));
        SigningKey::from_bytes(seed.as_bytes())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.gear.zeroize();
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("repository", &self.repository).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

fn derive_gear(root: &RootSecret, epoch: u16) -> Box<[u64; GEAR_ENTRIES]> {
    let mut bytes = [0; 8 * GEAR_ENTRIES];
    derive_xof("keepfast 2026 v1 gear table", &[root.as_bytes(), &epoch.to_le_bytes()], &mut bytes);
    let mut table = Box::new([0; GEAR_ENTRIES]);
    let (words, _) = bytes.as_chunks::<8>();
    table.iter_mut().zip(words).for_each(|(entry, word)| *entry = u64::from_le_bytes(*word));
    bytes.zeroize();
    table
}

#[cfg(test)]
mod tests {
    use super::{Keys, RootSecret};
    use crate::id::{RepositoryId, WriterId};

    #[test]
    fn data_and_tree_of_equal_content_have_other_ids() {
        let keys = Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0);
        assert_ne!(keys.data_chunk_id(b"same"), keys.tree_chunk_id(b"same"));
    }

    #[test]
    fn another_epoch_has_other_keys() {
        let root = RootSecret::from_bytes([1; 32]);
        let [one, two] = [0, 1].map(|epoch| Keys::derive(&root, RepositoryId([2; 16]), epoch));
        assert_ne!(one.structure(), two.structure());
        assert_ne!(one.gear_table(), two.gear_table());
        assert_ne!(one.meta_public(), two.meta_public());
        assert_eq!(one.root_public(), two.root_public(), "key files pin it across epochs");
        let writer = WriterId([3; 16]);
        assert_ne!(one.writer_signing(&writer).to_bytes(), two.writer_signing(&writer).to_bytes());
        assert_ne!(one.writer_signing(&writer).to_bytes(), one.writer_signing(&WriterId([4; 16])).to_bytes());
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let keys = Keys::derive(&RootSecret::from_bytes([0xab; 32]), RepositoryId([2; 16]), 0);
        let shown = format!("{keys:?} {:?}", RootSecret::from_bytes([0xab; 32]));
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
    }
}
