// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which reader compares two contents: the one that both call for; when it gives up, a plainer one.

use std::cell::RefCell;
use std::io;

use super::archive::Packed;
use super::binary::{self, BinaryDiff};
use super::detect::{Format, detect};
use super::text::MAX_TEXT_BYTES;
use super::{Bytes, Change, GaveUp, Mask, Place, Trouble};
use super::{archive, certificate, document, ini, json, sql, toml, xml, yaml};

/// Bytes at the start of a content that tell its format.
const HEAD_BYTES: usize = 64 << 10;

/// Changes of one content that are kept: whoever has more is better served by lines.
pub const MAX_CHANGES: usize = 100_000;

/// How two contents differ.
#[derive(Debug)]
pub enum Outcome {
    /// In the terms of a format; no changes if they say the same in other bytes.
    Structured {
        /// What the format is called.
        format: &'static str,
        /// What changed, secrets hidden.
        changes: Vec<Change>,
    },
    /// As lines: both texts, as they are.
    Text {
        /// The first.
        before: Vec<u8>,
        /// The second.
        after: Vec<u8>,
    },
    /// As bytes.
    Binary(BinaryDiff),
}

/// How far a comparison may go in reading formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Any format that is known.
    All,
    /// Lines and bytes only.
    Plain,
}

/// How two contents are compared.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// How far formats are read.
    pub readers: Readers,
    /// What hides secrets.
    pub mask: &'a Mask,
    /// The time from which days to the expiry of certificates are counted, in seconds since 1970.
    pub now_unix: i64,
}

/// Compares; with the outcome those readers that gave up on the way to it. Who shows texts has to hide their secrets.
///
/// # Errors
/// One can not be read.
pub fn compare(before: &dyn Bytes, after: &dyn Bytes, terms: Terms) -> io::Result<(Outcome, Vec<GaveUp>)> {
    let Terms { readers, mask, now_unix } = terms;
    let formats = (format_of(before)?, format_of(after)?);
    let mut gave_up = Vec::new();
    // A content that is empty has any format.
    let format = match formats {
        (Some(old), Some(new)) if old == new => old,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Format::Text,
        // One value more, and an old one is no TOML any more; as INI both can be read.
        (Some(Format::Toml), Some(Format::Ini)) | (Some(Format::Ini), Some(Format::Toml)) => Format::Ini,
        // Broken, most likely: its reader says where. Broken JSON can pass for YAML.
        (Some(Format::Json), Some(Format::Yaml)) | (Some(Format::Yaml), Some(Format::Json)) => Format::Json,
        (Some(Format::Text), Some(other)) | (Some(other), Some(Format::Text)) if is_text(other) => other,
        (Some(old), Some(new)) if old == Format::Binary || new == Format::Binary => Format::Binary,
        (Some(old), Some(new)) if readers == Readers::All && old != Format::Text && new != Format::Text => {
            let why = format!("the first is {}, the second {}", format_name(old), format_name(new));
            gave_up.push(GaveUp { reader: "document", place: "both contents".to_string(), why });
            Format::Text
        }
        _ => Format::Text,
    };
    if readers == Readers::All && formats.0.is_some() && formats.1.is_some() {
        match structured(before, after, format, mask, now_unix) {
            Some(Ok(changes)) => return Ok((Outcome::Structured { format: format_name(format), changes }, gave_up)),
            Some(Err(Trouble::GaveUp(why))) => gave_up.push(why),
            Some(Err(Trouble::Io(error))) => return Err(error),
            None => {}
        }
    }
    let longest = before.len().max(after.len());
    if is_text(format) && longest > MAX_TEXT_BYTES {
        let why = format!("it has {longest} bytes, and {MAX_TEXT_BYTES} are the most");
        gave_up.push(GaveUp { reader: "text", place: "the longer text".to_string(), why });
    } else if is_text(format) {
        return Ok((Outcome::Text { before: whole(before)?, after: whole(after)? }, gave_up));
    }
    Ok((Outcome::Binary(binary::compare(before, after)?), gave_up))
}

/// Whether lines say something of it.
fn is_text(format: Format) -> bool {
    !matches!(format, Format::Binary | Format::Gzip | Format::Zip | Format::Tar)
}

fn format_of(bytes: &dyn Bytes) -> io::Result<Option<Format>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut head = vec![0; usize::try_from(bytes.len()).map_or(HEAD_BYTES, |length| length.min(HEAD_BYTES))];
    bytes.read_at(0, &mut head)?;
    Ok(Some(detect(&head, bytes.len())))
}

fn whole(bytes: &dyn Bytes) -> io::Result<Vec<u8>> {
    let mut text = vec![0; usize::try_from(bytes.len()).map_err(|_| io::ErrorKind::OutOfMemory)?];
    bytes.read_at(0, &mut text)?;
    Ok(text)
}

/// The changes in the terms of a format; `None` if it is one without terms of its own.
fn structured(
    before: &dyn Bytes,
    after: &dyn Bytes,
    format: Format,
    mask: &Mask,
    now_unix: i64,
) -> Option<Result<Vec<Change>, Trouble>> {
    let mut changes = Vec::new();
    let mut each = |change: Change| {
        changes.push(change);
        if changes.len() > MAX_CHANGES { Err(io::Error::other(TooMany)) } else { Ok(()) }
    };
    let done = match format {
        Format::Json | Format::JsonLines => json::compare(before, after, mask, &mut each),
        Format::Sql => sql::compare(before, after, mask, &mut each).map(drop),
        Format::Tar => archive::compare(before, after, Packed::Tar, mask, &mut each),
        Format::Gzip => archive::compare(before, after, Packed::TarGzip, mask, &mut each),
        Format::Zip => archive::compare(before, after, Packed::Zip, mask, &mut each),
        Format::Yaml => parsed(before, after, yaml::parse, mask, &mut each),
        Format::Toml => parsed(before, after, toml::parse, mask, &mut each),
        Format::Ini => parsed(before, after, ini::parse, mask, &mut each),
        Format::Xml => parsed(before, after, xml::parse, mask, &mut each),
        Format::Certificate => certificates(before, after, mask, now_unix, &mut each),
        Format::Text | Format::Binary => return None,
    };
    Some(match done {
        Err(Trouble::Io(error)) if error.get_ref().is_some_and(|inner| inner.is::<TooMany>()) => {
            let why = format!("there are more than {MAX_CHANGES} changes");
            Err(GaveUp { reader: format_name(format), place: "both contents".to_string(), why }.into())
        }
        Err(trouble) => Err(trouble),
        Ok(()) => Ok(changes),
    })
}

/// What the format is called.
fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json | Format::JsonLines => "JSON",
        Format::Yaml => "YAML",
        Format::Toml => "TOML",
        Format::Ini => "INI",
        Format::Xml => "XML",
        Format::Sql => "SQL",
        Format::Certificate => "certificate",
        Format::Gzip => "tar in gzip",
        Format::Zip => "zip",
        Format::Tar => "tar",
        Format::Text => "text",
        Format::Binary => "binary",
    }
}

/// Ends a comparison with too many changes.
#[derive(Debug, thiserror::Error)]
#[error("too many changes")]
struct TooMany;

/// As [`parsed`]; a time of expiry that is new says how many days are left.
fn certificates(
    before: &dyn Bytes,
    after: &dyn Bytes,
    mask: &Mask,
    now_unix: i64,
    each: super::Each,
) -> Result<(), Trouble> {
    let parts = RefCell::new(Vec::new());
    let parse = |text: &[u8]| {
        // The later side comes last, and stays.
        *parts.borrow_mut() = certificate::parse(text)?;
        Ok(certificate::document(&parts.borrow()))
    };
    parsed(before, after, parse, mask, &mut |change| {
        each(certificate::with_days_left(change, &parts.borrow(), now_unix))
    })
}

fn parsed(
    before: &dyn Bytes,
    after: &dyn Bytes,
    parse: impl Fn(&[u8]) -> Result<document::Value, GaveUp>,
    mask: &Mask,
    each: super::Each,
) -> Result<(), Trouble> {
    let side = |bytes: &dyn Bytes, which: &str| -> Result<document::Value, Trouble> {
        if bytes.len() > MAX_TEXT_BYTES {
            let why = format!("it has {} bytes, and {MAX_TEXT_BYTES} are the most", bytes.len());
            return Err(GaveUp { reader: "document", place: format!("the {which} text"), why }.into());
        }
        let named = |why: GaveUp| GaveUp { place: format!("{} of the {which}", why.place), ..why };
        Ok(parse(&whole(bytes)?).map_err(named)?)
    };
    let (old, new) = (side(before, "first")?, side(after, "second")?);
    document::compare::compare(&old, &new, &Place::default(), mask, each)
}
