//! Agents that list and continue sessions of one provider id only. This module selects the form of the provider for a
//! launch, and refuses a session that the agent could not continue.

use super::{Context, Notice, PlanError, Start};
use crate::platform;
use crate::profile::Resolved;
use crate::registry::{Api, Form, Sessions};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

// The first line of a session's file holds the session's instructions as well.
const MAX_LINE: u64 = 4 << 20;
// The levels are years, months, days and sessions.
const MAX_DEPTH: usize = 4;
const MAX_ENTRIES: usize = 200_000;

/// A session that the agent would not continue.
#[derive(Debug, thiserror::Error)]
#[error("the session {session} belongs to the provider \"{belongs}\", and {agent} would go on under \"{id}\"")]
pub struct OtherSession {
    /// The session.
    pub session: String,
    /// The id of its provider.
    pub belongs: String,
    /// The agent's command.
    pub agent: String,
    /// The id that the launch would use.
    pub id: String,
    /// The agent's program, which continues the session without Ringlet.
    pub binary: PathBuf,
    /// The command that continues the session, if this account has such a command.
    pub command: Option<Vec<String>>,
}

/// What the user's arguments ask of an agent with sessions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// The command, if the first word is one.
    pub(super) command: Option<&'a str>,
    /// The id of the session to continue.
    pub(super) session: Option<&'a str>,
}

/// Reads the command and the session from the arguments. The value of an option is no word of its own.
pub(super) fn asked<'a>(sessions: &Sessions, words: &'a [OsString]) -> Asked<'a> {
    let mut plain = Vec::new();
    let mut is_last = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else {
            plain.push("");
            continue;
        };
        match word {
            "--" => break,
            _ if sessions.last.iter().any(|last| last == word) => is_last = true,
            _ if sessions.valued.iter().any(|option| option == word) => drop(words.next()),
            _ if word.starts_with('-') && word != "-" => {}
            _ => plain.push(word),
        }
    }
    let command = plain.first().copied();
    let is_resume = |word: &&&str| sessions.resume.iter().any(|resume| resume == **word);
    // `resume ID`, or after another command: `exec resume ID`.
    let at = plain.iter().take(2).position(|word| is_resume(&word));
    let session = at.filter(|_| !is_last).and_then(|at| plain.get(at + 1)).copied();
    Asked { command, session }
}

/// Returns the form of the provider that the arguments select, or `Ok(None)` for the usual one. Fails for a session
/// that belongs to another provider, which the agent would not continue.
pub(super) fn form(
    context: &Context<'_>,
    resolved: &Resolved,
    words: &[OsString],
    start: &Start,
) -> Result<Option<Api>, PlanError> {
    let (Some(sessions), Some(reach)) = (&resolved.agent.sessions, resolved.account.reach()) else { return Ok(None) };
    let asked = asked(sessions, words);
    let provider = resolved.account.provider().map(|provider| &provider.value.name);
    let selected = reach.api.form(provider, &start.command, asked.command);
    let usual = &reach.api.id;
    let Some(session) = asked.session else { return Ok(selected) };
    let Some(belongs) = owner(&folder(context, resolved, sessions), sessions, session) else { return Ok(selected) };
    let takes = |api: &Api| api.id.as_deref() == Some(belongs.as_str());
    match &selected {
        Some(form) if takes(form) => Ok(Some(form.clone())),
        _ if usual.as_ref() == Some(&belongs) => Ok(None),
        _ => Err(PlanError::OtherSession(Box::new(OtherSession {
            session: session.to_owned(),
            // A form that continues the session, if this account has one.
            command: (reach.api.forms.iter())
                .find(|form| form.called.is_empty() && form.is_for(provider) && form.id == belongs)
                .and_then(|form| resume_command(resolved, sessions, form)),
            agent: resolved.agent.command.clone(),
            binary: start.binary.clone(),
            id: selected.as_ref().unwrap_or(&reach.api).id.clone().unwrap_or_default(),
            belongs,
        }))),
    }
}

// Returns the agent's folder.
fn folder(context: &Context<'_>, resolved: &Resolved, sessions: &Sessions) -> PathBuf {
    let moved = resolved.agent.config_dir.first().and_then(|moved| context.env.absolute(moved.variable.as_str()));
    match &resolved.config_dir {
        Some(folder) => folder.value.clone(),
        None => moved.unwrap_or_else(|| context.paths.expand(&sessions.home)),
    }
}

// Reports whether any session exists.
fn are_there(folder: &Path, sessions: &Sessions) -> bool {
    let is_filled = |name: &String| fs::read_dir(folder.join(name)).is_ok_and(|mut entries| entries.next().is_some());
    sessions.folders.iter().any(is_filled)
}

/// Returns the file that marks the first launch under a provider id of Ringlet in this folder, if it does not exist
/// yet.
pub(crate) fn first_launch_mark(context: &Context<'_>, resolved: &Resolved) -> Option<PathBuf> {
    let (sessions, reach) = (resolved.agent.sessions.as_ref()?, resolved.account.reach()?);
    // A form under the agent's own id continues the agent's own sessions.
    let is_own = reach.api.forms.iter().any(|form| form.called.is_empty() && Some(&form.id) == reach.api.id.as_ref());
    let mark = context.paths.sessions_mark(&folder(context, resolved, sessions));
    (!is_own && !mark.exists()).then_some(mark)
}

/// Returns a notice before the first launch that the agent will not list the existing sessions.
pub(super) fn unlisted(context: &Context<'_>, resolved: &Resolved, binary: &Path) -> Option<Notice> {
    first_launch_mark(context, resolved)?;
    let (sessions, reach) = (resolved.agent.sessions.as_ref()?, resolved.account.reach()?);
    if !are_there(&folder(context, resolved, sessions), sessions) {
        return None;
    }
    let provider = resolved.account.provider().map(|provider| &provider.value.name);
    let form = reach.api.forms.iter().find(|form| form.called.is_empty() && form.is_for(provider));
    Some(Notice::OtherSessions {
        command: resolved.agent.command.clone(),
        binary: binary.to_owned(),
        profile: resolved.profile.clone(),
        resume: form.and_then(|form| resume_command(resolved, sessions, form)),
    })
}

fn resume_command(resolved: &Resolved, sessions: &Sessions, form: &Form) -> Option<Vec<String>> {
    let words = [&resolved.agent.command, form.commands.first()?, sessions.resume.first()?];
    Some(words.map(String::clone).into())
}

// Returns the provider of a session, from the first line of its file. Only an id names a file.
fn owner(folder: &Path, sessions: &Sessions, session: &str) -> Option<String> {
    let is_id = session.len() >= 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut left = MAX_ENTRIES;
    let ending = format!("-{session}.jsonl");
    let mut folders = sessions.folders.iter().filter(|_| is_id).map(|name| folder.join(name));
    let file = folders.find_map(|folder| find(&folder, &ending, MAX_DEPTH, &mut left))?;
    let mut line = String::new();
    BufReader::new(platform::open_file(&file).ok()?.file.take(MAX_LINE)).read_line(&mut line).ok()?;
    let json: serde_json::Value = serde_json::from_str(&line).ok()?;
    sessions.id.iter().try_fold(&json, |value, name| value.get(name))?.as_str().map(str::to_owned)
}

fn find(folder: &Path, ending: &str, depth: usize, left: &mut usize) -> Option<PathBuf> {
    let mut below = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        *left = left.checked_sub(1)?;
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            below.push(entry.path());
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(|name| name.ends_with(ending)) {
            return Some(entry.path());
        }
    }
    // The newest day is searched first.
    below.sort_unstable_by(|a, b| b.cmp(a));
    let depth = depth.checked_sub(1)?;
    below.iter().find_map(|folder| find(folder, ending, depth, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Sessions {
            home: "~/.codex".into(),
            folders: list(&["sessions"]),
            id: list(&["payload", "model_provider"]),
            resume: list(&["resume", "fork"]),
            last: list(&["--last"]),
            valued: list(&["-m", "-c"]),
        }
    }

    #[test]
    fn a_session_is_named_behind_its_command_and_an_options_value_is_none() {
        for (words, command, session) in [
            (&["exec", "resume", "ID", "more"][..], Some("exec"), Some("ID")),
            (&["-m", "resume", "exec", "hi"], Some("exec"), None),
            (&["exec", "-m", "x", "resume", "--all", "ID"], Some("exec"), Some("ID")),
            (&["resume", "ID"], Some("resume"), Some("ID")),
            (&["fork", "-c", "a=b", "ID"], Some("fork"), Some("ID")),
            (&["exec", "resume", "--last", "more"], Some("exec"), None),
            (&["resume"], Some("resume"), None),
            (&["exec", "how to", "resume", "ID"], Some("exec"), None),
            (&["--", "resume", "ID"], None, None),
            (&[], None, None),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(asked(&sessions(), &words), Asked { command, session }, "{words:?}");
        }
    }

    #[test]
    fn a_session_belongs_to_whom_its_first_line_says() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let id = "01a22247-9fde-7ba0-a3b0-a1e257103c17";
        let day = folder.path().join("sessions/2026/11/28");
        fs::create_dir_all(&day).expect("a folder");
        let file = day.join(format!("rollout-2026-11-28T13-10-49-{id}.jsonl"));
        fs::write(&file, "{\"payload\":{\"model_provider\":\"openai\"}}\n{}\n").expect("written");
        let of = |session: &str| owner(folder.path(), &sessions(), session);
        assert_eq!(of(id).as_deref(), Some("openai"));
        for other in ["01a22247-9fde-7ba0-a3b0-a1e257103c18", "rollout", "", "../sessions"] {
            assert_eq!(of(other), None, "{other}");
        }
        for broken in ["", "{", "[]\n", "{\"payload\":{\"model_provider\":1}}\n"] {
            fs::write(&file, broken).expect("written");
            assert_eq!(of(id), None, "{broken}");
        }
        assert!(are_there(folder.path(), &sessions()));
    }
}
