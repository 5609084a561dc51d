// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks the given paths and prints how long that takes: `cargo run --release --example walk -- PATH...`.
//!
//! For whoever changes the walk. `THREADS=n` sets the number of helper threads (2), `COMPLETE=1` reads all metadata too.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use keepfast_engine::source::{Completer, Excludes, OneFileSystem, SourceOptions, Walked, walk};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let threads = std::env::var("THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let excludes = Excludes::default();
    let working_directory = std::env::current_dir()?;
    let options = SourceOptions { working_directory, paths, excludes, one_file_system: OneFileSystem::Cross, threads };
    let completes = std::env::var_os("COMPLETE").is_some();
    for round in 0..5 {
        let started = Instant::now();
        let completer = Completer::new();
        let (mut entries, mut problems, mut bytes) = (0_u64, 0_u64, 0_u64);
        for walked in walk(&options)? {
            match walked {
                Walked::Found(found) => {
                    entries += 1;
                    bytes += found.stat.size;
                    if completes {
                        problems += completer.metadata(&found, None).1.len() as u64;
                    }
                }
                Walked::Problem(problem) => {
                    problems += 1;
                    if round == 0 {
                        println!("{}: {}", problem.path.escape_ascii(), problem.text);
                    }
                }
            }
        }
        println!("{entries} entries, {bytes} bytes, {problems} problems: {:.3} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}
