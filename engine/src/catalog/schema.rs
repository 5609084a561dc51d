// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables of the catalog.
//!
//! For the catalog only. A path stands once, as folder and name; what it was stands once for each run of snapshots through which it did not change.

use crate::index::database::Form;

/// The end of a version that its line has not left yet. A place is a small number; this is none.
pub(super) const OPEN: i64 = i64::MAX;

/// A *line* is the snapshots of one host and one set of paths, a *place* the number of a snapshot in its line, in the order in which
/// they were learned. Places are never used twice: `next` only grows. A version holds from place `first` to place `last`,
/// both included. Folders stand apart so that everything below one is a range of `folders.path`.
const SCHEMA: &str = "
CREATE TABLE facts(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE lines(number INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, next INTEGER NOT NULL);
CREATE TABLE snapshots(id BLOB PRIMARY KEY, line INTEGER NOT NULL, place INTEGER NOT NULL, UNIQUE(line, place)) WITHOUT ROWID;
CREATE TABLE folders(number INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE paths(number INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name BLOB NOT NULL, UNIQUE(folder, name));
CREATE TABLE owners(number INTEGER PRIMARY KEY, uid INTEGER NOT NULL, gid INTEGER NOT NULL, user BLOB NOT NULL, team BLOB NOT NULL,
    UNIQUE(uid, gid, user, team));
CREATE TABLE versions(path INTEGER NOT NULL, line INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    type INTEGER NOT NULL, mode INTEGER NOT NULL, owner INTEGER NOT NULL, size INTEGER NOT NULL, seconds INTEGER NOT NULL,
    nanos INTEGER NOT NULL, content BLOB NOT NULL, attributes INTEGER NOT NULL, PRIMARY KEY(path, line, first)) WITHOUT ROWID;
";

/// Names every table and column; see [`Form::probes`].
const PROBE: &str =
    "SELECT l.identity, l.next, s.id, s.place, f.path, p.name, o.uid, o.gid, o.user, o.team, v.last, v.type, v.mode,
    v.size, v.seconds, v.nanos, v.content, v.attributes FROM lines l JOIN snapshots s ON s.line = l.number
    JOIN versions v ON v.line = l.number AND v.first = s.place JOIN owners o ON o.number = v.owner
    JOIN paths p ON p.number = v.path JOIN folders f ON f.number = p.folder LIMIT 0";

/// "kfct" in ASCII.
pub(super) const CATALOG: Form =
    Form { stem: "catalog", application_id: 0x6b66_6374, version: 1, schema: SCHEMA, probes: &[PROBE] };
