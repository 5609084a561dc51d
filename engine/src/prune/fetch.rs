// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the segments of a pack that are copied: neighbours in one request, and a few requests at a time, because over a network
//! each costs a round trip, however little it brings.
//!
//! For copying out. Nothing that it gives has been opened yet.

use std::ops::Range;

use keepfast_repo_format::directory::SegmentRow;
use keepfast_storage::{Backend, Name, StorageError};

use crate::error::{Error, Result};

/// So much that nobody wants is read if that spares a request.
const GAP_BYTES: u64 = 64 << 10;

/// A request asks for no more, unless a single segment is longer.
const REQUEST_BYTES: u64 = 4 << 20;

/// Requests at a time.
const AT_ONCE: usize = 4;

/// Wanted segments, by number, and the range of the pack in which they lie.
struct Request {
    range: Range<u64>,
    segments: Vec<usize>,
}

/// Calls `each` with the number and the stored bytes of each wanted segment, in their order. No bytes: the request in which the
/// segment was says that the object is damaged or gone, which may concern another part of it.
///
/// # Errors
/// What `each` returns, and what the storage says for any other reason.
pub(super) fn each_segment(
    backend: &dyn Backend,
    name: &Name,
    segments: &[SegmentRow],
    is_wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(usize, Option<&[u8]>) -> Result<()>,
) -> Result<()> {
    for requests in requests(segments, is_wanted).chunks(AT_ONCE) {
        for (request, bytes) in requests.iter().zip(read(backend, name, requests)) {
            let bytes = match bytes.map_err(Error::from) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error),
            };
            for number in &request.segments {
                let start = u64::from(segments[*number].offset) - request.range.start;
                let end = start + u64::from(segments[*number].stored_len);
                // Below the length of a pack, which fits.
                each(*number, bytes.as_ref().and_then(|bytes| bytes.get(start as usize..end as usize)))?;
            }
        }
    }
    Ok(())
}

fn requests(segments: &[SegmentRow], is_wanted: impl Fn(usize) -> bool) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for (number, row) in segments.iter().enumerate().filter(|(number, _)| is_wanted(*number)) {
        let (start, end) = (u64::from(row.offset), u64::from(row.offset) + u64::from(row.stored_len));
        match requests.last_mut() {
            Some(last) if start - last.range.end <= GAP_BYTES && end - last.range.start <= REQUEST_BYTES => {
                last.range.end = end;
                last.segments.push(number);
            }
            _ => requests.push(Request { range: start..end, segments: vec![number] }),
        }
    }
    requests
}

fn read(backend: &dyn Backend, name: &Name, requests: &[Request]) -> Vec<Result<Vec<u8>, StorageError>> {
    let get = |request: &Request| backend.get(name, Some(request.range.clone()));
    if let [request] = requests {
        return vec![get(request)];
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|request| scope.spawn(move || get(request))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use keepfast_repo_format::segment::Codec;
    use keepfast_storage::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, RecordingBackend};
    use keepfast_storage::{Backend, ErrorKind, Name};

    use super::{SegmentRow, each_segment};

    const SEGMENT: usize = 100 << 10;

    fn name() -> Name {
        Name::new("packs/00/00".to_string()).unwrap()
    }

    /// A pack of segments that stand without a gap, each of its own number.
    fn pack(segments: u8) -> (MemBackend, Vec<SegmentRow>) {
        let backend = MemBackend::new();
        let bytes: Vec<u8> = (0..segments).flat_map(|number| vec![number; SEGMENT]).collect();
        backend.put_if_absent(&name(), &[&bytes]).unwrap();
        let row = |number: u8| SegmentRow {
            offset: u32::from(number) * SEGMENT as u32,
            stored_len: SEGMENT as u32,
            plain_len: SEGMENT as u32 - 40,
            chunks: 1,
            edges: 0,
            key_row: 0,
            codec: Codec::Raw,
        };
        (backend, (0..segments).map(row).collect())
    }

    fn numbers(backend: &dyn Backend, rows: &[SegmentRow], wanted: impl Fn(usize) -> bool) -> Vec<(usize, bool)> {
        let mut read = Vec::new();
        each_segment(backend, &name(), rows, wanted, |number, bytes| {
            assert!(bytes.is_none_or(|bytes| bytes == vec![number as u8; SEGMENT]), "{number}");
            read.push((number, bytes.is_some()));
            Ok(())
        })
        .unwrap();
        read
    }

    #[test]
    fn neighbours_share_a_request_and_every_segment_comes_once_in_order() {
        let (backend, rows) = pack(200);
        let backend = RecordingBackend::new(std::sync::Arc::new(backend));
        let read = numbers(&backend, &rows, |_| true);
        assert_eq!(read, (0..200).map(|number| (number, true)).collect::<Vec<_>>());
        // 40 of 100 KiB fit into 4 MiB.
        assert_eq!(backend.take().len(), 5);
        let read = numbers(&backend, &rows, |number| [3, 4, 6, 199].contains(&number));
        assert_eq!(read, [(3, true), (4, true), (6, true), (199, true)]);
        assert_eq!(backend.take().len(), 3, "100 KiB between are not worth it");
    }

    #[test]
    fn a_request_that_meets_damage_gives_no_bytes_and_any_other_failure_ends_it() {
        let (backend, rows) = pack(80);
        let whole = backend.get(&name(), None).unwrap();
        let short = MemBackend::new();
        short.put_if_absent(&name(), &[&whole[..whole.len() - 1]]).unwrap();
        let read = numbers(&short, &rows, |_| true);
        assert!(read[..40].iter().all(|(_, is_there)| *is_there) && read[40..].iter().all(|(_, is_there)| !is_there));
        let fault = Fault::new(Operation::Get, "packs", 2, ErrorKind::Other, Moment::BeforeEffect);
        let faulty = FaultyBackend::new(std::sync::Arc::new(backend), vec![fault]);
        assert!(each_segment(&faulty, &name(), &rows, |_| true, |_, _| Ok(())).is_err());
    }
}
