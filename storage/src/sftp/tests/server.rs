// SPDX-License-Identifier: MIT OR Apache-2.0
//! An SFTP server over a real folder, in this process, that can be told to answer badly.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use russh_sftp::protocol::{
    Attrs, Data, File as Entry, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::Handler;
use tempfile::TempDir;

use super::{SftpBackend, SftpError, SftpOptions};
use crate::sftp::{Connection, Opened, Root};

/// What the server does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    /// Fails without effect.
    Fails(StatusCode),
    /// Has its effect, then says it failed.
    WorksThenFails(StatusCode),
    /// Removes the file that the request is about, then says it is absent.
    Loses,
    /// Never answers, nor anything that follows.
    Hangs,
}

/// What a test wants of the server, shared with it.
#[derive(Clone, Default)]
pub(super) struct Plan(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    acts: HashMap<&'static str, Vec<Act>>,
    calls: Vec<&'static str>,
    missing: Vec<&'static str>,
    most_read: Option<usize>,
}

impl Plan {
    /// At every call.
    pub(super) fn always(self, call: &'static str, act: Act) -> Self {
        self.0.lock().unwrap().acts.insert(call, vec![act]);
        self
    }

    /// Once, at the next call.
    pub(super) fn once(&self, call: &'static str, act: Act) {
        self.0.lock().unwrap().acts.insert(call, vec![act, Act::WorksThenFails(StatusCode::Ok)]);
    }

    pub(super) fn without(self, extension: &'static str) -> Self {
        self.0.lock().unwrap().missing.push(extension);
        self
    }

    /// Answers to reads have at most so many bytes.
    pub(super) fn reading_at_most(self, bytes: usize) -> Self {
        self.0.lock().unwrap().most_read = Some(bytes);
        self
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|made| **made == call).count()
    }

    fn act(&self, call: &'static str) -> Option<Act> {
        let mut state = self.0.lock().unwrap();
        state.calls.push(call);
        let acts = state.acts.get_mut(call)?;
        Some(if acts.len() > 1 { acts.remove(0) } else { acts[0] })
    }
}

/// A backend on a server of its own.
pub(super) fn backend(plan: &Plan, options: &SftpOptions) -> Result<(TempDir, SftpBackend), SftpError> {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let opened = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        russh_sftp::server::run(theirs, Server { plan: plan.clone(), open: HashMap::new(), next: 0 }).await;
        let connection = Connection::greet(ours, None, options).await?;
        Opened::root(connection, folder.path().to_str().unwrap(), Root::Existing).await
    })?;
    Ok((folder, SftpBackend::with(opened, "a test's server".to_owned(), runtime)))
}

enum Open {
    File(File),
    Folder(Vec<Entry>),
}

struct Server {
    plan: Plan,
    open: HashMap<String, Open>,
    next: u32,
}

fn code(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn ok(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: String::new(), language_tag: String::new() }
}

fn attributes(metadata: &fs::Metadata) -> FileAttributes {
    let mut attributes = FileAttributes::empty();
    attributes.size = Some(metadata.len());
    attributes.permissions = Some(metadata.mode());
    attributes.atime = Some(metadata.atime() as u32);
    attributes.mtime = Some(metadata.mtime() as u32);
    attributes
}

impl Server {
    async fn run<T>(
        &self,
        call: &'static str,
        path: &str,
        work: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StatusCode> {
        match self.plan.act(call) {
            None | Some(Act::WorksThenFails(StatusCode::Ok)) => work().map_err(|error| code(&error)),
            Some(Act::Fails(code)) => Err(code),
            Some(Act::WorksThenFails(status)) => work().map_err(|error| code(&error)).and(Err(status)),
            Some(Act::Loses) => {
                fs::remove_file(path).unwrap();
                Err(StatusCode::NoSuchFile)
            }
            Some(Act::Hangs) => std::future::pending().await,
        }
    }

    fn add(&mut self, id: u32, opened: Open) -> Handle {
        self.next += 1;
        let handle = self.next.to_string();
        self.open.insert(handle.clone(), opened);
        Handle { id, handle }
    }

    fn file(&self, handle: &str) -> Result<&File, StatusCode> {
        match self.open.get(handle) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(StatusCode::Failure),
        }
    }
}

/// Two texts of an extended request.
fn texts(data: &[u8]) -> Vec<String> {
    let mut rest = data;
    let mut texts = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (text, tail) = tail.split_at(length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = tail;
    }
    texts
}

impl Handler for Server {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, StatusCode> {
        let mut version = Version::new();
        for extension in ["hardlink@openssh.com", "fsync@openssh.com"] {
            if !self.plan.0.lock().unwrap().missing.contains(&extension) {
                version.extensions.insert(extension.to_owned(), "1".to_owned());
            }
        }
        Ok(version)
    }

    async fn open(&mut self, id: u32, path: String, flags: OpenFlags, _: FileAttributes) -> Result<Handle, StatusCode> {
        let mut options = OpenOptions::from(flags);
        let file = self.run("open", &path, || options.mode(0o600).open(&path)).await?;
        Ok(self.add(id, Open::File(file)))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle);
        self.run("close", "", || Ok(ok(id))).await
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, length: u32) -> Result<Data, StatusCode> {
        let most = self.plan.0.lock().unwrap().most_read.unwrap_or(usize::MAX);
        let mut data = vec![0; most.min(length as usize)];
        let file = self.file(&handle)?;
        let read = self.run("read", "", || file.read_at(&mut data, offset)).await?;
        data.truncate(read);
        if data.is_empty() { Err(StatusCode::Eof) } else { Ok(Data { id, data }) }
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, data: Vec<u8>) -> Result<Status, StatusCode> {
        let file = self.file(&handle)?;
        self.run("write", "", || file.write_all_at(&data, offset)).await.map(|()| ok(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let attrs = self.run("lstat", &path, || fs::symlink_metadata(&path)).await?;
        Ok(Attrs { id, attrs: attributes(&attrs) })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let attrs = self.run("stat", &path, || fs::metadata(&path)).await?;
        Ok(Attrs { id, attrs: attributes(&attrs) })
    }

    async fn setstat(&mut self, id: u32, path: String, attrs: FileAttributes) -> Result<Status, StatusCode> {
        let time = UNIX_EPOCH + Duration::from_secs(attrs.mtime.unwrap().into());
        let set = || OpenOptions::new().write(true).open(&path)?.set_modified(time);
        self.run("setstat", &path, set).await.map(|()| ok(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        let read = || {
            let entries = fs::read_dir(&path)?.map(|entry| {
                let entry = entry?;
                let name = entry.file_name().into_string().unwrap();
                Ok(Entry { filename: name, longname: String::new(), attrs: attributes(&entry.metadata()?) })
            });
            entries.collect::<io::Result<Vec<_>>>()
        };
        let entries = self.run("opendir", &path, read).await?;
        Ok(self.add(id, Open::Folder(entries)))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        self.run("readdir", "", || Ok(())).await?;
        let Some(Open::Folder(entries)) = self.open.get_mut(&handle) else { return Err(StatusCode::Failure) };
        // Few at once, so that a folder takes several answers.
        let files: Vec<Entry> = entries.drain(..entries.len().min(2)).collect();
        if files.is_empty() { Err(StatusCode::Eof) } else { Ok(Name { id, files }) }
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        self.run("remove", &path, || fs::remove_file(&path)).await.map(|()| ok(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _: FileAttributes) -> Result<Status, StatusCode> {
        self.run("mkdir", &path, || fs::create_dir(&path)).await.map(|()| ok(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Result<Packet, StatusCode> {
        let texts = texts(&data);
        match request.as_str() {
            "hardlink@openssh.com" => {
                let (from, to) = (&texts[0], &texts[1]);
                self.run("link", from, || fs::hard_link(from, to)).await?;
            }
            "fsync@openssh.com" => {
                let file = self.file(&texts[0])?;
                let call = if file.metadata().unwrap().is_dir() { "sync_folder" } else { "sync_file" };
                self.run(call, "", || file.sync_all()).await?;
            }
            _ => return Err(StatusCode::OpUnsupported),
        }
        Ok(Packet::Status(ok(id)))
    }
}
