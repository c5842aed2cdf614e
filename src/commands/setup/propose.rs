//! Which account each agent without one could have: its login, a key that is there, or one that a person gives.

use super::survey::{Found, State, Survey};
use crate::commands::Session;
use crate::commands::keychain::set::{self, Origin};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::vocabulary::Vocabulary;
use crate::name::{Agent, KeyName, Provider};
use crate::probe::Endpoints;
use crate::profile::Profiles;
use crate::profile::edit::{NewAccount, NewBinding};
use crate::registry::{ProviderSpec, misplaced};
use crate::secret::{Key, Secret};
use crate::words;
use std::collections::BTreeMap;

// So often a key that cannot be taken is asked for again.
const TRIES: usize = 3;

/// What an agent is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Its own login, and whether it is logged in.
    Login {
        /// False if the person has still to log in.
        is_there: bool,
    },
    /// A key.
    Key(KeyName),
}

/// An agent and the account that it is to have.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// The agent.
    pub(super) agent: Agent,
    /// The account.
    pub(super) what: What,
}

impl Account {
    /// Says what the agent gets.
    pub(super) fn describe(&self) -> String {
        match &self.what {
            What::Login { is_there: true } => format!("{} with its own login", self.agent),
            What::Login { is_there: false } => format!("{} with its own login, which is still to come", self.agent),
            What::Key(key) => format!("{} with {key}", self.agent),
        }
    }

    /// Reports whether it is a key.
    pub(super) fn has_key(&self) -> bool {
        matches!(self.what, What::Key(_))
    }

    /// Reports whether the person has still to log in.
    pub(super) fn needs_login(&self) -> bool {
        matches!(self.what, What::Login { is_there: false })
    }

    /// Returns what a profile says of it.
    pub(super) fn binding(&self) -> NewBinding {
        let account = match &self.what {
            What::Login { .. } => NewAccount::Login,
            What::Key(key) => {
                NewAccount::Key { provider: key.provider.clone(), alias: key.alias.clone(), endpoint: None }
            }
        };
        NewBinding::new(self.agent.clone(), account)
    }
}

/// A key that is to be stored.
pub(super) struct NewKey {
    /// Its name.
    pub(super) name: KeyName,
    /// Its value.
    pub(super) key: Key,
    /// The variable that it comes from; none if it was typed.
    pub(super) variable: Option<String>,
}

/// The accounts, and the keys that they need and are not stored yet.
pub(super) struct Proposal {
    /// The accounts.
    pub(super) accounts: Vec<Account>,
    /// The keys.
    pub(super) keys: Vec<NewKey>,
}

impl Proposal {
    /// Goes through the agents without an account; a person is asked for the keys that are nowhere.
    pub(super) fn new(host: &mut Host, session: &Session, survey: &Survey, yes: bool) -> Result<Self, Failure> {
        let mut made = Self { accounts: Vec::new(), keys: Vec::new() };
        let missing = survey.agents.iter().filter(|found| matches!(found.state, State::Missing));
        let (with_login, without): (Vec<&Found>, Vec<&Found>) = missing.partition(|found| found.login.is_some());
        for found in with_login {
            made.accounts.push(Account { agent: found.name.clone(), what: What::Login { is_there: true } });
        }
        let mut by_provider: BTreeMap<&Provider, Vec<&Found>> = BTreeMap::new();
        without.into_iter().for_each(|found| by_provider.entry(&found.spec.provider).or_default().push(found));
        let stored = match &survey.keys {
            Ok(keys) => keys.as_slice(),
            Err(error) if by_provider.is_empty() => {
                host.output.warn(error.to_string());
                return Ok(made);
            }
            Err(error) => return Err(error.clone().into()),
        };
        let endpoints = Endpoints::read(&Profiles::new(&session.paths, &session.registry));
        for (provider, agents) in by_provider {
            let spec = session.registry.provider_with_pattern(provider)?;
            if let Some(what) = made.of_provider(host, session, &spec, &agents, (stored, &endpoints), yes)? {
                let each = agents
                    .iter()
                    .filter(|found| what.has_key_or(found))
                    .map(|found| Account { agent: found.name.clone(), what: what.clone() });
                made.accounts.extend(each);
            }
        }
        made.accounts.sort_by(|a, b| a.agent.cmp(&b.agent));
        Ok(made)
    }

    fn of_provider(
        &mut self,
        host: &mut Host,
        session: &Session,
        provider: &ProviderSpec,
        agents: &[&Found],
        (stored, endpoints): (&[KeyName], &Endpoints),
        yes: bool,
    ) -> Result<Option<What>, Failure> {
        let own: Vec<&KeyName> = stored.iter().filter(|key| key.provider == provider.name).collect();
        let names = agents.iter().map(|found| found.name.as_str()).collect::<Vec<_>>().join(", ");
        let is_default = |key: &&&KeyName| key.alias.as_str() == "default";
        // A key that a profile sends to another endpoint belongs to that one.
        match own.iter().filter(|key| endpoints.are_own(key)).collect::<Vec<_>>().as_slice() {
            [] => {}
            [only] => return Ok(Some(What::Key((**only).clone()))),
            several => match several.iter().find(|key| is_default(key)) {
                Some(key) => return Ok(Some(What::Key((**key).clone()))),
                None => {
                    let said = Hint::from(format!("{names}: the store has several keys of {}; ", provider.title));
                    let words = words!["ringlet", "profiles", "create", "NAME", "--agent", agents[0].name];
                    host.output.note(said.command(words).and(" with --key-alias takes one of them"));
                    return Ok(None);
                }
            },
        }
        let name = free(&provider.name, &own)?;
        if let Some((variable, key)) = of_environment(host, session, &name, provider)? {
            self.keys.push(NewKey { name: name.clone(), key, variable: Some(variable) });
            return Ok(Some(What::Key(name)));
        }
        if yes || !host.world.console.is_interactive() {
            let said = Hint::from(format!("{names}: no key of {} was found; ", provider.title));
            host.output.note(said.command(name.set_command()).and(" stores one"));
            return Ok(None);
        }
        let can_log_in = agents.iter().any(|found| found.spec.login.is_some());
        match typed(host, session, &name, provider, &names, can_log_in)? {
            Answer::Nothing => Ok(None),
            Answer::Login => Ok(Some(What::Login { is_there: false })),
            Answer::Key(key) => {
                self.keys.push(NewKey { name: name.clone(), key, variable: None });
                Ok(Some(What::Key(name)))
            }
        }
    }
}

impl What {
    // A login is an agent's own: only those that can have one.
    fn has_key_or(&self, found: &Found) -> bool {
        matches!(self, Self::Key(_)) || found.spec.login.is_some()
    }
}

// The first name that no key has.
fn free(provider: &Provider, taken: &[&KeyName]) -> Result<KeyName, Failure> {
    let mut aliases = std::iter::once("default".to_owned()).chain((2..).map(|number: usize| number.to_string()));
    let is_free = |alias: &String| taken.iter().all(|key| key.alias.as_str() != alias);
    let alias = aliases.find(is_free).expect("numbers do not end");
    Ok(KeyName::new(provider.clone(), alias.parse()?))
}

// The key of a variable of this shell, if its form or its name tells for certain whose it is, and no variable leads the
// agents of that provider elsewhere: a key and its endpoint are one thing.
fn of_environment(
    host: &mut Host,
    session: &Session,
    name: &KeyName,
    provider: &ProviderSpec,
) -> Result<Option<(String, Key)>, Failure> {
    let vocabulary = Vocabulary::new(&session.registry)?;
    let env = &host.world.env;
    let set = |name: &&str| env.non_empty(name).is_some();
    let all = std::iter::once(&provider.variable).chain(&provider.also).map(crate::name::Variable::as_str);
    let Some(variable) = all.filter(|name| set(name)).map(str::to_owned).next() else { return Ok(None) };
    let away = env.pairs().iter().find_map(|(name, value)| {
        let name = name.to_str()?;
        let led = vocabulary.leads_away(name, Some(value.as_encoded_bytes()))?;
        (led.name == provider.name).then(|| name.to_owned())
    });
    if let Some(away) = away {
        host.output.note(format!("{variable} is not taken, since {away} is set beside it and names another endpoint"));
        return Ok(None);
    }
    let value = env.non_empty(&variable).expect("it was asked for").as_encoded_bytes().to_vec();
    let is_of = std::str::from_utf8(&value).ok().and_then(|text| provider.recognises(text));
    let is_certain = is_of == Some(true) || (is_of.is_none() && variable == provider.variable.as_str());
    if !is_certain || misplaced(&name.provider, &value).is_some() {
        return Ok(None);
    }
    let origin = Origin::Variable(&variable);
    let key = set::checked(host, session, name, Some(provider), Secret::new(value), origin)?;
    Ok(Some((variable, key)))
}

enum Answer {
    Nothing,
    Login,
    Key(Key),
}

// Asks for a key until it is one, or none is wanted.
fn typed(
    host: &mut Host,
    session: &Session,
    name: &KeyName,
    provider: &ProviderSpec,
    agents: &str,
    can_log_in: bool,
) -> Result<Answer, Failure> {
    let at = provider.console.as_ref().map(|url| format!(", made at {url}")).unwrap_or_default();
    host.output.line(&[]);
    host.output.data(&format!("{agents}: a key of {}{at}", provider.title));
    host.output.flush()?;
    let login = if can_log_in { ", `login` takes the agent's own login" } else { "" };
    let question = format!("ringlet: paste it here (it is not shown; Enter skips{login}): ");
    for _ in 0..TRIES {
        let no_terminal = |error| Failure::new(format!("there is no terminal to ask on: {error}"));
        let secret = set::typed(host, &question, "key", "nothing was changed", no_terminal)?;
        match secret.expose().trim_ascii() {
            b"" => return Ok(Answer::Nothing),
            b"login" | b"l" if can_log_in => return Ok(Answer::Login),
            _ => {}
        }
        match set::checked(host, session, name, Some(provider), secret, Origin::Typed) {
            Ok(key) => return Ok(Answer::Key(key)),
            Err(failure) => host.output.failure(&Failure { hints: Vec::new(), ..failure }),
        }
    }
    Ok(Answer::Nothing)
}
