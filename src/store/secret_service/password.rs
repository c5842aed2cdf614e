//! Unlocking with a password that was typed on the terminal, where no screen shows the service's own dialog.
//!
//! Of the known services only gnome-keyring (3.0 to 50) takes one, by an interface whose name says that nothing is promised
//! of it; whether it is there is asked before anybody types. The password is sealed as a key is when it is stored.
//! Nothing is kept of it, and it is in no error. Part of `service`.

use super::bus::Deadline;
use super::error::ServiceError;
use super::service::{ROOT, Result, Service};
use super::wire::Kind;

const INTERFACE: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";

impl Service {
    /// The locked collection that a password can open; nothing where all is open.
    pub(super) fn locked_collection(&mut self, service: &str, deadline: &Deadline) -> Result<Option<String>> {
        match self.all_open(service, deadline) {
            Ok(()) => return Ok(None),
            Err(ServiceError::Locked) => {}
            Err(other) => return Err(other),
        }
        let call = self.ask(ROOT, "org.freedesktop.DBus.Introspectable", "Introspect", "", |_| {});
        let message = self.bus.answer(call, deadline)?;
        let takes = message.kind == Kind::Reply && message.body("s")?.string()?.contains(INTERFACE);
        // Collections come first among what was found locked.
        match std::mem::take(&mut self.wanted).into_iter().next() {
            Some(collection) if takes => Ok(Some(collection)),
            _ => Err(ServiceError::NoPassword),
        }
    }

    /// Unlocks a collection with its password.
    pub(super) fn unlock_with(&mut self, collection: &str, password: &[u8], deadline: &Deadline) -> Result<()> {
        // Only to have been introduced: see `search`.
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
