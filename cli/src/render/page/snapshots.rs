// SPDX-License-Identifier: MIT OR Apache-2.0
//! Snapshots in a page: two side by side, with what each says of itself, and what was missing when it was made.

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

/// Both snapshots of a comparison.
pub fn sides(before: &Snapshot, after: &Snapshot) -> Markup {
    let both = [before, after];
    let row = |name: &str, cell: &dyn Fn(&Snapshot) -> Markup| {
        html! { tr { th scope="row" { (name) } @for snapshot in both { td { (cell(snapshot)) } } } }
    };
    let is_described = both.iter().any(|snapshot| !snapshot.manifest.description.is_empty());
    html! {
        table.sides {
            caption.hidden { "The two snapshots" }
            thead { tr { td {} th scope="col" { "Before" } th scope="col" { "After" } } }
            tbody {
                (row("Time", &|snapshot| shown::time(snapshot.manifest.started)))
                (row("Host", &|snapshot| shown::plain(&snapshot.manifest.host)))
                (row("Tags", &|snapshot| list(snapshot.tags.iter().map(|tag| shown::plain(tag)))))
                (row("Paths", &|snapshot| list(snapshot.manifest.paths.iter().map(|path| shown::name(path)))))
                @if is_described { (row("Description", &|snapshot| shown::plain(&snapshot.manifest.description))) }
                (row("Snapshot", &|snapshot| html! { code.id { (snapshot.id) } }))
                (row("Not saved", &missing))
            }
        }
    }
}

fn list(items: impl ExactSizeIterator<Item = Markup>) -> Markup {
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
