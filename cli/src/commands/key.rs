// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast key`: the passwords and key files that open the repository.

use keepfast_engine::format::id::SlotId;
use keepfast_engine::format::key_slot::Protection;
use keepfast_engine::key::{KeyInfo, add, current, list, remove};
use keepfast_engine::repository::{FirstKey, Repository};
use serde_json::json;

use crate::args::{KeyArgs, KeyCommand, NewKeyArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::credential::Source;
use crate::options::key_file::NewKeyFile;
use crate::options::{machine, new_repository, repository, time};
use crate::render::table::{Side, Table};
use crate::render::text;

/// Lists, adds, removes, replaces.
pub fn run(context: &Context, args: &KeyArgs) -> Result<Done, Failure> {
    let (repository, credential) = repository::open_with(&context.global)?;
    let out = &context.output;
    match &args.action {
        KeyCommand::List => {
            let (keys, damaged) = list(&repository)?;
            print(context, &keys, &current(&repository, &credential)?);
            // The whole ones are listed; that others are damaged must not go by unseen.
            if let Some(error) = damaged.into_iter().next() {
                return Err(error.into());
            }
        }
        KeyCommand::Add(new) => {
            let id = make(context, &repository, new)?;
            out.note(&format!("key {} added", text::short(id)));
            out.summary(json!({ "added": id.to_string() }));
        }
        KeyCommand::Remove { id } => {
            let id = find(&list(&repository)?.0, id)?;
            if id == current(&repository, &credential)? {
                return Err(Failure::Other {
                    message: format!("{} is the key in use", text::short(id)),
                    hint: "open the repository with another key to remove this one, or use `key passwd`".to_string(),
                });
            }
            remove(&repository, &id)?;
            out.note(&format!("key {} removed", text::short(id)));
            out.summary(json!({ "removed": id.to_string() }));
        }
        KeyCommand::Passwd(new) => {
            let old = current(&repository, &credential)?;
            let id = make(context, &repository, new)?;
            // Only now: until the new key is stored and proven, the old one is the only way in.
            remove(&repository, &old)?;
            out.note(&format!("key {} replaced by {}", text::short(old), text::short(id)));
            out.summary(json!({ "added": id.to_string(), "removed": old.to_string() }));
        }
    }
    Ok(Done::Complete)
}

fn make(context: &Context, repository: &Repository, new: &NewKeyArgs) -> Result<SlotId, Failure> {
    let label = new.label.clone().unwrap_or_else(machine::label);
    let kdf = new_repository::kdf(new.kdf_memory)?;
    let now = time::now_seconds();
    if let Some(path) = &new.new_key_file {
        let mut file = NewKeyFile::create(path)?;
        let (id, key) = add(repository, &FirstKey::KeyFile, kdf, &label, now)?;
        file.fill(&key.expect("a key file was asked for"))?;
        file.keep();
        context.output.note(&format!("key file {} written", path.display()));
        return Ok(id);
    }
    let source = new.new_password_file.clone().map_or(Source::Terminal, Source::PasswordFile);
    let key = FirstKey::Password(source.read_new_password()?);
    Ok(add(repository, &key, kdf, &label, now)?.0)
}

/// The one key whose id begins so.
fn find(keys: &[KeyInfo], prefix: &str) -> Result<SlotId, Failure> {
    let fits = |key: &&KeyInfo| !prefix.is_empty() && key.id.to_string().starts_with(&prefix.to_ascii_lowercase());
    let found: Vec<_> = keys.iter().filter(fits).collect();
    match found[..] {
        [key] => Ok(key.id),
        [] => Err(Failure::Other {
            message: format!("no key fits {prefix:?}"),
            hint: "`keepfast key list` lists the keys".to_string(),
        }),
        _ => Err(Failure::other(format!("{prefix:?} fits {} keys", found.len()))),
    }
}

fn print(context: &Context, keys: &[KeyInfo], current: &SlotId) {
    let out = &context.output;
    let columns = [
        ("", Side::Left),
        ("id", Side::Left),
        ("opened by", Side::Left),
        ("created", Side::Left),
        ("label", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for key in keys {
        let (word, opener) = match key.protection {
            Protection::KeyFile => ("key_file", "key file".to_string()),
            Protection::Password(kdf) => ("password", format!("password, {} MiB", kdf.memory_kib() >> 10)),
        };
        let created = i64::try_from(key.created).unwrap_or(i64::MAX);
        let is_current = key.id == *current;
        table.row(vec![
            if is_current { "*" } else { "" }.to_string(),
            text::short(key.id),
            opener,
            text::time_of_seconds(created),
            text::plain(&key.label),
        ]);
        out.object(json!({
            "id": key.id.to_string(),
            "protection": word,
            "created": text::rfc3339(created.saturating_mul(1_000_000_000)),
            "label": key.label,
            "current": is_current,
        }));
    }
    if !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.summary(json!({ "keys": keys.len() }));
}
