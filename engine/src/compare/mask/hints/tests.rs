// SPDX-License-Identifier: MIT OR Apache-2.0
//! That nothing is passed by which a pattern would find.

use proptest::prelude::{ProptestConfig, Strategy};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use regex::Regex;

use super::may_hold_secret;
use crate::compare::mask::names::{SECRET_PAIRS, SECRET_WORDS};
use crate::compare::mask::{FORMS, is_secret_name, text};

/// Texts that the pattern finds, in ASCII, are all worth a look.
fn draw(pattern: &Regex) {
    // Without the conditions on what stands around it: those are looked at by the pattern itself.
    let body = pattern.as_str().replace(r"\b", "").replace(r"|\z", "").replace(r"^\s*com2sec", "com2sec");
    let body = body.strip_prefix('^').unwrap_or(&body);
    let body = body.strip_suffix('$').unwrap_or(body);
    let texts = string_regex(body).expect("the pattern can be drawn from");
    let ascii = |c: char| if c.is_whitespace() { ' ' } else { Some(c).filter(char::is_ascii_graphic).unwrap_or('x') };
    let texts = texts.prop_map(move |text| text.chars().map(ascii).collect());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() });
    let found = std::cell::Cell::new(0);
    let outcome = runner.run(&texts, |text: String| {
        if pattern.is_match(&text) {
            found.set(found.get() + 1);
            proptest::prop_assert!(may_hold_secret(text.as_bytes()), "{text:?}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{}: {failure}", pattern.as_str()));
    assert!(found.get() > 400, "only {} texts of {} were found by it", found.get(), pattern.as_str());
}

#[test]
fn whatever_a_pattern_finds_is_worth_a_look() {
    text::patterns().for_each(draw);
    draw(&FORMS);
}

#[test]
fn every_name_of_a_secret_is_worth_a_look() {
    let pairs = SECRET_PAIRS.iter().map(|(first, second)| format!("{first}_{second}"));
    for name in SECRET_WORDS.iter().map(ToString::to_string).chain(pairs) {
        for name in [name.clone(), name.to_uppercase()] {
            assert!(is_secret_name(&name) && may_hold_secret(format!("{name} = x").as_bytes()), "{name}");
        }
    }
}

#[test]
fn lines_of_code_are_not_worth_a_look() {
    for line in
        ["", "\tif (a->b != c) {", " * Copyright (C) 2001", "#include <linux/slab.h>", "default:", "std::vector"]
    {
        assert!(!may_hold_secret(line.as_bytes()), "{line}");
    }
}
