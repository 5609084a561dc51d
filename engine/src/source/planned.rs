// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a folder's listing that comes from named paths: the folders that lead to them, and they themselves.
//!
//! For `listing`. Here, and only here, links are followed: those that the user wrote into a path.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order::join;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::source::error::problem;
use crate::source::listing::{Found, Lister, Listing, Scope, Task, Walked};
use crate::source::plan::{BaseId, NodeId};
use crate::source::root::{Links, Root};
use crate::source::stat::Stat;

/// The folder in which planned names are looked up; named paths of different bases have different ones.
type Parent = Result<(Arc<Root>, OwnedFd), Errno>;

/// A planned name and what is known of it.
struct Visit {
    node: NodeId,
    base: BaseId,
    name: Vec<u8>,
    path: Vec<u8>,
    named: Option<Links>,
    leads_on: bool,
    /// Whether the folder's own listing would have included it.
    is_reached: bool,
}

impl Visit {
    /// Whether it belongs to the snapshot even if it is no folder.
    fn is_wanted_itself(&self) -> bool {
        self.is_reached || self.named == Some(Links::Keep)
    }
}

/// What a planned name turned out to be.
struct Seen {
    stat: Stat,
    root: Arc<Root>,
    is_followed: bool,
}

impl Lister {
    /// Adds the planned names of a folder to its listing; `reached` are those that the folder's own listing met.
    pub(super) fn list_planned(&self, task: &Task, id: NodeId, reached: &HashSet<NodeId>, listing: &mut Listing) {
        let node = self.plan.node(id);
        let mut parents = HashMap::new();
        for (name, child) in &node.children {
            let below = self.plan.node(*child);
            let visit = Visit {
                node: *child,
                base: below.base,
                name: name.clone(),
                path: join(&task.directory, name),
                named: below.named,
                leads_on: !below.children.is_empty(),
                is_reached: reached.contains(child),
            };
            let parent = parents.entry(below.base).or_insert_with(|| self.parent(task, below.base));
            match parent.as_ref().map_err(|errno| *errno).and_then(|parent| self.see(&visit, parent)) {
                Ok(seen) => self.add_planned(task, visit, seen, listing),
                Err(errno) => self.report(&visit, errno, listing),
            }
        }
        if task.directory.is_empty() && node.named.is_some() {
            listing.entries.push(top(task));
        }
        listing.entries.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
    }

    /// Called for a name that the folder's listing and the plan both have.
    pub(super) fn meet_planned(
        &self,
        task: &Task,
        child: NodeId,
        stat: &Result<Stat, Errno>,
        name: &[u8],
        reached: &mut HashSet<NodeId>,
        listing: &mut Listing,
    ) {
        let base = self.plan.node(child).base;
        if base != task.base {
            let path = join(&task.directory, name);
            let other = self.plan.source(base, &path).escape_ascii().to_string();
            let text = format!("not saved: {other} has its place in the snapshot");
            listing.entries.push(Walked::Problem(Problem { path, code: ProblemCode::Unreadable, text }));
        } else if stat.is_ok_and(|stat| !self.is_other_device(task, &stat)) {
            reached.insert(child);
        }
    }

    fn parent(&self, task: &Task, base: BaseId) -> Parent {
        let root = if base == task.base {
            Arc::clone(&task.root)
        } else {
            Arc::new(Root::open(self.plan.source(base, &task.directory), task.directory.to_vec())?)
        };
        let folder = root.open_beneath(&task.directory, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((root, folder))
    }

    fn see(&self, visit: &Visit, (root, folder): &(Arc<Root>, OwnedFd)) -> Result<Seen, Errno> {
        let stat = Stat::of_name(folder.as_fd(), visit.name.as_slice())?;
        let seen = Seen { stat, root: Arc::clone(root), is_followed: false };
        match stat.file_type {
            FileType::Directory => Ok(seen),
            FileType::Symlink if visit.leads_on || visit.named == Some(Links::Follow) => match self.follow(visit) {
                // The link itself is wanted; that it leads nowhere concerns only what was named behind it.
                Err(_) if visit.is_wanted_itself() => Ok(seen),
                followed => followed,
            },
            _ if visit.is_wanted_itself() => Ok(seen),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn follow(&self, visit: &Visit) -> Result<Seen, Errno> {
        let root = Root::open(self.plan.source(visit.base, &visit.path), visit.path.clone())?;
        Ok(Seen { stat: Stat::of_open(root.fd())?, root: Arc::new(root), is_followed: true })
    }

    fn add_planned(&self, task: &Task, visit: Visit, seen: Seen, listing: &mut Listing) {
        let Seen { stat, root, is_followed } = seen;
        let is_folder = stat.file_type == FileType::Directory;
        let is_wanted = visit.is_reached || (visit.named.is_some() && !self.is_excluded(&visit, is_folder));
        if !is_folder && visit.leads_on {
            self.report_below(&visit, Errno::NOTDIR, listing);
        }
        let is_needed = is_wanted || (is_folder && visit.leads_on);
        if !is_needed || self.is_too_large(&stat) {
            return;
        }
        let directory = Arc::clone(&task.directory);
        listing.entries.push(Walked::Found(Found { directory, name: visit.name, stat, root: Arc::clone(&root) }));
        if !is_folder {
            return;
        }
        // A link that was named without a `/` at its end, and is followed only because of a path through it.
        let is_mere_passage = is_followed && visit.named != Some(Links::Follow);
        if is_mere_passage && is_wanted {
            let text = "this link is saved as a folder, because a named path leads through it".to_owned();
            let path = visit.path.clone();
            listing.entries.push(Walked::Problem(Problem { path, code: ProblemCode::Metadata, text }));
        }
        listing.folders.push(Task {
            directory: visit.path.into(),
            root,
            base: visit.base,
            plan: visit.leads_on.then_some(visit.node),
            scope: if is_wanted && !is_mere_passage { Scope::Everything } else { Scope::PlannedOnly },
            device: if visit.named.is_some() { stat.device } else { task.device },
        });
    }

    fn is_excluded(&self, visit: &Visit, is_folder: bool) -> bool {
        let source = self.plan.source(visit.base, &visit.path);
        self.excludes.leaves_out(source.strip_prefix(b"/").unwrap_or(&source), is_folder)
    }

    /// What can not be seen hides everything that was named below it.
    fn report(&self, visit: &Visit, errno: Errno, listing: &mut Listing) {
        for path in self.plan.named_below(visit.node, &visit.path) {
            listing.entries.push(missing(path, errno));
        }
    }

    fn report_below(&self, visit: &Visit, errno: Errno, listing: &mut Listing) {
        for path in self.plan.named_below(visit.node, &visit.path) {
            if path != visit.path {
                listing.entries.push(missing(path, errno));
            }
        }
    }
}

/// A named path that is not there did not vanish: it may never have been there, and that must not look harmless.
fn missing(path: Vec<u8>, errno: Errno) -> Walked {
    Walked::Problem(Problem { code: ProblemCode::Unreadable, ..problem(path, "look at", errno) })
}

fn top(task: &Task) -> Walked {
    match Stat::of_open(task.root.fd()) {
        Ok(stat) => Walked::Found(Found {
            directory: Arc::clone(&task.directory),
            name: Vec::new(),
            stat,
            root: Arc::clone(&task.root),
        }),
        Err(errno) => Walked::Problem(problem(Vec::new(), "look at", errno)),
    }
}

fn name_of(walked: &Walked) -> Option<&[u8]> {
    match walked {
        Walked::Found(found) => Some(&found.name),
        Walked::Problem(_) => None,
    }
}
