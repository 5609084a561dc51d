// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the source on real folders; what they share stands here.

mod completing;
mod excluding;
mod naming;
mod ordering;
mod reading;
mod surviving;

use std::path::{Path, PathBuf};

use keepfast_repo_format::manifest::Problem;

use crate::source::{Excludes, Found, OneFileSystem, SourceOptions, Walked, walk};

/// Everything a walk gave.
#[derive(Default)]
struct Seen {
    found: Vec<Found>,
    problems: Vec<Problem>,
}

impl Seen {
    /// Paths as text, the top folder as `(top)`.
    fn paths(&self) -> Vec<String> {
        let show = |found: &Found| match found.path().as_slice() {
            b"" => "(top)".to_owned(),
            path => String::from_utf8_lossy(path).into_owned(),
        };
        self.found.iter().map(show).collect()
    }

    fn get(&self, path: &str) -> &Found {
        self.found.iter().find(|found| found.path() == path.as_bytes()).expect("the walk found it")
    }
}

fn options(paths: &[&str]) -> SourceOptions {
    SourceOptions {
        working_directory: PathBuf::from("/"),
        paths: paths.iter().map(PathBuf::from).collect(),
        excludes: Excludes::default(),
        one_file_system: OneFileSystem::Cross,
        threads: 2,
    }
}

/// The same options, relative paths beginning at `folder`.
fn within(options: &SourceOptions, folder: &Path) -> SourceOptions {
    SourceOptions { working_directory: folder.to_path_buf(), ..options.clone() }
}

fn see(options: &SourceOptions, working_directory: &Path) -> Seen {
    let mut seen = Seen::default();
    for walked in walk(&within(options, working_directory)).unwrap() {
        match walked {
            Walked::Found(found) => seen.found.push(found),
            Walked::Problem(problem) => seen.problems.push(problem),
        }
    }
    seen
}

/// Makes files (`a/b`) and folders (`a/b/`) with their parents.
fn make(folder: &Path, paths: &[&str]) {
    for path in paths {
        let full = folder.join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(full).unwrap();
        } else {
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, path).unwrap();
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn skip(reason: &str) {
    println!("skipped: {reason}");
}
