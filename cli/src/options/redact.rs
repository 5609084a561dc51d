// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `dump` and `export` hide and leave out, and what is said of it afterwards.

use keepfast_engine::reader::Reader;
use keepfast_engine::redact::{Report, Selection};
use serde_json::{Value, json};

use crate::args::RedactArgs;
use crate::context::Context;
use crate::exit::Done;
use crate::options::reveal;
use crate::render::text;

/// What was asked for. Fingerprints are those of `diff`.
pub fn selection(reader: &Reader, args: &RedactArgs) -> Selection {
    let mask = reveal::mask(reader, !args.redact);
    Selection { mask, omit: args.omit.clone(), keep: args.redact_keep.clone() }
}

/// Names the readers that gave up: less was found there than could be.
pub fn tell(context: &Context, report: &Report) -> Done {
    if !context.output.is_json() {
        for (path, why) in &report.doubts {
            let path = text::plain(path);
            context.output.warn(&format!(
                "{path}: {why}; secrets were looked for line by line, look at it before you hand it on"
            ));
        }
    }
    Done::from_problems(report.doubts.len())
}

/// In words.
pub fn in_words(report: &Report) -> String {
    let hidden = format!("{} hidden", text::counted(report.hidden, "secret"));
    match report.omitted {
        0 => hidden,
        parts => format!("{hidden}, {} left out", text::counted(parts, "part")),
    }
}

/// For machines.
pub fn to_json(report: &Report) -> Value {
    let doubts = report.doubts.iter().map(|(path, why)| json!({ "path": path, "why": why.to_string() }));
    json!({ "hidden": report.hidden, "omitted": report.omitted, "doubts": doubts.collect::<Value>() })
}
