// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking into archives: what is alike inside is stored once, and every byte comes back by every verb.

use std::fs;
use std::io::Cursor;
use std::sync::Mutex;

use keepfast_engine::backup::{Archives, BackupOptions, Stream, StreamInput, Summary, backup_to_all};
use keepfast_engine::dump::dump;
use keepfast_engine::events::Silent;
use keepfast_engine::filter::Filter;
use keepfast_engine::history::Snapshot;
use keepfast_engine::redact::Selection;
use keepfast_engine::restore::{Change, RestoreOptions};
use keepfast_engine::tree::find;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_storage::testing::MemBackend;

use crate::support::archives::{compressed, compressors, gzip, lines, tar, write, zip, zlib};
use crate::support::capture::{assert_same, capture};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, initialise, let_time_pass, restore_options, root};

fn snapshot(sandbox: &Sandbox, id: SnapshotId) -> Snapshot {
    sandbox.snapshots().into_iter().find(|snapshot| snapshot.id == id).unwrap()
}

/// The entry of a file of the source.
fn entry(sandbox: &Sandbox, id: SnapshotId, name: &str) -> Entry {
    let repository = sandbox.open();
    repository.history().unwrap();
    let path = [&sandbox.subtree()[..], b"/", name.as_bytes()].concat();
    find(&repository.reader(), root(&snapshot(sandbox, id)), &path).unwrap().unwrap()
}

fn layers(sandbox: &Sandbox, id: SnapshotId, name: &str) -> usize {
    entry(sandbox, id, name).layers.len()
}

/// Backs up and restores; what is restored is the source.
fn saved(sandbox: &Sandbox, options: &BackupOptions) -> Summary {
    let_time_pass();
    let summary = sandbox.backup_with(options);
    assert_eq!(summary.problems, []);
    let target = sandbox.restore(summary.snapshot.unwrap());
    assert_same(&capture(&sandbox.source()), &capture(&target), "restored");
    summary
}

#[test]
fn archives_of_all_sizes_and_kinds_come_back() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(1));
    let (small, large) = (lines(&mut random, 50_000), lines(&mut random, 9 << 20));
    let nested = |text: &[u8]| zip(&[("t.tar.gz", &gzip(&tar(&[("a", text), ("b", b"b")], 1)))]);
    for (size, text) in [("small", &small), ("large", &large)] {
        let twice = [gzip(text), gzip(&text[..text.len() / 2])].concat();
        let files = [("gz", gzip(text)), ("twice.gz", twice), ("zz", zlib(text)), ("nested.zip", nested(text))];
        let tar = tar(&[("packed.gz", &gzip(text)), ("plain", text)], 5);
        let files: Vec<_> = files.into_iter().chain([("tar", tar)]).collect();
        let named: Vec<(String, Vec<u8>)> =
            files.into_iter().map(|(name, bytes)| (format!("{size}.{name}"), bytes)).collect();
        named.iter().for_each(|(name, bytes)| write(&sandbox.source(), &[(name, bytes.clone())]));
    }
    let id = saved(&sandbox, &sandbox.options()).snapshot.unwrap();
    for size in ["small", "large"] {
        for (name, count) in [("gz", 1), ("twice.gz", 1), ("zz", 1), ("nested.zip", 2), ("tar", 1)] {
            assert_eq!(layers(&sandbox, id, &format!("{size}.{name}")), count, "{size}.{name}");
        }
    }
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn a_file_in_an_archive_is_stored_once_with_the_same_file_beside_it() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(2));
    let texts: Vec<Vec<u8>> = (0..20).map(|n| lines(&mut random, 20_000 + 100 * n)).collect();
    let names: Vec<String> = (0..texts.len()).map(|n| format!("file-{n:02}")).collect();
    for (name, text) in names.iter().zip(&texts) {
        fs::write(sandbox.source().join(name), text).unwrap();
    }
    saved(&sandbox, &sandbox.options());
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(texts.iter().map(Vec::as_slice)).collect();
    let packed = gzip(&tar(&files, 77));
    for (name, archive) in [("all.tar.gz", packed.clone()), ("all.zip", zip(&files)), ("all.zip.gz", gzip(&packed))] {
        write(&sandbox.source(), &[(name, archive)]);
        let totals = saved(&sandbox, &sandbox.options()).totals;
        // Headers, recipes and nodes, of 400 KB in 400 chunks.
        let most = 70_000;
        assert!(totals.new_plain_bytes < most, "{name}: {} new bytes", totals.new_plain_bytes);
    }
}

#[test]
fn a_dump_that_changes_a_little_costs_little_the_next_night() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(3));
    let mut text = lines(&mut random, 6 << 20);
    write(&sandbox.source(), &[("dump.sql.gz", gzip(&text))]);
    let first = saved(&sandbox, &sandbox.options()).totals.stored_bytes;
    for night in 0..3 {
        let at = random.below(text.len());
        text.splice(at..at, b"one more line\n".iter().copied());
        write(&sandbox.source(), &[("dump.sql.gz", gzip(&text))]);
        let totals = saved(&sandbox, &sandbox.options()).totals;
        assert!(totals.stored_bytes < first / 20, "night {night}: {} of {first} bytes", totals.stored_bytes);
    }
}

fn stream(path: &str, bytes: &[u8]) -> Stream {
    let input = StreamInput::Reader(Mutex::new(Some(Box::new(Cursor::new(bytes.to_vec())))));
    Stream::new(path.into(), input)
}

#[test]
fn streams_are_looked_into_too() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(4));
    let mut text = lines(&mut random, 5 << 20);
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let packed = gzip(&text);
        let file = sandbox.path("dump");
        fs::write(&file, &packed).unwrap();
        let mut options = sandbox.options_at_top();
        let cat = ["cat", file.to_str().unwrap()].iter().map(Into::into).collect();
        options.streams =
            vec![stream("by stdin", &packed), Stream::new(b"by command".to_vec(), StreamInput::Command(cat))];
        let summary = sandbox.backup_with(&options);
        assert_eq!(summary.problems, []);
        sizes.push(summary.totals.stored_bytes);
        let target = tempfile::tempdir().unwrap();
        sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(target.path())).unwrap();
        for name in ["by stdin", "by command"] {
            assert!(fs::read(target.path().join(name)).unwrap() == packed, "{name}");
        }
        text[100_000..100_010].copy_from_slice(b"0123456789");
    }
    assert!(sizes[1] < sizes[0] / 20, "{sizes:?}");
}

#[test]
fn a_stream_that_fails_half_way_keeps_what_came() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(5));
    let packed = gzip(&lines(&mut random, 8 << 20));
    let file = sandbox.path("dump");
    fs::write(&file, &packed[..packed.len() / 2]).unwrap();
    let mut options = sandbox.options_at_top();
    let script = format!("cat '{}'; exit 3", file.display());
    let words = ["sh", "-c", &script].iter().map(Into::into).collect();
    options.streams = vec![Stream::new(b"dump".to_vec(), StreamInput::Command(words))];
    let summary = sandbox.backup_with(&options);
    assert_eq!(summary.problems.len(), 1);
    let target = tempfile::tempdir().unwrap();
    sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(target.path())).unwrap();
    assert!(fs::read(target.path().join("dump")).unwrap() == packed[..packed.len() / 2]);
}

#[test]
fn what_is_switched_off_by_all_size_or_path_stays_as_it_is() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(6));
    let (small, large) = (gzip(&lines(&mut random, 20_000)), gzip(&lines(&mut random, 4 << 20)));
    fs::create_dir(sandbox.source().join("raw")).unwrap();
    write(&sandbox.source(), &[("small.gz", small.clone()), ("large.gz", large), ("raw/in.gz", small)]);
    let named = |patterns: &[&str]| patterns.iter().map(|pattern| pattern.to_string()).collect::<Vec<_>>();
    let raw = format!("{}/raw/**", sandbox.source().display());
    let cases = [
        (Archives::none(), [0, 0, 0]),
        (Archives::up_to(100_000, &[]).unwrap(), [1, 0, 1]),
        (Archives::up_to(u64::MAX, &named(&["large.*", &raw])).unwrap(), [1, 0, 0]),
        (Archives::up_to(u64::MAX, &named(&["raw/*.gz"])).unwrap(), [1, 1, 0]),
        (Archives::up_to(u64::MAX, &[]).unwrap(), [1, 1, 1]),
    ];
    for (archives, expected) in cases {
        let options = BackupOptions { archives, parent: keepfast_engine::backup::Parent::None, ..sandbox.options() };
        let id = saved(&sandbox, &options).snapshot.unwrap();
        let found = ["small.gz", "large.gz", "raw/in.gz"].map(|name| layers(&sandbox, id, name));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_dump_gives_the_bytes_of_a_file_and_of_a_folder() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(7));
    let packed = [gzip(&lines(&mut random, 30_000)), gzip(&lines(&mut random, 3 << 20))];
    write(&sandbox.source(), &[("a.gz", packed[0].clone()), ("b.gz", packed[1].clone())]);
    let id = saved(&sandbox, &sandbox.options()).snapshot.unwrap();
    let repository = sandbox.open();
    repository.history().unwrap();
    let dumped = |path: &[u8]| {
        let mut out = Vec::new();
        dump(&repository.reader(), root(&snapshot(&sandbox, id)), path, &Selection::everything(), &mut out, &Silent)
            .unwrap();
        out
    };
    assert!(dumped(&[&sandbox.subtree()[..], b"/b.gz"].concat()) == packed[1]);
    let mut archive = tar::Archive::new(Cursor::new(dumped(&sandbox.subtree())));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        found.push((entry.path().unwrap().to_string_lossy().into_owned(), bytes));
    }
    for (name, bytes) in [("a.gz", &packed[0]), ("b.gz", &packed[1])] {
        assert!(found.iter().any(|(path, found)| path.ends_with(name) && found == bytes), "{name}");
    }
}

#[test]
fn a_restore_takes_one_archive_and_writes_only_what_differs() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(8));
    let packed = gzip(&lines(&mut random, 8 << 20));
    write(&sandbox.source(), &[("a.gz", packed.clone()), ("b.gz", gzip(&lines(&mut random, 50_000)))]);
    let id = saved(&sandbox, &sandbox.options()).snapshot.unwrap();
    let target = sandbox.path("one");
    let filter = Filter::new(&["a.gz".to_string()], &[]).unwrap();
    let options = RestoreOptions { filter, ..sandbox.options_to(&target) };
    let (summary, _) = sandbox.restore_with(id, &options).unwrap();
    assert_eq!((summary.problems.len(), summary.written_bytes), (0, packed.len() as u64));
    assert!(fs::read(target.join("a.gz")).unwrap() == packed && !target.join("b.gz").exists());
    let (summary, changes) = sandbox.restore_with(id, &options).unwrap();
    assert_eq!(summary.written_bytes, 0);
    assert!(changes.values().all(|change| *change == Change::Unchanged), "{changes:?}");
    // Behind the middle a byte is another; before and behind nothing has to be written.
    let mut other = packed.clone();
    other[packed.len() / 2] ^= 1;
    other.extend(b"longer");
    fs::write(target.join("a.gz"), &other).unwrap();
    let (summary, _) = sandbox.restore_with(id, &options).unwrap();
    assert!((1..packed.len() as u64).contains(&summary.written_bytes), "{} bytes", summary.written_bytes);
    assert!(fs::read(target.join("a.gz")).unwrap() == packed);
}

#[test]
fn an_archive_with_holes_stays_as_it_is_with_its_holes() {
    use std::os::unix::fs::FileExt;
    let (sandbox, mut random) = (Sandbox::new(), Random::new(9));
    for (name, size) in [("small", 200_000), ("large", 8 << 20)] {
        let file = fs::File::create(sandbox.source().join(name)).unwrap();
        file.write_all_at(&gzip(&lines(&mut random, 60_000)), 0).unwrap();
        file.set_len(size).unwrap();
    }
    let id = saved(&sandbox, &sandbox.options()).snapshot.unwrap();
    assert_eq!([layers(&sandbox, id, "small"), layers(&sandbox, id, "large")], [0, 0]);
}

#[test]
fn two_repositories_get_the_same_archives_from_one_reading() {
    let (first, mut random) = (Sandbox::new(), Random::new(10));
    let mut second = first.copy(MemBackend::new());
    second.key = initialise(second.objects.as_ref());
    for night in 0..2 {
        for n in 0..6 {
            write(&first.source(), &[(&format!("{n}.gz"), gzip(&lines(&mut random, 300_000 * n)))]);
        }
        let_time_pass();
        let repositories = [&first.open(), &second.open()];
        let summaries = backup_to_all(&repositories, &client(), &first.options(), &Silent).unwrap();
        for (sandbox, summary) in [&first, &second].into_iter().zip(summaries) {
            let target = sandbox.restore(summary.unwrap().snapshot.unwrap());
            assert_same(&capture(&first.source()), &capture(&target), &format!("night {night}"));
        }
    }
}

/// Whatever a machine compresses with. Programs that are missing are named on standard output.
#[test]
fn what_real_programs_compress_comes_back_and_most_of_it_comes_out() {
    let compressors = compressors();
    let (sandbox, mut random) = (Sandbox::new(), Random::new(11));
    let plains =
        [lines(&mut random, 700_000), lines(&mut random, 5_000), random.bytes(40_000), vec![0; 400_000], b"x".to_vec()];
    for (number, (_, words)) in compressors.iter().enumerate() {
        for (size, plain) in plains.iter().enumerate() {
            let packed = compressed(words, plain).unwrap();
            write(&sandbox.source(), &[(&format!("{number}-{size}"), packed)]);
        }
    }
    let id = saved(&sandbox, &sandbox.options()).snapshot.unwrap();
    for (number, (name, _)) in compressors.iter().enumerate() {
        let is_out = (0..plains.len()).map(|size| layers(&sandbox, id, &format!("{number}-{size}")) > 0);
        println!("{name}: {:?}", is_out.collect::<Vec<_>>());
        let comes_back = ["gzip -6", "zip", "zlib of Python, level 1", "zipfile of Python", "libdeflate -6"];
        if comes_back.contains(name) {
            assert_eq!(layers(&sandbox, id, &format!("{number}-0")), 1, "{name}: its stream stays wrapped");
        }
    }
}
