// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a runbook is given out of snapshots: each host its own first, patterns by part, and never a stream that is short and
//! looks whole.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use keepfast_engine::backup::{BackupOptions, Stream, StreamInput, backup};
use keepfast_engine::events::Silent;
use keepfast_engine::recover::{Contents, Source};
use keepfast_engine::runbook;
use keepfast_engine::session::Client;
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::Backend;
use keepfast_storage::testing::RecordingBackend;

use crate::support::capture::{assert_same, capture};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, root};
use crate::support::tar_files::{reader, untar};

fn write(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    let path = sandbox.source().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Backs the source up as that of `host`, the source being the root.
fn snapshot(sandbox: &Sandbox, host: &str, options: &BackupOptions) -> SnapshotId {
    let client = Client { host: host.to_string(), ..client() };
    backup(&sandbox.open(), &client, options, &Silent).unwrap().snapshot.unwrap()
}

fn contents(sandbox: &Sandbox, ids: &[SnapshotId]) -> Contents {
    let snapshots = sandbox.snapshots();
    let source = |id: &SnapshotId| {
        let snapshot = snapshots.iter().find(|snapshot| snapshot.id == *id).unwrap();
        Source { host: snapshot.manifest.host.clone(), root: root(snapshot) }
    };
    Contents::new(reader(sandbox), ids.iter().map(source).collect())
}

fn read(input: Result<runbook::Input, String>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    input?.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn matching(contents: &Contents, pattern: &str) -> Vec<String> {
    runbook::Contents::matching(contents, "host", pattern).unwrap()
}

#[test]
fn a_pattern_is_matched_part_by_part() {
    let sandbox = Sandbox::new();
    for path in ["etc/a/x.conf", "etc/a/.hidden", "etc/b/x.conf", "etc/b/y.txt", "etc/x.conf", "etc/c", "var/a/x.conf"]
    {
        write(&sandbox, path, path.as_bytes());
    }
    let ids = [snapshot(&sandbox, "host", &sandbox.options_at_top())];
    let contents = contents(&sandbox, &ids);
    let table: [(&str, &[&str]); 12] = [
        ("etc/x.conf", &["etc/x.conf"]),
        ("/etc/a/", &["etc/a"]),
        ("etc/*/x.conf", &["etc/a/x.conf", "etc/b/x.conf"]),
        ("*/a/x.*", &["etc/a/x.conf", "var/a/x.conf"]),
        ("etc/[bc]/?.*", &["etc/b/x.conf", "etc/b/y.txt"]),
        ("etc/a/*", &["etc/a/.hidden", "etc/a/x.conf"]),
        ("etc/{a,b}/x.conf", &["etc/a/x.conf", "etc/b/x.conf"]),
        ("*", &["etc", "var"]),
        ("etc/none", &[]),
        ("etc/c/x", &[]),
        ("etc/x.conf/*", &[]),
        ("", &[]),
    ];
    for (pattern, expected) in table {
        assert_eq!(matching(&contents, pattern), expected, "{pattern}");
    }
    for (pattern, says) in [("etc/**", "**"), ("etc/[a", "[a")] {
        let error = runbook::Contents::matching(&contents, "host", pattern).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_pattern_reads_the_folders_on_its_way_and_no_others() {
    let sandbox = Sandbox::new();
    for folder in 0..40 {
        for file in 0..20 {
            write(&sandbox, &format!("etc/{folder:02}/{file:02}"), b"");
        }
    }
    write(&sandbox, "var/one", b"");
    let ids = [snapshot(&sandbox, "host", &sandbox.options_at_top())];
    let requests = |pattern: &str| {
        let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
        let repository = sandbox.open_on(recording.clone()).unwrap();
        let (snapshots, _) = repository.history().unwrap().snapshots(&repository).unwrap();
        let source = Source { host: "host".into(), root: root(&snapshots[0]) };
        assert_eq!(snapshots[0].id, ids[0]);
        let contents = Contents::new(repository.reader(), vec![source]);
        recording.take();
        assert!(!matching(&contents, pattern).is_empty(), "{pattern}");
        recording.take().len()
    };
    let (one, all) = (requests("var/*"), requests("etc/*/*"));
    assert!(one < all, "{one} requests for one folder, {all} for all");
}

#[test]
fn each_host_is_given_its_own_and_what_it_lacks_comes_from_the_others() {
    let sandbox = Sandbox::new();
    write(&sandbox, "etc/name", b"one");
    write(&sandbox, "dump.sql", b"dump of one");
    let one = snapshot(&sandbox, "one", &sandbox.options_at_top());
    fs::remove_file(sandbox.source().join("dump.sql")).unwrap();
    write(&sandbox, "etc/name", b"two");
    let two = snapshot(&sandbox, "two", &sandbox.options_at_top());
    let contents = contents(&sandbox, &[one, two]);
    let file = |host: &str, path: &str| read(runbook::Contents::file(&contents, host, path)).unwrap();
    assert_eq!(file("one", "etc/name"), b"one");
    assert_eq!(file("two", "etc/name"), b"two");
    assert_eq!(file("two", "dump.sql"), b"dump of one");
    assert_eq!(file("three", "etc/name"), b"one", "the first of the set serves a host that has none");
    let archive = read(runbook::Contents::archive(&contents, "two", &["etc/name".into(), "dump.sql".into()])).unwrap();
    let Some(target) = untar(&sandbox, &archive, "out") else { return };
    assert_eq!(fs::read(target.join("etc/name")).unwrap(), b"two");
    assert_eq!(fs::read(target.join("dump.sql")).unwrap(), b"dump of one");
}

#[test]
fn an_archive_extracts_to_what_was_there() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(5);
    write(&sandbox, "etc/app/big", &random.bytes(300_000));
    write(&sandbox, "etc/app/deep/er/file", b"x");
    write(&sandbox, "etc/one", b"1");
    write(&sandbox, "etc/not", b"not");
    let source = sandbox.source();
    symlink("app/big", source.join("etc/link")).unwrap();
    fs::hard_link(source.join("etc/one"), source.join("etc/app/one-again")).unwrap();
    fs::set_permissions(source.join("etc/app/deep"), fs::Permissions::from_mode(0o750)).unwrap();
    let ids = [snapshot(&sandbox, "host", &sandbox.options_at_top())];
    let paths = ["etc/app", "etc/app/deep/er", "etc/link", "etc/one"].map(String::from);
    let archive = read(runbook::Contents::archive(&contents(&sandbox, &ids), "host", &paths)).unwrap();
    let Some(target) = untar(&sandbox, &archive, "out") else { return };
    assert!(!target.join("etc/not").exists());
    for part in ["etc/app", "etc/one", "etc/link"] {
        let at = |root: &Path| fs::symlink_metadata(root.join(part)).unwrap().permissions().mode();
        assert_eq!(at(&target), at(&source), "{part}");
    }
    assert_same(&capture(&source.join("etc/app")), &capture(&target.join("etc/app")), "etc/app");
}

#[test]
fn a_damaged_chunk_is_an_error_of_the_stream_and_never_a_short_one() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(6);
    for name in ["a", "b", "c"] {
        write(&sandbox, &format!("etc/{name}"), &random.bytes(400_000));
    }
    let ids = [snapshot(&sandbox, "host", &sandbox.options_at_top())];
    let contents = contents(&sandbox, &ids);
    let names = sandbox.objects.image().names("packs");
    let largest = names.iter().max_by_key(|name| sandbox.objects.image().get(name).unwrap().len()).unwrap().clone();
    let mut bytes = sandbox.objects.get(&largest, None).unwrap().to_vec();
    // In the middle of the data: what comes before has been read when this is met.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xa5);
    sandbox.objects.edit(|image| image.insert(largest, bytes));
    let files = ["etc/a", "etc/b", "etc/c"];
    let read_file = |path: &&str| read(runbook::Contents::file(&contents, "host", path));
    let failed: Vec<String> = files.iter().filter_map(|path| read_file(path).err()).collect();
    assert!(!failed.is_empty(), "the damage was met by nobody");
    let error = read(runbook::Contents::archive(&contents, "host", &["etc".to_string()])).unwrap_err();
    assert!(error.contains("etc/"), "the path is not named: {error}");
}

#[test]
fn what_could_not_be_read_at_its_backup_is_refused_by_name() {
    let sandbox = Sandbox::new();
    write(&sandbox, "etc/a", b"a");
    let words = ["sh", "-c", "echo half of it; exit 3"].map(Into::into).to_vec();
    let stream = Stream::new(b"dump.sql".to_vec(), StreamInput::Command(words));
    let options = BackupOptions { streams: vec![stream], ..sandbox.options_at_top() };
    let ids = [snapshot(&sandbox, "host", &options)];
    let contents = contents(&sandbox, &ids);
    for error in [
        read(runbook::Contents::file(&contents, "host", "dump.sql")).unwrap_err(),
        read(runbook::Contents::archive(&contents, "host", &["dump.sql".to_string()])).unwrap_err(),
    ] {
        assert!(error.contains("dump.sql could not be read"), "{error}");
    }
    let error = read(runbook::Contents::file(&contents, "host", "etc")).unwrap_err();
    assert!(error.contains("etc") && error.contains("file"), "{error}");
    let error = read(runbook::Contents::file(&contents, "host", "etc/none")).unwrap_err();
    assert!(error.contains("etc/none"), "{error}");
}
