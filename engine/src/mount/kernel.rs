// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of the kernel, answered by the view: numbers and words of FUSE stand here and nowhere else.
//!
//! The kernel is asked to remember as much as it can, because a snapshot never changes. Files are opened without asking us: nothing is held
//! for an open file, and a copy of many small ones saves two of five requests for each.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};

use fuser::{
    Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, Notifier,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request,
};
use keepfast_repo_format::tree::entry::Xattrs;
use keepfast_repo_format::tree::order::MAX_NAME_BYTES;

use super::Access;
use super::attributes::{Attributes, Lasts};
use super::content::Seek;
use super::effort::Effort;
use super::list::{Enough, FIRST_NAME, Listed};
use super::offer::Offers;
use super::view::{Answer, View};
use super::words::{attr, errno, kind, ttl};
use super::workers::Workers;

/// Requests that the kernel may have under way without anybody waiting for them: reading ahead for many readers at once.
const BACKGROUND_REQUESTS: u16 = 64;

/// What makes the kernel ask less.
const WANTED: [InitFlags; 6] = [
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_AUTO_INVAL_DATA,
];

/// A view with the kernel on the other side.
pub(super) struct Kernel {
    view: Arc<View>,
    workers: Workers,
    offers: Arc<Offers>,
    access: Access,
    /// Whether the kernel can be told never to ask for opening files, and folders.
    opens_files: bool,
    opens_folders: bool,
}

impl Kernel {
    pub(super) fn new(view: Arc<View>, threads: usize, access: Access) -> Self {
        let offers = Arc::new(Offers::start(&view));
        Self { view, workers: Workers::start(threads), offers, access, opens_files: false, opens_folders: false }
    }

    /// Where files are offered before the kernel asks for them.
    pub(super) fn offers_to(&self) -> Arc<OnceLock<Notifier>> {
        self.offers.kernel()
    }

    /// Gives the extended attributes to `give`; once nothing has any, the kernel is told to ask no more.
    fn xattrs(&self, ino: INodeNo, reply: ReplyXattr, give: impl FnOnce(&Xattrs, ReplyXattr) + Send + 'static) {
        if self.view.catalog.is_bare() {
            return reply.error(Errno::ENOSYS);
        }
        if self.view.catalog.asked_for_xattrs() {
            let view = self.view.clone();
            self.workers.run(move || view.catalog.look_for_bare());
        }
        self.serve(self.view.effort(ino.0), move |view| match view.xattrs(ino.0) {
            Ok(xattrs) => give(&xattrs, reply),
            Err(refusal) => reply.error(errno(refusal)),
        });
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
        let can = |flag| config.capabilities().contains(flag);
        self.opens_files = can(InitFlags::FUSE_NO_OPEN_SUPPORT);
        // A folder that is opened without us is listed from the kernel's memory, unless its time is another one.
        self.opens_folders = can(InitFlags::FUSE_NO_OPENDIR_SUPPORT) && can(InitFlags::FUSE_AUTO_INVAL_DATA);
        for wanted in WANTED {
            // Older kernels do without.
            let _ = config.add_capabilities(wanted);
        }
        // Where an ACL gives less than the bits of the mode tell, these alone would let in too many.
        if self.access == Access::All {
            let refused = |_| io::Error::other("this kernel does not check ACLs");
            config.add_capabilities(InitFlags::FUSE_POSIX_ACL).map_err(refused)?;
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
        if self.opens_files {
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
        self.offers.read(ino.0);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if self.opens_folders {
            return reply.error(Errno::ENOSYS);
        }
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
        let offers = self.offers.clone();
        self.serve(self.view.effort_of_list(ino.0, offset), move |view| {
            let mut is_end = offset > 0;
            let listed = list(view, ino.0, offset, |number, next, name, attributes| {
                is_end = false;
                reply.add(number, next, name, &ttl(attributes), &attr(attributes), Generation(0))
            });
            match listed.map(|()| view.first_name(ino.0).filter(|_| is_end)) {
                Ok(Some((shown, first))) => offers.listed(shown, first, Box::new(|| reply.ok())),
                Ok(None) => reply.ok(),
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
        self.xattrs(ino, reply, move |xattrs, reply| match xattrs.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(place) => sized(&xattrs[place].1, size, reply),
            Err(_) => reply.error(Errno::NO_XATTR),
        });
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.xattrs(ino, reply, move |xattrs, reply| {
            let names: Vec<u8> = xattrs.iter().flat_map(|(name, _)| name.iter().copied().chain([0])).collect();
            sized(&names, size, reply);
        });
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

/// The kernel asks for the length first, with a size of 0.
fn sized(bytes: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(bytes.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(bytes),
        _ => reply.error(Errno::ERANGE),
    }
}
