// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast cat`: an object of the repository as JSON, for people who look into one.

use keepfast_engine::format::condemned::CondemnList;
use keepfast_engine::format::envelope::{HEADER_LEN, Kind};
use keepfast_engine::format::id::{IndexId, PackId, WriterId};
use keepfast_engine::format::log::LogSlot;
use keepfast_engine::format::pack::{FOOTER_LEN, Footer, open_directory};
use keepfast_engine::format::{FormatError, index, layout, record};
use keepfast_engine::repository::Repository;
use keepfast_engine::storage::Name;
use keepfast_engine::tree::{Root, below};
use keepfast_engine::{Error, Result as EngineResult};
use serde_json::Value;

use crate::args::{CatArgs, CatCommand, ScopeArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::render::{entry, object, snapshot};

/// Prints an object.
pub fn run(context: &Context, args: &CatArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let value = match &args.what {
        CatCommand::Config => object::config(repository.id(), repository.config_generation, &repository.config),
        CatCommand::Snapshot { snapshot } => one_snapshot(context, &repository, snapshot)?,
        CatCommand::Index { id: None } => {
            let history = repository.history()?;
            let mut ids: Vec<String> = history.index_objects().iter().map(ToString::to_string).collect();
            ids.sort();
            ids.into()
        }
        CatCommand::Index { id: Some(id) } => one_index(&repository, id)?,
        CatCommand::Log { slot: None } => repository.history()?.heads().values().map(object::head).collect(),
        CatCommand::Log { slot: Some(slot) } => one_slot(&repository, slot)?,
        CatCommand::Condemned { list: None } => all_condemned(&repository)?,
        CatCommand::Condemned { list: Some(list) } => one_condemned(&repository, list)?,
        CatCommand::Tree { snapshot } => return tree(context, &repository, snapshot),
        CatCommand::PackDirectory { id } => pack_directory(&repository, id)?,
    };
    print(context, value);
    Ok(Done::Complete)
}

/// In JSON mode as a summary like any other; else indented, the object alone.
fn print(context: &Context, value: Value) {
    if context.output.is_json() {
        context.output.summary(value);
    } else {
        // `{:#}` of a JSON value escapes every control character but the line ends that it makes itself.
        context.output.line(&format!("{value:#}"));
    }
}

fn one_snapshot(context: &Context, repository: &Repository, selector: &str) -> Result<Value, Failure> {
    let snapshots = scope::visible(context, repository, &[selector])?;
    let (found, _) = scope::one(&snapshots, selector, &ScopeArgs::default())?;
    Ok(snapshot::to_full_json(found))
}

fn tree(context: &Context, repository: &Repository, selector: &str) -> Result<Done, Failure> {
    let snapshots = scope::visible(context, repository, &[selector])?;
    let (found, path) = scope::one(&snapshots, selector, &ScopeArgs::default())?;
    let root = Root { id: found.manifest.root, level: found.manifest.root_level };
    let mut entries = 0_u64;
    for entry in below(&repository.reader(), root, path).map_err(scope::name_snapshot(found))? {
        if context.signals.cancelled() {
            return Err(Error::Cancelled.into());
        }
        let value = entry::to_full_json(&entry?);
        context.output.line(&value.to_string());
        context.output.object(value);
        context.output.check().map_err(Failure::Output)?;
        entries += 1;
    }
    context.output.summary(serde_json::json!({ "snapshot": found.id.to_string(), "entries": entries }));
    Ok(Done::Complete)
}

fn one_index(repository: &Repository, id: &str) -> Result<Value, Failure> {
    let id = IndexId::from_hex(id).ok_or_else(|| not_an_id(id, 64))?;
    let name = layout::index(&id);
    let bytes = repository.get_hashed(&name, &id.0)?;
    let plain = record::open_structure(&repository.keys, Kind::Index, &bytes).map_err(Error::object(name.as_str()))?;
    let packs = index::decode(&plain).map_err(Error::object(name))?;
    Ok(packs.iter().map(object::pack).collect())
}

fn one_slot(repository: &Repository, place: &str) -> Result<Value, Failure> {
    let (writer, sequence) = place_of(place)?;
    let name = layout::log(&writer, sequence);
    let bytes = get(repository, &name)?;
    let slot = LogSlot::open(&repository.keys, writer, sequence, &bytes).map_err(Error::object(name))?;
    Ok(object::log_slot(&slot))
}

/// Names, as `cat condemned` takes them; what else lies there is no condemn list.
fn all_condemned(repository: &Repository) -> Result<Value, Failure> {
    let objects = repository.backend.list(layout::CONDEMNED_FOLDER)?;
    let names = objects.iter().map(|object| object.name.as_str());
    let mut names: Vec<&str> = names.filter(|name| layout::parse_condemned(name).is_some()).collect();
    names.sort_unstable();
    Ok(names.into())
}

fn one_condemned(repository: &Repository, place: &str) -> Result<Value, Failure> {
    let in_folder = place.strip_prefix(layout::CONDEMNED_FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let (writer, sequence) = place_of(in_folder.unwrap_or(place))?;
    let name = layout::condemned(&writer, sequence);
    let bytes = get(repository, &name)?;
    let list = CondemnList::open(&repository.keys, writer, sequence, &bytes).map_err(Error::object(name))?;
    Ok(object::condemn_list(&list))
}

/// Writer and sequence of an object that stands at a place of a log.
fn place_of(place: &str) -> Result<(WriterId, u64), Failure> {
    let parsed =
        place.split_once('/').and_then(|(writer, number)| Some((WriterId::from_hex(writer)?, number.parse().ok()?)));
    parsed.ok_or_else(|| Failure::Usage(format!("{place:?} is not WRITER/NUMBER")))
}

fn pack_directory(repository: &Repository, id: &str) -> Result<Value, Failure> {
    let id = PackId::from_hex(id).ok_or_else(|| not_an_id(id, 64))?;
    let name = layout::pack(&id);
    let length = repository.backend.length(&object_name(&name))?;
    let part = |from: u64, to: u64| repository.backend.get(&object_name(&name), Some(from..to));
    let too_short = FormatError::Truncated { what: "pack", needed: (HEADER_LEN + FOOTER_LEN) as u64, found: length };
    let footer_start = length.checked_sub(FOOTER_LEN as u64).filter(|start| *start >= HEADER_LEN as u64);
    let footer_start = footer_start.ok_or_else(|| Error::object(name.as_str())(too_short.clone()))?;
    let (header, footer) = (part(0, HEADER_LEN as u64)?, part(footer_start, length)?);
    let (Some(header), Some(footer)) = (header.first_chunk::<HEADER_LEN>(), footer.first_chunk::<FOOTER_LEN>()) else {
        return Err(Error::object(name)(too_short).into());
    };
    let footer = Footer::decode(footer).map_err(Error::object(name.as_str()))?;
    let tail = part(length.saturating_sub(footer.tail_len()), length)?;
    let opened = open_directory(&repository.keys, header, &tail).map_err(Error::object(name.as_str()))?;
    Ok(object::pack_tail(&id, &opened))
}

fn get(repository: &Repository, name: &str) -> EngineResult<Vec<u8>> {
    Ok(repository.backend.get(&object_name(name), None)?)
}

fn object_name(name: &str) -> Name {
    Name::new(name).expect("names of the format obey the rule for names")
}

fn not_an_id(text: &str, digits: usize) -> Failure {
    Failure::Usage(format!("{text:?} is not a whole id of {digits} lower-case hex digits"))
}
