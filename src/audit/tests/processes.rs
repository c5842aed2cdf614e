//! Several processes at once, processes that die, and a disk that is full.

use super::*;

/// Runs one of these tests again in another process, where `role` sees a log's path and does its part instead.
fn other_process(test: &str, world: &World, wrapper: Option<&str>) -> Command {
    let this = std::env::current_exe().expect("this test's binary");
    let mut command = match wrapper {
        None => Command::new(this),
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(this);
            shell
        }
    };
    let module = module_path!().split_once("::").expect("within the crate").1;
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture", "--test-threads=1"]);
    command.env("RINGLET_TEST_AUDIT", &world.path).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn role() -> Option<PathBuf> {
    std::env::var_os("RINGLET_TEST_AUDIT").map(PathBuf::from)
}

#[test]
fn appends_from_threads_and_processes_are_all_there() {
    let limits = Limits { max_bytes: 20_000, keep: 1000, ..PATIENT };
    if let Some(path) = role() {
        let log = Log::open(&path, limits).expect("opens");
        return (0..25)
            .for_each(|second| log.append(&Record { pid: std::process::id(), ..record(second) }).expect("appends"));
    }
    let world = World::new();
    let test = "appends_from_threads_and_processes_are_all_there";
    let children: Vec<_> = (0..3).map(|_| other_process(test, &world, None).spawn().expect("starts")).collect();
    let log = Log::open(&world.path, limits).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                (0..25).for_each(|second| log.append(&Record { pid: thread, ..record(second) }).expect("appends"))
            });
        }
        // Readers come between rotations, never into one.
        for _ in 0..60 {
            match verify(&world.path) {
                Ok(report) => assert!(report.is_intact(), "{:?}", report.findings),
                Err(error) => assert!(matches!(error, AuditError::Lock(LockError::Busy { .. })), "{error}"),
            }
        }
    });
    let pids: Vec<_> = children.iter().map(|child| child.id()).chain(0..8).collect();
    for child in children {
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let report = world.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(report.files > 2);
    let entries = world.entries(&Filter::default());
    assert!(entries.iter().map(|entry| entry.n).eq(1..=11 * 25));
    for pid in pids {
        let times: Vec<_> =
            entries.iter().filter(|entry| entry.record.pid == pid).map(|entry| entry.record.time).collect();
        assert_eq!(times, (0..25).map(|second| record(second).time).collect::<Vec<_>>(), "{pid}");
    }
}

#[test]
fn a_process_that_is_killed_leaves_an_intact_log() {
    let limits = Limits { keep: 1000, ..SMALL };
    if let Some(path) = role() {
        let log = Log::open(&path, limits).expect("opens");
        for second in 0.. {
            log.append(&record(second)).expect("appends");
            // Not `println!`: the test harness may keep that back.
            std::io::stdout().write_all(b"acknowledged\n").expect("the parent listens");
        }
    }
    let world = World::new();
    let mut acknowledged = 0;
    for round in 1..=12 {
        let mut child =
            other_process("a_process_that_is_killed_leaves_an_intact_log", &world, None).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
        acknowledged += lines.by_ref().filter(|line| line.ends_with("acknowledged")).take(round * 3).count();
        child.kill().expect("killed");
        child.wait().expect("ends");
        acknowledged += lines.filter(|line| line.ends_with("acknowledged")).count();
        let report = world.verify();
        assert!(report.is_intact(), "round {round}: {:?}", report.findings);
        assert!(report.lines >= acknowledged as u64);
    }
    assert!(acknowledged >= 12 * 13 / 2 * 3);
}

/// A file size limit cuts a write short and then refuses it, exactly as a full disk does.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_leaves_only_whole_lines() {
    if let Some(path) = role() {
        let log = Log::open(&path, PATIENT).expect("opens");
        let mut appended = 0;
        let error = loop {
            match log.append(&record(appended)) {
                Ok(()) => appended += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AuditError::Short { .. }), "{error}");
        assert!(log.append(&record(appended)).is_err(), "it is still full");
        let Stored::Valid(head) = Stored::read(&Files::new(&path).expect("a name")).expect("read") else {
            panic!("no head")
        };
        assert!(head.announced.is_some(), "a line is announced before it is written");
        let report = verify(&path).expect("verifies");
        assert!(report.is_intact(), "{:?}", report.findings);
        assert_eq!(report.lines, appended as u64);
        assert!(appended > 3);
        return;
    }
    let world = World::new();
    // Without the trap, SIGXFSZ would end the process where a full disk gives it an error.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let child = other_process("a_full_disk_is_an_error_and_leaves_only_whole_lines", &world, Some(script));
    let output = { child }.output().expect("runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let before = world.verify().lines;
    assert!(before > 3);
    world.append(PATIENT, 0..1);
    assert!(world.verify().is_intact());
    assert_eq!(world.verify().lines, before + 1);
}

#[test]
fn whatever_instruction_an_append_dies_at_the_next_one_goes_on() {
    let world = World::with(PATIENT, 3);
    let (before, old) = (world.state(), world.head());
    world.append(PATIENT, 3..4);
    let (after, new) = (world.state(), world.head());
    let announced = Head { announced: Some(new.last.hash), ..old };
    let whole = &after["audit.jsonl"];

    world.restore(&before);
    world.store_head(&announced);
    assert_eq!(world.flaws(), [], "announced, but not written");
    world.append(PATIENT, 4..5);
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1, 2, 3, 4]));

    world.restore(&after);
    world.store_head(&announced);
    assert_eq!(world.flaws(), [], "written, but not confirmed");
    world.append(PATIENT, 4..5);
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1, 2, 3, 4, 5]));

    for cut in before["audit.jsonl"].len() + 1..whole.len() {
        world.restore(&after);
        world.store_head(&announced);
        world.edit("audit.jsonl", |bytes| bytes[..cut].to_vec());
        assert_eq!(world.flaws(), [Flaw::Torn], "cut at {cut}");
        world.append(PATIENT, 4..6);
        assert!(world.state()["audit.jsonl"].starts_with(&whole[..cut]), "evidence is kept");
        if cut == whole.len() - 1 {
            assert_eq!(
                (world.flaws(), world.numbers()),
                (vec![], vec![1, 2, 3, 4, 5, 6]),
                "only the newline was missing"
            );
        } else {
            assert_eq!((world.flaws(), world.numbers()), (vec![Flaw::Unreadable], vec![1, 2, 3, 4, 5]), "cut at {cut}");
        }
    }
}

#[test]
fn a_crash_at_the_very_first_append_is_no_finding() {
    let world = World::with(PATIENT, 1);
    let head = world.head();
    world.store_head(&Head { announced: Some(head.last.hash), ..Head::NEW });
    assert_eq!(world.flaws(), []);
    world.append(PATIENT, 1..2);
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1, 2]));
    fs::write(&world.path, "").expect("emptied");
    world.store_head(&Head { announced: Some(head.last.hash), ..Head::NEW });
    assert_eq!(world.flaws(), []);
    world.append(PATIENT, 0..1);
    assert_eq!((world.flaws(), world.numbers()), (vec![], vec![1]));
}
