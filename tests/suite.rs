// SPDX-License-Identifier: MIT OR Apache-2.0
//! The promises of keepfast, spelt out as tests: one binary, one module for each kind of behaviour.
//! For whoever asks "does it hold?". Tests here see the program from outside (the `keepfast` command) or through the
//! engine's public interface; what only one crate can see is tested in that crate.

// Helpers outside a `#[test]` function fail a test by panicking and report by printing, which is what they are for.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::result_large_err, reason = "why a run stopped is told once, and read by people")]

mod support;

/// One file for each kind of promise. `architecture.rs` refuses a file of this folder that is not declared here.
mod behaviours {
    mod adoption;
    mod also;
    mod architecture;
    mod archives;
    mod archives_hostile;
    mod archives_stored;
    mod archives_waiting;
    mod big_files;
    mod catalog;
    mod catalog_states;
    mod cloud;
    mod copy;
    mod crash;
    mod crash_aftermath;
    mod crash_full_disk;
    mod crash_init;
    mod crash_init_turns;
    mod crash_order;
    mod crash_processes;
    mod crash_successors;
    mod crash_writers;
    mod damage;
    mod damage_heals;
    mod damage_sessions;
    mod damage_view;
    mod delta;
    mod delta_check;
    mod delta_prune;
    mod diff_tag_key;
    mod export;
    mod extras;
    mod faults;
    mod fidelity;
    mod forget;
    mod golden;
    mod golden_reader;
    mod hostile;
    mod hostile_content;
    mod hostile_trees;
    mod import;
    mod import_damage;
    mod import_hostile;
    mod incremental;
    mod live;
    mod model_adopt;
    mod model_collect;
    mod model_edges;
    mod model_generations;
    mod model_prune;
    mod mount;
    mod mount_kernel;
    mod numbered;
    mod probe;
    mod prune;
    mod prune_crash;
    mod prune_full_disk;
    mod prune_races;
    mod prune_small;
    mod prune_states;
    mod prune_twice;
    mod recover;
    mod renewals;
    mod requests;
    mod round_trip;
    mod savings;
    mod second_reader;
    mod sessions;
    mod sftp;
    mod soak;
    mod sources;
    mod systems;
    mod wrappers;
}
