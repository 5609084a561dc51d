// SPDX-License-Identifier: MIT OR Apache-2.0
//! No value is ever run by the shell: scripts are filled and given to a real `sh`.

use std::process::Command;

use proptest::prelude::*;

use super::super::template::{script, text};
use super::values;

/// Words that a script prints, each ended by a byte that is in no value.
fn words(script: &str) -> Vec<String> {
    let print = "print() { for word; do printf '%s\\001' \"$word\"; done; }\n";
    let output = Command::new("sh").args(["-c", &format!("set -f\n{print}{script}")]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\u{1}').map(String::from).collect()
}

fn filled(template: &str, value: &str) -> Result<String, String> {
    script(template, &values(&[("x", value)])).map_err(|error| error.to_string())
}

/// Values that a shell would do something about, and any others.
fn any_value() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "\"",
        "`",
        "$",
        "\\",
        ";",
        "&",
        "|",
        "(",
        ")",
        "#",
        "!",
        "*",
        "~",
        " ",
        "\n",
        "\t",
        "-",
        "=",
        "a",
        "$(exit 9)",
        "`exit 9`",
        "';exit 9;'",
        "\";exit 9;\"",
        "\\'",
        "\nEOF\n",
        "EOF",
        "${x}",
        "é",
        "E",
        "{{",
        "}}",
        "{{x}}",
        "<",
        ">",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..8).prop_map(|all| all.concat()), "[^\u{0}\u{1}]{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_value_is_one_word_in_any_quotes_and_in_none(value in any_value()) {
        let v = value.as_str();
        let cases = [
            ("print {{x}} end", vec![v.to_string(), "end".into()]),
            ("print '{{x}}' end", vec![v.to_string(), "end".into()]),
            ("print \"{{x}}\" end", vec![v.to_string(), "end".into()]),
            ("print --at={{x}}/end", vec![format!("--at={v}/end")]),
            ("print \"a {{x}} b\"'c {{x}} d'{{x}}", vec![format!("a {v} bc {v} d{v}")]),
            ("# don't be afraid of \"this\nprint {{x}}", vec![v.to_string()]),
            ("cat >/dev/null <<EOF\nit's \"this\nEOF\nprint {{x}}", vec![v.to_string()]),
            ("cat >/dev/null <<-'EOF'\nit's $(this\n\tEOF\nprint {{x}}", vec![v.to_string()]),
            ("(print {{x}}); print {{x}};", vec![v.to_string(), v.to_string()]),
            ("out=$(print {{x}}; echo ok); test -n \"$out\"; print 'it'\"'s\" {{x}}", vec!["it's".into(), v.to_string()]),
            ("print \"${x:-}\" \"$(true '{{x}}' \"{{x}}\" {{x}})\" {{x}}", vec![String::new(), String::new(), v.to_string()]),
            ("case a in b) print 'it;s';; a) print {{x}};; esac", vec![v.to_string()]),
            ("x={{x}}\nprint \"$x\" \\'{{x}}", vec![v.to_string(), format!("'{v}")]),
        ];
        for (template, expected) in cases {
            let script = filled(template, v).unwrap();
            prop_assert_eq!(words(&script), expected, "{}", script);
        }
    }

    #[test]
    fn a_value_that_can_not_be_quoted_where_it_stands_is_refused_or_is_that_word(value in any_value()) {
        let v = value.as_str();
        let cases = [
            ("print `echo {{x}}`", v.to_string()),
            ("print \"${none:-{{x}}}\"", v.to_string()),
            ("print \"$(sh -c 'printf %s {{x}}')\"", v.to_string()),
            ("eval \"print {{x}}\"", v.to_string()),
            ("print \"$(cat <<EOF\n{{x}}.\nEOF\n)\"", format!("{v}.")),
            ("print \"$(cat <<'EOF'\n{{x}}\nEOF\n)\"", v.to_string()),
            ("# {{x}}\nprint a", "a".to_string()),
            ("print $(( {{x}} + 1 ))", String::new()),
        ];
        for (template, expected) in cases {
            let Ok(script) = filled(template, v) else { continue };
            if template.contains("((") {
                prop_assert!(v.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:@%+,".contains(letter)));
                continue;
            }
            let found = words(&script).concat();
            // Substitutions take newlines at the end away, which is not running anything.
            prop_assert_eq!(found.trim_end_matches('\n'), expected.trim_end_matches('\n'), "{}", script);
        }
    }
}

#[test]
fn a_value_in_a_script_of_another_shell_is_refused_and_the_error_says_why() {
    for template in
        ["sh -c 'ls {{x}}'", "su - me -c \"ls {{x}}\"", "eval ls {{x}}", "ssh host ls {{x}}", "trap 'rm {{x}}' EXIT"]
    {
        assert_eq!(filled(template, "/srv/a-b").unwrap(), template.replace("{{x}}", "/srv/a-b"));
        let error = filled(template, "a; reboot").unwrap_err();
        assert!(error.contains("a script that another shell reads"), "{error}");
    }
    assert_eq!(filled("grep -c {{x}} file", "a b").unwrap(), "grep -c 'a b' file");
}

#[test]
fn a_value_behind_a_dollar_or_a_backslash_is_refused() {
    for template in ["echo \\{{x}}", "echo ${{x}}", "echo \"\\{{x}}\"", "echo $'{{x}}'", "echo $'a' {{x}}"] {
        assert!(filled(template, "a' ;b").is_err(), "{template}");
    }
}

#[test]
fn a_line_of_which_a_shell_would_lose_a_letter_is_refused() {
    let template = "print \"$(cat <<'EOF'\n{{x}}\nEOF\n)\"";
    for value in ["E\u{a1}", "EO\u{e9}", "EOF\u{20ac}", "\tE\u{a1}"] {
        let error = filled(template, value).unwrap_err();
        assert!(error.contains("begins as the end of the here-document does"), "{error}");
    }
    for value in ["\u{a1}E", "xE\u{a1}", "EXIT\u{a1}", "EO"] {
        assert_eq!(words(&filled(template, value).unwrap()), [value]);
    }
}

#[test]
fn an_empty_value_is_a_word_of_its_own_or_no_part_of_one() {
    assert_eq!(filled("ls {{x}}/etc", "").unwrap(), "ls /etc");
    assert_eq!(filled("ls --in={{x}}", "").unwrap(), "ls --in=");
    assert_eq!(filled("test -n {{x}};", "").unwrap(), "test -n '';");
    assert_eq!(filled("$(ls {{x}})", "").unwrap(), "$(ls '')");
    assert_eq!(filled("ls {{x}}#it", "").unwrap(), "ls ''#it");
}

#[test]
fn braces_around_anything_but_a_name_are_left_alone() {
    let values = values(&[("x", "1")]);
    for template in ["docker ps --format '{{.Names}}'", "{{ x }}", "{{", "a }} {{b", "{{}}", "echo ${a:-{}}", "{{a-b}}"]
    {
        assert_eq!(script(template, &values).unwrap(), template);
        assert_eq!(text(template, &values).unwrap(), template);
    }
    assert_eq!(script("docker ps --format '{{.Names}} {{x}}'", &values).unwrap(), "docker ps --format '{{.Names}} 1'");
}

#[test]
fn a_name_that_is_no_variable_and_one_without_a_value_are_named() {
    let error = script("ls {{nobody}}", &values(&[("x", "1")])).unwrap_err().to_string();
    assert!(error.contains("\"nobody\"") && error.contains("there are: profile, root, x"), "{error}");
    let profile = super::profile("[variables.x]\nhelp = \"where it is\"\n[variables.key.secret]\nfile = \"/f\"\n");
    let values = super::Values::new(&profile, &std::collections::BTreeMap::new()).unwrap();
    assert_eq!(script("ls {{x}}", &values).unwrap_err().to_string(), "the variable x needs a value: where it is");
    let error = script("ls {{key}}", &values).unwrap_err().to_string();
    assert_eq!(error, "{{key}} is a secret: scripts get it as $key, it is put into no text");
}
