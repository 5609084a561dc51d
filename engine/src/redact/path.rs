// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths into documents, as `diff` writes them: `a.b["odd key"][3][id=7]`; and what to say of one that leads nowhere.

use crate::compare::Step;

/// Names that are kept to find near ones.
const MAX_NAMES: usize = 4096;
/// Near names that are told.
const MAX_NEAR: usize = 3;

/// There is nothing at a path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It is written wrong.
    #[error("{path:?} is no path into a document: {why} at byte {at}")]
    Malformed {
        /// As typed.
        path: String,
        /// What was expected.
        why: &'static str,
        /// Where.
        at: usize,
    },
    /// It leads nowhere.
    #[error("there is no {path}{}", near(names))]
    Nothing {
        /// As typed.
        path: String,
        /// Names that stand where it ends and resemble it.
        names: Vec<String>,
    },
}

fn near(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (there is {})", names.join(", ")) }
}

/// The steps of a path.
pub(super) fn steps(path: &str) -> Result<Vec<Step>, Missing> {
    let mut steps = Vec::new();
    let mut rest = path;
    let fail = |rest: &str, why| Missing::Malformed { path: path.to_string(), why, at: path.len() - rest.len() };
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            if inner.starts_with('"') {
                let (key, behind) = unquoted(inner).ok_or_else(|| fail(inner, "a key in quotes is expected"))?;
                steps.push(Step::Key(key));
                rest = behind.strip_prefix(']').ok_or_else(|| fail(behind, "a bracket is expected"))?;
                continue;
            }
            let end = closing(inner).ok_or_else(|| fail(rest, "a bracket does not end"))?;
            let text = &inner[..end];
            steps.push(match text.split_once('=') {
                Some((key, value)) => Step::Item { key: key.to_string(), value: value.to_string() },
                None => Step::Index(text.parse().map_err(|_| fail(inner, "a number or key=value is expected"))?),
            });
            rest = &inner[end + 1..];
        } else {
            let name = if steps.is_empty() {
                rest
            } else {
                rest.strip_prefix('.').ok_or_else(|| fail(rest, "a dot is expected"))?
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err(fail(name, "a key is expected"));
            }
            steps.push(Step::Key(name[..end].to_string()));
            rest = &name[end..];
        }
    }
    if steps.is_empty() { Err(fail(rest, "a key is expected")) } else { Ok(steps) }
}

/// The bracket behind which the path ends or goes on: a value may have brackets too.
fn closing(text: &str) -> Option<usize> {
    text.match_indices(']').map(|(at, _)| at).find(|at| matches!(text.as_bytes().get(at + 1), None | Some(b'.' | b'[')))
}

/// A key in quotes, with the escapes that `diff` writes, and what stands behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => key.push('\n'),
                't' => key.push('\t'),
                'r' => key.push('\r'),
                '0' => key.push('\0'),
                'u' => {
                    let digits = text[at..].strip_prefix("\\u{")?.split_once('}')?.0;
                    key.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                    chars.nth(digits.len() + 1)?;
                }
                other => key.push(other),
            },
            other => key.push(other),
        }
    }
    None
}

/// What was seen on the way to nothing.
#[derive(Default)]
pub(super) struct Miss {
    /// Steps that were left where the names stand; the fewest there were.
    left: Option<usize>,
    wanted: String,
    names: Vec<String>,
}

impl Miss {
    /// A name that stands where a step is looked for, with so many steps behind it.
    pub(super) fn saw(&mut self, left: usize, step: &Step, name: &str) {
        let Step::Key(wanted) = step else { return };
        if self.left.is_none_or(|least| left < least) {
            self.left = Some(left);
            self.wanted.clone_from(wanted);
            self.names.clear();
        }
        if self.left == Some(left) && self.names.len() < MAX_NAMES && name.len() < 200 {
            self.names.push(name.to_string());
        }
    }

    /// That nothing is at the path.
    pub(super) fn of(self, path: &str) -> Missing {
        Missing::Nothing { path: path.to_string(), names: nearest(&self.wanted, self.names) }
    }
}

/// The names that resemble the wanted one most, and enough.
pub(super) fn nearest(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    let most = wanted.chars().count().div_ceil(2);
    let mut near: Vec<(usize, String)> = names.into_iter().map(|name| (distance(wanted, &name), name)).collect();
    near.retain(|(distance, name)| *distance <= most || name.contains(wanted) || wanted.contains(name.as_str()));
    near.sort();
    near.into_iter().take(MAX_NEAR).map(|(_, name)| name).collect()
}

/// Signs that have to be changed, added or taken away.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, sign) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], number + 1);
        for at in 0..other.len() {
            let changed = diagonal + usize::from(other[at] != sign);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::{Missing, nearest, steps};
    use crate::compare::{Place, Step};

    #[test]
    fn paths_are_read_as_diff_writes_them() {
        let place = Place(vec![
            Step::Key("a".into()),
            Step::Key("odd \"key\".b\n".into()),
            Step::Index(3),
            Step::Item { key: "fq_name".into(), value: "x:y]z".into() },
            Step::Key("prop-2".into()),
        ]);
        assert_eq!(steps(&place.to_string()).unwrap(), place.0);
        assert_eq!(steps("prop:x.y").unwrap(), [Step::Key("prop:x".into()), Step::Key("y".into())]);
        for bad in ["", "a..b", "a[", "a[x]", ".a", "a[\"b\"x"] {
            assert!(matches!(steps(bad), Err(Missing::Malformed { .. })), "{bad}");
        }
    }

    #[test]
    fn near_names_are_those_that_were_meant() {
        let names = ["dm_keyspace", "config_db_uuid", "x"].map(str::to_string).to_vec();
        assert_eq!(nearest("dm_keyspcae", names.clone()), ["dm_keyspace"]);
        assert_eq!(nearest("nothing_like_it", names), Vec::<String>::new());
    }
}
