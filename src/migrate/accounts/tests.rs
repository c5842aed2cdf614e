//! What becomes of whole files, on a machine with ringlet and claude.

use super::*;
use crate::migrate::dialect::Dialect;
use crate::migrate::edit;
use crate::migrate::examine::{Examined, Parsed, Text, examine_together};
use crate::migrate::files::Shell;
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
fn a_launcher_that_is_defined_beside_a_key_of_its_family_stays_with_it() {
    let launcher = "glm() { ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=@k claude; }\n";
    let key = "export ANTHROPIC_API_KEY=sk-@k\n";
    for both in [format!("{launcher}{key}"), format!("{key}{launcher}")] {
        for (open, close) in
            [("if true; then\n", "fi\n"), ("define() {\n", "}\n"), ("if true; then\nif true; then\n", "fi\nfi\n")]
        {
            let (mut keys, made, withheld) = outcome(&[&format!("{open}{both}{close}")]);
            keys.sort_unstable();
            assert_eq!(keys, words(&["ANTHROPIC_API_KEY launcher", "ANTHROPIC_AUTH_TOKEN launcher"]), "{open}{both}");
            assert_eq!((made, withheld), (vec![], words(&["claude"])), "{open}{both}");
        }
        // At top level each is an account of its own.
        let (keys, made, _) = outcome(&[&both]);
        assert!(keys.iter().all(|key| key.ends_with(" moved")) && made.len() == 2, "{keys:?} {made:?}");
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
fn a_key_is_never_bound_to_an_endpoint_that_its_beginning_contradicts() {
    let key = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78";
    let pair = "export ANTHROPIC_BASE_URL=@u\nexport ANTHROPIC_AUTH_TOKEN=@k\n";
    let own = format!("{pair}one() {{ ANTHROPIC_API_KEY={key} claude \"$@\"; }}\n");
    let (keys, made, withheld) = outcome(&[&own]);
    assert!(keys.contains(&"ANTHROPIC_API_KEY launcher".to_owned()) && made.is_empty(), "{keys:?} {made:?}");
    assert_eq!(withheld, words(&["claude"]));
    let (keys, made, _) = outcome(&[&format!("export ANTHROPIC_BASE_URL=@u\nexport ANTHROPIC_API_KEY={key}\n")]);
    assert_eq!((keys, made), (words(&["ANTHROPIC_API_KEY pair"]), vec![]));
}

#[test]
fn a_variable_that_is_set_twice_is_one_or_each_of_its_values_is_a_key() {
    let launcher = "glm() { ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=$K1 claude \"$@\"; }\n";
    let twice = outcome(&[&format!("export K1=@k\n{launcher}export K1=@k\n")]);
    // The second one is known by its value once the first one moves (rule S12).
    assert_eq!(twice, (words(&["K1 moved", "ANTHROPIC_AUTH_TOKEN moved"]), words(&["glm zai"]), vec![]));
    for (launcher, second) in [(launcher.replace("claude", "nice claude"), "@k"), (launcher.to_owned(), "x@k")] {
        let found = outcome(&[&format!("export K1=@k\n{launcher}export K1={second}\n")]);
        let keys: Vec<String> = found.0.into_iter().filter(|key| key.starts_with("K1")).collect();
        assert_eq!(keys, words(&["K1 launcher", "K1 launcher"]), "{launcher} {second}");
        assert_eq!((found.1, found.2), (vec![], words(&["claude"])));
    }
}

#[test]
fn a_value_that_moves_goes_wherever_it_is_set() {
    let key = "TESTJOi1FAKE9u6ATESTGTHbFAKE0001";
    for (files, left) in [
        (&["MY=@m MY=@m\nAMP_API_KEY=$MY\n"][..], &[""][..]),
        (&["export MY=@m\n", "export MY=@m\nexport AMP_API_KEY=$MY\n"], &["", ""]),
        (&["export MY=@m\n", "export MY=@m OTHER=@m A=1\n", "AMP_API_KEY=$MY\n"], &["", "export A=1\n", ""]),
    ] {
        let files: Vec<String> = files.iter().map(|text| text.replace("@m", key)).collect();
        let texts: Vec<Text<'_>> = files
            .iter()
            .map(|text| Text { bytes: text.as_bytes(), dialect: Dialect::Zsh, shells: Some(1), at_login: true })
            .collect();
        let (examined, _) = examine_together(&texts, &machine());
        let after = |(text, examined): (&String, &Examined)| {
            let cuts = examined.cuts(text.as_bytes(), &|_| "default".to_owned());
            String::from_utf8(edit::apply(text.as_bytes(), &cuts)).expect("text")
        };
        let after: Vec<String> = files.iter().zip(&examined).map(after).collect();
        assert_eq!(after, left, "{files:?}");
    }
}

#[test]
fn what_unsets_a_key_later_goes_by_the_login_shells_order() {
    let key = "export ANTHROPIC_API_KEY=sk-@k\n";
    for (files, steps, is_default) in [
        ([key, "unset ANTHROPIC_API_KEY\n"], [0, 1], false),
        (["unset ANTHROPIC_API_KEY\n", key], [0, 1], true),
        // The second file is read first.
        ([key, "unset ANTHROPIC_API_KEY\n"], [1, 0], true),
        (["unset ANTHROPIC_API_KEY\n", key], [1, 0], false),
    ] {
        let vocabulary = Vocabulary::built_in();
        let texts = files.map(|text| text.replace("@k", ZAI));
        let terms = Terms { vocabulary, known: Known::none() };
        let parsed = texts.each_ref().map(|text| Parsed::new(text.as_bytes(), Dialect::Zsh, terms));
        let steps = [0, 1].map(|file| [(0..texts[file].len(), steps[file])]);
        let source =
            |file: usize| parsed[file].source(texts[file].as_bytes(), ReadBy::Shells(1), &steps[file], None, &[]);
        let (_, accounts) = judge(&[source(0), source(1)], &machine(), Known::none());
        assert_eq!(accounts.made.len(), usize::from(is_default), "{files:?} {steps:?}");
    }
}

#[test]
fn a_token_that_the_login_shell_does_not_read_leaves_a_login_alone() {
    let text = format!("export CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-{ZAI}\n");
    let terms = Terms { vocabulary: Vocabulary::built_in(), known: Known::none() };
    let parsed = Parsed::new(text.as_bytes(), Dialect::Bash, terms);
    let step = [(0..text.len(), 0)];
    for (login, steps, has_login, is_default) in [
        (Some(Shell::Zsh), &[][..], true, false),
        (Some(Shell::Zsh), &[][..], false, true),
        (Some(Shell::Bash), &step[..], true, true),
        (None, &[][..], true, true),
    ] {
        let logins: BTreeMap<_, _> =
            has_login.then(|| ("claude".to_owned(), "~/.claude".to_owned())).into_iter().collect();
        let machine = Machine { login, logins, ..machine() };
        let source = parsed.source(text.as_bytes(), ReadBy::Shells(1 << Shell::Bash as u8), steps, None, &[]);
        let (_, accounts) = judge(&[source], &machine, Known::none());
        assert_eq!(accounts.made.len(), usize::from(is_default), "{login:?} {has_login}");
        assert_eq!(accounts.withheld.is_empty(), is_default, "{login:?} {has_login}");
    }
}

#[test]
fn what_depends_on_a_condition_or_the_order_is_no_account() {
    let pair = "export ANTHROPIC_BASE_URL=@u\nexport ANTHROPIC_AUTH_TOKEN=@k\n";
    let (keys, made, withheld) = outcome(&[pair, "export ANTHROPIC_BASE_URL=https://api.anthropic.com\n"]);
    assert_eq!(keys, words(&["ANTHROPIC_AUTH_TOKEN pair"]));
    assert_eq!((made, withheld), (vec![], words(&["claude"])));
    let text = format!("{pair}[ -n \"$X\" ] && export ANTHROPIC_MODEL=one\n").replace("@u", URL).replace("@k", ZAI);
    let terms = Terms { vocabulary: Vocabulary::built_in(), known: Known::none() };
    let parsed = Parsed::new(text.as_bytes(), Dialect::Zsh, terms);
    let source = parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None, &[]);
    let (judged, accounts) = judge(&[source], &machine(), Known::none());
    assert_eq!((accounts.made[0].model.as_deref(), judged[0].gone.len()), (None, 2));
}

#[test]
fn a_literal_that_a_launcher_takes_its_key_from_goes_with_it() {
    let found = outcome(&["d() { local key=sk-ant-@k\n ANTHROPIC_API_KEY=\"$key\" claude \"$@\"\n}\n"]);
    assert_eq!(found.1, words(&["d anthropic"]));
    assert!(found.0.iter().all(|key| key.ends_with(" moved")), "{found:?}");
}

#[test]
fn an_endpoint_is_named_by_its_protocol() {
    for (url, named) in
        [("https://api.deepseek.com/anthropic", None), ("https://api.deepseek.com", Some("https://api.deepseek.com"))]
    {
        let text = format!("export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_AUTH_TOKEN=sk-{}\n", &ZAI[..32]);
        let terms = Terms { vocabulary: Vocabulary::built_in(), known: Known::none() };
        let parsed = Parsed::new(text.as_bytes(), Dialect::Zsh, terms);
        let source = parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None, &[]);
        let (_, accounts) = judge(&[source], &machine(), Known::none());
        assert_eq!(accounts.made[0].endpoint.as_deref(), named, "{url}");
    }
}

#[test]
fn parameters_of_any_type_are_nothing_more() {
    for parameters in [
        "param([string[]]$a)",
        "param([Parameter(ValueFromRemainingArguments=$true)][string[]]$Rest)",
        "[CmdletBinding()]\nparam(\n  [System.Collections.Generic.List[string]]$a,\n  [int[,]]$b = 1\n)",
    ] {
        let text = format!(
            "function glm {{ {parameters}\n$env:ANTHROPIC_BASE_URL = '{URL}'\n\
             $env:ANTHROPIC_AUTH_TOKEN = '{ZAI}'\nclaude @args\n}}\n"
        );
        let terms = Terms { vocabulary: Vocabulary::built_in(), known: Known::none() };
        let parsed = Parsed::new(text.as_bytes(), Dialect::PowerShell, terms);
        let source = parsed.source(text.as_bytes(), ReadBy::Shells(1 << Shell::PowerShell as u8), &[], None, &[]);
        let (_, accounts) = judge(&[source], &machine(), Known::none());
        assert_eq!(accounts.made.iter().map(|own| own.provider.as_str()).collect::<Vec<_>>(), ["zai"], "{parameters}");
    }
}

#[test]
fn starts_past_the_hook_that_lose_their_account_are_named() {
    let key = "export ANTHROPIC_API_KEY=sk-@k\n";
    for (text, passes) in [
        ("c() { claude --verbose \"$@\"; }\n", false),
        ("c() { command claude \"$@\"; }\n", true),
        ("c() { exec claude \"$@\"; }\n", true),
        ("c() { nice claude \"$@\"; }\n", true),
        ("c() { env A=b claude \"$@\"; }\n", true),
        ("c() { ~/bin/claude \"$@\"; }\n", true),
        ("claude() { command claude --verbose \"$@\"; }\n", true),
        ("alias c='claude --verbose'\n", false),
        ("c() { ANTHROPIC_API_KEY=sk-1@k command claude \"$@\"; }\n", false),
    ] {
        let text = format!("{key}{text}").replace("@k", ZAI);
        let terms = Terms { vocabulary: Vocabulary::built_in(), known: Known::none() };
        let parsed = Parsed::new(text.as_bytes(), Dialect::Zsh, terms);
        let source = parsed.source(text.as_bytes(), ReadBy::Shells(1 << Shell::Zsh as u8), &[], None, &[]);
        let (_, accounts) = judge(&[source], &machine(), Known::none());
        assert_eq!(!accounts.past_hook.is_empty(), passes, "{text} {:?}", accounts.withheld);
        let source = parsed.source(text.as_bytes(), ReadBy::Shells(1 << Shell::Csh as u8), &[], None, &[]);
        let (_, accounts) = judge(&[source], &machine(), Known::none());
        let has_own = text.contains("sk-1");
        assert_eq!(accounts.past_hook.is_empty(), has_own, "a shell without a hook: {text}");
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
