// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder of the target: looking at and making what is in it.
//!
//! It is a descriptor, so renaming the folder or putting a symlink in its place does not redirect what is done here. Every name is checked
//! to be one plain component, and no call follows a symlink of that name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use keepfast_repo_format::tree::entry::{FileType, Metadata, Timestamp};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::error::TargetError;
use super::file::TargetFile;
use super::metadata::{self, MetadataFailure};
use super::ownership::Ownership;
use super::{locks, name, remove, resolve};

/// Name of the ACL that new entries of a folder get.
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// What is at a name now; the name itself, never what a symlink points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing {
    /// What it is.
    pub file_type: FileType,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the inode.
    pub changed: Timestamp,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Inode number.
    pub inode: u64,
    /// Device that holds it.
    pub device: u64,
    /// Number of names. Above 1, writing into a file changes it under names that may be outside the target.
    pub links: u64,
    /// Major and minor number of a device file.
    pub device_numbers: Option<(u32, u32)>,
}

/// Whether a folder had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new, empty and has mode 0700.
    New,
    /// It was there.
    Existing,
}

/// The two kinds of device files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Character device.
    Character,
    /// Block device.
    Block,
}

/// A folder of the target. Cloning shares the descriptor; a caller should keep few different ones, as descriptors are scarce.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    fd: OwnedFd,
    path: Vec<u8>,
    hands_down_acl: OnceLock<bool>,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

impl Directory {
    pub(super) fn new(fd: OwnedFd, path: Vec<u8>) -> Directory {
        Directory { inner: Arc::new(Inner { fd, path, hands_down_acl: OnceLock::new() }) }
    }

    /// Path relative to the target; empty for the target itself.
    pub fn path(&self) -> &[u8] {
        &self.inner.path
    }

    /// What is at `name`, or `None`.
    pub fn existing(&self, name: &[u8]) -> Result<Option<Existing>, TargetError> {
        const OPERATION: &str = "look at";
        self.check(name, OPERATION)?;
        match rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => existing_of(&stat).map(Some).ok_or_else(|| self.error(name, OPERATION, Errno::INVAL)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(name, OPERATION, error)),
        }
    }

    /// Where the symlink `name` points to.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, TargetError> {
        const OPERATION: &str = "read symlink";
        self.check(name, OPERATION)?;
        let target = rustix::fs::readlinkat(self, name, Vec::new());
        target.map(|target| target.into_bytes()).map_err(|error| self.error(name, OPERATION, error))
    }

    /// All names in the folder, sorted by bytes.
    pub fn names(&self) -> Result<Vec<Vec<u8>>, TargetError> {
        let mut names = list(self.as_fd()).map_err(|error| self.error(b"", "list folder", error))?;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    /// The folder `name` in this one.
    pub fn open_directory(&self, name: &[u8]) -> Result<Directory, TargetError> {
        const OPERATION: &str = "open folder";
        self.check(name, OPERATION)?;
        let fd = resolve::folder(self.as_fd(), name, resolve::Mounts::Cross)
            .map_err(|error| self.error(name, OPERATION, error))?;
        Ok(Directory::new(fd, name::join(&self.inner.path, name)))
    }

    /// Makes a folder of mode 0700, or leaves the one that is there. An existing folder of ours that we could not work in
    /// gets the owner's three permission bits, so its metadata has to be applied in the end. Error `Exists`: something else is there.
    pub fn make_directory(&self, name: &[u8]) -> Result<Made, TargetError> {
        const OPERATION: &str = "make folder";
        self.check(name, OPERATION)?;
        match rustix::fs::mkdirat(self, name, Mode::from_raw_mode(locks::FOLDER_BITS)) {
            Ok(()) => return Ok(Made::New),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.error(name, OPERATION, error)),
        }
        let opened = resolve::walk(self.as_fd(), name, resolve::Mounts::Cross).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => self.error(name, OPERATION, Errno::EXIST),
            other => self.error(name, OPERATION, other),
        })?;
        rustix::fs::fstat(&opened)
            .and_then(|stat| locks::unlock(opened.as_fd(), &stat, locks::FOLDER_BITS))
            .map_err(|error| self.error(name, OPERATION, error))?;
        Ok(Made::Existing)
    }

    /// Makes an empty file of mode 0600. Error `Exists`: anything is there, be it a symlink that leads nowhere.
    pub fn create_file(&self, name: &[u8]) -> Result<TargetFile, TargetError> {
        const OPERATION: &str = "create file";
        self.check(name, OPERATION)?;
        TargetFile::create(self, name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Opens an existing regular file for reading and writing. If it is ours and its mode forbids that, its owner gets the two
    /// bits, so its metadata has to be applied in the end. Errors: `Unsafe` for a symlink, `Exists` for any other type,
    /// `Denied` also for immutable and append-only files.
    ///
    /// If [`Existing::links`] is above 1, writing changes the file under its other names too, which may be outside the target: a
    /// restore rather removes the name and creates the file.
    pub fn open_file(&self, name: &[u8]) -> Result<TargetFile, TargetError> {
        const OPERATION: &str = "open file";
        self.check(name, OPERATION)?;
        TargetFile::open(self, name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Opens an existing regular file to read it, and changes nothing about it: `Denied` where its mode forbids that. Other errors
    /// as for [`Directory::open_file`].
    pub fn open_file_to_read(&self, name: &[u8]) -> Result<TargetFile, TargetError> {
        const OPERATION: &str = "open file";
        self.check(name, OPERATION)?;
        TargetFile::open_to_read(self, name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Makes a symlink with any target bytes; nothing here ever follows it.
    pub fn make_symlink(&self, name: &[u8], target: &[u8]) -> Result<(), TargetError> {
        const OPERATION: &str = "make symlink";
        self.check(name, OPERATION)?;
        rustix::fs::symlinkat(target, self, name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Makes a named pipe of mode 0600.
    pub fn make_fifo(&self, name: &[u8]) -> Result<(), TargetError> {
        self.make_node(name, "make fifo", rustix::fs::FileType::Fifo, 0)
    }

    /// Makes a UNIX socket of mode 0600 that nobody listens on.
    pub fn make_socket(&self, name: &[u8]) -> Result<(), TargetError> {
        self.make_node(name, "make socket", rustix::fs::FileType::Socket, 0)
    }

    /// Makes a device file of mode 0600. Error `Denied` for all but root.
    pub fn make_device(&self, name: &[u8], device: Device, major: u32, minor: u32) -> Result<(), TargetError> {
        let file_type = match device {
            Device::Character => rustix::fs::FileType::CharacterDevice,
            Device::Block => rustix::fs::FileType::BlockDevice,
        };
        self.make_node(name, "make device", file_type, rustix::fs::makedev(major, minor))
    }

    fn make_node(
        &self,
        name: &[u8],
        operation: &'static str,
        file_type: rustix::fs::FileType,
        device: u64,
    ) -> Result<(), TargetError> {
        self.check(name, operation)?;
        rustix::fs::mknodat(self, name, file_type, Mode::from_raw_mode(locks::FILE_BITS), device)
            .map_err(|error| self.error(name, operation, error))
    }

    /// Gives what is at `from_name` in `from` the further name `name`; a symlink gets a second name itself. Error `Exists`: the name is taken.
    pub fn hard_link(&self, name: &[u8], from: &Directory, from_name: &[u8]) -> Result<(), TargetError> {
        const OPERATION: &str = "make hard link";
        self.check(name, OPERATION)?;
        from.check(from_name, OPERATION)?;
        // `XDEV` is no escape here: the two names are on different file systems.
        rustix::fs::linkat(from, from_name, self, name, AtFlags::empty()).map_err(|error| match error {
            Errno::XDEV => TargetError { kind: super::TargetErrorKind::Other, ..self.error(name, OPERATION, error) },
            _ => self.error(name, OPERATION, error),
        })
    }

    /// Removes whatever is at `name`, a folder with all that is beneath it. Nothing there is success. Symlinks are removed, not
    /// followed; a file system mounted in the folder is not emptied (error `Unsafe`).
    pub fn remove(&self, name: &[u8]) -> Result<(), TargetError> {
        const OPERATION: &str = "remove";
        self.check(name, OPERATION)?;
        remove::remove(self.as_fd(), name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Removes the folder `name` if it is empty; says whether it is gone.
    pub fn remove_empty(&self, name: &[u8]) -> Result<bool, TargetError> {
        const OPERATION: &str = "remove";
        self.check(name, OPERATION)?;
        remove::remove_empty(self.as_fd(), name).map_err(|error| self.error(name, OPERATION, error))
    }

    /// Whether what is in this folder lies on its file system, and is no mount point. If it can not be told: no.
    pub fn is_same_file_system(&self, existing: &Existing) -> bool {
        rustix::fs::fstat(self).is_ok_and(|own| own.st_dev == existing.device)
    }

    /// Sets all metadata of what is at `name`, of any type; one of another type than `metadata` says is left alone (a failure).
    /// A folder's comes after everything in it. See [`MetadataFailure`] for what can not be set.
    pub fn apply_metadata(&self, name: &[u8], metadata: &Metadata, ownership: &Ownership) -> Vec<MetadataFailure> {
        metadata::apply_named(self, name, metadata, ownership)
    }

    /// The same for this folder itself: the only way to set the target's own.
    pub fn apply_own_metadata(&self, metadata: &Metadata, ownership: &Ownership) -> Vec<MetadataFailure> {
        metadata::apply_own(self, metadata, ownership)
    }

    /// Whether new entries get ACLs from this folder. If it can not be told: yes, which costs time only.
    pub(super) fn hands_down_acl(&self) -> bool {
        *self.inner.hands_down_acl.get_or_init(|| {
            let size = self.open_self().and_then(|fd| rustix::fs::fgetxattr_query(fd, DEFAULT_ACL));
            !matches!(size, Err(Errno::NODATA | Errno::OPNOTSUPP))
        })
    }

    /// A descriptor of this folder that can be read.
    pub(super) fn open_self(&self) -> Result<OwnedFd, Errno> {
        open_readable(self.as_fd())
    }

    pub(super) fn check(&self, name: &[u8], operation: &'static str) -> Result<(), TargetError> {
        name::check(name, operation, || name::join(&self.inner.path, name))
    }

    fn error(&self, name: &[u8], operation: &'static str, errno: Errno) -> TargetError {
        TargetError::new(name::join(&self.inner.path, name), operation, errno)
    }
}

fn open_readable(folder: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Names with the type that the file system tells along (it may be unknown), without `.` and `..`.
pub(super) fn list(folder: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, rustix::fs::FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::new(open_readable(folder)?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(names)
}

/// The stored type for the file system's.
pub(super) fn file_type_of(raw_mode: u32) -> Option<FileType> {
    Some(match rustix::fs::FileType::from_raw_mode(raw_mode) {
        rustix::fs::FileType::RegularFile => FileType::File,
        rustix::fs::FileType::Directory => FileType::Directory,
        rustix::fs::FileType::Symlink => FileType::Symlink,
        rustix::fs::FileType::Fifo => FileType::Fifo,
        rustix::fs::FileType::CharacterDevice => FileType::CharDevice,
        rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
        rustix::fs::FileType::Socket => FileType::Socket,
        rustix::fs::FileType::Unknown => return None,
    })
}

// The fields' widths differ between architectures.
#[allow(clippy::unnecessary_cast)]
fn existing_of(stat: &Stat) -> Option<Existing> {
    let file_type = file_type_of(stat.st_mode)?;
    let device = matches!(file_type, FileType::CharDevice | FileType::BlockDevice);
    Some(Existing {
        file_type,
        mode: stat.st_mode & 0o7777,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: Timestamp { seconds: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 },
        changed: Timestamp { seconds: stat.st_ctime, nanos: stat.st_ctime_nsec as u32 },
        uid: stat.st_uid,
        gid: stat.st_gid,
        inode: stat.st_ino,
        device: stat.st_dev,
        links: stat.st_nlink as u64,
        device_numbers: device.then(|| (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))),
    })
}
