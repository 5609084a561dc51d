// SPDX-License-Identifier: MIT OR Apache-2.0
//! One group of snapshots under a policy.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::period::Bucket;
use super::{Limit, Period, Policy, Reason, Span};

/// What retention looks at of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Unix nanoseconds.
    pub started: i64,
    /// Its tags.
    pub tags: &'a [String],
}

/// A rule on its way from the newest snapshot back.
struct Rule {
    period: Period,
    kind: Kind,
    kept: u32,
    last: Option<Bucket>,
}

enum Kind {
    Count(Limit),
    /// Only what is younger than this moment.
    Within(Span, Zoned),
}

/// Why each candidate is kept, in the order given; no reason: it is removed. `candidates` stand from the oldest to the newest.
pub fn judge(candidates: &[Candidate], policy: &Policy, zone: &TimeZone) -> Vec<Vec<Reason>> {
    let times: Vec<Zoned> = candidates.iter().map(|candidate| local(candidate.started, zone)).collect();
    let Some(latest) = times.iter().max() else { return Vec::new() };
    let counts = policy.counts.iter().map(|(period, limit)| (*period, Kind::Count(*limit)));
    let within = policy.within.iter().map(|(period, span)| (*period, Kind::Within(*span, span.before(latest))));
    let rule = |(period, kind)| Rule { period, kind, kept: 0, last: None };
    let mut rules: Vec<Rule> = counts.chain(within).map(rule).collect();
    let mut reasons = vec![Vec::new(); candidates.len()];
    for place in (0..candidates.len()).rev() {
        let is_oldest = place == 0;
        reasons[place].extend(rules.iter_mut().filter_map(|rule| rule.judge(&times[place], place, is_oldest)));
        let tags = candidates[place].tags;
        let kept = policy.tags.iter().filter(|wanted| wanted.iter().all(|tag| tags.contains(tag)));
        reasons[place].extend(kept.cloned().map(Reason::Tags));
    }
    reasons
}

impl Rule {
    fn judge(&mut self, time: &Zoned, place: usize, is_oldest: bool) -> Option<Reason> {
        let applies = match &self.kind {
            Kind::Count(limit) => limit.allows(self.kept),
            Kind::Within(_, after) => time > after,
        };
        let bucket = self.period.bucket(time, place);
        let is_new = self.last != Some(bucket);
        if !applies || !(is_new || is_oldest) {
            return None;
        }
        self.last = Some(bucket);
        self.kept += 1;
        Some(match self.kind {
            Kind::Count(_) if is_new => Reason::Count(self.period, self.kept),
            Kind::Count(_) => Reason::Oldest(self.period),
            Kind::Within(span, _) => Reason::Within(self.period, span),
        })
    }
}

fn local(nanoseconds: i64, zone: &TimeZone) -> Zoned {
    let time = Timestamp::from_nanosecond(nanoseconds.into()).expect("64 bits of nanoseconds are years 1677 to 2262");
    time.to_zoned(zone.clone())
}
