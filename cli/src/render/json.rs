// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one JSON schema of all commands, described in `docs/json.md`. A field is never removed or given another meaning
//! without a new [`SCHEMA`]; fields may be added.

use std::io::Write;

use keepfast_engine::events::{Problem, ProblemCode};
use serde_json::{Map, Value, json};

/// Version of the schema, in every object.
pub const SCHEMA: u32 = 1;

/// An object of a stream.
pub fn object(value: Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    with_schema(fields)
}

/// The object that ends a command.
pub fn summary(verb: &str, summary: Value) -> String {
    with_schema(Map::from_iter([("command".to_string(), verb.into()), ("summary".to_string(), summary)]))
}

/// The object that ends a command that failed.
pub fn failure(code: u8, message: &str, hint: &str) -> String {
    let mut error = json!({ "code": code, "message": message });
    if !hint.is_empty() {
        error["hint"] = hint.into();
    }
    with_schema(Map::from_iter([("error".to_string(), error)]))
}

/// Prints [`failure`] before there is an output.
pub fn print_failure(code: u8, message: &str, hint: &str) {
    // Nobody is left to tell if standard output is closed.
    let _ = writeln!(std::io::stdout(), "{}", failure(code, message, hint));
}

fn with_schema(mut fields: Map<String, Value>) -> String {
    fields.insert("schema".to_string(), SCHEMA.into());
    Value::Object(fields).to_string()
}

/// Adds a path under `key`; where it is not UTF-8, its bytes in hex, too, under `key_bytes`.
pub fn put_path(object: &mut Value, key: &str, path: &[u8]) {
    object[key] = String::from_utf8_lossy(path).into();
    if str::from_utf8(path).is_err() {
        object[format!("{key}_bytes")] = hex(path).into();
    }
}

/// A path alone: a string, or an object with its bytes where it is not UTF-8.
pub fn path(path: &[u8]) -> Value {
    match str::from_utf8(path) {
        Ok(text) => text.into(),
        Err(_) => {
            let mut object = json!({});
            put_path(&mut object, "path", path);
            object
        }
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What could not be saved or restored.
pub fn problem(problem: &Problem) -> Value {
    let code = match problem.code {
        ProblemCode::Unreadable => "unreadable",
        ProblemCode::Torn => "torn",
        ProblemCode::Vanished => "vanished",
        ProblemCode::Metadata => "metadata",
        ProblemCode::Stream => "stream",
    };
    let mut object = json!({ "code": code, "text": problem.text });
    put_path(&mut object, "path", &problem.path);
    object
}

/// All of them.
pub fn problems(problems: &[Problem]) -> Value {
    problems.iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{failure, path, put_path, summary};

    #[test]
    fn a_path_that_is_utf8_is_a_string() {
        assert_eq!(path("ä/b".as_bytes()), json!("ä/b"));
    }

    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let mut object = json!({});
        put_path(&mut object, "path", b"a\xffb");
        assert_eq!(object, json!({ "path": "a\u{fffd}b", "path_bytes": "61ff62" }));
    }

    #[test]
    fn every_final_object_carries_the_schema() {
        let parse = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(parse(summary("ls", json!({ "entries": 1 })))["schema"], 1);
        assert_eq!(
            parse(failure(12, "m", "h")),
            json!({ "schema": 1, "error": { "code": 12, "message": "m", "hint": "h" } })
        );
        assert_eq!(parse(failure(1, "m", ""))["error"].get("hint"), None);
    }
}
