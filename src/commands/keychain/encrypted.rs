//! The encrypted file: its identity is made, opened for some hours, and closed again.

use super::set;
use crate::commands::Session;
use crate::duration;
use crate::failure::Failure;
use crate::host::{Host, World};
use crate::output::Output;
use crate::plan;
use crate::platform::{self, Done, Ended, Errand};
use crate::secret::{Secret, same};
use crate::store::encrypted::{self, Holder, OpenedBy};
use crate::store::{StoreError, Unopened};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// The time limit of a plugin that may ask the person, as of a store's tool.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shorter passphrase is found by trying.
const SHORTEST: usize = 10;

/// The longest answer of the process that opens the identity.
const MOST: usize = 8 << 10;

/// Opens the encrypted file before something in it is changed, where it is locked and a person can be asked. Elsewhere
/// the change itself says what is missing.
pub(in crate::commands) fn ready(host: &mut Host, session: &Session, is_concerned: bool) -> Result<(), Failure> {
    let is_asked = is_concerned && host.world.console.is_interactive();
    if !is_asked || encrypted::unlocked(&session.paths).is_some() {
        return Ok(());
    }
    unlock(host, session)
}

/// Fails while the encrypted file cannot be changed.
pub(super) fn refuse_locked(session: &Session) -> Result<(), Failure> {
    match encrypted::unlocked(&session.paths) {
        Some(_) => Ok(()),
        None => Err(encrypted::unheld(&session.paths).into()),
    }
}

/// `ringlet keychain unlock`, of the encrypted file.
pub(in crate::commands) fn unlock(host: &mut Host, session: &Session) -> Result<(), Failure> {
    if let Some(said) = unlocked_for(session) {
        host.output.note(said);
        return Ok(());
    }
    let time = session.settings.unlock_for;
    let holder = match encrypted::opened_by(&session.paths)? {
        OpenedBy::Passphrase => {
            let file = session.paths.pretty(&session.paths.identity());
            let question = format!("ringlet: passphrase of {file} (it is not shown): ");
            let passphrase = set::typed(host, &question, "passphrase", "the encrypted file is still locked", |_| {
                StoreError::from(Unopened::Locked).into()
            })?;
            encrypted::unlock_by(&session.paths, &passphrase, time)?
        }
        OpenedBy::Identities(of) => {
            let text = by_identities(&host.world, session)?;
            encrypted::hold_opened(&session.paths, (text.expose(), of), time)?
        }
        OpenedBy::Nothing => {
            let passphrase = new_passphrase(host, session)?;
            encrypted::make(&session.paths, &passphrase, time)?
        }
    };
    host.output.note(format!("the encrypted file is unlocked for {}; {}", duration::shown(time), held_by(holder)));
    Ok(())
}

/// `ringlet keychain lock`
pub(super) fn lock(session: &Session, output: &mut Output) -> Result<(), Failure> {
    match encrypted::lock(&session.paths)? {
        true => output.note("the encrypted file is locked"),
        false => output.note("the encrypted file was not unlocked"),
    }
    Ok(())
}

/// Says that the file is unlocked, how long yet, and what holds its identity; nothing while it is locked.
pub(in crate::commands) fn unlocked_for(session: &Session) -> Option<String> {
    let (holder, left) = encrypted::unlocked(&session.paths)?;
    Some(format!("the encrypted file is unlocked for another {}; {}", duration::shown(left), held_by(holder)))
}

fn held_by(holder: Holder) -> &'static str {
    match holder {
        Holder::Kernel => "the kernel holds its identity",
        Holder::Daemon => "the daemon holds its identity",
    }
}

fn new_passphrase(host: &mut Host, session: &Session) -> Result<Secret, Failure> {
    let missing = || Failure::from(StoreError::from(Unopened::NoIdentity(session.paths.identity())));
    // An agent's tool could choose the passphrase of all later keys.
    if host.world.is_below {
        return Err(Failure::new("no identity is made from within a launch").hint("run it in a terminal of your own"));
    }
    session.refuse_own_places(&host.world)?;
    if !host.world.console.is_interactive() {
        return Err(missing());
    }
    host.output.note("a new passphrase will protect the encrypted file; nobody can restore one that is forgotten");
    let ask = |question: &str| set::typed(host, question, "passphrase", "nothing was made", |_| missing());
    let passphrase = ask("ringlet: new passphrase (it is not shown): ")?;
    if passphrase.is_empty() {
        return Err(Failure::new("no passphrase was given; nothing was made").hint("run the command again"));
    }
    if passphrase.expose().len() < SHORTEST {
        return Err(Failure::new(format!("the passphrase is shorter than {SHORTEST} characters; nothing was made"))
            .hint("some words in a row are long enough, and easy to keep in mind"));
    }
    let again = ask("ringlet: the same passphrase again: ")?;
    if !same(passphrase.expose(), again.expose()) {
        return Err(Failure::new("the two passphrases differ; nothing was made").hint("run the command again"));
    }
    if std::str::from_utf8(passphrase.expose()).is_err() {
        return Err(Failure::new("the passphrase is not UTF-8 text; nothing was made").hint("type another one"));
    }
    Ok(passphrase)
}

// A plugin may hang, so that a process of its own runs it, which is ended with what it has started.
fn by_identities(world: &World, session: &Session) -> Result<Secret, Failure> {
    let identity = session.paths.identity();
    let failed =
        |why: String| Failure::from(StoreError::from(Unopened::Plugin { file: identity.clone(), why: why.clone() }));
    let Some(file) = &session.settings.identity else {
        return Err(StoreError::from(Unopened::NotNamed(identity)).into());
    };
    let names = encrypted::plugins(file).map_err(failed)?;
    let env = plan::age_plugins(&session.context(world)?, &names).map_err(failed)?;
    let word = |path: &Path| path.to_str().map(str::to_owned);
    let paths = word(&identity).zip(word(file)).ok_or_else(|| failed("its path is not UTF-8".into()))?;
    let arguments = ["open-identity".to_owned(), "--".to_owned(), paths.0, paths.1];
    let on_terminal = world.console.is_interactive() && platform::has_terminal();
    let timeout = session.settings.timeout;
    let time = if on_terminal { PATIENCE.max(timeout) } else { timeout };
    let errand = Errand {
        program: world.executable()?,
        arguments: &arguments,
        env: env.pairs(),
        folder: &session.paths.home,
        input: None,
        time,
        most: MOST,
        on_terminal,
    };
    let done = platform::run_child(&errand).map_err(|error| failed(format!("ringlet does not start: {error}")))?;
    // A person has pressed Control-C.
    let status = if matches!(done.ended, Ended::BySignal(2)) { 130 } else { 1 };
    opened(done, time).map_err(|why| Failure { status, ..failed(why) })
}

fn opened(done: Done, time: Duration) -> Result<Secret, String> {
    match done.ended {
        Ended::With(0) => Ok(Secret::from(done.output)),
        Ended::With(1) => Err(String::from_utf8_lossy(&done.output).trim().to_owned()),
        Ended::Late => Err(format!("it took longer than {time:?}, and what opened it was ended")),
        Ended::BySignal(_) => Err("what opened it was interrupted".into()),
        Ended::With(_) | Ended::Verbose => Err("what opened it failed".into()),
    }
}

/// `ringlet open-identity`: opens the identity, and prints its text to the ringlet that has started this process. With
/// status 1 it prints why it did not.
pub(in crate::commands) fn open(identity: &Path, file: &Path) -> Result<i32, Failure> {
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(Failure::usage("an identity is never shown").hint("run `ringlet keychain unlock`"));
    }
    crate::commands::protect()?;
    let (status, text) = match encrypted::open_here(identity, file) {
        Ok(text) => (0, text),
        Err(why) => (1, why.into_bytes().into()),
    };
    let written = out.write_all(&text).and_then(|()| out.flush());
    written.map(|()| status).map_err(|error| Failure::new(format!("the answer cannot be written: {error}")))
}
