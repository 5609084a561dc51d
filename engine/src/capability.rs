// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the storage of a repository was found to guarantee, and what that allows: for sessions, before they write, and for
//! prune, before it deletes.
//!
//! A result is kept in the state folder, one for each location, because the same repository may be reached through a
//! gateway that guarantees less. It is kept on each machine and not in the repository: a copy elsewhere must not inherit it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keepfast_repo_format::id::WriterId;
use keepfast_repo_format::session::SessionRecord;
use keepfast_repo_format::{crypto, layout};
use keepfast_storage::ErrorKind;
use keepfast_storage::probe::{Capabilities, Finding, Guarantee, Use, probe};

use crate::error::{Error, Result};
use crate::repository::{Distance, Repository};

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What was found.
    pub capabilities: Capabilities,
    /// When, in Unix seconds.
    pub probed: u64,
}

/// The result that was kept for `location`, in the state folder of a repository. A file that is damaged counts as none.
///
/// # Errors
/// [`Error::State`]
pub fn remembered(state: &Path, location: &str) -> Result<Option<Known>> {
    let path = path(state, location);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text, location)),
        Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
        Err(source) => Err(Error::State { operation: "read", path, source }),
    }
}

/// Keeps a result, in place of any before it.
///
/// # Errors
/// [`Error::State`]
pub fn remember(state: &Path, location: &str, known: &Known) -> Result<()> {
    let path = path(state, location);
    let temporary = path.with_extension(format!("tmp-{}", u64::from_le_bytes(crypto::random())));
    let written = DirBuilder::new().recursive(true).mode(0o700).create(state).and_then(|()| {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(text(location, known).as_bytes())?;
        file.sync_data()?;
        fs::rename(&temporary, &path)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        Error::State { operation: "write", path, source }
    })
}

impl Repository {
    /// What is known of the storage: the result of the last probe on this machine.
    ///
    /// # Errors
    /// [`Error::State`]
    pub fn capabilities(&self) -> Result<Option<Known>> {
        remembered(&self.state, &self.backend.location())
    }

    /// Probes the storage now, and keeps the result.
    ///
    /// # Errors
    /// The storage could not be asked; [`Error::State`].
    pub fn probe(&self, now: u64) -> Result<Capabilities> {
        let capabilities = probe(&*self.backend)?;
        let known = Known { capabilities, probed: now };
        remember(&self.state, &self.backend.location(), &known)?;
        Ok(known.capabilities)
    }

    /// Whether packs may be deleted while others write. To be asked before a condemn list is put.
    ///
    /// # Errors
    /// [`Error::NoOnlinePrune`]
    pub fn require_online_prune(&self) -> Result<()> {
        let capabilities = match self.capabilities()? {
            Some(known) => known.capabilities,
            None if self.distance == Distance::Local => return Ok(()),
            None => probe(&*self.backend)?,
        };
        match capabilities.allows() {
            Use::ManyWritersAndPrune => Ok(()),
            _ => Err(Error::NoOnlinePrune { location: self.backend.location(), why: capabilities.to_string() }),
        }
    }

    /// Whether a session of `own` may be opened. To be asked before its record is put: the names that two writers contest
    /// are those of one writer's slots, so it does no harm if two are admitted at the same moment; what has to be kept out is
    /// a collector's VOID beside a COMMIT, and a clone of this machine, which have been there longer.
    ///
    /// A remote storage that nobody on this machine has probed is probed now. Where that is not allowed (a client that may
    /// write nothing but its own objects), whoever set the client up has to probe.
    ///
    /// # Errors
    /// [`Error::UnfitStorage`], [`Error::OneWriter`]; the storage could not be asked.
    pub fn admit_writer(&self, own: WriterId, now: u64) -> Result<()> {
        let capabilities = match self.capabilities()? {
            Some(known) => known.capabilities,
            None if self.distance == Distance::Local => return Ok(()),
            None => match self.probe(now) {
                Err(Error::Storage(error)) if error.kind == ErrorKind::Denied => return Ok(()),
                capabilities => capabilities?,
            },
        };
        match capabilities.allows() {
            Use::ManyWritersAndPrune | Use::ManyWriters => Ok(()),
            Use::OneWriter => self.refuse_beside_others(own, &capabilities),
            Use::Nothing => {
                Err(Error::UnfitStorage { location: self.backend.location(), why: capabilities.to_string() })
            }
        }
    }

    fn refuse_beside_others(&self, own: WriterId, capabilities: &Capabilities) -> Result<()> {
        for listed in self.backend.list(layout::SESSIONS_FOLDER)? {
            let Some((writer, sequence)) = layout::parse_session(listed.name.as_str()) else { continue };
            if writer == own {
                continue;
            }
            let object = match self.backend.get(&listed.name, None) {
                Err(error) if error.kind == ErrorKind::NotFound => continue,
                object => object?,
            };
            let record = SessionRecord::open(&self.keys, writer, sequence, &object);
            let who = record.map_or_else(|_| format!("writer {writer}"), |it| format!("{}@{}", it.user, it.host));
            return Err(Error::OneWriter {
                location: self.backend.location(),
                who,
                record: listed.name.to_string(),
                why: capabilities.to_string(),
            });
        }
        Ok(())
    }
}

fn path(state: &Path, location: &str) -> PathBuf {
    let hash = blake3::hash(location.as_bytes()).to_hex();
    state.join(format!("storage-{}", &hash[..16]))
}

/// Lines for people, with an end that shows that all of it is there.
fn text(location: &str, known: &Known) -> String {
    let mut text = format!("location {}\nprobed {}\n", location.escape_debug(), known.probed);
    for guarantee in Guarantee::ALL {
        match known.capabilities.of(guarantee) {
            Finding::Holds => text.push_str(&format!("{} holds\n", guarantee.word())),
            Finding::Fails(why) => text.push_str(&format!("{} fails {}\n", guarantee.word(), why.escape_debug())),
        }
    }
    text + "end\n"
}

fn parse(text: &str, location: &str) -> Option<Known> {
    let mut lines = text.strip_suffix("end\n")?.lines();
    let mut value = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ').map(str::to_owned);
    if value("location")? != location.escape_debug().to_string() {
        return None;
    }
    let probed = value("probed")?.parse().ok()?;
    let mut capabilities = Capabilities::full();
    for guarantee in Guarantee::ALL {
        let found = value(guarantee.word())?;
        *capabilities.of_mut(guarantee) = match found.split_once(' ') {
            None if found == "holds" => Finding::Holds,
            Some(("fails", why)) => Finding::Fails(why.to_owned()),
            _ => return None,
        };
    }
    lines.next().is_none().then_some(Known { capabilities, probed })
}

#[cfg(test)]
mod tests {
    use super::{Known, parse, remember, remembered, text};
    use keepfast_storage::probe::{Capabilities, Finding};

    fn known() -> Known {
        let mut capabilities = Capabilities::full();
        capabilities.create_once = Finding::Fails("a second put of a name overwrote the first".to_owned());
        Known { capabilities, probed: 1_700_000_000 }
    }

    #[test]
    fn a_result_is_kept_for_its_location_alone_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(remembered(&state, "s3://a").unwrap(), None);
        remember(&state, "s3://a", &known()).unwrap();
        assert_eq!(remembered(&state, "s3://a").unwrap(), Some(known()));
        assert_eq!(remembered(&state, "s3://b").unwrap(), None);
        let later = Known { capabilities: Capabilities::full(), probed: 1_800_000_000 };
        remember(&state, "s3://a", &later).unwrap();
        assert_eq!(remembered(&state, "s3://a").unwrap(), Some(later));
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn a_text_that_is_not_whole_counts_as_none() {
        let whole = text("a\nb", &known());
        assert_eq!(parse(&whole, "a\nb"), Some(known()));
        for length in (0..whole.len()).filter(|length| whole.is_char_boundary(*length)) {
            assert_eq!(parse(&whole[..length], "a\nb"), None, "{length}");
        }
        for line in 0..whole.lines().count() {
            let less: String = whole
                .lines()
                .enumerate()
                .filter(|(at, _)| *at != line)
                .fold(String::new(), |text, (_, line)| text + line + "\n");
            assert_eq!(parse(&less, "a\nb"), None, "{less}");
        }
        assert_eq!(parse(&whole, "a"), None);
    }
}
