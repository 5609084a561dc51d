// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vendors' own archives.

use serde::Deserialize;

/// How an archive of the vendor looks, for import and export.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Names this entry.
    pub id: String,
    /// What it is.
    #[serde(default)]
    pub title: String,
    /// Regular expression for the whole name of the file. Groups `host` and `time` tell what they say.
    pub name: String,
    /// How `time` is written, in the words of strftime.
    #[serde(default)]
    pub time: String,
    /// What it is made of.
    pub form: Form,
    /// Its path in the snapshot, if it is one file there.
    #[serde(default)]
    pub path: Option<String>,
    /// Paths that an archive of this kind always has: what lacks one is of another system.
    #[serde(default)]
    pub has: Vec<String>,
    /// Regular expression for how it begins, once decompressed: what begins otherwise is of another system.
    #[serde(default)]
    pub starts: Option<String>,
    /// A file inside of it that describes it; shown.
    #[serde(default)]
    pub metadata: Option<String>,
    /// How it is made again.
    #[serde(default)]
    pub export: Option<Artifact>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
}

/// What a vendor's archive is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Its members become files of the snapshot.
    Tree,
    /// It is one file of the snapshot, and looked into.
    #[default]
    File,
}

/// A file as the vendor's restore wants it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name; `{{host}}` and `{{time}}` are the snapshot's.
    pub name: String,
    /// What of the snapshot is in it, as shell patterns; empty: everything of a tree, and the `path` of a file. Of a file the first
    /// that is there counts.
    #[serde(default)]
    pub paths: Vec<String>,
}
