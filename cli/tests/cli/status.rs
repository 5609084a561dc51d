// SPDX-License-Identifier: MIT OR Apache-2.0
//! `status`: what of which profile is how old, for people and for monitoring.

use std::fs;

use crate::shop::Shop;

#[test]
fn nothing_is_known_of_nothing_and_that_is_no_reason_to_be_calm() {
    let shop = Shop::new();
    let out = shop.ok(&["status"]).out;
    assert!(out.contains("no profile has"), "{out}");
    assert_eq!(shop.run(&["status", "--older-than", "26h"]).code, 1);
}

#[test]
fn data_that_is_too_old_or_incomplete_is_overdue() {
    let shop = Shop::new();
    shop.backup(&["--command", "more.sql=exit 3"]);
    let run = shop.run(&["status", "--older-than", "26h"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("not complete") && run.out.contains("there is no complete snapshot"), "{run:?}");
    shop.backup(&[]);
    shop.ok(&["status", "--older-than", "26h"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let run = shop.run(&["status", "--older-than", "1s"]);
    assert!(run.code == 1 && run.out.contains("overdue  the newest complete snapshot is"), "{run:?}");
    let objects = shop.json(1, &["status", "--older-than", "1s"]);
    assert_eq!(objects[0]["data"]["complete"], true, "{objects:?}");
    assert_eq!(objects.last().unwrap()["summary"]["overdue"], 1, "{objects:?}");
    assert_eq!(shop.run(&["status", "--older-than", "soon"]).code, 2);
}

#[test]
fn a_set_counts_as_complete_when_every_host_is_in_it() {
    let shop = Shop::new();
    shop.profile("shop", "[hosts.one]\nroles = [\"db\"]\n[hosts.two]\nroles = [\"web\"]\n");
    shop.backup(&["--host", "one", "--tag", "set:a"]);
    assert!(shop.ok(&["status"]).out.contains("not complete: it has no snapshot of two"));
    shop.backup(&["--host", "two", "--tag", "set:a"]);
    let objects = shop.json(0, &["status", "--older-than", "1h"]);
    let complete = &objects[0]["complete"];
    assert_eq!((&complete["set"], complete["snapshots"].as_array().unwrap().len()), (&"a".into(), 2), "{objects:?}");
}

#[test]
fn runs_and_drills_are_known_also_when_the_repository_is_out_of_reach() {
    let shop = Shop::damaged();
    shop.ok(&["drill", "shop"]);
    fs::write(shop.path("fail-load"), "").unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    fs::rename(shop.path("repo"), shop.path("away")).unwrap();
    let run = shop.run(&["status"]);
    assert_eq!(run.code, 10, "{run:?}");
    for words in ["not known: the repository can not be opened", "went well", "unfinished at step 5 of 6"] {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
}
