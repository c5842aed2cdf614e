//! Queries find what a plain filter finds.

use super::*;

#[test]
fn a_query_finds_exactly_what_a_plain_filter_finds() {
    let world = World::new();
    let log = Log::open(&world.path, Limits { keep: 1000, ..SMALL }).expect("opens");
    let keys = ["anthropic/work", "anthropic/home", "openai/work", "openai/work-2"];
    let agents = [Some("claude"), Some("codex"), None];
    // The clock is set back again and again: 7 steps forward, 20 back.
    let all: Vec<_> = (0..120_i64)
        .map(|i| Record {
            // What is no key of ours is found by no filter for one.
            subject: match i % 11 {
                0 => Subject::Target { service: "tool".into(), target: "anthropic/work".into() },
                1 => Subject::Connection,
                _ => Subject::Key(keys[i as usize % 4].parse().expect("a name")),
            },
            agent: agents[i as usize % 3].map(|agent| agent.parse().expect("a name")),
            reason: Some(format!("\"agent\":\"claude\" anthropic/work {i}")),
            ..record(i * 7 % 20 + i / 10)
        })
        .collect();
    all.iter().for_each(|record| log.append(record).expect("appends"));
    let moment = |second| Some(record(second).time);
    for (since, until) in
        [(None, None), (moment(10), None), (None, moment(12)), (moment(5), moment(15)), (moment(99), None)]
    {
        for provider in [None, Some("anthropic"), Some("openai"), Some("nobody")] {
            for alias in [None, Some("work"), Some("work-2")] {
                for agent in [None, Some("claude"), Some("codex")] {
                    let filter = Filter {
                        since,
                        until,
                        provider: provider.map(|name| name.parse().expect("a name")),
                        alias: alias.map(|name| name.parse().expect("a name")),
                        agent: agent.map(|name| name.parse().expect("a name")),
                    };
                    let want = all.iter().filter(|record| {
                        since.is_none_or(|since| record.time >= since)
                            && until.is_none_or(|until| record.time < until)
                            && provider.is_none_or(|name| {
                                record.subject.key().is_some_and(|key| key.provider.as_str() == name)
                            })
                            && alias
                                .is_none_or(|name| record.subject.key().is_some_and(|key| key.alias.as_str() == name))
                            && agent
                                .is_none_or(|name| record.agent.as_ref().is_some_and(|record| record.as_str() == name))
                    });
                    let got = world.entries(&filter);
                    assert!(got.iter().map(|entry| &entry.record).eq(want), "{filter:?}");
                }
            }
        }
    }
}

#[test]
fn a_query_counts_what_it_cannot_read_and_goes_on() {
    let world = World::with(PATIENT, 6);
    world.edit_lines(|lines| lines[2] = "{\"time\":\"nonsense\"}\n".into());
    let scan = query(&world.path, &Filter::default(), |_| ControlFlow::Continue(())).expect("answers");
    assert_eq!(scan, Scan { lines: 6, matched: 5, unreadable: 1 });
}

#[test]
fn a_line_in_another_layout_is_judged_by_its_own_time() {
    let world = World::with(PATIENT, 6);
    world.edit_lines(|lines| lines.iter_mut().for_each(|line| line.insert(1, ' ')));
    let filter = Filter { since: Some(record(2).time), until: Some(record(4).time), ..Filter::default() };
    assert_eq!(world.entries(&filter).iter().map(|entry| entry.n).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_query_ends_when_the_caller_has_enough() {
    let world = World::with(PATIENT, 6);
    let scan = query(&world.path, &Filter::default(), |_| ControlFlow::Break(())).expect("answers");
    assert_eq!(scan.matched, 1);
}
