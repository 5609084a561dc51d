// SPDX-License-Identifier: MIT OR Apache-2.0
//! A review finds each kind of fault, and nothing in a profile without any.

use super::super::review;
use super::profile;

const SOUND: &str = "[variables.v]\nvalue = \"a\"\nchoices = [\"a\", \"b\"]\n[variables.key.secret]\nfile = \"/k\"\n[roles.node]\nat_least = 1\n\
    [hosts.n1]\nroles = [\"node\"]\n[[capture.files]]\nid = \"etc\"\npaths = [\"{{root}}/etc/app\"]\n";

const SAVE: &str = "id = \"save\"\ntitle = \"t\"\non = \"all node\"\nsave_aside = { path = \"{{root}}/var/lib/db\", to = \"{{root}}/var/lib/db.saved\" }";

fn found(document: &str) -> Vec<String> {
    review(&profile(document)).into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
}

fn steps(all: &[&str]) -> String {
    let steps: String = all.iter().map(|step| format!("[[runbooks.it.steps]]\n{step}\n")).collect();
    format!("{SOUND}[runbooks.it]\ntitle = \"it\"\n{steps}")
}

#[test]
fn a_sound_profile_has_no_findings() {
    let wipe = "id = \"wipe\"\ntitle = \"t\"\non = \"all node\"\nwipe = { inside = \"{{root}}/var/lib/db/data\", saved_by = \"save\" }";
    let run = "id = \"run\"\ntitle = \"{{v}}\"\nrun = \"echo $key; docker ps --format '{{.Names}}'\"\nundo = \"true\"\nwhen = \"v = b\"";
    assert_eq!(found(&steps(&[SAVE, wipe, run])), Vec::<String>::new());
}

#[test]
fn each_fault_of_a_step_is_found() {
    let base = "id = \"a\"\ntitle = \"t\"\n";
    for (step, says) in [
        ("run = \"x\"", "exactly one of undo, undo_by and final_because"),
        ("run = \"x\"\nundo = \"y\"\nundo_by = \"z\"", "exactly one of undo, undo_by and final_because"),
        ("run = \"x\"\nmanual = \"y\"\nundo_by = \"z\"", "more than one of run, manual, restore, save_aside and wipe"),
        ("", "it does nothing, checks nothing and asks nothing"),
        ("run = \" \"\nundo_by = \"z\"", "a script is empty"),
        ("run = \"{{none}}\"\nundo_by = \"z\"", "\"none\" is no variable"),
        ("run = \"{{ v }}\"\nundo_by = \"z\"", "{{ v }} is left as it is"),
        ("run = \"{{key}}\"\nundo_by = \"z\"", "key is a secret: scripts get it as $key"),
        ("run = \"x\"\nundo_by = \"z\"\non = \"all ghosts\"", "\"ghosts\" is no role"),
        ("run = \"x\"\nundo_by = \"z\"\nwhen = \"none = 1\"", "\"none\" is no variable"),
        ("run = \"x\"\nundo_by = \"z\"\nwhen = \"v = c\"", "v is never \"c\""),
        ("run = \"x\"\nundo_by = \"z\"\nuser = \"{{none}}\"", "\"none\" is no variable"),
        ("run = \"x\"\nundo_by = \"z\"\nenvironment = { \"A-B\" = \"1\" }", "\"A-B\" is no name for the environment"),
        ("run = \"x\"\nundo_by = \"z\"\nenvironment = { A = \"{{none}}\" }", "\"none\" is no variable"),
        ("run = \"x\"\nundo_by = \"z\"\nfail_on = \"(\"", "\"(\" is no regular expression"),
        (
            "run = \"x\"\nundo_by = \"z\"\nignore = [{ line = \"x\", because = \"y\" }]",
            "lines to ignore, and no fail_on",
        ),
        ("caution = \"x\"\nstdin = \"dump\"", "it has stdin, and no script that reads it"),
        ("run = \"x\"\nundo_by = \"z\"\nstdin = \"dump\"", "the runbook does not say needs_snapshot"),
        ("restore = [\"none\"]", "it restores the files \"none\", which are not captured"),
        ("require = [{ says = \"x\" }]", "a check has exactly one of run, port, closed and offline"),
        (
            "require = [{ port = 1, run = \"x\", says = \"x\" }]",
            "a check has exactly one of run, port, closed and offline",
        ),
        ("require = [{ run = \"x\", at = \"x\", says = \"x\" }]", "at belongs to port or closed"),
        ("require = [{ closed = 1, at = \"{{none}}\", says = \"x\" }]", "\"none\" is no variable"),
        ("run = \"x\"\nundo_by = \"z\"\nonly_where_done = \"later\"", "no step before it is named \"later\""),
        ("require = [{ port = 1, ports = [2], says = \"x\" }]", "ports belong to offline"),
        ("require = [{ run = \"{{none}}\", says = \"x\" }]", "\"none\" is no variable"),
        ("require = [{ port = 1, says = \"{{none}}\" }]", "\"none\" is no variable"),
        ("save_aside = { path = \"/var/lib/db\", to = \"{{root}}/var/copy\" }", "does not begin with {{root}}/"),
        ("save_aside = { path = \"{{root}}/var/../db\", to = \"{{root}}/var/copy\" }", "goes up by .."),
        (
            "save_aside = { path = \"{{root}}/var\", to = \"{{root}}/srv/copy\" }",
            "too near the root to be wiped or copied",
        ),
        ("save_aside = { path = \"{{root}}/var/lib\", to = \"{{root}}/var/lib/copy\" }", "would be copied into itself"),
    ] {
        let found = found(&steps(&[&format!("{base}{step}")]));
        assert!(
            found.iter().any(|line| line.starts_with("runbook it, step a: ") && line.contains(says)),
            "{step}\n{found:?}"
        );
    }
    let found = found(&steps(&["id = \"a b\"\ntitle = \"t\"\ncaution = \"c\"", SAVE, SAVE]));
    assert!(
        found[0].contains("an id has letters, digits") && found[1].contains("step save: its id is there twice"),
        "{found:?}"
    );
}

#[test]
fn a_wipe_without_its_copy_is_found() {
    let wipe = |inside: &str, more: &str| {
        format!(
            "id = \"wipe\"\ntitle = \"t\"\nwipe = {{ inside = \"{{{{root}}}}{inside}\", saved_by = \"save\" }}\n{more}"
        )
    };
    let all = "on = \"all node\"";
    for (all, says) in [
        (vec![wipe("/var/lib/db", all)], "no step before it, named \"save\", saves aside"),
        (vec![wipe("/var/lib/db", all), SAVE.to_string()], "no step before it, named \"save\", saves aside"),
        (vec![SAVE.to_string(), wipe("/var/lib/other", all)], "save does not save {{root}}/var/lib/other aside"),
        (vec![SAVE.to_string(), wipe("/var/lib/dbx", all)], "save does not save {{root}}/var/lib/dbx aside"),
        (vec![SAVE.to_string(), wipe("/var/lib", all)], "is inside of what is wiped"),
        (vec![SAVE.to_string(), wipe("/var/lib/db", "")], "save does not save aside on the same hosts"),
        (
            vec![SAVE.replace("all node", "one node"), wipe("/var/lib/db", all)],
            "save does not save aside on the same hosts",
        ),
        (
            vec![format!("{SAVE}\nwhen = \"v = a\""), wipe("/var/lib/db", all)],
            "save saves aside under another condition",
        ),
    ] {
        let texts: Vec<&str> = all.iter().map(String::as_str).collect();
        let found = found(&steps(&texts));
        assert!(
            found.iter().any(|line| line.starts_with("runbook it, step wipe: ") && line.contains(says)),
            "{says}\n{found:?}"
        );
    }
}

#[test]
fn each_fault_of_the_rest_of_a_profile_is_found() {
    for (more, says) in [
        ("[hosts.n2]\nroles = []\n", "host n2: it has no roles"),
        ("[hosts.n2]\nroles = [\"ghost\"]\n", "host n2: \"ghost\" is no role"),
        ("[hosts.n2]\nroles = [\"node\"]\nssh = \"-oProxyCommand=x\"\n", "host n2: ssh is no user@address"),
        ("[hosts.n2]\nroles = [\"node\"]\nvariables = { none = \"x\" }\n", "host n2: \"none\" is no variable"),
        ("[hosts.n2]\nroles = [\"node\"]\nvariables = { v = \"c\" }\n", "host n2: v can not be \"c\""),
        (
            "[hosts.n2]\nroles = [\"node\"]\nenvironment = { \"A B\" = \"c\" }\n",
            "host n2: \"A B\" is no name for the environment",
        ),
        ("[roles.two]\nat_least = 2\n", "role two: 0 hosts have it, 2 must"),
        ("[hosts.n2]\nroles = [\"node\", \"few\"]\n[roles.few]\nat_most = 0\n", "role few: 1 hosts have it, 0 may"),
        ("[roles.odd]\nat_least = 2\nat_most = 1\n", "role odd: at_most is less than at_least"),
        ("[variables.root]\n", "variable root: every profile has it already"),
        ("[variables.a-b]\n", "variable a-b: a name has letters, digits and _"),
        ("[variables.w]\nvalue = \"c\"\nchoices = [\"a\"]\n", "variable w: \"c\" is none of its choices"),
        ("[variables.w.secret]\n", "variable w: a secret comes from one of"),
        ("[variables.w]\nvalue = \"c\"\nsecret = { file = \"x\" }\n", "variable w: a secret comes from one of"),
        ("[[capture.files]]\nid = \"etc\"\npaths = [\"{{root}}/a\"]\n", "capture files etc: its id is there twice"),
        ("[[capture.files]]\nid = \"x\"\npaths = []\n", "capture files x: it has no paths"),
        (
            "[[capture.files]]\nid = \"x\"\npaths = [\"/a\"]\nrole = \"ghost\"\n",
            "capture files x: \"ghost\" is no role",
        ),
        (
            "[[capture.streams]]\nid = \"/x\"\non = \"one node\"\nrun = \"x\"\n",
            "capture stream /x: its id is the path in the snapshot",
        ),
        (
            "[[capture.streams]]\nid = \"x\"\non = \"all node\"\nrun = \"x\"\n",
            "capture stream x: a stream runs on each host",
        ),
        (
            "[[capture.quiesce]]\nid = \"x\"\non = \"all node\"\nrun = \"x\"\nresume = \"\"\n",
            "capture quiesce x: a script is empty",
        ),
        ("[[vendor]]\nid = \"x\"\nname = \"(\"\nform = \"tree\"\n", "vendor x: name is no regular expression"),
        ("[[vendor]]\nid = \"x\"\nname = \"a\"\ntime = \"%Y\"\nform = \"tree\"\n", "and its name has no group `time`"),
        ("[runbooks.it]\ntitle = \"t\"\nsteps = []\n", "runbook it: it has no steps"),
        (
            "[runbooks.it]\ntitle = \"t\"\nremedy_of = \"none\"\nsteps = []\n",
            "it is the remedy of \"none\", which is no runbook",
        ),
    ] {
        let found = found(&format!("{SOUND}{more}"));
        assert!(found.iter().any(|line| line.contains(says)), "{more}\n{found:?}");
    }
}
