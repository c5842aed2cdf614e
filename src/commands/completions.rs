//! `ringlet completions`: the registration for a shell, and the answers to what it then asks.

use crate::cli::{Cli, ShellName};
use crate::failure::Failure;
use crate::host::{Host, environment};
use crate::paths::Paths;
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::shell::{COMPLETE_VARIABLE, Shell, render_completion};
use crate::store::{self, Prompt};
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use std::path::Path;

/// `ringlet completions SHELL`
pub(super) fn run(host: &mut Host, shell: ShellName) -> Result<i32, Failure> {
    let script = script(Shell::from(shell))?;
    host.output.raw(&script);
    Ok(0)
}

/// The registration for a shell, as it is kept in `/completions`.
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

// From a folder of `fpath` the whole file becomes the function that completes. It must then complete at once, too, and
// not only register what completes the next time.
fn autoloadable(script: &str) -> String {
    let (functions, register) = script.trim_end().rsplit_once('\n').expect("the script has many lines");
    let complete = register.replacen("compdef ", "", 1).replacen(" ringlet", " \"$@\"", 1);
    format!("{functions}\nif [[ ${{funcstack[1]-}} == _ringlet ]]; then\n    {complete}\nelse\n    {register}\nfi\n")
}

/// Answers a shell that asks for completions; false when none asked.
pub(super) fn answered(host: &Host) -> Result<bool, Failure> {
    if host.world.env.non_empty(COMPLETE_VARIABLE).is_none() {
        return Ok(false);
    }
    let completion = CompleteEnv::with_factory(command).var(COMPLETE_VARIABLE);
    completion
        .try_complete(host.world.arguments.iter().cloned(), host.world.cwd.as_deref().ok())
        .map_err(|error| Failure::new(error.to_string()))
}

/// A command's path, one of its arguments, and where that argument's candidates come from.
type Live = (&'static [&'static str], &'static str, fn() -> Vec<CompletionCandidate>);

const LIVE: &[Live] = &[
    (&["exec"], "agent", agents),
    (&["exec"], "profile", profiles),
    (&["status"], "agent", agents),
    (&["init"], "profile", profiles),
    (&["login"], "profile", profiles),
    (&["login"], "agent", agents),
    (&["audit"], "alias", keys),
    (&["audit"], "agent", agents),
    (&["agents", "pin"], "agent", agents),
    (&["lease", "grant"], "key", leased),
    (&["lease", "grant"], "agent", agents),
    (&["lease", "revoke"], "which", leased),
    (&["keychain", "set"], "provider", providers),
    (&["keychain", "set"], "alias", aliases),
    (&["keychain", "list"], "prefix", keys),
    (&["keychain", "remove"], "provider", providers_with_keys),
    (&["keychain", "remove"], "alias", aliases),
    (&["keychain", "rename"], "provider", providers_with_keys),
    (&["keychain", "rename"], "alias", aliases),
    (&["profiles", "create"], "agent", agents),
    (&["profiles", "create"], "provider", providers),
    (&["profiles", "create"], "key_alias", aliases),
    (&["profiles", "inspect"], "name", profiles),
    (&["profiles", "edit"], "name", profiles),
    (&["profiles", "remove"], "name", profiles),
    (&["profiles", "default"], "name", profiles),
    (&["profiles", "run"], "name", profiles),
    (&["profiles", "run"], "agent", agents),
    (&["shims", "install"], "agents", agents),
    (&["shims", "remove"], "agents", agents),
];
/// The command line's definition, with what completes names live.
pub fn command() -> clap::Command {
    LIVE.iter().fold(Cli::command(), |command, (path, argument, candidates)| {
        extend(command, path, argument, ArgValueCandidates::new(*candidates))
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

// Completion must never fail, ask or take long: what cannot be read has no candidates.
fn paths() -> Option<Paths> {
    let words: Vec<_> = std::env::args_os().collect();
    let named = words.iter().enumerate().find_map(|(at, word)| match word.to_str()? {
        "--config-home" => words.get(at + 1).cloned(),
        word => word.strip_prefix("--config-home=").map(Into::into),
    });
    match named {
        Some(folder) => Paths::named(&environment(), &std::path::absolute(folder).ok()?).ok(),
        None => Paths::new(&environment()).ok(),
    }
}

fn candidates(names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn agents() -> Vec<CompletionCandidate> {
    paths().and_then(|paths| Registry::new(&paths).agent_names().ok()).map(candidates).unwrap_or_default()
}

fn providers() -> Vec<CompletionCandidate> {
    paths().and_then(|paths| Registry::new(&paths).provider_names().ok()).map(candidates).unwrap_or_default()
}

fn profiles() -> Vec<CompletionCandidate> {
    let names = paths().and_then(|paths| Profiles::new(&paths, &Registry::new(&paths)).names().ok());
    candidates(names.unwrap_or_default().iter().map(ToString::to_string))
}

fn key_names() -> Vec<crate::name::KeyName> {
    let found = paths().and_then(|paths| {
        let settings = crate::config::Settings::read(&paths).ok()?;
        store::open(&settings, &paths, &environment(), Prompt::Never).names().ok()
    });
    found.unwrap_or_default().into_iter().collect()
}

fn keys() -> Vec<CompletionCandidate> {
    candidates(key_names().iter().map(ToString::to_string))
}

// The keys whose scope asks for a lease.
fn leased() -> Vec<CompletionCandidate> {
    let settings = paths().and_then(|paths| crate::config::Settings::read(&paths).ok());
    let scopes = settings.map(|settings| settings.scopes).unwrap_or_default();
    candidates(scopes.iter().filter(|(_, scope)| scope.lease.is_some()).map(|(key, _)| key.to_string()))
}

fn aliases() -> Vec<CompletionCandidate> {
    let names: std::collections::BTreeSet<String> = key_names().iter().map(|key| key.alias.to_string()).collect();
    candidates(names)
}

fn providers_with_keys() -> Vec<CompletionCandidate> {
    let names: std::collections::BTreeSet<String> = key_names().iter().map(|key| key.provider.to_string()).collect();
    candidates(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_argument_is_one_of_the_command_line() {
        let whole = command();
        for (path, argument, _) in LIVE {
            let found = path.iter().try_fold(&whole, |command, name| command.find_subcommand(name));
            let found = found.and_then(|command| command.get_arguments().find(|arg| arg.get_id() == argument));
            assert!(found.is_some_and(|arg| arg.get::<ArgValueCandidates>().is_some()), "{path:?} {argument}");
        }
        whole.debug_assert();
    }
}

#[cfg(all(test, unix))]
mod in_a_home {
    use crate::host::testing::Home;

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
