//! Which accounts profiles are made for, and which of them are agents' defaults (rules P6, P8, P10, P11 and P13).

use super::pairs::Pair;
use super::preferred::Rank;
use super::scopes::{Kind, ReadBy, Unit};
use super::types::Refusal;
use super::values::Held;
use super::{Account, Accounts, Also, Found, Judge, Name, Origin, Withheld};
use crate::registry::{AgentSpec, Api};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

// The agent that a variable for an endpoint is for where several read it.
const OWNERS: [(&str, &str); 3] =
    [("ANTHROPIC_BASE_URL", "claude"), ("GOOGLE_GEMINI_BASE_URL", "gemini"), ("OPENAI_BASE_URL", "codex")];

// The same of a variable for a key.
const KEYS: [(&str, &str); 6] = [
    ("CODEX_API_KEY", "codex"),
    ("ANTHROPIC_API_KEY", "claude"),
    ("ANTHROPIC_AUTH_TOKEN", "claude"),
    ("OPENAI_API_KEY", "codex"),
    ("GEMINI_API_KEY", "gemini"),
    ("GOOGLE_API_KEY", "gemini"),
];

/// The agent that an endpoint's variable is for.
pub(super) fn owner_of(variable: &str) -> Option<&'static str> {
    let own = OWNERS.iter().find(|(name, _)| *name == variable).map(|(_, agent)| *agent);
    own.or_else(|| variable.ends_with("_API_BASE").then_some("aider"))
}

/// The accounts that profiles are made for, and the agents that get no default.
pub(super) fn accounts(judge: &Judge<'_, '_>, found: &[Found<'_>], preferred: &BTreeMap<String, usize>) -> Accounts {
    let mut accounts = Accounts { withheld: judge.withheld.values().cloned().collect(), ..Accounts::default() };
    let keys = Lone::of(judge, found, preferred);
    let at_login = at_login(judge, found, &keys);
    // An account that the default profile has already stays.
    let own = judge.machine.default.iter().flat_map(|(_, agents)| agents.iter().cloned());
    let mut bound: BTreeSet<String> = own.collect();
    // Nor does it where the login shell uses the agent's own login.
    let logins = judge.machine.login.iter().flat_map(|_| judge.machine.logins.keys().cloned());
    let taken: BTreeSet<String> = at_login.iter().cloned().chain(logins).collect();
    let winners = own_names(judge, found, &bound, &taken);
    for own in found.iter().filter(|own| own.unit.is_some()) {
        let mut account = launchers(judge, own);
        let winner = account.agents.first().and_then(|agent| winners.get(agent));
        let is_plain = winner.is_some_and(|winner| winner.is_same(&account)) && is_own_name(judge, own);
        match &mut account.name {
            Name::Launcher { is_default, .. } if is_plain && judge.machine.default.is_none() => *is_default = true,
            _ => {}
        }
        accounts.made.push(account.clone());
        if is_plain && bound.insert(account.agents[0].clone()) && judge.machine.default.is_some() {
            // The default profile has a name of its own, and gives plain use the same.
            accounts.made.push(Account { name: Name::Default, origin: Origin::Pair, ..account });
        }
    }
    let mut pairs: Vec<&Found<'_>> = found.iter().filter(|own| own.unit.is_none()).collect();
    pairs.sort_by_key(|own| !is_at_login(judge, own));
    for own in pairs {
        let mut account = judge.account(own, Name::Default);
        split_models(judge, &mut account);
        let is_here = is_at_login(judge, own);
        let is_elsewhere = |agent: &String| bound.contains(agent) || !is_here && taken.contains(agent);
        let (elsewhere, own): (Vec<String>, Vec<String>) = account.agents.iter().cloned().partition(is_elsewhere);
        for agent in &elsewhere {
            accounts.leave(judge, agent, account.provider.clone(), account.endpoint.clone());
            if let Some(why) = judge.machine.login_of(agent).filter(|_| !at_login.contains(agent)) {
                accounts.withhold(agent, (why, None), account.provider.clone());
            }
        }
        if !own.is_empty() {
            bound.extend(own.iter().cloned());
            accounts.made.push(Account { agents: own, ..account.clone() });
        }
        if !elsewhere.is_empty() {
            let name = account.alias.clone().unwrap_or_else(|| account.provider.clone());
            let name = Name::Launcher { name, is_default: false };
            accounts.made.push(Account { agents: elsewhere, name, ..account });
        }
    }
    lone(judge, &keys, &at_login, &mut bound, &mut accounts);
    // What a pair's key was given to that does not read its endpoint.
    for own in found.iter().filter(|own| own.unit.is_none()) {
        let Some((variable, _)) = &own.pair.endpoint else { continue };
        for agent in judge.readers_of_key(own.pair.variable).into_iter().filter(|agent| !bound.contains(agent)) {
            let why = format!("it reads {} and not {variable}, which belongs to that key", own.pair.variable);
            accounts.withhold(&agent, (why, None), own.provider.clone());
        }
    }
    accounts
}

// Whether the login shell has a pair at its top level.
fn is_at_login(judge: &Judge<'_, '_>, own: &Found<'_>) -> bool {
    judge.machine.login.is_some_and(|login| own.shells & 1 << login as u8 != 0)
}

// The agents that have an account in the login shell. No other shell's becomes their default.
fn at_login(judge: &Judge<'_, '_>, found: &[Found<'_>], keys: &Lone<'_>) -> BTreeSet<String> {
    let mut agents = BTreeSet::new();
    for own in found {
        let unit = own.unit.map(|unit| &judge.facts.units[unit]).filter(|_| is_own_name(judge, own));
        if is_at_login(judge, own) || unit.is_some_and(|unit| judge.step(unit.file, unit.span.start).is_some()) {
            agents.extend(own.agents.iter().map(|agent| agent_name(judge, agent)));
        }
    }
    let is_read = |set: usize| judge.step_of(set).is_some();
    let subscription = keys.subscription.filter(|set| is_read(*set));
    agents.extend(subscription.map(|_| "claude".to_owned()));
    for (name, (_, set)) in keys.best.iter().filter(|(_, (_, set))| is_read(*set)) {
        let of = |agent: &String| refusal(judge, *set, name, agent, subscription.is_some()).is_none();
        agents.extend(judge.readers_of_key(name).into_iter().filter(of));
    }
    agents
}

fn launchers(judge: &Judge<'_, '_>, own: &Found<'_>) -> Account {
    let unit = own.unit.map(|unit| &judge.facts.units[unit]);
    let called = unit.and_then(|unit| unit.name).filter(|_| unit.is_some_and(|unit| unit.kind != Kind::Command));
    let name = called.and_then(profile_name);
    let mut account = judge.account(own, Name::Default);
    let named = name.clone();
    let name = name.or_else(|| account.alias.clone()).unwrap_or_else(|| account.provider.clone());
    account.alias = named.or(account.alias);
    account.agents = own.agents.iter().map(|agent| agent_name(judge, agent)).collect();
    account.name = Name::Launcher { name, is_default: false };
    account
}

// Whether a launcher has its agent's own name, and so is what plain use of the agent was.
fn is_own_name(judge: &Judge<'_, '_>, own: &Found<'_>) -> bool {
    let unit = own.unit.map(|unit| &judge.facts.units[unit]).filter(|unit| unit.kind != Kind::Command);
    let called = unit.and_then(|unit| unit.name);
    called.is_some_and(|called| own.agents.iter().any(|agent| agent == called))
}

// The launchers that become their agents' default: of several the one that the login shell has, which is the last.
fn own_names(
    judge: &Judge<'_, '_>,
    found: &[Found<'_>],
    bound: &BTreeSet<String>,
    taken: &BTreeSet<String>,
) -> BTreeMap<String, Account> {
    let mut best: BTreeMap<String, (_, Account)> = BTreeMap::new();
    for own in found.iter().filter(|own| is_own_name(judge, own)) {
        let Some(unit) = own.unit.map(|unit| &judge.facts.units[unit]) else { continue };
        let step = judge.step(unit.file, unit.span.start);
        // A shell that is no login shell may read other files.
        let login = judge.machine.login.map_or(0, |login| 1 << login as u8);
        let is_read = judge.is_read_by(unit.file, login);
        let rank = (step, is_read, unit.file, unit.span.start);
        let account = launchers(judge, own);
        let Some(agent) = account.agents.first().cloned() else { continue };
        let is_elsewhere = step.is_none() && !is_read && taken.contains(&agent);
        // What is not understood of the agent outranks it.
        if is_elsewhere || bound.contains(&agent) || judge.withheld.contains_key(&agent) {
            continue;
        }
        if best.get(&agent).is_none_or(|(other, _)| *other < rank) {
            best.insert(agent, (rank, account));
        }
    }
    best.into_iter().map(|(agent, (_, account))| (agent, account)).collect()
}

fn agent_name(judge: &Judge<'_, '_>, command: &str) -> String {
    judge.machine.vocabulary.agent(command).map_or_else(|| command.to_owned(), ToString::to_string)
}

// Rule P8: the name in lower case, every other character a dash, none at its ends.
fn profile_name(called: &str) -> Option<String> {
    let mut name = String::new();
    for c in called.to_lowercase().chars() {
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        match (fits, name.ends_with('-')) {
            (true, _) => name.push(c),
            (false, false) => name.push('-'),
            (false, true) => {}
        }
    }
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let name: String = name.chars().take(64).collect();
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    (!name.is_empty()).then_some(name)
}

// The agent's own variable for the model becomes the profile's model.
fn split_models(judge: &Judge<'_, '_>, account: &mut Account) {
    let Some(spec) = account.agents.first().and_then(|agent| judge.machine.vocabulary.agents.get(&agent.parse().ok()?))
    else {
        return;
    };
    let is_model = |name: &str| spec.api.iter().filter_map(|api| api.model.as_ref()).any(|own| own.as_str() == name);
    let (models, env) = std::mem::take(&mut account.env).into_iter().partition(|(name, _)| is_model(name));
    account.env = env;
    let models: Vec<(String, String)> = models;
    account.model = models.into_iter().next().map(|(_, model)| model);
}

// Keys without an endpoint, set outside functions.
struct Lone<'a> {
    // A subscription's token.
    subscription: Option<usize>,
    // Of each variable the best one.
    best: BTreeMap<&'a str, ((bool, Rank), usize)>,
}

impl<'a> Lone<'a> {
    fn of(judge: &Judge<'a, '_>, found: &[Found<'_>], preferred: &BTreeMap<String, usize>) -> Self {
        let of_pairs: BTreeSet<usize> = found.iter().flat_map(|own| own.keys.iter().copied()).collect();
        let mut lone = Self { subscription: None, best: BTreeMap::new() };
        for (set, own) in judge.facts.sets.iter().enumerate() {
            let is_own = own.place.function || own.place.launcher;
            if is_own || of_pairs.contains(&set) || judge.kept.contains_key(&set) || !judge.values.is_key(set) {
                continue;
            }
            let is_read = matches!(judge.sources[judge.facts.at[set].file].reader, ReadBy::Shells(_));
            let provider = judge.provider_of(set);
            let is_preferred = preferred.get(&provider).is_some_and(|other| judge.values.is_same(*other, set));
            if provider == "claude-subscription" {
                if own.place.depth == 0 && is_preferred {
                    lone.subscription = Some(set);
                }
                continue;
            }
            if is_read && judge.is_named_so(set) {
                let rank = (is_preferred, judge.rank(set, &provider));
                let best = lone.best.entry(&own.word.name).or_insert((rank, set));
                if best.0 <= rank {
                    *best = (rank, set);
                }
            }
        }
        lone
    }
}

fn lone(
    judge: &Judge<'_, '_>,
    keys: &Lone<'_>,
    at_login: &BTreeSet<String>,
    bound: &mut BTreeSet<String>,
    accounts: &mut Accounts,
) {
    let is_read = |set: usize| judge.step_of(set).is_some();
    let is_elsewhere = |set: usize, agent: &str| !is_read(set) && at_login.contains(agent);
    let subscription = keys.subscription.filter(|set| !is_elsewhere(*set, "claude"));
    if let Some(set) = subscription
        && !bound.contains("claude")
        && !judge.withheld.contains_key("claude")
    {
        // In the login shell, which does not read the token, it is the login that claude uses.
        let is_elsewhere = judge.machine.login.is_some() && !is_read(set);
        match judge.machine.login_of("claude").filter(|_| is_elsewhere) {
            Some(why) => accounts.withhold("claude", (why, None), judge.provider_of(set)),
            None => offer(judge, set, "claude", bound, accounts),
        }
    }
    for (name, (_, set)) in &keys.best {
        for agent in judge.readers_of_key(name) {
            let refused = refusal(judge, *set, name, &agent, subscription.is_some());
            let is_beside = refused.is_none() && !is_elsewhere(*set, &agent);
            let is_given = is_beside && accounts.give(judge, *set, &agent);
            match refused {
                _ if bound.contains(&agent) && is_given => {}
                _ if bound.contains(&agent) => accounts.leave(judge, &agent, judge.provider_of(*set), None),
                _ if is_elsewhere(*set, &agent) => {}
                Some(why) => accounts.withhold(&agent, why, judge.provider_of(*set)),
                None => offer(judge, *set, &agent, bound, accounts),
            }
        }
    }
    // A function may have been called, so that what it sets was the agent's account.
    for (set, own) in judge.facts.sets.iter().enumerate() {
        let is_functions = own.place.function && !own.place.launcher && !judge.kept.contains_key(&set);
        if !is_functions || !judge.values.is_key(set) || !judge.is_named_so(set) {
            continue;
        }
        let (name, at) = (own.word.name.as_str(), judge.place_of(set));
        for agent in judge.readers_of_key(name).into_iter().filter(|agent| !bound.contains(agent)) {
            if !accounts.withheld.iter().any(|other| other.agent == agent) {
                let why = format!("only a function sets {name}");
                let withheld = Withheld::new(agent, why, Some(at), Some(judge.provider_of(set)), None);
                accounts.withheld.push(Withheld { is_of_functions: true, ..withheld });
            }
        }
    }
    // Of several keys one may be kept away from an agent that another one is the account of.
    let stays = |own: &Withheld| own.profile.is_some() || judge.withheld.contains_key(&own.agent);
    accounts.withheld.retain(|own| !bound.contains(&own.agent) || stays(own));
}

// Why a key that the files set is not made an agent's default.
fn refusal(
    judge: &Judge<'_, '_>,
    set: usize,
    name: &str,
    agent: &str,
    has_subscription: bool,
) -> Option<(String, Option<(usize, usize)>)> {
    if let Some(withheld) = judge.withheld.get(agent) {
        return Some((withheld.why.clone(), None));
    }
    if has_subscription && agent == "claude" {
        return Some(("a subscription token is set".to_owned(), None));
    }
    let commands =
        agent.parse().ok().and_then(|name| judge.machine.vocabulary.agents.get(&name)).map(|spec| spec.commands());
    let kept = commands.iter().flatten().find_map(|command| judge.keeps.get(&(command.as_str(), name)));
    if let Some(unit) = kept {
        let unit = &judge.facts.units[*unit];
        let what = unit.name.map_or_else(|| "a command".to_owned(), str::to_owned);
        let at = (unit.file, unit.span.start);
        return Some((format!("{what} starts it with {name} emptied or unset"), Some(at)));
    }
    // What the shells that read this key come to, and no other.
    let shells = match judge.sources[judge.facts.at[set].file].reader {
        ReadBy::Shells(shells) => shells,
        ReadBy::Script(_) | ReadBy::Nothing => 0,
    };
    let is_beside = |other: &usize| {
        let at = &judge.facts.at[*other];
        at.unit.is_none() && judge.is_read_by(at.file, shells)
    };
    let beside: Vec<usize> = judge.values.named(name).iter().copied().filter(is_beside).collect();
    if let Some(at) = judge.emptied(&beside) {
        return Some((Refusal::emptied(name, at).why, Some(judge.place_of(at))));
    }
    judge.machine.login_of(agent).map(|why| (why, None))
}

fn offer(judge: &Judge<'_, '_>, set: usize, agent: &str, bound: &mut BTreeSet<String>, accounts: &mut Accounts) {
    let Held::Is(value, _) = judge.values.held(set) else { return };
    let name = judge.facts.sets[set].word.name.as_str();
    let provider = judge.provider_of(set);
    let spec = judge.machine.vocabulary.provider(&provider);
    let pair = Pair {
        endpoint: None,
        variable: name,
        value,
        provider: provider.clone(),
        is_known: false,
        keys: vec![set],
        endpoints: vec![],
    };
    let account = Account {
        files: BTreeSet::from([judge.facts.at[set].file]),
        name: Name::Default,
        agents: vec![agent.to_owned()],
        value: Zeroizing::new(value.to_vec()),
        endpoint: None,
        is_at_its_provider: true,
        allow_http: false,
        auth_header: pair.auth_header(spec).filter(|_| agent == "claude"),
        model: None,
        env: vec![],
        also: vec![],
        config_dir: None,
        alias: None,
        origin: Origin::Key,
        from: name.to_owned(),
        provider,
    };
    match (judge.machine.check)(agent, &account) {
        Ok(()) => {
            bound.insert(agent.to_owned());
            accounts.made.push(account);
        }
        Err(why) => accounts.withhold(agent, (why, None), judge.provider_of(set)),
    }
}

impl Account {
    /// Whether it becomes its agents' default.
    pub(crate) fn is_default(&self) -> bool {
        match &self.name {
            Name::Default => true,
            Name::Launcher { is_default, .. } => *is_default,
        }
    }
}

impl Accounts {
    fn withhold(&mut self, agent: &str, (why, at): (String, Option<(usize, usize)>), provider: String) {
        if !self.withheld.iter().any(|other| other.agent == agent) {
            let (agent, provider) = (agent.to_owned(), Some(provider));
            self.withheld.push(Withheld::new(agent, why, at, provider, None));
        }
    }

    // Gives an agent's accounts a key of another provider as well, which it had beside them. Reports whether one takes
    // it.
    fn give(&mut self, judge: &Judge<'_, '_>, set: usize, agent: &str) -> bool {
        let Held::Is(value, _) = judge.values.held(set) else { return false };
        let variable = &judge.facts.sets[set].word.name;
        let (provider, value) = (judge.provider_of(set), Zeroizing::new(value.to_vec()));
        let also = Also { variable: variable.clone(), provider, value };
        let mut split = Vec::new();
        let mut is_taken = false;
        for account in self.made.iter_mut().filter(|own| own.agents.iter().any(|other| other == agent)) {
            let is_there = account.also.iter().any(|other| other.provider == also.provider);
            if is_there || account.provider == also.provider || judge.sets_itself(account, variable) {
                continue;
            }
            let mut own = Account { agents: vec![agent.to_owned()], ..account.clone() };
            own.also.push(also.clone());
            if (judge.machine.check)(agent, &own).is_err() {
                continue;
            }
            is_taken = true;
            if account.agents.len() == 1 {
                *account = own;
            } else {
                account.agents.retain(|other| other != agent);
                split.push(own);
            }
        }
        self.made.extend(split);
        is_taken
    }

    // Notes an agent that keeps the account which the default profile has for it.
    fn leave(&mut self, judge: &Judge<'_, '_>, agent: &str, provider: String, endpoint: Option<String>) {
        let Some((profile, agents)) = &judge.machine.default else { return };
        if agents.contains(agent) && !self.withheld.iter().any(|other| other.agent == agent) {
            let why = format!("the default profile \"{profile}\" has an account for it already");
            let (agent, provider, profile) = (agent.to_owned(), Some(provider), Some(profile.clone()));
            self.withheld.push(Withheld { profile, ..Withheld::new(agent, why, None, provider, endpoint) });
        }
    }
}

impl Judge<'_, '_> {
    // Whether a launcher, or what is around it, sets a variable for its agent.
    fn sets_itself(&self, account: &Account, variable: &str) -> bool {
        let Origin::Launcher(start) = account.origin else { return false };
        let own = self.facts.units.iter().find(|unit| unit.starts.contains(&start));
        let parent = |unit: &&Unit<'_>| unit.parent.map(|parent| &self.facts.units[parent]);
        let mut sets = std::iter::successors(own, parent).flat_map(|unit| &unit.sets);
        sets.any(|set| self.facts.sets[*set].word.name == *variable)
    }

    /// The agents that take their key from a variable: the one whose it is, and the others on PATH.
    pub(super) fn readers_of_key(&self, name: &str) -> Vec<String> {
        let mut agents: Vec<String> =
            KEYS.iter().filter(|(own, _)| *own == name).map(|(_, agent)| (*agent).to_owned()).collect();
        let reads = |spec: &AgentSpec| spec.api.iter().any(|api| self.takes_key(api, name));
        for (agent, spec) in &self.machine.vocabulary.agents {
            if self.machine.agents.contains(agent.as_str())
                && reads(spec)
                && !agents.iter().any(|own| own == agent.as_str())
            {
                agents.push(agent.to_string());
            }
        }
        agents
    }

    fn takes_key(&self, api: &Api, name: &str) -> bool {
        let own = api.key.iter().chain(&api.bearer).any(|own| own.as_str() == name);
        let providers = &self.machine.vocabulary.providers;
        own || api.key.is_none()
            && api
                .providers
                .iter()
                .filter_map(|provider| providers.get(provider))
                .any(|spec| spec.variable.as_str() == name)
    }

    /// The provider that is named for a key that stays: the endpoint's, where the registry knows it.
    pub(super) fn kept_provider(&self, set: usize) -> String {
        let Some(family) = self.family(set) else { return self.provider_of(set) };
        let endpoint = self.hosts.get(&(self.facts.at[set].scope, family));
        let known = endpoint.and_then(|url| self.machine.vocabulary.provider_at(url));
        let known = known.map_or_else(|| self.provider_of(set), |spec| spec.name.to_string());
        // Where the key's own form names another one, it is that one's.
        self.form(set).filter(|form| *form != known).unwrap_or(known)
    }
}
