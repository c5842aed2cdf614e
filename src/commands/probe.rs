//! `ringlet keychain check`: asks the providers whether they take the keys.

use super::{Session, keychain};
use crate::audit::{Action, Outcome};
use crate::env::Env;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::https::Roots;
use crate::name::{KeyName, closest};
use crate::output::Style;
use crate::probe::{Endpoints, Question, Unasked, Verdict};
use crate::profile::Profiles;
use crate::registry::misplaced;
use crate::secret::{Key, Secret, Shape};
use crate::store::{Keys, Prompt};
use crate::words;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

// So many providers are asked at once.
const AT_ONCE: usize = 8;

// What came of one key.
enum Found {
    Asked(Question, Verdict),
    // The key was not sent, and why.
    Not(String),
}

/// `ringlet keychain check [PREFIX]`. The status is 1 if a provider refuses a key.
pub(super) fn run(host: &mut Host, session: &Session, prefix: &str) -> Result<i32, Failure> {
    // A program that an agent has started could name a proxy and a certificate authority of its own.
    session.refuse_below(&host.world, "ringlet keychain check")?;
    super::protect()?;
    let prompt = if host.world.console.is_interactive() { Prompt::Ask } else { Prompt::Never };
    let store = session.open_store(&host.world, prompt);
    let names = names(host, session, &store, prefix)?;
    if names.is_empty() && host.output.wants_json() {
        host.output.json(&Vec::<Value>::new());
        return Ok(0);
    }
    if names.is_empty() {
        host.output.note("there is no key; `ringlet keychain set PROVIDER ALIAS` stores one");
        return Ok(0);
    }
    ask_about(host, session, &names)
}

/// Asks the providers about these keys. The status is 1 if a provider refuses one.
pub(super) fn ask_about(host: &mut Host, session: &Session, names: &[KeyName]) -> Result<i32, Failure> {
    // A log that cannot be written must be known before the first lookup.
    session.audit_log()?;
    let prompt = if host.world.console.is_interactive() { Prompt::Ask } else { Prompt::Never };
    let store = session.open_store(&host.world, prompt);
    let endpoints = Endpoints::read(&Profiles::new(&session.paths, &session.registry));
    let mut found: Vec<Option<Found>> = Vec::new();
    let mut questions = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match prepared(host, session, &store, &endpoints, name) {
            Ok(asked) => {
                questions.push((at, asked));
                found.push(None);
            }
            Err(failure) => found.push(Some(Found::Not(failure?))),
        }
    }
    keychain::warn_of_fallback(session, &store, &host.world, &mut host.output);
    for (at, question, verdict) in ask(host, questions)? {
        found[at] = Some(Found::Asked(question, verdict));
    }
    // What a store has made for this ends with it.
    drop(store);
    let unasked = || Found::Not("it could not be asked about".to_owned());
    let found = found.into_iter().map(|found| found.unwrap_or_else(unasked));
    let found: Vec<(KeyName, Found)> = names.iter().cloned().zip(found).collect();
    Ok(show(host, session, &found))
}

/// What a provider has said of a key that is not stored yet, with the endpoint that was asked.
pub(super) enum Heard {
    /// It takes the key.
    Takes(String),
    /// It takes the key, and its status says that a limit or the credit is used up.
    Spent(String, String),
    /// It does not take the key, by this status.
    Refuses(String, String),
    /// Nothing, and why.
    Nothing(String),
}

/// Asks the provider about a key that is not stored yet. The caller has refused what an agent has started.
pub(super) fn of_new(host: &mut Host, session: &Session, name: &KeyName, key: &Key) -> Result<Heard, Failure> {
    let Ok(provider) = session.registry.provider(&name.provider) else {
        return Ok(Heard::Nothing(Unasked::Unknown(name.provider.to_string()).to_string()));
    };
    let endpoints = Endpoints::read(&Profiles::new(&session.paths, &session.registry));
    let question = match endpoints.question(name, &provider) {
        Ok(question) => question,
        Err(why) => return Ok(Heard::Nothing(why.to_string())),
    };
    let key = match Key::new(Secret::new(key.expose().to_vec()), Shape::Header) {
        Ok(key) => key,
        Err(why) => return Ok(Heard::Nothing(format!("the key {why}"))),
    };
    let answer = ask(host, vec![(0, (question, key))])?.pop();
    Ok(match answer {
        Some((_, question, Verdict::Live)) => Heard::Takes(question.endpoint),
        Some((_, question, Verdict::Spent(status))) => Heard::Spent(question.endpoint, status.to_string()),
        Some((_, question, Verdict::Refused(status))) => Heard::Refuses(question.endpoint, status.to_string()),
        Some((_, question, Verdict::Unclear(why))) => Heard::Nothing(format!("{}: {why}", question.endpoint)),
        None => Heard::Nothing("it could not be asked about".to_owned()),
    })
}

fn names(host: &mut Host, session: &Session, store: &Keys, prefix: &str) -> Result<Vec<KeyName>, Failure> {
    let mut listing = store.listing(prefix, &|_, _| ());
    let mut names = std::mem::take(&mut listing.keys);
    // A store need not list its keys. One that is named in full is asked for in any case, unless the store says that it
    // has none.
    let named = prefix.parse::<KeyName>().ok().filter(|key| !names.contains(key) && store.peek(key) != Ok(Some(false)));
    let profiles = Profiles::new(&session.paths, &session.registry);
    let files = profiles.names().unwrap_or_default();
    let used = files.iter().filter_map(|name| profiles.read(name).ok()).flat_map(|file| file.keys());
    let used: BTreeSet<KeyName> = used.filter(|key| key.to_string().starts_with(prefix)).collect();
    let unlisted = used.into_iter().filter(|key| !names.contains(key) && store.peek(key) == Ok(None));
    let unlisted: Vec<KeyName> = unlisted.collect();
    names.extend(named.into_iter().chain(unlisted));
    names.sort();
    names.dedup();
    let mut failed = listing.all_failed();
    if names.is_empty() {
        if let Some(error) = failed.next() {
            return Err(error.into());
        }
        let all: Vec<String> = store.names().unwrap_or_default().iter().map(ToString::to_string).collect();
        if !all.is_empty() {
            let failure = Failure::new("there is no key whose name begins so");
            return Err(match closest(prefix, all.iter().map(String::as_str)) {
                Some(name) => failure.hint(format!("did you mean `{name}`?")),
                None => failure.hint("run `ringlet keychain list`"),
            });
        }
    }
    failed.for_each(|error| host.output.warn(error.to_string()));
    Ok(names)
}

// The question about a key, and the key. The inner error is a log that cannot be written, the outer why the key is not
// sent.
fn prepared(
    host: &Host,
    session: &Session,
    store: &Keys,
    endpoints: &Endpoints,
    name: &KeyName,
) -> Result<(Question, Key), Result<String, Failure>> {
    let unknown = || Ok(Unasked::Unknown(name.provider.to_string()).to_string());
    let provider = session.registry.provider(&name.provider).map_err(|_| unknown())?;
    let question = endpoints.question(name, &provider).map_err(|why| Ok(why.to_string()))?;
    let reason = format!("to ask {} whether it is valid", question.endpoint);
    let record = |result, reason| {
        keychain::record_access(host, session, Action::Lookup, name, result, Some(reason)).map_err(Err)
    };
    let secret = match store.get(name) {
        Ok(secret) => secret,
        Err(error) => {
            record(Outcome::Error, error.to_string())?;
            return Err(Ok(error.to_string()));
        }
    };
    record(Outcome::Granted, reason)?;
    let key = match Key::new(secret, Shape::Header) {
        Ok(key) if misplaced(&name.provider, key.expose()).is_none() => key,
        Ok(_) => return Err(Ok("its value was made for another provider".to_owned())),
        Err(why) => return Err(Ok(format!("its value {why}"))),
    };
    Ok((question, key))
}

fn ask(host: &mut Host, questions: Vec<(usize, (Question, Key))>) -> Result<Vec<(usize, Question, Verdict)>, Failure> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| Failure::new(format!("the providers cannot be asked: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let env: Arc<Env> = Arc::new(host.world.env.clone());
    let files: Vec<_> = Roots::FILES.iter().filter_map(|name| env.absolute(name)).collect();
    let (roots, turns) = (Arc::new(Roots::load(&files)), Arc::new(Semaphore::new(AT_ONCE)));
    let total = questions.len();
    Ok(runtime.block_on(async {
        let mut asked = JoinSet::new();
        for (at, (question, key)) in questions {
            let (env, roots, turns) = (Arc::clone(&env), Arc::clone(&roots), Arc::clone(&turns));
            asked.spawn(async move {
                let _turn = turns.acquire().await;
                let verdict = question.ask(&key, &env, &roots).await;
                (at, question, verdict)
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer);
            host.output.progress(&format!("asking the providers: {} of {total}", answers.len()));
        }
        host.output.end_progress();
        answers
    }))
}

fn show(host: &mut Host, session: &Session, found: &[(KeyName, Found)]) -> i32 {
    if host.output.wants_json() {
        host.output.json(&found.iter().map(|(name, found)| as_json(name, found)).collect::<Vec<_>>());
    } else {
        let rows: Vec<_> = found.iter().map(|(name, found)| row(name, found)).collect();
        host.output.table(&rows);
    }
    let refused = found.iter().filter(|(_, found)| matches!(found, Found::Asked(_, Verdict::Refused(_))));
    let mut status = 0;
    for (name, _) in refused {
        status = 1;
        let console = session.registry.provider(&name.provider).ok().and_then(|provider| provider.console);
        let at = console.map(|url| format!(" at {url}")).unwrap_or_default();
        let said = Hint::from(format!("make a new key for {name}{at}, then run "));
        host.output.note(said.command(words!["ringlet", "keychain", "rotate", name.to_string()]));
    }
    status
}

fn row(name: &KeyName, found: &Found) -> Vec<(Style, String)> {
    let (style, word, more) = match found {
        Found::Asked(question, Verdict::Live) => (Style::Good, "live", question.endpoint.clone()),
        Found::Asked(question, Verdict::Spent(status)) => {
            (Style::Warn, "live", format!("{}, which answers {status}", question.endpoint))
        }
        Found::Asked(question, Verdict::Refused(status)) => {
            (Style::Bad, "refused", format!("{} answers {status}", question.endpoint))
        }
        Found::Asked(question, Verdict::Unclear(why)) => {
            (Style::Warn, "unclear", format!("{}: {why}", question.endpoint))
        }
        Found::Not(why) => (Style::Dim, "not asked", why.clone()),
    };
    vec![(Style::Plain, name.to_string()), (style, word.to_owned()), (Style::Dim, more)]
}

fn as_json(name: &KeyName, found: &Found) -> Value {
    let (result, endpoint, reason) = match found {
        Found::Asked(question, verdict) => {
            let (word, reason) = match verdict {
                Verdict::Live => ("live", None),
                Verdict::Spent(status) => ("live", Some(status.to_string())),
                Verdict::Refused(status) => ("refused", Some(status.to_string())),
                Verdict::Unclear(why) => ("unclear", Some(why.clone())),
            };
            (word, Some(question.endpoint.clone()), reason)
        }
        Found::Not(why) => ("not-asked", None, Some(why.clone())),
    };
    json!({ "name": name, "result": result, "endpoint": endpoint, "reason": reason })
}
