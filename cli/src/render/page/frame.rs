// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every page begins and ends with, and what could not be read, which stands at the top of it.

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::shown;
use crate::render::text;

/// Even if something got through that should not: nothing is fetched, nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Problems that are named; the number of the others is told.
const MAX_PROBLEMS: usize = 200;

/// Something that a page misses.
pub struct Problem {
    /// Where.
    pub path: Vec<u8>,
    /// Why.
    pub why: String,
}

/// Writes the beginning. `kind` says what page this is, `title` of what, `about` what it lacks and what it is made from.
///
/// # Errors
/// `out` can not be written.
pub fn begin(out: &mut dyn Write, kind: &str, title: &Markup, plain_title: &str, about: &Markup) -> io::Result<()> {
    let head = html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="robots" content="noindex";
            title { (plain_title) }
            style { (PreEscaped(include_str!("page.css"))) }
        }
    };
    let top = html! {
        header {
            p.kind { (kind) }
            h1 { (title) }
            (about)
        }
    };
    write!(out, "{}<html lang=\"en\">{}<body>{}<main>", DOCTYPE.0, head.0, top.0)
}

/// Writes the end.
///
/// # Errors
/// `out` can not be written.
pub fn end(out: &mut dyn Write, masks: bool) -> io::Result<()> {
    let foot = html! {
        footer {
            p {
                @if masks {
                    "Passwords, keys and tokens do not stand in this page: each appears as a fingerprint such as "
                    span.secret { "<secret 1a2b3c4d>" }
                    ". Where two are equal, so are the secrets. A password in the midst of prose can not be told from it."
                } @else {
                    strong { "This page shows passwords, keys and tokens as they are" }
                    ": it was made with --reveal."
                }
            }
            p { "Control characters, and bytes that are no text, appear as \\u{1b} or \\xff. Made by keepfast " (env!("CARGO_PKG_VERSION")) "." }
        }
    };
    writeln!(out, "</main>{}</body></html>", foot.0)
}

/// The section that names what could not be read; nothing if there is nothing.
pub fn problems(problems: &[Problem]) -> Markup {
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    html! {
        @if !problems.is_empty() {
            section.problems aria-labelledby="problems" {
                h2 id="problems" { span.sign aria-hidden="true" { "!" } " Not everything could be read" }
                p { "This page is incomplete: it lacks what follows." }
                ul {
                    @for problem in &problems[..problems.len() - more] {
                        li { (shown::path(&problem.path)) ": " (shown::plain(&problem.why)) }
                    }
                    @if more > 0 { li { "and " (text::count(more as u64)) " more" } }
                }
            }
        }
    }
}
