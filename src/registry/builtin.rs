//! The definitions that are built in, as `build.rs` writes them from the files below `/registry`.

#![allow(
    clippy::needless_update,
    clippy::useless_conversion,
    reason = "one form of literal serves every field and struct"
)]

use super::agent::{NoKey, Teammates};
use super::broker::{Brokered, Settings, Unless};
use super::guard::{Directory, Format, Ignored, Names, RawGuard, RawRule, RawSwitch, Reads, Rule, Scalar};
use super::literal::{pairs, table, text, texts};
use super::login::{Apart, Holder, MovedBy, Override, RawLogin, RawSupervisor};
use super::provider::{Auth, Protocol, RawProvider};
use super::raw_agent::{RawAgent, RawApi, RawConfigDir, RawForm};
use super::stored::{Chosen, Moved, Rejected, Sessions, Stored, UserFile, Withheld};
use std::collections::BTreeMap;

/// One built-in agent.
pub(crate) struct BuiltinAgent {
    /// Its name, which is the name of its file.
    pub name: &'static str,
    /// The commands that start it, the usual one first.
    pub commands: &'static [&'static str],
    /// Returns its definition, unchecked, as its file would be read.
    pub(super) raw: fn() -> RawAgent,
}

/// One built-in provider.
pub(super) struct BuiltinProvider {
    /// Its name, which is the name of its file.
    pub(super) name: &'static str,
    /// Returns its definition, unchecked, as its file would be read.
    pub(super) raw: fn() -> RawProvider,
}

/// Beginnings of keys that belong to one provider alone, and that provider. A key that is stored under another provider
/// would be sent in another header, or to another host.
pub(crate) const PREFIXES: &[(&str, &str)] = &[("sk-ant-oat", "claude-subscription")];

include!(concat!(env!("OUT_DIR"), "/registry.rs"));
