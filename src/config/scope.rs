//! The `[scope."PROVIDER/ALIAS"]` tables of the settings, which limit the use of one key.

use super::{ConfigError, Source};
use crate::duration;
use crate::name::{Agent, KeyName, NameError};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// The shortest and the longest lease. A permission of more than a month needs no lease.
pub(crate) const LEASE_LIMITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawScope {
    agents: Option<Spanned<Vec<Spanned<String>>>>,
    directories: Option<Spanned<Vec<Spanned<String>>>>,
    pin: bool,
    broker: Option<Spanned<bool>>,
    requests_per_day: Option<Spanned<u64>>,
    tokens_per_day: Option<Spanned<u64>>,
    models: Option<Spanned<Vec<Spanned<String>>>>,
    lease: Option<Spanned<String>>,
}

/// The conditions for the use of one key. An absent field imposes no condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The agents that may use the key, at least one.
    pub agents: Option<Vec<Agent>>,
    /// The folders in and below which the key may be used, at least one. They are absolute and as written; symbolic
    /// links are not resolved.
    pub directories: Option<Vec<PathBuf>>,
    /// Whether the agent's program must be the pinned one.
    pub pin: bool,
    /// Whether the key may leave through a broker alone.
    pub broker: bool,
    /// The requests that may be made with the key in a day.
    pub requests_per_day: Option<u64>,
    /// The tokens that may be used with it in a day.
    pub tokens_per_day: Option<u64>,
    /// Patterns of the models that it may be used for, at least one.
    pub models: Option<Vec<String>>,
    /// The longest lease, if the key needs one.
    pub lease: Option<Duration>,
    /// The line of the table in the settings, from 1.
    pub line: usize,
}

impl RawScope {
    pub(super) fn check(
        &self,
        source: &Source,
        key: &Spanned<String>,
        folder: impl Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<(KeyName, Scope), ConfigError> {
        let wrong = |at: &Spanned<String>, error: NameError| source.error(at.span(), error.to_string());
        let name = key.get_ref().parse().map_err(|error| {
            wrong(key, error).with_hint("a scope is named after its key, such as [scope.\"anthropic/work\"]")
        })?;
        let agent = |text: &Spanned<String>| text.get_ref().parse::<Agent>().map_err(|error| wrong(text, error));
        let lease = self.lease.as_ref().map(|text| match duration::parse(text.get_ref()) {
            Ok(length) if LEASE_LIMITS.contains(&length) => Ok(length),
            _ => Err(source.error(text.span(), "`lease` is a length of time from 1s to 30d, such as \"8h\"")),
        });
        let least_one = |number: &Spanned<u64>, field: &str| match number.get_ref() {
            0 => Err(source
                .error(number.span(), format!("`{field}` is at least 1"))
                .with_hint("a key that is not to be used at all is removed, or kept for no directory")),
            number => Ok(*number),
        };
        let requests_per_day =
            self.requests_per_day.as_ref().map(|number| least_one(number, "requests-per-day")).transpose()?;
        let tokens_per_day =
            self.tokens_per_day.as_ref().map(|number| least_one(number, "tokens-per-day")).transpose()?;
        let model = |text: &Spanned<String>| match text.get_ref() {
            pattern if !pattern.is_empty() && pattern.matches('*').count() <= 1 => Ok(pattern.clone()),
            _ => Err(source.error(text.span(), "a model is a name, in which one `*` matches any text")),
        };
        let models = some(source, self.models.as_ref(), model)?;
        // Nobody but the broker sees what is asked and used.
        let is_limited = requests_per_day.is_some() || tokens_per_day.is_some() || models.is_some();
        if let Some(broker) = self.broker.as_ref().filter(|broker| is_limited && !*broker.get_ref()) {
            let message = "a limit of requests, tokens or models holds in the broker alone";
            return Err(source.error(broker.span(), message).with_hint("take `broker = false` out, or the limits"));
        }
        let scope = Scope {
            agents: some(source, self.agents.as_ref(), agent)?,
            directories: some(source, self.directories.as_ref(), folder)?,
            pin: self.pin,
            broker: is_limited || self.broker.as_ref().is_some_and(|broker| *broker.get_ref()),
            requests_per_day,
            tokens_per_day,
            models,
            lease: lease.transpose()?,
            line: source.error(key.span(), "").at.map_or(0, |(line, _)| line),
        };
        Ok((name, scope))
    }
}

// Reads a list. An empty list is an error, because it could mean everyone or no one.
fn some<T>(
    source: &Source,
    list: Option<&Spanned<Vec<Spanned<String>>>>,
    read: impl Fn(&Spanned<String>) -> Result<T, ConfigError>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(list) = list else { return Ok(None) };
    if list.get_ref().is_empty() {
        return Err(source
            .error(list.span(), "the list is empty")
            .with_hint("name at least one, or leave the key out"));
    }
    list.get_ref().iter().map(read).collect::<Result<_, _>>().map(Some)
}
