// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets in texts of any kind, line by line: assignments in the ways in which configuration, scripts, SQL and markup write them, the lines of
//! private keys, and what is known by its form. Lines stay lines, so that a diff of two masked texts has the places of the real one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{fingerprint, forms, hints, is_no_secret, is_secret_name};

/// `name = value`, `"name": "value"`, `--name=value`, `name=value` anywhere in a line; the value in quotes, or up to a blank or a mark.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?P<name>[A-Za-z_][\w.\-]*)["'\]]*\s*(?:=>|:=|\+=|==?|:)\s*(?P<value>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&|"'<>()\[\]{}]+)"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// The same at the start of a line, where a value without quotes goes to the end, blanks included.
static WHOLE_LINE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"^\s*(?:export\s+|set\s+|-\s+)?["']?(?P<name>[A-Za-z_][\w.\-]*)["']?\s*(?:=|:|\s)\s*(?P<value>[^\s"'{\[=:].*?)\s*$"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// `<name>value</name>` and `name="value"` of markup fall under assignments but for the first.
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<(?:[\w\-]+:)?(?P<name>[A-Za-z_][\w.\-]*)(?:\s[^<>]*)?>(?P<value>[^<>]+)</")
        .expect("the pattern is a constant")
});

/// `IDENTIFIED BY 'x'`, `PASSWORD 'x'`, `--password x`, `-p x` of programs whose name says that.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i:\b(?:identified\s+(?:by|with\s+\S+\s+(?:by|as))|(?:encrypted\s+)?password|passwd|secret|token)\s+|--?(?:\w+-)*(?:password|passwd|passphrase|secret|token|api-key)\s+)(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|'')*'|[^\s,;"'=:<>()]+)"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// A literal of SQL behind the name of a secret: `password text DEFAULT 'x'`, `IDENTIFIED BY 'x'`. What is no literal is a type.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i:(?:\bidentified\s+(?:by|with\s+\S+\s+(?:by|as))|(?:password|passwd|passphrase|secret|token)[A-Za-z0-9_]*[\x22`]?\b)[^'\x22,;()]{0,80}\s(?:E|N)?)(?P<value>'(?:[^'\\]|\\.|'')*')"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// A line of /etc/shadow, or of a file of users for HTTP: the second field is a hash.
static SHADOW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\w.@\-]+:(?P<value>[^:\s*!]{8,})(?::[0-9]*:[0-9]*:.*)?$").expect("the pattern is a constant")
});

/// SNMP communities and keys of devices, whose configurations have no sign between a name and its value; passwords in `.pgpass`.
static DEVICE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i:\bsnmp(?:-server)?\s+community\s+|\bcommunity(?:-name)?\s*[:=]\s*|^\s*com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+|\b(?:password|secret|key-string|md5|authentication-key|pre-shared-key)\s+(?:[0-9]\s+|ascii-text\s+|encrypted\s+))(?P<value>"[^"]*"|[^\s;{}"']+)"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// `host:port:database:user:password`.
static PGPASS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\w.\-*/\\:\[\]]+:(?:[0-9]+|\*):[^:\s]+:[^:\s]+:(?P<value>[^:\s/]+)$")
        .expect("the pattern is a constant")
});

/// A name behind which an indented text begins: `password: |`, or nothing behind the sign.
static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r#"^(?P<indent>\s*(?:-\s+)*)["']?(?P<name>[A-Za-z_][\w.\-]*)["']?\s*[:=]\s*[|>][0-9+\-]*\s*(?:#.*)?$"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// What was hidden before.
static FINGERPRINT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("<secret [0-9a-f]{8}>").expect("the pattern is a constant"));

/// The text with its secrets hidden.
pub(super) fn masked<'a>(key: &[u8; 32], text: &'a [u8]) -> Cow<'a, [u8]> {
    let mut made: Option<Vec<u8>> = None;
    let (mut done, mut lines) = (0, LineMask::new(Some(*key)));
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = done;
        done += line.len();
        let hidden = lines.hidden(line);
        match (hidden, &mut made) {
            (Some(hidden), Some(made)) => made.extend_from_slice(&hidden),
            (Some(hidden), made) => *made = Some([&text[..start], &hidden].concat()),
            (None, Some(made)) => made.extend_from_slice(line),
            (None, None) => {}
        }
    }
    made.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// A text that is a value: whole lines of it say less than in a file, what is inside of a line says the same.
pub(super) fn within_value<'a>(key: &[u8; 32], value: &'a str) -> Cow<'a, str> {
    if value.contains('\n') {
        return match forms(key, value) {
            Cow::Borrowed(value) => match masked(key, value.as_bytes()) {
                Cow::Borrowed(_) => Cow::Borrowed(value),
                Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            },
            Cow::Owned(made) => Cow::Owned(String::from_utf8_lossy(&masked(key, made.as_bytes())).into_owned()),
        };
    }
    // Most values of a large document are a word or a number.
    let is_assigned = memchr::memchr3(b':', b'=', b'<', value.as_bytes()).is_some();
    let assignments: &[&Regex] = if is_assigned { &[&ASSIGNMENT, &ELEMENT] } else { &[] };
    let statements: &[&Regex] = if value.contains([' ', ':', '=']) { &[&STATEMENT, &DEVICE] } else { &[] };
    if !is_assigned && statements.is_empty() {
        return forms(key, value);
    }
    let hidden = hidden_values(key, value, assignments, statements);
    if hidden == value { Cow::Borrowed(value) } else { Cow::Owned(hidden) }
}

/// Hides secrets line by line.
pub struct LineMask {
    key: Option<[u8; 32]>,
    /// The line lies between the first and last line of a private key.
    in_key: bool,
    /// The line belongs to a secret if it is indented deeper than this.
    secret_below: Option<usize>,
    /// So many lines that follow are a private key (PuTTY).
    key_lines: usize,
    /// The lines are statements of SQL.
    is_sql: bool,
}

impl LineMask {
    pub(super) fn new(key: Option<[u8; 32]>) -> Self {
        Self { key, in_key: false, secret_below: None, key_lines: 0, is_sql: false }
    }

    /// The same for statements of SQL, where names stand before types.
    #[must_use]
    pub fn of_sql(self) -> Self {
        Self { is_sql: true, ..self }
    }

    /// The next line, with its end, without its secrets; `None` if it has none. Bytes that are no UTF-8 in a line with a secret are replaced.
    pub fn hidden(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        self.key?;
        let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let (content, ending) = line.split_at(end);
        let is_inside = self.in_key || self.key_lines > 0 || self.secret_below.is_some();
        if !is_inside && !hints::may_hold_secret(content) {
            return None;
        }
        self.looked_through(content, ending)
    }

    /// The same without a look at whether it is worth it.
    fn looked_through(&mut self, content: &[u8], ending: &[u8]) -> Option<Vec<u8>> {
        let key = &self.key?;
        let text = String::from_utf8_lossy(content);
        let blank = text.len() - text.trim_start().len();
        if self.secret_below.is_some_and(|indent| blank <= indent && !text.trim().is_empty()) {
            self.secret_below = None;
        }
        if let Some(count) = text.strip_prefix("Private-Lines:") {
            self.key_lines = count.trim().parse().unwrap_or(usize::MAX);
            return None;
        }
        let is_key_line = self.key_lines > 0;
        self.key_lines = self.key_lines.saturating_sub(1);
        let hidden = if private_key_mark(&text, "-----BEGIN ") {
            // One that begins and ends in this line is known by its form.
            self.in_key = !private_key_mark(&text, "-----END ");
            if self.in_key { None } else { Some(forms(key, &text).into_owned()) }
        } else if private_key_mark(&text, "-----END ") {
            self.in_key = false;
            None
        } else if (self.in_key || is_key_line || self.secret_below.is_some()) && !is_no_secret(&text) {
            Some(format!("{}{}", &text[..blank], fingerprint(key, text.trim())))
        } else if self.is_sql && !text.trim_start().starts_with("--") {
            Some(hidden_values(key, &text, &[&*ASSIGNMENT, &*ELEMENT], &[&*LITERAL]))
        } else {
            if let Some(found) = BLOCK.captures(&text).filter(|found| is_secret_name(&found["name"])) {
                self.secret_below = Some(found["indent"].len());
            }
            let assignments: [&Regex; 3] = [&WHOLE_LINE, &ASSIGNMENT, &ELEMENT];
            Some(hidden_values(key, &text, &assignments, &[&*STATEMENT, &*DEVICE, &*PGPASS, &*SHADOW]))
        }?;
        (hidden.as_bytes() != content && *hidden != *text).then(|| [hidden.as_bytes(), ending].concat())
    }
}

fn private_key_mark(line: &str, mark: &str) -> bool {
    line.find(mark).is_some_and(|at| {
        let rest = &line[at + mark.len()..];
        rest.find("-----")
            .is_some_and(|end| ["PRIVATE KEY", "Static key", "SECRET"].iter().any(|kind| rest[..end].contains(kind)))
    })
}

/// The line with the values of `assignments` hidden whose names are those of secrets, and all values of `statements`.
fn hidden_values(key: &[u8; 32], line: &str, assignments: &[&Regex], statements: &[&Regex]) -> String {
    let mut secrets = Vec::new();
    for pattern in assignments {
        // A value can hold assignments itself, as a quoted text does: look on behind the name, not behind the value.
        let mut from = 0;
        while let Some(found) = pattern.captures_at(line, from) {
            let (Some(name), Some(value)) = (found.name("name"), found.name("value")) else { break };
            if is_secret_name(name.as_str()) && !is_no_secret(value.as_str()) {
                secrets.push(value.range());
            }
            from = value.start().max(from + 1);
            while !line.is_char_boundary(from) {
                from += 1;
            }
        }
    }
    for pattern in statements {
        let values = pattern.captures_iter(line).filter_map(|found| found.name("value"));
        secrets.extend(values.filter(|value| !is_no_secret(value.as_str())).map(|value| value.range()));
    }
    if line.contains("<secret ") {
        let made: Vec<_> = FINGERPRINT.find_iter(line).map(|found| found.range()).collect();
        secrets.retain(|range| !made.iter().any(|made| made.start <= range.start && range.end <= made.end));
    }
    secrets.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut made, mut at) = (String::with_capacity(line.len()), 0);
    for secret in secrets {
        if secret.end <= at {
            continue;
        }
        let start = secret.start.max(at);
        made.push_str(&forms(key, &line[at..start]));
        made.push_str(&quoted_fingerprint(key, &line[start..secret.end]));
        at = secret.end;
    }
    made.push_str(&forms(key, &line[at..]));
    made
}

/// The fingerprint in the quotes that the value has; the same value has the same one with and without.
pub(super) fn quoted_fingerprint(key: &[u8; 32], value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return format!("{quote}{}{quote}", fingerprint(key, inner));
        }
    }
    fingerprint(key, value)
}

#[cfg(test)]
pub(super) fn patterns() -> impl Iterator<Item = &'static Regex> {
    let all: [&'static LazyLock<Regex>; 5] = [&STATEMENT, &LITERAL, &SHADOW, &DEVICE, &PGPASS];
    all.into_iter().map(|pattern| &**pattern)
}
