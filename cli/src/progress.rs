// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress for people: a line on the terminal that is drawn anew, or one line whenever SIGUSR1 comes; silence otherwise.
//! Implements the engine's [`Events`]; its methods are called for every path by many threads, so they only count.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use keepfast_engine::events::{Events, Problem};
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::{Handle, Signals as SignalIterator};

use crate::context::Context;
use crate::render::text;

/// How often the line on the terminal is drawn; more often would only flicker.
const REDRAW: Duration = Duration::from_millis(200);
/// No guess about the rest before this: the first seconds say little.
const GUESS_AFTER: Duration = Duration::from_secs(2);

/// What was counted so far.
struct Counts {
    unit: &'static str,
    started: Instant,
    paths: AtomicU64,
    bytes: AtomicU64,
    expected_paths: AtomicU64,
    expected_bytes: AtomicU64,
    problems: AtomicU64,
}

/// Shows progress until it is dropped.
pub struct Progress<'a> {
    context: &'a Context,
    counts: Arc<Counts>,
    bar: Option<ProgressBar>,
    requests: Option<Handle>,
}

impl<'a> Progress<'a> {
    /// Starts showing progress; what is counted are paths.
    pub fn start(context: &'a Context) -> Self {
        Self::counting("path", context)
    }

    /// Starts showing progress; what is counted has this name.
    pub fn counting(unit: &'static str, context: &'a Context) -> Self {
        let counts = Arc::new(Counts {
            unit,
            started: Instant::now(),
            paths: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            expected_paths: AtomicU64::new(0),
            expected_bytes: AtomicU64::new(0),
            problems: AtomicU64::new(0),
        });
        let wants_bar = !context.global.quiet && !context.global.json && io::stderr().is_terminal();
        let bar = wants_bar.then(|| bar(counts.clone()));
        Self { context, requests: answer_requests(counts.clone()), counts, bar }
    }
}

fn bar(counts: Arc<Counts>) -> ProgressBar {
    let draw = move |_: &ProgressState, line: &mut dyn fmt::Write| {
        // A line that can not be drawn is drawn the next time.
        let _ = line.write_str(&fitting(counts.parts(), columns()));
    };
    let style = ProgressStyle::with_template("{line}").expect("the template is valid").with_key("line", draw);
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(REDRAW);
    bar
}

/// Prints a line for every SIGUSR1, which would otherwise end the process.
fn answer_requests(counts: Arc<Counts>) -> Option<Handle> {
    let mut signals = SignalIterator::new([SIGUSR1]).ok()?;
    let handle = signals.handle();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // Whoever asked has closed standard error.
            let _ = writeln!(io::stderr(), "{}", fitting(counts.parts(), usize::MAX));
        }
    });
    Some(handle)
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(requests) = &self.requests {
            requests.close();
        }
    }
}

/// Columns of the terminal; one is left to the cursor, which some would put into the next line.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).map_or(80, |columns| columns - 1)
}

/// A part of the line on the terminal, and what it is worth where there is no room: the least goes first.
type Part = (u8, String);

/// The parts that have room, in their order: a line that goes on in the next one would stay there when it is drawn anew.
fn fitting(mut parts: Vec<Part>, columns: usize) -> String {
    loop {
        let line = parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("  ");
        if text::width(&line) <= columns || parts.len() <= 1 {
            return line;
        }
        let least = parts.iter().map(|(worth, _)| *worth).min();
        parts.retain(|(worth, _)| Some(*worth) != least);
    }
}

impl Counts {
    fn parts(&self) -> Vec<Part> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let elapsed = self.started.elapsed();
        let (paths, bytes) = (get(&self.paths), get(&self.bytes));
        let rate = (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
        let done = share(paths, bytes, get(&self.expected_paths), get(&self.expected_bytes));
        let clock_and_share = match done {
            Some(done) => format!("[{}] {:.0} %", clock(elapsed.as_secs()), done * 100.0),
            None => format!("[{}]", clock(elapsed.as_secs())),
        };
        let mut parts = vec![(6, clock_and_share), (3, text::counted(paths, self.unit))];
        // Where only names and trees are looked at there are no bytes to be told.
        if bytes > 0 {
            parts.push((4, text::size(bytes)));
            parts.push((1, format!("{}/s", text::size(rate))));
        }
        if let Some(done) = done.filter(|done| *done > 0.0 && elapsed >= GUESS_AFTER) {
            let rest = elapsed.as_secs_f64() * (1.0 - done) / done;
            parts.push((2, format!("ETA {}", clock(rest as u64))));
        }
        match get(&self.problems) {
            0 => {}
            problems => parts.push((5, text::counted(problems, "problem"))),
        }
        parts
    }
}

/// How much is done, 0 to 1; `None` if nobody knows. What is expected is a guess, so never all before the end.
fn share(paths: u64, bytes: u64, expected_paths: u64, expected_bytes: u64) -> Option<f64> {
    const ALMOST: f64 = 0.99;
    match (expected_paths, expected_bytes) {
        (0, 0) => None,
        (expected, 0) => Some((paths as f64 / expected as f64).min(ALMOST)),
        (_, expected) => Some((bytes as f64 / expected as f64).min(ALMOST)),
    }
}

fn clock(seconds: u64) -> String {
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

impl Events for Progress<'_> {
    fn path_done(&self, _path: &[u8], bytes: u64) {
        self.counts.paths.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn bytes_done(&self, bytes: u64) {
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn expected(&self, paths: u64, bytes: u64) {
        self.counts.expected_paths.store(paths, Ordering::Relaxed);
        self.counts.expected_bytes.store(bytes, Ordering::Relaxed);
    }

    fn problem(&self, _problem: &Problem) {
        self.counts.problems.fetch_add(1, Ordering::Relaxed);
    }

    fn said(&self, path: &[u8], line: &str) {
        let print = || self.context.output.warn(&format!("{}: {}", text::path(path), text::plain(line)));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn cancelled(&self) -> bool {
        self.context.signals.cancelled() || self.context.output.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::{clock, fitting, share};

    #[test]
    fn the_share_is_by_bytes_and_never_all() {
        assert_eq!(share(1, 1, 0, 0), None);
        assert_eq!(share(1, 50, 10, 200), Some(0.25));
        assert_eq!(share(5, 0, 10, 0), Some(0.5));
        assert_eq!(share(20, 400, 10, 200), Some(0.99));
    }

    #[test]
    fn a_narrow_terminal_is_told_what_matters_most() {
        let parts = || {
            [(6, "[0:07] 56 %"), (3, "1 path"), (4, "397 MiB"), (1, "488 MiB/s"), (2, "ETA 0:05"), (5, "1 problem")]
                .map(|(worth, text)| (worth, text.to_string()))
                .to_vec()
        };
        assert_eq!(fitting(parts(), 79), "[0:07] 56 %  1 path  397 MiB  488 MiB/s  ETA 0:05  1 problem");
        assert_eq!(fitting(parts(), 58), "[0:07] 56 %  1 path  397 MiB  ETA 0:05  1 problem");
        assert_eq!(fitting(parts(), 39), "[0:07] 56 %  1 path  397 MiB  1 problem");
        assert_eq!(fitting(parts(), 1), "[0:07] 56 %");
    }

    #[test]
    fn clocks_show_hours_only_when_there_are_any() {
        assert_eq!((clock(7), clock(3599), clock(3600)), ("0:07".into(), "59:59".into(), "1:00:00".into()));
    }
}
