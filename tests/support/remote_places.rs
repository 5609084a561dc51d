// SPDX-License-Identifier: MIT OR Apache-2.0
//! The servers and stand-in machines alone, for the tests of the program in `cli/tests/`, which run its binary.

pub mod postgres;
pub mod s3_server;
pub mod servers;
pub mod sshd;
pub mod standin;
