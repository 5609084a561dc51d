// SPDX-License-Identifier: MIT OR Apache-2.0
//! A system to bring back: a shop of two services, faked by scripts that keep state, log every call and can be told to fail or to
//! hang. Its profile and a snapshot of it are in the sandbox, which is also a home.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Run, Sandbox, executable};

/// What nobody may see.
pub const SECRET: &str = "correct-horse-battery";

/// What is slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call of `service` or `load` is a line in the log. `fail-NAME` makes it fail, `hang-NAME` makes it hang.
const FAKE: &str = r#"#!/bin/sh
here=$(dirname "$0")
name=$(basename "$0")
echo "$name $*" >> "$here/../log"
if test -e "$here/../fail-$name"; then echo "$name: out of order" >&2; exit 7; fi
if test -e "$here/../hang-$name"; then echo $$ > "$here/../hanging"; sleep 600; fi
case "$name $2" in
  "service start") touch "$here/../running-$1" ;;
  "service stop") rm -f "$here/../running-$1" ;;
  "load "*) test "$password" = correct-horse-battery || exit 9; cat > "$1" ;;
esac
"#;

const PROFILE: &str = r#"
title = "A shop: a database and a web server"
document = "The shop's handbook, chapter 7"

[variables.bin]
help = "Where the shop's programs are"
value = "@BIN@"
[variables.mode]
help = "How large it is"
value = "small"
choices = ["small", "large"]
[variables.password]
help = "The database's"
secret = { file = "@SECRET@" }

[roles.db]
help = "Has the database"
[roles.web]
help = "Serves pages"

[[capture.files]]
id = "config"
title = "What the shop is told"
paths = ["{{root}}/etc/shop", "{{root}}/etc/shop.*"]
[[capture.streams]]
id = "db.sql"
on = "one db"
run = "cat {{root}}/var/lib/shop/db"

[runbooks.restore]
title = "Bring the shop back on the same machine"
purpose = "Its data is lost or wrong, the machine is well"
needs_snapshot = true
[[runbooks.restore.steps]]
id = "stop"
title = "Stop the web server"
section = "7.1"
on = "each web"
run = "{{bin}}/service web stop"
undo = "{{bin}}/service web start"
require = [{ run = "test -d {{root}}/var/lib/shop", says = "there is no shop here: install it first" }]
[[runbooks.restore.steps]]
id = "save"
title = "Save the data aside"
on = "one db"
save_aside = { path = "{{root}}/var/lib/shop", to = "{{root}}/var/lib/shop-before" }
[[runbooks.restore.steps]]
id = "wipe"
title = "Empty the data folder"
on = "one db"
wipe = { inside = "{{root}}/var/lib/shop", saved_by = "save" }
[[runbooks.restore.steps]]
id = "config"
title = "Put the configuration back"
on = "each web"
restore = ["config"]
[[runbooks.restore.steps]]
id = "load"
title = "Load the database"
section = "7.2"
on = "one db"
caution = "Orders taken after the backup are lost."
run = "test -n \"$password\"; {{bin}}/load {{root}}/var/lib/shop/db"
stdin = "db.sql"
undo_by = "the data folder comes back as a whole"
[[runbooks.restore.steps]]
id = "start"
title = "Start the web server"
on = "each web"
run = "{{bin}}/service web start"
unless = "test -e {{bin}}/../running-web"
undo = "{{bin}}/service web stop"
ensure = [{ run = "test -e {{bin}}/../running-web", says = "the web server does not run" }]

[runbooks.pictures]
title = "Make the pictures again"
symptom = "Pages come without pictures"
remedy_of = "restore"
[[runbooks.pictures.steps]]
id = "pictures"
title = "Make them"
on = "one web"
run = "{{bin}}/service pictures start"
undo_by = "it changes nothing else"

[runbooks.drill]
title = "Bring the shop back beside itself"
needs_snapshot = true
[[runbooks.drill.steps]]
id = "config"
title = "Put the configuration back"
on = "each web"
restore = ["config"]
[[runbooks.drill.steps]]
id = "load"
title = "Load the database"
on = "one db"
caution = "Not one that matters."
run = "mkdir -p {{root}}/var/lib/shop; test -n \"$password\"; {{bin}}/load {{root}}/var/lib/shop/db"
stdin = "db.sql"
undo_by = "it is a drill"
[[runbooks.drill.steps]]
id = "compare"
title = "Look at what came back"
on = "one db"
run = "grep -q orders {{root}}/var/lib/shop/db; test -f {{root}}/etc/shop/main.conf"
undo_by = "it only looks"
"#;

/// The shop, its profile and a snapshot of it, with the folder it lies in as its root.
pub struct Shop {
    pub sandbox: Sandbox,
}

impl Shop {
    /// With a snapshot, after which it was damaged.
    pub fn damaged() -> Self {
        let shop = Self::new();
        shop.backup(&[]);
        shop.damage();
        shop
    }

    /// Without a snapshot.
    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        let shop = Self { sandbox };
        for folder in ["bin", "root/etc/shop", "root/var/lib/shop", "profiles"] {
            fs::create_dir_all(shop.path(folder)).unwrap();
        }
        for name in ["service", "load"] {
            executable(&shop.path("bin").join(name), FAKE);
        }
        fs::write(shop.path("secret"), format!("{SECRET}\n")).unwrap();
        fs::write(shop.path("root/etc/shop/main.conf"), "port = 80\n").unwrap();
        fs::write(shop.path("root/etc/shop.users"), "anna\n").unwrap();
        fs::write(shop.path("root/var/lib/shop/db"), "orders: 1 2 3\n").unwrap();
        fs::write(shop.path("running-web"), "").unwrap();
        shop.profile("shop", "");
        shop
    }

    /// Writes its profile, with more at its end.
    pub fn profile(&self, name: &str, more: &str) {
        let text = PROFILE.replace("@BIN@", &self.text("bin")).replace("@SECRET@", &self.text("secret"));
        fs::write(self.path(&format!("profiles/{name}.toml")), text + more).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.sandbox.text(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Backs it up as a snapshot of the profile, with these further options.
    pub fn backup(&self, more: &[&str]) {
        let database = format!("db.sql=cat {}", self.text("root/var/lib/shop/db"));
        let arguments = [&["backup", "etc", "--tag", "profile:shop", "--command", &database], more].concat();
        let output = self.command(&arguments).current_dir(self.path("root")).output().unwrap();
        assert!(output.status.code() == Some(0) || output.status.code() == Some(3), "{:?}", Run::from(output));
    }

    /// What a bad day does to it.
    pub fn damage(&self) {
        fs::write(self.path("root/var/lib/shop/db"), "rubbish\n").unwrap();
        fs::write(self.path("root/var/lib/shop/junk"), "junk\n").unwrap();
        fs::write(self.path("root/etc/shop/main.conf"), "port = ?\n").unwrap();
        fs::remove_file(self.path("root/etc/shop.users")).unwrap();
    }

    /// Everything that is below the root, without what was saved aside: path and content.
    pub fn state(&self) -> Vec<(String, String)> {
        let root = self.path("root");
        let (mut all, mut open) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                if name.starts_with("var/lib/keepfast") || name.starts_with("var/lib/shop-before") {
                    continue;
                }
                if path.is_dir() {
                    all.push((name, String::new()));
                    open.push(path);
                } else {
                    all.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        all.sort();
        all
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.env("KEEPFAST_PROFILES", self.path("profiles"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).output().unwrap())
    }

    /// Runs it; it must end with 0.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run
    }

    /// Runs it with `--json`; it must end with this code. All objects.
    pub fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `recover shop --root ROOT` with more.
    pub fn recover(&self, more: &[&str]) -> Run {
        self.run(&[&["recover", "shop", "--root", &self.text("root")], more].concat())
    }

    /// Begins a run in which this program hangs, and waits until it does.
    pub fn hanging_in(&self, program: &str) -> Child {
        fs::write(self.path(&format!("hang-{program}")), "").unwrap();
        let mut command = self.command(&["recover", "shop", "--root", &self.text("root"), "--yes"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while self.read("hanging").is_empty() {
            assert!(begun.elapsed() < PATIENCE, "it never came to {program}");
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::remove_file(self.path(&format!("hang-{program}"))).unwrap();
        child
    }

    /// Ends what hangs, with all that it started: whoever began it was killed and could not.
    pub fn end_hanging(&self) {
        let pid: i32 = self.read("hanging").trim().parse().unwrap();
        // What died with its host is gone already.
        if let Ok(group) = rustix::process::getpgid(rustix::process::Pid::from_raw(pid)) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        fs::remove_file(self.path("hanging")).unwrap();
    }

    /// The number of the newest run.
    pub fn newest_run(&self) -> String {
        let runs = self.json(0, &["recover", "shop", "--runs"]);
        runs[runs.len() - 2]["run"].as_str().unwrap().to_string()
    }

    /// Where the state of the machine is.
    pub fn runs_folder(&self) -> PathBuf {
        self.path("home/.local/state/keepfast/runs")
    }
}
