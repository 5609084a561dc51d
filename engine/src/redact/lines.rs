// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text of any kind, line by line; a table whose first line names its columns, column by column.

use std::io::{self, Read, Write};
use std::ops::Range;

use super::{Fault, Report};
use crate::compare::bytes::Sequential;
use crate::compare::mask::is_secret_name;
use crate::compare::{Bytes, Mask};

/// Bytes of a line at most; whoever has more has no lines.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Writes it.
pub(super) fn write(
    bytes: &dyn Bytes,
    path: &str,
    mask: &Mask,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    if has_long_line(bytes)? {
        let what = format!("text with a line of more than {MAX_LINE_BYTES} bytes");
        return Err(Fault::Unsafe { path: path.to_string(), what });
    }
    let mut input = Sequential::new(bytes);
    let (mut buffer, mut start, mut table) = (Vec::new(), 0, Table::default());
    let (mut lines, mut chunk) = (mask.lines(), vec![0; 64 << 10]);
    loop {
        let read = input.read(&mut chunk)?;
        buffer.drain(..start);
        start = 0;
        let mut from = buffer.len();
        buffer.extend_from_slice(&chunk[..read]);
        while start < buffer.len() {
            let found = memchr::memchr(b'\n', &buffer[from..]).map(|at| from + at + 1);
            let Some(end) = found.or_else(|| (read == 0).then_some(buffer.len())) else { break };
            let line = &buffer[start..end];
            match table.hidden(line, mask).or_else(|| lines.hidden(line)) {
                Some(hidden) => {
                    report.hidden += 1;
                    sink.write_all(&hidden)?;
                }
                None => sink.write_all(line)?,
            }
            (start, from) = (end, end);
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn has_long_line(bytes: &dyn Bytes) -> io::Result<bool> {
    if bytes.len() <= MAX_LINE_BYTES as u64 {
        return Ok(false);
    }
    let (mut input, mut chunk, mut length) = (Sequential::new(bytes), vec![0; 64 << 10], 0);
    loop {
        let read = input.read(&mut chunk)?;
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', &chunk[..read]).collect();
        let first = ends.first().map_or(read, |end| end + 1);
        if read == 0 || length + first > MAX_LINE_BYTES {
            return Ok(read > 0);
        }
        // A line inside of a chunk is short.
        length = ends.last().map_or(length + read, |end| read - end - 1);
    }
}

/// A table of values with a sign between them, if the text is one.
#[derive(Default)]
struct Table {
    lines: u64,
    sign: u8,
    columns: usize,
    /// Those with secrets.
    secret: Vec<usize>,
}

impl Table {
    /// The line without the values of secret columns. A line that does not fit the table goes as a whole.
    fn hidden(&mut self, line: &[u8], mask: &Mask) -> Option<Vec<u8>> {
        self.lines += 1;
        if self.lines == 1 {
            self.read_names(line);
            return None;
        }
        let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        if self.secret.is_empty() || end == 0 || !mask.hides() {
            return None;
        }
        let fields = fields(&line[..end], self.sign);
        if fields.len() != self.columns {
            if self.lines == 2 {
                self.secret.clear();
                return None;
            }
            let whole = String::from_utf8_lossy(&line[..end]);
            return Some([mask.secret(&whole).as_bytes(), &line[end..]].concat());
        }
        let (mut made, mut at) = (Vec::new(), 0);
        for field in self.secret.iter().filter_map(|number| fields.get(*number)) {
            made.extend_from_slice(&line[at..field.start]);
            made.extend_from_slice(mask.secret(&String::from_utf8_lossy(&line[field.clone()])).as_bytes());
            at = field.end;
        }
        made.extend_from_slice(&line[at..]);
        let rest = mask.lines().hidden(&made);
        Some(rest.unwrap_or(made)).filter(|made| made != line)
    }

    fn read_names(&mut self, line: &[u8]) {
        let Ok(text) = std::str::from_utf8(line) else { return };
        let text = text.trim_start_matches('\u{feff}').trim_end();
        for sign in [b',', b';', b'\t', b'|'] {
            let names: Vec<&str> = text.split(char::from(sign)).map(|name| name.trim().trim_matches('"')).collect();
            let is_name =
                |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
            if names.len() > 1 && names.iter().all(is_name) {
                self.secret = (0..names.len()).filter(|number| is_secret_name(names[*number])).collect();
                (self.sign, self.columns) = (sign, names.len());
                return;
            }
        }
    }
}

/// Where the values are; a sign in quotes is none.
fn fields(line: &[u8], sign: u8) -> Vec<Range<usize>> {
    let (mut fields, mut start, mut in_quotes) = (Vec::new(), 0, false);
    for (at, byte) in line.iter().enumerate() {
        if *byte == b'"' {
            in_quotes = !in_quotes;
        } else if *byte == sign && !in_quotes {
            fields.push(start..at);
            start = at + 1;
        }
    }
    if !in_quotes {
        fields.push(start..line.len());
    }
    fields
}
