//! The settings of one agent in a profile: checked, and not yet looked up in the registry.

use crate::name::{Agent, Alias, KeyName, Provider, Variable};
use crate::registry::Auth;
use crate::url::Http;
use std::collections::BTreeMap;

/// A value and the byte range that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// The range in the profile's text; `None` for a default.
    pub span: Option<std::ops::Range<usize>>,
}

/// The kind of an account.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A key from the store.
    Key {
        /// The name of the key among the provider's keys.
        alias: At<Alias>,
    },
    /// The login that the agent itself keeps.
    Login,
    /// No key: a local model, or a gateway that adds its own key.
    None,
}

impl Kind {
    /// The values of `auth` in a profile, the default first.
    pub(crate) const WORDS: [&str; 3] = ["key", "login", "none"];

    /// Returns the value of `auth` in a profile.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key { .. } => Self::WORDS[0],
            Self::Login => Self::WORDS[1],
            Self::None => Self::WORDS[2],
        }
    }
}

/// The way in which a key is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The best way that is known to work with this agent.
    Auto,
    /// To the agent itself.
    Direct,
    /// To a broker that runs beside the agent.
    Broker,
}

/// The settings of one agent in a profile.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The agent's name.
    pub agent: At<Agent>,
    /// The kind of account. Its range is that of `auth`.
    pub kind: At<Kind>,
    /// The provider. It is always present beside a key.
    pub provider: Option<At<Provider>>,
    /// The header for the key, if it differs from the provider's own, as gateways may want.
    pub auth_header: Option<At<Auth>>,
    /// The way in which the key is delivered.
    pub delivery: At<Delivery>,
    /// The model.
    pub model: Option<At<String>>,
    /// A name from the provider's list, or a URL.
    pub endpoint: Option<At<String>>,
    /// The hosts that the endpoint may name without TLS.
    pub http: Http,
    /// The agent's own configuration folder.
    pub config_dir: Option<At<String>>,
    /// Arguments that are put before the user's.
    pub args: Vec<String>,
    /// Variables that are not secret.
    pub env: BTreeMap<Variable, At<String>>,
    /// Variables from the keychain.
    pub secrets: BTreeMap<Variable, At<KeyName>>,
}
