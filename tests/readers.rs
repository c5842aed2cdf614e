//! Opt-in: all that the real libraries read from generated documents is also read by the guard's readers.
//!
//! `RINGLET_READERS_CACHE` names a folder for the libraries, which come from npm and PyPI; `RINGLET_READERS_COUNT` is the
//! number of documents of each format, 20000 by default. Started by `tests/agents/readers/run`.

use ringlet::testing::{Grammar, Value, read};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

fn shown(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => json!(null),
        Value::Bool(truth) => json!(truth),
        Value::Number(number) => json!({ "n": number }),
        Value::Text(text) => json!(text),
        Value::List(list) => list.iter().map(shown).collect(),
        Value::Table(entries) => {
            json!({ "t": entries.iter().map(|(name, value)| json!([name, shown(value)])).collect::<Vec<_>>() })
        }
    }
}

fn decoded(line: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    line.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
#[ignore = "needs the libraries: run tests/agents/readers/run"]
fn readers_take_all_that_the_libraries_take() {
    let cache = std::env::var_os("RINGLET_READERS_CACHE").expect("RINGLET_READERS_CACHE names a folder");
    let count = std::env::var("RINGLET_READERS_COUNT").unwrap_or_else(|_| "20000".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents/readers/compare");
    let formats =
        [("dotenv", Grammar::Dotenv), ("json", Grammar::Json), ("yaml", Grammar::Yaml), ("toml", Grammar::Toml)];
    for (format, reader) in formats {
        let mut child = Command::new(script)
            .arg(&cache)
            .args([format, &count, "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut answers = child.stdin.take().expect("a pipe");
        let mut batch = String::new();
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
            let line = line.expect("a line");
            if line.is_empty() {
                answers.write_all(std::mem::take(&mut batch).as_bytes()).expect("the script reads");
                continue;
            }
            let answer = match read(reader, &decoded(&line)) {
                Ok(value) => json!({ "ok": shown(&value) }),
                Err(unread) => json!({ "err": unread.to_string() }),
            };
            batch += &format!("{answer}\n");
        }
        assert!(child.wait().expect("the script ends").success(), "{format}: see the report above");
    }
}
