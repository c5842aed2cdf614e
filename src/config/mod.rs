//! Finds and parses configuration files. Every error names file, line and column.
//!
//! The module reads the user's settings (`config.toml`) and the project file (`.ringlet.toml`). `trust` decides whether
//! a project file counts, and `profile` decides what a profile means.

mod backend;
mod presets;
mod project;
mod scope;
mod settings;
mod source;
mod stores;
mod tools;

pub(crate) use backend::Backend;
pub(crate) use presets::Output;
pub use project::find_project_file;
pub(crate) use project::{PROJECT_FILE, ProjectFile, RawProject};
pub(crate) use scope::Scope;
pub(crate) use settings::RawSettings;
pub use settings::Settings;
pub(crate) use source::{ConfigError, MAX_BYTES, Source};
pub(crate) use stores::{
    CommandNames, CommandSpec, Credential, Given, Kept, Prefix, StoreKind, StoreRule, StoreSpec, Stores, VaultLogin,
    VaultSpec,
};
pub(crate) use tools::Tool;
