// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives for tests: texts that compress, and what real and unreal programs make of them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use miniz_oxide::deflate::compress_to_vec;

use super::random::Random;

/// Lines of a log or dump, other ones for each seed.
pub fn lines(random: &mut Random, length: usize) -> Vec<u8> {
    const WORDS: [&str; 6] = ["insert", "update", "customer", "2026-11-28", "order placed by", "NULL, NULL"];
    let mut text = Vec::with_capacity(length + 100);
    while text.len() < length {
        let (word, other) = (*random.pick(&WORDS), *random.pick(&WORDS));
        text.extend(format!("{:08x} {word} {other} {}\n", random.number() >> 36, random.below(100)).into_bytes());
    }
    text.truncate(length);
    text
}

/// A gzip member. Its check sum is wrong, which nobody looks at.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 0, 3];
    [&head[..], &compress_to_vec(plain, 6), b"crc0", &(plain.len() as u32).to_le_bytes()].concat()
}

/// A zlib stream.
pub fn zlib(plain: &[u8]) -> Vec<u8> {
    [&[0x78, 0x9c][..], &compress_to_vec(plain, 6), b"adlr"].concat()
}

/// What a zip archive has of one file, with these flags.
pub fn zip_entry(name: &str, plain: &[u8], flags: u8) -> Vec<u8> {
    let mut head = [0; 30];
    head[..4].copy_from_slice(b"PK\x03\x04");
    (head[6], head[8], head[26]) = (flags, 8, name.len() as u8);
    [&head[..], name.as_bytes(), &compress_to_vec(plain, 6)].concat()
}

/// A zip archive, without the directory at its end.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    files.iter().flat_map(|(name, plain)| zip_entry(name, plain, 0)).collect()
}

/// A tar archive whose files were changed at this time.
pub fn tar(files: &[(&str, &[u8])], modified: u64) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(modified);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Programs and libraries of this machine that compress, by name: `plain` on standard input, an archive on standard output.
const COMPRESSORS: [(&str, &[&str]); 16] = [
    ("gzip -1", &["gzip", "-c", "-1"]),
    ("gzip -6", &["gzip", "-c", "-6"]),
    ("gzip -9", &["gzip", "-c", "-9"]),
    ("gzip --rsyncable", &["gzip", "-c", "--rsyncable"]),
    ("pigz -1", &["pigz", "-c", "-1"]),
    ("pigz -6 of 3 threads", &["pigz", "-c", "-6", "-p3", "-b128"]),
    ("pigz -11", &["pigz", "-c", "-11", "-I1"]),
    ("zopfli", &["sh", "-c", ZOPFLI]),
    ("libdeflate -1", &["libdeflate-gzip", "-c", "-1"]),
    ("libdeflate -6", &["libdeflate-gzip", "-c", "-6"]),
    ("libdeflate -12", &["libdeflate-gzip", "-c", "-12"]),
    ("zip", &["zip", "-q", "-", "-"]),
    ("zlib of Python, level 1", &["python3", "-c", PYTHON_ZLIB, "1", "8", "15"]),
    ("zlib of Python, level 9, little memory", &["python3", "-c", PYTHON_ZLIB, "9", "2", "15"]),
    ("zlib of Python, level 6, gzip", &["python3", "-c", PYTHON_ZLIB, "6", "9", "31"]),
    ("zipfile of Python", &["python3", "-c", PYTHON_ZIPFILE]),
];

/// It wants to know the length of its input.
const ZOPFLI: &str = "f=$(mktemp) && cat > \"$f\" && zopfli -c --i1 \"$f\"; e=$?; rm -f \"$f\"; exit $e";

const PYTHON_ZLIB: &str = "import sys, zlib
level, memory, window = map(int, sys.argv[1:])
z = zlib.compressobj(level, zlib.DEFLATED, window, memory)
data = sys.stdin.buffer.read()
half = len(data) // 2
out = z.compress(data[:half]) + z.flush(zlib.Z_SYNC_FLUSH) + z.compress(data[half:]) + z.flush()
sys.stdout.buffer.write(out)";

const PYTHON_ZIPFILE: &str = "import io, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('a/file', sys.stdin.buffer.read())
    z.writestr('b', b'stored', zipfile.ZIP_STORED)
sys.stdout.buffer.write(out.getvalue())";

/// Compressors of this machine: those that there are; what is missing is printed.
pub fn compressors() -> Vec<(&'static str, &'static [&'static str])> {
    let is_there = |(name, words): &(&str, &[&str])| match compressed(words, b"try") {
        Ok(_) => true,
        Err(why) => {
            println!("skipped: {name}: {why}");
            false
        }
    };
    COMPRESSORS.into_iter().filter(is_there).collect()
}

/// What a compressor makes of bytes.
pub fn compressed(words: &[&str], plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{} can not be run: {error}", words[0]))?;
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(plain));
        child.wait_with_output().unwrap()
    });
    let said = || format!("{}: {} {}", words[0], output.status, String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() && !output.stdout.is_empty() { Ok(output.stdout) } else { Err(said()) }
}

/// Puts files into a folder.
pub fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}
