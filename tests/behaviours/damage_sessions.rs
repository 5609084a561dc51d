// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session record that a dead backup left behind, damaged in every way: nobody's next backup is kept from its work, the record is
//! named to whoever looks, and it can be closed like a whole one.

use std::fs;

use keepfast_engine::events::Silent;
use keepfast_engine::forget::{self, Selection, forget};
use keepfast_engine::session::{Role, Session};
use keepfast_engine::sessions::{Closed, State, close, sessions};
use keepfast_engine::{Error, prune};
use keepfast_repo_format::id::{SnapshotId, WriterId};
use keepfast_repo_format::layout;
use keepfast_storage::Name;
use keepfast_storage::testing::{Image, MemBackend};

use crate::support::capture::{assert_same, capture};
use crate::support::collector::all_of_it;
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, let_time_pass};

/// What happens to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Empty,
    Halve,
    Grow,
    FlipInHeader,
    FlipInMiddle,
    FlipLastByte,
    OtherRepository,
    OtherPlace,
    OtherKind,
}

const DAMAGES: [Damage; 9] = [
    Damage::Empty,
    Damage::Halve,
    Damage::Grow,
    Damage::FlipInHeader,
    Damage::FlipInMiddle,
    Damage::FlipLastByte,
    Damage::OtherRepository,
    Damage::OtherPlace,
    Damage::OtherKind,
];

/// A repository with a snapshot and a session that nobody ended; its record has been damaged.
struct Victim {
    sandbox: Sandbox,
    writer: WriterId,
    sequence: u64,
    name: Name,
}

impl Victim {
    fn new(damage: Damage) -> Self {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("file"), Random::new(1).bytes(20_000)).unwrap();
        let_time_pass();
        sandbox.backup();
        let (writer, sequence) = dies_at_work(&sandbox);
        let name = Name::new(layout::session(&writer, sequence)).unwrap();
        let foreign = foreign_bytes(&sandbox, damage);
        sandbox.objects.edit(|image| {
            let mut bytes = image.remove(&name).unwrap().to_vec();
            let middle = bytes.len() / 2;
            match damage {
                Damage::Empty => bytes.clear(),
                Damage::Halve => bytes.truncate(middle),
                Damage::Grow => bytes.push(0),
                Damage::FlipInHeader => bytes[20] ^= 1,
                Damage::FlipInMiddle => bytes[middle] ^= 0x10,
                Damage::FlipLastByte => *bytes.last_mut().unwrap() ^= 0x80,
                Damage::OtherRepository | Damage::OtherPlace | Damage::OtherKind => bytes = foreign,
            }
            image.insert(name.clone(), bytes);
        });
        Self { sandbox, writer, sequence, name }
    }

    /// A client without any local state: another writer of the same objects.
    fn another_writer(&self) -> Sandbox {
        self.sandbox.copy(MemBackend::from_image(self.sandbox.objects.image()))
    }
}

/// Opens a session and lets its process die.
fn dies_at_work(sandbox: &Sandbox) -> (WriterId, u64) {
    let repository = sandbox.open();
    let session = Session::open(&repository, client(), Role::Writer).unwrap();
    session.place()
}

/// A whole object that belongs elsewhere.
fn foreign_bytes(sandbox: &Sandbox, damage: Damage) -> Vec<u8> {
    let first = |image: &Image, folder: &str| image.get(&image.names(folder)[0]).unwrap().to_vec();
    match damage {
        Damage::OtherRepository => {
            let stranger = Sandbox::new();
            dies_at_work(&stranger);
            first(&stranger.objects.image(), "sessions")
        }
        Damage::OtherPlace => {
            // The same repository, another writer.
            let other = sandbox.copy(MemBackend::from_image(sandbox.objects.image()));
            other.objects.edit(|image| {
                for name in image.names("sessions") {
                    image.remove(&name);
                }
            });
            dies_at_work(&other);
            first(&other.objects.image(), "sessions")
        }
        Damage::OtherKind => first(&sandbox.objects.image(), "log"),
        _ => Vec::new(),
    }
}

/// The next backup of a client works, and what it saved comes back.
fn backs_up(sandbox: &Sandbox, what: &str) -> SnapshotId {
    fs::write(sandbox.source().join("next"), what).unwrap();
    let summary = sandbox.try_backup_on(sandbox.objects.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(summary.problems, [], "{what}");
    let snapshot = summary.snapshot.unwrap();
    assert_same(&capture(&sandbox.source()), &capture(&sandbox.restore(snapshot)), what);
    snapshot
}

#[test]
fn the_next_backup_of_every_writer_works() {
    for damage in DAMAGES {
        let victim = Victim::new(damage);
        backs_up(&victim.another_writer(), &format!("{damage:?}, another writer"));
        backs_up(&victim.sandbox, &format!("{damage:?}, the same writer"));
        backs_up(&victim.sandbox, &format!("{damage:?}, the same writer once more"));
        assert_eq!(victim.sandbox.snapshots().len(), 3, "{damage:?}");
        assert_eq!(victim.sandbox.check().findings, [], "{damage:?}");
    }
}

#[test]
fn the_record_is_named_and_can_be_closed() {
    for damage in DAMAGES {
        let victim = Victim::new(damage);
        for client_of in [&victim.sandbox, &victim.another_writer()] {
            let repository = client_of.open();
            let found = sessions(&repository).unwrap();
            let [one] = &found[..] else { panic!("{damage:?}: {found:?}") };
            assert_eq!((one.writer, one.sequence, one.state), (victim.writer, victim.sequence, State::Open));
            let error = one.record.as_ref().unwrap_err();
            let is_named = matches!(error, Error::Object { object, .. } if object == victim.name.as_str());
            assert!(is_named, "{damage:?}: {error}");
            assert_eq!(client_of.check().open_sessions, 1, "{damage:?}");
            let closed = close(&repository, &client(), victim.writer, victim.sequence);
            assert_eq!(closed.unwrap(), Closed::Voided, "{damage:?}");
            assert!(sessions(&repository).unwrap().is_empty(), "{damage:?}");
        }
        backs_up(&victim.sandbox, &format!("{damage:?}, after it was closed"));
    }
}

/// Nobody can tell whether it is a writer's: a collector deletes nothing that it could rely on until it has ended.
#[test]
fn a_collector_waits_for_it_as_for_a_writer_until_it_is_closed() {
    for damage in DAMAGES {
        let victim = Victim::new(damage);
        let other = victim.another_writer();
        fs::write(other.source().join("file"), Random::new(2).bytes(20_000)).unwrap();
        let dead = [victim.sandbox.snapshots()[0].id];
        backs_up(&other, "another writer");
        let repository = other.open();
        forget(&repository, &client(), &Selection::Named(dead.to_vec()), forget::Mode::Write).unwrap();
        let before = other.objects.image().names("packs");
        let collect = || prune::prune(&repository, &client(), &all_of_it(), &Silent);
        let waiting = collect().unwrap_or_else(|error| panic!("{damage:?}: {error}"));
        let [open] = &waiting.open_sessions[..] else { panic!("{damage:?}: {:?}", waiting.open_sessions) };
        assert_eq!(open.place, format!("{}/{}", victim.writer, victim.sequence), "{damage:?}");
        let still_there = other.objects.image().names("packs");
        assert!(before.iter().all(|pack| still_there.contains(pack)), "{damage:?}");
        close(&repository, &client(), victim.writer, victim.sequence).unwrap();
        collect().unwrap_or_else(|error| panic!("{damage:?}: {error}"));
        let still_there = other.objects.image().names("packs");
        assert!(!before.iter().all(|pack| still_there.contains(pack)), "{damage:?}");
        backs_up(&other, &format!("{damage:?}, after a collector"));
    }
}
