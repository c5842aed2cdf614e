//! Reads from an answer that passes by which model answered and how many tokens it used.

use super::json::{Finder, Found, Way, decoded};
use crate::usage::Counts;
use memchr::memchr;
use serde_json::Value;

// Where the protocols say it: Anthropic in `usage` and in the `message` of a stream's first event, OpenAI in `usage`
// and in the `response` of a stream's last event, Gemini in each part of an answer.
const WAYS: &[Way] = &[
    &["usage"],
    &["message", "usage"],
    &["response", "usage"],
    &["usageMetadata"],
    &["model"],
    &["message", "model"],
    &["response", "model"],
    &["modelVersion"],
];
const MODEL: usize = 4;

/// Follows the body of one answer.
pub(super) struct Tokens {
    finder: Finder,
    // Of a stream of events: the place in the line. `None` for a plain body.
    line: Option<Line>,
    counts: Counts,
    model: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    // So many bytes of `data:` were read.
    Name(usize),
    Data,
    Other,
}

const DATA: &[u8] = b"data:";

impl Tokens {
    /// Begins with an answer, which may be a stream of events.
    pub(super) fn new(is_events: bool) -> Self {
        let line = is_events.then_some(Line::Name(0));
        Self { finder: Finder::new(WAYS), line, counts: Counts::default(), model: None }
    }

    /// Reads further bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        let Some(mut line) = self.line else { return self.json(bytes) };
        while !bytes.is_empty() {
            match line {
                Line::Name(read) if bytes[0] == DATA[read] => {
                    line = if read + 1 == DATA.len() { Line::Data } else { Line::Name(read + 1) };
                    if line == Line::Data {
                        self.finder.reset();
                    }
                    bytes = &bytes[1..];
                }
                Line::Name(_) if bytes[0] != b'\n' => line = Line::Other,
                Line::Name(_) | Line::Data | Line::Other => {
                    let end = memchr(b'\n', bytes);
                    let (now, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    if line == Line::Data {
                        self.json(now);
                    }
                    bytes = rest;
                    if end.is_some() {
                        line = Line::Name(0);
                    }
                }
            }
        }
        self.line = Some(line);
    }

    fn json(&mut self, bytes: &[u8]) {
        let Self { finder, counts, model, .. } = self;
        finder.read(bytes, |found| match found {
            Found::Object(way, object) if way < MODEL => {
                if let Ok(value) = serde_json::from_slice(object) {
                    merge(counts, &read(&value));
                }
            }
            Found::Text(way, text) if way >= MODEL && model.is_none() => *model = decoded(text),
            Found::Object(..) | Found::Text(..) | Found::Other(_) => {}
        });
    }

    /// Returns what was read, and the model.
    pub(super) fn end(&self) -> (Counts, Option<&str>) {
        (self.counts, self.model.as_deref())
    }
}

// The numbers of a stream grow, and a later part may leave out what an earlier one said.
fn merge(counts: &mut Counts, other: &Counts) {
    counts.measured |= other.measured;
    counts.input = counts.input.max(other.input);
    counts.cached = counts.cached.max(other.cached);
    counts.output = counts.output.max(other.output);
}

fn read(usage: &Value) -> Counts {
    let number = |way: &[&str]| way.iter().try_fold(usage, |value, name| value.get(name))?.as_u64();
    let any = |ways: &[&[&str]]| ways.iter().find_map(|way| number(way));
    let mut counts = Counts::default();
    let input = any(&[&["input_tokens"], &["prompt_tokens"], &["promptTokenCount"]]);
    let output = any(&[&["output_tokens"], &["completion_tokens"], &["candidatesTokenCount"]]);
    counts.measured = u64::from(input.is_some() || output.is_some());
    counts.output = output.unwrap_or(0).saturating_add(number(&["thoughtsTokenCount"]).unwrap_or(0));
    // Anthropic counts what was cached apart, the others within.
    let within = any(&[
        &["input_tokens_details", "cached_tokens"],
        &["prompt_tokens_details", "cached_tokens"],
        &["cachedContentTokenCount"],
    ]);
    let apart = number(&["cache_read_input_tokens"]);
    counts.cached = apart.or(within).unwrap_or(0);
    let written = number(&["cache_creation_input_tokens"]).unwrap_or(0);
    counts.input = input.unwrap_or(0).saturating_sub(within.unwrap_or(0)).saturating_add(written);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str, is_events: bool) -> (u64, u64, u64, u64, Option<String>) {
        let mut all = Vec::new();
        for size in [1, 3, 4096] {
            let mut tokens = Tokens::new(is_events);
            text.as_bytes().chunks(size).for_each(|piece| tokens.read(piece));
            let (counts, model) = tokens.end();
            all.push((counts.measured, counts.input, counts.cached, counts.output, model.map(str::to_owned)));
        }
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
        all.remove(0)
    }

    #[test]
    fn each_protocol_says_what_was_used_in_its_own_place() {
        let is = |input, cached, output, model: &str| (1, input, cached, output, Some(model.to_owned()));
        let anthropic = "event: message_start\n\
            data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":5,\
            \"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":7,\"output_tokens\":1}}}\n\n\
            event: content_block_delta\ndata: {\"d\":{\"text\":\"\\\"usage\\\":{\\\"output_tokens\\\":999}\"}}\r\n\n\
            event: message_delta\ndata: {\"delta\":{},\"usage\":{\"output_tokens\":30}}\n\n";
        assert_eq!(counted(anthropic, true), is(12, 100, 30, "claude-x"));
        let message = r#"{"model":"m","content":[{"input":{"usage":{"output_tokens":999}}}],
            "usage":{"input_tokens":5,"output_tokens":3}}"#;
        assert_eq!(counted(message, false), is(5, 0, 3, "m"));
        let chat = "data: {\"model\":\"m\",\"choices\":[]}\n\n\
            data: {\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,\
            \"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\ndata: [DONE]\n\n";
        assert_eq!(counted(chat, true), is(6, 4, 3, "m"));
        let responses = "data: {\"type\":\"response.created\",\
            \"response\":{\"model\":\"m\",\"usage\":null}}\n\n\
            data:{\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":{\"input_tokens\":999}}],\
            \"usage\":{\"input_tokens\":8,\"input_tokens_details\":{\"cached_tokens\":8},\"output_tokens\":2}}}\n\n";
        assert_eq!(counted(responses, true), is(0, 8, 2, "m"));
        let gemini = r#"[{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1}},
            {"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":4,"thoughtsTokenCount":6},
             "modelVersion":"g"}]"#;
        assert_eq!(counted(gemini, false), is(5, 0, 10, "g"));
    }

    #[test]
    fn an_answer_that_does_not_say_it_counts_no_tokens() {
        let none = (0, 0, 0, 0, None);
        for (text, is_events) in [
            ("", true),
            ("data: [DONE]\n\n", true),
            ("data: {\"usage\":null}\n\n", true),
            ("{\"usage\":{\"input_tokens\":\"5\"}}", false),
            ("\u{1f}\u{8b}binary", false),
            ("{\"error\":{\"usage\":{\"input_tokens\":5}}}", false),
        ] {
            assert_eq!(counted(text, is_events), none, "{text}");
        }
    }
}
