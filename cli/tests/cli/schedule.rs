// SPDX-License-Identifier: MIT OR Apache-2.0
//! `schedule`: units that systemd takes, and that nobody else's are replaced by.

use std::fs;
use std::process::Command;

use crate::sandbox::Run;
use crate::shop::{SECRET, Shop};

#[test]
fn units_are_printed_and_nothing_is_written_unless_a_folder_is_named() {
    let shop = Shop::new();
    let out = shop.ok(&["schedule", "shop", "--backup", "daily 03:00", "--drill", "weekly Sun 05:00"]).out;
    for words in [
        "# keepfast-backup-shop.timer",
        "OnCalendar=*-*-* 03:00:00",
        "OnCalendar=Sun *-*-* 05:00:00",
        "backup --profile shop --quiet",
        "drill shop --quiet",
        "0 5 * * 0  root",
        "--key-file",
        "nothing was written",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(!out.contains(SECRET));
    let only = shop.ok(&["schedule", "shop", "--drill", "monthly 1 05:00"]).out;
    assert!(only.contains("*-*-01 05:00:00") && !only.contains("backup-shop"), "{only}");
    let run = shop.run(&["schedule", "shop", "--backup", "sometimes"]);
    assert!(run.code == 2 && run.err.contains("daily 03:00"), "{run:?}");
}

/// The words of a line of a unit.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    let words = quoted.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_string).collect(),
        _ => vec![part.to_string()],
    });
    words.collect()
}

#[test]
fn a_service_without_a_home_finds_state_and_profiles_of_whoever_scheduled_it() {
    let shop = Shop::new();
    // The user's own folder, found by HOME alone.
    fs::create_dir_all(shop.path("home/.config/keepfast")).unwrap();
    fs::rename(shop.path("profiles"), shop.path("home/.config/keepfast/profiles")).unwrap();
    let mut schedule = shop.command(&["schedule", "shop", "--drill", "daily 03:00", "--json"]);
    schedule.env_remove("KEEPFAST_PROFILES").env_remove("KEEPFAST_STATE_DIR").env_remove("KEEPFAST_CACHE_DIR");
    let run = Run::from(schedule.output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    let summary: serde_json::Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
    let (unit, cron) = (&summary["summary"]["units"][0]["text"], &summary["summary"]["cron"][0]);
    let of = |key: &str| unit.as_str().unwrap().lines().filter_map(|line| line.strip_prefix(key)).map(words).collect();
    let (program, environment): (Vec<Vec<String>>, Vec<Vec<String>>) = (of("ExecStart="), of("Environment="));
    shop.backup(&[]);
    let mut service = Command::new(&program[0][0]);
    service.args(&program[0][1..]).env_clear().env("PATH", std::env::var("PATH").unwrap());
    service.envs(environment.iter().flatten().map(|word| word.split_once('=').unwrap()));
    let mut job = Command::new("sh");
    job.args(["-c", cron.as_str().unwrap().split_once("root  ").unwrap().1]);
    job.env_clear().env("PATH", std::env::var("PATH").unwrap());
    for mut command in [service, job] {
        let run = Run::from(command.current_dir("/").output().unwrap());
        assert_eq!(run.code, 0, "{run:?}");
    }
    let drills = fs::read_dir(shop.path("home/.local/state/keepfast/drills")).unwrap();
    assert_eq!(
        drills.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json")).count(),
        2
    );
}

#[test]
fn units_are_written_listed_and_removed_and_systemd_understands_them() {
    let shop = Shop::new();
    let units = shop.text("units");
    fs::create_dir(&units).unwrap();
    let write = ["schedule", "shop", "--directory", &units];
    let run = shop.ok(&write);
    assert!(run.out.contains("systemctl enable --now keepfast-backup-shop.timer keepfast-drill-shop.timer"), "{run:?}");
    let listed = shop.ok(&["schedule", "list", "--directory", &units]).out;
    assert!(listed.contains("2 schedules") && listed.contains("keepfast-drill-shop.timer"), "{listed}");
    let run = shop.run(&write);
    assert!(run.code == 1 && run.err.contains("--force"), "{run:?}");
    shop.ok(&[&write[..], &["--force"]].concat());
    let files: Vec<_> = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4);
    match Command::new("systemd-analyze").arg("verify").args(&files).output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let ours: Vec<&str> = told.lines().filter(|line| line.contains("keepfast-")).collect();
            assert_eq!(ours, Vec::<&str>::new(), "{told}");
        }
        Err(error) => println!("skipped: there is no systemd-analyze: {error}"),
    }
    fs::write(shop.path("units/keepfast-drill-shop.timer"), "[Unit]\nDescription=somebody else's\n").unwrap();
    let run = shop.run(&[&write[..], &["--force"]].concat());
    assert!(run.code == 1 && run.err.contains("is there already"), "{run:?}");
    shop.ok(&["schedule", "remove", "shop", "--directory", &units]);
    let left: Vec<_> = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["keepfast-drill-shop.timer"], "somebody else's stays");
    let run = shop.run(&["schedule", "remove", "shop", "--directory", &units]);
    assert!(run.code == 1 && run.err.contains("there is no schedule of shop"), "{run:?}");
}
