// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the data of a sparse member lies in its file: the four ways in which GNU tar writes it down.

use super::error::Fault;
use super::header::{Block, number};
use super::pax::{self, Records};

/// A run of data in a sparse file; what lies between runs is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Offset in the file.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// Runs of one member: 64 MiB of them. Above that an archive wants memory rather than a file.
pub(super) const MAX_RUNS: usize = 4 << 20;

/// Places of a run in a header and in the blocks that follow it.
const RUN_BYTES: usize = 24;
const IN_HEADER: std::ops::Range<usize> = 386..482;
const HEADER_GOES_ON: usize = 482;
const HEADER_REAL_SIZE: std::ops::Range<usize> = 483..495;
const IN_BLOCK: std::ops::Range<usize> = 0..504;
const BLOCK_GOES_ON: usize = 504;

/// Runs in the header of type `S`; whether a block with more follows; and the file's size.
pub(super) fn in_header(block: &Block) -> Result<(Vec<Run>, bool, u64), Fault> {
    let size = number(&block[HEADER_REAL_SIZE]).and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| Fault::malformed("the size of a sparse file is no number"))?;
    Ok((runs(&block[IN_HEADER])?, block[HEADER_GOES_ON] == 1, size))
}

/// Runs in a block behind such a header, and whether another one follows.
pub(super) fn in_block(block: &Block) -> Result<(Vec<Run>, bool), Fault> {
    Ok((runs(&block[IN_BLOCK])?, block[BLOCK_GOES_ON] == 1))
}

fn runs(bytes: &[u8]) -> Result<Vec<Run>, Fault> {
    let mut runs = Vec::new();
    // Places that are not used are zeros.
    for place in bytes.chunks_exact(RUN_BYTES).take_while(|place| place[12] != 0) {
        let field = |bytes| number(bytes).and_then(|value| u64::try_from(value).ok());
        match (field(&place[..12]), field(&place[12..])) {
            (Some(start), Some(length)) => runs.push(Run { start, length }),
            _ => return Err(Fault::malformed("a place in a sparse file is no number")),
        }
    }
    Ok(runs)
}

/// Runs in pax records of version 0.0 or 0.1; `None` if there are none.
pub(super) fn in_records(records: &Records) -> Result<Option<Vec<Run>>, Fault> {
    let malformed = || Fault::malformed("the map of a sparse file is no list of numbers");
    let numbers: Option<Vec<u64>> = if let Some(map) = pax::find(records, "GNU.sparse.map") {
        map.split(|byte| *byte == b',').map(pax::number).collect()
    } else {
        let is_place = |key: &[u8]| key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes";
        let places = records.iter().filter(|(key, _)| is_place(key));
        places.map(|(_, value)| pax::number(value)).collect()
    };
    let numbers = numbers.ok_or_else(malformed)?;
    if numbers.is_empty() && pax::find(records, "GNU.sparse.numblocks").is_none() {
        return Ok(None);
    }
    if numbers.len() % 2 != 0 {
        return Err(malformed());
    }
    Ok(Some(numbers.chunks_exact(2).map(|pair| Run { start: pair[0], length: pair[1] }).collect()))
}

/// Refuses a map that can not be that of a file of `size` bytes of which `stored` are in the archive. Drops empty runs, which
/// only say where the file ends.
pub(super) fn checked(runs: Vec<Run>, size: u64, stored: u64) -> Result<Vec<Run>, Fault> {
    let (mut at, mut data) = (0_u64, 0_u64);
    for run in &runs {
        let end = run.start.checked_add(run.length).filter(|end| run.start >= at && *end <= size);
        at = end.ok_or_else(|| Fault::malformed("the map of a sparse file does not fit its size"))?;
        data += run.length;
    }
    if data != stored {
        return Err(Fault::malformed(format!("a sparse file has {stored} bytes, its map says {data}")));
    }
    Ok(runs.into_iter().filter(|run| run.length > 0).collect())
}

/// Runs as version 1.0 writes them in front of the data, filled up to a whole block.
pub(super) fn as_text(runs: &[Run]) -> Vec<u8> {
    let mut text = format!("{}\n", runs.len());
    for run in runs {
        text.push_str(&format!("{}\n{}\n", run.start, run.length));
    }
    let mut text = text.into_bytes();
    text.resize(text.len().next_multiple_of(super::header::BLOCK_BYTES), 0);
    text
}

#[cfg(test)]
mod tests {
    use super::{Run, checked};

    #[test]
    fn a_map_must_fit_its_file() {
        let run = |start, length| Run { start, length };
        assert_eq!(checked(vec![run(0, 4), run(10, 2), run(20, 0)], 20, 6).unwrap(), [run(0, 4), run(10, 2)]);
        for (map, size, stored) in [
            (vec![run(4, 4), run(0, 2)], 20, 6),
            (vec![run(0, 4), run(3, 2)], 20, 6),
            (vec![run(0, 21)], 20, 21),
            (vec![run(0, 4)], 20, 5),
            (vec![run(u64::MAX, 4)], u64::MAX, 4),
        ] {
            assert!(checked(map.clone(), size, stored).is_err(), "{map:?}");
        }
    }
}
