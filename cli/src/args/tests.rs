// SPDX-License-Identifier: MIT OR Apache-2.0
use clap::{CommandFactory, Parser};

use super::{Cli, Command};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("keepfast").chain(line.split_whitespace()))
}

#[test]
fn the_definitions_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_has_the_name_that_it_has_in_json() {
    let lines = [
        "init",
        "backup .",
        "snapshots",
        "ls latest",
        "restore latest -t x",
        "dump latest:a",
        "mount x",
        "import x.tar --as-tree",
        "export latest x.tar",
        "diff a b",
        "watch-diff",
        "history a -P",
        "blame a",
        "find a --size -1K",
        "show latest:a",
        "check",
        "prune --max-unused 0",
        "stats",
        "tag --add x latest",
        "forget latest",
        "undelete",
        "sessions",
        "unlock",
        "copy --to x",
        "key list",
        "repository probe",
        "profile list",
        "recover x --dry-run",
        "drill x",
        "status",
        "schedule x",
        "cat config",
        "version",
        "quickstart .",
    ];
    let verbs: Vec<_> = Cli::command().get_subcommands().map(|verb| verb.get_name().to_string()).collect();
    let named: Vec<_> = lines.iter().map(|line| parse(line).unwrap().command.name().to_string()).collect();
    assert_eq!(named, verbs);
}

#[test]
fn a_heading_of_the_help_stands_only_above_what_belongs_to_it() {
    let command = Cli::command();
    let heading = |verb: &str, option: &str| {
        let arguments = command.find_subcommand(verb).unwrap().get_arguments();
        let mut found = arguments.filter(|argument| argument.get_id() == option);
        found.next().unwrap_or_else(|| panic!("{verb} has no {option}")).get_help_heading()
    };
    for option in ["tag", "host", "description", "parent", "force", "skip_if_unchanged", "dry_run", "no_delta"] {
        assert_eq!(heading("backup", option), None, "backup {option}");
    }
    for option in ["redact", "redact_keep", "omit"] {
        assert_eq!(heading("export", option), None, "export {option}");
    }
    assert_eq!(heading("backup", "also"), Some("Further repositories, from one reading of the files"));
    assert_eq!(heading("export", "profile"), Some("An archive of a system's vendor"));
}

#[test]
fn global_options_may_stand_before_and_behind_the_verb() {
    assert!(parse("--json -r x snapshots").unwrap().global.json);
    let cli = parse("snapshots -r x --json --threads 3").unwrap();
    assert_eq!((cli.global.json, cli.global.threads), (true, Some(3)));
}

#[test]
fn restore_needs_a_target() {
    assert_eq!(parse("restore latest").unwrap_err().exit_code(), 2);
}

#[test]
fn backup_needs_something_to_save() {
    assert_eq!(parse("backup").unwrap_err().exit_code(), 2);
    for line in ["backup --stdin", "backup --command a=true", "backup --files-from -", "backup --files-from-raw x"] {
        assert!(matches!(parse(line).unwrap().command, Command::Backup(_)), "{line}");
    }
}

#[test]
fn limits_of_traffic_are_numbers_above_zero() {
    let cli = parse("--limit-upload 512 snapshots --limit-download 1024 --connections 3 --retries 0").unwrap();
    let limits = [cli.global.limit_upload, cli.global.limit_download].map(|limit| limit.map(u32::from));
    assert_eq!(limits, [Some(512), Some(1024)]);
    assert_eq!((cli.global.connections, cli.global.retries), (3, 0));
    for line in ["--limit-upload 0 snapshots", "--connections 0 snapshots", "--limit-download 1M snapshots"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn quiet_and_verbose_exclude_each_other() {
    assert!(parse("-q -v version").is_err());
}
