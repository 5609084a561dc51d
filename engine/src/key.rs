// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key slots: adding, listing, removing, replacing. A new slot is read back and opened before anything else happens with it.

use keepfast_repo_format::id::SlotId;
use keepfast_repo_format::key_slot::{KdfParams, KeyFile, KeySlot, Protection, seal_key_file, seal_password};
use keepfast_repo_format::{crypto, layout};
use keepfast_storage::Delete;

use crate::error::{Error, Result};
use crate::repository::{Credential, FirstKey, Repository, list_slots, object_name};

/// A key slot, as far as it can be read without opening it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its id.
    pub id: SlotId,
    /// Password or key file.
    pub protection: Protection,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// What its maker called it.
    pub label: String,
}

/// Every key slot that can be read, oldest first, and what is wrong with the others.
pub fn list(repository: &Repository) -> Result<(Vec<KeyInfo>, Vec<Error>)> {
    let slots = list_slots(repository.backend.as_ref(), repository.id())?;
    let info = |(id, slot): (SlotId, KeySlot)| KeyInfo {
        id,
        protection: slot.protection(),
        created: slot.created(),
        label: slot.label().to_string(),
    };
    Ok((slots.whole.into_iter().map(info).collect(), slots.damaged))
}

/// Adds a slot, and makes a key file if one was asked for.
///
/// # Errors
/// The slot could not be stored, or does not open when it is read back.
pub fn add(
    repository: &Repository,
    key: &FirstKey,
    kdf: KdfParams,
    label: &str,
    now: u64,
) -> Result<(SlotId, Option<KeyFile>)> {
    let (id, root, epoch) = (repository.id(), &repository.root, repository.keys.epoch());
    let invalid = |error: keepfast_repo_format::FormatError| Error::Invalid(error.to_string());
    let (object, file, credential) = match key {
        FirstKey::Password(password) => {
            let object = seal_password(id, root, epoch, password, kdf, label, now).map_err(invalid)?;
            (object, None, Credential::Password(password.clone()))
        }
        FirstKey::KeyFile => {
            let file = KeyFile::generate(id, repository.keys.root_public());
            let object = seal_key_file(id, root, epoch, &file, label, now).map_err(invalid)?;
            (object, Some(file.clone()), Credential::KeyFile(file))
        }
    };
    let slot = SlotId(crypto::object_hash(&object));
    let name = layout::key_slot(&slot);
    repository.backend.put_if_absent(&object_name(&name), &[&object])?;
    repository.backend.barrier()?;
    let stored = repository.get_hashed(&name, &slot.0)?;
    let opened = KeySlot::parse(&stored, Some(id)).and_then(|slot| match &credential {
        Credential::Password(password) => slot.open_with_password(password),
        Credential::KeyFile(file) => slot.open_with_key_file(file),
    });
    opened.map_err(Error::object(name))?;
    Ok((slot, file))
}

/// Removes a slot. What it has opened so far stays readable for whoever kept the root secret.
///
/// # Errors
/// It is the last one, or is not there, or the storage refuses.
pub fn remove(repository: &Repository, id: &SlotId) -> Result<()> {
    let slots = list_slots(repository.backend.as_ref(), repository.id())?.whole;
    if !slots.iter().any(|(slot, _)| slot == id) {
        return Err(Error::Invalid(format!("there is no key {id}")));
    }
    if slots.len() == 1 {
        return Err(Error::Invalid(format!("{id} is the only key: without it nothing can be restored any more")));
    }
    match repository.backend.delete(&object_name(&layout::key_slot(id)))? {
        Delete::Refused => Err(Error::Invalid(format!("the storage does not allow key {id} to be removed"))),
        _ => Ok(repository.backend.barrier()?),
    }
}

/// The slot that `credential` opens.
///
/// # Errors
/// [`Error::WrongKey`] if there is none.
pub fn current(repository: &Repository, credential: &Credential) -> Result<SlotId> {
    let slots = list_slots(repository.backend.as_ref(), repository.id())?.whole;
    let opens = |slot: &KeySlot| match credential {
        Credential::Password(password) => slot.open_with_password(password).is_ok(),
        Credential::KeyFile(file) => slot.open_with_key_file(file).is_ok(),
    };
    let found = slots.iter().find(|(_, slot)| opens(slot)).map(|(id, _)| *id);
    found.ok_or(Error::WrongKey { location: repository.backend.location(), slots: slots.len() })
}
