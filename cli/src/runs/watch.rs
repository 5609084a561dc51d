// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells how a run goes on, as it happens: a line for each step and host.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use keepfast_engine::runbook::{Event, Planned, Watch};
use serde_json::json;

use crate::context::Context;
use crate::render::text;

/// Tells.
pub struct Teller<'a> {
    context: &'a Context,
    /// When each task was begun, by step and host.
    begun: Mutex<BTreeMap<(String, String), Instant>>,
}

impl<'a> Teller<'a> {
    /// For a run.
    pub fn new(context: &'a Context) -> Self {
        Self { context, begun: Mutex::default() }
    }

    /// Seconds since the task was begun, if it was.
    fn seconds(&self, step: &Planned, host: &str, event: Event) -> Option<f64> {
        let key = (step.id.clone(), host.to_string());
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begun | Event::Undoing => {
                begun.insert(key, Instant::now());
                None
            }
            _ => begun.remove(&key).map(|begun| begun.elapsed().as_secs_f64()),
        }
    }
}

impl Watch for Teller<'_> {
    fn step(&self, step: &Planned, number: usize, count: usize) {
        let out = &self.context.output;
        out.note(&format!("step {number} of {count}  {}", text::plain(&step.title)));
        out.object(json!({
            "event": "step", "step": step.id, "number": number, "steps": count, "title": step.title, "section": step.section,
        }));
        out.flush();
    }

    fn task(&self, step: &Planned, host: &str, event: Event, note: &str) {
        let out = &self.context.output;
        let seconds = self.seconds(step, host, event);
        let took = seconds.map_or_else(String::new, |seconds| format!(" ({})", text::duration(seconds)));
        let said = match event {
            Event::Done => format!("done{took}"),
            Event::Passed => format!("nothing to do: {}", text::plain(note)),
            Event::Failed => format!("failed{took}: {}", text::plain(note)),
            Event::Undone => format!("undone{took}"),
            _ => String::new(),
        };
        if !said.is_empty() {
            out.note_prose(&format!("    {}: {said}", text::plain(host)));
        }
        out.object(json!({ "event": event, "step": step.id, "host": host, "note": note, "seconds": seconds }));
        out.flush();
    }

    fn line(&self, step: &Planned, host: &str, line: &str) {
        if self.context.global.verbose {
            let out = &self.context.output;
            out.note(&format!("    {}: | {}", text::plain(host), text::plain(line)));
            out.object(json!({ "event": "output", "step": step.id, "host": host, "line": line }));
            out.flush();
        }
    }

    fn cancelled(&self) -> bool {
        self.context.signals.cancelled()
    }
}
