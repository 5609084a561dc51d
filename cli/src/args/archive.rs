// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast import` and `keepfast export`: archives into a repository, and out of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::args::{ProfilesArgs, RedactArgs, ScopeArgs};

/// Arguments of `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The archive; `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Make files of its members: a tar archive, plain or compressed with gzip, zstd, xz or bzip2
    #[arg(long, conflicts_with = "profile")]
    pub as_tree: bool,
    /// Name of standard input in the snapshot
    #[arg(long, value_name = "PATH", default_value = "stdin", conflicts_with = "profile")]
    pub stdin_filename: String,
    /// Read on behind the end of an archive: of several ones in one file, or where the end is missing
    #[arg(long, requires = "as_tree")]
    pub ignore_zeros: bool,
    /// Give the snapshot this tag; repeated or with commas: several
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub tag: Vec<String>,
    /// Name of the host that the archive is of
    #[arg(short = 'H', long, env = "KEEPFAST_HOST", hide_env_values = true, value_name = "NAME")]
    pub host: Option<String>,
    /// A sentence about the snapshot
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    /// Read everything, write nothing, and tell what would be stored
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// zstd level for everything; without it the first 16 MiB get 8, the rest 3
    #[arg(long, value_name = "LEVEL", env = "KEEPFAST_COMPRESSION", hide_env_values = true,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub compression: Option<i32>,
    /// Whose archive it is.
    #[command(flatten)]
    pub vendor: VendorArgs,
    /// When the archive was made, such as 2026-11-01T03:00; by default as its name tells, else as the file does
    #[arg(long, value_name = "TIME", requires = "profile", help_heading = "An archive of a system's vendor")]
    pub time: Option<String>,
}

/// A vendor's own archives.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "An archive of a system's vendor")]
pub struct VendorArgs {
    /// The archive is one that this profile describes: import one that `recover` finds, export one that the vendor takes
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Which of the profile's kinds of archives; an import then looks at no name
    #[arg(long, value_name = "ID", requires = "profile")]
    pub vendor: Option<String>,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
}

/// Arguments of `export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The snapshot, or a folder or file in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,
    /// The archive to be written; `-` for standard output; of a vendor's also a folder, where it gets the vendor's name
    #[arg(value_name = "FILE")]
    pub output: PathBuf,
    /// Replace FILE if it is there
    #[arg(short, long)]
    pub force: bool,
    /// How it is compressed: none, gzip, zstd, with a level as in gzip:9; by default as FILE ends (.tar.gz, .tgz, .tar.zst)
    #[arg(long, value_name = "KIND[:LEVEL]", conflicts_with = "profile")]
    pub compression: Option<CodingArg>,
    /// Put this folder before every name in the archive; `.` gives names such as ./etc/hosts
    #[arg(long, value_name = "PATH", conflicts_with = "profile")]
    pub prefix: Option<PathBuf>,
    /// Take this many folders off the beginning of every name; what has no more is left out
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, conflicts_with = "profile")]
    pub strip_components: usize,
    /// Keep holes as holes, in the way of GNU tar, instead of writing zeros
    #[arg(short = 'S', long, conflicts_with = "profile")]
    pub sparse: bool,
    /// What is hidden and left out.
    #[command(flatten)]
    pub redact: RedactArgs,
    /// For whom it is.
    #[command(flatten)]
    pub vendor: VendorArgs,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// How an archive is compressed, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingArg {
    /// Not at all.
    Plain,
    /// With gzip, 0 to 9.
    Gzip(Option<u32>),
    /// With zstd, 1 to 19.
    Zstd(Option<i32>),
}

impl FromStr for CodingArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, level) = match text.split_once(':') {
            Some((kind, level)) => (kind, Some(level.parse::<u8>().map_err(|_| format!("{level:?} is no level"))?)),
            None => (text, None),
        };
        match (kind, level) {
            ("none", None) => Ok(Self::Plain),
            ("gzip" | "gz", None | Some(0..=9)) => Ok(Self::Gzip(level.map(u32::from))),
            ("zstd" | "zst", None | Some(1..=19)) => Ok(Self::Zstd(level.map(i32::from))),
            _ => Err("write none, gzip, zstd, gzip:0 to gzip:9 or zstd:1 to zstd:19".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CodingArg;

    #[test]
    fn kinds_and_levels_are_read() {
        for (text, expected) in [
            ("none", Some(CodingArg::Plain)),
            ("gzip", Some(CodingArg::Gzip(None))),
            ("gzip:9", Some(CodingArg::Gzip(Some(9)))),
            ("zstd:19", Some(CodingArg::Zstd(Some(19)))),
            ("gzip:10", None),
            ("zstd:0", None),
            ("none:1", None),
            ("xz", None),
            ("gzip:x", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
