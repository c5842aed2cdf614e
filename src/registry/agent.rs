//! The definition of one agent: how it is started, where it reads its key, which variables and files compete with that
//! key, and what in a project could send the key to another host.

use super::Protocol;
use super::broker::Brokered;
use super::guard::{Directory, Guard, Names, Switch, matches};
use super::login::Login;
use super::stored::{Chosen, Moved, Rejected, Sessions, Stored, UserFile, Withheld};
use crate::name::{Agent, Provider, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The way in which an agent reaches a provider over one protocol.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// The protocol.
    pub protocol: Protocol,
    /// The providers that it serves; an empty list means each provider that offers the protocol.
    pub providers: Vec<Provider>,
    /// The variable for the key; `None` means the provider's own variable.
    pub key: Option<Variable>,
    /// The variable that takes a descriptor's number in place of the key, and the first version that knows it.
    pub key_fd: Option<(Variable, String)>,
    /// The arguments, and the names of set variables, with which the agent ignores the descriptor and reads the
    /// variable.
    pub key_fd_unless: Vec<String>,
    /// The variable for the key where the provider wants a bearer token.
    pub bearer: Option<Variable>,
    /// The variable for the base URL. It is always set, even to the agent's own default.
    pub base_url: Option<Variable>,
    /// The value of that variable in place of the provider's default endpoint, for an agent that changes its behaviour
    /// as soon as the variable is set. An empty value still keeps other sources from supplying one.
    pub base_url_default: Option<String>,
    /// The text that the agent expects after the base URL.
    pub base_url_suffix: String,
    /// The variable for the model.
    pub model: Option<Variable>,
    /// The arguments for the model, with `{model}`.
    pub model_args: Vec<String>,
    /// The text for `{model-entry}` if the profile names a model, with the same placeholders. Without a model it is
    /// empty.
    pub model_entry: String,
    /// Arguments before the user's own, with `{base-url}`, `{key-variable}`, `{provider}` and `{model}`.
    pub args: Vec<String>,
    /// Arguments that pass a made-up key, `{dummy}`, for an account without a key, so that stored keys are not used.
    pub dummy_args: Vec<String>,
    /// More variables, with the same placeholders.
    pub set: BTreeMap<Variable, String>,
    /// The agent's name for the provider. It is given if it differs from Ringlet's, or if the agent separates its
    /// sessions by it.
    pub id: Option<String>,
    /// More arguments if the key is passed in its variable, with `{withheld}` for the list of [`Withheld`].
    pub key_args: Vec<String>,
    /// The first version that can ask a command for the key, and the arguments that replace `key_args` for it.
    /// `{ringlet}` is the command and `{socket}` its last argument, each a TOML string.
    pub command_args: Option<(String, Vec<String>)>,
    /// Exceptions for some of the agent's commands.
    pub forms: Vec<Form>,
}

/// An exception for some of an agent's commands.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The names of the program to which it is limited; an empty list means that `commands` decides.
    pub called: Vec<String>,
    /// The commands to which it is limited: the first argument that is not an option.
    pub commands: Vec<String>,
    /// The providers that it serves; an empty list means all.
    pub providers: Vec<Provider>,
    /// The agent's name for the provider.
    pub id: String,
    /// The variable for the key.
    pub key: Variable,
    /// The arguments. They replace all others except those for the model.
    pub args: Vec<String>,
    /// More variables, with the same placeholders.
    pub set: BTreeMap<Variable, String>,
}

impl Form {
    /// Reports whether it serves a provider.
    pub(crate) fn is_for(&self, provider: Option<&Provider>) -> bool {
        self.providers.is_empty() || provider.is_some_and(|provider| self.providers.contains(provider))
    }
}

impl Api {
    /// Returns the variant for a command, if an exception covers that command.
    pub(crate) fn form(&self, provider: Option<&Provider>, called: &str, command: Option<&str>) -> Option<Self> {
        let is_named = |form: &&Form| command.is_some_and(|command| form.commands.iter().any(|name| name == command));
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

    /// Reports whether the agent can be given an endpoint that a profile names.
    pub(crate) fn follows_endpoint(&self) -> bool {
        let placed = |text: &String| text.contains("{base-url}");
        self.base_url.is_some() || self.args.iter().any(placed) || self.set.values().any(placed)
    }
}

/// A variable that moves the agent's configuration folder.
#[derive(Debug, Clone)]
pub(crate) struct ConfigDir {
    /// The variable.
    pub variable: Variable,
    /// The text that is appended to the folder's path.
    pub suffix: String,
}

/// The command lines that need no key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NoKey {
    /// Options as the first argument. A request for help may also follow a command, see [`NoKey::HELP`].
    pub flags: Vec<String>,
    /// Commands of one word or several as the first arguments, from the version `since` on.
    pub commands: Vec<String>,
    /// The first version that is known to have these commands. An earlier version takes the word for a prompt, which
    /// needs the profile's key.
    pub since: Option<String>,
    /// Commands that every version has.
    pub old: Vec<String>,
    /// Commands without a key that are still given the profile's provider.
    #[serde(rename = "told")]
    pub with_provider: Vec<String>,
}

impl NoKey {
    /// The options that every agent's parser reads as a request for help about the command before them.
    pub(crate) const HELP: [&str; 2] = ["--help", "-h"];
}

/// An option that decides where an agent starts further agents. In other terminals they would not get the key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Teammates {
    /// The option. Its value is the next argument, or follows `=`.
    pub option: String,
    /// The value with which they run in the process of the agent itself.
    pub value: String,
    /// The first version that knows it.
    pub since: String,
}

impl Teammates {
    /// Returns the value that the arguments give; `None` if they do not name the option.
    pub(crate) fn value_in<'a>(&self, words: &'a [OsString]) -> Option<&'a str> {
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
    /// Ringlet. A field that is left out means what its documentation says.
    Ringlet,
    /// The user. `hides-logins` is taken for granted.
    User,
}

/// An agent's definition.
#[derive(Debug, Clone)]
pub(crate) struct AgentSpec {
    /// Its name.
    pub name: Agent,
    /// Its title in messages.
    pub title: String,
    /// The command that is looked up on PATH.
    pub command: String,
    /// Older commands of the same agent.
    pub also: Vec<String>,
    /// The package that it comes from, in messages; `npm NAME` also tells where its version is found.
    pub package: Option<String>,
    /// The provider that `profiles create` takes when none is named.
    pub provider: Provider,
    /// What is known of it behind the broker; `None` if it was never tried.
    pub broker: Option<Brokered>,
    /// Who wrote the definition.
    pub owner: Owner,
    /// The variables that move its configuration folder.
    pub config_dir: Vec<ConfigDir>,
    /// Arguments before the user's own if the profile names a configuration folder, with `{config-dir}`.
    pub config_args: Vec<String>,
    /// The agent's own setting for the endpoint, in messages, if nothing else can set it. A profile's endpoint then has
    /// no effect.
    pub endpoint_in: Option<String>,
    /// Variables that compete with the key and are removed. One `*` in a name matches any text.
    pub unset: Vec<String>,
    /// Variables that name models. They are removed together with an endpoint. One `*` matches any text.
    pub models: Vec<String>,
    /// Variables, in addition to `unset`, that would win over the own login of the agent or hide it. One `*` matches
    /// any text.
    pub login_unset: Vec<String>,
    /// The own login of the agent; `None` if Ringlet does not know how to start the agent on it.
    pub login: Option<Login>,
    /// Whether the agent sends none of its stored logins and keys once it is given a base URL and a key.
    pub hides_logins: bool,
    /// Variables that are always set.
    pub set: BTreeMap<Variable, String>,
    /// Arguments that are always put before the user's own.
    pub args: Vec<String>,
    /// The ways to reach a provider, the preferred one first.
    pub api: Vec<Api>,
    /// The files and folders of a project that it loads by itself.
    pub guard: Vec<Guard>,
    /// The environment variables that it takes from a project's files.
    pub names: Names,
    /// The options and variables that tell it in which directory to work.
    pub directory: Directory,
    /// The options that keep it from reading a project's configuration.
    pub switch: Option<Switch>,
    /// The command lines that need no key.
    pub no_key: NoKey,
    /// Arguments that hand the work to a process of an earlier launch, which may have another account. They are refused
    /// unless the account is a login.
    pub shared: Vec<String>,
    /// The option that keeps it from starting further agents in other terminals.
    pub teammates: Option<Teammates>,
    /// The user's stored credentials that are sent in addition to the one that Ringlet gives.
    pub stored: Vec<Stored>,
    /// The user's stored credentials and endpoints that replace those that Ringlet gives.
    pub outranks: Vec<Stored>,
    /// The setting that chooses between a key and other accounts.
    pub chosen: Option<Chosen>,
    /// The list of keys that the user has told it not to use.
    pub rejected: Option<Rejected>,
    /// The user's dotenv files whose lines win over the environment.
    pub env_files: Vec<UserFile>,
    /// The place of its sessions, if each belongs to a provider.
    pub sessions: Option<Sessions>,
    /// The list of variables that its tool shells are not given.
    pub withheld: Option<Withheld>,
    /// Options that would send its key to another endpoint.
    pub moved: Option<Moved>,
    /// Patterns for the path of its program that contain the installed version as `{version}`. One `*` in a name
    /// matches any text.
    pub version_in: Vec<String>,
    /// The arguments with which it prints its version, for the case that no path contains it.
    pub version_args: Vec<String>,
}

impl AgentSpec {
    /// Returns the kinds of account that it supports, as the values of `auth`.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let all = [("key", true), ("login", self.login.is_some()), ("none", self.hides_logins)];
        all.into_iter().filter(|(_, can)| *can).map(|(word, _)| word).collect()
    }

    /// Reports whether a variable would win over the key that Ringlet gives, or send it to another host.
    pub(crate) fn competes_with_key(&self, name: &str) -> bool {
        matches_any(&self.unset, name)
    }

    /// Reports whether a variable would win over the agent's own login, or hide it.
    pub(crate) fn competes_with_login(&self, name: &str) -> bool {
        matches_any(&self.login_unset, name) || self.competes_with_key(name)
    }

    /// Reports whether a variable names a model of the endpoint that is set with it.
    pub(crate) fn names_model(&self, name: &str) -> bool {
        matches_any(&self.models, name)
    }

    /// Reports whether a variable decides where the agent sends its requests.
    pub(crate) fn is_endpoint(&self, name: &str) -> bool {
        let own = self.api.iter().filter_map(|api| api.base_url.as_ref()).any(|ours| ours.as_str() == name);
        let named = ["_URL", "_API_BASE", "_ENDPOINT", "_HOST", "_UNIX_SOCKET"].iter().any(|end| name.ends_with(end));
        own || (named && self.competes_with_login(name))
    }

    /// Returns the commands that start it, the usual one first.
    pub(crate) fn commands(&self) -> Vec<String> {
        std::iter::once(&self.command).chain(&self.also).cloned().collect()
    }
}

fn matches_any(patterns: &[String], name: &str) -> bool {
    // Names are compared as the system does it, like in [`crate::env::Env`].
    let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() };
    let first = name.as_bytes().first();
    patterns.iter().any(|pattern| {
        // A launch compares all pairs, and nearly all differ in the first byte.
        let head = pattern.as_bytes().first();
        (head == first || head == Some(&b'*')) && matches(pattern, &name)
    })
}
