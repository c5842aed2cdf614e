//! Whole homes that are composed of pairs, launchers, keys and logins: after `ringlet migrate` every agent has the account that it
//! had, or the plan says that it has none and why (rule 3 of accounts), and undo gives everything back.
//!
//! `RINGLET_HOMES=1000` tries more homes, and `RINGLET_SEED=7` others.

use super::common::forms::{FISH, MODERN, POSIX, filled};
use super::common::stand_ins::{Account, MARK, ORDERS, Reads, Sent, Start, call, comparable, counting, stand_in};
use super::common::world::World;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const AGENTS: [&str; 4] = ["claude", "codex", "gemini", "aider"];
const STATUS: i32 = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The file that is read early, the main one, and one that the main one sources.
    fn file(self, place: Place) -> &'static str {
        match (self, place) {
            (Self::Bash, Place::Early) => ".bash_profile",
            (Self::Bash, Place::Main) => ".bashrc",
            (Self::Bash, Place::Sourced) => ".secrets.bash",
            (Self::Zsh, Place::Early) => ".zshenv",
            (Self::Zsh, Place::Main) => ".zshrc",
            (Self::Zsh, Place::Sourced) => ".secrets.zsh",
            (Self::Fish, Place::Early) => ".config/fish/conf.d/keys.fish",
            (Self::Fish, Place::Main) => ".config/fish/config.fish",
            (Self::Fish, Place::Sourced) => ".secrets.fish",
        }
    }

    fn export(self, name: &str, value: &str) -> String {
        match self {
            Self::Fish => format!("set -gx {name} {value}\n"),
            _ => format!("export {name}={value}\n"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Early,
    Main,
    Sourced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Anthropic,
    AnthropicToken,
    OpenAi,
    Gemini,
}

impl Family {
    fn key(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::AnthropicToken => "ANTHROPIC_AUTH_TOKEN",
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Gemini => "GEMINI_API_KEY",
        }
    }

    fn endpoint(self) -> &'static str {
        match self {
            Self::Anthropic | Self::AnthropicToken => "ANTHROPIC_BASE_URL",
            Self::OpenAi => "OPENAI_BASE_URL",
            Self::Gemini => "GOOGLE_GEMINI_BASE_URL",
        }
    }

    fn agent(self) -> &'static str {
        match self {
            Self::Anthropic | Self::AnthropicToken => "claude",
            Self::OpenAi => "codex",
            Self::Gemini => "gemini",
        }
    }

    // The provider's own key.
    fn own_key(self) -> &'static str {
        match self {
            Self::Anthropic | Self::AnthropicToken => "{a}",
            Self::OpenAi => "{o}",
            Self::Gemini => "{g}",
        }
    }

    // An address and a key for it, `{h}` being the host of nobody that is known.
    fn at(self, host: Host) -> (&'static str, &'static str) {
        match (self, host) {
            (_, Host::Unknown) => ("https://{h}.example.net/v1", "{k}"),
            (Self::Anthropic | Self::AnthropicToken, Host::Known) => ("https://api.z.ai/api/anthropic", "{zk}"),
            (Self::OpenAi, Host::Known) => ("https://openrouter.ai/api/v1", "{r}"),
            (Self::Gemini, Host::Known | Host::Own) => ("https://generativelanguage.googleapis.com", "{g}"),
            (Self::Anthropic | Self::AnthropicToken, Host::Own) => ("https://api.anthropic.com", "{a}"),
            (Self::OpenAi, Host::Own) => ("https://api.openai.com/v1", "{o}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Known,
    Unknown,
    Own,
}

/// A part of a home. Numbers choose keys: equal ones give equal keys.
#[derive(Debug, Clone)]
enum Piece {
    /// An endpoint and a key at top level, in one file or two.
    Pair { family: Family, host: Host, key: usize, split: bool, model: bool },
    /// A key at top level.
    Key { family: Family, key: usize },
    /// A key that is commented out.
    Commented { family: Family, key: usize },
    /// A subscription's token.
    Token { key: usize },
    /// A launcher in one of the forms.
    Launcher { form: usize, key: usize },
    /// A launcher with the agent's own name.
    OwnName { family: Family, host: Option<Host>, alias: bool, key: usize },
    /// A variable, and a launcher in another file that refers to it.
    Refers { name: &'static str, launcher: Place, key: usize, understood: bool },
    /// A function that only sets a pair.
    Setter { host: Host, key: usize },
    /// One with several.
    Switcher { key: usize },
    /// A variable that is emptied or unset later.
    Unset { family: Family },
    /// A launcher that empties the key.
    Emptying { family: Family },
    /// A program in `~/bin`.
    Script { family: Family, host: Option<Host>, key: usize, refers: bool, understood: bool },
}

#[derive(Debug, Clone)]
struct Home {
    login: Shell,
    pieces: Vec<(Shell, Place, Piece)>,
    agents: [bool; 4],
    claude_login: bool,
    codex_login: bool,
    /// The endpoint in claude's own settings.
    governed: bool,
    /// A default profile that is there already, with the agent that it binds.
    existing: Option<&'static str>,
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![
        3 => Just(Family::Anthropic),
        3 => Just(Family::AnthropicToken),
        3 => Just(Family::OpenAi),
        1 => Just(Family::Gemini)
    ]
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![2 => Just(Host::Known), 3 => Just(Host::Unknown), 1 => Just(Host::Own)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![2 => Just(Place::Main), 1 => Just(Place::Early), 1 => Just(Place::Sourced)]
}

fn piece() -> impl Strategy<Value = Piece> {
    let key = || 0..5usize;
    let names =
        prop_oneof![Just("MY_GATEWAY"), Just("DEEPSEEK_API_KEY"), Just("ANTHROPIC_API_KEY"), Just("GLM_API_KEY")];
    prop_oneof![
        4 => (family(), host(), key(), any::<bool>(), any::<bool>())
            .prop_map(|(family, host, key, split, model)| Piece::Pair { family, host, key, split, model }),
        4 => (family(), key()).prop_map(|(family, key)| Piece::Key { family, key }),
        1 => (family(), key()).prop_map(|(family, key)| Piece::Commented { family, key }),
        1 => key().prop_map(|key| Piece::Token { key }),
        5 => (0..POSIX.len() + MODERN.len(), key()).prop_map(|(form, key)| Piece::Launcher { form, key }),
        2 => (family(), proptest::option::of(host()), any::<bool>(), key())
            .prop_map(|(family, host, alias, key)| Piece::OwnName { family, host, alias, key }),
        3 => (names, place(), key(), proptest::bool::weighted(0.7))
            .prop_map(|(name, launcher, key, understood)| Piece::Refers { name, launcher, key, understood }),
        // Without an endpoint, or with the provider's own, the key goes (rule P12).
        1 => (prop_oneof![Just(Host::Known), Just(Host::Unknown)], key())
            .prop_map(|(host, key)| Piece::Setter { host, key }),
        1 => key().prop_map(|key| Piece::Switcher { key }),
        1 => family().prop_map(|family| Piece::Unset { family }),
        1 => family().prop_map(|family| Piece::Emptying { family }),
        2 => (family(), proptest::option::of(host()), key(), any::<bool>(), proptest::bool::weighted(0.7))
            .prop_map(|(family, host, key, refers, understood)| Piece::Script { family, host, key, refers, understood }),
    ]
}

fn shell() -> impl Strategy<Value = Shell> {
    prop_oneof![Just(Shell::Bash), Just(Shell::Zsh), Just(Shell::Fish)]
}

fn home() -> impl Strategy<Value = Home> {
    let rare = || proptest::bool::weighted(0.15);
    let existing = prop_oneof![5 => Just(None), 1 => Just(Some("claude")), 1 => Just(Some("codex"))];
    let agents = [0.95, 0.8, 0.3, 0.3].map(proptest::bool::weighted);
    let own = (proptest::bool::weighted(0.25), place(), piece());
    let pieces = proptest::collection::vec(own, 1..7);
    let logins = (rare(), rare(), rare());
    (shell(), shell(), pieces, agents, logins, existing).prop_map(|(login, other, pieces, agents, logins, existing)| {
        let (claude_login, codex_login, governed) = logins;
        let own = |is_others| if is_others { other } else { login };
        let pieces = pieces.into_iter().map(|(is_others, place, piece)| (own(is_others), place, piece)).collect();
        Home { login, pieces, agents, claude_login, codex_login, governed, existing }
    })
}

/// A way in which an agent is started, in one shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    shell: Shell,
    words: String,
    /// Whether it takes what the shell has.
    is_plain: bool,
    /// The key that it sets itself.
    own: Option<String>,
}

/// What a home is made of: its files, the ways, and the keys in the files.
#[derive(Default)]
struct Written {
    files: BTreeMap<String, String>,
    ways: BTreeSet<Way>,
    keys: BTreeSet<String>,
}

/// The keys of a number: those of the forms, and more.
fn full(text: &str, name: &str, key: usize) -> String {
    let text = text.replace("{n}", name).replace("{h}", &format!("gw{key}"));
    let google = format!("AIzaTEST{key:02}FAKEqwertyTEST{key:02}FAKEuiopasdfgh");
    let router = format!("sk-or-v1-deadbeef{:04x}{}", key + 16, "c0ffee77deadbeef".repeat(4));
    let token = format!("sk-ant-oat01-TEST{key:02}FAKEqwertTEST{key:02}FAKEyuiopTEST{key:02}FAKEasdfgAA");
    filled(&text, key).replace("{g}", &google[..39]).replace("{r}", &router[..73]).replace("{t}", &token)
}

/// The keys in a text.
fn keys(text: &str) -> Vec<String> {
    let is_key = |word: &&str| {
        let begins = ["sk-", "deadbeef", "AIza"].iter().any(|begin| word.starts_with(begin));
        begins && word.len() >= 20
    };
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && !"-_.".contains(it));
    words.filter(is_key).map(str::to_owned).collect()
}

impl Written {
    fn add(&mut self, file: &str, text: &str) {
        self.files.entry(file.to_owned()).or_default().push_str(text);
    }

    fn way(&mut self, shell: Shell, words: &str, own: Option<String>) {
        self.ways.insert(Way { shell, words: words.to_owned(), is_plain: false, own });
    }

    fn plain_way(&mut self, shell: Shell, words: &str) {
        self.ways.insert(Way { shell, words: words.to_owned(), is_plain: true, own: None });
    }

    fn piece(&mut self, number: usize, shell: Shell, place: Place, piece: &Piece) {
        let file = shell.file(place);
        let name = format!("l{number}");
        let fill = |text: &str, key: usize| full(text, &name, key);
        let export = |variable: &str, value: &str, key: usize| fill(&shell.export(variable, value), key);
        // A launcher as a function: `before` stands in front of the agent's name.
        let function = |name: &str, before: &str, agent: &str| match shell {
            Shell::Fish => format!("function {name}\n    {before}{agent} $argv\nend\n"),
            _ => format!("{name}() {{ {before}{agent} \"$@\"; }}\n"),
        };
        let account = |family: Family, host: Option<Host>| match host {
            Some(host) => {
                let (url, value) = family.at(host);
                format!("{}={url} {}={value} ", family.endpoint(), family.key())
            }
            None => format!("{}={} ", family.key(), family.own_key()),
        };
        match *piece {
            Piece::Pair { family, host, key, split, model } => {
                let (url, value) = family.at(host);
                let other = if split && place != Place::Sourced { shell.file(Place::Sourced) } else { file };
                self.add(file, &export(family.endpoint(), url, key));
                self.add(other, &export(family.key(), value, key));
                if model && family.agent() == "claude" {
                    self.add(file, &export("ANTHROPIC_DEFAULT_OPUS_MODEL", "big-1", key));
                }
            }
            Piece::Key { family, key } => self.add(file, &export(family.key(), family.own_key(), key)),
            Piece::Commented { family, key } => {
                self.add(file, &format!("# {}", export(family.key(), family.own_key(), key)));
            }
            Piece::Token { key } => self.add(file, &export("CLAUDE_CODE_OAUTH_TOKEN", "{t}", key)),
            Piece::Launcher { form, key } => {
                let forms: Vec<_> = match shell {
                    Shell::Fish => FISH.iter().collect(),
                    _ => POSIX.iter().chain(MODERN).collect(),
                };
                let form = forms[form % forms.len()];
                let text = fill(form.text, key);
                self.add(file, &text);
                self.way(shell, &name, keys(&text).first().cloned());
            }
            Piece::OwnName { family, host, alias, key } => {
                let (agent, set) = (family.agent(), account(family, host));
                let text = if alias {
                    // fish's would call itself.
                    let env = if shell == Shell::Fish { "env " } else { "" };
                    format!("alias {agent}='{env}{set}{agent}'\n")
                } else {
                    function(agent, &set, &format!("command {agent}"))
                };
                self.add(file, &fill(&text, key));
            }
            Piece::Refers { name: variable, launcher, key, understood } => {
                let wait = if understood { "" } else { "nice " };
                let set =
                    format!("ANTHROPIC_BASE_URL=https://{{h}}.example.net/x ANTHROPIC_AUTH_TOKEN=${variable} {wait}");
                let set = if shell == Shell::Fish || !understood { format!("env {set}") } else { set };
                self.add(file, &export(variable, "{k}", key));
                self.add(shell.file(launcher), &fill(&function(&name, &set, "claude"), key));
                self.way(shell, &name, Some(fill("{k}", key)));
            }
            Piece::Setter { host, key } => {
                let (url, value) = Family::AnthropicToken.at(host);
                let (url, value) = (export("ANTHROPIC_BASE_URL", url, key), export("ANTHROPIC_AUTH_TOKEN", value, key));
                let text = match shell {
                    Shell::Fish => format!("function {name}\n{url}{value}end\n"),
                    _ => format!("{name}() {{\n{url}{value}}}\n"),
                };
                self.add(file, &text);
                self.way(shell, &format!("{name}; claude"), None);
            }
            Piece::Switcher { key } => {
                let (one, two) = (export("ANTHROPIC_BASE_URL", "{u}", key), export("ANTHROPIC_AUTH_TOKEN", "{k}", key));
                let three = export("ANTHROPIC_BASE_URL", "{z}", key);
                let four = export("ANTHROPIC_AUTH_TOKEN", "{zk}", key);
                let text = match shell {
                    Shell::Fish => format!(
                        "function {name}\nswitch $argv[1]\ncase one\n{one}{two}case two\n{three}{four}end\nend\n"
                    ),
                    _ => format!("{name}() {{\ncase $1 in\none)\n{one}{two};;\ntwo)\n{three}{four};;\nesac\n}}\n"),
                };
                self.add(file, &text);
                self.way(shell, &format!("{name} one; claude"), None);
                self.way(shell, &format!("{name} two; claude"), None);
            }
            Piece::Unset { family } => {
                let text = match shell {
                    Shell::Fish => format!("set -e {}\n", family.key()),
                    _ => format!("unset {}\n", family.key()),
                };
                self.add(file, &text);
            }
            Piece::Emptying { family } => {
                self.add(file, &function(&name, &format!("{}= ", family.key()), family.agent()));
                self.plain_way(shell, &name);
            }
            Piece::Script { family, host, key, refers, understood } => {
                let wait = if understood { "exec " } else { "nice " };
                let set = account(family, host);
                let set = if refers {
                    set.replace(family.own_key(), "$MY_SCRIPTS_KEY").replace("{k}", "$MY_SCRIPTS_KEY")
                } else {
                    set
                };
                if set.contains("$MY") {
                    self.add(
                        file,
                        &export("MY_SCRIPTS_KEY", if host.is_none() { family.own_key() } else { "{k}" }, key),
                    );
                }
                let exports: String = set.split_whitespace().map(|pair| format!("export {pair}\n")).collect();
                let text = format!("#!/bin/sh\n{exports}{wait}{} \"$@\"\n", family.agent());
                self.files.insert(format!("bin/{name}"), fill(&text, key));
                let own = fill(host.map_or(family.own_key(), |host| family.at(host).1), key);
                self.way(shell, &format!("\"$HOME/bin/{name}\""), Some(own));
            }
        }
    }
}

fn written(home: &Home, bin: &Path) -> Written {
    let mut written = Written::default();
    let mut shells: BTreeSet<Shell> = home.pieces.iter().map(|(shell, ..)| *shell).collect();
    shells.insert(home.login);
    for shell in &shells {
        let sourced = shell.file(Place::Sourced);
        // What the system's files do to PATH is undone.
        if *shell == Shell::Bash {
            written.add(".bash_profile", &format!("PATH={}:$PATH\n", bin.display()));
        }
        written.add(shell.file(Place::Main), &format!(". ~/{sourced}\n"));
        written.add(sourced, "# more\n");
    }
    for (number, (shell, place, piece)) in home.pieces.iter().enumerate() {
        written.piece(number, *shell, *place, piece);
    }
    if shells.contains(&Shell::Bash) {
        written.add(".bash_profile", ". ~/.bashrc\n");
    }
    for shell in shells {
        let agents = AGENTS.iter().zip(home.agents).filter(|(_, is_there)| *is_there);
        agents.for_each(|(agent, _)| written.plain_way(shell, agent));
    }
    written.keys = written.files.values().flat_map(|text| keys(text)).collect();
    written
}

/// Every file below the home but those that Ringlet keeps for itself.
fn tree(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(&path, into);
            } else {
                into.insert(path.clone(), fs::read(&path).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&world.path("home"), &mut found);
    let own = [".local", ".config/ringlet/credentials.toml", ".config/ringlet/credentials.toml.lock"]
        .map(|it| world.path("home").join(it));
    // What shells write by themselves.
    let passing = [".zcompdump", "fish_variables", "fish_history", ".bash_history", ".zsh_history"];
    found.retain(|path, _| {
        !own.iter().any(|own| path.starts_with(own)) && !passing.iter().any(|name| path.ends_with(name))
    });
    found
}

fn stored(world: &World) -> BTreeSet<String> {
    let text = fs::read_to_string(world.path("home/.config/ringlet/credentials.toml")).unwrap_or_default();
    let table: toml::Table = text.parse().expect("credentials.toml is whole");
    let entries = table.values().flat_map(|aliases| aliases.as_table().expect("tables").values());
    entries.map(|entry| entry["key"].as_str().expect("text").to_owned()).collect()
}

/// Starts an agent in every way; several ways are called in one shell where that cannot change the next one.
fn observe(world: &World, ways: &BTreeSet<Way>, hooked: bool) -> BTreeMap<Way, (Vec<Start>, String)> {
    let mut seen = BTreeMap::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let own: Vec<&Way> = ways.iter().filter(|way| way.shell == shell).collect();
        if shell == Shell::Fish {
            for way in own {
                let called = call(world, shell.name(), Reads::Login, &format!("{} 'a b' c", way.words), hooked);
                seen.insert(way.clone(), (called.starts, called.said));
            }
            continue;
        }
        if own.is_empty() {
            continue;
        }
        let record = world.path("seen");
        // A subshell for each, and a mark behind it.
        let part = |way: &&Way| {
            format!(
                "( eval \"{} 'a b' c\" ); printf '@mark\\0' >>'{}'\n",
                way.words.replace('"', "\\\""),
                record.display()
            )
        };
        let called = call(world, shell.name(), Reads::Login, &own.iter().map(part).collect::<String>(), hooked);
        let mut starts = called.starts.split(|start| start.agent == MARK);
        for way in &own {
            let own = starts.next().map(<[Start]>::to_vec).unwrap_or_default();
            seen.insert((*way).clone(), (own, called.said.clone()));
        }
    }
    seen
}

/// What a run is compared by.
struct Rig {
    world: World,
    written: Written,
    hooked: bool,
}

fn json(world: &World, words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&world.run(words).stdout).unwrap_or_default()
}

impl Rig {
    fn new(home: &Home) -> Self {
        let mut world = World::new();
        world.link_ringlet();
        world.set("SHELL", format!("/bin/{}", home.login.name()));
        for (agent, _) in AGENTS.iter().zip(home.agents).filter(|(_, is_there)| *is_there) {
            stand_in(&world, agent, STATUS);
        }
        let written = written(home, &world.path("bin"));
        for (file, text) in &written.files {
            let path = world.write(Path::new("home").join(file), text);
            if file.starts_with("bin/") {
                world.chmod(&path, 0o755);
            }
        }
        if home.claude_login {
            world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{\"accessToken\":\"x\"}}");
        }
        if home.codex_login {
            world.write("home/.codex/auth.json", "{\"tokens\":{\"access_token\":\"x\",\"id_token\":\"y\"}}");
        }
        if home.governed {
            let settings = "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://settings.example.net/v1\"}}";
            world.write("home/.claude/settings.json", settings);
        }
        if let Some(agent) = home.existing {
            let (provider, key) = match agent {
                "claude" => ("anthropic", "sk-ant-api03-TESTmineFAKEmineTESTmineFAKEmine"),
                _ => ("openai", "sk-proj-TESTmineFAKEmineTESTmineFAKEmine"),
            };
            world.store_key(&format!("{provider}/mine"), key);
            let text =
                format!("agent = \"{agent}\"\nprovider = \"{provider}\"\n[provider-config]\nkey-alias = \"mine\"\n");
            world.profile("mine", &text);
            world.run(&["profiles", "default", "mine"]).ok();
        }
        Self { world, written, hooked: home.existing.is_some() }
    }

    fn check(&self, home: &Home) -> Result<(), String> {
        let world = &self.world;
        let wrong = |what: &str, more: &str| Err(format!("{what}\n{more}"));
        let before_tree = tree(world);
        // A launcher is what it says, whatever a hook makes of it; plain use is what the profile says that is there already.
        let (plain, other) = self.written.ways.iter().cloned().partition(|way| way.is_plain);
        let mut before = observe(world, &plain, self.hooked);
        before.extend(observe(world, &other, false));
        let dry = world.run(&["migrate", "--dry-run", "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&dry.stdout).map_err(|it| format!("{it}: {dry:?}"))?;
        if tree(world) != before_tree {
            return wrong("a dry run changes something", "");
        }
        let done = world.run(&["migrate", "--yes"]);
        let files: String = self.written.files.iter().map(|(file, text)| format!("==> {file}\n{text}")).collect();
        let told = format!("plan: {plan}\nsaid: {}\nfiles:\n{files}", done.stderr);
        if dry.status != done.status {
            return wrong(&format!("the dry run ends with {:?}, the run with {:?}", dry.status, done.status), &told);
        }
        let after_tree = tree(world);
        let text = |path: &Path| String::from_utf8_lossy(&after_tree[path]).into_owned();
        let now: String = self
            .written
            .files
            .keys()
            .map(|file| format!("==> {file}\n{}", text(&world.path("home").join(file))))
            .collect();
        let told = format!("{told}\nnow:\n{now}");

        // Keys are stored or reported, and the status says whether some stay.
        let moved = stored(world);
        let mut stays = false;
        for file in self.written.files.keys() {
            let path = world.path("home").join(file);
            for key in self.written.keys.iter().filter(|key| text(&path).contains(key.as_str())) {
                stays = true;
                let rows = plan["found"].as_array().into_iter().flatten();
                let mut own = rows.filter(|row| row["file"] == path.to_string_lossy().as_ref());
                if !own.any(|row| row["action"] == "reported") {
                    return wrong(&format!("{key} stays in {file} and is not reported"), &told);
                }
            }
        }
        for key in &self.written.keys {
            let is_there = self.written.files.keys().any(|file| text(&world.path("home").join(file)).contains(key));
            if !moved.contains(key) && !is_there {
                return wrong(&format!("{key} is lost"), &told);
            }
        }
        if done.status != Some(if stays { 3 } else { 0 }) {
            return wrong(&format!("the status is {:?}", done.status), &told);
        }

        let after = observe(world, &self.written.ways, true);
        self.accounts(home, &plan, &before, &after).map_err(|what| format!("{what}\n{told}"))?;

        // A second run changes nothing.
        let (profiles, own_tree) = (json(world, &["profiles", "list", "--json"]), tree(world));
        let again = world.run(&["migrate", "--yes"]);
        if tree(world) != own_tree || stored(world) != moved || json(world, &["profiles", "list", "--json"]) != profiles
        {
            return wrong(&format!("the second run changes something: {again:?}"), &told);
        }
        if ![done.status, Some(0)].contains(&again.status) {
            return wrong(&format!("the second run ends otherwise: {again:?}"), &told);
        }

        // Undo gives all of it back.
        let changed = after_tree != before_tree;
        let undone = world.run(&["migrate", "undo"]);
        if changed && undone.status != Some(0) {
            return wrong(&format!("undo: {undone:?}"), &told);
        }
        let back = tree(world);
        let differ: Vec<_> =
            before_tree.keys().chain(back.keys()).filter(|it| before_tree.get(*it) != back.get(*it)).collect();
        if !differ.is_empty() {
            return wrong(&format!("undo leaves {differ:?}: {undone:?}"), &told);
        }
        if changed && stored(world) != moved {
            return wrong("undo loses keys", &told);
        }
        Ok(())
    }

    // Rule 3, and that no key goes where it was not sent before.
    fn accounts(
        &self,
        home: &Home,
        plan: &serde_json::Value,
        before: &BTreeMap<Way, (Vec<Start>, String)>,
        after: &BTreeMap<Way, (Vec<Start>, String)>,
    ) -> Result<(), String> {
        let withheld: BTreeMap<&str, &str> = plan["without_default"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| (it["agent"].as_str().unwrap_or_default(), it["reason"].as_str().unwrap_or_default()))
            .collect();
        // Where each key went, in any way.
        let places = |account: &Account| -> BTreeSet<(String, String)> {
            account.iter().map(|sent| (sent.host().to_owned(), sent.value.clone())).collect()
        };
        let known: BTreeSet<_> =
            before.values().flat_map(|(starts, _)| starts).flat_map(|start| places(&start.account())).collect();
        for (way, (starts, said)) in after {
            let (first, _) = &before[way];
            let show = |starts: &[Start]| {
                format!("{:?}", starts.iter().map(|it| (&it.agent, it.account())).collect::<Vec<_>>())
            };
            let fails = |what: &str| {
                Err(format!("{way:?}: {what}\n before {}\n after  {}\n said {said}", show(first), show(starts)))
            };
            let ([one], [other]) = (&first[..], &starts[..]) else {
                // A command of the home's that calls itself starts nothing, nor does a default profile that the settings beat.
                let is_refused = home.governed && home.existing == Some("claude");
                if first.is_empty() || first.len() == starts.len() || is_refused {
                    continue;
                }
                return fails("it does not start one agent");
            };
            let (had, has) = (one.account(), other.account());
            // The worst first.
            let is_leak = |sent: &&Sent| {
                let place = (sent.host().to_owned(), sent.value.clone());
                !known.contains(&place) && (sent.host().ends_with(".example.net") || !is_for(sent))
            };
            // What the launcher starts by the agent's name is then the home's own command, and not what it says.
            let has_command = home.pieces.iter().any(|(_, _, piece)| matches!(piece, Piece::OwnName { .. }));
            let is_own = way.own.as_ref().is_some_and(|own| has.iter().any(|sent| sent.value == *own));
            if is_own && has_command {
                continue;
            }
            if let Some(sent) = has.iter().find(is_leak) {
                return fails(&format!("LEAK: a credential goes to {}", sent.host()));
            }
            let is_half = |start: &Start| {
                // The provider's own is none.
                let is_own =
                    |url: &str| ["anthropic.com", "openai.com", "googleapis.com"].iter().any(|it| url.contains(it));
                let variable = match start.agent.as_str() {
                    "claude" => "ANTHROPIC_BASE_URL",
                    "codex" => "OPENAI_BASE_URL",
                    "gemini" => "GOOGLE_GEMINI_BASE_URL",
                    _ => return false,
                };
                let url = start.env.get(variable).filter(|url| !url.is_empty() && !is_own(url));
                let account = start.account();
                account.iter().any(|sent| sent.header == "login" && !is_own(&sent.endpoint))
                    || url.is_some() && account.is_empty()
            };
            if is_half(other) && !is_half(one) {
                return fails("HALF: an endpoint without its key");
            }
            if one.arguments[..] != other.arguments[other.arguments.len().saturating_sub(one.arguments.len())..] {
                return fails("other arguments");
            }
            if !had.iter().all(is_for) {
                continue;
            }
            let is_one_of = |had: &Account| {
                let orders = ORDERS.iter().take(if way.is_plain { 2 } else { 1 }).filter(|_| one.agent == "claude");
                let mut wanted = orders.map(|order| counting(had, order)).chain([had.clone()]);
                wanted.any(|it| comparable(&it) == comparable(&has))
            };
            // One value under two names is one account.
            let is_same = |had: &Account| has.is_subset(had) && places(&has) == places(had);
            // Of two keys without an endpoint the one under the provider's own variable comes first.
            let is_own_place = |sent: &Sent| sent.host() == "api.anthropic.com";
            let is_first = |had: &Account| !has.is_empty() && has.is_subset(had) && had.iter().all(is_own_place);
            let is_account = |had: &Account| is_one_of(had) || is_same(had) || is_first(had);
            if is_account(&had) {
                continue;
            }
            // A launcher's own scope is what counts.
            if is_own && comparable(&has).is_subset(&comparable(&had)) {
                continue;
            }
            // A setter changes what a profile gives no more with a hook than it did.
            if !way.is_plain && home.existing == Some(one.agent.as_str()) {
                continue;
            }
            // Within a function that stands before it, the alias is none.
            let is_alias = |(_, _, piece): &(Shell, Place, Piece)| matches!(piece, Piece::OwnName { alias: true, .. });
            if way.is_plain && way.words != one.agent && home.pieces.iter().any(is_alias) {
                continue;
            }
            // A profile has one account for an agent that takes several.
            if one.agent == "aider" && !has.is_empty() {
                continue;
            }
            // A command of the home's own sets one key, whatever the shell has beside it.
            let is_part = |had: &Account| has_command && !has.is_empty() && places(&has).is_subset(&places(had));
            if (way.words == one.agent || way.own.is_some()) && is_part(&had) {
                continue;
            }
            // A command of the home's is the account, whatever the agent makes of a key beside its login.
            let is_login = had.iter().all(|sent| sent.header == "login");
            let is_here = |(shell, _, piece): &(Shell, Place, Piece)| {
                matches!(piece, Piece::OwnName { .. }) && [way.shell, home.login].contains(shell)
            };
            if is_login && home.pieces.iter().any(is_here) && way.is_plain {
                continue;
            }
            // The default is what the login shell has; where that has none, what another one has.
            let of_login = Way { shell: home.login, words: one.agent.clone(), is_plain: true, own: None };
            if before.get(&of_login).is_some_and(|(starts, _)| starts.is_empty()) && way.shell != home.login {
                continue;
            }
            let is_plain_start = |other: &Way| way.is_plain && other.is_plain && AGENTS.contains(&other.words.as_str());
            let plain = before.iter().filter(|(other, (starts, _))| {
                is_plain_start(other) && starts.first().is_some_and(|start| start.agent == one.agent)
            });
            let mut accounts: Vec<(Shell, Account)> = plain
                .filter_map(|(other, (starts, _))| Some((other.shell, starts.first()?.account())))
                .filter(|(_, account)| !account.is_empty())
                .collect();
            if accounts.iter().any(|(shell, _)| *shell == home.login) {
                accounts.retain(|(shell, _)| *shell == home.login);
            }
            if (way.shell != home.login || had.is_empty())
                && accounts.iter().any(|(_, had)| is_account(had) || is_part(had))
            {
                continue;
            }
            // None, and the plan says why: no key is left but a login.
            let is_none = has.iter().all(|sent| sent.header == "login");
            if way.is_plain && is_none && withheld.get(one.agent.as_str()).is_some_and(|why| !why.is_empty()) {
                continue;
            }
            return fails("ANOTHER: another account");
        }
        Ok(())
    }
}

/// Reports whether a key goes where it is for. Where a home has it otherwise, nothing need stay so.
fn is_for(sent: &Sent) -> bool {
    let hosts = [
        ("sk-ant-", "api.anthropic.com"),
        ("sk-proj-", "api.openai.com"),
        ("sk-or-", "openrouter.ai"),
        ("AIza", "generativelanguage.googleapis.com"),
        ("deadbeef", "api.z.ai"),
        ("sk-", ".example.net"),
    ];
    let host = hosts.iter().find(|(begin, _)| sent.value.starts_with(begin));
    host.is_none_or(|(_, host)| sent.host().ends_with(host))
}

fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

/// Homes whose account before the run depends on what nobody can tell. Where a default profile has an account for the
/// agent already, an alias of the agent's own name starts the hook's function if the hook is loaded, which takes the
/// alias' key away, and the agent with the alias' key if it is not. The alias becomes what it says.
fn is_ambiguous(home: &Home) -> bool {
    let is_alias = |piece: &Piece| match piece {
        Piece::OwnName { family, alias: true, .. } => home.existing == Some(family.agent()),
        _ => false,
    };
    home.pieces.iter().any(|(_, _, piece)| is_alias(piece))
}

#[test]
fn homes_that_once_came_out_wrong_hold() {
    use Shell::{Bash, Fish, Zsh};
    let key = |family, key| Piece::Key { family, key };
    let pair = |family, host, key| Piece::Pair { family, host, key, split: false, model: false };
    let own_name = |family, alias, key| Piece::OwnName { family, host: None, alias, key };
    let setter = || Piece::Setter { host: Host::Known, key: 0 };
    let plain = |login, pieces: Vec<(Shell, Piece)>| Home {
        login,
        pieces: pieces.into_iter().map(|(shell, piece)| (shell, Place::Main, piece)).collect(),
        agents: [true, true, false, false],
        claude_login: false,
        codex_login: false,
        governed: false,
        existing: None,
    };
    let token = || Piece::Token { key: 0 };
    let homes = [
        // An agent without a default has none by a token, nor by a command of its own name.
        plain(Bash, vec![(Bash, setter()), (Bash, token())]),
        plain(Bash, vec![(Bash, own_name(Family::Anthropic, false, 0)), (Zsh, setter())]),
        // A token goes where the agent's settings say, too.
        Home { governed: true, ..plain(Bash, vec![(Bash, token())]) },
        // A command of the agent's name outranks a key, also where there is a default profile without the agent.
        Home {
            existing: Some("codex"),
            ..plain(
                Bash,
                vec![(Bash, pair(Family::Anthropic, Host::Own, 0)), (Bash, own_name(Family::AnthropicToken, true, 1))],
            )
        },
        // Of two commands of one name the last counts.
        plain(
            Bash,
            vec![(Bash, own_name(Family::AnthropicToken, false, 0)), (Bash, own_name(Family::Anthropic, false, 1))],
        ),
        // The default is what the login shell has, not what another shell has.
        plain(Fish, vec![(Fish, key(Family::AnthropicToken, 0)), (Bash, pair(Family::Anthropic, Host::Known, 0))]),
        plain(Fish, vec![(Fish, key(Family::Anthropic, 0)), (Bash, token())]),
        plain(Zsh, vec![(Zsh, key(Family::Anthropic, 0)), (Bash, own_name(Family::AnthropicToken, false, 1))]),
    ];
    for home in homes {
        assert_eq!(Rig::new(&home).check(&home), Ok(()), "{home:?}");
    }
}

#[test]
fn every_agent_of_a_composed_home_keeps_its_account_or_is_said_to_have_none() {
    let (cases, first) = (number("RINGLET_HOMES", 24), number("RINGLET_SEED", 0));
    let mut wrong = Vec::new();
    for seed in first..first + cases {
        let mut bytes = [15; 32];
        bytes[..4].copy_from_slice(&seed.to_le_bytes());
        let config = ProptestConfig { cases: 1, failure_persistence: None, max_shrink_iters: 80, ..Default::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let checked = runner.run(&home(), |home| {
            if is_ambiguous(&home) {
                return Ok(());
            }
            Rig::new(&home).check(&home).map_err(TestCaseError::fail)
        });
        wrong.extend(checked.err().map(|why| format!("RINGLET_SEED={seed}: {why}")));
        if wrong.len() == 8 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{} homes of {cases}:\n{}", wrong.len(), wrong.join("\n\n"));
}
