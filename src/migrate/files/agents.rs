//! The agents' own files, and other places where keys are kept: which there are, and how a key in them is replaced.
//!
//! A table: `docs/src/agents-files.md` is made from it, and a test compares the two. Nothing in these files is edited
//! but the entries of stores of logins, where the person says so. Folders are listed to a limit. Called by the search.

use super::globs::{self, Budget, marked};
use super::{MISSED, Role, Search};
use crate::migrate::dialect::{self, Dialect};
use crate::migrate::entries::Store;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files of one owner that are treated alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Whose they are.
    pub whose: &'static str,
    /// Where, and under which names: `*` is any name, `**` any folders.
    pub places: &'static [(Base, &'static [&'static str])],
    /// What is read in them.
    pub read: Read,
    /// The store of logins that each is, where its keys can be moved.
    pub store: Option<Store>,
    /// How the program gets the key afterwards: a sentence, whose commands can be pasted.
    pub then: &'static str,
}

/// A folder that names are below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Home,
    Config,
    Data,
    /// `$CLAUDE_CONFIG_DIR`, or `~/.claude`.
    Claude,
    /// `$CODEX_HOME`, or `~/.codex`.
    Codex,
    /// VS Code's folder of settings, and its relatives'.
    Editors,
}

#[cfg(test)]
impl Base {
    fn shown(self) -> &'static str {
        match self {
            Self::Home => "~",
            Self::Config => "~/.config",
            Self::Data => "~/.local/share",
            Self::Claude => "~/.claude",
            Self::Codex => "~/.codex",
            Self::Editors => "~/.config/{Code,VSCodium,Cursor,Windsurf}/User",
        }
    }
}

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Names and values.
    Settings,
    /// OpenCode's store of logins: the `key` of each entry of type `api` as well, whatever its form.
    Logins,
    /// The files that were written last, as text, to a limit.
    Recent,
    /// Bytes, of a database or a journal: keys of a known form.
    Bytes,
}

#[cfg(test)]
impl Read {
    fn shown(self) -> &'static str {
        match self {
            Self::Settings => "settings: known names, and values of a known form",
            Self::Logins => "logins: the `key` of entries of type `api`",
            Self::Recent => "text, the files that were written last: values of a known form",
            Self::Bytes => "bytes: values of a known form",
        }
    }
}

use Base::{Claude, Codex, Config, Data, Editors, Home};
use Read::{Bytes, Logins, Recent, Settings};

/// All of them, in the order in which they are listed.
pub(crate) const OWN: &[Own] = &[
    Own {
        whose: "Claude Code",
        places: &[
            (
                Claude,
                &["settings.json", "settings.local.json", "settings-*.json", "settings*.json", "providers/*.json"],
            ),
            (Claude, &["*.json.bak", "*.json.backup*", "backups/*", "config.json"]),
            (Home, &[".claude.json", ".claude.json.bak", ".claude.json.backup*", ".claude-*/settings.json"]),
            (Claude, &[".claude.json"]),
        ],
        read: Settings,
        store: None,
        then: "Store the key with `ringlet keychain set anthropic default`, take it out of `env` there, and start \
               Claude Code with `ringlet exec claude`.",
    },
    Own {
        whose: "Claude Code",
        places: &[(Claude, &["projects/*/*.jsonl", "todos/*.json", "debug/*", "file-history/**"])],
        read: Recent,
        store: None,
        then: "These are records of sessions. Replace the key at its provider; `claude` deletes old records by \
               itself (`cleanupPeriodDays`).",
    },
    Own {
        whose: "Codex",
        places: &[(Codex, &["auth.json"])],
        read: Settings,
        store: Some(Store::Codex),
        then: "On a terminal `ringlet migrate` asks about the key, and a profile gives it to Codex afterwards. By \
               hand: store it with `ringlet keychain set openai default`, run `codex logout`, and start Codex with \
               `ringlet exec codex`.",
    },
    Own {
        whose: "Codex",
        places: &[(Codex, &["config.toml", ".env", "auth.json.bak", "config.toml.bak"])],
        read: Settings,
        store: None,
        then: "Delete the key there, store it with `ringlet keychain set openai default`, and start Codex with \
               `ringlet exec codex`.",
    },
    Own {
        whose: "Codex",
        places: &[(Codex, &["sessions/**/*.jsonl", "archived_sessions/*.jsonl", "log/*"])],
        read: Recent,
        store: None,
        then: "These are records of sessions. Replace the key at its provider, and delete the record.",
    },
    Own {
        whose: "OpenCode",
        places: &[(Data, &["opencode/auth.json"])],
        read: Logins,
        store: Some(Store::OpenCode),
        then: "On a terminal `ringlet migrate` asks about each key, and a profile gives it to OpenCode afterwards. By \
               hand: store it with `ringlet keychain set PROVIDER default`, run `opencode auth logout`, and start \
               OpenCode with `ringlet exec opencode`.",
    },
    Own {
        whose: "Kilo",
        places: &[(Data, &["kilo/auth.json"])],
        read: Logins,
        store: None,
        then: "Store the key with `ringlet keychain set PROVIDER default`, run `kilo auth logout`, and start it with \
               `ringlet exec kilo`.",
    },
    Own {
        whose: "OpenCode, Kilo",
        places: &[
            (Config, &["opencode/opencode.json", "opencode/opencode.jsonc", "opencode/config.json", "opencode/*.bak"]),
            (Config, &["kilo/kilo.json", "kilo/kilo.jsonc", "kilo/opencode.json", "kilo/opencode.jsonc"]),
            (Home, &[".opencode.json", ".opencode/opencode.json"]),
        ],
        read: Settings,
        store: None,
        then: "Take `apiKey` out of the provider's `options` there, store it with `ringlet keychain set PROVIDER \
               default`, and start it with `ringlet exec opencode`.",
    },
    Own {
        whose: "Gemini CLI, Qwen Code",
        places: &[(
            Home,
            &[
                ".gemini/.env",
                ".gemini/settings.json",
                ".gemini/*.bak",
                ".qwen/.env",
                ".qwen/settings.json",
                ".qwen/*.bak",
            ],
        )],
        read: Settings,
        store: None,
        then: "Name the `.env` file to move its key: `ringlet migrate ~/.gemini/.env`. Then start it with `ringlet \
               exec gemini`.",
    },
    Own {
        whose: "Pi",
        places: &[(
            Home,
            &[".pi/agent/auth.json", ".pi/agent/models.json", ".pi/agent/settings.json", ".pi/agent/mcp.json"],
        )],
        read: Settings,
        store: None,
        then: "Run `pi` and `/logout` in it, store the key with `ringlet keychain set PROVIDER default`, and start \
               Pi with `ringlet exec pi`.",
    },
    Own {
        whose: "Goose, Crush, Amp, Copilot",
        places: &[
            (Config, &["goose/config.yaml", "goose/secrets.yaml", "crush/crush.json", "amp/settings.json"]),
            (Config, &["github-copilot/mcp.json", "github-copilot/*.json"]),
            (Data, &["crush/crush.json", "amp/secrets.json"]),
            (Home, &["Library/Application Support/Block/goose/config/*.yaml"]),
        ],
        read: Settings,
        store: None,
        then: "Store the key with `ringlet keychain set PROVIDER default`, delete the entry there, and start the \
               agent with `ringlet exec goose`, `ringlet exec crush` or `ringlet exec amp`.",
    },
    Own {
        whose: "claude-code-router, cc-switch",
        places: &[(
            Home,
            &[
                ".claude-code-router/config.json",
                ".claude-code-router/*.bak",
                ".claude-code-router/.env",
                ".claude-code-router/plugins/*.json",
                ".cc-switch/*.json",
                ".cc-switch/*.bak",
                ".cc-switch/backups/*.json",
                ".cc-switch.json",
            ],
        )],
        read: Settings,
        store: None,
        then: "A profile for each provider does the same: store the key with `ringlet keychain set PROVIDER \
               default`, make the profile with `ringlet profiles create NAME --agent claude --provider \
               PROVIDER`, and delete the entry there.",
    },
    Own {
        whose: "cc-switch, Cursor, Goose",
        places: &[
            (Home, &[".cc-switch/*.db", ".cc-switch/backups/*.db"]),
            (Data, &["goose/sessions/*.db", "crush/*.db"]),
            (Editors, &["globalStorage/state.vscdb"]),
        ],
        read: Bytes,
        store: None,
        then: "Delete the entry in the program itself, store the key with `ringlet keychain set PROVIDER default`, \
               and replace it at its provider: the file may keep what was deleted.",
    },
    Own {
        whose: "Aider",
        places: &[(Home, &[".aider.conf.yml", ".aider.conf.yaml", ".aider/*.yml", ".aider/oauth-keys.env"])],
        read: Settings,
        store: None,
        then: "Delete the line there, store the key with `ringlet keychain set PROVIDER default`, and start Aider \
               with `ringlet exec aider`.",
    },
    Own {
        whose: "Continue, Cline, Droid, Grok CLI, Kimi, Vibe, Cursor, Windsurf",
        places: &[
            (Home, &[".continue/config.yaml", ".continue/config.json", ".continue/.env", ".continue/*.bak"]),
            (Home, &[".cline/data/*.json", ".factory/settings.json", ".factory/config.json", ".factory/mcp.json"]),
            (Home, &[".grok/user-settings.json", ".kimi/config.toml", ".vibe/config.toml", ".vibe/.env"]),
            (Home, &[".cursor/mcp.json", ".codeium/windsurf/mcp_config.json"]),
        ],
        read: Settings,
        store: None,
        then: "Delete the key there, store it with `ringlet keychain set PROVIDER default`, and start the agent \
               with `ringlet exec`; MCP servers take `${NAME}` in place of a value.",
    },
    Own {
        whose: "llm, shell_gpt, fabric, mods, aichat",
        places: &[
            (Config, &["io.datasette.llm/keys.json", "shell_gpt/.sgptrc", "fabric/.env", "mods/mods.yml"]),
            (Config, &["aichat/config.yaml", "aichat/.env", "gptcli/*.yml", "chatblade/*"]),
            (Home, &["Library/Application Support/io.datasette.llm/keys.json", ".config/gpt-cli/gpt.yml"]),
            (Home, &["Library/Application Support/aichat/config.yaml", "Library/Application Support/mods/mods.yml"]),
        ],
        read: Settings,
        store: None,
        then: "Delete the key there and store it with `ringlet keychain set PROVIDER default`. Start `llm` with \
               `ringlet exec llm`; the others read their variable from `ringlet exec`.",
    },
    Own {
        whose: "Claude's app, MCP and compose files",
        places: &[
            (Home, &[".mcp.json", "docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"]),
            (Home, &["Library/Application Support/Claude/claude_desktop_config.json"]),
            (Config, &["Claude/claude_desktop_config.json", "mcphub/servers.json"]),
        ],
        read: Settings,
        store: None,
        then: "Write `${NAME}` in place of the value, and start the program from a shell that has the variable.",
    },
    Own {
        whose: "VS Code and its relatives, Zed",
        places: &[
            (Editors, &["settings.json", "mcp.json", "profiles/*/settings.json"]),
            (Config, &["zed/settings.json"]),
        ],
        read: Settings,
        store: None,
        then: "Take the variable out of `terminal.integrated.env.linux` (`osx`, `windows`), and start the agent in \
               the terminal with `ringlet exec`.",
    },
    Own {
        whose: "mise, chezmoi, Nix",
        places: &[
            (
                Config,
                &["mise/config.toml", "mise/conf.d/*.toml", "mise/*.env", "chezmoi/chezmoi.toml", "chezmoi/*.yaml"],
            ),
            (Home, &[".mise.toml", "mise.toml", ".tool-versions"]),
            (Data, &["chezmoi/**"]),
            (Config, &["home-manager/*.nix", "nixpkgs/home.nix", "nix/*.conf", "nixos/*.nix"]),
            (Home, &["home.nix", ".nixpkgs/*.nix"]),
        ],
        read: Settings,
        store: None,
        then: "These files write others: delete the key there as well, or the next `chezmoi apply` or `home-manager \
               switch` writes it back. What Nix has built can be read by everybody: replace the key at its \
               provider.",
    },
    Own {
        whose: "terminals, window managers, sessions",
        places: &[
            (Home, &[".tmux.conf", ".mkshrc", ".xinitrc", ".xsession", ".xonshrc", ".elvish/rc.elv", ".screenrc"]),
            (Config, &["tmux/tmux.conf", "hypr/*.conf", "kitty/*.conf", "alacritty/alacritty.toml"]),
            (Config, &["alacritty/alacritty.yml", "uwsm/env", "uwsm/env-*", "sway/config", "sway/config.d/*"]),
            (Config, &["elvish/rc.elv", "xonsh/rc.xsh", "xonsh/rc.d/*", "wezterm/wezterm.lua", "i3/config"]),
            (Config, &["systemd/user.conf", "autostart/*.desktop"]),
            (Data, &["applications/*.desktop"]),
        ],
        read: Settings,
        store: None,
        then: "Delete the line there and store the key with `ringlet keychain set PROVIDER default`; it ends with \
               the next login.",
    },
    Own {
        whose: "others",
        places: &[
            (Home, &[".env", ".env.*", ".netrc", ".authinfo", ".npmrc", ".pypirc", ".pgpass"]),
            (Home, &[".python_history", ".node_repl_history", ".viminfo", ".lesshst", ".psql_history"]),
            (Data, &["nvim/shada/main.shada"]),
        ],
        read: Settings,
        store: None,
        then: "A file of `KEY=VALUE` is moved where it is named: `ringlet migrate ~/.env`. Of a history delete the \
               line, or the file.",
    },
];

/// So many files of one row are looked at, and so many bytes of recent ones together.
const MOST: usize = 200;
const MOST_ENTRIES: usize = 50_000;
const MOST_RECENT: u64 = 64 << 20;

/// Adds the files of the table. Returns whose each is: its place among the candidates, and its row.
pub(super) fn agents_own(search: &mut Search<'_>) -> Vec<(usize, &'static Own)> {
    let mut owned = Vec::new();
    for own in OWN {
        let begin = search.found.len();
        let is_recent = own.read == Recent;
        let mut budget = if is_recent { Budget::of_records(MOST_ENTRIES) } else { Budget::new(MOST_ENTRIES) };
        let mut paths = Vec::new();
        let mut place = None;
        for (base, names) in own.places {
            for folder in folders(search, *base) {
                for name in *names {
                    let found = matching(search, &folder, name, &mut budget);
                    if place.is_none() && !found.is_empty() {
                        place = Some(folder.clone());
                    }
                    paths.extend(found);
                }
            }
        }
        let place = place.unwrap_or_else(|| search.home.clone());
        if is_recent {
            let all = paths.len();
            recent(&mut paths);
            if paths.len() < all {
                let why = format!("of {all} records the latest {} were looked through", paths.len());
                search.older.push((place.clone(), why));
            }
        }
        search.limit(&place, &mut paths, MOST);
        if budget.cut {
            let why = format!("it holds more files than Ringlet looks through, {MISSED}");
            search.unread.push((place, why));
        }
        for path in paths {
            search.add_as(&path, Role::AgentConfig, dialect_of(&path, own.read));
        }
        owned.extend((begin..search.found.len()).map(|candidate| (candidate, own)));
    }
    owned
}

// The files of a name or pattern below a folder.
fn matching(search: &mut Search<'_>, folder: &Path, name: &str, budget: &mut Budget) -> Vec<PathBuf> {
    if !name.contains('*') {
        search.folders.extend(folder.join(name).parent().map(Path::to_owned));
        return vec![folder.join(name)];
    }
    let (Some(folder), true) = (folder.to_str(), folder.is_dir()) else { return Vec::new() };
    // What is below any folders is any file of it.
    let name = name.strip_suffix("/**").map_or_else(|| name.to_owned(), |base| format!("{base}/**/*"));
    let pattern: String = name.chars().map(|sign| if sign == '*' { marked(sign) } else { sign }).collect();
    let found = globs::paths(&format!("{folder}/{pattern}"), false, budget);
    found.into_iter().map(PathBuf::from).filter(|path| path.is_file()).collect()
}

// The last ones that were written, as far as they are few and small together.
fn recent(paths: &mut Vec<PathBuf>) {
    let mut known: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for path in paths.drain(..) {
        if let Ok(metadata) = path.metadata() {
            known.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
        }
    }
    known.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.2.cmp(&other.2)));
    let mut left = MOST_RECENT;
    for (_, size, path) in known {
        if let Some(rest) = left.checked_sub(size) {
            left = rest;
            paths.push(path);
        }
    }
    paths.truncate(MOST);
    paths.sort();
}

fn folders(search: &Search<'_>, base: Base) -> Vec<PathBuf> {
    let own = |variable: &str, name: &str| {
        let given = search.env.absolute(variable);
        given.into_iter().chain([search.home.join(name)]).collect()
    };
    match base {
        Home => vec![search.home.clone()],
        Config => [search.config.clone()].into_iter().chain(search.env.absolute("APPDATA")).collect(),
        Data => vec![search.data.clone()],
        Claude => own("CLAUDE_CONFIG_DIR", ".claude"),
        Codex => own("CODEX_HOME", ".codex"),
        Editors => super::places::editors(search),
    }
}

// Databases and records are text of no language; a script among settings is read as one all the same.
fn dialect_of(path: &Path, read: Read) -> Option<Dialect> {
    match read {
        Recent | Bytes => Some(Dialect::Text),
        Settings | Logins => {
            let by_name = dialect::of(path, b"");
            (by_name == Dialect::Text && !is_bare_text(path)).then_some(Dialect::Structured)
        }
    }
}

// What has lines of its own, and no names with values.
fn is_bare_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with("history") || name.ends_with("info") || name.ends_with(".shada") || name.ends_with("hst")
}

/// The table as a page has it.
#[cfg(test)]
fn page() -> String {
    let mut page = "| whose | files | what is read | afterwards |\n| --- | --- | --- | --- |\n".to_owned();
    for own in OWN {
        let files =
            own.places.iter().flat_map(|(base, names)| names.iter().map(|name| format!("`{}/{name}`", base.shown())));
        let files: Vec<String> = files.collect();
        let moved = if own.store.is_some() { "; moved when asked about" } else { "" };
        page += &format!("| {} | {} | {}{moved} | {} |\n", own.whose, files.join(", "), own.read.shown(), own.then);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/agents-files.md");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let (begin, end) = ("<!-- files: begin -->\n", "<!-- files: end -->");
        let (head, rest) = text.split_once(begin).expect("the page has a place for the table");
        let (_, tail) = rest.split_once(end).expect("the table ends");
        let wanted = [head, begin, &page(), end, tail].concat();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, &wanted).expect("written");
        } else {
            assert!(text == wanted, "run `UPDATE=1 cargo nextest run -E 'test(the_page_has_the_table)'`");
        }
    }

    #[test]
    fn every_row_says_what_to_do() {
        for own in OWN {
            assert!(own.then.ends_with('.') && !own.then.contains("  "), "{}", own.then);
            assert!(own.places.iter().all(|(_, names)| !names.is_empty()));
        }
    }
}
