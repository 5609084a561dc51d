// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast blame`: which snapshot brought each line of a text.

use std::os::unix::ffi::OsStrExt;

use keepfast_engine::Error;
use keepfast_engine::blame::{Line, blame};
use keepfast_engine::compare::Mask;
use keepfast_engine::events::Silent;
use keepfast_engine::history::Snapshot;
use keepfast_engine::redact;
use keepfast_engine::select::{select, trim};
use serde_json::json;

use crate::args::BlameArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::catalog::{Asked, in_no_snapshot};
use crate::options::{reveal, scope};
use crate::render::{content, json as js, text};

/// Shows each line with its snapshot.
pub fn run(context: &Context, args: &BlameArgs) -> Result<Done, Failure> {
    let asked = Asked::open(context)?;
    let chosen = scope::several(&asked.snapshots, &[], &args.scope)?;
    let path = trim(args.inside.as_os_str().as_bytes());
    let at = args.snapshot.as_ref().map(|selector| position(&asked, args, &chosen, selector)).transpose()?;
    let reader = asked.repository.reader();
    let answer = asked.ask(context, |catalog| blame(catalog, &reader, &chosen, at, path, &Silent));
    let (mut lines, done) = answer.map_err(|failure| match failure {
        Failure::Engine(Error::NoPath { .. } | Error::NoSnapshot { .. } | Error::NoSnapshots { .. })
            if at.is_none() =>
        {
            in_no_snapshot(path, chosen.len())
        }
        other => other,
    })?;
    hide_secrets(&mut lines, &reveal::mask(&reader, args.reveal));
    print(context, &chosen, &lines);
    let mut summary = json!({ "lines": lines.len() });
    js::put_path(&mut summary, "path", &[b"/", path].concat());
    context.output.summary(summary);
    Ok(done)
}

/// The text is looked at as a whole: what is a secret is told by what stands in other lines.
fn hide_secrets(lines: &mut [Line], mask: &Mask) {
    let text: Vec<u8> = lines.iter().flat_map(|line| line.bytes.iter().copied()).collect();
    let hidden = redact::shown(text, mask);
    let mut hidden = hidden.split_inclusive(|byte| *byte == b'\n');
    // There are as many; if not, what was not looked at is not shown.
    lines.iter_mut().for_each(|line| line.bytes = hidden.next().unwrap_or_default().to_vec());
}

/// Where the named snapshot stands among those that are looked at.
fn position(asked: &Asked, args: &BlameArgs, chosen: &[&Snapshot], selector: &str) -> Result<usize, Failure> {
    let named = select(&asked.snapshots, selector, &scope::scope(&args.scope)?)?;
    let position = chosen.iter().position(|snapshot| snapshot.id == named.id);
    position.ok_or_else(|| {
        Failure::Usage(format!(
            "snapshot {} is none of those that --host, --tag, --path or --at leave",
            text::short(named.id)
        ))
    })
}

fn print(context: &Context, chosen: &[&Snapshot], lines: &[Line]) {
    let out = &context.output;
    let host = |line: &Line| text::plain(&chosen[line.snapshot].manifest.host);
    let (hosts, numbers) =
        (lines.iter().map(|line| text::width(&host(line))).max().unwrap_or(0), lines.len().to_string().len());
    for (number, line) in (1_u64..).zip(lines) {
        let snapshot = chosen[line.snapshot];
        let (short, started) = (text::short(snapshot.id), snapshot.manifest.started);
        if out.is_json() {
            let mut object = json!({
                "line": number,
                "snapshot": snapshot.id.to_string(),
                "short_id": short,
                "started": text::rfc3339(started),
                "host": snapshot.manifest.host,
            });
            let bytes = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
            object["text"] = content::text(bytes).into();
            out.object(object);
        } else {
            let (time, host, bytes) =
                (text::time(started), text::padded(&host(line), hosts), content::line(&line.bytes));
            out.line(&format!("{short}  {time}  {host}  {number:numbers$}  {bytes}"));
        }
    }
}
