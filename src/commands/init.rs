//! `ringlet init`: write a project file here and allow it.

use super::{Session, allow};
use crate::config::PROJECT_FILE;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::Profile;
use crate::platform;
use crate::profile::Profiles;
use std::io::ErrorKind;

/// `ringlet init PROFILE`
pub(super) fn run(host: &mut Host, session: &Session, profile: &str) -> Result<(), Failure> {
    let name: Profile = profile.parse()?;
    Profiles::new(&session.paths, &session.registry).read(&name)?;
    let file = host.world.cwd()?.join(PROJECT_FILE);
    // Never over a file that is there: it may be a colleague's.
    let text = format!("profile = \"{name}\"\n");
    match platform::create_shared_file(&file, text.as_bytes()) {
        Ok(()) => {}
        // One that was ended between the two steps: what is left is to allow it.
        Err(error)
            if error.kind() == ErrorKind::AlreadyExists
                && platform::read_file(&file, 1 << 16).is_ok_and(|it| it.bytes == text.as_bytes()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                Failure::new(format!("{} already exists", file.display())).hint("edit it, then run `ringlet allow`")
            );
        }
        Err(error) => return Err(Failure::io("written", &file, &error)),
    }
    allow::allow(host, session, &[])
}
