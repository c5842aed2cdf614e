//! The reader of a page: a world in which its sessions are run.

use super::page::{Page, Step, Typed, is_as_shown};
use crate::common::pty::Terminal;
use crate::common::world::{RINGLET, World};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

/// What a page calls the reader's home.
const HOME: &str = "/home/me";

/// What is printed between two commands.
const MARK: &str = "\u{1}";

/// The programs of the system that sessions use. No others are on PATH, so that no agent of this machine is found.
const TOOLS: [&str; 26] = [
    "bash", "cat", "chmod", "cp", "date", "dirname", "env", "git", "grep", "head", "ls", "mkdir", "mktemp", "mv",
    "printf", "python3", "rm", "sed", "sh", "sleep", "sort", "tail", "touch", "tr", "uname", "wc",
];

/// Says which account reached it, as an agent would use it, and never the whole of a key.
const AGENT: &str = r#"#!/bin/sh
name=${0##*/}
if [ "$1" = --version ]; then echo "$name 0"; exit; fi
printf '%s was asked: %s\n' "$name" "$*"
for variable in ANTHROPIC_API_KEY OPENAI_API_KEY GEMINI_API_KEY ANTHROPIC_AUTH_TOKEN; do
  eval "key=\${$variable-}"
  if [ -n "$key" ]; then
    tail=${key#"${key%????}"}
    printf '%s was given: %s=%.12s...%s\n' "$name" "$variable" "$key" "$tail"
  fi
done
for variable in ANTHROPIC_BASE_URL CLAUDE_CONFIG_DIR CODEX_HOME; do
  eval "value=\${$variable-}"
  if [ -n "$value" ]; then printf '%s was given: %s=%s\n' "$name" "$variable" "$value"; fi
done
"#;

/// A reader who goes through one page from its beginning to its end.
pub(crate) struct Reader {
    world: World,
}

impl Reader {
    /// A home with the file store and the stand-in agents `claude`, `codex` and `gemini`.
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        for agent in ["claude", "codex", "gemini"] {
            let file = world.write(Path::new("home/.local/bin").join(agent), AGENT);
            world.chmod(&file, 0o755);
        }
        world.write("home/.bashrc", "");
        for folder in ["home/.cargo/bin", "tools"] {
            fs::create_dir_all(world.path(folder)).expect("a folder");
        }
        symlink(RINGLET, world.path("home/.cargo/bin/ringlet")).expect("linked");
        for tool in TOOLS {
            let file =
                ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|file| file.exists());
            symlink(file.unwrap_or_else(|| panic!("{tool} is missing")), world.path("tools").join(tool))
                .expect("linked");
        }
        let path = ["home/.local/bin", "home/.cargo/bin", "tools"].map(|part| world.path(part).display().to_string());
        world.set("PATH", path.join(":"));
        world.set("SHELL", "/bin/bash");
        Self { world }
    }

    /// Runs all sessions of a page. Returns what differs, and the page as it would be right.
    pub(crate) fn follow(&self, page: &Page) -> (String, Vec<String>) {
        let steps = match page.steps() {
            Ok(steps) => steps,
            Err(wrong) => return (wrong + "\n", page.lines.clone()),
        };
        let mut printed: Vec<(Typed, String)> = Vec::new();
        let mut wrong = String::new();
        let mut script = String::new();
        let mut pending: Vec<Option<Typed>> = Vec::new();
        for step in &steps {
            match step {
                Step::Exempt(_) => {}
                Step::Setup(commands) => {
                    let _ = write!(script, "{commands}\nend_of_command\n");
                    pending.push(None);
                }
                Step::Session(commands) => {
                    for command in commands {
                        let _ = write!(script, "{}\nend_of_command\n", command.text);
                        pending.push(Some(command.clone()));
                    }
                }
                Step::Terminal(command, answers) => {
                    self.run(
                        page,
                        &std::mem::take(&mut script),
                        &std::mem::take(&mut pending),
                        &mut printed,
                        &mut wrong,
                    );
                    printed.push((command.clone(), self.on_terminal(command, answers)));
                }
            }
        }
        self.run(page, &script, &pending, &mut printed, &mut wrong);
        let mut lines = page.lines.clone();
        for (command, output) in printed.iter().rev() {
            let output: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
            if !is_as_shown(&page.lines[command.output.clone()], &output) {
                let at = command.output.start;
                let _ = writeln!(wrong, "{}:{at}: $ {}\n{}", page.file.display(), command.text, output.join("\n"));
                lines.splice(command.output.clone(), output.iter().map(|line| (*line).to_owned()));
            }
        }
        (wrong, lines)
    }

    // Where the last session ended.
    fn folder(&self) -> String {
        fs::read_to_string(self.world.path("folder")).unwrap_or_else(|_| self.world.path("home").display().to_string())
    }

    // Runs the commands that have come together in one shell.
    fn run(
        &self,
        page: &Page,
        script: &str,
        commands: &[Option<Typed>],
        printed: &mut Vec<(Typed, String)>,
        wrong: &mut String,
    ) {
        if commands.is_empty() {
            return;
        }
        let script = format!(
            "end_of_command() {{ status=$?; printf '\\001%s\\n' \"$status\"; return \"$status\"; }}\n\
             trap 'printf %s \"$PWD\" >{}' EXIT\ncd '{}'\n{script}",
            self.world.path("folder").display(),
            self.folder(),
        );
        let output = self.world.path("printed");
        let file = File::create(&output).expect("a file");
        let mut shell = self.world.process("bash");
        shell.args(["--noprofile", "--norc", "-c", &script]).stdin(Stdio::null());
        shell.stdout(file.try_clone().expect("a stream")).stderr(file);
        shell.current_dir(self.world.path("home")).status().expect("bash runs");
        let text = self.as_read(&String::from_utf8_lossy(&fs::read(output).expect("readable")));
        let mut parts = text.split(MARK);
        let mut before = parts.next().unwrap_or_default().to_owned();
        for command in commands {
            let part = parts.next().and_then(|part| part.split_once('\n'));
            let (status, rest) = part.unwrap_or(("ended", ""));
            let own = std::mem::replace(&mut before, rest.to_owned());
            match command {
                Some(command) => printed.push((command.clone(), own)),
                None if status == "0" => {}
                None => {
                    let _ = writeln!(wrong, "{}: a setup failed ({status}):\n{own}", page.file.display());
                }
            }
        }
    }

    // Runs a command on a terminal, in a shell of its own.
    fn on_terminal(&self, command: &Typed, answers: &[(String, String)]) -> String {
        let mut shell = self.world.process("bash");
        shell.args(["--noprofile", "--norc", "-c", &command.text]).current_dir(self.folder()).env("NO_COLOR", "1");
        let mut terminal = Terminal::start(shell);
        let mut text = String::new();
        for (after, answer) in answers {
            text += &terminal.expect(after);
            text += after;
            terminal.send(answer);
        }
        let (_, rest) = terminal.end();
        self.as_read(&(text + &rest).replace("\r\n", "\n"))
    }

    // The text as it would stand on the reader's own machine.
    fn as_read(&self, text: &str) -> String {
        text.replace(&self.world.path("home").display().to_string(), HOME)
            .replace(&self.world.path("run").display().to_string(), "/run/user/1000")
            .replace(&self.world.path("tools").display().to_string(), "/usr/bin")
    }
}
