// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a test once more in a process of its own, as another user or with little memory. Both belong to the process, which a test
//! shares with every other test.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Nobody in particular: an id that no file of the system belongs to.
const ORDINARY_ID: u32 = 54_321;

/// Tells a test that it runs in a process of its own.
const LITTLE_MEMORY: &str = "KEEPFAST_TESTS_LITTLE_MEMORY";

/// Runs the test `name` (as in `module_path!()` and the function's name) as an ordinary user, and fails with it. For root.
pub fn again_as_ordinary_user(name: &str) {
    // The test program may lie where only root comes to.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("suite");
    // By another process: a child that is being made by another thread would hold a file of ours open for writing, and then nobody can
    // run it.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success(), "{copied}");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut command = Command::new(program);
    run(name, command.current_dir(folder.path()).gid(ORDINARY_ID).uid(ORDINARY_ID));
}

/// Runs the test `name` in a process that gets no more than this much address space, and fails with it.
pub fn again_in_little_memory(name: &str, kib: u64) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &kib.to_string()]);
    // Arenas are address space that nobody uses.
    run(name, shell.arg(std::env::current_exe().unwrap()).env(LITTLE_MEMORY, "1").env("MALLOC_ARENA_MAX", "2"));
}

/// Whether this process was started by [`again_in_little_memory`].
pub fn has_little_memory() -> bool {
    std::env::var_os(LITTLE_MEMORY).is_some()
}

fn run(name: &str, command: &mut Command) {
    // The module path begins with the crate, the names of tests do not.
    let name = name.split_once("::").unwrap().1;
    let output = command.args(["--exact", name, "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
