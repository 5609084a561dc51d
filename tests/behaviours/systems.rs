// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole systems on stand-ins: captured, destroyed and brought back by the built-in profiles.

mod claims;
mod contrail;
mod databases;
mod documents;
mod iml;
mod juju;
mod puppet_enterprise;
mod reach;
mod ssr_conductor;
mod standin;
mod zookeeper;
