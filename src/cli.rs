//! The command line, as clap types. Imports no other module.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Keep coding agents' API keys in the OS keychain, and out of the shell.
#[derive(Debug, Parser)]
#[command(
    name = "ringlet",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Start here:
  ringlet keychain set anthropic work
  ringlet profiles create work --agent claude --provider anthropic --key-alias work
  echo 'eval \"$(ringlet hook zsh)\"' >> ~/.zshrc
  printf 'profile = \"work\"\\n' > .ringlet.toml && ringlet allow"
)]
pub(crate) struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the two forms that the shells' functions call, as clap would: `hook SHELL`, and `exec AGENT` with or
    /// without `--` and the agent's own arguments. Returns `None` for any other command line, which clap reads.
    ///
    /// Building, searching and freeing clap's tree of all commands takes longer than the rest of such a command.
    pub(crate) fn of_shells(arguments: &[OsString]) -> Option<Self> {
        let command = match arguments {
            [_, command, shell] if command == "hook" => {
                let shell = match shell.to_str()? {
                    "zsh" => ShellName::Zsh,
                    "bash" => ShellName::Bash,
                    "fish" => ShellName::Fish,
                    _ => return None,
                };
                Command::Hook { shell }
            }
            [_, command, agent, rest @ ..] if command == "exec" => {
                let agent = agent.to_str().filter(|agent| !agent.is_empty() && !agent.starts_with('-'))?;
                let args = match rest {
                    [] => Vec::new(),
                    [separator, args @ ..] if separator == "--" => args.to_vec(),
                    _ => return None,
                };
                Command::Exec { profile: None, dry_run: false, agent: agent.to_owned(), args }
            }
            _ => return None,
        };
        Some(Self { global: Global::default(), command })
    }
}

/// Options of every command.
#[derive(Debug, Default, Args)]
pub(crate) struct Global {
    /// Record every key lookup, in PATH or the usual place
    #[arg(long, global = true, value_name = "PATH", num_args = 0..=1, require_equals = true)]
    pub audit_log: Option<Option<PathBuf>>,
    /// Keep configuration, profiles and state in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub config_home: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Color::Auto,
        hide_possible_values = true
    )]
    pub color: Color,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the shell code for your rc file
    #[command(after_help = "\
Add one line to your rc file:
  zsh         eval \"$(ringlet hook zsh)\"
  bash        eval \"$(ringlet hook bash)\"
  fish        ringlet hook fish | source
  powershell  Invoke-Expression (& ringlet hook powershell | Out-String)")]
    Hook {
        /// Your shell
        #[arg(value_enum)]
        shell: ShellName,
    },
    /// Start an agent with its key; what the hook's functions call
    #[command(after_help = "\
Examples:
  ringlet exec claude -- -p hi
  ringlet exec --profile personal claude
  ringlet exec --dry-run codex

Exit status: the agent's own; 125 if ringlet fails, 126 if the agent cannot be
executed, 127 if it is not found.")]
    Exec {
        /// Use this profile, whatever the directory says
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
        /// Print what would happen; look nothing up
        #[arg(long)]
        dry_run: bool,
        /// The agent
        agent: String,
        /// The agent's own arguments
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Store, list, rename and remove keys; none is ever shown
    #[command(subcommand)]
    Keychain(Keychain),
    /// Say which key and settings an agent gets
    #[command(subcommand)]
    Profiles(Profiles),
    /// Log an agent in, in the folder of a login profile
    #[command(after_help = "\
The agent's own login is started in the profile's folder, which is made when it
is missing. Ringlet never sees the token.

Examples:
  ringlet login max
  ringlet login max --agent codex -- --device-auth")]
    Login {
        /// The profile
        profile: String,
        /// Which of its agents [default: the one that has a login]
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// More arguments for the agent's own login
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Allow a project's files as they are now
    #[command(after_help = "\
A directory stands for its .ringlet.toml, of which the exact content is allowed at
this place. PATH may also be one of an agent's own project files, such as
.claude/settings.json, of which the values are allowed that are not harmless by
themselves; a folder of code that an agent loads, such as .opencode/plugins; or an
agent's program inside the project.

Examples:
  ringlet allow
  ringlet allow ~/code/shop
  ringlet allow .claude/settings.json .mcp.json
  ringlet allow --all")]
    Allow {
        /// Directories and files [default: the working directory]
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Allow .ringlet.toml and all that its profiles' agents find
        #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "paths")]
        all: Option<Option<PathBuf>>,
    },
    /// Deny a project's .ringlet.toml until it is allowed again
    Deny {
        /// A directory, or one file [default: the working directory]
        path: Option<PathBuf>,
    },
    /// Show which profile governs here and which credential wins
    Status {
        /// Only this agent
        agent: Option<String>,
    },
    /// Look for what is wrong with the installation
    Doctor,
    /// Write a .ringlet.toml here and allow it
    #[command(after_help = "Example:\n  ringlet init work")]
    Init {
        /// The profile that governs here
        profile: String,
    },
    /// Ask the audit log, or verify it
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
Example: what asked for work's Anthropic key this week
  ringlet audit --since 7d --alias anthropic/work"
    )]
    Audit {
        /// Verify instead of asking
        #[command(subcommand)]
        verify: Option<AuditCommand>,
        /// Not before: 30m, 24h, 7d, 2w, or a date
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// An alias, or PROVIDER/ALIAS
        #[arg(long, value_name = "ALIAS")]
        alias: Option<String>,
        /// Lookups for this agent
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
    },
    /// Grant, list and revoke leases on keys whose scope asks for one
    #[command(subcommand)]
    Lease(Lease),
    /// Move the keys in your rc files into the keychain
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
Every key is stored and read back before a file is changed; nothing else in a
file changes, and `ringlet migrate undo` takes it back.

Examples:
  ringlet migrate --dry-run
  ringlet migrate ~/.zshrc .env
  ringlet migrate --watch"
    )]
    Migrate(Migrate),
    /// One door to the keychain for registered programs
    #[command(subcommand)]
    Daemon(Daemon),
    /// Show the agents that ringlet knows, and pin their programs
    #[command(subcommand)]
    Agents(Agents),
    /// Show the providers that ringlet knows
    #[command(subcommand)]
    Providers(List),
    /// Links named after the agents, for scripts and editors
    #[command(subcommand)]
    Shims(Shims),
    /// Print the completions for a shell
    #[command(after_help = "\
Examples:
  zsh         source <(ringlet completions zsh)
  bash        source <(ringlet completions bash)
  fish        ringlet completions fish | source
  powershell  Invoke-Expression (& ringlet completions powershell | Out-String)")]
    Completions {
        /// Your shell
        #[arg(value_enum)]
        shell: ShellName,
    },
    /// Print the line on entering a directory; called by the hook
    // Hooks that an older ringlet printed call it `notice`.
    #[command(hide = true, alias = "notice")]
    Announce,
    /// Print the key of a launch to the agent that asks; called by the agent
    #[command(hide = true)]
    HandOver {
        /// Hold the key for this process
        #[arg(long, hide = true, value_name = "PID")]
        of: Option<u32>,
        /// Where the key is
        socket: PathBuf,
    },
}

/// The shells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// Z shell
    Zsh,
    /// Bash
    Bash,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
}

/// `ringlet keychain`
#[derive(Debug, Subcommand)]
pub(crate) enum Keychain {
    /// Store a key; asks for it without echo
    #[command(after_help = "\
Examples:
  ringlet keychain set anthropic work
  ringlet keychain set openai default --from-env OPENAI_API_KEY
  pass show openai | ringlet keychain set openai default --stdin --replace")]
    Set {
        /// The provider, such as anthropic
        provider: String,
        /// Your name for this key, such as work
        alias: String,
        /// Take the key from this variable
        #[arg(long, value_name = "VAR", conflicts_with = "stdin")]
        from_env: Option<String>,
        /// Take the key from standard input
        #[arg(long)]
        stdin: bool,
        /// Replace a key that is there
        #[arg(long)]
        replace: bool,
    },
    /// List the names of keys, never a value
    List {
        /// Only names that begin so, such as anthropic/
        prefix: Option<String>,
    },
    /// Remove a key
    Remove {
        /// The provider
        provider: String,
        /// The alias
        alias: String,
    },
    /// Give a key another alias
    Rename {
        /// The provider
        provider: String,
        /// The alias as it is
        alias: String,
        /// The alias as it shall be
        new_alias: String,
        /// Replace a key that is there
        #[arg(long)]
        replace: bool,
    },
    /// Unlock the keychain, in its dialog or on the terminal
    Unlock,
}

/// `ringlet profiles`
#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// Create a profile
    #[command(after_help = "\
Examples:
  ringlet profiles create work --agent claude --provider anthropic --key-alias work
  ringlet profiles create cheap --agent codex --provider openrouter --model some/model
  ringlet profiles create max --agent claude --login --config-dir ~/.claude-max
  ringlet profiles create home --agent codex --no-key --endpoint http://127.0.0.1:11434/v1")]
    Create(Create),
    /// List the profiles
    List,
    /// Show what each agent gets, and from which line
    Inspect {
        /// The profile
        name: String,
    },
    /// Change a profile: set values, or open it in $EDITOR
    #[command(after_help = "\
Examples:
  ringlet profiles edit work
  ringlet profiles edit work model=claude-sonnet-4-5 provider-config.key-alias=team
  ringlet profiles edit work model=")]
    Edit {
        /// The profile
        name: String,
        /// KEY=VALUE to set, KEY= to take out; dotted keys for tables
        #[arg(value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
    /// Remove a profile; its keys stay in the keychain
    Remove {
        /// The profile
        name: String,
    },
    /// Show or set the profile where no .ringlet.toml names one
    Default {
        /// The profile
        #[arg(conflicts_with = "unset")]
        name: Option<String>,
        /// Have none
        #[arg(long)]
        unset: bool,
    },
    /// Start a profile's agent, whatever the directory says
    Run {
        /// The profile
        name: String,
        /// Which of its agents [default: the top-level one]
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// Print what would happen; look nothing up
        #[arg(long)]
        dry_run: bool,
        /// The agent's own arguments
        #[arg(last = true)]
        args: Vec<OsString>,
    },
}

/// `ringlet profiles create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The profile's name
    pub name: String,
    /// The agent
    #[arg(long, value_name = "AGENT")]
    pub agent: String,
    /// The provider [default: the agent's usual one]
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// Which of the provider's keys
    #[arg(long, value_name = "ALIAS", default_value = "default")]
    pub key_alias: String,
    /// The model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Use the login that the agent itself keeps in its folder
    #[arg(long, conflicts_with_all = ["no_key", "provider", "key_alias", "endpoint"])]
    pub login: bool,
    /// Send no key: a model at home, or a gateway that adds one
    #[arg(long, requires = "endpoint", conflicts_with = "key_alias")]
    pub no_key: bool,
    /// An endpoint's name, or a URL
    #[arg(long, value_name = "ENDPOINT")]
    pub endpoint: Option<String>,
    /// Let the endpoint be one of your own network without TLS
    #[arg(long, requires = "endpoint")]
    pub allow_http: bool,
    /// The agent's own configuration folder
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<String>,
}

/// `ringlet audit`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no line was changed, moved, added or lost
    Verify,
}

/// `ringlet migrate`
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Undo instead
    #[command(subcommand)]
    pub undo: Option<MigrateCommand>,
    /// Show what would move; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Move keys even into the plain file that stands in for a keychain
    #[arg(long)]
    pub allow_file: bool,
    /// Go on looking, and say when a key comes back; change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "allow_file"])]
    pub watch: bool,
    /// Only these files [default: those your shells read]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `ringlet migrate undo`
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Put the keys back where they stood
    Undo {
        /// The run [default: the latest]
        run: Option<String>,
    },
}

/// `ringlet daemon`
#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Start it; it goes on by itself
    Start {
        /// Stay here, and write the log to standard error
        #[arg(long)]
        foreground: bool,
        /// Listen there [default: agent.sock in the runtime directory]
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        /// Leave the terminal; what `start` does by itself
        #[arg(long, hide = true, requires = "foreground")]
        detached: bool,
    },
    /// End it, once it has answered what it was asked
    Stop,
    /// Show where it listens, who may use it, and what is wrong
    Status,
    /// Make a new token for its HTTP side; the old one ends at once
    RotateToken,
    /// Let the system start it: systemd, launchd or Task Scheduler
    Install,
    /// Undo that
    Uninstall,
    /// Let a program ask for keys, or change what it may do
    #[command(after_help = "\
The program is known by its path and its content. A script is bound to what runs
it; an interpreter by itself is refused. A script is recognised by what it says
of itself: its process' command line, which must name it by an absolute path
without links, and which any program of yours can write. That tells your scripts
apart; it keeps no program out that means harm. Prefixes match the string:
`proj_1` matches `proj_10`.

Examples:
  ringlet daemon register /usr/local/bin/your-tool --read your-tool --search
  ringlet daemon register ./client.py --read your-tool --write your-tool")]
    Register {
        /// The program or script
        path: PathBuf,
        /// What runs the script, where it has no `#!` line
        #[arg(long, value_name = "PROGRAM")]
        interpreter: Option<String>,
        /// What it may do
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Take a program's registration away
    Unregister {
        /// The program or script
        path: PathBuf,
    },
    /// Register a program that asked, by its hash
    Approve {
        /// Its SHA-256, or the first 8 digits of it or more
        hash: String,
        /// Its path, where several have the same content
        path: Option<PathBuf>,
        /// What it may do
        #[command(flatten)]
        permissions: Permissions,
    },
    /// List the programs that asked and are not registered
    #[command(after_help = "\
A script is listed by what its process said of itself: look at the file before
you approve it. `register --help` says what its name is worth.")]
    ListPending,
    /// Take a registered program's new content for its own
    Upgrade {
        /// The program or script
        path: PathBuf,
    },
}

/// What a program may do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Permissions {
    /// Let it read this service; may be given again
    #[arg(long, value_name = "SERVICE")]
    pub read: Vec<String>,
    /// Let it write and delete in this service; may be given again
    #[arg(long, value_name = "SERVICE")]
    pub write: Vec<String>,
    /// Let it list names, and read and delete by prefix
    #[arg(long)]
    pub search: bool,
}

/// `ringlet agents` and `ringlet providers`
/// `ringlet lease`
#[derive(Debug, Subcommand)]
pub(crate) enum Lease {
    /// Let a key be looked up for some time
    #[command(after_help = "\
The key's scope in config.toml says how long a lease may last. A lease ends with
its time, asleep or awake, or with a restart of the system, whatever the clock on
the wall says.

Examples:
  ringlet lease grant anthropic/work
  ringlet lease grant anthropic/work --for 30m --agent claude --directory .")]
    Grant {
        /// The key
        #[arg(value_name = "PROVIDER/ALIAS")]
        key: String,
        /// For how long: 90s, 30m, 8h [default: as long as may be]
        #[arg(long = "for", value_name = "TIME")]
        length: Option<String>,
        /// For this agent alone
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// In this directory and below alone
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// List the leases and how long they last
    List,
    /// Revoke leases
    #[command(after_help = "\
Examples:
  ringlet lease revoke anthropic/work
  ringlet lease revoke --all")]
    Revoke {
        /// A key, or one lease as `ringlet lease list` names it
        #[arg(value_name = "PROVIDER/ALIAS|ID", required_unless_present = "all")]
        which: Option<String>,
        /// Revoke all of them
        #[arg(long, conflicts_with = "which")]
        all: bool,
    },
}

/// `ringlet agents`
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List them
    List,
    /// Remember an agent's program, for keys kept for pinned ones
    #[command(after_help = "\
A key whose scope in config.toml says `pin = true` is given to exactly the program
that was pinned. After an update, look at what changed and pin it again.

Examples:
  ringlet agents pin claude
  ringlet agents pin claude --remove")]
    Pin {
        /// The agent
        agent: String,
        /// Forget it instead
        #[arg(long)]
        remove: bool,
    },
}

/// `ringlet providers`
#[derive(Debug, Subcommand)]
pub(crate) enum List {
    /// List them
    List,
}

/// `ringlet shims`
#[derive(Debug, Subcommand)]
pub(crate) enum Shims {
    /// Create the links, and say which folder to put on PATH
    Install {
        /// The agents [default: those the hook wraps]
        agents: Vec<String>,
    },
    /// Remove the links
    Remove {
        /// The agents [default: all]
        agents: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // What clap makes of a command line, or that it refuses it.
    fn by_clap(arguments: &[OsString]) -> Option<String> {
        Cli::try_parse_from(arguments).ok().map(|cli| format!("{cli:?}"))
    }

    fn assert_same(arguments: &[OsString]) -> bool {
        let direct = Cli::of_shells(arguments).map(|cli| format!("{cli:?}"));
        if direct.is_some() {
            assert_eq!(direct, by_clap(arguments), "{arguments:?}");
        }
        direct.is_some()
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_forms_of_the_shells_functions_are_read_without_clap() {
        for form in [
            &["ringlet", "hook", "zsh"][..],
            &["ringlet", "hook", "bash"],
            &["ringlet", "hook", "fish"],
            &["ringlet", "exec", "claude"],
            &["ringlet", "exec", "claude", "--"],
            &["ringlet", "exec", "claude", "--", "-p", "--", "--profile", ""],
            &["", "exec", "hook", "--", "--json", "-q", "--version"],
            &["ringlet", "exec", "a b\n=", "--", "--help"],
        ] {
            assert!(assert_same(&words(form)), "{form:?}");
        }
    }

    #[test]
    fn any_other_form_is_left_to_clap() {
        for form in [
            &[][..],
            &["ringlet"],
            &["ringlet", "hook"],
            &["ringlet", "hook", "powershell"],
            &["ringlet", "hook", "ZSH"],
            &["ringlet", "hook", "zsh", "--json"],
            &["ringlet", "--json", "hook", "zsh"],
            &["ringlet", "exec"],
            &["ringlet", "exec", ""],
            &["ringlet", "exec", "--"],
            &["ringlet", "exec", "-q"],
            &["ringlet", "exec", "claude", "-p"],
            &["ringlet", "exec", "claude", "-q", "--", "-p"],
            &["ringlet", "exec", "--profile", "work", "claude"],
            &["ringlet", "exec", "--dry-run", "claude", "--", "-p"],
            &["ringlet", "-v", "exec", "claude"],
            &["ringlet", "exe", "claude"],
            &["ringlet", "status"],
        ] {
            assert!(Cli::of_shells(&words(form)).is_none(), "{form:?}");
        }
    }

    fn word() -> impl Strategy<Value = OsString> {
        prop_oneof![
            4 => prop::sample::select(vec![
                "exec", "hook", "zsh", "bash", "fish", "powershell", "pwsh", "claude", "--", "-", "", "-p", "-q",
                "--json",
                "--color", "never", "--profile", "--dry-run", "--help", "-h", "--version", "--audit-log", "help", "=",
                "a=b",
            ])
            .prop_map(OsString::from),
            1 => ".{0,6}".prop_map(OsString::from),
            1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(raw),
        ]
    }

    #[cfg(unix)]
    fn raw(bytes: Vec<u8>) -> OsString {
        std::os::unix::ffi::OsStringExt::from_vec(bytes)
    }

    #[cfg(not(unix))]
    fn raw(bytes: Vec<u8>) -> OsString {
        String::from_utf8_lossy(&bytes).into_owned().into()
    }

    #[test]
    fn the_hooks_of_an_older_ringlet_are_still_answered() {
        let old = Cli::try_parse_from(["ringlet", "notice"]).expect("a command");
        assert!(matches!(old.command, Command::Announce));
    }

    proptest! {
        #[test]
        fn what_is_read_without_clap_is_what_clap_reads(
            command in prop::sample::select(vec!["exec", "hook"]),
            rest in prop::collection::vec(word(), 0..6),
        ) {
            let arguments: Vec<OsString> = ["ringlet", command].map(OsString::from).into_iter().chain(rest).collect();
            assert_same(&arguments);
        }

        #[test]
        fn an_agents_own_arguments_reach_it_as_clap_would_hand_them_on(
            agent in "[^-].{0,8}",
            args in prop::collection::vec(word(), 0..6),
        ) {
            let arguments: Vec<OsString> = words(&["ringlet", "exec", &agent, "--"]).into_iter().chain(args).collect();
            prop_assert!(assert_same(&arguments));
        }
    }
}
