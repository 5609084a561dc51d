// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of the kernel, answered by the view: numbers and words of FUSE stand here and nowhere else.
//!
//! The kernel is asked to remember as much as it can, because a snapshot never changes. Files are opened without asking us: nothing is held
//! for an open file, and a copy of many small ones saves two of five requests for each.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    Notifier, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request,
};
use keepfast_repo_format::tree::entry::{FileType, Timestamp};
use keepfast_repo_format::tree::order::MAX_NAME_BYTES;

use super::attributes::{Attributes, Lasts};
use super::content::Seek;
use super::effort::Effort;
use super::list::{Enough, FIRST_NAME, Listed};
use super::offer::Offers;
use super::view::{Answer, Refusal, View};
use super::workers::Workers;

/// How long the kernel may believe what never changes.
const FOR_EVER: Duration = Duration::from_secs(1 << 24);
/// And what snapshots that come and go change.
const SHORTLY: Duration = Duration::from_secs(1);

/// Requests that the kernel may have under way without anybody waiting for them: reading ahead for many readers at once.
const BACKGROUND_REQUESTS: u16 = 64;

/// What `stat` recommends to read at a time: one request with the kernel's usual reading ahead.
const BLOCK_BYTES: u32 = 128 << 10;

/// A view with the kernel on the other side.
pub(super) struct Kernel {
    view: Arc<View>,
    workers: Workers,
    offers: Arc<Offers>,
    /// Whether the kernel can be told never to ask for opening.
    opens_alone: bool,
}

impl Kernel {
    pub(super) fn new(view: Arc<View>, threads: usize) -> Self {
        let offers = Arc::new(Offers::start(&view));
        Self { view, workers: Workers::start(threads), offers, opens_alone: false }
    }

    /// Where files are offered before the kernel asks for them.
    pub(super) fn offers_to(&self) -> Arc<OnceLock<Notifier>> {
        self.offers.kernel()
    }

    /// Answers here, or lets a worker do it if that may take a while.
    fn serve(&self, effort: Effort, job: impl FnOnce(&View) + Send + 'static) {
        match effort {
            Effort::Little => job(&self.view),
            Effort::Much => {
                let view = self.view.clone();
                self.workers.run(move || job(&view));
            }
        }
    }
}

impl Filesystem for Kernel {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        self.opens_alone = config.capabilities().contains(InitFlags::FUSE_NO_OPEN_SUPPORT);
        // Older kernels do without.
        for wanted in [InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_NO_OPEN_SUPPORT]
        {
            let _ = config.add_capabilities(wanted);
        }
        let _ = config.set_max_background(BACKGROUND_REQUESTS);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.as_bytes().to_vec();
        self.serve(self.view.effort_of_name(parent.0, &name), move |view| match view.look_up(parent.0, &name) {
            Ok(found) => reply.entry(&ttl(&found), &attr(&found), Generation(0)),
            Err(refusal) => reply.error(errno(refusal)),
        });
    }

    fn forget(&self, _: &Request, ino: INodeNo, _: u64) {
        self.view.forget(ino.0);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.serve(self.view.effort(ino.0), move |view| match view.attributes(ino.0) {
            Ok(found) => reply.attr(&ttl(&found), &attr(&found)),
            Err(refusal) => reply.error(errno(refusal)),
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.serve(self.view.effort(ino.0), move |view| match view.link(ino.0) {
            Ok(target) => reply.data(&target),
            Err(refusal) => reply.error(errno(refusal)),
        });
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if self.opens_alone {
            reply.error(Errno::ENOSYS);
        } else {
            reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let effort = self.view.effort_of_bytes(ino.0, offset, size.into());
        self.serve(effort, move |view| match view.read(ino.0, offset, size.into()) {
            Ok(bytes) => reply.data(&bytes),
            Err(refusal) => reply.error(errno(refusal)),
        });
        self.offers.note(ino.0);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // What changes is listed anew each time.
        let keeps = match self.view.lasts(ino.0) {
            Lasts::ForEver => FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE,
            Lasts::Shortly => FopenFlags::empty(),
        };
        reply.opened(FileHandle(0), keeps);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.serve(self.view.effort_of_list(ino.0, offset), move |view| {
            let listed = list(view, ino.0, offset, |number, next, name, attributes| {
                reply.add(number, next, kind(attributes.file_type), name)
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(refusal) => reply.error(errno(refusal)),
            }
        });
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.serve(self.view.effort_of_list(ino.0, offset), move |view| {
            let listed = list(view, ino.0, offset, |number, next, name, attributes| {
                reply.add(number, next, name, &ttl(attributes), &attr(attributes), Generation(0))
            });
            match listed {
                Ok(()) => reply.ok(),
                Err(refusal) => reply.error(errno(refusal)),
            }
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        // Nothing is free, and nobody knows how much there is.
        reply.statfs(0, 0, 0, 0, 0, 4096, MAX_NAME_BYTES as u32, 4096);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.as_bytes().to_vec();
        self.serve(self.view.effort(ino.0), move |view| match view.xattrs(ino.0) {
            Ok(xattrs) => match xattrs.binary_search_by(|(other, _)| other.cmp(&name)) {
                Ok(place) => sized(&xattrs[place].1, size, reply),
                Err(_) => reply.error(Errno::NO_XATTR),
            },
            Err(refusal) => reply.error(errno(refusal)),
        });
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.serve(self.view.effort(ino.0), move |view| match view.xattrs(ino.0) {
            Ok(xattrs) => {
                let names: Vec<u8> = xattrs.iter().flat_map(|(name, _)| name.iter().copied().chain([0])).collect();
                sized(&names, size, reply);
            }
            Err(refusal) => reply.error(errno(refusal)),
        });
        // Who copies a file asks for these behind its content, which may not have been asked for.
        self.offers.note(ino.0);
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        const SEEK_DATA: i32 = 3;
        const SEEK_HOLE: i32 = 4;
        let goal = match whence {
            SEEK_DATA => Seek::Data,
            SEEK_HOLE => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let Ok(from) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        self.serve(Effort::Much, move |view| match view.seek(ino.0, from, goal) {
            Ok(place) => match place.and_then(|place| i64::try_from(place).ok()) {
                Some(place) => reply.offset(place),
                None => reply.error(Errno::ENXIO),
            },
            Err(refusal) => reply.error(errno(refusal)),
        });
    }
}

/// Adds the names of a folder from an offset on, `.` and `..` among them, until `add` says that there is no room.
fn list(
    view: &View,
    folder: u64,
    offset: u64,
    mut add: impl FnMut(INodeNo, u64, &OsStr, &Attributes) -> bool,
) -> Answer<()> {
    if offset < FIRST_NAME {
        let own = view.attributes(folder)?;
        let parent = view.parent(folder).unwrap_or(folder);
        for (next, number, name) in [(1, folder, "."), (FIRST_NAME, parent, "..")] {
            if offset < next && add(INodeNo(number), next, OsStr::new(name), &own) {
                return Ok(());
            }
        }
    }
    view.list(folder, offset, |Listed { name, next, attributes }| {
        let is_full = add(INodeNo(attributes.number), next, OsStr::from_bytes(&name), &attributes);
        if is_full { Enough::Yes } else { Enough::No }
    })
}

fn ttl(attributes: &Attributes) -> Duration {
    if attributes.lasts == Lasts::ForEver { FOR_EVER } else { SHORTLY }
}

/// The kernel asks for the length first, with a size of 0.
fn sized(bytes: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(bytes.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(bytes),
        _ => reply.error(Errno::ERANGE),
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::NotFound => Errno::ENOENT,
        Refusal::NotAFolder => Errno::ENOTDIR,
        Refusal::AFolder => Errno::EISDIR,
        Refusal::WrongType => Errno::EINVAL,
        Refusal::Unreadable => Errno::EIO,
    }
}

fn kind(file_type: FileType) -> fuser::FileType {
    match file_type {
        FileType::File => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

fn attr(attributes: &Attributes) -> FileAttr {
    let (modified, changed) = (time(attributes.modified), time(attributes.changed));
    FileAttr {
        ino: INodeNo(attributes.number),
        size: attributes.size,
        blocks: attributes.blocks,
        // Backups do not store it.
        atime: modified,
        mtime: modified,
        ctime: changed,
        crtime: SystemTime::UNIX_EPOCH,
        kind: kind(attributes.file_type),
        perm: u16::try_from(attributes.mode & 0o7777).expect("twelve bits fit"),
        nlink: attributes.links,
        uid: attributes.owner.0,
        gid: attributes.owner.1,
        rdev: attributes.device.map_or(0, |(major, minor)| device(major, minor)),
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

/// Device numbers as the kernel takes them, 12 bits of one and 20 of the other.
fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

/// A moment that this program's clock can not count to stands as 1970.
fn time(stamp: Timestamp) -> SystemTime {
    let (seconds, nanos) =
        (Duration::from_secs(stamp.seconds.unsigned_abs()), Duration::from_nanos(stamp.nanos.into()));
    let start = SystemTime::UNIX_EPOCH;
    let second = if stamp.seconds < 0 { start.checked_sub(seconds) } else { start.checked_add(seconds) };
    second.and_then(|second| second.checked_add(nanos)).unwrap_or(start)
}
