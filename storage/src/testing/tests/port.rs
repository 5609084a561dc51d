// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports for servers that tests start.

use std::net::{TcpListener, TcpStream};

use crate::testing::Port;

#[test]
fn at_a_reserved_port_nobody_answers_until_one_server_listens_and_again_when_it_has_ended() {
    let port = Port::reserve();
    let address = ("127.0.0.1", port.number());
    for _ in 0..3 {
        assert!(TcpStream::connect(address).is_err());
        let server = TcpListener::bind(address).unwrap();
        assert!(TcpListener::bind(address).is_err());
        let near = TcpStream::connect(address).unwrap();
        drop(server.accept().unwrap());
        // Closing it is not enough: a process that another test is just starting listens, too, until it is another program.
        rustix::net::shutdown(&server, rustix::net::Shutdown::Both).unwrap();
        drop((near, server));
    }
}
