// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key files: four lines of text that open a repository without a password (`docs/format.md` section 4.2).
//!
//! For unattended backups. Does not touch the file system: the caller writes the text, readable by its owner only.

use std::fmt::Write;

use zeroize::Zeroizing;

use crate::crypto::{SymmetricKey, random};
use crate::error::FormatError;
use crate::id::{Hex, RepositoryId, decode_hex};

const WHAT: &str = "key file";
const FIRST_LINE: &str = "keepfast key file v1";

/// A key file.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The repository it opens.
    pub repository: RepositoryId,
    /// The root public key, pinned: another repository under the same id is noticed.
    pub root_public: [u8; 32],
    secret: SymmetricKey,
}

impl KeyFile {
    /// A fresh one.
    pub fn generate(repository: RepositoryId, root_public: [u8; 32]) -> Self {
        Self { repository, root_public, secret: SymmetricKey::new(random()) }
    }

    /// Reads the text form. Line ends of either kind and empty lines at the end do not matter: people copy such files.
    ///
    /// # Errors
    /// Malformed. The message never quotes the text.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let malformed = |why: &str| FormatError::Malformed { what: WHAT, why: why.into() };
        let mut lines = text.trim_end().lines().map(str::trim_end);
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("its first line is another"));
        }
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let repository = field("repository").and_then(RepositoryId::from_hex);
        let root_public = field("root").and_then(from_hex);
        let secret = field("secret").and_then(from_hex).map(SymmetricKey::new);
        let (Some(repository), Some(root_public), Some(secret), None) = (repository, root_public, secret, lines.next())
        else {
            return Err(malformed("it has not the four lines that it must have"));
        };
        Ok(Self { repository, root_public, secret })
    }

    /// The text form: four lines, each with its end.
    pub fn to_text(&self) -> Zeroizing<String> {
        let (repository, root, secret) = (self.repository, Hex(&self.root_public), Hex(self.secret.as_bytes()));
        // As much room as the text needs: a text that grows leaves copies of itself behind.
        let mut text = Zeroizing::new(String::with_capacity(256));
        write!(text, "{FIRST_LINE}\nrepository {repository}\nroot {root}\nsecret {secret}\n")
            .expect("a string takes any text");
        text
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    decode_hex(text.as_bytes(), &mut bytes).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::KeyFile;
    use crate::id::RepositoryId;

    #[test]
    fn a_key_file_is_four_lines_of_text() {
        let file = KeyFile::generate(RepositoryId([0xab; 16]), [0x0c; 32]);
        let text = file.to_text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "keepfast key file v1");
        assert_eq!(lines[1], format!("repository {}", "ab".repeat(16)));
        assert_eq!(lines[2], format!("root {}", "0c".repeat(32)));
        assert!(
            lines[3].starts_with("secret ") && lines[3].len() == 7 + 64 && lines.len() == 4 && text.ends_with('\n')
        );
        for copied in [text.to_string(), text.replace('\n', "\r\n"), format!("{}\n\n", *text), text.trim_end().into()] {
            let again = KeyFile::parse(&copied).unwrap();
            assert_eq!((again.secret(), again.repository), (file.secret(), file.repository));
            assert_eq!(again.root_public, file.root_public);
        }
    }

    #[test]
    fn anything_else_is_refused_without_quoting_it() {
        let text = KeyFile::generate(RepositoryId([1; 16]), [2; 32]).to_text();
        let secret = text.lines().last().unwrap().to_owned();
        for bad in [
            String::new(),
            text.replace("v1", "v2"),
            text.replace("secret ", "secret"),
            text.replace("root", "toor"),
            format!("{}more\n", *text),
            text.to_uppercase(),
            text.replace(&secret, &secret[..70]),
        ] {
            let message = KeyFile::parse(&bad).unwrap_err().to_string();
            assert!(!message.contains(&secret[7..20]), "{message}");
        }
    }

    #[test]
    fn the_secret_does_not_show_in_debug_output() {
        let file = KeyFile::generate(RepositoryId([1; 16]), [2; 32]);
        assert!(format!("{file:?}").contains("SymmetricKey(..)"));
    }
}
