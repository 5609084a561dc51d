// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sorting more rows than fit into memory: sorted runs in scratch files, merged when they are read.
//!
//! For marking and for what is worked out from it. The files have no name, so nothing is left behind, whatever happens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// Rows kept in memory before they become a run, in bytes.
const BUFFER_BYTES: usize = 8 << 20;

/// Bytes of a run in memory while it is merged.
const READ_BYTES: usize = 64 << 10;

/// Runs before they are merged into one: with their buffers 2 MiB.
const MAX_RUNS: usize = 32;

/// Something of a fixed size that has an order.
pub(super) trait Row: Copy + Ord {
    /// Bytes as written.
    const BYTES: usize;
    fn write(self, out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

impl Row for i64 {
    const BYTES: usize = 8;

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes(*bytes.first_chunk().expect("a row has its bytes"))
    }
}

impl Row for (i64, i64) {
    const BYTES: usize = 16;

    fn write(self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &[u8]) -> Self {
        (i64::read(bytes), i64::read(&bytes[8..]))
    }
}

/// Collects rows in any order, gives them back in order, each once.
pub(super) struct Runs<R> {
    folder: PathBuf,
    buffer: Vec<R>,
    limit: usize,
    runs: Vec<Run<R>>,
}

/// A sorted run in a file.
struct Run<R> {
    file: Arc<File>,
    bytes: u64,
    rows: PhantomData<R>,
}

impl<R> Clone for Run<R> {
    fn clone(&self) -> Self {
        Self { file: Arc::clone(&self.file), bytes: self.bytes, rows: PhantomData }
    }
}

impl<R: Row> Runs<R> {
    /// Nothing yet; scratch files go into `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self::with_limit(folder, BUFFER_BYTES / R::BYTES)
    }

    fn with_limit(folder: &Path, limit: usize) -> Self {
        Self { folder: folder.to_path_buf(), buffer: Vec::new(), limit: limit.max(1), runs: Vec::new() }
    }

    pub(super) fn add(&mut self, row: R) -> Result<()> {
        self.buffer.push(row);
        if self.buffer.len() >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Everything that was added so far; more may be added afterwards.
    pub(super) fn sorted(&mut self) -> Result<Sorted<R>> {
        self.buffer.sort_unstable();
        self.buffer.dedup();
        Sorted::new(&self.runs, self.buffer.clone())
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.sort_unstable();
        self.buffer.dedup();
        // Many duplicates make room by themselves.
        if self.buffer.len() * 2 < self.limit {
            return Ok(());
        }
        let run = self.write(self.buffer.iter().map(|row| Ok(*row)))?;
        self.buffer.clear();
        self.runs.push(run);
        if self.runs.len() >= MAX_RUNS {
            let merged = self.write(Sorted::new(&self.runs, Vec::new())?)?;
            self.runs = vec![merged];
        }
        Ok(())
    }

    fn write(&self, rows: impl Iterator<Item = Result<R>>) -> Result<Run<R>> {
        let fail = |source| scratch_error(&self.folder, source);
        let file = tempfile::tempfile_in(&self.folder).map_err(fail)?;
        let mut out = BufWriter::with_capacity(READ_BYTES, file);
        let (mut bytes, mut encoded) = (0, Vec::with_capacity(R::BYTES));
        for row in rows {
            encoded.clear();
            row?.write(&mut encoded);
            out.write_all(&encoded).map_err(fail)?;
            bytes += encoded.len() as u64;
        }
        let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
        Ok(Run { file: Arc::new(file), bytes, rows: PhantomData })
    }
}

/// The scratch file could not be written or read.
pub(super) fn scratch_error(folder: &Path, source: std::io::Error) -> Error {
    Error::State { operation: "use a scratch file in", path: folder.to_path_buf(), source }
}

/// Rows in order, each once.
pub(super) struct Sorted<R> {
    sources: Vec<Source<R>>,
    heap: BinaryHeap<Reverse<(R, usize)>>,
    last: Option<R>,
}

struct Source<R> {
    run: Option<Run<R>>,
    offset: u64,
    buffer: std::vec::IntoIter<R>,
}

impl<R: Row> Source<R> {
    fn next(&mut self) -> Result<Option<R>> {
        if let Some(row) = self.buffer.next() {
            return Ok(Some(row));
        }
        let Some(run) = &self.run else { return Ok(None) };
        let whole = READ_BYTES / R::BYTES * R::BYTES;
        let length = usize::try_from(run.bytes - self.offset).map_or(whole, |rest| rest.min(whole));
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        let read = run.file.read_exact_at(&mut bytes, self.offset);
        read.map_err(|source| scratch_error(Path::new("."), source))?;
        self.offset += length as u64;
        self.buffer = bytes.chunks_exact(R::BYTES).map(R::read).collect::<Vec<_>>().into_iter();
        Ok(self.buffer.next())
    }
}

impl<R: Row> Sorted<R> {
    fn new(runs: &[Run<R>], sorted: Vec<R>) -> Result<Self> {
        let from_file = |run: &Run<R>| Source { run: Some(run.clone()), offset: 0, buffer: Vec::new().into_iter() };
        let mut sources: Vec<Source<R>> = runs.iter().map(from_file).collect();
        sources.push(Source { run: None, offset: 0, buffer: sorted.into_iter() });
        let mut heap = BinaryHeap::with_capacity(sources.len());
        for (number, source) in sources.iter_mut().enumerate() {
            heap.extend(source.next()?.map(|row| Reverse((row, number))));
        }
        Ok(Self { sources, heap, last: None })
    }

    fn step(&mut self) -> Result<Option<R>> {
        while let Some(Reverse((row, number))) = self.heap.pop() {
            self.heap.extend(self.sources[number].next()?.map(|next| Reverse((next, number))));
            if self.last != Some(row) {
                self.last = Some(row);
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

impl<R: Row> Iterator for Sorted<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Rows of `(group, value)`, group by group.
pub(super) struct Groups {
    rows: std::iter::Peekable<Sorted<(i64, i64)>>,
}

impl Groups {
    pub(super) fn new(rows: Sorted<(i64, i64)>) -> Self {
        Self { rows: rows.peekable() }
    }
}

impl Iterator for Groups {
    type Item = Result<(i64, Vec<i64>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (group, first) = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let mut values = vec![first];
        while let Some(row) = self.rows.next_if(|row| row.as_ref().map_or(true, |row| row.0 == group)) {
            match row {
                Ok((_, value)) => values.push(value),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok((group, values)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Groups, Runs};

    proptest! {
        #[test]
        fn rows_come_back_in_order_and_once_however_many_runs_there_are(
            rows in proptest::collection::vec(any::<i8>(), 0..400), limit in 1_usize..9, more in any::<i64>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut runs = Runs::with_limit(folder.path(), limit);
            let mut model = BTreeSet::new();
            for row in rows {
                runs.add(i64::from(row)).unwrap();
                model.insert(i64::from(row));
            }
            prop_assert_eq!(runs.sorted().unwrap().collect::<Result<Vec<_>, _>>().unwrap(), model.iter().copied().collect::<Vec<_>>());
            runs.add(more).unwrap();
            model.insert(more);
            prop_assert_eq!(runs.sorted().unwrap().collect::<Result<Vec<_>, _>>().unwrap(), model.into_iter().collect::<Vec<_>>());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }

        #[test]
        fn groups_hold_what_was_added_under_their_number(
            rows in proptest::collection::vec((0_i64..5, any::<i64>()), 0..100), limit in 1_usize..9,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut runs = Runs::with_limit(folder.path(), limit);
            let mut model: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
            for row in rows {
                runs.add(row).unwrap();
                model.entry(row.0).or_default().insert(row.1);
            }
            let found: Vec<_> = Groups::new(runs.sorted().unwrap()).map(Result::unwrap).collect();
            let model: Vec<_> = model.into_iter().map(|(group, values)| (group, values.into_iter().collect::<Vec<_>>())).collect();
            prop_assert_eq!(found, model);
        }
    }
}
