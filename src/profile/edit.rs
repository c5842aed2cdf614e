//! The only writer of profiles. `profiles`, `migrate` and `init` change them through this module.
//!
//! Before a text replaces a file it is checked as a launch would check it, so a valid profile is never replaced by an
//! invalid one. Comments and order are kept. Files are replaced atomically, mode 0600, in folders of mode 0700.

use super::{ProfileError, Profiles};
use crate::config::{ConfigError, Source};
use crate::name::{Agent, Alias, KeyName, Profile, Provider, shorten};
use crate::platform;
use std::io;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, TableLike, Value, value};

/// Why a profile was not written. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A profile of that name exists.
    #[error("profile \"{0}\" already exists")]
    Exists(Profile),
    /// A launch could not use the new text.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The file does not parse, so it cannot be changed in place.
    #[error("{error}")]
    Broken {
        /// The profile.
        name: Profile,
        /// Where it is wrong.
        error: ConfigError,
    },
    /// An argument is not a valid change.
    #[error("{word:?} {why}")]
    Word {
        /// The argument, shortened.
        word: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// The account of a new profile, or of an agent that is added to one.
#[derive(Debug, Clone)]
pub(crate) enum NewAccount {
    /// A key.
    Key {
        /// The key's provider.
        provider: Provider,
        /// The name of the key among the provider's keys.
        alias: Alias,
        /// An endpoint other than the provider's own.
        endpoint: Option<String>,
    },
    /// The agent's own login.
    Login,
    /// No key.
    None {
        /// The provider, if the protocol or the model's name depends on it.
        provider: Option<Provider>,
        /// The endpoint.
        endpoint: String,
    },
}

/// An agent and its account, to be written into a profile.
#[derive(Debug, Clone)]
pub(crate) struct NewBinding {
    /// The agent.
    pub agent: Agent,
    /// Its account.
    pub account: NewAccount,
    /// True if the endpoint may be in a private network, without TLS.
    pub allow_http: bool,
    /// The model.
    pub model: Option<String>,
    /// The agent's configuration folder.
    pub config_dir: Option<String>,
    /// The header for the key, if it is another than the provider's own.
    pub auth_header: Option<String>,
    /// More variables.
    pub env: Vec<(String, String)>,
    /// More variables that hold keys.
    pub secrets: Vec<(String, KeyName)>,
}

impl NewBinding {
    /// An agent and its account, and nothing besides.
    pub(crate) fn new(agent: Agent, account: NewAccount) -> Self {
        let (model, config_dir, auth_header, env, secrets) = Default::default();
        Self { agent, account, allow_http: false, model, config_dir, auth_header, env, secrets }
    }
}

impl Profiles<'_> {
    /// Writes a new profile for one agent.
    pub(crate) fn create(&self, name: &Profile, binding: &NewBinding) -> Result<(), EditError> {
        if self.paths.profile(name).symlink_metadata().is_ok() {
            return Err(EditError::Exists(name.clone()));
        }
        let text = self.draft(name, None, std::slice::from_ref(binding))?;
        write(&self.paths.profile(name), &text)
    }

    /// Returns the text of a profile with more agents, checked as a launch would check it. Without a text it is a new
    /// profile. Nothing is written.
    pub(crate) fn draft(
        &self,
        name: &Profile,
        text: Option<&Source>,
        bindings: &[NewBinding],
    ) -> Result<String, EditError> {
        let mut document = match text {
            Some(text) => parse(name, text)?,
            None => DocumentMut::new(),
        };
        for binding in bindings {
            // The tables at the top hold for every agent, also for one that is added later.
            let is_alone = binding.secrets.is_empty() && (bindings.len() == 1 || binding.env.is_empty());
            if document.is_empty() && is_alone {
                first(&mut document, binding);
            } else {
                further(&mut document, binding)?;
            }
        }
        let (file, text) = (self.paths.profile(name), document.to_string());
        self.check(name, &file, &text).map_err(|error| without_place(error, &file))?;
        Ok(text)
    }

    /// Changes values. Each change is `KEY=VALUE`; `KEY=` removes the value, and dots lead into tables.
    pub(crate) fn assign(&self, name: &Profile, changes: &[String]) -> Result<(), EditError> {
        let mut document = self.document(name)?;
        for change in changes {
            let Some((key, new)) = change.split_once('=') else {
                return Err(EditError::Word { word: shorten(change), why: "is not of the form KEY=VALUE" });
            };
            // `profiles create` has options of these names.
            let key = match key {
                "key-alias" => "provider-config.key-alias",
                "auth-header" => "provider-config.auth-header",
                key => key,
            };
            assign(&mut document, key, new)?;
        }
        self.replace(name, &document.to_string())
    }

    /// Writes a profile's text if a launch could use it. The profile need not exist.
    pub(crate) fn replace(&self, name: &Profile, text: &str) -> Result<(), EditError> {
        let file = self.paths.profile(name);
        self.check(name, &file, text).map_err(|error| without_place(error, &file))?;
        write(&file, text)
    }

    /// Checks that a launch could use a text. Errors name `file`.
    pub(crate) fn check(&self, name: &Profile, file: &Path, text: &str) -> Result<(), ProfileError> {
        let source = Source { file: file.into(), text: text.to_owned(), access: None };
        let parsed = self.parse(name, source)?;
        for agent in parsed.bindings.keys() {
            self.resolve(&parsed, agent)?;
        }
        Ok(())
    }

    /// Returns a profile's text without checking it: a user edits profiles that are broken.
    pub(crate) fn text(&self, name: &Profile) -> Result<Source, ProfileError> {
        match Source::read(&self.paths.profile(name))? {
            Some(source) => Ok(source),
            None => Err(self.missing(name)),
        }
    }

    fn document(&self, name: &Profile) -> Result<DocumentMut, EditError> {
        parse(name, &self.text(name)?)
    }
}

fn parse(name: &Profile, source: &Source) -> Result<DocumentMut, EditError> {
    source.text.parse().map_err(|error: toml_edit::TomlError| EditError::Broken {
        name: name.clone(),
        error: source.error(error.span().unwrap_or(0..0), error.message()),
    })
}

// The agent of a new profile.
fn first(document: &mut DocumentMut, binding: &NewBinding) {
    document["agent"] = value(binding.agent.as_str());
    let alias = describe(document.as_table_mut(), binding);
    let words = [("key-alias", alias.map(Alias::as_str)), ("auth-header", binding.auth_header.as_deref())];
    if words.iter().any(|(_, word)| word.is_some()) {
        let mut table = toml_edit::Table::new();
        words.iter().filter_map(|(key, word)| Some((key, (*word)?))).for_each(|(key, word)| table[key] = value(word));
        document["provider-config"] = Item::Table(table);
    }
    variables(document.as_table_mut(), binding);
}

// One more agent, in a table of its own.
fn further(document: &mut DocumentMut, binding: &NewBinding) -> Result<(), EditError> {
    let table = table_at(document.as_table_mut(), &["agents", binding.agent.as_str()], "agents")?;
    if let Some(alias) = describe(table, binding) {
        table.insert("key-alias", value(alias.as_str()));
    }
    if let Some(header) = &binding.auth_header {
        table.insert("auth-header", value(header.as_str()));
    }
    variables(table, binding);
    Ok(())
}

fn variables(into: &mut dyn TableLike, binding: &NewBinding) {
    let table = |pairs: &[(String, String)]| {
        let mut table = toml_edit::Table::new();
        pairs.iter().for_each(|(name, text)| table[name] = value(text));
        Item::Table(table)
    };
    if !binding.env.is_empty() {
        into.insert("env", table(&binding.env));
    }
    if !binding.secrets.is_empty() {
        let keys = binding.secrets.iter().map(|(name, key)| (name.clone(), key.to_string()));
        into.insert("secrets", table(&keys.collect::<Vec<_>>()));
    }
}

/// Replaces a configuration file atomically. A symlink, for example into dotfiles, is kept, and its target is replaced.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), EditError> {
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().expect("a file lies in its folder");
    platform::create_private_folder(folder)
        .and_then(|()| platform::replace_file(&target, text.as_bytes()))
        .map_err(|error| EditError::Write { file: file.to_owned(), error })
}

/// Sets one value of a TOML document, or removes it if the new one is empty. A comment after it is kept.
pub(crate) fn assign(document: &mut DocumentMut, key: &str, new: &str) -> Result<(), EditError> {
    assign_at(document, &key.split('.').collect::<Vec<_>>(), key, new, false)
}

/// The same for a key whose parts may hold a dot. `numbers` says whether what reads as a number is one; else it is a
/// text, as a model's name may be.
pub(crate) fn assign_at(
    document: &mut DocumentMut,
    parts: &[impl AsRef<str>],
    key: &str,
    new: &str,
    numbers: bool,
) -> Result<(), EditError> {
    let word = |why| EditError::Word { word: shorten(key), why };
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let Some((last, tables)) = parts.split_last().filter(|_| parts.iter().all(|part| !part.is_empty())) else {
        return Err(word("is not a key such as model or provider-config.key-alias"));
    };
    let table = table_at(document.as_table_mut(), tables, key)?;
    if new.is_empty() {
        table.remove(last);
        return Ok(());
    }
    // Arrays, tables, quoted strings and booleans are read as TOML. Anything else is a string.
    let parsed: Value = match new.parse::<Value>() {
        Ok(parsed @ (Value::Array(_) | Value::String(_) | Value::Boolean(_) | Value::InlineTable(_))) => parsed,
        Ok(parsed @ (Value::Integer(_) | Value::Float(_))) if numbers => parsed,
        _ => new.into(),
    };
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = parsed;
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(last, value(parsed))),
    }
    Ok(())
}

fn table_at<'a>(mut table: &'a mut dyn TableLike, way: &[&str], key: &str) -> Result<&'a mut dyn TableLike, EditError> {
    for part in way {
        let entry = table.entry(part).or_insert_with(|| {
            let mut table = toml_edit::Table::new();
            // It has a line of its own only for values of its own.
            table.set_implicit(true);
            Item::Table(table)
        });
        table = entry
            .as_table_like_mut()
            .ok_or_else(|| EditError::Word { word: shorten(key), why: "leads through a value that is not a table" })?;
    }
    Ok(table)
}

// Writes everything but the alias, which goes into another table in a profile for one agent. Returns the alias.
fn describe<'a>(table: &mut dyn TableLike, binding: &'a NewBinding) -> Option<&'a Alias> {
    let mut put = |key: &str, text: &str| drop(table.insert(key, value(text)));
    let (endpoint, alias) = match &binding.account {
        NewAccount::Key { provider, alias, endpoint } => {
            put("provider", provider.as_str());
            (endpoint.as_deref(), Some(alias))
        }
        NewAccount::Login => {
            put("auth", "login");
            (None, None)
        }
        NewAccount::None { provider, endpoint } => {
            put("auth", "none");
            provider.iter().for_each(|provider| put("provider", provider.as_str()));
            (Some(endpoint.as_str()), None)
        }
    };
    let rest =
        [("model", binding.model.as_deref()), ("endpoint", endpoint), ("config-dir", binding.config_dir.as_deref())];
    for (key, text) in rest {
        text.iter().for_each(|text| put(key, text));
    }
    if binding.allow_http {
        table.insert("allow-http", value(true));
    }
    alias
}

// Removes file and line from an error: the text is not in the file yet.
fn without_place(error: ProfileError, file: &Path) -> EditError {
    match error {
        ProfileError::Config(error) if error.file == file => ProfileError::Unwritten(error.message, error.hint).into(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::paths::Paths;
    use crate::registry::Registry;

    struct Home {
        _folder: tempfile::TempDir,
        paths: Paths,
        registry: Registry,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let home = folder.path().to_str().expect("text").to_owned();
            let paths = Paths::new(&Env::from_pairs([("HOME", &home), ("USERPROFILE", &home)])).expect("a home");
            let registry = Registry::new(&paths);
            Self { _folder: folder, paths, registry }
        }

        fn profiles(&self) -> Profiles<'_> {
            Profiles::new(&self.paths, &self.registry)
        }

        fn text(&self, name: &Profile) -> String {
            self.profiles().text(name).expect("there").text
        }
    }

    fn binding(agent: &str, account: NewAccount) -> NewBinding {
        let agent = agent.parse().expect("valid");
        NewBinding::new(agent, account)
    }

    fn key(provider: &str, alias: &str) -> NewAccount {
        let (provider, alias) = (provider.parse().expect("valid"), alias.parse().expect("valid"));
        NewAccount::Key { provider, alias, endpoint: None }
    }

    fn bind(home: &Home, name: &Profile, binding: &NewBinding) -> Result<(), EditError> {
        let profiles = home.profiles();
        let text = profiles.draft(name, Some(&profiles.text(name)?), std::slice::from_ref(binding))?;
        profiles.replace(name, &text)
    }

    #[test]
    fn accounts_of_every_kind_are_written_and_read_back() {
        let (home, name) = (Home::new(), "p".parse().expect("valid"));
        home.profiles().create(&name, &binding("claude", NewAccount::Login)).expect("written");
        assert_eq!(home.text(&name), "agent = \"claude\"\nauth = \"login\"\n");
        bind(&home, &name, &binding("codex", key("openai", "work"))).expect("written");
        let none = NewAccount::None { provider: None, endpoint: "http://gateway:1".into() };
        let none = NewBinding { allow_http: true, ..binding("copilot", none) };
        bind(&home, &name, &none).expect("written");
        let file = home.profiles().read(&name).expect("valid");
        let kinds: Vec<(&str, &str)> =
            file.bindings.iter().map(|(agent, it)| (agent.as_str(), it.kind.value.word())).collect();
        assert_eq!(kinds, [("claude", "login"), ("codex", "key"), ("copilot", "none")]);
        let again = home.profiles().create(&name, &binding("claude", NewAccount::Login));
        assert!(matches!(again, Err(EditError::Exists(_))));
    }

    #[test]
    fn the_variables_of_one_agent_are_no_other_agents() {
        let (home, name) = (Home::new(), "p".parse().expect("valid"));
        let env = vec![("FOO".to_owned(), "bar".to_owned())];
        let claude = NewBinding { env, ..binding("claude", key("anthropic", "work")) };
        let secrets = vec![("OPENAI_API_KEY".to_owned(), "openai/work".parse().expect("a name"))];
        let aider = NewBinding { secrets, ..binding("aider", key("anthropic", "work")) };
        let alone = home.profiles().draft(&name, None, std::slice::from_ref(&claude)).expect("valid");
        assert!(alone.starts_with("agent = \"claude\"") && alone.contains("\n[env]\nFOO = \"bar\"\n"), "{alone}");
        let text = home.profiles().draft(&name, None, &[claude, aider]).expect("valid");
        let source = Source { file: home.paths.profile(&name), text, access: None };
        let file = home.profiles().parse(&name, source).expect("valid");
        let own = file.bindings.iter().map(|(agent, own)| (agent.as_str(), own.env.len(), own.secrets.len()));
        assert_eq!(own.collect::<Vec<_>>(), [("aider", 0, 1), ("claude", 1, 0)]);
    }

    #[test]
    fn what_no_launch_could_use_never_replaces_what_one_could() {
        let (home, name) = (Home::new(), "p".parse().expect("valid"));
        home.profiles().create(&name, &binding("claude", key("anthropic", "work"))).expect("written");
        let before = home.text(&name);
        for wrong in ["auth=login", "provider=nobody", "endpoint=http://gateway", "model", ".=x", "agent.x=y", "auth=x"]
        {
            home.profiles().assign(&name, &[wrong.to_owned()]).expect_err(wrong);
            assert_eq!(home.text(&name), before, "{wrong}");
        }
        bind(&home, &name, &binding("amp", NewAccount::Login)).expect_err("amp has no login");
        assert_eq!(home.text(&name), before);
        // An error about a text that is in no file yet names no place in one.
        let error = home.profiles().assign(&name, &["auth=login".to_owned()]).expect_err("a key-alias beside it");
        assert!(!error.to_string().contains("ringlet.toml"), "{error}");
    }

    #[test]
    fn comments_stay_and_words_keep_their_type() {
        let (home, name) = (Home::new(), "p".parse().expect("valid"));
        let text = "# mine\nagent = \"claude\" # first\nprovider = \"anthropic\"\n";
        home.profiles().replace(&name, text).expect("written");
        let changes = ["endpoint=http://gateway:4000", "allow-http=true", "args=[\"-v\"]", "model=true-ish"];
        home.profiles().assign(&name, &changes.map(str::to_owned)).expect("written");
        let after = home.text(&name);
        assert!(after.starts_with("# mine\nagent = \"claude\" # first\n"), "{after}");
        assert!(after.contains("allow-http = true\n") && after.contains("model = \"true-ish\"\n"), "{after}");
        let changes = ["endpoint=", "allow-http=", "args=", "model="];
        home.profiles().assign(&name, &changes.map(str::to_owned)).expect("written");
        assert_eq!(home.text(&name), text);
    }
}
