//! From a directory, a word and an environment to a launch plan.
//!
//! `choice` finds the profile, `binary` the agent's real program, `guard` what in the project could send the key
//! elsewhere, `gate` whether the scopes of the keys let them be looked up; `scope` is the rule itself, which the daemon
//! asks as well. `LaunchPlan` itself is pure: it holds references to secrets and can be printed. The same plan serves
//! `exec`, `exec --dry-run` and `status`; nothing here ever opens a store.

mod binary;
mod choice;
mod gate;
mod guard;
mod scope;

pub use binary::{Version, find_binary, guard_binary, installed_version};
pub use choice::{Choice, Project, Why, choose, find_project};
pub use gate::{Passed, Refused, check_scopes};
pub use guard::{Finding, guard_project};
pub use scope::{Facts, Pass, Reason, Rule};

use crate::config::{ConfigError, Settings};
use crate::env::{Change, Env};
use crate::lease::LeaseError;
use crate::name::{KeyName, Profile, Variable, shorten};
use crate::paths::Paths;
use crate::pins::PinError;
use crate::profile::{ProfileError, Resolved};
use crate::registry::{AgentSpec, Auth, Protocol, Registry, RegistryError};
use crate::trust::{TrustError, Verdict};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What every decision is made from.
pub struct Context<'a> {
    /// Ringlet's places.
    pub paths: &'a Paths,
    /// The user's settings.
    pub settings: &'a Settings,
    /// Agents and providers.
    pub registry: &'a Registry,
    /// The environment.
    pub env: &'a Env,
    /// The working directory, canonical.
    pub cwd: &'a Path,
    /// Ringlet's own executable, never to be mistaken for an agent.
    pub ringlet: Option<&'a Path>,
}

/// Why there is no plan. Every variant refuses the launch.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The project file is not allowed as it is.
    #[error("{} is {verdict}", file.display())]
    NotAllowed {
        /// The project file.
        file: PathBuf,
        /// What the user has said so far.
        verdict: Verdict,
    },
    /// Trust could not be decided.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A definition cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A directory on the way up cannot be looked into.
    #[error("cannot look for .ringlet.toml from {} up: {error}", start.display())]
    Search {
        /// Where the search began.
        start: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The agent is nowhere on PATH.
    #[error("{}: not found on PATH", shorten(command))]
    NotFound {
        /// The command.
        command: String,
    },
    /// The agent is there and cannot be executed.
    #[error("{}: not executable", file.display())]
    NotExecutable {
        /// The file.
        file: PathBuf,
    },
    /// The agent's program belongs to the project it would work on.
    #[error("the agent would be {}, which lies inside the project {}", binary.display(), project.display())]
    BinaryInProject {
        /// The program.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// What would run the agent's script belongs to that project.
    #[error("the agent would be run by {}, which lies inside the project {}", binary.display(), project.display())]
    InterpreterInProject {
        /// The interpreter.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// Project files could send the key elsewhere.
    #[error("{}", findings.first().map_or_else(String::new, ToString::to_string))]
    Guarded {
        /// What was found, at least one.
        findings: Vec<Finding>,
    },
    /// A key's scope does not let it be looked up.
    #[error("{0}")]
    Scoped(Box<Refused>),
    /// A pin cannot be read.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The leases cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The profile does not bind the agent that was asked for by name.
    #[error("profile \"{profile}\" does not bind {}", shorten(agent))]
    NotBound {
        /// The profile.
        profile: Profile,
        /// The agent.
        agent: String,
    },
}

/// Where a secret goes in the agent's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Into a variable.
    Variable(Variable),
    /// Into a pipe whose descriptor number is put into the variable.
    Descriptor(Variable),
}

/// One secret that a launch needs: its name and where it goes, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The key's name.
    pub key: KeyName,
    /// Where it goes.
    pub sink: Sink,
}

/// A launch, decided and printable.
#[derive(Debug, Clone)]
pub struct LaunchPlan {
    /// The command as the agent sees it in `argv[0]`.
    pub command: String,
    /// The agent's program.
    pub binary: PathBuf,
    /// The arguments behind `argv[0]`.
    pub arguments: Vec<OsString>,
    /// The profile's part; without one the agent starts as if Ringlet were not there.
    pub profile: Option<ProfilePart>,
}

/// What a profile adds to a launch.
#[derive(Debug, Clone)]
pub struct ProfilePart {
    /// The profile made concrete.
    pub resolved: Resolved,
    /// Changes to the environment, in order, all but the secrets.
    pub changes: Vec<Change>,
    /// The secrets; empty when the invocation needs none.
    pub secrets: Vec<SecretUse>,
    /// Variables of the shell that would have competed and are taken away.
    pub removed: Vec<String>,
    /// Why no key is looked up, when none is.
    pub no_key: Option<String>,
    /// What the keys' scopes asked for, once they were asked.
    pub scopes: Passed,
}

impl LaunchPlan {
    /// A launch without a profile.
    pub fn untouched(command: String, binary: PathBuf, words: &[OsString]) -> Self {
        Self { command, binary, arguments: words.to_vec(), profile: None }
    }

    /// A launch with a profile. Pure: the same input gives the same plan.
    pub fn new(
        command: String,
        binary: PathBuf,
        version: Option<&Version>,
        words: &[OsString],
        resolved: Resolved,
        env: &Env,
    ) -> Self {
        let agent = &resolved.agent;
        let no_key = needs_no_key(agent, words);
        let removed = competing(agent, env);
        let mut changes: Vec<Change> =
            removed.iter().filter_map(|name| Some(Change::Unset(name.parse().ok()?))).collect();
        let set = |name: &Variable, value: &str| Change::Set(name.clone(), value.into());
        changes.extend(agent.set.iter().map(|(name, value)| set(name, value)));
        if let Some(folder) = &resolved.config_dir {
            changes.extend(agent.config_dir.iter().map(|it| {
                let mut path = folder.value.clone().into_os_string();
                path.push(&it.suffix);
                Change::Set(it.variable.clone(), path)
            }));
        }
        changes.extend(resolved.env.iter().map(|(name, value)| set(name, &value.value)));
        let mut arguments: Vec<OsString> = agent.args.iter().map(OsString::from).collect();
        let mut secrets = Vec::new();
        if no_key.is_none() {
            let plain = resolved
                .api
                .key_fd_unless
                .iter()
                .any(|it| words.iter().any(|word| word == it.as_str()) || env.non_empty(it).is_some());
            let (sink, fill) = key_sink(&resolved, version.filter(|_| !plain));
            secrets.push(SecretUse { key: resolved.key.value.clone(), sink });
            secrets.extend(
                resolved
                    .secrets
                    .iter()
                    .map(|(name, key)| SecretUse { key: key.value.clone(), sink: Sink::Variable(name.clone()) }),
            );
            changes.extend(fill.changes);
            arguments.extend(fill.arguments);
        }
        arguments.extend(resolved.args.iter().map(OsString::from));
        arguments.extend_from_slice(words);
        let profile = ProfilePart { changes, secrets, removed, no_key, scopes: Passed::default(), resolved };
        Self { command, binary, arguments, profile: Some(profile) }
    }
}

struct Fill {
    changes: Vec<Change>,
    arguments: Vec<OsString>,
}

// The api's part: where the key goes, and the variables and arguments that point the agent at the provider.
fn key_sink(resolved: &Resolved, version: Option<&Version>) -> (Sink, Fill) {
    let (api, provider) = (&resolved.api, &resolved.provider.value);
    let own = api.key.clone().unwrap_or_else(|| provider.variable.clone());
    let wants_bearer = api.protocol == Protocol::Anthropic && provider.auth(api.protocol) == Auth::Bearer;
    let mut changes = Vec::new();
    let sink = match (&api.bearer, &api.key_fd) {
        (Some(bearer), _) if wants_bearer => {
            // An empty key keeps the agent from sending, or asking for, one of its own beside the token.
            changes.push(Change::Set(own, OsString::new()));
            Sink::Variable(bearer.clone())
        }
        (_, Some((variable, since))) if cfg!(unix) && version.is_some_and(|version| version.is_at_least(since)) => {
            Sink::Descriptor(variable.clone())
        }
        _ => Sink::Variable(own),
    };
    let key_variable = match &sink {
        Sink::Variable(name) | Sink::Descriptor(name) => name.as_str(),
    };
    let base_url = resolved.base_url.as_ref().map_or("", |url| url.value.as_str());
    let model = resolved.model.as_ref().map(|model| model.value.as_str());
    let fill = |template: &str| {
        template
            .replace("{key-variable}", key_variable)
            .replace("{provider}", provider.name.as_str())
            .replace("{base-url}", base_url)
            .replace("{model}", model.unwrap_or_default())
    };
    if let Some(name) = &api.base_url {
        let instead = api.base_url_default.as_deref().filter(|_| resolved.default_endpoint);
        changes.push(Change::Set(name.clone(), instead.unwrap_or(base_url).into()));
    }
    let mut arguments: Vec<OsString> = api.args.iter().map(|word| fill(word).into()).collect();
    if let Some(model) = model {
        changes.extend(api.model.iter().map(|name| Change::Set(name.clone(), model.into())));
        arguments.extend(api.model_args.iter().map(|word| OsString::from(fill(word))));
    }
    changes.extend(api.set.iter().map(|(name, value)| Change::Set(name.clone(), fill(value).into())));
    (sink, Fill { changes, arguments })
}

// The variables of the shell that would win over the profile's key, or lead it elsewhere.
fn competing(agent: &AgentSpec, env: &Env) -> Vec<String> {
    let competes = |name: &str| {
        // As the system compares them, like [`Env`].
        let name = if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() };
        agent.unset.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => name == *pattern,
        })
    };
    let mut names: Vec<String> = env.names().filter(|name| competes(name)).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

// Only the first argument counts: behind a prompt or an option with a value, a word such as `config` is the user's text.
fn needs_no_key(agent: &AgentSpec, words: &[OsString]) -> Option<String> {
    let first = words.first()?.to_str()?;
    let named = agent.no_key.flags.iter().chain(&agent.no_key.commands).any(|word| word == first);
    named.then(|| format!("`{} {first}` needs no key", agent.command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::profile::Profiles;

    fn plan(profile: &str, agent: &str, words: &[&str], env: &[(&str, &str)], version: Option<&str>) -> LaunchPlan {
        let env = Env::from_pairs(env.iter().copied());
        let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
        let registry = Registry::new(&paths);
        let profiles = Profiles::new(&paths, &registry);
        let source = Source { file: "p".into(), text: profile.into(), access: None };
        let file = profiles.parse(&"work".parse().expect("valid"), source).expect("valid profile");
        let resolved = profiles.resolve(&file, &agent.parse().expect("valid")).expect("resolves").expect("bound");
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let version = version.map(|text| Version::parse(text).expect("a version"));
        LaunchPlan::new(agent.into(), "/bin/agent".into(), version.as_ref(), &words, resolved, &env)
    }

    fn environment(plan: &LaunchPlan, before: &[(&str, &str)]) -> Env {
        let mut env = Env::from_pairs(before.iter().copied());
        env.apply(&plan.profile.as_ref().expect("a profile").changes);
        env
    }

    const CLAUDE: &str = "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n";

    #[test]
    fn leftover_credentials_are_taken_away_and_the_base_url_is_always_set() {
        let before = [
            ("PATH", "/bin"),
            ("ANTHROPIC_AUTH_TOKEN", "x"),
            ("CLAUDE_CODE_USE_BEDROCK", "1"),
            ("ANTHROPIC_BASE_URL", "http://evil"),
        ];
        let plan = plan(CLAUDE, "claude", &["-p", "hi"], &before, None);
        let env = environment(&plan, &before);
        assert_eq!(env.get("ANTHROPIC_AUTH_TOKEN"), None);
        assert_eq!(env.get("CLAUDE_CODE_USE_BEDROCK"), None);
        assert_eq!(env.get("ANTHROPIC_BASE_URL"), Some("https://api.anthropic.com".as_ref()));
        assert_eq!(env.get("PATH"), Some("/bin".as_ref()));
        let part = plan.profile.as_ref().expect("a profile");
        assert_eq!(part.removed, ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_USE_BEDROCK"]);
        let sink = Sink::Variable("ANTHROPIC_API_KEY".parse().expect("valid"));
        assert_eq!(part.secrets, [SecretUse { key: "anthropic/work".parse().expect("valid"), sink }]);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_enough_claude_gets_a_descriptor_and_a_third_party_a_bearer_token() {
        let secrets = |plan: LaunchPlan| plan.profile.expect("a profile").secrets[0].sink.clone();
        let descriptor = Sink::Descriptor("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR".parse().expect("valid"));
        assert_eq!(secrets(plan(CLAUDE, "claude", &[], &[], Some("99.0.0"))), descriptor);
        assert!(matches!(secrets(plan(CLAUDE, "claude", &[], &[], Some("0.2.1"))), Sink::Variable(_)));
        assert!(matches!(secrets(plan(CLAUDE, "claude", &["--bare"], &[], Some("99.0.0"))), Sink::Variable(_)));
        let simple = [("CLAUDE_CODE_SIMPLE", "1")];
        assert!(matches!(secrets(plan(CLAUDE, "claude", &[], &simple, Some("99.0.0"))), Sink::Variable(_)));
        let other = CLAUDE.replace("\"anthropic\"", "\"openrouter\"");
        let plan = plan(&other, "claude", &[], &[], Some("99.0.0"));
        assert_eq!(environment(&plan, &[]).get("ANTHROPIC_API_KEY"), Some("".as_ref()));
        assert_eq!(secrets(plan), Sink::Variable("ANTHROPIC_AUTH_TOKEN".parse().expect("valid")));
    }

    #[test]
    fn an_invocation_without_need_of_a_key_gets_none() {
        for (words, none) in
            [(&["--version"][..], true), (&["mcp", "list"], true), (&["-p", "config"], false), (&[], false)]
        {
            let plan = plan(CLAUDE, "claude", words, &[], None);
            assert_eq!(plan.profile.expect("a profile").secrets.is_empty(), none, "{words:?}");
        }
    }

    #[test]
    fn codex_gets_a_provider_of_its_own_before_the_users_words() {
        let profile = "agent = \"codex\"\nprovider = \"openai\"\nmodel = \"m1\"\nargs = [\"--x\"]\n[provider-config]\n";
        let plan = plan(profile, "codex", &["exec", "hi"], &[], None);
        let words: Vec<&str> = plan.arguments.iter().map(|word| word.to_str().expect("UTF-8")).collect();
        assert!(words.contains(&"model_providers.ringlet.base_url=\"https://api.openai.com/v1\""), "{words:?}");
        assert!(words.contains(&"model=\"m1\""), "{words:?}");
        assert_eq!(words[words.len() - 3..], ["--x", "exec", "hi"]);
    }

    #[test]
    fn every_pair_that_fits_gives_a_plan_without_open_placeholders() {
        let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
        let registry = Registry::new(&paths);
        let profiles = Profiles::new(&paths, &registry);
        let mut fitting = 0;
        for agent in registry.agent_names().expect("listed") {
            for provider in registry.provider_names().expect("listed") {
                let text =
                    format!("agent = \"{agent}\"\nprovider = \"{provider}\"\nmodel = \"m\"\n[provider-config]\n");
                let source = Source { file: "p".into(), text, access: None };
                let file = profiles.parse(&"p".parse().expect("valid"), source).expect("valid profile");
                let Ok(Some(resolved)) = profiles.resolve(&file, &agent.parse().expect("valid")) else { continue };
                fitting += 1;
                let plan = LaunchPlan::new(agent.clone(), "/x".into(), None, &[], resolved, &Env::default());
                let shown = format!("{:?} {:?}", plan.arguments, plan.profile.expect("a profile").changes);
                for open in ["{base-url}", "{key-variable}", "{provider}", "{model}"] {
                    assert!(!shown.contains(open), "{agent} with {provider}: {shown}");
                }
            }
        }
        assert!(fitting >= 40, "only {fitting} pairs fit");
    }
}
