// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets in texts of any kind, line by line: assignments in the ways in which configuration, scripts, SQL and markup write them, the lines of
//! private keys, and what is known by its form. Lines stay lines, so that a diff of two masked texts has the places of the real one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{fingerprint, forms, is_no_secret, is_secret_name};

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

/// A line of /etc/shadow, or of a file of users for HTTP: the second field is a hash.
static SHADOW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\w.@\-]+:(?P<value>[^:\s*!]{8,})(?::[0-9]*:[0-9]*:.*)?$").expect("the pattern is a constant")
});

/// The text with its secrets hidden.
pub(super) fn masked<'a>(key: &[u8; 32], text: &'a [u8]) -> Cow<'a, [u8]> {
    let mut made: Option<Vec<u8>> = None;
    let (mut done, mut in_key) = (0, false);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = done;
        done += line.len();
        let hidden = hidden_line(key, line, &mut in_key);
        match (hidden, &mut made) {
            (Some(hidden), Some(made)) => made.extend_from_slice(&hidden),
            (Some(hidden), made) => *made = Some([&text[..start], &hidden].concat()),
            (None, Some(made)) => made.extend_from_slice(line),
            (None, None) => {}
        }
    }
    made.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The line without its secrets; `None` if it has none. `in_key`: it lies between the first and last line of a private key.
fn hidden_line(key: &[u8; 32], line: &[u8], in_key: &mut bool) -> Option<Vec<u8>> {
    let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let (content, ending) = line.split_at(end);
    let text = String::from_utf8_lossy(content);
    let hidden = if private_key_mark(&text, "-----BEGIN ") {
        // One that begins and ends in this line is known by its form.
        *in_key = !private_key_mark(&text, "-----END ");
        if *in_key { None } else { Some(forms(key, &text).into_owned()) }
    } else if private_key_mark(&text, "-----END ") {
        *in_key = false;
        None
    } else if *in_key {
        let blank = text.len() - text.trim_start().len();
        Some(format!("{}{}", &text[..blank], fingerprint(key, text.trim())))
    } else {
        Some(hidden_values(key, &text))
    }?;
    (hidden.as_bytes() != content && *hidden != *text).then(|| [hidden.as_bytes(), ending].concat())
}

fn private_key_mark(line: &str, mark: &str) -> bool {
    line.find(mark).is_some_and(|at| {
        let rest = &line[at + mark.len()..];
        rest.find("-----").is_some_and(|end| rest[..end].contains("PRIVATE KEY"))
    })
}

fn hidden_values(key: &[u8; 32], line: &str) -> String {
    let mut secrets = Vec::new();
    for pattern in [&*WHOLE_LINE, &*ASSIGNMENT, &*ELEMENT] {
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
    secrets.extend(STATEMENT.captures_iter(line).filter_map(|found| Some(found.name("value")?.range())));
    secrets.extend(SHADOW.captures(line).and_then(|found| Some(found.name("value")?.range())));
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
fn quoted_fingerprint(key: &[u8; 32], value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return format!("{quote}{}{quote}", fingerprint(key, inner));
        }
    }
    fingerprint(key, value)
}
