// SPDX-License-Identifier: MIT OR Apache-2.0
//! From which snapshot, or set of snapshots, a system is brought back.
//!
//! A backup of a profile tags its snapshots `profile:NAME`, and those of several hosts that belong together `set:ID`. An import of
//! a vendor's archive does the same, and says by `made:TIME` how old the data is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keepfast_engine::format::manifest::Completeness;
use keepfast_engine::history::Snapshot;
use keepfast_engine::profile::Profile;
use keepfast_engine::recover::{Contents, Source};
use keepfast_engine::repository::Repository;
use keepfast_engine::runbook::taken_from;
use keepfast_engine::select::{Scope, select};
use keepfast_engine::tree::Root;

use super::about::{Data, Taken};
use crate::context::Context;
use crate::exit::Failure;
use crate::render::text;

/// Begins the tag that names the profile.
pub const PROFILE_TAG: &str = "profile:";
/// Begins the tag that the snapshots of a set share.
pub const SET_TAG: &str = "set:";
/// Begins the tag that tells when an imported archive was made.
pub const MADE_TAG: &str = "made:";
/// Begins the tag that names the kind of an imported archive.
pub const VENDOR_TAG: &str = "vendor:";

/// Snapshots that belong together.
pub struct Group<'a> {
    /// Their label; none for one snapshot alone.
    set: Option<&'a str>,
    members: Vec<&'a Snapshot>,
}

/// Tag of snapshots after which one of the profile's checks failed.
pub const FAILED_CHECK: &str = "failed-check";

impl<'a> Group<'a> {
    /// When the last of them was made.
    fn newest(&self) -> i64 {
        self.members.iter().map(|snapshot| made(snapshot)).max().unwrap_or_default()
    }

    /// Takes in another one: before an older one of the same host, so that its contents are the ones that count.
    fn add(&mut self, snapshot: &'a Snapshot) {
        let same = |it: &&Snapshot| it.manifest.host == snapshot.manifest.host && made(it) <= made(snapshot);
        let at = self.members.iter().position(same).unwrap_or(self.members.len());
        self.members.insert(at, snapshot);
    }

    /// What it lacks, if it lacks something.
    pub fn lacks(&self, profile: Option<&Profile>) -> Option<String> {
        let is_partial = |snapshot: &&&Snapshot| snapshot.manifest.completeness == Completeness::Partial;
        if let Some(snapshot) = self.members.iter().find(is_partial) {
            let (id, host) = (text::short(snapshot.id), text::plain(&snapshot.manifest.host));
            return Some(format!("snapshot {id} of {host} is incomplete"));
        }
        if let Some(snapshot) = self.members.iter().find(|snapshot| snapshot.tags.iter().any(|tag| tag == FAILED_CHECK))
        {
            let (id, host) = (text::short(snapshot.id), text::plain(&snapshot.manifest.host));
            return Some(format!("a check failed after snapshot {id} of {host} was made"));
        }
        self.set?;
        let profile = profile?;
        let groups = match taken_from(profile) {
            Ok(groups) => groups,
            Err(error) => return Some(format!("nobody can tell of which hosts it should be: {error}")),
        };
        let has = |name: &String| self.members.iter().any(|member| member.manifest.host == *name);
        let missing = groups.iter().find(|group| !group.iter().any(has))?;
        Some(format!("it has no snapshot of {}", missing.join(" or ")))
    }

    /// It, as runs note it.
    pub fn data(&self) -> Data {
        let taken = |snapshot: &&Snapshot| Taken {
            id: snapshot.id.to_string(),
            host: snapshot.manifest.host.clone(),
            started: made(snapshot),
            complete: snapshot.manifest.completeness == Completeness::Complete,
        };
        Data { set: self.set.map(str::to_string), snapshots: self.members.iter().map(taken).collect() }
    }
}

/// What there is of a profile, the newest last.
pub fn groups<'a>(snapshots: &'a [Snapshot], profile: &str) -> Vec<Group<'a>> {
    let tag = format!("{PROFILE_TAG}{profile}");
    let mut sets: BTreeMap<&str, Group> = BTreeMap::new();
    let mut all = Vec::new();
    for snapshot in snapshots.iter().filter(|snapshot| snapshot.tags.contains(&tag)) {
        match set_of(snapshot) {
            Some(set) => {
                let group = sets.entry(set).or_insert_with(|| Group { set: Some(set), members: Vec::new() });
                group.add(snapshot);
            }
            None => all.push(Group { set: None, members: vec![snapshot] }),
        }
    }
    all.extend(sets.into_values());
    all.sort_by_key(Group::newest);
    all
}

/// When the data in it was made: what was imported is older than its snapshot.
pub fn made(snapshot: &Snapshot) -> i64 {
    let told = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(MADE_TAG)?.parse::<Timestamp>().ok());
    let told = told.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    told.map_or(snapshot.manifest.started, |told| told.min(snapshot.manifest.started))
}

fn set_of(snapshot: &Snapshot) -> Option<&str> {
    snapshot.tags.iter().find_map(|tag| tag.strip_prefix(SET_TAG))
}

/// The newest complete one, or the one that was named. A newer one that is not complete is told.
///
/// # Errors
/// There is none.
pub fn choose(
    context: &Context,
    snapshots: &[Snapshot],
    profile: &Profile,
    selector: Option<&str>,
    until: Option<i64>,
) -> Result<Data, Failure> {
    if let Some(selector) = selector {
        return named(context, snapshots, profile, selector);
    }
    let groups = groups(snapshots, &profile.name);
    let early = groups.iter().filter(|group| until.is_none_or(|until| group.newest() <= until));
    for group in early.clone().rev() {
        match group.lacks(Some(profile)) {
            None => return Ok(group.data()),
            Some(lacks) => {
                let (name, time) = (group.data().name(), text::time(group.newest()));
                context.output.warn(&format!("{} of {time} is passed over: {lacks}", shortened(&name)));
            }
        }
    }
    let tag = format!("{PROFILE_TAG}{}", profile.name);
    Err(match (early.count(), groups.len()) {
        (0, 0) => none_of(profile, &tag),
        (0, count) => Failure::other(format!(
            "of {} with the tag {tag} none is so old",
            text::counted(count as u64, "snapshot or set")
        )),
        _ => Failure::Other {
            message: format!("no snapshot with the tag {tag} is complete"),
            hint: "one that is not can be named, and is taken as it is".to_string(),
        },
    })
}

fn none_of(profile: &Profile, tag: &str) -> Failure {
    Failure::Other {
        message: format!("there is no snapshot with the tag {tag}"),
        hint: format!("`keepfast backup --profile {}` makes one; any other can be named by its id", profile.name),
    }
}

fn named(context: &Context, snapshots: &[Snapshot], profile: &Profile, selector: &str) -> Result<Data, Failure> {
    let tag = format!("{PROFILE_TAG}{}", profile.name);
    let scope = Scope { tags: vec![tag.clone()], ..Scope::default() };
    // An id is an id; by any other name only the profile's own are meant.
    let by_set = selector.strip_prefix(SET_TAG).map(|set| format!("tag:{SET_TAG}{set}"));
    let snapshot = match select(snapshots, by_set.as_deref().unwrap_or(selector), &scope) {
        Err(_) if selector.starts_with("latest") && !snapshots.iter().any(|it| it.tags.contains(&tag)) => {
            return Err(none_of(profile, &tag));
        }
        selected => selected?,
    };
    let others: Vec<&String> = snapshot.tags.iter().filter(|it| it.starts_with(PROFILE_TAG)).collect();
    if !others.is_empty() && !others.contains(&&tag) {
        let (id, others) = (text::short(snapshot.id), others.iter().map(|tag| text::plain(tag)).collect::<Vec<_>>());
        context.output.warn(&format!("snapshot {id} is of another system, {}, and not {tag}", others.join(", ")));
    }
    let group = match set_of(snapshot) {
        Some(set) => {
            // The label of a set is a time, which another system may have, too.
            let own: Vec<&String> = snapshot.tags.iter().filter(|tag| tag.starts_with(PROFILE_TAG)).collect();
            let is_member = |other: &&Snapshot| {
                set_of(other) == Some(set) && (own.is_empty() || own.iter().any(|tag| other.tags.contains(tag)))
            };
            let mut group = Group { set: Some(set), members: Vec::new() };
            snapshots.iter().filter(is_member).for_each(|member| group.add(member));
            if by_set.is_none() {
                // It was named: of its host it is the one that counts.
                group.members.retain(|member| member.id != snapshot.id);
                group.members.insert(0, snapshot);
            }
            group
        }
        None => Group { set: None, members: vec![snapshot] },
    };
    if let Some(lacks) = group.lacks(Some(profile)) {
        context.output.warn(&format!("{} is taken as it is: {lacks}", shortened(&group.data().name())));
    }
    Ok(group.data())
}

/// What these snapshots hold.
///
/// # Errors
/// One is not there any more.
pub fn contents(repository: &Repository, snapshots: &[Snapshot], data: &Data) -> Result<Contents, Failure> {
    let mut sources = Vec::with_capacity(data.snapshots.len());
    for taken in &data.snapshots {
        let snapshot = select(snapshots, &taken.id, &Scope::default())?;
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        sources.push(Source { host: taken.host.clone(), root });
    }
    Ok(Contents::new(repository.reader(), sources))
}

/// For people: `set x`, or the beginning of an id.
pub fn shortened(name: &str) -> String {
    match name.strip_prefix(SET_TAG) {
        Some(set) => format!("set {}", text::plain(set)),
        None => format!("snapshot {}", text::short(name)),
    }
}

/// Data on one line: which, of when, how old.
pub fn line(data: &Data, now_milliseconds: i64) -> String {
    let age = text::duration(data.age_seconds(now_milliseconds));
    let hosts: Vec<String> = data.snapshots.iter().map(|taken| text::plain(&taken.host)).collect();
    format!("{} of {}, {age} old, of {}", shortened(&data.name()), text::time(data.started()), hosts.join(", "))
}
