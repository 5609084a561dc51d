// SPDX-License-Identifier: MIT OR Apache-2.0
//! Moves the bytes of one object in many requests at once: a connection with a long way to the server would otherwise
//! stand still between one request and the next.

use std::ops::Range;

use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};

use super::connection::{Connection, Handle};
use super::error::SftpError;

/// Bytes of one object that are under way: as much as OpenSSH lets be under way on a connection.
const WINDOW_BYTES: usize = 2 << 20;

/// Memory taken for a read before its bytes come; more is taken as they come, so that a wrong length costs nothing.
const MAX_RESERVED_BYTES: usize = 16 << 20;

/// Writes `parts`, one after the other, from the file's beginning.
pub(super) async fn write(connection: &Connection, handle: &Handle, parts: &[&[u8]]) -> Result<(), SftpError> {
    let at_once = (WINDOW_BYTES / connection.write_bytes).max(1);
    let mut under_way = FuturesUnordered::new();
    let mut offset = 0_u64;
    for piece in (Pieces { parts, taken: 0, bytes: connection.write_bytes }) {
        if under_way.len() >= at_once
            && let Some(written) = under_way.next().await
        {
            written?;
        }
        let length = piece.len() as u64;
        let request = connection.session().write(handle.id.as_str(), offset, piece);
        under_way.push(async move { connection.ask(request).await.map(drop) });
        offset += length;
    }
    while let Some(written) = under_way.next().await {
        written?;
    }
    Ok(())
}

/// Reads exactly `range`.
pub(super) async fn read(connection: &Connection, handle: &Handle, range: Range<u64>) -> Result<Vec<u8>, SftpError> {
    let piece_bytes = u64::from(connection.read_bytes);
    let at_once = (WINDOW_BYTES as u64 / piece_bytes).max(1);
    let too_large = || SftpError::Unexpected("more bytes than this machine's memory were asked for".to_owned());
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| too_large())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length.min(MAX_RESERVED_BYTES)).map_err(|_| too_large())?;
    let mut under_way = FuturesOrdered::new();
    let mut next = range.start;
    while bytes.len() < length {
        while next < range.end && (under_way.len() as u64) < at_once {
            let end = range.end.min(next.saturating_add(piece_bytes));
            under_way.push_back(read_piece(connection, handle, next..end));
            next = end;
        }
        let Some(piece) = under_way.next().await else { break };
        let piece = piece?;
        bytes.try_reserve(piece.len()).map_err(|_| too_large())?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A server may answer with fewer bytes than asked for at any time; with none only at the end, which is not here.
async fn read_piece(connection: &Connection, handle: &Handle, range: Range<u64>) -> Result<Vec<u8>, SftpError> {
    let mut bytes = Vec::new();
    loop {
        let next = range.start + bytes.len() as u64;
        let rest = u32::try_from(range.end - next).unwrap_or(u32::MAX);
        if rest == 0 {
            return Ok(bytes);
        }
        let shorter = || SftpError::Unexpected("the file became shorter while it was read".to_owned());
        let answer = connection.ask(connection.session().read(handle.id.as_str(), next, rest)).await;
        let data = answer.map_err(|error| if error.is_end() { shorter() } else { error })?.data;
        if data.is_empty() {
            return Err(shorter());
        }
        if data.len() > rest as usize {
            return Err(SftpError::Unexpected("the server sent more bytes than it was asked for".to_owned()));
        }
        if bytes.is_empty() { bytes = data } else { bytes.extend_from_slice(&data) }
    }
}

/// Cuts parts, joined, into pieces of equal length; the last may be shorter.
struct Pieces<'a> {
    parts: &'a [&'a [u8]],
    /// Bytes of the first part that were taken.
    taken: usize,
    /// Length of a piece.
    bytes: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        while piece.len() < self.bytes {
            let Some((part, others)) = self.parts.split_first() else { break };
            let rest = &part[self.taken..];
            let take = rest.len().min(self.bytes - piece.len());
            piece.extend_from_slice(&rest[..take]);
            self.taken += take;
            if self.taken == part.len() {
                (self.parts, self.taken) = (others, 0);
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}
