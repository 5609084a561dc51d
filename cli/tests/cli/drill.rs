// SPDX-License-Identifier: MIT OR Apache-2.0
//! `drill`: brings the newest snapshot back beside the system, touches nothing else, and never fails silently.

use std::fs;

use crate::shop::{SECRET, Shop};

fn scratches(shop: &Shop) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(shop.path("scratch")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_drill_brings_back_beside_the_system_and_remembers_how_long_it_took() {
    let shop = Shop::damaged();
    let before = shop.state();
    let scratch = shop.text("scratch");
    let run = shop.ok(&["drill", "shop", "--scratch", &scratch]);
    assert!(run.out.contains("the drill went well: brought back in"), "{run:?}");
    assert_eq!(shop.state(), before, "the system itself is not touched");
    assert!(scratches(&shop).is_empty(), "the scratch folder is removed");
    let summary = shop.json(0, &["drill", "shop", "--scratch", &scratch, "--keep"]).pop().unwrap();
    let summary = &summary["summary"];
    assert_eq!((&summary["ok"], &summary["failed_step"]), (&true.into(), &serde_json::Value::Null), "{summary}");
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["age_seconds"].as_f64().unwrap() > 0.0, "{summary}");
    let kept = scratches(&shop).pop().unwrap();
    assert_eq!(fs::read_to_string(kept.join("var/lib/shop/db")).unwrap(), "orders: 1 2 3\n");
    assert_eq!(fs::read_to_string(kept.join("etc/shop/main.conf")).unwrap(), "port = 80\n");
    let status = shop.ok(&["status", "--drill-older-than", "1h"]).out;
    assert!(status.contains("went well in"), "{status}");
}

#[test]
fn a_drill_that_fails_names_the_step_and_stays_in_memory() {
    let shop = Shop::damaged();
    fs::write(shop.path("fail-load"), "").unwrap();
    let run = shop.run(&["drill", "shop"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.err.contains("the drill of shop failed") && run.err.contains("step 2 of 3, \"Load the database\""),
        "{run:?}"
    );
    let objects = shop.json(1, &["drill", "shop"]);
    let record = objects.iter().find(|object| object["event"] == "drill").unwrap();
    assert_eq!((&record["ok"], &record["failed_step"]), (&false.into(), &"load".into()), "{record}");
    let run = shop.run(&["status", "--drill-older-than", "1h"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("FAILED") && run.out.contains("no drill has gone well"), "{run:?}");
    // It is in nobody's way, and no recovery.
    fs::remove_file(shop.path("fail-load")).unwrap();
    shop.ok(&["drill", "shop"]);
    assert_eq!(shop.recover(&["--yes"]).code, 0);
}

#[test]
fn a_drill_without_a_snapshot_fails() {
    let shop = Shop::new();
    let run = shop.run(&["drill", "shop"]);
    assert!(run.code == 1 && run.err.contains("there is no snapshot with the tag profile:shop"), "{run:?}");
    assert!(shop.run(&["status"]).out.contains("FAILED"));
}

#[test]
fn several_hosts_are_one_machine_in_a_drill() {
    let shop = Shop::new();
    shop.profile(
        "shop",
        "[hosts.one]\nroles = [\"db\"]\nssh = \"nobody@192.0.2.1\"\n[hosts.two]\nroles = [\"web\"]\nssh = \"nobody@192.0.2.2\"\n",
    );
    shop.backup(&["--host", "one", "--tag", "set:a"]);
    shop.backup(&["--host", "two", "--tag", "set:a"]);
    shop.ok(&["drill", "shop"]);
}

#[test]
fn a_profile_without_a_drill_is_restored_whole_and_compared() {
    let shop = Shop::new();
    fs::write(shop.path("profiles/plain.toml"), "title = \"Files only\"\n").unwrap();
    shop.backup(&["--tag", "profile:plain"]);
    let run = shop.ok(&["drill", "plain", "--scratch", &shop.text("scratch"), "--keep"]);
    assert!(run.out.contains("restored and compared"), "{run:?}");
    let kept = scratches(&shop).pop().unwrap();
    assert_eq!(fs::read_to_string(kept.join("etc/shop.users")).unwrap(), "anna\n");
    // Damage is met, and told.
    let packs = shop.path("repo/packs");
    let mut open = vec![packs];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let run = shop.run(&["drill", "plain", "--no-cache"]);
    assert!(run.code == 1 && run.err.contains("the drill of plain failed"), "{run:?}");
    assert!(!run.err.contains(SECRET));
}
