//! What the rules for accounts are asked with, and what they come to.

use crate::migrate::edit::Cut;
use crate::migrate::entries::{OwnSettings, Store};
use crate::migrate::files::Shell;
use crate::migrate::model::{Form, Reason, Span};
use crate::migrate::verdicts::Action;
use crate::migrate::vocabulary::Vocabulary;
use crate::name::KeyName;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

// A question about an agent and something else.
type Asked<'w, T, R> = Box<dyn Fn(&str, &T) -> R + 'w>;

/// What the rules ask of the machine.
pub(crate) struct Machine<'w> {
    /// The agents found on PATH.
    pub agents: BTreeSet<String>,
    /// Whether `ringlet` is found there.
    pub has_ringlet: bool,
    /// Reports whether a path, `~` allowed, is the program that a command starts.
    pub leads_to: Asked<'w, str, bool>,
    /// Reports why a launch could not use an account.
    pub check: Asked<'w, Account, Result<(), String>>,
    /// The agents with a login of their own, each with where it is.
    pub logins: BTreeMap<String, String>,
    /// The endpoints in the agents' own settings, which beat the environment: variable, address, file.
    pub governing: Vec<(String, String, PathBuf)>,
    /// What the names mean.
    pub vocabulary: Arc<Vocabulary>,
    /// The user's login shell.
    pub login: Option<Shell>,
    /// Reports whether a variable has this value in the environment.
    pub holds: Asked<'w, [u8], bool>,
    /// The names of the profiles that there are.
    pub profiles: BTreeSet<String>,
    /// The accounts in them, by profile and agent.
    pub bound: BTreeMap<(String, String), Bound>,
    /// The default one, and the agents that it binds.
    pub default: Option<(String, BTreeSet<String>)>,
    /// The keys that the person wants to stay where they are.
    pub spared: Spared,
    /// What the agents' own settings say about their stores of logins.
    pub stores: BTreeMap<Store, OwnSettings>,
    /// Of a provider's keys the one that the person wants as the default.
    pub chosen: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// What earlier runs moved: keys wherever they stand (rule S12), each with its provider.
    pub moved: Vec<(Zeroizing<Vec<u8>>, String)>,
}

impl Machine<'_> {
    /// A machine without agents.
    pub(crate) fn empty(vocabulary: &Arc<Vocabulary>) -> Self {
        Self {
            agents: BTreeSet::new(),
            has_ringlet: false,
            leads_to: Box::new(|_, _| false),
            check: Box::new(|_, _| Ok(())),
            logins: BTreeMap::new(),
            governing: Vec::new(),
            vocabulary: Arc::clone(vocabulary),
            login: None,
            holds: Box::new(|_, _| false),
            profiles: BTreeSet::new(),
            bound: BTreeMap::new(),
            default: None,
            spared: Spared::default(),
            stores: BTreeMap::new(),
            chosen: BTreeMap::new(),
            moved: Vec::new(),
        }
    }
}

impl Machine<'_> {
    /// What earlier runs moved, to be looked for.
    pub(in crate::migrate) fn known(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.moved.iter().map(|(value, provider)| (value.as_slice(), provider.as_str()))
    }

    /// Why an agent with a login of its own gets no default profile for another key.
    pub(in crate::migrate) fn login_of(&self, agent: &str) -> Option<String> {
        self.logins.get(agent).map(|place| format!("it has a login of its own ({place})"))
    }
}

/// An account in a profile that there is: a key, and nothing that the rules know nothing about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The key's provider.
    pub provider: String,
    /// The key's name among the provider's.
    pub alias: String,
    /// The endpoint, as the profile names it.
    pub endpoint: Option<String>,
    /// Whether that may be an unencrypted one in a private network.
    pub allow_http: bool,
    /// The header for the key.
    pub auth_header: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The agent's folder.
    pub config_dir: Option<String>,
    /// The other variables of the agent.
    pub env: BTreeMap<String, String>,
    /// Those that hold keys, by the keys' names.
    pub secrets: BTreeMap<String, String>,
}

/// Keys that stay where they are, wherever that is.
#[derive(Clone, Default)]
pub(crate) struct Spared(Arc<[Zeroizing<Vec<u8>>]>);

impl Spared {
    /// These values.
    pub(crate) fn new(mut values: Vec<Zeroizing<Vec<u8>>>) -> Self {
        values.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
        Self(values.into())
    }

    /// Reports whether a value is one of them.
    pub(crate) fn has(&self, value: &[u8]) -> bool {
        self.0.binary_search_by(|own| own.as_slice().cmp(value)).is_ok()
    }
}

/// A key beside an agent's account, for another provider. Its `Debug` is left out: it holds a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Also {
    /// The variable that the agent takes it from.
    pub variable: String,
    /// The key's provider.
    pub provider: String,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
}

/// An account that the files give to agents. Its `Debug` is left out: it holds a key.
#[derive(Clone)]
pub(crate) struct Account {
    /// What its profile is called.
    pub name: Name,
    /// The agents that are bound.
    pub agents: Vec<String>,
    /// The key's provider.
    pub provider: String,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
    /// The endpoint as a profile names it; none for the provider's own.
    pub endpoint: Option<String>,
    /// Whether the provider's own hosts have it.
    pub is_at_its_provider: bool,
    /// Whether that is an unencrypted one in a private network.
    pub allow_http: bool,
    /// The header for the key, where it differs from the provider's own.
    pub auth_header: Option<&'static str>,
    /// The model.
    pub model: Option<String>,
    /// The other variables of the agent.
    pub env: Vec<(String, String)>,
    /// The keys of other providers that the agent takes as well.
    pub also: Vec<Also>,
    /// The agent's folder.
    pub config_dir: Option<String>,
    /// The alias of the key, where the rules give it one of its own.
    pub alias: Option<String>,
    /// Where it was found.
    pub origin: Origin,
    /// The same in words.
    pub from: String,
    /// The files that it is set in, by their numbers.
    pub files: BTreeSet<usize>,
}

impl Account {
    /// Reports whether another one is the same account of the same agents.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.agents, &self.provider, &self.value, &self.endpoint)
            == (&other.agents, &other.provider, &other.value, &other.endpoint)
            && (&self.model, &self.env, &self.config_dir, self.auth_header, &self.also)
                == (&other.model, &other.env, &other.config_dir, other.auth_header, &other.also)
    }
}

impl Account {
    /// Reports whether a profile that there is holds just this account, with the key of this name and the others.
    pub(crate) fn is_bound(&self, alias: &str, also: &[(String, KeyName)], bound: &Bound) -> bool {
        let own = Bound {
            provider: self.provider.clone(),
            alias: alias.to_owned(),
            endpoint: self.endpoint.clone(),
            allow_http: self.allow_http,
            auth_header: self.auth_header.map(str::to_owned),
            model: self.model.clone(),
            config_dir: self.config_dir.clone(),
            env: self.env.iter().cloned().collect(),
            secrets: also.iter().map(|(variable, key)| (variable.clone(), key.to_string())).collect(),
        };
        own == *bound
    }
}

/// What a profile is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `default`, the agents' default account.
    Default,
    /// After a launcher; the default as well where that has the agent's own name.
    Launcher {
        /// The name.
        name: String,
        /// Whether it becomes the default.
        is_default: bool,
    },
}

/// Where an account was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A key without an endpoint.
    Key,
    /// An endpoint and a key at top level.
    Pair,
    /// A launcher: the start of the agent, by number.
    Launcher(usize),
}

/// An agent for which no default profile is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// The agent.
    pub agent: String,
    /// Why, as the rest of a sentence.
    pub why: String,
    /// The file, by number, and the offset that the reason stands at.
    pub at: Option<(usize, usize)>,
    /// The provider of the account that it has.
    pub provider: Option<String>,
    /// The endpoint of that account, as a profile names it.
    pub endpoint: Option<String>,
    /// The header for its key, where it differs from the provider's own.
    pub auth_header: Option<&'static str>,
    /// The default profile that there is, where it has an account for the agent already.
    pub profile: Option<String>,
    /// Whether the key of that account stays in plaintext.
    pub stays: bool,
    /// Whether only functions set the key: another account may become the default.
    pub is_of_functions: bool,
}

impl Withheld {
    /// An agent without a default profile.
    pub(in crate::migrate) fn new(
        agent: String,
        why: String,
        at: Option<(usize, usize)>,
        provider: Option<String>,
        endpoint: Option<String>,
    ) -> Self {
        let (auth_header, profile) = (None, None);
        Self { agent, why, at, provider, endpoint, auth_header, profile, stays: false, is_of_functions: false }
    }
}

/// What the files come to.
#[derive(Default)]
pub(crate) struct Accounts {
    /// The accounts that profiles are made for.
    pub made: Vec<Account>,
    /// The agents that get no default.
    pub withheld: Vec<Withheld>,
    /// The places that start agents past the shell's hook, without an account of their own: file, offset, agent.
    pub past_hook: Vec<(usize, usize, String)>,
    /// Of each provider's keys the one that is the default, and why.
    pub preferred: BTreeMap<String, (Zeroizing<Vec<u8>>, Preference)>,
}

/// Why one of a provider's keys is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    /// The person chose it.
    Chosen,
    /// It is set in the environment.
    Environment,
    /// The login shell's files set it last.
    LoginShell,
    /// It is set last.
    Last,
}

/// A word that starts an agent, and is replaced.
#[derive(Debug, Clone)]
pub(in crate::migrate) struct Replaced {
    /// The word.
    pub command: Span,
    /// The number of the account.
    pub account: usize,
    /// The agent's command.
    pub agent: String,
    /// The launcher that it is a part of.
    pub unit: Span,
}

/// A key that a word sets, and what becomes of it.
pub(in crate::migrate) struct Key {
    /// The variable.
    pub variable: String,
    /// Where its name begins.
    pub at: usize,
    /// The whole word.
    pub span: Span,
    /// How its statement sets it.
    pub form: Form,
    /// Whose key it is.
    pub provider: String,
    /// What is done about it.
    pub action: Action,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
    /// Whether it is set in a function.
    pub function: bool,
    /// Whether it is set outside every construct.
    pub top_level: bool,
}

/// What becomes of one file.
#[derive(Default)]
pub(in crate::migrate) struct Judged {
    /// The keys that it sets, in its order.
    pub keys: Vec<Key>,
    /// Where the words begin that go.
    pub gone: HashSet<usize>,
    /// The words that start an agent and are replaced.
    pub replaced: Vec<Replaced>,
    /// The launchers that are left as they are.
    pub launchers: Vec<Span>,
    /// Where something begins that the person wants to stay as it is.
    pub declined: HashSet<usize>,
    /// The keys that the person wants to stay.
    pub spared: Spared,
}

impl Judged {
    /// The words that take the place of those that start an agent.
    pub(in crate::migrate) fn replacements(&self, profile: &dyn Fn(usize) -> String) -> Vec<Cut> {
        self.replaced.iter().map(|own| own.with(&profile(own.account))).collect()
    }
}

impl Replaced {
    /// The words that start the agent with the account of a profile.
    pub(in crate::migrate) fn with(&self, profile: &str) -> Cut {
        let Self { command, agent, .. } = self;
        Cut { span: command.clone(), with: format!("ringlet exec --profile {profile} {agent} --").into_bytes() }
    }
}

/// Why an account is not understood, and the word that it hangs on where that is not its first.
pub(super) struct Refusal {
    /// Why, in short.
    pub reason: Reason,
    /// Why, as the rest of a sentence.
    pub why: String,
    /// The word.
    pub at: Option<usize>,
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self { reason: Reason::Pair, why, at: None }
    }
}

impl Refusal {
    /// A variable is emptied or unset there.
    pub(super) fn emptied(name: &str, at: usize) -> Self {
        Self { at: Some(at), ..Self::from(format!("{name} is emptied or unset later")) }
    }
}
