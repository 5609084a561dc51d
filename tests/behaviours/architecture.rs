// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shape of the source tree, held by machine: which crate may import which, how long a file may be, that documents name
//! only what exists. For whoever changes the tree. It reads source text and runs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::workspace;

/// Every crate of the workspace that is part of the program, and which of the others it may import: the diagram of
/// `docs/design.md`, section 2.
const DIAGRAM: [(&str, &[&str]); 5] = [
    ("chunker", &[]),
    ("repo-format", &[]),
    ("storage", &[]),
    ("engine", &["chunker", "repo-format", "storage"]),
    ("cli", &["engine"]),
];

/// Crates that are silent: no output, no environment, no exit.
const LIBRARIES: [&str; 4] = ["chunker", "repo-format", "storage", "engine"];

/// Operations of the engine. What two of them need moves into a layer below.
const OPERATIONS: [&str; 20] = [
    "backup", "restore", "check", "diff", "dump", "stats", "tag", "key", "forget", "undelete", "sessions", "copy",
    "prune", "import", "export", "versions", "find", "blame", "mount", "recover",
];

/// A file that is longer is split by noun.
const MAX_LINES: usize = 400;

/// A file of the workspace, by its path from the root.
struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    /// Whether it is compiled into tests only, by the names that the style card gives such files.
    fn is_test(&self) -> bool {
        let is_file = ["/tests.rs", "/samples.rs"].iter().any(|end| self.path.ends_with(end));
        is_file || ["/tests/", "/testing/"].iter().any(|folder| self.path.contains(folder))
    }

    /// Lines of program, with their numbers: no comments, and nothing from `mod tests {` on.
    fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(number, line)| (number + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every `.rs` file below `folder`, sorted.
fn rust_files(folder: &str) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(workspace()).unwrap().to_str().unwrap().to_string();
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// All offenders at once: whoever reads the failure sees the whole list.
fn assert_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

/// The crates of the workspace that stand in the `[dependencies]` of a crate.
fn imported_crates(folder: &str) -> BTreeSet<String> {
    let manifest = read(&format!("{folder}/Cargo.toml"));
    let from = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let dependencies = from.take_while(|line| !line.starts_with('['));
    let name = |line: &str| Some(line.strip_prefix("keepfast-")?.split(['.', ' ', '=']).next()?.to_string());
    dependencies.filter_map(name).collect()
}

#[test]
fn a_crate_imports_only_along_the_diagram() {
    for (folder, allowed) in DIAGRAM {
        let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
        let found = imported_crates(folder);
        assert!(found.is_subset(&allowed), "{folder} imports {found:?}, the diagram allows {allowed:?}");
    }
}

#[test]
fn every_crate_of_the_workspace_has_its_place_in_the_diagram() {
    let manifest = read("Cargo.toml");
    let members =
        manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("the workspace has members");
    let members = members.trim_end_matches(']').split(',').map(|member| member.trim().trim_matches('"'));
    let outside: Vec<&str> = members.filter(|member| DIAGRAM.iter().all(|(folder, _)| folder != member)).collect();
    assert_eq!(outside, ["tests", "benches"], "a new crate belongs into DIAGRAM and into docs/design.md");
}

#[test]
fn every_file_is_a_module_of_its_parent() {
    let mut offenders = Vec::new();
    let by_path: Vec<SourceFile> = ["cli/tests", "tests"].into_iter().flat_map(rust_files).collect();
    for folder in ["chunker/src", "repo-format/src", "storage/src", "engine/src", "cli/src", "cli/tests", "tests"] {
        let files = rust_files(folder);
        for file in &files {
            let (above, name) = file.path.rsplit_once('/').expect("a file of a crate lies in a folder");
            // A file `mod.rs` is its folder.
            let (above, name) =
                if name == "mod.rs" { above.rsplit_once('/').expect("so does it") } else { (above, name) };
            let name = name.strip_suffix(".rs").unwrap_or(name);
            let is_top = |name: &str| ["lib", "main", "suite"].contains(&name);
            if is_top(name) {
                continue;
            }
            let parents = [format!("{above}.rs"), format!("{above}/mod.rs"), format!("{above}/lib.rs")];
            let tops = ["main", "suite"].map(|top| format!("{above}/{top}.rs"));
            let declares = |parent: &SourceFile| {
                let is_parent = parents.iter().chain(&tops).any(|path| *path == parent.path);
                is_parent && parent.text.lines().any(|line| line.trim_start().ends_with(&format!("mod {name};")))
            };
            // The behaviours are declared in the suite, which is one level up.
            let by_suite = |file: &SourceFile| {
                above == "tests/behaviours"
                    && file.path == "tests/suite.rs"
                    && file.text.lines().any(|line| line.trim() == format!("mod {name};"))
            };
            let named = format!("{}\"]", file.path);
            let is_named = by_path
                .iter()
                .any(|other| other.text.lines().any(|line| line.starts_with("#[path = ") && line.ends_with(&named)));
            if !is_named && !files.iter().any(|file| declares(file) || by_suite(file)) {
                offenders.push(file.path.clone());
            }
        }
    }
    assert_none("nothing compiles these files: no module declares them", &offenders);
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    let folders = ["chunker", "repo-format", "storage", "engine", "cli", "tests", "benches"];
    let files = folders.into_iter().flat_map(rust_files);
    let long = files.map(|file| (file.text.lines().count(), file.path)).filter(|(lines, _)| *lines > MAX_LINES);
    let offenders: Vec<String> = long.map(|(lines, path)| format!("{path}: {lines} lines")).collect();
    assert_none("split these by noun", &offenders);
}

#[test]
fn every_source_file_says_its_licence_and_what_it_is() {
    let folders = ["chunker", "repo-format", "storage", "engine", "cli", "tests", "benches"];
    let mut offenders = Vec::new();
    for file in folders.into_iter().flat_map(rust_files) {
        let mut lines = file.text.lines();
        let spdx = lines.next() == Some("// SPDX-License-Identifier: MIT OR Apache-2.0");
        let head = lines.next().is_some_and(|line| line.starts_with("//! "));
        // A test module is told by the module it tests.
        if !spdx || !(head || file.path.ends_with("/tests.rs")) {
            offenders.push(file.path);
        }
    }
    assert_none("these lack the SPDX line, or the `//!` head after it", &offenders);
}

#[test]
fn no_import_takes_everything() {
    let mut offenders = Vec::new();
    for file in DIAGRAM.iter().flat_map(|(folder, _)| rust_files(&format!("{folder}/src"))) {
        let lines = file.program().filter(|(_, line)| line.starts_with("use ") || line.starts_with("pub use "));
        let globs = lines.filter(|(_, line)| line.contains("::*") && !file.is_test());
        offenders.extend(globs.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
    }
    assert_none("name what is imported", &offenders);
}

#[test]
fn library_crates_are_silent() {
    let banned = ["println!", "eprintln!", "print!(", "dbg!(", "std::env", "env::var", "process::exit"];
    let mut offenders = Vec::new();
    for file in LIBRARIES.iter().flat_map(|folder| rust_files(&format!("{folder}/src"))).filter(|file| !file.is_test())
    {
        let loud = file.program().filter(|(_, line)| banned.iter().any(|word| line.contains(word)));
        offenders.extend(loud.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
    }
    assert_none("printing, the environment and exiting belong to the cli", &offenders);
}

#[test]
fn operations_of_the_engine_never_import_each_other() {
    let mut offenders = Vec::new();
    for file in rust_files("engine/src").into_iter().filter(|file| !file.is_test()) {
        let inside = file.path.trim_start_matches("engine/src/");
        let Some(own) =
            OPERATIONS.iter().find(|name| inside.starts_with(&format!("{name}/")) || inside == format!("{name}.rs"))
        else {
            continue;
        };
        for other in OPERATIONS.iter().filter(|other| *other != own) {
            let path = format!("crate::{other}::");
            let uses = file.program().filter(|(_, line)| line.contains(&path));
            offenders.extend(uses.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
        }
    }
    assert_none("what two operations need moves into a layer below them", &offenders);
}

/// Words in backquotes and targets of links that look like a path of this repository.
fn quoted_paths(text: &str) -> BTreeSet<String> {
    const FOLDERS: [&str; 9] =
        ["chunker/", "repo-format/", "storage/", "engine/", "cli/", "tests/", "benches/", "fuzz/", "docs/"];
    let code = text.split('`').skip(1).step_by(2);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_path =
        |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', '{', ' ']);
    code.flat_map(str::split_whitespace)
        .filter(is_path)
        .chain(links.filter(|link| !link.contains("://")))
        .map(|path| {
            path.split('#')
                .next()
                .expect("splitting gives at least one part")
                .trim_end_matches([',', '.', ':'])
                .to_string()
        })
        .filter(|path| !path.is_empty())
        .collect()
}

#[test]
fn documents_name_only_paths_that_exist() {
    let in_docs = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let in_docs = in_docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let at_top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| workspace().join(name));
    let mut offenders = Vec::new();
    for document in in_docs.chain(at_top) {
        let text = fs::read_to_string(&document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        let beside = document.parent().expect("a document lies in a folder");
        let exists = |path: &String| workspace().join(path).exists() || beside.join(path).exists();
        let missing = quoted_paths(&text).into_iter().filter(|path| !exists(path));
        offenders.extend(missing.map(|path| format!("{}: {path}", document.display())));
    }
    assert_none("documents name these, and they do not exist", &offenders);
}

#[test]
fn documents_of_the_workspace_quote_nothing_of_a_machine() {
    let offenders: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "docs/design.md", "docs/glossary.md", "docs/format.md"]
            .into_iter()
            .filter(|path| ["/home/", "/root/", "/tmp/"].iter().any(|prefix| read(path).contains(prefix)))
            .map(String::from)
            .collect();
    assert_none("a path of one machine means nothing on another", &offenders);
}

/// The format page's own words, and what the code says.
#[test]
fn numbers_of_the_format_page_are_those_of_the_code() {
    use keepfast_repo_format::keys::KeyRow;
    use keepfast_repo_format::tree::{inner, list, order};
    use keepfast_repo_format::{crypto, directory, envelope, frame, key_slot, layout, manifest, pack, segment, tree};
    let page = read("docs/format.md");
    let expected = [
        ("begins with a 64-byte header in clear", envelope::HEADER_LEN as u64, 64),
        ("| 44 | 4 | extension length, at most 1 MiB |", envelope::MAX_EXTENSION_BYTES as u64, 1 << 20),
        ("suite: 1 = BLAKE3, XChaCha20-Poly1305", envelope::SUITE.into(), 1),
        ("with a 24-byte nonce", crypto::NONCE_LEN as u64, 24),
        ("the result carries the 16-byte tag", crypto::TAG_LEN as u64, 16),
        ("segment = nonce(24) ‖ SEAL(", segment::OVERHEAD as u64, 24 + 16),
        ("| segment | 16 MiB of plaintext |", segment::MAX_PLAIN_BYTES as u64, 16 << 20),
        ("| pack | 256 MiB |", envelope::MAX_PACK_BYTES, 256 << 20),
        ("| framed payload | 64 MiB |", frame::MAX_PLAIN_BYTES as u64, 64 << 20),
        ("| object other than a pack | 72 MiB |", envelope::MAX_OBJECT_BYTES, 72 << 20),
        ("n rows of 80 bytes", KeyRow::LEN as u64, 80),
        ("‖ directory ‖ footer(64)", pack::FOOTER_LEN as u64, 64),
        ("segments `s` (at most 2^20)", directory::MAX_SEGMENTS, 1 << 20),
        ("chunks `c` (at most 2^24)", directory::MAX_CHUNKS, 1 << 24),
        ("text, at most 255 bytes |", key_slot::MAX_LABEL_BYTES as u64, 255),
        ("at most 110 bytes, never two", layout::MAX_NAME_BYTES as u64, 110),
        ("problems, at most 10,000", manifest::MAX_PROBLEMS as u64, 10_000),
        ("A name is 1..255 bytes", order::MAX_NAME_BYTES as u64, 255),
        ("length of each (at most 1 MiB)", order::MAX_DIRECTORY_BYTES as u64, 1 << 20),
        ("length and bytes of name (at most 255)", tree::entry::MAX_XATTR_NAME_BYTES as u64, 255),
        ("length and bytes of value (at most 16 MiB)", tree::entry::MAX_XATTR_VALUE_BYTES as u64, 16 << 20),
        ("Inner node (level 1..15)", inner::MAX_LEVEL.into(), 15),
        ("### 8.2 Inner node (level 1..15)", list::MAX_LEVEL.into(), 15),
        ("Above 32 items the list is stored", tree::entry::Content::MAX_INLINE as u64, 32),
    ];
    for (quote, code, stated) in expected {
        assert!(page.contains(quote), "docs/format.md does not say {quote:?} any more");
        assert_eq!(code, stated, "docs/format.md says {quote:?}, the code has {code}");
    }
    assert_eq!(keepfast_storage::Name::MAX_BYTES, layout::MAX_NAME_BYTES, "storage and format disagree about names");
    for folder in [layout::CONFIG_FOLDER, layout::KEYS_FOLDER, layout::PACKS_FOLDER, layout::INDEX_FOLDER] {
        assert!(page.contains(&format!("| `{folder}/")), "docs/format.md does not know the folder {folder}");
    }
}

#[test]
fn a_path_in_a_document_is_recognised() {
    let text =
        "see `repo-format/src/pack.rs`, [there](docs/format.md#6), `cargo test` and https://example.org/engine/x";
    let found: Vec<String> = quoted_paths(text).into_iter().collect();
    assert_eq!(found, ["docs/format.md", "repo-format/src/pack.rs"]);
    assert!(Path::new(&workspace()).join("Cargo.toml").exists());
}
