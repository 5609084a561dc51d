// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{Signed, from_cbor, open_structure, seal_structure, seal_with, to_cbor};
use crate::envelope::Kind;
use crate::error::FormatError;
use crate::frame;
use crate::generation::{Absorbed, Generation};
use crate::id::{RepositoryId, WriterId};
use crate::keys::{Keys, RootSecret};

fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0)
}

fn generation() -> Generation {
    let absorbed = vec![Absorbed { writer: WriterId([3; 16]), sequence: 4 }];
    Generation { number: 5, base: vec![], absorbed, reserved: vec![6] }
}

#[test]
fn equal_records_are_sealed_to_unequal_bytes() {
    let keys = keys();
    let [one, two] = [(); 2].map(|()| seal_structure(&keys, Kind::Index, b"table"));
    assert_ne!(one, two);
    assert_eq!(open_structure(&keys, Kind::Index, &one), open_structure(&keys, Kind::Index, &two));
}

#[test]
fn the_length_of_a_record_tells_little() {
    let keys = keys();
    // Random content does not compress, so lengths are those of the padding.
    let content =
        (0..1000_u64).flat_map(|number| crate::crypto::object_hash(&number.to_le_bytes())).collect::<Vec<_>>();
    let lengths = [29_001, 29_300, 29_600].map(|len| seal_structure(&keys, Kind::Index, &content[..len]).len());
    assert!(lengths.iter().all(|&len| len == lengths[0]), "{lengths:?}");
}

#[test]
fn cbor_in_any_but_its_one_form_is_refused() {
    let canonical = to_cbor(&generation());
    assert_eq!(from_cbor::<Generation>(&canonical, "generation"), Ok(generation()));
    assert_eq!(canonical[..4], [0xa4, 0x00, 0x05, 0x01]);
    let long_number = [&[0xa4, 0x00, 0x18, 0x05], &canonical[3..]].concat();
    let long_key = [&[0xa4, 0x18, 0x00, 0x05], &canonical[3..]].concat();
    let unknown_field = [&[0xa5], &canonical[1..], &[0x04, 0x00]].concat();
    let double_field = [&[0xa5, 0x00, 0x05], &canonical[1..]].concat();
    let open_end = [&[0xbf], &canonical[1..], &[0xff]].concat();
    let tagged = [&[0xc1], &canonical[..]].concat();
    let trailing = [&canonical[..], &[0x00]].concat();
    let other_order = [&[0xa4], &canonical[3..], &canonical[1..3]].concat();
    for bad in [long_number, long_key, unknown_field, double_field, open_end, tagged, trailing, other_order] {
        let error = from_cbor::<Generation>(&bad, "generation").unwrap_err();
        assert!(matches!(error, FormatError::Malformed { what: "generation", .. }), "{bad:02x?}: {error}");
    }
}

#[test]
fn a_list_that_promises_more_than_is_there_is_refused_quickly() {
    for promise in [&[0x9b, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
        let bytes = [&[0xa4, 0x00, 0x05, 0x01], promise].concat();
        assert!(from_cbor::<Generation>(&bytes, "generation").is_err());
    }
}

#[test]
fn an_extension_where_none_belongs_is_refused() {
    let keys = keys();
    let content = frame::encode(b"table");
    let object = seal_with(keys.repository(), 0, Kind::Index, keys.structure(), b"x", &content);
    assert!(matches!(open_structure(&keys, Kind::Index, &object), Err(FormatError::OutOfRange { .. })));
}

#[test]
fn a_signature_with_a_large_scalar_is_refused() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let signature = ed25519_dalek::Signer::sign(&key, b"message").to_bytes();
    let mut signed = Signed { payload: vec![], signature };
    assert!(signed.verify(&public, b"message", "it").is_ok());
    assert!(signed.verify(&public, b"massage", "it").is_err());
    // The group order added to the scalar half: valid for a verifier that reduces it.
    let order = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];
    let mut carry = 0_u16;
    for (at, byte) in signed.signature[32..].iter_mut().enumerate() {
        let sum = u16::from(*byte) + order.get(at).copied().unwrap_or(if at == 31 { 0x10 } else { 0 }) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(signed.verify(&public, b"message", "it"), Err(FormatError::Signature { what: "it" }));
    let zero = Signed { payload: vec![], signature: [0; 64] };
    assert!(zero.verify(&[0; 32], b"message", "it").is_err());
}
