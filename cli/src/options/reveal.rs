// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether secrets are shown in what comes out of files.

use keepfast_engine::compare::Mask;
use keepfast_engine::reader::Reader;

/// What hides secrets, unless `reveal` asks for them. Fingerprints are the same in all commands on one repository.
pub fn mask(reader: &Reader, reveal: bool) -> Mask {
    if reveal { Mask::reveal() } else { Mask::keyed(reader.fingerprint_key()) }
}
