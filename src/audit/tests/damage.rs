//! No damage passes `verify`, and none is healed over.

use super::*;

/// A log over four files, with dropped lines before it.
fn sample() -> &'static State {
    static SAMPLE: OnceLock<State> = OnceLock::new();
    SAMPLE.get_or_init(|| World::with(SMALL, 17).state())
}

/// Files whose every byte is covered; the lock has none.
const PARTS: [&str; 5] = ["audit.3.jsonl", "audit.2.jsonl", "audit.1.jsonl", "audit.jsonl", "audit.head"];

#[test]
fn the_undamaged_sample_is_intact() {
    let world = World::new();
    world.restore(sample());
    assert_eq!(world.flaws(), []);
    assert!(PARTS.iter().all(|name| !sample()[*name].is_empty()));
}

#[test]
fn every_truncation_of_any_file_is_found() {
    let world = World::new();
    world.restore(sample());
    for name in PARTS {
        let bytes = &sample()[name];
        for cut in 0..bytes.len() {
            fs::write(world.file(name), &bytes[..cut]).expect("written");
            assert!(!world.verify().is_intact(), "{name} cut at {cut}");
        }
        fs::remove_file(world.file(name)).expect("removed");
        assert!(!world.verify().is_intact(), "{name} removed");
        fs::write(world.file(name), bytes).expect("written");
    }
}

#[test]
fn every_changed_byte_is_found() {
    let world = World::new();
    world.restore(sample());
    for name in PARTS {
        let mut bytes = sample()[name].clone();
        for at in 0..bytes.len() {
            // 0x20 turns a digest's lower case into upper; other masks are left to the property test.
            let mask = if at % 2 == 0 { 1 } else { 0x20 };
            bytes[at] ^= mask;
            fs::write(world.file(name), &bytes).expect("written");
            assert!(!world.verify().is_intact(), "{name}, byte {at}");
            bytes[at] ^= mask;
        }
        fs::write(world.file(name), &bytes).expect("written");
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Flip { part: usize, at: prop::sample::Index, mask: u8 },
    Cut { part: usize, at: prop::sample::Index },
    Insert { part: usize, at: prop::sample::Index, bytes: Vec<u8> },
    Delete { at: prop::sample::Index, count: usize },
    Move { from: prop::sample::Index, to: prop::sample::Index },
    Repeat { from: prop::sample::Index, to: prop::sample::Index },
    Forge { after: prop::sample::Index },
    Swap { a: usize, b: usize },
    Remove { part: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let (index, part) = (any::<prop::sample::Index>, 0..PARTS.len());
    prop_oneof![
        (part.clone(), index(), 1..=255_u8).prop_map(|(part, at, mask)| Damage::Flip { part, at, mask }),
        (part.clone(), index()).prop_map(|(part, at)| Damage::Cut { part, at }),
        (part.clone(), index(), prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 1..5))
            .prop_map(|(part, at, bytes)| Damage::Insert { part, at, bytes }),
        (index(), 1..4_usize).prop_map(|(at, count)| Damage::Delete { at, count }),
        (index(), index()).prop_map(|(from, to)| Damage::Move { from, to }),
        (index(), index()).prop_map(|(from, to)| Damage::Repeat { from, to }),
        index().prop_map(|after| Damage::Forge { after }),
        (0..4_usize, 0..4_usize).prop_map(|(a, b)| Damage::Swap { a, b }),
        part.prop_map(|part| Damage::Remove { part }),
    ]
}

impl Damage {
    fn apply(&self, state: &mut State) {
        // Line damage is done to all files as one text, whose lines then go back to the files they came from.
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (part, name) in PARTS[..4].iter().enumerate() {
            lines.extend(split(state.get(*name).map_or(&[], Vec::as_slice)).into_iter().map(|line| (part, line)));
        }
        let count = lines.len();
        let bytes = |state: &mut State, part: usize| state.entry(PARTS[part].to_owned()).or_default().clone();
        match self {
            Self::Flip { part, at, mask } => {
                let mut bytes = bytes(state, *part);
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= mask;
                }
                return drop(state.insert(PARTS[*part].to_owned(), bytes));
            }
            Self::Cut { part, at } => {
                let mut bytes = bytes(state, *part);
                bytes.truncate(at.index(bytes.len() + 1));
                return drop(state.insert(PARTS[*part].to_owned(), bytes));
            }
            Self::Insert { part, at, bytes: new } => {
                let mut bytes = bytes(state, *part);
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, new.iter().copied());
                return drop(state.insert(PARTS[*part].to_owned(), bytes));
            }
            Self::Remove { part } => return drop(state.remove(PARTS[*part])),
            Self::Swap { a, b } => {
                let (old, new) = (bytes(state, *a), bytes(state, *b));
                state.insert(PARTS[*a].to_owned(), new);
                return drop(state.insert(PARTS[*b].to_owned(), old));
            }
            _ if count == 0 => return,
            Self::Delete { at, count: gone } => {
                let at = at.index(count);
                lines.drain(at..(at + gone).min(count));
            }
            Self::Move { from, to } => {
                let line = lines.remove(from.index(count));
                lines.insert(to.index(count), line);
            }
            Self::Repeat { from, to } => {
                let line = lines[from.index(count)].clone();
                lines.insert(to.index(count + 1), line);
            }
            Self::Forge { after } => {
                let at = after.index(count);
                if Entry::from_line(lines[at].1.trim_end().as_bytes()).is_some() {
                    lines.insert(at + 1, (lines[at].0, forged_after(&lines[at].1)));
                }
            }
        }
        for (part, name) in PARTS[..4].iter().enumerate() {
            let text: String = lines.iter().filter(|line| line.0 == part).map(|line| line.1.as_str()).collect();
            state.insert((*name).to_owned(), text.into_bytes());
        }
    }
}

/// The log's lines in order, and the head: what `verify` vouches for, however lines are spread over files.
fn meaning(state: &State) -> (Vec<u8>, Option<&Vec<u8>>) {
    (PARTS[..4].iter().flat_map(|name| state.get(*name).into_iter().flatten().copied()).collect(), state.get(PARTS[4]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_found_and_stays_found(damages in prop::collection::vec(damage(), 1..4)) {
        let world = World::new();
        let mut state = sample().clone();
        damages.iter().for_each(|damage| damage.apply(&mut state));
        world.restore(&state);
        let damaged = meaning(&state) != meaning(sample());
        prop_assert_eq!(!world.verify().is_intact(), damaged, "{:?}", world.flaws());
        // Going on writes over no evidence. A head that is lost together with all lines leaves none.
        world.append(Limits { max_bytes: u64::MAX, ..SMALL }, 0..2);
        let has_records = matches!(Head::read_back(&state), Some(head) if head.last.n > head.anchor.n);
        let nothing_left = meaning(&state).0.is_empty() && !has_records;
        let only_the_newline = newline_lost(&state);
        let is_seen = damaged && !nothing_left && !only_the_newline;
        prop_assert_eq!(!world.verify().is_intact(), is_seen, "{:?}", world.flaws());
    }
}

impl Head {
    fn read_back(state: &State) -> Option<Self> {
        let world = World::new();
        world.restore(
            &state
                .iter()
                .filter(|(name, _)| *name == PARTS[4])
                .map(|(name, bytes)| (name.clone(), bytes.clone()))
                .collect(),
        );
        match Stored::read(&world.files()).expect("read") {
            Stored::Valid(head) => Some(head),
            _ => None,
        }
    }
}

/// The one damage that an append repairs, since it begins with the missing newline.
fn newline_lost(state: &State) -> bool {
    let (text, head) = meaning(state);
    let whole = meaning(sample());
    [&text[..], b"\n"].concat() == whole.0 && head == whole.1
}

#[test]
fn each_kind_of_damage_is_named_with_its_place() {
    let check = |edit: &dyn Fn(&mut Vec<String>), want: &[(u64, Flaw)]| {
        let world = World::with(PATIENT, 9);
        world.edit_lines(edit);
        let found: Vec<_> = world.verify().findings.into_iter().map(|finding| (finding.line, finding.flaw)).collect();
        assert_eq!(found, want);
    };
    check(&|lines| lines[4] = lines[4].replace("shop", "shoq"), &[(5, Flaw::Edited(5))]);
    check(&|lines| lines[8] = lines[8].replace("shop", "shoq"), &[(9, Flaw::Edited(9))]);
    check(&|lines| lines[4] = "garbage\n".into(), &[(5, Flaw::Unreadable)]);
    check(&|lines| lines.insert(4, "\n".into()), &[(5, Flaw::Unreadable)]);
    check(&|lines| drop(lines.drain(3..5)), &[(4, Flaw::Missing { from: 4, to: 5 })]);
    check(&|lines| drop(lines.remove(0)), &[(1, Flaw::Missing { from: 1, to: 1 })]);
    check(&|lines| lines.truncate(7), &[(7, Flaw::Truncated { from: 8, to: 9 })]);
    check(&|lines| lines.clear(), &[(0, Flaw::Truncated { from: 1, to: 9 })]);
    check(
        &|lines| lines.swap(4, 5),
        &[(5, Flaw::Missing { from: 5, to: 5 }), (6, Flaw::OutOfOrder { n: 5, after: 6 })],
    );
    check(&|lines| lines.insert(7, lines[2].clone()), &[(8, Flaw::OutOfOrder { n: 3, after: 7 })]);
    check(&|lines| lines.insert(5, forged_after(&lines[4])), &[(7, Flaw::OutOfOrder { n: 6, after: 6 })]);
    check(&|lines| lines.push(forged_after(&lines[8])), &[(10, Flaw::Unannounced { from: 10, to: 10 })]);
    check(
        &|lines| lines[4] = lines[4].replace("\"n\":5", "\"n\":50"),
        &[(5, Flaw::Renumbered { found: 50, expected: 5 }), (5, Flaw::Edited(5))],
    );
    check(&|lines| lines[8] = lines[8].trim_end().to_owned(), &[(9, Flaw::Torn)]);
}

#[test]
fn a_finding_reads_as_file_line_and_sentence() {
    let world = World::with(PATIENT, 5);
    world.edit_lines(|lines| drop(lines.drain(1..3)));
    let finding = world.verify().findings[0].to_string();
    assert_eq!(finding, format!("{}:2: records 2 to 3 are missing before this line", world.path.display()));
    fs::remove_file(world.file("audit.head")).expect("removed");
    let finding = world.verify().findings[1].to_string();
    assert_eq!(
        finding,
        format!("{}: the head file is missing, so records at the end may be too", world.file("audit.head").display())
    );
}

#[test]
fn damage_stays_visible_after_the_log_went_on() {
    let went_on = |edit: &dyn Fn(&World)| {
        let world = World::with(PATIENT, 5);
        edit(&world);
        assert_ne!(world.flaws(), []);
        world.append(PATIENT, 5..8);
        world.flaws()
    };
    assert_eq!(went_on(&|world| world.edit_lines(|lines| lines.truncate(3))), [Flaw::Missing { from: 4, to: 5 }]);
    assert_eq!(went_on(&|world| fs::remove_file(&world.path).expect("removed")), [Flaw::Missing { from: 1, to: 5 }]);
    assert_eq!(went_on(&|world| fs::remove_file(world.file("audit.head")).expect("removed")), [Flaw::Restarted(6)]);
    assert_eq!(went_on(&|world| world.edit("audit.head", |_| vec![b'x'; 2000])), [Flaw::Restarted(6)]);
    assert_eq!(
        went_on(&|world| world.edit_lines(|lines| lines[4] = lines[4].replace("shop", "shoq"))),
        [Flaw::Edited(5)]
    );
    assert_eq!(
        went_on(&|world| world.edit_lines(|lines| lines.push(forged_after(&lines[4])))),
        [Flaw::OutOfOrder { n: 6, after: 6 }]
    );
}

#[test]
fn a_lost_head_is_rebuilt_with_the_place_where_the_log_begins() {
    let world = World::new();
    world.restore(sample());
    let anchor = world.head().anchor;
    fs::remove_file(world.file("audit.head")).expect("removed");
    world.append(SMALL, 0..1);
    assert_eq!(world.flaws(), [Flaw::Restarted(18)]);
    assert!(anchor.n > 0 && world.head().anchor.n >= anchor.n);
}

#[test]
fn endless_garbage_gives_a_bounded_report() {
    let world = World::with(PATIENT, 1);
    world.edit("audit.jsonl", |_| b"x\n".repeat(5000));
    let report = world.verify();
    assert_eq!((report.findings.len(), report.more), (1000, 4001));
}

#[test]
fn a_log_that_is_not_there_is_an_error() {
    let world = World::new();
    assert!(matches!(verify(&world.path), Err(AuditError::Missing(_))));
    assert!(matches!(
        query(&world.path, &Filter::default(), |_| ControlFlow::Continue(())),
        Err(AuditError::Missing(_))
    ));
    assert!(matches!(verify(&world.file("no/such/folder.jsonl")), Err(AuditError::Missing(_))));
}

#[test]
fn a_copied_log_verifies_without_its_lock() {
    let (world, copy) = (World::new(), World::new());
    world.restore(sample());
    let mut state = world.state();
    state.remove("audit.lock");
    copy.restore(&state);
    assert!(copy.verify().is_intact());
    assert!(!copy.file("audit.lock").exists(), "reading changes nothing");
}

#[test]
fn a_first_line_that_does_not_follow_what_was_dropped_is_named() {
    let world = World::new();
    world.restore(sample());
    let n = world.head().anchor.n + 1;
    world.edit("audit.3.jsonl", |bytes| {
        let mut lines = split(&bytes);
        let prev = Entry::from_line(lines[0].trim_end().as_bytes()).expect("a record").prev.to_string();
        lines[0] = lines[0].replace(&prev, &Digest::of(b"another").to_string());
        lines.concat().into_bytes()
    });
    assert_eq!(world.flaws(), [Flaw::Uprooted(n), Flaw::Edited(n)]);
}

#[test]
fn a_record_numbered_zero_is_no_record() {
    let world = World::with(PATIENT, 1);
    world.edit_lines(|lines| lines[0] = lines[0].replace("\"n\":1", "\"n\":0"));
    assert_eq!(world.flaws(), [Flaw::Unreadable, Flaw::Truncated { from: 1, to: 1 }]);
    fs::remove_file(world.file("audit.head")).expect("removed");
    world.append(PATIENT, 1..2);
    assert!(!world.verify().is_intact());
}
