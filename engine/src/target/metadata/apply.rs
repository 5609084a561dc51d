// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of setting metadata, in their order, each skipped if it would change nothing.

use keepfast_repo_format::tree::entry::{FileType, Metadata};
use rustix::fs::{Gid, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::failure::{Attribute, FailureKind, MetadataFailure};
use super::flags;
use super::handle::Handle;
use super::xattrs::{self, ModeEffect};
use crate::target::directory::file_type_of;
use crate::target::ownership::Ownership;

/// Set-user-id bit.
const SET_UID: u32 = 0o4000;
/// Set-group-id bit.
const SET_GID: u32 = 0o2000;
/// All bits that a mode has.
const MODE_BITS: u32 = 0o7777;
/// Nanoseconds from here on have special meanings in the system call ("now", "leave"), or none.
const NANOS_END: u32 = 1_000_000_000;

/// Whether there can be attributes that nobody recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::target) enum Origin {
    /// We made it, and nothing was inherited.
    Created,
    /// It was there, or may have inherited something.
    Existing,
}

/// Who owns it after the owner step.
struct Owned {
    /// Set-id bits that may stand: the recorded user and group own it.
    set_id_bits: u32,
    /// The system may have cleared bits of the mode.
    mode: ModeEffect,
}

/// One inode getting its metadata.
pub(super) struct Application<'a> {
    handle: Handle<'a>,
    path: &'a dyn Fn() -> Vec<u8>,
    metadata: &'a Metadata,
    ownership: &'a Ownership,
    failures: Vec<MetadataFailure>,
}

impl<'a> Application<'a> {
    pub(super) fn new(
        handle: Handle<'a>,
        path: &'a dyn Fn() -> Vec<u8>,
        metadata: &'a Metadata,
        ownership: &'a Ownership,
    ) -> Application<'a> {
        Application { handle, path, metadata, ownership, failures: Vec::new() }
    }

    /// Does all steps and returns what could not be set.
    pub(super) fn run(mut self, origin: Origin) -> Vec<MetadataFailure> {
        let stat = match self.handle.stat() {
            Ok(stat) => stat,
            Err(error) => {
                self.fail(Attribute::All, error);
                return self.failures;
            }
        };
        if file_type_of(stat.st_mode) != Some(self.metadata.file_type) {
            self.failures.push(MetadataFailure {
                path: (self.path)(),
                attribute: Attribute::All,
                kind: FailureKind::Unsafe,
                error: Errno::EXIST.into(),
            });
            return self.failures;
        }
        let owned = self.set_owner(&stat);
        let effect = self.set_xattrs(origin);
        self.set_mode(&stat, &owned, effect);
        self.set_times(&stat);
        self.set_flags(origin);
        self.failures
    }

    fn set_owner(&mut self, stat: &Stat) -> Owned {
        let recorded = &self.metadata.owner;
        let Some((uid, gid)) = self.ownership.wanted(recorded) else {
            let set_id_bits = set_id_bits(stat.st_uid == recorded.uid, stat.st_gid == recorded.gid);
            return Owned { set_id_bits, mode: ModeEffect::Kept };
        };
        let user = (uid != stat.st_uid).then_some(uid);
        let group = (gid != stat.st_gid).then_some(gid);
        if user.is_none() && group.is_none() {
            return Owned { set_id_bits: SET_UID | SET_GID, mode: ModeEffect::Kept };
        }
        let (user_set, group_set) = match self.change_owner(user, group) {
            Ok(()) => (true, true),
            Err(error) => {
                self.fail(Attribute::Owner, error);
                // Who may not give files away may still choose among their own groups.
                let group_set = group.is_none() || user.is_some() && self.change_owner(None, group).is_ok();
                (user.is_none(), group_set)
            }
        };
        Owned { set_id_bits: set_id_bits(user_set, group_set), mode: ModeEffect::Changed }
    }

    fn change_owner(&self, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
        // The last number means "leave it" to the system.
        if user == Some(u32::MAX) || group == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        self.handle.set_owner(user.map(Uid::from_raw), group.map(Gid::from_raw))
    }

    fn set_xattrs(&mut self, origin: Origin) -> ModeEffect {
        let wanted = &self.metadata.xattrs;
        let mut failures = Vec::new();
        let mut failed = |name: &[u8], error| failures.push((name.to_vec(), error));
        // Symlinks can not have any of those that are removed.
        let removed = match (origin, self.metadata.file_type) {
            (Origin::Created, _) | (_, FileType::Symlink) => ModeEffect::Kept,
            _ => xattrs::remove_others(&self.handle, wanted, &mut failed),
        };
        let set = xattrs::set(&self.handle, wanted, &mut failed);
        for (name, error) in failures {
            self.fail(Attribute::Xattr(name), error);
        }
        if removed == ModeEffect::Changed { removed } else { set }
    }

    fn set_mode(&mut self, stat: &Stat, owned: &Owned, effect: ModeEffect) {
        if self.metadata.file_type == FileType::Symlink {
            return;
        }
        let mode = self.metadata.mode & MODE_BITS & (!(SET_UID | SET_GID) | owned.set_id_bits);
        let known = owned.mode == ModeEffect::Kept && effect == ModeEffect::Kept;
        if known && stat.st_mode & MODE_BITS == mode {
            return;
        }
        if let Err(error) = self.handle.set_mode(mode) {
            self.fail(Attribute::Mode, error);
        }
    }

    fn set_times(&mut self, stat: &Stat) {
        let modified = self.metadata.modified;
        if modified.nanos >= NANOS_END {
            return self.fail(Attribute::Times, Errno::INVAL);
        }
        let time = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanos.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        // Always tried: writing may have moved them since. Of what is sealed against changes nothing was written.
        if let Err(error) = self.handle.set_times(&times)
            && (error != Errno::PERM || !has_modified(stat, &time))
        {
            self.fail(Attribute::Times, error);
        }
    }

    fn set_flags(&mut self, origin: Origin) {
        if !matches!(self.metadata.file_type, FileType::File | FileType::Directory) {
            return;
        }
        let wanted = flags::wanted(self.metadata.inode_flags);
        if wanted.is_empty() && origin == Origin::Created {
            return;
        }
        let outcome = match self.handle.readable() {
            Some(fd) => flags::set(fd, wanted),
            None if wanted.is_empty() => Ok(()),
            None => Err(Errno::ACCESS),
        };
        if let Err(error) = outcome {
            self.fail(Attribute::Flags, error);
        }
    }

    fn fail(&mut self, attribute: Attribute, errno: Errno) {
        self.failures.push(MetadataFailure::new((self.path)(), attribute, errno));
    }
}

// The fields' widths differ between architectures.
#[allow(clippy::unnecessary_cast)]
fn has_modified(stat: &Stat, time: &Timespec) -> bool {
    (stat.st_mtime as i64, stat.st_mtime_nsec as i64) == (time.tv_sec as i64, time.tv_nsec as i64)
}

fn set_id_bits(user: bool, group: bool) -> u32 {
    let user = if user { SET_UID } else { 0 };
    let group = if group { SET_GID } else { 0 };
    user | group
}
