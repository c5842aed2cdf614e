//! One agent: how it is started, where it reads its key, what would compete with that, what in a project could send
//! the key elsewhere.

use super::Protocol;
use super::guard::{Directory, Guard, Names, RawGuard, RawSwitch, Switch, matches};
use super::located::Located;
use super::login::{Login, RawLogin};
use super::stored::{Chosen, Moved, Place, Rejected, Sessions, Stored, Withheld};
use crate::config::{ConfigError, Source};
use crate::name::{Agent, NameError, Provider, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAgent {
    pub(super) title: String,
    pub(super) command: Located,
    #[serde(default)]
    pub(super) also: Vec<Located>,
    pub(super) package: Option<String>,
    pub(super) provider: Located,
    #[serde(default)]
    pub(super) config_dir: Vec<RawConfigDir>,
    #[serde(default)]
    pub(super) config_args: Vec<String>,
    pub(super) endpoint_in: Option<String>,
    #[serde(default)]
    pub(super) unset: Vec<Located>,
    #[serde(default)]
    pub(super) models: Vec<Located>,
    #[serde(default)]
    pub(super) login_unset: Vec<Located>,
    pub(super) login: Option<RawLogin>,
    pub(super) hides_logins: Option<bool>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) api: Vec<RawApi>,
    #[serde(default)]
    pub(super) guard: Vec<RawGuard>,
    #[serde(default)]
    pub(super) names: Names,
    #[serde(default)]
    pub(super) directory: Directory,
    pub(super) switch: Option<RawSwitch>,
    #[serde(default)]
    pub(super) no_key: NoKey,
    #[serde(default)]
    pub(super) shared: Vec<String>,
    pub(super) teammates: Option<Teammates>,
    #[serde(default)]
    pub(super) stored: Vec<Stored>,
    #[serde(default)]
    pub(super) outranks: Vec<Stored>,
    pub(super) chosen: Option<Chosen>,
    pub(super) rejected: Option<Rejected>,
    #[serde(default)]
    pub(super) env_files: Vec<Place>,
    pub(super) sessions: Option<Sessions>,
    pub(super) withheld: Option<Withheld>,
    pub(super) moved: Option<Moved>,
    #[serde(default)]
    pub(super) version_in: Vec<String>,
    #[serde(default)]
    pub(super) version_args: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfigDir {
    pub(super) variable: Located,
    #[serde(default)]
    pub(super) suffix: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawApi {
    pub(super) protocol: Protocol,
    #[serde(default)]
    pub(super) providers: Vec<Located>,
    pub(super) key: Located,
    pub(super) key_fd: Option<Located>,
    pub(super) key_fd_since: Option<String>,
    #[serde(default)]
    pub(super) key_fd_unless: Vec<String>,
    pub(super) bearer: Option<Located>,
    pub(super) base_url: Option<Located>,
    pub(super) base_url_default: Option<String>,
    #[serde(default)]
    pub(super) base_url_suffix: String,
    pub(super) model: Option<Located>,
    #[serde(default)]
    pub(super) model_args: Vec<String>,
    #[serde(default)]
    pub(super) model_entry: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) dummy_args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) key_args: Vec<String>,
    pub(super) command_since: Option<String>,
    #[serde(default)]
    pub(super) command_args: Vec<String>,
    #[serde(default)]
    pub(super) form: Vec<RawForm>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawForm {
    #[serde(default)]
    pub(super) called: Vec<String>,
    #[serde(default)]
    pub(super) commands: Vec<String>,
    #[serde(default)]
    pub(super) providers: Vec<Located>,
    pub(super) id: String,
    pub(super) key: Located,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
}

/// How an agent reaches a provider over one protocol.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// The protocol.
    pub protocol: Protocol,
    /// The only providers it is for; empty means any that offers the protocol.
    pub providers: Vec<Provider>,
    /// The variable for the key; `None` means the provider's own variable.
    pub key: Option<Variable>,
    /// The variable that takes a descriptor's number in place of the key, and the first version that knows it.
    pub key_fd: Option<(Variable, String)>,
    /// What makes the agent read the variable alone: arguments, and names of variables that are set.
    pub key_fd_unless: Vec<String>,
    /// The variable for the key where the provider wants a bearer token.
    pub bearer: Option<Variable>,
    /// The variable for the base URL; it is always set, the first party's too.
    pub base_url: Option<Variable>,
    /// What that variable is set to in place of the provider's own default endpoint, where the agent takes its mere
    /// presence for something else; the empty value still keeps others from supplying one.
    pub base_url_default: Option<String>,
    /// What the agent wants behind the base URL.
    pub base_url_suffix: String,
    /// The variable for the model.
    pub model: Option<Variable>,
    /// The arguments for the model, with `{model}`.
    pub model_args: Vec<String>,
    /// What stands for `{model-entry}` where the profile names a model, with the same placeholders; else nothing does.
    pub model_entry: String,
    /// Arguments before the user's own, with `{base-url}`, `{key-variable}`, `{provider}` and `{model}`.
    pub args: Vec<String>,
    /// Arguments that give the made-up key of an account without one, `{dummy}`, so that it outranks stored keys.
    pub dummy_args: Vec<String>,
    /// More variables, with the same placeholders.
    pub set: BTreeMap<Variable, String>,
    /// The agent's name for the provider, where it is not Ringlet's, or where its sessions are kept apart by it.
    pub id: Option<String>,
    /// More arguments where the key lies in its variable, with `{withheld}` for the list of [`Withheld`].
    pub key_args: Vec<String>,
    /// More arguments, in place of those, where the agent asks a command for the key, and the first version that does:
    /// `{ringlet}` is the command, `{socket}` its last argument, each a TOML string.
    pub command_args: Option<(String, Vec<String>)>,
    /// Other ways for some of the agent's commands.
    pub forms: Vec<Form>,
}

/// Another way for some of an agent's commands.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The names by which the agent is started, where it is for those alone.
    pub called: Vec<String>,
    /// The commands, as the first word that is no option.
    pub commands: Vec<String>,
    /// The only providers it is for; empty means any.
    pub providers: Vec<Provider>,
    /// The agent's name for the provider.
    pub id: String,
    /// The variable for the key.
    pub key: Variable,
    /// The arguments, in place of all others but those for the model.
    pub args: Vec<String>,
    /// More variables, with the same placeholders.
    pub set: BTreeMap<Variable, String>,
}

impl Form {
    /// Whether it is for this provider.
    pub(crate) fn is_for(&self, provider: Option<&Provider>) -> bool {
        self.providers.is_empty() || provider.is_some_and(|provider| self.providers.contains(provider))
    }
}

impl Api {
    /// The way that a command takes, where it takes another one.
    pub(crate) fn form(&self, provider: Option<&Provider>, called: &str, command: Option<&str>) -> Option<Self> {
        let is_named = |form: &&Form| command.is_some_and(|command| form.commands.iter().any(|it| it == command));
        let is_meant = |form: &&Form| match form.called.as_slice() {
            [] => is_named(form),
            names => names.iter().any(|name| name == called),
        };
        let form = self.forms.iter().filter(|form| form.is_for(provider)).find(is_meant)?;
        Some(Self {
            key: Some(form.key.clone()),
            id: Some(form.id.clone()),
            args: Vec::new(),
            key_args: form.args.clone(),
            command_args: None,
            set: form.set.clone(),
            ..self.clone()
        })
    }

    /// Whether an endpoint that a profile names reaches the agent at all.
    pub(crate) fn follows_endpoint(&self) -> bool {
        let placed = |text: &String| text.contains("{base-url}");
        self.base_url.is_some() || self.args.iter().any(placed) || self.set.values().any(placed)
    }
}

/// A variable that moves the agent's configuration, and what it wants behind the folder.
#[derive(Debug, Clone)]
pub(crate) struct ConfigDir {
    /// The variable.
    pub variable: Variable,
    /// Appended to the folder.
    pub suffix: String,
}

/// The invocations that need no key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NoKey {
    /// As the first argument. One that asks for help is as good behind a command, see [`NoKey::HELP`].
    pub flags: Vec<String>,
    /// As the first arguments, one word or several, from the version `since` on.
    pub commands: Vec<String>,
    /// The first version that is known to have these commands. To an earlier one such a word is a prompt, which must not go out
    /// without the profile's key.
    pub since: Option<String>,
    /// Commands that every version has.
    pub old: Vec<String>,
    /// The same, where the agent is to know the profile's provider all the same.
    pub told: Vec<String>,
}

impl NoKey {
    /// What every agent's parser takes for a question about the command before it.
    pub(crate) const HELP: [&str; 2] = ["--help", "-h"];
}

/// An option with which an agent starts others of its kind in other terminals, where they get no key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Teammates {
    /// The option; its value is the next word, or stands behind `=`.
    pub option: String,
    /// The value with which they run in its own process.
    pub value: String,
    /// The first version that knows it.
    pub since: String,
}

impl Teammates {
    /// What the words say; `None` where they do not name the option.
    pub(crate) fn said<'a>(&self, words: &'a [OsString]) -> Option<&'a str> {
        let words = || words.iter().map(|word| word.to_str().unwrap_or_default()).take_while(|word| *word != "--");
        let apart =
            words().zip(words().skip(1).chain([""])).filter(|(word, _)| *word == self.option).map(|(_, next)| next);
        let joined = words().filter_map(|word| word.strip_prefix(&self.option)?.strip_prefix('='));
        apart.chain(joined).last()
    }
}

/// Who wrote a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Ringlet: the definition is complete.
    Ringlet,
    /// The user, who knows what it leaves out.
    User,
}

/// An agent's definition.
#[derive(Debug, Clone)]
pub(crate) struct AgentSpec {
    /// Its name.
    pub name: Agent,
    /// Its name for people.
    pub title: String,
    /// What is looked up on PATH.
    pub command: String,
    /// Older commands of the same agent.
    pub also: Vec<String>,
    /// Where it comes from, for people.
    pub package: Option<String>,
    /// The provider that `profiles create` takes when none is named.
    pub provider: Provider,
    /// The variables that move its configuration.
    pub config_dir: Vec<ConfigDir>,
    /// Arguments before the user's own where the profile has a folder for it, with `{config-dir}`.
    pub config_args: Vec<String>,
    /// The setting of its own from which alone it takes the endpoint, for people; where a profile's has no effect.
    pub endpoint_in: Option<String>,
    /// Variables that would compete with the key; one `*` stands for any part of a name.
    pub unset: Vec<String>,
    /// Variables that name models, and go with an endpoint that is taken away; written the same way.
    pub models: Vec<String>,
    /// Variables that, beside those of `unset`, would win over its own login or hide it; written the same way.
    pub login_unset: Vec<String>,
    /// Its own login; `None` where Ringlet does not know how to start the agent on one.
    pub login: Option<Login>,
    /// Whether it sends no login or key that it has stored, when it is given a base URL and a key.
    pub hides_logins: bool,
    /// Variables that are always set.
    pub set: BTreeMap<Variable, String>,
    /// Arguments that are always put before the user's own.
    pub args: Vec<String>,
    /// The ways to reach a provider, the preferred one first.
    pub api: Vec<Api>,
    /// What it loads from a project by itself.
    pub guard: Vec<Guard>,
    /// The environment variables that it takes from a project's files.
    pub names: Names,
    /// How it is told in which directory it works.
    pub directory: Directory,
    /// How it is told not to read a project's configuration.
    pub switch: Option<Switch>,
    /// Invocations that need no key.
    pub no_key: NoKey,
    /// Words that lead to a process of an earlier launch, whichever account it has; refused for all but a login.
    pub shared: Vec<String>,
    /// What keeps it from starting others of its kind elsewhere.
    pub teammates: Option<Teammates>,
    /// Credentials of the user's own that are sent beside a made-up one.
    pub stored: Vec<Stored>,
    /// Credentials and endpoints of the user's own that are taken in place of a key's or a login's.
    pub outranks: Vec<Stored>,
    /// The setting that chooses between a key and other accounts.
    pub chosen: Option<Chosen>,
    /// The list of keys that the user has told it not to use.
    pub rejected: Option<Rejected>,
    /// Dotenv files of the user's own whose lines win over the environment.
    pub env_files: Vec<Place>,
    /// Its sessions, where they belong to a provider.
    pub sessions: Option<Sessions>,
    /// The list of variables that its tool shells do not get.
    pub withheld: Option<Withheld>,
    /// Options that would lead its key elsewhere.
    pub moved: Option<Moved>,
    /// Parts of paths that tell the installed version, `{version}` in them; one `*` in a name stands for any part of it.
    pub version_in: Vec<String>,
    /// The arguments with which it prints its version, where no path tells it.
    pub version_args: Vec<String>,
}

impl AgentSpec {
    /// Reads a definition. `owner` decides about what it leaves out.
    pub(crate) fn parse(name: Agent, source: &Source, owner: Owner) -> Result<Self, ConfigError> {
        Self::check(name, source.parse()?, source, owner)
    }

    /// Checks the names in a definition. `source` is its file, for errors that point into it.
    pub(super) fn check(name: Agent, raw: RawAgent, source: &Source, owner: Owner) -> Result<Self, ConfigError> {
        let refused = |span, error: NameError| source.error(span, error.to_string());
        let variable = |text: &Located| text.parse().map_err(|error| refused(text.span(), error));
        let provider = |text: &Located| text.parse().map_err(|error| refused(text.span(), error));
        let command = |text: &Located| match text.parse::<Agent>() {
            Ok(command) => Ok(command.to_string()),
            Err(error) => Err(source.error(text.span(), error.to_string().replacen("agent", "command", 1))),
        };
        let set = |pairs: &BTreeMap<Located, String>| {
            pairs.iter().map(|(key, value)| Ok((variable(key)?, value.clone()))).collect::<Result<BTreeMap<_, _>, _>>()
        };
        for name in raw.unset.iter().chain(&raw.login_unset).chain(&raw.models) {
            let stem = name.replacen('*', "", 1);
            stem.parse::<Variable>().map_err(|error| refused(name.span(), error))?;
        }
        let form = |raw: &RawForm| {
            Ok::<_, ConfigError>(Form {
                called: raw.called.clone(),
                commands: raw.commands.clone(),
                set: set(&raw.set)?,
                providers: raw.providers.iter().map(provider).collect::<Result<_, _>>()?,
                id: raw.id.clone(),
                key: variable(&raw.key)?,
                args: raw.args.clone(),
            })
        };
        let api = |raw: &RawApi| {
            let key_fd = raw.key_fd.as_ref().map(variable).transpose()?;
            Ok(Api {
                protocol: raw.protocol,
                providers: raw.providers.iter().map(provider).collect::<Result<_, _>>()?,
                key: if *raw.key == *"{provider-variable}" { None } else { Some(variable(&raw.key)?) },
                key_fd: key_fd.map(|name| (name, raw.key_fd_since.clone().unwrap_or_default())),
                key_fd_unless: raw.key_fd_unless.clone(),
                bearer: raw.bearer.as_ref().map(variable).transpose()?,
                base_url: raw.base_url.as_ref().map(variable).transpose()?,
                base_url_default: raw.base_url_default.clone(),
                base_url_suffix: raw.base_url_suffix.clone(),
                model: raw.model.as_ref().map(variable).transpose()?,
                model_args: raw.model_args.clone(),
                model_entry: raw.model_entry.clone(),
                args: raw.args.clone(),
                dummy_args: raw.dummy_args.clone(),
                set: set(&raw.set)?,
                id: raw.id.clone(),
                key_args: raw.key_args.clone(),
                command_args: raw.command_since.clone().map(|since| (since, raw.command_args.clone())),
                forms: raw.form.iter().map(form).collect::<Result<_, _>>()?,
            })
        };
        let config_dir = |raw: &RawConfigDir| {
            Ok::<_, ConfigError>(ConfigDir { variable: variable(&raw.variable)?, suffix: raw.suffix.clone() })
        };
        let mut guard = Vec::new();
        for raw in raw.guard {
            guard.extend(raw.check(source)?);
        }
        Ok(Self {
            name,
            title: raw.title,
            command: command(&raw.command)?,
            also: raw.also.iter().map(command).collect::<Result<_, _>>()?,
            package: raw.package,
            provider: provider(&raw.provider)?,
            config_dir: raw.config_dir.iter().map(config_dir).collect::<Result<_, _>>()?,
            config_args: raw.config_args,
            endpoint_in: raw.endpoint_in,
            unset: raw.unset.into_iter().map(Located::into_text).collect(),
            models: raw.models.into_iter().map(Located::into_text).collect(),
            login_unset: raw.login_unset.into_iter().map(Located::into_text).collect(),
            login: raw.login.map(|raw| raw.check(source)).transpose()?,
            hides_logins: raw.hides_logins.unwrap_or(owner == Owner::User),
            set: set(&raw.set)?,
            args: raw.args,
            api: raw.api.iter().map(api).collect::<Result<_, ConfigError>>()?,
            guard,
            names: raw.names,
            directory: raw.directory,
            switch: raw.switch.map(|raw| raw.check(source)).transpose()?,
            no_key: raw.no_key,
            shared: raw.shared,
            teammates: raw.teammates,
            stored: raw.stored,
            outranks: raw.outranks,
            chosen: raw.chosen,
            rejected: raw.rejected,
            env_files: raw.env_files,
            sessions: raw.sessions,
            withheld: raw.withheld,
            moved: raw.moved,
            version_in: raw.version_in,
            version_args: raw.version_args,
        })
    }

    /// The kinds of account that it can be given, as the words of `auth`.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let all = [("key", true), ("login", self.login.is_some()), ("none", self.hides_logins)];
        all.into_iter().filter(|(_, can)| *can).map(|(word, _)| word).collect()
    }

    /// Whether a variable would win over a key that Ringlet gives, or lead it elsewhere.
    pub(crate) fn competes_with_key(&self, name: &str) -> bool {
        matches_any(&self.unset, name)
    }

    /// Whether a variable would win over the agent's own login, or hide it.
    pub(crate) fn competes_with_login(&self, name: &str) -> bool {
        matches_any(&self.login_unset, name) || self.competes_with_key(name)
    }

    /// Whether a variable names a model of whichever endpoint stands beside it.
    pub(crate) fn names_model(&self, name: &str) -> bool {
        matches_any(&self.models, name)
    }

    /// Whether a variable, when somebody sets it, says where this agent sends its requests.
    pub(crate) fn is_endpoint(&self, name: &str) -> bool {
        let own = self.api.iter().filter_map(|api| api.base_url.as_ref()).any(|ours| ours.as_str() == name);
        let named = ["_URL", "_API_BASE", "_ENDPOINT", "_HOST", "_UNIX_SOCKET"].iter().any(|end| name.ends_with(end));
        own || (named && self.competes_with_login(name))
    }

    /// The commands it is started by, the usual one first.
    pub(crate) fn commands(&self) -> Vec<String> {
        std::iter::once(&self.command).chain(&self.also).cloned().collect()
    }
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    // As the system compares them, like [`crate::env::Env`].
    let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() };
    let first = name.as_bytes().first();
    patterns.iter().any(|pattern| {
        // Nearly every pair differs in the first letter, and a launch compares all of them.
        let head = pattern.as_bytes().first();
        (head == first || head == Some(&b'*')) && matches(pattern, &name)
    })
}
