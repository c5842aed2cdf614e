//! Files that are rotated and dropped, and rotations that die.

use super::*;

#[test]
fn rotation_keeps_so_many_files_and_the_chain_over_them() {
    let world = World::with(SMALL, 40);
    let report = world.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.files, report.last), (4, Some(40)));
    assert!(report.first > Some(20), "old files were dropped");
    let logs: Vec<_> = world.state().into_iter().filter(|(name, _)| name.ends_with(".jsonl")).collect();
    assert_eq!(
        logs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["audit.1.jsonl", "audit.2.jsonl", "audit.3.jsonl", "audit.jsonl"]
    );
    assert!(logs.iter().all(|(_, bytes)| bytes.len() as u64 <= SMALL.max_bytes));
    assert!(world.numbers().into_iter().eq(report.first.expect("lines")..=40));
}

#[test]
fn fewer_files_are_kept_once_the_limit_is_lowered() {
    let world = World::with(Limits { keep: 6, ..SMALL }, 40);
    assert_eq!(world.verify().files, 7);
    world.append(Limits { keep: 0, ..SMALL }, 40..44);
    assert_eq!((world.verify().files, world.flaws()), (2, vec![]));
}

#[test]
fn a_rotation_that_dies_at_any_step_loses_nothing() {
    // With and without a file to drop, and after the limit was lowered, with several.
    for (records, built, keep) in [(3, 3, 3), (11, 3, 3), (40, 3, 3), (40, 6, 2)] {
        let world = World::with(Limits { keep: built, ..SMALL }, records);
        let (state, head) = (world.state(), world.head());
        let steps = Rotation::plan(&world.files(), keep, head).expect("planned").steps();
        assert!(steps >= 2);
        for done in 0..=steps {
            world.restore(&state);
            let rotation = Rotation::plan(&world.files(), keep, head).expect("planned");
            rotation.run(&mut HeadFile::open(&world.files()).expect("opens").0, done).expect("runs");
            let crashed = format!("{records} records, {keep} files, died after step {done}");
            assert_eq!(world.flaws(), [], "{crashed}");
            let anchor = world.head().anchor.n;
            // The last record, and so the file that is being rotated, has to survive; and all after the anchor.
            assert!(world.numbers().into_iter().skip_while(|&n| n <= anchor).eq(anchor + 1..=head.last.n), "{crashed}");
            let limits = Limits { keep, ..SMALL };
            for second in 0..12 {
                let anchor = world.head().anchor.n;
                world.append(limits, second..second + 1);
                assert_eq!(world.flaws(), [], "{crashed}, then {second}");
                let numbers = world.numbers();
                assert!(
                    world.head().anchor.n == anchor || world.verify().files > keep as usize,
                    "{crashed}: dropped too early"
                );
                assert!(numbers.into_iter().skip_while(|&n| n <= anchor).is_sorted_by(|a, b| a + 1 == *b), "{crashed}");
            }
        }
    }
}

#[test]
fn an_unconfirmed_line_is_confirmed_before_a_rotation_moves_it() {
    let world = World::with(SMALL, 3);
    let before = world.head();
    let line = forged_after(split(&world.state()["audit.jsonl"]).last().expect("a line"));
    world.edit("audit.jsonl", |bytes| [&bytes[..], line.as_bytes()].concat());
    world.store_head(&Head { announced: Some(Digest::of(line.trim_end().as_bytes())), ..before });
    world.append(SMALL, 3..4);
    assert!(world.file("audit.1.jsonl").exists(), "it was full");
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_dropped_file_with_a_damaged_end_does_not_taint_the_rest() {
    let world = World::with(SMALL, 12);
    world.edit("audit.3.jsonl", |bytes| bytes[..bytes.len() - 9].to_vec());
    assert_ne!(world.flaws(), []);
    let mut second = 12;
    while world.verify().first == Some(1) {
        world.append(SMALL, second..second + 1);
        second += 1;
    }
    assert_eq!(world.flaws(), []);
}

#[test]
fn a_torn_line_in_a_full_file_is_ended_before_the_file_is_rotated() {
    let world = World::with(SMALL, 3);
    world.edit("audit.jsonl", |bytes| bytes[..bytes.len() - 1].to_vec());
    assert_eq!(world.flaws(), [Flaw::Torn]);
    world.append(SMALL, 3..6);
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1, 2, 3, 4, 5, 6]));
    assert!(world.file("audit.1.jsonl").exists());
}

#[test]
fn a_log_that_begins_while_it_is_read_is_read_again_under_the_lock() {
    let world = World::new();
    let files = world.files();
    let mut held = Vec::new();
    let (parts, ()) = files
        .snapshot(PATIENT.lock_wait, || {
            if held.is_empty() {
                world.append(SMALL, 0..1);
            }
            held.push(files.lock(Duration::ZERO).is_err());
            Ok(())
        })
        .expect("opens");
    assert_eq!(held, [false, true]);
    assert!(parts.iter().map(|part| part.length).sum::<u64>() > 0);
}

#[test]
fn files_are_opened_under_the_lock() {
    let world = World::with(SMALL, 9);
    let files = world.files();
    let (parts, held) = files.snapshot(PATIENT.lock_wait, || Ok(files.lock(Duration::ZERO).is_err())).expect("opens");
    assert_eq!((parts.len(), held), (3, true));
    let _lock = files.lock(PATIENT.lock_wait).expect("free again");
    assert!(matches!(files.snapshot(Duration::ZERO, || Ok(())), Err(AuditError::Lock(LockError::Busy { .. }))));
}
