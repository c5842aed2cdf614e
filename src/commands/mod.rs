//! The commands, a file for each: they take arguments, call the layers below, and pass the result to `output`.

mod agents;
mod allow;
mod announce;
mod audit;
mod check;
mod choose;
mod completions;
mod daemon;
mod doctor;
mod editor;
mod exec;
mod hand_over;
mod help;
mod hook;
mod init;
mod keychain;
mod lease;
mod login;
mod man;
mod migrate;
mod probe;
mod profiles;
mod providers;
mod question;
mod reach;
mod rotate;
mod run;
mod schema;
mod settings;
mod setup;
mod shims;
mod status;
mod strays;
mod usage;
mod used;

pub use completions::script as completion_script;

use crate::cli::{Cli, Color, Command, Keychain};
use crate::config::{ConfigError, Kept, Settings};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::name::{KeyName, looks_like_a_key, shorten};
use crate::output::OutputOptions;
use crate::paths::Paths;
use crate::plan::{self, Context};
use crate::platform;
use crate::registry::Registry;
use crate::store::{Keys, Opening, Prompt, encrypted};
use crate::words;
use clap::Parser;
use std::path::{Path, PathBuf};

/// What most commands need: paths, settings, definitions of agents, and the audit log.
pub(crate) struct Session {
    pub(crate) paths: Paths,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) audit: AuditWanted,
}

/// Whether the command line asks for lookups to be recorded.
#[derive(Debug, Clone, Default)]
pub(crate) enum AuditWanted {
    #[default]
    AsConfigured,
    Yes,
    At(PathBuf),
}

/// Closes this process to debuggers and core dumps, before it has a secret.
pub(crate) fn protect() -> Result<(), Failure> {
    let done = platform::harden().map(drop);
    done.map_err(|error| Failure::new(format!("this process cannot be protected: {error}")))
}

impl Session {
    pub(crate) fn new(world: &World, audit: AuditWanted) -> Result<Self, Failure> {
        let made = Self::without_stores(world, audit)?;
        made.introduce();
        Ok(made)
    }

    // Before the command closes this process to others.
    fn introduce(&self) {
        if self.settings.has_encrypted_file() {
            encrypted::introduce(&self.paths);
        }
    }

    /// Makes a session of a command that opens no store.
    pub(crate) fn without_stores(world: &World, audit: AuditWanted) -> Result<Self, Failure> {
        let (made, wrong) = Self::despite(world, audit)?;
        wrong.map_or(Ok(made), |error| Err(error.into()))
    }

    /// Makes a session even if config.toml is wrong: the settings are the defaults then, and the error is returned
    /// beside them.
    fn despite(world: &World, audit: AuditWanted) -> Result<(Self, Option<ConfigError>), Failure> {
        let paths = match &world.config_home {
            Some(folder) => Paths::named(&world.env, folder)?,
            None => Paths::new(&world.env)?,
        };
        if world.config_home.is_none() {
            refuse_root_elsewhere(world, &paths.home)?;
        }
        let registry = Registry::new(&paths);
        match Settings::read(&paths) {
            Ok(settings) => Ok((Self { paths, settings, registry, audit }, None)),
            // A configuration that lies in the project is refused as such, and not for its errors.
            Err(error) => {
                let made = Self { settings: Settings::defaults(&paths), paths, registry, audit };
                made.refuse_own_places(world)?;
                Ok((made, Some(error)))
            }
        }
    }

    /// Opens the stores that keys are kept in.
    pub(crate) fn open_store(&self, world: &World, prompt: Prompt) -> Keys {
        self.open_as(world, prompt, &self.settings)
    }

    /// Opens them as if the settings had this key in this store.
    pub(crate) fn open_store_with(&self, world: &World, prompt: Prompt, key: &KeyName, kept: &Kept) -> Keys {
        let stores = self.settings.stores.with_key_in(key, kept.clone());
        self.open_as(world, prompt, &Settings { stores, ..self.settings.clone() })
    }

    fn open_as(&self, world: &World, prompt: Prompt, settings: &Settings) -> Keys {
        // A working directory that was removed is no project.
        let stores = self.context(world).map(|context| plan::store_programs(&context)).unwrap_or_default();
        // The terminal is the agent's there, and so would be the answer.
        let prompt = if world.is_below { Prompt::Nobody } else { prompt };
        (world.open_store)(&Opening {
            settings,
            paths: &self.paths,
            env: &world.env,
            programs: &stores.found,
            tools_env: &stores.env,
            prompt,
        })
    }

    /// Returns a store's name as messages show it.
    pub(crate) fn pretty_place(&self, place: &str) -> String {
        let path = Path::new(place);
        if path.is_absolute() { self.paths.pretty(path) } else { place.to_owned() }
    }

    /// Returns the context for a decision in the working directory.
    pub(crate) fn context<'a>(&'a self, world: &'a World) -> Result<Context<'a>, Failure> {
        Ok(Context {
            paths: &self.paths,
            settings: &self.settings,
            registry: &self.registry,
            env: &world.env,
            cwd: world.cwd()?,
            ringlet: world.executable.as_deref().ok(),
            account_home: &platform::account_home,
        })
    }

    /// Refuses configuration and state of Ringlet that lie inside the project of the working directory. A working
    /// directory that was removed lies in no project.
    pub(crate) fn refuse_own_places(&self, world: &World) -> Result<(), Failure> {
        match self.context(world) {
            Ok(context) => Ok(plan::refuse_own_places(&context)?),
            Err(_) => Ok(()),
        }
    }

    /// Refuses a command that something below a launch has started, and configuration and state inside the project.
    pub(crate) fn refuse_below(&self, world: &World, command: &str) -> Result<(), Failure> {
        if world.is_below {
            return Err(Failure::new(format!("`{command}` is not for what an agent has started"))
                .hint("run it in a terminal of your own"));
        }
        self.refuse_own_places(world)
    }

    /// Refuses to write a project file in the working directory that would have Ringlet's own files lie in the project.
    pub(crate) fn refuse_project_file(&self, world: &World) -> Result<(), Failure> {
        plan::refuse_own_places_below(&self.context(world)?).map_err(|error| {
            let failure = Failure::from(error);
            Failure {
                message: format!("each launch would refuse a .ringlet.toml here: {}", failure.message),
                ..failure
            }
        })
    }

    /// Returns the path by which shells and services are to start ringlet later. It is the link that this command line
    /// or PATH led to, so that it is still right after an upgrade has moved the program, unless somebody else could
    /// change that link.
    pub(crate) fn lasting_path(&self, world: &World) -> Result<PathBuf, Failure> {
        let file = world.executable()?;
        let Ok(context) = self.context(world) else { return Ok(file.to_owned()) };
        let typed = world.arguments.first().map(PathBuf::from).filter(|path| path.is_absolute());
        let search = world.env.non_empty("PATH").unwrap_or_default();
        let way = typed.or_else(|| platform::candidates("ringlet", search).next());
        let is_lasting = |way: &PathBuf| platform::same_file(way, file) && plan::is_lasting_path(&context, way, file);
        Ok(way.filter(is_lasting).unwrap_or_else(|| file.to_owned()))
    }

    /// Returns the path of the audit log, which need not be enabled.
    pub(crate) fn audit_path(&self) -> PathBuf {
        match &self.audit {
            AuditWanted::At(path) => path.clone(),
            _ => self.settings.audit.path.clone().unwrap_or_else(|| self.paths.audit_log()),
        }
    }

    /// Reports whether lookups are to be recorded.
    pub(crate) fn records_lookups(&self) -> bool {
        self.settings.audit.enabled || !matches!(self.audit, AuditWanted::AsConfigured)
    }

    /// Opens the audit log when lookups are to be recorded.
    pub(crate) fn audit_log(&self) -> Result<Option<crate::audit::Log>, crate::audit::AuditError> {
        if !self.records_lookups() {
            return Ok(None);
        }
        let limits = crate::audit::Limits {
            max_bytes: self.settings.audit.max_bytes,
            keep: u32::try_from(self.settings.audit.keep).unwrap_or(u32::MAX),
            ..Default::default()
        };
        crate::audit::Log::open(&self.audit_path(), limits).map(Some)
    }
}

// Refuses to run as root in another user's home, as under sudo without -H. Root must not act on what the user
// configured there, and the user could not read what root would write there.
fn refuse_root_elsewhere(world: &World, home: &Path) -> Result<(), Failure> {
    let Ok(access) = platform::access(home) else { return Ok(()) };
    if !platform::is_root() || access.is_ours() || platform::invents_modes(home) {
        return Ok(());
    }
    let made = format!("ringlet runs as root, and the home directory {} is another user's", home.display());
    let mut command = Vec::from(words!["sudo", "-H"]);
    command.extend_from_slice(&world.arguments);
    let failure = Failure::new(format!("{made} ({})", access.describe()));
    // No hint repeats a word that may be a key, and without that word it would be another command.
    let failure = match world.arguments.iter().skip(1).any(|word| looks_like_a_key(&word.to_string_lossy())) {
        true => failure,
        false => failure.hint(Hint::run(command).and(" for root's own configuration")),
    };
    Err(failure
        .hint("run it without sudo, as the user whose home it is, for that user's")
        .hint("in a container give root a home of its own in HOME, or name a folder: `ringlet --config-home DIR ...`"))
}

/// Runs the command that the arguments name.
pub(crate) fn dispatch(host: &mut Host) -> Result<i32, Failure> {
    if let Some(agent) = invoked_as(&host.world) {
        let words = host.world.arguments.split_off(1);
        host.output.configure(OutputOptions::default(), &host.world.env);
        return exec::start(host, AuditWanted::default(), &agent, None, &words).map_err(Failure::in_exec);
    }
    if completions::answered(host)? {
        return Ok(0);
    }
    let read = Cli::of_shells(&host.world.arguments);
    let cli = match read.map_or_else(|| Cli::try_parse_from(&host.world.arguments), Ok) {
        Ok(cli) => cli,
        Err(error) => {
            return Ok(usage::refused(host, error));
        }
    };
    let color = match cli.global.color {
        Color::Auto => None,
        Color::Always => Some(true),
        Color::Never => Some(false),
    };
    let options = OutputOptions { color, json: cli.global.json, quiet: cli.global.quiet, verbose: cli.global.verbose };
    host.output.configure(options, &host.world.env);
    let audit = match cli.global.audit_log {
        None => AuditWanted::AsConfigured,
        Some(None) => AuditWanted::Yes,
        Some(Some(path)) => AuditWanted::At(std::path::absolute(&path).unwrap_or(path)),
    };
    host.world.config_home = cli.global.config_home.map(|folder| config_home(&host.world, &folder)).transpose()?;
    match cli.command {
        Command::Exec { profile, dry_run, agent, args } => {
            exec::run(host, audit, &agent, profile.as_deref(), dry_run, &args).map_err(Failure::in_exec)
        }
        Command::Run { profile, secret, tool, args } => {
            let (profile, tool) = (profile.as_deref(), tool.as_deref());
            let asked = run::Asked { profile, secrets: &secret, tool, words: &args };
            run::run(host, audit, &asked).map_err(Failure::in_exec)
        }
        Command::Hook { shell, save } => hook::run(host, shell, save.as_deref()),
        Command::Doctor => {
            let (session, wrong) = Session::despite(&host.world, audit)?;
            session.introduce();
            doctor::run(host, &session, wrong)
        }
        Command::Config(command) => {
            // A setting that is wrong is mended by it.
            let (session, _) = Session::despite(&host.world, audit)?;
            settings::run(host, &session, command).map(|()| 0)
        }
        Command::Broker { of } => hand_over::serve_broker(of),
        Command::HandOver { of, socket } => hand_over::run(of, &socket),
        Command::OpenIdentity { identity, file } => keychain::encrypted::open(&identity, &file),
        Command::Completions { shell, install } => completions::run(host, shell, install),
        Command::Man { install, words } => man::run(host, &words, install),
        Command::Help { words } => help::run(host, &words),
        Command::Schema { name } => schema::run(host, name.as_deref()),
        command => {
            let session = Session::new(&host.world, audit)?;
            match command {
                Command::Keychain(Keychain::Check { prefix }) => {
                    return probe::run(host, &session, prefix.as_deref().unwrap_or(""));
                }
                Command::Keychain(Keychain::Rotate { provider, alias, from_env, stdin, expires, no_check }) => {
                    let origin = keychain::set::Origin::of(from_env.as_deref(), stdin);
                    let asked = rotate::Asked { origin, expires: expires.as_deref(), no_check };
                    rotate::run(host, &session, &keychain::key_name(&provider, alias.as_deref())?, &asked)?;
                }
                Command::Keychain(command) => keychain::run(host, &session, command)?,
                Command::Profiles(command) => return profiles::run(host, &session, command),
                Command::Login { profile, agent, args } => {
                    return login::run(host, &session, &profile, agent.as_deref(), &args).map_err(Failure::in_exec);
                }
                Command::Allow { all: Some(folder), .. } => allow::allow_all(host, &session, folder.as_deref())?,
                Command::Allow { paths, all: None } => allow::allow(host, &session, &paths)?,
                Command::Deny { path } => allow::deny(host, &session, path.as_deref())?,
                Command::Status { agent } => status::run(host, &session, agent.as_deref())?,
                Command::Use { profile, default } => choose::run(host, &session, &profile, default)?,
                Command::Init { profile: Some(profile), .. } => init::run(host, &session, &profile)?,
                Command::Init { profile: None, yes, here, check } => {
                    return setup::run(host, session, setup::Asked { yes, here, check });
                }
                Command::Audit { verify: None, since, alias, agent } => {
                    audit::ask(host, &session, since.as_deref(), alias.as_deref(), agent.as_deref())?;
                }
                Command::Audit { verify: Some(_), .. } => return audit::verify(host, &session),
                Command::Usage { since, by } => used::run(host, &session, since.as_deref(), by)?,
                Command::Migrate(command) => return migrate::run(host, session, command),
                Command::Daemon(command) => daemon::run(host, &session, command)?,
                Command::Lease(command) => lease::run(host, &session, command)?,
                Command::Agents(command) => agents::run(host, &session, command)?,
                Command::Providers(_) => providers::run(host, &session)?,
                Command::Shims(command) => shims::run(host, &session, command)?,
                Command::Announce { profile } => announce::run(host, &session, profile)?,
                Command::Exec { .. }
                | Command::Run { .. }
                | Command::Config(_)
                | Command::Hook { .. }
                | Command::Doctor
                | Command::Broker { .. }
                | Command::HandOver { .. }
                | Command::OpenIdentity { .. }
                | Command::Completions { .. }
                | Command::Man { .. }
                | Command::Help { .. }
                | Command::Schema { .. } => {
                    unreachable!("handled above")
                }
            }
            Ok(0)
        }
    }
}

// Returns the folder as an absolute path. The argument may be a pasted key, which no message may repeat.
fn config_home(world: &World, folder: &Path) -> Result<PathBuf, Failure> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if looks_like_a_key(&name) && folder.symlink_metadata().is_err() {
        return Err(Failure::usage(format!("there is no folder {}", shorten(&name)))
            .hint("name a folder; a key that was pasted here is in the shell's history now"));
    }
    Ok(if folder.is_absolute() { folder.to_owned() } else { world.cwd()?.join(folder) })
}

/// Refuses `--config-home` for what outlives this command and would not know the folder.
fn refuse_config_home(world: &World, what: &str) -> Result<(), Failure> {
    match &world.config_home {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("--config-home cannot be kept by {what}"))
            .hint("leave the option out, or give it to each command that shall use that folder")),
    }
}

/// Returns a file of the command line as an absolute path. The argument may be a pasted key, which no message may
/// repeat.
pub(crate) fn named_file(world: &World, path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if shorten(&name) != name && path.symlink_metadata().is_err() {
        return Err(Failure::usage(format!("there is no file {}", shorten(&name)))
            .hint("name a file; a key that was pasted here is in the shell's history now"));
    }
    Ok(if path.is_absolute() { path.to_owned() } else { world.cwd()?.join(path) })
}

// Returns the agent after which the link is named that started ringlet. Under any other name it is ringlet itself.
fn invoked_as(world: &World) -> Option<String> {
    let name = Path::new(world.arguments.first()?).file_name()?.to_str()?;
    let name = if cfg!(windows) { name.strip_suffix(".exe").unwrap_or(name) } else { name };
    if name == "ringlet" {
        return None;
    }
    let registry = Registry::new(&Paths::new(&world.env).ok()?);
    let known = registry.commands().ok()?;
    known.values().flatten().any(|command| command == name).then(|| name.to_owned())
}
