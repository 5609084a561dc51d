// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kind of file system a folder is on, and what that means: for a repository, which needs names and bytes that last,
//! and for the local state and cache, which need locks and shared memory. It tells; whoever has a face warns or declines.

use std::fs::File;
use std::io;
use std::path::Path;

use super::root::open_folder;

/// A kind of file system, by what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSystem {
    /// On disks of this machine: what is flushed lasts, locks are seen by all who can write.
    Disk,
    /// In memory: gone when the machine restarts.
    Memory,
    /// NFS.
    Nfs,
    /// SMB (CIFS).
    Smb,
    /// A program's (FUSE), with whatever is behind it.
    Fuse,
    /// Another one that several machines, or a machine and its guest, share; with its name.
    Shared(&'static str),
    /// One that this table does not have, or a system that does not tell.
    Unknown,
}

/// Something a user should know about the folder of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Concern {
    /// The client can not see how the server exports the folder.
    #[error(
        "the repository is on NFS: if the server exports it with the option `async`, a crash of the server can take \
         snapshots that were reported as saved; export it with `sync`"
    )]
    NfsMayBeAsync,
    /// What is flushed may be flushed only on its way.
    #[error("the repository is on {}: whether what is saved there survives a crash depends on what is behind it", .0.word())]
    DurabilityUnknown(FileSystem),
    /// Nothing survives a restart.
    #[error("the repository is in memory: it is gone when this machine restarts")]
    Volatile,
    /// See [`super::FolderSync::LeftToServer`].
    #[error("the file system can not flush folders: when names become durable is left to the server")]
    NamesLeftToServer,
}

/// Whether a folder can hold the local state and the cache, which are SQLite databases and locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFolder {
    /// On a disk of this machine, or on a file system of which nothing bad is known.
    Suitable,
    /// On a network: locks and shared memory of the database do not work there, and other machines could be given the
    /// same identity. To be refused.
    Network(FileSystem),
    /// In memory: harmless for a cache; state that is lost gives the machine a new writer. To be warned of.
    Volatile,
    /// A program's file system, which may be anything. To be warned of.
    Doubtful(FileSystem),
}

impl FileSystem {
    /// The kind of file system that `path` is on; where nothing is at `path`, the nearest folder above counts.
    ///
    /// # Errors
    /// No folder above can be asked.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        for folder in path.ancestors() {
            let folder = if folder.is_file() { folder.parent().unwrap_or(folder) } else { folder };
            match open_folder(folder) {
                Ok(opened) => return Self::of_file(&opened),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// What users call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "a disk",
            Self::Memory => "a file system in memory",
            Self::Nfs => "NFS",
            Self::Smb => "SMB",
            Self::Fuse => "a FUSE file system",
            Self::Shared(name) => name,
            Self::Unknown => "a file system that keepfast does not know",
        }
    }

    /// Whether other machines may write here whose locks are not seen, or no locks at all may be.
    pub(super) fn hides_locks(self) -> bool {
        matches!(self, Self::Nfs | Self::Smb | Self::Fuse | Self::Shared(_))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        let magic = rustix::io::retry_on_intr(|| rustix::fs::fstatfs(file))?.f_type;
        // All of them have 32 bits; some architectures extend the sign.
        Ok(Self::of_magic(magic as u32))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of_file(_: &File) -> io::Result<Self> {
        Ok(Self::Unknown)
    }

    /// By the numbers of statfs(2) and of the kernel's `linux/magic.h`.
    pub(super) fn of_magic(magic: u32) -> Self {
        match magic {
            // ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, JFS, ReiserFS, NILFS, HFS+, FAT, exFAT, NTFS (two drivers),
            // overlays of any of these, eCryptfs.
            0xef53 | 0x5846_5342 | 0x9123_683e | 0xf2f5_2010 | 0x2fc1_2fc1 | 0xca45_1a4e | 0x3153_464a
            | 0x5265_4973 | 0x3434 | 0x482b | 0x4d44 | 0x2011_bab0 | 0x5346_544e | 0x7366_746e | 0x794c_7630
            | 0xf15f => Self::Disk,
            // tmpfs, ramfs.
            0x0102_1994 | 0x8584_58f6 => Self::Memory,
            0x6969 => Self::Nfs,
            // SMB 1 by the old driver, CIFS, SMB 2 and later.
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => Self::Smb,
            // virtiofs says this too.
            0x6573_5546 => Self::Fuse,
            0x0102_1997 => Self::Shared("9P"),
            0x00c3_6400 => Self::Shared("Ceph"),
            0x5346_414f | 0x6b41_4653 => Self::Shared("AFS"),
            0x7375_7245 => Self::Shared("Coda"),
            0x0116_1970 => Self::Shared("GFS2"),
            0x7461_636f => Self::Shared("OCFS2"),
            0x0bd0_0bd0 => Self::Shared("Lustre"),
            0x786f_4256 => Self::Shared("a VirtualBox shared folder"),
            _ => Self::Unknown,
        }
    }

    /// What a user should know before the first backup goes there.
    pub(super) fn concern(self) -> Option<Concern> {
        match self {
            Self::Disk => None,
            Self::Memory => Some(Concern::Volatile),
            Self::Nfs => Some(Concern::NfsMayBeAsync),
            Self::Smb | Self::Fuse | Self::Shared(_) | Self::Unknown => Some(Concern::DurabilityUnknown(self)),
        }
    }

    /// What this kind means for a folder of local state.
    pub fn as_state_folder(self) -> StateFolder {
        match self {
            Self::Disk | Self::Unknown => StateFolder::Suitable,
            Self::Memory => StateFolder::Volatile,
            Self::Nfs | Self::Smb | Self::Shared(_) => StateFolder::Network(self),
            Self::Fuse => StateFolder::Doubtful(self),
        }
    }
}
