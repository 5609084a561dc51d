// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left out, and that nothing else is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Seen, make, options, see, skip};
use crate::source::{Case, Excludes, ExcludesBuilder, Found, OneFileSystem};

const TREE: &[&str] = &["a/x.o", "a/keep.o", "a/b/x.c", "cache/1", "f/cache", "a/b/cache/2", "#odd", "UP.O", "s p/3"];

fn walk_without(folder: &Path, named: &[&str], fill: impl Fn(&mut ExcludesBuilder)) -> Seen {
    let mut builder = Excludes::builder();
    fill(&mut builder);
    let mut options = options(named);
    options.excludes = builder.build().unwrap();
    see(&options, folder)
}

#[test]
fn patterns_leave_out_what_the_rule_says() {
    let table: &[(&[&str], &[&str], &str)] = &[
        (&["*.o"], &["a/x.o", "a/keep.o"], "a pattern without slash matches a name at any depth"),
        (&["*.o", "!keep.o"], &["a/x.o"], "a later negation takes back"),
        (&["!keep.o", "*.o"], &["a/x.o", "a/keep.o"], "an earlier negation does not"),
        (&["cache"], &["cache", "cache/1", "f/cache", "a/b/cache", "a/b/cache/2"], "files and folders"),
        (&["cache/"], &["cache", "cache/1", "a/b/cache", "a/b/cache/2"], "a slash at the end: folders only"),
        (&["b/cache"], &["a/b/cache", "a/b/cache/2"], "a slash inside: at any depth, as restic has it"),
        (&["./b/cache"], &["a/b/cache", "a/b/cache/2"], "a leading `./` says nothing"),
        (&["@/cache"], &["cache", "cache/1"], "a leading slash: the absolute path"),
        (&["@/*/cache"], &["f/cache"], "a star stays within one name"),
        (&["@/**/cache"], &["cache", "cache/1", "f/cache", "a/b/cache", "a/b/cache/2"], "two stars do not"),
        (&["@/a/**"], &["a/x.o", "a/keep.o", "a/b", "a/b/x.c", "a/b/cache", "a/b/cache/2"], "contents without folder"),
        (&["cache", "!2"], &["cache", "cache/1", "f/cache", "a/b/cache", "a/b/cache/2"], "nothing returns from within"),
        (&["#odd"], &["#odd"], "a hash in a single pattern is a character"),
        (&["\\#odd"], &["#odd"], "and may be escaped"),
        (&["s p"], &["s p", "s p/3"], "blanks inside count"),
        (&["x.[!c]"], &["a/x.o"], "classes"),
        (&["{x.c,cache}/"], &["cache", "cache/1", "a/b/cache", "a/b/cache/2"], "braces"),
        (&["nothing", "/a", "/x.o"], &[], "a path that is none of ours"),
    ];
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().canonicalize().unwrap();
    make(&folder, TREE);
    let all = see(&options(&["."]), &folder).paths();
    for (patterns, dropped, reason) in table {
        let kept = walk_without(&folder, &["."], |builder| {
            for pattern in *patterns {
                builder.glob(&pattern.replace('@', folder.to_str().unwrap()), Case::Sensitive).unwrap();
            }
        });
        let expected: Vec<&String> = all.iter().filter(|path| !dropped.contains(&path.as_str())).collect();
        assert_eq!(kept.paths().iter().collect::<Vec<_>>(), expected, "{patterns:?}: {reason}");
        assert_eq!(all.len() - expected.len(), dropped.len(), "{patterns:?}: the table names what is there");
    }
}

#[test]
fn a_path_is_left_out_by_its_bytes_whatever_they_are() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().canonicalize().unwrap();
    make(&folder, &["[x]*", "x", "a/[x]*/1", "b/[x]*"]);
    let odd = |last: u8| folder.join(OsStr::from_bytes(&[b'q', last]));
    [0xfe, 0xff].into_iter().for_each(|last| std::fs::create_dir(odd(last)).unwrap());
    let kept = walk_without(&folder, &["."], |builder| {
        builder.path(odd(0xff).as_os_str().as_bytes()).path(folder.join("a/[x]*").as_os_str().as_bytes());
        builder.glob("!*", Case::Sensitive).unwrap();
    });
    let kept: Vec<Vec<u8>> = kept.found.iter().map(Found::path).collect();
    assert_eq!(kept, [&b""[..], b"[x]*", b"a", b"b", b"q\xfe", b"x", b"b/[x]*"]);
}

#[test]
fn case_counts_only_where_it_should() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["UP.O", "up.c"]);
    let insensitive = walk_without(temporary.path(), &["."], |builder| {
        builder.glob("*.C", Case::Sensitive).unwrap().glob("*.o", Case::Insensitive).unwrap();
    });
    assert_eq!(insensitive.paths(), ["(top)", "up.c"]);
}

#[test]
fn exclude_files_have_comments_and_empty_lines() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), TREE);
    let seen = walk_without(temporary.path(), &["a"], |builder| {
        builder.lines(["# a comment", "", "  *.o  ", "!keep.o", "b"], Case::Sensitive).unwrap();
    });
    assert_eq!(seen.paths(), ["a", "a/keep.o"]);
}

#[test]
fn patterns_that_can_match_nothing_or_are_broken_are_refused() {
    for pattern in ["", "/", "!", "./", "[a", "a{b", "!/", "x[[:alpha:]]", "[0[:space:]"] {
        assert!(Excludes::builder().glob(pattern, Case::Sensitive).is_err(), "{pattern}");
    }
    for pattern in ["[:a]", "[[:A:]", ":]"] {
        assert!(Excludes::builder().glob(pattern, Case::Sensitive).is_ok(), "{pattern}");
    }
}

#[test]
fn a_named_path_is_excluded_like_any_other_but_not_for_its_parents() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), TREE);
    let glob = |pattern: &'static str| {
        move |builder: &mut ExcludesBuilder| {
            builder.glob(pattern, Case::Sensitive).unwrap();
        }
    };
    // As a shell makes of `backup a/*`.
    assert_eq!(walk_without(temporary.path(), &["a/x.o", "a/b/x.c"], glob("*.o")).paths(), ["a", "a/b", "a/b/x.c"]);
    assert_eq!(
        walk_without(temporary.path(), &["a", "a/b/cache/2"], glob("b")).paths(),
        ["a", "a/b", "a/keep.o", "a/x.o", "a/b/cache", "a/b/cache/2"]
    );
}

#[test]
fn tag_files_keep_the_folder_and_themselves() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["cache/1", "cache/sub/2", "fake/3", "tagged/4", "tagged/.nobackup", "other/5"]);
    let header = "Signature: 8a477f597d28d172789f06886806bc55\n# text";
    std::fs::write(temporary.path().join("cache/CACHEDIR.TAG"), header).unwrap();
    std::fs::write(temporary.path().join("fake/CACHEDIR.TAG"), "Signature: something else").unwrap();
    std::fs::write(temporary.path().join("other/.mark"), "yes").unwrap();
    let seen = walk_without(temporary.path(), &["."], |builder| {
        builder.caches().if_present(b".nobackup", None).if_present(b".mark", Some(b"no"));
    });
    let expected = "(top) cache fake other tagged cache/CACHEDIR.TAG fake/3 fake/CACHEDIR.TAG other/.mark other/5 \
                    tagged/.nobackup";
    assert_eq!(seen.paths().join(" "), expected);
}

#[test]
fn only_files_can_be_too_large() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("10"), [0; 10]).unwrap();
    std::fs::write(temporary.path().join("11"), [0; 11]).unwrap();
    std::fs::create_dir(temporary.path().join("folder")).unwrap();
    let seen = walk_without(temporary.path(), &["."], |builder| {
        builder.larger_than(10);
    });
    assert_eq!(seen.paths(), ["(top)", "10", "folder"]);
    let named = walk_without(temporary.path(), &["11", "10"], |builder| {
        builder.larger_than(10).larger_than(1000);
    });
    assert_eq!(named.paths(), ["10"]);
}

#[test]
fn a_mount_point_is_an_empty_folder_when_staying_on_one_file_system() {
    let device = |path: &str| std::fs::metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::dev(&metadata));
    let (Ok(dev), Ok(shm)) = (device("/dev"), device("/dev/shm")) else { return skip("no /dev/shm") };
    if dev == shm {
        return skip("/dev/shm is not a mount of its own");
    }
    let Ok(file) = tempfile::NamedTempFile::new_in("/dev/shm") else { return skip("/dev/shm can not be written") };
    let path = file.path().to_str().unwrap().trim_start_matches('/').to_owned();
    let mut options = options(&["/dev"]);
    assert!(see(&options, Path::new("/")).paths().contains(&path));
    options.one_file_system = OneFileSystem::Stay;
    let stayed = see(&options, Path::new("/")).paths();
    assert!(stayed.contains(&"dev/shm".to_owned()) && !stayed.contains(&path));
    options.paths.push("/dev/shm".into());
    assert!(see(&options, Path::new("/")).paths().contains(&path), "a mount that is named is entered");
}
