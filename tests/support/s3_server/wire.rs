// SPDX-License-Identifier: MIT OR Apache-2.0
//! Just enough HTTP/1.1 for the S3 server of the tests: requests with a `Content-Length`, answers with one.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use super::fault::Fault;

/// A slow reader takes this much ...
const SLOW_PIECE_BYTES: usize = 128 << 10;

/// ... and then waits.
const SLOW_PAUSE: Duration = Duration::from_millis(10);

/// A request that was read.
pub struct Request {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The fault that is about how it was read.
    pub manner: Option<Fault>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.as_str()))
    }

    pub fn path(&self) -> String {
        decoded(self.target.split('?').next().unwrap())
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find_map(|(found, value)| (found == name).then(|| decoded(&value.replace('+', " "))))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Reads the next request; `None` at the end of the connection. `manner` is asked when the head was read.
pub fn read_request(stream: &mut TcpStream, manner: impl FnOnce(&Request) -> Option<Fault>) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_string(), first.next()?.to_string());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_string(), value.trim().to_string())).collect();
    let mut request = Request { method, target, headers, body: Vec::new(), manner: None };
    request.manner = manner(&request);
    if let Some(Fault::Deaf) = request.manner {
        return Some(request);
    }
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    match request.manner {
        Some(Fault::ReadsSlowly) => {
            for piece in request.body.chunks_mut(SLOW_PIECE_BYTES) {
                stream.read_exact(piece).ok()?;
                std::thread::sleep(SLOW_PAUSE);
            }
        }
        _ => stream.read_exact(&mut request.body).ok()?,
    }
    Some(request)
}

/// An answer to be sent.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether all of the body is sent, and the connection goes on.
    pub is_whole: bool,
    /// Whether the connection stays open, silent, after a part of the body.
    pub holds_open: bool,
}

impl Answer {
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, is_whole: true, holds_open: false }
    }

    /// With this header, in place of an earlier one.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(found, value)| (found == name).then_some(value.as_str()))
    }

    pub fn bytes(&self, method: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if method != "HEAD" {
            let sent = if self.is_whole { self.body.len() } else { self.body.len() / 2 };
            bytes.extend_from_slice(&self.body[..sent]);
        }
        bytes
    }
}

/// An error as S3 words it.
pub fn error(status: u16, code: &str) -> Answer {
    let xml = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>planned {code}</Message></Error>");
    Answer::new(status, xml.into_bytes())
}
