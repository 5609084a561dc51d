// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers and stand-ins, for the tests of the program in `cli/tests/`, which have its binary.

pub mod s3_server;
pub mod servers;
pub mod sshd;
pub mod standin;
