// SPDX-License-Identifier: MIT OR Apache-2.0
//! One entry of a tree: a name in a directory, its metadata and, for a file, where its content is.

use std::sync::Arc;

use crate::id::ChunkId;

/// What kind of file an entry is; the numbers are the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FileType {
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A named pipe.
    Fifo = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
    /// A UNIX socket.
    Socket = 7,
}

impl FileType {
    /// The type with this stored number.
    pub fn from_stored(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::Fifo,
            5 => Self::CharDevice,
            6 => Self::BlockDevice,
            7 => Self::Socket,
            _ => return None,
        })
    }

    /// Whether it has device numbers.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

/// Seconds and nanoseconds since 1970; the nanoseconds count upwards from the second, also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// User and group, by number and, where known, by name. Shared: a tree has few owners and many entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// User name; empty if unknown. At most 255 bytes.
    pub user: Vec<u8>,
    /// Group name; empty if unknown. At most 255 bytes.
    pub group: Vec<u8>,
}

/// Extended attributes (name, value), sorted by name, no name twice. ACLs and capabilities are among them.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Longest name of an extended attribute, in bytes: the limit of Linux.
pub const MAX_XATTR_NAME_BYTES: usize = 255;
/// Longest value of an extended attribute, in bytes: what other systems allow, far above the 64 KiB of Linux.
pub const MAX_XATTR_VALUE_BYTES: usize = 16 << 20;

/// A run of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentItem {
    /// Bytes that it covers, at least 1.
    pub length: u64,
    /// The chunk (or list node, above height 0); `None` is a hole, which only height 0 has.
    pub id: Option<ChunkId>,
}

/// A file's content: items inline, or list nodes that hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// 0: `items` are chunks and holes. h: `items` are list nodes of level h - 1.
    pub height: u8,
    /// At most [`Content::MAX_INLINE`]. Their lengths add up to the file's size, or for a wrapped file to the length of its
    /// innermost layer's stream.
    pub items: Vec<ContentItem>,
}

impl Content {
    /// Above this many items a list node is made.
    pub const MAX_INLINE: usize = 32;
}

/// A layer of a wrapped file: its bytes are made from a stream that deflate does not hide (`docs/format.md` section 8.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Bytes of the stream that this layer is made from.
    pub length: u64,
    /// How: the chunks of [`crate::recipe`] bytes; never empty, no holes.
    pub recipe: Content,
}

impl Layer {
    /// Layers of a file at most: archives in archives in archives.
    pub const MAX: usize = 3;
}

/// Marks of an entry, as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub u8);

impl Marks {
    /// Changed while it was read; the content is a mixture of moments.
    pub const TORN: u8 = 1;
    /// The content or a part of the metadata could not be read.
    pub const UNREADABLE: u8 = 2;
    /// Content came from a command or from standard input.
    pub const STREAM: u8 = 32;

    /// Whether all of `bits` are set.
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}

/// Metadata of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub file_type: FileType,
    /// Permission, set-id and sticky bits, at most 0o7777.
    pub mode: u32,
    /// Who owns it.
    pub owner: Arc<Owner>,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the inode. Can not be restored; tells the next backup whether anything changed.
    pub changed: Timestamp,
    /// Birth, where the file system tells it. Can not be restored.
    pub born: Option<Timestamp>,
    /// Inode number. Tells the next backup whether anything changed.
    pub inode: u64,
    /// Same number: names of one file. `None` for files with one name.
    pub link_group: Option<u64>,
    /// Inode flags as `FS_IOC_GETFLAGS` gives them.
    pub inode_flags: u32,
    /// Device numbers (major, minor) of a device.
    pub device: Option<(u32, u32)>,
    /// Target of a symlink, else empty.
    pub target: Vec<u8>,
    /// Extended attributes; shared, because most entries have the same or none.
    pub xattrs: Arc<Xattrs>,
    /// Size in bytes; 0 for anything but a file.
    pub size: u64,
}

impl Metadata {
    /// An entry of this kind of which nothing else is known: owned by nobody named, without times, and open to nobody.
    pub fn of(file_type: FileType) -> Self {
        Self {
            file_type,
            mode: 0,
            owner: Arc::default(),
            modified: Timestamp::default(),
            changed: Timestamp::default(),
            born: None,
            inode: 0,
            link_group: None,
            inode_flags: 0,
            device: None,
            target: Vec::new(),
            xattrs: Arc::default(),
            size: 0,
        }
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path of the parent without leading or trailing `/`; shared by the entries of a directory.
    pub directory: Arc<[u8]>,
    /// Name; empty only for the top folder itself.
    pub name: Vec<u8>,
    /// What the file system says of it.
    pub metadata: Metadata,
    /// What keepfast says of it. Only the bits named in [`Marks`].
    pub marks: Marks,
    /// Content of a file; no items for anything else. Of a wrapped file: the stream of its innermost layer.
    pub content: Content,
    /// Of a wrapped file, the outermost first; empty for all others.
    pub layers: Vec<Layer>,
}

impl Entry {
    /// `directory/name`, or the name alone at the top.
    pub fn path(&self) -> Vec<u8> {
        crate::tree::order::join(&self.directory, &self.name)
    }

    /// All that is stored of the file's bytes: its content, and the recipes of its layers.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(&self.content).chain(self.layers.iter().map(|layer| &layer.recipe))
    }

    /// The same, of an entry that is not needed any more.
    pub fn into_contents(self) -> Vec<Content> {
        std::iter::once(self.content).chain(self.layers.into_iter().map(|layer| layer.recipe)).collect()
    }

    /// Bytes that the items of its content cover: its size, unless it is wrapped.
    pub fn content_length(&self) -> u64 {
        self.layers.last().map_or(self.metadata.size, |innermost| innermost.length)
    }
}
