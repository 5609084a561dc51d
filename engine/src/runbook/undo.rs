// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes a run back: what was done last is undone first.

use super::run::state;
use super::{Event, RunState, RunbookError, Runner, Stopped, TaskState, Undo, Why};

#[expect(clippy::result_large_err, reason = "it is made once, when a run ends")]
impl Runner<'_> {
    /// Undoes everything that has been done, or may have been. Nothing is touched if something can not be undone.
    ///
    /// # Errors
    /// Where it stopped; the journal has all before, and it can be undone further.
    pub fn undo(&self) -> Result<(), Stopped> {
        let state_of_run = RunState::of(self.journal().records());
        if matches!(state_of_run, RunState::Reverted | RunState::Abandoned) {
            let how = if state_of_run == RunState::Reverted { "it was undone" } else { "it was given up" };
            return Err(self.over(how));
        }
        let states = self.states();
        let count = self.plan.steps.len();
        let was_done = |state: TaskState| {
            matches!(state, TaskState::InDoubt | TaskState::Failed | TaskState::Done | TaskState::Undoing)
        };
        for step in &self.plan.steps {
            for task in step.tasks.iter().filter(|task| was_done(state(&states, step, task))) {
                if let Undo::Never(because) = &task.undo {
                    let (run, step, host) = (self.plan.run.clone(), step.title.clone(), task.host.clone());
                    let last = RunbookError::Final { run, step, host, because: because.clone() };
                    return Err(self.outside(last.into()));
                }
            }
        }
        for (number, step) in self.plan.steps.iter().enumerate().rev() {
            let mut is_told = false;
            for task in step.tasks.iter().rev().filter(|task| was_done(state(&states, step, task))) {
                if !is_told {
                    self.watch.step(step, number + 1, count);
                    is_told = true;
                }
                self.undo_task(step, &task.host, &task.undo)
                    .map_err(|why| self.stopped(number, step, task.host.clone(), why))?;
            }
        }
        self.write("", "", Event::Reverted, "").map_err(|error| self.outside(error.into()))
    }

    fn undo_task(&self, step: &super::Planned, host: &str, undo: &Undo) -> Result<(), Why> {
        self.tell(step, host, Event::Undoing, "")?;
        match undo {
            Undo::Run(command) => self.undo_command(step, host, command)?,
            Undo::Nothing(_) | Undo::Never(_) => {}
        }
        self.tell(step, host, Event::Undone, "")
    }

    /// Gives a run up as it is, so that another may begin.
    ///
    /// # Errors
    /// The journal could not be written; the run has ended.
    pub fn abandon(&self) -> Result<(), Stopped> {
        // Not within the match: the journal would be held while it is written.
        let state = RunState::of(self.journal().records());
        match state {
            RunState::Finished => Err(self.over("it was carried out")),
            RunState::Reverted => Err(self.over("it was undone")),
            RunState::Abandoned => Err(self.over("it was given up")),
            _ => self.write("", "", Event::Abandoned, "").map_err(|error| self.outside(error.into())),
        }
    }

    fn over(&self, how: &str) -> Stopped {
        let over = RunbookError::Over { run: self.plan.run.clone(), how: how.to_string() };
        self.outside(over.into())
    }
}
