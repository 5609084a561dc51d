// SPDX-License-Identifier: MIT OR Apache-2.0
//! The format page is enough: `docs/reader.py`, written from it alone, reads the golden repositories and the vectors, and names
//! every damaged object. Runs with the Python that `KEEPFAST_READER_PYTHON` names, or `python3` if it has the packages.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::golden::{VERSIONS, assert_same};
use crate::support::golden::{Abilities, ExpectedSnapshot, Golden, describe};
use crate::support::workspace;

/// The Python to use. `None`, and a printed reason, where there is none; with `CI=true` that is a failure.
pub fn python() -> Option<OsString> {
    let named = std::env::var_os("KEEPFAST_READER_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let imports = "import argon2, blake3, cbor2, cryptography, nacl, zstandard";
    let output = Command::new(&python).args(["-c", imports]).output();
    let why = match output {
        Ok(output) if output.status.success() => return Some(python),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
        Err(error) => error.to_string(),
    };
    let is_needed = named.is_some() || std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_needed, "{} can not run docs/reader.py: {why}", python.display());
    println!("skipped: {} can not run docs/reader.py: {why}", python.display());
    None
}

pub(super) fn reader(python: &OsString, arguments: &[&Path]) -> Output {
    let script = workspace().join("docs/reader.py");
    Command::new(python).env("PYTHONDONTWRITEBYTECODE", "1").arg(script).args(arguments).output().unwrap()
}

/// The reader on a repository, opened by its key file.
fn read(python: &OsString, golden: &Golden, command: &[&Path]) -> Output {
    let key_file = golden.folder.join("key-file");
    let open = [&golden.repo(), Path::new("--key-file"), &key_file].map(Path::to_path_buf);
    let arguments: Vec<&Path> = open.iter().map(PathBuf::as_path).chain(command.iter().copied()).collect();
    reader(python, &arguments)
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_independent_reader_gives_every_known_answer() {
    let Some(python) = python() else { return };
    let output = reader(&python, &[Path::new("vectors"), &workspace().join("docs/vectors")]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_independent_reader_finds_golden_repositories_whole() {
    let Some(python) = python() else { return };
    for golden in VERSIONS.map(Golden::of_version) {
        let output = read(&python, &golden, &[Path::new("check")]);
        assert!(output.status.success() && text(&output).contains("no damage"), "{}", text(&output));
        let password = golden.folder.join("password");
        let output = reader(&python, &[&golden.repo(), Path::new("--password-file"), &password, Path::new("list")]);
        assert!(output.status.success(), "{}", text(&output));
        for snapshot in golden.expected() {
            assert!(text(&output).contains(&snapshot.id[..16]), "{}", text(&output));
        }
    }
}

#[test]
fn the_independent_reader_restores_what_was_saved() {
    let Some(python) = python() else { return };
    for golden in VERSIONS.map(Golden::of_version) {
        let base = tempfile::tempdir().unwrap();
        let abilities = Abilities::of(base.path());
        for expected in golden.expected() {
            let target = base.path().join(&expected.id[..8]);
            let output = read(&python, &golden, &[Path::new("restore"), Path::new(&expected.id), &target]);
            let (saved, restored) = without_wrapped(&expected, describe(&target));
            assert_eq!(output.status.success(), saved == expected.lines, "{}", text(&output));
            assert_same(&abilities.comparable(&saved), &abilities.comparable(&restored));
        }
    }
}

/// The lines without wrapped files, which the reader can not put together: it writes what is in them, and says so.
fn without_wrapped(
    expected: &ExpectedSnapshot,
    mut restored: BTreeSet<String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut saved, mut unwrapped) = (expected.lines.clone(), expected.unwrapped.clone());
    let wrapped: Vec<String> = restored.iter().filter(|line| line.ends_with(".unwrapped")).cloned().collect();
    for line in wrapped {
        restored.remove(&line);
        let fields: Vec<&str> = line.split(' ').collect();
        let path = fields[8].strip_suffix(".unwrapped").unwrap();
        let count = saved.len();
        saved.retain(|line| !line.ends_with(&format!(" {path}")));
        assert_eq!(saved.len(), count - 1, "{path} was not saved");
        if let Some(content) = unwrapped.remove(path) {
            assert_eq!(content, format!("{} {}", fields[5], fields[7]), "{path}");
        }
    }
    assert!(unwrapped.is_empty(), "not wrapped: {unwrapped:?}");
    (saved, restored)
}

/// Names of all objects, with `/`.
fn objects(repo: &Path) -> Vec<String> {
    let (mut names, mut pending) = (Vec::new(), vec![repo.to_path_buf()]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            names.push(path.strip_prefix(repo).unwrap().to_str().unwrap().to_string());
        }
    }
    names.retain(|name| name != "readme.txt");
    names.sort();
    names
}

#[test]
fn the_independent_reader_names_the_object_in_which_a_byte_is_flipped() {
    let Some(python) = python() else { return };
    for golden in VERSIONS.map(Golden::of_version) {
        let base = tempfile::tempdir().unwrap();
        let copy = golden.copy(&base.path().join("golden"));
        for (number, name) in objects(&copy.repo()).into_iter().enumerate() {
            let path = copy.repo().join(&name);
            let whole = fs::read(&path).unwrap();
            let mut damaged = whole.clone();
            // Beginning, middle, end in turn: header, sealed parts and footers are all met.
            let at = [5, whole.len() / 2, whole.len() - 1][number % 3];
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let output = read(&python, &copy, &[Path::new("check")]);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "byte {at} of {name} is flipped: {said}");
            assert!(said.contains(&name), "byte {at} of {name} is flipped, and it is not named: {said}");
            fs::write(&path, &whole).unwrap();
        }
    }
}
