// SPDX-License-Identifier: MIT OR Apache-2.0
//! POSIX ACLs as archives write them, in text (`user::rw-,user:1000:r--,...`), and as the kernel gives them, in an extended attribute.
//!
//! Text is written with numbers alone, which need no list of users where it is read.

use uzers::{get_group_by_name, get_user_by_name};

/// Records of archives, and the attributes that are the same.
pub(super) const KEYS: [(&str, &str); 2] =
    [("SCHILY.acl.access", "system.posix_acl_access"), ("SCHILY.acl.default", "system.posix_acl_default")];

/// Head of the attribute: version 2 of its layout; then 8 bytes for each entry (`linux/posix_acl_xattr.h`).
const HEAD: [u8; 4] = [2, 0, 0, 0];
const ENTRY_BYTES: usize = 8;
/// The id of an entry that has none.
const NO_ID: u32 = u32::MAX;
/// Entries for owner, group and others, which are the permission bits.
const MINIMAL_ENTRIES: usize = 3;

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// From text to the attribute; `None` if it says no more than the permission bits.
pub(super) fn from_text(text: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "an ACL that is no text".to_string())?;
    let mut entries = Vec::new();
    for line in text.split([',', '\n']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            entries.push(entry(line).map_err(|why| format!("{why}: {line}"))?);
        }
    }
    entries.sort_unstable();
    if entries.len() <= MINIMAL_ENTRIES {
        return Ok(None);
    }
    let mut value = HEAD.to_vec();
    for (tag, id, permissions) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Ok(Some(value))
}

/// Tag, id and permissions of one entry: `user:name:rwx`, or `user:name:rwx:1000` as star writes it.
fn entry(line: &str) -> Result<(u16, u32, u16), String> {
    let mut fields = line.split(':').map(str::trim);
    let (tag, mut name) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let mut permissions = fields.next();
    if permissions.is_none() {
        // `mask:rwx` and `other:rwx` may leave the empty name out.
        permissions = Some(std::mem::take(&mut name));
    }
    let is_user = matches!(tag, "user" | "u");
    let tag = match (tag, name.is_empty()) {
        ("user" | "u", true) => USER_OBJ,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => GROUP_OBJ,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", true) => MASK,
        ("other" | "o", true) => OTHER,
        _ => return Err("an ACL entry of no known kind".to_string()),
    };
    let id = match tag {
        USER | GROUP => match fields.next().or(Some(name)).and_then(|number| number.parse().ok()) {
            Some(id) => id,
            None => {
                named(name, is_user).ok_or_else(|| "an ACL entry for somebody who is not known here".to_string())?
            }
        },
        _ => NO_ID,
    };
    let bit = |sign| match sign {
        'r' => Ok(4),
        'w' => Ok(2),
        'x' => Ok(1),
        '-' => Ok(0),
        _ => Err("an ACL entry with permissions of no known kind".to_string()),
    };
    let permissions = permissions.unwrap_or_default().chars();
    Ok((tag, id, permissions.map(bit).try_fold(0, |all, bit| bit.map(|bit| all | bit))?))
}

fn named(name: &str, is_user: bool) -> Option<u32> {
    if is_user {
        get_user_by_name(name).map(|user| user.uid())
    } else {
        get_group_by_name(name).map(|group| group.gid())
    }
}

/// From the attribute to text; `None` if it is not an ACL that this knows.
pub(super) fn to_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&HEAD)?;
    if entries.len() % ENTRY_BYTES != 0 {
        return None;
    }
    let mut words = Vec::new();
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        let (tag, permissions) = (u16::from_le_bytes([entry[0], entry[1]]), u16::from_le_bytes([entry[2], entry[3]]));
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let sign = |bit, sign| if permissions & bit != 0 { sign } else { '-' };
        let permissions: String = [sign(4, 'r'), sign(2, 'w'), sign(1, 'x')].iter().collect();
        words.push(match tag {
            USER_OBJ => format!("user::{permissions}"),
            USER => format!("user:{id}:{permissions}"),
            GROUP_OBJ => format!("group::{permissions}"),
            GROUP => format!("group:{id}:{permissions}"),
            MASK => format!("mask::{permissions}"),
            OTHER => format!("other::{permissions}"),
            _ => return None,
        });
    }
    Some(words.join(","))
}

#[cfg(test)]
mod tests {
    use super::{from_text, to_text};

    #[test]
    fn text_and_attribute_are_the_same() {
        let text = "user::rwx,user:1000:r--,group::r-x,group:50:rw-,mask::rwx,other::---";
        let value = from_text(text.as_bytes()).unwrap().unwrap();
        assert_eq!(value.len(), 4 + 6 * 8);
        assert_eq!(to_text(&value).unwrap(), text);
        let of_star = "user::rwx\nuser:nobody-here:r--:1000\ngroup::r-x\ngroup:nobodies:rw-:50\nmask:rwx\nother:---";
        assert_eq!(from_text(of_star.as_bytes()).unwrap().unwrap(), value);
        let by_name = from_text(b"user::rwx,user:root:r--,group::---,mask::r--,other::---").unwrap().unwrap();
        assert_eq!(to_text(&by_name).unwrap(), "user::rwx,user:0:r--,group::---,mask::r--,other::---");
    }

    #[test]
    fn what_the_permission_bits_say_is_no_attribute() {
        assert_eq!(from_text(b"user::rw-,group::r--,other::r--").unwrap(), None);
        assert_eq!(from_text(b"").unwrap(), None);
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        for bad in ["user", "user::rwq", "robot:1:rwx", "mask:1:rwx", "user:nobody-of-this-name:rwx", "\u{ff}"] {
            assert!(from_text(bad.as_bytes()).is_err() || bad == "user", "{bad}");
        }
        assert!(from_text(b"\xff").is_err());
        for bad in [&b""[..], &[1, 0, 0, 0], &[2, 0, 0, 0, 1], &[2, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(to_text(bad), None, "{bad:?}");
        }
    }
}
