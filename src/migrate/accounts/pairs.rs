//! The endpoint and the key that a scope sets (rules P2 to P5).

use super::Judge;
use super::values::Held;
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::vocabulary::{Meaning, host_of, urls};
use crate::registry::{Auth, Protocol, ProviderSpec};
use crate::url::{Http, check_url};

/// A key, and the endpoint that it is for.
#[derive(Clone)]
pub(super) struct Pair<'a> {
    /// The endpoint's variable and its address; none where the provider's own is meant.
    pub endpoint: Option<(&'a str, String)>,
    /// The variable of the key.
    pub variable: &'a str,
    /// The key.
    pub value: &'a [u8],
    /// Whose key it is.
    pub provider: String,
    /// Whether the registry knows the endpoint's host.
    pub is_known: bool,
    /// The words that set the key.
    pub keys: Vec<usize>,
    /// The words that set the endpoint here.
    pub endpoints: Vec<usize>,
}

/// An endpoint: its variable and its address.
pub(super) type Endpoint<'a> = (&'a str, String);

/// What a scope says about the endpoint of a family.
pub(super) enum Aim<'a> {
    /// Nothing, so that the scope around it decides.
    Silent,
    /// The provider's own endpoint.
    Own,
    /// This one, which these words set.
    At(Endpoint<'a>, Vec<usize>),
}

impl<'a> Judge<'a, '_> {
    /// The family of the endpoint or key that a word sets.
    pub(super) fn family(&self, set: usize) -> Option<&'a str> {
        self.machine.vocabulary.family(&self.facts.sets[set].word.name)
    }

    /// What a word's variable is for.
    pub(super) fn meaning(&self, set: usize) -> Option<Meaning> {
        let name = &self.facts.sets[set].word.name;
        let vocabulary = &self.machine.vocabulary;
        vocabulary.meaning(name).or_else(|| vocabulary.family(name).map(|_| Meaning::Credential))
    }

    fn of<'s>(&'s self, sets: &'s [usize], family: &'s str, meaning: Meaning) -> impl Iterator<Item = usize> + 's {
        let wanted = move |set: &usize| self.family(*set) == Some(family) && self.meaning(*set) == Some(meaning);
        sets.iter().copied().filter(wanted)
    }

    /// What the words say about a family's endpoint, or why that cannot be told.
    pub(super) fn aim(&self, sets: &[usize], family: &str) -> Result<Aim<'a>, String> {
        let own = self.machine.vocabulary.provider_of(family);
        let (mut found, mut words): (Option<Endpoint<'a>>, Vec<usize>) = (None, vec![]);
        let (mut is_own, mut is_named) = (false, None);
        for set in self.of(sets, family, Meaning::Endpoint) {
            let name = &self.facts.sets[set].word.name;
            match self.values.held(set) {
                Held::Declared => {}
                Held::Nothing => is_own = true,
                Held::Unknown | Held::Path(_) => return Err(format!("what {name} is set to cannot be told")),
                Held::Is(..) if self.values.holds_key(set) => {
                    return Err(format!("{name} is set to a text that a key stands in"));
                }
                Held::Is(value, _) => {
                    let url = String::from_utf8_lossy(value);
                    let url = url.trim_end_matches('/');
                    if own.is_some_and(|own| is_at(own, url)) {
                        (is_own, is_named) = (true, Some(name));
                        continue;
                    }
                    if found.as_ref().is_some_and(|(_, other)| other != url) {
                        return Err(format!("{name} is set to two endpoints"));
                    }
                    words.push(set);
                    found = Some((name, url.to_owned()));
                }
            }
        }
        // Which of the two the agent has depends on the order.
        if let (Some(name), Some(_)) = (is_named, &found) {
            return Err(format!("{name} is set to two endpoints"));
        }
        Ok(match found {
            Some(endpoint) => Aim::At(endpoint, words),
            None if is_own => Aim::Own,
            None => Aim::Silent,
        })
    }

    /// The words that set a key of a family, and whether one is set to what cannot be told.
    pub(super) fn credentials(&self, sets: &[usize], family: &str) -> (Vec<usize>, Option<usize>) {
        let is_key = |set: &usize| self.values.is_key(*set) || self.is_agents_key(*set);
        let keys = self.of(sets, family, Meaning::Credential).filter(is_key).collect();
        let is_unknown = |set: &usize| matches!(self.values.held(*set), Held::Unknown | Held::Path(_));
        (keys, self.of(sets, family, Meaning::Credential).find(is_unknown))
    }

    /// The key of a family and the endpoint that it is for; none where no word sets a key. `around` is the endpoint of
    /// the scope around it.
    pub(super) fn pair(
        &self,
        sets: &[usize],
        family: &str,
        around: Option<&Endpoint<'a>>,
    ) -> Result<Option<Pair<'a>>, String> {
        let (endpoint, endpoints) = match self.aim(sets, family)? {
            Aim::At(endpoint, words) => (Some(endpoint), words),
            Aim::Own => (None, vec![]),
            Aim::Silent => (around.cloned(), vec![]),
        };
        let (keys, _) = self.credentials(sets, family);
        let Some((variable, url)) = &endpoint else { return self.one(&keys, None, None, vec![]) };
        check_url(url, Http::Private).map_err(|why| format!("{variable}: {why}"))?;
        let host = host_of(url).map(str::to_ascii_lowercase).unwrap_or_default();
        let known = self.machine.vocabulary.provider_at(url);
        let fitting: Vec<usize> = match known {
            Some(provider) => {
                let fits = |set: &usize| self.form(*set).is_none_or(|form| form == provider.name.as_str());
                keys.iter().copied().filter(fits).collect()
            }
            None => keys.clone(),
        };
        if fitting.is_empty() && !keys.is_empty() {
            return Err(format!("the key is not one of the provider at {host}"));
        }
        self.one(&fitting, endpoint, known, endpoints)
    }

    fn one(
        &self,
        keys: &[usize],
        endpoint: Option<Endpoint<'a>>,
        known: Option<&ProviderSpec>,
        endpoints: Vec<usize>,
    ) -> Result<Option<Pair<'a>>, String> {
        let held = |set: &usize| match self.values.held(*set) {
            Held::Is(value, _) => Some((*set, value)),
            _ => None,
        };
        let mut all = keys.iter().filter_map(held);
        let Some((first, value)) = all.next() else { return Ok(None) };
        if endpoint.is_some() && all.any(|(_, other)| other != value) {
            return Err("two keys are set for one endpoint".to_owned());
        }
        let set = &self.facts.sets[first];
        let provider = match (known, &endpoint) {
            (Some(known), _) => known.name.to_string(),
            (None, _) => self.form(first).unwrap_or_else(|| self.provider_of(first)),
        };
        let protocols = || endpoint.as_ref().and_then(|(name, _)| self.machine.vocabulary.provider_speaking(name));
        let provider = if provider.is_empty() { protocols().unwrap_or_default().to_owned() } else { provider };
        let keys = keys.to_vec();
        let (variable, is_known) = (set.word.name.as_str(), known.is_some());
        Ok(Some(Pair { endpoint, variable, value, provider, is_known, keys, endpoints }))
    }

    /// The provider that a key's own form names.
    pub(super) fn form(&self, set: usize) -> Option<String> {
        let Held::Is(value, _) = self.values.held(set) else { return None };
        match detect::judge(None, value, Known::none()) {
            Judgement::Key(provider) => return Some(provider),
            Judgement::Foreign(provider) => return Some(provider.to_owned()),
            Judgement::Unknown(_) | Judgement::Ignored(_) => {}
        }
        // Some forms count only under a known name.
        let is_named = self.meaning(set) == Some(Meaning::Credential) && self.values.is_key(set);
        if let Some(provider) = detect::told_by(value).filter(|_| is_named) {
            return Some(provider.to_owned());
        }
        let own = self.family(set).and_then(|family| self.machine.vocabulary.provider_of(family));
        match self.values.judgement(set) {
            Some(Judgement::Key(provider)) if own.is_some_and(|own| own.name.as_str() != provider) => {
                Some(provider.clone())
            }
            _ => None,
        }
    }

    /// Reports whether a word sets an agent's own variable for keys of any provider: an endpoint says whose it is.
    pub(super) fn is_agents_key(&self, set: usize) -> bool {
        matches!(self.values.judgement(set), Some(Judgement::Unknown(_)))
            && self.machine.vocabulary.meaning(&self.facts.sets[set].word.name) == Some(Meaning::Credential)
    }

    /// Reports whether a word sets a key of its variable's own provider.
    pub(super) fn is_named_so(&self, set: usize) -> bool {
        let own = self.family(set).and_then(|family| self.machine.vocabulary.provider_of(family));
        let provider = self.provider_of(set);
        // Codex takes a key of OpenAI's from a variable of its own as well.
        let is_codex = self.facts.sets[set].word.name == "CODEX_API_KEY" && provider == "openai";
        let is_own = own.is_some_and(|own| own.name.as_str() == provider);
        is_codex || is_own && self.meaning(set) == Some(Meaning::Credential)
    }

    /// The provider of a word's key by its form or its name.
    pub(super) fn provider_of(&self, set: usize) -> String {
        match self.values.judgement(set) {
            Some(Judgement::Key(provider)) => provider.clone(),
            Some(Judgement::Foreign(provider)) => (*provider).to_owned(),
            _ => String::new(),
        }
    }
}

impl Pair<'_> {
    /// The endpoint as a profile names it; none where that is the provider's default.
    pub(super) fn endpoint_of(&self, provider: Option<&ProviderSpec>) -> Option<String> {
        let (variable, url) = self.endpoint.as_ref()?;
        let is_spoken = |protocol: Protocol| match variable.split('_').next() {
            Some("ANTHROPIC") => protocol == Protocol::Anthropic,
            Some("OPENAI") => matches!(protocol, Protocol::Chat | Protocol::Responses),
            Some("GOOGLE" | "GEMINI") => protocol == Protocol::Gemini,
            _ => true,
        };
        let is_at = |own: &str| own.trim_end_matches('/') == url;
        let named = |name: &str| {
            let has = |(own, protocol, url): (&str, Protocol, &str)| own == name && is_spoken(protocol) && is_at(url);
            provider.is_some_and(|spec| urls(spec).any(has))
        };
        if named("default") {
            return None;
        }
        let name = provider.and_then(|spec| spec.endpoints.keys().find(|name| named(name)));
        Some(name.map_or_else(|| url.clone(), Clone::clone))
    }

    /// Whether the endpoint needs `allow-http`.
    pub(super) fn allows_http(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|(_, url)| check_url(url, Http::Loopback).is_err())
    }

    /// The header for the key, where the one that its variable stands for is not the provider's own.
    pub(super) fn auth_header(&self, provider: Option<&ProviderSpec>) -> Option<&'static str> {
        // A subscription token is never sent as a key.
        if self.is_known || self.provider == "claude-subscription" {
            return None;
        }
        let sent = match self.variable {
            "ANTHROPIC_AUTH_TOKEN" => Auth::Bearer,
            "ANTHROPIC_API_KEY" => Auth::XApiKey,
            _ => return None,
        };
        match (provider?.auth(Protocol::Anthropic), sent) {
            (Auth::XApiKey, Auth::Bearer) => Some("bearer"),
            (Auth::Bearer, Auth::XApiKey) => Some("x-api-key"),
            _ => None,
        }
    }

    /// The alias for a key of an unknown host (rule P4).
    pub(super) fn alias(&self) -> Option<String> {
        let (_, url) = self.endpoint.as_ref().filter(|_| !self.is_known)?;
        let host = host_of(url)?.to_ascii_lowercase();
        let word: String =
            host.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).take(64).collect();
        let word = word.trim_matches('-').to_owned();
        (!word.is_empty()).then_some(word)
    }
}

// Whether an address is one of a provider's own hosts.
pub(super) fn is_at(provider: &ProviderSpec, url: &str) -> bool {
    let host = host_of(url).map(str::to_ascii_lowercase);
    host.is_some() && urls(provider).any(|(_, _, own)| host_of(own) == host.as_deref())
}
