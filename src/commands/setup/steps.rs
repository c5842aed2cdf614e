//! What is to be done: shown first, each step with the command that it stands for, and then carried out.

use super::Asked;
use super::propose::{Account, NewKey, Proposal, What};
use super::survey::{HookState, Survey};
use super::vault::Vault;
use crate::commands::hook::line_for;
use crate::commands::keychain::{encrypted, set};
use crate::commands::migrate::machine::default_file;
use crate::commands::{Session, init};
use crate::config::{PROJECT_FILE, Source};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::apply;
use crate::migrate::made::MadeFile;
use crate::migrate::recover;
use crate::name::{KeyName, Profile};
use crate::output::Style;
use crate::platform;
use crate::profile::Profiles;
use crate::shell::{Shell, quote};
use crate::store::{Keys, Prompt};
use crate::words;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the profile governs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// In every directory without a `.ringlet.toml`.
    Default(Profile),
    /// In this directory.
    Here(Profile),
    /// Where it does already, or nowhere.
    Keep,
}

/// The steps.
pub(super) struct Steps<'a> {
    /// The accounts and their keys.
    pub(super) proposal: Proposal<'a>,
    // The profile that gets the accounts.
    profile: Profile,
    // The keys that its `[secrets]` give to every agent that is added to it.
    inherited: Vec<String>,
    /// Where it governs.
    pub(super) scope: Scope,
    /// The start file that gets the hook's line.
    pub(super) hook: Option<(Shell, PathBuf)>,
    /// Whether that line was added.
    pub(super) is_hooked: bool,
    /// Whether the providers are asked about the keys.
    pub(super) check: bool,
    /// The server of Vault that becomes a store.
    pub(super) vault: Option<Vault>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        host: &mut Host,
        session: &Session,
        survey: &Survey,
        proposal: Proposal<'a>,
        asked: Asked,
    ) -> Result<Self, Failure> {
        let hook = match &survey.hook {
            HookState::Missing(shell, file) => Some((*shell, file.clone())),
            _ => None,
        };
        let (profile, inherited, check) = ("default".parse()?, Vec::new(), asked.check);
        let vault = Vault::of_shell(host, session);
        let mut made = Self { proposal, profile, inherited, scope: Scope::Keep, hook, is_hooked: false, check, vault };
        made.settle(session, survey)?;
        if asked.yes && !made.inherited.is_empty() && !made.proposal.accounts.is_empty() {
            made.leave_inheriting(host);
        }
        let is_there = session.paths.profile(&made.profile).symlink_metadata().is_ok();
        if asked.here && !survey.is_governed && (is_there || !made.proposal.accounts.is_empty()) {
            made.here(host, session, !asked.yes)?;
        }
        Ok(made)
    }

    /// Settles which profile gets the accounts, and whether it governs here.
    pub(super) fn settle(&mut self, session: &Session, survey: &Survey) -> Result<(), Failure> {
        // A person has chosen that already.
        if matches!(self.scope, Scope::Here(_)) {
            return Ok(());
        }
        let profiles = Profiles::new(&session.paths, &session.registry);
        // A default profile that is gone governs nothing.
        let is_there = |name: &Profile| session.paths.profile(name).symlink_metadata().is_ok();
        let default = session.settings.default_profile.clone().filter(is_there);
        let governing = survey.governing.clone().or(default);
        self.scope = Scope::Keep;
        let inherited = |name: &Profile| {
            let secrets = profiles.read(name).map(|file| file.secrets).unwrap_or_default();
            secrets.into_iter().map(|(name, key)| format!("{} in {name}", key.value)).collect()
        };
        if let Some(profile) = governing {
            self.inherited = inherited(&profile);
            self.profile = profile;
            return Ok(());
        }
        let names = profiles.names()?;
        let accounts = &self.proposal.accounts;
        let takes = |name: &Profile| match profiles.read(name) {
            Ok(file) => accounts.iter().all(|own| !file.bindings.contains_key(&own.agent)),
            Err(_) => !names.contains(name),
        };
        let is_bound = |name: &Profile| {
            let file = profiles.read(name).ok();
            file.is_some_and(|file| survey.agents.iter().any(|found| file.bindings.contains_key(&found.name)))
        };
        self.profile = match (self.proposal.accounts.as_slice(), names.as_slice()) {
            // What is missing is only that the one profile governs.
            ([], [only]) if is_bound(only) => only.clone(),
            ([], _) => return Ok(()),
            _ => free(takes)?,
        };
        self.inherited = inherited(&self.profile);
        if !survey.is_governed {
            self.scope = Scope::Default(self.profile.clone());
        }
        Ok(())
    }

    /// Returns the profile that gets the accounts.
    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Reports whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.proposal.accounts.is_empty() && self.hook.is_none() && self.scope == Scope::Keep && self.vault.is_none()
    }

    // Leaves accounts out that would get more keys than their own: nobody was asked about these.
    fn leave_inheriting(&mut self, host: &mut Host) {
        for own in std::mem::take(&mut self.proposal.accounts) {
            let said = format!("{} was not added: profile \"{}\" would give it ", own.describe(), self.profile);
            let said = Hint::from(format!("{said}{} as well; ", self.inherited.join(", ")));
            host.output.note(said.command(profile_command(&own, &self.profile, false)).and(" adds it"));
        }
    }

    /// Has a `.ringlet.toml` here name the profile. The name of a new one may be asked for. Returns false if nobody
    /// answers.
    pub(super) fn here(&mut self, host: &mut Host, session: &Session, asks: bool) -> Result<bool, Failure> {
        session.refuse_project_file(&host.world)?;
        let profiles = Profiles::new(&session.paths, &session.registry);
        let names = profiles.names()?;
        if !self.proposal.accounts.is_empty() && !names.contains(&self.profile) {
            let usual = folder_name(host, &profiles)?;
            self.profile = loop {
                if !asks {
                    break usual;
                }
                let question = format!("ringlet: the profile's name [{usual}]: ");
                let Some(answer) = host.world.console.ask(&question) else { return Ok(false) };
                match answer.trim() {
                    "" => break usual,
                    name => match name.parse::<Profile>() {
                        Ok(name) if !names.contains(&name) => break name,
                        Ok(name) => host.output.warn(format!("profile \"{name}\" exists")),
                        Err(error) => host.output.warn(error.to_string()),
                    },
                }
            };
        }
        self.scope = Scope::Here(self.profile.clone());
        Ok(true)
    }

    // The keys that are stored for the accounts that are still wanted.
    fn new_keys(&self) -> impl Iterator<Item = &NewKey> {
        let is_wanted = |key: &&NewKey| {
            self.proposal.accounts.iter().any(|own| matches!(&own.what, What::Key(name) if *name == key.name))
        };
        self.proposal.keys.iter().filter(is_wanted)
    }

    /// Prints the steps, each with the command that it stands for.
    pub(super) fn show(&self, host: &mut Host, session: &Session) {
        let mut rows: Vec<(String, Vec<OsString>)> = Vec::new();
        for NewKey { name, variable, .. } in self.new_keys() {
            let mut command = Vec::from(name.set_command());
            let from = match variable {
                Some(variable) => {
                    command.extend(words!["--from-env", variable]);
                    format!("the key in {variable}")
                }
                None => "the key".to_owned(),
            };
            rows.push((format!("store {from} as {name}"), command));
        }
        let is_new = session.paths.profile(&self.profile).symlink_metadata().is_err();
        for (at, own) in self.proposal.accounts.iter().enumerate() {
            let profile = &self.profile;
            let said = match is_new && at == 0 {
                true => format!("create the profile \"{profile}\": {}", own.describe()),
                false => format!("add to the profile \"{profile}\": {}", own.describe()),
            };
            let said = match self.inherited.is_empty() {
                true => said,
                false => format!("{said}; it gets {} of this profile as well", self.inherited.join(", ")),
            };
            rows.push((said, profile_command(own, profile, is_new && at == 0)));
        }
        match &self.scope {
            Scope::Default(name) => rows.push((
                format!("make \"{name}\" the default profile, for every directory without a .ringlet.toml"),
                words!["ringlet", "profiles", "default", name].into(),
            )),
            Scope::Here(name) => rows.push((
                format!("name \"{name}\" in a .ringlet.toml for this directory, and allow it"),
                words!["ringlet", "init", name].into(),
            )),
            Scope::Keep => {}
        }
        rows.extend(self.vault.as_ref().map(Vault::step));
        if self.check {
            let said = "ask the provider whether it takes the key".to_owned();
            rows.push((said, words!["ringlet", "keychain", "check"].into()));
        }
        host.output.line(&[]);
        host.output.line(&[(Style::Bold, "ringlet can do this")]);
        let mut number = 0;
        let mut step = |host: &mut Host, said: &str, command: &str| {
            number += 1;
            host.output.line(&[(Style::Bold, &format!("{number:>3} ")), (Style::Plain, said)]);
            host.output.line(&[(Style::Dim, &format!("      {command}"))]);
        };
        for (said, command) in &rows {
            let command = host.output.written(&Hint::from("").command(command));
            step(host, said, command.trim_matches('`'));
        }
        if let Some((shell, file)) = &self.hook {
            let shown = session.paths.pretty(file);
            let command = append_command(*shell, file, &shown);
            step(host, &format!("add the hook's line at the end of {shown}"), &command);
        }
    }

    /// Stores the keys, and returns the names of all that the accounts use.
    pub(super) fn store_keys(&self, host: &mut Host, session: &Session, store: &Keys) -> Result<Vec<KeyName>, Failure> {
        for NewKey { name, key, variable } in self.new_keys() {
            encrypted::ready(host, session, session.settings.encrypts(name))?;
            // The names were listed before the questions, and another process may have stored a key since.
            if store.contains(name)? {
                return Err(Failure::new(format!("{name} is in {} by now, and stays as it is", store.place_of(name)))
                    .hint(Hint::run(["ringlet", "init"]).and(" again")));
            }
            set::keep(host, session, store, name, key, None)?;
            if let Some(variable) = variable {
                let said = Hint::from(format!("{variable} is still set in this shell; run "));
                host.output.note(said.command(["unset", variable]).and(", and take it out of what sets it"));
            }
        }
        crate::commands::keychain::warn_of_fallback(session, store, &host.world, &mut host.output);
        let mut names: Vec<KeyName> = self
            .proposal
            .accounts
            .iter()
            .filter_map(|own| match &own.what {
                What::Key(name) => Some(name.clone()),
                What::Login { .. } => None,
            })
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Writes the profile, the settings, the hook's line and the project file. Returns false if the line was not added.
    pub(super) fn carry_out(&mut self, host: &mut Host, session: &Session) -> Result<bool, Failure> {
        let run = apply::run_name(&session.paths, host.world.now);
        let writes =
            !self.proposal.accounts.is_empty() || matches!(self.scope, Scope::Default(_)) || self.vault.is_some();
        if writes || self.hook.is_some() || matches!(self.scope, Scope::Here(_)) {
            self.write(host, session, &run)?;
        }
        if let Scope::Here(name) = &self.scope {
            let file = host.world.cwd()?.join(PROJECT_FILE);
            let was_there = file.symlink_metadata().is_ok();
            init::run(host, session, name.as_str())?;
            if !was_there {
                let _lock = apply::lock(&session.paths)?;
                apply::also_made(&session.paths, &run, &file)?;
            }
        }
        if apply::drop_if_empty(&session.paths, &run)? {
            host.output.note("`ringlet migrate undo` takes this back; keys stay stored");
        }
        Ok(self.hook.is_none() || self.is_hooked)
    }

    // The profile and the settings, as they are to be.
    fn made(&self, session: &Session) -> Result<Vec<MadeFile>, Failure> {
        let mut made = Vec::new();
        if !self.proposal.accounts.is_empty() {
            let profiles = Profiles::new(&session.paths, &session.registry);
            let path = session.paths.profile(&self.profile);
            let before = Source::read(&path)?;
            let bindings: Vec<_> = self.proposal.accounts.iter().map(Account::binding).collect();
            let after = profiles.draft(&self.profile, before.as_ref(), &bindings)?.into_bytes();
            made.push(MadeFile { path, before: before.map(|source| source.text.into_bytes()), after, keys: vec![] });
        }
        if let Scope::Default(name) = &self.scope {
            made.push(default_file(session, name, vec![])?);
        }
        if let Some(vault) = &self.vault {
            let file = match made.pop_if(|file| file.path == session.paths.config()) {
                Some(file) => file,
                None => unchanged(session)?,
            };
            let text = String::from_utf8_lossy(&file.after).into_owned();
            made.push(MadeFile { after: vault.added_to(session, &text)?.into_bytes(), ..file });
        }
        Ok(made)
    }

    fn write(&mut self, host: &mut Host, session: &Session, run: &str) -> Result<(), Failure> {
        let _lock = apply::lock(&session.paths)?;
        let found = recover::recover(&session.paths)?.whole()?;
        found.warnings.iter().for_each(|text| host.output.warn(text));
        // What a killed run had made is taken back by now.
        let made = self.made(session)?;
        apply::set_up(&session.paths, run, &made)?;
        if !self.proposal.accounts.is_empty() {
            let agents = self.proposal.accounts.iter().map(Account::describe).collect::<Vec<_>>().join(", ");
            host.output.note(format!("profile \"{}\": {agents}", self.profile));
        }
        if let Scope::Default(name) = &self.scope {
            host.output.note(format!("\"{name}\" is the default profile"));
        }
        if let Some(vault) = &self.vault {
            host.output.note(vault.next());
        }
        if let Some((shell, file)) = &self.hook {
            let (line, shown) = (line_for(*shell), session.paths.pretty(file));
            let open = || session.open_store(&host.world, Prompt::Never);
            match apply::add_line(&session.paths, &open, run, file, line) {
                Ok(()) => {
                    self.is_hooked = true;
                    host.output.note(format!("added the hook's line to {shown}"));
                }
                Err(why) => {
                    host.output.warn(format!("{shown} {why}"));
                    host.output.note(format!("add this line to it yourself: {line}"));
                }
            }
        }
        Ok(())
    }
}

// The settings as they are.
fn unchanged(session: &Session) -> Result<MadeFile, Failure> {
    let path = session.paths.config();
    let before = Source::read(&path)?.map(|source| source.text.into_bytes());
    Ok(MadeFile { path, after: before.clone().unwrap_or_default(), before, keys: vec![] })
}

// The command that adds the hook's line to a file of the shell's. The file is shown with `~`, which no quotes may hold.
fn append_command(shell: Shell, file: &Path, shown: &str) -> String {
    let line = line_for(shell);
    let quoted = quote(shell, line.as_bytes()).unwrap_or_else(|_| line.to_owned());
    // A last line without an end would go on with this one.
    let text = platform::read_file(file, 8 << 20).map(|read| read.bytes).unwrap_or_default();
    let is_open = !text.is_empty() && !text.ends_with(b"\n");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '~' | '/' | '.' | '_' | '-');
    let shown = match shown.chars().all(is_plain) {
        true => shown.to_owned(),
        false => quote(shell, file.as_os_str().as_encoded_bytes()).unwrap_or_else(|_| shown.to_owned()),
    };
    match shell {
        Shell::PowerShell => format!("Add-Content $PROFILE {quoted}"),
        Shell::Nushell => {
            let start = if is_open { "\\n" } else { "" };
            format!("\"{start}{line}\\n\" | save --append $nu.config-path")
        }
        Shell::Zsh | Shell::Bash | Shell::Fish if is_open => format!("printf '\\n%s\\n' {quoted} >> {shown}"),
        Shell::Zsh | Shell::Bash | Shell::Fish => format!("echo {quoted} >> {shown}"),
    }
}

// The command that has a profile bind the agent.
fn profile_command(own: &Account, profile: &Profile, is_new: bool) -> Vec<OsString> {
    if is_new {
        let mut command = Vec::from(words!["ringlet", "profiles", "create", profile, "--agent", own.agent]);
        match &own.what {
            What::Login { .. } => command.extend(words!["--login"]),
            What::Key(key) if key.alias.as_str() != "default" => command.extend(words!["--key-alias", key.alias]),
            What::Key(_) => {}
        }
        return command;
    }
    let mut command = Vec::from(words!["ringlet", "profiles", "edit", profile]);
    let set = |name: &str, value: &str| OsString::from(format!("agents.{}.{name}={value}", own.agent));
    match &own.what {
        What::Login { .. } => command.push(set("auth", "login")),
        What::Key(key) => {
            command.extend([set("provider", key.provider.as_str()), set("key-alias", key.alias.as_str())])
        }
    }
    command
}

// The first name whose profile can take the accounts.
fn free(takes: impl Fn(&Profile) -> bool) -> Result<Profile, Failure> {
    let numbered = (2..1000).map(|number| format!("default-{number}"));
    for name in std::iter::once("default".to_owned()).chain(numbered) {
        let name: Profile = name.parse()?;
        if takes(&name) {
            return Ok(name);
        }
    }
    Err(Failure::new("every name for a new profile is taken"))
}

// The directory's name as a profile's, or another that is free.
fn folder_name(host: &Host, profiles: &Profiles<'_>) -> Result<Profile, Failure> {
    let folder = host.world.cwd()?.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let taken = profiles.names()?;
    let usual: Option<Profile> = folder.parse().ok();
    match usual.filter(|name| !taken.contains(name)) {
        Some(name) => Ok(name),
        None => free(|name| !taken.contains(name)),
    }
}
