// SPDX-License-Identifier: MIT OR Apache-2.0
//! keepfast without a face: everything the program does, silently.
//!
//! Reading order, each layer importing only from those before it: `error`, `events`; `index`, `session`; `repository`;
//! `writer`, `reader`; `source`, `target`; then one module per operation. Operations never import each other.

pub mod events;
pub mod index;
pub mod source;
pub mod target;
