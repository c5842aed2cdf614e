//! The command line, as clap types. Imports no other module.
//!
//! A command with subcommands, or with many arguments, has a file of its own here, as it has in `commands`.

mod agents;
mod audit;
mod config;
mod daemon;
mod keychain;
mod lease;
mod migrate;
mod profiles;
mod providers;
mod shims;

pub(crate) use agents::Agents;
pub(crate) use audit::AuditCommand;
pub(crate) use config::ConfigCommand;
pub(crate) use daemon::{Daemon, Permissions};
pub(crate) use keychain::{Keychain, Transfer};
pub(crate) use lease::Lease;
pub(crate) use migrate::{Migrate, MigrateCommand};
pub(crate) use profiles::{Create, Profiles};
pub(crate) use providers::Providers;
pub(crate) use shims::Shims;

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
  ringlet init       finds agents, logins and keys, and sets up what is missing
  ringlet doctor     looks for what is wrong
  ringlet status     says which account each agent gets in this directory"
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
                Command::Hook { shell, save: None }
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

// The options of every command stand below their own heading.
const GLOBAL: &str = "Global options";

/// Options of every command.
#[derive(Debug, Default, Args)]
pub(crate) struct Global {
    /// Record every key lookup, in PATH or the usual place
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "PATH", num_args = 0..=1, require_equals = true)]
    pub audit_log: Option<Option<PathBuf>>,
    /// Keep configuration, profiles and state in this folder
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub config_home: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_enum,
        value_name = "WHEN",
        default_value_t = Color::Auto,
        hide_possible_values = true
    )]
    pub color: Color,
    /// Say more
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true, help_heading = GLOBAL)]
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
  powershell  Invoke-Expression (& ringlet hook powershell | Out-String)
nushell has no `eval`; add one line to config.nu, which saves the code where
nushell loads it next:
  ringlet hook nushell --save ($nu.data-dir | path join vendor autoload ringlet.nu)")]
    Hook {
        /// Your shell
        #[arg(value_enum)]
        shell: ShellName,
        /// Write the code to a file, if it differs
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
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
    /// Start any one command with secrets
    #[command(after_help = "\
Without --secret and --tool the command gets the `[secrets]` of the profile that
governs the directory. A key that --secret names is given only after a question
on the terminal. --tool starts the command of [tools.NAME] in config.toml, for
an .mcp.json that names it; below an agent that ringlet has started it is the
only form.

Examples:
  ringlet run -- npm start
  ringlet run --profile deploy -- ./release.sh
  ringlet run --secret GITHUB_TOKEN=github/work -- gh pr list
  ringlet run --tool github

Exit status: the command's own; 125 if ringlet fails, 126 if the command cannot
be executed, 127 if it is not found.")]
    Run {
        /// The secrets of this profile, whatever the directory says
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
        /// This key in this variable, after a question
        #[arg(long, value_name = "VARIABLE=PROVIDER/ALIAS")]
        secret: Vec<String>,
        /// The command of [tools.NAME], with its secrets
        #[arg(long, value_name = "NAME", conflicts_with_all = ["profile", "secret", "args"])]
        tool: Option<String>,
        /// The command and its arguments
        #[arg(value_name = "COMMAND", trailing_var_arg = true, required_unless_present = "tool")]
        args: Vec<OsString>,
    },
    /// Store, list, rename and remove keys; none is ever shown
    #[command(subcommand)]
    Keychain(Keychain),
    /// Say which key and settings an agent gets
    #[command(subcommand)]
    Profiles(Profiles),
    /// Choose the profile for this directory, or the default one
    #[command(after_help = "\
Writes the .ringlet.toml here and allows it. One that is there keeps its comments
and its [agents], and must be allowed as it is.

Examples:
  ringlet use work
  ringlet use personal --default")]
    Use {
        /// The profile
        profile: String,
        /// For every directory without a .ringlet.toml
        #[arg(long)]
        default: bool,
    },
    /// Read and change config.toml
    #[command(subcommand)]
    Config(ConfigCommand),
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
    /// Set up this machine, or name a profile for this directory
    #[command(after_help = "\
Without a profile it is guided: it finds agents, logins and keys, shows what it
would do with the command of each step, and asks once. Run again it offers only
what is missing. With a profile it writes a .ringlet.toml here and allows it.

Examples:
  ringlet init
  ringlet init --yes
  ringlet init work")]
    Init {
        /// The profile that governs here [default: the guided start]
        #[arg(conflicts_with_all = ["yes", "here", "check"])]
        profile: Option<String>,
        /// Do not ask; take the logins and keys that are there
        #[arg(short, long)]
        yes: bool,
        /// A .ringlet.toml for this directory, and no default profile
        #[arg(long)]
        here: bool,
        /// Ask the providers whether they take the keys
        #[arg(long)]
        check: bool,
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

Exit status: 0 no key is left, 3 keys are left in plaintext (listed, with the
reason), 1 failure, 2 usage. With --dry-run it is what the run would give.

Examples:
  ringlet migrate --dry-run
  ringlet migrate ~/.zshrc .env
  ringlet migrate --watch"
    )]
    Migrate(Migrate),
    /// Answer registered programs' requests for keys
    #[command(subcommand)]
    Daemon(Daemon),
    /// Show the agents that ringlet knows, and pin their programs
    #[command(subcommand)]
    Agents(Agents),
    /// Show the providers that ringlet knows
    #[command(subcommand)]
    Providers(Providers),
    /// Links named after the agents, for scripts and editors
    #[command(subcommand)]
    Shims(Shims),
    /// Print or install the completions for a shell
    #[command(after_help = "\
Examples:
  ringlet completions --install
  zsh         source <(ringlet completions zsh)
  bash        source <(ringlet completions bash)
  fish        ringlet completions fish | source
  powershell  Invoke-Expression (& ringlet completions powershell | Out-String)
  nushell     ringlet completions nushell --install")]
    Completions {
        /// Your shell [default with --install: the one that SHELL names]
        #[arg(value_enum, required_unless_present = "install")]
        shell: Option<ShellName>,
        /// Write them where the shell finds them
        #[arg(long)]
        install: bool,
    },
    /// Print or install the manual pages
    #[command(after_help = "\
Examples:
  ringlet man --install
  ringlet man keychain set > ringlet-keychain-set.1")]
    Man {
        /// Write all pages where man finds them
        #[arg(long)]
        install: bool,
        /// The command whose page is printed [default: ringlet itself]
        #[arg(value_name = "COMMAND", conflicts_with = "install")]
        words: Vec<String>,
    },
    /// Print the JSON Schema of a TOML file, for editors
    #[command(after_help = "Example:\n  ringlet schema profile > ~/.config/ringlet/profile.schema.json")]
    Schema {
        /// Which one [default: list them]
        name: Option<String>,
    },
    /// Explain a topic, or show a command's help
    Help {
        /// A topic, or a command
        #[arg(value_name = "TOPIC")]
        words: Vec<String>,
    },
    /// Print the line on entering a directory; called by the hook
    // Hooks that an older ringlet printed call it `notice`.
    #[command(hide = true, alias = "notice")]
    Announce {
        /// Print the name of the directory's profile as well
        #[arg(long, hide = true)]
        profile: bool,
    },
    /// Show how many requests and tokens passed the broker
    #[command(after_help = "\
Examples:
  ringlet usage --since 7d --by model
  ringlet --json usage --by directory")]
    Usage {
        /// From this time on: 24h, 7d, 2026-11-01 [default: 30d]
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// What the rows stand for
        #[arg(long, value_name = "WHAT", value_enum, default_value_t = UsageBy::Key)]
        by: UsageBy,
    },
    /// Hold the key of a launch and add it to the agent's requests; started by a launch
    #[command(hide = true)]
    Broker {
        /// The launched process
        #[arg(long, value_name = "PID")]
        of: u32,
    },
    /// Print the key of a launch to the agent that asks; called by the agent
    #[command(hide = true)]
    HandOver {
        /// Hold the key for this process
        #[arg(long, hide = true, value_name = "PID")]
        of: Option<u32>,
        /// Where the key is
        socket: PathBuf,
    },
    /// Open the encrypted file's identity by other identities; started by `keychain unlock`
    #[command(hide = true)]
    OpenIdentity {
        /// The identity, encrypted
        identity: PathBuf,
        /// The identities that open it
        file: PathBuf,
    },
}

/// What a row of the usage stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageBy {
    /// A key
    Key,
    /// A profile
    Profile,
    /// A directory of launches
    Directory,
    /// A model
    Model,
}

impl UsageBy {
    /// Returns the word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Profile => "profile",
            Self::Directory => "directory",
            Self::Model => "model",
        }
    }
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
    /// nushell
    #[value(alias = "nu")]
    Nushell,
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
        assert!(matches!(old.command, Command::Announce { profile: false }));
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
