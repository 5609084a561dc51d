// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both sides of a comparison in a page: two snapshots, or one and the live files, with what each says of itself, and what is missing in it.

use keepfast_engine::format::manifest::{Completeness, Problem};
use keepfast_engine::history::Snapshot;
use maud::{Markup, html};

use super::shown;
use crate::render::text;

/// Problems of a snapshot that are named.
const MAX_PROBLEMS: usize = 20;

/// A line of facts about the page.
pub struct Meaning<'a> {
    /// Of what.
    pub name: &'a str,
    /// The fact.
    pub value: Markup,
}

/// Facts about the page.
pub fn meaning(facts: &[Meaning]) -> Markup {
    html! {
        dl.facts {
            @for fact in facts { div { dt { (fact.name) } dd { (fact.value) } } }
        }
    }
}

/// The live files that a snapshot is compared with.
pub struct LiveSide {
    /// What their machine is called.
    pub host: String,
    /// When the reading began, in Unix nanoseconds.
    pub read: i64,
    /// Where they are: absolute paths.
    pub paths: Vec<Vec<u8>>,
    /// How many paths could not be read.
    pub unread: u64,
}

/// The later side of a comparison.
#[derive(Clone, Copy)]
pub enum Later<'a> {
    /// A snapshot.
    Snapshot(&'a Snapshot),
    /// What is there now.
    Live(&'a LiveSide),
}

impl Later<'_> {
    /// The machine.
    pub fn host(&self) -> &str {
        match self {
            Self::Snapshot(snapshot) => &snapshot.manifest.host,
            Self::Live(live) => &live.host,
        }
    }
}

/// Both sides of a comparison.
pub fn sides(before: &Snapshot, after: Later) -> Markup {
    let row = |name: &str, cell: &dyn Fn(&Snapshot) -> Markup, of_live: &dyn Fn(&LiveSide) -> Markup| {
        let later = match after {
            Later::Snapshot(snapshot) => cell(snapshot),
            Later::Live(live) => of_live(live),
        };
        html! { tr { th scope="row" { (name) } td { (cell(before)) } td { (later) } } }
    };
    let none = |_: &LiveSide| html! { span.muted { "none" } };
    let is_described = |snapshot: &Snapshot| !snapshot.manifest.description.is_empty();
    let is_described = is_described(before) || matches!(after, Later::Snapshot(after) if is_described(after));
    html! {
        table.sides {
            caption.hidden { "Both sides" }
            thead { tr { td {} th scope="col" { "Before" } th scope="col" { (heading(after)) } } }
            tbody {
                (row("Time", &|snapshot| shown::time(snapshot.manifest.started), &|live| shown::time(live.read)))
                (row("Host", &|snapshot| shown::plain(&snapshot.manifest.host), &|live| shown::plain(&live.host)))
                (row("Tags", &|snapshot| list(snapshot.tags.iter().map(|tag| shown::plain(tag))), &none))
                (row("Paths", &|snapshot| paths(&snapshot.manifest.paths), &|live| paths(&live.paths)))
                @if is_described { (row("Description", &|snapshot| shown::plain(&snapshot.manifest.description), &none)) }
                (row("Snapshot", &|snapshot| html! { code.id { (snapshot.id) } }, &none))
                (row("Missing", &missing, &unread))
            }
        }
    }
}

fn heading(after: Later) -> Markup {
    match after {
        Later::Snapshot(_) => html! { "After" },
        Later::Live(live) => {
            html! { "After: live files of " (shown::plain(&live.host)) ", read at " (shown::time(live.read)) }
        }
    }
}

fn paths(paths: &[Vec<u8>]) -> Markup {
    list(paths.iter().map(|path| shown::name(path)))
}

/// What no comparison can know of, because it could not be read.
fn unread(live: &LiveSide) -> Markup {
    html! {
        @if live.unread == 0 { span.muted { "nothing" } }
        @else { strong.warning { span.sign aria-hidden="true" { "!" } " " (text::counted(live.unread, "path")) " could not be read" } }
    }
}

/// With commas between them.
pub fn list(items: impl ExactSizeIterator<Item = Markup>) -> Markup {
    html! {
        @if items.len() == 0 { span.muted { "none" } }
        @for (number, item) in items.enumerate() { @if number > 0 { ", " } (item) }
    }
}

/// What a backup could not save, which no comparison can know of.
fn missing(snapshot: &Snapshot) -> Markup {
    let (manifest, count) = (&snapshot.manifest, snapshot.manifest.totals.problems);
    let reason = |problem: &Problem| html! { li { (shown::path(&problem.path)) ": " (shown::plain(&problem.text)) } };
    html! {
        @if manifest.completeness == Completeness::Complete && count == 0 {
            span.muted { "nothing" }
        } @else {
            strong.warning { span.sign aria-hidden="true" { "!" } " " (text::counted(count, "path")) " could not be saved whole" }
            ul.missing {
                @for problem in manifest.problems.iter().take(MAX_PROBLEMS) { (reason(problem)) }
                @if count > MAX_PROBLEMS as u64 { li { "and " (text::count(count - MAX_PROBLEMS as u64)) " more" } }
            }
        }
    }
}
