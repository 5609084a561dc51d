// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the program ends: the one table from what went wrong to exit code and hint.
//!
//! The codes are restic's, which scripts know. A code is a promise: it changes its meaning in no version.

use std::io;
use std::process::ExitCode;

use keepfast_engine::Error as EngineError;
use keepfast_engine::archive::Fault;
use keepfast_engine::format::layout;
use keepfast_engine::mount::MountError;
use keepfast_engine::profile::ProfileError;
use keepfast_engine::prune::PruneError;
use keepfast_engine::redact::Fault as RedactFault;
use keepfast_engine::runbook::RunbookError;
use keepfast_engine::storage::{ErrorKind, StorageError};

use crate::args::GlobalArgs;
use crate::context::Context;
use crate::options::repository;
use crate::render::text;

/// Could not be done.
pub const FAILURE: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// Done, but something is missing or doubtful.
pub const INCOMPLETE: u8 = 3;
/// There is no repository.
pub const NO_REPOSITORY: u8 = 10;
/// Somebody else closed the session.
pub const SESSION_CLOSED: u8 = 11;
/// Wrong password or key.
pub const WRONG_KEY: u8 = 12;
/// The user asked to stop.
pub const CANCELLED: u8 = 130;
/// Nobody reads standard output any more; what a program killed by SIGPIPE ends with.
pub const BROKEN_PIPE: u8 = 141;

/// How a command ended that did what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything.
    Complete,
    /// Not everything; the problems have been told.
    Incomplete,
    /// Everything, and the answer to what was asked is no.
    Differs,
}

impl Done {
    /// Complete if there are no problems.
    pub fn from_problems(count: usize) -> Self {
        if count == 0 { Self::Complete } else { Self::Incomplete }
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The engine's reason.
    Engine(EngineError),
    /// What was typed makes no sense.
    Usage(String),
    /// Another reason, with what might help.
    Other {
        /// What happened.
        message: String,
        /// What might help; empty if nothing comes to mind.
        hint: String,
    },
    /// A profile can not be used.
    Profile(ProfileError),
    /// A runbook can not begin, or its journal not be used.
    Runbook(RunbookError),
    /// A runbook stopped on its way; what state things are in has been told.
    Stopped {
        /// Where and why.
        message: String,
        /// What to run next.
        hint: String,
        /// Whether the user wanted it to.
        is_cancelled: bool,
    },
    /// Standard output could not be written.
    Output(io::Error),
}

impl<E: Into<EngineError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl Failure {
    /// A reason without a hint.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), hint: String::new() }
    }

    /// Exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Stopped { is_cancelled: true, .. } => CANCELLED,
            Self::Other { .. } | Self::Profile(_) | Self::Runbook(_) | Self::Stopped { .. } => FAILURE,
            Self::Engine(EngineError::Output(error)) | Self::Output(error) => match error.kind() {
                io::ErrorKind::BrokenPipe => BROKEN_PIPE,
                _ => FAILURE,
            },
            Self::Engine(error) => match error {
                EngineError::NoRepository { .. }
                | EngineError::NoPlace { .. }
                | EngineError::NotARepository { .. }
                | EngineError::NotEmpty { .. } => NO_REPOSITORY,
                EngineError::SessionVoid { .. } => SESSION_CLOSED,
                EngineError::WrongKey { .. } | EngineError::OtherRepository { .. } => WRONG_KEY,
                EngineError::Cancelled | EngineError::Storage(StorageError { kind: ErrorKind::Cancelled, .. }) => {
                    CANCELLED
                }
                _ => FAILURE,
            },
        }
    }

    /// What happened, with its causes, on one line.
    pub fn message(&self) -> String {
        match self {
            Self::Engine(error) => text::error(error),
            Self::Usage(message) | Self::Other { message, .. } | Self::Stopped { message, .. } => message.clone(),
            Self::Profile(error) | Self::Runbook(RunbookError::Profile(error)) => error.to_string(),
            Self::Runbook(error) => text::error(error),
            Self::Output(error) => format!("can not write the output: {error}"),
        }
    }

    /// What might help; empty if nothing comes to mind.
    pub fn hint(&self) -> &str {
        match self {
            Self::Other { hint, .. } | Self::Stopped { hint, .. } => hint,
            Self::Profile(error) | Self::Runbook(RunbookError::Profile(error)) => profile_hint(error),
            Self::Runbook(error) => runbook_hint(error),
            Self::Usage(_) => "`keepfast help` lists commands and options",
            Self::Output(_) => "",
            Self::Engine(error) => engine_hint(error),
        }
    }
}

fn engine_hint(error: &EngineError) -> &'static str {
    match error {
        EngineError::NoRepository { .. } => "`keepfast init` creates a repository",
        EngineError::NoPlace { .. } => {
            "check the name; a bucket is made with the tools of its service, and then `keepfast init` makes a repository in it"
        }
        EngineError::NotARepository { .. } => "is this the folder that `keepfast init` was given?",
        EngineError::InitUnknown { .. } => {
            "`keepfast snapshots` shows whether it opens; a new key file was kept, and is of no use if it does not"
        }
        EngineError::NotEmpty { .. } => "`keepfast init` takes a new or empty folder, such as one below it",
        EngineError::RepositoryExists { .. } => "it can be used as it is; `keepfast snapshots` shows what is in it",
        EngineError::WrongKey { slots: 0, .. } => {
            "the repository has no key of this sort: try a password or a key file instead"
        }
        EngineError::WrongKey { .. } => "check which password or key file belongs to this repository",
        EngineError::OtherRepository { .. } => {
            "use the key file of this repository, or the repository of this key file"
        }
        EngineError::NoSnapshots { .. } => "`keepfast backup PATH` makes one; is this the right repository?",
        EngineError::NoSnapshot { .. } | EngineError::ShortId { .. } | EngineError::Ambiguous { .. } => {
            "`keepfast snapshots` lists the snapshots with their ids"
        }
        EngineError::OneWriter { .. } => {
            "wait until it has ended; if it has died, the next backup of its machine removes its record"
        }
        EngineError::UnfitStorage { .. } | EngineError::NoOnlinePrune { .. } => {
            "`keepfast repository probe` looks again, for example after a change of the storage"
        }
        EngineError::NoPath { .. } => "`keepfast ls SNAPSHOT` lists the paths in a snapshot",
        EngineError::Object { object, .. } | EngineError::Unsupported { object, .. }
            if object.starts_with(layout::CONDEMNED_FOLDER) =>
        {
            "nothing is saved or deleted beside it, because nobody knows what it condemns. Make sure that no prune is running on any machine, then delete that object by hand: the next prune chooses anew"
        }
        EngineError::Object { .. }
        | EngineError::ObjectHash { .. }
        | EngineError::MissingChunk { .. }
        | EngineError::Node { .. } => "`keepfast check --read-data` lists everything that is damaged",
        EngineError::KeepsNothing { .. } => {
            "`--dry-run` shows them; a rule such as --keep-last 1 keeps the newest of each group, and who wants none names them"
        }
        EngineError::LostIndex { .. } => {
            "everything that is there can be restored; `keepfast prune --ignore-damage` writes the index anew from the packs"
        }
        EngineError::Content { source, .. } => engine_hint(source),
        EngineError::Archive(error) => match error.fault {
            Fault::OtherFormat { .. } => "without --as-tree any file is imported as it is",
            Fault::NoEndMark => "--ignore-zeros takes an archive without its end; nothing of this run is visible",
            _ => "nothing of this run is visible; without --as-tree the file is imported as it is",
        },
        EngineError::SessionVoid { .. } => "run the command again; nothing of this run is visible in the repository",
        EngineError::Unsupported { .. } => "use the version of keepfast that wrote it, or a later one",
        EngineError::Prune(PruneError::Full { .. }) => {
            "run prune again when there is space; with `--max-unused unlimited` it needs hardly any, and `keepfast repository reserve` sets some aside for the next time"
        }
        EngineError::Prune(PruneError::SelfCheck) => "test this machine's memory; nothing was deleted in this round",
        EngineError::Prune(_) => {
            "`keepfast check` names everything that is damaged; what leads nowhere any more goes with `--ignore-damage`"
        }
        EngineError::Mount(MountError::NoDevice) => "`modprobe fuse` loads it; a container must be given the device",
        EngineError::Mount(MountError::Denied) => "root decides who may; in a container, who started it",
        EngineError::Mount(MountError::NoHelper) => "it comes with the package fuse3",
        EngineError::Mount(MountError::NoName) => "an entry in /etc/passwd gives it one",
        EngineError::Mount(MountError::NoOthers) => "root can set it, or mount",
        EngineError::Redact(RedactFault::Unsafe { .. }) => {
            "`--redact-keep` with its path takes it as it is; look into it before"
        }
        EngineError::Redact(RedactFault::Missing(_)) => {
            "parts of a file are named as by `keepfast diff --patch`, files of a folder by a glob"
        }
        EngineError::Index(_) => "--no-cache does without the local index; the index can be deleted at any time",
        EngineError::SelfCheck { .. } => "test this machine's memory; nothing of this run is visible in the repository",
        EngineError::Storage(StorageError { kind: ErrorKind::Full, .. }) => {
            "nothing of this run is visible; free some space and run it again"
        }
        EngineError::Storage(StorageError { kind: ErrorKind::Lost, .. }) => {
            "run it again: a backup uses what this one has uploaded, a restore keeps what it has written"
        }
        EngineError::Storage(error) if error.source.to_string().contains("RequestTimeTooSkewed") => {
            "set the clock of this machine: the service refuses requests that are minutes off"
        }
        EngineError::Storage(StorageError { kind: ErrorKind::Denied, .. }) => {
            "check who owns the repository's files, or what the credentials for the storage allow"
        }
        _ => "",
    }
}

fn profile_hint(error: &ProfileError) -> &'static str {
    match error {
        ProfileError::Unknown { .. } => {
            "`keepfast profile list` shows where each comes from; --profiles names another folder"
        }
        ProfileError::Invalid { .. } | ProfileError::Template { .. } => {
            "`keepfast profile check` finds everything that is wrong"
        }
        ProfileError::NoValue { .. } => "--var NAME=VALUE gives it for once, the profile for good",
        ProfileError::NoRunbook { .. } => "`keepfast profile show` tells what each is for; --runbook names one",
        ProfileError::Hosts { .. } | ProfileError::NoRole { .. } => {
            "`keepfast profile edit` opens your file, where its hosts stand"
        }
        _ => "",
    }
}

fn runbook_hint(error: &RunbookError) -> &'static str {
    match error {
        RunbookError::NotInSnapshot { .. } => {
            "name another snapshot, or give another value to the variable on which it depends; nothing has been done"
        }
        RunbookError::NothingToStop { .. } => {
            "give the hosts on which it is that role in the profile; without it the backup would not be of one moment"
        }
        RunbookError::Busy { .. } => "wait until it has ended",
        _ => "",
    }
}

/// Ends the program: flushes what was printed, tells what went wrong.
pub fn report(context: &Context, result: Result<Done, Failure>) -> ExitCode {
    let result = result.and_then(|done| context.output.finish().map_err(Failure::Output).map(|()| done));
    let failure = match result {
        Ok(Done::Complete) if !context.output.lacks_something() => return ExitCode::SUCCESS,
        Ok(Done::Complete) => return ExitCode::from(INCOMPLETE),
        Ok(Done::Incomplete) => return ExitCode::from(INCOMPLETE),
        Ok(Done::Differs) => return ExitCode::from(FAILURE),
        Err(failure) => failure,
    };
    let code = failure.code();
    if code != BROKEN_PIPE {
        context.output.failure(code, &failure.message(), &hint_here(&context.global, &failure));
    }
    ExitCode::from(code)
}

/// What might help, with what only the command line knows: an error of the database does not tell where that is.
fn hint_here(global: &GlobalArgs, failure: &Failure) -> String {
    let hint = failure.hint();
    match (failure, repository::scratch_folder(global)) {
        (Failure::Engine(EngineError::Index(_)), Ok(cache)) if !global.no_cache => {
            format!("the local index is in {}; {hint}", cache.display())
        }
        _ => hint.to_string(),
    }
}

/// Ends the program on a command line that can not be understood, or after its help was printed.
pub fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let text = error.to_string();
        crate::render::json::print_failure(USAGE, text.trim_start_matches("error: ").trim_end(), "");
    } else {
        // Whoever closed the stream does not want to read it.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

#[cfg(test)]
mod tests {
    use super::{Failure, engine_hint};
    use keepfast_engine::Error;

    #[test]
    fn every_reason_has_the_code_that_scripts_know() {
        let location = || "/r".to_string();
        let slot = || ("w".to_string(), 3);
        let table: Vec<(Failure, u8)> = vec![
            (Error::NoRepository { location: location() }.into(), 10),
            (Error::NotARepository { location: location(), why: "x".into() }.into(), 10),
            (Error::SessionVoid { writer: slot().0, sequence: slot().1 }.into(), 11),
            (Error::WrongKey { location: location(), slots: 1 }.into(), 12),
            (Error::Cancelled.into(), 130),
            (Error::Invalid("x".into()).into(), 1),
            (Error::NoSnapshot { selector: "x".into() }.into(), 1),
            (Failure::Usage("x".into()), 2),
            (Failure::other("x"), 1),
            (Failure::Output(std::io::ErrorKind::BrokenPipe.into()), 141),
            (Error::Output(std::io::ErrorKind::BrokenPipe.into()).into(), 141),
            (Failure::Output(std::io::ErrorKind::StorageFull.into()), 1),
        ];
        for (failure, code) in table {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }

    #[test]
    fn a_missing_repository_is_answered_with_how_to_make_one() {
        assert!(engine_hint(&Error::NoRepository { location: "/r".into() }).contains("init"));
    }
}
