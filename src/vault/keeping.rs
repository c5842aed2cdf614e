//! Keeps what a launch has from a server alive while the agent runs, and ends it with the agent.
//!
//! A token that Ringlet made is renewed, and replaced by a new login where it cannot be. A secret with a lease is
//! renewed, and read anew where it cannot be. A token of the user's is neither renewed nor ended.
//!
//! Only an answer that is known to be a denial counts as one. After anything else, such as a limit of requests or a
//! proxy that fails, the same is tried again until the token or the lease ends. All that was made is in a field of
//! [`Keeping`] before anything is waited for, so that it is ended wherever the work is broken off.

use super::{Answer, Keeper, Lease, Server, Token, VaultError, now};
use crate::secret::Secret;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

// Time passes while a machine sleeps, and timers do not.
const STEP: Duration = Duration::from_secs(15);

// So long it is waited after something failed, for the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

// One request to the server.
const PATIENCE: Duration = Duration::from_secs(20);

// What is about to end is not waited for or paused for less than this.
const LEAST: Duration = Duration::from_secs(1);

/// What happened to a key.
pub(crate) enum Change {
    /// It was read anew, and this is its value from now on.
    Anew(Secret),
    /// It is good for longer.
    Longer,
    /// It must not be used any more, and this is why it could not be read anew.
    Ended(String),
}

/// What was replaced, and is still to be ended.
enum Replaced {
    Token(Token),
    Lease(Lease),
}

impl Replaced {
    fn ends(&self) -> Option<Duration> {
        match self {
            Self::Token(token) => token.ends(),
            Self::Lease(lease) => Some(lease.ends()),
        }
    }
}

/// A keeper at work. Times are those of the boot clock.
pub(crate) struct Keeping {
    keeper: Keeper,
    server: Arc<Server>,
    /// How long the token and the lease were when they were made.
    full: (Duration, Duration),
    /// A login on its way. It is carried on where nobody waits for it, since its token has to be ended.
    login: Option<JoinHandle<Result<Token, VaultError>>>,
    replaced: Vec<Replaced>,
    /// When the value's own token ends, where that was replaced and the value was not read anew yet.
    old_token: Option<Option<Duration>>,
    /// When the token is to be renewed.
    token_due: Option<Duration>,
    /// When the secret is to be renewed or read anew.
    value_due: Option<Duration>,
    /// When what was replaced is to be ended.
    replaced_due: Option<Duration>,
    pauses: [Pause; 3],
    /// The server has denied the token itself.
    is_denied: bool,
    /// The token has to show that it lives.
    is_doubted: bool,
    /// The token is of a login, and nothing was done with it yet.
    is_fresh: bool,
    has_ended: bool,
}

// The places of the pauses.
const OF_TOKEN: usize = 0;
const OF_VALUE: usize = 1;
const OF_REPLACED: usize = 2;

/// How long to wait after a failure.
struct Pause(Duration);

impl Pause {
    // What ends soon is tried again before.
    fn next(&mut self, ends: Option<Duration>) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        let left = ends.map(left_until).filter(|left| !left.is_zero());
        now() + left.map_or(pause, |left| pause.min((left / 2).max(LEAST)).min(left))
    }
}

impl Keeping {
    /// Begins to keep what was just made.
    pub(crate) fn new(keeper: Keeper) -> Result<Self, VaultError> {
        let server = Arc::new(Server::new(&keeper.address)?);
        let length = keeper.lease.as_ref().map_or(Duration::ZERO, |lease| lease.length);
        let full = (keeper.token.ttl, length);
        let mut made = Self {
            keeper,
            server,
            full,
            login: None,
            replaced: Vec::new(),
            old_token: None,
            token_due: None,
            value_due: None,
            replaced_due: None,
            pauses: [FIRST_PAUSE; 3].map(Pause),
            is_denied: false,
            is_doubted: false,
            is_fresh: false,
            has_ended: false,
        };
        made.plan_token();
        made.plan_value();
        Ok(made)
    }

    /// When the value ends, unless it is made longer: with its lease, or with the token that has read it.
    pub(crate) fn value_ends(&self) -> Option<Duration> {
        match (&self.keeper.lease, self.old_token) {
            (Some(lease), Some(token)) => Some(token.map_or(lease.ends(), |token| token.min(lease.ends()))),
            _ => self.keeper.value_ends(),
        }
    }

    fn plan_token(&mut self) {
        let Token { ttl, since, .. } = self.keeper.token;
        let is_own = self.keeper.role.is_some() && !ttl.is_zero();
        self.token_due = is_own.then(|| since + ttl * 2 / 3);
        self.pauses[OF_TOKEN] = Pause(FIRST_PAUSE);
    }

    fn plan_value(&mut self) {
        let due =
            |lease: &Lease| lease.since + if lease.renewable { lease.length * 2 / 3 } else { lease.length * 9 / 10 };
        self.value_due = self.keeper.lease.as_ref().map(due);
        self.pauses[OF_VALUE] = Pause(FIRST_PAUSE);
    }

    /// Waits until the key changes, and returns how. Without a lease and a token of its own it waits for ever. Nothing
    /// is lost where the wait is broken off.
    pub(crate) async fn next(&mut self) -> Change {
        loop {
            // Whoever was told of a new value uses that by now.
            self.end_replaced().await;
            let due = [self.token_due, self.value_due, self.replaced_due].into_iter().flatten().min();
            until(due).await;
            let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now());
            let change = if is_due(self.token_due) {
                self.tend_token().await
            } else if is_due(self.value_due) {
                self.tend_value().await
            } else {
                None
            };
            if let Some(change) = change {
                return change;
            }
        }
    }

    // Renews the token, or logs in anew. What the old one has read ends with it, so it is read anew as well.
    async fn tend_token(&mut self) -> Option<Change> {
        if !self.is_denied && self.login.is_none() {
            match self.prove_token().await {
                Ok(true) => return self.keeper.lease.as_ref().filter(|_| !self.has_ended).map(|_| Change::Longer),
                Ok(false) => {}
                Err(error) if error.is_denial() || self.is_over() => self.is_denied = true,
                Err(_) => {
                    self.token_due = Some(self.pauses[OF_TOKEN].next(self.keeper.token.ends()));
                    return None;
                }
            }
        }
        match self.log_in().await {
            // A key-value engine has no leases, so what was read there is as good as before.
            Ok(()) if self.keeper.lease.is_none() && !self.has_ended => None,
            Ok(()) => self.read_anew().await,
            Err(error) => {
                let ends = self.keeper.token.ends().filter(|_| !self.is_denied);
                self.token_due = Some(self.pauses[OF_TOKEN].next(ends));
                // Whoever ended the token and the role means the key as well.
                match error.is_denial() && (self.is_denied || self.is_over()) {
                    true => self.end_now(&error),
                    false => self.ended(&error),
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.keeper.token.ends().is_some_and(|ends| ends <= now())
    }

    // Reports whether the token lives on; if it lives and cannot be made longer, it is to be replaced.
    async fn prove_token(&mut self) -> Result<bool, VaultError> {
        let Token { value, renewable, .. } = &self.keeper.token;
        let ends = self.keeper.token.ends();
        if !renewable {
            let is_doubted = std::mem::take(&mut self.is_doubted);
            if is_doubted {
                in_time(ends, self.server.look_up(value)).await?;
                self.plan_token();
            }
            return Ok(is_doubted);
        }
        let renewed = in_time(ends, self.server.renew(value)).await?;
        self.is_doubted = false;
        let is_longer = renewed.ttl.is_zero() || renewed.ttl * 3 > self.full.0;
        let value = self.keeper.token.value.clone();
        self.keeper.token = Token { value, ..renewed };
        if is_longer {
            self.is_fresh = false;
            self.plan_token();
        }
        Ok(is_longer)
    }

    async fn log_in(&mut self) -> Result<(), VaultError> {
        let Some(role) = &self.keeper.role else { return Err(VaultError::Denied) };
        let login = match &mut self.login {
            Some(login) => login,
            None => {
                let (server, mut role) = (Arc::clone(&self.server), role.clone());
                let asked = async move {
                    // Another secret id may be in the file by now.
                    role.look_again();
                    in_time(None, server.log_in(&role)).await
                };
                self.login.insert(tokio::spawn(asked))
            }
        };
        // It has a time limit of its own.
        let made = login.await;
        self.login = None;
        let token = made.map_err(|error| VaultError::Odd(format!("the login was broken off: {error}")))??;
        self.full.0 = token.ttl;
        let before = std::mem::replace(&mut self.keeper.token, token);
        if self.keeper.lease.is_some() && self.old_token.is_none() {
            self.old_token = Some(before.ends());
        }
        self.replaced.push(Replaced::Token(before));
        (self.replaced_due, self.is_denied, self.is_doubted, self.is_fresh) = (Some(now()), false, false, true);
        self.plan_token();
        Ok(())
    }

    async fn tend_value(&mut self) -> Option<Change> {
        if let Some(lease) = self.keeper.lease.as_ref().filter(|lease| lease.renewable)
            && !self.has_ended
            && self.old_token.is_none()
        {
            let last = lease.since + lease.length * 9 / 10;
            let asked = self.server.renew_lease(&self.keeper.token.value, &lease.id);
            match in_time(self.value_ends(), asked).await {
                Ok(renewed) => {
                    let is_longer = renewed.length * 3 > self.full.1;
                    self.keeper.lease = Some(Lease { id: lease.id.clone(), ..renewed });
                    if is_longer {
                        self.is_fresh = false;
                        self.plan_value();
                        return Some(Change::Longer);
                    }
                }
                Err(error) if error.is_denial() || now() >= last => {}
                Err(_) => {
                    self.value_due = Some(self.pauses[OF_VALUE].next(self.value_ends()).min(last));
                    return None;
                }
            }
        }
        self.read_anew().await
    }

    async fn read_anew(&mut self) -> Option<Change> {
        let Keeper { token, path, field, .. } = &self.keeper;
        let read = in_time(self.value_ends(), self.server.read(&token.value, path)).await;
        match read.and_then(|answer| Ok((answer.field(field)?, answer))) {
            Ok((value, Answer { lease, .. })) => {
                self.full.1 = lease.as_ref().map_or(Duration::ZERO, |lease| lease.length);
                let before = std::mem::replace(&mut self.keeper.lease, lease);
                // A lease of an old token ends with that.
                let is_same = |old: &Lease| self.keeper.lease.as_ref().is_some_and(|lease| lease.id == old.id);
                if let (Some(before), None) = (before, self.old_token.take())
                    && !is_same(&before)
                {
                    self.replaced.push(Replaced::Lease(before));
                }
                self.replaced_due = Some(now());
                (self.is_fresh, self.has_ended) = (false, false);
                self.plan_value();
                Some(Change::Anew(value))
            }
            Err(error) => {
                // Whether the token was ended by somebody else or may not read this, it says itself.
                if matches!(error, VaultError::Denied) && self.keeper.role.is_some() && !self.is_fresh {
                    (self.is_doubted, self.token_due) = (true, Some(now()));
                }
                self.value_due = Some(self.pauses[OF_VALUE].next(self.value_ends()));
                self.ended(&error)
            }
        }
    }

    // A key is used until its lease ends; what fails before may still come right.
    fn ended(&mut self, why: &VaultError) -> Option<Change> {
        if self.value_ends().is_some_and(|ends| ends <= now()) { self.end_now(why) } else { None }
    }

    // It is said once.
    fn end_now(&mut self, why: &VaultError) -> Option<Change> {
        self.replaced_due = Some(now());
        (!std::mem::replace(&mut self.has_ended, true)).then(|| Change::Ended(why.to_string()))
    }

    // What is denied has ended already, or cannot be ended by this token; it ends by itself.
    async fn end_replaced(&mut self) {
        if self.replaced_due.is_none_or(|due| due > now()) {
            return;
        }
        // The value that is still used would end with its token.
        if self.old_token.is_some() && !self.has_ended {
            self.replaced_due = None;
            return;
        }
        while let Some(replaced) = self.replaced.last() {
            let is_over = replaced.ends().is_some_and(|ends| ends <= now());
            if let Err(error) = self.end_one(replaced).await
                && !error.is_denial()
                && !is_over
            {
                self.replaced_due = Some(self.pauses[OF_REPLACED].next(None));
                return;
            }
            self.replaced.pop();
        }
        (self.replaced_due, self.pauses[OF_REPLACED]) = (None, Pause(FIRST_PAUSE));
    }

    async fn end_one(&self, replaced: &Replaced) -> Result<(), VaultError> {
        match replaced {
            Replaced::Token(token) => in_time(None, self.server.revoke(&token.value)).await,
            Replaced::Lease(lease) => {
                in_time(None, self.server.revoke_lease(&self.keeper.token.value, &lease.id)).await
            }
        }
    }

    /// Ends what Ringlet made.
    pub(crate) async fn end(mut self) -> Result<(), VaultError> {
        if let Some(login) = self.login.take()
            && let Ok(Ok(token)) = login.await
        {
            self.replaced.push(Replaced::Token(token));
        }
        // A replaced lease is ended by the token, and so before it.
        self.replaced.sort_by_key(|replaced| matches!(replaced, Replaced::Token(_)));
        let mut done = Ok(());
        for replaced in &self.replaced {
            match self.end_one(replaced).await {
                Err(error) if !error.is_denial() => done = Err(error),
                Ok(()) | Err(_) => {}
            }
            // A server that does not answer is not waited for again and again.
            if matches!(done, Err(VaultError::Late(_))) {
                break;
            }
        }
        in_time(None, self.keeper.end(&self.server)).await.and(done)
    }
}

// One request, and of what ends by then at most half of the time that is left.
async fn in_time<T>(
    ends: Option<Duration>,
    asked: impl Future<Output = Result<T, VaultError>>,
) -> Result<T, VaultError> {
    let left = ends.map(left_until).filter(|left| !left.is_zero());
    let patience = left.map_or(PATIENCE, |left| PATIENCE.min((left / 2).max(LEAST)));
    tokio::time::timeout(patience, asked).await.map_err(|_| VaultError::Late(patience))?
}

/// Waits until that time of the boot clock, or for ever.
pub(crate) async fn until(due: Option<Duration>) {
    let Some(due) = due else { return std::future::pending().await };
    loop {
        let left = left_until(due);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(STEP)).await;
    }
}

fn left_until(due: Duration) -> Duration {
    due.saturating_sub(now())
}
