//! What comes after a run: a profile where there is none, the hook's line, and what is left to do, most needed first.

use super::show;
use crate::commands::hook::line_for;
use crate::commands::{Session, profiles};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::apply::{self, End, Report};
use crate::migrate::dialect::Dialect;
use crate::migrate::files;
use crate::migrate::plan::{Plan, PlannedFile};
use crate::name::{Alias, Profile, Provider};
use crate::platform;
use crate::profile::Profiles;
use crate::profile::edit::{NewAccount, NewBinding};
use crate::shell;
use crate::words;
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Creates what is missing and says what is left to do.
pub(super) fn tell(host: &mut Host, session: &Session, plan: &Plan, report: &Report, yes: bool) -> Result<(), Failure> {
    let cleaned =
        |file: &&PlannedFile| report.files.iter().any(|(path, end)| *path == file.path && matches!(end, End::Done));
    let files: Vec<&PlannedFile> = plan.files.iter().filter(cleaned).collect();
    if files.is_empty() {
        return Ok(());
    }
    profile(host, session, plan)?;
    let shells = Shell::of_files(&files).unwrap_or_else(|| BTreeSet::from([Shell::of_user(host)]));
    shells.iter().for_each(|shell| hook(host, session, *shell, &files, yes));
    rotate(host, session, plan, &files);
    unset(host, plan, &shells);
    references(host, session, plan);
    sessions(host, session, &files);
    blocks(host, session, &files);
    Ok(())
}

// The agent that a provider's keys are usually for.
fn agent(provider: &str) -> &'static str {
    match provider {
        "anthropic" | "claude-subscription" => "claude",
        "openai" => "codex",
        "google" => "gemini",
        _ => "opencode",
    }
}

// The variables that send an agent's key elsewhere: then the key may not be the provider's own at all.
fn sent_elsewhere(plan: &Plan, provider: &str) -> bool {
    let variable = match provider {
        "anthropic" | "claude-subscription" => "ANTHROPIC_BASE_URL",
        "openai" => "OPENAI_BASE_URL",
        "google" => "GOOGLE_GEMINI_BASE_URL",
        _ => return false,
    };
    plan.files.iter().any(|file| {
        let bytes = &file.look.bytes;
        memmem::find_iter(bytes, variable.as_bytes()).any(|at| {
            let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            // What a launcher sets is for the program that it starts, and its key stays with it.
            let paired = file.launchers.iter().any(|span| span.contains(&at));
            !paired && !bytes[start..at].trim_ascii_start().starts_with(b"#")
        })
    })
}

// The command that makes a profile for a key.
fn create(agent: &str, provider: &Provider, alias: &Alias) -> Vec<OsString> {
    words!["ringlet", "profiles", "create", "NAME", "--agent", agent, "--provider", provider, "--key-alias", alias]
        .into()
}

fn profile(host: &mut Host, session: &Session, plan: &Plan) -> Result<(), Failure> {
    let profiles = Profiles::new(&session.paths, &session.registry);
    if !profiles.names()?.is_empty() {
        return Ok(());
    }
    const NAME: &str = "default";
    let name: Profile = NAME.parse()?;
    let mut bound: BTreeSet<&str> = BTreeSet::new();
    let mut seen: BTreeSet<&Provider> = BTreeSet::new();
    // `default` first: of several keys of a provider it is the one that was in use. A subscription before an API key, which
    // would be billed.
    let mut keys: Vec<_> = plan.keys.iter().filter(|key| key.wanted && !key.commented).collect();
    keys.sort_by_key(|key| {
        let provider = key.name.provider.as_str();
        (key.name.alias.as_str() != "default", agent(provider) != "claude", provider != "claude-subscription")
    });
    for key in keys {
        let (provider, alias) = (&key.name.provider, &key.name.alias);
        if !seen.insert(provider) {
            continue;
        }
        let agent = agent(provider.as_str());
        if sent_elsewhere(plan, provider.as_str()) {
            let said = Hint::from(format!(
                "your files name an endpoint of their own for {provider}, so no profile was made for {}; run ",
                key.name
            ));
            let command = create(agent, provider, alias).into_iter().chain(words!["--endpoint", "URL"]);
            host.output.warn(said.command(command));
            continue;
        }
        if !bound.insert(agent) {
            let said = Hint::from(format!("for {} run ", key.name));
            host.output.note(said.command(create(agent, provider, alias)));
            continue;
        }
        let binding = NewBinding {
            agent: agent.parse()?,
            account: NewAccount::Key { provider: provider.clone(), alias: alias.clone(), endpoint: None },
            allow_http: false,
            model: None,
            config_dir: None,
        };
        let first = bound.len() == 1;
        let made = if first { profiles.create(&name, &binding) } else { profiles.bind(&name, &binding) };
        match made {
            Ok(()) if first => profiles::created(host, session, &name, &binding),
            Ok(()) => host.output.note(format!("changed profile \"{name}\"")),
            Err(error) => {
                // The keys have moved all the same; a profile can be made by hand.
                bound.remove(agent);
                host.output.warn(format!("no profile was made for {}: {error}", key.name));
            }
        }
    }
    if !bound.is_empty() && session.settings.default_profile.is_none() {
        profiles::set_default(host, session, Some(&name))?;
    }
    Ok(())
}

// Whose open sessions still have a key, and whose start file is to load the hook.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shell {
    Hooked(shell::Shell),
    Csh,
}

impl Shell {
    fn of_user(host: &Host) -> Self {
        let shell = host.world.env.non_empty("SHELL").map(PathBuf::from).unwrap_or_default();
        match shell.file_stem().and_then(|name| name.to_str()).unwrap_or_default() {
            "csh" | "tcsh" => Self::Csh,
            _ => Self::Hooked(shell::Shell::of_user(&host.world.env)),
        }
    }

    // Those whose own files were edited; none where only others were, such as `.env`, which go by the user's shell.
    fn of_files(files: &[&PlannedFile]) -> Option<BTreeSet<Self>> {
        let of = |file: &&PlannedFile| {
            Some(match file.dialect {
                Dialect::Zsh => Self::Hooked(shell::Shell::Zsh),
                // direnv's file is bash's language and every shell's business.
                Dialect::Bash if !show::is_direnvs(file) => Self::Hooked(shell::Shell::Bash),
                Dialect::Fish | Dialect::FishVariables => Self::Hooked(shell::Shell::Fish),
                Dialect::PowerShell => Self::Hooked(shell::Shell::PowerShell),
                Dialect::Csh => Self::Csh,
                _ => return None,
            })
        };
        let shells: BTreeSet<Self> = files.iter().filter_map(of).collect();
        (!shells.is_empty()).then_some(shells)
    }

    fn unset(self, names: &[&str]) -> String {
        use shell::Shell::{Bash, Fish, PowerShell, Zsh};
        let all = |command: &str, between: &str| {
            let each = names.iter().map(|name| format!("{command}{name}"));
            each.collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Hooked(Bash | Zsh) => format!("unset {}", names.join(" ")),
            Self::Hooked(Fish) => format!("set -e {}", names.join(" ")),
            Self::Hooked(PowerShell) => format!("Remove-Item {}", all("Env:", ", ")),
            Self::Csh => all("unsetenv ", "; "),
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hooked(shell) => shell.fmt(f),
            Self::Csh => f.write_str("csh"),
        }
    }
}

fn hook(host: &mut Host, session: &Session, shell: Shell, files: &[&PlannedFile], yes: bool) {
    let home = &session.paths.home;
    let config = host.world.env.absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let zdotdir = host.world.env.absolute("ZDOTDIR").unwrap_or_else(|| home.clone());
    // There is no hook for csh; `ringlet exec` and the shims serve.
    let Shell::Hooked(shell) = shell else { return };
    let file = match shell {
        shell::Shell::Zsh => zdotdir.join(".zshrc"),
        shell::Shell::Bash => home.join(".bashrc"),
        shell::Shell::Fish => config.join("fish/config.fish"),
        // It has several, in places that differ from one system to the next.
        shell::Shell::PowerShell => {
            let is_profile = |path: &Path| path.to_string_lossy().ends_with("profile.ps1");
            let edited = files.iter().map(|file| &file.path).find(|path| is_profile(path));
            edited.cloned().unwrap_or_else(|| config.join("powershell/profile.ps1"))
        }
    };
    let line = line_for(shell);
    let bytes = platform::read_file(&file, 16 << 20).map(|read| read.bytes).unwrap_or_default();
    if memmem::find(&bytes, b"ringlet hook").is_some() {
        return;
    }
    let shown = session.paths.pretty(&file);
    let asked =
        if yes { None } else { platform::ask_terminal(&format!("ringlet: add `{line}` to {shown}? [y]es, [n]o: ")) };
    if asked.is_some_and(|answer| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")) {
        let added = apply::lock(&session.paths).map_err(|error| format!("stays as it is: {error}"));
        match added.and_then(|_lock| apply::add_line(&file, line)) {
            Ok(()) => return host.output.note(format!("added the hook to {shown}; open a new shell")),
            Err(why) => host.output.warn(format!("{shown} {why}")),
        }
    }
    host.output.note(format!("add this line to {shown} if it is not loaded yet: {line}"));
}

fn rotate(host: &mut Host, session: &Session, plan: &Plan, files: &[&PlannedFile]) {
    let mut must: Vec<String> = Vec::new();
    for file in files {
        let path = session.paths.pretty(&file.path);
        match tracked(&file.target) {
            Some(true) => must.push(format!("{path} is tracked by git, and its history keeps the keys")),
            Some(false) => must.push(format!("{path} lies in a git repository: rotate if it was ever committed")),
            None => {}
        }
        if file.look.others_may_read {
            must.push(format!("{path} can be read by other users of this machine"));
        }
        let synced = ["Dropbox", "OneDrive", "Google Drive", "iCloud", "Mobile Documents", "Nextcloud", "Syncthing"];
        let inside =
            |word: &&&str| file.target.components().any(|part| part.as_os_str().to_string_lossy().contains(**word));
        if let Some(word) = synced.iter().find(inside) {
            must.push(format!("{path} is synced ({word})"));
        }
    }
    for file in &plan.files {
        let moved = |value: &[u8]| plan.keys.iter().any(|key| key.value.as_slice() == value);
        if file.findings.iter().any(|it| it.name.is_none() && moved(&it.finding.value)) {
            must.push(format!("{} has a key, too", session.paths.pretty(&file.path)));
        }
    }
    let providers: BTreeSet<&Provider> =
        plan.keys.iter().filter(|key| key.wanted).map(|key| &key.name.provider).collect();
    let mut consoles = Vec::new();
    for provider in providers {
        let console = session.registry.provider(provider).ok().and_then(|spec| spec.console);
        consoles.push(console.map_or_else(|| provider.to_string(), |url| format!("{provider} ({url})")));
    }
    if must.is_empty() {
        host.output
            .note(format!("these keys were readable to every program you ran: rotate them at {}", consoles.join(", ")));
        return;
    }
    must.sort();
    must.dedup();
    host.output.warn(format!("rotate these keys now, at {}:", consoles.join(", ")));
    for why in must {
        host.output.warn(format!("  {why}"));
    }
}

// Whether git has the file in its index; `None` outside a repository. The index names every path in full, but for the
// rare version 4, which shortens them; then it is only known that there is a repository.
fn tracked(file: &Path) -> Option<bool> {
    let root = file.ancestors().skip(1).find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
    let index =
        platform::read_file(&root.join(".git").join("index"), 256 << 20).map(|read| read.bytes).unwrap_or_default();
    let mut name = file.strip_prefix(root).ok()?.to_string_lossy().into_owned().into_bytes();
    name.push(0);
    Some(memmem::find(&index, &name).is_some())
}

fn unset(host: &mut Host, plan: &Plan, shells: &BTreeSet<Shell>) {
    let names: BTreeSet<&str> = plan
        .keys
        .iter()
        .filter(|key| key.wanted && !key.commented)
        .flat_map(|key| key.variables.iter().map(String::as_str))
        .collect();
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.into_iter().collect();
    for shell in shells {
        let which = if shells.len() > 1 { format!("{shell} shells") } else { "shells".to_owned() };
        host.output.note(format!("in {which} that are open now, run: {}", shell.unset(&names)));
    }
}

// Code that went by a variable which nothing sets any more: it has to ask for its key elsewhere.
fn references(host: &mut Host, session: &Session, plan: &Plan) {
    let moved = plan.keys.iter().filter(|key| key.wanted && !key.commented);
    let names: BTreeSet<&str> = moved.flat_map(|key| key.variables.iter().map(String::as_str)).collect();
    let read = files::candidates(&session.paths, &host.world.env);
    let read = read.iter().filter(|it| !it.role.is_report_only()).map(|it| &it.path);
    let all: BTreeSet<&PathBuf> =
        read.chain(plan.files.iter().filter(|it| it.is_edited()).map(|it| &it.path)).collect();
    for path in all {
        let Ok(read) = platform::read_file(path, files::MAX_FILE) else { continue };
        let bytes = zeroize::Zeroizing::new(read.bytes);
        for (line, name) in references_in(&bytes, &names) {
            let place = format!("{}:{line}", session.paths.pretty(path));
            host.output.warn(format!("{place} uses {name}, whose key is in the keychain now"));
        }
    }
}

// `$NAME`, `${NAME...}`, `$env:NAME` of these names, comments left out.
fn references_in<'a>(bytes: &[u8], names: &BTreeSet<&'a str>) -> Vec<(usize, &'a str)> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        for name in names {
            let uses = memmem::find_iter(line, name.as_bytes()).any(|start| {
                let (before, after) = (&line[..start], line.get(start + name.len()));
                let opened = [&b"$"[..], b"${", b"$env:", b"${env:", b"$Env:", b"${Env:"]
                    .iter()
                    .any(|sign| before.ends_with(sign));
                opened && !after.is_some_and(|byte| of_name(*byte))
            });
            if uses {
                found.push((at + 1, *name));
            }
        }
    }
    found
}

// What must be told to somebody else than the file.
fn sessions(host: &mut Host, session: &Session, files: &[&PlannedFile]) {
    let mut said = BTreeSet::new();
    for file in files {
        if show::is_direnvs(file) {
            let folder = file.path.parent().unwrap_or(Path::new("."));
            said.insert(format!("run `direnv allow {}`, since its file changed", session.paths.pretty(folder)));
        }
        for placed in file.findings.iter().filter(|it| it.name.is_some()) {
            let name = placed.finding.variable.as_deref().unwrap_or("NAME");
            for warn in &placed.finding.warn {
                let text = match *warn {
                    "launchd-session" => format!("run `launchctl unsetenv {name}`"),
                    "systemd-session" => format!("run `systemctl --user unset-environment {name}`, or log in anew"),
                    "registry" => {
                        format!("the registry may hold {name} as well: remove it from your environment variables")
                    }
                    "universal-variable" => format!("a running fish keeps {name}: run `set -e -U {name}` there"),
                    _ => continue,
                };
                said.insert(text);
            }
        }
    }
    said.iter().for_each(|text| host.output.note(text));
}

// A block between a tool's own markers is the tool's: it may write the key back.
fn blocks(host: &mut Host, session: &Session, files: &[&PlannedFile]) {
    let mut said = BTreeSet::new();
    for file in files {
        let lines: Vec<&[u8]> = file.look.bytes.split(|byte| *byte == b'\n').collect();
        for placed in file.findings.iter().filter(|it| it.name.is_some()) {
            let above = &lines[..placed.finding.line.saturating_sub(1).min(lines.len())];
            let opened = above.iter().rposition(|line| memmem::find(line, b">>>").is_some());
            let closed = above.iter().rposition(|line| memmem::find(line, b"<<<").is_some());
            if let Some(at) = opened.filter(|at| closed.is_none_or(|closed| closed < *at)) {
                let line = String::from_utf8_lossy(lines[at]);
                let tool: String = line.chars().filter(|c| !matches!(c, '#' | '>')).take(60).collect();
                said.insert(format!(
                    "the block \"{}\" in {} may be written anew with the key by its tool",
                    tool.trim(),
                    session.paths.pretty(&file.path)
                ));
            }
        }
    }
    said.iter().for_each(|text| host.output.warn(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uses_of_the_very_names_count() {
        let text =
            b"curl -H \"x: $A_KEY\"\n# $A_KEY\necho ${A_KEY:-none}\n$A_KEY2 A_KEY\n$b = $env:A_KEY\nset x $B\r\n";
        let found = references_in(text, &BTreeSet::from(["A_KEY", "B"]));
        assert_eq!(found, [(1, "A_KEY"), (3, "A_KEY"), (5, "A_KEY"), (6, "B")]);
    }
}
