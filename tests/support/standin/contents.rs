// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a snapshot would hold, served from a folder.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use keepfast_engine::runbook::{Contents, Input};

/// A snapshot without anything.
pub struct Nothing;

impl Contents for Nothing {
    fn matching(&self, _: &str, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn file(&self, _: &str, path: &str) -> Result<Input<'_>, String> {
        Err(format!("{path} is not in the snapshot"))
    }

    fn archive(&self, _: &str, paths: &[String]) -> Result<Input<'_>, String> {
        Err(format!("{} are not in the snapshot", paths.join(", ")))
    }
}

/// What lies in a folder; for a host that has a folder of its name in it, what lies there.
pub struct Folder(pub PathBuf);

impl Folder {
    /// What a tar archive has, unpacked into `folder`.
    pub fn of_tar(archive: &Path, folder: &Path) -> Self {
        let unpacked = Command::new("tar").arg("-C").arg(folder).arg("-xpf").arg(archive).output().unwrap();
        assert!(unpacked.status.success(), "{unpacked:?}");
        Self(folder.to_path_buf())
    }

    fn top(&self, host: &str) -> PathBuf {
        let own = self.0.join(host);
        if !host.is_empty() && own.is_dir() { own } else { self.0.clone() }
    }
}

impl Contents for Folder {
    fn matching(&self, host: &str, pattern: &str) -> Result<Vec<String>, String> {
        let top = self.top(host);
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for above in &found {
                for name in names(&top.join(above)) {
                    if fits(part, &name) {
                        next.push(if above.is_empty() { name } else { format!("{above}/{name}") });
                    }
                }
            }
            found = next;
        }
        Ok(found)
    }

    fn file(&self, host: &str, path: &str) -> Result<Input<'_>, String> {
        let file = File::open(self.top(host).join(path)).map_err(|error| format!("{path}: {error}"))?;
        Ok(Box::new(file))
    }

    fn archive(&self, host: &str, paths: &[String]) -> Result<Input<'_>, String> {
        let made = Command::new("tar").arg("-C").arg(self.top(host)).args(["-cpf", "-", "--"]).args(paths).output();
        let made = made.map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).trim().to_string());
        }
        Ok(Box::new(Cursor::new(made.stdout)))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Whether a name is what a pattern says; `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
        }),
    }
}
