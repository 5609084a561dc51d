// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pages of `diff --html` and `history --html`: what stands in them, where they go, and what a browser makes of them.

mod browser;
mod live;
mod scene;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use scraper::{Html, Selector};

use self::scene::{SECRETS, changed, damage, night};
use crate::sandbox::Sandbox;

fn texts(page: &Html, selector: &str) -> Vec<String> {
    page.select(&Selector::parse(selector).unwrap()).map(|element| element.text().collect()).collect()
}

fn is_there(page: &Html, selector: &str, text: &str) -> bool {
    texts(page, selector).iter().any(|found| found.contains(text))
}

#[test]
fn a_page_tells_which_paths_changed_by_folder_and_what_changed_inside() {
    let sandbox = night();
    let run = sandbox.ok(&["diff", "latest~1", "latest", "--html", "page.html"]);
    assert!(run.out.starts_with("page.html written\n2 added, 2 removed, "), "{run:?}");
    let page = Html::parse_document(&fs::read_to_string(sandbox.path("src/page.html")).unwrap());
    assert_eq!(texts(&page, "title"), ["What changed on web01"]);
    for text in ["web01", "before-upgrade", "after-upgrade", "+00:00"] {
        assert!(is_there(&page, ".sides td", text), "{text}");
    }
    assert_eq!(texts(&page, ".sides .id").iter().map(String::len).collect::<Vec<_>>(), [64, 64]);
    let folders = texts(&page, ".paths th[scope=rowgroup] .path");
    assert_eq!(folders, ["/", "/etc/", "/etc/ssl/", "/var/"]);
    let rows = texts(&page, ".paths td.kind");
    for kind in ["+ added", "- removed", "M modified", "R renamed"] {
        assert!(rows.iter().any(|row| row == kind), "{kind}: {rows:?}");
    }
    assert!(
        is_there(&page, ".paths small", "from /etc/old-name") && is_there(&page, ".paths small", "mode 0644 -> 0600")
    );
    assert!(is_there(&page, ".paths td.size", " → "));
    let row = |path: &str, cells: [&str; 4]| {
        let article = page
            .select(&Selector::parse("article").unwrap())
            .find(|article| article.text().collect::<String>().contains(path));
        let rows = article
            .unwrap_or_else(|| panic!("{path}"))
            .select(&Selector::parse("tbody tr").unwrap())
            .map(|row| row.text().collect::<String>())
            .collect::<Vec<_>>();
        assert!(rows.iter().any(|row| cells.iter().all(|cell| row.contains(cell))), "{path} {cells:?}: {rows:?}");
    };
    row("settings.json", ["changed", "db.port", "5432", "5433"]);
    row("site.sql", ["changed", "[id=1].name", "ann", "anne"]);
    row("site.sql", ["added", "[id=3]", "id=3, name=new", ""]);
    assert!(is_there(&page, ".changes th[scope=rowgroup]", "public.users"));
    row("settings.json", ["db.password", "<secret ", "<secret ", "changed"]);
    row("hosts", ["+", "10.0.0.2 db", "", ""]);
    assert!(is_there(&page, "p", "differ in 1 range."));
    assert!(texts(&page, "span.secret").len() >= 3);
    let links: BTreeSet<String> =
        page.select(&Selector::parse("a").unwrap()).map(|link| link.attr("href").unwrap()[1..].to_string()).collect();
    let places: BTreeSet<String> =
        page.select(&Selector::parse("article").unwrap()).map(|place| place.attr("id").unwrap().to_string()).collect();
    assert_eq!(links, places, "each file is led to from the table");
}

#[test]
fn certificates_are_told_by_field_with_days_to_their_end() {
    let sandbox = night();
    let page = Html::parse_document(&sandbox.ok(&["diff", "latest~1", "latest", "--html", "-"]).out);
    assert!(is_there(&page, ".changes th[scope=rowgroup]", "certificate CN=web.example.net"), "by part");
    for field in ["serial", "not_after", "fingerprint_sha256"] {
        assert!(is_there(&page, ".changes th.where", field), "{field}");
    }
    assert!(is_there(&page, ".changes td.after small", "the later snapshot"));
}

#[test]
fn a_page_of_a_history_has_what_changed_each_time() {
    let sandbox = night();
    let run = sandbox.ok(&["history", "etc/settings.json", "--html", "-"]);
    let page = Html::parse_document(&run.out);
    assert_eq!(texts(&page, "h1"), ["History of /etc/settings.json"]);
    let what = texts(&page, ".versions td.what");
    assert_eq!((what.len(), &what[0][..], what[1].starts_with("content")), (2, "created", true), "{what:?}");
    assert!(is_there(&page, "article .changes th.where", "db.port"));
    assert!(!run.out.contains(SECRETS[0]) && !run.out.contains(SECRETS[1]));
    let last = sandbox.ok(&["history", "etc/settings.json", "--html", "-", "--max-files", "1"]).out;
    let last = Html::parse_document(&last);
    assert_eq!(texts(&last, ".versions td.what").len(), 1);
    assert_eq!(texts(&last, "p.cut"), ["1 earlier entry is not shown."]);
}

#[test]
fn hostile_names_and_contents_are_text() {
    let names: [&[u8]; 8] = [
        b"<img src=x onerror=alert(1)>",
        b"<script>alert(1)<",
        b"\" onmouseover=\"alert(1)",
        b"\xff\xfe<b>",
        "\u{202e}gpj.exe".as_bytes(),
        b"new\nline\x1b[2J",
        b"&lt;i&gt;",
        b"<!-- ]]>",
    ];
    let sandbox = Sandbox::new();
    let place = |name: &[u8]| sandbox.path("src").join(OsStr::from_bytes(name));
    for generation in [&b"one\n"[..], b"</script></table><script>alert(1)</script><img src=x onerror=alert(1)>\0\n"] {
        names.iter().for_each(|name| fs::write(place(name), generation).unwrap());
        let description = "</title><script>alert(2)</script>";
        sandbox.ok(&["backup", ".", "--host", "<b onclick=x>", "--tag", "<i>", "--description", description]);
    }
    let made = sandbox.ok(&["diff", "latest~1", "latest", "--html", "-", "--text"]).out;
    let page = Html::parse_document(&made);
    let forbidden =
        "script, img, b, i, iframe, object, link, base, form, svg, [onclick], [onerror], [onmouseover], [src], [style]";
    assert_eq!(texts(&page, forbidden), [""; 0]);
    assert!(!made.contains(['\u{202e}', '\0', '\x1b']), "what would disguise the page is escaped");
    let shown = texts(&page, ".paths td .path");
    assert_eq!(shown.len(), names.len(), "{shown:?}");
    for name in
        ["<img src=x onerror=alert(1)>", "\\xff\\xfe<b>", "\\u{202e}gpj.exe", "new\\nline\\u{1b}[2J", "&lt;i&gt;"]
    {
        assert!(shown.iter().any(|found| found == name), "{name}: {shown:?}");
    }
    assert!(is_there(&page, "h1", "<b onclick=x>"));
    assert!(is_there(&page, "title", "<b onclick=x>"));
}

#[test]
fn no_secret_of_the_corpus_stands_in_a_page_unless_it_is_asked_for() {
    let sandbox = night();
    let page = |more: &[&str]| sandbox.ok(&[&["diff", "latest~1", "latest", "--html", "-"], more].concat()).out;
    for arguments in [&[][..], &["--text"], &["--no-renames"]] {
        let page = page(arguments);
        for secret in SECRETS {
            assert!(!page.contains(secret), "{secret} {arguments:?}");
        }
        assert!(page.contains("do not stand in this page"), "and that is said");
    }
    let revealed = page(&["--reveal", "--text"]);
    assert!(SECRETS.iter().all(|secret| revealed.contains(secret)));
    assert!(revealed.contains("This page shows passwords, keys and tokens as they are"));
    assert_eq!(texts(&Html::parse_document(&revealed), ".secret"), [""; 0]);
}

#[test]
fn what_a_page_leaves_out_is_said() {
    let lines: String = (0..300).map(|number| format!("line {number}\n")).collect();
    let sandbox = changed(&[("a/long", ""), ("a/one", "1"), ("b/two", "2")], |path| {
        fs::write(path("a/long"), &lines).unwrap();
        fs::write(path("a/one"), "11").unwrap();
        fs::write(path("b/two"), "22").unwrap();
    });
    let limits = ["--max-lines", "20", "--max-files", "2"];
    let page = |more: &[&str]| sandbox.ok(&[&["diff", "latest~1", "latest", "--html", "-"], more].concat()).out;
    let cut = Html::parse_document(&page(&limits));
    let said = texts(&cut, "p.cut");
    assert_eq!(
        said,
        ["1 more path is not shown, and what changed inside was not read.", "281 more lines are not shown."]
    );
    assert_eq!((texts(&cut, ".paths td.kind").len(), texts(&cut, "article").len()), (2, 2));
    assert_eq!(texts(&Html::parse_document(&page(&[])), "p.cut"), [""; 0]);
    let whole = [&["diff", "latest~1", "latest", "--html", "page.html"], &limits[..]].concat();
    let summary = sandbox.json(0, &whole).pop().unwrap()["summary"].clone();
    assert_eq!(
        (&summary["html"], &summary["paths_shown"], &summary["modified"]),
        (&"page.html".into(), &2.into(), &3.into())
    );
    let page = page(&[]);
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("), "nothing is fetched");
}

#[test]
fn a_content_that_can_not_be_read_is_named_at_the_top_and_gives_exit_code_3() {
    let sandbox = night();
    damage(&sandbox.path("repo/packs"));
    for (verb, more) in [("diff", &["latest~1", "latest"][..]), ("history", &["etc/hosts"])] {
        let run = sandbox.run(&[&[verb], more, &["--html", "page.html", "--force"]].concat());
        assert!(run.code == 3 && run.err.contains("warning: /etc/hosts"), "{verb}: {run:?}");
        let made = fs::read_to_string(sandbox.path("src/page.html")).unwrap();
        let page = Html::parse_document(&made);
        assert!(is_there(&page, ".problems h2", "Not everything could be read"), "{verb}");
        assert!(is_there(&page, ".problems li", "/etc/hosts"), "{verb}");
        let place = |mark: &str| made.find(mark).unwrap();
        assert!(place("class=\"problems\"") < place("class=\"facts\""), "{verb}: at the top");
        assert!(is_there(&page, "article .warning", "It can not be read"), "{verb}");
    }
    let text = sandbox.run(&["history", "etc/hosts", "--patch"]);
    assert!(text.code == 3 && text.out.contains("created"), "in text it is the same: {text:?}");
}

#[test]
fn a_page_is_a_new_file_or_standard_output() {
    let sandbox = changed(&[("a", "1")], |path| fs::write(path("a"), "2").unwrap());
    let diff = |more: &[&str]| sandbox.run(&[&["diff", "latest~1", "latest"], more].concat());
    fs::write(sandbox.path("src/page.html"), "mine").unwrap();
    let run = diff(&["--html", "page.html"]);
    assert!(run.code == 1 && run.err.contains("page.html is there already") && run.err.contains("--force"), "{run:?}");
    assert_eq!(fs::read_to_string(sandbox.path("src/page.html")).unwrap(), "mine");
    assert_eq!(diff(&["--html", "page.html", "--force"]).code, 0);
    let made = fs::read_to_string(sandbox.path("src/page.html")).unwrap();
    assert_eq!(diff(&["--html", "-"]).out, made, "the same page, and nothing else on standard output");
    assert_eq!(fs::metadata(sandbox.path("src/page.html")).unwrap().permissions().mode() & 0o777, 0o600);
    let left = fs::read_dir(sandbox.path("src"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".keepfast-"));
    assert_eq!(left.count(), 0, "no temporary file is left");
    assert_eq!(diff(&["--html", "page.html", "--force", "--exit-code"]).code, 1);
    let full = diff(&["--html", "/dev/full"]);
    assert!(full.code == 1 && full.err.contains("can not write /dev/full: No space left"), "{full:?}");
    for bad in [&["--html", "-", "--json"][..], &["--force"], &["--max-lines", "3"], &["--html", "x", "--name-status"]]
    {
        assert_eq!(diff(bad).code, 2, "{bad:?}");
    }
}
