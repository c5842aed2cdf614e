//! One login, for as long as something is done with it.

use super::{Address, Answer, Keeper, Lease, Loan, Role, Server, Token, VaultError};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

// Ending a token has a limit of its own, since what was read is good whatever becomes of it.
const ENDING: Duration = Duration::from_secs(1);

/// A login, and what was read with it. A token that Ringlet made is ended with it, unless a loan takes it over.
pub(crate) struct Session {
    address: Address,
    server: Server,
    // `None` once it has ended.
    runtime: Option<Runtime>,
    role: Option<Role>,
    token: Option<Token>,
    is_lent: bool,
    answers: BTreeMap<String, Answer>,
}

impl Session {
    /// Prepares a session by a role, or with a token of the user's. Nothing is sent.
    pub(crate) fn new(address: Address, login: Result<Role, Token>) -> Result<Self, VaultError> {
        let server = Server::new(&address)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Some(runtime.map_err(|error| VaultError::Unusable(error.to_string()))?);
        let (role, token) = match login {
            Ok(role) => (Some(role), None),
            Err(token) => (None, Some(token)),
        };
        Ok(Self { address, server, runtime, role, token, is_lent: false, answers: BTreeMap::new() })
    }

    /// Logs in where that was not done yet, and does something within the time limit.
    pub(crate) fn run<T>(
        &mut self,
        limit: Duration,
        operation: impl AsyncFnOnce(&Server, &str) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let Self { server, runtime, role, token, .. } = self;
        let runtime = runtime.as_ref().expect("the session has not ended");
        runtime.block_on(async {
            let work = async {
                let token = match (&mut *token, role) {
                    (Some(token), _) => token,
                    (none, Some(role)) => none.insert(server.log_in(role).await?),
                    (None, None) => return Err(VaultError::Denied),
                };
                operation(server, &token.value).await
            };
            tokio::time::timeout(limit, work).await.map_err(|_| VaultError::Late(limit)).flatten()
        })
    }

    /// Reads a secret; what was read already is not asked for again, so that all its fields are of one version. Returns
    /// whether it was asked for now.
    pub(crate) fn read(&mut self, limit: Duration, path: &str) -> Result<bool, VaultError> {
        if self.answers.contains_key(path) {
            return Ok(false);
        }
        let answer = self.run(limit, async |server, token| server.read(token, path).await)?;
        Ok(self.answers.insert(path.to_owned(), answer).is_none())
    }

    /// What was read there.
    pub(crate) fn answer(&self, path: &str) -> Option<&Answer> {
        self.answers.get(path)
    }

    /// Whether Ringlet has made the token.
    pub(crate) fn is_own(&self) -> bool {
        self.role.is_some()
    }

    /// Leaves the token, or the lease, to whoever ends it.
    pub(crate) fn lend(&mut self, path: &str, field: &str, lease: Option<Lease>) -> Loan {
        self.is_lent = true;
        let Some(token) = self.token.clone() else { return Loan::new(None) };
        let (address, role) = (self.address.clone(), self.role.clone());
        Loan::new(Some(Keeper { address, role, token, path: path.to_owned(), field: field.to_owned(), lease }))
    }

    /// Ends the session. Returns how long a token lives on that Ringlet made and could not end, and why.
    pub(crate) fn end(&mut self) -> Result<(), (Option<Duration>, VaultError)> {
        let Some(runtime) = self.runtime.take() else { return Ok(()) };
        let token = self.token.take().filter(|_| self.role.is_some() && !self.is_lent);
        let ended = token.map_or(Ok(()), |token| {
            let asked = async { tokio::time::timeout(ENDING, self.server.revoke(&token.value)).await };
            let done = runtime.block_on(asked).map_err(|_| VaultError::Late(ENDING)).flatten();
            done.map_err(|error| ((!token.ttl.is_zero()).then_some(token.ttl), error))
        });
        // A search for an address that takes long is not waited for.
        runtime.shutdown_background();
        ended
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A token that cannot be ended ends by itself.
        let _ = self.end();
    }
}
