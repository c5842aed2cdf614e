//! What an append leaves, and what it refuses.

use super::*;
#[cfg(unix)]
use std::path::Path;

#[test]
fn appended_records_come_back_numbered_and_chained() {
    let world = World::with(PATIENT, 20);
    let entries = world.entries(&Filter::default());
    assert_eq!(
        entries.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(),
        (0..20).map(record).collect::<Vec<_>>()
    );
    let mut before = Digest::NONE;
    for (entry, n) in entries.iter().zip(1..) {
        assert_eq!((entry.n, entry.prev), (n, before));
        before = Digest::of(entry.to_line().as_bytes());
    }
    let report = world.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.files, report.lines, report.first, report.last), (1, 20, Some(1), Some(20)));
}

#[test]
fn threads_wait_for_one_another_without_losing_patience() {
    let world = World::new();
    let log = Log::open(&world.path, Limits { lock_wait: Duration::ZERO, ..PATIENT }).expect("opens");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|second| log.append(&record(second)).expect("appends")));
        }
    });
    assert_eq!(world.verify().lines, 200);
}

#[cfg(unix)]
#[test]
fn everything_that_is_created_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let path = world.file("state/ringlet/audit.jsonl");
    Log::open(&path, SMALL).and_then(|log| (0..9).try_for_each(|second| log.append(&record(second)))).expect("appends");
    let folder = path.parent().expect("a folder");
    let mode = |path: &Path| fs::metadata(path).expect("examined").permissions().mode() & 0o7777;
    assert_eq!(mode(folder), 0o700);
    let names: Vec<_> = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    assert!(names.len() >= 5, "{names:?}");
    assert!(names.iter().all(|path| mode(path) == 0o600), "{names:?}");
}

#[cfg(unix)]
#[test]
fn files_and_folders_that_others_reach_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    for name in ["audit.jsonl", "audit.head"] {
        let world = World::with(PATIENT, 2);
        let log = Log::open(&world.path, PATIENT).expect("opens");
        chmod(&world.file(name), 0o640);
        let error = log.append(&record(3)).expect_err("too wide");
        assert!(
            matches!(&error, AuditError::OpenToOthers { path, most: 0o600, .. } if *path == world.file(name)),
            "{error}"
        );
        assert_eq!(world.numbers(), [1, 2]);
    }
    let world = World::with(PATIENT, 1);
    chmod(world.folder.path(), 0o770);
    let error = Log::open(&world.path, PATIENT).expect_err("too wide");
    assert!(
        matches!(&error, AuditError::OpenToOthers { path, most: 0o755, .. } if path == world.folder.path()),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn another_users_folder_is_refused() {
    let world = World::new();
    let path = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(world.folder.path(), Some(12345), None).expect("root may chown");
        world.path.clone()
    } else {
        "/ringlet-audit-test.jsonl".into()
    };
    assert!(matches!(Log::open(&path, PATIENT), Err(AuditError::Foreign { .. })));
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_written_or_read() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let elsewhere = world.file("elsewhere");
    fs::write(&elsewhere, "precious").expect("written");
    let fifo = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
    };
    let make = |kind, path: &Path| match kind {
        "symlink" => symlink(&elsewhere, path).expect("a link"),
        "dangling" => symlink("nowhere", path).expect("a link"),
        "device" => symlink("/dev/full", path).expect("a link"),
        "folder" => fs::create_dir(path).expect("a folder"),
        _ => fifo(path),
    };
    for kind in ["symlink", "dangling", "device", "folder", "fifo"] {
        for name in ["jsonl", "head", "lock"] {
            let path = world.file(&format!("{kind}-{name}.jsonl"));
            make(kind, &path.with_extension(name));
            let done = Log::open(&path, PATIENT).and_then(|log| log.append(&record(1)));
            let wrong = matches!(done, Err(AuditError::NotAFile(_) | AuditError::Lock(LockError::NotPlain { .. })));
            assert!(wrong, "{kind} {name}: {done:?}");
        }
        if kind == "fifo" || kind == "folder" {
            let path = world.file(&format!("{kind}-jsonl.jsonl"));
            assert!(matches!(verify(&path), Err(AuditError::NotAFile(_))), "{kind}");
        }
    }
    assert_eq!(fs::read(&elsewhere).expect("read"), b"precious");
    assert!(!world.file("nowhere").exists());
    assert!(matches!(
        Log::open(Path::new("/dev/full"), PATIENT),
        Err(AuditError::NotAFile(_) | AuditError::Foreign { .. })
    ));
}

#[test]
fn a_lock_that_is_held_too_long_is_named() {
    let world = World::with(PATIENT, 1);
    let held = world.files().lock(PATIENT.lock_wait).expect("free");
    let log = Log::open(&world.path, Limits { lock_wait: Duration::ZERO, ..PATIENT }).expect("opens");
    let error = log.append(&record(2)).expect_err("held");
    assert!(
        matches!(&error, AuditError::Lock(LockError::Busy { file, .. }) if *file == world.file("audit.lock")),
        "{error}"
    );
    drop(held);
    log.append(&record(2)).expect("free again");
    assert_eq!(world.numbers(), [1, 2]);
}

#[test]
fn a_record_that_no_reader_would_take_is_refused() {
    let world = World::with(PATIENT, 1);
    let log = Log::open(&world.path, PATIENT).expect("opens");
    let long = Record { cwd: Some("x".repeat(300 << 10).into()), ..record(2) };
    assert!(matches!(log.append(&long), Err(AuditError::TooLong(_))));
    assert!(world.verify().is_intact());
}

#[test]
fn records_appended_together_are_as_those_appended_one_by_one() {
    let subject = |i: i64| match i % 3 {
        0 => Subject::Target { service: "tool".into(), target: format!("prod/{i}") },
        1 => Subject::Connection,
        _ => record(1).subject,
    };
    let records: Vec<Record> = (0..25).map(|i| Record { subject: subject(i), ..record(i) }).collect();
    let texts = [true, false].map(|together| {
        let world = World::new();
        let log = Log::open(&world.path, Limits { keep: 1000, ..SMALL }).expect("opens");
        if together {
            log.append_all(&records[..20]).expect("appends");
            log.append_all(&[]).expect("nothing to do");
            log.append_all(&records[20..]).expect("appends");
        } else {
            records.iter().for_each(|record| log.append(record).expect("appends"));
        }
        assert!(verify(&world.path).expect("verified").is_intact());
        world.state()
    });
    assert_eq!(texts[0], texts[1]);
}

// The files stay open between appends, and what is done to their paths must count all the same.
#[cfg(unix)]
#[test]
fn what_takes_the_place_of_an_open_file_is_seen() {
    for name in ["audit.jsonl", "audit.head", "audit.lock"] {
        let world = World::new();
        let log = Log::open(&world.path, PATIENT).expect("opens");
        (0..2).for_each(|second| log.append(&record(second)).expect("appends"));
        // A copy that is another file.
        fs::copy(world.file(name), world.file("copy")).expect("copied");
        fs::rename(world.file("copy"), world.file(name)).expect("renamed");
        log.append(&record(2)).expect("appends");
        assert_eq!(world.numbers(), [1, 2, 3], "{name}");
        assert!(world.verify().is_intact(), "{name}");
        if name == "audit.lock" {
            let _held = world.files().lock(PATIENT.lock_wait).expect("free");
            let hasty = Log::open(&world.path, Limits { lock_wait: Duration::ZERO, ..PATIENT }).expect("opens");
            assert!(matches!(hasty.append(&record(3)), Err(AuditError::Lock(LockError::Busy { .. }))));
        }
        fs::rename(world.file(name), world.file("real")).expect("renamed");
        std::os::unix::fs::symlink(world.file("real"), world.file(name)).expect("linked");
        let error = log.append(&record(3)).expect_err("a link");
        assert!(matches!(error, AuditError::NotAFile(_) | AuditError::Lock(LockError::NotPlain { .. })), "{error}");
        fs::remove_file(world.file(name)).expect("removed");
        log.append(&record(3)).expect("appends");
        assert!(world.file(name).exists(), "{name}");
    }
}

#[test]
fn logs_of_one_path_take_turns_through_every_rotation() {
    let world = World::new();
    let logs =
        [SMALL, SMALL, PATIENT].map(|limits| Log::open(&world.path, Limits { keep: 1000, ..limits }).expect("opens"));
    for second in 0..60 {
        logs[second as usize % 3].append(&record(second)).expect("appends");
    }
    assert_eq!(world.numbers(), (1..=60).collect::<Vec<_>>());
    assert!(world.verify().is_intact());
}

#[test]
fn a_record_that_is_too_long_fails_alone_among_those_of_other_threads() {
    let world = World::new();
    let log = Log::open(&world.path, PATIENT).expect("opens");
    let long = Record { cwd: Some("x".repeat(300 << 10).into()), ..record(2) };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (log, long) = (&log, &long);
            scope.spawn(move || {
                for second in 0..10 {
                    match thread {
                        0 => assert!(matches!(log.append(long), Err(AuditError::TooLong(_)))),
                        _ => log.append(&record(second)).expect("appends"),
                    }
                }
            });
        }
    });
    assert_eq!(world.numbers(), (1..=70).collect::<Vec<_>>());
    assert!(world.verify().is_intact());
}
