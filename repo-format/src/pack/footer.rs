// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last 64 bytes of a pack: where its key table and its directory begin, readable without any key.

use crate::crypto::{NONCE_LEN, TAG_LEN};
use crate::envelope::{HEADER_LEN, MAX_PACK_BYTES, check_of, magic};
use crate::error::FormatError;
use crate::id::SessionId;
use crate::keys::KeyRow;
use crate::tree::column::within;
use crate::wire::Reader;

/// Length of a footer in bytes.
pub const FOOTER_LEN: usize = 64;
/// The bytes that the check covers.
pub(super) const CHECKED_LEN: usize = FOOTER_LEN - 8;
const WHAT: &str = "pack footer";
/// The letter in its magic: no kind of object has it.
const LETTER: u8 = b'F';

/// Where the last parts of a pack are. They stand without a gap, so two numbers and the count of rows say everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Where the key table begins, in bytes from the start of the pack.
    pub key_table_offset: u64,
    /// Bytes of the directory, nonce and tag included.
    pub directory_len: u32,
    /// Rows of the key table, at least 1.
    pub key_rows: u16,
    /// The session that wrote the pack.
    pub session: SessionId,
}

impl Footer {
    /// Where the directory begins, in bytes from the start of the pack.
    pub fn directory_offset(&self) -> u64 {
        self.key_table_offset.saturating_add(KeyRow::LEN as u64 * u64::from(self.key_rows))
    }

    /// Bytes of the whole pack.
    pub fn pack_len(&self) -> u64 {
        self.directory_offset().saturating_add(u64::from(self.directory_len) + FOOTER_LEN as u64)
    }

    /// Bytes of key table, directory and footer: what a reader of the directory fetches.
    pub fn tail_len(&self) -> u64 {
        KeyRow::LEN as u64 * u64::from(self.key_rows) + u64::from(self.directory_len) + FOOTER_LEN as u64
    }

    /// The footer as stored.
    pub fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        bytes[..8].copy_from_slice(&magic(LETTER));
        bytes[8..16].copy_from_slice(&self.key_table_offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.directory_offset().to_le_bytes());
        bytes[24..28].copy_from_slice(&self.directory_len.to_le_bytes());
        bytes[28..30].copy_from_slice(&self.key_rows.to_le_bytes());
        bytes[32..48].copy_from_slice(self.session.as_bytes());
        let check = check_of(&bytes[..CHECKED_LEN]);
        bytes[CHECKED_LEN..].copy_from_slice(&check);
        bytes
    }

    /// Reads a footer.
    ///
    /// # Errors
    /// Not a footer, damaged, parts with a gap between them, or a pack longer than packs can be.
    pub fn decode(bytes: &[u8; FOOTER_LEN]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        if reader.array()? != magic(LETTER) {
            return Err(FormatError::NotAnObject);
        }
        if bytes[CHECKED_LEN..] != check_of(&bytes[..CHECKED_LEN]) {
            return Err(FormatError::BadCheck { what: WHAT });
        }
        let (key_table_offset, directory_offset) = (reader.u64()?, reader.u64()?);
        let (directory_len, key_rows, zero) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let footer = Self { key_table_offset, directory_len, key_rows, session: SessionId(reader.array()?) };
        within("offset of a key table", key_table_offset, HEADER_LEN as u64..=MAX_PACK_BYTES)?;
        within("rows of a key table", key_rows.into(), 1..=u16::MAX.into())?;
        within("length of a directory", directory_len.into(), (NONCE_LEN + TAG_LEN) as u64..=MAX_PACK_BYTES)?;
        within("length of a pack", footer.pack_len(), 0..=MAX_PACK_BYTES)?;
        if footer.directory_offset() != directory_offset || zero != 0 || reader.u64()? != 0 {
            return Err(FormatError::Malformed { what: WHAT, why: "its parts do not stand without a gap".into() });
        }
        Ok(footer)
    }
}
