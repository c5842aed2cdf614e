//! Carries a request out: policy, then the keychain, then the record of it, then the answer.
//!
//! The order is what makes it safe. Everything that can refuse comes before the keychain is touched. A value is not
//! given out, and nothing is stored or taken away, unless that could be recorded. A batch is done whole or not at all:
//! what was changed of it is put back. Called by `server` on a thread of its own for each request; blocking.

use super::identity::{self, Hashes, Identity};
use super::policy::{Policy, Registered, decide};
use super::protocol::{Action, Found, Malformed, Reason, Request, Response};
use super::registrations::{Pending, Registrations};
use super::reloading::Reloading;
use super::scopes;
use crate::audit::{self, AuditError, Log, Outcome, Record, Subject};
use crate::config::Settings;
use crate::dates::{Dates, DatesError};
use crate::env::Env;
use crate::name::{KeyName, shorten};
use crate::paths::Paths;
use crate::platform::{self, Peer, Sender};
use crate::registry::Registry;
use crate::secret::{Secret, check_key};
use crate::store::{Include, Item, Items, PRIVATE_SERVICE, SERVICE, StoreError, is_reserved};
use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a batch that failed may be undone: each step of it may take as long as a lookup, and others wait.
const UNDOING: Duration = Duration::from_secs(10);

/// What the settings say, and what was opened accordingly.
pub struct Setup {
    /// The settings.
    pub settings: Settings,
    /// The keychain.
    pub items: Items,
    /// The audit log, which the daemon always writes.
    pub log: Log,
}

/// Carries requests out.
pub struct Handler {
    /// Ringlet's places.
    pub paths: Paths,
    /// The daemon's own environment; its PATH finds agents' programs.
    pub env: Env,
    /// What the settings say.
    pub setup: Reloading<Setup>,
    /// The registered programs.
    pub policy: Reloading<Policy>,
    /// The files of the policy and of those that wait for approval.
    pub registrations: Registrations,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// Hashes of programs.
    pub hashes: Hashes,
    /// Held by a change. A batch that fails puts back what was there before it, so changes run one after the other.
    pub changes: Mutex<()>,
}

/// An answer to one line.
pub struct Answer {
    /// The line.
    pub line: Zeroizing<Vec<u8>>,
    /// Reports whether the connection ends with this answer.
    pub last: bool,
}

/// Why something was not done: the word for the client, and more for the record.
struct Refusal {
    reason: Reason,
    why: String,
}

impl Refusal {
    fn new(reason: Reason, why: impl Into<String>) -> Self {
        Self { reason, why: why.into() }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(Reason::InternalError, error.to_string())
    }
}

impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        Self::new(Reason::InternalError, error.to_string())
    }
}

impl Handler {
    /// Finds out which program a client is, and records it. `Err` is the answer that ends the connection.
    pub fn admit(&self, peer: Peer) -> Result<Identity, Answer> {
        let refused = |reason| last(&Response::refused(reason));
        if !peer.is_ours() {
            let why = format!("user {}", peer.user);
            self.record_connection(None, peer.pid, Outcome::Denied, Some(why)).ok();
            return Err(refused(Reason::InternalError));
        }
        let pid = peer.pid;
        let policy = self.policy.current();
        let identity = Identity::of(peer, &self.hashes, &policy).map_err(|error| {
            let why = format!("who it is cannot be told: {error}");
            self.record_connection(None, pid, Outcome::Denied, Some(why)).ok();
            refused(Reason::InternalError)
        })?;
        let known = policy.entry(&identity.client).is_some();
        let (outcome, why) = match known {
            true => (Outcome::Accepted, None),
            false => {
                let why = identity.no_script.map_or_else(String::new, |why| format!(": {why}"));
                (Outcome::Denied, Some(format!("{}{why}", Reason::UnregisteredBinaryPendingApproval.word())))
            }
        };
        let recorded = self.record_connection(Some(&identity), pid, outcome, why);
        if !known && !identity.has_its_path() {
            return Err(refused(Reason::UnregisteredBinaryPendingApproval));
        }
        if !known {
            let client = &identity.client;
            let words = identity.peer.arguments().unwrap_or_default();
            let pending = Pending {
                path: client.program.path.clone(),
                hash: client.program.hash,
                interpreter: client.interpreter.clone(),
                why: identity.no_script.map(str::to_owned),
                arguments: words.iter().take(32).map(|word| shorten(&word.to_string_lossy())).collect(),
                time: (self.clock)(),
            };
            // The program is refused even where it cannot be added to the queue.
            self.registrations.note(pending).ok();
            return Err(refused(Reason::UnregisteredBinaryPendingApproval));
        }
        recorded.map(|()| identity).map_err(|_| refused(Reason::InternalError))
    }

    /// Reports whether a peer may be a registered program, as far as can be seen without reading its file.
    pub fn expects(&self, peer: &Peer) -> bool {
        peer.is_ours() && identity::may_be(peer, &self.policy.current())
    }

    /// Refuses a program that has too many connections.
    pub fn too_many(&self, identity: &Identity) -> Answer {
        let why = Some("too many connections of one program".to_owned());
        self.record_connection(Some(identity), identity.peer.pid, Outcome::Denied, why).ok();
        last(&Response::refused(Reason::InternalError))
    }

    /// Refuses a request for which there was no time.
    pub fn turn_away(&self, identity: &Identity, request: &Request) -> Answer {
        let asked: Vec<&str> = request.targets.iter().map(String::as_str).collect();
        let why = Some("others kept the keychain busy for too long");
        self.record(&self.setup.current(), identity, request, &named(&asked), Outcome::Error, why).ok();
        Answer { last: false, ..last(&Response::refused(Reason::InternalError)) }
    }

    /// Refuses what another process sent on a client's connection.
    pub fn refuse_sender(&self, identity: &Identity, sender: Sender) -> Answer {
        let who = match sender {
            Sender::Process(pid @ 1..) => format!("process {pid}"),
            _ => "a process that cannot be named".to_owned(),
        };
        let why = Some(format!("{who} sent on this client's connection"));
        self.record_connection(Some(identity), identity.peer.pid, Outcome::Denied, why).ok();
        last(&Response::refused(Reason::InternalError))
    }

    /// Answers one line, as it was read.
    pub fn answer(&self, identity: &Identity, request: Result<Request, Malformed>) -> Answer {
        let request = match request {
            Ok(request) => request,
            Err(malformed) => {
                let why = Some(Reason::MalformedRequest.word().to_owned());
                self.record_connection(Some(identity), identity.peer.pid, Outcome::Error, why).ok();
                let response = Response::refused(Reason::MalformedRequest);
                return Answer { last: malformed == Malformed::Json, ..last(&response) };
            }
        };
        let setup = self.setup.current();
        let refuse = |refusal: Refusal| {
            let outcome = match refusal.reason.status() {
                super::protocol::Status::Denied => Outcome::Denied,
                _ => Outcome::Error,
            };
            let asked: Vec<&str> = request.targets.iter().map(String::as_str).collect();
            // A refusal stands even where it cannot be recorded.
            self.record(&setup, identity, &request, &named(&asked), outcome, Some(&refusal.why)).ok();
            last(&Response::refused(refusal.reason))
        };
        if !identity.still_holds() {
            return refuse(Refusal::new(Reason::InternalError, "the client does not run what it ran"));
        }
        let policy = self.policy.current();
        let Some(entry) = policy.entry(&identity.client) else {
            let reason = Reason::UnregisteredBinaryPendingApproval;
            return refuse(Refusal::new(reason, reason.word()));
        };
        match self.perform(&setup, identity, entry, &request) {
            Ok(line) => Answer { line, last: false },
            Err(refusal) => Answer { last: false, ..refuse(refusal) },
        }
    }

    fn perform(
        &self,
        setup: &Setup,
        identity: &Identity,
        entry: &Registered,
        request: &Request,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        decide(entry, request, &[PRIVATE_SERVICE]).map_err(|reason| Refusal::new(reason, reason.word()))?;
        let found = match request.action {
            Action::Read => self.read(setup, identity, request)?,
            Action::Search => {
                let found = self.find(setup, request, Include::Attributes)?;
                found.into_iter().map(|item| Item { value: None, ..item }).collect()
            }
            Action::Write => return self.write(setup, identity, request).map(|()| done()),
            Action::Delete => return self.delete(setup, identity, request).map(|()| done()),
        };
        let names = self.names_found(request, &found);
        let line = Response::success(found.into_iter().map(shown).collect()).to_line();
        // Before the record, which would say that the client got it.
        let line = line.map_err(|_| Refusal::new(Reason::InternalError, "a value that is not text cannot be sent"))?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.record(setup, identity, request, &named(&names), Outcome::Granted, None)?;
        Ok(line)
    }

    // Checks the scopes of Ringlet's own keys. They protect values and not names, so a search is not checked.
    fn check_scopes<'n>(
        &self,
        setup: &Setup,
        identity: &Identity,
        service: &str,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<(), Refusal> {
        if service != SERVICE || setup.settings.scopes.is_empty() {
            return Ok(());
        }
        let keys: Vec<KeyName> = names.filter_map(|name| name.parse().ok()).collect();
        scopes::check(&self.paths, &self.env, &setup.settings, identity, &keys)
            .map_err(|why| Refusal::new(Reason::ActionNotInPolicy, why))
    }

    // A prefix is resolved to names, and all of them are decided before any value is asked for; then once more, since
    // another program may have stored a key in between.
    fn read(&self, setup: &Setup, identity: &Identity, request: &Request) -> Result<Vec<Item>, Refusal> {
        let service = request.service.as_str();
        if !request.enumerates() {
            self.check_scopes(setup, identity, service, request.targets.iter())?;
            return self.find(setup, request, Include::Values);
        }
        if service == SERVICE && !setup.settings.scopes.is_empty() {
            let listed = self.find(setup, request, Include::Names)?;
            self.check_scopes(setup, identity, service, listed.iter().map(|item| &item.account))?;
        }
        let found = self.find(setup, request, Include::Values)?;
        self.check_scopes(setup, identity, service, found.iter().map(|item| &item.account))?;
        Ok(found)
    }

    fn find(&self, setup: &Setup, request: &Request, include: Include) -> Result<Vec<Item>, Refusal> {
        if request.enumerates() {
            let found = setup.items.list(&request.service, include, request.prefix(), &|name| request.wants(name));
            // A listing goes through everything that is stored, for a few names as well.
            platform::give_memory_back_now();
            return Ok(found?);
        }
        let mut found = Vec::with_capacity(request.targets.len());
        for target in &request.targets {
            // The answer leaves out targets that do not exist.
            found.extend(setup.items.get(&request.service, target)?);
        }
        Ok(found)
    }

    // The names in the record: those that were found, or the requested ones where nothing was found.
    fn names_found(&self, request: &Request, found: &[Item]) -> Vec<String> {
        match request.enumerates() && !found.is_empty() {
            true => found.iter().map(|item| item.account.clone()).collect(),
            false => request.targets.clone(),
        }
    }

    fn write(&self, setup: &Setup, identity: &Identity, request: &Request) -> Result<(), Refusal> {
        let service = request.service.as_str();
        if service == SERVICE {
            let registry = Registry::new(&self.paths);
            let is_key = |(target, value): (&String, &Secret)| {
                let name = target.parse::<KeyName>();
                name.is_ok_and(|name| check_key(value.expose(), registry.shape(&name.provider)).is_ok())
            };
            let keys = request.targets.iter().zip(&request.values).all(is_key);
            if !keys || !request.attributes.is_empty() {
                let why = "no name of a key, or a value that no header could carry";
                return Err(Refusal::new(Reason::MalformedRequest, why));
            }
        }
        if request.attributes.iter().any(|(name, _)| is_reserved(name)) {
            return Err(Refusal::new(Reason::MalformedRequest, "an attribute that keychains have for themselves"));
        }
        self.check_scopes(setup, identity, service, request.targets.iter())?;
        let _one = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.before(setup, service, &request.targets)?;
        self.intend(setup, identity, request, &request.targets)?;
        for (at, (target, value)) in request.targets.iter().zip(&request.values).enumerate() {
            // Without any, an entry that is there keeps those that it has.
            let attributes = Some(request.attributes.as_slice()).filter(|attributes| !attributes.is_empty());
            if let Err(error) = setup.items.set(service, target, value, attributes) {
                return Err(put_back(setup, request, &before[..=at], error));
            }
        }
        self.date(service, &request.targets, |dates, key| dates.stored(key, (self.clock)(), None));
        Ok(())
    }

    // Writes the dates of Ringlet's own keys. The keys are stored or gone by now, whatever becomes of the dates.
    fn date(&self, service: &str, targets: &[String], write: impl Fn(&Dates, &KeyName) -> Result<(), DatesError>) {
        let dates = Dates::new(&self.paths);
        let keys = targets.iter().filter(|_| service == SERVICE).filter_map(|target| target.parse().ok());
        keys.for_each(|key| drop(write(&dates, &key)));
    }

    fn delete(&self, setup: &Setup, identity: &Identity, request: &Request) -> Result<(), Refusal> {
        let service = request.service.as_str();
        let _one = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let before: Vec<(String, Option<Item>)> = match request.enumerates() {
            true => {
                let found =
                    setup.items.list(service, Include::Values, request.prefix(), &|name| request.wants(name))?;
                found.into_iter().map(|item| (item.account.clone(), Some(item))).collect()
            }
            false => self.before(setup, service, &request.targets)?,
        };
        let targets: Vec<String> = before.iter().map(|(target, _)| target.clone()).collect();
        self.check_scopes(setup, identity, service, targets.iter())?;
        self.intend(setup, identity, request, if targets.is_empty() { &request.targets } else { &targets })?;
        for (at, target) in targets.iter().enumerate() {
            if let Err(error) = setup.items.remove(service, target) {
                return Err(put_back(setup, request, &before[..=at], error));
            }
        }
        self.date(service, &targets, Dates::removed);
        Ok(())
    }

    // Reads the entries before a change, so that they can be put back.
    fn before(
        &self,
        setup: &Setup,
        service: &str,
        targets: &[String],
    ) -> Result<Vec<(String, Option<Item>)>, StoreError> {
        targets.iter().map(|target| Ok((target.clone(), setup.items.get_current(service, target)?))).collect()
    }

    // Records a change before it is made. A change that cannot be recorded is not made.
    fn intend(
        &self,
        setup: &Setup,
        identity: &Identity,
        request: &Request,
        targets: &[String],
    ) -> Result<(), AuditError> {
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        self.record(setup, identity, request, &targets, Outcome::Granted, None)
    }

    fn record(
        &self,
        setup: &Setup,
        identity: &Identity,
        request: &Request,
        targets: &[&str],
        result: Outcome,
        reason: Option<&str>,
    ) -> Result<(), AuditError> {
        let action = match request.action {
            Action::Read => audit::Action::Read,
            Action::Write => audit::Action::Write,
            Action::Delete => audit::Action::Delete,
            Action::Search => audit::Action::Search,
        };
        let time = (self.clock)();
        let records: Vec<Record> = targets
            .iter()
            .map(|target| {
                let subject = subject(&request.service, target);
                Record {
                    time,
                    action,
                    store: subject.key().and_then(|key| setup.settings.stores.named_for(key)),
                    subject,
                    result,
                    reason: reason.map(str::to_owned),
                    ..blank(Some(identity), identity.peer.pid, time)
                }
            })
            .collect();
        setup.log.append_all(&records)
    }

    fn record_connection(
        &self,
        identity: Option<&Identity>,
        pid: u32,
        result: Outcome,
        reason: Option<String>,
    ) -> Result<(), AuditError> {
        let record = Record { result, reason, ..blank(identity, pid, (self.clock)()) };
        self.setup.current().log.append(&record)
    }
}

fn blank(identity: Option<&Identity>, pid: u32, time: Timestamp) -> Record {
    let program = identity.map(|identity| &identity.client.program);
    Record {
        time,
        action: audit::Action::Connect,
        subject: Subject::Connection,
        store: None,
        profile: None,
        agent: None,
        binary: program.map(|program| program.path.clone()),
        binary_sha256: program.map(|program| program.hash.0),
        pid,
        cwd: None,
        result: Outcome::Granted,
        reason: None,
    }
}

fn subject(service: &str, target: &str) -> Subject {
    match (service, target.parse()) {
        (SERVICE, Ok(key)) => Subject::Key(key),
        _ => Subject::Target { service: service.to_owned(), target: target.to_owned() },
    }
}

// A search for everything has asked for nothing by name.
fn named<'a>(targets: &[&'a str]) -> Vec<&'a str> {
    if targets.is_empty() { vec![""] } else { targets.to_vec() }
}

fn shown(item: Item) -> Found {
    Found { target: item.account, value: item.value, attributes: item.attributes }
}

fn done() -> Zeroizing<Vec<u8>> {
    Response::success(Vec::new()).to_line().expect("it has no value")
}

fn last(response: &Response) -> Answer {
    Answer { line: response.to_line().expect("a refusal has no value"), last: true }
}

// Undoes what a batch did before it failed; what cannot be undone is said in the record.
fn put_back(setup: &Setup, request: &Request, before: &[(String, Option<Item>)], error: StoreError) -> Refusal {
    let (service, attributed) = (request.service.as_str(), !request.attributes.is_empty());
    let mut lost = Vec::new();
    let start = Instant::now();
    for (target, was) in before {
        if start.elapsed() > UNDOING {
            lost.push(target.as_str());
            continue;
        }
        let done = match was.as_ref().and_then(|item| item.value.as_ref().map(|value| (value, &item.attributes))) {
            Some((value, attributes)) => {
                // Where the batch gave none, the entry has its own still.
                let changed = Some(attributes.as_slice()).filter(|attributes| attributed || !attributes.is_empty());
                setup.items.set(service, target, value, changed)
            }
            None => setup.items.remove(service, target).map(drop),
        };
        if done.is_err() {
            lost.push(target.as_str());
        }
    }
    let rest = match lost.as_slice() {
        [] => String::new(),
        lost => format!("; not put back: {}", lost.join(", ")),
    };
    Refusal::new(Reason::InternalError, format!("{error}{rest}"))
}
