// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles over others.

use std::fs;

use super::super::{Library, Profile};

const BASE: &str = "title = \"base\"\n[variables.a]\nvalue = \"1\"\n[variables.b]\nvalue = \"2\"\n\
    [[capture.files]]\nid = \"etc\"\npaths = [\"{{root}}/etc/base\"]\nneed = \"one\"\n\
    [runbooks.it]\ntitle = \"it\"\n\
    [[runbooks.it.steps]]\nid = \"one\"\ntitle = \"1\"\nrun = \"x\"\nundo_by = \"none\"\n\
    [[runbooks.it.steps]]\nid = \"two\"\ntitle = \"2\"\nrun = \"y\"\nundo_by = \"none\"\nuser = \"me\"\n";

fn over(child: &str) -> Result<Profile, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.toml"), BASE).unwrap();
    fs::write(folder.path().join("mine.toml"), format!("inherits = \"base\"\n{child}")).unwrap();
    Library::new(vec![folder.path().to_path_buf()]).find("mine").map_err(|error| error.to_string())
}

fn steps(profile: &Profile) -> Vec<&str> {
    profile.runbooks["it"].steps.iter().map(|step| step.id.as_str()).collect()
}

fn step(lines: &str) -> String {
    format!("[[runbooks.it.steps]]\n{lines}\n")
}

#[test]
fn a_profile_changes_the_keys_it_names_and_keeps_the_others() {
    let profile = over(&format!("[variables.a]\nvalue = \"9\"\n{}", step("id = \"two\"\nrun = \"z\""))).unwrap();
    assert_eq!(profile.name, "mine");
    assert_eq!(profile.title, "base");
    assert_eq!(profile.variables["a"].value.as_deref(), Some("9"));
    assert_eq!(profile.variables["b"].value.as_deref(), Some("2"));
    let two = &profile.runbooks["it"].steps[1];
    assert_eq!((two.run.as_deref(), two.title.as_str(), two.user.as_deref()), (Some("z"), "2", Some("me")));
}

#[test]
fn a_step_comes_where_it_says_moves_or_goes() {
    let new = "title = \"n\"\nrun = \"n\"\nundo_by = \"none\"";
    let order = |text: &str| steps(&over(&step(text)).unwrap()).join(" ");
    assert_eq!(order(&format!("id = \"new\"\n{new}")), "one two new");
    assert_eq!(order(&format!("id = \"new\"\nafter = \"one\"\n{new}")), "one new two");
    assert_eq!(order(&format!("id = \"new\"\nbefore = \"one\"\n{new}")), "new one two");
    assert_eq!(order("id = \"one\"\nafter = \"two\""), "two one");
    assert_eq!(order("id = \"two\"\nbefore = \"one\""), "two one");
    assert_eq!(order("id = \"one\"\nremove = true"), "two");
    let anew =
        over(&format!("{}{}", step("id = \"two\"\nremove = true"), step(&format!("id = \"two\"\n{new}")))).unwrap();
    assert_eq!(anew.runbooks["it"].steps[1].user, None, "said anew, it inherits nothing");
    let profile = over("[variables.b]\nremove = true\n[runbooks.it]\nremove = true\n").unwrap();
    assert!(!profile.variables.contains_key("b") && profile.runbooks.is_empty());
}

#[test]
fn a_place_or_a_removal_that_names_nothing_is_an_error() {
    for (child, says) in [
        (step("id = \"new\"\nafter = \"none\""), "steps has no element \"none\""),
        (step("id = \"none\"\nremove = true"), "steps has no element \"none\""),
        (step("id = \"one\"\nremove = \"yes\""), "\"one\" in steps: remove = true stands beside the id alone"),
        (step("id = \"one\"\nremove = true\nrun = \"x\""), "remove = true stands beside the id alone"),
        (step("id = \"one\"\nafter = \"two\"\nbefore = \"two\""), "after or before is the id of one element"),
        (step("title = \"no id\""), "each element of steps needs an id"),
        (format!("{}{}", step("id = \"one\""), step("id = \"one\"")), "steps has two elements \"one\""),
        ("[variables.none]\nremove = true\n".to_string(), "there is no \"none\" to remove"),
        ("[variables.a]\nremove = true\nvalue = \"1\"\n".to_string(), "a is removed, and has other keys"),
    ] {
        let error = over(&child).unwrap_err();
        assert!(error.starts_with("the profile mine is not valid: ") && error.contains(says), "{child}\n{error}");
    }
}

#[test]
fn a_wrong_key_over_another_profile_is_named_with_its_line() {
    let error = over("[variables.a]\nvalue = \"1\"\nvalu = \"2\"\n").unwrap_err();
    assert!(error.contains("unknown field `valu`") && error.contains("see line 4"), "{error}");
    let error = over("[capture]\nfiles = 3\n").unwrap_err();
    assert!(error.contains("invalid type: integer `3`") && error.contains("capture.files"), "{error}");
}

fn library(all: &[(&str, &str)]) -> (tempfile::TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in all {
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    let library = Library::new(vec![folder.path().to_path_buf()]);
    (folder, library)
}

#[test]
fn a_profile_refines_the_built_in_one_of_its_name_also_as_a_draft() {
    let draft = "inherits = \"juju\"\n[hosts.mine]\nroles = []\n";
    let (_folder, library) = library(&[("juju", draft)]);
    let built_in = Library::default().find("juju").unwrap();
    for found in [
        library.find("juju").unwrap(),
        library.parse("juju", draft).unwrap(),
        Library::default().parse("juju", draft).unwrap(),
    ] {
        assert_eq!(found.title, built_in.title);
        assert!(found.hosts.contains_key("mine"));
    }
    assert_eq!(library.list().unwrap().iter().filter(|listed| listed.name == "juju").count(), 1);
}

#[test]
fn profiles_that_inherit_from_each_other_and_chains_without_end_are_refused() {
    let (_folder, circle) = library(&[("a", "inherits = \"b\""), ("b", "inherits = \"a\""), ("c", "inherits = \"c\"")]);
    let error = circle.find("a").unwrap_err().to_string();
    assert_eq!(error, "the profile a inherits from itself: a -> b -> a");
    let error = circle.find("c").unwrap_err().to_string();
    assert!(error.starts_with("there is no profile \"c\"; there are: a, b, c, contrail"), "{error}");
    let names: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let texts: Vec<String> = (0..20)
        .map(|number| if number == 19 { String::new() } else { format!("inherits = \"p{}\"", number + 1) })
        .collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let (_folder, deep) = library(&pairs);
    assert!(deep.find("p0").is_err());
    deep.find("p8").unwrap();
}

#[test]
fn a_name_that_is_no_file_name_is_no_profile() {
    let (folder, library) = library(&[("a", ""), ("with space", ""), (".hidden", "")]);
    for name in ["../a", "", ".", "with space", ".hidden", "a/../a"] {
        let error = library.find(name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("there is no profile {name:?}; there are: a, ")), "{error}");
    }
    fs::create_dir(folder.path().join("dir.toml")).unwrap();
    let error = library.find("dir").unwrap_err().to_string();
    assert!(error.contains("can not read the profile") && error.contains("it is no file"), "{error}");
}
