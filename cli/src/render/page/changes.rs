// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes in the terms of a format as a table: of a dump by table, of certificates by part, of anything else by place.

use keepfast_engine::compare::{Change, ChangeKind, Place, Step};
use maud::{Markup, html};

use super::{Contents, Spool, more as more_of, shown};
use crate::exit::Failure;
use crate::render::text;

/// Characters of a place that are shown; keys have any length.
const MAX_PLACE: usize = 1000;

/// Appends the table.
pub(super) fn write(spool: &mut Spool, format: &str, changes: &[Change], contents: &Contents) -> Result<(), Failure> {
    if changes.is_empty() {
        return spool.put(&html! { p.note { "Both say the same in other bytes." } });
    }
    spool.raw("<table class=\"changes\"><thead><tr><th scope=\"col\">Change</th><th scope=\"col\">Where</th>")?;
    spool.raw("<th scope=\"col\">Before</th><th scope=\"col\">After</th></tr></thead>")?;
    let mut done = 0;
    for group in changes.chunk_by(|one, other| split(format, &one.place).0 == split(format, &other.place).0) {
        if done >= contents.limits.lines || spool.is_full() {
            break;
        }
        spool.raw("<tbody>")?;
        if let Some(name) = group_name(split(format, &group[0].place).0) {
            spool.put(
                &html! { tr.group { th scope="rowgroup" colspan="4" { (shown::value(&name, contents.masks)) } } },
            )?;
        }
        for change in group {
            if done >= contents.limits.lines || spool.is_full() {
                break;
            }
            spool.put(&row(format, change, contents))?;
            done += 1;
        }
        spool.raw("</tbody>")?;
    }
    spool.raw("</table>")?;
    match changes.len() - done {
        0 => Ok(()),
        more => spool.put(&html! { p.cut { (more_of(more as u64, "more change")) " not shown." } }),
    }
}

/// The steps that a heading stands for, and the others.
fn split<'a>(format: &str, place: &'a Place) -> (&'a [Step], &'a [Step]) {
    let is_item = |step: &Step| matches!(step, Step::Item { .. });
    let steps = &place.0[..];
    match format {
        "SQL" => match steps.iter().position(is_item) {
            Some(at) => steps.split_at(at),
            // An object of the schema stands under `schema`; a row that nothing tells from others has its table's place.
            None => {
                let outer = steps.len().checked_sub(2).map(|at| &steps[at]);
                let is_schema = matches!(outer, Some(Step::Key(key)) if key == "schema");
                steps.split_at(steps.len() - usize::from(is_schema))
            }
        },
        "certificate" => steps.split_at(steps.len().min(1)),
        _ => (&[], steps),
    }
}

fn group_name(steps: &[Step]) -> Option<String> {
    let word = |step: &Step| match step {
        Step::Key(key) => key.clone(),
        Step::Index(index) => format!("number {index}"),
        Step::Item { value, .. } => value.clone(),
    };
    let name = steps.iter().map(word).collect::<Vec<_>>().join(" / ");
    (!steps.is_empty()).then(|| cut(name))
}

fn row(format: &str, change: &Change, contents: &Contents) -> Markup {
    let masks = contents.masks;
    let (class, sign, word) = match change.kind {
        ChangeKind::Added => ("added", "+", "added"),
        ChangeKind::Removed => ("removed", "-", "removed"),
        ChangeKind::Changed => ("changed", "~", "changed"),
    };
    let rest = split(format, &change.place).1;
    let place = if rest.is_empty() { "(all of it)".to_string() } else { cut(Place(rest.to_vec()).to_string()) };
    let left = change.days_left.map(|days| expiry(days, contents.later));
    html! {
        tr class=(class) {
            td.kind { span.sign aria-hidden="true" { (sign) } " " (word) }
            th.where scope="row" { code { bdi { (shown::value(&place, masks)) } } }
            td.before { @if let Some(value) = &change.before { del { bdi { (shown::value(value, masks)) } } } }
            td.after {
                @if let Some(value) = &change.after { ins { bdi { (shown::value(value, masks)) } } }
                @if let Some(left) = left { " " small { "(" (left) ")" } }
            }
        }
    }
}

/// How long after the later side a certificate ends: whoever reads a page knows no other now.
fn expiry(days: i64, later: &str) -> String {
    match days {
        0.. => format!("{} after {later}", text::counted(days.unsigned_abs(), "day")),
        _ => format!("over at the time of {later}"),
    }
}

fn cut(name: String) -> String {
    match name.char_indices().nth(MAX_PLACE) {
        Some((end, _)) => format!("{}... ({} bytes)", &name[..end], name.len()),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use keepfast_engine::compare::{Place, Step};

    use super::{expiry, group_name, split};

    fn key(key: &str) -> Step {
        Step::Key(key.to_string())
    }

    fn item(key: &str, value: &str) -> Step {
        Step::Item { key: key.to_string(), value: value.to_string() }
    }

    #[test]
    fn rows_stand_under_their_table_and_fields_under_their_certificate() {
        let table: [(&str, Vec<Step>, Option<&str>, &str); 6] = [
            ("SQL", vec![key("public.users"), item("id", "1"), key("name")], Some("public.users"), "[id=1].name"),
            ("SQL", vec![key("db"), key("t"), item("id", "1")], Some("db / t"), "[id=1]"),
            ("SQL", vec![key("t")], Some("t"), ""),
            ("SQL", vec![key("schema"), key("INDEX i")], Some("schema"), "[\"INDEX i\"]"),
            ("certificate", vec![item("id", "certificate CN=a"), key("serial")], Some("certificate CN=a"), "serial"),
            ("JSON", vec![key("a"), Step::Index(3)], None, "a[3]"),
        ];
        for (format, steps, group, rest) in table {
            let place = Place(steps);
            let (first, last) = split(format, &place);
            assert_eq!(group_name(first).as_deref(), group, "{place}");
            assert_eq!(Place(last.to_vec()).to_string(), rest, "{place}");
        }
    }

    #[test]
    fn days_are_counted_from_the_later_side() {
        assert_eq!(expiry(9, "the later snapshot"), "9 days after the later snapshot");
        assert_eq!(expiry(-1, "the reading"), "over at the time of the reading");
    }
}
