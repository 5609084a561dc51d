// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names that secrets stand under: keys of documents, columns of tables, options of programs. Read word by word, however the words are joined.

/// Words that make a secret of what stands under a name.
pub(super) const SECRET_WORDS: [&str; 29] = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passphrases",
    "passwort",
    "pwd",
    "pass",
    "pw",
    "secret",
    "secrets",
    "token",
    "tokens",
    "credential",
    "credentials",
    "psk",
    "apikey",
    "privatekey",
    "secretkey",
    "accesskey",
    "authkey",
    "rootpw",
    "keystorepass",
    "userpassword",
    "requirepass",
    "masterauth",
    "rocommunity",
    "rwcommunity",
    "trapcommunity",
];

/// Two words that do so together.
pub(super) const SECRET_PAIRS: [(&str, &str); 14] = [
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("auth", "key"),
    ("encryption", "key"),
    ("signing", "key"),
    ("shared", "key"),
    ("preshared", "key"),
    ("session", "key"),
    ("master", "key"),
    ("root", "key"),
    ("snmp", "community"),
    ("connection", "string"),
    ("key", "data"),
];

/// Last words that say what is there: not the secret, but something of it.
const HARMLESS_ENDS: [&str; 30] = [
    "file",
    "files",
    "path",
    "dir",
    "directory",
    "url",
    "uri",
    "endpoint",
    "ttl",
    "timeout",
    "expiry",
    "expires",
    "age",
    "length",
    "size",
    "count",
    "policy",
    "type",
    "name",
    "id",
    "enabled",
    "required",
    "algorithm",
    "method",
    "min",
    "max",
    "days",
    "command",
    "prompt",
    "encryption",
];

/// Keys under which a map says what it is about.
const NAME_KEYS: [&str; 14] = [
    "name",
    "key",
    "@name",
    "@key",
    "@id",
    "option",
    "kind",
    "field",
    "parameter",
    "setting",
    "variable",
    "property",
    "@property",
    "parameterkey",
];
/// Keys under which such a map has the value; in a map of the kind `Secret` (Kubernetes) those of its data.
const VALUE_KEYS: [&str; 12] = [
    "value",
    "@value",
    "val",
    "values",
    "content",
    "default",
    "parametervalue",
    "stringvalue",
    "plaintext",
    "data",
    "stringdata",
    TEXT_KEY,
];

/// Whether a map says under this key what it is about: `{"name": "password", ...}`.
pub fn is_name_key(key: &str) -> bool {
    NAME_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// The ways in which such keys are usually written, for whoever has digests of keys only.
pub(crate) fn name_keys() -> impl Iterator<Item = String> {
    NAME_KEYS.iter().flat_map(|key| {
        let word = key.replace("parameterkey", "parameterKey");
        let start = word.char_indices().find(|(_, c)| c.is_alphabetic()).map_or(0, |(at, _)| at);
        let capital = format!("{}{}{}", &word[..start], word[start..=start].to_uppercase(), &word[start + 1..]);
        [(*key).to_string(), capital, key.to_uppercase(), word]
    })
}

/// Whether a map that says what it is about has the value under this key.
pub fn is_value_key(key: &str) -> bool {
    VALUE_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// Where the text of an element of XML stands that has attributes too.
pub const TEXT_KEY: &str = "#text";

/// Whether what stands under this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    if words.last().is_some_and(|last| HARMLESS_ENDS.contains(&last.as_str())) {
        return false;
    }
    let glued = |word: &String| ["password", "passwd", "passphrase", "secret"].iter().any(|end| word.ends_with(end));
    words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()) || glued(word))
        || words.windows(2).any(|pair| {
            let second = if pair[1] == "keys" { "key" } else { &pair[1] };
            SECRET_PAIRS.contains(&(pair[0].as_str(), second))
        })
}

/// `dbPassword`, `DB_PASSWORD`, `db-password` and `db.password` are the same two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && was_lower);
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}
