//! Finds and parses configuration; every error carries file, line and column.
//!
//! Holds the user's settings (`config.toml`) and the project's choice (`.ringlet.toml`). Decides nothing: whether a
//! project file may be believed is for `trust`, what a profile means is for `profile`.

mod project;
mod scope;
mod settings;
mod source;

pub use project::{PROJECT_FILE, ProjectFile, find_project_file};
pub use scope::{LEASE_LIMITS, Scope};
pub use settings::{Audit, Backend, Hook, Settings, Trust};
pub use source::{ConfigError, MAX_BYTES, Source};
