// SPDX-License-Identifier: MIT OR Apache-2.0
//! The history of a text with what changed in it each time.

use std::sync::Arc;

use keepfast_engine::catalog::{self, Version};
use keepfast_engine::compare::Mask;
use keepfast_engine::compare::text::TextDiff;
use keepfast_engine::events::Events;
use keepfast_engine::history::Snapshot;
use keepfast_engine::index::IndexError;
use keepfast_engine::reader::Reader;
use keepfast_engine::redact;
use keepfast_engine::text::{self as content, Text};
use keepfast_engine::versions::Change;
use keepfast_engine::{Error, Result};

use super::{Placed, placed, row, to_json};
use crate::context::Context;
use crate::exit::Failure;
use crate::options::catalog::Asked;
use crate::progress::Progress;
use crate::render::{content as shown, text};

/// Largest text of which differences are shown, in bytes; as for `blame`.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Prints each change with what changed in the text; the number of those whose content can not be read.
pub fn with_patches(
    context: &Context,
    asked: &Asked,
    chosen: &[&Snapshot],
    path: &[u8],
    changes: &[Change],
    mask: &Mask,
) -> Result<usize, Failure> {
    let progress = Progress::start(context);
    let reader = asked.repository.reader();
    let mut problems = 0;
    for placed in placed(chosen, changes) {
        let patch = match patch(&reader, path, &placed, mask, &progress) {
            Ok(patch) => patch,
            Err(error) => {
                problems += 1;
                let why = unreadable(asked, error)?;
                context.output.warn(&format!(
                    "{} in {}: {why}",
                    text::stored_path(path),
                    text::short(placed.snapshot.id)
                ));
                None
            }
        };
        if context.output.is_json() {
            let mut object = to_json(placed.snapshot, placed.change);
            object["patch"] = patch.map(|patch| shown::text(&patch)).into();
            context.output.object(object);
        } else {
            context.output.line(row(placed.snapshot, placed.change).join("  ").trim_end());
            shown::lines(&patch.unwrap_or_default()).for_each(|line| context.output.line(&format!("    {line}")));
        }
        context.output.check().map_err(Failure::Output)?;
    }
    Ok(problems)
}

/// Why a content can not be read, in words.
///
/// # Errors
/// It is no matter of this content: the user asked to stop, or the catalog is wrong, which will not be trusted again.
pub fn unreadable(asked: &Asked, error: Error) -> Result<String, Failure> {
    if let Error::Index(IndexError::Damaged { .. }) = &error {
        catalog::distrust(&asked.repository);
    }
    if matches!(error, Error::Content { .. }) || error.is_damage() {
        Ok(text::error(&error))
    } else {
        Err(error.into())
    }
}

/// The difference of two contents; `None` where there is none to show: no file, or the same content.
fn patch(
    reader: &Arc<Reader>,
    path: &[u8],
    placed: &Placed,
    mask: &Mask,
    events: &dyn Events,
) -> Result<Option<Vec<u8>>> {
    let Some([before, after]) = placed.contents() else { return Ok(None) };
    let read = |side: Option<(&Version, &Snapshot)>| match side {
        None => Ok(Text::Lines(Vec::new())),
        Some((version, snapshot)) => content::of_version(reader, snapshot, path, version, MAX_TEXT_BYTES, events),
    };
    Ok(Some(match (read(before)?, read(after)?) {
        (Text::Lines(before), Text::Lines(after)) => unified(&redact::shown(before, mask), &redact::shown(after, mask)),
        (Text::Binary, _) | (_, Text::Binary) => b"(binary)\n".to_vec(),
        _ => format!("(more than {MAX_TEXT_BYTES} bytes)\n").into_bytes(),
    }))
}

/// Lines around a change that stay to show where it is; what `diff -u` does.
pub const CONTEXT_LINES: usize = 3;

/// Both are far shorter than what can be compared.
fn unified(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut patch = Vec::new();
    if let Ok(diff) = TextDiff::new(before, after) {
        diff.patch(CONTEXT_LINES, |line| patch.extend(line.bytes()));
    }
    patch
}
