// SPDX-License-Identifier: MIT OR Apache-2.0
//! What README and guides tell people to type can be typed: every command line of `keepfast` in them is one that the program
//! understands, those of marked blocks (`<!-- run: NAME -->`) are run, and policies and units are at least well-formed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::support::servers::Server;
use crate::support::sshd::Sshd;

/// A block of code in a document.
struct Block {
    /// `run: disk` of the comment before it; empty without one.
    mark: String,
    lines: Vec<String>,
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README and everything that users read on with.
fn documents() -> Vec<String> {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides");
    let guides = fs::read_dir(guides).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = guides.map(|name| format!("docs/guides/{name}")).collect();
    names.extend(["README.md", "docs/copy.md", "docs/retention.md"].map(str::to_string));
    names
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut mark = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            mark = found.to_string();
        } else if line.starts_with("```") {
            let lines = lines.by_ref().take_while(|line| *line != "```").map(str::to_string).collect();
            blocks.push(Block { mark: std::mem::take(&mut mark), lines });
        } else if !line.trim().is_empty() {
            mark.clear();
        }
    }
    blocks
}

/// Words of a command line, as a shell splits them; what follows a `#`, `|` or `;` does not belong to it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for sign in line.chars() {
        match (quote, sign) {
            (Some(open), sign) if sign == open => quote = None,
            (None, '\'' | '"') => quote = Some(sign),
            (None, '#' | '|' | ';' | '&' | '>') => break,
            (None, ' ') => words.push(String::new()),
            (_, sign) => words.last_mut().expect("never empty").push(sign),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Arguments of every call of the program in a line of a shell, a crontab or a unit.
fn calls(line: &str) -> Vec<Vec<String>> {
    // The words of a line begin anew behind what ends a command.
    let commands = line.split(';').map(words);
    let calls = commands.filter_map(|words| {
        let at = words.iter().position(|word| word == "keepfast" || word.ends_with("/keepfast"))?;
        Some(words[at + 1..].to_vec())
    });
    calls.collect()
}

/// Calls that stand in running text, as `keepfast verb --option`.
fn mentions(text: &str) -> Vec<Vec<String>> {
    let spans = text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("keepfast ") && !span.contains('\n'));
    let whole = spans.filter(|span| !span.contains("...") && !span.contains("-*") && !span.contains('['));
    whole.flat_map(calls).collect()
}

#[test]
fn every_command_line_in_the_documents_is_one_that_the_program_understands() {
    let sandbox = Sandbox::empty();
    let mut seen = 0;
    for name in documents() {
        let text = document(&name);
        let mut lines: Vec<Vec<String>> = mentions(&text);
        lines.extend(blocks(&text).iter().flat_map(|block| &block.lines).flat_map(|line| calls(line)));
        for mut line in lines.into_iter().filter(|line| !line.is_empty() && line[0] != "help") {
            // Stops behind everything that was understood, and does nothing.
            line.push("--help".to_string());
            let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
            let run = sandbox.run(&arguments);
            assert_eq!(run.code, 0, "{name}: {line:?}: {run:?}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// The marked blocks of the guides, in their order, with places of this machine for those of the guide.
fn script(mark: &str, places: &[(&str, &str)]) -> String {
    let guides = ["nas-and-s3", "archives", "savings", "what-changed", "redact"];
    let guides = guides.map(|name| format!("docs/guides/{name}.md"));
    let blocks: Vec<Block> = guides.iter().flat_map(|guide| blocks(&document(guide))).collect();
    let lines: Vec<String> =
        blocks.into_iter().filter(|block| block.mark == format!("run: {mark}")).flat_map(|block| block.lines).collect();
    assert!(!lines.is_empty(), "no block is marked {mark}");
    places.iter().fold(lines.join("\n"), |text, (of_guide, here)| {
        assert!(text.contains(of_guide), "{of_guide} is in no block of {mark}");
        text.replace(of_guide, here)
    })
}

fn run_script(sandbox: &Sandbox, script: &str, variables: &[(&str, String)]) -> Run {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_keepfast"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut command = Command::new("sh");
    command.args(["-eux", "-c", script]).stdin(Stdio::null()).env_clear().current_dir(sandbox.path("src"));
    command.env("PATH", path).env("HOME", sandbox.path("home")).env("TZ", "UTC");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    Run::from(command.output().unwrap())
}

#[test]
fn the_guide_leads_from_nothing_to_a_restore_on_a_disk() {
    let sandbox = Sandbox::empty();
    let (src, scratch) = (sandbox.text("src"), sandbox.text("scratch"));
    fs::create_dir(&scratch).unwrap();
    let places = [
        // First, because the places of this machine may lie there too.
        ("/tmp", scratch.clone()),
        ("/etc\n", format!("{src}\n")),
        ("/etc ", format!("{src} ")),
        ("/mnt/disk", sandbox.text("disk")),
        ("/mnt/second", sandbox.text("second")),
        (" --host old-name", String::new()),
    ];
    let places: Vec<(&str, &str)> = places.iter().map(|(of_guide, here)| (*of_guide, here.as_str())).collect();
    let run = run_script(&sandbox, &script("disk", &places), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    let restored = Path::new(&scratch).join("restored").join(src.trim_start_matches('/'));
    assert_eq!(fs::read(restored.join("a.txt")).unwrap(), b"alpha\n");
}

#[test]
fn the_guide_leads_archives_in_and_out() {
    let sandbox = Sandbox::empty();
    let (src, scratch) = (sandbox.text("src"), sandbox.text("scratch"));
    fs::create_dir(&scratch).unwrap();
    let disk = sandbox.text("disk");
    fs::create_dir(&disk).unwrap();
    let places = [("/tmp", scratch.as_str()), ("-C /etc", &format!("-C {src}")), ("/mnt/disk", &disk)];
    let run = run_script(&sandbox, &script("archives", &places), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.ends_with(".\na.txt\nsub\nsub/b.txt\nsub/c.o\n"), "{run:?}");
}

#[test]
fn the_guide_leads_to_where_the_bytes_went() {
    let sandbox = Sandbox::empty();
    let (src, disk) = (sandbox.text("src"), sandbox.text("disk"));
    fs::create_dir(&disk).unwrap();
    let places = [("backup /etc", format!("backup {src}")), ("/mnt/disk", disk)];
    let places: Vec<(&str, &str)> = places.iter().map(|(of_guide, here)| (*of_guide, here.as_str())).collect();
    let run = run_script(&sandbox, &script("savings", &places), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("in 6 files of 2 snapshots") && run.out.contains("\"bytes_dedup\":"), "{run:?}");
}

#[test]
fn the_guide_leads_to_what_changed() {
    let sandbox = Sandbox::empty();
    let disk = sandbox.text("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(sandbox.path("src/hosts"), "127.0.0.1 localhost\n").unwrap();
    // A backup of the current folder has its files at the top.
    let places = [("backup /etc", "backup ."), ("/etc/hosts", "hosts"), ("/mnt/disk", &disk)];
    let run = run_script(&sandbox, &script("changed", &places), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("+10.0.0.2 db") && run.out.contains("+10.0.0.3 cache"), "{run:?}");
    assert!(run.out.contains("0 keys, users, rights"), "what watch-diff says: {run:?}");
    for (name, title, line) in [
        ("change", "What changed on ", "10.0.0.2 db"),
        ("hosts", "History of ", "10.0.0.2 db"),
        ("now", "After: live files of ", "10.0.0.3 cache"),
    ] {
        let page = fs::read_to_string(Path::new(&disk).join(format!("{name}.html"))).unwrap();
        assert!(page.contains(title) && page.contains(line), "{name}");
    }
}

#[test]
fn the_guide_leads_to_a_dump_for_somebody_else() {
    let sandbox = Sandbox::empty();
    let (scratch, disk) = (sandbox.text("scratch"), sandbox.text("disk"));
    [&scratch, &disk].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let run = run_script(&sandbox, &script("redact", &[("/tmp", &scratch), ("/mnt/disk", &disk)]), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("\"password\": \"<secret ") && !run.out.contains("hunter2"), "{run:?}");
    let given = fs::read_to_string(Path::new(&scratch).join("for-vendor.json")).unwrap();
    let given: Value = serde_json::from_str(&given).unwrap();
    assert_eq!(given["cassandra"].as_object().unwrap().keys().collect::<Vec<_>>(), ["config_db_uuid"]);
    assert!(Path::new(&scratch).join("for-vendor.tar.gz").exists());
}

#[test]
fn the_guide_leads_to_a_repository_in_a_bucket() {
    let Some(server) = Server::moto() else { return };
    let sandbox = Sandbox::empty();
    let (src, scratch) = (sandbox.text("src"), sandbox.text("scratch"));
    let endpoint = server.endpoint();
    let places = [
        ("/tmp", scratch.as_str()),
        ("s3://my-backups/", "s3://bucket/"),
        ("https://minio.example:9000", &endpoint),
        ("/etc", &src),
    ];
    let run = run_script(&sandbox, &script("s3", &places), &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("many writers, online prune"), "{run:?}");
}

#[test]
fn the_guide_leads_to_a_repository_on_an_sftp_server() {
    let Some(server) = Sshd::start() else { return };
    let sandbox = Sandbox::empty();
    let src = sandbox.text("src");
    let location = server.location(&sandbox.path("there")).to_string();
    let places = [("sftp://nas.example//repository", location.as_str()), ("/etc", &src)];
    let command = server.options().command.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let run = run_script(&sandbox, &script("sftp", &places), &[("KEEPFAST_SSH_COMMAND", command)]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// Policies are JSON and name folders that the format has; a client may not delete what a snapshot needs.
#[test]
fn the_policies_of_the_guide_let_a_client_delete_nothing_that_lasts() {
    let blocks = blocks(&document("docs/guides/nas-and-s3.md"));
    let mut deletes = BTreeMap::new();
    for block in blocks.iter().filter(|block| block.mark.starts_with("policy: ")) {
        let policy: Value = serde_json::from_str(&block.lines.join("\n")).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            if statement["Action"] != "s3:DeleteObject" {
                continue;
            }
            let folders = statement["Resource"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            let folders: Vec<String> = folders.map(|it| it.split('/').nth(2).unwrap().to_string()).collect();
            deletes.insert(block.mark.clone(), folders);
        }
    }
    assert_eq!(deletes["policy: client"], ["sessions", "probe"]);
    assert_eq!(deletes["policy: maintainer"], ["packs", "index", "gen", "snapshots", "sessions", "gc", "probe"]);
}
