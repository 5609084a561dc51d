// SPDX-License-Identifier: MIT OR Apache-2.0
//! Differences between snapshots against a naive comparison of folders; tags; and who may open a repository.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use keepfast_engine::diff::{Difference, diff};
use keepfast_engine::events::Silent;
use keepfast_engine::key;
use keepfast_engine::repository::{Credential, FirstKey, Found, LocalFolders, Repository, init};
use keepfast_engine::tag::{TagEdit, tag};
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::testing::{MemBackend, Operation, RecordingBackend};
use keepfast_storage::{Backend, Name};

use crate::support::capture::{Capture, Content, Facts, capture};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, cheap_kdf, client, init_options, let_time_pass, root};

fn told(
    sandbox: &Sandbox,
    repository: &Repository,
    ids: [SnapshotId; 2],
    path: &[u8],
) -> BTreeMap<Vec<u8>, Difference> {
    let [before, after] = ids.map(|id| root(sandbox.snapshots().iter().find(|found| found.id == id).unwrap()));
    let mut told = BTreeMap::new();
    let mut each = |difference, old: Option<&_>, new: Option<&_>| {
        let entry: &keepfast_repo_format::tree::entry::Entry = old.or(new).unwrap();
        assert_eq!(told.insert(entry.path(), difference), None, "told twice");
    };
    repository.history().unwrap();
    diff(&repository.reader(), before, after, path, &Silent, &mut each).unwrap();
    told
}

/// What a comparison of two captures by hand says.
fn naive(before: &Capture, after: &Capture) -> BTreeMap<Vec<u8>, Difference> {
    let mut found = BTreeMap::new();
    for path in before.keys().chain(after.keys()) {
        let difference = match (before.get(path), after.get(path)) {
            (Some(old), Some(new)) => compare(old, new),
            (Some(_), None) => Some(Difference::Removed),
            (None, _) => Some(Difference::Added),
        };
        found.extend(difference.map(|difference| (path.clone(), difference)));
    }
    found
}

fn compare(old: &Facts, new: &Facts) -> Option<Difference> {
    let bytes = |facts: &Facts| match &facts.content {
        Content::File { size, hash, data } => Some((*size, hash.clone(), data.clone())),
        _ => None,
    };
    let target = |facts: &Facts| if let Content::Target(target) = &facts.content { target.clone() } else { Vec::new() };
    let metadata = |facts: &Facts| (facts.mode, facts.owner, facts.modified, facts.xattrs.clone());
    if old.kind != new.kind {
        Some(Difference::TypeChanged)
    } else if bytes(old) != bytes(new) || target(old) != target(new) {
        Some(Difference::Modified)
    } else {
        (metadata(old) != metadata(new)).then_some(Difference::Metadata)
    }
}

#[test]
fn a_diff_says_what_a_comparison_by_hand_says() {
    for seed in 0..6 {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        grow(&sandbox.source(), &mut random, 80);
        let mut states = Vec::new();
        for _ in 0..3 {
            let summary = sandbox.backup_with(&sandbox.options_at_top());
            states.push((summary.snapshot.unwrap(), capture(&sandbox.source())));
            edit(&sandbox.source(), &mut random, 20);
        }
        let repository = sandbox.open();
        for (before, old) in &states {
            for (after, new) in &states {
                assert_eq!(told(&sandbox, &repository, [*before, *after], b""), naive(old, new), "seed {seed}");
            }
        }
        below_a_folder(&sandbox, &repository, &states, seed);
    }
}

fn below_a_folder(sandbox: &Sandbox, repository: &Repository, states: &[(SnapshotId, Capture)], seed: u64) {
    let is_folder = |state: &Capture, path: &Vec<u8>| state.get(path).is_some_and(|facts| facts.kind == "folder");
    let (old, new) = (&states[0], &states[2]);
    let folders = old.1.keys().filter(|path| !path.is_empty() && is_folder(&old.1, path) && is_folder(&new.1, path));
    for folder in folders {
        let below = [&folder[..], b"/"].concat();
        let expected: Vec<_> = naive(&old.1, &new.1).into_iter().filter(|(path, _)| path.starts_with(&below)).collect();
        let told = told(sandbox, repository, [old.0, new.0], folder);
        let told: Vec<_> = told.into_iter().filter(|(path, _)| path != folder).collect();
        assert_eq!(told, expected, "seed {seed}, below {}", folder.escape_ascii());
    }
}

#[test]
fn a_diff_reads_only_what_differs() {
    let sandbox = Sandbox::new();
    for folder in 0..40 {
        fs::create_dir(sandbox.source().join(format!("{folder}"))).unwrap();
        for file in 0..50 {
            fs::write(sandbox.source().join(format!("{folder}/{file}")), format!("{folder} {file}")).unwrap();
        }
    }
    let_time_pass();
    let first = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    fs::write(sandbox.source().join("20/25"), b"other").unwrap();
    let second = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let repository = sandbox.open_on(recording.clone()).unwrap();
    recording.take();
    let found = told(&sandbox, &repository, [first, second], b"");
    assert_eq!(found, BTreeMap::from([(b"20/25".to_vec(), Difference::Modified)]));
    let reads = |records: Vec<keepfast_storage::testing::Record>| {
        let packs = records.into_iter().filter(|record| record.name.starts_with("packs/"));
        packs.filter(|record| record.operation == Operation::Get).count()
    };
    let for_one = reads(recording.take());
    assert!((1..=8).contains(&for_one), "{for_one} segments for one changed file");
    assert!(told(&sandbox, &repository, [second, second], b"").is_empty());
    assert_eq!(reads(recording.take()), 0, "equal roots are not read at all");
}

#[test]
fn tags_change_and_snapshots_keep_their_ids() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"1").unwrap();
    let mut options = sandbox.options();
    options.tags = vec!["b".into(), "a".into(), "b".into()];
    let first = sandbox.backup_with(&options).snapshot.unwrap();
    let second = sandbox.backup();
    let text = |tags: &[&str]| tags.iter().map(ToString::to_string).collect::<Vec<_>>();
    let tags = || sandbox.snapshots().into_iter().map(|found| (found.id, found.tags)).collect::<Vec<_>>();
    assert_eq!(tags(), [(first, text(&["a", "b"])), (second, text(&[]))]);

    let change = TagEdit { set: None, remove: text(&["a"]), add: text(&["kept"]) };
    let changed = tag(&sandbox.open(), &client(), &[first, second], &change).unwrap();
    assert_eq!(changed.len(), 2);
    assert_eq!(tags(), [(first, text(&["b", "kept"])), (second, text(&["kept"]))]);

    let objects = sandbox.objects.list("log").unwrap().len();
    assert_eq!(tag(&sandbox.open(), &client(), &[first], &change).unwrap(), []);
    let same = TagEdit { set: Some(text(&["only"])), ..TagEdit::default() };
    tag(&sandbox.open(), &client(), &[second], &same).unwrap();
    assert_eq!(tags()[1], (second, text(&["only"])));
    assert!(sandbox.objects.list("log").unwrap().len() >= objects);

    let unknown = tag(&sandbox.open(), &client(), &[SnapshotId([9; 32])], &same);
    assert!(matches!(unknown, Err(Error::NoSnapshot { .. })), "{unknown:?}");
    assert_eq!(sandbox.check().findings, []);
}

fn open(objects: &Arc<MemBackend>, credential: &Credential) -> Result<Repository> {
    let state = std::path::PathBuf::from("/nonexistent");
    Found::locate(objects.clone())?.open(credential, &LocalFolders { cache: None, state })
}

#[test]
fn keys_open_until_they_are_removed_and_the_last_one_stays() {
    let objects = Arc::new(MemBackend::new());
    init(objects.as_ref(), &init_options(), &FirstKey::Password("first".into())).unwrap();
    let password = |text: &str| Credential::Password(text.into());
    let refused = |credential: &Credential| matches!(open(&objects, credential), Err(Error::WrongKey { .. }));
    assert!(refused(&password("wrong")) && refused(&password("")) && refused(&password("first ")));

    let repository = open(&objects, &password("first")).unwrap();
    let first = key::current(&repository, &password("first")).unwrap();
    let error = key::remove(&repository, &first).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    open(&objects, &password("first")).unwrap();

    let second = FirstKey::Password("second".into());
    let (second, _) = key::add(&repository, &second, cheap_kdf(), "second", 2).unwrap();
    let (_, file) = key::add(&repository, &FirstKey::KeyFile, cheap_kdf(), "file", 3).unwrap();
    let file = Credential::KeyFile(file.unwrap());
    let labels: Vec<_> = key::list(&repository).unwrap().0.into_iter().map(|key| key.label).collect();
    assert_eq!(labels.len(), 3);
    assert!(labels.contains(&"file".to_string()) && labels.contains(&"second".to_string()));
    for credential in [&password("first"), &password("second"), &file] {
        assert_eq!(open(&objects, credential).unwrap().id(), repository.id());
    }

    // A password is changed by adding the new one and removing the old one.
    key::remove(&repository, &first).unwrap();
    assert!(refused(&password("first")));
    open(&objects, &password("second")).unwrap();
    key::remove(&open(&objects, &file).unwrap(), &second).unwrap();
    assert!(refused(&password("second")));
    let last = key::current(&repository, &file).unwrap();
    assert!(key::remove(&repository, &last).is_err());
    open(&objects, &file).unwrap();
    assert!(key::remove(&repository, &second).is_err(), "it is gone already");
}

#[test]
fn a_key_file_of_another_repository_is_refused_by_name() {
    let (own, other) = (Sandbox::new(), Sandbox::new());
    let Err(error) = open(&own.objects, &other.credential()) else { panic!("it opened") };
    assert!(matches!(error, Error::OtherRepository { .. }), "{error:?}");

    // The right repository, but another root: somebody made one anew in its place.
    let mut file = own.key.clone();
    file.root_public = [3; 32];
    assert!(open(&own.objects, &Credential::KeyFile(file)).is_err());
}

#[test]
fn a_damaged_key_slot_locks_nobody_out_who_has_another_key() {
    let objects = Arc::new(MemBackend::new());
    init(objects.as_ref(), &init_options(), &FirstKey::Password("first".into())).unwrap();
    let password = |text: &str| Credential::Password(text.into());
    let repository = open(&objects, &password("first")).unwrap();
    let (_, file) = key::add(&repository, &FirstKey::KeyFile, cheap_kdf(), "file", 3).unwrap();
    let file = Credential::KeyFile(file.unwrap());
    let slot = key::current(&repository, &password("first")).unwrap();
    let name = Name::new(keepfast_repo_format::layout::key_slot(&slot)).unwrap();
    objects.edit(|image| {
        let mut bytes = image.get(&name).unwrap().to_vec();
        bytes[70] ^= 1;
        image.remove(&name);
        image.insert(name.clone(), bytes);
    });

    let repository = open(&objects, &file).unwrap();
    let (whole, damaged) = key::list(&repository).unwrap();
    assert_eq!((whole.len(), damaged.len()), (1, 1));
    let error = open(&objects, &password("first")).err().unwrap();
    assert!(error.to_string().contains(name.as_str()), "{error}: the damage is the reason, not the password");
}
