// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runbooks: a profile's procedure as a plan, carried out step by step on its hosts, written down so that it can be resumed or
//! undone whatever happens.
//!
//! In reading order: [`Place`] runs a [`Command`] on a host; [`Plan`] is a runbook with everything put in, so that what is
//! shown, what runs and what is resumed are the same; [`Journal`] remembers; [`Runner`] does. What comes out of a snapshot
//! comes by [`Contents`]; people are asked by [`Person`]; this layer knows only [`crate::profile`].

mod actions;
mod capture;
mod checks;
mod command;
mod error;
mod execute;
mod guardian;
mod input;
mod journal;
mod log;
mod place;
mod plan;
mod processes;
mod remote;
mod run;
#[cfg(test)]
mod tests;
mod undo;

pub use capture::{CapturePlan, HostCapture, Quieted, There, Wanted, WantedStream, capture, taken_from};
pub use checks::{Test, TestKind};
pub use command::Command;
pub use error::{RunbookError, Stopped, Why};
pub(crate) use execute::masked;
pub use execute::{Fault, Output, Sink, execute};
pub use guardian::Guardian;
pub use input::Input;
pub use journal::{Event, Journal, Record, RunState, TaskState};
pub use place::{Place, Ssh, places};
pub use plan::{Action, Choice, From, Plan, Planned, Task, Undo, plan};
pub use run::{Contents, Person, Question, Runner, Watch};
