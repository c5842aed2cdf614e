//! What an agent loads from a project by itself, how it is read, and which of its entries are harmless.
//!
//! The definitions only say; `guard` looks. An entry that no rule names is not harmless.

use super::Version;
use super::located::Located;
use crate::config::{ConfigError, Source};
use crate::name::{NameError, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// A file or folder of the project that the agent loads by itself.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Its path below a directory.
    pub file: String,
    /// Whether the agent looks for it in every directory above the one it works in, too.
    pub above: bool,
    /// Whether it is read where the agent is started, whichever directory it works in: by the runtime that it is built with.
    pub at_start: bool,
    /// How it is read.
    pub format: Format,
    /// Which of its entries are harmless; for [`Format::Code`] whether it is code as a whole.
    pub harmless: Rule,
    /// What makes a text or a name of a file never harmless, wherever it stands: the beginning of a placeholder that the
    /// agent fills in.
    pub never: Vec<String>,
    /// Entries at the top that later versions ignore.
    pub ignored: Option<Ignored>,
    /// The endings of the files that the agent loads from a folder; empty means all.
    pub endings: Vec<String>,
}

impl Guard {
    /// How code is looked at that no definition names.
    pub(crate) fn code() -> Self {
        Self {
            file: String::new(),
            above: false,
            at_start: false,
            format: Format::Code,
            harmless: Rule::Code,
            never: Vec::new(),
            ignored: None,
            endings: Vec::new(),
        }
    }
}

/// Entries that the agent ignores in a project.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ignored {
    /// The first version that does.
    pub since: String,
    /// Their names at the top; one `*` stands for any part of a name.
    pub entries: Vec<String>,
}

impl Ignored {
    /// Whether this version ignores an entry of that name.
    pub(crate) fn covers(&self, name: &str, version: Option<&Version>) -> bool {
        version.is_some_and(|version| version.is_at_least(&self.since))
            && self.entries.iter().any(|pattern| matches(pattern, name))
    }
}

/// How a file of the project is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// JSON with comments.
    #[default]
    Json,
    /// TOML.
    Toml,
    /// YAML. `keys` is how definitions of version 0.1 called it.
    #[serde(alias = "keys")]
    Yaml,
    /// `NAME=value` lines. `env` is how definitions of version 0.1 called it.
    #[serde(alias = "env")]
    Dotenv,
    /// A folder of Markdown and TOML files with words for the model; their front matter and `!` commands count.
    Prompts,
    /// A program, or a folder of them, that the agent runs. `any` is how definitions of version 0.1 called it.
    #[serde(alias = "any")]
    Code,
    /// Words for the model alone: harmless whatever they say.
    Text,
}

/// Which values of an entry are harmless.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// Every value (`"any"`).
    Any,
    /// What names or starts a program (`"code"`): harmless where no secret lies in a variable.
    Code,
    /// A table of environment variables, judged name by name (`"names"`).
    Names,
    /// Paths that stay inside the project (`"inside"`).
    Inside,
    /// A model of the profile's own provider, `PROVIDER/MODEL` (`"own-model"`).
    OwnModel,
    /// An empty list or table, or nothing (`"empty"`).
    Empty,
    /// One of these values (a list of texts, numbers and booleans); of a list each element.
    OneOf(Vec<Scalar>),
    /// A table, entry by entry. An exact name comes before a pattern; of a list each element.
    Table(Vec<Entry>),
    /// A table for which one of these rules holds whole (a list of tables).
    Either(Vec<Rule>),
}

/// A rule's name for an entry, and the rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The name; one `*` stands for any part of it, and a `\` in front means names that begin with what follows, a `*` by
    /// the letter.
    pub name: String,
    /// Whether the rule around it holds only where the entry stands there (`"!name"`).
    pub required: bool,
    /// The rule of its value.
    pub rule: Rule,
}

impl Entry {
    /// An entry by its name as a definition writes it, with `!` before it where it is required.
    pub(super) fn new(name: &str, rule: Rule) -> Self {
        let bare = name.strip_prefix('!');
        Self { name: bare.unwrap_or(name).to_owned(), required: bare.is_some(), rule }
    }
}

/// A value that a rule can name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// A text; one `*` stands for any part of it.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Bool(bool),
}

impl Rule {
    /// The rule for an entry of a table, and whether it was named exactly.
    pub(crate) fn of<'a>(entries: &'a [Entry], name: &str) -> Option<(&'a Rule, bool)> {
        let is_exact = |entry: &&Entry| match entry.name.strip_prefix('\\') {
            Some(literal) => name.starts_with(literal),
            None => entry.name == name && !name.contains('*'),
        };
        let exact = entries.iter().find(is_exact);
        // Of several patterns the longest says the most.
        let patterns = || entries.iter().filter(|entry| matches(&entry.name, name));
        let entry = exact.or_else(|| patterns().max_by_key(|entry| entry.name.len()))?;
        Some((&entry.rule, exact.is_some()))
    }

    // Words for the model are harmless, unless they bring hooks, servers or commands along (`!` is how a reader names those).
    fn of_prompts() -> Self {
        let code = ["!", "hooks", "mcp", "mcp-servers", "mcpServers", "mcp_servers", "servers"];
        let entry = |name: &str, rule| Entry { name: name.to_owned(), required: false, rule };
        let code = code.iter().map(|name| entry(name, Self::Code));
        Self::Table(code.chain([entry("*", Self::Any)]).collect())
    }

    fn parse(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(word) => match word.as_str() {
                "any" => Ok(Self::Any),
                "code" => Ok(Self::Code),
                "names" => Ok(Self::Names),
                "inside" => Ok(Self::Inside),
                "own-model" => Ok(Self::OwnModel),
                "empty" => Ok(Self::Empty),
                _ => Err(
                    "a rule is \"any\", \"code\", \"names\", \"inside\", \"own-model\", \"empty\", a list or a table"
                        .into(),
                ),
            },
            toml::Value::Table(table) => {
                let entry = |(name, rule): (&String, &toml::Value)| Ok(Entry::new(name, Self::parse(rule)?));
                Ok(Self::Table(table.iter().map(entry).collect::<Result<_, String>>()?))
            }
            toml::Value::Array(list) if !list.is_empty() && list.iter().all(toml::Value::is_table) => {
                Ok(Self::Either(list.iter().map(Self::parse).collect::<Result<_, _>>()?))
            }
            toml::Value::Array(list) => Ok(Self::OneOf(list.iter().map(Scalar::parse).collect::<Result<_, _>>()?)),
            _ => Err("a rule is a text, a list or a table".into()),
        }
    }
}

impl Scalar {
    fn parse(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Ok(Self::Text(text.clone())),
            toml::Value::Integer(number) => Ok(Self::Number(*number)),
            toml::Value::Boolean(truth) => Ok(Self::Bool(*truth)),
            _ => Err("a list of harmless values holds texts, whole numbers and booleans".into()),
        }
    }
}

/// Whether a name fits a pattern in which one `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

/// What is known of the environment variables that the agent takes from a project's files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Names {
    /// What the names begin with that the agent reads for itself.
    pub prefixes: Vec<String>,
    /// Names among them that are harmless; one `*` stands for any part of a name.
    pub harmless: Vec<String>,
    /// Names that turn the agent's telemetry on, so that `OTEL_*` says where it goes.
    pub telemetry: Vec<String>,
}

/// How the agent is told in which directory it works.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Directory {
    /// Options that name it: `--cwd D`, `--cwd=D`, and for a short one `-CD`. The last one counts.
    pub options: Vec<String>,
    /// Whether the agent takes `PWD` for the working directory.
    pub from_pwd: bool,
    /// Whether the agent takes the beginning of a long option for the whole.
    pub abbreviated: bool,
    /// The letters of short options without a value, which may stand before a short option in one word.
    pub flags: String,
    /// Variables that name it where no option does.
    pub variables: Vec<String>,
    /// Whether the first word that is no option names it, unless it is one of `commands`.
    pub positional: bool,
    /// The agent's commands, none of which is a directory.
    pub commands: Vec<String>,
    /// Options with a value, so that the value is not taken for a word of its own.
    pub valued: Vec<String>,
    /// Options that add a file or folder; the agent's files there, and in the repositories that hold it, are looked at as
    /// well.
    pub adds: Vec<String>,
    /// Whether words that are no options add files and folders, too.
    pub words_add: bool,
    /// Options that name a file or folder to load.
    pub reads: Vec<Reads>,
}

/// An option that names a file or folder to load.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reads {
    /// The option.
    pub option: String,
    /// The file of the agent's own that it is read like.
    #[serde(rename = "as")]
    pub like: String,
}

/// How the agent is told not to read a project's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Switch {
    /// The first version with which it was tried.
    pub since: String,
    /// Arguments before the user's own.
    pub args: Vec<String>,
    /// Variables.
    pub set: BTreeMap<Variable, String>,
    /// The user's own words with which it is left out.
    pub unless: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSwitch {
    pub(super) since: String,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    #[serde(default)]
    pub(super) unless: Vec<String>,
}

impl RawSwitch {
    /// Checks the names in it. `source` is the agent's definition, for errors that point into it.
    pub(super) fn check(self, source: &Source) -> Result<Switch, ConfigError> {
        let variable = |text: &Located| {
            text.parse::<Variable>().map_err(|error: NameError| source.error(text.span(), error.to_string()))
        };
        let set = self.set.iter().map(|(name, value)| Ok((variable(name)?, value.clone())));
        let set = set.collect::<Result<_, ConfigError>>()?;
        Ok(Switch { since: self.since, args: self.args, set, unless: self.unless })
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawGuard {
    pub(super) file: String,
    #[serde(default)]
    pub(super) also: Vec<String>,
    #[serde(default)]
    pub(super) above: bool,
    #[serde(default)]
    pub(super) at_start: bool,
    pub(super) format: Format,
    pub(super) harmless: Option<RawRule>,
    #[serde(default)]
    pub(super) never: Vec<String>,
    pub(super) ignored: Option<Ignored>,
    #[serde(default)]
    pub(super) endings: Vec<String>,
    // Of definitions of version 0.1, which named what is dangerous. What they did not name is not harmless for that.
    #[serde(default)]
    pub(super) only_variable: bool,
    #[serde(default, rename = "keys")]
    pub(super) _keys: Vec<String>,
}

/// A rule as it was read, or what is wrong with it and where.
#[derive(Deserialize)]
#[serde(from = "Spanned<toml::Value>")]
pub(super) struct RawRule(Result<Rule, (Range<usize>, String)>);

impl From<Spanned<toml::Value>> for RawRule {
    fn from(value: Spanned<toml::Value>) -> Self {
        Self(Rule::parse(value.get_ref()).map_err(|why| (value.span(), why)))
    }
}

impl From<Rule> for RawRule {
    fn from(rule: Rule) -> Self {
        Self(Ok(rule))
    }
}

impl RawGuard {
    /// Each file becomes a guard of its own. `source` is the agent's definition, for errors that point into it.
    pub(super) fn check(self, source: &Source) -> Result<Vec<Guard>, ConfigError> {
        let harmless = match &self.harmless {
            Some(RawRule(Ok(rule))) => rule.clone(),
            Some(RawRule(Err((span, why)))) => return Err(source.error(span.clone(), why)),
            None if self.only_variable => Rule::Code,
            None => match self.format {
                Format::Dotenv => Rule::Names,
                Format::Code => Rule::Code,
                Format::Prompts => Rule::of_prompts(),
                _ => Rule::Table(Vec::new()),
            },
        };
        let files = std::iter::once(self.file).chain(self.also);
        Ok(files
            .map(|file| Guard {
                file,
                above: self.above,
                at_start: self.at_start,
                format: self.format,
                harmless: harmless.clone(),
                never: self.never.clone(),
                ignored: self.ignored.clone(),
                endings: self.endings.clone(),
            })
            .collect())
    }
}
