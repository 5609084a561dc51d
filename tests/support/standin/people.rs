// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is asked, and who looks on.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use keepfast_engine::profile::Asked;
use keepfast_engine::runbook::{Event, Person, Planned, Question, Watch};

use super::World;

/// Agrees to everything but what it refuses, and remembers what it was asked.
#[derive(Default)]
pub struct Recorder {
    refuses: Option<String>,
    asked: Mutex<Vec<(Asked, String, String)>>,
}

impl Recorder {
    /// One who agrees to everything.
    pub fn agrees() -> Self {
        Self::default()
    }

    /// One who agrees to nothing.
    pub fn refuses() -> Self {
        Self { refuses: Some(String::new()), asked: Mutex::default() }
    }

    /// One who says no at this step alone.
    pub fn refuses_at(step: &str) -> Self {
        Self { refuses: Some(step.to_string()), asked: Mutex::default() }
    }

    /// The questions: their kinds, steps and texts.
    pub fn asked(&self) -> Vec<(Asked, String, String)> {
        self.asked.lock().unwrap().clone()
    }

    /// The steps of the questions of one kind.
    pub fn steps(&self, kind: Asked) -> Vec<String> {
        self.asked().into_iter().filter(|(asked, ..)| *asked == kind).map(|(_, step, _)| step).collect()
    }
}

impl Person for Recorder {
    fn agrees(&self, question: &Question) -> bool {
        let step = question.step.id.clone();
        let refuses = self.refuses.as_ref().is_some_and(|at| at.is_empty() || *at == step);
        self.asked.lock().unwrap().push((question.asked, step, question.text.to_string()));
        !refuses
    }
}

/// Marks in the log of calls where a step begins and what became of its tasks.
pub struct Marks(PathBuf);

impl Marks {
    /// For the log of this world.
    pub fn of(world: &World) -> Self {
        Self(world.folder().join("log"))
    }

    fn write(&self, line: &str) {
        let mut log = OpenOptions::new().append(true).open(&self.0).unwrap();
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

impl Watch for Marks {
    fn step(&self, step: &Planned, _: usize, _: usize) {
        self.write(&format!("= {}", step.id));
    }

    fn task(&self, _: &Planned, _: &str, _: Event, _: &str) {}

    fn line(&self, _: &Planned, _: &str, _: &str) {}

    fn cancelled(&self) -> bool {
        false
    }
}
