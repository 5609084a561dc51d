// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random folders on a real disk, and random changes to them. Few names and few contents, so that changes hit what exists
//! and contents repeat; every name that has ever hurt a backup program is among them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, lsetxattr, mknodat, utimensat};

use super::capture::{Capture, capture, join};
use super::random::Random;

const NAMES: [&[u8]; 20] = [
    b"a",
    b"b",
    b"a!",
    b"a.txt",
    b"A",
    b"...",
    b"-rf",
    b" ",
    b"*",
    b"new\nline",
    b"\xff\xfe",
    b"\xc3\xa4",
    b"a\xcc\x88",
    b"back\\slash",
    b"C:",
    b"~",
    b"#",
    b"latest",
    b".hidden",
    &[b'x'; 255],
];

fn name(random: &mut Random) -> &'static OsStr {
    let bytes: &&[u8] = random.pick(&NAMES);
    OsStr::from_bytes(bytes)
}

/// Makes about `paths` random paths in the folder, which exists.
pub fn grow(folder: &Path, random: &mut Random, paths: usize) {
    let mut folders = vec![folder.to_path_buf()];
    for _ in 0..paths {
        let parent = random.pick(&folders).clone();
        let path = parent.join(name(random));
        if fs::symlink_metadata(&path).is_err() && path.as_os_str().len() < 3000 {
            make(&path, random, &mut folders, folder);
        }
    }
}

fn make(path: &Path, random: &mut Random, folders: &mut Vec<PathBuf>, top: &Path) {
    match random.below(20) {
        0..6 => {
            fs::create_dir(path).unwrap();
            folders.push(path.to_path_buf());
        }
        6 => symlink(name(random), path).unwrap(),
        7 => symlink("/nonexistent/../../etc", path).unwrap(),
        8 => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap(),
        9 | 10 => link(path, random, top),
        11 => sparse(path, random),
        _ => fs::write(path, content(random)).unwrap(),
    }
    dress(path, random);
}

fn link(path: &Path, random: &mut Random, top: &Path) {
    let found = capture(top);
    let files: Vec<_> = found.iter().filter(|(_, facts)| facts.kind == "file").map(|(path, _)| path).collect();
    let linked = !files.is_empty() && {
        let file = random.pick(&files);
        fs::hard_link(join(top, file), path).is_ok()
    };
    if !linked {
        fs::write(path, b"alone").unwrap();
    }
}

fn sparse(path: &Path, random: &mut Random) {
    let file = File::create(path).unwrap();
    file.set_len((random.below(64) as u64) << 12).unwrap();
    for _ in 0..random.below(4) {
        let at = (random.below(60) as u64) << 12;
        file.write_all_at(&random.bytes(4096), at).unwrap();
    }
}

/// Empty, tiny, repeated, compressible, or several chunks of noise.
fn content(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => Vec::new(),
        1 => b"the same few bytes".to_vec(),
        2 => vec![b'z'; random.below(40_000)],
        3 => format!("{}\n", random.below(4)).repeat(random.below(3000)).into_bytes(),
        4 => {
            let length = random.below(30_000);
            random.bytes(length)
        }
        _ => {
            let length = random.below(500);
            random.bytes(length)
        }
    }
}

/// Mode, attributes and, last, times.
fn dress(path: &Path, random: &mut Random) {
    let kind = fs::symlink_metadata(path).unwrap().file_type();
    if !kind.is_symlink() && random.chance(30) {
        let mode = if kind.is_dir() {
            *random.pick(&[0o755, 0o700, 0o1777, 0o2750])
        } else {
            *random.pick(&[0o644, 0o400, 0o4755, 0])
        };
        // An ordinary user can not look into what has no mode at all.
        let mode = if rustix::process::geteuid().is_root() { mode } else { mode | 0o400 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    if (kind.is_file() || kind.is_dir()) && random.chance(20) {
        let value = if random.chance(50) { b"same".to_vec() } else { random.bytes(40) };
        // Not every file system has them; then nothing is lost by not having them.
        let _ = lsetxattr(path, "user.keepfast", &value, XattrFlags::empty());
    }
    if random.chance(60) {
        let seconds = *random.pick(&[0, -1, -3_000_000_000, 1_000_000_000, 1_700_000_000, 4_000_000_000]);
        set_times(path, seconds, random.below(1_000_000_000) as i64);
    }
}

/// Sets the modification time; the access time as well, to something else.
pub fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let last_access = Timespec { tv_sec: 12345, tv_nsec: 0 };
    let last_modification = Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    let times = Timestamps { last_access, last_modification };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes `count` random changes below the folder.
pub fn edit(folder: &Path, random: &mut Random, count: usize) {
    for _ in 0..count {
        let found = capture(folder);
        let paths: Vec<&Vec<u8>> = found.keys().filter(|path| !path.is_empty()).collect();
        if paths.is_empty() || random.chance(25) {
            grow_anywhere(folder, random, &found);
            continue;
        }
        let path = random.pick(&paths);
        change(&join(folder, path), random);
    }
}

fn grow_anywhere(folder: &Path, random: &mut Random, found: &Capture) {
    let folders: Vec<_> = found.iter().filter(|(_, facts)| facts.kind == "folder").map(|(path, _)| path).collect();
    let parent = random.pick(&folders);
    let path = join(folder, parent).join(name(random));
    if fs::symlink_metadata(&path).is_err() && path.as_os_str().len() < 3000 {
        make(&path, random, &mut Vec::new(), folder);
    }
}

fn change(path: &Path, random: &mut Random) {
    let kind = fs::symlink_metadata(path).unwrap().file_type();
    match random.below(8) {
        0 => remove(path),
        1 => {
            // Something else under the same name.
            remove(path);
            if kind.is_dir() { fs::write(path, b"was a folder").unwrap() } else { fs::create_dir(path).unwrap() }
        }
        2 => {
            let other = path.with_file_name(name(random));
            if fs::symlink_metadata(&other).is_err() {
                fs::rename(path, other).unwrap();
            }
        }
        3 => dress(path, random),
        4 if kind.is_file() => {
            remove(path);
            fs::write(path, content(random)).unwrap();
        }
        _ if kind.is_file() => scribble(path, random),
        _ => dress(path, random),
    }
}

fn scribble(path: &Path, random: &mut Random) {
    let Ok(file) = File::options().write(true).open(path) else { return };
    let size = file.metadata().unwrap().len();
    match random.below(4) {
        0 => file.set_len(random.below(size as usize + 1) as u64).unwrap(),
        1 => file.write_all_at(b"more at the end", size).unwrap(),
        _ => file.write_all_at(&random.bytes(7), random.below(size as usize + 1) as u64).unwrap(),
    }
}

/// Removes whatever is there.
pub fn remove(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}
