// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of a history: which snapshots changed a path, and what changed inside it each time.

use std::io::Write;
use std::sync::Arc;

use keepfast_engine::catalog::Version;
use keepfast_engine::compare::{Mask, Readers, Terms};
use keepfast_engine::diff::{Side, contents};
use keepfast_engine::format::tree::entry::Entry;
use keepfast_engine::history::Snapshot;
use keepfast_engine::index::IndexError;
use keepfast_engine::reader::Reader;
use keepfast_engine::tree::{Root, find};
use keepfast_engine::versions::Change;
use keepfast_engine::{Error, Result};
use maud::{Markup, html};

use super::patch::{CONTEXT_LINES, unreadable};
use super::{Placed, placed, row};
use crate::args::HistoryArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::catalog::Asked;
use crate::options::page::limits;
use crate::render::inside::Inside;
use crate::render::page::{self, Contents, Meaning, Problem, Spool, shown};
use crate::render::text;

/// What a page is made from.
pub struct Page<'a> {
    /// Standard streams, and whether the user asked to stop.
    pub context: &'a Context,
    /// What the user typed.
    pub args: &'a HistoryArgs,
    /// The repository.
    pub asked: &'a Asked,
    /// Snapshots that were looked at.
    pub chosen: &'a [&'a Snapshot],
    /// Whose history it is.
    pub path: &'a [u8],
    /// Hides secrets.
    pub mask: &'a Mask,
}

impl Page<'_> {
    /// Writes it; the number of contents that can not be read.
    ///
    /// # Errors
    /// The page can not be written, or the user asked to stop.
    pub fn write(&self, out: &mut dyn Write, changes: &[Change]) -> Result<usize, Failure> {
        // The newest are what is asked for where there are too many.
        let earlier = changes.len().saturating_sub(limits(&self.args.page).files);
        let rows: Vec<Placed> = placed(self.chosen, changes).skip(earlier).collect();
        let (spool, has_place, problems) = self.spool(&rows)?;
        let put = |out: &mut dyn Write, markup: Markup| out.write_all(markup.0.as_bytes()).map_err(Failure::Output);
        let title = html! { "History of " (shown::path(self.path)) };
        let plain = format!("History of {}", text::stored_path(self.path));
        let about = html! { (page::problems(&problems)) (self.about(changes.len())) };
        page::begin(out, "History", &title, &plain, &about).map_err(Failure::Output)?;
        put(out, page::heading("snapshots", "Snapshots that changed it"))?;
        put(out, more_rows(earlier))?;
        out.write_all(HEAD.as_bytes()).map_err(Failure::Output)?;
        for (number, placed) in rows.iter().enumerate() {
            put(out, line(placed, has_place[number].then_some(number)))?;
        }
        out.write_all(b"</tbody></table>").map_err(Failure::Output)?;
        if !spool.is_empty() {
            put(out, page::heading("inside", "What changed inside"))?;
        }
        let not_shown = rows.iter().zip(&has_place).filter(|(row, has)| row.contents().is_some() && !**has).count();
        spool.pour(out)?;
        put(out, page::not_shown(not_shown as u64, "version"))?;
        page::end(out, self.mask.hides()).map_err(Failure::Output)?;
        Ok(problems.len())
    }

    fn spool(&self, rows: &[Placed]) -> Result<(Spool, Vec<bool>, Vec<Problem>), Failure> {
        let (mut spool, mut has_place, mut problems) = (Spool::new()?, Vec::new(), Vec::new());
        let (limits, masks) = (limits(&self.args.page), self.mask.hides());
        let shows = Contents { limits, lines_around: CONTEXT_LINES, masks, later: "this snapshot" };
        let reader = self.asked.repository.reader();
        for (number, placed) in rows.iter().enumerate() {
            if self.context.signals.cancelled() {
                return Err(Error::Cancelled.into());
            }
            has_place.push(placed.contents().is_some() && !spool.is_full());
            if !has_place[number] {
                continue;
            }
            let inside = match self.inside(&reader, placed) {
                Ok(inside) => inside,
                Err(error) => Inside::Unreadable(unreadable(self.asked, error)?),
            };
            let short = text::short(placed.snapshot.id);
            if let Inside::Unreadable(why) = &inside {
                self.context.output.warn(&format!("{} in {short}: {why}", text::stored_path(self.path)));
                problems.push(Problem { path: self.path.to_vec(), why: format!("in snapshot {short}: {why}") });
            }
            spool.raw(&format!("<article class=\"file\" id=\"f{number}\"><details open><summary>"))?;
            spool.put(&html! {
                h3 { (shown::time(placed.snapshot.manifest.started)) }
                " " span.note { (shown::plain(&placed.snapshot.manifest.host)) ", snapshot " (short) ": " (page::in_words(&inside)) }
            })?;
            spool.raw("</summary><div class=\"body\">")?;
            let name = format!("{} in snapshot {short}", text::stored_path(self.path));
            shows.write(&mut spool, &inside, &name)?;
            spool.raw("</div></details></article>")?;
        }
        Ok((spool, has_place, problems))
    }

    fn inside(&self, reader: &Arc<Reader>, placed: &Placed) -> Result<Inside> {
        let Some([before, after]) = placed.contents() else { return Ok(Inside::Nothing) };
        let entry = |side: Option<(&Version, &Snapshot)>| -> Result<Option<Entry>> {
            let Some((version, snapshot)) = side else { return Ok(None) };
            let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
            let found = find(reader, root, self.path)?.filter(|entry| Version::of(entry) == *version);
            let wrong = || IndexError::Damaged { what: "the catalog contradicts a snapshot".to_string() };
            Ok(Some(found.ok_or_else(wrong)?))
        };
        let (before, after) = (entry(before)?, entry(after)?);
        let now_unix = placed.snapshot.manifest.started.div_euclid(1_000_000_000);
        let terms = Terms { readers: Readers::All, mask: self.mask, now_unix };
        Inside::of(contents(reader, before.as_ref().map(Side::Stored), after.as_ref().map(Side::Stored), terms))
    }

    fn about(&self, changes: usize) -> Markup {
        let secrets = html! { @if self.mask.hides() { "masked" } @else { strong { "shown" } } };
        let count = text::counted(self.chosen.len() as u64, "snapshot");
        let span = html! {
            @if let (Some(first), Some(last)) = (self.chosen.first(), self.chosen.last()) {
                (count) ", " (shown::time(first.manifest.started)) " to " (shown::time(last.manifest.started))
            }
        };
        page::meaning(&[
            Meaning { name: "Repository", value: html! { code.id { (self.asked.repository.id()) } } },
            Meaning { name: "Looked at", value: span },
            Meaning { name: "Entries", value: html! { (text::count(changes as u64)) } },
            Meaning { name: "Secrets", value: secrets },
        ])
    }
}

const HEAD: &str = "<table class=\"versions\"><thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Host</th><th scope=\"col\">Snapshot</th>\
    <th scope=\"col\" class=\"size\">Size</th><th scope=\"col\" class=\"what\">Change</th></tr></thead><tbody>";

fn more_rows(earlier: usize) -> Markup {
    html! { @if earlier > 0 { p.cut { (page::more(earlier as u64, "earlier entry")) " not shown." } } }
}

/// The same row as in text; times with their zone.
fn line(placed: &Placed, place: Option<usize>) -> Markup {
    let [id, _, host, size, what] = row(placed.snapshot, placed.change);
    html! {
        tr {
            th scope="row" { (shown::time(placed.snapshot.manifest.started)) }
            td { bdi { (host) } }
            td { code { (id) } }
            td.size { (size) }
            td.what { @match place { Some(number) => a href={ "#f" (number) } { bdi { (what) } }, None => bdi { (what) } } }
        }
    }
}
