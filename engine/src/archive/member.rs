// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an archive says of one member: header, pax records and long names put together. Names are as the archive has them;
//! whoever takes them decides what is a name.

use keepfast_repo_format::tree::entry::{FileType, Owner, Timestamp, Xattrs};

use super::acl;
use super::error::Fault;
use super::header::Fields;
use super::pax::{self, Records};
use super::sparse::Run;

/// Longest xattr name and value, owner name and symlink target that a tree takes, in bytes.
const MAX_XATTR_NAME_BYTES: usize = 255;
const MAX_XATTR_VALUE_BYTES: usize = 16 << 20;
const MAX_OWNER_NAME_BYTES: usize = 255;
/// What a number that does not fit becomes: the kernel's own id for that (`/proc/sys/kernel/overflowuid`).
const OVERFLOW_ID: u32 = 65534;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file, folder, link, device or pipe.
    Entry(FileType),
    /// Another name of an earlier member.
    HardLink,
    /// Says something about the archive, such as a volume label.
    Note,
    /// Of a type that is not known: its number as stored.
    Unknown(u8),
}

/// A member of an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name in the archive.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Target of a symbolic link, name of the other member of a hard link.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the inode, where the archive tells it.
    pub changed: Option<Timestamp>,
    /// Birth, where the archive tells it.
    pub born: Option<Timestamp>,
    /// Device numbers.
    pub device: Option<(u32, u32)>,
    /// Extended attributes, ACLs among them.
    pub xattrs: Xattrs,
    /// Bytes of the file, holes included.
    pub size: u64,
    /// Where a sparse file has data; `None`: everywhere.
    pub runs: Option<Vec<Run>>,
    /// What of it could not be understood.
    pub doubts: Vec<String>,
}

/// Puts a member together. Sizes are added by the reader, which knows what is there.
pub(super) fn member(fields: Fields, name: Vec<u8>, link: Vec<u8>, records: &Records) -> Result<Member, Fault> {
    let mut doubts = Vec::new();
    let kind = kind(fields.kind, &name);
    let time = |key: &str, doubts: &mut Vec<String>| {
        let value = pax::find(records, key)?;
        let time = pax::time(value);
        if time.is_none() {
            doubts.push(format!("{key} is no time: {}", value.escape_ascii()));
        }
        time
    };
    let modified = time("mtime", &mut doubts).unwrap_or(Timestamp { seconds: fields.modified, nanos: 0 });
    let changed = time("ctime", &mut doubts);
    let born = time("LIBARCHIVE.creationtime", &mut doubts);
    let xattrs = xattrs(records, &mut doubts);
    let device = match kind {
        MemberKind::Entry(file_type) if file_type.is_device() => Some((
            small(fields.device.0, "the major device number", 0, &mut doubts),
            small(fields.device.1, "the minor device number", 0, &mut doubts),
        )),
        _ => None,
    };
    let owner = owner(&fields, records, &mut doubts)?;
    let mode = (fields.mode & 0o7777) as u32;
    Ok(Member { name, kind, link, mode, owner, modified, changed, born, device, xattrs, size: 0, runs: None, doubts })
}

fn kind(stored: u8, name: &[u8]) -> MemberKind {
    match stored {
        // Before 1988 folders were told by the end of their name.
        b'0' | b'\0' if name.ends_with(b"/") => MemberKind::Entry(FileType::Directory),
        b'0' | b'\0' | b'7' | b'S' => MemberKind::Entry(FileType::File),
        b'1' => MemberKind::HardLink,
        b'2' => MemberKind::Entry(FileType::Symlink),
        b'3' => MemberKind::Entry(FileType::CharDevice),
        b'4' => MemberKind::Entry(FileType::BlockDevice),
        // GNU's incremental archives write folders with a list of their names.
        b'5' | b'D' => MemberKind::Entry(FileType::Directory),
        b'6' => MemberKind::Entry(FileType::Fifo),
        b'V' => MemberKind::Note,
        other => MemberKind::Unknown(other),
    }
}

fn owner(fields: &Fields, records: &Records, doubts: &mut Vec<String>) -> Result<Owner, Fault> {
    let mut id = |key: &str, of_header: i64| {
        let id = match pax::find(records, key) {
            Some(value) => pax::number(value).and_then(|id| i64::try_from(id).ok()),
            None => Some(of_header),
        };
        let id = id.ok_or_else(|| Fault::malformed(format!("{key} is no number")))?;
        Ok::<u32, Fault>(small(id, key, OVERFLOW_ID, doubts))
    };
    let (uid, gid) = (id("uid", fields.uid)?, id("gid", fields.gid)?);
    let name = |key: &str, of_header: &[u8]| {
        let name = pax::find(records, key).unwrap_or(of_header);
        if name.len() > MAX_OWNER_NAME_BYTES { Vec::new() } else { name.to_vec() }
    };
    Ok(Owner { uid, gid, user: name("uname", &fields.user), group: name("gname", &fields.group) })
}

fn small(value: i64, what: &str, otherwise: u32, doubts: &mut Vec<String>) -> u32 {
    u32::try_from(value).unwrap_or_else(|_| {
        doubts.push(format!("{what} {value} does not fit 32 bits"));
        otherwise
    })
}

/// Attributes and ACLs. Where an archive has an ACL in both ways, that of the kernel counts.
fn xattrs(records: &Records, doubts: &mut Vec<String>) -> Xattrs {
    let mut xattrs = Xattrs::new();
    for (key, value) in records {
        let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { continue };
        let fits = (1..=MAX_XATTR_NAME_BYTES).contains(&name.len()) && value.len() <= MAX_XATTR_VALUE_BYTES;
        if !fits || name.contains(&0) {
            doubts.push(format!("extended attribute {} does not fit", name.escape_ascii()));
            continue;
        }
        xattrs.retain(|(earlier, _)| earlier != name);
        xattrs.push((name.to_vec(), value.clone()));
    }
    for (key, name) in acl::KEYS {
        let text = pax::find(records, key).filter(|_| xattrs.iter().all(|(found, _)| found != name.as_bytes()));
        match text.map(acl::from_text) {
            Some(Ok(Some(value))) => xattrs.push((name.as_bytes().to_vec(), value)),
            // Nothing but the permission bits once more.
            Some(Ok(None)) | None => {}
            Some(Err(why)) => doubts.push(format!("{key}: {why}")),
        }
    }
    xattrs.sort();
    xattrs
}
