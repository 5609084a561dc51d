// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was typed, as values of the engine: the only place that reads the environment, the clock and the user's own files.

pub mod also;
pub mod backup;
pub mod catalog;
pub mod cloud;
pub mod credential;
pub mod input;
pub mod key_file;
pub mod machine;
pub mod new_file;
pub mod new_repository;
pub mod page;
pub mod profiles;
pub mod question;
pub mod redact;
pub mod repository;
pub mod retention;
pub mod reveal;
pub mod scope;
pub mod secrets;
pub mod size;
pub mod storage;
pub mod time;
pub mod vendor;
