// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts of the built-in actions: save aside, wipe, put back. They run on the host, as any other script does, and stand
//! in a dry run word for word. Each may be begun again after it was cut off at any point.

use crate::profile::template::quoted;

/// Where on a host, below its root, what a restore replaces is kept.
const ASIDE: &str = "var/lib/keepfast/aside";

/// Copies the folder `path` to `copy`, all of it or nothing.
pub(super) fn save_aside(path: &str, copy: &str) -> String {
    let (path, partial, copy) = (quoted(path), quoted(&format!("{copy}.partial")), quoted(copy));
    format!(
        "if ! test -e {copy}; then\n  rm -rf {partial}\n  cp -a {path} {partial}\n  sync\n  mv {partial} {copy}\nfi"
    )
}

/// Takes such a copy away.
pub(super) fn drop_aside(copy: &str) -> String {
    format!("rm -rf {} {}", quoted(&format!("{copy}.partial")), quoted(copy))
}

/// Empties the folder `inside`, if `copy` is there.
pub(super) fn wipe(inside: &str, copy: &str) -> String {
    let missing = quoted(&format!("{copy} is missing: nothing is wiped"));
    format!("test -d {} || {{ echo {missing} >&2; exit 1; }}\n{}", quoted(copy), empty(inside))
}

/// Fills the folder `inside` again from `copy`: the folder itself, or the one `below` it.
pub(super) fn unwipe(inside: &str, copy: &str, below: &str) -> String {
    let from = format!("{copy}{below}");
    format!("test -d {}\n{}\ncp -a {} {}", quoted(&from), empty(inside), quoted(&format!("{from}/.")), quoted(inside))
}

fn empty(folder: &str) -> String {
    format!("find {} -mindepth 1 -maxdepth 1 -exec rm -rf {{}} +", quoted(folder))
}

/// Extracts the archive that it reads below `root`, after saving aside what stands at `paths` there. Folders above them that are
/// not there are made so that others can look into them.
pub(super) fn restore(root: &str, paths: &[String], run: &str, step: &str) -> String {
    let (top, aside) = (top(root), aside(root, run, step));
    let words: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
    format!(
        "umask 077\nmkdir -p {aside}\nif ! test -e {aside}/saved.tar; then\n  cd {top}\n  : > {aside}/there\n  : > {aside}/new\n  \
         for path in {words}; do\n    if test -e \"$path\" || test -L \"$path\"; then\n      printf '%s\\n' \"$path\" >> {aside}/there\n    \
         else\n      while up=$(dirname \"$path\"); ! test -e \"$up\"; do path=$up; done\n      printf '%s\\n' \"$path\" >> {aside}/new\n    \
         fi\n  done\n  tar {ATTRIBUTES} -cpf {aside}/saved.partial -T {aside}/there\n  sync\n  mv {aside}/saved.partial {aside}/saved.tar\n\
         fi\numask 022\ntar {ATTRIBUTES} -C {top} -xpf -",
        words = words.join(" "),
    )
}

/// Puts back what [`restore`] has saved aside, and takes away what was not there.
pub(super) fn unrestore(root: &str, run: &str, step: &str) -> String {
    let (top, aside) = (top(root), aside(root, run, step));
    format!(
        "if test -e {aside}/saved.tar; then\n  cd {top}\n  cat {aside}/new {aside}/there | while IFS= read -r path; do rm -rf \"$path\"; done\n  \
         tar {ATTRIBUTES} -xpf {aside}/saved.tar\nfi\nrm -rf {aside}\n\
         rmdir -p --ignore-fail-on-non-empty \"$(dirname {aside})\" 2>/dev/null || :",
    )
}

/// What `tar` shall carry beside content, mode and owner.
const ATTRIBUTES: &str = "--acls --xattrs --xattrs-include='user.*' --xattrs-include=security.capability";

fn top(root: &str) -> String {
    quoted(&format!("{root}/"))
}

fn aside(root: &str, run: &str, step: &str) -> String {
    quoted(&format!("{root}/{ASIDE}/{run}/{step}"))
}
