// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the local backend gives a name exactly once, on file systems that know one way, the other or none, and that answer
//! wrongly about what they did.

use super::faults::{Answer, Planned, backend, local_error};
use super::*;

/// A file system without `renameat2`, as NFS.
fn without_rename() -> Planned {
    Planned::default().always("rename", Answer::Fails(Errno::INVAL))
}

#[test]
fn a_folder_without_rename_keeps_the_contract_by_links() {
    let planned = without_rename();
    let folders = RefCell::new(Vec::new());
    conformance::check(&|| {
        let (folder, backend) = backend(&planned);
        folders.borrow_mut().push(folder);
        Box::new(backend)
    });
    assert!(planned.count("link") > 0);
    for folder in folders.borrow().iter() {
        assert!(!files(folder.path()).iter().any(|file| file.starts_with('.')));
    }
}

#[test]
fn every_way_to_say_that_rename_is_not_known_leads_to_links() {
    for errno in [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP] {
        let planned = Planned::default().always("rename", Answer::Fails(errno));
        let (folder, backend) = backend(&planned);
        put(&backend, "gen/1", b"one");
        assert_eq!(backend.put_if_absent(&name("gen/1"), &[b"two"]).unwrap(), Put::Exists);
        assert_eq!(backend.get(&name("gen/1"), None).unwrap(), b"one");
        assert_eq!((planned.count("link"), files(folder.path()).len()), (2, 2));
    }
}

#[test]
fn a_link_that_worked_but_said_otherwise_is_ours() {
    for errno in [Errno::EXIST, Errno::IO, Errno::TIMEDOUT, Errno::INTR, Errno::STALE] {
        let (folder, backend) = backend(&without_rename().always("link", Answer::WorksThenFails(errno)));
        put(&backend, "gen/1", b"one");
        assert_eq!(backend.get(&name("gen/1"), None).unwrap(), b"one");
        assert_eq!(files(folder.path()), ["1", "gen"]);
    }
}

#[test]
fn a_rename_that_worked_but_said_otherwise_is_ours() {
    for errno in [Errno::EXIST, Errno::NOENT, Errno::IO, Errno::TIMEDOUT, Errno::INTR, Errno::STALE] {
        let (folder, backend) = backend(&Planned::default().always("rename", Answer::WorksThenFails(errno)));
        put(&backend, "gen/1", b"one");
        assert_eq!(backend.get(&name("gen/1"), None).unwrap(), b"one");
        assert_eq!(files(folder.path()), ["1", "gen"], "{errno}");
    }
}

#[test]
fn a_rename_that_failed_is_not_taken_for_one_that_worked() {
    for errno in [Errno::IO, Errno::TIMEDOUT, Errno::INTR, Errno::STALE, Errno::NOSPC] {
        let planned = Planned::default();
        let (folder, backend) = backend(&planned);
        put(&backend, "gen/1", b"one");
        planned.plan("rename", Answer::Fails(errno));
        assert!(backend.put_if_absent(&name("gen/1"), &[b"one"]).is_err(), "{errno}");
        assert!(backend.put_if_absent(&name("gen/2"), &[b"one"]).is_err(), "{errno}");
        assert_eq!(files(folder.path()), ["1", "gen"], "{errno}");
    }
}

#[test]
fn a_file_that_can_not_be_moved_in_its_own_folder_is_an_error_of_its_own() {
    let planned = Planned::default().always("rename", Answer::Fails(Errno::XDEV));
    let (_folder, linking) = backend(&planned);
    put(&linking, "gen/1", b"one");
    let (folder, backend) = backend(&planned.always("link", Answer::Fails(Errno::XDEV)));
    let error = backend.put_if_absent(&name("gen/1"), &[]).unwrap_err();
    assert_eq!(local_error(&error), Some(LocalError::OtherDevice));
    assert_eq!(files(folder.path()), ["gen"]);
}

#[test]
fn a_link_that_failed_created_nothing() {
    let (folder, backend) = backend(&without_rename().always("link", Answer::Fails(Errno::IO)));
    assert_eq!(backend.put_if_absent(&name("gen/1"), &[]).unwrap_err().kind, ErrorKind::Other);
    assert_eq!(files(folder.path()), ["gen"]);
}

#[test]
fn a_file_system_that_can_create_nothing_once_is_refused() {
    for errno in [Errno::PERM, Errno::NOTSUP] {
        let (folder, backend) = backend(&without_rename().always("link", Answer::Fails(errno)));
        let error = backend.put_if_absent(&name("gen/1"), &[]).unwrap_err();
        assert_eq!((error.kind, local_error(&error)), (ErrorKind::Other, Some(LocalError::NoCreateOnce)));
        assert_eq!(files(folder.path()), ["gen"]);
    }
}

#[test]
fn a_temporary_file_swept_elsewhere_is_written_again() {
    let renaming = Planned::default().once("rename", Answer::LosesFile);
    let linking = without_rename().once("link", Answer::LosesFile);
    for planned in [renaming, linking] {
        let (folder, backend) = backend(&planned);
        put(&backend, "packs/00/a", b"all of it");
        assert_eq!(backend.get(&name("packs/00/a"), None).unwrap(), b"all of it");
        assert_eq!(planned.count("sync_file"), 2);
        assert_eq!(files(folder.path()), ["00", "a", "packs"]);
    }
    let (_folder, backend) = backend(&Planned::default().always("rename", Answer::LosesFile));
    assert_eq!(backend.put_if_absent(&name("a"), &[]).unwrap_err().kind, ErrorKind::Transient);
}
