//! API keys in agents' stores of logins: which of them can move if the person says so, and what their agents have then.
//!
//! A key moves only where its agent gets the very account from a profile: the provider's own endpoint, under the name
//! that the agent has for it. A profile hides whatever else stands in the store, so it becomes the agent's default only
//! where nothing else is left.

use super::choices::Choices;
use super::diff::{self, Hunk};
use super::reading::{Content, Pending};
use crate::migrate::accounts::{Account, Accounts, Machine, Name, Origin, Withheld};
use crate::migrate::entries::{Entries, Entry, Store};
use crate::migrate::examine::{Action, Examined, Finding};
use crate::migrate::keyset::{Key, KeySet};
use crate::migrate::model::Form;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A key in a store that can move.
pub(crate) struct Offer {
    /// The store, symlinks resolved, and the entry's name.
    pub place: (PathBuf, String),
    /// The store as it was found.
    pub path: PathBuf,
    /// The agent whose it is.
    pub agent: &'static str,
    /// What is taken out, its key masked.
    pub hunk: Hunk,
    /// What the agent has afterwards, in words.
    pub afterwards: String,
}

/// A key in a store.
pub(super) struct Stored {
    pub provider: String,
    pub value: Zeroizing<Vec<u8>>,
    /// Whether it can move, or why it stays.
    pub offer: Result<Offer, String>,
    // The file, by its number, and the entry, by its place among the keys.
    file: usize,
    entry: usize,
    line: usize,
}

/// Entries of stores, by their places among the keys there, and the numbers of their files.
pub(super) type Gone = BTreeMap<usize, BTreeSet<usize>>;

impl Stored {
    /// Reports whether it is among these entries.
    pub(super) fn is_among(&self, gone: &Gone) -> bool {
        gone.get(&self.file).is_some_and(|own| own.contains(&self.entry))
    }
}

/// The keys in the stores behind the first files, which can be edited. `accounts` are what those come to.
pub(super) fn offers(files: &[Pending], edited: usize, machine: &Machine<'_>, accounts: &Accounts) -> Vec<Stored> {
    let mut found = Vec::new();
    for (number, file) in files.iter().enumerate().skip(edited) {
        let Some((store, entries)) = &file.store else { continue };
        let Content::Reported(findings) = &file.content else { continue };
        let Ok(entries) = entries else { continue };
        let away = leads_away(&files[..edited], *store, machine);
        let taken = taken(store.agent(), machine, accounts);
        let judged: Vec<(usize, &Finding, Result<(), String>)> = entries
            .keys
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| {
                let finding = findings.iter().find(|finding| is_of(finding, entry, &file.snapshot.bytes))?;
                Some((at, finding, movable(file, *store, entry, finding, machine, &away)))
            })
            .collect();
        let can = judged.iter().filter(|(.., can)| can.is_ok()).map(|(at, ..)| *at).collect();
        let offering = Offering { file, store: *store, entries, can, machine, taken };
        for (at, finding, result) in judged {
            let offer = result.and_then(|()| offering.offer(at));
            let (provider, value, line) = (finding.provider.clone(), finding.value.clone(), finding.line);
            found.push(Stored { provider, value, offer, file: number, entry: at, line });
        }
    }
    found
}

// Whether a finding speaks about an entry's key.
fn is_of(finding: &Finding, entry: &Entry, bytes: &[u8]) -> bool {
    let before = &bytes[..entry.span.start];
    *finding.value == *entry.value && finding.line == 1 + memchr::memchr_iter(b'\n', before).count()
}

// Why start files keep keys in the store, by the provider, with an empty name for all of them: what they set leads the
// agent to another endpoint, or is another key.
fn leads_away(files: &[Pending], store: Store, machine: &Machine<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let others = machine.stores.get(&store).map(|settings| &settings.outranked_by);
    for file in files.iter().filter(|file| file.is_started) {
        let Content::Parsed(parsed) = &file.content else { continue };
        for (name, value) in parsed.settings() {
            let why = || format!("{} sets {name}", file.path.display());
            // Codex reads no variable for the endpoint.
            let away = machine.vocabulary.leads_away(name, value).filter(|_| store == Store::OpenCode);
            found.extend(away.map(|provider| (provider.name.to_string(), why())));
            if others.is_some_and(|others| others.contains(name)) && value != Some(b"") {
                found.insert(String::new(), why());
            }
        }
    }
    found
}

// Why the agent's default account is another one, or none, whatever moves.
fn taken(agent: &str, machine: &Machine<'_>, accounts: &Accounts) -> Option<String> {
    if machine.default.as_ref().is_some_and(|(_, own)| own.contains(agent)) {
        return Some("the default profile has an account for it already".to_owned());
    }
    let of_agent = |own: &&Account| own.is_default() && own.agents.iter().any(|own| own == agent);
    if let Some(own) = accounts.made.iter().find(of_agent) {
        return Some(format!("its account is that of {}", own.from));
    }
    // The login that keeps other keys away is the store's.
    let login = machine.login_of(agent);
    let is_said = |own: &&Withheld| own.agent == agent && Some(&own.why) != login.as_ref() && !own.is_of_functions;
    let mut withheld = accounts.withheld.iter().filter(is_said);
    withheld.next().map(|own| own.why.clone())
}

fn movable(
    file: &Pending,
    store: Store,
    entry: &Entry,
    finding: &Finding,
    machine: &Machine<'_>,
    away: &BTreeMap<String, String>,
) -> Result<(), String> {
    let agent = store.agent();
    if let Some(stays) = entry.stays {
        return Err(stays.to_string());
    }
    let settings = machine.stores.get(&store).ok_or_else(|| format!("nothing is known of {agent}"))?;
    if settings.file != file.path {
        return Err(format!("{agent} reads {} here", settings.file.display()));
    }
    if !file.snapshot.ours {
        return Err("the file belongs to another user".to_owned());
    }
    if finding.provider != entry.name {
        return Err(format!("a launch by Ringlet cannot give {agent} the account \"{}\" there", entry.name));
    }
    let spec = agent.parse().ok().and_then(|agent| machine.vocabulary.agents.get(&agent));
    let is_given = spec.is_some_and(|spec| {
        let mut own = spec.api.iter().flat_map(|api| &api.providers);
        store == Store::Codex || own.any(|provider| provider.as_str() == entry.name)
    });
    if !is_given {
        return Err(format!("a launch by Ringlet gives {agent} this provider under another name"));
    }
    let own = settings.keeps(&entry.name);
    let away = || away.get("").or_else(|| away.get(&entry.name)).map(String::as_str);
    if let Some(why) = own.or_else(away) {
        return Err(format!("{why}, so this may not be the account that {agent} uses"));
    }
    (machine.check)(agent, &account(store, entry, file, 0, machine, Name::Default))
}

fn account(store: Store, entry: &Entry, file: &Pending, number: usize, machine: &Machine<'_>, name: Name) -> Account {
    let from = machine.logins.get(store.agent()).cloned();
    Account {
        name,
        agents: vec![store.agent().to_owned()],
        provider: entry.name.clone(),
        value: entry.value.clone(),
        endpoint: None,
        is_at_its_provider: true,
        allow_http: false,
        auth_header: None,
        model: None,
        env: vec![],
        also: vec![],
        config_dir: None,
        alias: None,
        origin: Origin::Key,
        from: from.unwrap_or_else(|| file.path.display().to_string()),
        files: [number].into(),
    }
}

fn profile_of(store: Store, provider: &str) -> String {
    format!("{}-{provider}", store.agent())
}

/// A store whose keys are offered.
struct Offering<'a, 'w> {
    file: &'a Pending,
    store: Store,
    entries: &'a Entries,
    // The entries that can move, by their places among the keys.
    can: BTreeSet<usize>,
    machine: &'a Machine<'w>,
    // Why the agent's default account is another one, or none, whatever moves.
    taken: Option<String>,
}

impl Offering<'_, '_> {
    fn offer(&self, at: usize) -> Result<Offer, String> {
        let entry = &self.entries.keys[at];
        let bytes = &self.file.snapshot.bytes;
        let cuts = self.entries.cuts(bytes, &[at].into()).ok_or("it cannot be taken out safely")?;
        let keys = KeySet::new(vec![Key { value: &entry.value, number: None }]);
        let hunk = diff::entries(bytes, &cuts, &keys).pop().ok_or("it cannot be taken out safely")?;
        let place = (self.file.target.clone(), entry.name.clone());
        let (path, agent) = (self.file.path.clone(), self.store.agent());
        Ok(Offer { place, path, agent, hunk, afterwards: self.afterwards(&entry.name) })
    }

    // What the agent has once the key has moved, and all others that can.
    fn afterwards(&self, provider: &str) -> String {
        let agent = self.store.agent();
        let profile = profile_of(self.store, provider);
        let why = || why_no_default(self.store, self.entries, &self.can, provider, self.machine);
        match self.taken.clone().or_else(why) {
            None if self.can.len() == 1 => format!("{agent}'s default account is this key, which a profile gives it"),
            None => format!(
                "{agent}'s default account is this key, since its settings choose a model of {provider}, if the other \
                 keys there move as well"
            ),
            Some(why) => format!("profile \"{profile}\" gives {agent} this key; it is not the default, since {why}"),
        }
    }
}

// Why the account of a provider is not the agent's default once these entries are out; nothing where it is.
fn why_no_default(
    store: Store,
    entries: &Entries,
    gone: &BTreeSet<usize>,
    provider: &str,
    machine: &Machine<'_>,
) -> Option<String> {
    let stay = entries.keys.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, own)| own.name.as_str());
    let mut stay: Vec<&str> = entries.others.iter().map(String::as_str).chain(stay).collect();
    stay.sort_unstable();
    if !stay.is_empty() {
        return Some(format!("a profile hides the other logins in the file ({})", stay.join(", ")));
    }
    let model = machine.stores.get(&store).and_then(|settings| settings.model.as_deref());
    match model {
        Some(model) if model == provider => None,
        Some(model) => Some(format!("the settings of {} choose a model of {model}", store.agent())),
        None if gone.len() == 1 => None,
        None => Some(format!("the file has several keys, and the settings of {} choose no model", store.agent())),
    }
}

/// The entries that the person wants moved.
pub(super) fn gone(stored: &[Stored], files: &[Pending], machine: &Machine<'_>, choices: &Choices) -> Gone {
    let mut found = Gone::new();
    for own in stored {
        let is_wanted = own.offer.as_ref().is_ok_and(|offer| choices.entries.contains(&offer.place));
        if is_wanted && files[own.file].stays.is_none() && !machine.spared.has(&own.value) {
            found.entry(own.file).or_default().insert(own.entry);
        }
    }
    found
}

/// Makes accounts of these entries, and says which agents have no default then.
pub(super) fn bind(gone: &Gone, files: &[Pending], machine: &Machine<'_>, accounts: &mut Accounts) {
    for (number, gone) in gone {
        let file = &files[*number];
        let Some((store, Ok(entries))) = &file.store else { continue };
        let agent = store.agent();
        let is_taken = taken(agent, machine, accounts).is_some();
        let login = machine.login_of(agent);
        let stays = |own: &Withheld| own.agent != agent || Some(&own.why) != login.as_ref() && !own.is_of_functions;
        accounts.withheld.retain(stays);
        let mut why = None;
        let mut has_default = is_taken;
        for at in gone {
            let entry = &entries.keys[*at];
            let own = why_no_default(*store, entries, gone, &entry.name, machine);
            let name = match &own {
                None if !is_taken => Name::Default,
                _ => Name::Launcher { name: profile_of(*store, &entry.name), is_default: false },
            };
            has_default |= name == Name::Default;
            why = why.or(own.map(|why| (why, entry.name.clone())));
            accounts.made.push(account(*store, entry, file, *number, machine, name));
        }
        if let Some((why, provider)) = why.filter(|_| !has_default) {
            let (agent, provider) = (agent.to_owned(), Some(provider));
            accounts.withheld.push(Withheld::new(agent, why, None, provider, None));
        }
    }
}

/// What is found in a store with the keys that the person wants moved, their cuts, and why others stay, by the places
/// of the findings.
pub(super) fn examined(
    stored: &[Stored],
    (number, file): (usize, &Pending),
    gone: &Gone,
    mut findings: Vec<Finding>,
) -> (Examined, BTreeMap<usize, String>) {
    let mut notes = BTreeMap::new();
    let entries = match &file.store {
        Some((_, Ok(entries))) => entries,
        Some((_, Err(stays))) => {
            notes.extend((0..findings.len()).map(|at| (at, stays.to_string())));
            return (Examined::reported(findings), notes);
        }
        None => return (Examined::reported(findings), notes),
    };
    let own = gone.get(&number).cloned().unwrap_or_default();
    let cuts = entries.cuts(&file.snapshot.bytes, &own).unwrap_or_default();
    for own in stored.iter().filter(|own| own.file == number) {
        let is_it = |finding: &Finding| finding.line == own.line && *finding.value == *own.value;
        let Some(at) = findings.iter().position(is_it) else { continue };
        match &own.offer {
            Ok(_) if own.is_among(gone) && !cuts.is_empty() => {
                findings[at].action = Action::Moved(Form::Entry);
                // No shell has it in a variable.
                findings[at].variable = None;
            }
            Ok(_) => {}
            Err(why) => drop(notes.insert(at, why.clone())),
        }
    }
    (Examined::of_store(findings, cuts), notes)
}
