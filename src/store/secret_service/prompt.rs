//! The prompts by which a service asks a person, after an unlock or a write.
//!
//! A prompt is run only when the operation allows it. It ends with the time that the person has, and is then dismissed.
//! Its outcome is not trusted: the operation reads the state again. Part of `service`.

use super::bus::{BUS, Bus, Deadline};
use super::error::ServiceError;
use super::service::{MOST_OBJECTS, NAME, NONE, ROOT, Result, SERVICE, Service};
use super::wire::{Kind, Message};
use super::writer::{Call, NO_AUTO_START, NO_REPLY};

const PROMPT: &str = "org.freedesktop.Secret.Prompt";

impl Service {
    /// Unlocks what the operation found locked, with a prompt where the service wants one.
    pub(super) fn unlock(&mut self, deadline: &Deadline) -> Result<()> {
        let wanted = std::mem::take(&mut self.wanted);
        let call = self.ask(ROOT, SERVICE, "Unlock", "ao", |w| {
            w.array(4, |w| wanted.iter().for_each(|path| w.string(path)));
        });
        let message = self.answer(call, deadline)?;
        let mut body = message.body("aoo")?;
        body.array(4, MOST_OBJECTS, |r| r.path().map(drop))?;
        self.finish(body.path()?, &message, deadline)
    }

    /// Runs the prompt in a service's answer, if there is one.
    pub(super) fn finish(&mut self, prompt: &str, from: &Message, deadline: &Deadline) -> Result<()> {
        if prompt == NONE {
            return Ok(());
        }
        let outcome = self.run_prompt(prompt, from.sender.as_deref().unwrap_or_default(), &deadline.for_a_person());
        if matches!(outcome, Err(ServiceError::Timeout { .. })) {
            // A prompt that nobody waits for must not stay on the screen.
            let flags = NO_REPLY | NO_AUTO_START;
            let (interface, member, signature) = (PROMPT, "Dismiss", "");
            self.bus.tell(&Call { destination: NAME, path: prompt, interface, member, signature, flags }, |_| {});
            self.bus.flush_now();
        }
        outcome
    }

    fn run_prompt(&mut self, prompt: &str, owner: &str, deadline: &Deadline) -> Result<()> {
        if !self.watching {
            let completed = format!("type='signal',sender='{NAME}',interface='{PROMPT}',member='Completed'");
            let vanished = format!("type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{NAME}'");
            for rule in [completed, vanished] {
                let call = self.bus.ask_bus("AddMatch", "s", |w| w.string(&rule));
                self.answer(call, deadline)?;
            }
            self.watching = true;
        }
        // There is no window to which the prompt belongs.
        let call = self.ask(prompt, PROMPT, "Prompt", "s", |w| w.string(""));
        loop {
            let Some(message) = self.bus.next(deadline)? else { continue };
            let is = |member: &str| message.kind == Kind::Signal && message.member.as_deref() == Some(member);
            let sender = message.sender.as_deref().unwrap_or_default();
            if Bus::answers(&message, call) && message.kind == Kind::Error {
                return Err(self.refusal(message.error.as_deref().unwrap_or_default(), deadline));
            }
            if is("Completed") && sender == owner && message.path.as_deref() == Some(prompt) {
                self.bus.forget(call);
                return match message.body("bv")?.boolean()? {
                    true => Err(ServiceError::Dismissed),
                    false => Ok(()),
                };
            }
            if is("NameOwnerChanged") && sender == BUS && message.body("sss")?.string()? == NAME {
                return Err(ServiceError::Lost { doing: deadline.doing });
            }
        }
    }
}
