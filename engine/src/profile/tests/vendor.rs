// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of vendors' archives.

use jiff::tz::{Offset, TimeZone};

use crate::profile::{Named, ProfileError, Vendor};

/// 2026-11-01T00:00Z.
const DAY: i64 = 1_793_491_200_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

fn vendor(name: &str, time: &str) -> Vendor {
    Vendor { id: "x".into(), name: name.into(), time: time.into(), ..Vendor::default() }
}

#[test]
fn a_name_tells_host_and_time_as_they_are_written() {
    let vendor = vendor(r"^b-(?P<host>.+)-(?P<time>\d{4}-\d\d-\d\d)\.tgz$", "%Y-%m-%d");
    let named = Named { host: Some("db-1.example".into()), time: Some("2026-11-01".into()) };
    assert_eq!(vendor.named("p", "b-db-1.example-2026-11-01.tgz").unwrap(), Some(named));
    for other in ["b-db-2026-11-01.tgz.part", "2026-11-01.tgz", ""] {
        assert_eq!(vendor.named("p", other).unwrap(), None, "{other}");
    }
}

#[test]
fn a_pattern_is_for_the_whole_name() {
    let vendor = vendor(r"dump.*\.json|x", "");
    for (name, expected) in [("dump-1.json", true), ("x", true), ("dump.json.gz", false), ("my-dump.json", false)] {
        assert_eq!(vendor.named("p", name).unwrap().is_some(), expected, "{name}");
    }
}

#[test]
fn a_pattern_that_is_none_is_named_with_its_profile() {
    let error = vendor("b-(", "").named("p", "b").unwrap_err();
    assert!(matches!(error, ProfileError::Invalid { ref name, .. } if name == "p"), "{error}");
}

#[test]
fn a_written_time_is_local_unless_it_names_a_zone() {
    let east = TimeZone::fixed(Offset::constant(2));
    let table = [
        ("%Y%m%d-%H%M", "20261101-0300", Some(DAY + HOUR)),
        ("%Y-%m-%d-%H:%M:%S", "2026-11-01-03:00:07", Some(DAY + HOUR + 7_000_000_000)),
        ("%Y-%m-%d", "2026-11-01", Some(DAY - 2 * HOUR)),
        ("%Y%m%dT%H%M%S%z", "20261101T030000+0100", Some(DAY + 2 * HOUR)),
        // The day twice and no month tell no date, whatever stands there.
        ("%Y-%d-%d", "2026-01-01", None),
        ("%Y-%d-%d", "2026-11-01", None),
        ("%Y-%m-%d", "2026-13-01", None),
        ("", "", None),
        ("", "2026-11-01", None),
    ];
    for (format, written, expected) in table {
        assert_eq!(vendor("", format).time_of(written, &east), expected, "{format}: {written}");
    }
}

#[test]
fn a_time_is_written_as_the_vendor_does() {
    let table = [("%Y-%d-%d", "2026-01-01"), ("%Y%m%d-%H%M", "20261101-0000"), ("", "20261101-000000")];
    for (format, expected) in table {
        assert_eq!(vendor("", format).written(DAY, &TimeZone::UTC).as_deref(), Some(expected), "{format}");
    }
    assert_eq!(vendor("", "%!").written(DAY, &TimeZone::UTC), None);
}

#[test]
fn content_is_compared_with_how_it_has_to_begin() {
    let vendor = Vendor { starts: Some(r"-- dump\n|--\n-- cluster".into()), ..Vendor::default() };
    for (content, expected) in [("-- dump\nx", true), ("--\n-- cluster", true), (" -- dump\n", false), ("", false)] {
        assert_eq!(vendor.begins("p", content.as_bytes()).unwrap(), expected, "{content:?}");
    }
    assert!(Vendor::default().begins("p", b"\xff").unwrap());
    assert!(Vendor { starts: Some("(".into()), ..Vendor::default() }.begins("p", b"").is_err());
}
