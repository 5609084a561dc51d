// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole systems on stand-ins: captured, destroyed and brought back by the built-in profiles.

mod contrail;
mod documents;
mod juju;
mod standin;
mod zookeeper;
