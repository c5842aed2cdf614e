//! The TOML files that users write.

use super::keys;
use crate::config::{ConfigError, ProjectFile, Settings, Source};
use crate::env::Env;
use crate::name::Variable;
use crate::paths::Paths;
use crate::profile::{Binding, Kind, ProfileFile};
use crate::registry::{AgentSpec, Owner, ProviderSpec};
use crate::url::{Http, check_url};
use std::path::Path;
use std::time::Duration;

/// A text as each of the files: it is taken as the form says, or refused in one line that names a place in it and
/// repeats no key. Made-up keys stand in place of `@a` and the like.
pub fn toml(template: &[u8]) {
    let (bytes, named) = (keys::filled(template), keys::named(template));
    let Some(source) = judged(&bytes, &named, Ok) else { return };
    let paths = Paths::new(&Env::from_pairs([("HOME", "/home/me"), ("USERPROFILE", "C:\\me")])).expect("a home");
    if let Some(project) = judged(&bytes, &named, |source| ProjectFile::parse(&source)) {
        assert!(project.profile.is_some() || !project.agents.is_empty());
        let wanted = rewritten(&project);
        let again = Source { text: wanted, file: source.file.clone(), access: None };
        assert_eq!(ProjectFile::parse(&again).expect("what was read can be written"), project);
    }
    if let Some(settings) = judged(&bytes, &named, |source| Settings::parse(&source, &paths)) {
        of_settings(&settings);
    }
    if let Some(profile) = judged(&bytes, &named, |source| ProfileFile::parse("work".parse().expect("a name"), source))
    {
        assert!(!profile.bindings.is_empty() && profile.bindings.len() <= 129);
        assert!(profile.main.as_ref().is_none_or(|agent| profile.bindings.contains_key(agent)));
        profile.bindings.values().for_each(of_binding);
    }
    if let Some(agent) =
        judged(&bytes, &named, |source| AgentSpec::parse("mine".parse().expect("a name"), &source, Owner::User))
    {
        of_agent(&agent);
    }
    if let Some(provider) = judged(&bytes, &named, |source| {
        let spec = ProviderSpec::parse("mine".parse().expect("a name"), &source)?;
        spec.check_pattern(&source).map(|()| spec)
    }) {
        assert!(provider.endpoints.values().flatten().all(|(_, url)| check_url(url, Http::Loopback).is_ok()));
        assert_eq!(provider.recognises("a key").is_some(), provider.pattern.is_some());
    }
}

// The result, where there is one; else the error is looked at.
#[track_caller]
fn judged<T>(bytes: &[u8], named: &[String], parse: impl FnOnce(Source) -> Result<T, ConfigError>) -> Option<T> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let source = Source::from_bytes(Path::new("file.toml"), bytes.to_vec(), None);
    match source.and_then(parse) {
        Ok(made) => Some(made),
        Err(error) => {
            let (line, column) = error.at.expect("an error in a text has its place");
            let length = lines.clone().nth(line - 1).map(<[u8]>::len);
            assert!(column >= 1 && length.is_some_and(|length| column <= length + 1), "{error}: line {line}");
            let shown = format!("{error} {:?}", error.hint);
            assert!(!error.message.contains('\n') && !error.message.is_empty(), "{shown:?}");
            keys::assert_hidden(&shown, named);
            None
        }
    }
}

fn rewritten(project: &ProjectFile) -> String {
    let profile = project.profile.iter().map(|profile| format!("profile = \"{profile}\"\n"));
    let agents = project.agents.iter().map(|(agent, profile)| format!("\"{agent}\" = \"{profile}\"\n"));
    let text: String = profile.collect();
    text + "[agents]\n" + &agents.collect::<String>()
}

fn of_settings(settings: &Settings) {
    assert!((Duration::from_millis(50)..=Duration::from_secs(600)).contains(&settings.timeout));
    assert!(settings.audit.max_bytes >= 64 << 10 && settings.audit.keep >= 1);
    let own = [&settings.audit.path, &settings.daemon.socket].into_iter().flatten();
    let scoped = settings.scopes.values().flat_map(|scope| scope.directories.iter().flatten());
    let folders = settings.ceiling_dirs.iter().chain(&settings.trust.allow_under).chain(own).chain(scoped);
    for folder in folders {
        assert!(folder.is_absolute(), "{}", folder.display());
    }
    for scope in settings.scopes.values() {
        assert!(scope.agents.as_ref().is_none_or(|agents| !agents.is_empty()));
        assert!(scope.directories.as_ref().is_none_or(|folders| !folders.is_empty()));
        let is_allowed = |lease: Duration| lease >= Duration::from_secs(1) && lease <= Duration::from_secs(30 * 86_400);
        assert!(scope.lease.is_none_or(is_allowed) && scope.line >= 1);
    }
}

fn of_binding(binding: &Binding) {
    match &binding.kind.value {
        Kind::Key { .. } => assert!(binding.provider.is_some()),
        Kind::Login => assert!(binding.endpoint.is_none() && binding.auth_header.is_none()),
        Kind::None => assert!(binding.endpoint.is_some()),
    }
    assert!(binding.http == Http::Loopback || binding.endpoint.is_some());
    assert!(!binding.env.keys().any(Variable::is_ringlets));
    assert!(!binding.secrets.keys().any(|name| name.is_ringlets() || name.is_never_taken_away()));
    let texts = [&binding.model, &binding.endpoint, &binding.config_dir].into_iter().flatten();
    assert!(texts.clone().all(|text| !text.value.is_empty()));
    let texts = texts.chain(binding.env.values()).map(|text| &text.value).chain(&binding.args);
    for text in texts {
        assert!(!text.contains('\0'), "{text:?}");
    }
}

fn of_agent(agent: &AgentSpec) {
    assert!(!agent.commands().is_empty() && agent.kinds().contains(&"key"));
    for guard in &agent.guard {
        let _ = format!("{guard:?}");
    }
    for name in &agent.unset {
        assert!(agent.competes_with_key(&name.replacen('*', "A", 1)), "{name}");
        assert!(agent.competes_with_login(&name.replacen('*', "", 1)), "{name}");
    }
}
