// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives that lie, lead elsewhere or repeat themselves: what can be taken is taken, the rest is named; and what becomes of
//! any archive is what a naive reading of its members says.

use std::collections::BTreeMap;

use keepfast_repo_format::tree::entry::{Entry, FileType, Marks};
use proptest::prelude::*;

use crate::support::sandbox::Sandbox;
use crate::support::tar_files::{Made, archive, entries, file, header, member, reader, special, try_import};

fn paths(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.path().escape_ascii().to_string()).collect()
}

#[test]
fn names_stay_inside_and_what_can_not_is_named() {
    let sandbox = Sandbox::new();
    let members = [
        file(b"/etc/absolute", b"1"),
        file(b"./dot//double/", b""),
        file(b"../outside", b"2"),
        file(b"a/../../b", b"3"),
        file(b"", b"4"),
        file(b".", b"5"),
        file(b"ok", b"6"),
        special(b"to outside", b'1', b"../x"),
        special(b"nowhere", b'2', b""),
        special(b"leads out", b'2', b"/etc/passwd"),
    ];
    let summary = try_import(&sandbox, &archive(&members)).unwrap();
    let refused: Vec<String> = summary.problems.iter().map(|problem| problem.path.escape_ascii().to_string()).collect();
    assert_eq!(refused, ["../outside", "a/../../b", "", "", "to outside", "nowhere"]);
    let found = entries(&sandbox, summary.snapshot.unwrap());
    assert_eq!(paths(&found), ["dot", "etc", "leads out", "ok", "dot/double", "etc/absolute"]);
    assert_eq!(found[2].metadata.target, b"/etc/passwd", "a link may lead anywhere: it is not followed");
    assert_eq!(found[4].metadata.file_type, FileType::Directory, "before 1988 a slash at its end made a folder");
}

#[test]
fn nothing_lies_below_what_is_no_folder() {
    let sandbox = Sandbox::new();
    let members = [
        special(b"link", b'2', b"/etc"),
        file(b"link/passwd", b"hostile"),
        file(b"file/x/y", b"1"),
        file(b"file", b"2"),
        special(b"folder", b'5', b""),
        file(b"folder/x", b"3"),
    ];
    let summary = try_import(&sandbox, &archive(&members)).unwrap();
    let refused: Vec<&[u8]> = summary.problems.iter().map(|problem| &problem.path[..]).collect();
    assert_eq!(refused, [&b"file/x/y"[..], b"link/passwd"]);
    assert_eq!(paths(&entries(&sandbox, summary.snapshot.unwrap())), ["file", "folder", "link", "folder/x"]);
}

#[test]
fn of_one_name_the_last_member_counts() {
    let sandbox = Sandbox::new();
    let members = [
        file(b"a", b"first"),
        special(b"other name", b'1', b"a"),
        file(b"./a", b"second, and longer"),
        special(b"d", b'5', b""),
        special(b"d/", b'5', b""),
    ];
    let summary = try_import(&sandbox, &archive(&members)).unwrap();
    assert_eq!((summary.replaced, summary.problems), (vec![b"a".to_vec()], vec![]), "folders may come twice");
    let found = entries(&sandbox, summary.snapshot.unwrap());
    let sizes: Vec<(String, u64)> = paths(&found).into_iter().zip(found.iter().map(|it| it.metadata.size)).collect();
    assert_eq!(sizes, [("a".to_string(), 18), ("d".to_string(), 0), ("other name".to_string(), 5)]);
    assert!(found.iter().all(|entry| entry.metadata.link_group.is_none()), "they are two files now");
}

#[test]
fn hard_links_find_their_files_or_are_named() {
    let sandbox = Sandbox::new();
    let members = [
        special(b"before", b'1', b"file"),
        file(b"file", b"content"),
        special(b"after", b'1', b"./file"),
        special(b"of after", b'1', b"after"),
        special(b"missing", b'1', b"nothing"),
        special(b"loop", b'1', b"loop"),
        special(b"d", b'5', b""),
        special(b"of folder", b'1', b"d"),
    ];
    let summary = try_import(&sandbox, &archive(&members)).unwrap();
    let refused: Vec<&[u8]> = summary.problems.iter().map(|problem| &problem.path[..]).collect();
    assert_eq!(refused, [&b"missing"[..], b"loop", b"of folder"]);
    let found = entries(&sandbox, summary.snapshot.unwrap());
    for entry in found.iter().filter(|entry| entry.metadata.file_type == FileType::File) {
        let is_there = ["before", "file", "after", "of after"].iter().any(|name| entry.name == name.as_bytes());
        assert_eq!(entry.metadata.link_group.is_some(), is_there, "{}", entry.name.escape_ascii());
        assert_eq!(entry.metadata.size, if is_there { 7 } else { 0 });
        assert_eq!(entry.marks.has(Marks::UNREADABLE), !is_there, "it keeps its place");
    }
}

#[test]
fn numbers_that_do_not_fit_are_named() {
    let sandbox = Sandbox::new();
    let mut block = tar::Header::from_byte_slice(&header(b"f", b'0', b"", 0)).clone();
    block.set_uid(1 << 40);
    block.set_cksum();
    let blocks = [&block.as_bytes()[..], &member(&special(b"odd", b'Q', b"")), &[0; 1024]].concat();
    let summary = try_import(&sandbox, &blocks).unwrap();
    let text: Vec<&str> = summary.problems.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!(text, ["uid 1099511627776 does not fit 32 bits", "a member of type Q, taken as a file"]);
}

/// What the naive reading says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Folder,
    Link(Vec<u8>),
    File(Vec<u8>),
    Lost,
}

const NAMES: [&str; 7] = ["a", "b", "a/x", "b/x", "a/x/y", "c/x", "c"];

#[derive(Clone, Debug)]
enum Step {
    File(usize, u8),
    Folder(usize),
    Symlink(usize),
    HardLink(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        (name.clone(), any::<u8>()).prop_map(|(name, size)| Step::File(name, size)),
        name.clone().prop_map(Step::Folder),
        name.clone().prop_map(Step::Symlink),
        (name.clone(), name).prop_map(|(name, target)| Step::HardLink(name, target)),
    ]
}

fn name_of(step: &Step) -> &'static str {
    match step {
        Step::File(name, _) | Step::Folder(name) | Step::Symlink(name) | Step::HardLink(name, _) => NAMES[*name],
    }
}

fn content(size: u8) -> Vec<u8> {
    (0..u32::from(size) * 20).map(|at| (at % 251) as u8 ^ size).collect()
}

/// What the member number `at` is: followed through links, one after the other.
fn meaning(steps: &[Step], at: usize) -> Expected {
    match &steps[at] {
        Step::File(_, size) => Expected::File(content(*size)),
        Step::Folder(_) => Expected::Folder,
        Step::Symlink(_) => Expected::Link(b"x".to_vec()),
        Step::HardLink(_, target) => {
            let named = |it: &usize| name_of(&steps[*it]) == NAMES[*target];
            let earlier = (0..at).rev().find(named);
            let later =
                || (at + 1..steps.len()).rev().find(|it| named(it) && !matches!(steps[*it], Step::HardLink(..)));
            match earlier.or_else(later).map(|it| meaning(steps, it)) {
                None | Some(Expected::Folder) => Expected::Lost,
                Some(found) => found,
            }
        }
    }
}

fn model(steps: &[Step]) -> BTreeMap<String, Expected> {
    let mut all: BTreeMap<String, Expected> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        all.insert(name_of(step).to_string(), meaning(steps, at));
    }
    let mut tree = BTreeMap::new();
    for (path, expected) in &all {
        let above: Vec<&str> = path.match_indices('/').map(|(slash, _)| &path[..slash]).collect();
        if above.iter().all(|folder| all.get(*folder).is_none_or(|it| *it == Expected::Folder)) {
            for folder in above {
                tree.insert(folder.to_string(), Expected::Folder);
            }
            tree.insert(path.clone(), expected.clone());
        }
    }
    tree
}

fn as_expected(sandbox: &Sandbox, entry: &Entry) -> Expected {
    match entry.metadata.file_type {
        FileType::Directory => Expected::Folder,
        FileType::Symlink => Expected::Link(entry.metadata.target.clone()),
        _ if entry.marks.has(Marks::UNREADABLE) => Expected::Lost,
        _ => {
            let reader = reader(sandbox);
            let mut bytes = Vec::new();
            let mut content = keepfast_engine::archive::ContentReader::new(&reader, entry);
            std::io::Read::read_to_end(&mut content, &mut bytes).unwrap();
            Expected::File(bytes)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_archive_is_what_a_naive_reading_says(steps in prop::collection::vec(step(), 1..14)) {
        let contents: Vec<Vec<u8>> = steps.iter().map(|step| match step {
            Step::File(_, size) => content(*size),
            _ => Vec::new(),
        }).collect();
        let members: Vec<Made> = steps.iter().zip(&contents).map(|(step, content)| {
            let name = name_of(step).as_bytes();
            match step {
                Step::File(..) => file(name, content),
                Step::Folder(_) => special(name, b'5', b""),
                Step::Symlink(_) => special(name, b'2', b"x"),
                Step::HardLink(_, target) => special(name, b'1', NAMES[*target].as_bytes()),
            }
        }).collect();
        let sandbox = Sandbox::new();
        let summary = try_import(&sandbox, &archive(&members)).unwrap();
        let found: BTreeMap<String, Expected> = entries(&sandbox, summary.snapshot.unwrap())
            .iter()
            .map(|entry| (String::from_utf8(entry.path()).unwrap(), as_expected(&sandbox, entry)))
            .collect();
        prop_assert_eq!(found, model(&steps));
    }
}
