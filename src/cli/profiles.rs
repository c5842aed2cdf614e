//! The arguments of `ringlet profiles`.

use clap::{Args, Subcommand};
use std::ffi::OsString;

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
        agent: Option<String>,
        /// The agent, too
        #[arg(long = "agent", value_name = "AGENT", conflicts_with = "agent")]
        named: Option<String>,
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
    /// The header for the key, if not the provider's own: bearer or x-api-key
    #[arg(long, value_name = "HEADER", conflicts_with_all = ["login", "no_key"])]
    #[arg(value_parser = ["bearer", "x-api-key"], hide_possible_values = true)]
    pub auth_header: Option<String>,
    /// The agent's own configuration folder
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<String>,
}
