//! Unlocking with a password from the terminal, where no screen can show the service's own dialog.
//!
//! Of the known services only gnome-keyring (3.0 to 50) accepts one, through an interface whose name says that it may
//! change. Its presence is checked before anybody types. The password is sealed as a key is when it is stored. It is
//! not kept and appears in no error. Part of `service`.

use super::bus::Deadline;
use super::error::ServiceError;
use super::service::{ROOT, Result, Service};
use super::wire::Kind;

const INTERFACE: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";

impl Service {
    /// Returns the locked collection that a password can open, or nothing where all are open.
    pub(super) fn locked_collection(&mut self, service: &str, deadline: &Deadline) -> Result<Option<String>> {
        match self.all_open(service, deadline) {
            Ok(()) => return Ok(None),
            Err(ServiceError::Locked) => {}
            Err(other) => return Err(other),
        }
        let call = self.ask(ROOT, "org.freedesktop.DBus.Introspectable", "Introspect", "", |_| {});
        let message = self.bus.answer(call, deadline)?;
        let takes = message.kind == Kind::Reply && message.body("s")?.string()?.contains(INTERFACE);
        // Collections come before items in the list of what is locked.
        match std::mem::take(&mut self.wanted).into_iter().next() {
            Some(collection) if takes => Ok(Some(collection)),
            _ => Err(ServiceError::NoPassword),
        }
    }

    /// Unlocks a collection with its password.
    pub(super) fn unlock_with(&mut self, collection: &str, password: &[u8], deadline: &Deadline) -> Result<()> {
        // gnome-keyring must know this connection first: see `search`.
        self.search(&[("service", "-")], deadline)?;
        let sent = self.sent(password, deadline)?;
        let call = self.ask(ROOT, INTERFACE, "UnlockWithMasterPassword", "o(oayays)", |w| {
            w.string(collection);
            sent.write(w);
        });
        let message = self.bus.answer(call, deadline)?;
        match (message.kind, message.error.as_deref().unwrap_or_default()) {
            (Kind::Error, "org.gnome.keyring.Error.Denied") => Err(ServiceError::WrongPassword),
            (Kind::Error, name) => Err(self.refusal(name, deadline)),
            _ => Ok(()),
        }
    }
}
