//! Opening the identity by other identities: plain ones, and those of age's plugins.
//!
//! A plugin is another program, `age-plugin-NAME`, which may ask the person, wait for a touch, or hang. The age crate
//! has no time limit for it. So this runs in a process of its own, which is ended with all that it has started when the
//! time is over; the caller of `ringlet open-identity` sees to that.

use super::identity::own_file;
use crate::age_file;
use crate::mask;
use crate::platform;
use crate::platform::private::{self, Privacy};
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError, IdentityFile};
use std::io::{self, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest file of identities.
const MAX_BYTES: u64 = 1 << 20;

/// The longest text of a plugin that is shown.
const MOST_SHOWN: usize = 500;

fn identities(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = file.display();
    match private::read(file, MAX_BYTES, Privacy::UnwrittenOrRoots) {
        Ok(Some(bytes)) => Ok(Zeroizing::new(bytes)),
        Ok(None) => Err(format!("{shown}, which the settings name, does not exist")),
        Err(why) => Err(format!("{shown}, which the settings name, {why}")),
    }
}

/// The names of the plugins whose identities are in a file. An error continues "was not opened: ".
pub(crate) fn plugins(file: &Path) -> Result<Vec<String>, String> {
    let bytes = identities(file)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8", file.display()))?;
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().parse::<age::plugin::Identity>().ok())
        .map(|identity| identity.plugin().to_owned())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Opens the identity in this process, and returns its text. Plugins are started, and may ask on the terminal. An error
/// continues "was not opened: ".
pub(crate) fn open_here(identity: &Path, file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let sealed = own_file(identity.to_owned()).read().map_err(|error| error.to_string())?;
    let sealed = sealed.ok_or("it does not exist")?;
    let parsed = IdentityFile::from_buffer(identities(file)?.as_slice());
    // The crate's message names a line, and nothing of it.
    let parsed = parsed.map_err(|error| format!("{}: {error}", file.display()))?;
    let opened = parsed.with_callbacks(Asks).into_identities().map_err(|error| in_words(&error))?;
    let sealed_by = age_file::decryptor(&sealed).map_err(|why| why.to_string())?;
    let reader = sealed_by.decrypt(opened.iter().map(|identity| &**identity as _)).map_err(|e| in_words(&e))?;
    age_file::read_whole(&sealed, reader).map_err(|why| why.to_string())
}

fn in_words(error: &DecryptError) -> String {
    let said = |text: &str| mask::short(&mask::masked(text.lines().next().unwrap_or_default()), 300);
    match error {
        DecryptError::PluginResolve(age::plugin::ResolveError::MissingPlugin { binary_name }) => {
            format!("there is no program {} on PATH", said(binary_name))
        }
        // It names the plugin, and what that says.
        DecryptError::Plugin(errors) => errors.first().map_or_else(
            || "its plugin failed".to_owned(),
            |error| format!("its plugin says: {}", said(&error.to_string())),
        ),
        DecryptError::Io(error) if error.kind() == io::ErrorKind::ConnectionAborted => "its plugin ended early".into(),
        DecryptError::Io(_) => "its plugin did not answer as a plugin does".into(),
        DecryptError::NoMatchingKeys => "none of the identities that the settings name is one of its recipients".into(),
        other => age_file::in_words(other).to_string(),
    }
}

/// Has the person at the terminal answer a plugin. Without a terminal nobody answers.
#[derive(Clone, Copy)]
struct Asks;

// What a plugin says is the text of another program.
fn shown(text: &str) -> String {
    mask::short(&mask::printable(text), MOST_SHOWN)
}

impl Callbacks for Asks {
    fn display_message(&self, message: &str) {
        // Whoever hears nothing waits, as at a plugin that says nothing.
        let _ = writeln!(io::stderr(), "ringlet: {}", shown(message));
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let choices = match no {
            Some(no) => format!("y: {}, n: {}", shown(yes), shown(no)),
            None => format!("y: {}", shown(yes)),
        };
        let answer = platform::ask_terminal(&format!("ringlet: {} ({choices}) [y/N] ", shown(message)))?;
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        platform::ask_terminal(&format!("ringlet: {}: ", shown(description)))
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let typed = platform::prompt_secret(&format!("ringlet: {} (it is not shown): ", shown(description))).ok()?;
        Some(SecretString::from(std::str::from_utf8(&typed).ok()?))
    }
}
