use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const KEY: &str = "sk-TESTcd34FAKEef56TESTgh78FAKEij90";

fn opencode(text: &str) -> Result<Entries, Stays> {
    read(text.replace("KEY", KEY).as_bytes(), Store::OpenCode)
}

fn cut(text: &str, store: Store, gone: &[usize]) -> String {
    let bytes = text.as_bytes();
    let entries = read(bytes, store).unwrap_or_else(|stays| panic!("{text}: {stays}"));
    let cuts = entries.cuts(bytes, &gone.iter().copied().collect()).expect("it is understood");
    assert!(cuts.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "{cuts:?}");
    String::from_utf8(edit::apply(bytes, &cuts)).expect("UTF-8")
}

// As OpenCode writes its store.
fn written(names: &[&str]) -> String {
    let login = |name: &&str| match *name {
        "anthropic" => {
            let own = json!({"type": "oauth", "refresh": "r", "access": "a", "expires": 0});
            format!("  \"{name}\": {}", serde_json::to_string_pretty(&own).expect("JSON").replace('\n', "\n  "))
        }
        _ => format!("  \"{name}\": {{\n    \"type\": \"api\",\n    \"key\": \"{name}{KEY}\"\n  }}"),
    };
    match names {
        [] => "{}".to_owned(),
        _ => format!("{{\n{}\n}}", names.iter().map(login).collect::<Vec<_>>().join(",\n")),
    }
}

#[test]
fn what_opencode_writes_is_cut_as_opencode_would_write_the_rest() {
    for (gone, stay) in [
        (&[][..], &["deepseek", "anthropic", "xai", "groq"][..]),
        (&[0], &["anthropic", "xai", "groq"]),
        (&[1], &["deepseek", "anthropic", "groq"]),
        (&[2], &["deepseek", "anthropic", "xai"]),
        (&[0, 1], &["anthropic", "groq"]),
        (&[1, 2], &["deepseek", "anthropic"]),
        (&[0, 1, 2], &["anthropic"]),
    ] {
        let all = written(&["deepseek", "anthropic", "xai", "groq"]);
        assert_eq!(cut(&all, Store::OpenCode, gone), written(stay));
    }
    assert_eq!(cut(&written(&["xai"]), Store::OpenCode, &[0]), "{}");
    assert_eq!(cut(&(written(&["xai", "groq"]) + "\n"), Store::OpenCode, &[0, 1]), "{}\n");
}

#[test]
fn every_other_byte_stays() {
    for (text, gone, after) in [
        ("\u{feff}{\"a\":{\"type\":\"api\",\"key\":\"k\"},\"b\":1}\r\n", 0, "\u{feff}{\"b\":1}\r\n"),
        (
            "{\r\n\t\"b\" : [ {} , \"}\" ],\r\n\t\"a\" : { \"key\":\"k\", \"type\":\"api\" }\r\n}",
            0,
            "{\r\n\t\"b\" : [ {} , \"}\" ]\r\n}",
        ),
        ("{ \"a\":{\"type\":\"api\",\"key\":\"k\"} , \"b\":\"\\\"\" }", 0, "{ \"b\":\"\\\"\" }"),
        ("{\"b\":-1.5e3 ,\n\"a\":{\"type\":\"api\",\"key\":\"k\"}  }", 0, "{\"b\":-1.5e3  }"),
        ("{\n  \"a\": {\"type\":\"api\",\"key\":\"k\"},\n    \"b\": null\n}", 0, "{\n  \"b\": null\n}"),
        ("{\"a\": {\"type\":\"api\",\"key\":\"k\"},\n  \"b\": null\n}", 0, "{\"b\": null\n}"),
    ] {
        assert_eq!(cut(text, Store::OpenCode, &[gone]), after);
    }
}

#[test]
fn codex_is_left_in_the_mode_that_wants_a_key() {
    for (text, after) in [
        ("{\n  \"auth_mode\": \"apikey\",\n  \"OPENAI_API_KEY\": \"KEY\"\n}", "{\n  \"auth_mode\": \"apikey\"\n}"),
        (
            "{\n  \"OPENAI_API_KEY\": \"KEY\",\n  \"tokens\": null,\n  \"last_refresh\": null\n}",
            "{\n  \"auth_mode\": \"apikey\",\n  \"tokens\": null,\n  \"last_refresh\": null\n}",
        ),
        ("{\"OPENAI_API_KEY\":\"KEY\"}", "{\"auth_mode\": \"apikey\"}"),
        ("{\"OPENAI_API_KEY\":\"KEY\",\"auth_mode\":\"apikey\"}", "{\"auth_mode\":\"apikey\"}"),
    ] {
        assert_eq!(cut(text, Store::Codex, &[0]), after);
        let removed = read(text.as_bytes(), Store::Codex).expect("understood").cuts(text.as_bytes(), &[0].into());
        let removed = &text[removed.expect("understood")[0].span.clone()];
        let back = put_back(after.as_bytes(), removed.as_bytes(), Store::Codex).expect("it comes back");
        let back: Value = serde_json::from_slice(&back).expect("JSON");
        assert_eq!((&back["OPENAI_API_KEY"], &back["auth_mode"]), (&"KEY".into(), &"apikey".into()));
    }
}

#[test]
fn what_is_not_understood_stays_and_says_why() {
    let whole = |text: &str| opencode(text).err();
    for text in [
        "",
        "{",
        "[]",
        "5",
        "{\"a\":{\"type\":\"api\",\"key\":\"KEY\"},}",
        "{/*c*/\"a\":{\"type\":\"api\",\"key\":\"KEY\"}}",
        "{\"a\":{\"type\":\"api\",\"key\":\"KEY\"}} // c",
        "\u{feff}\u{feff}{}",
    ] {
        assert_eq!(whole(text), Some(Stays::NotJson), "{text}");
    }
    assert_eq!(whole(r#"{"a":{"type":"api","key":"KEY"},"\u0061":1}"#), Some(Stays::Twice));
    let own = |text: &str| opencode(text).expect("understood").keys.into_iter().map(|own| (own.name, own.stays)).next();
    let named = |stays| Some(("a".to_owned(), stays));
    for (text, want) in [
        (r#"{"a":{"type":"api","key":"KEY"}}"#, named(None)),
        (r#"{"a":{"key":"KEY","type":"api"}}"#, named(None)),
        (r#"{"a":{"type":"api","key":"KEY\n"}}"#, named(Some(Stays::Escaped))),
        (r#"{"a":{"type":"api","key":"KEY","metadata":{"account":"x"}}}"#, named(Some(Stays::More))),
        (r#"{"a":{"type":"api","key":"KEY","key":"x"}}"#, named(Some(Stays::Twice))),
        (r#"{"a":{"type":"oauth","refresh":"r","access":"KEY","expires":0}}"#, None),
        (r#"{"a":{"type":"wellknown","key":"KEY","token":"t"}}"#, None),
        (r#"{"a":{"type":"api","key":["KEY"]}}"#, None),
        (r#"{"a":{"key":"KEY"}}"#, None),
        (r#"{"a":"KEY"}"#, None),
    ] {
        assert_eq!(own(text), want, "{text}");
        if !matches!(want, Some((_, None))) {
            let text = text.replace("KEY", KEY);
            let entries = read(text.as_bytes(), Store::OpenCode).expect("understood");
            assert!(entries.keys.is_empty() || entries.cuts(text.as_bytes(), &[0].into()).is_none(), "{text}");
        }
    }
    let codex =
        |text: &str| read(text.as_bytes(), Store::Codex).map(|own| own.keys.into_iter().map(|own| own.stays).next());
    assert_eq!(codex(r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"x"}}"#), Ok(None));
    for text in [
        r#"{"OPENAI_API_KEY":"k","tokens":{"id_token":"x"}}"#,
        r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":"k"}"#,
        r#"{"auth_mode":null,"OPENAI_API_KEY":"k"}"#,
        r#"{"auth_mode":"apikey","OPENAI_API_KEY":"k","agent_identity":{}}"#,
    ] {
        assert_eq!(codex(text), Ok(Some(Some(Stays::Login))), "{text}");
    }
    assert_eq!(codex("\u{feff}{\"auth_mode\":\"apikey\",\"OPENAI_API_KEY\":\"k\"}"), Err(Stays::NotJson));
}

#[test]
fn the_others_are_named() {
    let found = opencode(r#"{"a":{"type":"oauth"},"b":{"type":"api","key":"KEY"},"c":5}"#).expect("understood");
    assert_eq!(found.others, ["a", "c"]);
    assert_eq!(found.keys[0].value.as_slice(), KEY.as_bytes());
}

#[test]
fn an_entry_comes_back_into_a_store_that_was_written_since() {
    let removed = b"\"xai\": {\n    \"type\": \"api\",\n    \"key\": \"k\"\n  },\n  ";
    let back = |now: &str| {
        put_back(now.as_bytes(), removed, Store::OpenCode).map(|back| String::from_utf8_lossy(&back).into_owned())
    };
    let entry = "\"xai\": {\n    \"type\": \"api\",\n    \"key\": \"k\"\n  }";
    assert_eq!(back("{}"), Some(format!("{{\n  {entry}\n}}")));
    assert_eq!(back("{\n  \"b\": 1\n}\n"), Some(format!("{{\n  \"b\": 1,\n  {entry}\n}}\n")));
    assert_eq!(back("{\"b\":1}"), Some(format!("{{\"b\":1,{entry}}}")));
    for now in ["{\"xai\":{\"type\":\"api\",\"key\":\"new\"}}", "", "{", "[]", "{\"b\":1,}", "{\"b\":1,\"b\":2}"] {
        assert_eq!(back(now), None, "{now}");
    }
    // A login came meanwhile.
    let codex = |now: &str| put_back(now.as_bytes(), b"\"OPENAI_API_KEY\": \"k\"", Store::Codex);
    assert!(codex("{\"auth_mode\":\"chatgpt\",\"tokens\":{\"id_token\":\"x\"}}").is_none());
    assert!(codex("{\"OPENAI_API_KEY\":null,\"tokens\":null}").is_none());
}

// An entry: whether it is an API key, its name, and how it is written.
fn entry() -> impl Strategy<Value = (bool, String, String)> {
    let name = "[a-z][a-z0-9./-]{0,8}";
    let key = (name, "[A-Za-z0-9]{20,30}", any::<bool>(), blank()).prop_map(|(name, key, is_first, blank)| {
        let parts = [format!("\"type\"{blank}:\"api\""), format!("\"key\":{blank}\"{key}\"")];
        let parts = if is_first {
            parts
        } else {
            let [one, two] = parts;
            [two, one]
        };
        (true, name, format!("{{{blank}{},{blank}{}{blank}}}", parts[0], parts[1]))
    });
    let other = (
        name,
        prop::sample::select(vec![
            r#"{"type":"oauth","refresh":"},{\"","access":"x","expires":0}"#,
            r#"{"type":"wellknown","key":"K","token":"{"}"#,
            r#"{"type":"api","key":5}"#,
            "[1, {\"key\": \"]\"}]",
            "-1.5e+3",
            "null",
            "\"\\\"\\\\\"",
            "{}",
        ]),
    );
    prop_oneof![3 => key, 2 => other.prop_map(|(name, value)| (false, name, value.to_owned()))]
}

fn blank() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", " ", "\n", "\n  ", "\r\n\t", " \n\n "]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn exactly_the_entries_go_and_come_back(
        entries in prop::collection::btree_map("[a-z]{1,6}", entry(), 0..6),
        blanks in prop::collection::vec(blank(), 4),
        has_mark in any::<bool>(),
        chosen in any::<u8>(),
    ) {
        // The map's own names keep them apart.
        let named = |(own, (is_key, name, value))| (is_key, format!("{own}{name}"), value);
        let entries: Vec<(bool, String, String)> = entries.into_iter().map(named).collect();
        let [gap, colon, comma, end] = [0, 1, 2, 3].map(|at| blanks[at].as_str());
        let part = |(_, name, value): &(bool, String, String)| format!("{gap}\"{name}\"{colon}:{colon}{value}{comma}");
        let parts: Vec<String> = entries.iter().map(part).collect();
        let mark = if has_mark { "\u{feff}" } else { "" };
        let text = format!("{mark}{end}{{{}{end}}}{end}", parts.join(","));
        let bytes = text.as_bytes();
        prop_assume!(entries.iter().map(|(_, name, _)| name).collect::<BTreeSet<_>>().len() == entries.len());
        let found = read(bytes, Store::OpenCode).expect("it is understood");
        let keys: Vec<&str> = entries.iter().filter(|(is_key, ..)| *is_key).map(|(_, name, _)| name.as_str()).collect();
        prop_assert_eq!(found.keys.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), keys.clone());
        let gone: BTreeSet<usize> = (0..keys.len()).filter(|at| chosen & (1 << at) != 0).collect();
        let cuts = found.cuts(bytes, &gone).expect("it is understood");
        prop_assert_eq!(cuts.len(), gone.len());
        let after = edit::apply(bytes, &cuts);
        let value = |bytes: &[u8]| -> Map<String, Value> {
            serde_json::from_slice(&bytes[text_start(bytes)..]).expect("JSON")
        };
        let mut wanted = value(bytes);
        gone.iter().for_each(|at| drop(wanted.remove(keys[*at])));
        prop_assert_eq!(value(&after), wanted);
        // Once the agent has written the rest its own way, they come back as well.
        let mut now = serde_json::to_vec_pretty(&value(&after)).expect("JSON");
        for cut in &cuts {
            now = put_back(&now, &bytes[cut.span.clone()], Store::OpenCode).expect("it comes back").to_vec();
        }
        prop_assert_eq!(value(&now), value(bytes));
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in "[{}\\[\\]:,\"\\\\a0 \n]{0,60}") {
        for store in [Store::OpenCode, Store::Codex] {
            if let Ok(found) = read(text.as_bytes(), store) {
                let all: BTreeSet<usize> = (0..found.keys.len()).collect();
                let stays = found.keys.iter().any(|own| own.stays.is_some());
                prop_assert!(stays || found.cuts(text.as_bytes(), &all).is_some());
            }
            put_back(text.as_bytes(), text.as_bytes(), store);
        }
    }
}
