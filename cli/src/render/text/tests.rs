// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{count, counted, duration, path, plain, size};
use proptest::prelude::{any, proptest};

#[test]
fn sizes_have_three_digits_or_four() {
    let table = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (1024 * 1000, "0.98 MiB"),
        (72 << 20, "72.0 MiB"),
        (u64::MAX, "16.0 EiB"),
    ];
    for (bytes, text) in table {
        assert_eq!(size(bytes), text);
    }
}

#[test]
fn numbers_have_commas_and_nouns_a_plural() {
    assert_eq!((counted(2, "day"), counted(1, "day")), ("2 days".into(), "1 day".into()));
    assert_eq!(
        (count(0), count(999), count(1_000), count(1_234_567)),
        ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
    );
    assert_eq!(
        (counted(1, "file"), counted(2, "entry"), counted(0, "byte")),
        ("1 file".into(), "2 entries".into(), "0 bytes".into())
    );
}

#[test]
fn durations_are_read_at_a_glance() {
    assert_eq!(
        (duration(0.844), duration(192.2), duration(7503.0)),
        ("0.84 s".into(), "3 min 12 s".into(), "2 h 05 min".into())
    );
}

#[test]
fn paths_can_not_write_to_the_terminal() {
    assert_eq!(path("a\x1b[31mß\n\\".as_bytes()), "a\\u{1b}[31mß\\n\\\\");
    assert_eq!(path(b"a\xff\xc3b"), "a\\xff\\xc3b");
    assert_eq!(path("\u{202e}gpj.exe".as_bytes()), "\\u{202e}gpj.exe");
    assert_eq!(plain("x\x07\u{9b}"), "x\\u{7}\\u{9b}");
}

proptest! {
    #[test]
    fn no_path_prints_a_control_character(bytes in any::<Vec<u8>>()) {
        assert!(!path(&bytes).chars().any(char::is_control));
    }

    #[test]
    fn two_paths_never_look_the_same(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
        assert_eq!(a == b, path(&a) == path(&b));
    }
}
