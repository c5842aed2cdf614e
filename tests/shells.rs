//! The hook in real shells: zsh, bash and fish, in scripts and on a terminal.
//!
//! A script stands in for `ringlet` and records how it was called, so that the shell code alone is tested.
//! A shell that is not installed fails these tests.

use crate::common::pty::Terminal;
use proptest::prelude::*;
use ringlet::testing::{Env, Hook, Paths, Settings, Shell, find_project_file, quote, render};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const PROMPT: &str = "R1NG> ";

/// What the stand-in says when it is asked for the directory notice.
const NOTICE: &str = "stand-in: a notice";

/// Plays `ringlet`: notes its arguments, then behaves as the agent that its own first argument asks for. It fails
/// after a notice, which nobody may notice.
const STAND_IN: &str = r#"#!/bin/bash
printf '%s\0' "$#" "$@" >>"$HOME/calls"
if [ "$1" = announce ]; then
  echo 'stand-in: a notice' >&2
  if [ "${2-}" = --profile ]; then cat "$HOME/profile"; fi
  exit 7
fi
shift 3
case ${1-} in
--exit) exit "$2" ;;
--kill) kill "-$2" $$ ;;
--cat) exec cat ;;
--terminal) if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then echo a terminal; else echo no terminal; fi ;;
--wait)
  trap 'echo resized' WINCH
  trap 'echo continued' CONT
  echo waiting
  while :; do
    # A signal that comes just before `read` waits is only acted on after it, hence the time limit.
    read -r -t 0.1 line
    case $? in
    0) if [ "$line" = done ]; then echo finished && exit 5; fi ;;
    1) exit 9 ;;
    esac
  done
  ;;
esac
"#;

/// A home directory with the stand-in in it.
struct World {
    folder: TempDir,
    ringlet: PathBuf,
}

impl World {
    fn new() -> Self {
        Self::with_ringlet(OsStr::new("bin/ringlet"))
    }

    /// A world where `ringlet` is at this path below HOME.
    fn with_ringlet(name: &OsStr) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let world = Self { ringlet: folder.path().join("home").join(name), folder };
        fs::create_dir_all(world.ringlet.parent().expect("a folder")).expect("writable");
        fs::write(&world.ringlet, STAND_IN).expect("writable");
        fs::set_permissions(&world.ringlet, fs::Permissions::from_mode(0o755)).expect("ours");
        // Without this a first fish goes through all manual pages, in the background.
        world.folder(".local/share/fish/generated_completions");
        world.folder(".cache/fish/generated_completions");
        world
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Makes a directory below HOME, with a `.ringlet.toml` in it.
    fn project(&self, name: impl AsRef<Path>) -> PathBuf {
        let folder = self.folder(name);
        fs::write(folder.join(".ringlet.toml"), "profile = \"work\"\n").expect("writable");
        folder
    }

    /// Makes a directory below HOME.
    fn folder(&self, name: impl AsRef<Path>) -> PathBuf {
        let folder = self.home().join(name);
        fs::create_dir_all(&folder).expect("writable");
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, text).expect("writable");
        path
    }

    /// Renders the hook for `claude` and `codex` into a file, and returns the line of an rc file that loads it.
    fn hook(&self, shell: Shell) -> String {
        self.hook_with(shell, &["claude", "codex"], &[])
    }

    fn hook_with(&self, shell: Shell, commands: &[&str], ceilings: &[PathBuf]) -> String {
        self.rendered(shell, commands, ceilings, false)
    }

    fn rendered(&self, shell: Shell, commands: &[&str], ceilings: &[PathBuf], prompt: bool) -> String {
        let commands: Vec<String> = commands.iter().copied().map(String::from).collect();
        let hook = Hook { ringlet: &self.ringlet, commands: &commands, ceilings, links: None, prompt };
        let text = render(shell, &hook).expect("the hook renders");
        assert_eq!(text.lines().count(), 1, "more than one line: {text}");
        assert!(text.ends_with('\n'));
        let file = self.write(&format!("hook.{shell}"), &text);
        match shell {
            Shell::Fish => format!("cat {} | source", word(shell, &file)),
            _ => format!("eval \"$(cat {})\"", word(shell, &file)),
        }
    }

    /// How the stand-in was called, since the last time this was asked.
    fn calls(&self) -> Vec<Vec<OsString>> {
        let file = self.home().join("calls");
        let bytes = fs::read(&file).unwrap_or_default();
        let _ = fs::remove_file(&file);
        let mut fields = bytes.split(|&byte| byte == 0).map(|field| OsString::from_vec(field.to_vec()));
        let mut calls = Vec::new();
        while let Some(count) = fields.next().filter(|count| !count.is_empty()) {
            let count = count.to_str().and_then(|count| count.parse().ok()).expect("a count");
            calls.push(fields.by_ref().take(count).collect());
        }
        calls
    }

    /// A command in this world and no other.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .env("ZDOTDIR", self.home())
            .env("XDG_CONFIG_HOME", self.home().join(".config"))
            .env("XDG_DATA_HOME", self.home().join(".local/share"))
            .env("XDG_CACHE_HOME", self.home().join(".cache"))
            .current_dir(self.home());
        command
    }

    /// Runs a script in a shell that reads no rc file.
    fn script(&self, shell: Shell, options: &[&str], text: &str) -> Output {
        let script = self.write("script", text);
        let clean: &[&str] = match shell {
            Shell::Zsh => &["-f"],
            Shell::Bash => &["--noprofile", "--norc"],
            _ => &["--no-config"],
        };
        let mut command = self.command(shell.name());
        command.args(clean).args(options).arg(script).stdin(Stdio::null()).output().expect("the shell is installed")
    }

    /// Starts an interactive shell with this rc file, and waits for its first prompt.
    fn shell(&self, shell: Shell, rc: &str) -> Session {
        self.shell_in(shell, rc, &self.home(), &[])
    }

    fn shell_in(&self, shell: Shell, rc: &str, folder: &Path, through: &[&str]) -> Session {
        let (file, prompt, options): (_, _, &[&str]) = match shell {
            Shell::Zsh => (
                ".zshrc",
                format!("unsetopt prompt_sp; PS1='{PROMPT}'"),
                &["-d", "-i"],
            ),
            Shell::Bash => (
                ".bashrc",
                format!("PS1='{PROMPT}'"),
                &["--noprofile", "-i"],
            ),
            _ => (
                ".config/fish/config.fish",
                // fish draws its prompt again with every key, so each has its number.
                "set -g prompts 0; function fish_prompt; set prompts (math $prompts + 1); echo -n \"R1NG $prompts> \"; end; \
                 set fish_greeting"
                    .to_owned(),
                &["-i"],
            ),
        };
        self.write(file, &format!("{prompt}\n{rc}\n"));
        // Whoever runs the tests in the background ignores SIGINT, and bash hands that on to the agent.
        let signals: &[&str] = if cfg!(target_os = "linux") { &["env", "--default-signal"] } else { &["env"] };
        let words: Vec<&str> = signals.iter().chain(through).chain([&shell.name()]).chain(options).copied().collect();
        let mut command = self.command(words[0]);
        command.args(&words[1..]).current_dir(folder);
        // A login shell sets PWD; this is what keeps a directory's name as it was typed.
        command.env("PWD", folder);
        let mut session =
            Session { terminal: Terminal::start(command), shell, start: String::new(), commands: 0, prompts: 0 };
        session.start = session.prompt();
        session
    }
}

/// An interactive shell at its prompt.
struct Session {
    terminal: Terminal,
    shell: Shell,
    /// What was on the terminal before the first prompt.
    start: String,
    commands: usize,
    /// The number of the newest prompt, in fish.
    prompts: usize,
}

impl Session {
    /// Waits for the next prompt, and returns what was shown before it, without what the line editors add.
    #[track_caller]
    fn prompt(&mut self) -> String {
        self.prompts += 1;
        let prompt = if self.shell == Shell::Fish { format!("R1NG {}> ", self.prompts) } else { PROMPT.to_owned() };
        let shown = self.terminal.expect(&prompt);
        shown.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "").replace('⏎', "")
    }

    /// Runs a line and returns what it printed and its status. The prompt is there again afterwards.
    #[track_caller]
    fn run(&mut self, line: &str) -> (String, i32) {
        self.commands += 1;
        let (mark, status) = (self.commands, self.status());
        // The echo of the line cannot match: there the numbers stand behind the format.
        self.terminal.send(&format!("printf '\\n[<%s]\\n' {mark}; {line}; printf '\\n[%s>%s]\\n' {mark} {status}"));
        self.terminal.expect(&format!("[<{mark}]\r\n"));
        let text = self.terminal.expect(&format!("\r\n[{mark}>"));
        let status = self.terminal.expect("]").parse().expect("a status");
        self.prompt();
        (text.replace("\r\n", "\n"), status)
    }

    /// Runs a line and returns what it printed.
    #[track_caller]
    fn print(&mut self, line: &str) -> String {
        self.run(line).0.trim_end().to_owned()
    }

    /// Types a line and returns everything between it and the next prompt, its echo too.
    #[track_caller]
    fn line(&mut self, line: &str) -> String {
        self.terminal.send(line);
        self.prompt()
    }

    /// The status of the line before, as the user asks for it at the prompt.
    #[track_caller]
    fn last_status(&mut self) -> String {
        let text = self.line(&format!("printf '\\n[was:%s]\\n' {}", self.status()));
        between(&text, "[was:", "]").to_owned()
    }

    fn status(&self) -> &'static str {
        if self.shell == Shell::Fish { "$status" } else { "$?" }
    }

    /// Changes directory and says how many notices that brought.
    #[track_caller]
    fn enter(&mut self, folder: &Path) -> usize {
        let line = format!("cd {}", word(self.shell, folder));
        self.line(&line).matches(NOTICE).count()
    }
}

/// One word of a shell.
fn word(shell: Shell, text: impl AsRef<OsStr>) -> String {
    quote(shell, text.as_ref().as_bytes()).expect("can be quoted")
}

#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.rsplit_once(start).unwrap_or_else(|| panic!("{start:?} is not in {text:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?} is not in {rest:?}")).0
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_silent(output: &Output, what: &str) {
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()), "{what}");
    assert!(output.status.success(), "{what}: {}", output.status);
}

fn strings(call: &[OsString]) -> Vec<String> {
    call.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Makes each of these functions a test in every shell.
macro_rules! in_each_shell {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        mod zsh { $($(#[$attribute])* #[test] fn $name() { super::$name(super::Shell::Zsh); })* }
        mod bash { $($(#[$attribute])* #[test] fn $name() { super::$name(super::Shell::Bash); })* }
        mod fish { $($(#[$attribute])* #[test] fn $name() { super::$name(super::Shell::Fish); })* }
    };
}

in_each_shell! {
    arguments_arrive_unchanged
    standard_input_reaches_the_agent
    the_agents_status_is_the_functions
    every_path_of_ringlet_can_be_called
    hostile_directories_run_nothing_and_print_nothing
    a_copied_function_works_in_a_clean_shell
    another_function_of_the_name_is_left_alone
    a_moved_ringlet_takes_effect_and_loading_twice_changes_nothing
    completions_of_the_name_still_work
    nothing_else_of_the_shell_is_changed
    nothing_is_printed_at_the_start
    the_agent_has_the_terminal_and_hears_its_size_change
    control_c_ends_the_agent_and_control_z_suspends_it
    the_agent_runs_in_the_background
    an_uninstalled_ringlet_is_the_shells_own_error
    the_notice_comes_once_on_entering
    the_notice_keeps_the_status
    the_profile_for_a_prompt_is_the_directorys
    the_walk_ends_at_the_ceilings
    a_deleted_or_linked_directory_is_walked_by_its_name
    every_folder_is_governed_by_the_file_that_a_launch_finds
    only_a_prompt_announces
    #[cfg(target_os = "linux")]
    a_steady_prompt_starts_no_process
    quoted_words_come_back
}

fn arguments_arrive_unchanged(shell: Shell) {
    let world = World::new();
    let arguments = [
        "",
        " ",
        "a b",
        "'",
        "\"",
        "it's \"x\"",
        "a\nb",
        "\n",
        "trailing\n",
        "--",
        "-p",
        "-",
        "*",
        "~",
        "$HOME",
        "`id`",
        "\\",
        "a\\",
        "!!",
        "=ls",
        "#",
        "{a,b}",
        "[x]",
        "a=b",
        "é ü 漢 😀",
        "\u{202e}",
        "\t",
        "\x1b[31m",
        "%s",
        "&&",
        ";",
    ];
    let line = arguments.map(|argument| word(shell, argument)).join(" ");
    let output = world.script(shell, &[], &format!("{}\nclaude {line}\ncodex\n", world.hook(shell)));
    assert_silent(&output, "the call");
    let calls = world.calls();
    assert_eq!(strings(&calls[0]), [&["exec", "claude", "--"], &arguments[..]].concat());
    assert_eq!(strings(&calls[1]), ["exec", "codex", "--"]);
}

fn standard_input_reaches_the_agent(shell: Shell) {
    let world = World::new();
    let output = world.script(shell, &[], &format!("{}\nprintf 'a\\nb' | claude --cat | cat\n", world.hook(shell)));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("a\nb".into(), String::new()));
}

fn the_agents_status_is_the_functions(shell: Shell) {
    let world = World::new();
    let status = if shell == Shell::Fish { "$status" } else { "$?" };
    let calls = ["--exit 0", "--exit 3", "--exit 255", "--kill TERM", "--kill KILL"]
        .map(|agent| format!("claude {agent}\necho {status}\n"))
        .concat();
    let output = world.script(shell, &[], &format!("{}\n{calls}", world.hook(shell)));
    assert_eq!(text(&output.stdout), "0\n3\n255\n143\n137\n", "{}", text(&output.stderr));
}

fn every_path_of_ringlet_can_be_called(shell: Shell) {
    for name in [
        &b"a b/ringlet"[..],
        b"it's/ringlet",
        b"say \"hi\"/$HOME `id`/$(touch x)/ringlet",
        b"back\\slash\\/ring\\",
        b"new\nline/ring\nlet",
        b"ringlet\n",
        b"bang!/!!/=x/#c/~/*?[a]{b,c}/ringlet",
        b"tab\t/\x1b[31m/ringlet",
        "caf\u{e9}/\u{2019}/\u{1f600}".as_bytes(),
        b"not-utf-8/\xff\xc3/ringlet",
        b"'@ringlet@'/'@ceilings@'/@agent@",
    ] {
        let world = World::with_ringlet(OsStr::from_bytes(name));
        let hook = world.hook(shell);
        let shown = String::from_utf8_lossy(name);
        let output = world.script(shell, &[], &format!("{hook}\n{hook}\nclaude -p x\n"));
        assert_silent(&output, &shown);
        let calls: Vec<_> = world.calls().iter().map(|call| strings(call)).collect();
        assert_eq!(calls, [["exec", "claude", "--", "-p", "x"]], "{shown:?}");
        let project = world.project("project");
        let mut session = world.shell(shell, &hook);
        assert_eq!(session.start.trim(), "", "{shown:?}");
        assert_eq!(session.enter(&project), 1, "{shown:?}");
    }
}

fn hostile_directories_run_nothing_and_print_nothing(shell: Shell) {
    let world = World::new();
    let mut session = world.shell(shell, &world.hook(shell));
    for name in [
        "$(touch x)",
        "`touch x`",
        "it's",
        "say \"hi\"",
        "new\nline",
        "ends\n",
        " blanks ",
        "back\\slash",
        "ends\\",
        "*",
        "[a]",
        "-e",
        "$HOME",
        "${IFS}",
        "%s%n",
        "~",
        "; touch x;",
        "\x1b]0;title\x07",
        "\x1b[31mred",
        "é\u{202e}",
        "a&touch x",
        "!!",
    ] {
        let project = world.project(name);
        fs::create_dir(project.join("sub")).expect("writable");
        // The line is typed from a file: a line editor has its own ideas about escape sequences.
        let go = world.write("go", &format!("cd {}", word(shell, project.join("sub"))));
        let shown = session.line(&format!(". {}", word(shell, go)));
        assert_eq!(shown.matches(NOTICE).count(), 1, "{name:?}: {shown:?}");
        assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{name:?}: {shown:?}");
        let echo = |line: &&str| line.contains("go'") || line.contains(NOTICE);
        let rest: String = shown.lines().filter(|line| !echo(line)).collect();
        assert_eq!(rest.trim(), "", "{name:?} brings a message");
        let shown = session.line(&format!("cd {}", word(shell, world.home())));
        assert!(!shown.contains(NOTICE) && !shown.contains('\x1b'), "{name:?}: {shown:?}");
        let found = fs::read_dir(project.join("sub")).expect("readable").count();
        assert_eq!(found, 0, "{name:?} ran something");
    }
    assert!(!world.home().join("x").exists());
    assert!(world.calls().iter().all(|call| strings(call) == ["announce"]));
}

fn a_copied_function_works_in_a_clean_shell(shell: Shell) {
    let world = World::with_ringlet(OsStr::from_bytes(b"it's $HOME/new\nline/ring let"));
    let copy = match shell {
        Shell::Fish => "functions claude >copy",
        _ => "typeset -f claude >copy",
    };
    assert_silent(&world.script(shell, &[], &format!("{}\n{copy}\n", world.hook(shell))), "the copy");
    assert_silent(&world.script(shell, &[], ". ./copy\nclaude -p 'a b'\n"), "the copied function");
    assert_eq!(strings(&world.calls()[0]), ["exec", "claude", "--", "-p", "a b"]);
}

fn another_function_of_the_name_is_left_alone(shell: Shell) {
    let world = World::new();
    let hook = world.hook(shell);
    let bodies: &[&str] = match shell {
        Shell::Fish => &["echo mine", "command '/x/ringlet' exec claude -- $argv"],
        _ => &[
            "echo mine",
            "command echo; '/x/ringlet' exec claude -- \"$@\"",
            "command '/x/notify'\n'/x/ringlet' exec claude -- \"$@\"",
            "command '/x/ringlet' exec codex -- \"$@\"",
        ],
    };
    for body in bodies {
        let (define, show) = match shell {
            Shell::Fish => (format!("function claude; {body}; end"), "functions claude"),
            _ => (format!("claude() {{ {body}; }}"), "typeset -f claude"),
        };
        let before = text(&world.script(shell, &[], &format!("{define}\n{show}\n")).stdout);
        let after = world.script(shell, &[], &format!("{define}\n{hook}\n{hook}\n{show}\n"));
        assert_eq!((text(&after.stdout), text(&after.stderr)), (before, String::new()), "{body}");
        // A function that the user defines later wins.
        let later = world.script(shell, &[], &format!("{hook}\n{define}\n{show}\n"));
        assert!(!text(&later.stdout).contains("bin/ringlet"), "{}", text(&later.stdout));
    }
    assert_eq!(world.calls().len(), 0);
}

fn a_moved_ringlet_takes_effect_and_loading_twice_changes_nothing(shell: Shell) {
    let mut world = World::new();
    let project = world.project("project");
    let hook = world.hook(shell);
    let mut session = world.shell(shell, &format!("{hook}\n{hook}"));
    assert_eq!(session.enter(&project), 1, "loaded twice, it still speaks once");
    let moved = world.home().join("moved it's/ringlet");
    fs::create_dir(moved.parent().expect("a folder")).expect("writable");
    fs::rename(&world.ringlet, &moved).expect("one file system");
    world.ringlet = moved;
    let hook = world.hook(shell);
    assert_eq!(session.line(&hook).matches(NOTICE).count(), 0, "loading again is silent");
    world.calls();
    assert_eq!(session.run("claude --exit 4"), (String::new(), 4));
    assert_eq!(strings(&world.calls()[0]), ["exec", "claude", "--", "--exit", "4"]);
    assert_eq!(session.enter(&world.home()), 0);
    assert_eq!(session.enter(&project), 1, "the notice is the moved one's");
}

fn completions_of_the_name_still_work(shell: Shell) {
    let world = World::new();
    let setup = match shell {
        Shell::Zsh => "autoload -Uz compinit; compinit -u; _mine() { compadd alphabet }; compdef _mine claude",
        Shell::Bash => "complete -W alphabet claude",
        _ => "complete --no-files --command claude --arguments alphabet",
    };
    for rc in [format!("{setup}\n{}", world.hook(shell)), format!("{}\n{setup}", world.hook(shell))] {
        let mut session = world.shell(shell, &rc);
        session.terminal.press("claude alph\t");
        session.terminal.expect("alphabet");
        session.line("");
        assert_eq!(strings(&world.calls()[0]), ["exec", "claude", "--", "alphabet"]);
    }
}

fn nothing_else_of_the_shell_is_changed(shell: Shell) {
    let world = World::new();
    let (setup, state) = match shell {
        Shell::Zsh => (
            "alias ll='ls -l' -g G='| grep'; setopt ksh_arrays extended_glob no_clobber; trap 'true' INT USR1; \
             TRAPUSR2() { true }; precmd() { true }; typeset -a fpath2=(a b); IFS=:_",
            "setopt; alias -L; trap; functions TRAPUSR2 precmd; typeset -p fpath2 IFS; print -r -- $- \"$0\" \"$#\"; \
             typeset +m 'dir' 'start' 'stop' 'file' 'alias'; functions +m '__ringlet_free'",
        ),
        Shell::Bash => (
            "alias ll='ls -l' claude='claude --fast'; set -o noclobber; shopt -s extglob nullglob; \
             trap 'true' EXIT INT USR1 ERR DEBUG; f() { true; }; IFS=:_",
            "shopt; set -o; alias; trap -p; declare -f f; declare -p IFS BASHOPTS SHELLOPTS; echo $- \"$0\" \"$#\"; \
             compgen -v __ringlet_aliases; compgen -A function __ringlet_f; compgen -A function __ringlet_i",
        ),
        _ => (
            "abbr -a gco git checkout; function on_usr1 --on-signal USR1; true; end; set -g mine a b",
            "abbr -s; functions on_usr1; set --show mine; set --names | string match -e ringlet; \
             functions --all --names | string match __ringlet_f*; set --names -x",
        ),
    };
    let hook = world.hook(shell);
    let state = format!("{{ {state}; }}");
    let state = if shell == Shell::Fish { state.replace("{ ", "begin; ").replace("; }", "; end") } else { state };
    let before = text(&world.script(shell, &[], &format!("{setup}\n{state} 2>&1\n")).stdout);
    let after = text(&world.script(shell, &[], &format!("{setup}\n{hook}\n{state} 2>&1\n")).stdout);
    assert!(before.len() > 100, "{before}");
    assert_eq!(after, before);
}

fn nothing_is_printed_at_the_start(shell: Shell) {
    let world = World::new();
    let project = world.project("project");
    let hook = world.hook(shell);
    // Even when the rc file goes elsewhere after the hook.
    for rc in [hook.clone(), format!("{hook}\ncd ..\ncd {}", word(shell, &project))] {
        let mut session = world.shell_in(shell, &rc, &project, &[]);
        assert_eq!(session.start.trim(), "");
        assert_eq!(session.line("").matches(NOTICE).count(), 0);
        assert_eq!(session.enter(&project), 0, "the initial directory is not news");
        assert_eq!(session.enter(&world.home()), 0);
        assert_eq!(session.enter(&project), 1);
    }
    assert_eq!(world.calls().len(), 2);
}

fn the_agent_has_the_terminal_and_hears_its_size_change(shell: Shell) {
    let world = World::new();
    let mut session = world.shell(shell, &world.hook(shell));
    assert_eq!(session.print("claude --terminal"), "a terminal");
    session.terminal.send("claude --wait");
    session.terminal.expect("waiting\r\n");
    session.terminal.resize(30, 300);
    session.terminal.expect("resized\r\n");
    session.terminal.send("done");
    session.terminal.expect("finished");
    session.prompt();
    assert_eq!(session.last_status(), "5");
    drop(session);
    // And without any terminal it is the caller's business.
    let output = world.script(shell, &[], &format!("{}\nclaude --terminal\n", world.hook(shell)));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("no terminal\n".into(), String::new()));
}

fn control_c_ends_the_agent_and_control_z_suspends_it(shell: Shell) {
    let world = World::new();
    let mut session = world.shell(shell, &world.hook(shell));
    session.terminal.send("claude --wait");
    session.terminal.expect("waiting\r\n");
    session.terminal.ctrl('c');
    session.prompt();
    assert_eq!(session.last_status(), "130");
    session.terminal.send("claude --wait");
    session.terminal.expect("waiting\r\n");
    session.terminal.ctrl('z');
    session.prompt();
    assert_ne!(session.print("jobs"), "");
    session.terminal.send("fg");
    session.terminal.expect("continued\r\n");
    session.terminal.send("done");
    session.terminal.expect("finished\r\n");
    session.prompt();
    // After `fg` the status is the shell's affair: 0 in fish for any command, and in zsh for any function.
    assert_eq!(session.last_status(), if shell == Shell::Bash { "5" } else { "0" });
    assert_eq!(world.calls().len(), 2);
}

fn the_agent_runs_in_the_background(shell: Shell) {
    let world = World::new();
    let hook = world.hook(shell);
    let output = match shell {
        // A function is no job in fish: `&` waits for it, as for any other function.
        Shell::Fish => world.script(shell, &[], &format!("{hook}\nclaude --exit 6 &\necho $status\n")),
        _ => world.script(shell, &[], &format!("{hook}\nclaude --exit 6 &\nwait $!\necho $?\n")),
    };
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("6\n".into(), String::new()));
}

fn an_uninstalled_ringlet_is_the_shells_own_error(shell: Shell) {
    let world = World::new();
    let project = world.project("project");
    let mut session = world.shell(shell, &world.hook(shell));
    fs::remove_file(&world.ringlet).expect("there");
    let (shown, status) = session.run("claude -p x");
    assert!(shown.contains("bin/ringlet"), "{shown}");
    assert_eq!(status, 127);
    let shown = session.line(&format!("cd {}", word(shell, &project)));
    assert!(!shown.contains("ringlet") && !shown.contains("found"), "{shown:?}");
}

fn the_notice_comes_once_on_entering(shell: Shell) {
    let world = World::new();
    let (one, two, sub) = (world.project("one"), world.project("two"), world.folder("one/a/b"));
    let nested = world.project("one/nested");
    let plain = world.folder("plain");
    let mut session = world.shell(shell, &world.hook(shell));
    let visits: [(&Path, usize); 10] = [
        (&one, 1),
        (&sub, 0),
        (&one, 0),
        (&nested, 1),
        (&one, 1),
        (&plain, 0),
        (&sub, 1),
        (&two, 1),
        (&two, 0),
        (Path::new("/"), 0),
    ];
    for (folder, notices) in visits {
        assert_eq!(session.enter(folder), notices, "{}", folder.display());
        for _ in 0..3 {
            assert_eq!(session.line("").matches(NOTICE).count(), 0, "a steady prompt in {}", folder.display());
        }
    }
    if shell == Shell::Fish {
        assert_eq!(session.print("functions --query __ringlet_notice; or echo gone"), "gone");
    }
    let there_and_back = format!("cd {}; cd {}", word(shell, &one), word(shell, &plain));
    assert_eq!(session.line(&there_and_back).matches(NOTICE).count(), 0, "only where a line ends counts");
    assert!(world.calls().iter().all(|call| strings(call) == ["announce"]));
}

fn the_profile_for_a_prompt_is_the_directorys(shell: Shell) {
    let world = World::new();
    let (project, plain) = (world.project("project"), world.folder("plain"));
    let profile = |name: &str| drop(world.write("profile", name));
    profile("usual");
    let mut session = world.shell(shell, &world.rendered(shell, &["claude"], &[], true));
    assert!(!session.start.contains(NOTICE), "{}", session.start);
    let exported = |session: &mut Session| session.print("env | grep '^RINGLET_PROFILE=' || echo none");
    assert_eq!(exported(&mut session), "RINGLET_PROFILE=usual");
    profile("work");
    assert_eq!(session.enter(&project), 1);
    assert_eq!(exported(&mut session), "RINGLET_PROFILE=work");
    // Leaving says nothing, and the default holds again; where there is none, nothing is exported.
    profile("");
    assert_eq!(session.enter(&plain), 0);
    assert_eq!(exported(&mut session), "none");
    let asked = world.calls().len();
    assert_eq!(asked, 3);
    for _ in 0..3 {
        session.line("");
    }
    assert_eq!(world.calls().len(), 0, "a steady prompt asks nothing");
    // A command of ringlet's may change what governs, so the next prompt asks again, without a line.
    profile("other");
    assert_eq!(session.line("ringlet exec x -- --exit 9").matches(NOTICE).count(), 0);
    assert_eq!(session.last_status(), "9");
    assert_eq!(exported(&mut session), "RINGLET_PROFILE=other");
    fs::remove_file(&world.ringlet).expect("there");
    assert_eq!(session.enter(&project), 0);
    assert_eq!(exported(&mut session), "none");
}

fn the_notice_keeps_the_status(shell: Shell) {
    let world = World::new();
    let (project, plain) = (world.project("project"), world.folder("plain"));
    let mut session = world.shell(shell, &world.hook(shell));
    for folder in [&project, &plain, &project] {
        session.line(&format!("cd {}; sh -c 'exit 42'", word(shell, folder)));
        assert_eq!(session.last_status(), "42");
        session.line("sh -c 'exit 43'");
        assert_eq!(session.last_status(), "43");
        session.line("true");
        assert_eq!(session.last_status(), "0");
    }
    assert_eq!(world.calls().len(), 2);
    let statuses = if shell == Shell::Bash { "${PIPESTATUS[*]}" } else { "$pipestatus" };
    session.line(&format!("cd {}; false | true | sh -c 'exit 3'", word(shell, &plain)));
    assert!(session.line(&format!("echo \"<{statuses}>\"")).contains("<1 0 3>"));
    if shell != Shell::Fish {
        session.line("true last-word");
        assert!(session.line("echo \"<$_>\"").contains("<last-word>"));
    }
}

fn the_walk_ends_at_the_ceilings(shell: Shell) {
    let world = World::new();
    let parent = world.folder.path();
    fs::write(parent.join(".ringlet.toml"), "profile = \"x\"\n").expect("writable");
    let hostile = "it's *$(touch x)\\";
    let (ceiling, sub) = (world.project(hostile), world.folder(format!("{hostile}/sub")));
    let (other, plain) = (world.project("other/deep"), world.folder("plain"));
    let ceilings = [ceiling.clone(), world.home().join("other/")];
    for home in [world.home(), world.home().join(""), PathBuf::from(format!("{}//home", parent.display()))] {
        let mut session = world.shell(shell, &world.hook_with(shell, &["claude"], &ceilings));
        let home = word(shell, home);
        session.line(&if shell == Shell::Fish { format!("set -x HOME {home}") } else { format!("export HOME={home}") });
        assert_eq!(session.enter(&plain), 0, "the home directory's parent is not looked into");
        assert_eq!(session.enter(&sub), 0, "a ceiling is not looked into");
        assert_eq!(session.enter(&ceiling), 1, "unless it is the working directory");
        assert_eq!(session.enter(&other), 1, "below a ceiling all is as ever");
        assert_eq!(session.enter(Path::new("/")), 0);
        assert_eq!(session.enter(parent), 1, "nor is the home directory's parent a ceiling for itself");
    }
    assert!(!world.home().join("x").exists());
}

fn a_deleted_or_linked_directory_is_walked_by_its_name(shell: Shell) {
    let world = World::new();
    let project = world.project("project");
    let target = world.folder("elsewhere/target");
    symlink(&target, project.join("link")).expect("writable");
    let mut session = world.shell(shell, &world.hook(shell));
    assert_eq!(session.enter(&project.join("link")), 1);
    assert_eq!(session.enter(&target), 0);
    let doomed = world.folder("project/doomed");
    session.line(&format!("cd {0}; rmdir {0}", word(shell, &doomed)));
    let shown = session.line("");
    assert_eq!(session.print("echo still here"), "still here", "{shown}");
    session.run("claude -p x");
    assert_eq!(strings(world.calls().last().expect("called")), ["exec", "claude", "--", "-p", "x"]);
    assert_eq!(session.enter(&world.home()), 0);
    assert_eq!(session.enter(&project), 1);
}

/// Names of folders that a walk by text could cut at the wrong place.
const ODD_NAMES: [&[u8]; 24] = [
    b"plain",
    b"two words",
    b" blanks ",
    b"new\nline",
    b"ends\n",
    b"\nbegins",
    b"back\\slash",
    b"ends\\",
    b"\\n",
    b"it's",
    b"\"double\"",
    b"*",
    b"?",
    b"[a-z]",
    b"{a,b}",
    b"(x|y)#",
    b"^~#",
    b"50%",
    b"%/*",
    b"$HOME",
    b"-e",
    b".hidden",
    "\u{e9}\u{202e}\u{1f980}".as_bytes(),
    b"no\xffutf8\x83\xa2",
];

/// Governed and other folders at many depths, drawn from a fixed seed so that a failure comes again.
fn odd_tree(world: &World) -> Vec<PathBuf> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).expect("small") % below
    };
    let mut folders = vec![world.home()];
    for name in ODD_NAMES.iter().cycle().take(4 * ODD_NAMES.len()) {
        // Half of them lie below the one before, so that some are deep.
        let parent = if draw(2) == 0 { folders.len() - 1 } else { draw(folders.len()) };
        let folder = folders[parent].join(OsStr::from_bytes(name));
        if folder.as_os_str().len() < 2000 && fs::create_dir(&folder).is_ok() {
            if draw(3) == 0 {
                fs::write(folder.join(".ringlet.toml"), "profile = \"work\"\n").expect("writable");
            }
            folders.push(folder);
        }
    }
    folders
}

fn every_folder_is_governed_by_the_file_that_a_launch_finds(shell: Shell) {
    let world = World::new();
    // Above the home directory, where no walk may come.
    fs::write(world.folder.path().join(".ringlet.toml"), "profile = \"x\"\n").expect("writable");
    let mut folders = odd_tree(&world);
    folders.push(PathBuf::from("/"));
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let some: Vec<PathBuf> = folders.iter().skip(5).step_by(9).filter(|path| text(path).is_some()).cloned().collect();
    let paths = Paths::new(&Env::from_pairs([("HOME", world.home())])).expect("an absolute home");
    for ceilings in [Vec::new(), some, vec![PathBuf::from("/")]] {
        let quoted: Vec<String> =
            ceilings.iter().filter_map(|path| text(path)).map(|text| format!("{text:?}")).collect();
        let quoted = quoted.join(", ").replace("\\u{", "\\U{");
        assert!(!quoted.contains("\\U{"), "TOML writes such a character in another way: {quoted}");
        let mut session = world.shell(shell, &world.hook_with(shell, &["claude"], &ceilings));
        let settings = if quoted.is_empty() { String::new() } else { format!("ceiling-dirs = [{quoted}]\n") };
        world.write(".config/ringlet/config.toml", &settings);
        let settings = Settings::read(&paths).expect("settings");
        // What runs before a prompt, and what it has found.
        let look = match shell {
            Shell::Fish => "emit fish_prompt",
            _ => "__ringlet_notice",
        };
        let visits: Vec<String> = folders
            .iter()
            .map(|folder| {
                let folder = word(shell, folder.join("")); // With a slash at its end.
                format!("cd -- {folder}; {look}; printf '%s\\0' \"$__ringlet_file\" >>~/found\n")
            })
            .collect();
        let visits = world.write("visits", &format!("cd /\n{}cd ~\n", visits.concat()));
        session.run(&format!(". {} 2>/dev/null", word(shell, visits)));
        let found = fs::read(world.home().join("found")).expect("written");
        fs::remove_file(world.home().join("found")).expect("ours");
        let found: Vec<&OsStr> = found.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
        assert_eq!(found.len(), folders.len() + 1);
        for (folder, found) in folders.iter().zip(found) {
            let wanted = find_project_file(folder, &paths, &settings).expect("readable");
            assert_eq!(found, wanted.unwrap_or_default(), "{} with {ceilings:?}", folder.display());
        }
    }
}

fn only_a_prompt_announces(shell: Shell) {
    let world = World::new();
    let project = world.project("project");
    let hook = world.hook(shell);
    let there = word(shell, &project);
    assert_silent(&world.script(shell, &[], &format!("{hook}\ncd {there}\n")), "a script says nothing");
    let mut session = world.shell(shell, &hook);
    let lines: &[String] = match shell {
        Shell::Fish => &[format!("sh -c \"cd {there}\""), format!("function go; cd {there}; cd -; end; go")],
        _ => &[
            format!("(cd {there})"),
            format!(": \"$(cd {there}; pwd)\""),
            format!("go() {{ cd {there}; cd - >/dev/null; }}; go"),
        ],
    };
    for line in lines {
        assert_eq!(session.line(line).matches(NOTICE).count(), 0, "{line}");
    }
    assert_eq!(world.calls().len(), 0);
}

#[cfg(target_os = "linux")]
fn a_steady_prompt_starts_no_process(shell: Shell) {
    let world = World::new();
    let project = world.project("project");
    let trace = world.home().join("trace");
    let through = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=fork,vfork,clone,clone3,execve,prlimit64",
        "-o",
        trace.to_str().expect("UTF-8"),
    ];
    let mut session = world.shell_in(shell, &world.hook(shell), &world.home(), &through);
    // The limits are marks in the trace; every shell has `ulimit` built in.
    assert_eq!(session.enter(&project), 1);
    session.line("ulimit -c 111");
    for _ in 0..100 {
        session.line("");
    }
    session.line("ulimit -c 0");
    session.terminal.send("exit");
    session.terminal.end();
    let trace = fs::read_to_string(trace).expect("strace wrote it");
    let lines: Vec<&str> = trace.lines().collect();
    let marks: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].contains("RLIMIT_CORE, {")).collect();
    let (first, last) = (*marks.first().expect("a mark"), *marks.last().expect("a mark"));
    assert!(
        first < last && lines[..first].iter().any(|line| line.contains("/bin/ringlet")),
        "the notice was seen: {trace}"
    );
    // fish has threads of its own; they are no processes.
    let process = |line: &&&str| !line.contains("CLONE_THREAD") && !line.contains("prlimit64");
    let started: Vec<_> = lines[first..last].iter().filter(process).collect();
    assert!(started.is_empty(), "{started:?}");
}

/// Words to quote: mostly made of what shells care about.
fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let special =
        proptest::sample::select(b"'\"\\$`!*?[]{}()<>|&;#~=%^-+@,.: \t\n\r\x01\x1b\x7f\xc3\xa9\xffaA0".to_vec());
    let byte = prop_oneof![4 => special, 1 => 1..=255u8];
    proptest::collection::vec(proptest::collection::vec(byte, 0..12), 64)
}

/// What the shell makes of `printf '%s\0'` and these words.
fn spoken(program: &str, options: &[&str], script: &[u8]) -> Vec<Vec<u8>> {
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    file.write_all(script).expect("writable");
    let output = Command::new(program)
        .args(options)
        .arg(file.path())
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the shell is installed");
    assert_eq!(text(&output.stderr), "", "{program}: {}", String::from_utf8_lossy(script));
    let mut said: Vec<Vec<u8>> = output.stdout.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(said.pop(), Some(Vec::new()));
    said
}

fn quoted_words_come_back(shell: Shell) {
    let options: &[&[&str]] = match shell {
        Shell::Zsh => &[
            &["-f"],
            &[
                "-f",
                "-o",
                "csh_junkie_quotes",
                "-o",
                "rc_quotes",
                "-o",
                "ksh_glob",
                "-o",
                "extended_glob",
                "-o",
                "magic_equal_subst",
            ],
        ],
        Shell::Bash => &[&["--norc"], &["--posix", "-O", "extglob"]],
        _ => &[&["--no-config"]],
    };
    let cases = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(words in words())| {
        let line: Vec<String> = words.iter().map(|word| quote(shell, word).expect("no NUL in it")).collect();
        let script = format!("printf '%s\\0' {}\n", line.join(" "));
        for options in options {
            prop_assert_eq!(&spoken(shell.name(), options, script.as_bytes()), &words);
        }
        // Without control characters and stray bytes the words are any POSIX shell's.
        if shell == Shell::Bash {
            let plain: Vec<Vec<u8>> = words.iter().filter(|word| !quote(shell, word).expect("quoted").starts_with('$')).cloned().collect();
            let line: Vec<String> = plain.iter().map(|word| quote(shell, word).expect("quoted")).collect();
            prop_assert_eq!(spoken("dash", &[], format!("printf '%s\\0' '' {}\n", line.join(" ")).as_bytes())[1..].to_vec(), plain);
        }
    });
}

#[test]
fn the_templates_pass_the_linters() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("shell");
    let checks: &[&[&str]] = &[
        &["shellcheck", "--severity=style", "ringlet.bash"],
        &["shfmt", "-d", "-i", "2", "-ci", "-ln", "bash", "ringlet.bash"],
        &["bash", "-n", "ringlet.bash"],
        &["zsh", "-n", "ringlet.zsh"],
        &["fish", "-n", "ringlet.fish"],
        &["fish_indent", "--check", "ringlet.fish"],
    ];
    for check in checks {
        let output = Command::new(check[0]).args(&check[1..]).current_dir(&templates).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", check[0]));
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success() && shown.is_empty(), "{check:?}: {shown}");
    }
}

#[test]
fn the_rendered_hook_is_the_template_on_one_line() {
    // What the shell knows after the printed line and after the template itself, read as an ordinary file.
    for shell in [Shell::Zsh, Shell::Bash, Shell::Fish] {
        let world = World::new();
        let hook = world.hook_with(shell, &["claude"], &[]);
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("shell/ringlet.{shell}"));
        let template = fs::read_to_string(template).expect("in the repository");
        let mut is_left_out = false;
        let kept = |line: &&str| {
            match line.trim() {
                "# with prompt" => is_left_out = true,
                "# end" => is_left_out = false,
                "# without prompt" => {}
                _ => return !is_left_out,
            }
            false
        };
        let template = template.lines().filter(kept).collect::<Vec<_>>().join("\n");
        let plain = template
            .replace("'@ringlet@'", &word(shell, &world.ringlet))
            .replace("'@ceilings@'", "'.'")
            .replace("@agent@", "claude");
        let plain = word(shell, world.write("plain", &plain));
        let show = match shell {
            Shell::Fish => "functions claude __ringlet_moved | string match --invert '#*' | string trim",
            _ => "typeset -f claude __ringlet_moved __ringlet_notice",
        };
        // Under zsh's options the functions are the same; only what runs at once could differ.
        let [printed, read] = [hook, format!(". {plain}")].map(|load| {
            // What the interactive part defines in fish is wanted too.
            let load = if shell == Shell::Fish { format!("status job-control none; {load}") } else { load };
            let options: &[&str] = if shell == Shell::Fish { &["--interactive"] } else { &[] };
            let output = world.script(shell, options, &format!("{load}\n{show}\n"));
            text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ").replace("; ", " ").replace(';', "")
        });
        assert_eq!(printed, read);
        assert!(printed.contains("claude"), "{printed}");
    }
}

#[test]
fn bash_3_can_read_the_template() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("shell/ringlet.bash");
    let template = fs::read_to_string(template).expect("in the repository");
    for newer in [
        "declare -A",
        "^^",
        ",,}",
        "mapfile",
        "readarray",
        "|&",
        "&>>",
        "coproc",
        "%(",
        "local -n",
        "EPOCH",
        "@Q}",
        "@a}",
        "declare -g",
        "[-1]",
        "-v ",
    ] {
        let used =
            template.lines().any(|line| !line.trim().starts_with('#') && line.contains(newer) && !is_old(line, newer));
        assert!(!used, "bash 3.2 has no {newer}");
    }
    // `unset -v` and `printf -v` are as old as 3.1; it is `[[ -v` and `test -v` that are not.
    fn is_old(line: &str, newer: &str) -> bool {
        newer == "-v " && (line.contains("unset -v") || line.contains("printf -v"))
    }
}

#[test]
fn zsh_options_and_aliases_do_not_matter() {
    let world = World::new();
    let hook = world.hook_with(Shell::Zsh, &["claude", "cursor-agent"], &[]);
    let options = [
        "err_exit",
        "err_return",
        "no_unset",
        "pipe_fail",
        "ksh_arrays",
        "extended_glob",
        "csh_junkie_quotes",
        "csh_junkie_loops",
        "warn_create_global",
        "warn_nested_var",
        "sh_word_split",
        "null_glob",
        "csh_null_glob",
        "no_clobber",
        "posix_builtins",
        "posix_identifiers",
        "posix_aliases",
        "rc_quotes",
        "ignore_braces",
        "ignore_close_braces",
        "all_export",
        "sh_glob",
        "ksh_glob",
        "glob_subst",
        "no_short_loops",
        "no_multi_func_def",
        "typeset_silent",
        "ksh_typeset",
        "no_bad_pattern",
        "no_nomatch",
        "rc_expand_param",
        "no_function_argzero",
        "no_equals",
        "c_precedences",
        "octal_zeroes",
        "ksh_zero_subscript",
        "no_case_match",
        "no_case_glob",
        "no_multibyte",
        "local_options",
        "xtrace_off",
    ];
    let aliases = [
        "command", "builtin", "function", "emulate", "if", "while", "local", "typeset", "exec", "case", "claude",
        "unalias", "setopt",
    ]
    .map(|name| format!("alias {name}='echo ALIAS'; alias -g {name}='echo GLOBAL'\n"))
    .concat();
    let setups = options.iter().filter(|&&option| option != "xtrace_off").map(|option| format!("setopt {option}\n"));
    let all = "setopt err_exit no_unset pipe_fail ksh_arrays csh_junkie_quotes warn_create_global extended_glob all_export no_clobber\nIFS=_/\n";
    let modes = ["emulate sh\n", "emulate ksh\n", "emulate csh\n", all].map(String::from);
    for setup in setups.chain(modes).chain([aliases]) {
        let output = world.script(
            Shell::Zsh,
            &[],
            &format!("{setup}{hook}\n{hook}\n\\claude -p 'a b' '' x_y/z\n'cursor-agent'\n"),
        );
        assert_silent(&output, &setup);
        let calls: Vec<_> = world.calls().iter().map(|call| strings(call)).collect();
        assert_eq!(calls[0], ["exec", "claude", "--", "-p", "a b", "", "x_y/z"], "{setup}");
        assert_eq!(calls[1], ["exec", "cursor-agent", "--"], "{setup}");
    }
}

#[test]
fn bash_options_and_aliases_do_not_matter() {
    let world = World::new();
    let hook = world.hook(Shell::Bash);
    let options = [
        "-e",
        "-u",
        "-o pipefail",
        "-o posix",
        "-C",
        "-f",
        "-a",
        "-E",
        "-T",
        "-k",
        "-b",
        "-B",
        "-H",
        "-P",
        "-euET -o pipefail",
    ];
    let shopts = [
        "failglob",
        "nullglob",
        "nocasematch",
        "nocaseglob",
        "extglob",
        "dotglob",
        "expand_aliases",
        "lastpipe",
        "xpg_echo",
        "compat31",
        "inherit_errexit",
        "extdebug",
    ];
    let fields =
        ["_", "/", "", " ", "'", "\\n", "$", "c", "="].map(|ifs| format!("IFS='{}'\n", ifs.replace('\'', "'\\''")));
    let aliases = [
        "command", "builtin", "function", "if", "while", "local", "case", "exec", "shopt", "claude", "unset",
        "declare", "[[",
    ]
    .map(|name| format!("alias {name}='echo ALIAS'\n"))
    .concat();
    let setups = options
        .iter()
        .map(|option| format!("set {option}\n"))
        .chain(shopts.iter().map(|option| format!("shopt -s {option}\n")));
    let others = [
        "unset IFS\n".to_owned(),
        format!("shopt -s expand_aliases\n{aliases}"),
        "shopt -s expand_aliases; alias claude='echo ALIAS'\n".to_owned(),
    ];
    for setup in setups.chain(fields).chain(others) {
        // In posix mode a script ends when `.` or `eval` does; the marker shows that it went on.
        let output =
            world.script(Shell::Bash, &[], &format!("{setup}{hook}\n{hook}\n\\claude -p 'a b' '' x_y/z\n\\codex\n"));
        assert_silent(&output, &setup);
        let calls: Vec<_> = world.calls().iter().map(|call| strings(call)).collect();
        assert_eq!(calls[0], ["exec", "claude", "--", "-p", "a b", "", "x_y/z"], "{setup}");
        assert_eq!(calls[1], ["exec", "codex", "--"], "{setup}");
    }
}

#[test]
fn bash_in_posix_mode_goes_without_names_that_it_forbids() {
    let world = World::new();
    let hook = world.hook_with(Shell::Bash, &["cursor-agent", "a.b", "claude"], &[]);
    let output = world.script(Shell::Bash, &["--posix"], &format!("set -eu\n{hook}\nclaude -p\n"));
    assert_silent(&output, "posix");
    assert_eq!(strings(&world.calls()[0]), ["exec", "claude", "--", "-p"]);
}

#[test]
fn an_alias_that_leads_to_the_name_stays_and_another_goes() {
    for (shell, alias, value, stays) in [
        (Shell::Zsh, "alias", "claude --fast", true),
        (Shell::Zsh, "alias", "noglob claude", true),
        (Shell::Zsh, "alias", "A=1 B= claude --fast", true),
        (Shell::Zsh, "alias", "claude", true),
        (Shell::Zsh, "alias", "/opt/claude/bin/claude", false),
        (Shell::Zsh, "alias", "command claude", false),
        (Shell::Zsh, "alias", "claude-old", false),
        (Shell::Zsh, "alias", "it's", false),
        (Shell::Zsh, "alias", "", false),
        (Shell::Zsh, "alias -g", "echo global", false),
        (Shell::Bash, "alias", "claude --fast", true),
        (Shell::Bash, "alias", "A=1 B= claude --fast", true),
        (Shell::Bash, "alias", "claude", true),
        (Shell::Bash, "alias", "claude 'it'", true),
        (Shell::Bash, "alias", "/opt/claude/bin/claude", false),
        (Shell::Bash, "alias", "command claude", false),
        (Shell::Bash, "alias", "claude-old", false),
        (Shell::Bash, "alias", "it's", false),
        (Shell::Bash, "alias", "", false),
    ] {
        let world = World::new();
        let define = format!("{alias} claude={}", word(shell, value));
        let mut session = world.shell(shell, &format!("{define}\n{}", world.hook(shell)));
        assert_eq!(session.start.trim(), "", "{define}");
        assert_eq!(!session.print("alias claude 2>/dev/null || true").is_empty(), stays, "{define}");
        session.run("claude --exit 0");
        let calls = world.calls();
        let extra = value.contains("--fast").then_some("--fast").or(value.contains("'it'").then_some("it"));
        let wanted: Vec<&str> = ["exec", "claude", "--"].into_iter().chain(extra).chain(["--exit", "0"]).collect();
        assert_eq!(strings(&calls[0]), wanted, "{define}");
    }
}

#[test]
fn an_alias_that_gives_the_agent_an_account_stays() {
    for shell in [Shell::Zsh, Shell::Bash] {
        for value in ["env ANTHROPIC_API_KEY=x claude", "A_TOKEN=x nice claude", "ringlet exec --profile p claude --"] {
            let world = World::new();
            let define = format!("alias claude={}", word(shell, value));
            let mut session = world.shell(shell, &format!("{define}\n{}", world.hook(shell)));
            assert_eq!(session.start.trim(), "", "{define}");
            assert!(session.print("alias claude").contains("claude"), "{define}");
        }
    }
}

#[test]
fn prompt_command_keeps_its_kind_and_its_content() {
    let world = World::new();
    let project = world.project("project");
    let hook = world.hook(Shell::Bash);
    for before in [
        "unset PROMPT_COMMAND",
        "PROMPT_COMMAND=''",
        "PROMPT_COMMAND='echo one'",
        "PROMPT_COMMAND='echo one;'",
        "PROMPT_COMMAND='echo one ; '",
        "PROMPT_COMMAND='echo one # a comment'",
        "PROMPT_COMMAND='echo one &>/dev/stdout'",
        "PROMPT_COMMAND=('echo one' 'echo two')",
        "PROMPT_COMMAND=([3]='echo one')",
        "PROMPT_COMMAND=$'echo one\\n'",
        "export PROMPT_COMMAND='echo one'",
        "IFS=_; PROMPT_COMMAND='echo one'",
    ] {
        let mut session = world.shell(Shell::Bash, &format!("{before}\n{hook}\n{hook}"));
        assert_eq!(
            session.start.trim().replace("\r\n", " "),
            if before.contains("two") {
                "one two"
            } else if before.contains("one") {
                "one"
            } else {
                ""
            },
            "{before}"
        );
        let shown = session.line(":");
        assert_eq!(shown.matches("one\r\n").count(), usize::from(before.contains("one")), "{before}: {shown:?}");
        assert_eq!(shown.matches("two\r\n").count(), usize::from(before.contains("two")), "{before}: {shown:?}");
        let kind = session.print("declare -p PROMPT_COMMAND");
        assert_eq!(kind.starts_with("declare -a"), before.contains("=("), "{before}: {kind}");
        assert_eq!(kind.matches("ringlet_call").count(), 1, "{before}: {kind}");
        assert_eq!(session.enter(&project), 1, "{before}");
    }
}

#[test]
fn what_others_add_to_prompt_command_sees_the_users_status() {
    let world = World::new();
    let project = world.project("project");
    let rc = format!("{}\nPROMPT_COMMAND=\"$PROMPT_COMMAND; seen=\\$?\"", world.hook(Shell::Bash));
    let mut session = world.shell(Shell::Bash, &rc);
    session.line("(exit 42)");
    assert_eq!(session.print("echo $seen"), "42");
    session.line(&format!("cd {}; (exit 43)", word(Shell::Bash, &project)));
    assert_eq!(session.print("echo $seen"), "43");
}

#[test]
fn a_readonly_prompt_command_costs_the_notice_alone() {
    let world = World::new();
    let rc = format!("readonly PROMPT_COMMAND='true'\n{}\nafter=yes", world.hook(Shell::Bash));
    let mut session = world.shell(Shell::Bash, &rc);
    assert_eq!(session.start.trim(), "");
    assert_eq!(session.print("echo $after"), "yes");
    assert_eq!(session.run("claude --exit 3").1, 3);
}

#[test]
fn an_exported_prompt_command_is_harmless_in_a_shell_without_the_hook() {
    let world = World::new();
    let mut session =
        world.shell(Shell::Bash, &format!("set -a; export PROMPT_COMMAND='true'\n{}", world.hook(Shell::Bash)));
    let shown = session.line("PS1='R1NG> ' bash --norc --noprofile -i");
    assert!(!shown.contains("not found"), "{shown}");
    let shown = session.line("cd /");
    assert!(!shown.contains("not found"), "{shown}");
    assert_eq!(session.print("env | grep '^__ringlet\\|^BASH_FUNC___' || true"), "");
}

#[test]
fn prompts_survive_strict_options_and_do_not_set_off_traps() {
    let world = World::new();
    let project = world.project("project");
    for shell in [Shell::Bash, Shell::Zsh] {
        let hook = world.hook(shell);
        let mut session = world.shell(shell, &format!("{hook}\nset -u -o pipefail; IFS=_/"));
        session.line("trap 'echo an error' ERR 2>/dev/null || trap 'echo an error' ZERR");
        let shown = session.line("(exit 4)");
        assert_eq!(shown.matches("an error\r\n").count(), 1, "{shell}: {shown:?}");
        assert_eq!(session.last_status(), "4");
        session.line("trap - ERR 2>/dev/null || trap - ZERR");
        session.line("set -e");
        // Two statements that leave a status behind and are no reason to exit.
        assert!(session.line(&format!("! true; cd {}; ! true", word(shell, &project))).contains(NOTICE), "{shell}");
        assert_eq!(session.line("! true").matches(NOTICE).count(), 0);
        session.line("cd /; ! true");
        assert_eq!(session.print("echo alive"), "alive", "{shell}");
    }
}

#[test]
fn zsh_prompts_survive_hostile_options() {
    let world = World::new();
    let project = world.project("project");
    let options =
        "setopt ksh_arrays csh_junkie_quotes warn_create_global no_unset sh_word_split null_glob all_export rc_quotes";
    let others = "one() { echo -n '<1>' }; two() { echo -n '<2>' }; typeset -ga precmd_functions chpwd_functions; precmd_functions=(one two); chpwd_functions=(two)";
    let rc = format!("{others}\n{options}\n{0}\n{0}", world.hook(Shell::Zsh));
    let mut session = world.shell(Shell::Zsh, &rc);
    assert_eq!(session.start.trim(), "<1><2>");
    let shown = session.line(&format!("cd {}", word(Shell::Zsh, &project)));
    assert!(shown.contains("<2><1><2>") && shown.matches(NOTICE).count() == 1, "{shown}");
    assert!(session.line("").contains("<1><2>"));
    assert_eq!(session.print("echo \"${precmd_functions[@]}\""), "one two");
    assert_eq!(session.print("env | grep -i ringlet_ || true"), "");
}

#[test]
fn names_that_would_break_a_shell_are_refused() {
    let ringlet = Path::new("/usr/bin/ringlet");
    for shell in Shell::ALL {
        for name in
            ["", "Claude", "-x", "a b", "a;b", "$(x)", "a'b", "a/b", "é", "if", "exec", "cd", "prompt", "ringlet"]
        {
            let commands = [name.to_owned()];
            let hook =
                Hook { ringlet, commands: &commands, ceilings: &[], links: Some(Path::new("/links")), prompt: false };
            assert!(render(shell, &hook).is_err(), "{shell}: {name:?}");
        }
        let relative = Hook { ringlet: Path::new("ringlet"), commands: &[], ceilings: &[], links: None, prompt: false };
        assert!(render(shell, &relative).is_err());
        let ceilings = [PathBuf::from("work")];
        assert!(
            render(shell, &Hook { ringlet, commands: &[], ceilings: &ceilings, links: None, prompt: false }).is_err()
        );
        assert!(
            render(shell, &Hook { ringlet, commands: &[], ceilings: &[], links: None, prompt: false }).is_ok(),
            "no agent is no error"
        );
    }
    assert_eq!("pwsh".parse::<Shell>().expect("known"), Shell::PowerShell);
    assert!("tcsh".parse::<Shell>().is_err());
}
