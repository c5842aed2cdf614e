//! The rules as they are written down, pass by pass and word by word, beside what takes less time.

use super::*;
use crate::migrate::model::Fixed;
use crate::migrate::testing::openai;
use proptest::prelude::*;
use zeroize::Zeroizing;

// What is under test, where nothing is decided yet; the words that go by their places.
fn judged(settings: &[Set<'_>], script: &Script) -> Verdicts {
    let mut verdicts = Verdicts::of(settings, &[script], &vec![None; settings.len()], Known::none());
    verdicts.gone = verdicts.gone.iter().map(|index| settings[*index].word.span.start).collect();
    verdicts
}

// The verdicts of the plain rules, and the words that go.
fn plainly(settings: &[Set<'_>], script: &Script) -> (Vec<Option<Verdict>>, HashSet<usize>) {
    let fixed = script.fixed.iter().filter(|fixed| fixed.reason == Reason::Append);
    let appended: HashSet<&str> = fixed.filter_map(|fixed| fixed.name.as_deref()).collect();
    let mut taken: HashSet<&str> = HashSet::new();
    loop {
        let mut words: Vec<Option<Verdict>> = Vec::new();
        for (index, set) in settings.iter().enumerate() {
            let name = set.word.name.as_str();
            let own = |found| verdict(set, index, found, taken.contains(name), appended.contains(name));
            words.push(judgement(set, Known::none()).and_then(own));
        }
        while pass(settings, &mut words) {}
        let before = taken.len();
        for (set, verdict) in settings.iter().zip(&words) {
            if let (Some(verdict), Value::Copy(from)) = (verdict, &set.word.value)
                && verdict.action == Action::Reported(Reason::Launcher)
                && *from != set.word.name
            {
                taken.insert(from);
            }
        }
        if taken.len() > before {
            continue;
        }
        let goes = |(index, set): &(usize, &Set<'_>)| {
            let name = set.word.name.as_str();
            let mut same = (0..settings.len()).filter(|at| settings[*at].word.name == name);
            let bare = matches!(set.word.value, Value::Bare) && is_only_moved(settings, &words, name);
            is_key(&words, *index) || bare && same.any(|at| is_key(&words, at))
        };
        let gone = settings.iter().enumerate().filter(goes).map(|(_, set)| set.word.span.start).collect();
        return (words, gone);
    }
}

fn pass(settings: &[Set<'_>], words: &mut [Option<Verdict>]) -> bool {
    let mut changed = false;
    for (index, set) in settings.iter().enumerate() {
        let Value::Copy(from) = &set.word.value else { continue };
        if words[index].is_some() {
            continue;
        }
        let holds = |at: &usize| {
            let held = words[*at].as_ref().is_some_and(Verdict::is_held);
            *at != index && settings[*at].word.name == *from && held
        };
        let found = (0..index).rev().find(holds).or_else(|| (index + 1..settings.len()).find(holds));
        let Some(verdict) = found.and_then(|at| words[at].clone()) else { continue };
        let action = if set.place.launcher {
            if settings[verdict.source].place.launcher {
                continue;
            }
            Action::Reported(Reason::Launcher)
        } else if matches!(verdict.action, Action::Moved(_)) && is_only_moved(settings, words, from) {
            Action::Moved(Form::Copy)
        } else {
            continue;
        };
        words[index] = Some(Verdict { action, ..verdict });
        changed = true;
    }
    changed
}

fn is_key(words: &[Option<Verdict>], at: usize) -> bool {
    matches!(words[at], Some(Verdict { action: Action::Moved(_), .. }))
}

fn is_only_moved(settings: &[Set<'_>], words: &[Option<Verdict>], name: &str) -> bool {
    settings.iter().enumerate().filter(|(_, set)| set.word.name == name).all(|(at, set)| match &set.word.value {
        Value::Bare => true,
        Value::Copy(from) if from == name => true,
        _ => is_key(words, at),
    })
}

// One setting of a file: its name, its value, and whether it stands in a launcher.
type Line = (String, Value, bool);

fn key(number: usize) -> Value {
    Value::Literal(Zeroizing::new(openai(number as u32).into_bytes()), 0..0)
}

fn name(number: usize) -> String {
    format!("A{number}")
}

fn copy(number: usize) -> Value {
    Value::Copy(name(number))
}

// What both give for the lines; names are added to elsewhere by number.
fn with<T>(lines: Vec<Line>, appended: &[usize], check: impl FnOnce(&[Set<'_>], &Script) -> T) -> T {
    let mut launchers = Vec::new();
    let mut words = Vec::new();
    for (at, (name, value, launcher)) in lines.into_iter().enumerate() {
        words.push(Word { span: at..at + 1, name_span: at..at + 1, name, value });
        launchers.push(launcher);
    }
    let place = |launcher: bool| Place { depth: usize::from(launcher), function: launcher, launcher };
    let set = |(word, launcher): (_, &bool)| Set { word, form: Form::Assign, place: place(*launcher) };
    let settings: Vec<Set<'_>> = words.iter().zip(&launchers).map(set).collect();
    let fixed = appended.iter().map(|number| Fixed {
        name: Some(name(*number)),
        at: 0,
        value: Zeroizing::default(),
        reason: Reason::Append,
    });
    check(&settings, &Script { fixed: fixed.collect(), ..Script::default() })
}

fn line() -> impl Strategy<Value = Line> {
    let value = prop_oneof![
        2 => (0..3usize).prop_map(|number| (number, 0)),
        5 => (0..5usize).prop_map(|number| (number, 1)),
        1 => (0..5usize).prop_map(|number| (number, 2)),
        1 => Just((0, 3)),
        1 => Just((0, 4)),
        1 => Just((0, 5)),
    ];
    // No value derives `Clone`, so its parts are chosen.
    (0..5usize, value, prop::bool::weighted(0.3)).prop_map(|(own, (number, kind), launcher)| {
        let value = match kind {
            0 => key(number),
            1 => copy(number),
            2 => Value::Default(name(number), Zeroizing::new(openai(number as u32).into_bytes()), 0..0),
            3 => Value::Bare,
            4 => Value::Literal(Zeroizing::new(b"vim".to_vec()), 0..0),
            _ => Value::Dynamic,
        };
        (name(own), value, launcher)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdicts_are_those_of_the_plain_rules(
        lines in prop::collection::vec(line(), 0..24), appended in prop::collection::vec(0..5usize, 0..3),
    ) {
        with(lines, &appended, |settings, script| {
            let verdicts = judged(settings, script);
            assert_eq!((verdicts.words, verdicts.gone), plainly(settings, script));
        });
    }
}

const MANY: usize = 20_000;

// How many words go, and how many are only reported.
fn counted(lines: impl Iterator<Item = Line>, appended: &[usize]) -> (usize, usize) {
    with(lines.collect(), appended, |settings, script| {
        let verdicts = judged(settings, script);
        let reported = |verdict: &&Verdict| matches!(verdict.action, Action::Reported(_));
        (verdicts.gone.len(), verdicts.words.iter().flatten().filter(reported).count())
    })
}

#[test]
fn chains_of_copies_take_time_in_proportion_to_their_length() {
    let first = || std::iter::once((name(0), key(1), false));
    let link = |at: usize| (name(at), copy(at - 1), false);
    let odd = || (1..MANY).rev().filter(|at| !at.is_multiple_of(2)).map(link);
    let even = || (1..MANY).filter(|at| at.is_multiple_of(2)).map(link);
    assert_eq!(counted(first().chain((1..MANY).map(link)), &[]), (MANY, 0));
    assert_eq!(counted((1..MANY).rev().map(link).chain(first()), &[]), (MANY, 0));
    assert_eq!(counted(odd().chain(first()).chain(even()), &[]), (MANY, 0));
    // The same in launchers, where each copy is reported.
    let launched = |(name, value, _): Line| (name, value, true);
    assert_eq!(counted((1..MANY).rev().map(link).map(launched).chain(first()), &[]), (0, MANY));
}

#[test]
fn many_copies_of_one_name_wait_for_its_last_assignment() {
    // Each pass of the chain gives the name one assignment more that goes.
    let chain = (1..MANY).rev().map(|at| (name(at), copy(at - 1), false)).chain([(name(0), key(1), false)]);
    let each = |at: usize| (name(MANY), copy(at), false);
    let waiting = (0..MANY).map(|at| (name(MANY + 1 + at), copy(MANY), !at.is_multiple_of(2)));
    assert_eq!(counted(chain.chain((0..MANY).map(each)).chain(waiting), &[]), (2 * MANY + MANY / 2, MANY / 2));
}

#[test]
fn many_bare_words_and_copies_of_itself_go_with_a_name() {
    let value = |at: usize| if at.is_multiple_of(2) { Value::Bare } else { copy(0) };
    let lines = (1..MANY).map(|at| (name(0), value(at), false));
    assert_eq!(counted(std::iter::once((name(0), key(1), false)).chain(lines), &[]), (MANY, 0));
}

#[test]
fn names_that_launchers_take_over_one_by_one_end_the_search() {
    // A launcher takes a name over, which makes another launcher take over the next one.
    let link = |at: usize| {
        [
            (name(at + 1), copy(at), true),
            ("X".to_owned(), copy(at + 1), true),
            (name(at + 1), key(1), true),
            (name(at + 1), key(2), false),
        ]
    };
    let lines = |size: usize| std::iter::once((name(0), key(2), false)).chain((0..size).flat_map(link));
    let appended: Vec<usize> = (1..=MANY).collect();
    with(lines(ROUNDS - 2).collect(), &appended, |settings, script| {
        let verdicts = judged(settings, script);
        assert_eq!((verdicts.words, verdicts.gone), plainly(settings, script));
    });
    let (gone, reported) = counted(lines(MANY), &appended);
    assert_eq!((gone, reported), (0, 1 + 4 * MANY));
}
