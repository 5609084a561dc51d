// SPDX-License-Identifier: MIT OR Apache-2.0
//! How to reach an SFTP server: the program that connects, and how long to wait for what.

use std::ffi::OsString;
use std::time::Duration;

/// Whether the ssh program may ask the user for a password, a passphrase or the confirmation of a host key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompts {
    /// It may not: keys, an agent and a known host are needed. It runs in a process group of its own, so that Ctrl-C
    /// on the terminal does not take the connection away from a session that is about to end in order.
    #[default]
    Never,
    /// It may, on the terminal. It shares the caller's process group, and so its Ctrl-C.
    OnTerminal,
}

/// What to do with a server that can not flush a file to its medium (`fsync@openssh.com`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutFsync {
    /// Decline to open: a barrier could promise nothing.
    #[default]
    Refuse,
    /// Accept that the server's crash may take what a session has already committed.
    Accept,
}

/// How [`super::SftpBackend`] connects.
#[derive(Clone, Debug)]
pub struct SftpOptions {
    /// The ssh program and its first arguments. After them come keepfast's own options, which OpenSSH's `ssh` takes only
    /// where these say nothing, then `-s -- HOST sftp`.
    pub command: Vec<OsString>,
    /// Longest time from the start of the program to the first answer of the server; prompts count.
    pub connect_timeout: Duration,
    /// Longest time in which requests wait and no byte moves in either direction. Must allow for one flush of one file
    /// on a busy disk.
    pub stall_timeout: Duration,
    /// How often the ssh program asks a silent server whether it is there, in whole seconds; after three questions
    /// without an answer it ends the connection. Zero: what the ssh configuration says.
    pub keepalive: Duration,
    /// See [`Prompts`].
    pub prompts: Prompts,
    /// See [`WithoutFsync`].
    pub without_fsync: WithoutFsync,
}

impl Default for SftpOptions {
    fn default() -> Self {
        Self {
            command: vec!["ssh".into()],
            // Log-in with a slow name service, over jump hosts, is a matter of ten seconds.
            connect_timeout: Duration::from_secs(60),
            // A full pack on a slow disk with other work can take half a minute to flush.
            stall_timeout: Duration::from_secs(120),
            // Below the idle times of common routers and firewalls.
            keepalive: Duration::from_secs(20),
            prompts: Prompts::Never,
            without_fsync: WithoutFsync::Refuse,
        }
    }
}
