// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why nothing could be mounted. What a reader of a mount meets is no error of this kind: it gets the system's numbers, and the events
//! are told.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// What mounts need of the system.
const DEVICE: &str = "/dev/fuse";

/// Nothing was mounted, or it could not be ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The kernel has no FUSE, or does not show it here.
    #[error("there is no {DEVICE}: this system can not mount")]
    NoDevice,
    /// This user may not use FUSE.
    #[error("{DEVICE} may not be used by this user")]
    Denied,
    /// Only root mounts alone; others need the program for it.
    #[error("fusermount3 is not installed: without it only root can mount")]
    NoHelper,
    /// The program for it wants to know who the user is.
    #[error("this user has no name on this machine, and fusermount3 mounts only for those who have one")]
    NoName,
    /// The system's settings let nobody share a mount.
    #[error("other users may not be let in: user_allow_other is not set in /etc/fuse.conf")]
    NoOthers,
    /// Anything else.
    #[error("can not {operation} {}", path.display())]
    System {
        /// What was tried, to be read after "can not".
        operation: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl MountError {
    /// Why mounting at `path` failed.
    pub(super) fn mounting(path: &Path, source: io::Error) -> Self {
        let text = source.to_string();
        match source.kind() {
            _ if !Path::new(DEVICE).exists() => Self::NoDevice,
            _ if rustix::fs::access(DEVICE, Access::READ_OK | Access::WRITE_OK).is_err() => Self::Denied,
            _ if text.contains("user_allow_other") => Self::NoOthers,
            _ if text.contains("could not determine username") => Self::NoName,
            // The device is there and so is the folder: what was not found is the program.
            io::ErrorKind::NotFound if path.exists() => Self::NoHelper,
            _ => Self::System { operation: "mount at", path: path.to_path_buf(), source: in_one_line(source) },
        }
    }
}

/// What fusermount3 says begins with its name, and ends its line.
fn in_one_line(source: io::Error) -> io::Error {
    let text = source.to_string();
    match text.trim_end().split_once("fusermount3: ") {
        Some((_, said)) => io::Error::new(source.kind(), said.to_string()),
        None => source,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::in_one_line;

    #[test]
    fn what_the_program_says_stands_in_one_line_without_its_name() {
        let of = |text: &str| in_one_line(io::Error::other(text.to_string())).to_string();
        assert_eq!(
            of("fusermount3: user has no write access to mountpoint /mnt\n"),
            "user has no write access to mountpoint /mnt"
        );
        assert_eq!(of("/bin/fusermount3: failed\n"), "failed");
        assert_eq!(of("anything else"), "anything else");
    }
}
