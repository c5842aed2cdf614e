//! Finds credentials, endpoints and choices in the user's own files that would win over the profile's account.

use super::{Context, LaunchPlan, PlanError, ProfilePart, Purpose, SecretUse, Sink};
use crate::config::MAX_BYTES;
use crate::guard;
use crate::name::Variable;
use crate::platform::{self, ReadError};
use crate::profile::{Account, Reach, Resolved};
use crate::registry::{Chosen, Stored, UserFile, Version};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

// Claude Code also keeps a history in the file with its rejected keys.
const MAX_LIST: u64 = 64 << 20;

/// Refuses a launch whose account would not be used. That is the case if the agent would send a stored credential to a
/// service without a key, or would use a stored credential or endpoint in place of the profile's. A rule for older
/// versions only applies unless the version is known to be newer.
pub(super) fn refuse(
    context: &Context<'_>,
    part: &ProfilePart,
    version: Option<&Version>,
    secrets: &[SecretUse],
) -> Result<(), PlanError> {
    let resolved = &part.resolved;
    let (files, why) = match &resolved.account {
        Account::None { .. } => (&resolved.agent.stored, "would be sent as well"),
        Account::Key { .. } => (&resolved.agent.outranks, "would win over the profile's account"),
        Account::Login { .. } => return Ok(()),
    };
    for stored in files {
        let is_past = |until: &String| version.is_some_and(|version| version.is_at_least(until));
        if !stored.until.as_ref().is_some_and(is_past) {
            let (file, found) = effective_entries(context, resolved, stored)?;
            if !found.is_empty() {
                return Err(PlanError::Stored { file, why: format!("sets {}, which {why}", found.join(", ")) });
            }
        }
    }
    for used in secrets.iter().filter(|used| used.purpose == Purpose::Account) {
        used.sink.variable().map_or(Ok(()), |name| refuse_line(context, resolved, name))?;
    }
    refuse_choice(context, resolved, part.broker.is_some())
}

/// Returns sentences about entries in the user's files that win over a login. The user wrote these files, so the launch
/// is not refused.
pub(crate) fn over_login(context: &Context<'_>, resolved: &Resolved) -> Vec<String> {
    let shown = |stored: &Stored| match effective_entries(context, resolved, stored) {
        Ok((_, found)) if found.is_empty() => None,
        Ok((file, found)) => {
            Some(format!("{} sets {}, which wins over the login", context.paths.pretty(&file), found.join(", ")))
        }
        Err(error) => Some(error.to_string()),
    };
    resolved.agent.outranks.iter().filter_map(shown).collect()
}

// Returns the path of a file: below the profile's folder, else the shell's, else the default folder.
pub(super) fn path_of(context: &Context<'_>, resolved: &Resolved, file: &UserFile) -> Option<PathBuf> {
    if let Some(moved) = file.variable.as_ref().and_then(|name| context.env.absolute(name)) {
        return Some(moved);
    }
    if Path::new(&file.default).is_absolute() {
        return Some(file.default.clone().into());
    }
    let moves = resolved.agent.config_dir.first();
    let folder = match (&resolved.config_dir, &resolved.account) {
        (Some(folder), _) => Some(folder.value.join(moves.map_or("", |moved| moved.suffix.trim_start_matches('/')))),
        // A login in the default folder removes the variable.
        (None, Account::Login { .. }) => None,
        (None, _) => moves.and_then(|moved| context.env.absolute(moved.variable.as_str())),
    };
    match folder {
        Some(folder) => file.file.as_ref().map(|below| folder.join(below)),
        None => Some(context.paths.expand(&file.default)),
    }
}

// Refuses a variable that the agent's own dotenv file sets, because the file wins over the environment.
fn refuse_line(context: &Context<'_>, resolved: &Resolved, variable: &Variable) -> Result<(), PlanError> {
    for file in &resolved.agent.env_files {
        let Some(file) = path_of(context, resolved, file) else { continue };
        let refused = |why: String| PlanError::Stored { file: file.clone(), why };
        let unread = |why: String| refused(format!("cannot be checked: {why}"));
        let Some(bytes) = read(&file, MAX_BYTES).map_err(|error| unread(error.to_string()))? else { continue };
        let set = guard::dotenv_names(&bytes).map_err(|why| unread(format!("it {why}")))?;
        if set.iter().any(|name| name == variable.as_str()) {
            let text = String::from_utf8_lossy(&bytes);
            let sets_variable = |line: &str| {
                let line = line.trim_start();
                let name = line.strip_prefix("export").map_or(line, str::trim_start);
                name.strip_prefix(variable.as_str()).is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
            };
            let at = text.lines().position(sets_variable).map_or(String::new(), |at| format!(" in line {}", at + 1));
            return Err(refused(format!("sets {variable}{at}, which would win over the profile's account")));
        }
    }
    Ok(())
}

// Returns the names of the entries that count for this account.
fn effective_entries(
    context: &Context<'_>,
    resolved: &Resolved,
    stored: &Stored,
) -> Result<(PathBuf, Vec<String>), PlanError> {
    let file = path_of(context, resolved, &stored.user_file()).unwrap_or_default();
    let named = |reach: &Reach| reach.api.id.clone().unwrap_or_else(|| reach.provider_name.clone());
    let provider = &resolved.account.reach().map_or_else(String::new, named);
    let keys: Vec<String> = stored.keys.iter().map(|key| key.replace("{provider}", provider)).collect();
    let entries = entries(&file, &keys)?;
    let counts = entries.into_iter().filter(|(name, value)| counts(resolved, name, value.as_deref()));
    let names = counts.map(|(name, _)| name).collect();
    Ok((file, names))
}

// Reports whether an entry counts. A variable in the agent's settings counts if it competes with the account, an
// endpoint if it differs from the profile's.
fn counts(resolved: &Resolved, name: &str, value: Option<&str>) -> bool {
    let Some(variable) = name.strip_prefix("env.") else { return true };
    let agent = &resolved.agent;
    if agent.is_endpoint(variable) {
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        let own = resolved.account.base_url().map(|url| bare(&url.value));
        return own.is_none() || value.map(bare) != own;
    }
    match resolved.account {
        Account::Key { .. } => agent.competes_with_key(variable),
        Account::None { .. } => true,
        Account::Login { .. } => agent.competes_with_login(variable),
    }
}

pub(super) fn entries(file: &Path, keys: &[String]) -> Result<Vec<(String, Option<String>)>, PlanError> {
    let unread = |why: String| PlanError::Stored { file: file.to_owned(), why: format!("cannot be checked: {why}") };
    match read(file, MAX_BYTES) {
        Ok(Some(bytes)) => guard::json_entries(&bytes, keys).map_err(|why| unread(format!("it {why}"))),
        Ok(None) => Ok(Vec::new()),
        Err(error) => Err(unread(error.to_string())),
    }
}

/// Reports whether the agent's own settings choose a key at another endpoint than its provider's, where it asks them.
pub(super) fn is_chosen(context: &Context<'_>, resolved: &Resolved) -> bool {
    seed(context, resolved).is_none() && refuse_choice(context, resolved, true).is_ok()
}

// Refuses a key that the agent's own settings do not choose. The agent ignores such a key.
fn refuse_choice(context: &Context<'_>, resolved: &Resolved, is_brokered: bool) -> Result<(), PlanError> {
    let Some(chosen) = resolved.agent.chosen.as_ref().filter(|_| resolved.account.key().is_some()) else {
        return Ok(());
    };
    let is_moved = is_brokered || resolved.account.reach().is_some_and(|reach| !reach.default_endpoint);
    if is_brokered && seed(context, resolved).is_some() {
        return Ok(());
    }
    let keys = [chosen.key.clone()];
    let mut found = None;
    for file in &chosen.files {
        let Some(file) = path_of(context, resolved, file) else { continue };
        if let Some((_, value)) = entries(&file, &keys)?.pop() {
            found = Some((file, value));
        }
    }
    let Chosen { key, value: wanted, files } = chosen;
    match found {
        Some((_, Some(value))) if value == *wanted => Ok(()),
        Some((file, _)) => Err(PlanError::NotChosen { file, key: key.clone(), wanted: wanted.clone(), is_set: true }),
        None if !is_moved => Ok(()),
        None => {
            let file =
                files.iter().filter(|file| file.file.is_some()).find_map(|file| path_of(context, resolved, file));
            let file = file.unwrap_or_default();
            Err(PlanError::NotChosen { file, key: key.clone(), wanted: wanted.clone(), is_set: false })
        }
    }
}

/// The settings file that a brokered launch writes into a new folder, so that the agent uses the key: its path and its
/// content. `None` for a folder that is there, because what it holds is the user's.
pub(crate) fn seed(context: &Context<'_>, resolved: &Resolved) -> Option<(PathBuf, String)> {
    let folder = resolved.config_dir.as_ref()?;
    let chosen = resolved.agent.chosen.as_ref()?;
    if folder.value.symlink_metadata().is_ok() {
        return None;
    }
    let file = chosen.files.iter().find(|file| file.file.is_some())?;
    let value = serde_json::Value::from(chosen.value.as_str());
    let nested = chosen.key.rsplit('.').fold(value, |value, name| serde_json::json!({ name: value }));
    Some((path_of(context, resolved, file)?, format!("{nested:#}\n")))
}

/// The last characters of the keys that the user told the agent not to use.
pub(crate) struct Rejections {
    /// The agent's file with the list.
    pub file: PathBuf,
    ends: Vec<Zeroizing<String>>,
    last: usize,
}

impl Rejections {
    /// Reports whether a key is rejected.
    pub(crate) fn hold(&self, key: &[u8]) -> bool {
        let end = &key[key.len().saturating_sub(self.last)..];
        self.ends.iter().any(|rejected| rejected.as_bytes() == end)
    }
}

/// Returns the keys that the agent rejects, or none if the agent would not ask about the key or rejects nothing. The
/// agent ignores a list that it cannot read, and so does Ringlet.
pub(crate) fn rejections(context: &Context<'_>, plan: &LaunchPlan) -> Option<Rejections> {
    // The agent is shown the token of the launch.
    let resolved = &plan.part().filter(|part| part.broker.is_none())?.resolved;
    let rejected = resolved.agent.rejected.as_ref()?;
    let account = plan.secrets().iter().find(|used| used.purpose == Purpose::Account)?;
    let is_asked = matches!(&account.sink, Sink::Variable(name) if *name.as_str() == rejected.variable);
    let mut words = plan.start().arguments.iter().filter_map(|word| word.to_str());
    // A short option may be part of a cluster such as `-cp`.
    let is_said = |word: &str, option: &String| match (option.strip_prefix('-'), word.strip_prefix('-')) {
        _ if option == word => true,
        (Some(letter), Some(letters)) if letter.len() == 1 => {
            letters.bytes().all(|byte| byte.is_ascii_alphabetic()) && letters.contains(letter)
        }
        _ => false,
    };
    if !is_asked || words.any(|word| rejected.unless.iter().any(|option| is_said(word, option))) {
        return None;
    }
    let mut files = rejected.files.iter().filter_map(|file| path_of(context, resolved, file));
    let file = files.find(|file| file.is_file())?;
    let bytes = read(&file, MAX_LIST).ok()??;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let list = rejected.list.iter().try_fold(&json, |value, name| value.get(name))?.as_array()?;
    let ends: Vec<_> = list.iter().filter_map(|end| Some(Zeroizing::new(end.as_str()?.to_owned()))).collect();
    (!ends.is_empty()).then_some(Rejections { file, ends, last: rejected.last })
}

/// Reads a file of the agent that may hold credentials. A folder of that name counts as no file, as it does for the
/// agent.
pub(super) fn read(file: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
    match platform::read_file(file, limit) {
        Ok(read) => Ok(Some(Zeroizing::new(read.bytes))),
        Err(error) if error.is_absent() => Ok(None),
        // A file stands in place of a parent folder.
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
        Err(ReadError::NotAFile(_)) if file.is_dir() => Ok(None),
        Err(error) => Err(error),
    }
}
