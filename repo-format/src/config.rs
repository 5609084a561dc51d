// SPDX-License-Identifier: MIT OR Apache-2.0
//! The config object (`docs/format.md` section 4.3): parameters and public keys of a repository, in clear, signed.
//!
//! For whoever opens or creates a repository. An unopened repository gives an [`UnverifiedConfig`]: enough to say what
//! it is, not enough to trust it.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::envelope::{Envelope, Features, Header, Kind, within};
use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::keys::Keys;
use crate::record::{Signed, from_cbor, no_extension, to_cbor};

const WHAT: &str = "config";
const SIGNATURE_LABEL: &[u8] = b"keepfast v1 config";

/// FastCDC of 2020 with the gear table of the keys; the only algorithm of version 1.
const CHUNKER_ALGORITHM: u8 = 1;

/// Parameters of the chunker; lengths in bytes, all even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkerParams {
    /// No chunk but a file's last is shorter. At least 64.
    pub min: u32,
    /// The average that the cut rule aims at.
    pub avg: u32,
    /// No chunk is longer. At most 16 MiB.
    pub max: u32,
    /// How strongly lengths are pulled towards the average: 0 to 3.
    pub normalization: u8,
}

/// Parameters and public keys of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Config {
    /// When it was made, in Unix seconds.
    #[n(0)]
    pub created: u64,
    /// How files are cut.
    #[n(1)]
    pub chunker: ChunkerParams,
    /// Plaintext bytes that a data segment aims at: 4 KiB to 8 MiB.
    #[n(2)]
    pub data_segment: u32,
    /// The same for tree segments.
    #[n(3)]
    pub tree_segment: u32,
    /// Length of a full pack in bytes: 1 MiB to 256 MiB.
    #[n(4)]
    pub pack_size: u32,
    /// Entries per leaf on average: a power of two, 8 to 4096.
    #[n(5)]
    pub leaf_target: u32,
    /// Ed25519: signs the config.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub root_public: [u8; 32],
    /// X25519: trees and manifests are sealed to it.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub meta_public: [u8; 32],
    /// X25519: file contents are sealed to it.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub data_public: [u8; 32],
    /// The least program version that reads this repository, for people.
    #[n(9)]
    pub min_reader: String,
    /// Its number, as in its name: an old config under a new name is noticed.
    #[n(10)]
    pub generation: u64,
    /// The masks of the header; they speak for the whole repository.
    #[cbor(skip)]
    pub features: Features,
}

impl Config {
    /// The config as a signed object.
    ///
    /// # Errors
    /// Out of range or malformed for parameters outside their limits, or for public keys that are not those of `keys`.
    pub fn seal(&self, keys: &Keys) -> Result<Vec<u8>, FormatError> {
        self.check_limits()?;
        self.check_keys(keys)?;
        let payload = to_cbor(self);
        // The signature covers the header and the header holds the body's length: one with an empty signature comes first.
        let unsigned = to_cbor(&Signed { payload: payload.clone(), signature: [0; 64] });
        let plain_header = Header::new(Kind::Config, keys.repository(), keys.epoch(), 0, unsigned.len());
        let header = Header { features: self.features, ..plain_header }.encode();
        let signature = keys.sign_config(&message(&header, &payload));
        Ok([&header[..], &to_cbor(&Signed { payload, signature })].concat())
    }

    fn check_limits(&self) -> Result<(), FormatError> {
        let ChunkerParams { min, avg, max, normalization } = self.chunker;
        within("smallest chunk", min.into(), 64, avg.into())?;
        within("average chunk", avg.into(), min.into(), max.into())?;
        within("largest chunk", max.into(), avg.into(), 16 << 20)?;
        within("chunker normalization", normalization.into(), 0, 3)?;
        within("data segment target", self.data_segment.into(), 4 << 10, 8 << 20)?;
        within("tree segment target", self.tree_segment.into(), 4 << 10, 8 << 20)?;
        within("pack size", self.pack_size.into(), 1 << 20, 256 << 20)?;
        within("leaf target", self.leaf_target.into(), 8, 4096)?;
        if [min, avg, max].iter().any(|length| length % 2 == 1) {
            return Err(malformed("a chunk length is odd"));
        }
        if !self.leaf_target.is_power_of_two() {
            return Err(malformed("the leaf target is no power of two"));
        }
        Ok(())
    }

    fn check_keys(&self, keys: &Keys) -> Result<(), FormatError> {
        let own = [keys.root_public(), keys.meta_public(), keys.data_public()];
        if [self.root_public, self.meta_public, self.data_public] != own {
            return Err(malformed("it names other public keys than the root secret gives"));
        }
        Ok(())
    }
}

/// A config whose signature is not checked yet, because the root secret is not at hand.
#[derive(Clone, Debug)]
pub struct UnverifiedConfig {
    header: Header,
    message: Vec<u8>,
    signed: Signed,
    config: Config,
}

impl UnverifiedConfig {
    /// Reads a config object.
    ///
    /// # Errors
    /// As [`Envelope::parse`]; malformed or out of range for its content.
    pub fn decode(object: &[u8]) -> Result<Self, FormatError> {
        let envelope = Envelope::parse(object, Kind::Config, None)?;
        no_extension(&envelope)?;
        let signed: Signed = from_cbor(envelope.body, WHAT)?;
        let mut config: Config = from_cbor(&signed.payload, WHAT)?;
        config.check_limits()?;
        config.features = envelope.header.features;
        Ok(Self { header: envelope.header, message: message(envelope.header_bytes, &signed.payload), signed, config })
    }

    /// The repository it says it belongs to.
    pub fn repository(&self) -> RepositoryId {
        self.header.repository
    }

    /// The key epoch it says.
    pub fn epoch(&self) -> u16 {
        self.header.epoch
    }

    /// What it says, not to be trusted yet.
    pub fn claimed(&self) -> &Config {
        &self.config
    }

    /// The config, when the root key signed it and it names the public keys that the root secret gives.
    ///
    /// # Errors
    /// Wrong repository, out of range for another key epoch or for another generation than the name says, signature,
    /// malformed for other public keys.
    pub fn verify(self, keys: &Keys, generation: u64) -> Result<Config, FormatError> {
        let (expected, found) = (keys.repository(), self.header.repository);
        if expected != found {
            return Err(FormatError::WrongRepository { expected, found });
        }
        within("key epoch", self.header.epoch.into(), keys.epoch().into(), keys.epoch().into())?;
        self.signed.verify(&keys.root_public(), &self.message, WHAT)?;
        self.config.check_keys(keys)?;
        within("config generation", self.config.generation, generation, generation)?;
        Ok(self.config)
    }
}

impl<C> Encode<C> for ChunkerParams {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.map(5)?.u8(0)?.u8(CHUNKER_ALGORITHM)?.u8(1)?.u32(self.min)?.u8(2)?.u32(self.avg)?;
        e.u8(3)?.u32(self.max)?.u8(4)?.u8(self.normalization)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ChunkerParams {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if d.map()? != Some(5) {
            return Err(DecodeError::message("chunker parameters have five fields"));
        }
        let mut fields = [0; 5];
        for (number, field) in fields.iter_mut().enumerate() {
            if usize::from(d.u8()?) != number {
                return Err(DecodeError::message("chunker parameters out of order"));
            }
            *field = d.u32()?;
        }
        let [algorithm, min, avg, max, normalization] = fields;
        if algorithm != u32::from(CHUNKER_ALGORITHM) {
            return Err(DecodeError::message("unknown chunker algorithm"));
        }
        let normalization = normalization.try_into().map_err(|_| DecodeError::message("unknown normalization"))?;
        Ok(Self { min, avg, max, normalization })
    }
}

fn message(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [SIGNATURE_LABEL, header, payload].concat()
}

fn malformed(why: &str) -> FormatError {
    FormatError::Malformed { what: WHAT, why: why.into() }
}

#[cfg(test)]
mod tests;
