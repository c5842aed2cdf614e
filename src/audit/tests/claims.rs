//! A line's place in the chain, read by its bytes and by a JSON parser.

use super::super::chain::Claim;
use super::*;

// Whole lines of every kind, without an escape.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let subjects = prop_oneof![
        Just(Subject::Key("anthropic/work".parse().expect("a name"))),
        "[a-z é\"]{0,9}".prop_map(|target| Subject::Target { service: "tool".into(), target }),
        Just(Subject::Connection),
    ];
    let optional = proptest::collection::vec(any::<bool>(), 5);
    (1..u64::MAX, subjects, optional, 1..u32::MAX, "[ -~é]{0,30}").prop_map(|(n, subject, has, pid, reason)| {
        let whole = record(3);
        let record = Record {
            subject,
            store: None,
            profile: whole.profile.filter(|_| has[0]),
            agent: whole.agent.filter(|_| has[1]),
            binary: whole.binary.filter(|_| has[2]),
            binary_sha256: whole.binary_sha256.filter(|_| has[2]),
            cwd: whole.cwd.filter(|_| has[3]),
            reason: Some(reason).filter(|_| has[4]),
            result: Outcome::Denied,
            pid,
            ..record(3)
        };
        Entry { n, record, prev: Digest::of(&n.to_le_bytes()) }.to_line().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn bytes_say_what_the_parser_says_and_pass_nothing_that_it_refuses(
        mut line in lines(),
        other in lines(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..7, any::<u8>()), 0..4),
    ) {
        for (at, kind, byte) in edits {
            let at = at.index(line.len());
            match kind {
                0 => line[at] = byte,
                1 => line[at] = b"\"\\{}:,0n\x01\x1f\x7f\x80"[usize::from(byte) % 12],
                2 => line.insert(at, b"\"\\{}:,0n \t"[usize::from(byte) % 10]),
                // One byte stays, so that the next edit has a place.
                3 if line.len() > 1 => drop(line.remove(at)),
                3 => {}
                4 => line.truncate(at.max(1)),
                // A member, or half of one, from elsewhere.
                5 => {
                    let from = at.min(other.len());
                    let piece = other[from..(from + usize::from(byte)).min(other.len())].to_vec();
                    line.splice(at..at, piece);
                }
                _ => line.extend_from_within(at..),
            }
        }
        if let Some(claim) = Claim::of_our_form(&line) {
            prop_assert_eq!(Some(claim), Claim::of_any_form(&line), "{}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn a_line_of_our_own_needs_no_parser(line in lines()) {
        let is_plain = !line.contains(&b'\\') && Claim::of_any_form(&line).is_some_and(|claim| claim.n < 10u64.pow(19));
        prop_assert_eq!(Claim::of_our_form(&line).is_some(), is_plain, "{}", String::from_utf8_lossy(&line));
    }
}
