// SPDX-License-Identifier: MIT OR Apache-2.0
//! A damaged archive makes no snapshot, wherever it is damaged; and the error says where.

use keepfast_engine::Error;
use keepfast_engine::archive::Fault;

use crate::support::random::Random;
use crate::support::sandbox::Sandbox;
use crate::support::tar_files::{Made, archive, file, header, member, piped, special, try_import};

/// Files of several chunks between other members, so that damage can be everywhere.
fn sample() -> Vec<u8> {
    let bytes = Random::new(140).bytes(12_000);
    let long = "long/".repeat(40);
    let long = Made { name: b"././@LongLink", kind: b'L', link: b"", content: long.as_bytes() };
    let records = Made { name: b"", kind: b'x', link: b"", content: b"14 path=by-it\n" };
    let first = [member(&special(b"d", b'5', b"")), member(&file(b"d/big", &bytes)), member(&long)].concat();
    [first, member(&special(b"cut off", b'5', b"")), member(&records), archive(&[file(b"last", b"x")])].concat()
}

/// Imports into a new repository; whatever happens, no half of an archive may be visible.
fn outcome(sandbox: &Sandbox, blocks: &[u8]) -> Option<Error> {
    let before = sandbox.snapshots().len();
    match try_import(sandbox, blocks) {
        Ok(_) => None,
        Err(error) => {
            assert_eq!(sandbox.snapshots().len(), before, "{error}");
            Some(error)
        }
    }
}

#[test]
fn an_archive_that_is_cut_off_anywhere_makes_no_snapshot() {
    let (sandbox, whole) = (Sandbox::new(), sample());
    // One block of zeros is enough of an end.
    for length in (0..whole.len() - 1024).step_by(512).flat_map(|at| [at, at + 200]) {
        let error = outcome(&sandbox, &whole[..length]).unwrap_or_else(|| panic!("{length} bytes were taken for all"));
        let Error::Archive(error) = error else { panic!("{length}: {error}") };
        match error.fault {
            Fault::CutOff | Fault::NoEndMark => assert!(error.offset <= length as u64, "{length}: {error}"),
            Fault::OtherFormat { .. } => assert!(length < 512, "{length}: {error}"),
            _ => panic!("{length}: {error}"),
        }
    }
    assert!(outcome(&sandbox, &whole).is_none());
    assert!(outcome(&sandbox, &whole[..whole.len() - 512]).is_none());
}

#[test]
fn the_error_names_member_and_place() {
    let blocks = archive(&[file(b"etc/hosts", &[1; 3000])]);
    let error = outcome(&Sandbox::new(), &blocks[..2000]).unwrap().to_string();
    assert_eq!(error, "the archive is cut off: it ends at byte 2000, in member etc/hosts");
}

#[test]
fn a_changed_byte_of_a_header_is_found() {
    let (sandbox, whole) = (Sandbox::new(), sample());
    let mut at = 0;
    let mut headers = 0;
    while whole[at..at + 512].iter().any(|byte| *byte != 0) {
        let header = tar::Header::from_byte_slice(&whole[at..at + 512]);
        let next = at + 512 + header.entry_size().unwrap().next_multiple_of(512) as usize;
        for byte in (at..at + 512).filter(|byte| !(at + 154..at + 156).contains(byte)).step_by(9) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            assert!(outcome(&sandbox, &damaged).is_some(), "byte {byte}");
        }
        (at, headers) = (next, headers + 1);
    }
    assert_eq!(headers, 6);
}

#[test]
fn a_changed_byte_of_a_compressed_archive_is_found() {
    let (sandbox, whole) = (Sandbox::new(), sample());
    // What a header of gzip says of time, flags for speed and system, and one of its bits that nothing reads, change nothing.
    for (program, arguments, from) in
        [("gzip", &["-nc"][..], 10), ("xz", &["-c"], 0), ("bzip2", &["-c"], 0), ("zstd", &["-c", "--check"], 6)]
    {
        let Some(packed) = piped(program, arguments, &whole) else { continue };
        for byte in (from..packed.len()).step_by(packed.len() / 40 + 1).chain([packed.len() - 1]) {
            let mut damaged = packed.clone();
            // The last bits of bzip2 are padding.
            damaged[byte] ^= 0x80;
            assert!(outcome(&sandbox, &damaged).is_some(), "{program}: byte {byte} of {}", packed.len());
        }
        for length in (0..packed.len()).step_by(packed.len() / 30 + 1).chain([packed.len() - 1]) {
            assert!(outcome(&sandbox, &packed[..length]).is_some(), "{program}: {length} bytes of {}", packed.len());
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let sandbox = Sandbox::new();
    let with = |change: &dyn Fn(&mut tar::Header)| {
        let mut block = tar::Header::from_byte_slice(&header(b"f", b'0', b"", 600)).clone();
        change(&mut block);
        block.set_cksum();
        [&block.as_bytes()[..], &[7; 600], &[0; 424], &[0; 1024]].concat()
    };
    assert!(outcome(&sandbox, &with(&|_| {})).is_none());
    // More than there is, less than there is, and none at all.
    assert!(outcome(&sandbox, &with(&|block| block.set_size(60_000))).is_some());
    assert!(outcome(&sandbox, &with(&|block| block.set_size(512))).is_some());
    assert!(outcome(&sandbox, &with(&|block| block.set_size(u64::MAX))).is_some());
    assert!(outcome(&sandbox, &with(&|block| block.set_size(i64::MAX as u64))).is_some());
    assert!(outcome(&sandbox, &with(&|block| block.as_old_mut().size = *b"0000000120x\0")).is_some());
    assert!(outcome(&sandbox, &with(&|block| block.as_old_mut().linkflag = *b"S")).is_some(), "no map");
    for records in [
        &b"99999999 path=x\n"[..],
        b"12 size=-10\n",
        b"25 size=9999999999999999\n",
        b"11 uid=abc\n",
        b"22 GNU.sparse.major=1\n",
        b"22 GNU.sparse.major=9\n",
        b"22 GNU.sparse.map=0,1\n22 GNU.sparse.size=10\n",
    ] {
        let records = Made { name: b"", kind: b'x', link: b"", content: records };
        let blocks = [member(&records), archive(&[file(b"f", b"content")])].concat();
        assert!(outcome(&sandbox, &blocks).is_some(), "{}", records.content.escape_ascii());
    }
    let huge = header(b"", b'x', b"", 1 << 40);
    assert!(outcome(&sandbox, &huge).is_some(), "no memory is taken for what is not there");
    let alone = [&member(&Made { name: b"", kind: b'x', link: b"", content: b"8 a=bcd\n" })[..], &[0; 1024]].concat();
    assert!(outcome(&sandbox, &alone).is_some(), "an extension without a member");
}

#[test]
fn other_files_are_told_apart() {
    let sandbox = Sandbox::new();
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"PK\x03\x04rest", "a zip file"),
        (b"just some text", "something else"),
        (&[b'x'; 2000], "something else"),
        (b"7z\xbc\xaf\x27\x1c...", "a 7z file"),
    ] {
        let error = outcome(&sandbox, bytes).unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let text = piped("gzip", &["-c"], &[b'-'; 4000]).unwrap();
    assert!(outcome(&sandbox, &text).unwrap().to_string().contains("no tar archive"));
}
