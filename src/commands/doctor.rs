//! `ringlet doctor`: reports what is wrong with the installation. Changes nothing, but that an audit log notes the
//! lookups by which keys are compared.
//!
//! Each area is a file below and goes on after whatever is wrong in it or in another. A check that is not in order has
//! one command that helps.

mod agents;
mod keys;
mod life;
mod plaintext;
mod services;
mod shells;
mod surroundings;

use super::Session;
use super::check::{Checks, Grade};
use crate::config::ConfigError;
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::output::Style;
use serde_json::json;

type Area = fn(&Host, &Session, &mut Checks) -> Result<(), Failure>;

const AREAS: &[Area] =
    &[keys::check, agents::check, shells::check, plaintext::check, services::check, surroundings::check];

/// `ringlet doctor`; status 1 when something is wrong.
pub(super) fn run(host: &mut Host, session: &Session, wrong: Option<ConfigError>) -> Result<i32, Failure> {
    let mut checks = Checks::default();
    checks.is_without_settings = wrong.is_some();
    settings(host, session, wrong, &mut checks);
    for area in AREAS {
        if let Err(failure) = area(host, session, &mut checks) {
            checks.failed(failure);
        }
    }
    let bad = checks.all().iter().any(|check| check.grade == Grade::Bad);
    report(host, &checks);
    Ok(if bad { status::FAILURE } else { 0 })
}

fn settings(host: &Host, session: &Session, wrong: Option<ConfigError>, checks: &mut Checks) {
    let config = session.paths.config();
    let pretty = session.paths.pretty(&config);
    match wrong.map(Failure::from) {
        Some(Failure { message, hints, .. }) => {
            let hint = hints.into_iter().next().map_or_else(|| Hint::from(""), |hint| hint.and("; "));
            let hint = hint.command(["ringlet", "config", "edit"]).and(" opens the file");
            checks.bad(format!("{message}; what follows is as if it said nothing"), hint);
        }
        None if config.exists() => checks.good(format!("the settings in {pretty} are right")),
        None => checks.good(format!("there is no {pretty}, so the usual settings hold")),
    }
    if let Err(failure) = session.refuse_own_places(&host.world) {
        checks.failed(failure);
    }
}

fn report(host: &mut Host, checks: &Checks) {
    let word = |grade| match grade {
        Grade::Good => (Style::Good, "ok"),
        Grade::Here => (Style::Plain, "here"),
        Grade::Note => (Style::Warn, "note"),
        Grade::Bad => (Style::Bad, "wrong"),
    };
    let hints: Vec<Option<String>> =
        checks.all().iter().map(|check| check.hint.as_ref().map(|hint| host.output.written(hint))).collect();
    let checks = checks.all().iter().zip(hints);
    if host.output.wants_json() {
        let rows: Vec<_> = checks
            .map(|(check, hint)| json!({ "grade": word(check.grade).1, "what": check.text, "hint": hint }))
            .collect();
        host.output.json(&rows);
        return;
    }
    for (check, hint) in checks {
        let (style, label) = word(check.grade);
        host.output.line(&[(style, &format!("{label:<6}")), (Style::Plain, &check.text)]);
        if let Some(hint) = hint {
            host.output.line(&[(Style::Dim, &format!("      {hint}"))]);
        }
    }
}

#[cfg(all(test, unix))]
mod in_a_home {
    use crate::host::testing::Home;
    use crate::migrate::testing::openai;

    #[test]
    fn a_sound_home_has_status_0_and_a_profile_without_its_key_status_1() {
        let home = Home::new();
        let ran = home.run(&["doctor"]);
        assert!(ran.out.contains("there is no profile yet"), "{ran:?}");
        assert_eq!(ran.status, 0, "{ran:?}");
        let home = Home::with_profile("work");
        assert_eq!(home.run(&["doctor"]).status, 1);
        let data = home.run(&["--json", "doctor"]);
        let data: serde_json::Value = serde_json::from_str(&data.out).expect("JSON");
        assert!(data.to_string().contains("anthropic/default"), "{data}");
    }

    #[test]
    fn settings_that_are_wrong_are_a_finding_and_no_end() {
        let home = Home::new();
        home.write(".config/ringlet/config.toml", "nonsense = 1\n");
        let ran = home.run(&["doctor"]);
        assert_eq!(ran.status, 1);
        assert!(ran.out.contains("what follows is as if it said nothing"), "{ran:?}");
    }

    // Every check that is not in order, with its hint.
    fn amiss(home: &Home) -> Vec<(String, String)> {
        let ran = home.run(&["--json", "doctor"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&ran.out).expect("JSON");
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let amiss = rows.iter().filter(|row| row["grade"] != "ok");
        amiss.map(|row| (text(row, "what"), text(row, "hint"))).collect()
    }

    #[test]
    fn whatever_is_amiss_comes_with_a_command_and_nothing_ends_the_rest() {
        let mut home = Home::with_profile("work");
        home.program("claude");
        let aid = "agent = \"calude\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"x\"\n";
        home.write(".ringlet/profiles/aid/ringlet.toml", aid);
        home.write(
            ".ringlet/profiles/gone/ringlet.toml",
            "agent = \"codex\"\nauth = \"login\"\nconfig-dir = \"~/x\"\n",
        );
        home.write(
            ".config/ringlet/config.toml",
            "default-profile = \"nobody\"\n[scope.\"openai/typo\"]\npin = true\n",
        );
        for alias in ["one", "two"] {
            home.input = b"sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST".to_vec();
            home.run(&["keychain", "set", "anthropic", alias, "--stdin"]).succeeds();
        }
        home.write(".bashrc", &format!("alias claude=/x\nexport OPENAI_API_KEY={}\n", openai(1)));
        home.env.push(("ANTHROPIC_API_KEY", "x".into()));
        home.env.push(("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22".into()));
        home.env.push(("TMUX", "/tmp/tmux".into()));
        home.env.push(("WSL_DISTRO_NAME", "Debian".into()));
        home.env.push(("container", "podman".into()));
        home.env.push(("TERM_PROGRAM", "vscode".into()));
        let found = amiss(&home);
        for what in [
            "unknown agent \"calude\"",
            "the login folder ~/x of profile \"gone\" does not exist",
            "profile \"work\" needs anthropic/default",
            "the default profile \"nobody\" cannot be read",
            "there is a scope for openai/typo",
            "anthropic/one and anthropic/two are the same key",
            "no rc file loads the hook",
            "~/.bashrc:1 defines an alias claude",
            "~/.bashrc:2 has OPENAI_API_KEY",
            "ANTHROPIC_API_KEY is set in this shell",
            "no completions for bash are installed",
            "this is an ssh session",
            "this is tmux",
            "this is WSL",
            "this is a container",
            "this is an editor's terminal",
        ] {
            assert!(found.iter().any(|(text, _)| text.contains(what)), "{what} {found:#?}");
        }
        for (text, hint) in &found {
            assert!(hint.contains('`'), "{text} has no command: {hint:?}");
        }
        // Settings that are wrong hide nothing of it but what they say.
        home.write(".config/ringlet/config.toml", "nonsense = 1\n");
        let with_wrong_settings = amiss(&home);
        assert!(with_wrong_settings.len() >= found.len() - 2, "{with_wrong_settings:#?}");
        assert!(with_wrong_settings[0].1.contains("ringlet config edit"), "{with_wrong_settings:#?}");
    }

    #[test]
    fn of_two_names_of_a_key_the_one_that_is_used_stays() {
        let mut home = Home::with_profile("work");
        home.write(
            ".ringlet/profiles/team/ringlet.toml",
            "agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"b\"\n",
        );
        for name in ["openai/a", "openai/b", "openai/spare"] {
            home.input = if name == "openai/spare" { openai(2) } else { openai(1) }.into_bytes();
            home.run(&["keychain", "set", name, "--stdin"]).succeeds();
        }
        let hint_of = |found: &[(String, String)], what: &str| {
            let row = found.iter().find(|(text, _)| text.contains(what));
            row.unwrap_or_else(|| panic!("{what} {found:#?}")).1.clone()
        };
        let found = amiss(&home);
        assert!(
            hint_of(&found, "openai/a and openai/b are the same key").contains("`ringlet keychain remove openai a`")
        );
        assert!(hint_of(&found, "no profile uses openai/spare").contains("`ringlet keychain remove openai spare`"));
        assert!(!found.iter().any(|(text, _)| text.contains("no profile uses openai/a")), "{found:#?}");
        // What cannot be read may use any key.
        home.write(".ringlet/profiles/broken/ringlet.toml", "nonsense");
        let found = amiss(&home);
        assert!(!found.iter().any(|(text, _)| text.contains("no profile uses")), "{found:#?}");
        std::fs::remove_file(home.path.join(".ringlet/profiles/broken/ringlet.toml")).expect("removed");
        home.write(".config/ringlet/config.toml", "nonsense");
        let found = amiss(&home);
        assert!(!found.iter().any(|(text, _)| text.contains("no profile uses")), "{found:#?}");
    }

    #[test]
    fn nothing_is_in_order_and_amiss_at_once() {
        let mut home = Home::with_profile("work");
        home.write(".ringlet/profiles/aid/ringlet.toml", "agent = \"calude\"\n");
        home.input = b"sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST".to_vec();
        home.run(&["keychain", "set", "anthropic", "default", "--stdin"]).succeeds();
        let ran = home.run(&["doctor"]);
        assert!(ran.out.contains("ok    1 profile is right") && ran.out.contains("answers and holds 1 key"), "{ran:?}");
    }

    #[test]
    fn what_is_installed_is_compared_with_this_version() {
        let mut home = Home::new();
        home.program("claude");
        home.run(&["completions", "--install"]).succeeds();
        home.run(&["man", "--install"]).succeeds();
        let ran = home.run(&["doctor"]);
        assert!(ran.out.contains("the completions for bash are installed"), "{ran:?}");
        assert!(ran.out.contains("the manual pages are installed"), "{ran:?}");
        home.write(".local/share/bash-completion/completions/ringlet", "old");
        let found = amiss(&home);
        let is_old = |(text, hint): &(String, String)| {
            text.contains("bash are of another version") && hint.contains("`ringlet completions bash --install`")
        };
        assert!(found.iter().any(is_old), "{found:?}");
    }

    #[test]
    fn an_audit_log_that_is_not_whole_and_a_clock_that_is_behind_are_found() {
        let home = Home::new();
        home.write(".config/ringlet/config.toml", "[audit]\nenabled = true\n");
        home.write(".local/state/ringlet/audit.jsonl", "{}\n");
        let log = home.path.join(".local/state/ringlet/audit.jsonl");
        std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
        let found = amiss(&home);
        assert!(found.iter().any(|(text, _)| text.contains("is not whole")), "{found:?}");
        // The clock of these tests stands at a day that is long past, and the files are of today.
        assert!(found.iter().any(|(text, _)| text.contains("later than the clock says")), "{found:?}");
    }
}
