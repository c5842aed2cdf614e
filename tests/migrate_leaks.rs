//! No piece of a key is in what `ringlet migrate` and its kin print and record: plans in every form, the questions at a
//! terminal, reports, the journal, profiles, `undo`, the watch, `doctor`.
//!
//! Each key is a canary. It stands in every form that moves and in every place that stays, also escaped, encoded and in
//! part; `fish_variables`, agents' stores of logins and launchers are among them.

use super::common::canary::{Canary, base64};
use super::common::pty::Terminal;
use super::common::world::{RINGLET, World};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const LEVELS: &[&[&str]] = &[&[], &["-v"], &["-q"], &["--json"], &["--json", "-v"]];

/// Whatever a person can type on the way to a run, and after it.
const KIN: &[&[&str]] = &[
    &["doctor"],
    &["status"],
    &["profiles", "list"],
    &["profiles", "inspect", "default"],
    &["profiles", "inspect", "kimi"],
    &["keychain", "list"],
    &["exec", "--dry-run", "claude"],
    &["audit"],
];

struct Home {
    world: World,
    keys: Vec<Canary>,
}

fn octal(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:03o}")).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

impl Home {
    fn new() -> Self {
        let mut world = World::new();
        world.set("SHELL", "/usr/bin/zsh");
        world.link_ringlet();
        for agent in ["claude", "codex", "opencode", "llm"] {
            world.agent(agent);
        }
        let keys: Vec<Canary> =
            ["sk-ant-api03-", "sk-kimi-", "sk-", "", "xai-", "sk-or-v1-", "", ""].map(Canary::beginning).into();
        let [own, kimi, openai, mistral, xai, router, deepseek, groq] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|at| keys[at].key.as_str());
        let encoded = String::from_utf8(base64(mistral.as_bytes())).expect("ASCII");
        let backwards: String = mistral.chars().rev().collect();
        let zshrc = [
            "eval \"$(ringlet hook zsh)\"".to_owned(),
            format!("export ANTHROPIC_API_KEY=\"{}\"'{}' # was {}", &own[..20], &own[20..], &own[..40]),
            format!("export OPENAI_API_KEY=$'{}' A=1", octal(openai)),
            format!("export MISTRAL_API_KEY={}\\\n{} B=2 # {}", &mistral[..30], &mistral[30..], &mistral[10..]),
            format!("export C=3; export XAI_API_KEY=\"${{XAI_API_KEY:-{xai}}}\" # {}", &xai[..50]),
            format!("# export OPENROUTER_API_KEY=\"{router}\""),
            format!(
                "kimi() {{ ANTHROPIC_BASE_URL=https://api.kimi.com/coding ANTHROPIC_AUTH_TOKEN='{kimi}' claude \"$@\"; }}"
            ),
            format!(
                "other() {{ cd /; ANTHROPIC_BASE_URL=https://u:{deepseek}@gw.example.net ANTHROPIC_AUTH_TOKEN={deepseek} claude; }}"
            ),
            format!("curl -H 'x-api-key: {own}' -d '{mistral}' https://api.example.net/{openai}"),
            format!("D=$(echo {encoded} | base64 -d); E={}; F={backwards}", hex(mistral)),
            format!("cat <<EOF\n{groq}\n{own}\nEOF"),
            format!("MY_SECRET_TOKEN={groq}"),
            format!("G='{{\"key\": \"{}\"}}'", &xai[..45]),
        ];
        world.write("home/.zshrc", zshrc.join("\n") + "\n");
        let escaped = own.replace('-', "\\x2d");
        world.write(
            "home/.config/fish/fish_variables",
            format!("# VERSION: 3.0\nSETUVAR --export ANTHROPIC_API_KEY:{escaped}\n"),
        );
        world.write(
            "home/.config/fish/config.fish",
            format!(
                "ringlet hook fish | source\nset -gx OPENAI_API_KEY {}\\x{:02x}{}\n",
                &openai[..20],
                openai.as_bytes()[20],
                &openai[21..]
            ),
        );
        world.write(
            "home/.config/powershell/profile.ps1",
            format!("ringlet hook powershell\n$env:XAI_API_KEY = '{xai}'; $H = \"{}\"\n", &xai[..30]),
        );
        world.write("home/bin/glm", format!("#!/bin/sh\nexport ANTHROPIC_BASE_URL=https://gw.example.net/x\nexport ANTHROPIC_API_KEY={groq}\nexec claude \"$@\"\n"));
        world.write(
            "home/.zsh_history",
            format!(": 1718000000:0;export OPENAI_API_KEY={openai}\n: 1718000001:0;echo {own}\n"),
        );
        world.write("home/.claude/settings.json", format!("{{\"env\": {{\"MCP_KEY\": \"{own}\"}}}}\n"));
        let entry = |key: &str| format!("{{\"type\": \"api\", \"key\": \"{key}\"}}");
        let login = format!("{{\"type\": \"oauth\", \"refresh\": \"{router}\"}}");
        world.write(
            "home/.local/share/opencode/auth.json",
            format!("{{\"deepseek\": {}, \"groq\": {}, \"anthropic\": {login}}}\n", entry(deepseek), entry(groq)),
        );
        world.write("home/.codex/auth.json", format!("{{\"OPENAI_API_KEY\": \"{openai}\"}}\n"));
        world.set("MISTRAL_API_KEY", mistral);
        world.set("SOME_API_KEY", groq);
        Self { world, keys }
    }

    #[track_caller]
    fn shows_none(&self, shown: &[u8], what: &str) {
        self.keys.iter().for_each(|key| key.assert_not_in(shown, what));
    }

    /// Runs it, and gives its status.
    #[track_caller]
    fn run(&self, level: &[&str], words: &[&str]) -> Option<i32> {
        let done = self.world.command(level).args(words).output().expect("ringlet starts");
        let what = format!("ringlet {level:?} {words:?}");
        self.shows_none(&done.stdout, &what);
        self.shows_none(&done.stderr, &what);
        assert!(!String::from_utf8_lossy(&done.stderr).contains("panicked"), "{what}: {done:?}");
        done.status.code()
    }

    #[track_caller]
    fn run_kin(&self, level: &[&str]) {
        for words in KIN {
            self.run(level, words);
        }
    }

    /// Asserts that nothing that Ringlet wrote holds a piece of a key, but for the store.
    #[track_caller]
    fn keeps_none(&self) {
        let store = self.world.path("home/.config/ringlet/credentials.toml");
        for folder in ["home/.local/state/ringlet", "home/.config/ringlet", "home/.ringlet"] {
            let folder = self.world.path(folder);
            if folder.exists() {
                self.keys.iter().for_each(|key| key.assert_not_below(&folder, std::slice::from_ref(&store)));
            }
        }
    }

    /// Answers each question by its text, until there is none.
    #[track_caller]
    fn answer(&self, words: &[&str], end: &str, mut answer: impl FnMut(&str) -> &'static str) -> String {
        let mut command = self.world.process(RINGLET);
        command.args(words);
        let mut terminal = Terminal::start(command);
        while terminal.sees(end) {
            let shown = terminal.transcript();
            terminal.send(answer(shown.lines().last().unwrap_or_default()));
        }
        let shown = terminal.transcript();
        terminal.end();
        self.shows_none(shown.as_bytes(), &format!("{words:?} at a terminal"));
        shown
    }

    fn moved(&self) -> bool {
        !self.world.read("home/.zshrc").contains(&self.keys[1].key)
    }
}

#[test]
fn no_plan_report_or_undo_shows_a_piece_of_a_key() {
    for level in LEVELS {
        let home = Home::new();
        assert_eq!(home.run(level, &["migrate", "--dry-run"]), Some(3));
        home.run(level, &["migrate", "--dry-run", "bin", ".zshrc"]);
        home.run_kin(level);
        assert_eq!(home.run(level, &["migrate", "--yes"]), Some(3));
        assert!(home.moved());
        home.keeps_none();
        for words in [&["migrate", "--dry-run"][..], &["migrate", "--yes"]] {
            assert_eq!(home.run(level, words), Some(3));
        }
        home.run_kin(level);
        // One statement cannot come back, and a key is gone.
        let edited = home.world.read("home/.zshrc").replace("export C=3", "export C=4\nexport C=5");
        home.world.write("home/.zshrc", edited);
        home.run(level, &["keychain", "remove", "xai", "default"]);
        assert_eq!(home.run(level, &["migrate", "undo"]), Some(1));
        home.keeps_none();
        home.run(level, &["migrate", "undo"]);
        home.keeps_none();
    }
}

#[test]
fn no_question_shows_a_piece_of_a_key() {
    let home = Home::new();
    let (mut asked, mut chosen) = (0, 0);
    let shown = home.answer(&["migrate"], "[?]: ", |question| {
        asked += 1;
        match () {
            () if asked % 2 == 1 => "?",
            () if question.contains("[c]hoose") => {
                chosen += 1;
                if chosen == 1 { "c" } else { "n" }
            }
            () if question.contains("[d]efault") => "d",
            () => "y",
        }
    });
    assert!(chosen == 2 && shown.contains("own store?") && shown.contains("[d]efault"), "{shown}");
    assert!(!home.moved(), "{shown}");
    let shown = home.answer(&["migrate"], "[?]: ", |_| "y");
    assert!(home.moved() && !home.world.read("home/.codex/auth.json").contains(&home.keys[2].key), "{shown}");
    home.keeps_none();
    home.run_kin(&["-v"]);
    home.answer(&["migrate", "undo"], "[n]o: ", |_| "y");
    assert!(!home.moved());
    home.keeps_none();
}

#[test]
fn no_line_of_a_watch_shows_a_piece_of_a_key() {
    for more in [&[][..], &["--json"]] {
        let home = Home::new();
        home.run(&[], &["migrate", "--yes"]);
        let mut command = home.world.process(RINGLET);
        command.args(["migrate", "--watch"]).args(more).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut shown = String::new();
        let mut until = |end: &str| {
            while !shown.lines().last().is_some_and(|line| line.contains(end)) {
                shown += &(lines.next().expect("it goes on").expect("UTF-8") + "\n");
            }
        };
        until(".zsh_history");
        home.world.write("home/.config/fish/conf.d/late.fish", format!("set -gx GROQ_API_KEY {}\n", home.keys[7].key));
        until("late.fish");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        home.shows_none(shown.as_bytes(), "the watch");
    }
}
