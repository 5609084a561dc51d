// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the S3 server of the tests does wrong, and at which requests.

use super::wire::{Answer, Request, error};

/// One way to go wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This error in place of the effect: status and S3's code.
    Error(u16, &'static str),
    /// The effect, then this error.
    ErrorAfterEffect(u16, &'static str),
    /// The effect, and no answer ever.
    SilenceAfterEffect,
    /// The body of the request is not read, and nothing is answered.
    Deaf,
    /// The body of the request is read in small pieces with pauses: some 12 MB/s. All else is right.
    ReadsSlowly,
    /// Half of the body, then the connection ends.
    Truncated,
    /// Half of the body, then nothing, on an open connection.
    StallsInBody,
    /// The range asked for, moved by a byte, and said so.
    OtherRange,
    /// Fewer bytes than the `Content-Range` says, in a whole answer.
    ShortRange,
    /// Status 200, and not a word about which range came.
    NoRange,
    /// The right part, and which it is, with the status of a whole object: what `rclone serve s3` sends.
    StatusOfWhole,
    /// Status 206 with half of the object where all was asked for.
    UnaskedRange,
    /// A page of a list that says it is truncated, without a token.
    NoToken,
    /// A page of a list that has a successor, and says that it is the last.
    LastPage,
    /// The right answer.
    None,
    /// This status and body in place of the effect.
    Body(u16, &'static str),
}

impl Fault {
    /// Whether it is about how a request is read.
    pub fn is_manner(&self) -> bool {
        matches!(self, Self::Deaf | Self::ReadsSlowly)
    }

    pub fn has_effect(&self) -> bool {
        !matches!(self, Self::Error(..) | Self::Deaf | Self::Body(..))
    }

    /// The answer that is sent; `None` for silence. `usual` is what would have been answered.
    pub fn apply(&self, usual: Option<Answer>) -> Option<Answer> {
        let usual = usual.unwrap_or_else(|| Answer::new(200, Vec::new()));
        let half = usual.body.len() / 2;
        Some(match self {
            Self::Error(status, code) | Self::ErrorAfterEffect(status, code) => error(*status, code),
            Self::SilenceAfterEffect | Self::Deaf => return None,
            Self::ReadsSlowly => usual,
            Self::Truncated => Answer { is_whole: false, ..usual },
            Self::StallsInBody => Answer { is_whole: false, holds_open: true, ..usual },
            Self::OtherRange => {
                let said = usual.header("Content-Range").expect("a range was asked for").to_string();
                let (range, length) = said.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
                let (start, last) = range.split_once('-').unwrap();
                let moved = |text: &str| text.parse::<u64>().unwrap() + 1;
                let moved = format!("bytes {}-{}/{length}", moved(start), moved(last));
                usual.with("Content-Range", &moved)
            }
            Self::ShortRange => Answer { body: usual.body[..half].to_vec(), ..usual },
            Self::NoRange => Answer { status: 200, ..usual }.without("Content-Range"),
            Self::StatusOfWhole => Answer { status: 200, ..usual },
            Self::UnaskedRange => Answer { status: 206, body: usual.body[..half].to_vec(), ..usual },
            Self::NoToken => {
                let text = String::from_utf8(usual.body.clone()).unwrap();
                let start = text.find("<NextContinuationToken>").expect("a page that is not the last");
                let end = text.find("</ListBucketResult>").unwrap();
                Answer { body: [&text[..start], &text[end..]].concat().into_bytes(), ..usual }
            }
            Self::LastPage => {
                let text = String::from_utf8(usual.body.clone()).unwrap();
                let end = "<IsTruncated>false</IsTruncated></ListBucketResult>";
                let shown = text.split("<IsTruncated>").next().unwrap();
                Answer { body: [shown, end].concat().into_bytes(), ..usual }
            }
            Self::None => usual,
            Self::Body(status, text) => Answer::new(*status, text.as_bytes().to_vec()),
        })
    }
}

/// A fault and the requests it waits for.
#[derive(Debug)]
pub struct Planned {
    method: String,
    part: String,
    /// Requests that it still meets.
    pub times: usize,
    pub fault: Fault,
}

impl Planned {
    pub fn new(method: &str, part: &str, times: usize, fault: Fault) -> Self {
        Self { method: method.to_string(), part: part.to_string(), times, fault }
    }

    pub fn meets(&self, request: &Request) -> bool {
        self.times > 0 && request.method == self.method && request.target.contains(&self.part)
    }
}
