// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages in headless Chromium, as wide as a telephone and as a desk has it. Each test says so where there is no Chromium.
//!
//! A copy of the page stands in a frame of the wanted width and measures itself; what it found is read from the outer page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scraper::{Html, Selector};
use serde_json::Value;

use super::scene::night;
use crate::sandbox::Sandbox;

/// What a page says of itself in a frame.
const MEASURE: &str = r#"<script>
const all = selector => [...document.querySelectorAll(selector)];
const inBox = element => element.closest(".code, .hidden") !== null;
const tooWide = all("body *").filter(e => !inBox(e) && e.getBoundingClientRect().right > innerWidth + 1);
const seen = element => element.checkVisibility() && element.getBoundingClientRect().height > 0;
parent.postMessage(JSON.stringify({
  width: innerWidth,
  scroll: document.documentElement.scrollWidth,
  wide: tooWide.slice(0, 5).map(e => e.outerHTML.slice(0, 200)),
  boxes: all(".code").map(e => [e.clientWidth, e.scrollWidth]),
  headings: all("h1, h2, h3").filter(seen).map(e => e.tagName + " " + e.innerText),
  rows: all(".paths tbody tr:not(.group)").filter(seen).length,
  folders: all(".paths .group").filter(seen).map(e => e.innerText),
  changes: all(".changes tbody tr:not(.group)").filter(seen).length,
  lines: all(".patch tbody tr").filter(seen).map(e => e.innerText),
  small: all("body *").filter(e => seen(e) && e.innerText && parseFloat(getComputedStyle(e).fontSize) < 11).length,
  text: document.body.innerText,
}), "*");
</script>"#;

/// The outer page: frames, and what they tell, by width.
const OUTER: &str = r#"<!DOCTYPE html><meta charset="utf-8"><pre id="told"></pre><script>
addEventListener("message", event => { document.getElementById("told").textContent += event.data + "\n"; });
</script>"#;

const WIDTHS: [u32; 2] = [360, 1400];

/// The browser that a variable names, or one in `PATH`.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("KEEPFAST_CHROMIUM") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "chrome-headless-shell", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    let found = folders.find_map(|folder| names.map(|name| folder.join(name)).into_iter().find(|file| file.is_file()));
    if found.is_none() {
        println!("not tested here: no Chromium in PATH, and KEEPFAST_CHROMIUM names none");
    }
    found
}

/// What the page says of itself at each width; `None` without a browser, which is said.
fn measured(sandbox: &Sandbox, page: &str) -> Option<Vec<Value>> {
    let browser = chromium()?;
    let policy = page.find("<meta http-equiv").unwrap();
    let end = policy + page[policy..].find('>').unwrap() + 1;
    // The policy lets no script run: the copy goes without.
    let copy = format!("{}{}", &page[..policy], &page[end..]).replace("</body>", &format!("{MEASURE}</body>"));
    fs::write(sandbox.path("copy.html"), copy).unwrap();
    let frame =
        |width: &u32| format!("<iframe src=\"copy.html\" style=\"border:0;width:{width}px;height:900px\"></iframe>");
    let outer = format!("{OUTER}{}", WIDTHS.iter().map(frame).collect::<String>());
    fs::write(sandbox.path("outer.html"), outer).unwrap();
    // On a machine with much to do the browser may end before its frames have told anything.
    let mut seen = Vec::new();
    for _ in 0..3 {
        let dom = Html::parse_document(&dumped(&browser, sandbox, &sandbox.path("outer.html")));
        let told: String = dom.select(&Selector::parse("#told").unwrap()).flat_map(|told| told.text()).collect();
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |width: &u32| told.iter().find(|measure| measure["width"] == *width).cloned();
        if let Some(measured) = WIDTHS.iter().map(of).collect() {
            return Some(measured);
        }
        seen = told;
    }
    panic!("the browser does not show every width: {seen:?}")
}

/// The document that the browser makes of a file. The pages are our own, so that it runs without its sandbox, which root may not have and
/// containers often lack.
fn dumped(browser: &Path, sandbox: &Sandbox, file: &Path) -> String {
    let out = fs::File::create(sandbox.path("dom.html")).unwrap();
    let profile = format!("--user-data-dir={}", sandbox.text("profile"));
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
    ]);
    command.args(["--virtual-time-budget=20000", "--window-size=1800,1000", "--dump-dom", &profile]);
    command.arg(format!("file://{}", file.display())).env("HOME", sandbox.path("home"));
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} does not end", browser.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::read_to_string(sandbox.path("dom.html")).unwrap()
}

fn list(measure: &Value, name: &str) -> Vec<String> {
    measure[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}

/// At either width nothing makes the page scroll sideways, nothing is too small to be read, and what is wide scrolls in its own box.
fn assert_fits(measure: &Value) {
    let width = &measure["width"];
    assert!(measure["scroll"].as_u64() <= width.as_u64(), "{width}: {}", measure["scroll"]);
    assert_eq!(list(measure, "wide"), [""; 0], "{width}: beyond the edge");
    assert_eq!(measure["small"], 0, "{width}: too small to be read");
}

#[test]
fn a_page_of_differences_shows_everything_at_both_widths() {
    let sandbox = night();
    let deep = format!("src/etc/{}", "long-folder-name/".repeat(12));
    fs::create_dir_all(sandbox.path(&deep)).unwrap();
    fs::write(sandbox.path(&format!("{deep}{}.conf", "w".repeat(200))), "x = 1\n").unwrap();
    sandbox.ok(&["backup", ".", "--host", "web01"]);
    let page = sandbox.ok(&["diff", "latest~2", "latest", "--html", "-"]).out;
    let Some(measures) = measured(&sandbox, &page) else { return };
    for measure in &measures {
        assert_fits(measure);
        let (width, text) = (&measure["width"], measure["text"].as_str().unwrap());
        let headings = list(measure, "headings");
        for heading in
            ["H1 What changed on web01", "H2 Changed paths", "H2 What changed inside", "H3 /etc/settings.json"]
        {
            assert!(headings.iter().any(|found| found == heading), "{width}: {heading}: {headings:?}");
        }
        let folders = list(measure, "folders");
        assert!(folders.iter().any(|folder| folder.starts_with("/etc/ssl/")), "{width}: {folders:?}");
        assert_eq!(
            measure["rows"],
            Html::parse_document(&page).select(&Selector::parse(".paths td.kind").unwrap()).count()
        );
        assert!(measure["changes"].as_u64().unwrap() > 500, "{width}: each changed user has a row");
        let lines = list(measure, "lines");
        assert!(lines.iter().any(|line| line.contains('+') && line.contains("10.0.0.2 db")), "{width}: {lines:?}");
        for shown in
            ["db.port", "5432", "5433", "public.users", "certificate CN=web.example.net", "<secret ", "R renamed"]
        {
            assert!(text.contains(shown), "{width}: {shown}");
        }
        assert!(text.contains(&"w".repeat(200)) && text.contains("99,9") && text.contains("more bytes"), "{width}");
        let boxes = measure["boxes"].as_array().unwrap();
        assert!(
            boxes.iter().any(|size| size[1].as_u64() > size[0].as_u64()),
            "{width}: wide lines scroll in their box"
        );
    }
}

#[test]
fn a_page_of_a_history_shows_everything_at_both_widths() {
    let sandbox = night();
    for name in ["etc/settings.json", "var/oneline.txt"] {
        let page = sandbox.ok(&["history", name, "--html", "-"]).out;
        let Some(measures) = measured(&sandbox, &page) else { return };
        for measure in &measures {
            assert_fits(measure);
            let headings = list(measure, "headings");
            assert!(headings.contains(&format!("H1 History of /{name}")), "{headings:?}");
            assert_eq!(headings.iter().filter(|heading| heading.starts_with("H3 20")).count(), 2, "{headings:?}");
            let text = measure["text"].as_str().unwrap();
            assert!(text.contains("created") && text.contains("web01"), "{text}");
        }
    }
}
