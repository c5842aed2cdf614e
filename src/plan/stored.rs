//! Credentials in the user's own files that an agent would send beside what it is given, to a service without a key.

use super::{Context, PlanError};
use crate::config::MAX_BYTES;
use crate::guard;
use crate::platform::{self, ReadError};
use crate::profile::{Account, Resolved};
use crate::registry::{Stored, Version};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Refuses an account without a key where the installed version, or one that is not known, would send a stored one.
pub(super) fn refuse(context: &Context<'_>, resolved: &Resolved, version: Option<&Version>) -> Result<(), PlanError> {
    if !matches!(resolved.account, Account::None { .. }) {
        return Ok(());
    }
    for stored in &resolved.agent.stored {
        let hidden = |until: &String| version.is_some_and(|version| version.is_at_least(until));
        if !stored.until.as_ref().is_some_and(hidden) {
            look(file_of(context, resolved, stored), stored)?;
        }
    }
    Ok(())
}

// Below the profile's folder, else the shell's, else where the agent keeps it by itself.
fn file_of(context: &Context<'_>, resolved: &Resolved, stored: &Stored) -> PathBuf {
    let moves = resolved.agent.config_dir.first();
    let folder = match &resolved.config_dir {
        Some(folder) => Some(folder.value.join(moves.map_or("", |it| it.suffix.trim_start_matches('/')))),
        None => moves.and_then(|it| context.env.absolute(it.variable.as_str())),
    };
    folder.map_or_else(|| context.paths.expand(&stored.default), |folder| folder.join(&stored.file))
}

fn look(file: PathBuf, stored: &Stored) -> Result<(), PlanError> {
    let found = match read(&file) {
        Ok(Some(bytes)) => guard::present(&bytes, &stored.keys).map_err(|why| format!("it {why}")),
        Ok(None) => return Ok(()),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(keys) if keys.is_empty() => Ok(()),
        Ok(keys) => {
            Err(PlanError::Stored { file, why: format!("sets {}, which would be sent as well", keys.join(", ")) })
        }
        Err(why) => Err(PlanError::Stored { file, why: format!("cannot be checked: {why}") }),
    }
}

/// A file of the agent's own that may hold credentials. A folder of that name says nothing to the agent, no more than no
/// file at all.
pub(super) fn read(file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
    match platform::read_file(file, MAX_BYTES) {
        Ok(read) => Ok(Some(Zeroizing::new(read.bytes))),
        Err(error) if error.is_absent() => Ok(None),
        Err(ReadError::NotAFile(_)) if file.is_dir() => Ok(None),
        Err(error) => Err(error),
    }
}
