//! A launch, decided and printable. Pure: the same input gives the same plan, and nothing is looked at.

use super::gate::Passed;
use crate::env::{Change, Env};
use crate::mark;
use crate::name::{Agent, KeyName, Profile, Variable, shorten};
use crate::platform;
use crate::profile::{Account, Reach, Resolved};
use crate::registry::{AgentSpec, Api, Login, NoKey, Version};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What an agent is given where it wants a key and the profile says that there is none.
const DUMMY: &str = "no-key";

/// Where a secret goes in the agent's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Into a variable.
    Variable(Variable),
    /// Into a pipe whose descriptor number is put into the variable.
    Descriptor(Variable),
    /// To the command that the agent asks for it, once.
    Command,
}

impl Sink {
    /// The variable that the agent finds it by.
    pub(crate) fn variable(&self) -> Option<&Variable> {
        match self {
            Self::Variable(name) | Self::Descriptor(name) => Some(name),
            Self::Command => None,
        }
    }
}

/// What a secret is to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The account's key, which goes into a header.
    Account,
    /// One of `[secrets]`.
    Extra,
}

/// One secret that a launch needs: its name and where it goes, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretUse {
    /// The key's name.
    pub key: KeyName,
    /// Where it goes.
    pub sink: Sink,
    /// What it is there for.
    pub purpose: Purpose,
}

/// What is started, whatever it is given.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The command as the agent sees it in `argv[0]`.
    pub command: String,
    /// The agent's program.
    pub binary: PathBuf,
    /// The arguments behind `argv[0]`.
    pub arguments: Vec<OsString>,
}

/// Something that the user should know before the agent starts. Each is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The folder shows no login, so the agent will ask for one.
    NoLogin {
        /// The profile.
        profile: Profile,
        /// The agent, where the profile has several logins.
        agent: Option<Agent>,
        /// The folder.
        folder: PathBuf,
    },
    /// The agent lists the sessions of each provider apart, and there are some that it will not list.
    OtherSessions {
        /// The agent's command.
        command: String,
        /// Its program.
        binary: PathBuf,
        /// The profile.
        profile: Profile,
        /// The command that goes on with one of the others, where there is one for this account.
        resume: Option<Vec<String>>,
    },
    /// The shell names an endpoint that is not the profile's.
    EndpointDropped {
        /// The variables.
        names: Vec<String>,
        /// The profile.
        profile: Profile,
        /// Where its requests go instead, where that is known.
        endpoint: Option<String>,
    },
}

/// What a profile adds to a launch.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The profile made concrete.
    pub resolved: Resolved,
    /// Changes to the environment, in order, all but the secrets.
    pub changes: Vec<Change>,
    /// Variables of the shell that would have competed and are taken away.
    pub removed: Vec<String>,
    /// What to say first.
    pub notices: Vec<Notice>,
}

/// Why a profile's launch opens no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// The agent has its own login.
    Login,
    /// The profile says that there is no key.
    NoKey,
    /// The invocation needs none, for this reason.
    NotNeeded(String),
}

/// A launch, by what there is to give.
#[derive(Debug, Clone)]
pub(crate) enum LaunchPlan {
    /// Nothing: no profile governs, and the agent starts as if Ringlet were not there.
    Bare(Start),
    /// A profile that needs no store.
    Keyless {
        /// What is started.
        start: Start,
        /// What the profile adds.
        part: Part,
        /// Why there is nothing to look up.
        why: Keyless,
    },
    /// A profile with keys to look up.
    Keyed {
        /// What is started.
        start: Start,
        /// What the profile adds.
        part: Part,
        /// The keys, the account's own first; at least one.
        secrets: Vec<SecretUse>,
        /// What their scopes asked for.
        scopes: Passed,
    },
}

impl LaunchPlan {
    /// What is started.
    pub(crate) fn start(&self) -> &Start {
        match self {
            Self::Bare(start) | Self::Keyless { start, .. } | Self::Keyed { start, .. } => start,
        }
    }

    /// What the profile adds.
    pub(crate) fn part(&self) -> Option<&Part> {
        match self {
            Self::Bare(_) => None,
            Self::Keyless { part, .. } | Self::Keyed { part, .. } => Some(part),
        }
    }

    /// The keys to look up.
    pub(crate) fn secrets(&self) -> &[SecretUse] {
        if let Self::Keyed { secrets, .. } = self { secrets } else { &[] }
    }

    /// Why none is looked up, where a profile is used all the same.
    pub(crate) fn keyless(&self) -> Option<&Keyless> {
        if let Self::Keyless { why, .. } = self { Some(why) } else { None }
    }

    /// What the scopes of the keys asked for.
    pub(crate) fn scopes(&self) -> Option<&Passed> {
        if let Self::Keyed { scopes, .. } = self { Some(scopes) } else { None }
    }
}

/// An invocation that needs no key.
pub(super) struct Idle {
    /// In words.
    why: String,
    /// Whether it only asks for help or a version, which needs no account at all.
    pub(super) is_flag: bool,
    /// Whether the agent is told the profile's provider all the same.
    is_told: bool,
}

impl Idle {
    fn new(agent: &AgentSpec, words: &str, is_flag: bool, is_told: bool) -> Self {
        Self { why: format!("`{} {}` needs no key", agent.command, shorten(words)), is_flag, is_told }
    }
}

/// What is there to start an agent with.
#[derive(Clone, Default)]
pub(super) struct Means<'a> {
    /// The agent's version, where that is known.
    pub(super) version: Option<&'a Version>,
    /// Ringlet's own program, where it can hand a key over.
    pub(super) ringlet: Option<&'a Path>,
    /// What keeps the key's variable out of tool shells, as the agent's option wants it.
    pub(super) withheld: Option<String>,
}

impl Means<'_> {
    /// Whether the agent is handed its key when it asks a command for it.
    pub(super) fn hand_over(&self, api: &Api) -> bool {
        let since = api.command_args.as_ref().map(|(since, _)| since);
        let knows = |since: &String| self.version.is_some_and(|version| version.is_at_least(since));
        platform::HANDS_OVER && self.ringlet.is_some_and(|it| it.to_str().is_some()) && since.is_some_and(knows)
    }
}

/// A launch with a profile before anything outside was asked about it.
pub(super) struct Draft {
    pub(super) start: Start,
    pub(super) part: Part,
    pub(super) secrets: Vec<SecretUse>,
    /// Why the invocation needs no key.
    pub(super) idle: Option<Idle>,
}

impl Draft {
    /// What a profile comes to for these words and this environment.
    pub(super) fn new(mut start: Start, means: &Means<'_>, words: &[OsString], resolved: Resolved, env: &Env) -> Self {
        let agent = resolved.agent.clone();
        let idle = needs_no_key(&resolved, means.version, words);
        let is_login = matches!(resolved.account, Account::Login { .. });
        let mut removed = competing(&resolved, env);
        let mut changes: Vec<Change> =
            removed.iter().filter_map(|name| Some(Change::Unset(name.parse().ok()?))).collect();
        // What is always set serves the ways to give a key.
        let always = agent.set.iter().filter(|_| !is_login);
        changes.extend(always.map(|(name, value)| Change::Set(name.clone(), value.into())));
        changes.extend(config_dir(&resolved, env));
        let own = resolved.env.iter();
        changes.extend(own.map(|(name, value)| Change::Set(name.clone(), value.value.clone().into())));
        let mut arguments: Vec<OsString> = agent.args.iter().filter(|_| !is_login).map(OsString::from).collect();
        if let Some(mates) = agent.teammates.as_ref().filter(|_| !is_login && idle.is_none())
            && means.version.is_some_and(|version| version.is_at_least(&mates.since))
            && mates.said(words).is_none()
        {
            arguments.extend([&mates.option, &mates.value].map(OsString::from));
        }
        let mut secrets = Vec::new();
        let fill = match &resolved.account {
            Account::Login { login, .. } => Some(login_fill(&resolved, login, means.version, idle.as_ref())),
            Account::None { reach, .. } => {
                let without = Means { version: None, ringlet: None, withheld: means.withheld.clone() };
                let (key, mut fill) = fill(&resolved, reach, &without);
                fill.changes.extend(key.variable().map(|name| Change::Set(name.clone(), DUMMY.into())));
                fill.arguments.extend(reach.api.dummy_args.iter().map(|word| word.replace("{dummy}", DUMMY).into()));
                Some(fill)
            }
            Account::Key { key, reach, .. } if idle.is_none() => {
                let is_said = |it: &String| words.iter().any(|word| word == it.as_str()) || env.non_empty(it).is_some();
                let plain = reach.api.key_fd_unless.iter().any(is_said);
                let means = Means { version: means.version.filter(|_| !plain), ..means.clone() };
                let (sink, fill) = fill(&resolved, reach, &means);
                secrets.push(SecretUse { key: key.value.clone(), sink, purpose: Purpose::Account });
                Some(fill)
            }
            Account::Key { reach, .. } if idle.as_ref().is_some_and(|idle| idle.is_told) => {
                Some(fill(&resolved, reach, means).1)
            }
            Account::Key { .. } => None,
        };
        if let Some(fill) = fill {
            changes.extend(fill.changes);
            // Options for a session have no place before `mcp list` and its like.
            arguments.extend(fill.arguments.into_iter().filter(|_| is_login || idle.is_none()));
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
            // First, so that the profile's own model comes after it.
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
        Self { start, part: Part { resolved, changes, removed, notices }, secrets, idle }
    }

    /// Whether the agent can be told not to read the project's configuration, and the user's words do not say it themselves.
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

    /// Tells the agent so. Only for a project without any: that closes the time between the look and the agent's own.
    pub(super) fn turn_project_off(&mut self, words: &[OsString]) {
        let Some(switch) = &self.part.resolved.agent.switch else { return };
        let before = self.start.arguments.len() - words.len();
        self.start.arguments.splice(before..before, switch.args.iter().map(OsString::from));
        let set = switch.set.iter().map(|(name, value)| Change::Set(name.clone(), value.into()));
        self.part.changes.extend(set);
    }

    /// The plan, once everything that could refuse was asked.
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

// Where the key goes, and the variables and arguments that point the agent at the account's service.
fn fill(resolved: &Resolved, reach: &Reach, means: &Means<'_>) -> (Sink, Fill) {
    let api = &reach.api;
    let mut changes = Vec::new();
    let sink = match (&api.bearer, &api.key_fd) {
        (Some(bearer), _) if reach.bearer => {
            // An empty key keeps the agent from sending, or asking for, one of its own beside the token.
            changes.push(Change::Set(reach.key_variable.clone(), OsString::new()));
            Sink::Variable(bearer.clone())
        }
        (_, Some((variable, since))) if cfg!(unix) && means.version.is_some_and(|it| it.is_at_least(since)) => {
            Sink::Descriptor(variable.clone())
        }
        _ if means.hand_over(api) => Sink::Command,
        _ => Sink::Variable(reach.key_variable.clone()),
    };
    let base_url = reach.base_url.as_ref().map_or("", |url| url.value.as_str());
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
        let instead = api.base_url_default.as_deref().filter(|_| reach.default_endpoint);
        changes.push(Change::Set(name.clone(), instead.unwrap_or(base_url).into()));
    }
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

// For a login nothing points anywhere: the agent goes where its login belongs.
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

// The default folder of a login is meant by leaving the variables out: set to the same folder they would mean another
// account to some agents. `XDG_*` belong to every program, and stay.
fn config_dir(resolved: &Resolved, env: &Env) -> Vec<Change> {
    let variables = resolved.agent.config_dir.iter();
    match (&resolved.config_dir, &resolved.account) {
        (Some(folder), _) => variables
            .map(|it| {
                let mut path = folder.value.clone().into_os_string();
                path.push(&it.suffix);
                Change::Set(it.variable.clone(), path)
            })
            .collect(),
        (None, Account::Login { .. }) => variables
            .filter(|it| !it.variable.is_xdg() && env.get(it.variable.as_str()).is_some())
            .map(|it| Change::Unset(it.variable.clone()))
            .collect(),
        (None, _) => Vec::new(),
    }
}

// The variables of the shell that would win over the profile's account, or lead it elsewhere.
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

// The endpoints that somebody set in the shell and that are not the profile's.
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

// Only the first words count: behind a prompt or an option with a value, a word such as `config` is the user's text. Every
// parser takes a question for help behind a command, or behind a prompt, for that and for nothing else.
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
    // A prompt that goes out with a login goes out with the right account.
    let is_login = matches!(resolved.account, Account::Login { .. });
    let is_new = is_login || no_key.since.as_ref().is_none_or(has);
    let told = no_key.told.iter().filter(|_| is_new).find(begins);
    let command = told
        .or_else(|| no_key.old.iter().find(begins))
        .or_else(|| no_key.commands.iter().filter(|_| is_new).find(begins))?;
    Some(Idle::new(agent, command, false, told.is_some()))
}
