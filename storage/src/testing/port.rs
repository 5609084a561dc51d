// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports of the loopback for servers that tests start.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A port of 127.0.0.1 that the kernel gives to nobody else while this lives, not even for the near end of a connection: a socket is
/// bound to it and does not listen. A server that sets `SO_REUSEADDR` may listen there, one at a time; while none does,
/// connections are refused.
pub struct Port {
    _bound: OwnedFd,
    number: u16,
}

impl Port {
    /// A port that is free.
    pub fn reserve() -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        sockopt::set_socket_reuseaddr(&socket, true).expect("an option of every socket");
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = SocketAddr::try_from(getsockname(&socket).expect("it is bound")).expect("it is of the internet");
        Self { number: address.port(), _bound: socket }
    }

    /// Reserves it for as long as the process lives; its number.
    pub fn keep(self) -> u16 {
        std::mem::forget(self._bound);
        self.number
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
