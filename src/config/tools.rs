//! The `[tools.NAME]` tables of the settings: commands that `ringlet run --tool NAME` gives secrets to.

use super::{ConfigError, Source};
use crate::name::{KeyName, Tool as ToolName, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawTool {
    command: Spanned<Vec<Spanned<String>>>,
    secrets: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// A command with its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The program and its arguments, at least the program.
    pub command: Vec<OsString>,
    /// The keys, by the variables that hold them.
    pub secrets: BTreeMap<Variable, KeyName>,
}

impl RawTool {
    /// `place` expands a path that is absolute or below `~/`, and refuses any other one.
    pub(super) fn check(
        &self,
        source: &Source,
        name: &Spanned<String>,
        place: impl Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<(ToolName, Tool), ConfigError> {
        let checked = name.get_ref().parse().map_err(|error: crate::name::NameError| {
            source.error(name.span(), error.to_string()).with_hint("a tool is named like [tools.github]")
        })?;
        let words = self.command.get_ref();
        if let Some(word) = words.iter().find(|word| word.get_ref().contains('\0')) {
            return Err(source.error(word.span(), "no argument holds a NUL"));
        }
        let Some(program) = words.first().filter(|program| !program.get_ref().is_empty()) else {
            return Err(source
                .error(self.command.span(), "the command has no program")
                .with_hint("write the program and its arguments, such as [\"npx\", \"-y\", \"NAME\"]"));
        };
        let mut command: Vec<OsString> = words.iter().map(|word| word.get_ref().into()).collect();
        // A name would be looked for on the caller's PATH, and a relative path in the project.
        command[0] =
            place(program).map_err(|error| error.with_hint("`command -v NAME` prints a program's path"))?.into();
        let mut secrets = BTreeMap::new();
        for (variable, key) in &self.secrets {
            let wrong = |at: &Spanned<String>, why: String| source.error(at.span(), why);
            let name: Variable = variable.get_ref().parse().map_err(|error| wrong(variable, format!("{error}")))?;
            if !name.may_hold_a_secret() {
                return Err(wrong(variable, format!("{name} holds no secret: programs and Ringlet read it otherwise")));
            }
            let key = key.get_ref().parse().map_err(|error| wrong(key, format!("{error}")))?;
            secrets.insert(name, key);
        }
        Ok((checked, Tool { command, secrets }))
    }
}
