// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which user and group restored files get: by number, by name, or not at all.
//!
//! Names are looked up once and remembered. The system's own files are read first; only for names they lack the system's
//! lookup program is asked, which knows directory services. Linking the C library's lookup would need unsafe code.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use keepfast_repo_format::tree::entry::Owner;

/// Knows users and groups that are not in the files.
const LOOKUP_PROGRAM: &str = "/usr/bin/getent";

/// How recorded owners become owners here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipMode {
    /// The recorded numbers.
    Numeric,
    /// The numbers that the recorded names have here; the recorded number for a name that is unknown here.
    ByName,
    /// Files belong to whoever restores them. Set-id bits of files recorded for somebody else are left off.
    Skip,
}

/// The rule for owners, with what was looked up so far. One for a whole restore.
pub struct Ownership {
    mode: OwnershipMode,
    privileged: bool,
    users: Names,
    groups: Names,
}

impl Ownership {
    /// No lookup happens yet.
    pub fn new(mode: OwnershipMode) -> Ownership {
        Ownership {
            mode,
            privileged: rustix::process::geteuid().is_root(),
            users: Names::new("passwd", "/etc/passwd"),
            groups: Names::new("group", "/etc/group"),
        }
    }

    /// Whether we are root. If not, owners that could not be set are to be expected and no reason to call the restore incomplete.
    pub fn is_privileged(&self) -> bool {
        self.privileged
    }

    /// User and group id that a file of this owner has here: those that a restore would give it, or the recorded ones.
    pub(crate) fn here(&self, owner: &Owner) -> (u32, u32) {
        self.wanted(owner).unwrap_or((owner.uid, owner.gid))
    }

    /// User and group id that a file should get; `None` if owners are to be left alone.
    pub(super) fn wanted(&self, owner: &Owner) -> Option<(u32, u32)> {
        match self.mode {
            OwnershipMode::Skip => None,
            OwnershipMode::Numeric => Some((owner.uid, owner.gid)),
            OwnershipMode::ByName => Some((
                self.users.number(&owner.user).unwrap_or(owner.uid),
                self.groups.number(&owner.group).unwrap_or(owner.gid),
            )),
        }
    }
}

/// Numbers of names in one of the system's databases.
struct Names {
    database: &'static str,
    /// `None` until the first lookup; then all names of the file and what was asked for since.
    known: Mutex<Option<HashMap<Vec<u8>, Option<u32>>>>,
    file: &'static str,
}

impl Names {
    fn new(database: &'static str, file: &'static str) -> Names {
        Names { database, known: Mutex::new(None), file }
    }

    fn number(&self, name: &[u8]) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| read_file(Path::new(self.file)));
        if let Some(number) = known.get(name) {
            return *number;
        }
        let number = ask_system(self.database, name);
        known.insert(name.to_vec(), number);
        number
    }
}

fn read_file(path: &Path) -> HashMap<Vec<u8>, Option<u32>> {
    let mut known = HashMap::new();
    for line in fs::read(path).unwrap_or_default().split(|byte| *byte == b'\n') {
        if let Some((name, number)) = parse_line(line) {
            // The first line of a name is the one that counts, as everywhere.
            known.entry(name.to_vec()).or_insert(Some(number));
        }
    }
    known
}

/// Asks for one name. Names that are not plausible are not handed to another program.
fn ask_system(database: &str, name: &[u8]) -> Option<u32> {
    let plausible = !name.starts_with(b"-") && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
    if !plausible {
        return None;
    }
    let output = Command::new(LOOKUP_PROGRAM)
        .args([OsStr::new("--"), OsStr::new(database), OsStr::from_bytes(name)])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let line = output.stdout.split(|byte| *byte == b'\n').next()?;
    // A name of digits is taken for a number there, so the answer may be about somebody else.
    parse_line(line).filter(|(answered, _)| *answered == name).map(|(_, number)| number)
}

/// `name:password:number:…`
fn parse_line(line: &[u8]) -> Option<(&[u8], u32)> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let number = str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    Some((name, number))
}
