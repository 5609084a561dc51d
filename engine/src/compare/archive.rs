// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives by member: tar, also inside gzip, and zip by its own table of contents. Order and padding say nothing; each member counts by name.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::bytes::Sequential;
use super::{Bytes, Change, ChangeKind, Each, GaveUp, Mask, Place, Step, Trouble};

/// Members of an archive at most: some 150 bytes each are kept.
const MAX_MEMBERS: usize = 500_000;

/// Bytes that may come out of one that is packed: this many times what goes in, and some more.
const MAX_RATIO: u64 = 1100;
const MAX_UNPACKED_FLOOR: u64 = 1 << 30;

/// What an archive says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    what: &'static str,
    size: u64,
    /// Of its content: a hash, in a zip of what its table says; keyed, as it is shown.
    content: [u8; 32],
    mode: Option<u32>,
    link: Vec<u8>,
}

type Members = BTreeMap<Vec<u8>, Member>;

/// How the archives are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// A plain tar.
    Tar,
    /// A tar in gzip.
    TarGzip,
    /// A zip.
    Zip,
}

/// Tells which members differ.
///
/// # Errors
/// One is no such archive, or has too many members, or can not be read.
pub fn compare(before: &dyn Bytes, after: &dyn Bytes, packed: Packed, mask: &Mask, each: Each) -> Result<(), Trouble> {
    let old = members(before, packed, mask, "first")?;
    let mut new = members(after, packed, mask, "second")?;
    for (name, old) in old {
        match new.remove(&name) {
            Some(new) if new == old => {}
            new => each(change(&name, Some(&old), new.as_ref()))?,
        }
    }
    for (name, new) in new {
        each(change(&name, None, Some(&new)))?;
    }
    Ok(())
}

fn change(name: &[u8], old: Option<&Member>, new: Option<&Member>) -> Change {
    let kind = match (old, new) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ => ChangeKind::Changed,
    };
    let is_content = old.zip(new).is_none_or(|(old, new)| old.content != new.content);
    let shown = |member: &Member| {
        let mut text = format!("{}, {} bytes", member.what, member.size);
        if !member.link.is_empty() {
            text = format!("{} to {}", member.what, String::from_utf8_lossy(&member.link));
        }
        if let Some(mode) = member.mode.filter(|_| old.zip(new).is_none_or(|(old, new)| old.mode != new.mode)) {
            text.push_str(&format!(", mode {mode:04o}"));
        }
        if is_content && kind == ChangeKind::Changed && member.link.is_empty() {
            let hash = member.content.first_chunk::<4>().map_or(0, |first| u32::from_le_bytes(*first));
            text.push_str(&format!(", content {hash:08x}"));
        }
        text
    };
    let place = Place(vec![Step::Key(String::from_utf8_lossy(name).into_owned())]);
    Change::new(place, kind, old.map(shown), new.map(shown))
}

fn gave_up(which: &str, why: impl ToString) -> GaveUp {
    GaveUp { reader: "archive", place: format!("the {which} archive"), why: why.to_string() }
}

fn members(bytes: &dyn Bytes, packed: Packed, mask: &Mask, which: &str) -> Result<Members, Trouble> {
    match packed {
        Packed::Tar => tar_members(Sequential::new(bytes), mask, which),
        Packed::TarGzip => {
            let most = bytes.len().saturating_mul(MAX_RATIO).max(MAX_UNPACKED_FLOOR);
            tar_members(flate2::read::MultiGzDecoder::new(Sequential::new(bytes)).take(most), mask, which)
        }
        Packed::Zip => zip_members(bytes, mask, which),
    }
}

fn tar_members(input: impl Read, mask: &Mask, which: &str) -> Result<Members, Trouble> {
    let mut members = Members::new();
    let mut archive = tar::Archive::new(input);
    let fail = |error: io::Error| gave_up(which, error);
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().ok());
        let what = match kind {
            tar::EntryType::Directory => "folder",
            tar::EntryType::Symlink | tar::EntryType::Link => "link",
            kind if kind.is_file() || kind == tar::EntryType::GNUSparse => "file",
            _ => "special file",
        };
        let name = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
        let mut hasher = mask.hasher();
        let size = io::copy(&mut entry, &mut hasher).map_err(fail)?;
        let content = *hasher.finalize().as_bytes();
        members.insert(name, Member { what, size, content, mode, link });
        check_count(&members, which)?;
    }
    Ok(members)
}

fn check_count(members: &Members, which: &str) -> Result<(), GaveUp> {
    if members.len() > MAX_MEMBERS { Err(gave_up(which, format!("more than {MAX_MEMBERS} members"))) } else { Ok(()) }
}

fn zip_members(bytes: &dyn Bytes, mask: &Mask, which: &str) -> Result<Members, Trouble> {
    let mut archive = zip::ZipArchive::new(Sequential::new(bytes)).map_err(|error| gave_up(which, error))?;
    if archive.len() > MAX_MEMBERS {
        return Err(gave_up(which, format!("more than {MAX_MEMBERS} members")).into());
    }
    let mut members = Members::new();
    for number in 0..archive.len() {
        let file = archive.by_index_raw(number).map_err(|error| gave_up(which, error))?;
        let mut hasher = mask.hasher();
        hasher.update(&file.crc32().to_le_bytes()).update(&file.size().to_le_bytes());
        let content = *hasher.finalize().as_bytes();
        let what = if file.is_dir() { "folder" } else { "file" };
        let member = Member { what, size: file.size(), content, mode: file.unix_mode(), link: Vec::new() };
        members.insert(file.name_raw().to_vec(), member);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Packed, compare};
    use crate::compare::{Change, ChangeKind, Mask, Trouble};

    fn tar(members: &[(&str, &str, u32)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content, mode) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(members: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in members {
            let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn changes(before: &[u8], after: &[u8], packed: Packed) -> Result<Vec<(String, ChangeKind)>, Trouble> {
        let mut changes = Vec::new();
        compare(&before.to_vec(), &after.to_vec(), packed, &Mask::reveal(), &mut |change: Change| {
            changes.push((change.place.to_string(), change.kind));
            Ok(())
        })?;
        Ok(changes)
    }

    #[test]
    fn members_are_compared_by_name_whatever_their_order() {
        let old = tar(&[("a", "1", 0o644), ("b", "2", 0o644), ("c", "3", 0o644), ("d", "4", 0o644)]);
        let new = tar(&[("d", "4", 0o600), ("b", "22", 0o644), ("a", "1", 0o644), ("e", "5", 0o644)]);
        let expected = [
            ("b".to_string(), ChangeKind::Changed),
            ("c".to_string(), ChangeKind::Removed),
            ("d".to_string(), ChangeKind::Changed),
            ("e".to_string(), ChangeKind::Added),
        ];
        assert_eq!(changes(&old, &new, Packed::Tar).unwrap(), expected);
        assert_eq!(changes(&gzip(&old), &gzip(&new), Packed::TarGzip).unwrap(), expected);
        assert_eq!(changes(&old, &old, Packed::Tar).unwrap(), []);
    }

    #[test]
    fn a_zip_is_compared_by_its_table() {
        let (old, new) = (zip(&[("a", "1"), ("b", "2")]), zip(&[("b", "3"), ("a", "1"), ("c", "4")]));
        let expected = [("b".to_string(), ChangeKind::Changed), ("c".to_string(), ChangeKind::Added)];
        assert_eq!(changes(&old, &new, Packed::Zip).unwrap(), expected);
    }

    #[test]
    fn what_is_no_archive_or_is_cut_off_is_given_up() {
        let whole = tar(&[("a", &"x".repeat(5000), 0o644)]);
        for packed in [Packed::Tar, Packed::TarGzip, Packed::Zip] {
            let error = changes(b"no archive at all, but long enough to be looked at", &whole, packed).unwrap_err();
            assert!(matches!(error, Trouble::GaveUp(_)), "{error}");
        }
        let error = changes(&whole, &whole[..2000], Packed::Tar).unwrap_err();
        assert!(error.to_string().contains("second"), "{error}");
    }
}
