//! What this machine has: agents with their logins, keys in files, the store, the hook. Nothing is changed.

use crate::commands::migrate::machine::{know_moved, machine};
use crate::commands::{Session, hook};
use crate::failure::Failure;
use crate::host::Host;
use crate::migrate;
use crate::migrate::aftermath::OpenShell;
use crate::migrate::files::{Found as Files, MAX_FILE};
use crate::migrate::plan::{Plan, PlannedFile};
use crate::migrate::vocabulary::Vocabulary;
use crate::name::{Agent, KeyName, Profile, Provider};
use crate::output::Style;
use crate::plan::{self, LaunchRequest};
use crate::platform;
use crate::profile::Profiles;
use crate::registry::AgentSpec;
use crate::shell::{NameKind, Shell};
use crate::store::{Prompt, StoreError, TO_ENCRYPT};
use memchr::memmem;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is known of an agent's account in this directory.
#[derive(Debug)]
pub(super) enum State {
    /// A profile gives it one.
    Here(Profile),
    /// It has one in a profile that does not govern here.
    Elsewhere,
    /// It has none.
    Missing,
    /// A launch is refused.
    Refused,
}

/// An agent on PATH.
pub(super) struct Found {
    /// Its name.
    pub(super) name: Agent,
    /// Its definition.
    pub(super) spec: Arc<AgentSpec>,
    /// Its program.
    pub(super) binary: PathBuf,
    /// Its own login, described.
    pub(super) login: Option<String>,
    /// Its account.
    pub(super) state: State,
}

/// Whether new shells start agents through Ringlet.
pub(super) enum HookState {
    /// This one does.
    Active,
    /// A start file loads the hook, and this shell is older.
    Loaded(PathBuf),
    /// This file is to load it.
    Missing(Shell, PathBuf),
    /// A line must go into a file that only the shell can name.
    ByHand(Shell),
    /// The user's shell has none.
    None(OpenShell),
}

/// What this machine has.
pub(super) struct Survey {
    /// The agents on PATH, by name.
    pub(super) agents: Vec<Found>,
    /// The names of the stored keys.
    pub(super) keys: Result<Vec<KeyName>, StoreError>,
    // The store, and why it is a plain file.
    place: String,
    plain: Option<String>,
    /// How many keys `migrate` would move out of files.
    pub(super) in_files: usize,
    /// The keys that stand in files, and where. Whether one belongs to an endpoint is for `migrate` to say.
    pub(super) found: Vec<(Zeroizing<Vec<u8>>, String)>,
    /// The variables that lead a provider's agents elsewhere and that a file sets or names, and where.
    pub(super) led_away: Vec<(Provider, String)>,
    /// The hook.
    pub(super) hook: HookState,
    /// The profile of the governing project file, if that is allowed and names one.
    pub(super) governing: Option<Profile>,
    /// Whether a project file governs, allowed or not.
    pub(super) is_governed: bool,
}

impl Survey {
    pub(super) fn new(host: &Host, session: &Session) -> Result<Self, Failure> {
        let store = session.open_store(&host.world, Prompt::Never);
        let keys = store.names();
        let store_place = session.pretty_place(&store.place());
        let plain = store
            .fell_back()
            .map(|missing| format!("{}; run `{}`, or {}", missing.summary(), TO_ENCRYPT.join(" "), missing.cure()));
        let mut machine = machine(host, session)?;
        know_moved(host, session, &mut machine);
        let files = migrate::files::find(&session.paths, &host.world.env);
        let led_away = led_away(session, &machine.vocabulary, &files);
        let plan = Plan::of(&files, &[], &machine);
        let in_files = plan.keys.len();
        let place = |file: &PlannedFile, line: usize| format!("{}:{line}", session.paths.pretty(&file.path));
        let of_file = |file: &'_ PlannedFile| {
            let placed = file.findings.iter().map(|placed| &placed.finding);
            placed.map(|own| (own.value.clone(), place(file, own.line))).collect::<Vec<_>>()
        };
        let found = plan.files.iter().flat_map(of_file).collect();
        let context = session.context(&host.world)?;
        // A file that cannot be read is named by the rehearsal at the end.
        let project = plan::find_project(&context);
        let is_governed = !matches!(project, Ok(None));
        let content = project.ok().flatten().and_then(|project| project.content);
        let governing = content.and_then(|content| content.profile);
        let agents = agents(session, &context)?;
        let hook = hook_state(host, session, &agents);
        let place = store_place;
        Ok(Self { agents, keys, place, plain, in_files, found, led_away, hook, governing, is_governed })
    }

    /// Prints it.
    pub(super) fn show(&self, host: &mut Host, session: &Session) {
        let row = |name: &str, style, said: String| vec![(Style::Dim, name.to_owned()), (style, said)];
        let mut rows = Vec::new();
        for (at, found) in self.agents.iter().enumerate() {
            let account = match (&found.state, &found.login) {
                (State::Here(profile), _) => format!("profile {profile}"),
                (State::Elsewhere, _) => "a profile that does not govern here".to_owned(),
                (State::Refused, _) => "refused here".to_owned(),
                (State::Missing, Some(login)) => login.clone(),
                (State::Missing, None) => "no account".to_owned(),
            };
            let said = format!("{} ({}): {account}", found.name, session.paths.pretty(&found.binary));
            rows.push(row(if at == 0 { "agents" } else { "" }, Style::Plain, said));
        }
        let (style, said) = match self.in_files {
            0 => (Style::Plain, "none in files that ringlet can take them from".to_owned()),
            count => (Style::Warn, format!("{count} in files, in plaintext")),
        };
        rows.push(row("keys", style, said));
        rows.push(match (&self.keys, &self.plain) {
            (Err(error), _) => row("keychain", Style::Bad, error.to_string()),
            (Ok(keys), None) => row("keychain", Style::Plain, format!("{} holds {}", self.place, counted(keys.len()))),
            (Ok(keys), Some(why)) => {
                let said = format!("{} holds {}, in plaintext: {why}", self.place, counted(keys.len()));
                row("keychain", Style::Warn, said)
            }
        });
        rows.push(match &self.hook {
            HookState::Active => row("hook", Style::Good, "this shell starts agents through ringlet".into()),
            HookState::Loaded(file) => {
                row("hook", Style::Plain, format!("{} loads it, for new shells", session.paths.pretty(file)))
            }
            HookState::Missing(_, file) => {
                row("hook", Style::Warn, format!("{} does not load it", session.paths.pretty(file)))
            }
            HookState::ByHand(shell) => row("hook", Style::Warn, format!("{shell} does not load it")),
            HookState::None(shell) => row("hook", Style::Warn, format!("{shell} has none")),
        });
        host.output.table(&rows);
    }
}

// Any mention counts: a file may set it by a way that is not understood.
fn led_away(session: &Session, vocabulary: &Vocabulary, files: &Files) -> Vec<(Provider, String)> {
    let mut found = Vec::new();
    for candidate in &files.candidates {
        let Ok(read) = platform::read_file(&candidate.path, MAX_FILE) else { continue };
        let text = Zeroizing::new(read.bytes);
        for name in vocabulary.endpoints() {
            let Some(led) = vocabulary.leads_away(name, None) else { continue };
            if memmem::find(&text, name.as_bytes()).is_some() {
                found.push((led.name.clone(), format!("{} names {name}", session.paths.pretty(&candidate.path))));
            }
        }
    }
    found
}

fn counted(keys: usize) -> String {
    match keys {
        0 => "no key".to_owned(),
        1 => "1 key".to_owned(),
        _ => format!("{keys} keys"),
    }
}

fn agents(session: &Session, context: &plan::Context<'_>) -> Result<Vec<Found>, Failure> {
    let mut agents = Vec::new();
    let commands = session.registry.commands()?;
    let bound = Profiles::new(&session.paths, &session.registry).bound(commands.keys());
    for (name, commands) in &commands {
        let Some(binary) = commands.iter().find_map(|command| plan::find_binary(context, command).ok()) else {
            continue;
        };
        let spec = session.registry.agent(name)?;
        let planned = plan::prepare(context, &LaunchRequest { word: name.as_str(), profile: None, words: &[] });
        let state = match planned {
            Ok(plan) => match plan.part() {
                Some(part) => State::Here(part.resolved.profile.clone()),
                None if bound.contains(name) => State::Elsewhere,
                None => State::Missing,
            },
            Err(_) => State::Refused,
        };
        let login = plan::unused(context, &spec, None).login;
        agents.push(Found { name: name.clone(), spec, binary, login, state });
    }
    Ok(agents)
}

fn hook_state(host: &Host, session: &Session, agents: &[Found]) -> HookState {
    let is_function = |found: &Found| {
        let shell = host.world.shell.as_ref();
        shell.is_some_and(|shell| shell.kind(&found.spec.command) == NameKind::Ringlet)
    };
    if agents.iter().any(is_function) {
        return HookState::Active;
    }
    match OpenShell::of_user(&host.world.env) {
        OpenShell::Hooked(shell) => match hook::start_file(host, session, shell) {
            (file, true) => HookState::Loaded(file),
            // Its profile lies where the system keeps documents, which may be moved.
            _ if cfg!(windows) && shell == Shell::PowerShell => HookState::ByHand(shell),
            (file, false) => HookState::Missing(shell, file),
        },
        other => HookState::None(other),
    }
}
