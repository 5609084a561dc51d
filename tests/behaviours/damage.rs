// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every kind of object, lost or damaged in every way: nothing panics, nothing succeeds with data missing, whatever does
//! not depend on the object still comes back, and the next backup heals what can be healed.

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::Name;
use keepfast_storage::testing::{Image, MemBackend};

use crate::support::capture::{Capture, Content, assert_same, capture};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, let_time_pass, restore_from};

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Delete,
    Empty,
    Halve,
    FlipInHeader,
    FlipInMiddle,
    FlipLastByte,
    OtherKind,
    OtherRepository,
}

const DAMAGES: [Damage; 8] = [
    Damage::Delete,
    Damage::Empty,
    Damage::Halve,
    Damage::FlipInHeader,
    Damage::FlipInMiddle,
    Damage::FlipLastByte,
    Damage::OtherKind,
    Damage::OtherRepository,
];

/// A repository with two snapshots and what each of them is.
struct Victim {
    sandbox: Sandbox,
    image: Image,
    snapshots: [(SnapshotId, Capture); 2],
    /// Another repository: whole objects of it take the places of this one's.
    stranger: Image,
}

impl Victim {
    fn new(seed: u64) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        grow(&sandbox.source(), &mut random, 40);
        fs::write(sandbox.source().join("first"), random.bytes(40_000)).unwrap();
        let_time_pass();
        let first = (sandbox.backup(), capture(&sandbox.source()));
        edit(&sandbox.source(), &mut random, 10);
        fs::write(sandbox.source().join("second"), random.bytes(40_000)).unwrap();
        let_time_pass();
        let second = (sandbox.backup(), capture(&sandbox.source()));
        let stranger = Sandbox::new();
        fs::write(stranger.source().join("file"), random.bytes(10_000)).unwrap();
        stranger.backup();
        let (image, stranger) = (sandbox.objects.image(), stranger.objects.image());
        Self { sandbox, image, snapshots: [first, second], stranger }
    }

    /// Names of all objects by kind; packs by the letter of theirs.
    fn kinds(image: &Image) -> BTreeMap<String, Vec<Name>> {
        let mut kinds: BTreeMap<String, Vec<Name>> = BTreeMap::new();
        for (name, bytes) in image.iter() {
            let folder = name.as_str().split('/').next().unwrap();
            let kind = if folder == "packs" { format!("packs {}", char::from(bytes[3])) } else { folder.to_string() };
            kinds.entry(kind).or_default().push(name.clone());
        }
        kinds.remove("readme.txt");
        kinds
    }

    fn damaged(&self, name: &Name, kind: &str, damage: Damage) -> Image {
        let mut image = self.image.clone();
        let mut bytes = image.remove(name).unwrap().to_vec();
        let middle = bytes.len() / 2;
        match damage {
            Damage::Delete => return image,
            Damage::Empty => bytes.clear(),
            Damage::Halve => bytes.truncate(middle),
            Damage::FlipInHeader => bytes[20] ^= 1,
            Damage::FlipInMiddle => bytes[middle] ^= 0x10,
            Damage::FlipLastByte => *bytes.last_mut().unwrap() ^= 0x80,
            Damage::OtherKind => {
                let other = if kind == "log" { "gen" } else { "log" };
                bytes = image.get(&Self::kinds(&image)[other][0]).unwrap().to_vec();
            }
            Damage::OtherRepository => {
                bytes = self.stranger.get(&Self::kinds(&self.stranger)[kind][0]).unwrap().to_vec();
            }
        }
        image.insert(name.clone(), bytes);
        image
    }
}

/// What a restore of a damaged repository may give: what was there, or a problem that names what is missing.
fn judge(victim: &Victim, client: &Sandbox, what: &str) -> [Result<()>; 2] {
    let outcome = |(snapshot, state): &(SnapshotId, Capture)| {
        let target = tempfile::tempdir().unwrap();
        let repository = client.open_on(client.objects.clone())?;
        let (summary, _) = restore_from(&repository, *snapshot, &client.options_to(target.path()))?;
        let found = capture(target.path());
        if summary.problems.is_empty() {
            assert_same(state, &found, &format!("{what}: a restore without problems"));
            return Ok(());
        }
        // Whatever is there must be right, or its path named; a lost tree node is named without a path.
        for (path, facts) in &found {
            // A file with several names is named by one of them.
            let is_same = |other: &Vec<u8>| {
                other == path
                    || facts.linked_to.is_some()
                        && found.get(other).is_some_and(|other| other.linked_to == facts.linked_to)
            };
            let is_named = summary.problems.iter().any(|problem| is_same(&problem.path));
            if let (Some(wanted), false) = (state.get(path), is_named) {
                assert_eq!(bytes_of(&facts.content), bytes_of(&wanted.content), "{what}: {}", path.escape_ascii());
            }
            assert!(state.contains_key(path), "{what}: {} was made up", path.escape_ascii());
        }
        let node_lost = summary.problems.iter().any(|problem| problem.path.is_empty());
        let silent = |path: &&Vec<u8>| !found.contains_key(*path) && !summary.problems.iter().any(|p| p.path == **path);
        let missing: Vec<_> = state.keys().filter(silent).collect();
        assert!(node_lost || missing.is_empty(), "{what}: missing and not named: {missing:?}");
        let problem = &summary.problems[0];
        Err(Error::Invalid(format!("{}: {}", problem.path.escape_ascii(), problem.text)))
    };
    victim.snapshots.each_ref().map(outcome)
}

fn bytes_of(content: &Content) -> Option<(u64, &str)> {
    if let Content::File { size, hash, .. } = content { Some((*size, hash)) } else { None }
}

/// One cell of the matrix.
fn cell(victim: &Victim, name: &Name, kind: &str, damage: Damage) {
    let what = format!("{damage:?} of {name}");
    let image = victim.damaged(name, kind, damage);
    if image.get(name) == victim.image.get(name) {
        return;
    }
    let client = victim.sandbox.copy(MemBackend::from_image(image));
    let restored = judge(victim, &client, &what);
    let findings = match client.open_on(client.objects.clone()) {
        Err(error) => {
            assert!(matches!(kind, "config" | "keys"), "{what}: does not even open: {error}");
            assert!(is_typed(&error), "{what}: {error:?}");
            return;
        }
        Ok(repository) => check(&repository, ReadData::All, 2, &Silent),
    };
    match findings {
        Err(error) => assert!(is_typed(&error), "{what}: {error:?}"),
        Ok(report) => {
            // A pack that is lost is named, and so is an object whose place is taken; a log slot that is gone shows by
            // the next one, the newest by nothing in the repository (docs/format.md section 10).
            let is_last_slot = kind == "log" && victim.image.names("log").last() == Some(name);
            let can_be_seen = !(damage == Damage::Delete && (is_last_slot || kind == "keys"));
            assert!(!report.findings.is_empty() || !can_be_seen, "{what}: check sees nothing");
            if kind.starts_with("packs") {
                let named = report.findings.iter().any(|finding| finding.place.contains(name.as_str()));
                assert!(named, "{what}: check does not name it: {:?}", report.findings);
            }
        }
    }
    if !kind.starts_with("packs") && kind != "snapshots" && kind != "log" {
        return;
    }
    assert!(
        restored.iter().any(|outcome| outcome.is_err()) || damage_is_in_padding(damage),
        "{what}: nothing is missing"
    );
    heals(victim, &client, kind, damage, &what);
}

/// A flipped bit may hit the padding of a pack, which nobody reads but `check`.
fn damage_is_in_padding(damage: Damage) -> bool {
    matches!(damage, Damage::FlipInMiddle | Damage::FlipInHeader | Damage::FlipLastByte)
}

/// The next backup works, and what it stored comes back whole if the loss could be seen.
fn heals(victim: &Victim, client: &Sandbox, kind: &str, damage: Damage, what: &str) {
    let summary = client.try_backup_on(client.objects.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(summary.problems, [], "{what}");
    let is_seen = matches!(damage, Damage::Delete | Damage::Empty | Damage::Halve | Damage::OtherKind)
        || !kind.starts_with("packs");
    if is_seen {
        let target = client.restore(summary.snapshot.unwrap());
        assert_same(&victim.snapshots[1].1, &capture(&target), &format!("{what}: the backup after"));
    }
}

fn is_typed(error: &Error) -> bool {
    error.is_damage()
        || matches!(error, Error::NoRepository { .. } | Error::NotARepository { .. } | Error::OtherRepository { .. })
        || matches!(error, Error::WrongKey { .. })
}

fn matrix(kinds: &[&str]) {
    let victim = Victim::new(1);
    for (kind, names) in Victim::kinds(&victim.image) {
        if !kinds.contains(&kind.as_str()) {
            continue;
        }
        for name in &names {
            for damage in DAMAGES {
                cell(&victim, name, &kind, damage);
            }
        }
    }
}

#[test]
fn every_kind_of_object_is_in_the_matrix() {
    let victim = Victim::new(1);
    let kinds: Vec<_> = Victim::kinds(&victim.image).into_keys().collect();
    assert_eq!(kinds, ["config", "gen", "index", "keys", "log", "packs D", "packs T", "snapshots"]);
}

#[test]
fn a_damaged_config_or_key_slot_is_refused_by_name() {
    matrix(&["config", "keys"]);
}

#[test]
fn damaged_packs_cost_what_lies_in_them_and_the_next_backup_heals() {
    matrix(&["packs D", "packs T"]);
}

#[test]
fn a_damaged_index_or_generation_is_named() {
    matrix(&["index", "gen"]);
}

#[test]
fn a_damaged_snapshot_or_log_slot_leaves_the_others() {
    matrix(&["snapshots", "log"]);
}
