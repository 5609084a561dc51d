// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the `--keep` options to a policy of the engine.

use keepfast_engine::retention::{Limit, Period, Policy, PolicyError, Span};

use crate::args::KeepArgs;
use crate::exit::Failure;

/// The policy; without a rule if there was no option.
///
/// # Errors
/// A number that keeps nothing, or what is neither number nor length of time.
pub fn policy(args: &KeepArgs) -> Result<Policy, Failure> {
    let counts = [
        (Period::Last, &args.keep_last),
        (Period::Hourly, &args.keep_hourly),
        (Period::Daily, &args.keep_daily),
        (Period::Weekly, &args.keep_weekly),
        (Period::Monthly, &args.keep_monthly),
        (Period::Quarterly, &args.keep_quarterly),
        (Period::Yearly, &args.keep_yearly),
    ];
    let within = [
        (Period::Last, &args.keep_within),
        (Period::Hourly, &args.keep_within_hourly),
        (Period::Daily, &args.keep_within_daily),
        (Period::Weekly, &args.keep_within_weekly),
        (Period::Monthly, &args.keep_within_monthly),
        (Period::Quarterly, &args.keep_within_quarterly),
        (Period::Yearly, &args.keep_within_yearly),
    ];
    let tags = args.keep_tag.iter().map(|list| tags(list)).collect::<Result<_, _>>()?;
    Ok(Policy {
        counts: rules(counts, "--keep", Limit::parse)?,
        within: rules(within, "--keep-within", Span::parse)?,
        tags,
    })
}

/// Those options that were given, read by `parse`; a refusal names the option.
fn rules<T>(
    options: [(Period, &Option<String>); 7],
    stem: &str,
    parse: fn(&str) -> Result<T, PolicyError>,
) -> Result<Vec<(Period, T)>, Failure> {
    let given = options.into_iter().filter_map(|(period, text)| Some((period, text.as_ref()?)));
    let rule = |(period, text): (Period, &String)| {
        let option = match (stem, period) {
            ("--keep-within", Period::Last) => stem.to_string(),
            _ => format!("{stem}-{period}"),
        };
        parse(text).map(|rule| (period, rule)).map_err(|error| Failure::Usage(format!("{option} {text}: {error}")))
    };
    given.map(rule).collect()
}

fn tags(list: &str) -> Result<Vec<String>, Failure> {
    let tags: Vec<String> = list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_string).collect();
    if tags.is_empty() { Err(Failure::Usage("--keep-tag needs a tag".to_string())) } else { Ok(tags) }
}
