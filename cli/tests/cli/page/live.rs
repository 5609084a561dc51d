// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of a snapshot against the files as they are now.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scraper::Html;

use super::scene::night;
use super::{is_there, texts};

/// A night of `web01`, whose live files changed since.
fn since_the_night() -> crate::sandbox::Sandbox {
    let sandbox = night();
    let path = |name: &str| sandbox.path(&format!("src/etc/{name}"));
    fs::write(path("ssl/web.pem"), include_str!("old.pem")).unwrap();
    fs::write(path("hosts"), "127.0.0.1 localhost\n10.0.0.3 cache\n").unwrap();
    fs::write(path("app.ini"), "[db]\npassword = hunter2-live\ntimeout = 9\n").unwrap();
    fs::copy(path("app.yaml"), path("app.yaml.save")).unwrap();
    fs::rename(path("added.conf"), path("moved.conf")).unwrap();
    sandbox
}

#[test]
fn the_live_side_has_its_own_column_and_the_page_says_what_the_text_says() {
    let sandbox = since_the_night();
    let live = ["diff", "latest", "--live", "--copies"];
    let page = |more: &[&str]| {
        let mut command = sandbox.command(&[&live, more].concat());
        let run = crate::sandbox::Run::from(command.env("KEEPFAST_HOST", "web01").output().unwrap());
        assert_eq!(run.code, 0, "{run:?}");
        run.out
    };
    let before = jiff::Timestamp::now().as_second();
    let made = page(&["--html", "-"]);
    let html = Html::parse_document(&made);
    assert_eq!(texts(&html, "title"), ["What changed on web01"]);
    let heads = texts(&html, ".sides thead th");
    let read = heads[1].strip_prefix("After: live files of web01, read at ").unwrap_or_else(|| panic!("{heads:?}"));
    let read = jiff::Zoned::strptime("%Y-%m-%d %H:%M %:z", read).unwrap_or_else(|error| panic!("{error}: {read}"));
    assert!((before - 60..before + 600).contains(&read.timestamp().as_second()), "{read}");
    let source = fs::canonicalize(sandbox.path("src")).unwrap().to_str().unwrap().to_string();
    for text in ["web01", "after-upgrade", "none", "nothing", &source] {
        assert!(is_there(&html, ".sides td", text), "{text}: {:?}", texts(&html, ".sides td"));
    }
    let kinds = texts(&html, ".paths td.kind");
    for kind in ["M modified", "R renamed", "C copied"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    assert!(is_there(&html, ".paths small", "from /etc/app.yaml"), "{:?}", texts(&html, ".paths small"));
    assert!(is_there(&html, ".patch tr.added", "10.0.0.3 cache"));
    let left = texts(&html, ".changes td.after small");
    assert!(left.iter().all(|left| left.ends_with("the reading)")) && left.len() == 1, "{left:?}");
    assert!(!made.contains("hunter2-live") && is_there(&html, ".changes th.where", "password"));
    // The same rows as in text and JSON.
    let text = page(&["--name-status"]);
    let rows = text.lines().filter(|line| line.chars().nth(1) == Some(' ') && line.contains("    /")).count();
    assert_eq!(rows, kinds.len(), "{text}");
    let json = page(&["--patch", "--json"]);
    let days = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let days: Vec<i64> = days.filter_map(|object| object["days_left"].as_i64()).collect();
    // A day may end between the two.
    let is_told = |days: i64| left[0] == format!("({days} days after the reading)");
    assert!(days.len() == 1 && (days[0] < 2 || is_told(days[0]) || is_told(days[0] + 1)), "{days:?} {left:?}");
}

#[test]
fn a_snapshot_of_another_host_is_told_apart_from_the_machine_with_the_live_files() {
    let sandbox = since_the_night();
    let run = sandbox.ok(&["diff", "latest", "--live", "--root", ".", "--html", "-"]);
    let page = Html::parse_document(&run.out);
    let title = &texts(&page, "h1")[0];
    assert!(title.starts_with("What is different on ") && title.ends_with(" from web01"), "{title}");
    sandbox.ok(&["backup", "etc/hosts", "--command", "db/dump=echo hi"]);
    let page = Html::parse_document(&sandbox.ok(&["diff", "latest", "--live", "--html", "-"]).out);
    assert!(is_there(&page, "p.note", "not compared: /db/dump."), "{:?}", texts(&page, "p.note"));
    assert!(is_there(&page, "p", "No path differs"));
}

#[test]
fn what_of_the_live_files_can_not_be_read_stands_at_the_top() {
    let sandbox = since_the_night();
    let closed = sandbox.path("src/etc/hosts");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&closed).is_ok() {
        return println!("skipped: root reads everything");
    }
    let run = sandbox.run(&["diff", "latest", "--live", "--root", ".", "--html", "page.html"]);
    assert!(run.code == 3 && run.err.contains("problem: etc/hosts"), "{run:?}");
    let page = Html::parse_document(&fs::read_to_string(sandbox.path("src/page.html")).unwrap());
    assert!(is_there(&page, ".problems li", "/etc/hosts: "), "{:?}", texts(&page, ".problems li"));
    assert!(is_there(&page, ".sides td", "1 path could not be read"));
}
