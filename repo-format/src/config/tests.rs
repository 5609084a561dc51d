// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{ChunkerParams, Config, UnverifiedConfig, message};
use crate::envelope::{Features, Header, Kind};
use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::keys::{Keys, RootSecret};
use crate::record::{Signed, to_cbor};

fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0)
}

fn config() -> Config {
    let keys = keys();
    Config {
        created: 1,
        chunker: ChunkerParams { min: 64, avg: 256, max: 1024, normalization: 1 },
        data_segment: 4 << 10,
        tree_segment: 8 << 20,
        pack_size: 1 << 20,
        leaf_target: 8,
        root_public: keys.root_public(),
        meta_public: keys.meta_public(),
        data_public: keys.data_public(),
        min_reader: String::new(),
        generation: 0,
        features: Features::default(),
    }
}

/// Signs whatever it is given, as a writer without checks would.
fn seal_unchecked(config: &Config, signer: &Keys) -> Vec<u8> {
    let payload = to_cbor(config);
    let len = to_cbor(&Signed { payload: payload.clone(), signature: [0; 64] }).len();
    let header = Header::new(Kind::Config, RepositoryId([2; 16]), 0, 0, len).encode();
    let signature = signer.sign_config(&message(&header, &payload));
    [&header[..], &to_cbor(&Signed { payload, signature })].concat()
}

#[test]
fn an_unopened_repository_tells_what_it_is() {
    let features = Features { read: 0, write: 1 << 9, prune: Features::DELTA };
    let object = Config { features, ..config() }.seal(&keys()).unwrap();
    let unverified = UnverifiedConfig::decode(&object).unwrap();
    assert_eq!((unverified.repository(), unverified.epoch()), (keys().repository(), 0));
    assert!(unverified.claimed().features.check_write().is_err());
    assert_eq!(unverified.verify(&keys(), 0).unwrap().features, features);
}

#[test]
fn a_config_that_needs_an_unknown_read_feature_is_refused() {
    let features = Features { read: 1 << 4, ..Features::default() };
    let object = Config { features, ..config() }.seal(&keys()).unwrap();
    let error = UnverifiedConfig::decode(&object).unwrap_err();
    assert_eq!(error, FormatError::Features { mask: "read", names: "bit 4".into() });
}

#[test]
fn parameters_outside_their_limits_are_neither_written_nor_read() {
    let chunker = |min, avg, max, normalization| ChunkerParams { min, avg, max, normalization };
    let sets = [
        chunker(62, 256, 1024, 1),
        chunker(65, 256, 1024, 1),
        chunker(64, 257, 1024, 1),
        chunker(64, 256, 1025, 1),
        chunker(512, 256, 1024, 1),
        chunker(64, 2048, 1024, 1),
        chunker(64, 256, (16 << 20) + 2, 1),
        chunker(64, 256, 1024, 4),
        chunker(u32::MAX - 1, u32::MAX - 1, u32::MAX - 1, 0),
    ];
    let mut bad: Vec<_> = sets.map(|chunker| Config { chunker, ..config() }).into();
    for value in [0, (4 << 10) - 1, (8 << 20) + 1] {
        bad.push(Config { data_segment: value, ..config() });
        bad.push(Config { tree_segment: value, ..config() });
    }
    bad.extend([(1 << 20) - 1, (256 << 20) + 1].map(|pack_size| Config { pack_size, ..config() }));
    bad.extend([4, 12, 8192].map(|leaf_target| Config { leaf_target, ..config() }));
    for config in bad {
        let error = config.seal(&keys()).unwrap_err();
        assert!(matches!(error, FormatError::OutOfRange { .. } | FormatError::Malformed { .. }), "{config:?}: {error}");
        assert_eq!(UnverifiedConfig::decode(&seal_unchecked(&config, &keys())).unwrap_err(), error);
    }
}

#[test]
fn public_keys_of_another_are_refused_even_when_signed() {
    let good = seal_unchecked(&config(), &keys());
    assert_eq!(UnverifiedConfig::decode(&good).unwrap().verify(&keys(), 0), Ok(config()));
    for bad in [
        Config { root_public: [1; 32], ..config() },
        Config { meta_public: [1; 32], ..config() },
        Config { data_public: [1; 32], ..config() },
    ] {
        assert!(bad.seal(&keys()).is_err());
        let object = seal_unchecked(&bad, &keys());
        let error = UnverifiedConfig::decode(&object).unwrap().verify(&keys(), 0).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_config_that_another_root_key_signed_is_refused() {
    let other = Keys::derive(&RootSecret::from_bytes([9; 32]), RepositoryId([2; 16]), 0);
    let object = seal_unchecked(&config(), &other);
    let error = UnverifiedConfig::decode(&object).unwrap().verify(&keys(), 0).unwrap_err();
    assert_eq!(error, FormatError::Signature { what: "config" });
}

#[test]
fn an_unknown_chunker_algorithm_is_refused() {
    let payload = to_cbor(&config());
    let at = payload.windows(3).position(|bytes| bytes == [0xa5, 0x00, 0x01]).unwrap();
    let mut object = seal_unchecked(&config(), &keys());
    let start = object.windows(payload.len()).position(|bytes| bytes == payload).unwrap();
    object[start + at + 2] = 2;
    let error = UnverifiedConfig::decode(&object).unwrap_err();
    assert!(error.to_string().contains("unknown chunker algorithm"), "{error}");
}
