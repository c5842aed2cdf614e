//! `identity.age`: one X25519 identity, encrypted by a passphrase or for other identities, such as those of a plugin.

use super::super::StoreError;
use super::super::own_file::OwnFile;
use super::super::unopened::Unopened;
use crate::age_file::{self, NotOpened};
use crate::digest::Digest;
use crate::paths::Paths;
use crate::secret::Secret;
use age::x25519::Identity;
use std::path::PathBuf;

/// An identity and its comments are some 250 bytes, and each recipient takes some 150 more.
const MAX_BYTES: u64 = 64 << 10;

/// What opens the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenedBy {
    /// A passphrase.
    Passphrase,
    /// The identities that the settings name. The digest is that of the file.
    Identities(Digest),
    /// There is none yet.
    Nothing,
}

/// An identity, and the digest of the file that it was in.
pub(super) struct Opened {
    pub(super) identity: Identity,
    pub(super) of: Digest,
}

/// The digest of the file as it is now; `None` without a file.
pub(super) fn digest(paths: &Paths) -> Result<Option<Digest>, StoreError> {
    Ok(own_file(paths.identity()).read()?.map(|file| Digest::of(&file)))
}

/// The file.
pub(super) fn own_file(path: PathBuf) -> OwnFile {
    OwnFile::new(path, MAX_BYTES)
}

fn wrong(paths: &Paths, why: NotOpened) -> StoreError {
    match why {
        NotOpened::WrongPassphrase => Unopened::WrongPassphrase.into(),
        NotOpened::Armored | NotOpened::TooMuchWork(_) => {
            Unopened::Form { file: paths.identity(), why: why.to_string() }.into()
        }
        why => Unopened::Identity { file: paths.identity(), why: why.to_string() }.into(),
    }
}

/// What opens the identity. That one is missing while there is something to open is an error.
pub(crate) fn opened_by(paths: &Paths) -> Result<OpenedBy, StoreError> {
    match own_file(paths.identity()).read()? {
        Some(file) => match age_file::is_by_passphrase(&file).map_err(|why| wrong(paths, why))? {
            true => Ok(OpenedBy::Passphrase),
            false => Ok(OpenedBy::Identities(Digest::of(&file))),
        },
        None => match orphan(paths) {
            Some(file) => Err(Unopened::Orphaned { identity: paths.identity(), file }.into()),
            None => Ok(OpenedBy::Nothing),
        },
    }
}

/// Why nothing is held: the file is locked, or there is no identity that could be. What holds it may not answer.
pub(super) fn unheld(paths: &Paths, is_mute: bool) -> StoreError {
    match opened_by(paths) {
        Ok(OpenedBy::Nothing) => Unopened::NoIdentity(paths.identity()).into(),
        Ok(OpenedBy::Passphrase | OpenedBy::Identities(_)) if is_mute => Unopened::Mute.into(),
        Ok(OpenedBy::Passphrase | OpenedBy::Identities(_)) => Unopened::Locked.into(),
        Err(error) => error,
    }
}

fn orphan(paths: &Paths) -> Option<PathBuf> {
    [paths.encrypted_credentials(), paths.encrypted_services()].into_iter().find(|file| file.exists())
}

/// Opens the identity by a passphrase.
pub(super) fn open_by(paths: &Paths, passphrase: &Secret) -> Result<Opened, StoreError> {
    let none = || StoreError::from(Unopened::NoIdentity(paths.identity()));
    let file = own_file(paths.identity()).read()?.ok_or_else(none)?;
    let passphrase = std::str::from_utf8(passphrase.expose()).map_err(|_| Unopened::WrongPassphrase)?;
    let text = age_file::decrypt_by(&file, passphrase).map_err(|why| wrong(paths, why))?;
    Ok(Opened { identity: in_text(paths, &text)?, of: Digest::of(&file) })
}

/// The identity that was in the file.
pub(super) fn in_text(paths: &Paths, text: &[u8]) -> Result<Identity, StoreError> {
    let none = || Unopened::Identity { file: paths.identity(), why: "holds no identity, or more than one".into() };
    age_file::only_identity(text).ok_or_else(|| none().into())
}

/// Makes an identity that a passphrase opens. One that is there, or was made meanwhile, is an error: what it has
/// encrypted would be lost. A crash leaves no identity or the whole one.
pub(super) fn make(paths: &Paths, passphrase: &Secret, work: u8) -> Result<Opened, StoreError> {
    let passphrase = std::str::from_utf8(passphrase.expose()).map_err(|_| Unopened::WrongPassphrase)?;
    let (file, identity) = (own_file(paths.identity()), Identity::generate());
    let mut of = None;
    file.change(|_| {
        if opened_by(paths)? != OpenedBy::Nothing {
            return Err(Unopened::Meanwhile(paths.identity()).into());
        }
        let sealed = age_file::encrypt_by(&age_file::identity_text(&identity), passphrase, work);
        let sealed = sealed.map_err(|_| file.failed("cannot be encrypted"))?;
        of = Some(Digest::of(&sealed));
        Ok(Some(sealed))
    })?;
    Ok(Opened { identity, of: of.expect("the file was written") })
}
