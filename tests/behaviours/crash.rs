// SPDX-License-Identifier: MIT OR Apache-2.0
//! "The power may go at any moment": a scripted history is cut after every single storage operation, and every state that the
//! storage may be left in is opened, checked, read back and written to again. Also with the machine's own folders lost or old.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::Result;
use keepfast_engine::tag::{TagEdit, tag};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_storage::testing::{Image, SimBackend};
use tempfile::TempDir;

use super::crash_aftermath::{
    Promised, View, assert_goes_on, assert_invariants, assert_no_name_is_reused, assert_nothing_changed, assert_whole,
    seen, unended_sessions, writers,
};
use crate::support::history_script::{
    Contents, Machine, init_small, on_disk, open_bare, random_bytes, scratch, write_files,
};

/// Chooses the crash images that are looked at; printed with every failure.
const SEED: u64 = 0x6b66_0001;

/// Far more operations than any step has: a loop that reaches it does not end by itself.
const ENDLESS: usize = 200;

/// What happens to the machine's own folders in the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    State,
    Cache,
    /// Both come back from an older copy.
    Older,
}

const LOSSES: [Loss; 4] = [Loss::Nothing, Loss::State, Loss::Cache, Loss::Older];

/// What a step does to the repository.
#[derive(Clone, Copy)]
enum Action {
    BackUp,
    Tag(SnapshotId),
}

/// The history so far.
struct Script {
    base: TempDir,
    key: KeyFile,
    image: Image,
    machines: [Machine; 2],
    older: [Machine; 2],
    promised: Promised,
    tags: View,
    steps: u64,
}

impl Script {
    fn new() -> Self {
        let base = scratch();
        let disk = SimBackend::new();
        let key = init_small(&disk).unwrap();
        let machines = ["alpha", "beta"].map(|name| Machine::new(name, &base.path().join("start")));
        let older = machines.clone();
        let (image, promised, tags) = (disk.image(), Promised::new(), View::new());
        Self { base, key, image, machines, older, promised, tags, steps: 0 }
    }

    fn source(&self, name: &str) -> PathBuf {
        self.base.path().join("source").join(name)
    }

    /// Cuts the step after each of its operations, then carries it out. Returns the new snapshot, if any.
    fn step(&mut self, who: usize, action: Action, paths: &[PathBuf]) -> Option<SnapshotId> {
        self.steps += 1;
        for cut in 0..ENDLESS {
            let seed = SEED + self.steps * 1000 + cut as u64;
            let place = self.base.path().join(format!("step-{}-{cut}", self.steps));
            let machine = self.machines[who].copy(&place);
            let disk = Arc::new(SimBackend::from_image(self.image.clone()));
            disk.cut_after(cut);
            let result = self.perform(&disk, &machine, action, paths);
            assert_no_name_is_reused(&disk.log());
            let mut after = self.promised.clone();
            let expected = on_disk(paths);
            if let Ok(Some(id)) = &result {
                after.insert(*id, expected.clone());
            }
            let images = distinct(disk.crash_images(seed));
            for (number, image) in images.iter().enumerate() {
                // The program died, the machine did not: what happens most.
                let is_likely = number + 1 == images.len();
                let rotating = LOSSES[(cut + number) % LOSSES.len()];
                for loss in LOSSES.into_iter().filter(|loss| is_likely || *loss == rotating) {
                    println!("step {}, seed {seed:#x}, cut after {cut}, image {number}, lost: {loss:?}", self.steps);
                    let crash = Crash { script: self, who, machine: &machine, place: &place, paths, promised: &after };
                    crash.look(image, loss, &expected, result.is_ok());
                }
            }
            if disk.operations() < cut {
                // The last delete may come undone, too: the story goes on from any of these states.
                self.image = images[cut % images.len()].clone();
                self.promised = after;
                self.older[who] = std::mem::replace(&mut self.machines[who], machine);
                return result.expect("nothing was cut");
            }
            fs::remove_dir_all(place).unwrap();
        }
        panic!("a step has more than {ENDLESS} operations");
    }

    fn perform(
        &self,
        disk: &Arc<SimBackend>,
        machine: &Machine,
        action: Action,
        paths: &[PathBuf],
    ) -> Result<Option<SnapshotId>> {
        match action {
            Action::BackUp => Ok(machine.back_up(disk.clone(), &self.key, paths)?.snapshot),
            Action::Tag(id) => {
                let edit = TagEdit { add: vec!["kept".into()], ..TagEdit::default() };
                let repository = machine.open(disk.clone(), &self.key)?;
                repository.history()?;
                tag(&repository, &machine.client(), &[id], &edit).map(|_| None)
            }
        }
    }
}

/// One moment of death.
struct Crash<'a> {
    script: &'a Script,
    who: usize,
    machine: &'a Machine,
    place: &'a Path,
    paths: &'a [PathBuf],
    promised: &'a Promised,
}

impl Crash<'_> {
    fn look(&self, image: &Image, loss: Loss, attempted: &Contents, returned_ok: bool) {
        let Self { script, who, place, paths, promised, .. } = self;
        let place = place.join("after");
        let machine = match loss {
            Loss::Older => script.older[*who].copy(&place),
            _ => self.machine.copy(&place),
        };
        match loss {
            Loss::State => machine.lose_state(),
            Loss::Cache => machine.lose_cache(),
            Loss::Nothing | Loss::Older => {}
        }
        assert_nothing_changed(&script.image, image);
        assert_invariants(image, &script.key, &place.join("bare"));
        let disk = Arc::new(SimBackend::from_image(image.clone()));
        let view = assert_whole(&machine.open(disk.clone(), &script.key).unwrap(), promised, attempted);
        // I8: the cache changes nothing that is seen.
        let bare = open_bare(disk.clone(), &script.key, &place.join("bare")).unwrap();
        assert_eq!(view, seen(&bare));
        for (id, tags) in &script.tags {
            assert!(view[id] == *tags || !returned_ok, "the tags of {id} are {:?}", view[id]);
        }
        assert_eq!(disk.operations(), 0, "looking changed something");
        let after = assert_goes_on(image, &machine, &script.key, paths, promised);
        if matches!(loss, Loss::Nothing | Loss::Cache) {
            let own = writers(&machine, &script.key);
            let open = unended_sessions(&SimBackend::from_image(after));
            assert!(!open.iter().any(|writer| own.contains(writer)), "a dead session is still open");
        }
        fs::remove_dir_all(place).unwrap();
    }
}

fn distinct(images: Vec<Image>) -> Vec<Image> {
    let mut distinct: Vec<Image> = Vec::new();
    for image in images {
        if !distinct.contains(&image) {
            distinct.push(image);
        }
    }
    distinct
}

#[test]
fn a_power_cut_after_any_operation_loses_nothing_that_was_committed() {
    let mut script = Script::new();
    let (one, two) = ([script.source("one")], [script.source("two")]);
    write_files(&one[0], 40, 0);
    let first = script.step(0, Action::BackUp, &one).unwrap();
    write_files(&one[0], 5, 1000);
    fs::remove_file(one[0].join("d3/f39")).unwrap();
    script.step(0, Action::BackUp, &one);
    // Nothing has changed: no pack, no index object.
    script.step(0, Action::BackUp, &one);
    script.tags.insert(first, vec!["kept".into(), "script".into()]);
    script.step(0, Action::Tag(first), &one);
    // Several packs.
    fs::create_dir_all(&two[0]).unwrap();
    fs::write(two[0].join("big"), random_bytes(7, 2_300_000)).unwrap();
    script.step(0, Action::BackUp, &two);
    // Another writer, with chunks that it finds in the repository.
    write_files(&one[0], 3, 2000);
    script.step(1, Action::BackUp, &one);
    assert_eq!(script.promised.len(), 5);
}
