//! Keeps what a launch has from a server alive while the agent runs, and ends it with the agent.
//!
//! A token that Ringlet made is renewed, and replaced by a new login where it cannot be. A secret with a lease is
//! renewed, and read anew where it cannot be. A token of the user's is neither renewed nor ended.

use super::{Keeper, Lease, Reading, Server, Token, VaultError};
use crate::platform;
use crate::secret::Secret;
use std::time::Duration;

// Time passes while a machine sleeps, and timers do not.
const STEP: Duration = Duration::from_secs(15);

// So long it is waited after something failed, for the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

// One request to the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened to a key.
pub(crate) enum Change {
    /// It was read anew, and this is its value from now on.
    Anew(Secret),
    /// Its lease has ended, and this is why it could not be read anew.
    Ended(String),
}

/// A keeper at work. Times are those of the boot clock.
pub(crate) struct Keeping {
    keeper: Keeper,
    server: Server,
    /// When the token is to be renewed.
    token_due: Option<Duration>,
    /// When the secret is to be renewed or read anew.
    value_due: Option<Duration>,
    /// When the secret's lease ends.
    value_ends: Option<Duration>,
    pause: Duration,
    has_ended: bool,
}

impl Keeping {
    /// Begins to keep what was just made.
    pub(crate) fn new(keeper: Keeper) -> Result<Self, VaultError> {
        let server = Server::new(&keeper.address)?;
        let mut made = Self {
            keeper,
            server,
            token_due: None,
            value_due: None,
            value_ends: None,
            pause: FIRST_PAUSE,
            has_ended: false,
        };
        made.plan_token();
        made.plan_value();
        Ok(made)
    }

    fn plan_token(&mut self) {
        let Token { ttl, .. } = self.keeper.token;
        let is_own = self.keeper.role.is_some() && !ttl.is_zero();
        self.token_due = is_own.then(|| now() + ttl * 2 / 3);
    }

    fn plan_value(&mut self) {
        let Some(Lease { length, renewable, .. }) = &self.keeper.lease else {
            (self.value_due, self.value_ends) = (None, None);
            return;
        };
        let can_be_renewed = *renewable;
        self.value_due = Some(now() + if can_be_renewed { *length * 2 / 3 } else { *length * 9 / 10 });
        self.value_ends = Some(now() + *length);
    }

    /// Waits until the key changes, and returns how. Without a lease and a token of its own it waits for ever.
    pub(crate) async fn next(&mut self) -> Change {
        loop {
            let due = [self.token_due, self.value_due].into_iter().flatten().min();
            until(due).await;
            if self.token_due.is_some_and(|due| due <= now()) {
                if let Some(change) = self.tend_token().await {
                    return change;
                }
            } else if let Some(change) = self.tend_value().await {
                return change;
            }
        }
    }

    // Renews the token, or logs in anew. What the old one has read ends with it, so it is read anew as well.
    async fn tend_token(&mut self) -> Option<Change> {
        let token = &self.keeper.token;
        let renewed = match token.renewable {
            true => in_time(self.server.renew(&token.value)).await,
            false => Err(VaultError::Denied),
        };
        if let Ok(renewed) = renewed
            && renewed.ttl * 3 > token.ttl
        {
            self.keeper.token = Token { value: self.keeper.token.value.clone(), ..renewed };
            self.pause = FIRST_PAUSE;
            self.plan_token();
            return None;
        }
        let before = self.keeper.token.value.clone();
        match self.log_in_anew().await {
            Ok(()) => {
                let change = self.read_anew().await;
                // What the old token has read ends with it, and is not used any more.
                if matches!(change, Some(Change::Anew(_))) {
                    let _ = in_time(self.server.revoke(&before)).await;
                }
                change
            }
            Err(error) => {
                self.token_due = Some(now() + self.longer_pause());
                match error {
                    // Whoever ended the token and the role means the key as well.
                    VaultError::Denied | VaultError::NoLogin(_) => self.end_now(&error),
                    _ => self.ended(&error),
                }
            }
        }
    }

    async fn log_in_anew(&mut self) -> Result<(), VaultError> {
        let Some(role) = &self.keeper.role else { return Err(VaultError::Denied) };
        self.keeper.token = in_time(self.server.log_in(role)).await?;
        self.plan_token();
        Ok(())
    }

    async fn tend_value(&mut self) -> Option<Change> {
        if let Some(lease) = self.keeper.lease.as_ref().filter(|lease| lease.renewable)
            && !self.has_ended
            && let Ok(renewed) = in_time(self.server.renew_lease(&self.keeper.token.value, &lease.id)).await
            && renewed.length * 3 > lease.length
        {
            self.keeper.lease = Some(Lease { id: lease.id.clone(), ..renewed });
            self.plan_value();
            return None;
        }
        self.read_anew().await
    }

    async fn read_anew(&mut self) -> Option<Change> {
        let mut read = self.read().await;
        // The token may have been ended by somebody else.
        if let Err(VaultError::Denied) = read {
            read = match self.log_in_anew().await {
                Ok(()) => self.read().await,
                Err(error) => Err(error),
            };
        }
        match read {
            Ok(Reading { value, lease }) => {
                self.keeper.lease = lease;
                self.plan_value();
                (self.pause, self.has_ended) = (FIRST_PAUSE, false);
                Some(Change::Anew(value))
            }
            Err(error) => {
                self.value_due = Some(now() + self.longer_pause());
                self.ended(&error)
            }
        }
    }

    async fn read(&self) -> Result<Reading, VaultError> {
        let Keeper { token, path, field, .. } = &self.keeper;
        in_time(self.server.read(&token.value, path, field)).await
    }

    // A key is used until its lease ends; what fails before may still come right.
    fn ended(&mut self, why: &VaultError) -> Option<Change> {
        if self.value_ends.is_some_and(|ends| ends <= now()) { self.end_now(why) } else { None }
    }

    // It is said once.
    fn end_now(&mut self, why: &VaultError) -> Option<Change> {
        (!std::mem::replace(&mut self.has_ended, true)).then(|| Change::Ended(why.to_string()))
    }

    fn longer_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        // What ends soon is tried again before.
        let left = self.value_ends.map(|ends| ends.saturating_sub(now())).filter(|left| !left.is_zero());
        left.map_or(pause, |left| pause.min(left))
    }

    /// Ends what Ringlet made.
    pub(crate) async fn end(self) -> Result<(), VaultError> {
        in_time(self.keeper.end(&self.server)).await
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, VaultError>>) -> Result<T, VaultError> {
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| VaultError::Late(PATIENCE))?
}

/// Waits until that time of the boot clock, or for ever.
pub(crate) async fn until(due: Option<Duration>) {
    let Some(due) = due else { return std::future::pending().await };
    loop {
        let left = due.saturating_sub(now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(STEP)).await;
    }
}

// A clock that cannot be read stands still, and nothing is ever due.
fn now() -> Duration {
    platform::boot_clock().unwrap_or_default()
}
