// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the name of a member to a path of a tree, by the rules that hold for named sources: an absolute name loses its leading
//! `/`, `.` and empty parts say nothing. A name that leads upwards, or that no file system has, is refused.

use keepfast_repo_format::tree::order::{MAX_DIRECTORY_BYTES, MAX_NAME_BYTES};

/// The path of a member, empty for the top folder itself.
///
/// # Errors
/// Why it can be none.
pub fn member_path(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.is_empty() {
        return Err("the member has no name");
    }
    if name.contains(&0) {
        return Err("its name has a NUL in it");
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return Err("its name leads out of the archive");
        }
        if part.len() > MAX_NAME_BYTES {
            return Err("its name is longer than that of any file");
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    if path.len() > MAX_DIRECTORY_BYTES { Err("its name is longer than any path") } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::member_path;

    #[test]
    fn names_become_paths_below_the_top() {
        let long = [b'x'; 256];
        let table: [(&[u8], Option<&[u8]>); 12] = [
            (b"etc/hosts", Some(b"etc/hosts")),
            (b"./etc//hosts", Some(b"etc/hosts")),
            (b"/etc/hosts/", Some(b"etc/hosts")),
            (b"///", Some(b"")),
            (b".", Some(b"")),
            (b"a\xff\n", Some(b"a\xff\n")),
            (b"...", Some(b"...")),
            (b"../x", None),
            (b"a/../b", None),
            (b"", None),
            (b"a\0b", None),
            (&long, None),
        ];
        for (name, expected) in table {
            assert_eq!(member_path(name).ok().as_deref(), expected, "{}", name.escape_ascii());
        }
    }
}
