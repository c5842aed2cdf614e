//! Makes the plan of a launch from a profile, the arguments and the environment. This is a pure function: it reads no
//! file, and the same input gives the same plan.

use super::broker::{self, Broker};
use super::gate::Passed;
use super::launch_plan::{Keyless, LaunchPlan, Notice, ProfilePart, Purpose, SecretUse, Sink, Start};
use crate::env::{Change, Env};
use crate::mark;
use crate::name::{Variable, shorten};
use crate::platform;
use crate::profile::{Account, Reach, Resolved};
use crate::registry::{AgentSpec, Api, Login, NoKey, Version};
use std::ffi::OsString;
use std::path::Path;

/// The dummy for an agent that wants a key, in a profile without one.
const DUMMY: &str = "no-key";

/// An invocation that needs no key, such as `claude --version`.
pub(super) struct Idle {
    /// The reason in words.
    why: String,
    /// Whether it only prints help or a version, which needs no account.
    pub(super) is_flag: bool,
    /// Whether the agent gets the profile's provider nevertheless.
    gets_provider: bool,
}

impl Idle {
    fn new(agent: &AgentSpec, words: &str, is_flag: bool, gets_provider: bool) -> Self {
        Self { why: format!("`{} {}` needs no key", agent.command, shorten(words)), is_flag, gets_provider }
    }
}

/// The facts that decide how an agent gets its key.
#[derive(Clone, Default)]
pub(super) struct Means<'a> {
    /// The agent's version, if known.
    pub(super) version: Option<&'a Version>,
    /// Ringlet's own program, if it can hand a key over.
    pub(super) ringlet: Option<&'a Path>,
    /// The value of the agent's option that keeps the key's variable out of tool shells.
    pub(super) withheld: Option<String>,
    /// The broker that is to hold the key.
    pub(super) broker: Option<Broker>,
}

impl Means<'_> {
    /// Reports whether the agent gets its key from a command that it runs.
    pub(super) fn hand_over(&self, api: &Api) -> bool {
        let since = api.command_args.as_ref().map(|(since, _)| since);
        let knows = |since: &String| self.version.is_some_and(|version| version.is_at_least(since));
        platform::HANDS_OVER
            && self.ringlet.is_some_and(|ringlet| ringlet.to_str().is_some())
            && since.is_some_and(knows)
    }
}

/// A launch with a profile, before the checks that read files.
pub(super) struct Draft {
    pub(super) start: Start,
    pub(super) part: ProfilePart,
    pub(super) secrets: Vec<SecretUse>,
    /// The reason why the invocation needs no key.
    pub(super) idle: Option<Idle>,
}

impl Draft {
    /// Makes the draft for a profile, the user's arguments and an environment.
    pub(super) fn new(mut start: Start, means: &Means<'_>, words: &[OsString], resolved: Resolved, env: &Env) -> Self {
        let agent = resolved.agent.clone();
        let idle = needs_no_key(&resolved, means.version, words);
        let is_login = matches!(resolved.account, Account::Login { .. });
        let mut removed = competing(&resolved, env);
        let mut changes: Vec<Change> =
            removed.iter().filter_map(|name| Some(Change::Unset(name.parse().ok()?))).collect();
        // The variables that are always set only matter for keys.
        let always = agent.set.iter().filter(|_| !is_login);
        changes.extend(always.map(|(name, value)| Change::Set(name.clone(), value.into())));
        changes.extend(config_dir(&resolved, env));
        let own = resolved.env.iter();
        changes.extend(own.map(|(name, value)| Change::Set(name.clone(), value.value.clone().into())));
        let mut arguments: Vec<OsString> = agent.args.iter().filter(|_| !is_login).map(OsString::from).collect();
        if let Some(mates) = agent.teammates.as_ref().filter(|_| !is_login && idle.is_none())
            && means.version.is_some_and(|version| version.is_at_least(&mates.since))
            && mates.value_in(words).is_none()
        {
            arguments.extend([&mates.option, &mates.value].map(OsString::from));
        }
        let mut secrets = Vec::new();
        let mut broker = None;
        let fill = match &resolved.account {
            Account::Login { login, .. } => Some(login_fill(&resolved, login, means.version, idle.as_ref())),
            Account::None { reach, .. } => {
                let without = Means { withheld: means.withheld.clone(), ..Means::default() };
                let (key, mut fill) = fill(&resolved, reach, &without);
                fill.changes.extend(key.variable().map(|name| Change::Set(name.clone(), DUMMY.into())));
                fill.arguments.extend(reach.api.dummy_args.iter().map(|word| word.replace("{dummy}", DUMMY).into()));
                Some(fill)
            }
            Account::Key { key, reach, .. } if idle.is_none() => {
                let is_said =
                    |name: &String| words.iter().any(|word| word == name.as_str()) || env.non_empty(name).is_some();
                let plain = reach.api.key_fd_unless.iter().any(is_said);
                let means = Means { version: means.version.filter(|_| !plain), ..means.clone() };
                let (sink, fill) = fill(&resolved, reach, &means);
                secrets.push(SecretUse { key: key.value.clone(), sink, purpose: Purpose::Account });
                broker = means.broker.clone();
                Some(fill)
            }
            Account::Key { reach, .. } if idle.as_ref().is_some_and(|idle| idle.gets_provider) => {
                Some(fill(&resolved, reach, means).1)
            }
            Account::Key { .. } => None,
        };
        if let Some(fill) = fill {
            changes.extend(fill.changes);
            // Options for a session are not valid with commands such as `mcp list`.
            arguments.extend(fill.arguments.into_iter().filter(|_| is_login || idle.is_none()));
        }
        if let Some((option, _)) = broker.as_ref().and_then(|broker| broker.settings.as_ref()) {
            arguments.extend([option.into(), broker::SETTINGS.into()]);
        }
        if let Some(broker) = &mut broker {
            broker.own_arguments = arguments.len();
        }
        if idle.is_none() {
            secrets.extend(resolved.secrets.iter().map(|(name, key)| SecretUse {
                key: key.value.clone(),
                sink: Sink::Variable(name.clone()),
                purpose: Purpose::Extra,
            }));
        }
        let notices: Vec<Notice> = dropped_endpoints(&resolved, &changes, env).into_iter().collect();
        if !notices.is_empty() {
            // These changes come first, so that the profile's own model overrides them.
            let models: Vec<String> = env.names().filter(|name| agent.names_model(name)).map(str::to_owned).collect();
            changes.splice(0..0, models.iter().filter_map(|name| Some(Change::Unset(name.parse().ok()?))));
            removed.extend(models);
            tidy(&mut removed);
        }
        if let Some(folder) = resolved.config_dir.as_ref().filter(|_| idle.is_none()) {
            let folder = folder.value.to_string_lossy();
            arguments.extend(agent.config_args.iter().map(|word| word.replace("{config-dir}", &folder).into()));
        }
        arguments.extend(resolved.args.iter().map(OsString::from));
        arguments.extend_from_slice(words);
        start.arguments = arguments;
        Self { start, part: ProfilePart { resolved, changes, removed, notices, broker }, secrets, idle }
    }

    /// Reports whether Ringlet can add the switch that keeps the agent from reading the project's configuration, and
    /// the user's arguments do not decide the same.
    pub(super) fn has_switch(&self, version: Option<&Version>, words: &[OsString]) -> bool {
        let Some(switch) = &self.part.resolved.agent.switch else { return false };
        let is_said = |word: &OsString| {
            let word = word.as_encoded_bytes();
            switch.unless.iter().any(|option| {
                word.strip_prefix(option.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
            })
        };
        self.idle.is_none()
            && version.is_some_and(|version| version.is_at_least(&switch.since))
            && !words.iter().any(is_said)
    }

    /// Adds that switch. It is used only if the project has no configuration. It closes the time between the inspection
    /// and the agent's own reading.
    pub(super) fn turn_project_off(&mut self, words: &[OsString]) {
        let Some(switch) = &self.part.resolved.agent.switch else { return };
        let before = self.start.arguments.len() - words.len();
        self.start.arguments.splice(before..before, switch.args.iter().map(OsString::from));
        let set = switch.set.iter().map(|(name, value)| Change::Set(name.clone(), value.into()));
        self.part.changes.extend(set);
    }

    /// Makes the plan, after every check that can refuse has passed.
    pub(super) fn passed(self, scopes: Passed, env: &Env) -> LaunchPlan {
        let Self { start, mut part, secrets, idle } = self;
        if idle.is_some() {
            part.notices.clear();
        }
        if let Some(mark) = mark::make(env, &part.changes, secrets.iter().filter_map(|used| used.sink.variable())) {
            part.changes.push(Change::Set(mark::NAME.parse().expect("a valid name"), mark));
        }
        if !secrets.is_empty() {
            return LaunchPlan::Keyed { start, part, secrets, scopes };
        }
        let why = match (&part.resolved.account, idle) {
            (_, Some(idle)) => Keyless::NotNeeded(idle.why),
            (Account::Login { .. }, None) => Keyless::Login,
            (Account::None { .. } | Account::Key { .. }, None) => Keyless::NoKey,
        };
        LaunchPlan::Keyless { start, part, why }
    }
}

struct Fill {
    changes: Vec<Change>,
    arguments: Vec<OsString>,
}

// Returns the place of the key, and the variables and arguments that lead the agent to the account's service.
fn fill(resolved: &Resolved, reach: &Reach, means: &Means<'_>) -> (Sink, Fill) {
    let api = &reach.api;
    let mut changes = Vec::new();
    let sink = match (&api.bearer, &api.key_fd) {
        (Some(bearer), _) if reach.bearer => {
            // An empty key prevents that the agent sends, or asks for, a key of its own beside the token.
            changes.push(Change::Set(reach.key_variable.clone(), OsString::new()));
            Sink::Variable(bearer.clone())
        }
        (_, Some((variable, since)))
            if cfg!(unix) && means.version.is_some_and(|version| version.is_at_least(since)) =>
        {
            Sink::Descriptor(variable.clone())
        }
        _ if means.hand_over(api) => Sink::Command,
        _ => Sink::Variable(reach.key_variable.clone()),
    };
    let base_url = reach.base_url.as_ref().map_or("", |url| url.value.as_str());
    let brokered = means.broker.as_ref().map(|broker| broker::url(base_url, broker.socket.is_some()));
    let base_url = brokered.as_deref().unwrap_or(base_url);
    let model = resolved.model.as_ref().map(|model| model.value.as_str());
    let fill = |template: &str| {
        template
            .replace("{key-variable}", sink.variable().map_or("", Variable::as_str))
            .replace("{provider}", &reach.provider_name)
            .replace("{base-url}", base_url)
            .replace("{model}", model.unwrap_or_default())
    };
    let entry = if model.is_some() { fill(&api.model_entry) } else { String::new() };
    let fill = |template: &str| fill(&template.replace("{model-entry}", &entry));
    if let Some(name) = &api.base_url {
        let instead = api.base_url_default.as_deref().filter(|_| reach.default_endpoint && brokered.is_none());
        changes.push(Change::Set(name.clone(), instead.unwrap_or(base_url).into()));
    }
    let socket = means.broker.as_ref().and_then(|broker| broker.socket.clone());
    changes.extend(socket.map(|name| Change::Set(name, broker::ADDRESS.into())));
    let mut arguments: Vec<OsString> = api.args.iter().map(|word| fill(word).into()).collect();
    match (&sink, &api.command_args, means.ringlet.and_then(Path::to_str)) {
        (Sink::Command, Some((_, words)), Some(ringlet)) => {
            let ringlet = toml::Value::from(ringlet).to_string();
            arguments.extend(words.iter().map(|word| fill(word).replace("{ringlet}", &ringlet).into()));
        }
        _ => {
            let withheld = means.withheld.clone().unwrap_or_else(|| "[]".to_owned());
            arguments.extend(api.key_args.iter().map(|word| fill(word).replace("{withheld}", &withheld).into()));
        }
    }
    if let Some(model) = model {
        changes.extend(api.model.iter().map(|name| Change::Set(name.clone(), model.into())));
        arguments.extend(api.model_args.iter().map(|word| OsString::from(fill(word))));
    }
    let withheld = means.withheld.as_deref().unwrap_or("[]");
    let fill = |template: &str| fill(template).replace("{withheld}", withheld);
    changes.extend(api.set.iter().map(|(name, value)| Change::Set(name.clone(), fill(value).into())));
    (sink, Fill { changes, arguments })
}

// Returns the variables and arguments for a login. None of them sets an endpoint, because the agent knows where its
// login belongs.
fn login_fill(resolved: &Resolved, login: &Login, version: Option<&Version>, idle: Option<&Idle>) -> Fill {
    let mut changes: Vec<Change> =
        login.set.iter().map(|(name, value)| Change::Set(name.clone(), value.into())).collect();
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(apart) = login.apart.as_ref().filter(|_| idle.is_none_or(|idle| !idle.is_flag)) {
        let knows = version.is_some_and(|version| version.is_at_least(&apart.since));
        arguments.extend((if knows { &apart.args } else { &apart.otherwise }).iter().map(OsString::from));
    }
    if let Some(model) = resolved.model.as_ref().filter(|_| idle.is_none()) {
        changes.extend(login.model.iter().map(|name| Change::Set(name.clone(), model.value.clone().into())));
        arguments.extend(login.model_args.iter().map(|word| word.replace("{model}", &model.value).into()));
    }
    Fill { changes, arguments }
}

// Sets the variables of the agent's folder, or removes them for a login in the default folder. Some agents take the
// variable with the default folder as its value for another account. The `XDG_*` variables belong to every program and
// stay.
fn config_dir(resolved: &Resolved, env: &Env) -> Vec<Change> {
    let variables = resolved.agent.config_dir.iter();
    match (&resolved.config_dir, &resolved.account) {
        (Some(folder), _) => variables
            .map(|moved| {
                let mut path = folder.value.clone().into_os_string();
                path.push(&moved.suffix);
                Change::Set(moved.variable.clone(), path)
            })
            .collect(),
        (None, Account::Login { .. }) => variables
            .filter(|moved| !moved.variable.is_xdg() && env.get(moved.variable.as_str()).is_some())
            .map(|moved| Change::Unset(moved.variable.clone()))
            .collect(),
        (None, _) => Vec::new(),
    }
}

// Returns the shell's variables that would win over the profile's account or lead it elsewhere.
fn competing(resolved: &Resolved, env: &Env) -> Vec<String> {
    let agent = &resolved.agent;
    let competes = |name: &&str| match resolved.account {
        Account::Login { .. } => agent.competes_with_login(name),
        Account::Key { .. } | Account::None { .. } => agent.competes_with_key(name),
    };
    let mut names: Vec<String> = env.names().filter(competes).map(str::to_owned).collect();
    tidy(&mut names);
    names
}

fn tidy(names: &mut Vec<String>) {
    names.sort();
    names.dedup();
}

// Returns a notice about endpoints in the shell that the profile does not use.
fn dropped_endpoints(resolved: &Resolved, changes: &[Change], env: &Env) -> Option<Notice> {
    let suffix = resolved.account.reach().map_or("", |reach| reach.api.base_url_suffix.as_str());
    let bare = |url: &str| {
        let url = url.trim_end_matches('/');
        url.strip_suffix(suffix).unwrap_or(url).trim_end_matches('/').to_owned()
    };
    let login = match &resolved.account {
        Account::Login { login, .. } => {
            login.set.iter().find(|(name, _)| resolved.agent.is_endpoint(name.as_str())).map(|(_, url)| url.as_str())
        }
        Account::Key { .. } | Account::None { .. } => None,
    };
    let endpoint = resolved.account.base_url().map(|url| url.value.as_str()).or(login);
    let is_dropped = |name: &&str| {
        let Some(before) = env.non_empty(name).filter(|_| resolved.agent.is_endpoint(name)) else { return false };
        let before = bare(&before.to_string_lossy());
        let now = env.get_after(changes, name).map(|value| bare(&value.to_string_lossy()));
        now.as_ref() != Some(&before) && endpoint.map(bare).as_ref() != Some(&before)
    };
    let mut names: Vec<String> = env.names().filter(is_dropped).map(str::to_owned).collect();
    tidy(&mut names);
    (!names.is_empty()).then(|| Notice::EndpointDropped {
        names,
        profile: resolved.profile.clone(),
        endpoint: endpoint.map(str::to_owned),
    })
}

// Reports whether the arguments need no key. Only the first words count. After a prompt, or an option with a value, a
// word such as `config` is the user's text. Every agent's parser takes a help option after a command or a prompt for a
// request for help.
pub(super) fn needs_no_key(resolved: &Resolved, version: Option<&Version>, words: &[OsString]) -> Option<Idle> {
    let agent = &resolved.agent;
    let no_key = &agent.no_key;
    let word = |at: usize| words.get(at).and_then(|word| word.to_str());
    let first = word(0)?;
    let is_asked = |word: &str| NoKey::HELP.contains(&word) && no_key.flags.iter().any(|flag| flag == word);
    if no_key.flags.iter().any(|flag| flag == first) {
        return Some(Idle::new(agent, first, true, false));
    }
    if !first.starts_with('-') && word(1).is_some_and(is_asked) {
        return Some(Idle::new(agent, &format!("{first} {}", word(1).unwrap_or_default()), true, false));
    }
    let begins = |command: &&String| command.split(' ').enumerate().all(|(at, part)| word(at) == Some(part));
    let has = |since: &String| version.is_some_and(|version| version.is_at_least(since));
    // For a login, a prompt that is sent has the right account.
    let is_login = matches!(resolved.account, Account::Login { .. });
    let is_new = is_login || no_key.since.as_ref().is_none_or(has);
    let with_provider = no_key.with_provider.iter().filter(|_| is_new).find(begins);
    let command = with_provider
        .or_else(|| no_key.old.iter().find(begins))
        .or_else(|| no_key.commands.iter().filter(|_| is_new).find(begins))?;
    Some(Idle::new(agent, command, false, with_provider.is_some()))
}
