// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command reads on its standard input: its secrets, a line each, then what it works on, in pieces that have an end.

use std::io::{self, Read, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What a command reads.
pub type Input<'a> = Box<dyn Read + Send + 'a>;

/// Longest piece of an input: large, since the other end starts a program for each.
const PIECE: usize = 4 << 20;

/// Between two looks whether anybody still wants it, in nanoseconds.
const PAUSE: i64 = 50_000_000;

/// Gives a command what it reads. One that does not read to the end is its own matter, and so is one that has ended and left
/// somebody behind who holds the pipe: then `is_over`.
///
/// # Errors
/// The input could not be read. The command must be ended before its standard input is closed.
pub(super) fn feed(
    stdin: &mut ChildStdin,
    preamble: &[u8],
    input: Option<Input>,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let flags = fcntl_getfl(&*stdin)?;
    fcntl_setfl(&*stdin, flags | OFlags::NONBLOCK)?;
    if !put(stdin, preamble, is_over)? {
        return Ok(());
    }
    let Some(mut input) = input else { return Ok(()) };
    let mut piece = Vec::new();
    loop {
        piece.clear();
        input.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if !put(stdin, format!("{}\n", piece.len()).as_bytes(), is_over)? || !put(stdin, &piece, is_over)? {
            return Ok(());
        }
        if piece.is_empty() {
            return Ok(());
        }
    }
}

/// Whether all of it was taken.
fn put(stdin: &mut ChildStdin, mut bytes: &[u8], is_over: &AtomicBool) -> io::Result<bool> {
    while !bytes.is_empty() {
        match stdin.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_over.load(Ordering::Acquire) {
                    return Ok(false);
                }
                let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE };
                let mut wanted = [PollFd::new(&*stdin, PollFlags::OUT)];
                match poll(&mut wanted, Some(&pause)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
