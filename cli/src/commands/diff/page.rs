// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of a comparison: which snapshots, how many paths, which ones by folder, and what changed inside each.

use std::io::Write;

use keepfast_engine::Error;
use maud::{Markup, html};

use super::Compared;
use super::inside::Contents;
use super::listing::Row;
use super::paths;
use super::sides::Sides;
use crate::args::DiffArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::page::limits;
use crate::render::inside::Inside;
use crate::render::page::{self, Later, Meaning, Problem, Spool, shown};
use crate::render::text;

/// What a page is made from.
pub struct Page<'a> {
    /// Standard streams, and whether the user asked to stop.
    pub context: &'a Context,
    /// What the user typed.
    pub args: &'a DiffArgs,
    /// Id of the repository.
    pub repository: String,
    /// What is compared.
    pub sides: &'a Sides<'a>,
    /// Counts of everything that differs, and what came of the live side.
    pub compared: &'a Compared,
    /// Paths that differ and are not among the rows.
    pub left_out: u64,
}

/// What became of the rows.
pub struct Told {
    /// Files whose content can not be read.
    pub problems: usize,
    /// Paths that stand in the page.
    pub shown: usize,
}

impl Page<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// The page can not be written, or the user asked to stop.
    pub fn write(&self, out: &mut dyn Write, mut rows: Vec<Row>, contents: &Contents) -> Result<Told, Failure> {
        let most = limits(&self.args.page).files;
        rows.sort_by_cached_key(paths::order);
        let more = self.left_out + rows.len().saturating_sub(most) as u64;
        let renamed = paths::renamed(&rows);
        rows.truncate(most);
        let inside = self.spool(&rows, contents)?;
        let unread = self.compared.found.problems.iter();
        let mut problems: Vec<Problem> =
            unread.map(|problem| Problem { path: problem.path.clone(), why: problem.text.clone() }).collect();
        let unread = problems.len();
        problems.extend(inside.problems);
        let put = |out: &mut dyn Write, markup: Markup| out.write_all(markup.0.as_bytes()).map_err(Failure::Output);
        let title = self.title();
        let plain = format!("What changed {}", title.1);
        let about = html! { (page::problems(&problems)) (self.about(contents.masks())) };
        page::begin(out, "What changed", &title.0, &plain, &about).map_err(Failure::Output)?;
        put(out, self.counts(renamed))?;
        put(out, page::heading("paths", "Changed paths"))?;
        paths::write(out, &rows, &inside.has_place, self.args.metadata).map_err(Failure::Output)?;
        put(out, self.not_listed(more))?;
        if !inside.spool.is_empty() || inside.not_shown > 0 {
            put(out, page::heading("inside", "What changed inside"))?;
        }
        inside.spool.pour(out)?;
        put(out, page::not_shown(inside.not_shown, "file"))?;
        page::end(out, contents.masks()).map_err(Failure::Output)?;
        Ok(Told { problems: problems.len() - unread, shown: rows.len() })
    }

    fn spool(&self, rows: &[Row], contents: &Contents) -> Result<Insides, Failure> {
        let mut insides = Insides { spool: Spool::new()?, has_place: Vec::new(), problems: Vec::new(), not_shown: 0 };
        let shows = page::Contents {
            limits: limits(&self.args.page),
            lines_around: self.args.unified.into(),
            masks: contents.masks(),
            later: if self.compared.live.is_some() { "the reading" } else { "the later snapshot" },
        };
        for (number, row) in rows.iter().enumerate() {
            if self.context.signals.cancelled() {
                return Err(Error::Cancelled.into());
            }
            let has_place = contents.has_inside(row) && !insides.spool.is_full();
            insides.not_shown += u64::from(contents.has_inside(row) && !has_place);
            insides.has_place.push(has_place);
            if has_place {
                let inside = contents.inside(row)?;
                if let Inside::Unreadable(why) = &inside {
                    self.context.output.warn(&format!("{}: {why}", super::listing::shown_path(row)));
                    insides.problems.push(Problem { path: row.path(), why: why.clone() });
                }
                let spool = &mut insides.spool;
                spool.raw(&format!("<article class=\"file\" id=\"f{number}\"><details open><summary>"))?;
                spool.put(&paths::summary(row, &inside))?;
                spool.raw("</summary><div class=\"body\">")?;
                let name = text::stored_path(&row.path());
                shows.write(spool, &inside, &name)?;
                spool.raw("</div></details></article>")?;
            }
        }
        Ok(insides)
    }

    fn later(&self) -> Later<'_> {
        match (&self.compared.live, self.sides.after) {
            (Some(live), _) => Later::Live(live),
            (None, after) => Later::Snapshot(after.unwrap_or(self.sides.before)),
        }
    }

    /// With markup, and without.
    fn title(&self) -> (Markup, String) {
        let later = self.later();
        let (before, after) = (&self.sides.before.manifest.host, later.host());
        let plain = text::plain;
        if before == after {
            return (html! { "What changed on " (shown::plain(after)) }, format!("on {}", plain(after)));
        }
        let markup = html! { "What is different on " (shown::plain(after)) " from " (shown::plain(before)) };
        (markup, format!("from {} to {}", plain(before), plain(after)))
    }

    fn about(&self, masks: bool) -> Markup {
        let compared = &self.compared;
        let is_all = compared.paths.iter().all(Vec::is_empty) && self.sides.other.is_none();
        let paths = html! {
            @if is_all { "everything" } @else {
                (page::list(compared.paths.iter().map(|path| shown::path(path))))
                @if let Some(other) = &self.sides.other { " with " (shown::path(other)) }
            }
        };
        let streams = page::list(compared.found.streams.iter().map(|path| shown::path(path)));
        let secrets = html! { @if masks { "masked" } @else { strong { "shown" } } };
        html! {
            (page::sides(self.sides.before, self.later()))
            (page::meaning(&[
                Meaning { name: "Repository", value: html! { code.id { (self.repository) } } },
                Meaning { name: "Compared", value: paths },
                Meaning { name: "Secrets", value: secrets },
            ]))
            @if !compared.found.streams.is_empty() {
                p.note { "Outputs of commands have no live side and are not compared: " (streams) "." }
            }
        }
    }

    fn counts(&self, (renamed, copied): (u64, u64)) -> Markup {
        let [added, removed, modified, type_changed, metadata] = self.compared.found.summary.paths;
        let tiles = [
            ("+", "Added", added),
            ("-", "Removed", removed),
            ("M", "Modified", modified),
            ("T", "Other type", type_changed),
            ("U", "Other metadata only", metadata),
        ];
        html! {
            h2 { "In numbers" }
            dl.counts {
                @for (sign, name, count) in tiles {
                    @if count > 0 || sign < "N" {
                        div { dt { span.sign aria-hidden="true" { (sign) } " " (name) } dd { (text::count(count)) } }
                    }
                }
            }
            p.note {
                "Content: " (text::size(self.compared.found.summary.added_bytes)) " new, " (text::size(self.compared.found.summary.removed_bytes)) " gone."
                @if renamed > 0 { " " (text::counted(renamed, "file")) " only had another path before, and counts as added and as removed." }
                @if copied > 0 { " Of the files that count as added, " (text::count(copied)) " only repeat one that was there before." }
            }
        }
    }

    fn not_listed(&self, more: u64) -> Markup {
        html! {
            @if more > 0 {
                p.cut { (page::more(more, "more path")) " not shown, and what changed inside was not read." }
            }
        }
    }
}

/// What changed inside the rows.
struct Insides {
    spool: Spool,
    /// Of each row, whether something of it is in the spool.
    has_place: Vec<bool>,
    problems: Vec<Problem>,
    /// Files that the page has no room for.
    not_shown: u64,
}
