// SPDX-License-Identifier: MIT OR Apache-2.0
//! The servers alone, for the tests of the program in `cli/tests/`, which have its binary and none of the engine's parts.

pub mod s3_server;
pub mod servers;
pub mod sshd;
