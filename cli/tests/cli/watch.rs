// SPDX-License-Identifier: MIT OR Apache-2.0
//! `watch-diff`: what changed on all hosts, what matters most first.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

/// The time of expiry of the certificate that others are made from.
const OLD_END: &[u8; 13] = b"271129070025Z";

/// Two snapshots of a host, with changes of all sorts between them, and two of another host without any.
fn watched() -> Sandbox {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path(&format!("src/{name}"));
    fs::create_dir_all(path("etc")).unwrap();
    fs::write(path("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    let numbers = |base: usize| (0..40).map(|n| format!("key{n} = {}\n", base + n)).collect::<String>();
    fs::write(path("etc/app.conf"), numbers(1000)).unwrap();
    fs::write(path("app.json"), r#"{"port": 1, "password": "hunter2"}"#).unwrap();
    fs::write(path("tool"), "#!/bin/sh\n").unwrap();
    sandbox.ok(&["backup", ".", "-H", "web1"]);
    sandbox.ok(&["backup", "sub", "-H", "calm"]);
    sandbox.ok(&["backup", "sub", "-H", "calm"]);
    fs::write(path("etc/passwd"), "root:x:0:0::/root:/bin/sh\neve:x:0:0::/:/bin/sh\n").unwrap();
    fs::write(path("etc/app.conf"), numbers(2000)).unwrap();
    fs::write(path("app.json"), r#"{"port": 1, "password": "hunter3"}"#).unwrap();
    fs::set_permissions(path("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::write(path("sub/c.o"), "fewer").unwrap();
    fs::write(path("sub/new"), "new").unwrap();
    sandbox.ok(&["backup", ".", "-H", "web1"]);
    sandbox
}

#[test]
fn what_matters_most_comes_first_and_data_is_counted() {
    let sandbox = watched();
    let out = sandbox.ok(&["watch-diff"]).out;
    let at = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text}: {out}"));
    let order = [
        "web1  3 keys, users, rights; 1 configuration; 2 data",
        "Keys, users and rights",
        "~ password: \"<secret ",
        "M /etc/passwd",
        "+ eve:x:0:0",
        "U /tool",
        "mode 0644 -> 4755, runs as its owner or group now",
        "Configuration",
        "M /etc/app.conf  (INI)",
        "... and 28 more",
        "Data",
        "1 added, 0 removed, 1 changed",
    ];
    let places: Vec<usize> = order.iter().map(|text| at(text)).collect();
    assert!(places.is_sorted(), "{places:?}: {out}");
    assert!(!out.contains("hunter") && !out.contains("calm"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert_eq!(out.matches("  ~ key").count(), 12, "{out}");
    assert_eq!(sandbox.ok(&["watch-diff", "--lines", "0"]).out.matches("  ~ key").count(), 0);
}

#[test]
fn nothing_is_printed_when_nothing_changed() {
    let sandbox = watched();
    for arguments in [&["watch-diff", "-H", "calm", "--exit-code"][..], &["watch-diff", "-H", "nobody", "--exit-code"]]
    {
        let run = sandbox.ok(arguments);
        assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""), "{arguments:?}");
    }
    assert_eq!(sandbox.run(&["watch-diff", "--exit-code"]).code, 1);
    assert_eq!(sandbox.run(&["watch-diff", "--since", "soon"]).code, 2);
}

#[test]
fn programs_get_the_same() {
    let sandbox = watched();
    let objects = sandbox.json(0, &["watch-diff"]);
    let job = &objects[0];
    assert_eq!((&job["host"], &job["data_added"], &job["data_changed"]), (&"web1".into(), &1.into(), &1.into()));
    let passwd = objects.iter().find(|object| object["path"] == "/etc/passwd").unwrap();
    assert_eq!((&passwd["importance"], &passwd["change"]), (&"security".into(), &"M".into()));
    let app = objects.iter().find(|object| object["path"] == "/etc/app.conf").unwrap();
    assert_eq!((&app["importance"], app["changes"].as_array().unwrap().len()), (&"configuration".into(), 12));
    assert_eq!(app["more"], 28);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((&summary["jobs"], &summary["changed"], &summary["missing"]), (&2.into(), &1.into(), &0.into()));
}

/// A certificate with this time of expiry; nobody asks whether its signature fits.
fn ends_at(unix_seconds: i64) -> Vec<u8> {
    let mut certificate = include_bytes!("watch/web.der").to_vec();
    let at = certificate.windows(13).rposition(|window| window == OLD_END).unwrap();
    let end = jiff::Timestamp::from_second(unix_seconds).unwrap().strftime("%y%m%d%H%M%SZ").to_string();
    certificate[at..at + 13].copy_from_slice(end.as_bytes());
    certificate
}

fn started(sandbox: &Sandbox) -> i64 {
    let newest = sandbox.json(0, &["snapshots"]).into_iter().filter_map(|object| {
        let started = object["started"].as_str()?.parse::<jiff::Timestamp>().unwrap();
        Some(started.as_second())
    });
    newest.max().unwrap()
}

#[test]
fn a_certificate_is_told_of_in_the_night_in_which_it_passes_a_mark_changed_or_not() {
    const DAY: i64 = 86_400;
    let sandbox = Sandbox::new();
    let write = |name: &str, end| fs::write(sandbox.path(&format!("src/{name}")), ends_at(end)).unwrap();
    // The moment in which all marks are passed must lie behind the start of the first backup, however slow the machine is.
    let moment = [2, 15, 90].into_iter().find_map(|delay| {
        let moment = jiff::Timestamp::now().as_second() + delay;
        write("soon.der", moment + 31 * DAY);
        write("week.der", moment + 8 * DAY);
        write("over.crt", moment);
        write("later.der", moment + 60 * DAY);
        sandbox.ok(&["backup", ".", "--force"]);
        (started(&sandbox) < moment).then_some(moment)
    });
    let moment = moment.expect("a backup does not take 90 seconds to start");
    while jiff::Timestamp::now().as_second() <= moment {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    fs::write(sandbox.path("src/sub/c.o"), "data").unwrap();
    sandbox.ok(&["backup", "."]);
    let out = sandbox.ok(&["watch-diff"]).out;
    assert!(out.contains("3 keys, users, rights; 0 configuration; 1 data"), "{out}");
    for (name, days) in
        [("soon.der", "30 days left"), ("week.der", "7 days left"), ("over.crt", "expired less than a day ago")]
    {
        let told = format!("  ! /{name}  (certificate)\n      certificate CN=web.example.net: {days}\n");
        assert!(out.contains(&told), "{told}: {out}");
    }
    assert!(!out.contains("later.der"), "{out}");
    let objects = sandbox.json(0, &["watch-diff"]);
    let told = objects.iter().filter(|object| object["change"] == "!" && object["importance"] == "security");
    assert_eq!(told.count(), 3, "{objects:?}");
    let other = sandbox.ok(&["watch-diff", "--expiring", "0"]).out;
    assert!(!other.contains("days left") && other.contains("1 data"), "{other}");
    sandbox.ok(&["backup", "."]);
    assert_eq!(sandbox.ok(&["watch-diff", "--exit-code"]).out, "", "not every night");
}
