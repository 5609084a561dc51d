// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening and reading files, with their holes.

use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::time::{Duration, SystemTime};

use keepfast_repo_format::manifest::ProblemCode;

use super::{make, options, see, skip};
use crate::source::{Extent, SourceError, open};

#[test]
fn a_file_is_read_at_any_offset() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("f"), b"0123456789").unwrap();
    let seen = see(&options(&["f"]), temporary.path());
    let file = open(&seen.found[0]).unwrap();
    let mut buffer = b"a".to_vec();
    assert_eq!(file.append_at(2, 6, &mut buffer).unwrap(), 6);
    assert_eq!(buffer, b"a234567");
    assert_eq!(file.append_at(7, 6, &mut buffer).unwrap(), 3);
    assert_eq!(buffer, b"a234567789");
    assert_eq!(file.append_at(100, 6, &mut buffer).unwrap(), 0);
    assert_eq!(file.append_at(0, 0, &mut buffer).unwrap(), 0);
    // Room for more is no wish for more.
    buffer.reserve(1000);
    assert_eq!(file.append_at(0, 1, &mut buffer).unwrap(), 1);
    assert_eq!(buffer, b"a2345677890");
    assert_eq!(file.stat().unwrap(), *file.opened());
    assert_eq!(*file.opened(), seen.found[0].stat);
}

#[test]
fn reading_leaves_the_access_time() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("f");
    std::fs::write(&path, b"x").unwrap();
    // Older than the last change: what `relatime` would update.
    let old = SystemTime::now() - Duration::from_secs(1_000_000);
    let times = std::fs::FileTimes::new().set_accessed(old);
    File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    let before = std::fs::metadata(&path).unwrap().accessed().unwrap();
    let file = open(&see(&options(&["f"]), temporary.path()).found[0]).unwrap();
    assert_eq!(file.append_at(0, 1, &mut Vec::new()).unwrap(), 1);
    assert_eq!(std::fs::metadata(&path).unwrap().accessed().unwrap(), before);
}

#[test]
fn holes_are_told_from_data() {
    let temporary = tempfile::tempdir().unwrap();
    let sparse = File::create(temporary.path().join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    sparse.write_all_at(&[1; 65_536], 1 << 20).unwrap();
    File::create(temporary.path().join("hole")).unwrap().set_len(1 << 20).unwrap();
    std::fs::write(temporary.path().join("full"), vec![1; 100_000]).unwrap();
    std::fs::write(temporary.path().join("empty"), b"").unwrap();
    sparse.sync_all().unwrap();
    let seen = see(&options(&["."]), temporary.path());
    let extents = |name: &str| {
        let file = open(seen.get(name)).unwrap();
        file.extents(file.opened().size).collect::<Vec<_>>()
    };
    assert_eq!(extents("full"), [Extent::Data { start: 0, end: 100_000 }]);
    assert_eq!(extents("empty"), []);
    if seen.get("sparse").stat.blocks * 512 >= 4 << 20 {
        return skip("the file system has no holes");
    }
    assert_eq!(extents("hole"), [Extent::Hole { start: 0, end: 1 << 20 }]);
    assert_eq!(
        extents("sparse"),
        [
            Extent::Hole { start: 0, end: 1 << 20 },
            Extent::Data { start: 1 << 20, end: (1 << 20) + 65_536 },
            Extent::Hole { start: (1 << 20) + 65_536, end: 4 << 20 },
        ]
    );
    // Whatever size the caller believes in, the runs cover exactly that.
    let file = open(seen.get("sparse")).unwrap();
    for size in [1, 5000, (1 << 20) + 1, 8 << 20] {
        let mut at = 0;
        for extent in file.extents(size) {
            let (Extent::Data { start, end } | Extent::Hole { start, end }) = extent;
            assert!(start == at && end > start);
            at = end;
        }
        assert_eq!(at, size);
    }
}

#[test]
fn a_folder_swapped_for_a_link_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["home/user/docs/secret", "elsewhere/secret"]);
    let seen = see(&options(&["home"]), temporary.path());
    let found = seen.get("home/user/docs/secret");
    assert!(open(found).is_ok());
    let docs = temporary.path().join("home/user/docs");
    std::fs::rename(&docs, temporary.path().join("aside")).unwrap();
    symlink("../../elsewhere", &docs).unwrap();
    assert!(std::fs::read(docs.join("secret")).is_ok(), "the link leads somewhere");
    let error = open(found).err().unwrap();
    assert!(!error.is_vanished(), "{error}");
    assert_eq!(error.to_problem().code, ProblemCode::Unreadable);
}

#[test]
fn a_file_swapped_for_something_else_is_refused_without_waiting() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["link", "pipe", "folder", "gone", "target"]);
    let seen = see(&options(&["."]), temporary.path());
    for name in ["link", "pipe", "folder", "gone"] {
        std::fs::remove_file(temporary.path().join(name)).unwrap();
    }
    symlink("target", temporary.path().join("link")).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, temporary.path().join("pipe"), kind, mode, 0).unwrap();
    std::fs::create_dir(temporary.path().join("folder")).unwrap();
    assert!(matches!(open(seen.get("link")), Err(SourceError::Io { .. })));
    assert!(matches!(open(seen.get("pipe")), Err(SourceError::Replaced { .. })));
    assert!(matches!(open(seen.get("folder")), Err(SourceError::Replaced { .. })));
    let gone = open(seen.get("gone")).err().unwrap();
    assert!(gone.is_vanished());
    assert_eq!(gone.to_problem().code, ProblemCode::Vanished);
    assert_eq!(gone.to_problem().path, b"gone");
}
