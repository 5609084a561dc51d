// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was called, on all machines, in order.

use std::collections::BTreeMap;
use std::fs;

use super::World;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The step that it belongs to; empty: none was begun.
    pub step: String,
    /// Its number among those that act; 0: it only looks.
    pub number: usize,
    /// Where it ran: `HOST`, `HOST/CONTAINER`, `HOST as USER`.
    pub place: String,
    /// The command with its arguments; paths are those of the machine.
    pub words: String,
}

/// All calls, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(pub Vec<Call>);

impl Calls {
    /// Reads the log of a world.
    pub(super) fn read(world: &World) -> Self {
        let text = fs::read_to_string(world.folder().join("log")).unwrap();
        let mut step = String::new();
        let mut all = Vec::new();
        for line in text.lines() {
            if let Some(id) = line.strip_prefix("= ") {
                step = id.to_string();
                continue;
            }
            let (number, rest) = line.split_once(' ').unwrap();
            let (place, words) = rest.split_once(": ").unwrap();
            let host = place.split(['/', ' ']).next().unwrap();
            let root = world.host(host).root();
            let words = without_temporary(words.replace(root.to_str().unwrap(), "").trim());
            let number = if number == "-" { 0 } else { number.parse().unwrap() };
            all.push(Call { step: step.clone(), number, place: place.to_string(), words });
        }
        Self(all)
    }

    /// Those that act.
    pub fn acts(&self) -> Vec<&Call> {
        self.0.iter().filter(|call| call.number > 0).collect()
    }

    /// Those that act and whose command is one of these, as `PLACE: WORDS`.
    pub fn of(&self, commands: &[&str]) -> Vec<String> {
        let is_of = |call: &&&Call| call.words.split(' ').next().is_some_and(|name| commands.contains(&name));
        self.acts().iter().filter(is_of).map(|call| format!("{}: {}", call.place, call.words)).collect()
    }

    /// The same; of a path in a temporary folder only what lies in it.
    pub fn short(&self, commands: &[&str]) -> Vec<String> {
        let word = |word: &str| word.split_once("/TEMPORARY/").map_or(word, |(_, name)| name).to_string();
        let call = |call: String| call.split(' ').map(word).collect::<Vec<_>>().join(" ");
        self.of(commands).into_iter().map(call).collect()
    }

    /// What acts, by step and host, in order; but for removing copies that were cut off and temporary folders, which comes
    /// wherever a script ends.
    pub fn by_task(&self) -> BTreeMap<(String, String), Vec<String>> {
        let mut tasks: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let is_tidying = |call: &Call| {
            call.words.starts_with("rm ") && (call.words.ends_with(".partial") || call.words.ends_with("/TEMPORARY"))
        };
        for call in self.acts().into_iter().filter(|call| !is_tidying(call)) {
            let host = call.place.split(['/', ' ']).next().unwrap().to_string();
            tasks.entry((call.step.clone(), host)).or_default().push(call.words.clone());
        }
        tasks
    }

    /// The steps that act, in order; one that comes again behind itself counts once.
    pub fn steps(&self) -> Vec<&str> {
        let mut steps: Vec<&str> = self.acts().iter().map(|call| call.step.as_str()).collect();
        steps.dedup();
        steps
    }
}

/// Without the letters that `mktemp` chose.
fn without_temporary(words: &str) -> String {
    let mut parts = words.split("/tmp.");
    let mut plain = parts.next().unwrap_or_default().to_string();
    for part in parts {
        plain.push_str("/TEMPORARY");
        plain.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric()));
    }
    plain
}
