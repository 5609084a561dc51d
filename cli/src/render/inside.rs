// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed inside a path that differs: the one model that text, JSON and pages are made from.

use keepfast_engine::compare::{GaveUp, Outcome};
use keepfast_engine::{Error, Result};

use crate::render::text;

/// What changed inside.
pub enum Inside {
    /// It has no content that could be compared: no file, or a file with the same content.
    Nothing,
    /// The contents differ.
    Compared {
        /// How.
        outcome: Outcome,
        /// Readers of formats that gave up on the way.
        gave_up: Vec<GaveUp>,
    },
    /// A content can not be read.
    Unreadable(String),
}

impl Inside {
    /// What a comparison gave.
    ///
    /// # Errors
    /// The user asked to stop.
    pub fn of(compared: Result<(Outcome, Vec<GaveUp>)>) -> Result<Self> {
        match compared {
            Ok((outcome, gave_up)) => Ok(Self::Compared { outcome, gave_up }),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) => Ok(Self::Unreadable(text::error(&error))),
        }
    }
}
