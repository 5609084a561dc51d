// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which folders stand above the snapshots, and what they are called: by time, by id, by host, by tag, with a link `latest` in each.
//!
//! From a list of snapshots to names, and nothing else. The layout is restic's, which people and scripts know.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::order::MAX_NAME_BYTES;

/// The link to the newest snapshot of a folder.
const LATEST: &str = "latest";

/// Digits of an id that are shown: as many as `keepfast snapshots` shows.
const SHORT_ID_DIGITS: usize = 8;

/// What is known of a snapshot here.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) id: SnapshotId,
    /// Unix nanoseconds.
    pub(super) started: i64,
    pub(super) host: String,
    pub(super) tags: Vec<String>,
    /// Paths in it, as it was made.
    pub(super) entries: u64,
}

/// What a name above the snapshots stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A folder of this list.
    Folder,
    /// A link to a name beside it.
    Link(String),
    /// The top folder of a snapshot.
    Snapshot(SnapshotId),
}

/// The folders above the snapshots by their paths, the empty path for the top; each with its names in order.
pub(super) type Names = BTreeMap<String, BTreeMap<String, Item>>;

/// The folders for these snapshots, oldest first.
pub(super) fn names(snapshots: &[Shown]) -> Names {
    let mut names = Names::new();
    for folder in ["snapshots", "ids", "hosts", "tags"] {
        add_folder(&mut names, "", folder);
    }
    for snapshot in snapshots {
        let (time, id) = (time(snapshot.started), snapshot.id.to_string());
        let short = &id[..SHORT_ID_DIGITS.min(id.len())];
        add(&mut names, "snapshots", &format!("{time}-{short}"), snapshot.id);
        add(&mut names, "ids", short, snapshot.id);
        let host = add_folder(&mut names, "hosts", &component(&snapshot.host));
        add(&mut names, &host, &time, snapshot.id);
        for tag in &snapshot.tags {
            let tag = add_folder(&mut names, "tags", &component(tag));
            add(&mut names, &tag, &time, snapshot.id);
        }
    }
    names
}

/// Makes a folder, if it is not there, and returns its path.
fn add_folder(names: &mut Names, parent: &str, name: &str) -> String {
    let path = if parent.is_empty() { name.to_string() } else { format!("{parent}/{name}") };
    names.entry(parent.to_string()).or_default().insert(name.to_string(), Item::Folder);
    names.entry(path.clone()).or_default();
    path
}

/// Shows a snapshot in a folder under the first name that is free, and as its latest.
fn add(names: &mut Names, folder: &str, name: &str, id: SnapshotId) {
    let folder = names.entry(folder.to_string()).or_default();
    let more = (1..).map(|number| format!("{name}-{number}"));
    let mut free = std::iter::once(name.to_string()).chain(more).filter(|name| !folder.contains_key(name));
    let name = free.next().expect("there are more numbers than names");
    folder.insert(LATEST.to_string(), Item::Link(name.clone()));
    folder.insert(name, Item::Snapshot(id));
}

/// A second, in UTC: two machines show the same name.
fn time(nanoseconds: i64) -> String {
    let time = Timestamp::from_nanosecond(nanoseconds.into());
    time.map_or_else(|_| nanoseconds.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A word that people chose, as the name of a folder.
fn component(word: &str) -> String {
    let mut name = word.replace(['/', '\0'], "_");
    while name.len() > MAX_NAME_BYTES {
        name.pop();
    }
    if matches!(&name[..], "" | "." | "..") { "_".to_string() } else { name }
}

#[cfg(test)]
mod tests {
    use keepfast_repo_format::id::SnapshotId;

    use super::{Item, Shown, component, names};

    const DAY: i64 = 86_400_000_000_000;

    fn shown(byte: u8, started: i64, host: &str, tags: &[&str]) -> Shown {
        let tags = tags.iter().map(ToString::to_string).collect();
        Shown { id: SnapshotId([byte; 32]), started, host: host.to_string(), tags, entries: 1 }
    }

    fn list(folder: &str, snapshots: &[Shown]) -> Vec<String> {
        let names = names(snapshots);
        let item = |(name, item): (&String, &Item)| match item {
            Item::Folder => format!("{name}/"),
            Item::Link(target) => format!("{name} -> {target}"),
            Item::Snapshot(id) => format!("{name} {:02x}", id.0[0]),
        };
        names[folder].iter().map(item).collect()
    }

    #[test]
    fn a_snapshot_is_found_by_time_id_host_and_tag() {
        let all = [shown(0xaa, 0, "old", &["daily", "db"]), shown(0xbb, DAY, "new", &["db"])];
        assert_eq!(list("", &all), ["hosts/", "ids/", "snapshots/", "tags/"]);
        let time = ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"];
        assert_eq!(
            list("snapshots", &all),
            [
                format!("{}-aaaaaaaa aa", time[0]),
                format!("{}-bbbbbbbb bb", time[1]),
                format!("latest -> {}-bbbbbbbb", time[1])
            ]
        );
        assert_eq!(list("ids", &all), ["aaaaaaaa aa", "bbbbbbbb bb", "latest -> bbbbbbbb"]);
        assert_eq!(list("hosts", &all), ["new/", "old/"]);
        assert_eq!(list("hosts/old", &all), [format!("{} aa", time[0]), format!("latest -> {}", time[0])]);
        assert_eq!(list("tags", &all), ["daily/", "db/"]);
        assert_eq!(list("tags/db", &all)[2], format!("latest -> {}", time[1]));
    }

    #[test]
    fn snapshots_of_one_second_have_names_of_their_own() {
        let all = [shown(1, 5, "h", &[]), shown(2, 6, "h", &[]), shown(3, 7, "h", &[])];
        let time = "1970-01-01T00:00:00Z";
        assert_eq!(
            list("hosts/h", &all),
            [format!("{time} 01"), format!("{time}-1 02"), format!("{time}-2 03"), format!("latest -> {time}-2")]
        );
    }

    #[test]
    fn no_folder_has_a_latest_without_a_snapshot() {
        assert_eq!(list("snapshots", &[]), Vec::<String>::new());
    }

    #[test]
    fn odd_hosts_and_tags_are_names_of_one_component() {
        for (word, name) in [("a/b", "a_b"), ("", "_"), ("..", "_"), ("a\0", "a_"), ("ä", "ä")] {
            assert_eq!(component(word), name);
        }
        assert!(component(&"ä".repeat(200)).len() <= 255);
        let all = [shown(1, 0, "a/b", &["latest"]), shown(2, 0, "a_b", &[])];
        assert_eq!(list("hosts", &all), ["a_b/"]);
        assert_eq!(list("hosts/a_b", &all).len(), 3);
        assert_eq!(list("tags", &all), ["latest/"]);
    }

    #[test]
    fn a_time_that_is_none_is_a_number() {
        assert!(!list("snapshots", &[shown(1, i64::MIN, "h", &[])]).is_empty());
    }
}
