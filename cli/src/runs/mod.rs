// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the verbs share that carry runbooks out: where runs are kept, what they take out of a repository, who is asked, what is
//! shown and what stays written.
//!
//! In reading order: `folder` (where), `data` (from what), `about` (what is noted beside a journal), `standing` (how far a run is),
//! `carry` (does it, with `person` and `watch`), `show` and `paste` (a plan for people), `report`, `drills`.

pub mod about;
pub mod carry;
pub mod data;
pub mod drills;
pub mod folder;
pub mod paste;
pub mod person;
pub mod report;
pub mod show;
pub mod standing;
pub mod watch;
