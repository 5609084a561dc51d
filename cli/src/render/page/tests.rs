// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever names and contents are, they become text; and the colours of the style sheet can be told apart.

use std::collections::HashMap;

use keepfast_engine::compare::{Change, ChangeKind, Outcome, Place, Step};
use maud::html;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use scraper::{Html, Selector};

use super::{Contents, Limits, Problem, Spool, begin, end, problems, shown};
use crate::render::inside::Inside;
use crate::render::{content, text};

const CONTENTS: Contents =
    Contents { limits: Limits { lines: 1000, files: 10 }, lines_around: 3, masks: true, later: "the later snapshot" };

/// What would be markup, or would disguise it.
const HOSTILE: [&str; 16] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=alert(1) x=\"",
    "'><svg/onload=alert(1)>",
    "</td></tr></table></title></style>",
    "<!--",
    "-->",
    "]]>",
    "<![CDATA[",
    "&lt;b&gt;&#60;&amp;",
    "\u{202e}gnp.exe\u{2066}\u{61c}",
    "\0",
    "\r\x1b[2J\t",
    "<secret 0123abcd>",
    "<plaintext><textarea><base href=//x>",
    "{{x}}${x}",
];

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop_oneof![select(HOSTILE.as_slice()).prop_map(|text| text.as_bytes().to_vec()), vec(any::<u8>(), 0..6)];
    vec(piece, 1..5).prop_map(|pieces| pieces.concat().into_iter().filter(|byte| *byte != b'\n').collect())
}

fn page(path: &[u8], why: &str, inside: &Inside) -> String {
    let mut out = Vec::new();
    let title = html! { "Of " (shown::path(path)) };
    begin(&mut out, "Kind", &title, &text::stored_path(path), &html! {}).unwrap();
    let problem = Problem { path: path.to_vec(), why: why.to_string() };
    out.extend(problems(&[problem]).into_string().into_bytes());
    let mut spool = Spool::new().unwrap();
    CONTENTS.write(&mut spool, inside, &text::stored_path(path)).unwrap();
    spool.pour(&mut out).unwrap();
    end(&mut out, true).unwrap();
    String::from_utf8(out).unwrap()
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    page.select(&Selector::parse(selector).unwrap()).map(|element| element.text().collect()).collect()
}

/// Elements that pages are made of; none of them runs or fetches anything.
const ELEMENTS: &str = "html head meta title style body main header footer section article h1 h2 h3 p ul li dl dt dd div span strong small \
    table caption thead tbody tr th td code bdi time ins del a details summary";
const ATTRIBUTES: &str = "charset http-equiv content name lang id class scope colspan href datetime title tabindex role aria-label aria-hidden \
    aria-labelledby";

fn stranger(page: &Html) -> Option<String> {
    let elements = page.root_element().descendent_elements();
    let mut strangers = elements.filter_map(|element| {
        let value = element.value();
        let is_known = ELEMENTS.split_whitespace().any(|name| name == value.name());
        let attributes = || value.attrs().map(|(name, _)| name);
        let known = |name: &str| ATTRIBUTES.split_whitespace().any(|known| known == name);
        (!is_known || !attributes().all(known)).then(|| format!("{value:?}"))
    });
    strangers.next()
}

proptest! {
    #[test]
    fn lines_and_names_are_text(lines in vec(hostile(), 1..6), path in hostile(), why in hostile()) {
        let why = String::from_utf8_lossy(&why).into_owned();
        let after: Vec<u8> = lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
        let inside = Inside::Compared { outcome: Outcome::Text { before: Vec::new(), after }, gave_up: Vec::new() };
        let made = page(&path, &why, &inside);
        let page = Html::parse_document(&made);
        prop_assert_eq!(stranger(&page), None);
        let expected: Vec<String> = lines.iter().map(|line| content::fragment(line)).collect();
        prop_assert_eq!(texts(&page, "tr.added td.c bdi"), expected);
        let shown = text::stored_path(&path);
        prop_assert_eq!(texts(&page, "h1 .path"), [shown.clone()]);
        prop_assert_eq!(texts(&page, "title"), [shown.clone()]);
        prop_assert_eq!(texts(&page, ".problems li"), [format!("{shown}: {}", text::plain(&why))]);
        let label = page.select(&Selector::parse(".code").unwrap()).next().unwrap().attr("aria-label").unwrap().to_string();
        prop_assert_eq!(label, format!("Lines of {shown}"));
        let is_unsafe = |sign: char| sign.is_control() && !"\n\t".contains(sign) || matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!made.contains(is_unsafe));
    }

    #[test]
    fn places_and_values_are_text(parts in vec(hostile(), 4), format in select(vec!["JSON", "SQL", "certificate"])) {
        let texts_of: Vec<String> = parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let [key, value, before, after] = &texts_of[..] else { unreachable!() };
        let steps = vec![Step::Item { key: "id".into(), value: value.clone() }, Step::Key(key.clone())];
        let change = Change::new(Place(steps), ChangeKind::Changed, Some(before.clone()), Some(after.clone()));
        let outcome = Outcome::Structured { format, changes: vec![change] };
        let page = Html::parse_document(&page(b"x", "y", &Inside::Compared { outcome, gave_up: Vec::new() }));
        prop_assert_eq!(stranger(&page), None);
        prop_assert_eq!(texts(&page, "td.before"), [text::plain(before)]);
        prop_assert_eq!(texts(&page, "td.after"), [text::plain(after)]);
        prop_assert_eq!(texts(&page, "th.where").len(), 1);
    }
}

#[test]
fn what_is_cut_is_counted() {
    let after: Vec<u8> = (0..1500).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let inside = Inside::Compared { outcome: Outcome::Text { before: Vec::new(), after }, gave_up: Vec::new() };
    let lines = Html::parse_document(&page(b"a", "b", &inside));
    assert_eq!(texts(&lines, "tr.added").len(), 999);
    assert_eq!(texts(&lines, "p.cut"), ["501 more lines are not shown."]);
    let change = |number: u64| Change::new(Place(vec![Step::Index(number)]), ChangeKind::Added, None, Some("1".into()));
    let outcome = Outcome::Structured { format: "JSON", changes: (0..13_345).map(change).collect() };
    let changes = Html::parse_document(&page(b"a", "b", &Inside::Compared { outcome, gave_up: Vec::new() }));
    assert_eq!(texts(&changes, ".changes td.kind").len(), 1000);
    assert_eq!(texts(&changes, "p.cut"), ["12,345 more changes are not shown."]);
}

/// The variables of the style sheet's first block behind `mark`.
fn colors(mark: &str) -> HashMap<String, [f64; 3]> {
    let sheet = include_str!("page.css");
    let block = sheet[sheet.find(mark).unwrap()..].split_once(":root").unwrap().1.split('}').next().unwrap();
    let variables = block.split(';').filter_map(|declaration| declaration.split_once(": #"));
    let channel = |hex: &str, at: usize| match hex.len() {
        3 => u8::from_str_radix(&hex[at..=at].repeat(2), 16).unwrap(),
        _ => u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap(),
    };
    let color = |hex: &str| [0, 1, 2].map(|at| f64::from(channel(hex, at)) / 255.0);
    variables.map(|(name, hex)| (name.rsplit("--").next().unwrap().to_string(), color(hex))).collect()
}

/// As the guidelines for accessible content (WCAG 2) have it.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let light = |color: [f64; 3]| {
        let linear = |part: f64| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2]) + 0.05
    };
    let (one, other) = (light(one), light(other));
    one.max(other) / one.min(other)
}

#[test]
fn text_stands_out_from_what_is_behind_it_in_light_dark_and_print() {
    let pairs = [
        ("ink", "paper"),
        ("ink", "soft"),
        ("muted", "paper"),
        ("muted", "soft"),
        ("link", "paper"),
        ("added", "paper"),
        ("added", "added-bg"),
        ("removed", "paper"),
        ("removed", "removed-bg"),
        ("changed", "paper"),
        ("changed", "soft"),
        ("changed", "added-bg"),
        ("changed", "removed-bg"),
        ("muted", "added-bg"),
        ("muted", "removed-bg"),
        ("secret", "secret-bg"),
        ("warn", "warn-bg"),
        ("warn", "paper"),
        ("ink", "warn-bg"),
        ("link", "warn-bg"),
        ("added", "soft"),
        ("removed", "soft"),
    ];
    for mark in [":root", "prefers-color-scheme: dark", "@media print"] {
        let colors = colors(mark);
        for (front, behind) in pairs {
            let ratio = contrast(colors[front], colors[behind]);
            assert!(ratio >= 4.5, "{mark}: {front} on {behind} has {ratio:.2}");
        }
    }
}
