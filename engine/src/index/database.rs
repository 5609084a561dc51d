// SPDX-License-Identifier: MIT OR Apache-2.0
//! A database of the cache folder: opened, checked, and made anew when it is not ours or damaged.
//!
//! For the local index and the catalog. A lock file beside it says who uses it: nobody removes a file, or rows, that another process
//! stands on.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepfast_repo_format::id::RepositoryId;
use rusqlite::{Connection, MAIN_DB};
use rustix::fs::{Access, access};

use super::IndexError;

/// What tells one database from others.
pub(crate) struct Form {
    /// Begins the names of its files.
    pub(crate) stem: &'static str,
    /// Tells the file from other programs' databases.
    pub(crate) application_id: i64,
    /// Raised with every change of `schema`: a file with another number is made anew.
    pub(crate) version: i64,
    /// Its tables, among them `facts`.
    pub(crate) schema: &'static str,
    /// Questions that name every table and column: a file that lacks one is not ours, whatever its number says.
    pub(crate) probes: &'static [&'static str],
}

/// Of the local index; "kfix" in ASCII.
pub(super) const INDEX: Form = Form {
    stem: "index",
    application_id: 0x6b66_6978,
    version: 2,
    schema: SCHEMA,
    probes: &[super::rows::PROBE, super::cached::PROBE],
};

/// How long a statement waits for another process's transaction; the longest is the loading of one index object.
const BUSY_LIMIT: Duration = Duration::from_secs(60);

/// Page cache in KiB. Together with the filter (30 MB for 20 million rows) and the packs in memory this stays far below 256 MiB.
const CACHE_KIB: i64 = 32 * 1024;

/// The write-ahead file is cut back to this many bytes after a checkpoint.
const JOURNAL_LIMIT_BYTES: i64 = 16 << 20;

/// Numbers of packs are never used twice (`AUTOINCREMENT`): rows in `chunks` outlive their pack until they are swept.
/// Directories stand apart so that a list of packs reads few pages. `cached.digest` and `packs.content` are hashes: what does not fit them does not exist.
const SCHEMA: &str = "
CREATE TABLE facts(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE objects(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, digest BLOB NOT NULL);
CREATE TABLE packs(number INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB NOT NULL UNIQUE, id BLOB NOT NULL,
    kind INTEGER NOT NULL, length INTEGER NOT NULL, chunks INTEGER NOT NULL, edges INTEGER NOT NULL);
CREATE TABLE directories(pack INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE listings(object INTEGER NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY(object, pack)) WITHOUT ROWID;
CREATE INDEX listings_by_pack ON listings(pack);
CREATE TABLE chunks(prefix INTEGER NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY(prefix, pack)) WITHOUT ROWID;
CREATE TABLE cached(name TEXT NOT NULL PRIMARY KEY, digest BLOB NOT NULL, bytes BLOB NOT NULL);
INSERT INTO facts VALUES('dead rows', 0);
";

/// Whether other handles, in this process or others, stand on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Nobody else, until the lock is shared again.
    Alone,
    /// Somebody else, or it can not be known.
    Shared,
}

/// The lock beside the file; shared as long as a handle lives.
pub(crate) struct Lock {
    folder: PathBuf,
    stem: &'static str,
    file: Option<File>,
}

impl Lock {
    fn open(folder: &Path, stem: &'static str) -> Result<Self, IndexError> {
        let path = folder.join(format!("{stem}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|source| IndexError::Folder { path, source })?;
        Ok(Self { folder: folder.to_owned(), stem, file: Some(file) })
    }

    fn none() -> Self {
        Self { folder: PathBuf::new(), stem: "", file: None }
    }

    /// The folder of the file; `None` if the index is in memory.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.file.is_some().then_some(&*self.folder)
    }

    /// Tries to become the only one. Others may have come and gone meanwhile: read again whatever was known.
    pub(super) fn seek_solitude(&self) -> Result<Company, IndexError> {
        let Some(file) = &self.file else { return Ok(Company::Alone) };
        match file.try_lock() {
            Ok(()) => Ok(Company::Alone),
            Err(TryLockError::WouldBlock) => self.share().map(|()| Company::Shared),
            // A file system without locks: nothing is removed there that somebody could stand on.
            Err(TryLockError::Error(_)) => Ok(Company::Shared),
        }
    }

    /// Lets others in again.
    pub(super) fn share(&self) -> Result<(), IndexError> {
        match &self.file {
            Some(file) => match file.lock_shared() {
                Err(source) if source.kind() != io::ErrorKind::Unsupported => Err(self.error(source)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Leaves a mark for the next one who opens: the file is not to be trusted.
    pub(crate) fn mark_damaged(&self) {
        if self.file.is_some() {
            // Without the mark the next run meets the same damage, and tries again.
            let _ = File::create(self.folder.join(mark_name(self.stem)));
        }
    }

    fn error(&self, source: io::Error) -> IndexError {
        IndexError::Folder { path: self.folder.clone(), source }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting has the lock, too, until it is another program.
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

fn file_name(stem: &str) -> String {
    format!("{stem}.sqlite")
}

fn mark_name(stem: &str) -> String {
    format!("{stem}.damaged")
}

/// Opens the file in `folder`, or makes it.
pub(crate) fn open(
    form: &'static Form,
    folder: &Path,
    repository: RepositoryId,
) -> Result<(Connection, Lock), IndexError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| IndexError::Folder { path: folder.to_owned(), source })?;
    let lock = Lock::open(folder, form.stem)?;
    let company = lock.seek_solitude()?;
    let marked = folder.join(mark_name(form.stem)).exists();
    let path = folder.join(file_name(form.stem));
    if !marked && let Some(connection) = existing(form, &path, repository)? {
        lock.share()?;
        return Ok((connection, lock));
    }
    if company == Company::Shared {
        // Somebody still stands on a file that this program can not use: it stays, and this run does without.
        return in_memory(form, repository);
    }
    remove(folder, form.stem)?;
    let connection = create(form, &path, repository)?;
    lock.share()?;
    Ok((connection, lock))
}

/// A database that ends with the handle.
pub(crate) fn in_memory(form: &Form, repository: RepositoryId) -> Result<(Connection, Lock), IndexError> {
    let connection = Connection::open_in_memory()?;
    fill(form, &connection, repository)?;
    Ok((connection, Lock::none()))
}

/// The file as it is; `None` if it is not there or not usable.
fn existing(form: &Form, path: &Path, repository: RepositoryId) -> Result<Option<Connection>, IndexError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = Connection::open(path)?;
    match configure(&connection).and_then(|()| is_ours(form, &connection, repository)) {
        // The header asks for a newer SQLite to write (https://www.sqlite.org/fileformat2.html section 1.3.3): no run has written that.
        Ok(true) if connection.is_readonly(MAIN_DB)? && access(path, Access::WRITE_OK).is_ok() => Ok(None),
        Ok(true) => Ok(Some(connection)),
        Err(IndexError::Database { source }) if is_environment(&source) => Err(source.into()),
        _ => Ok(None),
    }
}

/// Whether an error is about the machine, not about the file's content: then another file would not help.
fn is_environment(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | OutOfMemory
                | PermissionDenied
                | ReadOnly
                | SystemIoFailure
        )
    )
}

fn is_ours(form: &Form, connection: &Connection, repository: RepositoryId) -> Result<bool, IndexError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("application_id")? != form.application_id || pragma("user_version")? != form.version {
        return Ok(false);
    }
    let fact = "SELECT value FROM facts WHERE name = 'repository'";
    let found = connection.query_row(fact, [], |row| row.get::<_, Vec<u8>>(0));
    if found.is_ok_and(|found| found != repository.0) {
        return Ok(false);
    }
    for sql in std::iter::once(&fact).chain(form.probes) {
        connection.prepare(sql)?.query([])?.next()?;
    }
    Ok(true)
}

fn remove(folder: &Path, stem: &str) -> Result<(), IndexError> {
    let file = file_name(stem);
    let beside = ["-wal", "-shm", "-journal"].map(|end| format!("{file}{end}"));
    // The mark goes last: whoever is interrupted here leaves it.
    for name in beside.into_iter().chain([file, mark_name(stem)]) {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(IndexError::Folder { path, source }),
            _ => {}
        }
    }
    Ok(())
}

fn create(form: &Form, path: &Path, repository: RepositoryId) -> Result<Connection, IndexError> {
    // SQLite gives the rights of this file to those that it makes beside it.
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    made.map_err(|source| IndexError::Folder { path: path.to_owned(), source })?;
    let connection = Connection::open(path)?;
    configure(&connection)?;
    fill(form, &connection, repository)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), IndexError> {
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT_BYTES)?;
    // Kibibytes are negative, pages positive. No mapping: a mapped file that is cut short ends the process.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn fill(form: &Form, connection: &Connection, repository: RepositoryId) -> Result<(), IndexError> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(form.schema)?;
    transaction.execute("INSERT INTO facts VALUES('repository', ?1)", [&repository.0[..]])?;
    transaction.pragma_update(None, "application_id", form.application_id)?;
    transaction.pragma_update(None, "user_version", form.version)?;
    transaction.commit()?;
    Ok(())
}
