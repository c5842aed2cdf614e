//! Holds `docs/migrate-rules.md` to the code: its tables list the words that the code knows, and its examples are run.
//!
//! In an example, `⏎` is the end of a line, and `sk-KEY`, `sk-OTHER` and `ghp_KEY` are replaced by made-up keys.

use super::accounts::Machine;
use super::detect::{self, Judgement, Known};
use super::dialect::{self, Dialect};
use super::examine::{self, Action, Finding};
use super::files::Found;
use super::model::{Form, Reason, Warning};
use super::plan::Plan;
use super::testing::{openai, scrub, summary};
use super::vocabulary::Vocabulary;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A value that only its variable's name makes a key.
const PLAIN: &str = "TESTJOi1FAKE9u6ATESTGTHbFAKE0001";

/// The rows of the first table below a heading; in a cell, `\|` is `|`.
#[track_caller]
fn table(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrate-rules.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| !(line.starts_with('#') && line.trim_start_matches('#').trim() == heading))
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect();
    assert!(!rows.is_empty(), "no table below {heading:?}");
    rows
}

fn cells(row: &str) -> Vec<String> {
    let row = row.replace(r"\|", "\0");
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// The code spans of a cell: between one or two backquotes.
fn spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(open) = rest.find('`') {
        let quotes = if rest[open..].starts_with("``") { "``" } else { "`" };
        let inside = &rest[open + quotes.len()..];
        let close = inside.find(quotes).expect("a code span ends in its cell");
        let text = &inside[..close];
        spans.push(if quotes.len() == 2 { text.trim() } else { text }.to_owned());
        rest = &inside[close + quotes.len()..];
    }
    spans
}

/// The only code span of a cell.
#[track_caller]
fn span(cell: &str) -> String {
    let [only] = spans(cell).try_into().unwrap_or_else(|spans| panic!("one code span is wanted: {spans:?}"));
    only
}

/// The text of an example, keys filled in.
fn filled(example: &str) -> String {
    example
        .replace('⏎', "\n")
        .replace("sk-KEY", &openai(1))
        .replace("sk-OTHER", &openai(2))
        .replace("ghp_KEY", "ghp_TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTEST")
}

fn languages(cell: &str) -> Vec<Dialect> {
    let language = |name: &str| match name {
        "bash" => Dialect::Bash,
        "zsh" => Dialect::Zsh,
        "sh" => Dialect::Sh,
        "fish" => Dialect::Fish,
        "PowerShell" => Dialect::PowerShell,
        "csh" => Dialect::Csh,
        "nushell" => Dialect::Nushell,
        ".env" => Dialect::DotEnv,
        "environment.d" => Dialect::EnvironmentD,
        "pam_env" => Dialect::PamEnv,
        "fish_variables" => Dialect::FishVariables,
        "structured" => Dialect::Structured,
        "history" => Dialect::History,
        "text" => Dialect::Text,
        other => panic!("no language: {other}"),
    };
    cell.split(", ").map(language).collect()
}

/// Runs the examples of a table with the columns word, languages, example; a word may have several rows, and `-` is
/// no example.
#[track_caller]
fn examples(heading: &str, known: BTreeSet<&str>, agrees: impl Fn(&str, &[Finding]) -> bool) {
    let (mut words, mut wrong) = (BTreeSet::new(), Vec::new());
    for row in table(heading) {
        let word = span(&row[0]);
        if row[2] != "-" {
            for language in languages(&row[1]) {
                let example = filled(&span(&row[2]));
                let examined = examine::examine(example.as_bytes(), language, Vocabulary::built_in());
                if !agrees(&word, examined.findings()) {
                    wrong.push(format!("{word} in {language:?}: {} gives {:?}", row[2], summary(&examined)));
                }
            }
        }
        words.insert(word);
    }
    assert_eq!(wrong, [""; 0], "{heading}");
    let words: BTreeSet<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(words, known, "{heading}: the words of the page and those of the code");
}

#[test]
fn every_form_has_an_example_that_moves() {
    let known = Form::ALL.iter().map(|form| form.as_str()).collect();
    examples("Forms", known, |word, findings| {
        let is_form = |finding: &Finding| matches!(finding.action, Action::Moved(form) if form.as_str() == word);
        findings.iter().any(is_form) && findings.iter().all(Finding::is_moved)
    });
}

#[test]
fn a_statement_that_does_more_than_set_stays() {
    let mut wrong = Vec::new();
    for row in table("Setters at the border") {
        for language in languages(&row[0]) {
            for (column, moves) in [(1, true), (2, false)] {
                for example in spans(&row[column]) {
                    let examined = examine::examine(filled(&example).as_bytes(), language, Vocabulary::built_in());
                    let findings = examined.findings();
                    if findings.is_empty() || findings.iter().any(|finding| finding.is_moved() != moves) {
                        wrong.push(format!("{language:?}: {example} gives {:?}", summary(&examined)));
                    }
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_reason_has_an_example_that_stays() {
    let known = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    examples("Reasons", known, |word, findings| {
        let is_reason =
            |finding: &Finding| matches!(finding.action, Action::Reported(reason) if reason.as_str() == word);
        findings.iter().any(is_reason) && !findings.iter().any(Finding::is_moved)
    });
}

#[test]
fn every_warning_has_an_example() {
    let known = Warning::ALL.iter().map(|warning| warning.as_str()).collect();
    examples("Warnings", known, |word, findings| {
        findings.iter().any(|finding| finding.warnings.iter().any(|warning| warning.as_str() == word))
    });
}

#[test]
fn every_example_of_a_removal_leaves_what_the_page_says() {
    let mut wrong = Vec::new();
    for heading in ["Statements, words and lines", "Bodies and lists", "Copies", "Comments"] {
        for row in table(heading) {
            for language in languages(&row[1]) {
                let (before, after) = (filled(&span(&row[2])), filled(&spans(&row[3]).concat()));
                let (out, _) = scrub(before.as_bytes(), language);
                if out != after.as_bytes() {
                    wrong.push(format!(
                        "{} in {language:?}: {} gives {:?}",
                        row[0],
                        row[2],
                        String::from_utf8_lossy(&out)
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn commands_that_are_no_programs_make_no_launcher() {
    let mut wrong = Vec::new();
    for row in table("Launchers") {
        for language in languages(&row[0]) {
            for (column, moves) in [(1, true), (2, false)] {
                for command in spans(&row[column]) {
                    let text = match language {
                        Dialect::Fish => format!("function f⏎{command}⏎set -gx OPENAI_API_KEY sk-KEY⏎end⏎"),
                        Dialect::Csh => format!("( {command} ; setenv OPENAI_API_KEY sk-KEY )⏎"),
                        Dialect::Nushell => format!("def f [] {{⏎{command}⏎$env.OPENAI_API_KEY = 'sk-KEY'⏎}}⏎"),
                        Dialect::PowerShell => format!("function f {{⏎{command}⏎$env:OPENAI_API_KEY = 'sk-KEY'⏎}}⏎"),
                        _ => format!("f() {{⏎{command}⏎export OPENAI_API_KEY=sk-KEY⏎}}⏎"),
                    };
                    let examined = examine::examine(filled(&text).as_bytes(), language, Vocabulary::built_in());
                    if examined.findings().iter().map(Finding::is_moved).ne([moves]) {
                        wrong.push(format!("{language:?}: {command} gives {:?}", summary(&examined)));
                    }
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn what_follows_unreadable_code_moves_or_stays_as_the_page_says() {
    let mut wrong = Vec::new();
    for row in table("Code that a reader cannot read") {
        for language in languages(&row[0]) {
            let text = filled(&span(&row[2]));
            let examined = examine::examine(text.as_bytes(), language, Vocabulary::built_in());
            let lines = |moved: bool| {
                let findings = examined.findings().iter().filter(|finding| finding.is_moved() == moved);
                let lines: Vec<String> = findings.map(|finding| finding.line.to_string()).collect();
                if lines.is_empty() { "none".to_owned() } else { lines.join(", ") }
            };
            if [lines(true), lines(false)] != [row[3].as_str(), &row[4]] {
                wrong.push(format!("{language:?}: {} gives {:?}", row[2], summary(&examined)));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_files_name_first_line_and_ending_tell_its_language() {
    for row in table("Languages") {
        let [language] = languages(&row[0]).try_into().expect("one language a row");
        for name in spans(&row[1]) {
            assert_eq!(dialect::of(Path::new(&name), b""), language, "{name}");
        }
        for program in spans(&row[2]) {
            let first = format!("#!/usr/bin/{program}\n");
            assert_eq!(dialect::of(Path::new("x"), first.as_bytes()), language, "{program}");
        }
        for ending in spans(&row[3]) {
            assert_eq!(dialect::of(Path::new(&format!("x{ending}")), b""), language, "{ending}");
        }
        for line in spans(&row[4]) {
            assert_eq!(dialect::of(Path::new("x"), line.as_bytes()), language, "{line}");
        }
    }
}

#[test]
fn variables_and_beginnings_of_keys_are_those_of_the_code() {
    let listed = |heading: &str| -> BTreeSet<(String, String)> {
        let rows = table(heading).into_iter();
        rows.flat_map(|row| spans(&row[1]).into_iter().map(move |word| (word, row[0].clone()))).collect()
    };
    let owned = |pairs: Vec<(&str, &str)>| -> BTreeSet<(String, String)> {
        pairs.into_iter().map(|(word, provider)| (word.to_owned(), provider.to_owned())).collect()
    };
    assert_eq!(listed("Variables"), owned(detect::variables()));
    for row in table("Variables") {
        for name in spans(&row[1]) {
            let judged = detect::judge(Some(&name), PLAIN.as_bytes(), Known::none());
            assert_eq!(matches!(judged, Judgement::Key(_)), row[2] == "a key", "{name}");
        }
    }
    assert_eq!(listed("Patterns"), owned(detect::patterns()));
    assert_eq!(listed("Beginnings"), owned(detect::beginnings()));
}

#[test]
fn values_that_are_no_keys_are_those_of_the_code() {
    for row in table("Values that are no keys") {
        for value in spans(&row[0]) {
            let judged = detect::judge(Some("OPENAI_API_KEY"), value.replace("KEY", PLAIN).as_bytes(), Known::none());
            assert!(matches!(judged, Judgement::Ignored(_)), "{value}: {judged:?}");
        }
    }
    let words: BTreeSet<String> = table("Placeholder words").into_iter().flat_map(|row| spans(&row[0])).collect();
    assert_eq!(words, detect::placeholder_words().iter().map(|word| (*word).to_owned()).collect());
}

#[test]
fn words_of_unknown_names_are_those_of_the_code() {
    let (saying, about) = detect::saying();
    let listed: Vec<Vec<String>> = table("Unknown names").iter().map(|row| spans(&row[1])).collect();
    assert_eq!(listed, [saying, about]);
}

#[test]
fn accounts_are_made_as_the_page_says() {
    let agents = ["claude", "codex"].map(str::to_owned).into();
    let machine = Machine { agents, has_ringlet: true, ..Machine::empty(Vocabulary::built_in()) };
    let filled = |text: &str| {
        text.replace('\u{23ce}', "\n").replace("=KEY", &format!("={PLAIN}")).replace("-KEY", &format!("-{PLAIN}"))
    };
    for row in table("Accounts by example") {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".zshrc");
        let before = filled(&span(&row[0]));
        std::fs::write(&file, &before).expect("written");
        let plan = Plan::of(&Found::default(), &[file], &machine);
        let after = plan.files.first().map_or(before.clone(), |file| String::from_utf8_lossy(&file.after).into_owned());
        let wanted = match row[1].as_str() {
            "the same" => before.clone(),
            "" => String::new(),
            cell => filled(&span(cell)),
        };
        assert_eq!(after, wanted, "{}", row[3]);
        let made = plan.accounts.iter().map(|own| {
            let account = &own.account;
            let endpoint = account.endpoint.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
            let header = account.auth_header.map(|header| format!(", {header}")).unwrap_or_default();
            let default = if account.is_default() && own.profile != "default" { ", default" } else { "" };
            format!("{} {} {}{endpoint}{header}{default}", own.profile, account.agents.join(","), own.key)
        });
        let none = plan.withheld.iter().map(|(withheld, _)| format!("none {}", withheld.agent));
        assert_eq!(made.chain(none).collect::<Vec<_>>(), spans(&row[2]), "{}", row[3]);
    }
}

#[test]
fn aliases_are_given_as_the_page_says() {
    for row in table("Aliases") {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".zshrc");
        std::fs::write(&file, filled(&span(&row[0]))).expect("written");
        let plan = Plan::of(&Found::default(), &[file], &Machine::empty(Vocabulary::built_in()));
        let key = |value: &[u8]| if *value == *openai(1).as_bytes() { "sk-KEY" } else { "sk-OTHER" };
        let given: BTreeMap<String, String> =
            plan.keys.iter().map(|planned| (planned.name.alias.to_string(), key(&planned.value).to_owned())).collect();
        let wanted: BTreeMap<String, String> =
            spans(&row[1]).chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        assert_eq!(given, wanted, "{}", row[0]);
    }
}
