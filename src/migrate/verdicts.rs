//! Which of a file's settings hold keys and what becomes of them: by their values and places, by what copies what, and
//! by what would be left of a name (rules S6 to S8).
//!
//! Takes time in proportion to the number of settings, but for a logarithm: whoever writes a file decides what copies
//! what. Called by `accounts`.

use super::detect::{self, Judgement, Known};
use super::model::{Body, Form, Reason, Scope, Script, Value, Word};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Where a word is set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The number of constructs around it.
    pub depth: usize,
    /// Whether a function or subshell is among them.
    pub function: bool,
    /// Whether a launcher is among them.
    pub launcher: bool,
}

impl Place {
    pub(super) fn within(self, body: &Body) -> Self {
        Self {
            depth: self.depth + 1,
            function: self.function || is_own(body.scope),
            launcher: self.launcher || is_own(body.scope) && (body.runs || body.starts),
        }
    }
}

impl Place {
    /// The words that are set for the start of an agent alone.
    pub(super) fn of_a_start(self) -> Self {
        Self { depth: self.depth + 1, launcher: true, ..self }
    }
}

// Whether what is set in such a body is for what it runs.
fn is_own(scope: Scope) -> bool {
    matches!(scope, Scope::Function | Scope::Subshell | Scope::Text)
}

/// A word with what the tree says about its place.
pub(super) struct Set<'a> {
    /// The word.
    pub word: &'a Word,
    /// How its statement sets it.
    pub form: Form,
    /// Where it stands.
    pub place: Place,
}

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Into the keychain and out of the file, where it is set in this form.
    Moved(Form),
    /// Named to the user; the file keeps it, for this reason.
    Reported(Reason),
}

/// What becomes of a word that holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whose key it is.
    pub provider: String,
    /// What is done about it.
    pub action: Action,
    /// The word (by index) whose value it has.
    pub source: usize,
}

impl Verdict {
    // Reports whether a copy of the word has a key, too.
    fn is_held(&self) -> bool {
        matches!(self.action, Action::Moved(_) | Action::Reported(Reason::Launcher))
    }
}

/// What becomes of each word of a file.
pub(super) struct Verdicts {
    /// The verdicts, by word; `None` where there is nothing to say.
    pub words: Vec<Option<Verdict>>,
    /// The words that go, by number.
    pub gone: HashSet<usize>,
}

// So often the names are gone through that a launcher takes over. Each time but the first needs a launcher that copies
// from a launcher, past an assignment of its own; after these, all names count as taken over.
const ROUNDS: usize = 10;

impl Verdicts {
    /// Judges the words of the files. What is decided already holds.
    pub(super) fn of(
        settings: &[Set<'_>],
        scripts: &[&Script],
        decided: &[Option<Option<Verdict>>],
        known: &Known,
    ) -> Self {
        let is_known = |set| judgement(set, known).is_some_and(|judgement| !matches!(judgement, Judgement::Ignored(_)));
        if !settings.iter().any(is_known) && decided.iter().all(Option::is_none) {
            return Self { words: decided.iter().map(|own| own.clone().flatten()).collect(), gone: HashSet::new() };
        }
        let (names, copied) = named(settings);
        let count = names.iter().max().map_or(0, |last| last + 1);
        let appended: HashSet<&str> = scripts
            .iter()
            .flat_map(|script| &script.fixed)
            .filter(|fixed| fixed.reason == Reason::Append)
            .filter_map(|fixed| fixed.name.as_deref())
            .collect();
        let judgements: Vec<Option<Judgement>> = settings.iter().map(|set| judgement(set, known)).collect();
        // Names whose key a launcher takes over: without them it would send another key to its endpoint.
        let mut taken = vec![false; count];
        let mut rounds = 0;
        loop {
            let own = |(index, set): (usize, &Set<'_>)| {
                if let Some(decided) = &decided[index] {
                    return decided.clone();
                }
                let appended = appended.contains(set.word.name.as_str());
                verdict(set, index, judgements[index].clone()?, taken[names[index]], appended)
            };
            let words = settings.iter().enumerate().map(own).collect();
            let mut copies = Copies::new(settings, &names, &copied, count, words, decided);
            copies.follow();
            let Copies { words, names: known, .. } = copies;
            let mut grows = false;
            for (index, verdict) in words.iter().enumerate() {
                // Only a copy under another name: what refers to itself gets the agent's own key back.
                if let (Some(verdict), Some(from)) = (verdict, copied[index])
                    && verdict.action == Action::Reported(Reason::Launcher)
                    && from != names[index]
                {
                    grows |= !std::mem::replace(&mut taken[from], true);
                }
            }
            if !grows {
                let gone = gone(settings, &names, &words, &known);
                return Self { words, gone };
            }
            rounds += 1;
            if rounds == ROUNDS {
                taken.fill(true);
            }
        }
    }
}

// Numbers the names: those of the words, and those that copies refer to.
fn named(settings: &[Set<'_>]) -> (Vec<usize>, Vec<Option<usize>>) {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for set in settings {
        let next = numbers.len();
        numbers.entry(&set.word.name).or_insert(next);
    }
    let names = settings.iter().map(|set| numbers[set.word.name.as_str()]).collect();
    // A name that nothing sets has no key.
    let copied = settings.iter().map(|set| match &set.word.value {
        Value::Copy(from) => numbers.get(from.as_str()).copied(),
        _ => None,
    });
    (names, copied.collect())
}

fn judgement(set: &Set<'_>, known: &Known) -> Option<Judgement> {
    match &set.word.value {
        Value::Literal(value, _) | Value::Default(_, value, _) => {
            Some(detect::judge_setting(&set.word.name, value, known))
        }
        Value::Bare | Value::Unset | Value::Copy(_) | Value::Path(_) | Value::Dynamic => None,
    }
}

fn verdict(set: &Set<'_>, index: usize, judgement: Judgement, taken: bool, appended: bool) -> Option<Verdict> {
    let (form, own) = match &set.word.value {
        Value::Default(of, ..) => (Form::DefaultExpansion, *of == set.word.name),
        _ => (set.form, true),
    };
    let report = |provider, reason| (provider, Action::Reported(reason));
    let (provider, action) = match judgement {
        Judgement::Key(provider) if set.place.launcher || taken => report(provider, Reason::Launcher),
        Judgement::Key(provider) if !own => report(provider, Reason::DefaultOfOther),
        Judgement::Key(provider) if appended => report(provider, Reason::Append),
        Judgement::Key(provider) => (provider, Action::Moved(form)),
        Judgement::Foreign(provider) => report(provider.to_owned(), Reason::NotAgentKey),
        Judgement::Unknown(provider) => report(provider.to_owned(), Reason::UnknownName),
        Judgement::Ignored(_) => return None,
    };
    Some(Verdict { provider, action, source: index })
}

// The keys' words, and by rule S6 the bare ones that nothing is left for.
fn gone(settings: &[Set<'_>], names: &[usize], words: &[Option<Verdict>], known: &[Name]) -> HashSet<usize> {
    let is_key = |verdict: &Option<Verdict>| matches!(verdict, Some(Verdict { action: Action::Moved(_), .. }));
    let moved: HashSet<usize> =
        names.iter().zip(words).filter(|(_, verdict)| is_key(verdict)).map(|(name, _)| *name).collect();
    let goes = |index: usize| {
        let name = names[index];
        let is_bare = matches!(settings[index].word.value, Value::Bare);
        is_key(&words[index]) || is_bare && moved.contains(&name) && known[name].left == 0
    };
    (0..settings.len()).filter(|index| goes(*index)).collect()
}

// What is known about a name; words are given by their indices.
#[derive(Default)]
struct Name {
    // The words that set it to a key which a copy takes over.
    holders: BTreeSet<usize>,
    // How many assignments would be left. A bare word sets nothing, and a copy of itself goes with what it copies.
    left: usize,
    // The copies of it that wait for another holder: those in launchers, and all others.
    launched: BTreeSet<usize>,
    copies: BTreeSet<usize>,
}

// Rule S8: passes over all copies, in file order, until one changes nothing. A pass skips the copies for which nothing
// has changed since they were looked at.
struct Copies<'a> {
    settings: &'a [Set<'a>],
    // By word: the name that it sets, and the name that it copies.
    named: &'a [usize],
    copied: &'a [Option<usize>],
    names: Vec<Name>,
    words: Vec<Option<Verdict>>,
    // The copies to look at, by pass and place.
    agenda: BTreeSet<(usize, usize)>,
}

impl<'a> Copies<'a> {
    fn new(
        settings: &'a [Set<'a>],
        named: &'a [usize],
        copied: &'a [Option<usize>],
        count: usize,
        words: Vec<Option<Verdict>>,
        decided: &[Option<Option<Verdict>>],
    ) -> Self {
        let mut names: Vec<Name> = Vec::new();
        names.resize_with(count, Name::default);
        for (index, verdict) in words.iter().enumerate() {
            let name = &mut names[named[index]];
            if verdict.as_ref().is_some_and(Verdict::is_held) {
                name.holders.insert(index);
            }
            let moves = matches!(verdict, Some(Verdict { action: Action::Moved(_), .. }));
            let stays = !matches!(settings[index].word.value, Value::Bare | Value::Unset)
                && copied[index] != Some(named[index]);
            name.left += usize::from(stays && !moves);
        }
        let open = |index: &usize| copied[*index].is_some() && decided[*index].is_none();
        let agenda = (0..settings.len()).filter(open).map(|index| (0, index)).collect();
        Self { settings, named, copied, names, words, agenda }
    }

    fn follow(&mut self) {
        while let Some((pass, index)) = self.agenda.pop_first() {
            let Some(from) = self.copied[index] else { continue };
            let verdict = self.copy(index, from);
            match verdict {
                Some(_) => {
                    self.words[index] = verdict;
                    self.wake(pass, index);
                }
                None if self.settings[index].place.launcher => _ = self.names[from].launched.insert(index),
                None => _ = self.names[from].copies.insert(index),
            }
        }
    }

    fn copy(&self, index: usize, from: usize) -> Option<Verdict> {
        let name = &self.names[from];
        // The last one before it, else the first one after.
        let at = name.holders.range(..index).next_back().or_else(|| name.holders.first())?;
        let Verdict { provider, action, source } = self.words[*at].as_ref()?;
        let action = match action {
            // A launcher that saves a variable, sets it and puts it back holds the one key that it sets.
            _ if self.settings[index].place.launcher => {
                (!self.settings[*source].place.launcher).then_some(Action::Reported(Reason::Launcher))?
            }
            Action::Moved(_) if name.left == 0 => Action::Moved(Form::Copy),
            Action::Moved(_) | Action::Reported(_) => return None,
        };
        Some(Verdict { provider: provider.clone(), action, source: *source })
    }

    // A copy has become a holder: puts those on the agenda that may follow it now.
    fn wake(&mut self, pass: usize, index: usize) {
        let own = self.named[index];
        let name = &mut self.names[own];
        name.holders.insert(index);
        let first = name.holders.first() == Some(&index);
        let next = name.holders.range(index + 1..).next();
        let nearest = if first { 0 } else { index }..next.copied().unwrap_or(usize::MAX);
        let mut woken: Vec<usize> = name.launched.range(nearest.clone()).copied().collect();
        // Others follow only when nothing else is left of the name.
        let moves = matches!(self.words[index], Some(Verdict { action: Action::Moved(_), .. }));
        let last = moves && self.copied[index] != Some(own);
        name.left -= usize::from(last);
        if name.left == 0 {
            woken.extend(name.copies.range(if last { 0..usize::MAX } else { nearest }));
        }
        for other in woken {
            if !name.launched.remove(&other) {
                name.copies.remove(&other);
            }
            self.agenda.insert((pass + usize::from(other < index), other));
        }
    }
}

#[cfg(test)]
mod tests;
