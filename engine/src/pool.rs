// SPDX-License-Identifier: MIT OR Apache-2.0
//! The worker threads of an operation: two queues of tasks, the urgent one always first.
//!
//! Urgent tasks are those further down the pipeline (sealing before reading), so finished work leaves memory before new work enters.

use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, unbounded};
use keepfast_repo_format::segment::{Compressor, Decompressor};

/// What a worker thread keeps between tasks.
pub struct Scratch {
    /// Compression context.
    pub compressor: Compressor,
    /// Decompression context.
    pub decompressor: Decompressor,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { compressor: Compressor::new(FIRST_LEVEL), decompressor: Decompressor::new() }
    }
}

/// Level of a new compressor; whoever compresses sets its own.
const FIRST_LEVEL: i32 = 3;

type Task<'env> = Box<dyn FnOnce(&mut Scratch) + Send + 'env>;

/// Hands tasks to worker threads that end when the last clone of the pool is dropped.
#[derive(Clone)]
pub struct Pool<'env> {
    urgent: Sender<Task<'env>>,
    normal: Sender<Task<'env>>,
}

impl<'env> Pool<'env> {
    /// Starts `threads` workers in `scope`.
    pub fn start<'scope>(scope: &'scope Scope<'scope, 'env>, threads: usize) -> Self
    where
        'env: 'scope,
    {
        let (urgent, urgent_tasks) = unbounded::<Task<'env>>();
        let (normal, normal_tasks) = unbounded::<Task<'env>>();
        for _ in 0..threads.max(1) {
            let (urgent_tasks, normal_tasks) = (urgent_tasks.clone(), normal_tasks.clone());
            scope.spawn(move || {
                let mut scratch = Scratch::new();
                while let Some(task) = next_task(&urgent_tasks, &normal_tasks) {
                    task(&mut scratch);
                }
            });
        }
        Self { urgent, normal }
    }

    /// Queues a task that goes before all normal ones.
    pub fn urgent(&self, task: impl FnOnce(&mut Scratch) + Send + 'env) {
        // Sending fails only when every worker has panicked, which the scope reports.
        let _ = self.urgent.send(Box::new(task));
    }

    /// Queues a task. The caller bounds how many it queues.
    pub fn normal(&self, task: impl FnOnce(&mut Scratch) + Send + 'env) {
        let _ = self.normal.send(Box::new(task));
    }
}

fn next_task<'env>(urgent: &Receiver<Task<'env>>, normal: &Receiver<Task<'env>>) -> Option<Task<'env>> {
    if let Ok(task) = urgent.try_recv() {
        return Some(task);
    }
    crossbeam_channel::select! {
        recv(urgent) -> task => task.ok().or_else(|| normal.recv().ok()),
        recv(normal) -> task => task.ok().or_else(|| urgent.recv().ok()),
    }
}
