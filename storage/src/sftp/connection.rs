// SPDX-License-Identifier: MIT OR Apache-2.0
//! One SFTP session over one ssh program: greeting, limits, and the rule that a silent or broken connection is an error for
//! everyone, for ever.
//!
//! It never connects again. A lost connection may be a server that crashed, and what was not yet behind a barrier may be
//! gone with it; a new connection would hide that from the next barrier.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::extensions;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::child::Ssh;
use super::error::{Answer, SftpError};
use super::folders::below;
use super::options::{SftpOptions, WithoutFsync};
use super::progress::{Observed, Progress};

/// Bytes of one read or write where the server does not tell its limits: what every server must take.
const PLAIN_REQUEST_BYTES: u64 = 32 << 10;

/// Largest read or write: OpenSSH's own limit, and what fits into a packet of 256 KiB.
const MAX_REQUEST_BYTES: u64 = 255 << 10;

/// Files and folders open at once. Servers allow about 100 by their file limit; and below 128 the handles of OpenSSH,
/// which count up from 0, stay within the ASCII that the protocol crate can carry.
const MAX_HANDLES: u64 = 48;

/// `SSH2_FXE_STATVFS_ST_RDONLY` of `statvfs@openssh.com`.
const READ_ONLY_FLAG: u64 = 1;

/// Room beyond an object's own bytes below which a failure is taken for a full disk: folders and tables grow too.
const ROOM_BYTES: u64 = 64 << 10;

/// What the server can do beyond the protocol's third version.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    pub(super) fsync: bool,
    pub(super) statvfs: bool,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
    /// The server did not say.
    Unknown,
}

/// A session that all threads share.
pub(super) struct Connection {
    // Before `ssh`: the program ends when its input is closed, which the session does.
    session: Arc<RawSftpSession>,
    ssh: Option<Ssh>,
    progress: Arc<Progress>,
    stall_timeout: std::time::Duration,
    handles: Arc<Semaphore>,
    broken: OnceLock<SftpError>,
    pub(super) features: Features,
    /// Largest write in bytes.
    pub(super) write_bytes: usize,
    /// Largest read in bytes.
    pub(super) read_bytes: u32,
}

/// An open file or folder of the server. Closed by [`Connection::close`]; if that is never reached (an error, or a caller
/// that went away), when it is dropped.
pub(super) struct Handle {
    pub(super) id: String,
    session: Arc<RawSftpSession>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let (session, id) = (Arc::clone(&self.session), std::mem::take(&mut self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = session.close(id).await;
                drop(permit);
            });
        }
    }
}

impl Connection {
    /// Greets the server at the other end of `stream` and learns what it can do.
    pub(super) async fn greet<S>(stream: S, ssh: Option<Ssh>, options: &SftpOptions) -> Result<Self, SftpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::new());
        let stream = Observed { stream, progress: Arc::clone(&progress) };
        // No limit of time of the crate's: see `ask`.
        let config = Config { request_timeout_secs: u64::MAX, ..Config::default() };
        let session = RawSftpSession::new_with_config(stream, config);
        let mut connection = Self {
            session: Arc::new(session),
            ssh,
            progress,
            stall_timeout: options.connect_timeout,
            handles: Arc::new(Semaphore::new(1)),
            broken: OnceLock::new(),
            features: Features::default(),
            write_bytes: 0,
            read_bytes: 0,
        };
        let version = connection.ask(connection.session.init()).await?;
        connection.stall_timeout = options.stall_timeout;
        let has = |extension: &str| version.extensions.contains_key(extension);
        connection.features = Features { fsync: has(extensions::FSYNC), statvfs: has(extensions::STATVFS) };
        if !has(extensions::HARDLINK) {
            let consequence = "nothing can be created exactly once";
            return Err(SftpError::Missing { extension: extensions::HARDLINK, consequence });
        }
        if !connection.features.fsync && options.without_fsync == WithoutFsync::Refuse {
            let consequence = "nothing is known to survive a crash of the server";
            return Err(SftpError::Missing { extension: extensions::FSYNC, consequence });
        }
        connection.learn_limits(has(extensions::LIMITS)).await?;
        Ok(connection)
    }

    async fn learn_limits(&mut self, told: bool) -> Result<(), SftpError> {
        let limits = if told { self.ask(self.session.limits()).await?.into() } else { Limits::default() };
        let bytes = |limit: Option<u64>| limit.unwrap_or(PLAIN_REQUEST_BYTES).clamp(1, MAX_REQUEST_BYTES);
        self.write_bytes = usize::try_from(bytes(limits.write_len)).unwrap_or(usize::MAX);
        self.read_bytes = u32::try_from(bytes(limits.read_len)).unwrap_or(u32::MAX);
        let handles = limits.open_handles.unwrap_or(MAX_HANDLES).clamp(1, MAX_HANDLES);
        self.handles = Arc::new(Semaphore::new(usize::try_from(handles).unwrap_or(1)));
        Ok(())
    }

    /// The protocol's requests, to be passed to [`Connection::ask`].
    pub(super) fn session(&self) -> &RawSftpSession {
        &self.session
    }

    /// Waits for an answer, as long as bytes move on the connection.
    pub(super) async fn ask<T>(&self, request: impl Future<Output = Result<T, ProtocolError>>) -> Result<T, SftpError> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone());
        }
        let asked = Instant::now();
        let mut request = pin!(request);
        loop {
            let silent = self.progress.silent_since(asked);
            if silent >= self.stall_timeout {
                return Err(self.give_up(silent));
            }
            match tokio::time::timeout(self.stall_timeout - silent, &mut request).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    return match SftpError::of_protocol(error) {
                        Ok(error) => Err(error),
                        Err(error) => Err(self.ended(&error).await),
                    };
                }
                Err(_) => {}
            }
        }
    }

    fn give_up(&self, after: std::time::Duration) -> SftpError {
        let stderr = self.ssh.as_ref().map(Ssh::said).unwrap_or_default();
        let error = self.broken.get_or_init(|| SftpError::Stalled { after, stderr }).clone();
        // Wakes all who wait, and makes a late answer impossible.
        if let Some(ssh) = &self.ssh {
            ssh.kill();
        }
        error
    }

    async fn ended(&self, error: &ProtocolError) -> SftpError {
        if let Some(error) = self.broken.get() {
            return error.clone();
        }
        let (status, stderr) = match &self.ssh {
            Some(ssh) => ssh.last_words().await,
            None => (None, String::new()),
        };
        let status = status.or_else(|| Some(error.to_string()));
        let error = self.broken.get_or_init(|| SftpError::Closed { status, stderr }).clone();
        if let Some(ssh) = &self.ssh {
            ssh.kill();
        }
        error
    }

    /// Opens a file.
    pub(super) async fn open(&self, path: &str, flags: OpenFlags, mode: Option<u32>) -> Result<Handle, SftpError> {
        let permit = self.permit().await?;
        let attributes = FileAttributes { permissions: mode, ..FileAttributes::empty() };
        let opened = self.ask(self.session.open(path, flags, attributes)).await?;
        Ok(Handle { id: opened.handle, session: Arc::clone(&self.session), permit: Some(permit) })
    }

    /// Opens a folder, to list it.
    pub(super) async fn open_folder(&self, path: &str) -> Result<Handle, SftpError> {
        let permit = self.permit().await?;
        let opened = self.ask(self.session.opendir(path)).await?;
        Ok(Handle { id: opened.handle, session: Arc::clone(&self.session), permit: Some(permit) })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, SftpError> {
        let permit = Arc::clone(&self.handles).acquire_owned().await;
        permit.map_err(|_| SftpError::Unexpected("the connection is being closed".to_owned()))
    }

    /// Closes a handle and waits for the answer: some servers store what was written only then.
    pub(super) async fn close(&self, mut handle: Handle) -> Result<(), SftpError> {
        let permit = handle.permit.take();
        let closed = self.ask(self.session.close(std::mem::take(&mut handle.id))).await;
        drop(permit);
        closed.map(drop)
    }

    /// Kind and length in bytes of what is at `path`, links followed. `None` if nothing is.
    pub(super) async fn stat(&self, path: &str) -> Result<Option<(Kind, Option<u64>)>, SftpError> {
        match self.ask(self.session.stat(path)).await {
            Ok(answer) => Ok(Some((kind(&answer.attrs), answer.attrs.size))),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The path from the server's top. A relative one begins where the server starts a session.
    pub(super) async fn absolute(&self, path: &str) -> Result<String, SftpError> {
        if path.starts_with('/') {
            return Ok(path.to_owned());
        }
        let names = self.ask(self.session.realpath(".")).await?;
        let start = names.files.into_iter().next().map(|file| file.filename).filter(|start| start.starts_with('/'));
        let start =
            start.ok_or_else(|| SftpError::Unexpected("the server does not tell its home folder".to_owned()))?;
        Ok(below(&start, path))
    }

    /// A number that the file system at `path` is known by on the server; `None` if the server does not tell.
    pub(super) async fn file_system(&self, path: &str) -> Result<Option<u64>, SftpError> {
        if !self.features.statvfs {
            return Ok(None);
        }
        match self.ask(self.session.statvfs(path)).await {
            Ok(answer) => Ok(Some(answer.fs_id)),
            Err(SftpError::Status { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says more of a "failure": whether the file system at `root` is full for these parts, or read-only.
    pub(super) async fn explain(&self, error: SftpError, root: &str, parts: &[&[u8]]) -> SftpError {
        let (Answer::Failure, SftpError::Status { message, .. }) = (error.answer(), &error) else { return error };
        if !self.features.statvfs {
            return error;
        }
        let Ok(answer) = self.ask(self.session.statvfs(root)).await else { return error };
        let needed = parts.iter().map(|part| part.len() as u64).sum::<u64>().saturating_add(ROOM_BYTES);
        let block = if answer.fragment_size > 0 { answer.fragment_size } else { answer.block_size };
        if answer.flags & READ_ONLY_FLAG != 0 {
            SftpError::ReadOnly { message: message.clone() }
        } else if answer.blocks_avail.saturating_mul(block) < needed {
            SftpError::Full { message: message.clone() }
        } else {
            error
        }
    }
}

/// What the server says about the type of a file.
pub(super) fn kind(attributes: &FileAttributes) -> Kind {
    const TYPE: u32 = 0o170_000;
    match attributes.permissions.map(|mode| mode & TYPE) {
        Some(0o100_000) => Kind::File,
        Some(0o040_000) => Kind::Folder,
        Some(0o120_000) => Kind::Link,
        Some(0) | None => Kind::Unknown,
        Some(_) => Kind::Other,
    }
}
