// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may go wrong with a restore of the manager server: errors of psql, dumps, certificates, calls that fail, keepfast that is killed.

use std::fs;

use keepfast_engine::profile::Library;

use super::super::claims::{needs_in_snapshot, stops_where_a_person_says_no, survives_everything};
use super::{AGENTS, DUMP, EVERYTHING, GUI, PSQL, RESTORE, write};
use crate::support::standin::{Fault, Recorder, is_child};

#[test]
fn any_error_of_psql_but_the_two_that_the_document_names_ends_the_restore() {
    for line in [
        "ERROR:  relation \"hosts\" already exists",
        "ERROR:  role \"chroma\" already exists",
        "ERROR:  database \"chroma\" is being accessed by other users",
        "psql:<stdin>:12: ERROR:  syntax error at or near \"x\"",
        "FATAL:  terminating connection due to administrator command",
        "\\connect: FATAL:  database \"chroma\" does not exist",
        "psql: error: connection to server failed",
        "psql: could not connect to server",
        "invalid command \\N",
        "server closed the connection unexpectedly",
        "gzip: stdin: unexpected end of file",
    ] {
        let world = RESTORE.ready();
        world.host("manager").remember("breaks", line);
        let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!(stopped.step, "database", "{line}: {stopped}");
        assert!(stopped.to_string().contains(&format!("{line:?}")), "{line}: {stopped}");
        assert!(world.calls().of(&["service"]).iter().all(|call| !call.ends_with(" start")), "{line}");
    }
    let profile = Library::default().find("iml").unwrap();
    let step = profile.runbooks["restore"].steps.iter().find(|step| step.id == "database").unwrap();
    assert_eq!(step.ignore.len(), 2);
}

#[test]
fn nothing_is_erased_by_a_dump_that_is_cut_off_or_was_made_without_clean() {
    let cases = [
        (DUMP.replace("cluster dump complete", "cluster"), "the dump is cut off: it has no end"),
        (DUMP.replace("DROP", "-- DROP"), "the dump was made without --clean"),
    ];
    for (dump, says) in cases {
        let world = RESTORE.ready();
        write(&world.folder().join("snapshot"), "pgbackup.sql", &dump);
        let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
        assert!(world.calls().acts().is_empty());
    }
    needs_in_snapshot(&RESTORE, "pgbackup.sql");
    stops_where_a_person_says_no(&RESTORE, "stop-rabbitmq", &[]);
}

#[test]
fn certificates_wait_for_the_installer_and_have_to_belong_together() {
    let world = RESTORE.ready();
    fs::remove_file(world.host("manager").path("var/lib/chroma/manager.crt")).unwrap();
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the installation program has not ended on manager"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    let world = RESTORE.ready();
    write(&world.folder().join("snapshot"), "var/lib/chroma/manager.crt", "certificate of another\n");
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("do not belong together"), "{stopped}");
}

#[test]
fn a_restore_waits_for_postgresql_and_does_not_begin_while_the_web_server_runs() {
    let world = RESTORE.ready();
    world.host("manager").service("postgresql", "stopped");
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("PostgreSQL does not answer on manager"), "{stopped}");
    world.host("manager").service("postgresql", "running");
    RESTORE.resume(&world, &Recorder::agrees()).unwrap();
    // Somebody starts the web server again, between the steps.
    let world = RESTORE.ready();
    RESTORE.run(&world, &Recorder::refuses_at("database")).unwrap_err();
    world.host("manager").service("httpd", "running");
    let stopped = RESTORE.resume(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("it holds the database open"), "{stopped}");
    world.host("manager").service("httpd", "stopped");
    RESTORE.resume(&world, &Recorder::agrees()).unwrap();
}

#[test]
fn tables_with_other_rows_than_the_backup_end_the_restore() {
    let world = RESTORE.ready();
    world
        .host("manager")
        .command("psql", &PSQL.replace("cat \"$world/input.$$\" > ", "grep -v oss \"$world/input.$$\" > "));
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "rows");
    assert!(stopped.to_string().contains("public.hosts: other rows"), "{stopped}");
}

#[test]
fn every_runbook_of_the_manager_is_resumed_and_undone_from_every_call() {
    for rehearsal in [&RESTORE, &EVERYTHING, &GUI, &AGENTS] {
        survives_everything(rehearsal);
        assert!(rehearsal.undoes_wholly(), "{}", rehearsal.runbook);
    }
}

#[test]
fn a_restore_of_a_manager_survives_being_killed() {
    if is_child() {
        return RESTORE.run_as_child();
    }
    let name = concat!(module_path!(), "::a_restore_of_a_manager_survives_being_killed");
    RESTORE.resumes_after_a_kill_at_every_call(Fault::Die, name);
    RESTORE.resumes_after_a_kill_at_every_call(Fault::DieAfter, name);
}
