//! The names that a plan gives: aliases of keys, and profiles.

use super::choices::Choices;
use super::scan::Scanned;
use crate::migrate::accounts::{Account, Also, Bound, Name, Origin, Preference};
use crate::migrate::examine::{Action, Finding};
use crate::migrate::model::Form;
use crate::name::{Alias, KeyName, Provider};
use crate::secret::{Secret, Shape, check_key};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// An account, with the names that it gets.
pub(crate) struct PlannedAccount {
    /// The account.
    pub account: Account,
    /// Its key.
    pub key: KeyName,
    /// The other keys of its agent, by their variables.
    pub also: Vec<(String, KeyName)>,
    /// Its profile.
    pub profile: String,
    // Its number among all that are made.
    pub(super) number: usize,
}

impl PlannedAccount {
    /// All keys that the agent gets, the account's first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &KeyName> {
        std::iter::once(&self.key).chain(self.also.iter().map(|(_, key)| key))
    }
}

/// Gives every account its key and its profile.
pub(super) fn planned(
    made: Vec<Account>,
    names: &Aliases,
    profiles: &BTreeSet<String>,
    bound: &BTreeMap<(String, String), Bound>,
    mut default: Option<String>,
) -> Vec<PlannedAccount> {
    let mut taken = profiles.clone();
    let own = made.iter().find(|account| matches!(account.name, Name::Launcher { is_default: true, .. }));
    let own = own.and_then(|account| match &account.name {
        Name::Launcher { name, .. } => Some((name.clone(), vec![account.clone()])),
        Name::Default => None,
    });
    let all: Vec<Account> = made.iter().filter(|account| account.name == Name::Default).cloned().collect();
    let mut planned: Vec<PlannedAccount> = Vec::new();
    // A profile that there is and that has just these accounts is used again.
    let has = |profile: &str, accounts: &[Account]| {
        let is_bound = |account: &Account, agent: &String| {
            let key = names.by_value(&account.provider, &account.value);
            let bound = bound.get(&(profile.to_owned(), agent.clone()));
            key.zip(bound).is_some_and(|(key, bound)| account.is_bound(key.alias.as_str(), &names.also(account), bound))
        };
        accounts.iter().all(|account| account.agents.iter().all(|agent| is_bound(account, agent)))
    };
    let mut fresh = |wanted: &str, accounts: &[Account]| {
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut all = std::iter::once(wanted.to_owned()).chain(numbered);
        let fits = |name: &String| profiles.contains(name) && has(name, accounts) || taken.insert(name.clone());
        all.find(fits).unwrap_or_default()
    };
    if let Some((own, account)) = &own {
        default = Some(fresh(own, account));
    }
    for (number, account) in made.into_iter().enumerate() {
        let Some(key) = names.by_value(&account.provider, &account.value) else { continue };
        let same = planned.iter().find(|other| other.account.is_same(&account)).map(|other| other.profile.clone());
        let profile = match (&account.name, same) {
            (Name::Launcher { is_default: false, .. }, Some(same)) => same,
            (Name::Launcher { name, is_default: false }, None) => fresh(name, std::slice::from_ref(&account)),
            _ => default.get_or_insert_with(|| fresh("default", &all)).clone(),
        };
        let also = names.also(&account);
        planned.push(PlannedAccount { account, key, also, profile, number });
    }
    planned
}

/// The names of the keys that move, sorted by provider and value. The first name given to a value holds.
pub(super) struct Aliases(Vec<(String, Zeroizing<Vec<u8>>, KeyName)>);

impl Aliases {
    pub(super) fn new<'a>(given: impl Iterator<Item = (&'a Finding, KeyName)>) -> Self {
        let row = |(finding, name): (&Finding, KeyName)| (finding.provider.clone(), finding.value.clone(), name);
        let mut rows: Vec<_> = given.map(row).collect();
        rows.sort_by(|a, b| (&a.0, a.1.as_slice()).cmp(&(&b.0, b.1.as_slice())));
        rows.dedup_by(|later, first| later.0 == first.0 && later.1 == first.1);
        Self(rows)
    }

    pub(super) fn of(&self, finding: &Finding) -> Option<KeyName> {
        self.by_value(&finding.provider, &finding.value)
    }

    // A key that stays is given to nobody.
    fn also(&self, account: &Account) -> Vec<(String, KeyName)> {
        let own = |also: &Also| Some((also.variable.clone(), self.by_value(&also.provider, &also.value)?));
        account.also.iter().filter_map(own).collect()
    }

    pub(super) fn by_value(&self, provider: &str, value: &[u8]) -> Option<KeyName> {
        let wanted = (provider, value);
        let found = self.0.binary_search_by(|(provider, value, _)| (provider.as_str(), value.as_slice()).cmp(&wanted));
        found.ok().map(|index| self.0[index].2.clone())
    }
}

// The aliases that the rules for accounts give: by the value, with where it was found and the account's number.
fn own_aliases<'f>(
    provider: &str,
    findings: &[&'f Finding],
    made: &[Account],
) -> BTreeMap<&'f [u8], (usize, &'f Finding, String)> {
    let mut own = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.is_commented()) {
        let is_of = |account: &Account| account.provider == provider && *account.value == *finding.value;
        let Some(number) = made.iter().position(is_of) else { continue };
        let account = &made[number];
        // A value that is set outside launchers as well has an entry already.
        let is_launchers = |other: &&&Finding| {
            matches!(other.action, Action::Moved(Form::Launcher | Form::Alias)) || other.is_commented()
        };
        let alone = findings.iter().filter(|other| other.value == finding.value).all(|other| is_launchers(&other));
        if let Some(alias) = account.alias.as_ref().filter(|_| account.origin == Origin::Pair || alone) {
            own.insert(finding.value.as_slice(), (number, *finding, alias.clone()));
        }
    }
    own
}

/// The last assignment at top level becomes `default`, the others are numbered in file order, and what is switched off
/// becomes `commented`. An entry with another value is never overwritten.
pub(super) fn aliases(
    files: &[Scanned],
    made: &[Account],
    existing: &BTreeMap<KeyName, Secret>,
    preferred: &BTreeMap<String, (Zeroizing<Vec<u8>>, Preference)>,
    choices: &Choices,
) -> Aliases {
    let mut by_provider: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in files.iter().filter(|file| file.blocked.is_none()).flat_map(|file| file.examined.findings()) {
        if finding.is_moved() && check_key(&finding.value, Shape::Header).is_ok() {
            by_provider.entry(finding.provider.clone()).or_default().push(finding);
        }
    }
    let mut given = Vec::new();
    for (provider, findings) in by_provider {
        let Ok(provider) = provider.parse::<Provider>() else { continue };
        let own = own_aliases(provider.as_str(), &findings, made);
        let active =
            || findings.iter().filter(|finding| !finding.is_commented() && !own.contains_key(finding.value.as_slice()));
        let commented = findings.iter().filter(|finding| finding.is_commented());
        let preferred = preferred.get(provider.as_str());
        let preferred = preferred.and_then(|(value, _)| active().find(|finding| *finding.value == **value));
        let of_shells = |finding: &&&Finding| finding.action != Action::Moved(Form::Entry);
        let preferred = preferred.or_else(|| active().rfind(of_shells)).or_else(|| active().next_back());
        let all = preferred.map(|finding| (finding, "default")).into_iter();
        let all =
            all.chain(active().map(|finding| (finding, ""))).chain(commented.map(|finding| (finding, "commented")));
        // Numbered as their profiles are.
        let mut of_accounts: Vec<_> = own.values().collect();
        of_accounts.sort_by_key(|(number, ..)| *number);
        let all = of_accounts.into_iter().map(|(_, finding, alias)| (finding, alias.as_str())).chain(all);
        let chosen = findings.iter().filter_map(|finding| {
            let alias = choices.alias(provider.as_str(), &finding.value)?;
            Some((finding, alias.as_str()))
        });
        let all = chosen.chain(all);
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        let order: Vec<(&Finding, &str)> =
            all.filter(|(finding, _)| seen.insert(&finding.value)).map(|(finding, base)| (*finding, base)).collect();
        let mut stored: BTreeMap<&[u8], &KeyName> = BTreeMap::new();
        for (name, secret) in existing.iter().filter(|(name, _)| name.provider == provider) {
            stored.entry(secret.expose()).or_insert(name);
        }
        // What the store has already first: a fresh alias must not take such a name.
        let mut used: BTreeSet<KeyName> =
            order.iter().filter_map(|(finding, _)| stored.get(finding.value.as_slice())).copied().cloned().collect();
        // The number at which the search for a free name goes on. A name that was taken stays so.
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        for (finding, base) in order {
            let name = stored.get(finding.value.as_slice()).copied().cloned().unwrap_or_else(|| {
                let number = next.entry(base).or_insert(1);
                loop {
                    let word = match (base, *number) {
                        ("default", 1) => "default".to_owned(),
                        ("commented", 1) => "commented".to_owned(),
                        ("commented", number) => format!("commented-{number}"),
                        ("default", number) => number.to_string(),
                        ("", number) => (number + 1).to_string(),
                        (own, 1) => own.to_owned(),
                        (own, number) => format!("{own}-{number}"),
                    };
                    *number += 1;
                    let alias = word.parse::<Alias>().expect("our own words are aliases");
                    let name = KeyName::new(provider.clone(), alias);
                    if !used.contains(&name) && !existing.contains_key(&name) {
                        break name;
                    }
                }
            });
            used.insert(name.clone());
            given.push((finding, name));
        }
    }
    Aliases::new(given.into_iter())
}
