// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a storage guarantees and what that allows, in words: for `repository probe` and `init`.

use keepfast_engine::storage::probe::{Capabilities, Finding, Guarantee, Use};
use serde_json::{Value, json};

/// The consequence, as one plain sentence.
pub fn sentence(allowed: Use) -> &'static str {
    match allowed {
        Use::ManyWritersAndPrune => "many writers, online prune: machines may back up and prune here at the same time",
        Use::ManyWriters => {
            "many writers, no online prune: machines may back up here at the same time, but nothing can be deleted"
        }
        Use::OneWriter => "single writer, no online prune: let one machine at a time back up here",
        Use::Nothing => "not fit for a repository: what is backed up here may be lost",
    }
}

/// What a guarantee says.
pub fn label(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::CreateOnce => "an object is created once and never overwritten",
        Guarantee::ReadAfterWrite => "a new object is read at once, and whole",
        Guarantee::ListConsistent => "a list shows every object at once",
        Guarantee::Delete => "a deleted object is gone",
        Guarantee::Range => "a range of an object is exact",
    }
}

/// All of it, for programs.
pub fn json(capabilities: &Capabilities) -> Value {
    let holds = |guarantee| *capabilities.of(guarantee) == Finding::Holds;
    let guarantees: serde_json::Map<String, Value> =
        Guarantee::ALL.into_iter().map(|it| (it.word().to_string(), holds(it).into())).collect();
    let why: serde_json::Map<String, Value> =
        capabilities.why().map(|(guarantee, why)| (guarantee.word().to_string(), why.into())).collect();
    let word = match capabilities.allows() {
        Use::ManyWritersAndPrune => "many_writers_and_prune",
        Use::ManyWriters => "many_writers",
        Use::OneWriter => "one_writer",
        Use::Nothing => "nothing",
    };
    json!({ "guarantees": guarantees, "why": why, "allows": word })
}

#[cfg(test)]
mod tests {
    use super::{json, sentence};
    use keepfast_engine::storage::probe::{Capabilities, Finding};

    #[test]
    fn the_words_follow_from_what_was_found() {
        let mut capabilities = Capabilities::full();
        assert!(sentence(capabilities.allows()).starts_with("many writers, online prune"));
        capabilities.create_once = Finding::Fails("overwritten".to_string());
        assert!(sentence(capabilities.allows()).starts_with("single writer, no online prune"));
        let json = json(&capabilities);
        assert_eq!(json["guarantees"]["create_once"], false);
        assert_eq!(json["guarantees"]["range"], true);
        assert_eq!(json["why"]["create_once"], "overwritten");
        assert_eq!(json["allows"], "one_writer");
    }
}
