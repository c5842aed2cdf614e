//! Which account each agent without one could have: its login, a key that is there, or one that a person gives.

use super::survey::{Found, State, Survey};
use crate::commands::Session;
use crate::commands::keychain::set::{self, Origin};
use crate::commands::migrate::settings::own_endpoint;
use crate::commands::question::ask;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::vocabulary::Vocabulary;
use crate::name::{Agent, KeyName, Provider};
use crate::output::Style;
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
pub(super) struct Proposal<'a> {
    /// The accounts.
    pub(super) accounts: Vec<Account>,
    /// The keys.
    pub(super) keys: Vec<NewKey>,
    // The providers whose keys were not asked for.
    rest: Vec<Wanted<'a>>,
}

impl<'a> Proposal<'a> {
    /// Goes through the agents without an account; a person is asked for the keys that are nowhere.
    pub(super) fn new(host: &mut Host, session: &Session, survey: &'a Survey, yes: bool) -> Result<Self, Failure> {
        let mut made = Self { accounts: Vec::new(), keys: Vec::new(), rest: Vec::new() };
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
        let mut wanted = Vec::new();
        for (provider, agents) in by_provider {
            let spec = session.registry.provider_with_pattern(provider)?;
            match made.of_provider(host, session, survey, &spec, &agents, (stored, &endpoints))? {
                Known::Has(what) => made.add(&agents, &what),
                Known::Ambiguous => {}
                Known::Nothing(name) => wanted.push(Wanted { provider: spec, name, agents }),
            }
        }
        // The agents that Ringlet knows best first.
        wanted.sort_by_key(|own| {
            own.agents.iter().map(|found| (found.spec.broker.is_none(), found.spec.login.is_none())).min()
        });
        if yes || !host.world.console.is_interactive() {
            for Wanted { provider, name, agents } in &wanted {
                let said = Hint::from(format!("{}: no key of {} was found; ", names(agents), provider.title));
                host.output.note(said.command(name.set_command()).and(" stores one"));
            }
            wanted.clear();
        }
        // Most people have one account to begin with, and few want to be asked about each agent on PATH.
        let before = made.accounts.len();
        made.rest = wanted;
        if !made.rest.is_empty() {
            let first = made.rest.remove(0);
            made.ask(host, session, &first)?;
        }
        if made.accounts.len() == before {
            made.more(host, session)?;
        }
        made.accounts.sort_by(|a, b| a.agent.cmp(&b.agent));
        Ok(made)
    }

    fn add(&mut self, agents: &[&Found], what: &What) {
        let each = agents.iter().filter(|found| what.has_key_or(found));
        self.accounts.extend(each.map(|found| Account { agent: found.name.clone(), what: what.clone() }));
    }

    // What is there for a provider's agents without asking anybody.
    fn of_provider(
        &mut self,
        host: &mut Host,
        session: &Session,
        survey: &Survey,
        provider: &ProviderSpec,
        agents: &[&Found],
        (stored, endpoints): (&[KeyName], &Endpoints),
    ) -> Result<Known, Failure> {
        let own: Vec<&KeyName> = stored.iter().filter(|key| key.provider == provider.name).collect();
        let is_default = |key: &&&KeyName| key.alias.as_str() == "default";
        // A key that a profile sends to another endpoint belongs to that one.
        match own.iter().filter(|key| endpoints.are_own(key)).collect::<Vec<_>>().as_slice() {
            [] if own.is_empty() => {}
            [] => {
                let shown = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                match endpoints.unread() {
                    // What it says decides whether the key may be used; a second key is no help.
                    Some(why) => {
                        host.output.warn(format!("{}: {shown} is there, but {why}", names(agents)));
                        let doctor = Hint::from("").command(["ringlet", "doctor"]);
                        host.output.note(doctor.and(" names the profile"));
                        return Ok(Known::Ambiguous);
                    }
                    None => host.output.note(format!("{}: {shown} belongs to another endpoint", names(agents))),
                }
            }
            [only] => return Ok(Known::Has(What::Key((**only).clone()))),
            several => match several.iter().find(|key| is_default(key)) {
                Some(key) => return Ok(Known::Has(What::Key((**key).clone()))),
                None => {
                    let said =
                        Hint::from(format!("{}: the store has several keys of {}; ", names(agents), provider.title));
                    let words = words!["ringlet", "profiles", "create", "NAME", "--agent", agents[0].name];
                    host.output.note(said.command(words).and(" with --key-alias takes one of them"));
                    return Ok(Known::Ambiguous);
                }
            },
        }
        let name = free(&provider.name, &own)?;
        if let Some((variable, key)) = of_environment(host, session, survey, &name, provider, agents)? {
            self.keys.push(NewKey { name: name.clone(), key, variable: Some(variable) });
            return Ok(Known::Has(What::Key(name)));
        }
        Ok(Known::Nothing(name))
    }

    /// Returns the agents whose accounts were not asked for.
    pub(super) fn left(&self) -> String {
        self.rest.iter().map(|own| names(&own.agents)).collect::<Vec<_>>().join(", ")
    }

    /// Asks for the keys that were not asked for, as far as the person wants that.
    pub(super) fn more(&mut self, host: &mut Host, session: &Session) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.rest);
        for own in chosen(host, rest)? {
            self.ask(host, session, &own)?;
        }
        self.accounts.sort_by(|a, b| a.agent.cmp(&b.agent));
        Ok(())
    }

    // Asks for the key of a provider.
    fn ask(&mut self, host: &mut Host, session: &Session, own: &Wanted<'_>) -> Result<(), Failure> {
        match typed(host, session, own)? {
            Answer::Nothing => {}
            Answer::Login => self.add(&own.agents, &What::Login { is_there: false }),
            Answer::Key(key) => {
                self.keys.push(NewKey { name: own.name.clone(), key, variable: None });
                self.add(&own.agents, &What::Key(own.name.clone()));
            }
        }
        Ok(())
    }
}

// What is known of a provider's keys.
enum Known {
    Has(What),
    // There are several, and only the person knows which.
    Ambiguous,
    // The name that a key would get.
    Nothing(KeyName),
}

// A provider of which a key could be given.
struct Wanted<'a> {
    provider: ProviderSpec,
    name: KeyName,
    agents: Vec<&'a Found>,
}

fn names(agents: &[&Found]) -> String {
    agents.iter().map(|found| found.name.as_str()).collect::<Vec<_>>().join(", ")
}

// Asks for which of several providers there are keys.
fn chosen<'a>(host: &mut Host, wanted: Vec<Wanted<'a>>) -> Result<Vec<Wanted<'a>>, Failure> {
    const LETTERS: &[(&str, &str)] = &[
        ("1 3", "the keys of these are asked for, one after another"),
        ("n", "none is asked for, as with Enter; `ringlet init` asks again"),
    ];
    if wanted.len() < 2 {
        return Ok(wanted);
    }
    host.output.line(&[]);
    host.output.line(&[(Style::Bold, "without an account as well")]);
    let row = |(at, own): (usize, &Wanted<'_>)| {
        vec![
            (Style::Bold, format!("{:>3}", at + 1)),
            (Style::Plain, own.provider.title.clone()),
            (Style::Dim, names(&own.agents)),
        ]
    };
    let rows: Vec<_> = wanted.iter().enumerate().map(row).collect();
    host.output.table(&rows);
    loop {
        let question = "of which do you have a key or a login? numbers, [N]one, [?]";
        let answer = ask(host, question, LETTERS)?.unwrap_or_else(|| "n".to_owned());
        let picked: Option<Vec<usize>> = match answer.as_str() {
            "" | "n" | "N" | "none" | "no" => Some(vec![]),
            text => text.split([' ', ',']).filter(|word| !word.is_empty()).map(|word| word.parse().ok()).collect(),
        };
        match picked.filter(|picked| picked.iter().all(|at| (1..=wanted.len()).contains(at))) {
            Some(picked) => {
                let is_picked = |at: usize| picked.contains(&(at + 1));
                let all = wanted.into_iter().enumerate().filter(|(at, _)| is_picked(*at));
                return Ok(all.map(|(_, own)| own).collect());
            }
            None => host.output.warn(format!("the answer is numbers from 1 to {}, or n", wanted.len())),
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
    survey: &Survey,
    name: &KeyName,
    provider: &ProviderSpec,
    agents: &[&Found],
) -> Result<Option<(String, Key)>, Failure> {
    let vocabulary = Vocabulary::new(&session.registry)?;
    let env = &host.world.env;
    let set = |name: &&str| env.non_empty(name).is_some();
    let all = std::iter::once(&provider.variable).chain(&provider.also).map(crate::name::Variable::as_str);
    let Some(variable) = all.filter(|name| set(name)).map(str::to_owned).next() else { return Ok(None) };
    let away = env.pairs().iter().find_map(|(name, value)| {
        let name = name.to_str()?;
        let led = vocabulary.leads_away(name, Some(value.as_encoded_bytes()))?;
        (led.name == provider.name).then(|| format!("{name} is set beside it and names another endpoint"))
    });
    let value = env.non_empty(&variable).expect("it was asked for").as_encoded_bytes().to_vec();
    // A file's key may be half of a pair, which `migrate` tells and which a person has perhaps just declined.
    let in_file =
        || survey.found.iter().find(|(own, _)| **own == value).map(|(_, place)| format!("it stands in {place}"));
    let named = || survey.led_away.iter().find(|(own, _)| *own == provider.name).map(|(_, why)| why.clone());
    let own = || agents.iter().find_map(|found| own_endpoint(host, session, &found.spec));
    if let Some(why) = away.or_else(in_file).or_else(named).or_else(own) {
        host.output.note(format!("{variable} is not taken, since {why}"));
        return Ok(None);
    }
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
fn typed(host: &mut Host, session: &Session, own: &Wanted<'_>) -> Result<Answer, Failure> {
    let Wanted { provider, name, agents } = own;
    let can_log_in = agents.iter().any(|found| found.spec.login.is_some());
    let at = provider.console.as_ref().map(|url| format!(", made at {url}")).unwrap_or_default();
    host.output.line(&[]);
    host.output.data(&format!("{}: a key of {}{at}", names(agents), provider.title));
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
