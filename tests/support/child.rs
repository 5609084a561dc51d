// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a test once more in a process of its own: in another working folder, or as another user. What such a test changes
//! is the process itself, which it shares with every other test.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Set in the process that `again` starts.
const CHILD: &str = "KEEPFAST_TEST_CHILD";

/// Nobody in particular: an id that no file of the system belongs to.
const ORDINARY_ID: u32 = 54_321;

/// Which process a test runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The one of all tests.
    Shared,
    /// One that this test has for itself.
    Own,
}

/// Which one this is.
pub fn process() -> Process {
    if std::env::var_os(CHILD).is_some() { Process::Own } else { Process::Shared }
}

/// Runs the test `name` (as in `module_path!()` and the function's name) in `folder`, and fails with it.
pub fn again_in(folder: &Path, name: &str) {
    run(name, command().current_dir(folder));
}

/// Runs the test as an ordinary user if this is root, and says so if that can not be done.
pub fn again_as_ordinary_user(name: &str) {
    if !rustix::process::geteuid().is_root() {
        return run(name, &mut command());
    }
    // The test program may lie where only root comes to.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("suite");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut command = Command::new(program);
    run(name, command.current_dir(folder.path()).gid(ORDINARY_ID).uid(ORDINARY_ID));
}

fn command() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn run(name: &str, command: &mut Command) {
    // The module path begins with the crate, the names of tests do not.
    let name = name.split_once("::").unwrap().1;
    let output = command.env(CHILD, "1").args(["--exact", name, "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
