// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository in an object store: S3 and what is compatible with it, Google Cloud Storage, Azure Blob Storage.
//!
//! Whoever opens a [`CloudBackend`] gives it everything: this module asks no environment (`object_store` itself looks for
//! Google's default credentials in the home folder, and `rustls` for `SSL_CERT_FILE`). Nothing is tried twice here; an
//! error says whether another attempt may help. The service must have conditional puts and be consistent: that is for
//! its user to test before use, a service that ignores the condition can not be told from one that keeps it.

mod endpoint;
mod exchange;
mod fault;
mod location;
mod options;
mod page;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod transport;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::{Builder, Runtime};

use self::exchange::recorded;
use self::fault::Fault;
pub use self::location::{Addressing, CloudLocation, LocationError, Provider, UploadChecksum};
pub use self::options::CloudOptions;
pub use self::settings::CloudSettings;
use self::settings::Secrets;
pub use self::store::OpenError;
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// Pieces in which a body is sent: small enough that a slow connection is seen to take them one by one, see
/// [`CloudOptions::idle_timeout`].
const PIECE_BYTES: usize = 256 << 10;

/// No object is so long; who asks beyond it gets an answer by its length, not by a header that services read wrongly.
const MAX_OFFSET: u64 = 1 << 46;

/// A bucket (or container) and prefix as a [`Backend`].
///
/// * **Create once**: every put, however large, is one request with `If-None-Match: *` (Google: generation 0), which these
///   services take up to 5 GB. Uploads in several requests are not used: `object_store` can not complete one on that
///   condition, and a service that keeps it for a simple put may not keep it there.
/// * **Durable**: these services answer a put when it is durable, so a barrier has nothing to wait for.
/// * **Integrity**: a put to S3 is signed with the SHA-256 of its body, which the service compares, and has it as checksum.
/// * **Deletes** in a versioned bucket leave the old version; to readers of this contract the object is gone.
///
/// Methods block, and must not be called from a thread of an asynchronous runtime.
pub struct CloudBackend {
    store: Arc<dyn ObjectStore>,
    /// Host and port of the store.
    authority: String,
    location: CloudLocation,
    prefix: Path,
    secrets: Secrets,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl CloudBackend {
    /// Makes a client for the location. Sends no request: wrong credentials or a missing bucket show with the first
    /// operation.
    ///
    /// # Errors
    /// Settings that are not known or do not fit together; a credentials file that can not be read; no threads.
    pub fn open(location: &CloudLocation, settings: &CloudSettings, options: &CloudOptions) -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.io_threads.max(1))
            .thread_name("keepfast-cloud")
            .enable_io()
            .enable_time()
            .build()
            .map_err(OpenError::Start)?;
        let built = {
            let _in_runtime = runtime.enter();
            store::build(location, settings, options)
        };
        let store = built?;
        Ok(Self {
            store: store.client,
            authority: store.authority,
            location: location.clone(),
            prefix: Path::parse(&location.prefix).expect("a parsed location has a prefix of plain segments"),
            secrets: settings.secrets(),
            runtime: Some(runtime),
        })
    }

    fn path(&self, name: &str) -> Path {
        let prefix = self.prefix.as_ref();
        let path =
            if prefix.is_empty() || name.is_empty() { format!("{prefix}{name}") } else { format!("{prefix}/{name}") };
        Path::parse(path).expect("prefix and name have plain segments")
    }

    /// Runs one request of `object_store` on this thread; sockets are served by the runtime's own.
    fn run<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, Fault> {
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as the backend");
        let (result, exchange) = runtime.block_on(recorded(request));
        result.map_err(|error| Fault::new(error, exchange))
    }

    fn error(&self, operation: &'static str, name: &str, kind: ErrorKind, source: io::Error) -> StorageError {
        StorageError { kind, operation, name: name.to_string(), location: self.location(), source }
    }

    fn fault(&self, operation: &'static str, name: &str, fault: Fault) -> StorageError {
        let kind = fault.kind(&self.authority);
        self.error(operation, name, kind, fault.into_source(&self.authority, &self.secrets))
    }

    /// An answer that contradicts an earlier one, or itself.
    fn contradiction(&self, operation: &'static str, name: &Name, what: String) -> StorageError {
        self.error(operation, name.as_str(), ErrorKind::Transient, io::Error::other(what))
    }

    fn out_of_range(&self, name: &Name, range: &Range<u64>) -> StorageError {
        let what = format!("bytes {}..{} asked for", range.start, range.end);
        self.error("read", name.as_str(), ErrorKind::Range, io::Error::other(what))
    }

    /// Length of the object by a `HEAD` request. Its answer has no body, so "not found" may be the bucket: a `GET` tells.
    fn head(&self, operation: &'static str, name: &Name) -> Result<u64, StorageError> {
        let path = self.path(name.as_str());
        let fault = match self.run(self.store.head(&path)) {
            Ok(meta) => return Ok(meta.size),
            Err(fault) => fault,
        };
        if !fault.says_absent_without_why() {
            return Err(self.fault(operation, name.as_str(), fault));
        }
        match self.run(self.store.get_range(&path, 0..1)) {
            Err(fault) if fault.kind(&self.authority) != ErrorKind::Range => {
                Err(self.fault(operation, name.as_str(), fault))
            }
            _ => Err(self.contradiction(operation, name, "it was not there, and then it was".to_string())),
        }
    }

    fn get_whole(&self, name: &Name) -> Result<Vec<u8>, StorageError> {
        let path = self.path(name.as_str());
        let request = async {
            let result = self.store.get(&path).await?;
            let length = result.meta.size;
            Ok((length, result.bytes().await?))
        };
        let (length, bytes) = self.run(request).map_err(|fault| self.fault("read", name.as_str(), fault))?;
        if bytes.len() as u64 != length {
            let what = format!("{} of {length} bytes came", bytes.len());
            return Err(self.contradiction("read", name, what));
        }
        Ok(bytes.into())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>, StorageError> {
        if range.start > range.end {
            return Err(self.out_of_range(name, &range));
        }
        // HTTP has no empty range.
        if range.is_empty() || range.end > MAX_OFFSET {
            let length = self.head("read", name)?;
            return if range.end <= length { Ok(Vec::new()) } else { Err(self.out_of_range(name, &range)) };
        }
        let path = self.path(name.as_str());
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let request = async {
            let result = self.store.get_opts(&path, options).await?;
            let length = result.meta.size;
            Ok((length, result.bytes().await?))
        };
        let (length, bytes) = self.run(request).map_err(|fault| self.fault("read", name.as_str(), fault))?;
        if length < range.end {
            return Err(self.out_of_range(name, &range));
        }
        if bytes.len() as u64 != range.end - range.start {
            let what = format!("{} bytes came for {}..{}", bytes.len(), range.start, range.end);
            return Err(self.contradiction("read", name, what));
        }
        Ok(bytes.into())
    }
}

/// The bytes of all parts, in pieces that the connection takes one by one.
fn payload(parts: &[&[u8]]) -> PutPayload {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = Vec::with_capacity(length);
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    let whole = Bytes::from(whole);
    let starts = (0..length).step_by(PIECE_BYTES);
    starts.map(|start| whole.slice(start..length.min(start + PIECE_BYTES))).collect()
}

impl Backend for CloudBackend {
    /// One request. Where the service says that the name is taken, a second one asks whether that holds: S3 also says so
    /// while another put of the name is under way, which may still fail. Then the error is transient.
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let path = self.path(name.as_str());
        match self.run(self.store.put_opts(&path, payload(parts), PutMode::Create.into())) {
            Ok(_) => Ok(Put::Created),
            Err(fault) if fault.says_it_exists() => match self.head("write", name) {
                Ok(_) => Ok(Put::Exists),
                Err(error) if error.kind == ErrorKind::NotFound => {
                    Err(self.contradiction("write", name, "the name is taken, and nothing is there yet".to_string()))
                }
                Err(error) => Err(error),
            },
            Err(fault) => Err(self.fault("write", name.as_str(), fault)),
        }
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        match range {
            None => self.get_whole(name),
            Some(range) => self.get_range(name, range),
        }
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.head("read", name)
    }

    /// Asks for one page after the other. Keys of foreign names are left out; a key that is no path (`a//b`) makes
    /// `object_store` fail, and so the list.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        if !folder.is_empty() && Name::new(folder).is_none() {
            return Err(self.error("list", folder, ErrorKind::BadName, io::ErrorKind::InvalidInput.into()));
        }
        let within = self.path(folder);
        let found: Vec<_> = match self.run(self.store.list(Some(&within)).try_collect()) {
            Ok(found) => found,
            Err(fault) if fault.says_no_bucket() => {
                let source = fault.into_source(&self.authority, &self.secrets);
                return Err(self.error("list", folder, ErrorKind::NotFound, source));
            }
            Err(fault) => return Err(self.fault("list", folder, fault)),
        };
        let prefix = if self.prefix.as_ref().is_empty() { String::new() } else { format!("{}/", self.prefix) };
        let folder_prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let listed = found.into_iter().filter_map(|meta| {
            let name = meta.location.as_ref().strip_prefix(&prefix)?;
            // A key that ends with a slash loses it in `object_store`, and then is the folder itself.
            let name = Name::new(name.starts_with(&folder_prefix).then_some(name)?)?;
            Some(Listed { name, length: meta.size })
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_unstable();
        listed.dedup_by(|a, b| a.name == b.name);
        Ok(listed)
    }

    /// Asks first whether it is there: S3 answers a `DELETE` of an absent object like any other. Of several callers each
    /// may be told [`Delete::Deleted`].
    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        match self.head("delete", name) {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Delete::Absent),
            Err(error) => return Err(error),
        }
        let path = self.path(name.as_str());
        match self.run(self.store.delete(&path)) {
            Ok(()) => Ok(Delete::Deleted),
            Err(fault) if fault.is_refusal() => Ok(Delete::Refused),
            Err(fault) if fault.kind(&self.authority) == ErrorKind::NotFound => Ok(Delete::Absent),
            Err(fault) => Err(self.fault("delete", name.as_str(), fault)),
        }
    }

    /// Does nothing: an object that is seen is durable.
    fn rely_on(&self, _name: &Name) -> Result<(), StorageError> {
        Ok(())
    }

    /// Does nothing: an acknowledged put or delete is durable.
    fn barrier(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn location(&self) -> String {
        self.location.to_string()
    }
}

impl Drop for CloudBackend {
    fn drop(&mut self) {
        // Without waiting: a look-up of a name can take longer than anybody wants to wait at the end.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
