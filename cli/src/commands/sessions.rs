// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast sessions`: who is at work in the repository, and ending a session whose program is gone.

use keepfast_engine::format::id::WriterId;
use keepfast_engine::format::session::{Role, SessionRecord};
use keepfast_engine::sessions::{Closed, Standing, State, close, sessions};
use serde_json::{Value, json};

use crate::args::{SessionsArgs, SessionsCommand};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, question, repository, time};
use crate::render::table::{Side, Table};
use crate::render::text;

const SECONDS_OF_DAY: u64 = 86_400;
/// Ages above this are told in days.
const DAYS_FROM: u64 = 2 * SECONDS_OF_DAY;

/// Lists, or ends one.
pub fn run(context: &Context, args: &SessionsArgs) -> Result<Done, Failure> {
    match &args.action {
        None | Some(SessionsCommand::List) => list(context),
        Some(SessionsCommand::Close { id, yes }) => end(context, id, *yes),
    }
}

/// What `unlock` is answered with.
pub fn nothing_locks() -> Failure {
    let message = "there is nothing to unlock: no command waits for another, and a killed one blocks nobody. \
                   `keepfast sessions` lists who is at work, `keepfast sessions close` ends a session whose program is gone";
    Failure::Usage(message.to_string())
}

fn list(context: &Context) -> Result<Done, Failure> {
    let found = sessions(&repository::open(&context.global)?)?;
    let out = &context.output;
    let (here, now) = (machine::host_name(), time::now_seconds());
    let mut table = Table::new(&[
        ("id", Side::Left),
        ("who", Side::Left),
        ("started", Side::Left),
        ("role", Side::Left),
        ("slot", Side::Left),
        ("state", Side::Left),
    ]);
    for standing in &found {
        out.object(to_json(standing, now, &here));
        table.row(row(standing, now, &here));
    }
    if !found.is_empty() && !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    let open = found.iter().filter(|standing| standing.state == State::Open).count();
    let damaged = found.iter().filter(|standing| standing.record.is_err()).count();
    out.note(&format!("{} open", text::counted(open as u64, "session")));
    out.summary(json!({ "sessions": found.len(), "open": open, "damaged": damaged }));
    Ok(Done::from_problems(damaged))
}

fn row(standing: &Standing, now: u64, here: &str) -> Vec<String> {
    let slot = slot(standing);
    let state = state(standing, here).to_string();
    let record = match &standing.record {
        Ok(record) => record,
        Err(error) => {
            let why = format!("can not be read: {}", text::error(error));
            return vec!["-".into(), why, String::new(), String::new(), slot, state];
        }
    };
    let who = format!("{}@{}\npid {}\n{}", record.user, record.host, record.process_id, record.program);
    let who: Vec<String> = who.lines().map(text::plain).collect();
    let age = |time: u64| now.checked_sub(time).map_or("in the future".to_string(), |age| format!("{} ago", long(age)));
    let mut started = format!("{}\n{}", text::time(nanos(record.started)), age(record.started));
    if let Some(renewed) = standing.renewed {
        started.push_str(&format!("\nseen {}", age(renewed)));
    }
    vec![text::short(record.session), who.join("\n"), started, role(record).into(), slot, state]
}

/// Writer, short, and sequence.
fn slot(standing: &Standing) -> String {
    format!("{}/{}", text::short(standing.writer), standing.sequence)
}

fn role(record: &SessionRecord) -> &'static str {
    match record.role {
        None => "writer",
        Some(Role::Collector) => "collector",
    }
}

fn state(standing: &Standing, here: &str) -> &'static str {
    match &standing.record {
        _ if standing.state == State::Ended => "ended",
        Ok(record) if is_gone(record, here) => "open, no such\nprocess here",
        _ => "open",
    }
}

/// Whether it ran on this machine and its process is not there. The other way round proves nothing: numbers come again.
fn is_gone(record: &SessionRecord, here: &str) -> bool {
    record.host == here && !machine::has_process(record.process_id)
}

fn nanos(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000)
}

fn long(seconds: u64) -> String {
    if seconds < DAYS_FROM { text::duration(seconds as f64) } else { text::counted(seconds / SECONDS_OF_DAY, "day") }
}

fn to_json(standing: &Standing, now: u64, here: &str) -> Value {
    let mut object = json!({
        "writer": standing.writer.to_string(),
        "sequence": standing.sequence,
        "open": standing.state == State::Open,
    });
    match &standing.record {
        Ok(record) => {
            object["id"] = record.session.to_string().into();
            object["host"] = record.host.clone().into();
            object["user"] = record.user.clone().into();
            object["process"] = record.process_id.into();
            object["process_gone"] = is_gone(record, here).into();
            object["program"] = record.program.clone().into();
            object["role"] = role(record).into();
            object["started"] = text::rfc3339(nanos(record.started)).into();
            object["age_seconds"] = now.saturating_sub(record.started).into();
            object["seen"] = standing.renewed.map(|renewed| text::rfc3339(nanos(renewed))).into();
        }
        Err(error) => object["error"] = text::error(error).into(),
    }
    object
}

fn end(context: &Context, id: &str, yes: bool) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let found = sessions(&repository)?;
    let standing = one(&found, id)?;
    let place: (WriterId, u64) = (standing.writer, standing.sequence);
    if standing.state == State::Open && !yes {
        confirm(context, standing)?;
    }
    let closed = close(&repository, &machine::client(None), place.0, place.1)?;
    context.output.note(match closed {
        Closed::Voided => "closed: nothing of it is visible, and what it stored is removed by the next prune",
        Closed::Removed => "it had ended before; its record was a leftover and is removed",
    });
    let word = if closed == Closed::Voided { "voided" } else { "removed" };
    context.output.summary(json!({ "writer": place.0.to_string(), "sequence": place.1, "closed": word }));
    Ok(Done::Complete)
}

/// The session that is named by the beginning of its id, or by its slot.
fn one<'a>(found: &'a [Standing], id: &str) -> Result<&'a Standing, Failure> {
    const MIN_DIGITS: usize = 4;
    let by_slot = |standing: &Standing| {
        id.split_once('/').is_some_and(|(writer, sequence)| {
            writer.len() >= MIN_DIGITS
                && standing.writer.to_string().starts_with(writer)
                && sequence.parse() == Ok(standing.sequence)
        })
    };
    let by_id = |standing: &Standing| {
        let session = standing.record.as_ref().map(|record| record.session.to_string());
        id.len() >= MIN_DIGITS && session.is_ok_and(|session| session.starts_with(id))
    };
    let mut fitting = found.iter().filter(|standing| by_slot(standing) || by_id(standing));
    let hint = "`keepfast sessions` lists them".to_string();
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::Other { message: format!("no session fits {id:?}"), hint }),
        (Some(_), Some(_)) => Err(Failure::Other { message: format!("{id:?} fits several sessions"), hint }),
    }
}

/// Says what closing means, and asks.
fn confirm(context: &Context, standing: &Standing) -> Result<(), Failure> {
    let who = match &standing.record {
        Ok(record) => format!("{}@{}, process {}", record.user, record.host, record.process_id),
        Err(_) => "a record that can not be read".to_string(),
    };
    let meaning = format!(
        "The session {} of {} is open. If its program still runs, it can not commit any more: it ends with\n\
         exit code 11, nothing of it is visible, and its next run stores everything again. Other programs do not\n\
         wait for an open session; only prune does.",
        slot(standing),
        text::plain(&who)
    );
    if context.output.is_json() {
        return Err(Failure::Usage("with --json, closing an open session needs --yes".to_string()));
    }
    if question::ask(&meaning, "Close it?")? { Ok(()) } else { Err(Failure::other("not closed")) }
}
