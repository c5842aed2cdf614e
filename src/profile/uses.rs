//! Which profiles name a key, and where.

use super::binding::{At, Kind};
use super::edit::EditError;
use super::{ProfileFile, Profiles};
use crate::name::{KeyName, Profile};
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

/// A profile that names a key.
#[derive(Debug)]
pub(crate) struct Uses {
    /// The profile.
    pub profile: Profile,
    text: String,
    // The places of the alias alone, and those of the whole name. `None` if a place cannot be changed for this key
    // alone: it is a default, or it names a key of another provider as well.
    places: Option<BTreeSet<Place>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    start: usize,
    end: usize,
    is_alias: bool,
}

impl Uses {
    // `None` if the profile does not name the key.
    fn of(file: &ProfileFile, key: &KeyName) -> Option<Self> {
        let (mut places, mut others, mut is_used, mut is_whole) = (BTreeSet::new(), Vec::new(), false, true);
        let mut add = |span: Option<Range<usize>>, is_alias, is_it: bool| {
            is_used |= is_it;
            match (span, is_it) {
                (Some(span), true) => drop(places.insert(Place { start: span.start, end: span.end, is_alias })),
                (None, true) => is_whole = false,
                (Some(span), false) => others.push(span),
                (None, false) => {}
            }
        };
        let secrets = file.bindings.values().flat_map(|binding| binding.secrets.values()).chain(file.secrets.values());
        for At { value, span } in secrets {
            add(span.clone(), false, value == key);
        }
        for binding in file.bindings.values() {
            if let (Kind::Key { alias }, Some(provider)) = (&binding.kind.value, &binding.provider) {
                add(alias.span.clone(), true, provider.value == key.provider && alias.value == key.alias);
            }
        }
        let is_shared = places.iter().any(|place| others.iter().any(|other| other.start == place.start));
        let places = (is_whole && !is_shared).then_some(places);
        is_used.then(|| Self { profile: file.name.clone(), text: file.source.text.clone(), places })
    }

    /// Reports whether [`Uses::rename`] can change it.
    pub(crate) fn can_change(&self) -> bool {
        self.places.is_some()
    }

    /// Writes the profile with another name for the key.
    pub(crate) fn rename(&self, profiles: &Profiles<'_>, to: &KeyName) -> Result<(), EditError> {
        let mut text = self.text.clone();
        for place in self.places.iter().flatten().rev() {
            let new = if place.is_alias { to.alias.to_string() } else { to.to_string() };
            text.replace_range(place.start..place.end, &format!("\"{new}\""));
        }
        // What was written meanwhile stays.
        if profiles.text(&self.profile).map_err(EditError::Profile)?.text != self.text {
            let why = io::Error::other("it has changed meanwhile");
            return Err(EditError::Write { file: profiles.paths.profile(&self.profile), error: why });
        }
        profiles.replace(&self.profile, &text)
    }
}

impl Profiles<'_> {
    /// Returns the profiles that name a key, and those that cannot be read.
    pub(crate) fn uses(&self, key: &KeyName) -> (Vec<Uses>, Vec<Profile>) {
        let (mut uses, mut unread) = (Vec::new(), Vec::new());
        for name in self.names().unwrap_or_default() {
            match self.read(&name) {
                Ok(file) => uses.extend(Uses::of(&file, key)),
                Err(_) => unread.push(name),
            }
        }
        (uses, unread)
    }
}
