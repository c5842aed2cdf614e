//! What becomes of whole files, on a machine with ringlet and claude.

use super::*;
use crate::migrate::dialect::Dialect;
use crate::migrate::examine::Parsed;
use crate::migrate::vocabulary::{Terms, Vocabulary};
use std::path::PathBuf;

const URL: &str = "https://api.z.ai/api/anthropic";
const ZAI: &str = "deadbeef93a1c0ffeeef0fdeadbeefbf.TESTe1zBFAKEhFdE";

fn machine() -> Machine<'static> {
    let agents = BTreeSet::from(["claude".to_owned()]);
    Machine { agents, has_ringlet: true, ..Machine::empty(Vocabulary::built_in()) }
}

// Each key of the files as `VARIABLE moved` or `VARIABLE REASON`, the accounts' profiles, and the agents without one.
type Outcome = (Vec<String>, Vec<String>, Vec<String>);

fn outcome(files: &[&str]) -> Outcome {
    outcome_on(&machine(), files, &[])
}

// The same where something stays that begins in a file with such a text.
fn outcome_on(machine: &Machine<'_>, files: &[&str], declined: &[(usize, &str)]) -> Outcome {
    let vocabulary = Vocabulary::built_in();
    let texts: Vec<String> = files.iter().map(|text| text.replace("@u", URL).replace("@k", ZAI)).collect();
    let terms = Terms { vocabulary, known: Known::none() };
    let parsed: Vec<Parsed> = texts.iter().map(|text| Parsed::new(text.as_bytes(), Dialect::Zsh, terms)).collect();
    let places = |file: usize| -> Vec<usize> {
        let own = declined.iter().filter(|(at, _)| *at == file);
        own.map(|(_, text)| texts[file].find(text).expect("it stands there")).collect()
    };
    let places: Vec<Vec<usize>> = (0..texts.len()).map(places).collect();
    let sources: Vec<Source<'_>> = parsed
        .iter()
        .zip(&texts)
        .zip(&places)
        .map(|((parsed, text), places)| parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None, places))
        .collect();
    let (judged, accounts) = judge(&sources, machine, Known::none());
    let key = |key: &Key| match key.action {
        Action::Moved(_) => format!("{} moved", key.variable),
        Action::Reported(reason) => format!("{} {}", key.variable, reason.as_str()),
    };
    let keys = judged.iter().flat_map(|file| &file.keys).map(key).collect();
    let made = accounts.made.iter().map(|account| match &account.name {
        Name::Default => format!("default {}", account.provider),
        Name::Launcher { name, .. } => format!("{name} {}", account.provider),
    });
    (keys, made.collect(), accounts.withheld.iter().map(|withheld| withheld.agent.clone()).collect())
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_key_that_is_taken_to_an_endpoint_elsewhere_stays() {
    for user in [
        "glm() { ANTHROPIC_BASE_URL=@u claude \"$@\"; }\n",
        "alias glm='ANTHROPIC_BASE_URL=@u claude'\n",
        "glm() { export ANTHROPIC_BASE_URL=@u; }\n",
        "glm() { export ANTHROPIC_BASE_URL=$(cat url); claude; }\n",
    ] {
        let found = outcome(&["export ANTHROPIC_AUTH_TOKEN=@k\n", user]);
        assert_eq!(found, (words(&["ANTHROPIC_AUTH_TOKEN pair"]), vec![], words(&["claude"])), "{user}");
    }
}

#[test]
fn a_variable_of_any_name_stays_and_is_named_with_what_refers_to_it() {
    let found = outcome(&[
        "K1=@k\nglm() { export ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=$K1; claude; }\n",
        "use() { export ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=$K1; }\n",
    ]);
    assert_eq!(found.0.len(), 1, "{found:?}");
    assert!(found.0[0] == "K1 pair" || found.0[0] == "K1 launcher", "{found:?}");
    assert_eq!((found.1, found.2), (vec![], words(&["claude"])));
}

#[test]
fn both_halves_move_from_two_files() {
    let found = outcome(&["export ANTHROPIC_BASE_URL=@u\n", "export ANTHROPIC_AUTH_TOKEN=@k\n"]);
    assert_eq!(found, (words(&["ANTHROPIC_AUTH_TOKEN moved"]), words(&["default zai"]), vec![]));
}

#[test]
fn an_endpoint_in_the_agents_own_settings_keeps_its_keys() {
    let vocabulary = Vocabulary::built_in();
    for (url, stays) in [("https://gw.example.net", true), ("https://api.anthropic.com", false)] {
        let governing = vec![("ANTHROPIC_BASE_URL".to_owned(), url.to_owned(), PathBuf::from("settings.json"))];
        let machine = Machine { governing, ..Machine::empty(vocabulary) };
        let text = format!("export ANTHROPIC_API_KEY=sk-{ZAI}\n");
        let terms = Terms { vocabulary, known: Known::none() };
        let parsed = Parsed::new(text.as_bytes(), Dialect::Zsh, terms);
        let (judged, _) =
            judge(&[parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None, &[])], &machine, Known::none());
        let is_kept = judged[0].keys[0].action == Action::Reported(Reason::Pair);
        assert_eq!(is_kept, stays, "{url}");
    }
}

#[test]
fn what_the_person_declines_stays_with_all_of_its_account() {
    let pair = "export ANTHROPIC_BASE_URL=@u\nexport ANTHROPIC_AUTH_TOKEN=@k\n";
    let launcher = "glm() { ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=@k claude \"$@\"; }\n";
    let copied = "K1=sk-@k\nexport ANTHROPIC_API_KEY=$K1\n";
    let lone = "export ANTHROPIC_API_KEY=sk-@k\n";
    for (text, declined, kept) in [
        (pair, "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN declined"),
        (pair, "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN declined"),
        (launcher, "claude", "ANTHROPIC_AUTH_TOKEN declined"),
        (launcher, "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN declined"),
        (copied, "K1", "K1 declined"),
        (copied, "ANTHROPIC_API_KEY", "K1 declined"),
        (lone, "ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY declined"),
    ] {
        let found = outcome_on(&machine(), &[text], &[(0, declined)]);
        assert_eq!(found, (words(&[kept]), vec![], words(&["claude"])), "{text} {declined}");
        assert!(outcome(&[text]).0.iter().all(|key| key.ends_with(" moved")), "{text}");
    }
}

#[test]
fn a_key_that_the_person_spares_stays_everywhere() {
    let machine = Machine { spared: Spared::new(vec![Zeroizing::new(ZAI.into())]), ..machine() };
    let files = [
        "export ANTHROPIC_BASE_URL=@u\n",
        "export ANTHROPIC_AUTH_TOKEN=@k\nexport OPENAI_API_KEY=sk-other@k\n",
        "glm() { ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=@k claude \"$@\"; }\n",
    ];
    let (keys, made, withheld) = outcome_on(&machine, &files, &[]);
    let wanted = ["ANTHROPIC_AUTH_TOKEN declined", "OPENAI_API_KEY moved", "ANTHROPIC_AUTH_TOKEN declined"];
    assert_eq!((keys, made, withheld), (words(&wanted), words(&["default openai"]), words(&["claude"])));
}
