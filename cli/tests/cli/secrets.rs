// SPDX-License-Identifier: MIT OR Apache-2.0
//! `backup --profile` with secrets: they reach the command that needs them, and nobody else, whatever that command says.

use std::fs;

use crate::shop::{SECRET, Shop};

#[test]
fn a_dump_that_quotes_a_secret_is_masked_and_its_last_words_say_why_it_failed() {
    let shop = Shop::new();
    let leaky = "inherits = \"shop\"\n[[capture.streams]]\nid = \"db.sql\"\n\
                 run = \"echo 'it is slow' >&2; echo \\\"denied for $password\\\" >&2; echo half; exit 3\"\n";
    fs::write(shop.path("profiles/leaky.toml"), leaky).unwrap();
    let root = format!("root={}", shop.text("root"));
    let run = shop.run(&["backup", "--profile", "leaky", "--var", &root]);
    assert_eq!(run.code, 3, "{run:?}");
    for words in ["db.sql: sh failed: exit status: 3: denied for ***", "db.sql: it is slow"] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    let told = shop.run(&["show", "latest", "--json"]);
    for text in [&run.out, &run.err, &told.out] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_dump_that_goes_well_may_say_something_and_a_service_that_it_leaves_keeps_nobody() {
    let shop = Shop::new();
    let talks = "inherits = \"shop\"\n[[capture.streams]]\nid = \"db.sql\"\n\
                 run = \"echo \\\"with $password\\\" >&2; echo rows; sleep 100 >/dev/null &\"\n";
    fs::write(shop.path("profiles/talks.toml"), talks).unwrap();
    let root = format!("root={}", shop.text("root"));
    let begun = std::time::Instant::now();
    let run = shop.ok(&["backup", "--profile", "talks", "--var", &root]);
    assert!(begun.elapsed().as_secs() < 60);
    assert!(run.err.contains("db.sql: with ***") && !run.err.contains(SECRET), "{run:?}");
    assert_eq!(shop.ok(&["dump", "latest:db.sql"]).out, "rows\n");
}
