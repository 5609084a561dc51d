// SPDX-License-Identifier: MIT OR Apache-2.0
//! What collectors have announced that they will delete.
//!
//! For every session, which reads the lists after its record is there and before it reads what is visible. A list that can not be
//! read is an error: without it nobody knows what a session may rely on.

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::layout;
use keepfast_storage::{ErrorKind, Name};

use crate::error::{Error, Result};
use crate::repository::Repository;

/// Every condemn list that stands.
///
/// # Errors
/// The storage, or a list that is damaged.
pub(crate) fn read_all(repository: &Repository) -> Result<Vec<CondemnList>> {
    let mut lists = Vec::new();
    for object in repository.backend.list(layout::CONDEMNED_FOLDER)? {
        lists.extend(read(repository, &object.name)?);
    }
    Ok(lists)
}

/// One of them; `None` if it was finished meanwhile: what it named is neither there nor visible any more.
///
/// # Errors
/// The storage, or the list is damaged.
pub(crate) fn read(repository: &Repository, name: &Name) -> Result<Option<CondemnList>> {
    let object = name.as_str();
    let (writer, sequence) = layout::parse_condemned(object)
        .ok_or_else(|| Error::Unsupported { location: repository.backend.location(), object: object.to_string() })?;
    let bytes = match repository.backend.get(name, None) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        outcome => outcome?,
    };
    Ok(Some(CondemnList::open(&repository.keys, writer, sequence, &bytes).map_err(Error::object(object))?))
}
