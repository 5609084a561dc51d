// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading ahead: whoever reads one segment after the other finds the next one opened.
//!
//! A backup has put contents into packs in the order of paths, so this serves a large file as well as many small ones that are copied in
//! that order. The segments wait in the memory of the reader of chunks; nothing is read ahead of who jumps about.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, TrySendError, bounded};
use keepfast_repo_format::id::PackId;

use crate::index::Location;
use crate::reader::Reader;
use crate::repository::Distance;

/// Segments that were read last, to see who reads one after the other: so many readers at a time.
const REMEMBERED_SEGMENTS: usize = 16;

/// Opens segments before they are asked for.
pub(super) struct Ahead {
    jobs: Sender<Location>,
    /// Segments ahead of a reader.
    depth: u32,
    recent: Mutex<VecDeque<(PackId, u32)>>,
}

impl Ahead {
    /// Starts the threads, which end with this value. A network waits more than it works, so more is under way there.
    pub(super) fn start(reader: &Arc<Reader>, distance: Distance) -> Self {
        let depth = match distance {
            Distance::Local => 2,
            Distance::Remote => 4,
        };
        let (jobs, waiting) = bounded::<Location>(depth as usize);
        for _ in 0..depth {
            let (reader, waiting) = (reader.clone(), waiting.clone());
            thread::spawn(move || {
                for location in waiting {
                    // What is wrong with it is told to whoever asks for it.
                    let _ = reader.segment(&location);
                }
            });
        }
        Self { jobs, depth, recent: Mutex::default() }
    }

    /// Somebody reads from this segment.
    pub(super) fn note(&self, location: &Location) {
        let (pack, segment) = location.segment_key();
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.contains(&(pack, segment)) {
                return;
            }
            // A pack is begun by who goes on from another one.
            let goes_on = segment == 0 || recent.contains(&(pack, segment - 1));
            recent.push_front((pack, segment));
            recent.truncate(REMEMBERED_SEGMENTS);
            if !goes_on {
                return;
            }
        }
        let all = location.pack.directory.segments.len();
        let next = (segment + 1..=segment + self.depth).filter(|next| (*next as usize) < all);
        for segment in next {
            // If they have no time for it, it is not needed ahead.
            if let Err(TrySendError::Disconnected(_)) = self.jobs.try_send(Location { segment, ..location.clone() }) {
                return;
            }
        }
    }
}
