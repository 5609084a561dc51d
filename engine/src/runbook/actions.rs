// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts of the built-in actions: save aside, wipe, put back. They run on the host, as any other script does, and stand
//! in a dry run word for word. Each may be begun again after it was cut off at any point.

use crate::profile::template::quoted;

/// Where on a host, below its root, what a restore replaces is kept.
const ASIDE: &str = "var/lib/keepfast/aside";

/// Copies the folder `path` to `copy`, all of it or nothing. One that is a symbolic link is what it leads to.
pub(super) fn save_aside(path: &str, copy: &str) -> String {
    let (path, partial, copy) = (quoted(path), quoted(&format!("{copy}.partial")), quoted(copy));
    format!(
        "if ! test -e {copy}; then\n  rm -rf {partial}\n  mkdir -p \"$(dirname {copy})\"\n  \
         cp -aH {path} {partial} || {{ rm -rf {partial}; exit 1; }}\n  sync\n  mv {partial} {copy}\nfi"
    )
}

/// Takes such a copy away.
pub(super) fn drop_aside(copy: &str) -> String {
    format!("rm -rf {} {}", quoted(&format!("{copy}.partial")), quoted(copy))
}

/// Empties the folder `inside` if everything in it is in `copy`, in the folder itself or the one `below` it, as it is.
pub(super) fn wipe(inside: &str, copy: &str, below: &str) -> String {
    let from = format!("{copy}{below}");
    let missing = quoted(&format!("{from} is missing: nothing is wiped"));
    let outside = quoted(&format!("{from} leads out of the copy: nothing is wiped"));
    let other = quoted(&format!("is not in {from} as it is: nothing is wiped"));
    format!(
        "test -d {from} || {{ echo {missing} >&2; exit 1; }}\n\
         test \"$(cd {copy} && pwd -P)\"{below} = \"$(cd {from} && pwd -P)\" || {{ echo {outside} >&2; exit 1; }}\n\
         cd {inside}\nfind . -type f -exec sh -c '{SAME}' {other} {from} {{}} + || exit 1\ncd /\n{empty}",
        from = quoted(&from),
        copy = quoted(copy),
        below = quoted(below),
        inside = quoted(inside),
        empty = empty(inside),
    )
}

/// Looks whether files are in a copy, and neither older nor newer there.
const SAME: &str = r#"
  copy=$1
  shift
  for file; do
    if test -e "$copy/$file" && ! test "$file" -nt "$copy/$file" && ! test "$file" -ot "$copy/$file"; then continue; fi
    echo "$PWD/${file#./} $0" >&2
    exit 1
  done"#;

/// Fills the folder `inside` again from `copy`: the folder itself, or the one `below` it.
pub(super) fn unwipe(inside: &str, copy: &str, below: &str) -> String {
    let (from, inside_word) = (format!("{copy}{below}"), quoted(inside));
    format!(
        "test -d {}\nif test -d {inside_word}; then\n  {}\n  cp -a {} {inside_word}\nelse\n  cp -a {} {inside_word}\nfi",
        quoted(&from),
        empty(inside),
        quoted(&format!("{from}/.")),
        quoted(&from),
    )
}

fn empty(folder: &str) -> String {
    format!("find -H {} -mindepth 1 -maxdepth 1 -exec rm -rf {{}} +", quoted(folder))
}

/// Extracts the archive that it reads below `root`, after saving aside what stands at `paths` there. Folders above them that are
/// not there are made so that others can look into them.
pub(super) fn restore(root: &str, paths: &[String], run: &str, step: &str) -> String {
    let (top, aside) = (top(root), aside(root, run, step));
    let words: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
    format!(
        "cd {top}\nmkdir -p \"$(dirname {aside})\"\nmkdir -p -m 700 {aside}\nif ! test -e {aside}/saved.tar; then\n  umask 077\n  \
         : > {aside}/there\n  : > {aside}/new\n  : > {aside}/made\n  for path in {words}; do\n    \
         if test -e \"$path\" || test -L \"$path\"; then\n      printf './%s\\n' \"$path\" >> {aside}/there\n    \
         else\n      printf './%s\\n' \"$path\" >> {aside}/new\n      \
         while path=$(dirname \"$path\"); ! test -e \"$path\"; do printf './%s\\n' \"$path\" >> {aside}/made; done\n    fi\n  done\n  \
         tar {ATTRIBUTES} --no-unquote -cpf {aside}/saved.partial -T {aside}/there\n  sync\n  \
         mv {aside}/saved.partial {aside}/saved.tar\nfi\numask 022\ntar {ATTRIBUTES} -xpf -",
        words = words.join(" "),
    )
}

/// Puts back what [`restore`] has saved aside, and takes away what was not there; of the folders on the way to that, those
/// in which there is nothing else.
pub(super) fn unrestore(root: &str, run: &str, step: &str) -> String {
    let (top, aside) = (top(root), aside(root, run, step));
    format!(
        "if test -e {aside}/saved.tar; then\n  cd {top}\n  \
         cat {aside}/new {aside}/there | while IFS= read -r path; do rm -rf \"$path\"; done\n  \
         sort -ru {aside}/made | while IFS= read -r path; do rmdir \"$path\" 2>/dev/null || :; done\n  \
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
