// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file per verb: options, engine, render. No verb uses another one's file; what they share is in `options` and `render`.

mod backup;
mod blame;
mod cat;
mod check;
mod copy;
mod diff;
mod drill;
mod dump;
mod export;
mod find;
mod forget;
mod history;
mod import;
mod init;
mod key;
mod ls;
mod mount;
mod profile;
mod prune;
mod quickstart;
mod recover;
mod repository;
mod restore;
mod schedule;
mod sessions;
mod show;
mod snapshots;
mod stats;
mod status;
mod tag;
mod undelete;
mod version;
mod watch_diff;

use crate::args::Command;
use crate::context::Context;
use crate::exit::{Done, Failure};

/// Does what the user asked for.
///
/// # Errors
/// It could not be done.
pub fn run(context: &Context, command: &Command) -> Result<Done, Failure> {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Backup(args) => backup::run(context, args),
        Command::Snapshots(args) => snapshots::run(context, args),
        Command::Restore(args) => restore::run(context, args),
        Command::Ls(args) => ls::run(context, args),
        Command::Dump(args) => dump::run(context, args),
        Command::Mount(args) => mount::run(context, args),
        Command::Import(args) => import::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::WatchDiff(args) => watch_diff::run(context, args),
        Command::History(args) => history::run(context, args),
        Command::Blame(args) => blame::run(context, args),
        Command::Find(args) => find::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Check(args) => check::run(context, args),
        Command::Prune(args) => prune::run(context, args),
        Command::Stats(args) => stats::run(context, args),
        Command::Tag(args) => tag::run(context, args),
        Command::Forget(args) => forget::run(context, args),
        Command::Undelete(args) => undelete::run(context, args),
        Command::Sessions(args) => sessions::run(context, args),
        Command::Unlock(_) => Err(sessions::nothing_locks()),
        Command::Copy(args) => copy::run(context, args),
        Command::Key(args) => key::run(context, args),
        Command::Repository(args) => repository::run(context, args),
        Command::Profile(args) => profile::run(context, args),
        Command::Recover(args) => recover::run(context, args),
        Command::Drill(args) => drill::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Schedule(args) => schedule::run(context, args),
        Command::Cat(args) => cat::run(context, args),
        Command::Version => version::run(context),
        Command::Quickstart(args) => quickstart::run(context, args),
    }
}
