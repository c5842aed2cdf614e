//! The account that one agent gets, with its provider, key and endpoint looked up.

use super::{Kind, Sourced};
use crate::name::{KeyName, Variable};
use crate::registry::{Api, Login, ProviderSpec};

/// The way from an agent to the service of an account.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// How the agent takes a key and a base URL.
    pub api: Api,
    /// The base URL, with the suffix that the agent expects. `None` for an agent's own backend.
    pub base_url: Option<Sourced<String>>,
    /// True if the base URL is the provider's default, because the profile names no endpoint.
    pub default_endpoint: bool,
    /// The variable that holds the key.
    pub key_variable: Variable,
    /// The provider's name in the agent's own configuration.
    pub provider_name: String,
    /// True if the key is sent as a bearer token by an agent that has another header as well.
    pub bearer: bool,
}

/// The account that an agent gets.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// A key from the store.
    Key {
        /// The provider's definition.
        provider: Sourced<ProviderSpec>,
        /// The key.
        key: Sourced<KeyName>,
        /// The way to the service.
        reach: Reach,
    },
    /// The agent's own login.
    Login {
        /// Its definition in the registry.
        login: Login,
        /// The line of the profile that says so, `FILE:LINE`.
        from: String,
    },
    /// No key. The agent sends a placeholder to the profile's endpoint.
    None {
        /// The provider's definition, if the profile names one.
        provider: Option<Sourced<ProviderSpec>>,
        /// The way to the service.
        reach: Reach,
        /// The line of the profile that says so, `FILE:LINE`.
        from: String,
    },
}

impl Account {
    /// Returns the value of `auth` in a profile.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key { .. } => Kind::WORDS[0],
            Self::Login { .. } => Kind::WORDS[1],
            Self::None { .. } => Kind::WORDS[2],
        }
    }

    /// Returns the key's name, if the account has a key.
    pub(crate) fn key(&self) -> Option<&Sourced<KeyName>> {
        if let Self::Key { key, .. } = self { Some(key) } else { None }
    }

    /// Returns the provider, if there is one.
    pub(crate) fn provider(&self) -> Option<&Sourced<ProviderSpec>> {
        match self {
            Self::Key { provider, .. } => Some(provider),
            Self::Login { .. } => None,
            Self::None { provider, .. } => provider.as_ref(),
        }
    }

    /// Returns the way to the service. A login has none: the agent itself knows it.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Key { reach, .. } | Self::None { reach, .. } => Some(reach),
            Self::Login { .. } => None,
        }
    }

    /// Replaces the agent's form of the service by another one, which may have its own variable for the key.
    pub(crate) fn take_form(&mut self, api: Api) {
        if let Self::Key { reach, .. } | Self::None { reach, .. } = self {
            reach.key_variable = api.key.clone().unwrap_or_else(|| reach.key_variable.clone());
            reach.api = api;
        }
    }

    /// Returns the base URL.
    pub(crate) fn base_url(&self) -> Option<&Sourced<String>> {
        self.reach()?.base_url.as_ref()
    }
}
