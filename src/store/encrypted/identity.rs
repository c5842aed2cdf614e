//! `identity.age`: one X25519 identity, encrypted by a passphrase or for other identities, such as those of a plugin.

use super::super::StoreError;
use super::super::unopened::Unopened;
use crate::age_file::{self, NotOpened};
use crate::paths::Paths;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, ReadError};
use crate::secret::Secret;
use age::x25519::Identity;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// An identity and its comments are some 250 bytes, and each recipient takes some 150 more.
const MAX_BYTES: u64 = 64 << 10;

/// What opens the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenedBy {
    /// A passphrase.
    Passphrase,
    /// The identities that the settings name.
    Identities,
    /// There is none yet.
    Nothing,
}

/// Reads a file that must be the user's own and unread by others; nothing where there is none.
pub(super) fn read(file: &Path, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let read = match platform::read_file(file, most) {
        Ok(read) => read,
        Err(error) if error.is_absent() => return Ok(None),
        Err(ReadError::Io(error)) => {
            return Err(StoreError::Io { file: file.to_owned(), doing: "read", why: error.to_string() });
        }
        Err(error) => {
            let why = format!("cannot be read: {error}");
            return Err(StoreError::File { file: file.to_owned(), line: None, why });
        }
    };
    private::check(&read.access, Privacy::Unread).map_err(|why| {
        let must = if matches!(why, NotPrivate::Open(_)) { "; it must be 0600" } else { "" };
        StoreError::Unsafe { file: file.to_owned(), why: format!("{why}{must}") }
    })?;
    Ok(Some(read.bytes))
}

fn read_identity(paths: &Paths) -> Result<Option<Vec<u8>>, StoreError> {
    read(&paths.identity(), MAX_BYTES)
}

fn wrong(paths: &Paths, why: NotOpened) -> StoreError {
    match why {
        NotOpened::WrongPassphrase => Unopened::WrongPassphrase.into(),
        why => Unopened::Identity { file: paths.identity(), why: why.to_string() }.into(),
    }
}

/// What opens the identity. That one is missing while there is something to open is an error.
pub(crate) fn opened_by(paths: &Paths) -> Result<OpenedBy, StoreError> {
    match read_identity(paths)? {
        Some(file) => match age_file::is_by_passphrase(&file).map_err(|why| wrong(paths, why))? {
            true => Ok(OpenedBy::Passphrase),
            false => Ok(OpenedBy::Identities),
        },
        None => match orphan(paths) {
            Some(file) => Err(Unopened::Orphaned { identity: paths.identity(), file }.into()),
            None => Ok(OpenedBy::Nothing),
        },
    }
}

fn orphan(paths: &Paths) -> Option<PathBuf> {
    [paths.encrypted_credentials(), paths.encrypted_services()].into_iter().find(|file| file.exists())
}

/// Opens the identity by a passphrase.
pub(super) fn open_by(paths: &Paths, passphrase: &Secret) -> Result<Identity, StoreError> {
    let none = || StoreError::from(Unopened::NoIdentity(paths.identity()));
    let file = read_identity(paths)?.ok_or_else(none)?;
    let passphrase = std::str::from_utf8(passphrase.expose()).map_err(|_| Unopened::WrongPassphrase)?;
    let text = age_file::decrypt_by(&file, passphrase).map_err(|why| wrong(paths, why))?;
    in_text(paths, &text)
}

/// The identity that was in the file.
pub(super) fn in_text(paths: &Paths, text: &[u8]) -> Result<Identity, StoreError> {
    let none = || Unopened::Identity { file: paths.identity(), why: "holds no identity, or more than one".into() };
    age_file::only_identity(text).ok_or_else(|| none().into())
}

/// Makes an identity that a passphrase opens. One that is there, or was made meanwhile, is an error: what it has
/// encrypted would be lost. A crash leaves no identity or the whole one.
pub(super) fn make(paths: &Paths, passphrase: &Secret, work: u8) -> Result<Identity, StoreError> {
    let file = paths.identity();
    let failed =
        |error: std::io::Error| StoreError::Io { file: file.clone(), doing: "written", why: error.to_string() };
    let folder = file.parent().expect("the identity lies in a folder");
    platform::create_private_folder(folder).map_err(failed)?;
    let _lock = platform::lock_file(&file.with_extension("age.lock"), Duration::from_secs(5))?;
    if opened_by(paths)? != OpenedBy::Nothing {
        let why = "was made by another process meanwhile".to_owned();
        return Err(Unopened::Identity { file, why }.into());
    }
    let passphrase = std::str::from_utf8(passphrase.expose()).map_err(|_| Unopened::WrongPassphrase)?;
    let identity = Identity::generate();
    let text: Zeroizing<Vec<u8>> = age_file::identity_text(&identity);
    let sealed = age_file::encrypt_by(&text, passphrase, work).map_err(failed)?;
    platform::replace_file(&file, &sealed).map_err(failed)?;
    Ok(identity)
}
