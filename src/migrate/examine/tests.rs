//! The corpus' shell cases, cases of our own, and files composed at random.

use super::*;
use crate::migrate::edit::apply;
use crate::migrate::testing::{has_accounts, mistral, openai};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
struct Case {
    shell: String,
    path: String,
    #[serde(default)]
    found: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    action: String,
    line: usize,
    provider: String,
    variable: String,
    alias: Option<String>,
    form: Option<String>,
    reason: Option<String>,
    value: Option<String>,
    #[serde(default)]
    warn: Vec<String>,
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-corpus")
}

/// The corpus' rule for aliases, for one file with an empty keychain.
fn aliases(findings: &[Finding]) -> Vec<String> {
    let mut named: BTreeMap<(String, Vec<u8>), String> = BTreeMap::new();
    let moved: Vec<&Finding> = findings.iter().filter(|finding| finding.is_moved()).collect();
    let key = |finding: &Finding| (finding.provider.clone(), finding.value.to_vec());
    let providers: HashSet<&str> = moved.iter().map(|finding| finding.provider.as_str()).collect();
    for provider in providers {
        let own: Vec<&&Finding> = moved.iter().filter(|finding| finding.provider == provider).collect();
        let active: Vec<&&&Finding> = own.iter().filter(|finding| !finding.is_commented()).collect();
        let spec = Vocabulary::built_in().provider(provider);
        let is_own = |finding: &&&&&Finding| {
            finding.top_level && finding.variable.as_deref() == spec.map(|spec| spec.variable.as_str())
        };
        let default = active.iter().rev().find(is_own);
        let default = default.or(active.iter().rev().find(|finding| finding.top_level)).or(active.last());
        if let Some(finding) = default {
            named.insert(key(finding), "default".into());
        }
        let mut number = 1;
        for finding in active {
            named.entry(key(finding)).or_insert_with(|| {
                number += 1;
                number.to_string()
            });
        }
        let mut number = 0;
        for finding in own {
            named.entry(key(finding)).or_insert_with(|| {
                number += 1;
                if number == 1 { "commented".into() } else { format!("commented-{number}") }
            });
        }
    }
    findings.iter().map(|finding| named.get(&key(finding)).cloned().unwrap_or_default()).collect()
}

fn scrubbed(bytes: &[u8], dialect: Dialect) -> (Vec<u8>, Examined) {
    let examined = examine(bytes, dialect, Vocabulary::built_in());
    let names = aliases(examined.findings());
    let alias = |finding: &Finding| {
        let at = examined.findings().iter().position(|other| std::ptr::eq(other, finding));
        names[at.expect("one of the findings")].clone()
    };
    let cuts = examined.cuts(bytes, &alias);
    assert!(cuts.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "sorted and disjoint: {cuts:?}");
    (apply(bytes, &cuts), examined)
}

// Why a key stays, in the corpus' words.
fn why(finding: &Finding) -> Option<&'static str> {
    match finding.action {
        Action::Moved(_) => None,
        Action::Reported(reason) => Some(reason.as_str()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn dialect_of(shell: &str) -> Option<Dialect> {
    match shell {
        "bash" => Some(Dialect::Bash),
        "zsh" => Some(Dialect::Zsh),
        "sh" => Some(Dialect::Sh),
        _ => None,
    }
}

#[test]
fn corpus_of_posix_shells_comes_out_byte_for_byte() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    let mut folders: Vec<_> = std::fs::read_dir(corpus().join("cases"))
        .expect("the corpus")
        .map(|entry| entry.expect("a case").path())
        .collect();
    folders.sort();
    for folder in folders {
        let case = std::fs::read_to_string(folder.join("expect.toml")).expect("expect.toml");
        let case: Case = toml::from_str(&case).expect("a case's form");
        let Some(dialect) = dialect_of(&case.shell) else { continue };
        if has_accounts(&folder) {
            continue;
        }
        cases += 1;
        let file = |stem: &str| {
            let mut entries = std::fs::read_dir(&folder).expect("a case").map(|entry| entry.expect("a file").path());
            let path =
                entries.find(|path| path.file_stem().is_some_and(|name| name == stem)).expect("a file of the case");
            std::fs::read(path).expect("a file of the case")
        };
        let (input, expected) = (file("input"), file("expected"));
        let (out, examined) = scrubbed(&input, dialect);
        let name = format!("{} ({})", folder.file_name().unwrap_or_default().to_string_lossy(), case.path);
        if out != expected {
            wrong.push(format!("{name}: got\n{}\nwanted\n{}", text(&out), text(&expected)));
        }
        let names = aliases(examined.findings());
        let mut got: Vec<String> = Vec::new();
        for (finding, alias) in examined.findings().iter().zip(&names) {
            let Finding { line, provider, variable, .. } = finding;
            let variable = variable.clone().unwrap_or_default();
            got.push(match finding.action {
                Action::Moved(form) => {
                    let form = form.as_str();
                    let warn: Vec<&str> = finding.warnings.iter().map(|warning| warning.as_str()).collect();
                    format!("{line} {provider} {variable} moved {alias} {form} {warn:?} {}", text(&finding.value))
                }
                Action::Reported(Reason::UnknownName) => format!("{line} {variable} reported {:?}", why(finding)),
                Action::Reported(_) => format!("{line} {provider} {variable} reported {:?}", why(finding)),
            });
        }
        let mut wanted: Vec<String> = Vec::new();
        for found in &case.found {
            let Found { line, provider, variable, alias, form, reason, value, .. } = found;
            let mut warn = found.warn.clone();
            warn.retain(|warn| warn != "direnv-allow");
            match found.action.as_str() {
                "moved" => wanted.push(format!(
                    "{line} {provider} {variable} moved {} {} {warn:?} {}",
                    alias.as_deref().unwrap_or_default(),
                    form.as_deref().unwrap_or_default(),
                    value.as_deref().unwrap_or_default()
                )),
                // Whose key it is that only says so by its name is free.
                "reported" if reason.as_deref() == Some("unknown-name") => {
                    wanted.push(format!("{line} {variable} reported {reason:?}"));
                }
                "reported" => wanted.push(format!("{line} {provider} {variable} reported {reason:?}")),
                _ => {}
            }
        }
        if got != wanted {
            wrong.push(format!("{name}: found\n{}\nwanted\n{}", got.join("\n"), wanted.join("\n")));
        }
        let (again, second) = scrubbed(&out, dialect);
        if again != out || second.findings().iter().any(Finding::is_moved) {
            wrong.push(format!("{name}: a second run is not idle"));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases > 20, "{cases}");
}

// Distinct keys by a letter: `@a` anthropic, `@o` openai, `@g` groq, `@r` openrouter.
fn keyed(template: &str) -> String {
    let body = |size: usize| "Te5TrQ8kFaKe2WxYz7Lm9PbN".chars().cycle().take(size).collect::<String>();
    let mut text = template.to_owned();
    for number in ["", "2", "3"] {
        let tail = format!("{}x", number.repeat(2));
        let fit = |size: usize| body(size - tail.len()) + &tail;
        let marker =
            |letter: &str| if number.is_empty() { format!("@{letter}.") } else { format!("@{letter}{number}") };
        text = text.replace(&marker("a"), &format!("sk-ant-api03-{}AA", fit(93)));
        text = text.replace(&marker("o"), &format!("sk-proj-{}T3BlbkFJ{}", fit(74), body(74)));
        text = text.replace(&marker("g"), &format!("gsk_{}", fit(52)));
        let hex: String = format!("{number}deadbeefc53fc0ff").chars().cycle().take(64).collect();
        text = text.replace(&marker("r"), &format!("sk-or-v1-{hex}"));
    }
    text
}

#[track_caller]
fn becomes(dialect: Dialect, input: &str, expected: &str) {
    let input = keyed(input);
    let (out, examined) = scrubbed(input.as_bytes(), dialect);
    assert_eq!(text(&out), keyed(expected), "{dialect:?} {input:?} {:?}", examined.findings());
    let (again, _) = scrubbed(&out, dialect);
    assert_eq!(again, out, "a second run is idle");
}

#[test]
fn statements_go_with_their_separators() {
    for (input, expected) in [
        ("A=1; export ANTHROPIC_API_KEY=@a.\n", "A=1\n"),
        ("export ANTHROPIC_API_KEY=@a. ; A=1\n", "A=1\n"),
        ("A=1 ; export ANTHROPIC_API_KEY=@a. # c\n", "A=1 # c\n"),
        ("ANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY\nB=1\n", "B=1\n"),
        ("ANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY; B=1\n", "B=1\n"),
        ("B=1; ANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY\n", "B=1\n"),
        ("B=1; ANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY # c\n", "B=1 # c\n"),
        ("export OPENAI_API_KEY=@o. ANTHROPIC_API_KEY=@a.; # both\nB=1\n", "B=1\n"),
        ("\t export ANTHROPIC_API_KEY=@a.;\nB=1", "B=1"),
        ("B=1\n  export ANTHROPIC_API_KEY=@a.  ", "B=1\n"),
        ("export ANTHROPIC_API_KEY=@a. >/dev/null 2>&1\nB=1\n", "B=1\n"),
        ("B=a\\\\\nexport ANTHROPIC_API_KEY=@a.\nC=1\n", "B=a\\\\\nC=1\n"),
        ("export ANTHROPIC_API_KEY=@a. B=a\\\\\nC=1\n", "export B=a\\\\\nC=1\n"),
    ] {
        for dialect in [Dialect::Bash, Dialect::Zsh, Dialect::Sh] {
            becomes(dialect, input, expected);
        }
    }
}

#[test]
fn words_go_with_the_blanks_before_them() {
    for (input, expected) in [
        ("ANTHROPIC_API_KEY=@a. B=1\n", "B=1\n"),
        ("B=1 ANTHROPIC_API_KEY=@a. C=2\n", "B=1 C=2\n"),
        ("ANTHROPIC_API_KEY=@a. OPENAI_API_KEY=@o. C=2\n", "C=2\n"),
        ("ANTHROPIC_API_KEY=@a. \\\n  B=1\n", "B=1\n"),
        ("export B \\\n  ANTHROPIC_API_KEY=@a. \\\n  C=2\n", "export B \\\n  C=2\n"),
        ("export B=1 ANTHROPIC_API_KEY\nANTHROPIC_API_KEY=@a.\n", "export B=1\n"),
        ("export B=1 $more ANTHROPIC_API_KEY=@a.\n", "export B=1 $more\n"),
        ("declare -r -x ANTHROPIC_API_KEY=@a. B=2 # c\n", "declare -r -x B=2 # c\n"),
        (": ${ANTHROPIC_API_KEY:=@a.} ${B:=1}\n", ": ${B:=1}\n"),
        (": \"$X\" ${ANTHROPIC_API_KEY:=@a.}\n", ": \"$X\"\n"),
    ] {
        becomes(Dialect::Bash, input, expected);
        becomes(Dialect::Zsh, input, expected);
    }
}

#[test]
fn emptied_bodies_and_operands_get_a_filler() {
    for (input, expected) in [
        ("f() { ANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY; }\n", "f() { :; }\n"),
        ("f() {\n\tANTHROPIC_API_KEY=@a. # c\n\texport ANTHROPIC_API_KEY # d\n}\n", "f() {\n\t:\n}\n"),
        ("f() {\n\tANTHROPIC_API_KEY=@a.; export ANTHROPIC_API_KEY # d\n}\n", "f() {\n\t:\n}\n"),
        ("f() { export ANTHROPIC_API_KEY=@a.; # c\n}\n", "f() { :;\n}\n"),
        ("if true; then export ANTHROPIC_API_KEY=@a.; else B=1; fi\n", "if true; then :; else B=1; fi\n"),
        ("for h in a b; do\n  export ANTHROPIC_API_KEY=@a.\ndone\n", "for h in a b; do\n  :\ndone\n"),
        ("(export ANTHROPIC_API_KEY=@a.)\n", "(:)\n"),
        ("{ export ANTHROPIC_API_KEY=@a.; }\n", "{ :; }\n"),
        (
            "case $H in\n  a) export ANTHROPIC_API_KEY=@a.;;\n  b) B=1; export OPENAI_API_KEY=@o. ;;\nesac\n",
            "case $H in\n  a) :;;\n  b) B=1 ;;\nesac\n",
        ),
        ("case $H in\n  b) B=1\n    export OPENAI_API_KEY=@o. ;;\nesac\n", "case $H in\n  b) B=1\n    ;;\nesac\n"),
        ("export ANTHROPIC_API_KEY=@a. && echo set\n", ": && echo set\n"),
        ("! export ANTHROPIC_API_KEY=@a. || B=1\n", "! : || B=1\n"),
        ("[ -d / ] && { export ANTHROPIC_API_KEY=@a.; } || B=1\n", "[ -d / ] && { :; } || B=1\n"),
        ("[ -d / ] &&\n  export ANTHROPIC_API_KEY=@a.\n", "[ -d / ] &&\n  :\n"),
        ("B=1; ANTHROPIC_API_KEY=@a. && export ANTHROPIC_API_KEY; C=1\n", "B=1; C=1\n"),
        ("if ANTHROPIC_API_KEY=@a.; then B=1; fi\n", "if :; then B=1; fi\n"),
        ("while ! export ANTHROPIC_API_KEY=@a.; do B=1; done\n", "while ! :; do B=1; done\n"),
        (
            "f() {\n  if true; then\n    export ANTHROPIC_API_KEY=@a.\n  fi\n}\n",
            "f() {\n  if true; then\n    :\n  fi\n}\n",
        ),
    ] {
        for dialect in [Dialect::Bash, Dialect::Zsh, Dialect::Sh] {
            becomes(dialect, input, expected);
        }
    }
    becomes(Dialect::Zsh, "f() { export ANTHROPIC_API_KEY=@a. }\n", "f() { : }\n");
    becomes(Dialect::Zsh, "if [[ -n $X ]] { B=1; export ANTHROPIC_API_KEY=@a. }\n", "if [[ -n $X ]] { B=1 }\n");
    becomes(Dialect::Zsh, "for f (a b) export ANTHROPIC_API_KEY=@a.\n", "for f (a b) :\n");
}

#[test]
fn values_are_what_the_shell_would_see() {
    let want = keyed("@a.");
    let (head, tail) = want.split_at(30);
    let escaped: String = want.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    let octal: String = want.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    for written in [
        format!("{head}\"{tail}\""),
        format!("'{head}'\"{tail}\""),
        format!("{head}\\\n{tail}"),
        format!("\"{head}\\\n{tail}\""),
        format!("$'{escaped}'"),
        format!("$'{octal}'"),
        format!("$'{head}'{tail}"),
        want.replace('-', "\\-"),
        format!("$\"{want}\""),
        format!("''{want}\"\""),
    ] {
        for form in ["export ANTHROPIC_API_KEY=", "ANTHROPIC_API_KEY=", "MY_OWN=", "typeset -gx ANTHROPIC_API_KEY="] {
            let input = format!("B=1\n{form}{written}\nC=2\n");
            for dialect in [Dialect::Bash, Dialect::Zsh] {
                let (out, examined) = scrubbed(input.as_bytes(), dialect);
                assert_eq!(text(&out), "B=1\nC=2\n", "{dialect:?} {input}");
                let values: Vec<String> = examined.findings().iter().map(|finding| text(&finding.value)).collect();
                assert_eq!(values, std::slice::from_ref(&want), "{dialect:?} {input}");
            }
        }
        becomes(Dialect::Bash, &format!("export \"ANTHROPIC_API_KEY={want}\"\n"), "");
    }
}

#[test]
fn odd_bytes_survive() {
    let (out, _) = scrubbed(keyed("\u{feff}export ANTHROPIC_API_KEY=@a.\r\nB=1\r\n").as_bytes(), Dialect::Bash);
    assert_eq!(out, "\u{feff}B=1\r\n".as_bytes());
    let mut input = b"# caf\xe9 \xff\nN='\xe9'\n".to_vec();
    input.extend_from_slice(keyed("export B=1 \\\r\n  ANTHROPIC_API_KEY=@a.\r\nC=2").as_bytes());
    for dialect in [Dialect::Bash, Dialect::Zsh, Dialect::Sh] {
        let (out, _) = scrubbed(&input, dialect);
        assert_eq!(out, b"# caf\xe9 \xff\nN='\xe9'\nexport B=1\r\nC=2");
    }
}

#[test]
fn a_byte_order_mark_in_the_middle_does_not_become_the_files() {
    becomes(Dialect::Bash, "export ANTHROPIC_API_KEY=@a.\n\u{feff}B=1\n", "\n\u{feff}B=1\n");
    becomes(Dialect::Fish, "set ANTHROPIC_API_KEY @a.; \u{feff}B\n", "\n\u{feff}B\n");
    let two = "ANTHROPIC_API_KEY=@a.\nB=$ANTHROPIC_API_KEY\n\u{feff}B=1\n";
    becomes(Dialect::Bash, two, "\n\u{feff}B=1\n");
    becomes(Dialect::Bash, "\u{feff}export ANTHROPIC_API_KEY=@a.\n\u{feff}B=1\n", "\u{feff}\u{feff}B=1\n");
}

#[test]
fn nothing_is_taken_out_of_a_file_with_a_zero_byte() {
    let input = keyed("export ANTHROPIC_API_KEY=@a.\n# \0\n");
    for dialect in [Dialect::Bash, Dialect::Zsh, Dialect::Fish, Dialect::Csh, Dialect::PowerShell, Dialect::DotEnv] {
        let (out, examined) = scrubbed(input.as_bytes(), dialect);
        assert_eq!(text(&out), input);
        let reasons: Vec<_> = examined.findings().iter().map(|finding| (finding.line, why(finding))).collect();
        assert_eq!(reasons, [(1, Some("not-shell"))], "{dialect:?}");
    }
}

#[test]
fn what_cannot_be_cut_out_is_reported_and_stays() {
    for (input, reason) in [
        ("ANTHROPIC_API_KEY=@a. python\n", "inline-prefix"),
        ("env ANTHROPIC_API_KEY=@a. python\n", "inline-prefix"),
        ("alias c='ANTHROPIC_API_KEY=@a. python'\n", "alias"),
        ("alias -g c=\"ANTHROPIC_API_KEY=\\\"@a.\\\" python\"\n", "alias"),
        ("ANTHROPIC_API_KEY=@a. claude\n", "launcher"),
        ("env ANTHROPIC_API_KEY=@a. claude\n", "launcher"),
        ("ANTHROPIC_API_KEY=@a. nohup claude\n", "launcher"),
        ("alias c='ANTHROPIC_API_KEY=@a. claude'\n", "launcher"),
        ("alias c=\"ANTHROPIC_API_KEY=\\\"@a.\\\" claude\"\n", "launcher"),
        ("use() { export ANTHROPIC_BASE_URL=https://gw.example.net ANTHROPIC_AUTH_TOKEN=@a.; }\n", "pair"),
        ("eval \"export ANTHROPIC_API_KEY=@a.\"\n", "eval"),
        ("x=$(ANTHROPIC_API_KEY=@a. claude -p hi)\n", "inline-prefix"),
        ("x=$(export ANTHROPIC_API_KEY=@a.; printf %s hi)\n", "substitution"),
        ("x=`export ANTHROPIC_API_KEY=@a.`\n", "substitution"),
        ("keys=(\n  @a. # c\n)\n", "array"),
        ("keys[1]=@a.\n", "array"),
        ("declare -A k=([anthropic]=@a.)\n", "array"),
        ("curl -H \"x-api-key: @a.\" https://example.net\n", "argument"),
        ("claude --api-key=@a.\n", "argument"),
        ("export A=${B:-@a.}\n", "default-of-other"),
        ("cat <<E\nANTHROPIC_API_KEY=@a.\nE\n", "heredoc"),
        ("cat <<E\na \\\nE\nANTHROPIC_API_KEY=@a.\nE\n", "heredoc"),
        ("read K <<< @a.\n", "here-string"),
        ("export ANTHROPIC_API_KEY=@a. &\n", "background"),
        ("f() {\n  export ANTHROPIC_API_KEY=@a.\n  claude\n}\n", "launcher"),
        ("f() { if true; then export ANTHROPIC_API_KEY=@a.; fi; claude \"$@\"; }\n", "launcher"),
        ("( export ANTHROPIC_API_KEY=@a.; claude )\n", "launcher"),
        ("f() { export ANTHROPIC_API_KEY=@a.; x=$(claude -p hi); }\n", "launcher"),
        ("K=@a.\nf() { export ANTHROPIC_AUTH_TOKEN=$K; claude; }\n", "launcher"),
        ("export ANTHROPIC_API_KEY=@a.\nif true; then\n", "moved"),
        ("x='\nexport ANTHROPIC_API_KEY=@a.\n", "unparsed"),
        ("if true; then\n  export ANTHROPIC_API_KEY=@a.\n", "unparsed"),
    ] {
        for dialect in [Dialect::Bash, Dialect::Zsh] {
            let input = keyed(input);
            let (out, examined) = scrubbed(input.as_bytes(), dialect);
            let found = examined.findings();
            if reason == "moved" {
                assert_eq!(text(&out), "if true; then\n");
                continue;
            }
            assert_eq!(text(&out), input, "{dialect:?}");
            assert!(!found.is_empty(), "{dialect:?} {input}");
            for finding in found {
                assert_eq!(why(finding), Some(reason), "{dialect:?} {input}");
                assert_eq!(text(&finding.value), keyed("@a."));
            }
        }
    }
}

#[test]
fn a_key_that_only_its_name_tells_is_found_wherever_the_name_is_given_it() {
    let key = "TESTJOi1FAKE9u6ATESTGTHbFA";
    for (template, reason) in [
        ("export MISTRAL_API_KEY=$(echo @)\n", "substitution"),
        ("export MISTRAL_API_KEY=\"$(printf %s '@')\"\n", "substitution"),
        ("MISTRAL_API_KEY=`echo @`\n", "substitution"),
        ("read -r MISTRAL_API_KEY <<< @\n", "here-string"),
        ("declare -A k=([MISTRAL_API_KEY]=@)\n", "array"),
        ("k['MISTRAL_API_KEY']=\"@\"\n", "array"),
        ("tmux set-environment -g MISTRAL_API_KEY @\n", "argument"),
        ("k=([a]=1\n[MISTRAL_API_KEY]=@)\n", "array"),
    ] {
        for dialect in [Dialect::Bash, Dialect::Zsh] {
            let input = template.replace('@', key);
            let (out, examined) = scrubbed(input.as_bytes(), dialect);
            assert_eq!(text(&out), input);
            let found: Vec<_> =
                examined.findings().iter().map(|finding| (finding.provider.as_str(), why(finding))).collect();
            assert_eq!(found, [("mistral", Some(reason))], "{dialect:?} {input}");
        }
    }
    let (_, examined) = scrubbed(format!("typeset -A k=(MISTRAL_API_KEY {key})\n").as_bytes(), Dialect::Zsh);
    assert_eq!(examined.findings().len(), 1);
    // What a command makes of its words is not known, nor what they are to it.
    for input in [
        "export MISTRAL_API_KEY=$(echo personal/mistral/token | vault-read)\n",
        "export MISTRAL_API_KEY=$(vault-read find-generic-password-of mistral)\n",
        "export MISTRAL_API_KEY=`pass show personal/mistral/token`\n",
    ] {
        assert!(scrubbed(input.as_bytes(), Dialect::Zsh).1.findings().is_empty(), "{input}");
    }
}

#[test]
fn a_declaration_that_changes_the_value_keeps_it() {
    for options in ["-l", "-ux", "-i", "-a"] {
        let input = keyed(&format!("declare {options} ANTHROPIC_API_KEY=@a.\n"));
        for dialect in [Dialect::Bash, Dialect::Zsh] {
            let (out, examined) = scrubbed(input.as_bytes(), dialect);
            assert_eq!(text(&out), input);
            assert_eq!(examined.findings().len(), 1, "{input}");
        }
    }
}

#[test]
fn a_line_that_no_shell_runs_is_left_alone() {
    for input in ["export ANTHROPIC_API_KEY=@a. )\n", "B=1; export ANTHROPIC_API_KEY=@a.; fi\n"] {
        becomes(Dialect::Bash, input, input);
        becomes(Dialect::Zsh, &format!("export OPENAI_API_KEY=@o.\n{input}"), input);
    }
}

#[test]
fn functions_that_only_set_and_print_are_no_launchers() {
    let input =
        "f() {\n  unset B\n  [ -n \"$C\" ] || return 1\n  local x=1\n  export ANTHROPIC_API_KEY=@a.\n  echo ok\n}\n";
    becomes(Dialect::Bash, input, &input.replace("  export ANTHROPIC_API_KEY=@a.\n", ""));
    // Defining a function runs nothing.
    becomes(Dialect::Zsh, "f() { export ANTHROPIC_API_KEY=@a.; }\nclaude\n", "f() { :; }\nclaude\n");
    let input = "f() {\n  x=`echo y`\n  export ANTHROPIC_API_KEY=@a.\n} 2>/dev/null\n";
    becomes(Dialect::Bash, input, &input.replace("  export ANTHROPIC_API_KEY=@a.\n", ""));
    for input in
        ["f() { x=`date`; export ANTHROPIC_API_KEY=@a.; }\n", "(function { claude; }; export GROQ_API_KEY=@g.)\n"]
    {
        becomes(Dialect::Zsh, input, input);
    }
}

#[test]
fn bare_declarations_and_copies_follow_their_key() {
    for (input, expected) in [
        ("export ANTHROPIC_API_KEY\nANTHROPIC_API_KEY=@a.\n", ""),
        (
            "ANTHROPIC_API_KEY=@a.\nexport ANTHROPIC_API_KEY\nANTHROPIC_API_KEY=$(pass x)\n",
            "export ANTHROPIC_API_KEY\nANTHROPIC_API_KEY=$(pass x)\n",
        ),
        ("ANTHROPIC_API_KEY=@a.\nf() { export ANTHROPIC_API_KEY; claude; }\n", "f() { claude; }\n"),
        ("K=@r.\nexport OPENAI_API_KEY=\"${K}\" OPENAI_ORG=x\n", "export OPENAI_ORG=x\n"),
        ("K=@r.\nL=$K\nexport OPENAI_API_KEY=$L\n", ""),
        ("K=@r.\nexport OPENAI_API_KEY=x$K\n", "export OPENAI_API_KEY=x$K\n"),
        ("export ANTHROPIC_API_KEY=@a.\nexport ANTHROPIC_API_KEY=$ANTHROPIC_API_KEY\n", ""),
    ] {
        becomes(Dialect::Bash, input, expected);
        becomes(Dialect::Zsh, input, expected);
    }
}

#[test]
fn keys_in_comments_leave_a_marker() {
    becomes(
        Dialect::Zsh,
        "# old: @a2\nalias x=y # export OPENAI_API_KEY='@o.'\n",
        "# old: <moved-to-ringlet:anthropic/commented>\n\
        alias x=y # export OPENAI_API_KEY='<moved-to-ringlet:openai/commented>'\n",
    );
    let input = keyed("export ANTHROPIC_API_KEY=@a. # was @a2\n");
    let (out, examined) = scrubbed(input.as_bytes(), Dialect::Bash);
    assert_eq!((out.len(), examined.findings().len()), (0, 2), "the line goes, both keys are kept");
    assert!(examined.findings()[1].is_commented());
}

#[test]
fn nothing_that_is_shown_holds_a_key() {
    let input = keyed("export ANTHROPIC_API_KEY=@a. # @a2\nalias x='OPENAI_API_KEY=@o. y'\nexport A=${A:-@g.}\n");
    let examined = examine(input.as_bytes(), Dialect::Bash, Vocabulary::built_in());
    let shown = format!("{examined:?} {:?}", examined.cuts(input.as_bytes(), &|_| "default".into()));
    for key in ["@a.", "@a2", "@o.", "@g."] {
        assert!(!shown.contains(&keyed(key)[..24]), "{shown}");
        assert!(!shown.contains(&format!("{:?}", &keyed(key).as_bytes()[8..24]).replace(['[', ']'], "")), "{shown}");
    }
}

// Lines of ordinary files, and lines with keys; whole constructs around them.
const PLAIN: &[&str] = &[
    "export EDITOR=vim",
    "alias ll='ls -alF'",
    "# a comment; with 'quotes",
    "",
    "PATH=\"$HOME/bin:$PATH\"  # path",
    "[ -f ~/.x ] && . ~/.x",
    "A=1; B=2",
    "cat <<EOF >/dev/null\nit's $HOME\nEOF",
    "x=$(printf '%s)' \"a\")",
    "export A \\\n  C=3",
    "printf '%s\\n' \"${A:-b}\" | cat",
    "arr=(1 '2' # three\n 3)",
];

const KEYED: &[&str] = &[
    "export ANTHROPIC_API_KEY=@a.",
    "export ANTHROPIC_API_KEY=\"@a2\" # mine",
    "OPENAI_API_KEY='@o.'; export OPENAI_API_KEY",
    "B=2; GROQ_API_KEY=@g.; C=3",
    "export D=1 OPENROUTER_API_KEY=@r. \\\n  E=2",
    "[ -n \"$X\" ] || export OPENAI_API_KEY=@o2",
    "# export OPENAI_API_KEY=\"@o3\"",
    "ANTHROPIC_API_KEY=@a3 && export ANTHROPIC_API_KEY",
    "readonly GROQ_API_KEY=@g2 F=1",
    ": \"${OPENAI_API_KEY:=@o.}\"",
    "ANTHROPIC_API_KEY=@a. true-program",
    "\texport GROQ_API_KEY=$'@g3' ;",
];

const AROUND: &[(&str, &str)] = &[
    ("if [ -d / ]; then\n", "\nfi"),
    ("f() {\n", "\n}"),
    ("for h in a b; do\n", "\ndone"),
    ("case $H in\n a|b)\n", "\n ;;\nesac"),
    ("{\n", "\n}"),
    ("(\n", "\n)"),
    ("while false; do ", "\ndone"),
    ("if true; then :; else\n", "\nfi # end"),
];

fn fragment() -> impl Strategy<Value = String> {
    let line = prop_oneof![prop::sample::select(PLAIN), prop::sample::select(KEYED)].prop_map(keyed);
    line.prop_recursive(3, 24, 4, |inner| {
        (prop::sample::select(AROUND), prop::collection::vec(inner, 1..4))
            .prop_map(|((open, close), lines)| format!("{open}{}\n:{close}", lines.join("\n")))
    })
}

fn accepts(shell: &str, text: &[u8]) -> bool {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text).expect("room for it");
    let options: &[&str] = if shell == "zsh" { &["-f", "-n"] } else { &["-n"] };
    Command::new(shell).args(options).arg(file.path()).output().expect("the shell is installed").status.success()
}

// What a shell has in its variables once it has sourced the file.
fn sourced(shell: &[&str], file: &[u8]) -> HashSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, file).expect("room for it");
    let script = "set -a; . \"$1\" >/dev/null 2>&1; unset -f f; env";
    let out = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", script, shell[0]])
        .arg(&path)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")])
        .output()
        .expect("the shell is installed");
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn shells_have_every_other_variable_afterwards() {
    // A readonly name that is set again ends the reading of a file.
    let keyed_lines: Vec<String> =
        KEYED.iter().filter(|line| !line.contains("readonly")).map(|line| keyed(line)).collect();
    let plain = PLAIN.iter().filter(|line| !line.starts_with("arr="));
    let mut input: String = plain.map(|line| format!("{line}\n")).collect();
    for (number, (open, close)) in AROUND.iter().enumerate() {
        let lines = keyed_lines.join(&format!("\nIN{number}=1\n"));
        input.push_str(&format!("{open}{lines}\n:{close}\nAFTER{number}=1\n"));
    }
    input.push_str(&keyed_lines.join("\n"));
    for (shell, dialect) in [
        (&["bash"][..], Dialect::Bash),
        (&["zsh", "-f"], Dialect::Zsh),
        (&["dash"], Dialect::Sh),
        (&["ksh"], Dialect::Sh),
    ] {
        let (out, examined) = scrubbed(input.as_bytes(), dialect);
        let names: Vec<String> =
            examined.findings().iter().filter_map(|finding| Some(format!("{}=", finding.variable.as_ref()?))).collect();
        let moved = |line: &String| names.iter().any(|name| line.starts_with(name.as_str())) || line.starts_with("_=");
        let (before, after) = (sourced(shell, input.as_bytes()), sourced(shell, &out));
        assert!(before.contains("AFTER7=1"), "{shell:?} reads all of it: {before:?}");
        assert!(before.iter().any(moved), "{shell:?}");
        let left = |lines: HashSet<String>| lines.into_iter().filter(|line| !moved(line)).collect::<HashSet<_>>();
        assert_eq!(left(before), left(after), "{shell:?}\n{}", text(&out));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_files_lose_their_keys_and_nothing_else(
        lines in prop::collection::vec(fragment(), 1..8), crlf: bool, newline: bool, zsh: bool,
    ) {
        let mut input = lines.join("\n");
        if newline {
            input.push('\n');
        }
        let dialect = if zsh { Dialect::Zsh } else { Dialect::Bash };
        let (out, examined) = scrubbed(input.as_bytes(), dialect);
        let shell = if zsh { "zsh" } else { "bash" };
        prop_assert!(accepts(shell, input.as_bytes()), "a fragment is wrong:\n{input}");
        prop_assert!(accepts(shell, &out), "{shell} refuses\n{}\nfrom\n{input}", text(&out));
        for finding in examined.findings() {
            prop_assert!(why(finding) != Some("unparsed"), "{finding:?}\n{input}");
        }
        // What is left over is what was reported, under a name that says so.
        let (again, second) = scrubbed(&out, dialect);
        prop_assert_eq!(&again, &out);
        prop_assert!(second.findings().iter().all(|finding| !finding.is_moved()));
        // Cuts take keys' statements, words and separators: every other line is there, in its order.
        let output = text(&out);
        let mut rest = output.lines();
        for line in input.lines().filter(|line| PLAIN.contains(line)) {
            prop_assert!(rest.any(|other| other == line), "{line:?} is lost:\n{output}\nfrom\n{input}");
        }
        if crlf {
            // The same file from elsewhere: nothing but the line ends differs.
            let (out, _) = scrubbed(input.replace('\n', "\r\n").as_bytes(), dialect);
            prop_assert_eq!(text(&out), output.replace('\n', "\r\n"));
        }
    }
    #[test]
    fn any_bytes_come_back_except_the_cuts(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "export ", "ANTHROPIC_API_KEY=", "@a.", "'", "\"", "`", "$(", ")", "(", "((", "{ ", "}", "${", "[",
                    "]]", "[[ ", "\\", "\n", "\r\n", ";", ";;", "&&", "|", "&", " ", "\t", "# ", "<<E\n", "E\n", "if ",
                    "then ", "fi", "case x in ", "esac", "do ", "done", "for ", "f() ", "$'", "\\x41", ": ", "=", "+=",
                    "<(", ">", "!", "$", "end", "setenv ", "set -gx ", "\u{feff}", "é",
                ]).prop_map(|piece| keyed(piece).into_bytes()),
                prop::collection::vec(any::<u8>(), 1..3),
            ],
            0..60,
        )
    ) {
        let input = pieces.concat();
        for dialect in [
            Dialect::Bash, Dialect::Zsh, Dialect::Sh, Dialect::Fish, Dialect::Csh, Dialect::PowerShell, Dialect::DotEnv,
        ] {
            let examined = examine(&input, dialect, Vocabulary::built_in());
            let cuts = examined.cuts(&input, &|_| "default".into());
            prop_assert!(cuts.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "{cuts:?}");
            prop_assert!(cuts.iter().all(|cut| cut.span.end <= input.len()));
            let moves = examined.findings().iter().any(Finding::is_moved);
            prop_assert_eq!(moves, !cuts.is_empty(), "{:?} {:?}", dialect, examined.findings());
            let out = apply(&input, &cuts);
            // Everything that the shells were to lose is gone, and a second run finds nothing more to do.
            let again = examine(&out, dialect, Vocabulary::built_in());
            prop_assert!(again.cuts(&out, &|_| "default".into()).is_empty(), "{:?} {:?}", dialect, text(&out));
        }
    }
}

#[test]
fn text_of_two_bytes_a_character_is_reported_in_every_dialect() {
    let key = format!("sk-ant-oat01-{}", "TESTab12FAKEcd34".repeat(3));
    let line = format!("A=b\r\nexport MISTRAL_API_KEY=TESTJOi1FAKE9u6ATESTGTHb\r\n# {key}\r\n");
    for mark in ["", "\u{feff}"] {
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let input: Vec<u8> = format!("{mark}{line}").encode_utf16().flat_map(unit).collect();
            for path in [".zshrc", ".env", "profile.ps1", "config.fish", ".tcshrc", "settings.json", "notes"] {
                let dialect = crate::migrate::dialect::of(Path::new(path), &input);
                let (out, examined) = scrubbed(&input, dialect);
                assert_eq!(out, input, "{path}");
                let found = examined
                    .findings()
                    .iter()
                    .map(|finding| (finding.is_moved(), finding.line, finding.provider.as_str()));
                let wanted = [(false, 2, "mistral"), (false, 3, "claude-subscription")];
                assert!(found.eq(wanted), "{path} {mark:?} {:?}", examined.findings());
                let at = examined.findings()[0].offset;
                assert_eq!(input[at..at + 2], unit(u16::from(b'M')), "{path}");
            }
        }
    }
}

#[test]
fn another_tools_credential_in_a_trailing_comment_outlives_the_line() {
    let (key, token) = (format!("xai-{}", "TESTab12FAKEcd34".repeat(5)), format!("ghp_{}", "TESTab12FAKE".repeat(3)));
    for (before, after) in [
        ("A=b\nexport X={key} # {token}\nC=d\n", "A=b\n# {token}\nC=d\n"),
        ("f() {\n  X={key}; # {token}\n}\n", "f() {\n  :; # {token}\n}\n"),
        ("X={key} # xai-nothing\n", ""),
    ] {
        let filled = |text: &str| text.replace("{key}", &key).replace("{token}", &token);
        let (out, _) = scrubbed(filled(before).as_bytes(), Dialect::Bash);
        assert_eq!(text(&out), filled(after));
    }
}

#[test]
fn a_launcher_that_puts_the_old_value_back_holds_one_key() {
    let key = format!("xai-{}", "TESTab12FAKEcd34".repeat(5));
    let bash = format!("f() {{\n  local old=$A\n  export A={key}\n  grok\n  export A=\"$old\"\n}}\n");
    let shell = format!("function f {{\n  $old = $env:A\n  $env:A = '{key}'\n  grok\n  $env:A = $old\n}}\n");
    for (input, dialect) in [(bash, Dialect::Bash), (shell, Dialect::PowerShell)] {
        let (out, examined) = scrubbed(input.as_bytes(), dialect);
        assert_eq!(text(&out), input);
        let found = examined.findings().iter().map(|finding| (finding.line, why(finding)));
        assert!(found.eq([(3, Some("launcher"))]), "{:?}", examined.findings());
    }
}

#[test]
fn a_copy_of_a_key_that_moves_is_reported_where_it_stays() {
    for (dialect, input, rest) in [
        (Dialect::Bash, "export API_KEY=@g.; declare2 -x A=@g.\n", "declare2 -x A=@g.\n"),
        (Dialect::Fish, "set -x A @o.; ot set -x A @o.\n", "ot set -x A @o.\n"),
        (Dialect::Csh, "setenv A @a.\nY @a.+\n", "Y @a.+\n"),
    ] {
        let (out, examined) = scrubbed(keyed(input).as_bytes(), dialect);
        assert_eq!(text(&out), keyed(rest), "{dialect:?}");
        let found: Vec<bool> = examined.findings().iter().map(Finding::is_moved).collect();
        assert_eq!(found, [true, false], "{dialect:?} {:?}", examined.findings());
    }
}

const MANY: usize = 20_000;

// The file after a scrub, and how many of its keys move and stay.
fn many(text: &str, dialect: Dialect) -> (String, usize, usize) {
    let examined = examine(text.as_bytes(), dialect, Vocabulary::built_in());
    let out = apply(text.as_bytes(), &examined.cuts(text.as_bytes(), &|_| "default".into()));
    let moved = examined.findings().iter().filter(|finding| finding.is_moved()).count();
    (String::from_utf8(out).expect("text"), moved, examined.findings().len() - moved)
}

fn all(line: impl Fn(usize) -> String) -> String {
    (0..MANY).map(line).collect()
}

// Comparing each key with every other, or reading a line again for each, would take longer than the tests may.
#[test]
fn many_keys_that_move_take_time_in_proportion_to_their_number() {
    let lines = all(|at| format!("A{at}={}\n", openai(at as u32)));
    assert_eq!(many(&lines, Dialect::DotEnv), (String::new(), MANY, 0));
    let commented = all(|at| format!("A{at}={} # a note\n", openai(at as u32)));
    assert_eq!(many(&commented, Dialect::DotEnv), (String::new(), MANY, 0));
    let one_name = all(|at| format!("export A={}\nexport A\n", openai(at as u32)));
    assert_eq!(many(&one_name, Dialect::DotEnv), (String::new(), MANY, 0));
}

#[test]
fn many_keys_on_one_line_take_time_in_proportion_to_their_number() {
    let one_line = all(|at| format!("A{at}={}; B{at}=1; ", openai(at as u32)));
    assert_eq!(many(&one_line, Dialect::DotEnv), (all(|at| format!("B{at}=1; ")), MANY, 0));
    let continued = all(|at| format!("A{at}={}; B=1; \\\n", openai(at as u32)));
    assert_eq!(many(&continued, Dialect::DotEnv).1, MANY);
}

#[test]
fn many_keys_that_stay_take_time_in_proportion_to_their_number() {
    let words = all(|at| format!("{} ", openai(at as u32)));
    assert_eq!(many(&words, Dialect::DotEnv).2, MANY);
    let overridden = all(|at| format!("A DEFAULT={} OVERRIDE={}\n", openai(at as u32), openai((MANY + at) as u32)));
    assert_eq!(many(&overridden, Dialect::PamEnv), (overridden.clone(), 0, 2 * MANY));
    let compiled = format!("\u{7}\u{6}\u{5}\u{4}{words}{words}");
    assert_eq!(many(&compiled, Dialect::Text).2, MANY);
    let entries = all(|at| format!("MISTRAL_API_KEY: {}\n", mistral(at as u32)));
    assert_eq!(many(&entries, Dialect::Structured).2, MANY);
    let spelt = all(|at| format!("mistral-api-key: {}\n", mistral(at as u32)));
    assert_eq!(many(&spelt, Dialect::Structured).2, MANY);
}

#[test]
fn many_bodies_on_one_line_take_time_in_proportion_to_their_number() {
    let bodies = (0..MANY / 4).map(|at| format!("{{ A={}; }}; ", openai(at as u32))).collect::<String>();
    assert_eq!(many(&bodies, Dialect::Zsh), ("{ :; }; ".repeat(MANY / 4), MANY / 4, 0));
}

#[test]
fn a_long_chain_of_copies_follows_its_key() {
    let link = |at: usize| format!("A{at}=$A{}\n", at - 1);
    let backwards: String = (1..MANY / 2).rev().map(link).collect();
    let text = format!("{backwards}A0={}\n", openai(1));
    assert_eq!(many(&text, Dialect::Bash), (String::new(), MANY / 2, 0));
}

#[test]
fn every_other_occurrence_of_a_known_value_is_found_with_its_own_reason() {
    let value = "corporate.TESTq7xwFAKEz3mvTESTw9rt~gw";
    let mut wrong = Vec::new();
    let known = Known::new([(value.as_bytes(), "moonshot")]);
    for (language, text, wanted) in [
        ("bash", "export ANYTHING=@\n", "moved ANYTHING"),
        ("bash", "# was @, see below\n", "comment"),
        ("bash", "curl -H 'Authorization: Bearer @' x\n", "argument"),
        ("bash", "alias a='x --key @'\n", "alias"),
        ("bash", "cat <<END\nkey@\nEND\n", "heredoc"),
        ("bash", "cat <<<x@y\n", "here-string"),
        ("bash", "eval 'x @'\n", "eval"),
        ("bash", "K=(@ b)\n", "array"),
        ("bash", "x=$(echo @)\n", "argument"),
        ("bash", "if [ $A = @ ]; then :; fi\n", "argument"),
        ("fish", "set -gx ANYTHING @\n", "moved ANYTHING"),
        ("fish", "# was @\n", "comment"),
        ("fish", "curl -H 'Authorization: Bearer @' x\n", "argument"),
        ("fish", "alias a='x --key=@x'\n", "alias"),
        ("fish", "set x (echo @)\n", "substitution"),
        ("fish", "set xs a @\n", "array"),
        ("csh", "setenv ANYTHING @\n", "moved ANYTHING"),
        ("csh", "# was @\n", "comment"),
        ("csh", "curl -H 'Authorization: Bearer @' x\n", "argument"),
        ("csh", "alias a 'x -k@'\n", "alias"),
        ("PowerShell", "$env:ANYTHING = '@'\n", "moved ANYTHING"),
        ("PowerShell", "# was @\n", "comment"),
        ("PowerShell", "Invoke-RestMethod -Headers @{ Authorization = \"Bearer @\" } x\n", "array"),
        ("PowerShell", "curl -H 'Authorization: Bearer @' x\n", "argument"),
        ("nushell", "$env.ANYTHING = '@'\n", "moved ANYTHING"),
        ("nushell", "# was @\n", "comment"),
        ("nushell", "http get -H [Authorization 'Bearer @'] x\n", "argument"),
        ("dotenv", "ANYTHING=@\n", "moved ANYTHING"),
        ("dotenv", "# @\n", "comment"),
        ("dotenv", "A=1 b x@x\n", "unparsed"),
        ("history", "curl -H 'Authorization: Bearer @' x\n", "history"),
        ("structured", "{\"headers\": {\"Authorization\": \"Bearer @\"}}\n", "structured-config"),
        ("text", "x@x\n", "not-shell"),
    ] {
        let dialect = match language {
            "bash" => Dialect::Bash,
            "fish" => Dialect::Fish,
            "csh" => Dialect::Csh,
            "PowerShell" => Dialect::PowerShell,
            "nushell" => Dialect::Nushell,
            "dotenv" => Dialect::DotEnv,
            "history" => Dialect::History,
            "structured" => Dialect::Structured,
            _ => Dialect::Text,
        };
        // The at sign of a hash table is no value's place.
        let text = text.replace("@{", "\0").replace('@', value).replace('\0', "@{");
        assert_eq!(
            described(&examine(text.as_bytes(), dialect, Vocabulary::built_in())),
            [""; 0],
            "{language}: {text}"
        );
        let examined = examine_knowing(text.as_bytes(), dialect, Vocabulary::built_in(), &known);
        if described(&examined) != [wanted] {
            wrong.push(format!("{language}: {text} gives {:?}, not {wanted}", described(&examined)));
            continue;
        }
        let finding = &examined.findings()[0];
        assert_eq!((finding.provider.as_str(), finding.value.as_slice()), ("moonshot", value.as_bytes()), "{text}");
        if wanted == "comment" {
            let after = apply(text.as_bytes(), &examined.cuts(text.as_bytes(), &|_| "default".into()));
            assert_eq!(String::from_utf8_lossy(&after), text.replace(value, "<moved-to-ringlet:moonshot/default>"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

// A word for each finding: what moves by its name, what stays by its reason.
fn described(examined: &Examined) -> Vec<String> {
    let word = |finding: &Finding| match finding.action {
        Action::Moved(Form::Comment) => "comment".to_owned(),
        Action::Moved(_) => format!("moved {}", finding.variable.as_deref().unwrap_or_default()),
        Action::Reported(reason) => reason.as_str().to_owned(),
    };
    examined.findings().iter().map(word).collect()
}
