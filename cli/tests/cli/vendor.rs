// SPDX-License-Identifier: MIT OR Apache-2.0
//! `import --profile` and `export --profile`: archives of a system's own vendor, in and out again.

mod built_in;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::sandbox::{Run, Sandbox};

/// A system whose vendor makes an archive of files, an archive that stays one, and a dump.
const APP: &str = include_str!("vendor/app.toml");

struct Vendor(Sandbox);

impl Vendor {
    fn new() -> Self {
        let vendor = Self(Sandbox::new());
        fs::create_dir_all(vendor.0.path("profiles")).unwrap();
        fs::create_dir_all(vendor.0.path("out")).unwrap();
        vendor.profile("app", APP);
        for (path, text) in [
            ("etc/app/key", "key"),
            ("etc/app/rules/one", "1"),
            ("srv/custom/state", "state"),
            ("app-backup/root.tar", "all"),
            ("app-backup/metadata.json", r#"{"Version":"1.25.6","Machine":"0"}"#),
        ] {
            let path = vendor.0.path("system").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        vendor
    }

    fn profile(&self, name: &str, text: &str) {
        fs::write(self.0.path(&format!("profiles/{name}.toml")), text).unwrap();
    }

    /// An archive of the system, made as the vendor does; root's own, whoever runs the tests.
    fn tar(&self, name: &str, paths: &[&str]) -> String {
        let file = self.0.text(name);
        let mut command = Command::new("tar");
        command.args(["-C", &self.0.text("system"), "--owner=app:4242", "--group=app:4243", "-czf", &file]).args(paths);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        file
    }

    /// A file that was last changed on 2026-11-01 at 03:00:07.
    fn dated(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path(name);
        fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_502_007);
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        path.to_str().unwrap().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.0.command(arguments);
        Run::from(command.env("KEEPFAST_PROFILES", self.0.path("profiles")).output().unwrap())
    }

    fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run
    }

    /// The summary.
    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.ok(&[arguments, &["--json"]].concat());
        let last: Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
        last["summary"].clone()
    }

    /// Nothing is written by what fails; what is said.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.0.objects();
        let run = self.run(arguments);
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(self.0.objects(), before, "{run:?}");
        assert_eq!(fs::read_dir(self.0.path("out")).unwrap().count(), 0, "{run:?}");
        run.err
    }

    fn out(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path("out").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// Members with types, modes, owners, sizes, times and names. Whether the name of a folder ends with a slash says nothing.
fn members(archive: &Path) -> Vec<String> {
    let mut command = Command::new("tar");
    let output = command.args(["--numeric-owner", "--full-time", "-tvzf"]).arg(archive).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut lines: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end_matches('/').to_string()).collect();
    lines.sort();
    lines
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("gzip")
        .arg("-n")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn gunzip(bytes: &[u8], sandbox: &Sandbox) -> Vec<u8> {
    let file = sandbox.path("gunzip.gz");
    fs::write(&file, bytes).unwrap();
    Command::new("zcat").arg(file).output().unwrap().stdout
}

#[test]
fn an_archive_of_files_is_found_by_recover_and_exported_with_the_same_members() {
    let vendor = Vendor::new();
    let archive = vendor.tar("app-db-1-2026-10-31.tar.gz", &["etc/app/key", "etc/app/rules", "srv/custom"]);
    let run = vendor.ok(&["import", &archive, "--profile", "app"]);
    assert!(run.out.contains("archive  app: What the handbook's tar line makes"), "{run:?}");
    assert!(run.out.contains("made     2026-10-31 00:00 on db-1\n"), "{run:?}");
    let snapshot = &vendor.0.json(0, &["snapshots"])[0];
    assert_eq!(snapshot["host"], "db-1");
    assert_eq!(
        snapshot["tags"],
        json!(["made:2026-10-31T00:00:00Z", "profile:app", "set:20261031-000000", "vendor:tarball"])
    );
    assert_eq!(snapshot["description"], "app-db-1-2026-10-31.tar.gz of 2026-10-31 00:00");
    let plan = vendor.ok(&["recover", "app", "--dry-run"]);
    assert!(plan.out.contains("etc/app"), "{plan:?}");
    vendor.ok(&["export", "latest", "--profile", "app", &vendor.0.text("out")]);
    assert_eq!(members(&vendor.0.path("out/app-db-1-2026-10-31.tar.gz")), members(Path::new(&archive)));
}

#[test]
fn an_archive_that_stays_one_shows_what_describes_it_and_comes_back_byte_for_byte() {
    let vendor = Vendor::new();
    vendor.profile(
        "app2",
        "inherits = \"app\"\n[[vendor]]\nid = \"whole\"\n[vendor.export]\nname = \"app-backup-{{time}}.tgz\"\n",
    );
    let archive = vendor.tar("app-backup-20261101-0300.tgz", &["app-backup"]);
    let run = vendor.ok(&["import", &archive, "--profile", "app2", "--host", "node1"]);
    assert!(run.out.contains("says     app-backup/metadata.json") && run.out.contains("1.25.6"), "{run:?}");
    assert!(run.out.contains("made     2026-11-01 03:00 on node1"), "{run:?}");
    assert!(vendor.0.ls("latest").contains(&"/backups/app.tgz".to_string()));
    let quiet = vendor.ok(&["import", &archive, "--profile", "app2", "--quiet"]);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    let summary = vendor.json(&["import", &archive, "--profile", "app2", "--dry-run"]);
    assert_eq!(summary["vendor"]["metadata"], json!({"Version": "1.25.6", "Machine": "0"}));
    assert_eq!((&summary["vendor"]["made_by"], &summary["snapshot"]), (&json!("name"), &Value::Null));
    let summary = vendor.json(&["export", "latest", "--profile", "app2", "--vendor", "whole", &vendor.0.text("out")]);
    assert_eq!(summary["vendor"], json!({"profile": "app2", "id": "whole"}));
    assert_eq!(vendor.out("app-backup-20261101-0300.tgz"), fs::read(&archive).unwrap());
}

#[test]
fn a_dump_is_as_old_as_its_file_where_its_name_does_not_tell_and_is_loaded_by_the_runbook() {
    let vendor = Vendor::new();
    let text = [&b"-- all of it\n"[..], &vec![b'x'; 100_000]].concat();
    let bytes = gzip(&text);
    let dump = vendor.dated("dump-nightly.sql.gz", &bytes);
    let summary = vendor.json(&["import", &dump, "--profile", "app"]);
    assert_eq!(
        (&summary["vendor"]["made"], &summary["vendor"]["made_by"]),
        (&json!("2026-11-01T03:00:07Z"), &json!("file"))
    );
    assert_eq!(summary["vendor"]["set"], "20261101-030007");
    let root = vendor.0.text("restored");
    fs::create_dir_all(&root).unwrap();
    vendor.ok(&["recover", "app", "--runbook", "load", "--yes", "--root", &root]);
    assert_eq!(fs::read(vendor.0.path("restored/loaded")).unwrap(), text);
    vendor.ok(&["export", "latest", "--profile", "app", &vendor.0.text("out")]);
    assert_eq!(vendor.out("dump-nightly.sql.gz"), bytes);
    vendor.ok(&["export", "latest", "--profile", "app", &vendor.0.text("other.gz")]);
    assert_eq!(fs::read(vendor.0.path("other.gz")).unwrap(), bytes);
}

#[test]
fn a_dump_that_was_captured_as_it_is_gets_the_form_that_the_name_promises() {
    let vendor = Vendor::new();
    fs::write(vendor.0.path("src/dump.sql"), "-- all of it\nrows\n").unwrap();
    vendor.0.ok(&["backup", "dump.sql", "--tag", "profile:app,made:2026-11-01T03:00:00Z"]);
    vendor.ok(&["export", "latest", "--profile", "app", "--vendor", "dump", &vendor.0.text("out")]);
    let bytes = vendor.out("dump-20261101-030000.sql.gz");
    assert!(bytes.starts_with(b"\x1f\x8b"));
    assert_eq!(gunzip(&bytes, &vendor.0), b"-- all of it\nrows\n");
}

#[test]
fn an_archive_of_another_system_is_refused_and_nothing_is_written() {
    let vendor = Vendor::new();
    let archive = vendor.tar("app-db-2026-10-31.tar.gz", &["etc/app/rules", "srv"]);
    let said = vendor.refused(&["import", &archive, "--profile", "app"]);
    assert!(said.contains("app-db-2026-10-31.tar.gz is of another system: it has no etc/app/key\n"), "{said}");
    let said = vendor.refused(&["import", &vendor.dated("dump-x.sql.gz", &gzip(b"-- a part\n")), "--profile", "app"]);
    assert!(said.contains("dump-x.sql.gz is of another system: it does not begin as one of app does"), "{said}");
    let said =
        vendor.refused(&["import", &vendor.dated("app-a-2026-01-01.tar.gz", b"PK\x03\x04..."), "--profile", "app"]);
    assert!(said.contains("of another system: this is a zip file, and no tar archive"), "{said}");
}

#[test]
fn a_damaged_archive_is_refused_before_anything_is_written() {
    let vendor = Vendor::new();
    let archive = fs::read(vendor.tar("whole.tgz", &["app-backup"])).unwrap();
    let half = vendor.dated("app-backup-20261101-0300.tgz", &archive[..archive.len() / 2]);
    assert!(vendor.refused(&["import", &half, "--profile", "app"]).contains("cut off"));
    let dump = gzip(&[&b"-- all of it\n"[..], &vec![7; 300_000]].concat());
    let half = vendor.dated("dump-x.sql.gz", &dump[..dump.len() - 4]);
    assert!(vendor.refused(&["import", &half, "--profile", "app"]).contains("cut off"));
}

#[test]
fn a_name_that_is_none_is_answered_with_those_that_are() {
    let vendor = Vendor::new();
    let archive = vendor.tar("backup-19.tgz", &["app-backup"]);
    let said = vendor.refused(&["import", &archive, "--profile", "app"]);
    assert!(said.contains("backup-19.tgz has no name of an archive of app: expected is ^app-(?P<host>"), "{said}");
    assert!(said.contains("hint: `--vendor ID` takes it whatever its name is"), "{said}");
    let said = vendor.refused(&["import", &archive, "--profile", "app", "--vendor", "zip"]);
    assert!(said.contains("no kind of archive \"zip\"") && said.contains("`--vendor whole`"), "{said}");
    let summary =
        vendor.json(&["import", &archive, "--profile", "app", "--vendor", "whole", "--time", "2026-11-01T04:00"]);
    assert_eq!(
        (&summary["vendor"]["made"], &summary["vendor"]["made_by"]),
        (&json!("2026-11-01T04:00:00Z"), &json!("option"))
    );
    vendor.profile("none", "title = \"none\"\n");
    assert!(vendor.refused(&["import", &archive, "--profile", "none"]).contains("describes no archives of its vendor"));
    assert!(vendor.refused(&["import", &archive, "--profile", "nobody"]).contains("there is no profile \"nobody\""));
}

#[test]
fn of_several_kinds_that_fit_one_has_to_be_named() {
    let vendor = Vendor::new();
    vendor.profile(
        "twice",
        "inherits = \"app\"\n[[vendor]]\nid = \"other\"\nname = '^dump-(?P<time>.*)'\nform = \"file\"\npath = \"other\"\n",
    );
    let dump = vendor.dated("dump-x.sql.gz", &gzip(b"-- all of it\n"));
    let said = vendor.refused(&["import", &dump, "--profile", "twice"]);
    assert!(
        said.contains("can be more than one kind of archive: dump, other") && said.contains("--vendor ID"),
        "{said}"
    );
    vendor.ok(&["import", &dump, "--profile", "twice", "--vendor", "other"]);
    assert_eq!(vendor.0.ls("latest"), ["/other"]);
    // What the content excludes needs no name.
    vendor.ok(&["import", &vendor.dated("dump-y.sql.gz", &gzip(b"-- else\n")), "--profile", "twice"]);
}

#[test]
fn an_export_is_refused_when_the_snapshot_lacks_what_the_vendor_needs() {
    let vendor = Vendor::new();
    vendor.0.ok(&["backup", ".", "--tag", "profile:app"]);
    let out = vendor.0.text("out");
    let export = |id: &str| vendor.refused(&["export", "latest", "--profile", "app", "--vendor", id, &out]);
    let said = export("tarball");
    assert!(said.contains("has no etc/app/key and no etc/app/rules") && said.contains("nothing was written"), "{said}");
    assert!(export("dump").contains("has no dump.sql.gz and no dump.sql"));
    assert!(export("whole").contains("does not say how whole is made"));
    let said = vendor.refused(&["export", "latest", "--profile", "app", &out]);
    assert!(said.contains("lacks something for each of tarball, dump"), "{said}");
    fs::write(vendor.0.path("src/dump.sql"), "half\n").unwrap();
    vendor.0.ok(&["backup", ".", "--tag", "profile:app"]);
    let said = export("dump");
    assert!(said.contains("/dump.sql of snapshot") && said.contains("it does not begin as one of app does"), "{said}");
    assert_eq!(vendor.run(&["export", "latest:etc", "--profile", "app", "--vendor", "dump", &out]).code, 2);
    for option in [&["--prefix", "x"][..], &["--compression", "none"], &["--sparse"]] {
        let run = vendor.run(&[&["export", "latest", "--profile", "app", &out], option].concat());
        assert_eq!(run.code, 2, "{option:?}: {run:?}");
    }
}

#[test]
fn of_several_kinds_that_can_be_made_one_has_to_be_named() {
    let vendor = Vendor::new();
    for name in ["etc/app/rules/one", "etc/app/key", "dump.sql"] {
        let path = vendor.0.path("src").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "-- all of it\n").unwrap();
    }
    vendor.0.ok(&["backup", ".", "--tag", "profile:app"]);
    let said = vendor.refused(&["export", "latest", "--profile", "app", &vendor.0.text("out")]);
    assert!(
        said.contains("more than one kind of archive of app: tarball, dump") && said.contains("--vendor ID"),
        "{said}"
    );
}

#[test]
fn an_older_archive_that_is_imported_later_is_not_the_newest_data() {
    let vendor = Vendor::new();
    let paths = ["etc/app/key", "etc/app/rules"];
    let newer = vendor.json(&["import", &vendor.tar("app-a-2026-10-31.tar.gz", &paths), "--profile", "app"]);
    let older = vendor.json(&["import", &vendor.tar("app-a-2026-10-01.tar.gz", &paths), "--profile", "app"]);
    let planned = |arguments: &[&str]| {
        let run = vendor.ok(&[&["recover", "app", "--dry-run", "--json"], arguments].concat());
        let plan = run.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        plan.map(|it| it["data"]["snapshots"].to_string())
            .find(|it| it != "null")
            .unwrap_or_else(|| panic!("{}", run.out))
    };
    let id = |summary: &Value| summary["snapshot"].as_str().unwrap().to_string();
    assert!(planned(&[]).contains(&id(&newer)));
    assert!(planned(&["--at", "2026-10-15"]).contains(&id(&older)));
    // Of two of one set the one that is newer counts, unless the other is named.
    let again = vendor.json(&["import", &vendor.tar("app-a-2026-10-31.tar.gz", &paths), "--profile", "app"]);
    let first = |plan: String| plan.find(&id(&again)) < plan.find(&id(&newer));
    assert!(first(planned(&[])));
    assert!(!first(planned(&[&id(&newer)])));
}

#[test]
fn a_plain_import_says_whose_archive_it_was_and_does_nothing_else() {
    let vendor = Vendor::new();
    for path in ["var/lib/128technology/t128-running.json", "etc/128technology/salt/pki/master/master.pem"] {
        let path = vendor.0.path("system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let archive = vendor.tar("conductor-backup-c1-2026-29-29.tar.gz", &["var", "etc/128technology"]);
    let run = vendor.ok(&["import", &archive]);
    assert!(run.out.contains("is an archive of ssr-conductor (tarball)\n  by name and content"), "{run:?}");
    assert_eq!(vendor.0.ls("latest"), ["/conductor-backup-c1-2026-29-29.tar.gz"]);
    assert_eq!(vendor.0.json(0, &["snapshots"])[0]["tags"], json!([]));
    assert_eq!(vendor.json(&["import", &archive, "--as-tree"])["suggested_profile"], "ssr-conductor");
    // The name alone is not enough.
    let other = vendor.tar("conductor-backup-c2-2026-29-29.tar.gz", &["etc/app"]);
    assert_eq!(vendor.json(&["import", &other])["suggested_profile"], Value::Null);
}

#[test]
fn an_archive_for_the_vendor_is_never_redacted_without_a_word() {
    let vendor = Vendor::new();
    for option in [&["--redact"][..], &["--omit", "a"]] {
        let run = vendor.run(&[&["export", "latest", "--profile", "iml", "out"], option].concat());
        assert!(run.code == 2 && run.err.contains("--redact and --omit go without --profile"), "{run:?}");
    }
}
