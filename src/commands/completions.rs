//! `ringlet completions`: prints the registration for a shell, and answers what the shell then asks.

use super::{help, man, schema, settings};
use crate::cli::{Cli, ShellName};
use crate::config::{Backend, Settings};
use crate::env::Env;
use crate::failure::Failure;
use crate::host::{Host, OpenStore, World};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform;
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::shell::{COMPLETE_VARIABLE, Shell, quote, render_completion};
use crate::store::{Opening, Prompt};
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `ringlet completions SHELL [--install]`
pub(super) fn run(host: &mut Host, shell: Option<ShellName>, install: bool) -> Result<i32, Failure> {
    let shell = shell.map_or_else(|| Shell::of_user(&host.world.env), Shell::from);
    let script = script(shell)?;
    if !install {
        host.output.raw(&script);
        return Ok(0);
    }
    super::Session::despite(&host.world, super::AuditWanted::default())?;
    let Some(place) = Place::of(&host.world, shell)? else {
        return Err(Failure::new("PowerShell has no folder that it loads completions from")
            .hint("add this line to $PROFILE: Invoke-Expression (& ringlet completions powershell | Out-String)"));
    };
    man::write(&place.folder, place.name, &script)?;
    let pretty = Paths::new(&host.world.env)?.pretty(&place.folder);
    host.output.note(format!("installed the completions for {shell} in {pretty}"));
    host.output.note(match place.is_searched {
        true => "open a new shell, then type `ringlet ` and TAB".to_owned(),
        false => {
            let folder = quote(shell, place.folder.as_os_str().as_encoded_bytes())?;
            format!("put this line before `compinit` in .zshrc, and open a new shell: fpath=({folder} $fpath)")
        }
    });
    Ok(0)
}

/// Where a shell finds a command's completions.
pub(super) struct Place {
    folder: PathBuf,
    name: &'static str,
    /// Whether the shell searches the folder by itself.
    is_searched: bool,
}

impl Place {
    /// Returns the folder of the user's own for a shell; none for PowerShell, which has none.
    pub(super) fn of(world: &World, shell: Shell) -> Result<Option<Self>, Failure> {
        let data = man::data_folder(world)?;
        let config = || Ok::<_, Failure>(world.env.absolute("XDG_CONFIG_HOME").unwrap_or(home(world)?.join(".config")));
        let (folder, name) = match shell {
            Shell::Bash => (data.join("bash-completion/completions"), "ringlet"),
            Shell::Zsh => (data.join("zsh/site-functions"), "_ringlet"),
            Shell::Fish => (config()?.join("fish/completions"), "ringlet.fish"),
            Shell::Nushell => (nushell_data(world)?.join("vendor/autoload"), "ringlet-completions.nu"),
            Shell::PowerShell => return Ok(None),
        };
        // zsh names no folder of the user's; FPATH tells of one only where it is exported.
        Ok(Some(Self { folder, name, is_searched: shell != Shell::Zsh }))
    }

    /// Reports whether the completions that are installed are those of this version; `None` if there are none.
    pub(super) fn is_current(&self, shell: Shell) -> Option<bool> {
        let text = platform::read_file(&self.folder.join(self.name), 1 << 20).ok()?.bytes;
        Some(script(shell).is_ok_and(|script| script.as_bytes() == text))
    }
}

// `$nu.data-dir`: nushell follows `XDG_DATA_HOME` on every system, and else the system's custom.
fn nushell_data(world: &World) -> Result<PathBuf, Failure> {
    let systems = match () {
        () if world.env.absolute("XDG_DATA_HOME").is_some() => None,
        () if cfg!(target_os = "macos") => Some(home(world)?.join("Library/Application Support")),
        () if cfg!(windows) => world.env.absolute("APPDATA"),
        () => None,
    };
    Ok(systems.map_or_else(|| man::data_folder(world), Ok)?.join("nushell"))
}

fn home(world: &World) -> Result<PathBuf, Failure> {
    Ok(Paths::new(&world.env)?.home)
}

/// Returns the registration for a shell, as it is kept in `/completions`.
pub fn script(shell: Shell) -> Result<String, Failure> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Zsh => &Zsh,
        Shell::Bash => &Bash,
        Shell::Fish => &Fish,
        Shell::PowerShell | Shell::Nushell => return Ok(render_completion(shell, Path::new("ringlet"))?),
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
    // A line of an rc file may stand before `compinit`. Then the first prompt registers it.
    format!(
        "{functions}\n\
         if [[ ${{funcstack[1]-}} == _ringlet ]]; then\n    {complete}\n\
         elif (( ${{+functions[compdef]}} )); then\n    {register}\n\
         else\n    \
             function _ringlet_register() {{\n        \
                 precmd_functions=(\"${{(@)precmd_functions:#_ringlet_register}}\")\n        \
                 (( ${{+functions[compdef]}} )) && {register}\n    \
             }}\n    \
             typeset -ga precmd_functions\n    precmd_functions+=(_ringlet_register)\n\
         fi\n"
    )
}

/// Answers a shell that asks for completions. Returns false when none asked.
pub(super) fn answered(host: &mut Host) -> Result<bool, Failure> {
    let Some(name) = host.world.env.non_empty(COMPLETE_VARIABLE).filter(|name| *name != "0") else {
        return Ok(false);
    };
    let shell: Shell = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().parse()?;
    let words = words(&host.world);
    let answer = match words.is_empty() {
        true => script(shell)?,
        false => candidates(host, shell, words)?,
    };
    host.output.raw(&answer);
    Ok(true)
}

// The command line that is completed stands behind `--`.
fn words(world: &World) -> Vec<OsString> {
    let behind = world.arguments.iter().skip(1).skip_while(|word| *word != "--").skip(1);
    behind.cloned().collect()
}

// Returns the candidates in the form in which the shell's registration reads them.
fn candidates(host: &Host, shell: Shell, mut words: Vec<OsString>) -> Result<String, Failure> {
    let env = &host.world.env;
    let named = env.get("_CLAP_COMPLETE_INDEX").and_then(|text| text.to_str()?.parse::<usize>().ok());
    let at = named.unwrap_or(words.len() - 1).min(words.len());
    // zsh leaves out an empty word at the end.
    if at == words.len() {
        words.push(OsString::new());
    }
    let source = Arc::new(Source::new(&host.world, &words[..at]));
    let found = complete(&source, words, at, host.world.cwd.as_deref().ok())
        .map_err(|error| Failure::new(format!("the completions cannot be worked out: {error}")))?;
    let separator = env.get("_CLAP_IFS").map_or("\n".into(), |text| text.to_string_lossy());
    let line = |(value, help): &(String, String)| match help.as_str() {
        "" => format!("{value}\n"),
        help => format!("{value}\t{help}\n"),
    };
    Ok(match shell {
        Shell::Bash => found.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>().join(&separator),
        Shell::Zsh => {
            let escape = |text: &str| text.replace('\\', "\\\\");
            let describe = |(value, help): &(String, String)| match help.as_str() {
                "" => escape(value).replace(':', "\\:"),
                help => format!("{}:{}", escape(value).replace(':', "\\:"), escape(help)),
            };
            found.iter().map(describe).collect::<Vec<_>>().join(&separator)
        }
        Shell::Fish | Shell::PowerShell => found.iter().map(line).collect(),
        Shell::Nushell => {
            let record = |(value, help): &(String, String)| json!({ "value": value, "description": help });
            serde_json::Value::from_iter(found.iter().map(record)).to_string()
        }
    })
}

// Returns the values and what they mean. Options are offered for a word that begins like one: they would else stand in
// front of the names, and be inserted for a second TAB.
fn complete(
    source: &Arc<Source>,
    words: Vec<OsString>,
    at: usize,
    folder: Option<&Path>,
) -> std::io::Result<Vec<(String, String)>> {
    let wants_options = words[at].as_encoded_bytes().starts_with(b"-");
    let found = clap_complete::engine::complete(&mut with_candidates(source), words, at, folder)?;
    let pair = |candidate: CompletionCandidate| {
        let help = candidate.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned());
        (candidate.get_value().to_string_lossy().into_owned(), help.unwrap_or_default())
    };
    Ok(found.into_iter().map(pair).filter(|(value, _)| wants_options || !value.starts_with('-')).collect())
}

/// What candidates are read from: the folders and the store of a host. A completion must never fail, ask or take long,
/// so that what cannot be read has no candidates.
struct Source {
    paths: Option<Paths>,
    env: Env,
    open_store: OpenStore,
    /// The words before the one that is completed.
    before: Vec<String>,
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
    (&["keychain", "remove"], "provider", Source::keys_or_providers),
    (&["keychain", "remove"], "alias", Source::aliases),
    (&["keychain", "rename"], "provider", Source::keys_or_providers),
    (&["keychain", "rename"], "alias", Source::aliases),
    (&["keychain", "export"], "prefix", Source::keys),
    (&["keychain", "rotate"], "provider", Source::keys_or_providers),
    (&["keychain", "rotate"], "alias", Source::aliases),
    (&["keychain", "copy"], "provider", Source::keys_or_providers),
    (&["keychain", "copy"], "alias", Source::aliases),
    (&["keychain", "copy"], "to", Source::stores),
    (&["keychain", "copy"], "from", Source::stores),
    (&["keychain", "move"], "provider", Source::keys_or_providers),
    (&["keychain", "move"], "alias", Source::aliases),
    (&["keychain", "move"], "to", Source::stores),
    (&["keychain", "move"], "from", Source::stores),
    (&["profiles", "create"], "agent", Source::agents),
    (&["profiles", "create"], "provider", Source::providers),
    (&["profiles", "create"], "key_alias", Source::aliases),
    (&["profiles", "inspect"], "name", Source::profiles),
    (&["profiles", "edit"], "name", Source::profiles),
    (&["profiles", "edit"], "changes", Source::profile_keys),
    (&["profiles", "remove"], "name", Source::profiles),
    (&["profiles", "default"], "name", Source::profiles),
    (&["profiles", "run"], "name", Source::profiles),
    (&["profiles", "run"], "agent", Source::agents),
    (&["profiles", "run"], "named", Source::agents),
    (&["shims", "install"], "agents", Source::agents),
    (&["shims", "remove"], "agents", Source::agents),
    (&["help"], "words", Source::topics),
    (&["schema"], "name", |_| schema::SCHEMAS.iter().map(|(name, ..)| (*name).to_owned()).collect()),
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
    fn new(world: &World, before: &[OsString]) -> Self {
        let before = before.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Self { paths: paths(world), env: world.env.clone(), open_store: world.open_store, before }
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

    /// The stores of the settings and Ringlet's own.
    fn stores(&self) -> Vec<String> {
        let named = self.settings().map(|settings| settings.stores.specs).unwrap_or_default();
        let own = Backend::NAMES.iter().map(|(name, _)| (*name).to_owned());
        sorted(named.keys().map(ToString::to_string).chain(own))
    }

    fn keys(&self) -> Vec<String> {
        self.key_names().iter().map(ToString::to_string).collect()
    }

    /// The keys whose scope asks for a lease.
    fn keys_for_leases(&self) -> Vec<String> {
        let scopes = self.settings().map(|settings| settings.scopes).unwrap_or_default();
        scopes.iter().filter(|(_, scope)| scope.lease.is_some()).map(|(key, _)| key.to_string()).collect()
    }

    /// The aliases of the provider that an earlier word names.
    fn aliases(&self) -> Vec<String> {
        let Some(provider) = self.named_provider() else { return Vec::new() };
        let names = self.key_names();
        let own = names.iter().filter(|key| key.provider.as_str() == provider);
        sorted(own.map(|key| key.alias.to_string()))
    }

    // `--provider`, else what the agent of `--agent` takes, else the word behind the command of `ringlet keychain`.
    fn named_provider(&self) -> Option<String> {
        let option = |name: &str| {
            self.before.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)? {
                "" => self.before.get(at + 1).cloned(),
                value => value.strip_prefix('=').map(str::to_owned),
            })
        };
        let of_agent = || {
            let agent = option("--agent")?.parse().ok()?;
            Some(self.registry()?.agent(&agent).ok()?.provider.to_string())
        };
        let positional = || {
            let commands = ["set", "remove", "rename", "rotate", "copy", "move"];
            let at = self.before.iter().position(|word| commands.contains(&word.as_str()))?;
            self.before[at + 1..].iter().find(|word| !word.starts_with('-')).cloned()
        };
        option("--provider").or_else(of_agent).or_else(positional)
    }

    /// The keys, as one word; `PROVIDER` and `ALIAS` may be two.
    fn keys_or_providers(&self) -> Vec<String> {
        let mut names = self.keys();
        names.extend(self.providers_with_keys());
        names
    }

    /// The keys of a profile's file, as far as a command line is likely to set them.
    fn profile_keys(&self) -> Vec<String> {
        ["model=", "endpoint=", "config-dir=", "auth=", "delivery=", "provider-config.key-alias="]
            .map(str::to_owned)
            .to_vec()
    }

    fn topics(&self) -> Vec<String> {
        help::TOPICS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn providers_with_keys(&self) -> Vec<String> {
        sorted(self.key_names().iter().map(|key| key.provider.to_string()))
    }

    fn key_names(&self) -> Vec<KeyName> {
        // No program is run for a completion.
        let (programs, tools_env, prompt) = (BTreeMap::new(), Env::default(), Prompt::Never);
        let names = self.paths.as_ref().zip(self.settings()).and_then(|(paths, settings)| {
            let (settings, env) = (&settings, &self.env);
            let opening = Opening { settings, paths, env, programs: &programs, tools_env: &tools_env, prompt };
            (self.open_store)(&opening).names_at_hand().ok()
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

    // Returns the candidates for the last word.
    fn complete(home: &Home, words: &[&str]) -> Vec<String> {
        let all: Vec<OsString> = ["ringlet"].iter().chain(words).map(OsString::from).collect();
        let source = Arc::new(Source::new(&home.world(words), &all[..words.len()]));
        let found = super::complete(&source, all, words.len(), Some(&home.path)).expect("candidates");
        found.into_iter().map(|(value, _)| value).collect()
    }

    #[test]
    fn every_completed_argument_is_one_of_the_command_line() {
        let whole = with_candidates(&Arc::new(Source::new(&Home::new().world(&[]), &[])));
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
        assert_eq!(complete(&home, &["keychain", "remove", ""]), ["anthropic/work", "anthropic"]);
        assert_eq!(complete(&home, &["keychain", "remove", "anthropic", "w"]), ["work"]);
        assert_eq!(complete(&home, &["audit", "--alias", "anth"]), ["anthropic/work"]);
        assert_eq!(complete(&home, &["keychain", "check", ""]), ["anthropic/work"]);
    }

    #[test]
    fn aliases_are_those_of_the_named_provider_alone() {
        let mut home = Home::new();
        for (provider, alias) in [("anthropic", "work"), ("openai", "team")] {
            home.input = b"something-0123456789abcdef\n".to_vec();
            home.run(&["keychain", "set", provider, alias, "--stdin"]).succeeds();
        }
        assert_eq!(complete(&home, &["keychain", "set", "anthropic", ""]), ["work"]);
        assert_eq!(complete(&home, &["keychain", "rename", "openai", ""]), ["team"]);
        let create = ["profiles", "create", "x", "--agent", "codex", "--provider", "openai", "--key-alias", ""];
        assert_eq!(complete(&home, &create), ["team"]);
        let create = ["profiles", "create", "openai", "--agent", "claude", "--key-alias", ""];
        assert_eq!(complete(&home, &create), ["work"], "a profile may have a provider's name");
    }

    #[test]
    fn options_are_offered_behind_a_dash_and_nowhere_else() {
        let home = Home::with_profile("usual");
        let commands: Vec<Vec<&str>> =
            COMPLETED.iter().map(|(path, _, _)| path.iter().copied().chain([""]).collect()).collect();
        let more = [vec![""], vec!["keychain", ""], vec!["lease", "grant", ""], vec!["status", "claude", ""]];
        for words in commands.iter().chain(&more) {
            let found = complete(&home, words);
            assert!(found.iter().all(|word| !word.starts_with('-')), "{words:?} {found:?}");
        }
        for words in [["status", "-"], ["init", "--j"]] {
            assert!(complete(&home, &words).contains(&"--json".to_owned()), "{words:?}");
        }
    }

    #[test]
    fn each_shell_gets_the_form_that_it_reads() {
        let mut home = Home::with_profile("usual");
        let mut asked = |shell: &str| {
            home.env = vec![("COMPLETE", shell.to_owned())];
            home.run(&["--", "ringlet", "--ver"]).succeeds().out
        };
        assert_eq!(asked("bash"), "--verbose\n--version");
        assert_eq!(asked("/bin/zsh"), "--verbose:Say more\n--version:Print version");
        assert_eq!(asked("fish"), "--verbose\tSay more\n--version\tPrint version\n");
        assert_eq!(asked("fish"), asked("pwsh"));
        let records: serde_json::Value = serde_json::from_str(&asked("nu")).expect("JSON");
        assert_eq!(records[0], json!({ "value": "--verbose", "description": "Say more" }));
        home.run(&["--"]).succeeds();
        home.env = vec![("COMPLETE", "csh".to_owned())];
        home.run(&["--", "ringlet", ""]).is_refused(1, "csh");
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
        for shell in Shell::ALL {
            let code = home.run(&["completions", shell.name()]).succeeds().out;
            assert!(code.contains("ringlet"), "{shell}");
        }
        let ran = home.run(&["completions", "csh"]);
        assert!(ran.status == 2 && ran.out.is_empty() && ran.err.contains("csh"), "{ran:?}");
    }
}
