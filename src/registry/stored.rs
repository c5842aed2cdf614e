//! The user's files in which an agent keeps credentials and settings that decide about its account. The definitions
//! only describe them; the module `plan` reads them.

use serde::Deserialize;

/// One of these files, by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserFile {
    /// Its path below the agent's configuration folder, if a profile or a variable moves that folder. Without this
    /// field the file is used only if nothing moves the folder.
    pub file: Option<String>,
    /// Its path if nothing moves the folder; the caller expands `~/`. An absolute path is a file of the system.
    pub default: String,
    /// The variable that moves this one file.
    pub variable: Option<String>,
}

/// A JSON file that may hold credentials or endpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    /// The file, below the agent's configuration folder.
    pub file: String,
    /// Its path if no variable moves that folder.
    pub default: String,
    /// The dotted keys. `*` matches any text in one name; `{provider}` is the profile's provider.
    pub keys: Vec<String>,
    /// The first version that ignores them once Ringlet gives an account. Without this field every version uses them.
    pub until: Option<String>,
}

impl Stored {
    /// Returns the file by its path.
    pub(crate) fn user_file(&self) -> UserFile {
        UserFile { file: Some(self.file.clone()), default: self.default.clone(), variable: None }
    }
}

/// The setting by which an agent chooses between a key and its other accounts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    /// The dotted key.
    pub key: String,
    /// The value that selects a key. If nothing is set, a key is used as well, but only at the default endpoint.
    pub value: String,
    /// The JSON files that may set it. The last one that sets it counts.
    pub files: Vec<UserFile>,
}

/// The list of the keys that the user has told an agent not to use. Each entry is the last characters of a key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rejected {
    /// The variable whose key is compared with the list. A key that is given in another way is used.
    pub variable: String,
    /// The JSON files that may hold the list. The first one that exists counts.
    pub files: Vec<UserFile>,
    /// The path of keys to the list.
    pub list: Vec<String>,
    /// The number of characters of a key in the list.
    pub last: usize,
    /// The arguments with which the agent ignores the list.
    pub unless: Vec<String>,
}

/// The sessions of an agent that resumes a session only under the provider's id with which it was created.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    /// The agent's folder if no variable moves it.
    pub home: String,
    /// The folders in it that hold the sessions: folders by date, and in them a file `...-ID.jsonl` for each session.
    pub folders: Vec<String>,
    /// The path of keys to the provider's id in the JSON of a file's first line.
    pub id: Vec<String>,
    /// The commands that resume a session, which is the next argument. They may follow another command.
    pub resume: Vec<String>,
    /// The options that select the last session.
    pub last: Vec<String>,
    /// The options whose value is the next argument.
    pub valued: Vec<String>,
}

/// A list in an agent's TOML settings of the variables that its tool shells are not given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withheld {
    /// The file, below the agent's configuration folder.
    pub file: String,
    /// Its path if no variable moves that folder.
    pub default: String,
    /// The path of keys to the list.
    pub list: Vec<String>,
    /// The options that set an entry, `KEY=VALUE`.
    pub options: Vec<String>,
    /// The options that apply another file on top of it, whose name is `NAME.` and the name of the file.
    pub layers: Vec<String>,
    /// The path of the same file in a project, below a directory.
    pub project: String,
    /// The path of the system's file.
    pub system: String,
}

/// The user's options that would send a key to another endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// The options that set an entry, `KEY=VALUE`.
    pub options: Vec<String>,
    /// The entries, as names joined by dots. Entries below them count as well.
    pub names: Vec<String>,
}

impl Withheld {
    /// Returns the file, or the layer of that name.
    pub(crate) fn user_file(&self, layer: Option<&str>) -> UserFile {
        let named = |path: &str| match (layer, path.rsplit_once('/')) {
            (None, _) => path.to_owned(),
            (Some(layer), Some((folder, file))) => format!("{folder}/{layer}.{file}"),
            (Some(layer), None) => format!("{layer}.{path}"),
        };
        UserFile { file: Some(named(&self.file)), default: named(&self.default), variable: None }
    }
}
