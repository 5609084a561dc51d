// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small S3 service in this process, on a loopback port: put with `If-None-Match`, get with `Range`, head, list in pages,
//! delete. It keeps objects in memory, checks no signature, and fails where a test planned it. For tests of the backend and
//! of the whole program (`endpoint` of an `s3://` location); it is no model of any one service.

pub mod fault;
mod wire;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use self::fault::{Fault, Planned};
use self::wire::{Answer, Request, error, read_request};

/// The only bucket.
pub const BUCKET: &str = "bucket";

/// A running server. Dropping it ends every connection.
pub struct S3Server {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
}

struct Shared {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    plan: Mutex<Vec<Planned>>,
    /// `METHOD target` of every request, in order.
    log: Mutex<Vec<String>>,
    page_keys: AtomicUsize,
    has_bucket: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    /// Set at the end; whoever is silent waits for it.
    ended: (Mutex<bool>, Condvar),
}

impl S3Server {
    /// Starts one with an empty bucket.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            plan: Mutex::default(),
            log: Mutex::default(),
            page_keys: AtomicUsize::new(1000),
            has_bucket: AtomicBool::new(true),
            connections: Mutex::default(),
            ended: Default::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *accepting.ended.0.lock().unwrap() {
                    return;
                }
                accepting.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { shared, address }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A location under a prefix of the bucket.
    pub fn location(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint={}", self.endpoint())
    }

    /// The same as Google Cloud Storage, whose XML API is close enough.
    pub fn google_location(&self, prefix: &str) -> String {
        format!("gs://{BUCKET}/{prefix}?endpoint={}", self.endpoint())
    }

    /// Lets the next `times` requests of this method fail whose target (path and query) has `part` in it.
    pub fn fail(&self, method: &str, part: &str, times: usize, fault: Fault) {
        self.shared.plan.lock().unwrap().push(Planned::new(method, part, times, fault));
    }

    /// Lets that many such requests through before what is planned after this call.
    pub fn pass(&self, method: &str, part: &str, times: usize) {
        self.fail(method, part, times, Fault::None);
    }

    /// Forgets what is planned, and says how many faults have met no request.
    pub fn forget_faults(&self) -> usize {
        self.shared.plan.lock().unwrap().drain(..).map(|planned| planned.times).sum()
    }

    /// Fails the test if a planned fault met no request: it has tested nothing.
    pub fn verify_all_faults_reached(&self) {
        let plan = self.shared.plan.lock().unwrap();
        assert!(plan.iter().all(|planned| planned.times == 0), "faults that no request met: {plan:?}");
    }

    /// Keys on one page of a list; 1000 at the start.
    pub fn set_page_keys(&self, keys: usize) {
        self.shared.page_keys.store(keys, Ordering::Relaxed);
    }

    /// Lets the bucket be gone from now on.
    pub fn remove_bucket(&self) {
        self.shared.has_bucket.store(false, Ordering::Relaxed);
    }

    /// Puts an object aside of the protocol.
    pub fn insert(&self, key: &str, bytes: &[u8]) {
        self.shared.objects.lock().unwrap().insert(key.to_string(), bytes.to_vec());
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.shared.objects.lock().unwrap().keys().cloned().collect()
    }

    /// `METHOD target` of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        *self.shared.ended.0.lock().unwrap() = true;
        self.shared.ended.1.notify_all();
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = stream.try_clone().unwrap();
        loop {
            let Some(request) = read_request(&mut reader, |head| self.planned(head, Fault::is_manner)) else { return };
            self.log.lock().unwrap().push(format!("{} {}", request.method, request.target));
            if let Some(Fault::Deaf) = request.manner {
                return self.wait_for_end();
            }
            let answer = match self.planned(&request, |fault| !fault.is_manner()) {
                None => self.answer(&request),
                Some(fault) => {
                    // What has its effect has it before the answer goes wrong.
                    let usual = fault.has_effect().then(|| self.answer(&request));
                    match fault.apply(usual) {
                        Some(answer) => answer,
                        None => return self.wait_for_end(),
                    }
                }
            };
            let is_whole = answer.is_whole;
            if stream.write_all(&answer.bytes(&request.method)).is_err() {
                return;
            }
            if !is_whole {
                if answer.holds_open {
                    self.wait_for_end();
                }
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    fn wait_for_end(&self) {
        let ended = self.ended.0.lock().unwrap();
        drop(self.ended.1.wait_while(ended, |ended| !*ended).unwrap());
    }

    /// Takes a planned fault for this request.
    fn planned(&self, request: &Request, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        let planned = plan.iter_mut().find(|planned| planned.meets(request) && wanted(&planned.fault))?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }

    fn answer(&self, request: &Request) -> Answer {
        let path = request.path();
        let Some(rest) = path.strip_prefix(&format!("/{BUCKET}")) else { return error(404, "NoSuchBucket") };
        if !self.has_bucket.load(Ordering::Relaxed) {
            return error(404, "NoSuchBucket");
        }
        let key = rest.trim_start_matches('/');
        match (request.method.as_str(), key) {
            ("GET", "") => self.list(request),
            (_, "") => error(400, "InvalidRequest"),
            ("PUT", key) => self.put(key, request),
            ("GET" | "HEAD", key) => self.get(key, request),
            ("DELETE", key) => {
                self.objects.lock().unwrap().remove(key);
                Answer::new(204, Vec::new())
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&self, key: &str, request: &Request) -> Answer {
        let mut objects = self.objects.lock().unwrap();
        let is_create = request.header("if-none-match") == Some("*");
        // The condition as Google has it.
        let is_create = is_create || request.header("x-goog-if-generation-match") == Some("0");
        if is_create && objects.contains_key(key) {
            return error(412, "PreconditionFailed");
        }
        objects.insert(key.to_string(), request.body.clone());
        Answer::new(200, Vec::new()).with("ETag", "\"0\"")
    }

    fn get(&self, key: &str, request: &Request) -> Answer {
        let objects = self.objects.lock().unwrap();
        let Some(bytes) = objects.get(key) else { return error(404, "NoSuchKey") };
        let Some(range) = request.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return described(Answer::new(200, bytes.clone()));
        };
        let (start, last) = range.split_once('-').unwrap();
        let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
        if start >= bytes.len() {
            return error(416, "InvalidRange");
        }
        let end = bytes.len().min(last.saturating_add(1));
        let content_range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
        described(Answer::new(206, bytes[start..end].to_vec())).with("Content-Range", &content_range)
    }

    fn list(&self, request: &Request) -> Answer {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let after = request.parameter("continuation-token").unwrap_or_default();
        let objects = self.objects.lock().unwrap();
        let below = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let mut found: Vec<_> = below.take(self.page_keys.load(Ordering::Relaxed) + 1).collect();
        let is_truncated = found.len() > self.page_keys.load(Ordering::Relaxed);
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
        if is_truncated {
            found.pop();
        }
        for (key, bytes) in &found {
            let length = bytes.len();
            xml += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>{length}</Size></Contents>"
            );
        }
        xml += &format!("<IsTruncated>{is_truncated}</IsTruncated>");
        if let (true, Some((last, _))) = (is_truncated, found.last()) {
            xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        xml += "</ListBucketResult>";
        Answer::new(200, xml.into_bytes())
    }
}

/// With the headers that every answer about an object has.
fn described(answer: Answer) -> Answer {
    answer.with("ETag", "\"0\"").with("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
}
