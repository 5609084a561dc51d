// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON of any size, also in one line: where the parts are that are left out; what is left is written as the mask has it.

mod omit;

use std::io::Write;

use super::{Report, Rules, Stop};
use crate::compare::Bytes;
use crate::compare::mask::json::{Plan, document, survey};

/// Writes it.
pub(super) fn write(bytes: &dyn Bytes, rules: &Rules, report: &mut Report, sink: &mut dyn Write) -> Result<(), Stop> {
    let named = survey::named(bytes)?;
    let mut cut = Vec::new();
    for path in rules.omit {
        cut.extend(omit::find(bytes, path)?);
    }
    report.omitted += cut.len() as u64;
    cut.sort_unstable();
    report.hidden += document(bytes, &Plan { named, cut }, rules.mask, 0, sink)?;
    Ok(())
}
