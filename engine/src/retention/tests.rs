// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use keepfast_repo_format::id::WriterId;
use proptest::prelude::*;

use super::*;
use crate::history::Observation;

const HOUR: i64 = 3600;
const SECOND_NS: i64 = 1_000_000_000;

/// With clocks that are set forward and back, whatever the machine has installed.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn first(n: u32) -> Limit {
    Limit::First(NonZeroU32::new(n).unwrap())
}

fn local(text: &str) -> i64 {
    let time: DateTime = text.parse().unwrap();
    time.to_zoned(zone()).unwrap().timestamp().as_nanosecond() as i64
}

/// Reasons of snapshots at these local times, oldest first.
fn reasons(times: &[&str], policy: &Policy) -> Vec<String> {
    let times: Vec<i64> = times.iter().map(|time| local(time)).collect();
    let candidates: Vec<Candidate> = times.iter().map(|time| Candidate { started: *time, tags: &[] }).collect();
    let text = |reasons: &Vec<Reason>| reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    judge(&candidates, policy, &zone()).iter().map(text).collect()
}

fn counts(rules: &[(Period, Limit)]) -> Policy {
    Policy { counts: rules.to_vec(), ..Policy::default() }
}

#[test]
fn the_last_of_each_day_stays_and_every_rule_says_why() {
    let times = ["2026-10-30T03:00", "2026-10-31T03:00", "2026-11-01T03:00", "2026-11-01T12:00", "2026-11-02T03:00"];
    let policy = counts(&[(Period::Last, first(1)), (Period::Daily, first(3)), (Period::Weekly, first(1))]);
    assert_eq!(reasons(&times, &policy), ["", "daily 3", "", "daily 2", "last 1, daily 1, weekly 1"]);
}

#[test]
fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
    // Friday 1 January 2027 is in week 53 of 2026; Monday the 4th begins week 1.
    let times = ["2026-12-28T03:00", "2027-01-01T03:00", "2027-01-03T23:59", "2027-01-04T00:00"];
    assert_eq!(reasons(&times, &counts(&[(Period::Weekly, first(2))])), ["", "", "weekly 2", "weekly 1"]);
}

#[test]
fn quarters_and_years_are_those_of_the_calendar() {
    let times = ["2025-12-31T23:59", "2026-01-01T00:00", "2026-03-31T23:59", "2026-04-01T00:00"];
    let quarterly = counts(&[(Period::Quarterly, first(3))]);
    assert_eq!(reasons(&times, &quarterly), ["quarterly 3", "", "quarterly 2", "quarterly 1"]);
    assert_eq!(reasons(&times, &counts(&[(Period::Yearly, first(2))])), ["yearly 2", "", "", "yearly 1"]);
}

#[test]
fn a_rule_with_places_left_keeps_the_oldest_too() {
    let times = ["2026-11-01T03:00", "2026-11-01T04:00", "2026-11-01T05:00"];
    assert_eq!(reasons(&times, &counts(&[(Period::Yearly, first(2))])), ["oldest yearly", "", "yearly 1"]);
    assert_eq!(reasons(&times, &counts(&[(Period::Yearly, first(1))])), ["", "", "yearly 1"]);
}

#[test]
fn the_hour_that_comes_twice_in_autumn_is_two_hours() {
    let hour = |utc: &str| utc.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
    // 02:30 CEST, then 02:30 CET.
    let times = [hour("2026-10-25T00:30Z"), hour("2026-10-25T01:30Z")];
    let candidates = times.map(|started| Candidate { started, tags: &[] });
    let kept = judge(&candidates, &counts(&[(Period::Hourly, first(5))]), &zone());
    assert_eq!(kept, [[Reason::Count(Period::Hourly, 2)], [Reason::Count(Period::Hourly, 1)]]);
}

#[test]
fn a_length_of_time_counts_back_from_the_newest_snapshot_by_the_calendar() {
    let within = |text| Policy { within: vec![(Period::Last, Span::parse(text).unwrap())], ..Policy::default() };
    let times = ["2026-02-27T03:00", "2026-02-28T03:00", "2026-03-01T03:00", "2026-03-31T03:00"];
    // A month before 31 March is 28 February; what is exactly that old goes.
    assert_eq!(reasons(&times, &within("1m")), ["", "", "within 1m", "within 1m"]);
    assert_eq!(reasons(&times, &within("1m1h")), ["", "within 1m1h", "within 1m1h", "within 1m1h"]);
    let daily = Policy { within: vec![(Period::Daily, Span::parse("7d").unwrap())], ..Policy::default() };
    let times = ["2026-03-01T03:00", "2026-03-09T01:00", "2026-03-09T02:00", "2026-03-10T03:00"];
    assert_eq!(reasons(&times, &daily), ["", "", "daily within 7d", "daily within 7d"]);
}

#[test]
fn tags_keep_when_all_of_one_list_are_there() {
    let lists = [vec!["a".to_string(), "b".into()], vec!["c".into()]];
    let policy = Policy { tags: lists.to_vec(), ..Policy::default() };
    let tags = [vec!["a".to_string()], vec!["b".into(), "a".into()], vec!["c".into(), "x".into()]];
    let candidates: Vec<Candidate> = tags.iter().map(|tags| Candidate { started: 0, tags }).collect();
    let kept: Vec<Vec<String>> = judge(&candidates, &policy, &zone())
        .iter()
        .map(|reasons| reasons.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(kept, [vec![], vec!["tag a,b".to_string()], vec!["tag c".into()]]);
}

#[test]
fn spans_and_limits_are_read_and_nonsense_is_refused() {
    for (text, shown) in [("1y5m7d2h", "1y5m7d2h"), ("2h7d", "7d2h"), ("2w1d", "15d"), ("48h", "48h")] {
        assert_eq!(Span::parse(text).unwrap().to_string(), shown);
    }
    for text in ["", "7", "d", "7x", "-7d", "7d7d", "0d", "0y0h", "99999d", "7 d", "7D", "1.5d", "7dä"] {
        assert!(Span::parse(text).is_err(), "{text}");
    }
    assert_eq!(Limit::parse("unlimited"), Ok(Limit::Unlimited));
    assert_eq!(Limit::parse("-1"), Ok(Limit::Unlimited));
    assert_eq!(Limit::parse("7"), Ok(first(7)));
    assert_eq!(Limit::parse("0"), Err(PolicyError::KeepsNothing));
    for text in ["", "-2", "x", "7d", "4294967296"] {
        assert!(matches!(Limit::parse(text), Err(PolicyError::Limit { .. })), "{text}");
    }
    assert_eq!(Policy::default().check(), Err(PolicyError::Empty));
    assert!(counts(&[(Period::Daily, first(1))]).check().is_ok());
}

#[test]
fn groups_are_read_in_singular_and_plural() {
    assert_eq!(Grouping::parse("host,path"), Ok(Grouping::default()));
    assert_eq!(Grouping::parse("hosts, paths"), Ok(Grouping::default()));
    assert!(!Grouping::parse("").unwrap().has(By::Host));
    assert!(Grouping::parse("tag").unwrap().has(By::Tags));
    assert!(matches!(Grouping::parse("host,size"), Err(PolicyError::Grouping { .. })));
}

/// A bucket as a word, by another way than the code's.
fn word(period: Period, started: i64, place: usize) -> String {
    let zoned = Timestamp::from_nanosecond(started.into()).unwrap().to_zoned(zone());
    match period {
        Period::Last => place.to_string(),
        Period::Hourly => zoned.strftime("%Y-%m-%d %H %z").to_string(),
        Period::Daily => zoned.strftime("%Y-%m-%d").to_string(),
        Period::Weekly => zoned.strftime("%G-%V").to_string(),
        Period::Monthly => zoned.strftime("%Y-%m").to_string(),
        Period::Quarterly => format!("{} {}", zoned.year(), (zoned.month() + 2) / 3),
        Period::Yearly => zoned.strftime("%Y").to_string(),
    }
}

/// Which places a single count rule keeps, from a table of all buckets.
fn naive(times: &[i64], period: Period, limit: usize) -> BTreeSet<usize> {
    let mut newest: BTreeMap<String, usize> = BTreeMap::new();
    for (place, time) in times.iter().enumerate() {
        newest.insert(word(period, *time, place), place);
    }
    let mut kept: Vec<usize> = newest.into_values().collect();
    kept.sort_unstable_by(|a, b| b.cmp(a));
    let has_room = kept.len() < limit;
    kept.truncate(limit);
    kept.extend(has_room.then_some(0).filter(|_| !times.is_empty()));
    kept.into_iter().collect()
}

fn kept(times: &[i64], policy: &Policy) -> BTreeSet<usize> {
    let candidates: Vec<Candidate> = times.iter().map(|time| Candidate { started: *time, tags: &[] }).collect();
    let reasons = judge(&candidates, policy, &zone());
    (0..times.len()).filter(|place| !reasons[*place].is_empty()).collect()
}

fn any_period() -> impl Strategy<Value = Period> {
    prop::sample::select(Period::ALL.to_vec())
}

/// What happens in a repository, by hours from a moment in October 2026, so that clocks are set back on the way.
#[derive(Clone, Debug)]
enum Event {
    Backup { writer: u8 },
    Forget { writer: u8 },
}

fn events() -> impl Strategy<Value = BTreeMap<i64, Event>> {
    let event = prop_oneof![
        5 => (0..3_u8).prop_map(|writer| Event::Backup { writer }),
        1 => (0..3_u8).prop_map(|writer| Event::Forget { writer }),
    ];
    prop::collection::btree_map(0..3000_i64, event, 1..60)
}

/// Unix seconds of an hour of the history.
fn at(hour: i64) -> i64 {
    1_790_000_000 + hour * HOUR
}

/// The honest snapshots with their places in the log, and what the FORGET slots saw.
type Honest = (Vec<(i64, (WriterId, u64))>, Vec<Observation>, HashMap<WriterId, u64>);

fn replay(events: &BTreeMap<i64, Event>) -> Honest {
    let (mut backups, mut observations, mut heads) = (Vec::new(), Vec::new(), HashMap::new());
    for (hour, event) in events {
        let (Event::Backup { writer } | Event::Forget { writer }) = event;
        let writer = WriterId([*writer; 16]);
        let sequence = heads.get(&writer).map_or(0, |head| head + 1);
        heads.insert(writer, sequence);
        match event {
            Event::Backup { .. } => backups.push((at(*hour) * SECOND_NS, (writer, sequence))),
            Event::Forget { .. } => observations.push(Observation { time: at(*hour) as u64, seen: heads.clone() }),
        }
    }
    (backups, observations, heads)
}

/// The times that a policy judges, of those whose claim can be true.
fn dated(windows: &Windows, snapshots: &[(i64, (WriterId, u64))]) -> Vec<i64> {
    let mut times: Vec<i64> =
        snapshots.iter().filter(|(time, place)| windows.at(*place).holds(*time)).map(|(time, _)| *time).collect();
    times.sort_unstable();
    times
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_count_rule_keeps_what_a_table_of_buckets_says(
        mut hours in prop::collection::vec(0..30_000_i64, 0..40), period in any_period(), limit in 1..9_u32,
    ) {
        hours.sort_unstable();
        let times: Vec<i64> = hours.iter().map(|hour| at(*hour) * SECOND_NS / 2).collect();
        prop_assert_eq!(kept(&times, &counts(&[(period, first(limit))])), naive(&times, period, limit as usize));
        prop_assert_eq!(kept(&times, &counts(&[(period, Limit::Unlimited)])), naive(&times, period, usize::MAX));
    }

    #[test]
    fn an_honest_history_is_dated(events in events()) {
        let (backups, observations, _) = replay(&events);
        let windows = Windows::new(&observations, at(3000) as u64);
        prop_assert_eq!(dated(&windows, &backups).len(), backups.len());
    }

    /// Whatever is committed after the last FORGET, with whatever times: in hours, days, weeks that ended before that FORGET it
    /// takes nobody's place, and of the places of a rule it takes no more than there were hours, days, weeks since.
    #[test]
    fn a_flood_takes_no_place_in_the_past(
        events in events(),
        forget_at in 3000..3010_i64,
        hours_since in 0..100_i64,
        flood in prop::collection::vec((0..5_u8, prop_oneof![-3000..6000_i64, 3000..3110_i64]), 0..60),
        period in any_period().prop_filter("only times", |period| *period != Period::Last),
        limit in 1..40_u32,
        is_within in any::<bool>(),
    ) {
        let (honest, mut observations, mut heads) = replay(&events);
        observations.push(Observation { time: at(forget_at) as u64, seen: heads.clone() });
        let now = at(forget_at + hours_since);
        let windows = Windows::new(&observations, now as u64);
        let mut all = honest.clone();
        for (writer, hour) in flood {
            let writer = WriterId([writer; 16]);
            let sequence = heads.get(&writer).map_or(0, |head| head + 1);
            heads.insert(writer, sequence);
            all.push((at(hour) * SECOND_NS, (writer, sequence)));
        }
        // As if somebody had honestly backed up all the time since.
        let mut busy = dated(&windows, &honest);
        busy.extend((0..=hours_since).map(|hour| at(forget_at + hour) * SECOND_NS));
        busy.push(now * SECOND_NS + SECOND_NS - 1);
        let policy = if is_within {
            Policy { within: vec![(period, Span::parse(&format!("{limit}d")).unwrap())], ..Policy::default() }
        } else {
            counts(&[(period, first(limit))])
        };
        let times = dated(&windows, &all);
        let stays: BTreeSet<i64> = kept(&times, &policy).into_iter().map(|place| times[place]).collect();
        let border = word(period, at(forget_at) * SECOND_NS, 0);
        for place in kept(&busy, &policy) {
            let time = busy[place];
            if time < at(forget_at) * SECOND_NS && word(period, time, 0) != border {
                prop_assert!(stays.contains(&time), "{} was pushed out", time);
            }
        }
    }
}

#[test]
fn a_window_is_bounded_by_the_observations_around_it() {
    let (own, other) = (WriterId([1; 16]), WriterId([2; 16]));
    let observation = |time, own_seen, other_seen| Observation {
        time,
        seen: [(own, own_seen)].into_iter().chain(Option::map(other_seen, |seen| (other, seen))).collect(),
    };
    let observations = [observation(100, 3, Some(0)), observation(200, 5, None), observation(300, 7, Some(4))];
    let windows = Windows::new(&observations, 400);
    let window = |from: i64, until: i64| Window { from, until: until * SECOND_NS + SECOND_NS - 1 };
    assert_eq!(windows.at((own, 0)), window(i64::MIN, 100));
    assert_eq!(windows.at((other, 0)), window(i64::MIN, 100), "what was seen once stays seen");
    assert_eq!(windows.at((own, 4)), window(100 * SECOND_NS, 200));
    assert_eq!(windows.at((other, 1)), window(200 * SECOND_NS, 300));
    assert_eq!(windows.at((own, 8)), window(300 * SECOND_NS, 400), "nobody has seen it yet");
    assert!(windows.is_observed((own, 7)) && !windows.is_observed((own, 8)));
    assert_eq!(Windows::new(&[], 9).at((own, 1)), window(i64::MIN, 9), "nothing is known of a time before the first");
}
