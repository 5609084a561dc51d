// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asking the user, who sits at the terminal or is not there.

use std::io::{self, IsTerminal, Write};

use crate::exit::Failure;

/// Says what the question is about, asks it, and takes anything but yes for no.
///
/// # Errors
/// There is nobody to ask.
pub fn ask(about: &str, question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage(format!("there is no terminal to ask: {question} --yes says so")));
    }
    let mut stderr = io::stderr();
    // Whoever can not read the question answers no.
    let _ = write!(stderr, "{about}\n{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::other(format!("can not read the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
