//! The guard: what an agent loads from a project by itself, and whether all of it is harmless or allowed.
//!
//! The registry lists for each agent the files that it loads and the entries that are harmless. Every other entry needs
//! the user's permission once. `places` finds the files, `read` parses them, `judge` finds the entries that are not
//! harmless, `variables` knows the environment variables, `code` reads the programs, and `trust` keeps the permissions.
//! A budget bounds the work for any project. `plan` calls the guard before it looks a key up. The command `allow` calls
//! it to bind what the user permits. The guard opens no credential store and reads no profile.

pub(crate) mod analysis;
mod arguments;
mod bind;
mod budget;
mod canonical;
mod code;
mod finding;
mod inspect;
pub(crate) mod judge;
mod places;
pub(crate) mod read;
pub(crate) mod redact;
pub(crate) mod variables;

pub(crate) use analysis::Launch;
pub(crate) use arguments::{ArgumentPaths, argument_paths};
pub(crate) use bind::{Bind, BindError, Binding, bind};
pub(crate) use finding::{Finding, Problem, describe, describe_file, open_to_others};
pub(crate) use inspect::{GuardError, inspect};
pub(crate) use places::is_bare_below;
pub(crate) use read::{dotenv_names, json_entries};
pub(crate) use variables::prefix_of;

#[cfg(all(test, unix))]
mod tests;
