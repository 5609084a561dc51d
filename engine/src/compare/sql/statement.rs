// SPDX-License-Identifier: MIT OR Apache-2.0
//! One statement of the schema: its digest, in which space and comments do not count, its text as shown, its object.
//!
//! The object, `TABLE public.users`, is what statements of the two sides are paired by. Literals are shown masked.

use super::cursor::{Cursor, unquoted};
use super::lexer::{Kind, Lexer, Rules};
use super::values;
use crate::compare::Mask;

/// What CREATE makes. Those of two words are in [`SECOND_WORDS`] too.
const KINDS: [&str; 33] = [
    "ACCESS",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DOMAIN",
    "EVENT",
    "EXTENSION",
    "FOREIGN",
    "FUNCTION",
    "GROUP",
    "INDEX",
    "LANGUAGE",
    "LARGE",
    "MATERIALIZED",
    "OPERATOR",
    "POLICY",
    "PROCEDURE",
    "PUBLICATION",
    "ROLE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TABLESPACE",
    "TEXT",
    "TRIGGER",
    "TYPE",
    "VIEW",
];

/// Words that belong to the kind if they follow the other.
const SECOND_WORDS: [(&str, &str); 16] = [
    ("ACCESS", "METHOD"),
    ("DATA", "WRAPPER"),
    ("EVENT", "TRIGGER"),
    ("FOREIGN", "DATA"),
    ("FOREIGN", "TABLE"),
    ("LARGE", "OBJECT"),
    ("MAPPING", "FOR"),
    ("MATERIALIZED", "VIEW"),
    ("OPERATOR", "CLASS"),
    ("OPERATOR", "FAMILY"),
    ("SEARCH", "CONFIGURATION"),
    ("SEARCH", "DICTIONARY"),
    ("SEARCH", "PARSER"),
    ("SEARCH", "TEMPLATE"),
    ("TEXT", "SEARCH"),
    ("USER", "MAPPING"),
];

/// Bytes of a statement that stand for its object if it is of no known kind.
const MAX_OBJECT_BYTES: usize = 80;

/// Equal for statements that say the same.
pub(super) fn digest(text: &[u8], rules: Rules, database: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut take = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    take(database.as_bytes());
    let mut cursor = Cursor::new(text, rules);
    while let Some(token) = cursor.next() {
        // Of MySQL: the state of a sequence, which every new row changes.
        if cursor.bytes(token) == b"AUTO_INCREMENT" && cursor.eat_sign(b'=') {
            cursor.next();
            continue;
        }
        take(cursor.bytes(token));
    }
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

/// The statement on one line, without comments, its literals masked by the word before them.
pub(super) fn plain(text: &[u8], rules: Rules, mask: &Mask) -> String {
    let mut lexer = Lexer::at(rules, 0);
    let (mut line, mut end, mut word) = (String::new(), 0, String::new());
    while let Some(token) = lexer.next(text) {
        if token.start > end && !line.is_empty() {
            line.push(' ');
        }
        end = token.end;
        let bytes = token.of(text);
        match token.kind {
            Kind::Text => match values::literal(bytes, rules) {
                Some(value) => {
                    let value = String::from_utf8_lossy(&value);
                    let shown = mask.value(&word, &value);
                    line.push_str(&if shown == value {
                        String::from_utf8_lossy(bytes)
                    } else {
                        format!("'{shown}'").into()
                    });
                }
                None => line.push_str(&mask.value(&word, &String::from_utf8_lossy(bytes))),
            },
            Kind::Word | Kind::Name => {
                word = unquoted(bytes).to_lowercase();
                line.push_str(&String::from_utf8_lossy(bytes));
            }
            Kind::Sign => line.push_str(&String::from_utf8_lossy(bytes)),
        }
    }
    // What is a secret by more than the word before it: `password text DEFAULT 'x'`.
    match mask.lines().of_sql().hidden(line.as_bytes()) {
        Some(hidden) => String::from_utf8_lossy(&hidden).into_owned(),
        None => line,
    }
}

/// What the statement is about, the same before and after it changed.
pub(super) fn object(text: &[u8], rules: Rules, mask: &Mask) -> String {
    let mut cursor = Cursor::new(text, rules);
    let verb = cursor.word();
    let named = match verb.as_deref() {
        Some("CREATE") => created(&mut cursor),
        Some("ALTER") => altered(&mut cursor),
        Some("COMMENT") if cursor.find("IS") => Some(plain(&text[..cursor.position()], rules, mask)),
        Some(verb @ ("GRANT" | "REVOKE")) if cursor.find("ON") => {
            let rest = plain(&text[cursor.position()..], rules, mask);
            Some(format!("{verb} {}", rest.trim_end_matches(';')))
        }
        _ => None,
    };
    let named = named.unwrap_or_else(|| {
        let whole = plain(text, rules, mask);
        let end = whole.floor_char_boundary(MAX_OBJECT_BYTES);
        whole[..end].trim_end_matches(';').to_string()
    });
    named.trim_end().to_string()
}

/// `TABLE public.users`, `FUNCTION public.f(integer)`, `INDEX i ON public.users`.
fn created(cursor: &mut Cursor) -> Option<String> {
    let kind = kind(cursor)?;
    cursor.pass(&["CONCURRENTLY", "IF", "NOT", "EXISTS"]);
    let name = cursor.qualified()?;
    let arguments = arguments(cursor, &kind);
    let table = table(cursor, &kind).map_or(String::new(), |table| format!(" ON {table}"));
    Some(format!("{kind} {name}{arguments}{table}"))
}

/// The table that an index or the like is of, without which its name may not be the only one.
fn table(cursor: &mut Cursor, kind: &str) -> Option<String> {
    let word = match kind {
        "INDEX" | "TRIGGER" | "POLICY" => "ON",
        "RULE" => "TO",
        _ => return None,
    };
    (cursor.find(word) && cursor.eat(word)).then_some(())?;
    cursor.pass(&["ONLY"]);
    cursor.qualified()
}

/// `CONSTRAINT c ON public.users`, `OWNER OF TABLE public.users`, `TABLE public.users: ALTER COLUMN id SET DEFAULT`.
fn altered(cursor: &mut Cursor) -> Option<String> {
    let kind = kind(cursor)?;
    cursor.pass(&["IF", "EXISTS", "ONLY"]);
    let name = cursor.qualified()?;
    let name = format!("{name}{}", arguments(cursor, &kind));
    let action = cursor.word()?;
    match action.as_str() {
        "ADD" if cursor.eat("CONSTRAINT") => Some(format!("CONSTRAINT {} ON {name}", cursor.qualified()?)),
        "OWNER" => Some(format!("OWNER OF {kind} {name}")),
        "WITH" => Some(format!("{kind} {name}: WITH")),
        _ => {
            let mut action = action;
            for _ in 0..4 {
                if cursor.is("TO") {
                    break;
                }
                let Some(word) = cursor.qualified() else { break };
                action = format!("{action} {word}");
            }
            Some(format!("{kind} {name}: {action}"))
        }
    }
}

/// Passes words such as OR REPLACE up to the kind, and gives that.
fn kind(cursor: &mut Cursor) -> Option<String> {
    let mut kind = loop {
        let Some(word) = cursor.word() else {
            cursor.next()?;
            continue;
        };
        if KINDS.contains(&word.as_str()) || word == "USER" || word == "VIRTUAL" {
            break word;
        }
    };
    let mut last = kind.clone();
    while let Some((_, second)) = SECOND_WORDS.iter().find(|(first, second)| *first == last && cursor.is(second)) {
        cursor.eat(second);
        kind = format!("{kind} {second}");
        last = (*second).to_string();
    }
    Some(kind)
}

/// Those of a routine tell it from others of its name.
fn arguments(cursor: &mut Cursor, kind: &str) -> String {
    if !matches!(kind, "FUNCTION" | "PROCEDURE" | "AGGREGATE") {
        return String::new();
    }
    let start = cursor.position();
    if cursor.is_sign(b'(') {
        cursor.pass_item();
    }
    let end = cursor.position();
    plain(cursor.slice(start..end), cursor.rules(), &Mask::reveal())
}
