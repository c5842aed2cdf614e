//! What a profile says about one agent, checked and not yet looked up in the registry.

use crate::name::{Agent, Alias, KeyName, Provider, Variable};
use crate::registry::{Auth, Http};
use std::collections::BTreeMap;

/// A value and the byte range it was read from; no range means a default.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the profile's file.
    pub span: Option<std::ops::Range<usize>>,
}

/// Of which kind an account is, and the key where it is one.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A key from the store.
    Key {
        /// Which of the provider's keys.
        alias: At<Alias>,
    },
    /// The login that the agent itself keeps.
    Login,
    /// No key: a model at home, or a gateway that adds its own.
    None,
}

impl Kind {
    /// The words of `auth`, the default first.
    pub(crate) const WORDS: [&str; 3] = ["key", "login", "none"];

    /// The word of `auth`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key { .. } => Self::WORDS[0],
            Self::Login => Self::WORDS[1],
            Self::None => Self::WORDS[2],
        }
    }
}

/// How a key is to reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The best way that was tried with this agent.
    Auto,
    /// To the agent itself.
    Direct,
    /// To a broker of the launch.
    Broker,
}

/// What a profile says about one agent.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The agent, and where it is named.
    pub agent: At<Agent>,
    /// Of which kind the account is; the place is where `auth` stands.
    pub kind: At<Kind>,
    /// The provider. A key always has one.
    pub provider: Option<At<Provider>>,
    /// The header that a gateway wants in place of the provider's own.
    pub auth_header: Option<At<Auth>>,
    /// How the key is to be delivered.
    pub delivery: At<Delivery>,
    /// The model.
    pub model: Option<At<String>>,
    /// A name from the provider's list, or a URL.
    pub endpoint: Option<At<String>>,
    /// Whether that may be a machine of a private network, without TLS.
    pub http: Http,
    /// The agent's own configuration folder.
    pub config_dir: Option<At<String>>,
    /// Arguments before the user's own.
    pub args: Vec<String>,
    /// Variables that are not secret.
    pub env: BTreeMap<Variable, At<String>>,
    /// Variables from the keychain.
    pub secrets: BTreeMap<Variable, At<KeyName>>,
}
