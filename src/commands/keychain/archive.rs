//! Keys for another machine: into a file that is encrypted with age, and out of it.
//!
//! Whoever chooses by what a file is encrypted can read every key in it, so that a person is asked on the terminal, and
//! nothing that an agent has started may ask for it. No key that is to leave through the broker alone is exported.

use super::{encrypted, record, record_access, set};
use crate::age_file;
use crate::archive::{self, Lock, NotOpened, Opener};
use crate::audit::{Action, Outcome};
use crate::commands::question::is_yes;
use crate::commands::{Session, named_file};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::KeyName;
use crate::platform;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::registry::misplaced;
use crate::secret::{Secret, check_key, same};
use crate::store::{Change, Keys, StoreError};
use crate::words;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// A file with more bytes is not read: ten thousand keys of the largest size.
const MOST: u64 = 32 << 20;

/// A file with more keys is not imported: each is stored for itself.
const MOST_KEYS: usize = 10_000;

/// An identity file has a line or two.
const MOST_OF_IDENTITIES: u64 = 64 << 10;

/// A shorter passphrase is found by trying. Whoever has the file can try for as long as they like.
const SHORTEST: usize = 10;

/// The arguments of `ringlet keychain export`.
pub(super) struct Export<'a> {
    pub(super) file: &'a Path,
    pub(super) prefix: &'a str,
    pub(super) recipients: &'a [String],
    pub(super) replace: bool,
}

/// `ringlet keychain export`
pub(super) fn export(host: &mut Host, session: &Session, store: &Keys, asked: &Export<'_>) -> Result<(), Failure> {
    session.refuse_below(&host.world, "ringlet keychain export")?;
    if !host.world.console.is_interactive() {
        return Err(Failure::new("`ringlet keychain export` asks on the terminal, and there is none")
            .hint("run it in a terminal of your own"));
    }
    let file = named_file(&host.world, asked.file)?;
    let shown = session.paths.pretty(&file);
    refuse_own_files(session, &file)?;
    let there = || Failure::new(format!("{shown} exists")).hint("name another file, or add --replace to replace it");
    match file.symlink_metadata() {
        Ok(found) if !found.is_file() => return Err(Failure::new(format!("{shown} is no regular file"))),
        Ok(_) if !asked.replace => return Err(there()),
        _ => {}
    }
    let recipients = asked.recipients.iter().map(|text| {
        archive::recipient(text).ok_or_else(|| Failure::usage("--recipient names no public key of age such as age1..."))
    });
    let recipients = recipients.collect::<Result<Vec<_>, _>>()?;
    let names = exported(host, session, store, asked.prefix)?;
    let listed: Vec<String> = names.iter().map(ToString::to_string).collect();
    host.output.note(format!("keys for {shown}: {}", listed.join(", ")));
    host.output.flush()?;
    let question = format!("ringlet: write {} into {shown}, encrypted? [y/N] ", counted(names.len()));
    if !host.world.console.ask(&question).is_some_and(|answer| is_yes(&answer)) {
        return Err(Failure::new("no key was exported"));
    }
    let lock = match recipients.is_empty() {
        false => Lock::Recipients(recipients),
        true => Lock::Passphrase(new_passphrase(host)?),
    };
    let mut keys = Vec::new();
    for name in names {
        let found = store.get_to_keep(&name);
        let (result, reason) = match &found {
            Ok(_) => (Outcome::Granted, "to export it".to_owned()),
            Err(error) => (Outcome::Error, error.to_string()),
        };
        record_access(host, session, Action::Lookup, &name, result, Some(reason))?;
        // A file without some of the keys would pass for the whole.
        keys.push((name, found?));
    }
    let sealed = archive::seal(&keys, &lock).map_err(|error| Failure::new(format!("nothing was exported: {error}")))?;
    let written =
        if asked.replace { platform::replace_file(&file, &sealed) } else { platform::create_file(&file, &sealed) };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there(),
        _ => Failure::io("written", &file, &error),
    })?;
    host.output.note(format!("wrote {} into {shown}", counted(keys.len())));
    let import = words!["ringlet", "keychain", "import", asked.file];
    host.output.note(Hint::from("").command(import).and(" reads them on another machine, and `age -d` opens the file"));
    Ok(())
}

// A file of Ringlet's own, which the export would replace.
fn refuse_own_files(session: &Session, file: &Path) -> Result<(), Failure> {
    let paths = &session.paths;
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    let (config, runtime) = (paths.config(), paths.runtime());
    let own = [config.parent(), Some(paths.state()), Some(&*paths.profiles()), Some(&*runtime)]
        .map(|own| own?.canonicalize().ok());
    let lies_below = |own: &Path| folder.as_ref().is_some_and(|folder| folder.starts_with(own));
    // Each of these may be a link to elsewhere.
    let files = [
        config.clone(),
        paths.credentials(),
        paths.services(),
        paths.encrypted_credentials(),
        paths.encrypted_services(),
        paths.identity(),
        session.audit_path(),
    ];
    match own.iter().flatten().any(|own| lies_below(own)) || files.iter().any(|own| platform::same_file(own, file)) {
        true => Err(Failure::new(format!("{} lies where ringlet keeps its own files", paths.pretty(file)))
            .hint("name a file elsewhere")),
        false => Ok(()),
    }
}

// The keys to export. One that is to leave through the broker alone stays.
fn exported(host: &mut Host, session: &Session, store: &Keys, prefix: &str) -> Result<Vec<KeyName>, Failure> {
    let names = store.names_from(prefix)?.into_iter();
    let is_brokered = |name: &KeyName| session.settings.scopes.get(name).is_some_and(|scope| scope.broker);
    let (stays, names): (Vec<_>, Vec<_>) = names.partition(is_brokered);
    for name in stays {
        host.output.warn(format!("{name} is for brokered launches alone, and is left out"));
    }
    match names.is_empty() {
        true => Err(Failure::new("there is no key to export").hint("run `ringlet keychain list`")),
        false => Ok(names),
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

fn new_passphrase(host: &Host) -> Result<Zeroizing<String>, Failure> {
    let first = passphrase(host, "ringlet: passphrase for the file (it is not shown): ", "no key was exported")?;
    if first.chars().count() < SHORTEST {
        return Err(Failure::new(format!("the passphrase is shorter than {SHORTEST} characters; no key was exported"))
            .hint("some words in a row are long enough, and easy to keep in mind"));
    }
    let again = passphrase(host, "ringlet: the passphrase once more: ", "no key was exported")?;
    match first == again {
        true => Ok(first),
        false => Err(Failure::new("the two passphrases differ; no key was exported")),
    }
}

fn passphrase(host: &Host, question: &str, outcome: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = set::typed(host, question, "passphrase", outcome, |error| {
        Failure::new(format!("there is no terminal to ask for the passphrase on: {error}"))
            .hint("a file that is encrypted for a public key is opened by --identity FILE")
    })?;
    let text = std::str::from_utf8(typed.expose()).map_err(|_| Failure::new("the passphrase is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `ringlet keychain import`
pub(super) fn import(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    (file, identity): (&Path, Option<&Path>),
    replace: bool,
) -> Result<(), Failure> {
    session.refuse_below(&host.world, "ringlet keychain import")?;
    let file = named_file(&host.world, file)?;
    let shown = session.paths.pretty(&file);
    let unread = |why: String| Failure::new(format!("{shown} cannot be read: {why}"));
    let sealed = platform::read_file(&file, MOST).map_err(|error| unread(error.to_string()))?.bytes;
    let wrong = |why: NotOpened| {
        let failure = Failure::new(format!("{shown} {why}"));
        match why {
            NotOpened::Sealed(age_file::NotOpened::OtherRecipient) => {
                failure.hint("name the file of its secret key by --identity FILE")
            }
            _ => failure,
        }
    };
    let opener = match (age_file::is_by_passphrase(&sealed).map_err(|why| wrong(why.into()))?, identity) {
        (true, None) => {
            let question = format!("ringlet: passphrase of {shown} (it is not shown): ");
            Opener::Passphrase(passphrase(host, &question, "no key was imported")?)
        }
        (true, Some(_)) => {
            return Err(Failure::usage(format!("{shown} is opened by a passphrase")).hint("leave --identity out"));
        }
        (false, None) => {
            return Err(Failure::usage(format!("{shown} is encrypted for a public key"))
                .hint("name the file of the secret key by --identity FILE"));
        }
        (false, Some(own)) => identities(host, session, own)?,
    };
    let keys = archive::open(&sealed, &opener).map_err(wrong)?;
    if keys.is_empty() {
        return Err(Failure::new(format!("{shown} holds no key")));
    }
    if keys.len() > MOST_KEYS {
        return Err(Failure::new(format!("{shown} holds more than {MOST_KEYS} keys; nothing was imported")));
    }
    encrypted::ready(host, session, keys.iter().any(|(name, _)| session.settings.encrypts(name)))?;
    let new = examined(session, store, keys, replace)?;
    let (total, mut done) = (new.len(), 0);
    for (name, value) in &new {
        let stored = keep(store, name, value);
        record(host, session, Action::Set, name, &stored)?;
        stored.map_err(|failure| failure.hint(format!("{done} of {total} keys were stored before it")))?;
        host.output.note(format!("stored {name} in {}", session.pretty_place(&store.place_of(name))));
        set::keep_dates(host, session, name, None);
        done += 1;
    }
    if total == 0 {
        host.output.note(format!("every key of {shown} is there already"));
    }
    Ok(())
}

fn identities(host: &Host, session: &Session, file: &Path) -> Result<Opener, Failure> {
    let file = named_file(&host.world, file)?;
    let shown = session.paths.pretty(&file);
    let text = private::read(&file, MOST_OF_IDENTITIES, Privacy::Unread).map_err(|why| {
        let failure = Failure::new(format!("{shown} {why}"));
        match why {
            NotPrivate::Open(_) => failure.hint(Hint::run(words!["chmod", "600", file]).and(" if it is yours")),
            _ => failure,
        }
    })?;
    let text = Zeroizing::new(text.ok_or_else(|| Failure::new(format!("there is no file {shown}")))?);
    age_file::identities(&text).map(Opener::Identities).ok_or_else(|| {
        Failure::new(format!("{shown} is no identity file of age"))
            .hint("it has lines AGE-SECRET-KEY-1..., as age-keygen writes them, and comments alone")
    })
}

// The keys that are to be stored: nothing is, if one of them cannot be or would replace another one.
fn examined(
    session: &Session,
    store: &Keys,
    keys: Vec<(KeyName, Secret)>,
    replace: bool,
) -> Result<Vec<(KeyName, Secret)>, Failure> {
    let (mut new, mut taken) = (Vec::new(), Vec::new());
    for (name, value) in keys {
        check_key(value.expose(), session.registry.shape(&name.provider))
            .map_err(|why| Failure::new(format!("the key {name} of the file {why}; nothing was imported")))?;
        if misplaced(&name.provider, value.expose()).is_some() {
            return Err(Failure::new(format!(
                "the key {name} of the file was made for another provider; nothing was imported"
            )));
        }
        let can = store.can(Change::Set, &name);
        let is_there = match store.contains(&name) {
            Err(_) if can.is_err() => false,
            found => found?,
        };
        if is_there {
            match store.get(&name) {
                Ok(found) if same(found.expose(), value.expose()) => continue,
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            taken.push(name.to_string());
        }
        can.map_err(|error| Failure::from(error).hint("nothing was imported"))?;
        new.push((name, value));
    }
    if new.iter().any(|(name, _)| session.settings.encrypts(name)) {
        encrypted::refuse_locked(session)?;
    }
    match taken.is_empty() || replace {
        true => Ok(new),
        false => Err(Failure::new(format!("other keys are stored as {}; nothing was imported", taken.join(", ")))
            .hint("add --replace to replace them")),
    }
}

fn keep(store: &Keys, name: &KeyName, value: &Secret) -> Result<(), Failure> {
    store.set(name, value)?;
    match same(store.get(name)?.expose(), value.expose()) {
        true => Ok(()),
        false => Err(Failure::new(format!("{} gave {name} back changed", store.place_of(name)))),
    }
}
