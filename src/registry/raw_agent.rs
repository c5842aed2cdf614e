//! A definition of an agent as its file holds it: names that are not checked yet, with their places in the file.

use super::Protocol;
use super::agent::{AgentSpec, Api, ConfigDir, Form, NoKey, Owner, Teammates};
use super::broker::Brokered;
use super::guard::{Directory, Names, RawGuard, RawSwitch};
use super::located::Located;
use super::login::RawLogin;
use super::stored::{Chosen, Moved, Rejected, Sessions, Stored, UserFile, Withheld};
use crate::config::{ConfigError, Source};
use crate::name::{Agent, NameError, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawAgent {
    pub(super) title: String,
    pub(super) command: Located,
    #[serde(default)]
    pub(super) also: Vec<Located>,
    pub(super) package: Option<String>,
    pub(super) provider: Located,
    pub(super) broker: Option<Brokered>,
    #[serde(default)]
    pub(super) config_dir: Vec<RawConfigDir>,
    #[serde(default)]
    pub(super) config_args: Vec<String>,
    pub(super) endpoint_in: Option<String>,
    #[serde(default)]
    pub(super) unset: Vec<Located>,
    #[serde(default)]
    pub(super) models: Vec<Located>,
    #[serde(default)]
    pub(super) login_unset: Vec<Located>,
    pub(super) login: Option<RawLogin>,
    pub(super) hides_logins: Option<bool>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) api: Vec<RawApi>,
    #[serde(default)]
    pub(super) guard: Vec<RawGuard>,
    #[serde(default)]
    pub(super) names: Names,
    #[serde(default)]
    pub(super) directory: Directory,
    pub(super) switch: Option<RawSwitch>,
    #[serde(default)]
    pub(super) no_key: NoKey,
    #[serde(default)]
    pub(super) shared: Vec<String>,
    pub(super) teammates: Option<Teammates>,
    #[serde(default)]
    pub(super) stored: Vec<Stored>,
    #[serde(default)]
    pub(super) outranks: Vec<Stored>,
    pub(super) chosen: Option<Chosen>,
    pub(super) rejected: Option<Rejected>,
    #[serde(default)]
    pub(super) env_files: Vec<UserFile>,
    pub(super) sessions: Option<Sessions>,
    pub(super) withheld: Option<Withheld>,
    pub(super) moved: Option<Moved>,
    #[serde(default)]
    pub(super) version_in: Vec<String>,
    #[serde(default)]
    pub(super) version_args: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfigDir {
    pub(super) variable: Located,
    #[serde(default)]
    pub(super) suffix: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawApi {
    pub(super) protocol: Protocol,
    #[serde(default)]
    pub(super) providers: Vec<Located>,
    pub(super) key: Located,
    pub(super) key_fd: Option<Located>,
    pub(super) key_fd_since: Option<String>,
    #[serde(default)]
    pub(super) key_fd_unless: Vec<String>,
    pub(super) bearer: Option<Located>,
    pub(super) base_url: Option<Located>,
    pub(super) base_url_default: Option<String>,
    #[serde(default)]
    pub(super) base_url_suffix: String,
    pub(super) model: Option<Located>,
    #[serde(default)]
    pub(super) model_args: Vec<String>,
    #[serde(default)]
    pub(super) model_entry: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) dummy_args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) key_args: Vec<String>,
    pub(super) command_since: Option<String>,
    #[serde(default)]
    pub(super) command_args: Vec<String>,
    #[serde(default)]
    pub(super) form: Vec<RawForm>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawForm {
    #[serde(default)]
    pub(super) called: Vec<String>,
    #[serde(default)]
    pub(super) commands: Vec<String>,
    #[serde(default)]
    pub(super) providers: Vec<Located>,
    pub(super) id: String,
    pub(super) key: Located,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
}

impl AgentSpec {
    /// Reads a definition. `owner` decides the values of fields that it leaves out.
    pub(crate) fn parse(name: Agent, source: &Source, owner: Owner) -> Result<Self, ConfigError> {
        source.parse::<RawAgent>()?.check(name, source, owner)
    }
}

impl RawAgent {
    /// Checks the names in it. `source` is its file, for errors that point into it.
    pub(super) fn check(self, name: Agent, source: &Source, owner: Owner) -> Result<AgentSpec, ConfigError> {
        let refused = |span, error: NameError| source.error(span, error.to_string());
        let variable = |text: &Located| text.parse().map_err(|error| refused(text.span(), error));
        let provider = |text: &Located| text.parse().map_err(|error| refused(text.span(), error));
        let command = |text: &Located| match text.parse::<Agent>() {
            Ok(command) => Ok(command.to_string()),
            Err(error) => Err(source.error(text.span(), error.to_string().replacen("agent", "command", 1))),
        };
        let set = |pairs: BTreeMap<Located, String>| {
            let pairs = pairs.into_iter().map(|(name, value)| Ok((variable(&name)?, value)));
            pairs.collect::<Result<BTreeMap<_, _>, ConfigError>>()
        };
        for name in self.unset.iter().chain(&self.login_unset).chain(&self.models) {
            Variable::check_pattern(name).map_err(|error| refused(name.span(), error))?;
        }
        let form = |raw: RawForm| {
            Ok::<_, ConfigError>(Form {
                called: raw.called,
                commands: raw.commands,
                set: set(raw.set)?,
                providers: raw.providers.iter().map(provider).collect::<Result<_, _>>()?,
                id: raw.id,
                key: variable(&raw.key)?,
                args: raw.args,
            })
        };
        let api = |raw: RawApi| {
            let key_fd = raw.key_fd.as_ref().map(variable).transpose()?;
            Ok::<_, ConfigError>(Api {
                protocol: raw.protocol,
                providers: raw.providers.iter().map(provider).collect::<Result<_, _>>()?,
                key: if *raw.key == *"{provider-variable}" { None } else { Some(variable(&raw.key)?) },
                key_fd: key_fd.map(|name| (name, raw.key_fd_since.unwrap_or_default())),
                key_fd_unless: raw.key_fd_unless,
                bearer: raw.bearer.as_ref().map(variable).transpose()?,
                base_url: raw.base_url.as_ref().map(variable).transpose()?,
                base_url_default: raw.base_url_default,
                base_url_suffix: raw.base_url_suffix,
                model: raw.model.as_ref().map(variable).transpose()?,
                model_args: raw.model_args,
                model_entry: raw.model_entry,
                args: raw.args,
                dummy_args: raw.dummy_args,
                set: set(raw.set)?,
                id: raw.id,
                key_args: raw.key_args,
                command_args: raw.command_since.map(|since| (since, raw.command_args)),
                forms: raw.form.into_iter().map(form).collect::<Result<_, _>>()?,
            })
        };
        let config_dir = |raw: RawConfigDir| {
            Ok::<_, ConfigError>(ConfigDir { variable: variable(&raw.variable)?, suffix: raw.suffix })
        };
        let mut guard = Vec::new();
        for raw in self.guard {
            guard.extend(raw.check(source)?);
        }
        Ok(AgentSpec {
            name,
            title: self.title,
            command: command(&self.command)?,
            also: self.also.iter().map(command).collect::<Result<_, _>>()?,
            package: self.package,
            provider: provider(&self.provider)?,
            broker: self.broker,
            owner,
            config_dir: self.config_dir.into_iter().map(config_dir).collect::<Result<_, _>>()?,
            config_args: self.config_args,
            endpoint_in: self.endpoint_in,
            unset: self.unset.into_iter().map(Located::into_text).collect(),
            models: self.models.into_iter().map(Located::into_text).collect(),
            login_unset: self.login_unset.into_iter().map(Located::into_text).collect(),
            login: self.login.map(|raw| raw.check(source)).transpose()?,
            hides_logins: self.hides_logins.unwrap_or(owner == Owner::User),
            set: set(self.set)?,
            args: self.args,
            api: self.api.into_iter().map(api).collect::<Result<_, _>>()?,
            guard,
            names: self.names,
            directory: self.directory,
            switch: self.switch.map(|raw| raw.check(source)).transpose()?,
            no_key: self.no_key,
            shared: self.shared,
            teammates: self.teammates,
            stored: self.stored,
            outranks: self.outranks,
            chosen: self.chosen,
            rejected: self.rejected,
            env_files: self.env_files,
            sessions: self.sessions,
            withheld: self.withheld,
            moved: self.moved,
            version_in: self.version_in,
            version_args: self.version_args,
        })
    }
}
