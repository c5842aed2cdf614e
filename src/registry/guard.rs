//! The files of a project that an agent loads by itself, how they are read, and which of their entries are harmless.
//!
//! The definitions only describe; the module `guard` reads the files. An entry that no rule names is not harmless.

use super::Version;
use super::located::Located;
use crate::config::{ConfigError, Source};
use crate::name::{NameError, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, LazyLock};
use toml::Spanned;

/// A file or folder of the project that the agent loads by itself.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// The path below a directory.
    pub file: String,
    /// Whether the agent also reads it in each directory above the one in which it works.
    pub above: bool,
    /// Whether it is read in the directory in which the agent is started, as the runtime of the agent does, instead of
    /// the one in which it works.
    pub at_start: bool,
    /// The format in which it is read.
    pub format: Format,
    /// The entries that are harmless; for [`Format::Code`] the rule for the file as a whole.
    pub harmless: Harmless,
    /// Beginnings of placeholders that the agent replaces. A text or a name of the file that contains one is never
    /// harmless.
    pub never: Vec<String>,
    /// The top-level entries that later versions ignore.
    pub ignored: Option<Ignored>,
    /// The endings of the files that the agent loads from a folder; an empty list means all files.
    pub endings: Vec<String>,
}

impl Guard {
    /// Returns the guard for code that no definition names.
    pub(crate) fn code() -> Self {
        Self {
            file: String::new(),
            above: false,
            at_start: false,
            format: Format::Code,
            harmless: Rule::Code.into(),
            never: Vec::new(),
            ignored: None,
            endings: Vec::new(),
        }
    }
}

/// The rule of a guard. A built-in one is made when a file needs it: most projects have no file of an agent's.
#[derive(Clone)]
pub(crate) struct Harmless(Arc<Made>);

enum Made {
    WhenNeeded(LazyLock<Rule>),
    Already(Rule),
}

impl Harmless {
    /// Returns the rule that a function makes.
    pub(super) fn made_by(make: fn() -> Rule) -> Self {
        Self(Arc::new(Made::WhenNeeded(LazyLock::new(make))))
    }
}

impl From<Rule> for Harmless {
    fn from(rule: Rule) -> Self {
        Self(Arc::new(Made::Already(rule)))
    }
}

impl Deref for Harmless {
    type Target = Rule;
    fn deref(&self) -> &Rule {
        match &*self.0 {
            Made::WhenNeeded(rule) => rule,
            Made::Already(rule) => rule,
        }
    }
}

impl fmt::Debug for Harmless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Entries that the agent ignores in a project.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ignored {
    /// The first version that ignores them.
    pub since: String,
    /// Their names at the top level. One `*` in a name matches any text.
    pub entries: Vec<String>,
}

impl Ignored {
    /// Reports whether a version ignores an entry of that name.
    pub(crate) fn covers(&self, name: &str, version: Option<&Version>) -> bool {
        version.is_some_and(|version| version.is_at_least(&self.since))
            && self.entries.iter().any(|pattern| matches(pattern, name))
    }
}

/// The format of a file of the project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// JSON with comments.
    #[default]
    Json,
    /// TOML.
    Toml,
    /// YAML. Definitions of version 0.1 call it `keys`.
    #[serde(alias = "keys")]
    Yaml,
    /// `NAME=value` lines. Definitions of version 0.1 call it `env`.
    #[serde(alias = "env")]
    Dotenv,
    /// A folder of Markdown and TOML files with text for the model. Their front matter and `!` commands are checked.
    Prompts,
    /// A program, or a folder of them, that the agent runs. Definitions of version 0.1 call it `any`.
    #[serde(alias = "any")]
    Code,
    /// Text for the model. It is always harmless.
    Text,
}

/// The harmless values of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// Every value (`"any"`).
    Any,
    /// A value that names or starts a program (`"code"`). It is harmless if no secret is passed in a variable.
    Code,
    /// A table of environment variables. Each name is checked by itself (`"names"`).
    Names,
    /// Paths that stay inside the project (`"inside"`).
    Inside,
    /// A model of the profile's own provider, `PROVIDER/MODEL` (`"own-model"`).
    OwnModel,
    /// An empty list or table, or nothing (`"empty"`).
    Empty,
    /// One of these values (a list of texts, numbers and booleans). In a list each element must be one of them.
    OneOf(Vec<Scalar>),
    /// A table with a rule for each entry. An exact name wins over a pattern. In a list each element is checked.
    Table(Vec<Entry>),
    /// A table that satisfies one of these rules as a whole (a list of tables).
    Either(Vec<Rule>),
}

/// An entry of a rule for a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The name. One `*` matches any text. A leading `\` means the names that begin with the rest, in which `*` has no
    /// special meaning.
    pub name: String,
    /// Whether the table must have the entry (`"!name"`).
    pub required: bool,
    /// The rule for its value.
    pub rule: Rule,
}

impl Entry {
    /// Returns an entry by its name in a definition. A leading `!` makes it required.
    pub(super) fn new(name: &str, rule: Rule) -> Self {
        let bare = name.strip_prefix('!');
        Self { name: bare.unwrap_or(name).to_owned(), required: bare.is_some(), rule }
    }
}

/// A value that a rule can name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// A text. One `*` matches any text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Bool(bool),
}

impl Rule {
    /// Returns the rule for an entry of a table, and whether the rule has its exact name.
    pub(crate) fn of<'a>(entries: &'a [Entry], name: &str) -> Option<(&'a Rule, bool)> {
        let is_exact = |entry: &&Entry| match entry.name.strip_prefix('\\') {
            Some(literal) => name.starts_with(literal),
            None => entry.name == name && !name.contains('*'),
        };
        let exact = entries.iter().find(is_exact);
        // The longest pattern is the most specific one.
        let patterns = || entries.iter().filter(|entry| matches(&entry.name, name));
        let entry = exact.or_else(|| patterns().max_by_key(|entry| entry.name.len()))?;
        Some((&entry.rule, exact.is_some()))
    }

    // Text for the model is harmless unless it contains hooks, servers or commands. Readers report commands under the
    // name `!`.
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

/// Reports whether a name matches a pattern, in which one `*` matches any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

/// The environment variables that the agent takes from a project's files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Names {
    /// The beginnings of the names that the agent itself reads.
    pub prefixes: Vec<String>,
    /// The names among them that are harmless. One `*` in a name matches any text.
    pub harmless: Vec<String>,
    /// The names that turn on the agent's telemetry, whose destination `OTEL_*` then sets.
    pub telemetry: Vec<String>,
}

/// The options and variables that tell the agent in which directory to work.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Directory {
    /// The options that name it: `--cwd D`, `--cwd=D`, and for a short one `-CD`. The last one counts.
    pub options: Vec<String>,
    /// Whether the agent uses `PWD` as the working directory.
    pub from_pwd: bool,
    /// Whether the agent accepts abbreviated long options.
    pub abbreviated: bool,
    /// The letters of short options without a value, which may precede a short option in one argument.
    pub flags: String,
    /// The variables that name it if no option does.
    pub variables: Vec<String>,
    /// Whether the first argument that is not an option names it, unless it is one of `commands`.
    pub positional: bool,
    /// The agent's commands, none of which is a directory.
    pub commands: Vec<String>,
    /// The options with a value, so that the value is not read as an argument of its own.
    pub valued: Vec<String>,
    /// The options that add a file or folder. The agent's files in it, and in the repositories around it, are checked
    /// as well.
    pub adds: Vec<String>,
    /// Whether arguments that are not options add files and folders as well.
    pub words_add: bool,
    /// The options that name a file or folder to load.
    pub reads: Vec<Reads>,
}

/// An option that names a file or folder to load.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reads {
    /// The option.
    pub option: String,
    /// The guarded file whose format and rules apply to it.
    #[serde(rename = "as")]
    pub like: String,
}

/// The options that keep the agent from reading a project's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Switch {
    /// The first version with which they were tested.
    pub since: String,
    /// Arguments before the user's own.
    pub args: Vec<String>,
    /// Variables.
    pub set: BTreeMap<Variable, String>,
    /// The user's arguments with which they are left out.
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
    // Fields of version 0.1, whose definitions named the dangerous entries. The entries that they do not name are not
    // harmless.
    #[serde(default)]
    pub(super) only_variable: bool,
    #[serde(default, rename = "keys")]
    pub(super) _keys: Vec<String>,
}

/// A rule as it was read, or the error in it and its place.
#[derive(Deserialize)]
#[serde(from = "Spanned<toml::Value>")]
pub(super) struct RawRule(Result<Harmless, (Range<usize>, String)>);

impl RawRule {
    /// Returns the rule of a built-in definition.
    pub(super) fn built_in(make: fn() -> Rule) -> Self {
        Self(Ok(Harmless::made_by(make)))
    }
}

impl From<Spanned<toml::Value>> for RawRule {
    fn from(value: Spanned<toml::Value>) -> Self {
        Self(Rule::parse(value.get_ref()).map(Harmless::from).map_err(|why| (value.span(), why)))
    }
}

impl RawGuard {
    /// Returns a guard for each of the files. `source` is the agent's definition, for errors that point into it.
    pub(super) fn check(self, source: &Source) -> Result<Vec<Guard>, ConfigError> {
        let harmless = match &self.harmless {
            Some(RawRule(Ok(rule))) => rule.clone(),
            Some(RawRule(Err((span, why)))) => return Err(source.error(span.clone(), why)),
            None if self.only_variable => Rule::Code.into(),
            None => match self.format {
                Format::Dotenv => Rule::Names.into(),
                Format::Code => Rule::Code.into(),
                Format::Prompts => Harmless::made_by(Rule::of_prompts),
                _ => Rule::Table(Vec::new()).into(),
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
