// SPDX-License-Identifier: MIT OR Apache-2.0
//! Extended attributes, ACLs and capabilities among them: sets the recorded ones, removes those of people that are not recorded.

use keepfast_repo_format::tree::entry::Xattrs;
use rustix::io::Errno;

use super::handle::Handle;

/// Access ACL; setting it rewrites the group bits of the mode.
const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
/// ACL that entries of a folder get.
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";
/// File capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// Whether an attribute that is there but not recorded is to go. Labels of the system (`security.selinux` and the like) are
/// its own business; a capability is not: it would be a privilege that the recorded file did not have.
fn is_removed(name: &[u8]) -> bool {
    name.starts_with(b"user.") || [ACL_ACCESS, ACL_DEFAULT, CAPABILITY].contains(&name)
}

/// Whether the mode may have changed along with the attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ModeEffect {
    /// An ACL was set or removed.
    Changed,
    /// Nothing that touches it.
    Kept,
}

/// Sets all of `wanted`. `failed` is told the name and error of each that could not be set.
pub(super) fn set(handle: &Handle<'_>, wanted: &Xattrs, mut failed: impl FnMut(&[u8], Errno)) -> ModeEffect {
    let mut effect = ModeEffect::Kept;
    for (name, value) in wanted {
        if name == ACL_ACCESS {
            effect = ModeEffect::Changed;
        }
        if let Err(error) = handle.set_xattr(name, value) {
            failed(name, error);
        }
    }
    effect
}

/// Removes what is there and neither recorded nor the system's own.
pub(super) fn remove_others(handle: &Handle<'_>, wanted: &Xattrs, mut failed: impl FnMut(&[u8], Errno)) -> ModeEffect {
    let names = match handle.xattr_names() {
        Ok(names) => names,
        // A file system without attributes has none to remove.
        Err(Errno::OPNOTSUPP) => return ModeEffect::Kept,
        Err(error) => {
            failed(b"", error);
            return ModeEffect::Kept;
        }
    };
    let mut effect = ModeEffect::Kept;
    for name in names.iter().filter(|name| is_removed(name) && !wanted.iter().any(|(kept, _)| kept == *name)) {
        if name == ACL_ACCESS {
            effect = ModeEffect::Changed;
        }
        match handle.remove_xattr(name) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => failed(name, error),
        }
    }
    effect
}
