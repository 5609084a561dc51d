// SPDX-License-Identifier: MIT OR Apache-2.0
//! An open folder beneath which everything is reached without following a symbolic link.
//!
//! For the walk and for opening what it found: a folder that is swapped for a symlink meanwhile is refused by the kernel,
//! not looked for with a check that comes too late. Paths of any length work; the kernel takes 4095 bytes at a time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// Longest path that the kernel takes in one call, in bytes, without the NUL.
const PATH_BYTES_MAX: usize = 4095;

/// How to hold a folder that is only a place to start from.
const HOLD: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder of the source that stays open while anything found beneath it is in use.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    /// Its path in the snapshot; empty at the top.
    stored: Vec<u8>,
    /// Its absolute path in the source, without a trailing `/`; empty for `/` itself.
    source: Vec<u8>,
}

/// Whether a symbolic link at the end of a named path is the thing that was named, or what it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Keep,
}

impl Root {
    /// Opens the folder at the absolute path `source`, following links: it was named by the user.
    pub(super) fn open(source: Vec<u8>, stored: Vec<u8>) -> Result<Self, Errno> {
        let fd = open_named(&source, HOLD, Links::Follow)?;
        Ok(Self { fd, stored, source })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Absolute source path of what the snapshot calls `stored`, without the leading `/`.
    pub(super) fn source_of(&self, stored: &[u8]) -> Vec<u8> {
        let below = self.below(stored);
        let mut path = self.source.strip_prefix(b"/").unwrap_or(&self.source).to_vec();
        if !path.is_empty() && !below.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(below);
        path
    }

    /// Opens what the snapshot calls `stored`. Fails with `ELOOP` if any part of the way, or its end, is a symlink;
    /// with `O_PATH` the end may be one and is opened itself.
    pub(super) fn open_beneath(&self, stored: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        open_beneath(self.fd(), self.below(stored), flags | OFlags::NOFOLLOW | OFlags::CLOEXEC)
    }

    /// The same, without a trace in the access time where the kernel permits that: only for the owner and root.
    pub(super) fn open_to_read(&self, stored: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.open_beneath(stored, flags | OFlags::NOATIME) {
            Err(Errno::PERM) => self.open_beneath(stored, flags),
            other => other,
        }
    }

    fn below<'a>(&self, stored: &'a [u8]) -> &'a [u8] {
        let rest = stored.strip_prefix(self.stored.as_slice()).unwrap_or(stored);
        rest.strip_prefix(b"/").unwrap_or(rest)
    }
}

/// Opens a path that the user named, which may lead through links.
pub(super) fn open_named(source: &[u8], flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
    let flags = if links == Links::Keep { flags | OFlags::NOFOLLOW } else { flags } | OFlags::CLOEXEC;
    let mut at = openat(CWD, c"/", HOLD, Mode::empty())?;
    let mut rest = source.strip_prefix(b"/").unwrap_or(source);
    while rest.len() > PATH_BYTES_MAX {
        let (piece, tail) = split_path(rest, PATH_BYTES_MAX)?;
        at = openat(&at, piece, HOLD, Mode::empty())?;
        rest = tail;
    }
    openat(&at, if rest.is_empty() { b".".as_slice() } else { rest }, flags, Mode::empty())
}

fn open_beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b".".as_slice() } else { path };
    match open_in_pieces(root, path, flags, PATH_BYTES_MAX) {
        // With NOATIME this is said of a foreign file, and the caller tries once more without.
        Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => Err(Errno::PERM),
        // Kernels before 5.6 lack openat2, and sandboxes from before it forbid it: one name at a time does the same.
        Err(Errno::NOSYS | Errno::PERM) => open_in_pieces(root, path, flags, 0),
        other => other,
    }
}

/// Opens `path` in pieces of at most `limit` bytes, or name by name without `openat2` if `limit` is 0.
fn open_in_pieces(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, limit: usize) -> Result<OwnedFd, Errno> {
    let mut rest = path;
    let mut held: Option<OwnedFd> = None;
    loop {
        let at = held.as_ref().map_or(root, AsFd::as_fd);
        let is_last = if limit == 0 { !rest.contains(&b'/') } else { rest.len() <= limit };
        if is_last {
            return open_piece(at, rest, flags, limit);
        }
        let (piece, tail) = split_path(rest, limit)?;
        held = Some(open_piece(at, piece, HOLD | OFlags::NOFOLLOW, limit)?);
        rest = tail;
    }
}

fn open_piece(at: BorrowedFd<'_>, piece: &[u8], flags: OFlags, limit: usize) -> Result<OwnedFd, Errno> {
    if limit == 0 {
        return openat(at, piece, flags, Mode::empty());
    }
    openat2(at, piece, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// Splits at the last `/` within the first `limit` bytes, or at the first one if `limit` is 0.
fn split_path(path: &[u8], limit: usize) -> Result<(&[u8], &[u8]), Errno> {
    let slash = match limit {
        0 => path.iter().position(|byte| *byte == b'/'),
        _ => path[..=limit.min(path.len() - 1)].iter().rposition(|byte| *byte == b'/'),
    };
    let slash = slash.ok_or(Errno::NAMETOOLONG)?;
    Ok((&path[..slash], &path[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_piece_length_follows_a_link_on_the_way_or_at_the_end() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temporary.path().join("aa/bb/cc")).unwrap();
        std::fs::write(temporary.path().join("aa/bb/cc/file"), b"").unwrap();
        symlink("bb", temporary.path().join("aa/to-bb")).unwrap();
        symlink("file", temporary.path().join("aa/bb/cc/to-file")).unwrap();
        let root = openat(CWD, temporary.path(), HOLD, Mode::empty()).unwrap();
        // 0 is the way without openat2.
        for limit in [0, 9, 10, 11, 12, PATH_BYTES_MAX] {
            let open = |path: &[u8], flags| open_in_pieces(root.as_fd(), path, flags | OFlags::NOFOLLOW, limit);
            assert!(open(b"aa/bb/cc/file", OFlags::RDONLY).is_ok(), "{limit}");
            assert!(open(b".", OFlags::RDONLY).is_ok(), "{limit}");
            assert!(open(b"aa/bb/cc/to-file", OFlags::PATH).is_ok(), "{limit}");
            assert_eq!(open(b"aa/bb/cc/to-file", OFlags::RDONLY).err(), Some(Errno::LOOP), "{limit}");
            let refused = open(b"aa/to-bb/cc/file", OFlags::RDONLY).err();
            assert!(matches!(refused, Some(Errno::LOOP | Errno::NOTDIR)), "{limit}: {refused:?}");
        }
    }
}
