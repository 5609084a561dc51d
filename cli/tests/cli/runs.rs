// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of a profile beside each other: the last one is undone first, and one that nobody can read is not taken for one that ended.

use std::fs;

use crate::shop::Shop;

#[test]
fn a_run_is_not_undone_beneath_a_later_one_that_is_in_effect() {
    let shop = Shop::damaged();
    let damaged = shop.state();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    let first = shop.newest_run();
    fs::write(shop.path("root/var/lib/shop/db"), "orders: 1 2 3 4\n").unwrap();
    let between = shop.state();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    let second = shop.newest_run();
    assert_ne!(first, second);
    let recovered = shop.state();
    let undo = |run: &str| shop.run(&["recover", "shop", "--undo", run, "--yes"]);
    let run = undo(&first);
    assert!(run.code == 1 && run.err.contains(&format!("the run {second} (restore of ")), "{run:?}");
    assert!(run.err.contains(&format!("`keepfast recover shop --undo {second}` takes that one back first")), "{run:?}");
    assert_eq!(shop.state(), recovered, "nothing was touched");
    assert_eq!(undo(&second).code, 0);
    assert_eq!(shop.state(), between);
    assert_eq!(undo(&first).code, 0);
    assert_eq!(shop.state(), damaged);
}

#[test]
fn a_later_run_that_leaves_nothing_behind_or_is_of_another_root_is_in_no_way() {
    let shop = Shop::damaged();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    let first = shop.newest_run();
    let elsewhere = shop.text("elsewhere");
    fs::create_dir_all(shop.path("elsewhere/var/lib/shop")).unwrap();
    shop.ok(&["recover", "shop", "--root", &elsewhere, "--yes"]);
    shop.ok(&["recover", "shop", "--root", &shop.text("root"), "--runbook", "pictures", "--yes"]);
    shop.ok(&["recover", "shop", "--undo", &first, "--yes"]);
}

#[test]
fn an_undo_needs_no_secret_that_it_does_not_use() {
    let shop = Shop::damaged();
    let damaged = shop.state();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    fs::remove_file(shop.path("secret")).unwrap();
    fs::remove_file(shop.path("profiles/shop.toml")).unwrap();
    shop.ok(&["recover", "shop", "--undo", &shop.newest_run(), "--yes"]);
    assert_eq!(shop.state(), damaged);
}

#[test]
fn nothing_is_begun_beside_a_run_that_can_not_be_read() {
    let shop = Shop::damaged();
    fs::write(shop.path("fail-load"), "").unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    let folder = shop.runs_folder().join(shop.newest_run());
    let (journal, calls) = (folder.join("journal.jsonl"), shop.read("log"));
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("begun", "bogun", 1)).unwrap();
    let run = shop.recover(&["--yes"]);
    assert!(run.code == 1 && run.err.contains("may be unfinished") && run.err.contains("line 1"), "{run:?}");
    assert!(run.err.contains(&format!("move {} away", folder.display())), "{run:?}");
    assert_eq!(shop.read("log"), calls);
    fs::rename(&folder, shop.path("moved")).unwrap();
    fs::remove_file(shop.path("fail-load")).unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
}
