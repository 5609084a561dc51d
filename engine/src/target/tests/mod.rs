// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the target: what the others share.

mod content;
mod fidelity;
mod hostile;
mod ordinary;
mod privileged;
mod removal;

use std::path::PathBuf;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{FileType, Metadata, Owner, Timestamp};
use tempfile::TempDir;

use super::{Directory, Ownership, OwnershipMode, Target, TargetError, TargetErrorKind};

/// A target next to a folder that nothing may ever get into.
struct Fixture {
    temporary: TempDir,
    target: Target,
}

impl Fixture {
    fn new() -> Fixture {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir(temporary.path().join("outside")).unwrap();
        let target = Target::open_or_create(&temporary.path().join("target")).unwrap();
        Fixture { temporary, target }
    }

    fn top(&self) -> Directory {
        self.target.directory(b"").unwrap()
    }

    /// The path of something in the target.
    fn path(&self, relative: &str) -> PathBuf {
        self.temporary.path().join("target").join(relative)
    }

    fn outside(&self) -> PathBuf {
        self.temporary.path().join("outside")
    }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn gid() -> u32 {
    rustix::process::getegid().as_raw()
}

fn is_root() -> bool {
    uid() == 0
}

fn numeric() -> Ownership {
    Ownership::new(OwnershipMode::Numeric)
}

fn owner(uid: u32, gid: u32) -> Arc<Owner> {
    Arc::new(Owner { uid, gid, user: Vec::new(), group: Vec::new() })
}

/// Plain metadata that everybody can set.
fn metadata(file_type: FileType) -> Metadata {
    let old = Timestamp { seconds: 1_234_567_890, nanos: 123_456_789 };
    Metadata {
        file_type,
        mode: 0o640,
        owner: owner(uid(), gid()),
        modified: old,
        changed: old,
        born: None,
        inode: 0,
        link_group: None,
        inode_flags: 0,
        device: None,
        target: Vec::new(),
        xattrs: Arc::new(Vec::new()),
        size: 0,
    }
}

fn kind<T>(result: Result<T, TargetError>) -> TargetErrorKind {
    match result {
        Ok(_) => panic!("should have failed"),
        Err(error) => error.kind,
    }
}

/// Value of an extended attribute.
fn xattr(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 65536];
    let size = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(size);
    Some(value)
}
