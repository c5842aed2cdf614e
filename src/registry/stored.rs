//! Files of the user's own in which an agent keeps what decides about its account. The definitions only say; `plan` looks.

use serde::Deserialize;

/// Where such a file lies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Its path below the agent's configuration folder, where a profile or a variable moves that; without it the file
    /// counts only where nothing does.
    pub file: Option<String>,
    /// Where it lies when nothing moves the folder, `~/` expanded by the caller; an absolute path is the system's own.
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
    /// Where it lies when no variable moves that folder.
    pub default: String,
    /// The dotted keys; `*` stands for any part of one name, `{provider}` for the profile's provider.
    pub keys: Vec<String>,
    /// The first version in which none of them counts beside what Ringlet gives; without it all do.
    pub until: Option<String>,
}

impl Stored {
    /// Where it lies.
    pub(crate) fn place(&self) -> Place {
        Place { file: Some(self.file.clone()), default: self.default.clone(), variable: None }
    }
}

/// The setting by which an agent chooses between a key and its other accounts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    /// The dotted key.
    pub key: String,
    /// Its value for a key. Where it is not set at all, a key is used as well, but not at another endpoint.
    pub value: String,
    /// The JSON files that may set it, the last one that does counts.
    pub files: Vec<Place>,
}

/// The list of the keys that the user has told an agent not to use, each by its last characters.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rejected {
    /// The variable that the agent asks about; a key that it is given otherwise is used.
    pub variable: String,
    /// The JSON files that may hold it, the first one that is there counts.
    pub files: Vec<Place>,
    /// The keys that lead to it.
    pub list: Vec<String>,
    /// How many characters of a key it holds.
    pub last: usize,
    /// The words with which the agent passes it over.
    pub unless: Vec<String>,
}

/// An agent's sessions, where it goes on with one only under the provider's id that it was made under.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    /// The agent's own folder when no variable moves it.
    pub home: String,
    /// The folders in it that hold the sessions, one file each, named `...-ID.jsonl`, in folders by date.
    pub folders: Vec<String>,
    /// The keys that lead to the provider's id in the JSON of a file's first line.
    pub id: Vec<String>,
    /// The commands that go on with a session, which is the next word; alone or behind another command.
    pub resume: Vec<String>,
    /// The options that mean the last session in place of a named one.
    pub last: Vec<String>,
    /// The options whose value is the next word.
    pub valued: Vec<String>,
}

/// A list in an agent's TOML settings of the variables that its tool shells do not get.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withheld {
    /// The file, below the agent's configuration folder.
    pub file: String,
    /// Where it lies when no variable moves that folder.
    pub default: String,
    /// The keys that lead to the list.
    pub list: Vec<String>,
    /// The options that set an entry, `KEY=VALUE`.
    pub options: Vec<String>,
    /// The options that lay another file, `NAME.` and the file's own name, over it.
    pub layers: Vec<String>,
    /// The same file of a project, below a directory.
    pub project: String,
    /// The system's.
    pub system: String,
}

/// Options of the user's that would lead a key to another endpoint than its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// The options that set an entry, `KEY=VALUE`.
    pub options: Vec<String>,
    /// The entries, their names joined by dots; what lies below one counts as well.
    pub names: Vec<String>,
}

impl Withheld {
    /// Where a file of that name lies, its own or a layer.
    pub(crate) fn place(&self, layer: Option<&str>) -> Place {
        let named = |path: &str| match (layer, path.rsplit_once('/')) {
            (None, _) => path.to_owned(),
            (Some(layer), Some((folder, file))) => format!("{folder}/{layer}.{file}"),
            (Some(layer), None) => format!("{layer}.{path}"),
        };
        Place { file: Some(named(&self.file)), default: named(&self.default), variable: None }
    }
}
