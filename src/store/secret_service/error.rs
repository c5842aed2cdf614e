//! The errors of the Secret Service client.
//!
//! No field can hold a key: names and paths are Ringlet's own or checked, and a service's own message texts are
//! dropped, since a careless one could quote what it was given. `store::keychain` turns these into the errors of
//! stores.

use super::wire::Malformed;
use std::time::Duration;

/// Why an operation on the Secret Service did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// There is no keychain here at all, so that another store may take its place.
    #[error("there is no keychain service: {why}")]
    Absent {
        /// What is missing: the bus, or the service.
        why: String,
    },
    /// There is a bus where this session has its own, and it takes no connection; never a reason to look elsewhere.
    #[error("the keychain cannot be reached although this session has one: {why}")]
    Unreachable {
        /// Which bus, and what it does.
        why: String,
    },
    /// The service runs, and nobody has made a collection in it; as good as no keychain.
    #[error("the keyring service has no keyring yet")]
    NoKeyring,
    /// It has collections, and none of them is the default; as good as no keychain.
    #[error("the keyring service has no default keyring")]
    NoDefault,
    /// The keychain is there and must be unlocked first; never a reason to look elsewhere.
    #[error("the keychain is locked")]
    Locked,
    /// The collection is unlocked, and the service gives the item only after a person has confirmed it.
    #[error("the key waits for a confirmation in the keychain's own window")]
    Unconfirmed,
    /// The password opens nothing.
    #[error("the password is wrong")]
    WrongPassword,
    /// The service takes no password but in its own dialog.
    #[error("the keychain service takes no password on a terminal")]
    NoPassword,
    /// The deadline passed.
    #[error("the keychain did not answer within {after:?} ({doing})")]
    Timeout {
        /// What was being waited for.
        doing: &'static str,
        /// The whole operation's deadline.
        after: Duration,
    },
    /// The bus or the service ended in the middle of the operation.
    #[error("the keychain service went away ({doing})")]
    Lost {
        /// What was being waited for.
        doing: &'static str,
    },
    /// The person said no, or there was no way to ask anybody.
    #[error("the keychain's question was dismissed, or there was nobody to ask")]
    Dismissed,
    /// Several items carry the same service and account; which one is meant is not guessed.
    #[error("{} items in the keychain have this name: {}", .items.len(), .items.join(", "))]
    Ambiguous {
        /// The items' object paths, each naming its collection.
        items: Vec<String>,
    },
    /// No item has this name.
    #[error("no such item in the keychain")]
    NotFound,
    /// The bus or the service refuses this process, or the bus is another user's.
    #[error("access to the keychain is refused: {why}")]
    Denied {
        /// By whom.
        why: String,
    },
    /// A name or a value that cannot be sent.
    #[error("the {what} {problem}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The bus or the service answers what it must not.
    #[error("the keychain service is broken: {what}")]
    Broken {
        /// The D-Bus error's name, or what was malformed.
        what: String,
    },
}

impl From<Malformed> for ServiceError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Broken { what: format!("it sent {what}") }
    }
}
