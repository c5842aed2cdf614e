//! What the readers' tests share: the corpus of one shell, a scrub with aliases, and whether a tree is sound.

use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::dialect::Dialect;
use crate::migrate::edit;
use crate::migrate::examine::{self, Action, Examined, Finding};
use crate::migrate::model::{Node, Script, Setting, Span, Value, Warning};
use crate::migrate::vocabulary::Vocabulary;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::{Command, Stdio};

/// A key of OpenAI's form, made up; a different one for each number.
pub(crate) fn openai(number: u32) -> String {
    format!("sk-proj-TESTV4dAFAKEy0KqTESTXdW3FAKEaB8xT3BlbkFJTESTxdtbFAKEuUUJTESTcz5rFAKE{number:04}q")
}

/// The same of Mistral's, which only its name tells.
pub(crate) fn mistral(number: u32) -> String {
    format!("TESTJOi1FAKE9u6ATESTGTHbFAKE{number:04}")
}

impl Warning {
    /// The corpus' word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Conflict => "conflict",
            Self::LaunchdSession => "launchd-session",
            Self::Registry => "registry",
            Self::UniversalVariable => "universal-variable",
            Self::SystemdSession => "systemd-session",
        }
    }
}

/// The aliases of the corpus' rule, for one file and an empty keychain.
fn aliases(findings: &[Finding]) -> Vec<String> {
    let mut names: BTreeMap<(String, Vec<u8>), String> = BTreeMap::new();
    let key = |finding: &Finding| (finding.provider.clone(), finding.value.to_vec());
    let moved = |finding: &&Finding| finding.is_moved();
    let mut providers: Vec<&str> = findings.iter().filter(moved).map(|finding| finding.provider.as_str()).collect();
    providers.sort_unstable();
    providers.dedup();
    for provider in providers {
        let own: Vec<&Finding> = findings.iter().filter(moved).filter(|finding| finding.provider == provider).collect();
        let active: Vec<&&Finding> = own.iter().filter(|finding| !finding.is_commented()).collect();
        let spec = Vocabulary::built_in().provider(provider);
        let is_own = |finding: &&&&Finding| {
            finding.top_level && finding.variable.as_deref() == spec.map(|spec| spec.variable.as_str())
        };
        let last = active.iter().rev().find(is_own).or(active.iter().rev().find(|finding| finding.top_level));
        if let Some(last) = last.or(active.last()) {
            names.insert(key(last), "default".into());
        }
        let (mut number, mut comments) = (1, 0);
        for finding in active {
            names.entry(key(finding)).or_insert_with(|| {
                number += 1;
                number.to_string()
            });
        }
        for finding in own {
            names.entry(key(finding)).or_insert_with(|| {
                comments += 1;
                if comments == 1 { "commented".into() } else { format!("commented-{comments}") }
            });
        }
    }
    findings.iter().map(|finding| names.get(&key(finding)).cloned().unwrap_or_default()).collect()
}

/// The file after a scrub, and what was found in it.
pub(crate) fn scrub(bytes: &[u8], dialect: Dialect) -> (Vec<u8>, Examined) {
    let examined = examine::examine(bytes, dialect, Vocabulary::built_in());
    (scrubbed(bytes, &examined), examined)
}

/// The file after a scrub.
pub(super) fn scrubbed(bytes: &[u8], examined: &Examined) -> Vec<u8> {
    let names = aliases(examined.findings());
    let cuts = examined.cuts(bytes, &|finding| {
        let at = examined.findings().iter().position(|other| std::ptr::eq(other, finding));
        names[at.expect("one of the findings")].clone()
    });
    edit::apply(bytes, &cuts)
}

/// `1 openai OPENAI_API_KEY moved set`, `2 - argument` and the like, one a finding.
pub(crate) fn summary(examined: &Examined) -> Vec<String> {
    let line = |finding: &Finding| {
        let Finding { line, provider, .. } = finding;
        let name = finding.variable.as_deref().unwrap_or("-");
        match finding.action {
            Action::Moved(form) => format!("{line} {provider} {name} moved {}", form.as_str()),
            Action::Reported(reason) => format!("{line} {provider} {name} {}", reason.as_str()),
        }
    };
    examined.findings().iter().map(line).collect()
}

/// The scrub gives `after`, finds exactly `found`, and has nothing to do a second time.
#[track_caller]
pub(crate) fn comes_out(dialect: Dialect, before: &str, after: &str, found: &[&str]) {
    let (out, examined) = scrub(before.as_bytes(), dialect);
    assert_eq!(String::from_utf8_lossy(&out), after, "\nbefore:\n{before}");
    assert_eq!(summary(&examined), found, "\nbefore:\n{before}");
    let (again, second) = scrub(&out, dialect);
    assert_eq!(again, out, "a second run is idle");
    assert!(!second.findings().iter().any(Finding::is_moved));
}

/// Every value that is set, in the order of the tree: name and decoded literal.
pub(super) fn literals(script: &Script) -> Vec<(String, Vec<u8>)> {
    fn walk(nodes: &[Node], found: &mut Vec<(String, Vec<u8>)>) {
        for node in nodes {
            match node {
                Node::Setting(setting) => {
                    for word in &setting.words {
                        if let Value::Literal(value, _) = &word.value {
                            found.push((word.name.clone(), value.to_vec()));
                        }
                    }
                }
                Node::List { operands, .. } => walk(operands, found),
                Node::Compound { bodies, .. } => bodies.iter().for_each(|body| walk(&body.nodes, found)),
                Node::Start(_) | Node::Other(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&script.nodes, &mut found);
    found
}

/// Spans are inside the file and inside their parents, in order, and never overlap on one level.
#[track_caller]
pub(super) fn is_sound(script: &Script, bytes: &[u8]) {
    #[track_caller]
    fn level(spans: &[&Span], within: &Span) {
        let mut end = within.start;
        for span in spans {
            assert!(span.start >= end && span.start <= span.end && span.end <= within.end, "{spans:?} in {within:?}");
            end = span.end;
        }
    }
    #[track_caller]
    fn walk(nodes: &[Node], within: &Span) {
        level(&nodes.iter().map(Node::span).collect::<Vec<_>>(), within);
        for node in nodes {
            match node {
                Node::Setting(setting) => sound_setting(setting),
                Node::Start(start) => {
                    sound_setting(&start.setting);
                    level(&[&start.setting.span, &start.command], &start.span);
                    if let Some((env, _)) = &start.env {
                        level(&[env], &start.setting.span);
                    }
                }
                Node::List { span, operands } => walk(operands, span),
                Node::Compound { span, bodies, .. } => {
                    level(&bodies.iter().map(|body| &body.span).collect::<Vec<_>>(), span);
                    bodies.iter().for_each(|body| walk(&body.nodes, &body.span));
                }
                Node::Other(_) => {}
            }
        }
    }
    #[track_caller]
    fn sound_setting(setting: &Setting) {
        level(&setting.words.iter().map(|word| &word.span).collect::<Vec<_>>(), &setting.span);
        for word in &setting.words {
            level(&[&word.name_span], &word.span);
            if let Value::Literal(_, span) | Value::Default(_, _, span) = &word.value {
                assert!(span.end <= setting.span.end && span.start >= setting.span.start);
            }
        }
    }
    let whole = 0..bytes.len();
    walk(&script.nodes, &whole);
    level(&script.comments.iter().collect::<Vec<_>>(), &whole);
    assert!(script.fixed.iter().all(|fixed| fixed.at <= bytes.len()));
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-corpus")
}

/// Reports whether a case is about what one file by itself does not tell: accounts, and keys that other places make so.
pub(crate) fn has_accounts(case: &Path) -> bool {
    let expect: toml::Table =
        std::fs::read_to_string(case.join("expect.toml")).expect("a case").parse().expect("a case is TOML");
    let found = expect.get("found").and_then(toml::Value::as_array).into_iter().flatten();
    // A value that only another place makes a key.
    let is_known = |found: &toml::Value| {
        let text = |key: &str| found.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let judged = detect::judge(Some(text("variable")), text("value").as_bytes(), Known::none());
        !text("value").is_empty() && !matches!(judged, Judgement::Key(_))
    };
    ["profile", "setting", "command", "no_default"].iter().any(|key| expect.contains_key(*key))
        || found.into_iter().any(is_known)
}

/// Runs the corpus' cases of one shell; how many there were.
#[track_caller]
pub(crate) fn corpus_of(shell: &str, dialect: Dialect) -> usize {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(corpus().join("cases"))
        .expect("the corpus")
        .map(|entry| entry.expect("a case").path())
        .collect();
    folders.sort();
    let mut cases = 0;
    for folder in folders {
        let case: toml::Table =
            std::fs::read_to_string(folder.join("expect.toml")).expect("expect.toml").parse().expect("a case's form");
        if case["shell"].as_str() != Some(shell) {
            continue;
        }
        cases += 1;
        if has_accounts(&folder) {
            continue;
        }
        let file = |stem: &str| {
            let mut entries = std::fs::read_dir(&folder).expect("a case").map(|entry| entry.expect("a file").path());
            let path = entries.find(|path| path.file_stem().is_some_and(|name| name == stem));
            std::fs::read(path.expect("a file of the case")).expect("a file of the case")
        };
        let (input, expected) = (file("input"), file("expected"));
        // The plan decodes such a file.
        if input.starts_with(&[0xff, 0xfe]) {
            continue;
        }
        let (out, examined) = scrub(&input, dialect);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected), "{}", folder.display());
        let names = aliases(examined.findings());
        let is_nameless = |line: usize| {
            let found = case.get("found").and_then(toml::Value::as_array).into_iter().flatten();
            found.into_iter().any(|found| {
                let is_here = found.get("line").and_then(toml::Value::as_integer) == i64::try_from(line).ok();
                is_here && found.get("variable").and_then(toml::Value::as_str) == Some("")
            })
        };
        let got: Vec<String> = examined
            .findings()
            .iter()
            .zip(&names)
            .map(|(finding, alias)| {
                let Finding { line, provider, .. } = finding;
                let name = finding.variable.as_deref().unwrap_or_default();
                match finding.action {
                    Action::Moved(form) => {
                        let form = form.as_str();
                        let warn: Vec<&str> = finding.warnings.iter().map(|warning| warning.as_str()).collect();
                        let value = String::from_utf8_lossy(&finding.value);
                        format!("{line} {provider} {name} moved {alias} {form} {warn:?} {value}")
                    }
                    // A name that the case leaves out is free.
                    Action::Reported(reason) if is_nameless(*line) => format!("{line} {provider}  {}", reason.as_str()),
                    Action::Reported(reason) => format!("{line} {provider} {name} {}", reason.as_str()),
                }
            })
            .collect();
        let found = case.get("found").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let wanted: Vec<String> = found
            .iter()
            .filter_map(|found| {
                let text = |name: &str| found.get(name).and_then(toml::Value::as_str).unwrap_or_default();
                let line = found.get("line").and_then(toml::Value::as_integer).unwrap_or_default();
                let place = format!("{line} {} {}", text("provider"), text("variable"));
                let warn: Vec<&str> = found
                    .get("warn")
                    .and_then(toml::Value::as_array)
                    .map(|warns| warns.iter().filter_map(toml::Value::as_str).collect())
                    .unwrap_or_default();
                match text("action") {
                    "moved" => {
                        Some(format!("{place} moved {} {} {warn:?} {}", text("alias"), text("form"), text("value")))
                    }
                    "reported" => Some(format!("{place} {}", text("reason"))),
                    _ => None,
                }
            })
            .collect();
        assert_eq!(got, wanted, "{}", folder.display());
        assert_eq!(scrub(&out, dialect).0, out, "a second run is idle: {}", folder.display());
    }
    cases
}

/// Runs a shell with the file as its last argument, in an empty home; the shell must be there.
#[track_caller]
#[cfg(unix)]
fn shell_output(command: &[&str], file: &[u8]) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, file).expect("the file is written");
    Command::new(command[0])
        .args(&command[1..])
        .arg(&path)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .output()
        .expect("the shell runs")
}

/// Whether a shell takes the file as it is; the shell must be there.
#[track_caller]
#[cfg(unix)]
pub(crate) fn accepts(command: &[&str], file: &[u8]) -> bool {
    let out = shell_output(command, file);
    out.status.success() && out.stderr.is_empty()
}

/// What a shell prints that sources the file as `$1` and runs `script`.
#[track_caller]
#[cfg(unix)]
pub(crate) fn says(command: &[&str], file: &[u8]) -> String {
    let out = shell_output(command, file);
    let mut lines: Vec<String> = String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}
