//! A store that is a docker credential helper: a program with four actions, whose answers and errors are on standard
//! output.
//!
//! A helper answers "not found" for a keyring that is locked as well, and an empty secret where there is none. So a key
//! that is not given is an error of the store.

use super::tool::{Asks, Run, Tool};
use super::{Class, Detail, Include, Item, ItemName, Query, SERVICE, Store, StoreError, unusable};
use crate::name::KeyName;
use crate::platform::Ended;
use crate::secret::{MAX_KEY, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

// An answer holds a key, its name, and JSON's escapes.
const MOST: usize = 6 * MAX_KEY + 4096;

const MOST_LISTED: usize = 2 << 20;

// What a helper says where it has no such entry.
const NOT_FOUND: &str = "credentials not found";

/// The store.
pub(super) struct HelperStore {
    tool: Tool,
    program: String,
}

#[derive(Deserialize)]
struct Given {
    #[serde(rename = "ServerURL", default)]
    url: String,
    #[serde(rename = "Secret")]
    secret: Zeroizing<String>,
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(rename = "ServerURL")]
    url: &'a str,
    #[serde(rename = "Username")]
    user: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

impl HelperStore {
    /// The helper of this program; it is not run yet.
    pub(super) fn new(tool: Tool, program: String) -> Self {
        Self { tool, program }
    }

    // Runs one action, such as `give anthropic/work`. A helper that fails says why on standard output.
    fn act(&self, action: &str, doing: &str, input: &[u8], most: usize, asks: Asks) -> Result<Secret, StoreError> {
        let words = [self.program.clone(), action.to_owned()];
        let run = Run { words: &words, input: Some(input), most, asks };
        let mut done = self.tool.run(&run)?;
        if done.ended == Ended::With(0) {
            return Ok(Secret::from(done.output));
        }
        if done.said.is_empty() {
            // It is no key that is printed then.
            done.said = std::mem::take(&mut *done.output);
        }
        let is_missing = done.said.trim_ascii_start().starts_with(NOT_FOUND.as_bytes());
        match is_missing {
            true => {
                Err(self.tool.failed(Class::Broken, format!("could not {doing}: it has no such key, or is locked")))
            }
            false => Err(self.tool.refused(doing, &run, &done)),
        }
    }

    fn value(&self, key: &KeyName, asks: Asks) -> Result<Option<Secret>, StoreError> {
        let answer = self.act("get", &format!("give {key}"), url(key).as_bytes(), MOST, asks)?;
        let no_key = |why: &str| self.tool.failed(Class::Broken, format!("gave no key for {key}: its answer {why}"));
        let given: Given =
            serde_json::from_slice(answer.expose()).map_err(|_| no_key("is not what a helper answers"))?;
        let value = Secret::new(given.secret.as_bytes().to_vec());
        // An empty secret is how a helper says that there is none.
        if value.expose().is_empty() {
            return Ok(None);
        }
        if !given.url.is_empty() && given.url != url(key) {
            return Err(no_key("is about another entry"));
        }
        unusable(&value).map_or(Ok(Some(value)), |why| Err(no_key(&why)))
    }

    fn names(&self) -> Result<Vec<KeyName>, StoreError> {
        let answer = self.act("list", "list its keys", b"", MOST_LISTED, Asks::Never)?;
        let listed: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(answer.expose())
            .map_err(|_| self.tool.failed(Class::Broken, "gave no list of names: its answer is no JSON object"))?;
        Ok(listed.keys().filter_map(|url| url.strip_prefix("ringlet/")?.parse().ok()).collect())
    }
}

fn url(key: &KeyName) -> String {
    format!("ringlet/{key}")
}

impl Store for HelperStore {
    fn place(&self) -> String {
        format!("the store \"{}\"", self.tool.store)
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let item = |value| Item { account: key.to_string(), attributes: Vec::new(), value };
        if detail == Detail::Presence {
            return Ok(self.names()?.contains(&key).then(|| item(None)));
        }
        Ok(self.value(&key, Asks::Never)?.map(|value| item(Some(value))))
    }

    fn put(&self, name: ItemName<'_>, value: &Secret, _: Option<&[(String, String)]>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Err(self.tool.failed(Class::Unable, "holds keys alone")) };
        let text = std::str::from_utf8(value.expose())
            .map_err(|_| self.tool.failed(Class::Unable, "takes text alone, and this value is none"))?;
        let stored = Stored { url: &url(&key), user: key.alias.as_str(), secret: text };
        let mut input = Zeroizing::new(Vec::with_capacity(MOST));
        serde_json::to_writer(&mut *input, &stored)
            .map_err(|error| self.tool.failed(Class::Broken, format!("takes no such value: {error}")))?;
        self.act("store", &format!("store {key}"), &input, MOST, Asks::IfPrompted).map(drop)
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let Some(key) = name.key() else { return Ok(false) };
        if !self.names()?.contains(&key) {
            return Ok(false);
        }
        self.act("erase", &format!("remove {key}"), url(&key).as_bytes(), MOST, Asks::IfPrompted).map(|_| true)
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.service != SERVICE {
            return Ok(Vec::new());
        }
        let mut items = Vec::new();
        for key in self.names()?.into_iter().filter(|key| (query.wanted)(&key.to_string())) {
            let value = match query.include {
                Include::Values => self.value(&key, Asks::Never)?,
                Include::Names | Include::Attributes => None,
            };
            items.push(Item { account: key.to_string(), attributes: Vec::new(), value });
        }
        items.sort_by(|a, b| a.account.cmp(&b.account));
        Ok(items)
    }

    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn unlock_item(&self, name: ItemName<'_>) -> Result<(), StoreError> {
        name.key().map_or(Ok(()), |key| self.value(&key, Asks::Always).map(drop))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::tool::testing::scripted;
    use super::*;

    const KEY: &str = "sk-ant-api03-CANARYCANARY0123456789";

    fn with(script: &str, check: impl Fn(&HelperStore)) {
        let (_folder, tool) = scripted(script);
        check(&HelperStore::new(tool, "tool".into()));
    }

    fn name() -> ItemName<'static> {
        ItemName { service: SERVICE, account: "anthropic/work" }
    }

    #[test]
    fn the_four_actions_are_asked_as_the_protocol_has_them() {
        let script = "case $1 in\n\
            get) [ \"$(cat)\" = ringlet/anthropic/work ] && [ -s kept ] && cat kept && exit 0\n\
                 echo credentials not found in native keychain; exit 1;;\n\
            store) cat > kept;;\n\
            list) if [ -s kept ]\n\
                  then echo '{\"ringlet/anthropic/work\":\"work\",\"https://index.docker.io\":\"me\"}'\n\
                  else echo '{}'; fi;;\n\
            erase) rm kept;;\n\
            esac";
        with(script, |store| {
            assert!(store.list(&query()).expect("none").is_empty());
            store.put(name(), &Secret::new(KEY.into()), None).expect("stored");
            let item = store.get(name(), Detail::Value).expect("asked").expect("there");
            assert_eq!(item.value.expect("given").expose(), KEY.as_bytes());
            let names: Vec<_> = store.list(&query()).expect("listed").into_iter().map(|item| item.account).collect();
            assert_eq!(names, ["anthropic/work"]);
            assert_eq!(store.peek(name()), Ok(Some(true)));
            assert!(store.delete(name()).expect("removed"));
            assert!(!store.delete(name()).expect("none"));
            let error = store.get(name(), Detail::Value).expect_err("it may be locked");
            assert_eq!(
                error.to_string(),
                "the store \"team\" could not give anthropic/work: it has no such key, or is locked"
            );
        });
    }

    fn query() -> Query<'static> {
        Query { service: SERVICE, include: Include::Names, prefix: "", wanted: &|_| true, progress: &|_, _| () }
    }

    #[test]
    fn an_answer_that_is_none_is_an_error_that_repeats_nothing_of_it() {
        for (script, said) in [
            (format!("echo '{{\"Secret\":\"{KEY}\"'"), "is not what a helper answers"),
            ("echo '[]'".to_owned(), "is not what a helper answers"),
            (format!("echo '{{\"Secret\":\"{KEY}\\u0000\"}}'"), "holds a NUL"),
            (format!("echo '{{\"Secret\":\"{KEY}{}\"}}'", "x".repeat(MAX_KEY)), "is longer than"),
            (format!("yes {KEY}"), "printed more than"),
            (
                format!("echo '{{\"ServerURL\":\"ringlet/anthropic/other\",\"Secret\":\"{KEY}\"}}'"),
                "is about another entry",
            ),
            (format!("echo 'error {KEY}'; exit 1"), "could not give anthropic/work"),
            (format!("echo 'error {KEY}' >&2; exit 1"), "ended with status 1"),
        ] {
            with(&script, |store| {
                let error = store.get(name(), Detail::Value).expect_err(&script);
                let told = format!("{error} {error:?}");
                assert!(told.contains(said) && !told.contains("CANARY"), "{script}: {told}");
            });
        }
        // One helper answers so for an entry that it does not have.
        let empty = "echo '{\"ServerURL\":\"x\",\"Username\":\"\",\"Secret\":\"\"}'";
        with(empty, |store| assert!(store.get(name(), Detail::Value).expect("asked").is_none()));
    }
}
