// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in actions on real folders, whole and cut off at every command.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::actions::{drop_aside, restore, save_aside, unrestore, unwipe, wipe};
use super::super::{Command, Fault};
use super::{Input, Silent, place_with, program, script, sh};

/// Everything below a folder: path, kind, mode, owner, links, and content.
fn look(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let content = if found.is_dir() {
                folders.push(path.clone());
                String::new()
            } else if found.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                format!("{} links, {:?}", found.nlink(), fs::read(&path).unwrap())
            };
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            all.push(format!("{name} {:o} {}:{} {content}", found.mode(), found.uid(), found.gid()));
        }
    }
    all.sort();
    all
}

const ODD: &str = "it's \"a\" $b \\ folder;";

/// A folder with everything that is hard to copy.
fn odd_folder(at: &Path) {
    fs::create_dir_all(at.join("sub dir/deep")).unwrap();
    fs::write(at.join("file"), "one").unwrap();
    fs::write(at.join("sub dir/two 'quotes'"), "two").unwrap();
    fs::write(at.join("sub dir/.hidden"), "").unwrap();
    fs::write(at.join("-rf"), "dash").unwrap();
    fs::write(at.join("back\\slash\\n"), "b").unwrap();
    fs::hard_link(at.join("file"), at.join("sub dir/same")).unwrap();
    symlink("nowhere", at.join("dangling")).unwrap();
    fs::set_permissions(at.join("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    fs::set_permissions(at.join("sub dir/deep"), fs::Permissions::from_mode(0o2750)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(at.join("sub dir/.hidden"), Some(1234), Some(4321)).unwrap();
    }
}

struct Scene {
    _folder: tempfile::TempDir,
    root: PathBuf,
    data: PathBuf,
    copy: String,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("the root");
    let data = root.join(format!("var/{ODD}"));
    odd_folder(&data);
    let copy = root.join("saved/it-1").display().to_string();
    Scene { root, data, copy, _folder: folder }
}

impl Scene {
    fn path(&self) -> &str {
        self.data.to_str().unwrap()
    }
}

#[test]
fn a_wiped_folder_comes_back_as_it_was() {
    let scene = scene();
    let before = look(&scene.data);
    sh(&save_aside(scene.path(), &scene.copy)).unwrap();
    assert_eq!(look(Path::new(&scene.copy)), before);
    sh(&wipe(scene.path(), &scene.copy, "")).unwrap();
    assert_eq!(look(&scene.data), Vec::<String>::new());
    fs::write(scene.data.join("new"), "of a restore").unwrap();
    sh(&unwipe(scene.path(), &scene.copy, "")).unwrap();
    assert_eq!(look(&scene.data), before);
    sh(&drop_aside(&scene.copy)).unwrap();
    assert!(!Path::new(&scene.copy).exists());
}

#[test]
fn a_folder_below_the_copied_one_is_wiped_and_comes_back_even_if_it_is_gone() {
    let scene = scene();
    let before = look(&scene.data);
    let inside = scene.data.join("sub dir");
    sh(&save_aside(scene.path(), &scene.copy)).unwrap();
    sh(&wipe(inside.to_str().unwrap(), &scene.copy, "/sub dir")).unwrap();
    assert!(look(&inside).is_empty() && scene.data.join("file").exists());
    fs::remove_dir(&inside).unwrap();
    sh(&unwipe(inside.to_str().unwrap(), &scene.copy, "/sub dir")).unwrap();
    // A link to a file outside of what was wiped is a file of its own now.
    let is_other = |line: &&String| !line.contains("one") && !line.contains("[111, 110, 101]");
    let (now, before) = (look(&scene.data), before);
    assert_eq!(now.len(), before.len());
    assert_eq!(now.iter().filter(is_other).collect::<Vec<_>>(), before.iter().filter(is_other).collect::<Vec<_>>());
}

fn tail(fault: &Fault) -> String {
    fault.to_string()
}

#[test]
fn nothing_is_wiped_without_its_copy_or_with_what_the_copy_lacks() {
    let scene = scene();
    let before = look(&scene.data);
    let refused = |says: &str| {
        let fault = sh(&wipe(scene.path(), &scene.copy, "")).unwrap_err();
        assert!(tail(&fault).contains(says), "{fault}");
    };
    refused("is missing: nothing is wiped");
    assert_eq!(look(&scene.data), before);
    sh(&save_aside(scene.path(), &scene.copy)).unwrap();
    fs::write(scene.data.join("sub dir/late"), "written since").unwrap();
    refused("late is not in");
    fs::remove_file(scene.data.join("sub dir/late")).unwrap();
    fs::write(scene.data.join("sub dir/two 'quotes'"), "changed since").unwrap();
    refused("two 'quotes' is not in");
    assert!(scene.data.join("file").exists());
}

#[test]
fn a_folder_that_is_a_link_is_copied_and_wiped_where_it_leads_to() {
    let scene = scene();
    let link = scene.root.join("link");
    symlink(&scene.data, &link).unwrap();
    let before = look(&scene.data);
    sh(&save_aside(link.to_str().unwrap(), &scene.copy)).unwrap();
    assert_eq!(look(Path::new(&scene.copy)), before);
    sh(&wipe(link.to_str().unwrap(), &scene.copy, "")).unwrap();
    assert!(look(&scene.data).is_empty() && link.is_symlink());
    sh(&unwipe(link.to_str().unwrap(), &scene.copy, "")).unwrap();
    assert_eq!(look(&scene.data), before);
}

#[test]
fn data_behind_a_link_in_the_copy_is_not_wiped() {
    let scene = scene();
    let elsewhere = scene.root.join("elsewhere");
    odd_folder(&elsewhere);
    symlink(&elsewhere, scene.data.join("big")).unwrap();
    sh(&save_aside(scene.path(), &scene.copy)).unwrap();
    let inside = scene.data.join("big");
    let fault = sh(&wipe(inside.to_str().unwrap(), &scene.copy, "/big")).unwrap_err();
    assert!(tail(&fault).contains("leads out of the copy: nothing is wiped"), "{fault}");
    assert!(elsewhere.join("file").exists());
}

/// An archive of what a snapshot would have.
fn archive(of: &Path, paths: &[&str]) -> Vec<u8> {
    std::process::Command::new("tar").arg("-C").arg(of).arg("-cf").arg("-").args(paths).output().unwrap().stdout
}

struct Restored {
    scene: Scene,
    paths: Vec<String>,
    bytes: Vec<u8>,
}

/// A root in which one path is there, one is new, and one is new below folders that are not there.
fn restored() -> Restored {
    let scene = scene();
    let snapshot = scene._folder.path().join("snapshot");
    odd_folder(&snapshot.join(format!("var/{ODD}")));
    fs::write(snapshot.join(format!("var/{ODD}/file")), "of the snapshot").unwrap();
    odd_folder(&snapshot.join("var/new one"));
    odd_folder(&snapshot.join("opt/far/down"));
    let there = format!("var/{ODD}");
    let paths = [there.as_str(), "var/new one", "opt/far/down"];
    let bytes = archive(&snapshot, &paths);
    Restored { paths: paths.map(String::from).to_vec(), bytes, scene }
}

impl Restored {
    fn root(&self) -> String {
        self.scene.root.display().to_string()
    }

    fn restore(&self, programs: &Path) -> Result<(), Fault> {
        let command = script(&restore(&self.root(), &self.paths, "run-1", "put-back"));
        let input: Input = Box::new(std::io::Cursor::new(self.bytes.clone()));
        super::execute(&place_with(programs), &command, &Default::default(), Some(input), None, &Silent).map(|_| ())
    }

    fn undo(&self, programs: &Path) -> Result<(), Fault> {
        let command: Command = script(&unrestore(&self.root(), "run-1", "put-back"));
        super::execute(&place_with(programs), &command, &Default::default(), None, None, &Silent).map(|_| ())
    }
}

#[test]
fn a_restore_puts_files_back_and_its_undo_what_stood_there() {
    let restored = restored();
    let before = look(&restored.scene.root);
    let none = tempfile::tempdir().unwrap();
    restored.restore(none.path()).unwrap();
    assert_eq!(fs::read(restored.scene.data.join("file")).unwrap(), b"of the snapshot");
    for made in ["opt", "opt/far", "var/lib", "opt/far/down"] {
        let mode = fs::metadata(restored.scene.root.join(made)).unwrap().mode();
        assert_eq!(mode & 0o755, 0o755, "{made} can be read by services");
    }
    let aside = restored.scene.root.join("var/lib/keepfast/aside/run-1/put-back");
    assert_eq!(fs::metadata(&aside).unwrap().mode() & 0o777, 0o700);
    restored.undo(none.path()).unwrap();
    assert_eq!(look(&restored.scene.root), before);
}

#[test]
fn an_undo_leaves_what_others_have_put_beside_restored_files() {
    let restored = restored();
    let none = tempfile::tempdir().unwrap();
    restored.restore(none.path()).unwrap();
    fs::write(restored.scene.root.join("opt/far/others"), "").unwrap();
    restored.undo(none.path()).unwrap();
    assert!(restored.scene.root.join("opt/far/others").exists());
    assert!(!restored.scene.root.join("opt/far/down").exists());
}

/// Programs that the actions call, each of which counts the calls of all and dies at the one whose number stands in `die`:
/// before it does anything, or afterwards.
fn mortal(folder: &Path) {
    for name in ["rm", "cp", "mv", "sync", "mkdir", "tar", "find", "cat", "rmdir", "dirname", "sort"] {
        let real =
            ["/usr/bin", "/bin"].map(|at| format!("{at}/{name}")).into_iter().find(|path| Path::new(path).exists());
        let text = format!(
            "n=$(($(/bin/cat '{f}/count') + 1)); echo $n > '{f}/count'; read at when < '{f}/die'\n\
             if [ $n = \"$at\" ] && [ $when = before ]; then kill -KILL $(ps -o pgid= -p $$ | tr -d ' ' | sed 's/^/-/'); fi\n\
             {real} \"$@\"; code=$?\n\
             if [ $n = \"$at\" ]; then kill -KILL $(ps -o pgid= -p $$ | tr -d ' ' | sed 's/^/-/'); fi\nexit $code",
            f = folder.display(),
            real = real.unwrap(),
        );
        program(folder, name, &text);
    }
}

fn die_at(folder: &Path, number: usize, when: &str) {
    fs::write(folder.join("count"), "0\n").unwrap();
    fs::write(folder.join("die"), format!("{number} {when}\n")).unwrap();
}

/// Calls `act` so that it dies at each command once, until it lives; tells how often it died.
fn at_every_command(folder: &Path, mut act: impl FnMut() -> Result<(), Fault>) -> usize {
    mortal(folder);
    let mut died = 0;
    for when in ["before", "after"] {
        for number in 1.. {
            die_at(folder, number, when);
            match act() {
                Ok(()) => break,
                Err(Fault::Killed { .. } | Fault::Failed { code: 137, .. }) => died += 1,
                Err(other) => panic!("{number} {when}: {other}"),
            }
        }
    }
    died
}

#[test]
fn a_restore_that_was_cut_off_anywhere_goes_on_and_can_be_undone() {
    let programs = tempfile::tempdir().unwrap();
    let expected = {
        let restored = restored();
        restored.restore(programs.path()).unwrap();
        look(&restored.scene.root).into_iter().filter(|line| !line.contains("/put-back/")).collect::<Vec<_>>()
    };
    let mut again = restored();
    let died = at_every_command(programs.path(), || {
        again = restored();
        let before = look(&again.scene.root);
        let cut_off = again.restore(programs.path());
        // Once more, and it is as if nothing had been.
        let whole = tempfile::tempdir().unwrap();
        again.restore(whole.path()).unwrap();
        let now: Vec<_> = look(&again.scene.root).into_iter().filter(|line| !line.contains("/put-back/")).collect();
        assert_eq!(now, expected);
        again.undo(whole.path()).unwrap();
        assert_eq!(look(&again.scene.root), before);
        cut_off
    });
    assert!(died > 10, "{died}");
}

#[test]
fn an_undo_of_a_restore_that_was_cut_off_anywhere_goes_on() {
    let programs = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let died = at_every_command(programs.path(), || {
        let restored = restored();
        let before = look(&restored.scene.root);
        restored.restore(whole.path()).unwrap();
        let cut_off = restored.undo(programs.path());
        restored.undo(whole.path()).unwrap();
        assert_eq!(look(&restored.scene.root), before);
        cut_off
    });
    assert!(died > 5, "{died}");
}

#[test]
fn copy_and_wipe_that_were_cut_off_anywhere_go_on_and_can_be_undone() {
    let programs = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let with = |programs: &Path, text: &str| {
        super::execute(&place_with(programs), &script(text), &Default::default(), None, None, &Silent).map(|_| ())
    };
    let died = at_every_command(programs.path(), || {
        let scene = scene();
        let before = look(&scene.data);
        let (save, empty) = (save_aside(scene.path(), &scene.copy), wipe(scene.path(), &scene.copy, ""));
        let cut_off = with(programs.path(), &save).and_then(|()| with(programs.path(), &empty));
        // Undone from there, and done.
        let undone = || {
            if Path::new(&scene.copy).exists() {
                with(whole.path(), &unwipe(scene.path(), &scene.copy, "")).unwrap();
            }
            assert_eq!(look(&scene.data), before);
        };
        undone();
        with(whole.path(), &save).unwrap();
        with(whole.path(), &empty).unwrap();
        assert!(look(&scene.data).is_empty());
        undone();
        cut_off
    });
    assert!(died > 6, "{died}");
}
