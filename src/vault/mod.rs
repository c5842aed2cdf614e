//! The API of Vault and OpenBao: logs in, reads a field of a secret, renews and revokes what was made.
//!
//! A server follows nobody: a redirect is an error, and what leads to it is the user's settings alone, never a variable
//! of the shell. So neither a proxy nor a certificate authority of the environment counts here.
//!
//! A [`Session`] is one login and what was read with it; a [`Loan`] is what has to be ended once nobody uses it.

mod json;
#[cfg(target_os = "linux")]
mod keeping;
mod server;
mod session;

#[cfg(target_os = "linux")]
pub(crate) use keeping::{Change, Keeping, until};
pub(crate) use server::Server;
pub(crate) use session::Session;

use crate::https::HttpsError;
use crate::platform;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::secret::Secret;
use json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Which server, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// Its URL, without a path.
    pub url: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// A file with the only authorities that its certificate may come from.
    pub ca_file: Option<PathBuf>,
}

/// A login with a role.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    /// The mount of the method.
    pub mount: String,
    /// The role's id.
    pub id: String,
    /// The role's secret id.
    pub secret_id: Zeroizing<String>,
    /// The file that the secret id is from.
    pub file: Option<PathBuf>,
}

impl Role {
    /// Takes the secret id that is in its file now; where none is to be had, it stays.
    #[cfg(target_os = "linux")]
    fn look_again(&mut self) {
        if let Some(Ok(secret_id)) = self.file.as_deref().map(credential_in) {
            self.secret_id = secret_id;
        }
    }
}

/// Why a file gives no token or secret id.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCredential {
    /// Others may read it, or it cannot be read.
    #[error(transparent)]
    NotPrivate(#[from] NotPrivate),
    /// It is not there.
    #[error("does not exist")]
    Absent,
    /// It does not hold a line of text.
    #[error("its token or secret id is no line of text")]
    NoLine,
}

/// Reads a token or a secret id from a file that nobody else may read.
pub(crate) fn credential_in(file: &Path) -> Result<Zeroizing<String>, NoCredential> {
    const MOST: u64 = 8 << 10;
    let bytes = private::read(file, MOST, Privacy::Unread)?.ok_or(NoCredential::Absent)?;
    credential_of(&Secret::new(bytes))
}

/// Reads a token or a secret id from a value.
pub(crate) fn credential_of(value: &Secret) -> Result<Zeroizing<String>, NoCredential> {
    let text = std::str::from_utf8(value.expose()).map(str::trim).unwrap_or_default();
    match text.is_empty() || text.contains(char::is_control) {
        true => Err(NoCredential::NoLine),
        false => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// A token, and how long it lives.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    /// The token.
    pub value: Zeroizing<String>,
    /// How long it lives from now on; zero if it does not end, or nobody said so.
    pub ttl: Duration,
    /// Whether that can be made longer.
    pub renewable: bool,
    /// When the server was asked for it, by the boot clock.
    pub since: Duration,
}

impl Token {
    /// One of the user's, of which nothing is known.
    pub(crate) fn of_user(value: Zeroizing<String>) -> Self {
        Self { value, ttl: Duration::ZERO, renewable: false, since: Duration::ZERO }
    }

    /// When it ends, by the boot clock.
    #[cfg(target_os = "linux")]
    pub(crate) fn ends(&self) -> Option<Duration> {
        (!self.ttl.is_zero()).then(|| self.since + self.ttl)
    }
}

/// A secret that was read.
pub(crate) struct Answer {
    path: String,
    data: Json,
    /// The secret's own lease, which a key-value engine has none of.
    pub lease: Option<Lease>,
}

impl Answer {
    // The second version of the key-value engine has the fields one level below, and its own data beside them.
    fn version(&self) -> Option<u64> {
        match self.data.get("metadata")?.get("version")? {
            Json::Number(version) if self.data.get("data").is_some() => Some(*version),
            _ => None,
        }
    }

    /// Returns the value of a field.
    pub(crate) fn field(&self, field: &str) -> Result<Secret, VaultError> {
        let fields = if self.version().is_some() { self.data.get("data") } else { Some(&self.data) };
        match fields.and_then(|fields| fields.get(field)) {
            Some(Json::Text(text)) => Ok(Secret::new(text.as_bytes().to_vec())),
            Some(_) => Err(VaultError::Odd(format!("the field {field} is no text"))),
            None => Err(VaultError::NoField { path: self.path.clone(), field: field.to_owned() }),
        }
    }

    // All fields, to be written again with a change.
    fn into_fields(self) -> Result<BTreeMap<String, Json>, VaultError> {
        let is_versioned = self.version().is_some();
        let fields = match self.data {
            Json::Table(mut data) if is_versioned => data.remove("data"),
            data => Some(data),
        };
        match fields {
            Some(Json::Table(fields)) if fields.values().all(Json::is_whole) => Ok(fields),
            _ => Err(VaultError::Lossy(self.path)),
        }
    }
}

/// A secret of a key-value engine, which Ringlet may change.
pub(crate) struct Changing<'a> {
    /// Its path.
    pub path: &'a str,
    /// The path that removes all of it.
    pub whole: &'a str,
    /// The field.
    pub field: &'a str,
    /// Whether the engine is of the second version.
    pub is_versioned: bool,
}

/// The lease of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Its id.
    pub id: String,
    /// How long it is from now on.
    pub length: Duration,
    /// Whether it can be made longer.
    pub renewable: bool,
    /// When the server was asked for it, by the boot clock.
    pub since: Duration,
}

impl Lease {
    /// When it ends, by the boot clock.
    #[cfg(target_os = "linux")]
    pub(crate) fn ends(&self) -> Duration {
        self.since + self.length
    }
}

/// What is kept alive.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keeper {
    /// The server.
    pub address: Address,
    /// How Ringlet logged in; `None` if the token is the user's.
    pub role: Option<Role>,
    /// The token.
    pub token: Token,
    /// The path of the secret.
    pub path: String,
    /// Its field.
    pub field: String,
    /// Its lease.
    pub lease: Option<Lease>,
}

impl Keeper {
    /// When the value ends that was read: with its lease, or with a token that Ringlet made.
    #[cfg(target_os = "linux")]
    pub(crate) fn value_ends(&self) -> Option<Duration> {
        let lease = self.lease.as_ref()?.ends();
        let token = self.role.as_ref().and_then(|_| self.token.ends());
        Some(token.map_or(lease, |token| token.min(lease)))
    }

    /// Ends what Ringlet made: its own token, or the lease of a secret that the user's token has read.
    async fn end(&self, server: &Server) -> Result<(), VaultError> {
        let token = &self.token.value;
        let done = match &self.role {
            Some(_) => server.revoke(token).await,
            None => Err(VaultError::Denied),
        };
        match (&self.role, &self.lease, done) {
            // A batch token cannot be ended, and what it has read can.
            (_, Some(lease), Err(error)) if error.is_denial() => server.revoke_lease(token, &lease.id).await,
            (None, None, _) => Ok(()),
            (_, _, done) => done,
        }
    }
}

/// What is to be ended once nobody uses it: at the drop, unless it was handed over to a broker or is left.
pub(crate) struct Loan(Option<Keeper>);

impl Loan {
    /// Nothing, or what a keeper says.
    pub(crate) fn new(keeper: Option<Keeper>) -> Self {
        Self(keeper)
    }

    /// It ends by itself.
    pub(crate) fn leave(mut self) {
        self.0 = None;
    }

    /// What is handed over.
    #[cfg(target_os = "linux")]
    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.0.as_ref()
    }
}

/// Nothing is to be kept.
impl Default for Loan {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let Some(keeper) = &self.0 else { return };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        // What cannot be ended ends by itself.
        runtime.block_on(async {
            let Ok(server) = Server::new(&keeper.address) else { return };
            let _ = tokio::time::timeout(PATIENCE, keeper.end(&server)).await;
        });
        runtime.shutdown_background();
    }
}

/// Why the server did not do what it was asked. No text holds anything of an answer but its status and its errors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The settings of the connection cannot be used.
    #[error("cannot be asked: {0}")]
    Unusable(String),
    /// There is no answer.
    #[error("cannot be reached: {0}")]
    Unreached(#[from] HttpsError),
    /// There is none in time.
    #[error("did not answer within {0:?}")]
    Late(Duration),
    /// It is sealed.
    #[error("is sealed")]
    Sealed,
    /// A token that is unknown, has ended or may not do this: the server's answer is the same.
    #[error("denies it: its token has ended, was revoked, or may not do this")]
    Denied,
    /// The login is refused.
    #[error("refuses the login: {0}")]
    NoLogin(String),
    /// There is nothing at this path.
    #[error("has nothing at {0}")]
    NotFound(String),
    /// There was something, of this version, and it was deleted.
    #[error("has only a deleted version at {path}")]
    Deleted {
        /// The path.
        path: String,
        /// The version.
        version: u64,
    },
    /// No engine answers at this path.
    #[error("has no engine at {0}")]
    NoEngine(String),
    /// The key-value engine there is of the other version, which this is.
    #[error("has version {version} of the key-value engine at {path}")]
    OtherVersion {
        /// The path.
        path: String,
        /// The version.
        version: u8,
    },
    /// There is more than can be written again as it is.
    #[error("has a number at {0} that would not stay as it is; change the secret with the server's own tool")]
    Lossy(String),
    /// There is a secret, and it has no such field.
    #[error("has no field {field} at {path}")]
    NoField {
        /// The path.
        path: String,
        /// The field.
        field: String,
    },
    /// It says that this cannot be done at all.
    #[error("refuses it: {0}")]
    Refused(String),
    /// It leads elsewhere.
    #[error("leads to another server, {0}, which is not followed")]
    Redirect(String),
    /// It answers otherwise than it should.
    #[error("answers otherwise than a Vault: {0}")]
    Odd(String),
}

impl VaultError {
    /// Reports whether the certificate of the server is refused.
    pub(crate) fn is_untrusted(&self) -> bool {
        matches!(self, Self::Unreached(HttpsError::Tls { .. }))
    }

    /// Reports whether the server has said no. Whatever else fails may come right when it is tried again.
    pub(crate) fn is_denial(&self) -> bool {
        match self {
            Self::Denied
            | Self::NoLogin(_)
            | Self::Refused(_)
            | Self::NotFound(_)
            | Self::Deleted { .. }
            | Self::NoEngine(_)
            | Self::OtherVersion { .. } => true,
            Self::Lossy(_)
            | Self::Unusable(_)
            | Self::Unreached(_)
            | Self::Late(_)
            | Self::Sealed
            | Self::NoField { .. }
            | Self::Redirect(_)
            | Self::Odd(_) => false,
        }
    }
}

// A clock that cannot be read stands still, and nothing is ever due.
fn now() -> Duration {
    platform::boot_clock().unwrap_or_default()
}
