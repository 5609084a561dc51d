// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of users and groups, asked once each: behind the system's lookup may be a directory service in the network.

use std::collections::HashMap;
use std::hash::Hash;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keepfast_repo_format::tree::entry::Owner;

/// Longest name in a tree, in bytes; a longer one is stored as unknown.
const NAME_BYTES_MAX: usize = 255;

/// Owners by number, shared by all threads of a backup.
#[derive(Default)]
pub(super) struct Owners {
    known: RwLock<HashMap<(u32, u32), Arc<Owner>>>,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl Owners {
    pub(super) fn get(&self, uid: u32, gid: u32) -> Arc<Owner> {
        if let Some(owner) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&(uid, gid)) {
            return Arc::clone(owner);
        }
        let (user, group) = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            (cached(&mut names.users, uid, user_name), cached(&mut names.groups, gid, group_name))
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((uid, gid)).or_insert_with(|| Arc::new(Owner { uid, gid, user, group })))
    }
}

fn cached<K: Copy + Eq + Hash>(names: &mut HashMap<K, Vec<u8>>, id: K, ask: impl Fn(K) -> Vec<u8>) -> Vec<u8> {
    let name = names.entry(id).or_insert_with(|| ask(id));
    if name.len() > NAME_BYTES_MAX { Vec::new() } else { name.clone() }
}

fn user_name(uid: u32) -> Vec<u8> {
    uzers::get_user_by_uid(uid).map(|user| user.name().as_bytes().to_vec()).unwrap_or_default()
}

fn group_name(gid: u32) -> Vec<u8> {
    uzers::get_group_by_gid(gid).map(|group| group.name().as_bytes().to_vec()).unwrap_or_default()
}
