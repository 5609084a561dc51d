// SPDX-License-Identifier: MIT OR Apache-2.0
//! One type per kind of id, so that a pack's id can not be passed for a chunk's. Text form: lower-case hex.

use std::fmt;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Reads the lower-case hex form; `None` for anything else.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                decode_hex(text.as_bytes(), &mut bytes).then_some(Self(bytes))
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Hex(&self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| DecodeError::message("id of the wrong length"))
            }
        }
    };
}

id_type!(/** Keyed BLAKE3 of a chunk's plaintext. */ ChunkId, 32);
id_type!(/** BLAKE3 of a pack's stored bytes; its name. */ PackId, 32);
id_type!(/** BLAKE3 of an index object's stored bytes; its name. */ IndexId, 32);
id_type!(/** BLAKE3 of a manifest's stored bytes; its name, and the name of the snapshot. */ SnapshotId, 32);
id_type!(/** BLAKE3 of a key slot's stored bytes; its name. */ SlotId, 32);
id_type!(/** BLAKE3 of a log slot's stored bytes, as the next slot and other writers quote it. */ LogHash, 32);
id_type!(/** Random; names the repository in every header. */ RepositoryId, 16);
id_type!(/** Random; one per client and state directory: names a chain of log slots. */ WriterId, 16);
id_type!(/** Random; names one session. */ SessionId, 16);
id_type!(/** First 16 bytes of `H(enc)`: names a session key in key tables. */ KeyId, 16);

/// Prints bytes as lower-case hex.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads lower-case hex that fills `out` exactly; false for anything else.
pub(crate) fn decode_hex(text: &[u8], out: &mut [u8]) -> bool {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.len() == 2 * out.len()
        && text.chunks_exact(2).zip(out).all(|(pair, byte)| match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => {
                *byte = high << 4 | low;
                true
            }
            _ => false,
        })
}
