//! Keys in agents' stores whose form and name say nothing: what stands beside them tells whose they are.
//!
//! JSON is gone through sign by sign, comments and all: an object's entries are looked at when it ends, so that nothing
//! is refused and nothing is parsed twice. Opens no file. Called by the scan, for files that are only reported.

use super::detect::{self, Judgement, Known};
use super::vocabulary::{self, Vocabulary};
use std::path::Path;

/// Entries of one object, and objects in each other, that are looked at.
const MOST_ENTRIES: usize = 200;
const DEEPEST: usize = 64;
/// Such keys of one file.
const MOST_KEYS: usize = 200;

/// Providers by hosts that no endpoint of the registry has; of a host in a domain the domain counts as well.
const HOSTS: &[(&str, &str)] = &[("anthropic.com", "anthropic"), ("api.together.xyz", "together")];

/// Names that stores have for providers, where they are others than Ringlet's.
const NAMES: &[(&str, &str)] = &[
    ("zai-coding-plan", "zai"),
    ("zhipuai", "zai"),
    ("zhipuai-coding-plan", "zai"),
    ("z-ai", "zai"),
    ("moonshotai", "moonshot"),
    ("moonshotai-cn", "moonshot"),
    ("kimi-for-coding", "kimi"),
    ("minimax-cn", "minimax"),
    ("minimax-coding-plan", "minimax"),
    ("gemini", "google"),
    ("alibaba", "dashscope"),
    ("alibaba-cn", "dashscope"),
    ("amazon-bedrock", "bedrock"),
    ("github-copilot", "github"),
    ("fireworks-ai", "fireworks"),
    ("togetherai", "together"),
];

/// The keys that a file's own structure tells, with their providers.
pub(super) fn known(path: &Path, bytes: &[u8], vocabulary: &Vocabulary) -> Known {
    let is_store = path.file_name().is_some_and(|name| name == "auth.json");
    let mut reader = Reader { bytes, vocabulary, at: 0, open: Vec::new(), found: Vec::new(), is_store };
    reader.run();
    Known::new(reader.found.iter().map(|(value, provider)| (*value, provider.as_str())))
}

// An object that has not ended yet.
struct Object<'a> {
    name: &'a [u8],
    entries: Vec<(&'a [u8], &'a [u8])>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    vocabulary: &'a Vocabulary,
    at: usize,
    open: Vec<Object<'a>>,
    found: Vec<(&'a [u8], String)>,
    is_store: bool,
}

impl<'a> Reader<'a> {
    fn run(&mut self) {
        // The text before a colon, and whether the colon was there.
        let (mut name, mut named): (&[u8], bool) = (b"", false);
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    let text = self.text();
                    if !named {
                        name = text;
                        continue;
                    }
                    named = false;
                    if let Some(object) = self.open.last_mut().filter(|object| object.entries.len() < MOST_ENTRIES) {
                        object.entries.push((name, text));
                    }
                }
                b':' => named = true,
                b'{' if self.open.len() < DEEPEST => {
                    self.open.push(Object { name: if named { name } else { b"" }, entries: Vec::new() });
                    named = false;
                }
                b'}' => {
                    if let Some(object) = self.open.pop() {
                        self.ended(&object);
                    }
                    named = false;
                }
                b',' | b'[' | b']' => named = false,
                b'/' if self.bytes.get(self.at) == Some(&b'/') => self.skip(b"\n"),
                b'/' if self.bytes.get(self.at) == Some(&b'*') => self.skip(b"*/"),
                _ => {}
            }
        }
    }

    fn skip(&mut self, end: &[u8]) {
        let rest = &self.bytes[self.at..];
        self.at += memchr::memmem::find(rest, end).map_or(rest.len(), |size| size + end.len());
    }

    // A string's inside. No key has an escaped sign.
    fn text(&mut self) -> &'a [u8] {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return &self.bytes[start..self.at - 1],
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        &self.bytes[start.min(self.bytes.len())..]
    }

    fn ended(&mut self, object: &Object<'a>) {
        let value = |name: &[u8]| object.entries.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        // OpenCode's and Pi's: `"zai": {"type": "api", "key": "..."}`.
        if let (true, Some(kind), Some(key)) = (self.is_store, value(b"type"), value(b"key"))
            && kind.starts_with(b"api")
        {
            self.add(key, named(object.name));
        }
        for (name, key) in &object.entries {
            let Some(stem) = stem(name, &["apikey", "authtoken"]) else { continue };
            let endpoint = object.entries.iter().find(|(other, _)| {
                self::stem(other, &["apibaseurl", "baseurl", "apibase"]).is_some_and(|other| other == stem)
            });
            match endpoint {
                Some((_, url)) => self.add(key, provider_at(self.vocabulary, url)),
                // OpenCode's `"provider": {"zai": {"options": {"apiKey": "..."}}}`.
                None if stem.is_empty() && object.name == b"options" => {
                    self.add(key, self.open.last().and_then(|outer| named(outer.name)));
                }
                None => {}
            }
        }
    }

    fn add(&mut self, key: &'a [u8], provider: Option<String>) {
        let Some(provider) = provider.filter(|_| self.found.len() < MOST_KEYS) else { return };
        // A form of its own says more than what stands beside it; a placeholder is no key.
        match detect::judge(Some("OPENAI_API_KEY"), key, Known::none()) {
            Judgement::Key(own) if own == "openai" || own == provider => self.found.push((key, provider)),
            _ => {}
        }
    }
}

// What stands before one of these endings of a name, however it is spelt.
fn stem(name: &[u8], endings: &[&str]) -> Option<String> {
    let bare: String =
        name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| byte.to_ascii_lowercase() as char).collect();
    endings.iter().find_map(|ending| bare.strip_suffix(ending).map(str::to_owned))
}

fn named(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !name.is_empty() && name.len() <= 64 && name.bytes().all(is_name);
    let own = NAMES.iter().find(|(other, _)| *other == name).map(|(_, provider)| (*provider).to_owned());
    own.or(fits.then_some(name))
}

fn provider_at(vocabulary: &Vocabulary, url: &[u8]) -> Option<String> {
    let url = std::str::from_utf8(url).ok()?;
    let place = vocabulary::host_of(url)?.to_ascii_lowercase();
    let host = place.split(':').next()?;
    // A port says more than the host where an endpoint has one: on this machine many things listen.
    let is_at = |known: &str| {
        place == known || host == known || host.strip_suffix(known).is_some_and(|begin| begin.ends_with('.'))
    };
    let own = HOSTS.iter().find(|(known, _)| is_at(known)).map(|(_, provider)| (*provider).to_owned());
    own.or_else(|| vocabulary.provider_near(&is_at).map(|provider| provider.name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::dialect::Dialect;
    use crate::migrate::stream;
    use proptest::prelude::*;

    const KEY: &str = "gwTESTH2jvFAKEGNDs4fTESTk9Lq2FAKE";

    fn whose(path: &str, text: &str) -> Option<String> {
        let text = text.replace("\"KEY\"", &format!("\"{KEY}\""));
        let known = known(Path::new(path), text.as_bytes(), Vocabulary::built_in());
        let seen = stream::look_through(text.as_bytes(), Dialect::Structured, &known);
        let found = seen.findings.into_iter().find(|finding| finding.value.as_slice() == KEY.as_bytes());
        found.map(|finding| finding.provider).filter(|_| known.knows(KEY.as_bytes()))
    }

    #[test]
    fn what_stands_beside_a_key_tells_its_provider() {
        for (path, text, want) in [
            ("opencode/auth.json", r#"{"zai-coding-plan":{"type":"api","key":"KEY"}}"#, Some("zai")),
            ("auth.json", r#"{"a":{"type":"oauth"}, "deepseek":{"key":"KEY","type":"api"}}"#, Some("deepseek")),
            ("auth.json", r#"{"zai":{"type":"oauth","key":"KEY"}}"#, None),
            ("other.json", r#"{"zai":{"type":"api","key":"KEY"}}"#, None),
            (
                "glm.json",
                r#"{"env":{"ANTHROPIC_AUTH_TOKEN":"KEY","ANTHROPIC_BASE_URL":"https://api.z.ai/api/anthropic"}}"#,
                Some("zai"),
            ),
            ("s.json", r#"{"env":{"ANTHROPIC_AUTH_TOKEN":"KEY","OPENAI_BASE_URL":"https://api.z.ai"}}"#, None),
            ("s.json", r#"{"ANTHROPIC_API_KEY":"KEY","ANTHROPIC_BASE_URL":"https://gw.example.net/"}"#, None),
            (
                "config.json",
                "\u{feff}{ // mine: \"\n\"P\":[{\"api_base_url\":\"https://openrouter.ai/api\",\"api_key\":\"KEY\",}]",
                Some("openrouter"),
            ),
            (
                "config.json",
                "{/*\"*/\"Providers\":[{\"api_base_url\":\"https://openrouter.ai/api\",\"api_key\":\"KEY\",}]}",
                Some("openrouter"),
            ),
            ("opencode.json", r#"{"provider":{"moonshotai":{"options":{"apiKey":"KEY"}}}}"#, Some("moonshot")),
            (
                "opencode.json",
                r#"{"provider":{"x":{"options":{"baseURL":"https://api.x.ai/v1","apiKey":"KEY"}}}}"#,
                Some("xai"),
            ),
            ("c.json", r#"{"a":"b","a":"c","apiBase":"https://api.groq.com","apiKey":"KEY"}"#, Some("groq")),
            ("c.json", r#"{"apiBase":"https://notopenrouter.ai","apiKey":"KEY"}"#, None),
            ("c.json", r#"{"apiBase":"HTTPS://u@EU.Api.OpenAI.com:443/v1","apiKey":"KEY"}"#, Some("openai")),
            ("c.json", r#"{"apiBase":"http://localhost:4000/v1","apiKey":"KEY"}"#, None),
            ("c.json", r#"{"apiBase":"https://api.together.xyz/v1","apiKey":"KEY"}"#, Some("together")),
            ("c.json", r#"{"apiBase":"https://dashscope-intl.aliyuncs.com/v1","apiKey":"KEY"}"#, Some("dashscope")),
        ] {
            assert_eq!(whose(path, text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn placeholders_and_keys_of_a_form_are_left_to_the_search() {
        let text = r#"{"zai":{"type":"api","key":"your-api-key-goes-here-please"}}"#;
        assert!(
            !known(Path::new("auth.json"), text.as_bytes(), Vocabulary::built_in())
                .knows(b"your-api-key-goes-here-please")
        );
        let key = "sk-ant-api03-TESTLOGFFAKESwdbTESTeZ5gFAKEBRLZTESTdRZfFAKECT9RTESTv29W";
        let text = format!(r#"{{"zai":{{"type":"api","key":"{key}"}}}}"#);
        assert!(!known(Path::new("auth.json"), text.as_bytes(), Vocabulary::built_in()).knows(key.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(text in "[{}\\[\\]:,\"\\\\/*a\n]{0,200}") {
            known(Path::new("auth.json"), text.as_bytes(), Vocabulary::built_in());
        }
    }
}
