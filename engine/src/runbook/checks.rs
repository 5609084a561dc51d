// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must be true before and after a step.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::execute::{Fault, Sink, execute};
use super::{Command, Place};

/// How long one port is tried.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long one script of a check may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// sshd's.
const SSH_PORT: u16 = 22;

/// Something that must be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// What.
    pub kind: TestKind,
    /// How long it may take to become true, in seconds.
    #[serde(default)]
    pub within: u64,
    /// What is wrong if it is not.
    pub says: String,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestKind {
    /// A script that ends with 0.
    Run(Command),
    /// A TCP port that answers.
    Port {
        /// Where.
        address: String,
        /// Which.
        port: u16,
    },
    /// A TCP port at which nobody gets in: it refuses, or nothing answers.
    Closed {
        /// Where.
        address: String,
        /// Which.
        port: u16,
    },
    /// An address that answers at none of these ports. One that refuses is alive.
    Offline {
        /// Where.
        address: String,
        /// Which; empty: that of ssh.
        ports: Vec<u16>,
    },
}

impl Test {
    /// Looks until it is true, or for as long as it may take. What was found instead is in the error.
    ///
    /// # Errors
    /// It is not true; or the user wanted to stop.
    pub fn holds(&self, place: &Place, secrets: &BTreeMap<String, String>, sink: &dyn Sink) -> Result<(), Found> {
        let begun = Instant::now();
        loop {
            let found = match self.look(place, secrets, sink) {
                Ok(()) => return Ok(()),
                Err(found) => found,
            };
            if sink.cancelled() {
                return Err(Found::Cancelled);
            }
            if matches!(found, Found::Cancelled) || begun.elapsed().as_secs() >= self.within {
                return Err(found);
            }
            thread::sleep(PAUSE);
        }
    }

    fn look(&self, place: &Place, secrets: &BTreeMap<String, String>, sink: &dyn Sink) -> Result<(), Found> {
        match &self.kind {
            TestKind::Run(command) => match execute(place, command, secrets, None, Some(LIMIT), sink) {
                Ok(_) => Ok(()),
                Err(Fault::Cancelled) => Err(Found::Cancelled),
                Err(fault) => Err(Found::Other(fault.to_string())),
            },
            TestKind::Port { address, port } => match knock(address, *port) {
                Knocked::Open => Ok(()),
                Knocked::Refused => Err(Found::Other(format!("{address} port {port} refuses connections"))),
                Knocked::Silent(why) => Err(Found::Other(format!("{address} port {port} does not answer: {why}"))),
                Knocked::Unknown(why) => Err(Found::Other(why)),
            },
            TestKind::Closed { address, port } => match knock(address, *port) {
                Knocked::Open => Err(Found::Other(format!("{address} answers at port {port}"))),
                Knocked::Refused | Knocked::Silent(_) => Ok(()),
                Knocked::Unknown(why) => Err(Found::Other(why)),
            },
            TestKind::Offline { address, ports } => {
                let ports = if ports.is_empty() { &[SSH_PORT][..] } else { ports };
                for port in ports {
                    if sink.cancelled() {
                        return Err(Found::Cancelled);
                    }
                    match knock(address, *port) {
                        Knocked::Open => return Err(Found::Other(format!("{address} answers at port {port}"))),
                        Knocked::Refused => {
                            return Err(Found::Other(format!(
                                "{address} is up: it refuses connections to port {port}"
                            )));
                        }
                        Knocked::Silent(_) => {}
                        Knocked::Unknown(why) => return Err(Found::Other(why)),
                    }
                }
                Ok(())
            }
        }
    }

    /// The test as a person would do it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.kind {
            TestKind::Run(command) => command.shown(),
            TestKind::Port { address, port } => format!("{address} port {port} answers"),
            TestKind::Closed { address, port } => format!("{address} port {port} does not answer"),
            TestKind::Offline { address, ports } => {
                let ports = if ports.is_empty() { &[SSH_PORT][..] } else { ports };
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                format!("{address} does not answer at port {}", ports.join(", "))
            }
        }
    }
}

/// What was found in place of what must be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Something else.
    Other(String),
    /// Nothing: the user wanted to stop.
    Cancelled,
}

enum Knocked {
    Open,
    Refused,
    Silent(String),
    /// Whether it is up can not be told from here.
    Unknown(String),
}

fn knock(address: &str, port: u16) -> Knocked {
    let found = match (address, port).to_socket_addrs() {
        Ok(found) => found.collect::<Vec<_>>(),
        Err(error) => return Knocked::Unknown(format!("{address} is no address: {error}")),
    };
    let (mut refused, mut silent) = (false, None);
    let mut unknown = format!("{address} has no address");
    for socket in found {
        match TcpStream::connect_timeout(&socket, PATIENCE) {
            Ok(_) => return Knocked::Open,
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => refused = true,
                ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::HostUnreachable => {
                    silent = Some(error.to_string())
                }
                ErrorKind::NetworkUnreachable => {
                    unknown = format!("there is no way to {address} from here, so it may be up");
                }
                // A firewall of this machine, or no more ports here, tells nothing about the other one.
                _ => unknown = format!("can not try {address} port {port} from here: {error}"),
            },
        }
    }
    match silent {
        _ if refused => Knocked::Refused,
        Some(why) => Knocked::Silent(why),
        None => Knocked::Unknown(unknown),
    }
}
