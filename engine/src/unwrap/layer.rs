// SPDX-License-Identifier: MIT OR Apache-2.0
//! One layer of unwrapping: bytes in, a stream and a recipe out. Looks for deflate streams in the regions it is told to look into.
//!
//! Bytes between deflate streams are a *run*: a short one goes into the recipe, a long one into the stream.

use keepfast_repo_format::recipe::{Place, Record, put_head, put_record};

use super::LIBRARY;
use super::deflate::{Outcome, Taken, Taker};
use super::limits::{
    BYTES_PER_FAILURE, CUT_BYTES, FIRST_WINDOW_BYTES, FREE_FAILURES, FREE_STREAM_BYTES, INLINE_BYTES, MAX_RATIO,
    MAX_WINDOW_BYTES, MIN_PACKED_BYTES, WINDOW_BYTES,
};
use super::signs::{self, From, HEAD_BYTES, Sign};

/// What a layer gives: its stream, with what the next layer and the cutter have to know of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Bytes(Vec<u8>),
    /// A region ends and another begins.
    Edge(Edge),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// Whether what follows is a plaintext that was not looked into.
    pub(super) is_plaintext: bool,
    /// Whether cut points begin anew.
    pub(super) cuts: bool,
}

#[derive(Default)]
pub(super) struct Layer {
    /// Bytes of the region, and how many of them are decided.
    buffer: Vec<u8>,
    decided: usize,
    state: State,
    /// A run that may still be short.
    run: Vec<u8>,
    /// The run is long: its bytes go into the stream.
    is_long: bool,
    /// Raw bytes of the stream that the recipe does not name yet.
    raw: u64,
    recipe: Vec<u8>,
    /// Whether there is a deflate stream: without, the stream is what came in, and there is no recipe.
    pub(super) is_used: bool,
    /// Bytes of the stream so far.
    pub(super) length: u64,
    failures: u64,
    is_stopped: bool,
}

#[derive(Default)]
enum State {
    /// At the beginning of a region that may be an archive.
    Beginning,
    /// The region is none.
    #[default]
    Passing,
    /// Between deflate streams of an archive.
    Looking(From),
    /// In a deflate stream.
    Taking(Taking),
}

/// A deflate stream that is being taken apart.
struct Taking {
    taker: Box<Taker>,
    /// Bytes to be in view for the next attempt.
    wanted: usize,
    /// Whether its plaintext has cut points of its own.
    cuts: bool,
    /// Whether it is the second attempt, with less of it in view.
    is_second: bool,
}

impl Taking {
    fn first() -> Self {
        Self { taker: Box::new(Taker::new()), wanted: FIRST_WINDOW_BYTES, cuts: false, is_second: false }
    }

    fn second() -> Self {
        Self { wanted: WINDOW_BYTES, is_second: true, ..Self::first() }
    }
}

impl Layer {
    /// The outermost layer looks into the file itself, the others only into plaintexts.
    pub(super) fn outermost() -> Self {
        Self { state: State::Beginning, ..Self::default() }
    }

    /// Takes what comes next. `input` is the number of the file's bytes so far: what may be spent depends on it.
    pub(super) fn push(&mut self, flow: Flow, input: u64, out: &mut Vec<Flow>) {
        match flow {
            Flow::Bytes(bytes) if matches!(self.state, State::Passing) || self.has_nothing_in(&bytes) => {
                self.raw(bytes, out)
            }
            Flow::Bytes(bytes) => {
                self.buffer.drain(..std::mem::take(&mut self.decided));
                self.buffer.extend_from_slice(&bytes);
                self.advance(input, false, out);
            }
            Flow::Edge(edge) => {
                self.end_region(input, out);
                self.spill(out);
                if edge.cuts {
                    out.push(Flow::Edge(Edge { is_plaintext: false, cuts: true }));
                }
                self.state = if edge.is_plaintext { State::Beginning } else { State::Passing };
            }
        }
    }

    /// Whether these bytes, which come next, can go on as they are. So most of a tar archive is copied nowhere.
    fn has_nothing_in(&self, bytes: &[u8]) -> bool {
        matches!(self.state, State::Looking(From::Middle))
            && self.view().is_empty()
            && signs::next(bytes, From::Middle, false) == (Sign::None { passed: bytes.len() })
    }

    /// Finds nothing more.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, input: u64, out: &mut Vec<Flow>) {
        self.end_region(input, out);
        if self.is_used {
            self.name_raw();
            self.end_run();
        } else {
            self.spill(out);
        }
    }

    /// The recipe's bytes since the last call.
    pub(super) fn take_recipe(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.recipe)
    }

    fn end_region(&mut self, input: u64, out: &mut Vec<Flow>) {
        self.advance(input, true, out);
        debug_assert!(self.view().is_empty(), "all bytes of a region are decided at its end");
    }

    /// Decides as much as can be decided.
    fn advance(&mut self, input: u64, is_last: bool, out: &mut Vec<Flow>) {
        loop {
            match std::mem::take(&mut self.state) {
                State::Beginning if self.view().len() < HEAD_BYTES && !is_last => {
                    self.state = State::Beginning;
                    return;
                }
                State::Beginning if signs::is_archive(self.view()) => self.state = State::Looking(From::Beginning),
                State::Beginning | State::Passing => {
                    self.pass(self.view().len(), out);
                    return;
                }
                State::Looking(_) if self.has_enough(input) => {}
                State::Looking(from) => match signs::next(self.view(), from, is_last) {
                    Sign::None { passed } => {
                        self.pass(passed, out);
                        self.state = State::Looking(From::Middle);
                        return;
                    }
                    Sign::Part { start } => {
                        self.pass(start, out);
                        self.state = State::Looking(From::Middle);
                        return;
                    }
                    Sign::Body { body } => {
                        self.pass(body, out);
                        self.state = State::Taking(Taking::first());
                    }
                },
                State::Taking(taking) if self.view().len() < taking.wanted && !is_last => {
                    self.state = State::Taking(taking);
                    return;
                }
                State::Taking(taking) => self.state = self.take(taking, input, out),
            }
        }
    }

    /// Whether further attempts are not worth it.
    fn has_enough(&self, input: u64) -> bool {
        self.is_stopped || self.failures > FREE_FAILURES + input / BYTES_PER_FAILURE
    }

    /// One attempt at the next part of a deflate stream.
    fn take(&mut self, mut taking: Taking, input: u64, out: &mut Vec<Flow>) -> State {
        let Taking { taker, wanted, cuts, is_second } = &mut taking;
        let window = &self.buffer[self.decided..];
        let window = &window[..window.len().min(*wanted)];
        // What is damaged further down shall not cost what comes before it.
        let may_shrink = taker.place == Place::First && !*is_second && window.len() > WINDOW_BYTES;
        let most = input.saturating_mul(MAX_RATIO).saturating_add(FREE_STREAM_BYTES);
        match taker.take(window) {
            Outcome::NeedsMore if window.len() == *wanted && *wanted < MAX_WINDOW_BYTES => {
                *wanted *= 2;
                State::Taking(taking)
            }
            Outcome::Failed if may_shrink => {
                self.failures += 1;
                State::Taking(Taking::second())
            }
            Outcome::Taken(taken)
                if taker.place == Place::First && taken.is_done && taken.packed < MIN_PACKED_BYTES =>
            {
                self.pass(taken.packed, out);
                State::Looking(From::Middle)
            }
            Outcome::Taken(taken) if !self.is_stopped && self.length + taken.plain.len() as u64 <= most => {
                self.taken(taken, taking, out)
            }
            Outcome::Taken(_) | Outcome::NeedsMore | Outcome::Failed => {
                self.failures += 1;
                if taker.place == Place::Next {
                    out.push(Flow::Edge(Edge { is_plaintext: false, cuts: *cuts }));
                }
                State::Looking(From::Middle)
            }
        }
    }

    fn taken(&mut self, taken: Taken, taking: Taking, out: &mut Vec<Flow>) -> State {
        let Taking { mut taker, mut cuts, .. } = taking;
        if !self.is_used {
            put_head(&mut self.recipe, LIBRARY);
            self.is_used = true;
        }
        self.name_raw();
        self.end_run();
        if taker.place == Place::First {
            cuts = taken.plain.len() >= CUT_BYTES;
            out.push(Flow::Edge(Edge { is_plaintext: true, cuts }));
        }
        let Taken { packed, plain, corrections, is_done } = taken;
        let record = Record::Deflate { place: taker.place, packed, plain: plain.len(), corrections: &corrections };
        put_record(&mut self.recipe, &record);
        self.decided += packed;
        self.emit(plain, out);
        taker.place = Place::Next;
        if is_done {
            out.push(Flow::Edge(Edge { is_plaintext: false, cuts }));
            return State::Looking(From::Middle);
        }
        State::Taking(Taking { taker, wanted: WINDOW_BYTES, cuts, is_second: false })
    }

    /// Bytes of the region that are not decided yet.
    fn view(&self) -> &[u8] {
        &self.buffer[self.decided..]
    }

    /// Decides that the next bytes stay as they are.
    fn pass(&mut self, count: usize, out: &mut Vec<Flow>) {
        let bytes = self.view()[..count].to_vec();
        self.decided += count;
        self.raw(bytes, out);
    }

    fn raw(&mut self, bytes: Vec<u8>, out: &mut Vec<Flow>) {
        if self.is_long {
            self.raw += bytes.len() as u64;
            self.emit(bytes, out);
        } else {
            self.run.extend(bytes);
            if self.run.len() >= INLINE_BYTES {
                self.spill(out);
            }
        }
    }

    /// The run goes into the stream, whatever its length.
    fn spill(&mut self, out: &mut Vec<Flow>) {
        let run = std::mem::take(&mut self.run);
        self.raw += run.len() as u64;
        self.emit(run, out);
        self.is_long = true;
    }

    /// A short run goes into the recipe, behind the raw bytes before it.
    fn end_run(&mut self) {
        if !self.run.is_empty() {
            put_record(&mut self.recipe, &Record::Inline(&self.run));
            self.run.clear();
        }
        self.is_long = false;
    }

    fn name_raw(&mut self) {
        if self.raw > 0 {
            put_record(&mut self.recipe, &Record::Raw(self.raw));
            self.raw = 0;
        }
    }

    fn emit(&mut self, bytes: Vec<u8>, out: &mut Vec<Flow>) {
        if !bytes.is_empty() {
            self.length += bytes.len() as u64;
            out.push(Flow::Bytes(bytes));
        }
    }
}
