//! What the rules for accounts ask of this machine, and the texts of the profiles that a run makes.

use super::settings;
use crate::commands::Session;
use crate::config::Source;
use crate::failure::Failure;
use crate::host::Host;
use crate::migrate::accounts::{Account, Bound, Machine, Spared};
use crate::migrate::files::Shell;
use crate::migrate::journal::{Journal, Stage};
use crate::migrate::made::MadeFile;
use crate::migrate::plan::{Plan, PlannedAccount};
use crate::migrate::vocabulary::Vocabulary;
use crate::name::{KeyName, Profile, Provider};
use crate::plan::{self, Context};
use crate::platform;
use crate::profile::edit::{self, NewAccount, NewBinding};
use crate::profile::{Kind, Profiles};
use crate::registry::{Auth, ProviderSpec};
use crate::shell;
use crate::store::{Prompt, StoreError};
use crate::url::Http;
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml_edit::DocumentMut;
use zeroize::Zeroizing;

/// Describes the machine as its environment shows it.
pub(in crate::commands) fn machine<'w>(host: &Host, session: &'w Session) -> Result<Machine<'w>, Failure> {
    let vocabulary = Arc::new(Vocabulary::new(&session.registry)?);
    let search = host.world.env.non_empty("PATH").unwrap_or_default().to_owned();
    let known = session.registry.commands()?;
    let on_path = platform::found_on(&search, known.values().flatten().map(String::as_str).chain(["ringlet"]));
    let has = |commands: &Vec<String>| commands.iter().any(|command| on_path.contains(command.as_str()));
    let agents = known.iter().filter(|(_, commands)| has(commands)).map(|(agent, _)| agent.to_string()).collect();
    let has_ringlet = on_path.contains("ringlet");
    let home = session.paths.home.clone();
    let leads_to = move |command: &str, path: &str| {
        let path = path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest));
        platform::candidates(command, &search).next().is_some_and(|found| platform::same_file(&found, &path))
    };
    let of_launch = host.world.env.clone();
    let executable = host.world.executable.as_deref().ok().map(Path::to_owned);
    // Codex takes the endpoint from its own file, and a launch of ours would not.
    let codex = session.registry.agent(&"codex".parse()?)?;
    let codex_leads_to = settings::own_endpoint(host, session, &codex);
    let check = move |agent: &str, account: &Account| {
        if let Some(why) = codex_leads_to.as_ref().filter(|_| agent == "codex" && account.is_at_its_provider) {
            return Err(format!("its key may belong to another endpoint: {why}"));
        }
        let profiles = Profiles::new(&session.paths, &session.registry);
        let drafted = drafted(agent, account).map_err(|error| error.message)?;
        let name: Profile = "drafted".parse().map_err(|_| "a profile's name".to_owned())?;
        let bound = drafted.agent.clone();
        // Another address of a provider's own is no other way to speak to it.
        if account.endpoint.is_some() && account.is_at_its_provider {
            let own = self::drafted(agent, &Account { endpoint: None, ..account.clone() });
            let own = own.map_err(|error| error.message)?;
            profiles.draft(&name, None, &[own]).map_err(|error| error.to_string())?;
        }
        let text = profiles.draft(&name, None, &[drafted]).map_err(|error| error.to_string())?;
        let source = Source { file: session.paths.profile(&name), text, access: None };
        let resolved = profiles.parse(&name, source).and_then(|file| profiles.resolve(&file, &bound));
        let Some(resolved) = resolved.map_err(|error| error.to_string())? else { return Ok(()) };
        // What is true at home is true of a launch in any directory.
        let (paths, settings, registry) = (&session.paths, &session.settings, &session.registry);
        let (cwd, account_home) = (session.paths.home.as_path(), &platform::account_home);
        let ringlet = executable.as_deref();
        let context = Context { paths, settings, registry, env: &of_launch, cwd, ringlet, account_home };
        plan::refuse_account(&context, resolved).map_err(|error| {
            let refused = Failure::from(error);
            let shell = shell::Shell::of_user(&of_launch);
            let help = refused.hints.first().map(|hint| format!(": {}", shell.write_hint(hint)));
            format!("{}{}", refused.message, help.unwrap_or_default())
        })
    };
    let environment = host.world.env.clone();
    let governing = governing(host, session, &vocabulary);
    let profiles = Profiles::new(&session.paths, &session.registry);
    let default = session.settings.default_profile.as_ref();
    // A profile that cannot be read is named by the launch.
    let bound = default.and_then(|name| profiles.read(name).ok()).map(|file| file.bindings.into_keys());
    let stores = settings::all(host, session, &vocabulary)?;
    Ok(Machine {
        bound: accounts_of(&profiles, session)?,
        default: default
            .map(|name| (name.to_string(), bound.into_iter().flatten().map(|agent| agent.to_string()).collect())),
        agents,
        has_ringlet,
        leads_to: Box::new(leads_to),
        check: Box::new(check),
        logins: logins(host, session)?,
        governing,
        login: login_shell(host),
        holds: Box::new(move |name, value| environment.get(name).is_some_and(|own| own.as_encoded_bytes() == value)),
        vocabulary,
        spared: Spared::new(Vec::new()),
        profiles: profiles.names()?.iter().map(ToString::to_string).collect(),
        chosen: BTreeMap::new(),
        moved: Vec::new(),
        stores,
    })
}

/// Has the machine know what earlier runs moved: a copy of such a key may have no form that tells. Nobody is asked to
/// unlock anything. Gives why the keys cannot be had.
pub(in crate::commands) fn know_moved(host: &Host, session: &Session, machine: &mut Machine<'_>) -> Option<String> {
    let journals = Journal::all(&session.paths).map(|journals| journals.runs).unwrap_or_default();
    let lasting = journals.iter().filter(|run| !matches!(run.stage, Stage::Planned | Stage::Undone));
    let keys = lasting.flat_map(|run| &run.keys).filter_map(|key| key.name.parse::<KeyName>().ok());
    let providers: BTreeSet<Provider> = keys.map(|key| key.provider).collect();
    if providers.is_empty() {
        return None;
    }
    let store = session.open_store(&host.world, Prompt::Never);
    // By their providers, since a key may have been renamed.
    let mut read = || -> Result<(), StoreError> {
        for name in store.names()?.into_iter().filter(|name| providers.contains(&name.provider)) {
            let value = Zeroizing::new(store.get(&name)?.expose().to_vec());
            machine.moved.push((value, name.provider.to_string()));
        }
        Ok(())
    };
    let why = read().err()?;
    Some(format!("copies of keys that were moved before are not looked for: {why}"))
}

// The accounts of the profiles that there are. One that cannot be read has none that could be used again.
fn accounts_of(profiles: &Profiles<'_>, session: &Session) -> Result<BTreeMap<(String, String), Bound>, Failure> {
    let mut found = BTreeMap::new();
    for name in profiles.names()? {
        let Ok(file) = profiles.read(&name) else { continue };
        for (agent, binding) in &file.bindings {
            let (Kind::Key { alias }, Some(provider)) = (&binding.kind.value, &binding.provider) else { continue };
            if !binding.args.is_empty() {
                continue;
            }
            let spec = session.registry.provider(&provider.value).ok();
            let endpoint = binding.endpoint.as_ref().map(|endpoint| endpoint.value.trim_end_matches('/'));
            let bound = Bound {
                provider: provider.value.to_string(),
                alias: alias.value.to_string(),
                endpoint: endpoint.and_then(|own| named(spec.as_ref(), own)),
                allow_http: binding.http == Http::Private,
                auth_header: binding.auth_header.as_ref().map(|header| word(header.value).to_owned()),
                model: binding.model.as_ref().map(|model| model.value.clone()),
                config_dir: binding.config_dir.as_ref().map(|folder| folder.value.clone()),
                env: binding.env.iter().map(|(name, at)| (name.to_string(), at.value.clone())).collect(),
                secrets: binding.secrets.iter().map(|(name, at)| (name.to_string(), at.value.to_string())).collect(),
            };
            found.insert((name.to_string(), agent.to_string()), bound);
        }
    }
    Ok(found)
}

// The endpoint's name among the provider's; none for the provider's default.
fn named(provider: Option<&ProviderSpec>, endpoint: &str) -> Option<String> {
    let urls = |name: &str| provider.and_then(|spec| spec.endpoints.get(name)).into_iter().flatten();
    let is = |name: &str| name == endpoint || urls(name).any(|(_, url)| url.trim_end_matches('/') == endpoint);
    let mut names = provider.iter().flat_map(|spec| spec.endpoints.keys());
    let name = if is("default") { "default" } else { names.find(|name| is(name)).map_or(endpoint, String::as_str) };
    (name != "default").then(|| name.to_owned())
}

fn word(header: Auth) -> &'static str {
    match header {
        Auth::Bearer => "bearer",
        Auth::XApiKey => "x-api-key",
    }
}

// The endpoints in the settings that Claude Code reads by itself, which beat the environment.
fn governing(host: &Host, session: &Session, vocabulary: &Vocabulary) -> Vec<(String, String, PathBuf)> {
    let folder = host.world.env.absolute("CLAUDE_CONFIG_DIR").unwrap_or_else(|| session.paths.home.join(".claude"));
    let file = folder.join("settings.json");
    let unread = |name: String, why: &str| (name, format!("an address that cannot be told{why}"), file.clone());
    let bytes = match settings::read(&file) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Vec::new(),
        // What cannot be read may say anything.
        Err(why) => {
            let claude = "claude".parse().ok().and_then(|agent| session.registry.agent(&agent).ok());
            let own = claude.into_iter().flat_map(|spec| spec.api.clone()).filter_map(|api| api.base_url);
            let own: BTreeSet<String> = own.map(|name| name.to_string()).collect();
            return own.into_iter().map(|name| unread(name, &format!(", since the file {why}"))).collect();
        }
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let Ok(settings) = serde_json::from_slice::<serde_json::Value>(text) else {
        let names = vocabulary.endpoints().filter(|name| memmem::find(text, name.as_bytes()).is_some());
        return names.map(|name| unread(name.to_owned(), "")).collect();
    };
    let own = settings.get("env").and_then(serde_json::Value::as_object).into_iter().flatten();
    let endpoint = |(name, value): (&String, &serde_json::Value)| {
        let url = value.as_str().filter(|url| !url.is_empty() && vocabulary.is_endpoint(name))?;
        Some((name.clone(), url.to_owned(), file.clone()))
    };
    own.filter_map(endpoint).collect()
}

// The user's login shell, as the session names it.
fn login_shell(host: &Host) -> Option<Shell> {
    let shell = PathBuf::from(host.world.env.non_empty("SHELL")?);
    Some(match shell.file_stem()?.to_str()? {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "csh" | "tcsh" => Shell::Csh,
        "nu" => Shell::Nushell,
        "pwsh" => Shell::PowerShell,
        "sh" | "dash" | "ksh" | "mksh" => Shell::Sh,
        _ => return None,
    })
}

// The agents whose own login lies in its usual folder. One without a login that Ringlet knows may have a credential in
// a file of its own.
fn logins(host: &Host, session: &Session) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for name in session.registry.agent_names()? {
        let spec = session.registry.agent(&name.parse()?)?;
        let Some(login) = &spec.login else {
            let place = settings::credential(host, session, &name, &session.paths.home);
            found.extend(place.map(|place| (name, place)));
            continue;
        };
        let folder = settings::login_folder(host, session, &spec, login);
        if let Some(place) = settings::credential(host, session, &name, &folder) {
            found.insert(name, place);
            continue;
        }
        let files = login.files.iter().map(|file| folder.join(file));
        let holds = |file: &PathBuf| {
            let is_there = file.metadata().is_ok_and(|data| data.is_file() && data.len() > 0);
            is_there && !settings::is_empty_store(&name, file)
        };
        let mut there = files.filter(holds);
        if let Some(file) = there.next() {
            found.insert(name, session.paths.pretty(&file));
        }
    }
    Ok(found)
}

// The binding of an agent to an account whose keys have no names yet.
fn drafted(agent: &str, account: &Account) -> Result<NewBinding, Failure> {
    let also = account
        .also
        .iter()
        .map(|also| Ok((also.variable.clone(), KeyName::new(also.provider.parse()?, "default".parse()?))));
    binding(agent, account, "default", also.collect::<Result<_, Failure>>()?)
}

// The binding of an agent to an account.
fn binding(
    agent: &str,
    account: &Account,
    alias: &str,
    secrets: Vec<(String, KeyName)>,
) -> Result<NewBinding, Failure> {
    Ok(NewBinding {
        allow_http: account.allow_http,
        model: account.model.clone(),
        config_dir: account.config_dir.clone(),
        auth_header: account.auth_header.map(str::to_owned),
        env: account.env.clone(),
        secrets,
        ..plain(agent, &account.provider, alias, account.endpoint.as_deref())?
    })
}

fn plain(agent: &str, provider: &str, alias: &str, endpoint: Option<&str>) -> Result<NewBinding, Failure> {
    let (provider, alias, endpoint) = (provider.parse()?, alias.parse()?, endpoint.map(str::to_owned));
    Ok(NewBinding::new(agent.parse()?, NewAccount::Key { provider, alias, endpoint }))
}

/// Reports whether a profile can bind an agent to such an account.
pub(super) fn bind(
    session: &Session,
    agent: &str,
    provider: &str,
    alias: &str,
    endpoint: Option<&str>,
) -> Result<(), Failure> {
    let binding = plain(agent, provider, alias, endpoint)?;
    Profiles::new(&session.paths, &session.registry).draft(&"drafted".parse()?, None, &[binding])?;
    Ok(())
}

/// The files of Ringlet's that a plan makes or changes: profiles, and the settings that name the default one.
/// `there` are the accounts of the profiles that there are.
pub(super) fn made(
    session: &Session,
    plan: &Plan,
    there: &BTreeMap<(String, String), Bound>,
) -> Result<Vec<MadeFile>, Failure> {
    let profiles = Profiles::new(&session.paths, &session.registry);
    let mut made = Vec::new();
    // What a profile holds already is the user's own.
    let is_there = |own: &PlannedAccount, agent: &String| {
        let bound = there.get(&(own.profile.clone(), agent.clone()));
        bound.is_some_and(|bound| own.account.is_bound(own.key.alias.as_str(), &own.also, bound))
    };
    for (name, bindings) in bindings(&plan.accounts, &is_there)? {
        let keys =
            plan.accounts.iter().filter(|own| own.profile == name).flat_map(PlannedAccount::keys).cloned().collect();
        let name: Profile = name.parse()?;
        let path = session.paths.profile(&name);
        let before = Source::read(&path)?;
        let after = profiles.draft(&name, before.as_ref(), &bindings)?.into_bytes();
        made.push(MadeFile { path, before: before.map(|source| source.text.into_bytes()), after, keys });
    }
    let defaults: Vec<&PlannedAccount> = plan.accounts.iter().filter(|own| own.account.is_default()).collect();
    if let Some(default) = defaults.first().filter(|_| session.settings.default_profile.is_none()) {
        let keys = defaults.iter().flat_map(|own| own.keys()).cloned().collect();
        made.push(default_file(session, &default.profile.parse()?, keys)?);
    }
    Ok(made)
}

/// The settings with another default profile.
pub(in crate::commands) fn default_file(
    session: &Session,
    profile: &Profile,
    keys: Vec<KeyName>,
) -> Result<MadeFile, Failure> {
    let path = session.paths.config();
    let before = Source::read(&path)?.map(|source| source.text);
    let mut document: DocumentMut =
        before.as_deref().unwrap_or_default().parse().expect("the settings were parsed at the start");
    edit::assign(&mut document, "default-profile", profile.as_str())?;
    let after = document.to_string().into_bytes();
    Ok(MadeFile { path, before: before.map(String::into_bytes), after, keys })
}

// The bindings of the profiles that a run makes, by the profile's name.
fn bindings(
    accounts: &[PlannedAccount],
    is_there: &dyn Fn(&PlannedAccount, &String) -> bool,
) -> Result<BTreeMap<String, Vec<NewBinding>>, Failure> {
    let mut found: BTreeMap<String, Vec<NewBinding>> = BTreeMap::new();
    let mut bound: BTreeSet<(&String, &String)> = BTreeSet::new();
    for own in accounts {
        for agent in &own.account.agents {
            if !is_there(own, agent) && bound.insert((&own.profile, agent)) {
                let binding = binding(agent, &own.account, own.key.alias.as_str(), own.also.clone())?;
                found.entry(own.profile.clone()).or_default().push(binding);
            }
        }
    }
    Ok(found)
}
