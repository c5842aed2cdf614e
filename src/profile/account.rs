//! An account made concrete for one agent.

use super::{Kind, Sourced};
use crate::name::{KeyName, Variable};
use crate::registry::{Api, Login, ProviderSpec};

/// How an agent reaches the service that an account belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// The agent's way of being given a key and a base URL.
    pub api: Api,
    /// The base URL, with what the agent wants behind it; `None` for an agent's own backend.
    pub base_url: Option<Sourced<String>>,
    /// Whether that is the provider's default, because the profile names no endpoint.
    pub default_endpoint: bool,
    /// The variable for the key.
    pub key_variable: Variable,
    /// The name that the agent is told for the provider.
    pub provider_name: String,
    /// Whether the key is sent as a bearer token where the agent could send it otherwise.
    pub bearer: bool,
}

/// The account: what the agent gets, and what goes with it.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// A key from the store.
    Key {
        /// The provider's definition.
        provider: Sourced<ProviderSpec>,
        /// The key.
        key: Sourced<KeyName>,
        /// Where it goes.
        reach: Reach,
    },
    /// The agent's own login.
    Login {
        /// What the registry knows of it.
        login: Login,
        /// Where the profile says so.
        from: String,
    },
    /// No key: a made-up one goes to the profile's endpoint.
    None {
        /// The provider's definition, where the profile names one.
        provider: Option<Sourced<ProviderSpec>>,
        /// Where it goes.
        reach: Reach,
        /// Where the profile says so.
        from: String,
    },
}

impl Account {
    /// The word of `auth`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key { .. } => Kind::WORDS[0],
            Self::Login { .. } => Kind::WORDS[1],
            Self::None { .. } => Kind::WORDS[2],
        }
    }

    /// The key, where it is one.
    pub(crate) fn key(&self) -> Option<&Sourced<KeyName>> {
        if let Self::Key { key, .. } = self { Some(key) } else { None }
    }

    /// The provider, where there is one.
    pub(crate) fn provider(&self) -> Option<&Sourced<ProviderSpec>> {
        match self {
            Self::Key { provider, .. } => Some(provider),
            Self::Login { .. } => None,
            Self::None { provider, .. } => provider.as_ref(),
        }
    }

    /// Where requests go, and how; a login knows that itself.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Key { reach, .. } | Self::None { reach, .. } => Some(reach),
            Self::Login { .. } => None,
        }
    }

    /// Takes another way of the agent's to the same service, with a variable of its own for the key.
    pub(crate) fn take_way(&mut self, api: Api) {
        if let Self::Key { reach, .. } | Self::None { reach, .. } = self {
            reach.key_variable = api.key.clone().unwrap_or_else(|| reach.key_variable.clone());
            reach.api = api;
        }
    }

    /// The base URL.
    pub(crate) fn base_url(&self) -> Option<&Sourced<String>> {
        self.reach()?.base_url.as_ref()
    }
}
