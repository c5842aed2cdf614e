//! What becomes of whole files, on a machine with ringlet and claude.

use super::*;
use crate::migrate::dialect::Dialect;
use crate::migrate::examine::Parsed;
use crate::migrate::vocabulary::Terms;

const URL: &str = "https://api.z.ai/api/anthropic";
const ZAI: &str = "deadbeef93a1c0ffeeef0fdeadbeefbf.TESTe1zBFAKEhFdE";

// Each key of the files as `VARIABLE moved` or `VARIABLE REASON`, the accounts' profiles, and the agents without one.
fn outcome(files: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let vocabulary = Vocabulary::built_in();
    let machine =
        Machine { agents: BTreeSet::from(["claude".to_owned()]), has_ringlet: true, ..Machine::empty(vocabulary) };
    let texts: Vec<String> = files.iter().map(|text| text.replace("@u", URL).replace("@k", ZAI)).collect();
    let terms = Terms { vocabulary, known: Known::none() };
    let parsed: Vec<Parsed> = texts.iter().map(|text| Parsed::new(text.as_bytes(), Dialect::Zsh, terms)).collect();
    let sources: Vec<Source<'_>> = parsed
        .iter()
        .zip(&texts)
        .map(|(parsed, text)| parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None))
        .collect();
    let (judged, accounts) = judge(&sources, &machine, Known::none());
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
            judge(&[parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None)], &machine, Known::none());
        let is_kept = judged[0].keys[0].action == Action::Reported(Reason::Pair);
        assert_eq!(is_kept, stays, "{url}");
    }
}
