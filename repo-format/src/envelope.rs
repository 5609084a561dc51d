// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header every object begins with (`docs/format.md` section 3), for every module that reads or writes an object.
//!
//! Takes objects apart and checks what can be checked without a key. Opens nothing.

use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::wire::Reader;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 64;

/// The longest extension in bytes: a reader takes this much memory on the word of an unauthenticated header.
pub const MAX_EXTENSION_BYTES: usize = 1 << 20;

/// The longest object that is not a pack, in bytes: the largest frame, padded, and what surrounds it.
pub const MAX_OBJECT_BYTES: u64 = 72 << 20;

/// The longest pack in bytes.
pub const MAX_PACK_BYTES: u64 = 256 << 20;

/// The suite that this program knows: BLAKE3, XChaCha20-Poly1305, HPKE, Ed25519, Argon2id.
pub const SUITE: u16 = 1;

const ENVELOPE_VERSION: u16 = 1;
const KIND_VERSION: u16 = 1;
const KIND_OFFSET: usize = 3;
const CHECKED_LEN: usize = HEADER_LEN - 8;

/// The kinds of object; the value is the kind letter of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Parameters and public keys of the repository.
    Config = b'C',
    /// A wrapped key bundle.
    KeySlot = b'K',
    /// A pack of data chunks.
    DataPack = b'D',
    /// A pack of tree chunks.
    TreePack = b'T',
    /// Which chunk lies where.
    Index = b'I',
    /// An index generation.
    Generation = b'G',
    /// A snapshot.
    Manifest = b'M',
    /// A log slot.
    Log = b'L',
    /// An open session.
    Session = b'S',
    /// What a collector is about to delete.
    Condemned = b'X',
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::KeySlot,
        Self::DataPack,
        Self::TreePack,
        Self::Index,
        Self::Generation,
        Self::Manifest,
        Self::Log,
        Self::Session,
        Self::Condemned,
    ];

    /// The letter in the header.
    pub fn letter(self) -> u8 {
        self as u8
    }

    /// The kind of a letter; `None` for a letter that this version does not know.
    pub fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }

    /// What errors call an object of this kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::KeySlot => "key slot",
            Self::DataPack => "data pack",
            Self::TreePack => "tree pack",
            Self::Index => "index",
            Self::Generation => "generation",
            Self::Manifest => "manifest",
            Self::Log => "log slot",
            Self::Session => "session record",
            Self::Condemned => "condemn list",
        }
    }

    /// The longest an object of this kind may be, in bytes (section 12).
    pub fn max_object_bytes(self) -> u64 {
        match self {
            Self::DataPack | Self::TreePack => MAX_PACK_BYTES,
            _ => MAX_OBJECT_BYTES,
        }
    }
}

/// The three feature masks. A set bit that the program does not know forbids an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bits that forbid reading the object.
    pub read: u32,
    /// Bits that forbid writing to the repository; looked at in the config.
    pub write: u32,
    /// Bits that forbid deleting anything.
    pub prune: u32,
}

impl Features {
    /// A segment is compressed against base chunks; edges are references. In the masks read and prune.
    pub const DELTA: u32 = 1;

    /// The bits that have a name: mask, bit, name.
    pub const NAMES: [(&'static str, u32, &'static str); 2] =
        [("read", Self::DELTA, "delta"), ("prune", Self::DELTA, "delta")];

    /// The bits this program can do, in any mask.
    pub const SUPPORTED: u32 = Self::DELTA;

    /// Whether the object may be read.
    pub fn check_read(&self) -> Result<(), FormatError> {
        Self::check("read", self.read)
    }

    /// Whether the repository may be written to.
    pub fn check_write(&self) -> Result<(), FormatError> {
        Self::check("write", self.write)
    }

    /// Whether anything may be deleted.
    pub fn check_prune(&self) -> Result<(), FormatError> {
        Self::check("prune", self.prune)
    }

    fn check(mask: &'static str, bits: u32) -> Result<(), FormatError> {
        let missing = bits & !Self::SUPPORTED;
        if missing == 0 {
            return Ok(());
        }
        let names = (0..u32::BITS).filter(|&bit| missing >> bit & 1 == 1).map(|bit| {
            let named = Self::NAMES.iter().find(|(of, value, _)| *of == mask && *value == 1 << bit);
            named.map_or_else(|| format!("bit {bit}"), |(_, _, name)| (*name).into())
        });
        Err(FormatError::Features { mask, names: names.collect::<Vec<_>>().join(", ") })
    }
}

/// The header's fields; versions and suite are the ones this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of the object.
    pub kind: Kind,
    /// Feature masks, not yet checked: a scrub reads objects whose content it can not read.
    pub features: Features,
    /// The repository it belongs to.
    pub repository: RepositoryId,
    /// Length of the extension in bytes, at most [`MAX_EXTENSION_BYTES`].
    pub extension_len: u32,
    /// Length of the body in bytes: everything after the extension.
    pub body_len: u64,
    /// Key epoch.
    pub epoch: u16,
}

impl Header {
    /// A header without features. Lengths in bytes, within the limits of the kind.
    pub fn new(kind: Kind, repository: RepositoryId, epoch: u16, extension_len: usize, body_len: usize) -> Self {
        let (extension_len, body_len) = (extension_len as u32, body_len as u64);
        Self { kind, features: Features::default(), repository, extension_len, body_len, epoch }
    }

    /// Length of the whole object in bytes.
    pub fn object_len(&self) -> u64 {
        (HEADER_LEN as u64 + u64::from(self.extension_len)).saturating_add(self.body_len)
    }

    /// The header as stored.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&magic(self.kind.letter()));
        bytes[8..10].copy_from_slice(&ENVELOPE_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&KIND_VERSION.to_le_bytes());
        bytes[12..14].copy_from_slice(&SUITE.to_le_bytes());
        bytes[14..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..32].copy_from_slice(self.repository.as_bytes());
        bytes[32..36].copy_from_slice(&self.features.read.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.features.write.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.features.prune.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.extension_len.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.body_len.to_le_bytes());
        let check = check_of(&bytes[..CHECKED_LEN]);
        bytes[CHECKED_LEN..].copy_from_slice(&check);
        bytes
    }

    /// Reads the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// Truncated, another magic, a check that does not fit, an unknown version or suite, a length beyond its limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            let (needed, found) = (HEADER_LEN as u64, bytes.len() as u64);
            return Err(FormatError::Truncated { what: "header", needed, found });
        };
        let mut reader = Reader::new(bytes, "header");
        let found_magic = reader.array::<8>()?;
        let kind = Kind::from_letter(found_magic[KIND_OFFSET]).ok_or(FormatError::NotAnObject)?;
        if found_magic != magic(kind.letter()) {
            return Err(FormatError::NotAnObject);
        }
        if bytes[CHECKED_LEN..] != check_of(&bytes[..CHECKED_LEN]) {
            return Err(FormatError::BadCheck { what: "header" });
        }
        known_version("envelope", reader.u16()?, ENVELOPE_VERSION)?;
        known_version(kind.name(), reader.u16()?, KIND_VERSION)?;
        known_version("suite", reader.u16()?, SUITE)?;
        let header = Self {
            kind,
            epoch: reader.u16()?,
            repository: RepositoryId(reader.array()?),
            features: Features { read: reader.u32()?, write: reader.u32()?, prune: reader.u32()? },
            extension_len: reader.u32()?,
            body_len: reader.u64()?,
        };
        within("extension length", u64::from(header.extension_len), 0, MAX_EXTENSION_BYTES as u64)?;
        within("object length", header.object_len(), HEADER_LEN as u64, kind.max_object_bytes())?;
        Ok(header)
    }
}

/// An object taken apart, nothing opened yet.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The header's fields.
    pub header: Header,
    /// The header as stored.
    pub header_bytes: &'a [u8],
    /// The extension: in clear, authenticated by the body.
    pub extension: &'a [u8],
    /// `header ‖ extension`: the associated data of a sealed body.
    pub authenticated: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes a whole object apart. `repository` is `None` only where it is not known yet.
    ///
    /// # Errors
    /// As [`Header::decode`]; another kind or repository, another length than the header promises, a read feature that
    /// this program does not have.
    pub fn parse(object: &'a [u8], kind: Kind, repository: Option<RepositoryId>) -> Result<Self, FormatError> {
        let header = Header::decode(object)?;
        if header.kind != kind {
            return Err(FormatError::WrongKind { expected: kind, found: header.kind });
        }
        if let Some(expected) = repository.filter(|&expected| expected != header.repository) {
            return Err(FormatError::WrongRepository { expected, found: header.repository });
        }
        let (needed, found) = (header.object_len(), object.len() as u64);
        if found < needed {
            return Err(FormatError::Truncated { what: kind.name(), needed, found });
        }
        if found > needed {
            let why = format!("{} bytes follow its end", found - needed);
            return Err(FormatError::Malformed { what: kind.name(), why });
        }
        header.features.check_read()?;
        let (authenticated, body) = object.split_at(HEADER_LEN + header.extension_len as usize);
        let (header_bytes, extension) = authenticated.split_at(HEADER_LEN);
        Ok(Self { header, header_bytes, extension, authenticated, body })
    }
}

/// Refuses a value outside its limits.
pub(crate) fn within(what: &'static str, found: u64, min: u64, max: u64) -> Result<(), FormatError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(FormatError::OutOfRange { what, found, min, max }) }
}

/// The check at the end of headers and footers: the first 8 bytes of the hash of what stands before it.
pub(crate) fn check_of(bytes: &[u8]) -> [u8; 8] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// The magic with `letter` at the place of the kind.
pub(crate) fn magic(letter: u8) -> [u8; 8] {
    [0x89, b'K', b'F', letter, 0x0d, 0x0a, 0x1a, 0x00]
}

fn known_version(what: &'static str, found: u16, known: u16) -> Result<(), FormatError> {
    if found == known { Ok(()) } else { Err(FormatError::Version { what, found, known }) }
}

#[cfg(test)]
mod tests;
