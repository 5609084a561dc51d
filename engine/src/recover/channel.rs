// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream that another thread writes. Its end is said, never guessed: a writer that fails, or is gone, is an error for whoever
//! reads.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::runbook::Input;

/// What is handed over at once.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// So many pieces may wait.
const PIECES: usize = 4;

enum Piece {
    Bytes(Vec<u8>),
    End,
    Failed(String),
}

/// Starts `write`, and reads what it writes. It ends when the reader is dropped.
pub(super) fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Input<'static> {
    let (pieces, arriving) = sync_channel(PIECES);
    thread::spawn(move || {
        let mut output = Output { pieces, waiting: Vec::with_capacity(PIECE_BYTES) };
        let last = match write(&mut output).and_then(|()| output.flush()) {
            Ok(()) => Piece::End,
            Err(error) => Piece::Failed(error.to_string()),
        };
        // Nobody may read any more.
        let _ = output.pieces.send(last);
    });
    Box::new(Stream { arriving, front: Vec::new(), at: 0, ended: None })
}

struct Output {
    pieces: SyncSender<Piece>,
    waiting: Vec<u8>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        if self.waiting.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
        self.pieces.send(Piece::Bytes(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

struct Stream {
    arriving: Receiver<Piece>,
    front: Vec<u8>,
    at: usize,
    /// How it ended: well, or why not.
    ended: Option<Result<(), String>>,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.front.len() {
            if let Some(ended) = &self.ended {
                return ended.clone().map(|()| 0).map_err(io::Error::other);
            }
            match self.arriving.recv() {
                Ok(Piece::Bytes(bytes)) => (self.front, self.at) = (bytes, 0),
                Ok(Piece::End) => self.ended = Some(Ok(())),
                Ok(Piece::Failed(why)) => self.ended = Some(Err(why)),
                Err(_) => self.ended = Some(Err("it was not written to its end".to_string())),
            }
        }
        let count = buffer.len().min(self.front.len() - self.at);
        buffer[..count].copy_from_slice(&self.front[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use super::{PIECE_BYTES, stream};

    fn read(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        let ended = stream(write).read_to_end(&mut bytes);
        (bytes, ended.err().map(|error| error.to_string()))
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES * 3 + 7] {
            let expected: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let written = expected.clone();
            assert_eq!(read(move |output| output.write_all(&written)), (expected, None));
        }
    }

    #[test]
    fn a_writer_that_fails_is_an_error_and_no_end_however_often_it_is_asked() {
        let mut stream = stream(|output| {
            output.write_all(&[1; 10])?;
            Err(io::Error::other("a chunk is missing"))
        });
        for _ in 0..3 {
            let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "a chunk is missing");
        }
    }

    #[test]
    fn a_writer_that_dies_is_an_error() {
        let (_, error) = read(|_| std::panic::resume_unwind(Box::new("died")));
        assert_eq!(error.unwrap(), "it was not written to its end");
    }

    #[test]
    fn a_writer_ends_when_nobody_reads() {
        let (told, ended) = std::sync::mpsc::channel();
        drop(stream(move |output| {
            let result = (0..100).try_for_each(|_| output.write_all(&[0; PIECE_BYTES]));
            let _ = told.send(result.is_err());
            result
        }));
        assert!(ended.recv().unwrap());
    }
}
