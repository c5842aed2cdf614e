//! `ringlet init`: write a project file here and allow it.

use super::{Setting, allow};
use crate::config::PROJECT_FILE;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::Profile;
use crate::platform;
use crate::profile::Profiles;
use std::io::ErrorKind;

/// `ringlet init PROFILE`
pub(super) fn run(host: &mut Host, setting: &Setting, profile: &str) -> Result<(), Failure> {
    let name: Profile = profile.parse()?;
    Profiles::new(&setting.paths, &setting.registry).read(&name)?;
    let file = host.world.cwd()?.join(PROJECT_FILE);
    // Never over a file that is there: it may be a colleague's.
    match platform::create_shared_file(&file, format!("profile = \"{name}\"\n").as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                Failure::new(format!("{} already exists", file.display())).hint("edit it, then run `ringlet allow`")
            );
        }
        Err(error) => return Err(Failure::io("written", &file, &error)),
    }
    allow::allow(host, setting, &[])
}
