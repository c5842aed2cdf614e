//! `ringlet completions`: prints the registration for a shell, and answers what the shell then asks.

use super::settings;
use crate::cli::{Cli, ShellName};
use crate::config::Settings;
use crate::env::Env;
use crate::failure::Failure;
use crate::host::{Host, OpenStore, World};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::shell::{COMPLETE_VARIABLE, Shell, render_completion};
use crate::store::Prompt;
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `ringlet completions SHELL`
pub(super) fn run(host: &mut Host, shell: ShellName) -> Result<i32, Failure> {
    let script = script(Shell::from(shell))?;
    host.output.raw(&script);
    Ok(0)
}

/// Returns the registration for a shell, as it is kept in `/completions`.
pub fn script(shell: Shell) -> Result<String, Failure> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Zsh => &Zsh,
        Shell::Bash => &Bash,
        Shell::Fish => &Fish,
        Shell::PowerShell => return Ok(render_completion(Path::new("ringlet"))?),
    };
    let mut script = Vec::new();
    completer
        .write_registration(COMPLETE_VARIABLE, "ringlet", "ringlet", "ringlet", &mut script)
        .map_err(|error| Failure::new(format!("the completions cannot be written: {error}")))?;
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(if shell == Shell::Zsh { autoloadable(&script) } else { script })
}

// In a folder of `fpath` the whole file becomes the function that zsh calls for the first completion. That call must
// complete as well, instead of only registering the function for the next one.
fn autoloadable(script: &str) -> String {
    let (functions, register) = script.trim_end().rsplit_once('\n').expect("the script has many lines");
    let complete = register.replacen("compdef ", "", 1).replacen(" ringlet", " \"$@\"", 1);
    format!("{functions}\nif [[ ${{funcstack[1]-}} == _ringlet ]]; then\n    {complete}\nelse\n    {register}\nfi\n")
}

/// Answers a shell that asks for completions. Returns false when none asked.
pub(super) fn answered(host: &Host) -> Result<bool, Failure> {
    if host.world.env.non_empty(COMPLETE_VARIABLE).is_none() {
        return Ok(false);
    }
    let source = Arc::new(Source::new(&host.world));
    let completion = CompleteEnv::with_factory(|| with_candidates(&source)).var(COMPLETE_VARIABLE);
    completion
        .try_complete(host.world.arguments.iter().cloned(), host.world.cwd.as_deref().ok())
        .map_err(|error| Failure::new(error.to_string()))
}

/// What candidates are read from: the folders and the store of a host. A completion must never fail, ask or take long,
/// so that what cannot be read has no candidates.
struct Source {
    paths: Option<Paths>,
    env: Env,
    open_store: OpenStore,
}

/// A command's path, one of its arguments, and the candidates for that argument.
type Completed = (&'static [&'static str], &'static str, fn(&Source) -> Vec<String>);

const COMPLETED: &[Completed] = &[
    (&["exec"], "agent", Source::agents),
    (&["exec"], "profile", Source::profiles),
    (&["run"], "profile", Source::profiles),
    (&["run"], "tool", Source::tools),
    (&["use"], "profile", Source::profiles),
    (&["config", "get"], "key", |_| settings::KEYS.iter().map(ToString::to_string).collect()),
    (&["config", "set"], "key", |_| settings::KEYS.iter().map(ToString::to_string).collect()),
    (&["status"], "agent", Source::agents),
    (&["init"], "profile", Source::profiles),
    (&["login"], "profile", Source::profiles),
    (&["login"], "agent", Source::agents),
    (&["audit"], "alias", Source::keys),
    (&["audit"], "agent", Source::agents),
    (&["agents", "pin"], "agent", Source::agents),
    (&["lease", "grant"], "key", Source::keys_for_leases),
    (&["lease", "grant"], "agent", Source::agents),
    (&["lease", "revoke"], "which", Source::keys_for_leases),
    (&["keychain", "set"], "provider", Source::providers),
    (&["keychain", "set"], "alias", Source::aliases),
    (&["keychain", "list"], "prefix", Source::keys),
    (&["keychain", "check"], "prefix", Source::keys),
    (&["keychain", "remove"], "provider", Source::providers_with_keys),
    (&["keychain", "remove"], "alias", Source::aliases),
    (&["keychain", "rename"], "provider", Source::providers_with_keys),
    (&["keychain", "rename"], "alias", Source::aliases),
    (&["profiles", "create"], "agent", Source::agents),
    (&["profiles", "create"], "provider", Source::providers),
    (&["profiles", "create"], "key_alias", Source::aliases),
    (&["profiles", "inspect"], "name", Source::profiles),
    (&["profiles", "edit"], "name", Source::profiles),
    (&["profiles", "remove"], "name", Source::profiles),
    (&["profiles", "default"], "name", Source::profiles),
    (&["profiles", "run"], "name", Source::profiles),
    (&["profiles", "run"], "agent", Source::agents),
    (&["shims", "install"], "agents", Source::agents),
    (&["shims", "remove"], "agents", Source::agents),
];

/// The definition of the command line, with candidates that are read when a shell asks.
fn with_candidates(source: &Arc<Source>) -> clap::Command {
    COMPLETED.iter().fold(Cli::command(), |command, (path, argument, names)| {
        let source = Arc::clone(source);
        let candidates = move || names(&source).into_iter().map(CompletionCandidate::new).collect();
        extend(command, path, argument, ArgValueCandidates::new(candidates))
    })
}

// Changes arguments in place: clap's `mut_arg` and `mut_subcommand` move what they change to the end, and with it the
// position of an argument.
fn extend(command: clap::Command, path: &[&str], argument: &str, add: ArgValueCandidates) -> clap::Command {
    match path.split_first() {
        None => command.mut_args(|arg| if arg.get_id() == argument { arg.add(add.clone()) } else { arg }),
        Some((first, rest)) => command.mut_subcommands(|sub| {
            if sub.get_name() == *first { extend(sub, rest, argument, add.clone()) } else { sub }
        }),
    }
}

impl Source {
    fn new(world: &World) -> Self {
        Self { paths: paths(world), env: world.env.clone(), open_store: world.open_store }
    }

    fn agents(&self) -> Vec<String> {
        self.registry().and_then(|registry| registry.agent_names().ok()).unwrap_or_default().into_iter().collect()
    }

    fn providers(&self) -> Vec<String> {
        self.registry().and_then(|registry| registry.provider_names().ok()).unwrap_or_default().into_iter().collect()
    }

    fn profiles(&self) -> Vec<String> {
        let names = self.paths.as_ref().and_then(|paths| Profiles::new(paths, &Registry::new(paths)).names().ok());
        names.unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn tools(&self) -> Vec<String> {
        self.settings().map(|settings| settings.tools.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }

    fn keys(&self) -> Vec<String> {
        self.key_names().iter().map(ToString::to_string).collect()
    }

    /// The keys whose scope asks for a lease.
    fn keys_for_leases(&self) -> Vec<String> {
        let scopes = self.settings().map(|settings| settings.scopes).unwrap_or_default();
        scopes.iter().filter(|(_, scope)| scope.lease.is_some()).map(|(key, _)| key.to_string()).collect()
    }

    fn aliases(&self) -> Vec<String> {
        sorted(self.key_names().iter().map(|key| key.alias.to_string()))
    }

    fn providers_with_keys(&self) -> Vec<String> {
        sorted(self.key_names().iter().map(|key| key.provider.to_string()))
    }

    fn key_names(&self) -> Vec<KeyName> {
        let names =
            self.paths.as_ref().zip(self.settings()).and_then(|(paths, settings)| {
                (self.open_store)(&settings, paths, &self.env, Prompt::Never).names().ok()
            });
        names.unwrap_or_default().into_iter().collect()
    }

    fn settings(&self) -> Option<Settings> {
        Settings::read(self.paths.as_ref()?).ok()
    }

    fn registry(&self) -> Option<Registry> {
        self.paths.as_ref().map(Registry::new)
    }
}

// The command line that is completed stands among the arguments, and may name the folder of the configuration.
fn paths(world: &World) -> Option<Paths> {
    let words = &world.arguments;
    let named = words.iter().enumerate().find_map(|(at, word)| match word.to_str()? {
        "--config-home" => words.get(at + 1).map(PathBuf::from),
        word => word.strip_prefix("--config-home=").map(PathBuf::from),
    });
    match named {
        Some(folder) => Paths::named(&world.env, &super::config_home(world, &folder).ok()?).ok(),
        None => Paths::new(&world.env).ok(),
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;
    use std::ffi::OsString;

    // Returns the candidates but for options.
    fn complete(home: &Home, words: &[&str]) -> Vec<String> {
        let source = Arc::new(Source::new(&home.world(words)));
        let arguments = ["ringlet"].iter().chain(words).map(OsString::from).collect();
        let candidates =
            clap_complete::engine::complete(&mut with_candidates(&source), arguments, words.len(), Some(&home.path));
        let names = candidates.expect("candidates").into_iter();
        let names = names.map(|candidate| candidate.get_value().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('-')).collect()
    }

    #[test]
    fn every_completed_argument_is_one_of_the_command_line() {
        let whole = with_candidates(&Arc::new(Source::new(&Home::new().world(&[]))));
        for (path, argument, _) in COMPLETED {
            let found = path.iter().try_fold(&whole, |command, name| command.find_subcommand(name));
            let found = found.and_then(|command| command.get_arguments().find(|arg| arg.get_id() == argument));
            assert!(found.is_some_and(|arg| arg.get::<ArgValueCandidates>().is_some()), "{path:?} {argument}");
        }
        whole.debug_assert();
    }

    #[test]
    fn keys_are_those_of_the_hosts_store() {
        let mut home = Home::new();
        home.input = b"sk-ant-0123456789abcdef\n".to_vec();
        home.run(&["keychain", "set", "anthropic", "work", "--stdin"]).succeeds();
        assert_eq!(complete(&home, &["keychain", "remove", ""]), ["anthropic"]);
        assert_eq!(complete(&home, &["keychain", "remove", "anthropic", "w"]), ["work"]);
        assert_eq!(complete(&home, &["audit", "--alias", "anth"]), ["anthropic/work"]);
        assert_eq!(complete(&home, &["keychain", "check", ""]), ["anthropic/work"]);
    }

    #[test]
    fn tools_profiles_and_settings_are_offered() {
        let home = Home::with_profile("usual");
        home.write(".config/ringlet/config.toml", "[tools.gh]\ncommand = [\"/gh\"]\nsecrets = {}\n");
        assert_eq!(complete(&home, &["run", "--tool", ""]), ["gh"]);
        assert_eq!(complete(&home, &["use", ""]), ["usual"]);
        assert_eq!(complete(&home, &["config", "set", "audit.e"]), ["audit.enabled"]);
    }

    #[test]
    fn a_folder_of_configuration_on_the_command_line_is_the_one_that_is_read() {
        let home = Home::with_profile("usual");
        home.run(&["--config-home", "other", "profiles", "create", "second", "--agent", "claude"]).succeeds();
        assert_eq!(complete(&home, &["profiles", "inspect", ""]), ["usual"]);
        for folder in [&["--config-home", "other"][..], &["--config-home=other"]] {
            let words = [folder, &["profiles", "inspect", ""]].concat();
            assert_eq!(complete(&home, &words), ["second"], "{folder:?}");
        }
    }

    #[test]
    fn the_script_is_for_the_shell_that_is_named() {
        let home = Home::new();
        for shell in ["zsh", "bash", "fish", "powershell"] {
            assert!(home.run(&["completions", shell]).succeeds().out.contains("ringlet"), "{shell}");
        }
        let ran = home.run(&["completions", "csh"]);
        assert!(ran.status == 2 && ran.out.is_empty() && ran.err.contains("csh"), "{ran:?}");
    }
}
