//! Starts of agents that the shell's hook does not see, and that had their account from the environment.

use super::scopes::{Kind, ReadBy};
use super::values::Held;
use super::{Account, Found, Judge, Meaning, Origin};
use crate::migrate::files::Shell;
use crate::migrate::model::Start;
use std::collections::BTreeSet;

// The shells that have no hook, one bit each.
const WITHOUT_HOOK: u8 = 1 << Shell::Csh as u8 | 1 << Shell::Nushell as u8;

impl<'a> Judge<'a, '_> {
    /// The places that start an agent past the hook, without an account of their own: file, offset, agent. Once the
    /// account is out of the environment they have none.
    pub(super) fn past_hook(&self, found: &[Found<'a>], made: &[Account]) -> Vec<(usize, usize, String)> {
        let of_environment = made.iter().filter(|own| own.is_default() && !matches!(own.origin, Origin::Launcher(_)));
        let agents: BTreeSet<&String> = of_environment.flat_map(|own| &own.agents).collect();
        let launchers: BTreeSet<usize> = found.iter().filter_map(|own| own.unit).collect();
        let mut places = Vec::new();
        for (start, at) in &self.facts.starts {
            let Some(agent) = self.machine.vocabulary.agent(&start.agent).map(ToString::to_string) else { continue };
            let unit = at.unit.filter(|unit| !launchers.contains(unit)).map(|unit| &self.facts.units[unit]);
            let Some(unit) = unit.filter(|_| agents.contains(&agent)) else { continue };
            let has_own = |set: &usize| {
                self.meaning(*set) == Some(Meaning::Credential) && !matches!(self.values.held(*set), Held::Nothing)
            };
            let is_unhooked = match self.sources[at.file].reader {
                ReadBy::Script(_) => true,
                ReadBy::Shells(shells) => shells & !WITHOUT_HOOK == 0,
                ReadBy::Nothing => false,
            };
            let is_hidden = unit.kind == Kind::Function && unit.name == Some(start.agent.as_str());
            if !unit.sets.iter().any(has_own) && (is_unhooked || is_hidden || self.passes_by(start, at.file)) {
                places.push((at.file, start.command.start, agent));
            }
        }
        places
    }

    // Whether the command is not the bare name, for which the hook has a function.
    fn passes_by(&self, start: &Start, file: usize) -> bool {
        let text = |from: usize, to: usize| self.sources[file].bytes.get(from..to).unwrap_or_default();
        let word = text(start.command.start, start.command.end);
        let bare = word.iter().copied().filter(|byte| !matches!(byte, b'"' | b'\'' | b'\\' | b'&' | b' '));
        let before = text(start.span.start, start.command.start);
        let replaces = before.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word == b"exec");
        start.env.is_some() || !start.is_plain || replaces || !bare.eq(start.agent.bytes())
    }
}
