//! The hook and the completions for PowerShell: parsed, checked against known behaviour of PowerShell, and run.
//!
//! The first part needs no PowerShell. The second part runs if `pwsh` is on PATH. Elsewhere it prints that it did not run,
//! because PowerShell is not available on every system that has the other shells.

use proptest::prelude::*;
use ringlet::testing::{Hook, Shell, ShellError, quote, render, render_completion};
use std::path::{Path, PathBuf};
use tree_sitter::{Node, Parser, Tree};

/// Paths that PowerShell could misread.
const PATHS: &[&str] = &[
    "/usr/bin/ringlet",
    "/a b/ringlet",
    "/it's/ringlet",
    "/$HOME/$(touch x)/ringlet",
    "/back`tick`n/ringlet",
    "/say \"hi\"/ringlet",
    "/caf\u{e9}/\u{2018}\u{2019}\u{201a}\u{201b}/ringlet",
    "/\u{1f600}/\u{201c}x\u{201d}/ringlet",
    "/new\nline/tab\t/ringlet",
    "/a;b|c&d/#e/{f}/(g)/@h/,i/ringlet",
    "/'@ringlet@'/@agent@/ringlet",
    "/\u{2028}\u{85}\u{1b}[31m/ringlet",
];

fn hook(ringlet: &str, links: &str, commands: &[&str]) -> Result<String, ShellError> {
    let commands: Vec<String> = commands.iter().copied().map(String::from).collect();
    let ceilings = [PathBuf::from("/work"), PathBuf::from("/it's\u{2019}")];
    let links = Some(Path::new(links));
    render(
        Shell::PowerShell,
        &Hook { ringlet: Path::new(ringlet), commands: &commands, ceilings: &ceilings, links, prompt: false },
    )
}

fn usual() -> String {
    hook("/usr/bin/ringlet", "/home/u/links", &["claude", "cursor-agent"]).expect("the hook renders")
}

/// Every text that is printed, for a path.
fn texts(path: &str) -> [String; 2] {
    let links = path.replace(['[', ']'], "");
    let hook = hook(path, &links, &["claude", "cursor-agent", "a.b"]).expect("the hook renders");
    [hook, render_completion(Shell::PowerShell, Path::new(path)).expect("the completions render")]
}

fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).expect("the grammar fits the parser");
    parser.parse(text, None).expect("parsing is not interrupted")
}

/// All nodes of a kind, in the order of the text.
fn nodes<'tree>(tree: &'tree Tree, kind: &str) -> Vec<Node<'tree>> {
    let mut found = Vec::new();
    let mut waiting = vec![tree.root_node()];
    while let Some(node) = waiting.pop() {
        if node.kind() == kind {
            found.push(node);
        }
        waiting.extend((0..node.child_count()).rev().filter_map(|at| node.child(at)));
    }
    found
}

/// What PowerShell makes of a quoted word: a sum of single-quoted strings and `[char]` numbers.
fn value(word: &str) -> String {
    let sum = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).unwrap_or(word);
    assert!(sum.starts_with('\''), "a sum begins with a string: {word}");
    let mut units = Vec::new();
    let mut rest = sum;
    loop {
        if let Some(number) = rest.strip_prefix("[char]0x") {
            units.push(u16::from_str_radix(&number[..4], 16).expect("four digits"));
            rest = &number[4..];
        } else {
            rest = rest.strip_prefix('\'').expect("a string or a number");
            loop {
                let end = rest.find('\'').expect("the string is closed");
                units.extend(rest[..end].encode_utf16());
                rest = &rest[end + 1..];
                let Some(doubled) = rest.strip_prefix('\'') else { break };
                units.push(u16::from(b'\''));
                rest = doubled;
            }
        }
        match rest.strip_prefix(" + ") {
            Some(next) => rest = next,
            None => break,
        }
    }
    assert_eq!(rest, "", "{word}");
    String::from_utf16(&units).expect("pairs stay together")
}

#[test]
fn every_path_gives_ascii_code_that_parses() {
    for path in PATHS.iter().chain(&["/a[1]/ringlet"]) {
        for text in texts(path) {
            assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "not printable ASCII: {text}");
            let tree = parse(&text);
            assert!(!tree.root_node().has_error(), "{path:?}: {}\n{text}", tree.root_node().to_sexp());
            assert!(text.contains(&quote(Shell::PowerShell, path.as_bytes()).expect("quoted")), "{path:?}");
        }
    }
}

#[test]
fn the_code_is_never_empty() {
    let none = hook("/usr/bin/ringlet", "/links", &[]).expect("no agent is no error");
    assert!(!none.trim().is_empty());
    assert!(!parse(&none).root_node().has_error());
}

#[test]
fn an_agent_is_an_alias_to_its_link_and_never_a_function() {
    let text = usual();
    for name in ["claude", "cursor-agent"] {
        let alias = format!(
            "Set-Alias -Name {name} -Value '/home/u/links/{name}{}' -Scope Global -Force",
            std::env::consts::EXE_SUFFIX
        );
        assert_eq!(text.matches(&alias).count(), 1, "{text}");
    }
    assert_eq!(text.matches("Set-Alias").count(), 2);
    let tree = parse(&text);
    let functions: Vec<&str> = nodes(&tree, "function_name").iter().map(|node| &text[node.byte_range()]).collect();
    assert_eq!(functions, ["global:prompt", "global:__ringlet_notice"]);
}

#[test]
fn a_link_directory_that_would_be_a_pattern_is_refused() {
    for links in ["/a[b]/links", "/a[/links", "/a]/links"] {
        let error = hook("/usr/bin/ringlet", links, &["claude"]).expect_err("refused");
        assert!(matches!(error, ShellError::Brackets(_)), "{error}");
        assert!(error.to_string().contains(links), "{error}");
    }
    let hook =
        Hook { ringlet: Path::new("/r"), commands: &["claude".to_owned()], ceilings: &[], links: None, prompt: false };
    assert!(matches!(render(Shell::PowerShell, &hook), Err(ShellError::NoLinks)));
}

#[test]
fn only_a_free_name_or_our_own_is_taken() {
    let text = usual();
    let tree = parse(&text);
    for node in nodes(&tree, "command").iter().filter(|node| text[node.byte_range()].contains("\\Set-Alias ")) {
        let outer = std::iter::successors(Some(*node), Node::parent).find(|outer| outer.kind() == "if_statement");
        let Some(outer) = outer else { continue };
        assert!(text[outer.byte_range()].starts_with("if (& $free '"), "{}", &text[outer.byte_range()]);
    }
    assert!(text.contains(r#"$items.Exists("Function:\$name")"#) && text.contains(r#"$items.Exists("Alias:\$name")"#));
}

#[test]
fn the_prompt_is_wrapped_once_and_keeps_what_the_user_sees() {
    let text = usual();
    let tree = parse(&text);
    let wrapped: Vec<Node> = nodes(&tree, "function_statement")
        .into_iter()
        .filter(|node| text[node.byte_range()].starts_with("function global:prompt"))
        .collect();
    let [wrapped] = wrapped[..] else { panic!("{} prompts", wrapped.len()) };
    let guard = std::iter::successors(wrapped.parent(), Node::parent)
        .find(|outer| outer.kind() == "if_statement")
        .expect("the wrapping has a guard");
    let guard = &text[guard.byte_range()];
    assert!(
        guard.starts_with("if ($null -eq $ExecutionContext.SessionState.PSVariable.Get('global:__ringlet'))"),
        "{guard}"
    );
    assert!(guard.contains("Prompt = $old"), "the old prompt is captured under the same guard");
    let body: Vec<&str> = text[wrapped.byte_range()].lines().collect();
    assert_eq!(body[1], "$ok = $?", "nothing may come before it");
    assert!(body[3].contains("if (-not $ok) { Microsoft.PowerShell.Utility\\Write-Error 'x' -ErrorAction Ignore }"));
    assert!(body[4].contains("& $global:__ringlet.Prompt"), "the old prompt has the last word");
    for text in texts("/usr/bin/ringlet") {
        assert!(!text.contains("LASTEXITCODE"), "never read, so it need not be guarded, and never written");
    }
}

#[test]
fn nothing_goes_down_the_pipeline() {
    // What may stand as a statement: these give nothing, or are the prompt's and the completer's own results.
    let quiet = [
        "& {",
        "'PS> '",
        "__ringlet_notice",
        "Microsoft.PowerShell.Utility\\Write-Error 'x' -ErrorAction Ignore",
        "Microsoft.PowerShell.Utility\\Set-Alias ",
        "& $global:__ringlet.Prompt",
        "$global:Error.RemoveAt(0)",
        "$process.WaitForExit()",
        "$process.Dispose()",
        "$process.StandardInput.Close()",
        "$process.BeginErrorReadLine()",
        "Register-ArgumentCompleter ",
        "[System.Management.Automation.CompletionResult]::new(",
    ];
    for text in texts("/usr/bin/ringlet") {
        let tree = parse(&text);
        let mut seen = 0;
        for node in nodes(&tree, "pipeline") {
            let list = node.parent().filter(|parent| parent.kind() == "statement_list");
            // The elements of an `@(...)` are a statement list too.
            let Some(list) = list.and_then(|list| list.parent()).filter(|outer| outer.kind() != "array_expression")
            else {
                continue;
            };
            assert_ne!(list.kind(), "sub_expression");
            seen += 1;
            let statement = &text[node.byte_range()];
            let assigns = node.child(0).is_some_and(|first| first.kind() == "assignment_expression");
            assert!(assigns || quiet.iter().any(|quiet| statement.starts_with(quiet)), "{statement}");
        }
        assert!(seen > 10, "the statements were found");
    }
}

#[test]
fn cmdlets_are_few() {
    for text in texts("/usr/bin/ringlet") {
        let tree = parse(&text);
        let mut used: Vec<&str> = nodes(&tree, "command_name").iter().map(|node| &text[node.byte_range()]).collect();
        used.sort_unstable();
        used.dedup();
        let known = [
            "Microsoft.PowerShell.Management\\Test-Path",
            "Microsoft.PowerShell.Utility\\Get-Alias",
            "Microsoft.PowerShell.Utility\\Set-Alias",
            "Microsoft.PowerShell.Utility\\Write-Error",
            "Register-ArgumentCompleter",
            "__ringlet_notice",
        ];
        assert!(!used.is_empty() && used.iter().all(|name| known.contains(name)), "{used:?}");
    }
}

#[test]
fn a_constrained_language_is_asked_for_before_any_method_is_called() {
    let text = usual();
    let tree = parse(&text);
    let asked = text.find("$full = $ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage'").expect("asked for");
    let calls = nodes(&tree, "invokation_expression");
    assert!(calls.len() > 10, "the calls were found");
    for call in calls {
        assert!(call.start_byte() > asked);
        let mut outer = std::iter::successors(call.parent(), Node::parent);
        let is_guarded =
            outer.any(|outer| outer.kind() == "if_statement" && text[outer.byte_range()].starts_with("if ($full) {"));
        assert!(is_guarded, "{}", &text[call.byte_range()]);
    }
    let completion = render_completion(Shell::PowerShell, Path::new("ringlet")).expect("the completions render");
    let asked = completion.find("if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') { return }");
    let calls = nodes(&parse(&completion), "invokation_expression").iter().map(Node::start_byte).min();
    assert!(asked.is_some() && asked < calls, "{completion}");
    // Aliases are made in either, by one and the same line.
    assert!(text.contains("\nif (& $free 'claude' "), "{text}");
}

#[test]
fn a_hook_that_fails_is_a_comment_in_powershell_and_nothing_elsewhere() {
    let world = crate::common::world::World::ready();
    world.write("home/.config/ringlet/config.toml", "[nonsense\n");
    for shell in ["zsh", "bash", "fish", "powershell", "pwsh"] {
        let done = world.run(&["hook", shell]).fails(1, &["config.toml:1:"]);
        let is_powershell = ["powershell", "pwsh"].contains(&shell);
        assert_eq!(done.stdout, if is_powershell { "# failed\n" } else { "" }, "{shell}");
    }
}

#[test]
fn completions_ask_through_one_string_and_no_native_call() {
    let text = render_completion(Shell::PowerShell, Path::new("ringlet")).expect("the completions render");
    assert!(text.contains("ProcessStartInfo]::new('ringlet', $line)"), "{text}");
    assert!(text.contains("EnvironmentVariables['COMPLETE'] = 'powershell'"), "{text}");
    let tree = parse(&text);
    let called: Vec<_> =
        nodes(&tree, "command_invokation_operator").iter().map(|node| &text[node.start_byte()..]).collect();
    assert!(called.is_empty(), "native calls: {called:?}");
    assert!(!nodes(&parse(&usual()), "command_invokation_operator").is_empty(), "the hook has some, which this finds");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quoted_word_is_one_ascii_expression_with_the_same_value(text in "(?s)['\u{2018}-\u{201f}\"`$\\\\@(){}\u{20}a\u{e9}\u{1f600}\n]{0,12}|[^\\x00]{0,24}") {
        let word = quote(Shell::PowerShell, text.as_bytes()).expect("no NUL in it");
        prop_assert!(word.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{word}");
        prop_assert_eq!(value(&word), text);
        prop_assert!(!parse(&format!("$x = {word}\nf -Value {word} -y\n")).root_node().has_error(), "{word}");
    }
}

/// In a real PowerShell. What is wanted here was reproduced with PowerShell 7.6 by hand before it was written down.
mod live {
    use super::*;
    use std::ffi::OsString;
    use std::fs;
    use std::io::Write;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};
    use tempfile::TempDir;

    const NOTICE: &str = "stand-in: a notice";

    /// Plays `ringlet`, its links, and its completions. Notes the name it was called by and its arguments.
    const STAND_IN: &str = r#"#!/bin/bash
printf '%s\0' "$(($# + 1))" "$0" "$@" >>"$HOME/calls"
if [ -n "${COMPLETE-}" ]; then
  printf 'work\tthe first\nit\xe2\x80\x99s\nwith space\n'
  exit 1
fi
if [ "$1" = announce ]; then
  echo 'stand-in: a notice' >&2
  exit 7
fi
case ${1-} in
--exit) exit "$2" ;;
--cat) exec cat ;;
esac
"#;

    fn pwsh() -> Option<PathBuf> {
        let found = std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join("pwsh"))
            .find(|path| path.is_file());
        if found.is_none() {
            // To the stream itself: what a test prints is only shown when it fails.
            let _ = writeln!(std::io::stderr(), "PowerShell is not installed: the live tests did not run");
        }
        found
    }

    struct World {
        folder: TempDir,
        pwsh: PathBuf,
        ringlet: PathBuf,
        links: PathBuf,
    }

    /// What a script printed, apart by stream.
    struct Said {
        out: String,
        err: String,
        success: bool,
    }

    impl World {
        /// `None`, and a loud word, where there is no PowerShell.
        fn new() -> Option<Self> {
            Self::with("bin", "links")
        }

        /// A world with the binary in one folder below HOME and the links in another.
        fn with(binary: &str, links: &str) -> Option<Self> {
            let pwsh = pwsh()?;
            let folder = tempfile::tempdir().expect("a scratch folder");
            let home = folder.path().join("home");
            let (ringlet, links) = (home.join(binary).join("ringlet"), home.join(links));
            fs::create_dir_all(ringlet.parent().expect("a folder")).expect("writable");
            fs::create_dir_all(&links).expect("writable");
            fs::write(&ringlet, STAND_IN).expect("writable");
            fs::set_permissions(&ringlet, fs::Permissions::from_mode(0o755)).expect("ours");
            for name in ["claude", "codex"] {
                symlink(&ringlet, links.join(name)).expect("writable");
            }
            Some(Self { folder, pwsh, ringlet, links })
        }

        fn home(&self) -> PathBuf {
            self.folder.path().join("home")
        }

        fn project(&self, name: &str) -> PathBuf {
            let folder = self.home().join(name);
            fs::create_dir_all(&folder).expect("writable");
            fs::write(folder.join(".ringlet.toml"), "profile = \"work\"\n").expect("writable");
            folder
        }

        /// The statement of a profile that loads the hook.
        fn hook(&self) -> String {
            let commands = ["claude".to_owned(), "codex".to_owned()];
            let hook = Hook {
                ringlet: &self.ringlet,
                commands: &commands,
                ceilings: &[],
                links: Some(&self.links),
                prompt: false,
            };
            let text = render(Shell::PowerShell, &hook).expect("the hook renders");
            self.load("hook.ps1", &text)
        }

        fn completion(&self) -> String {
            self.load(
                "completion.ps1",
                &render_completion(Shell::PowerShell, &self.ringlet).expect("the completions render"),
            )
        }

        /// As a user's profile has it, with `cat` for the command that prints.
        fn load(&self, name: &str, text: &str) -> String {
            let file = self.home().join(name);
            fs::write(&file, text).expect("writable");
            format!("Invoke-Expression (& /bin/cat {} | Out-String)", word(&file))
        }

        /// Runs a script in the global scope, as a profile is.
        fn run(&self, script: &str) -> Said {
            let file = self.home().join("script.ps1");
            fs::write(&file, script).expect("writable");
            let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.pwsh.parent().expect("a folder").display());
            let mut command = Command::new(&self.pwsh);
            command
                .args(["-NoLogo", "-NoProfile", "-NonInteractive", "-Command"])
                .arg(format!(". {}", word(&file)))
                .env_clear()
                // How the runtime finds its libraries differs from one installation to the next.
                .envs(std::env::vars_os().filter(|(name, _)| {
                    name.to_str().is_some_and(|name| name.starts_with("DOTNET_") || name == "LD_LIBRARY_PATH")
                }))
                .env("HOME", self.home())
                .env("PATH", path)
                .env("LC_ALL", "C.UTF-8")
                .env("TERM", "dumb")
                .env("NO_COLOR", "1")
                .env("POWERSHELL_TELEMETRY_OPTOUT", "1")
                .env("POWERSHELL_UPDATECHECK", "Off")
                .current_dir(self.home())
                .stdin(Stdio::null());
            let output = command.output().expect("pwsh starts");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
            Said { out: text(&output.stdout), err: text(&output.stderr), success: output.status.success() }
        }

        /// How the stand-in was called since the last time this was asked: its name, then its arguments.
        fn calls(&self) -> Vec<Vec<String>> {
            let file = self.home().join("calls");
            let bytes = fs::read(&file).unwrap_or_default();
            let _ = fs::remove_file(&file);
            let text = |field: &[u8]| OsString::from_vec(field.to_vec()).to_string_lossy().into_owned();
            let mut fields = bytes.split(|&byte| byte == 0).map(text);
            let mut calls = Vec::new();
            while let Some(count) = fields.next().filter(|count| !count.is_empty()) {
                calls.push(fields.by_ref().take(count.parse().expect("a count")).collect());
            }
            calls
        }

        fn notices(&self) -> usize {
            self.calls().iter().filter(|call| call.get(1).is_some_and(|argument| argument == "announce")).count()
        }

        fn link(&self, name: &str) -> String {
            self.links.join(name).to_str().expect("UTF-8").to_owned()
        }
    }

    fn word(path: &Path) -> String {
        quote(Shell::PowerShell, path.to_str().expect("UTF-8").as_bytes()).expect("can be quoted")
    }

    const STRICT: &str = "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'; $PSNativeCommandUseErrorActionPreference = $true\n";

    #[track_caller]
    fn assert_said(said: &Said, out: &str) {
        assert_eq!((said.out.as_str(), said.err.as_str()), (out, ""));
        assert!(said.success);
    }

    #[test]
    fn loading_prints_nothing_however_strict_and_however_often() {
        let Some(world) = World::new() else { return };
        let hook = world.hook();
        assert_said(&world.run(&format!("{STRICT}{hook}\n{hook}\n")), "");
        let (show, link) = ("(Get-Alias claude).Definition\n", world.link("claude") + "\n");
        assert_said(&world.run(&format!("{STRICT}{hook}\n{show}")), &link);
        assert_said(&world.run(&format!("{STRICT}function load {{ {hook} }}\nload\nload\n{show}")), &link);
        assert_eq!(world.calls().len(), 0);
    }

    #[test]
    fn a_constrained_language_has_the_aliases_and_no_error() {
        let Some(world) = World::new() else { return };
        let project = word(&world.project("project"));
        let hook = world.hook();
        let script = format!(
            "function codex {{ 'mine' }}\n$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'\n\
             {hook}\n{hook}\n$null = prompt\nSet-Location -LiteralPath {project}\n$null = prompt\n\
             (Get-Alias claude).Definition\ncodex\n\"$($Error.Count)\"\nclaude -p -- x\n"
        );
        assert_said(&world.run(&script), &format!("{}\nmine\n0\n", world.link("claude")));
        assert_eq!(world.calls(), [[&*world.link("claude"), "-p", "--", "x"]]);
    }

    #[test]
    fn loading_leaves_no_variable_and_no_error_behind() {
        let Some(world) = World::new() else { return };
        let script = format!(
            "{}\nforeach ($__name in 'full items old free state at ends top found dir try before info process errors ok name link now'.Split(' ')) {{\n\
             if ($null -ne $ExecutionContext.SessionState.PSVariable.Get(\"global:$__name\")) {{ \"$__name stayed\" }}\n}}\n\
             \"$($Error.Count) $($global:__ringlet.Count)\"\n",
            world.hook()
        );
        assert_said(&world.run(&script), "0 4\n");
    }

    #[test]
    fn arguments_arrive_unchanged_under_the_links_name() {
        let Some(world) = World::new() else { return };
        let script =
            "claude -p hi -- npx -- 'a b' ''\nclaude '*.txt' '~/x' 'a,b' -p:v 'a\"b' '$HOME' '--' -- --\ncodex\n";
        assert_said(&world.run(&format!("{}\n{script}", world.hook())), "");
        let (claude, codex) = (world.link("claude"), world.link("codex"));
        assert_eq!(
            world.calls(),
            [
                vec![&*claude, "-p", "hi", "--", "npx", "--", "a b", ""],
                vec![&*claude, "*.txt", "~/x", "a,b", "-p:v", "a\"b", "$HOME", "--", "--", "--"],
                vec![&*codex],
            ]
        );
    }

    #[test]
    fn the_pipeline_and_the_status_are_those_of_a_direct_call() {
        let Some(world) = World::new() else { return };
        let script = "'in' | claude --cat\n\
                      claude --exit 3\n\"$? $LASTEXITCODE\"\n\
                      claude --exit 0 && 'goes on'\n\
                      claude --exit 3 && 'goes on too'\n\
                      claude --exit 4 || \"stopped $LASTEXITCODE\"\n";
        assert_said(&world.run(&format!("{}\n{script}", world.hook())), "in\nFalse 3\ngoes on\nstopped 4\n");
    }

    #[test]
    fn every_path_of_links_and_binary_can_be_called() {
        for name in [
            "a b",
            "it's",
            "$HOME $(1)",
            "back`tick",
            "\u{2018}\u{2019}\u{201a}\u{201b} \u{1f600}",
            "new\nline",
            "say \"hi\"; exit",
        ] {
            let Some(world) = World::with(name, name) else { return };
            let project = world.project("project");
            let script = format!(
                "{STRICT}{}\nclaude -p x\n$null = prompt\nSet-Location -LiteralPath {}\n$null = prompt\n",
                world.hook(),
                word(&project)
            );
            let said = world.run(&script);
            assert_eq!(said.out, "", "{name:?}: {}", said.err);
            assert_eq!(said.err.matches(NOTICE).count(), 1, "{name:?}: {}", said.err);
            let calls = world.calls();
            assert_eq!(calls[0], [&*world.link("claude"), "-p", "x"], "{name:?}");
            assert_eq!(calls[1][1..], ["announce"], "{name:?}");
        }
        // The binary's own path is no alias's target, so a bracket in it is no pattern.
        let Some(world) = World::with("a[b]", "links") else { return };
        let project = world.project("project[1]");
        world.run(&format!(
            "{}\n$null = prompt\nSet-Location -LiteralPath {}\n$null = prompt\n",
            world.hook(),
            word(&project)
        ));
        assert_eq!(world.notices(), 1);
    }

    #[test]
    fn a_function_or_alias_of_the_users_is_left_alone() {
        let Some(world) = World::new() else { return };
        let hook = world.hook();
        let own = format!(
            "function claude {{ 'mine' }}\nSet-Alias codex Get-Date\n{STRICT}{hook}\n{hook}\nclaude\n(Get-Alias codex).Definition\n"
        );
        assert_said(&world.run(&own), "mine\nGet-Date\n");
        let read_only =
            format!("Set-Alias claude Get-Date -Option ReadOnly\n{STRICT}{hook}\n(Get-Alias claude).Definition\n");
        assert_said(&world.run(&read_only), "Get-Date\n");
        assert_eq!(world.calls().len(), 0);
    }

    #[test]
    fn a_link_that_moved_takes_effect_and_one_that_is_gone_hides_nothing() {
        let Some(mut world) = World::new() else { return };
        let first = world.hook();
        let moved = world.home().join("moved");
        fs::create_dir(&moved).expect("writable");
        symlink(&world.ringlet, moved.join("claude")).expect("writable");
        fs::copy(world.home().join("hook.ps1"), world.home().join("first.ps1")).expect("writable");
        let first = first.replace("hook.ps1", "first.ps1");
        world.links = moved;
        let second = world.hook();
        let show = "(Get-Alias claude).Definition\n";
        assert_said(&world.run(&format!("{STRICT}{first}\n{second}\n{show}")), &format!("{}\n", world.link("claude")));
        // `codex` has no link there: the name stays free for the agent itself.
        assert_said(&world.run(&format!("{second}\nTest-Path Alias:codex\n")), "False\n");
    }

    #[test]
    fn the_notice_comes_once_on_entering_and_at_no_other_prompt() {
        let Some(world) = World::new() else { return };
        let (one, two) = (word(&world.project("one")), word(&world.project("two $(x)'s")));
        let plain = word(&world.home());
        fs::create_dir(world.home().join("one/sub")).expect("writable");
        let sub = word(&world.home().join("one/sub"));
        let go = |folder: &str| format!("Set-Location -LiteralPath {folder}\n$null = prompt\n");
        // The first prompt, in a project, and steady ones.
        let said = world.run(&format!(
            "Set-Location -LiteralPath {one}\n{STRICT}{}\n1..20 | ForEach-Object {{ $null = prompt }}\n",
            world.hook()
        ));
        assert_said(&said, "");
        assert_eq!(world.notices(), 0);
        let walk = [&one, &sub, &one, &plain, &sub, &two, &two].map(|folder| go(folder)).concat();
        let said = world.run(&format!(
            "{STRICT}{}\n$null = prompt\n{walk}1..20 | ForEach-Object {{ $null = prompt }}\n",
            world.hook()
        ));
        assert_eq!(said.out, "");
        assert_eq!(said.err.matches(NOTICE).count(), 3, "{}", said.err);
        assert_eq!(world.notices(), 3, "entered one, came back to it by its sub, entered two");
        // Other providers, a deleted directory, and no directory change at all.
        let doomed = world.home().join("one/doomed");
        let script = format!(
            "{STRICT}{hook}\n$null = prompt\nSet-Location Env:\n$null = prompt\n\
             $null = New-Item -ItemType Directory {doomed}\nSet-Location -LiteralPath {doomed}\n/bin/rmdir {doomed}\n\
             $null = prompt\n\"alive $($Error.Count)\"\n",
            hook = world.hook(),
            doomed = word(&doomed)
        );
        let said = world.run(&script);
        assert_eq!(said.out, "alive 0\n", "{}", said.err);
    }

    #[test]
    fn the_prompt_keeps_status_exit_code_errors_and_its_text() {
        let Some(world) = World::new() else { return };
        let project = word(&world.project("project"));
        let own = "function prompt { \"<$? $LASTEXITCODE>\" }\n";
        let script = format!(
            "{own}{hook}\n{hook}\n$null = prompt\n\
             claude --exit 3\nprompt\n\
             Set-Location -LiteralPath {project}; claude --exit 4\nprompt\n\
             claude --exit 0\nprompt\n\
             claude --exit 5\n$null = prompt\n\"$LASTEXITCODE $($Error.Count)\"\n",
            hook = world.hook()
        );
        let said = world.run(&script);
        assert_eq!(said.out, "<False 3>\n<False 4>\n<True 0>\n5 0\n", "{}", said.err);
        // Before any native command there is no exit code, and the prompt makes none.
        let text = fs::read_to_string(world.home().join("hook.ps1")).expect("written");
        let script = format!(
            "{STRICT}{text}\n$null = prompt\nSet-Location -LiteralPath {project}\n$null = prompt\n\
             $null -eq $ExecutionContext.SessionState.PSVariable.Get('LASTEXITCODE')\n"
        );
        let said = world.run(&script);
        assert_eq!(said.out, "True\n", "{}", said.err);
        assert_eq!(said.err.matches(NOTICE).count(), 1, "{}", said.err);
    }

    #[test]
    fn the_default_prompt_is_still_there() {
        let Some(world) = World::new() else { return };
        let before = world.run("prompt\n").out;
        assert_eq!(world.run(&format!("{}\nprompt\n", world.hook())).out, before);
        assert!(before.contains("PS "), "{before}");
    }

    #[test]
    fn an_uninstalled_ringlet_is_silent_at_the_prompt() {
        let Some(world) = World::new() else { return };
        let project = word(&world.project("project"));
        let script = format!(
            "{STRICT}{}\n$null = prompt\n[System.IO.File]::Delete({})\nSet-Location -LiteralPath {project}\n$null = prompt\n\"$($Error.Count)\"\n",
            world.hook(),
            word(&world.ringlet)
        );
        assert_said(&world.run(&script), "0\n");
    }

    #[test]
    fn completions_pass_the_words_and_quote_the_answers() {
        let Some(world) = World::new() else { return };
        let line = |text: &str| {
            format!(
                "(TabExpansion2 -inputScript '{0}' -cursorColumn {1}).CompletionMatches | ForEach-Object {{ \"$($_.CompletionText)|$($_.ListItemText)|$($_.ToolTip)\" }}\n",
                text.replace('\'', "''"),
                text.len()
            )
        };
        let lines = [
            "ringlet profiles ",
            "ringlet profiles insp",
            "cd /; ringlet exec 'a b' \"c d\" un",
            "ringlet '' 'a\"b\\' -p:x ",
        ];
        let script = format!("{}\n{STRICT}{}", world.completion(), lines.map(line).concat());
        let said = world.run(&script);
        let answer =
            "work|work|the first\n'it\u{2019}\u{2019}s'|it\u{2019}s|it\u{2019}s\n'with space'|with space|with space\n";
        assert_eq!(said.out, answer.repeat(lines.len()), "{}", said.err);
        let mut calls: Vec<Vec<String>> = world.calls().iter().map(|call| call[1..].to_vec()).collect();
        calls.dedup();
        assert_eq!(
            calls,
            [
                vec!["--", "ringlet", "profiles", ""],
                vec!["--", "ringlet", "profiles", "insp"],
                vec!["--", "ringlet", "exec", "a b", "c d", "un"],
                vec!["--", "ringlet", "", "a\"b\\", "-p:x", ""],
            ]
        );
        // The user's exit code stays; and a ringlet that is gone is no error.
        let script = format!(
            "{}\n/bin/sh -c 'exit 9'\n$null = TabExpansion2 -inputScript 'ringlet ' -cursorColumn 8\n\
             [System.IO.File]::Delete({})\n$null = TabExpansion2 -inputScript 'ringlet ' -cursorColumn 8\n\"$LASTEXITCODE $($Error.Count)\"\n",
            world.completion(),
            word(&world.ringlet)
        );
        assert_said(&world.run(&script), "9 0\n");
    }
}
