// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ssh program: started with pipes, listened to, and always reaped. It knows nothing of SFTP.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::Notify;

use super::error::{SftpError, printable};
use super::location::SftpLocation;
use super::options::{Prompts, SftpOptions};

/// Bytes of the program's last words that are kept: a few lines.
const LAST_WORDS_BYTES: usize = 1024;

/// How long the program has to end by itself when its input is closed, or to say why it ended: it is local.
const GRACE: Duration = Duration::from_secs(1);

/// Pause between two looks whether the program has ended.
const POLL: Duration = Duration::from_millis(5);

/// A running ssh program.
pub(super) struct Ssh {
    child: Mutex<Child>,
    words: Arc<Mutex<Vec<u8>>>,
    said_all: Arc<Notify>,
}

/// What it reads and writes.
pub(super) type Pipes = tokio::io::Join<Receiver, Sender>;

impl Ssh {
    /// Starts the program. Must be called within the runtime, which drives the pipes.
    pub(super) fn start(location: &SftpLocation, options: &SftpOptions) -> Result<(Self, Pipes), SftpError> {
        let arguments = arguments(location, options);
        let program = options.command.first().cloned().unwrap_or_else(|| "ssh".into());
        let fail =
            |source| SftpError::Start { program: program.to_string_lossy().into_owned(), source: Arc::new(source) };
        let mut command = Command::new(&program);
        command.args(options.command.iter().skip(1)).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if options.prompts == Prompts::Never {
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(fail)?;
        match Self::listen(&mut child) {
            Ok((pipes, words, said_all)) => Ok((Self { child: Mutex::new(child), words, said_all }, pipes)),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(fail(error))
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "named by its one caller")]
    fn listen(child: &mut Child) -> io::Result<(Pipes, Arc<Mutex<Vec<u8>>>, Arc<Notify>)> {
        let missing = || io::Error::other("the program has no pipe");
        let input: OwnedFd = child.stdin.take().ok_or_else(missing)?.into();
        let output: OwnedFd = child.stdout.take().ok_or_else(missing)?.into();
        let errors: OwnedFd = child.stderr.take().ok_or_else(missing)?.into();
        let pipes = tokio::io::join(Receiver::from_owned_fd(output)?, Sender::from_owned_fd(input)?);
        let mut errors = Receiver::from_owned_fd(errors)?;
        let (words, said_all) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (kept, done) = (Arc::clone(&words), Arc::clone(&said_all));
        tokio::spawn(async move {
            let mut buffer = [0; LAST_WORDS_BYTES];
            while let Ok(read @ 1..) = errors.read(&mut buffer).await {
                let mut kept = lock(&kept);
                kept.extend_from_slice(&buffer[..read]);
                let excess = kept.len().saturating_sub(LAST_WORDS_BYTES);
                kept.drain(..excess);
            }
            done.notify_one();
        });
        Ok((pipes, words, said_all))
    }

    /// How the program ended, and what it said last. Waits a moment for both, for a connection that just broke.
    pub(super) async fn last_words(&self) -> (Option<String>, String) {
        let _ = tokio::time::timeout(GRACE, self.said_all.notified()).await;
        self.said_all.notify_one();
        let until = Instant::now() + GRACE;
        let mut status = self.status();
        while status.is_none() && Instant::now() < until {
            tokio::time::sleep(POLL).await;
            status = self.status();
        }
        (status, self.said())
    }

    /// What it said last, without waiting.
    pub(super) fn said(&self) -> String {
        printable(&String::from_utf8_lossy(&lock(&self.words)))
    }

    fn status(&self) -> Option<String> {
        lock(&self.child).try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        let _ = lock(&self.child).kill();
    }
}

impl Drop for Ssh {
    /// Its input is closed by now, so it ends by itself, unless the server is silent.
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + GRACE;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// What follows the user's own arguments: the first mention of an option counts, so these are defaults for them.
fn arguments(location: &SftpLocation, options: &SftpOptions) -> Vec<OsString> {
    // A connection for files only: nothing else of the user's configuration for this host may ride on it.
    let mut settings = vec![
        "ForwardAgent=no".to_owned(),
        "ForwardX11=no".to_owned(),
        "ClearAllForwardings=yes".to_owned(),
        "PermitLocalCommand=no".to_owned(),
        "RemoteCommand=none".to_owned(),
        "RequestTTY=no".to_owned(),
    ];
    if options.keepalive.as_secs() > 0 {
        settings.push(format!("ServerAliveInterval={}", options.keepalive.as_secs()));
        settings.push("ServerAliveCountMax=3".to_owned());
    }
    if options.prompts == Prompts::Never {
        settings.push("BatchMode=yes".to_owned());
    }
    let mut arguments: Vec<OsString> = Vec::new();
    for setting in settings {
        arguments.extend(["-o".into(), setting.into()]);
    }
    if let Some(port) = location.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = &location.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    arguments.extend(["-s".into(), "--".into(), location.host.as_str().into(), "sftp".into()]);
    arguments
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
