//! Finds and parses configuration; every error carries file, line and column.
//!
//! Holds the user's settings (`config.toml`) and the project's choice (`.ringlet.toml`). Decides nothing: whether a
//! project file may be believed is for `trust`, what a profile means is for `profile`.

mod project;
mod scope;
mod settings;
mod source;

pub use project::find_project_file;
pub(crate) use project::{PROJECT_FILE, ProjectFile};
pub(crate) use scope::Scope;
pub(crate) use settings::Backend;
pub use settings::Settings;
pub(crate) use source::{ConfigError, MAX_BYTES, Source};
