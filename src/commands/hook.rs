//! `ringlet hook`: prints the shell code for an rc file. `doctor` asks here which rc files load it.

use super::check::Grade;
use super::{AuditWanted, Session, man, named_file, shims};
use crate::cli::ShellName;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::migrate::aftermath::StartFolders;
use crate::migrate::dialect::{self, Dialect};
use crate::migrate::files::{self, Found};
use crate::platform;
use crate::shell::{self, Shell};
use memchr::memmem;
use std::path::{Path, PathBuf};

/// Prints the code. For PowerShell it also makes the links to which the aliases lead.
pub(super) fn run(host: &mut Host, shell: ShellName, save: Option<&Path>) -> Result<i32, Failure> {
    let shell = Shell::from(shell);
    let done = code(host, shell);
    if let Some(file) = save {
        return keep(&host.world, file, &done?).map(|()| 0);
    }
    match &done {
        Ok(code) => host.output.raw(code),
        // PowerShell's Invoke-Expression reports an error of its own if its input is empty.
        Err(_) if shell == Shell::PowerShell => host.output.raw("# failed\n"),
        Err(_) => {}
    }
    done.map(|_| 0)
}

// A shell that starts at the same moment reads the old code or the new. After a failure the old code stays.
fn keep(world: &World, file: &Path, code: &str) -> Result<(), Failure> {
    let file = named_file(world, file)?;
    if std::fs::read(&file).is_ok_and(|text| text == code.as_bytes()) {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    man::write(folder, &name, code)
}

fn code(host: &Host, shell: Shell) -> Result<String, Failure> {
    super::refuse_config_home(&host.world, "the functions of the hook")?;
    let session = Session::without_stores(&host.world, AuditWanted::default())?;
    let made = Rendered::new(host, &session, shell)?;
    if shell == Shell::PowerShell {
        shims::link(&session, &made.ringlet, &made.commands)?;
    }
    Ok(made.code)
}

// The code, the program that it calls, and the commands that it wraps.
struct Rendered {
    code: String,
    ringlet: PathBuf,
    commands: Vec<String>,
}

impl Rendered {
    fn new(host: &Host, session: &Session, shell: Shell) -> Result<Self, Failure> {
        let commands = crate::hook::commands(&session.paths, &session.settings, &session.registry, &host.world.env)?;
        let ringlet = session.lasting_path(&host.world)?;
        let links = session.paths.shims();
        let hook = shell::Hook {
            ringlet: &ringlet,
            commands: &commands,
            ceilings: &session.settings.ceiling_dirs,
            links: (shell == Shell::PowerShell).then_some(links.as_path()),
            prompt: session.settings.hook.prompt,
        };
        Ok(Self { code: shell::render(shell, &hook)?, ringlet, commands })
    }
}

/// Returns the folder of ringlet where the name that a hook's line calls does not lead to it.
pub(super) fn off_path(host: &Host) -> Option<PathBuf> {
    let file = host.world.executable().ok()?;
    let search = host.world.env.non_empty("PATH").unwrap_or_default();
    let is_there = platform::candidates("ringlet", search).next().is_some();
    if is_there { None } else { file.parent().map(Path::to_owned) }
}

/// Reports for each of these rc files whether it loads the hook, and what keeps its line from taking effect.
pub(super) fn loaded(
    host: &Host,
    session: &Session,
    files: &[(PathBuf, Vec<u8>)],
) -> Vec<(Grade, String, Option<Hint>)> {
    let mut findings = Vec::new();
    for (file, bytes) in files {
        let Some(shell) = shell_of(file) else { continue };
        let Some(asked) = asked_for(shell, bytes) else { continue };
        let shown = session.paths.pretty(file);
        // A word that is no shell's name may be a variable, and is not judged.
        if let Some(other) = asked.parse().ok().filter(|other: &Shell| *other != shell) {
            let text = format!("{shown} loads the hook of {other}, which {shell} cannot read");
            findings.push((Grade::Bad, text, Some(format!("the line for {shell} is: {}", line_for(shell)).into())));
            continue;
        }
        if let Err(Failure { message, hints, .. }) = Rendered::new(host, session, shell) {
            findings.push((
                Grade::Bad,
                format!("{shown} loads the hook, which fails: {message}"),
                hints.into_iter().next(),
            ));
            continue;
        }
        findings.push((Grade::Good, format!("{shown} loads the hook"), None));
        let search = host.world.env.get("PATH").unwrap_or_default();
        let links = session.paths.shims();
        if shell == Shell::PowerShell && !std::env::split_paths(search).any(|folder| folder == links) {
            let text = "background jobs, `ForEach-Object -Parallel` and `&` behind a command see no alias of \
                        PowerShell's, and start agents without ringlet";
            let hint = format!("put {} at the head of PATH, after `ringlet shims install`", links.display());
            findings.push((Grade::Note, text.to_owned(), Some(hint.into())));
        }
    }
    if findings.is_empty() {
        let hint = Hint::run(["ringlet", "init"]).and(", which adds its line, or see `ringlet hook --help`");
        findings.push((Grade::Note, "no rc file loads the hook".into(), Some(hint)));
    }
    findings
}

/// Returns the start file that is to load a shell's hook, and whether it or another one does.
pub(super) fn start_file(host: &Host, session: &Session, shell: Shell) -> (PathBuf, bool) {
    let found = files::find(&session.paths, &host.world.env);
    let usual = start_folders(host, session, &found).hook_file(shell, &[]);
    let all = rc_files(host, session);
    // A terminal of macOS starts a login shell; elsewhere it does not, and these files are not read.
    let of_logins = [".profile", ".bash_profile", ".bash_login", ".zprofile"];
    let is_read = |file: &Path| {
        let is_logins = file.file_name().is_some_and(|name| of_logins.iter().any(|own| name == *own));
        shell_of(file) == Some(shell) && (cfg!(target_os = "macos") || !is_logins)
    };
    let mut loading = all.iter().filter(|(file, bytes)| is_read(file) && is_loaded(shell, bytes));
    match loading.next() {
        Some((file, _)) => (file.clone(), true),
        None => (usual, false),
    }
}

/// Returns the folders in which the user's shells look for their start files.
pub(super) fn start_folders(host: &Host, session: &Session, found: &Found) -> StartFolders {
    let home = &session.paths.home;
    StartFolders {
        home: home.clone(),
        config: host.world.env.absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
        nushell: nushell(host, home),
        zshrc: found.zshrc.clone().unwrap_or_else(|| home.join(".zshrc")),
    }
}

// nushell follows `XDG_CONFIG_HOME` on every system, and else the system's custom.
fn nushell(host: &Host, home: &Path) -> PathBuf {
    let env = &host.world.env;
    let folder = env.absolute("XDG_CONFIG_HOME").or_else(|| match () {
        () if cfg!(target_os = "macos") => Some(home.join("Library/Application Support")),
        () if cfg!(windows) => env.absolute("APPDATA"),
        () => None,
    });
    folder.unwrap_or_else(|| home.join(".config")).join("nushell")
}

/// Returns the start files of shells that are there. They are read and never run.
pub(super) fn rc_files(host: &Host, session: &Session) -> Vec<(PathBuf, Vec<u8>)> {
    const IN_HOME: &[&str] =
        &[".zshenv", ".zprofile", ".zshrc", ".bash_profile", ".bash_login", ".profile", ".bashrc", ".bash_aliases"];
    const IN_CONFIG: &[&str] =
        &["fish/config.fish", "powershell/profile.ps1", "powershell/Microsoft.PowerShell_profile.ps1"];
    let folders = start_folders(host, session, &files::find(&session.paths, &host.world.env));
    let mut names: Vec<PathBuf> = IN_HOME.iter().map(|name| folders.home.join(name)).collect();
    names.extend(IN_CONFIG.iter().map(|name| folders.config.join(name)));
    names.extend(["config.nu", "env.nu"].map(|name| folders.nushell.join(name)));
    if cfg!(windows) {
        let documents = ["PowerShell", "WindowsPowerShell"].map(|name| folders.home.join("Documents").join(name));
        let files = ["profile.ps1", "Microsoft.PowerShell_profile.ps1"];
        names.extend(documents.iter().flat_map(|folder| files.map(|file| folder.join(file))));
    }
    if !names.contains(&folders.zshrc) {
        names.push(folders.zshrc);
    }
    let read = |file: PathBuf| {
        let bytes = platform::read_file(&file, 8 << 20).ok()?.bytes;
        Some((file, bytes))
    };
    names.into_iter().filter_map(read).collect()
}

/// Reports whether a start file loads the hook of its shell.
pub(super) fn is_loaded(shell: Shell, bytes: &[u8]) -> bool {
    // A word that is no shell's name may be a variable.
    asked_for(shell, bytes)
        .is_some_and(|asked| asked.parse().is_ok_and(|asked: Shell| asked == shell) || asked.is_empty())
}

/// Returns the line of an rc file that loads the hook.
pub(super) fn line_for(shell: Shell) -> &'static str {
    match shell {
        Shell::Zsh => "eval \"$(ringlet hook zsh)\"",
        Shell::Bash => "eval \"$(ringlet hook bash)\"",
        Shell::Fish => "ringlet hook fish | source",
        Shell::PowerShell => "Invoke-Expression (& ringlet hook powershell | Out-String)",
        Shell::Nushell => "ringlet hook nushell --save ($nu.data-dir | path join vendor autoload ringlet.nu)",
    }
}

fn shell_of(file: &Path) -> Option<Shell> {
    Some(match dialect::of(file, &[]) {
        Dialect::Zsh => Shell::Zsh,
        Dialect::Bash | Dialect::Sh => Shell::Bash,
        Dialect::Fish => Shell::Fish,
        Dialect::PowerShell => Shell::PowerShell,
        Dialect::Nushell => Shell::Nushell,
        _ => return None,
    })
}

// Returns the word after `ringlet hook` in the first line that is no comment.
fn asked_for(shell: Shell, bytes: &[u8]) -> Option<String> {
    const CALL: &[u8] = b"ringlet hook ";
    let mut in_comment = false;
    for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        // PowerShell has block comments (about_Comments).
        if shell == Shell::PowerShell && !in_comment {
            in_comment = line.starts_with(b"<#");
        }
        if in_comment {
            in_comment = memmem::find(line, b"#>").is_none();
            continue;
        }
        if line.starts_with(b"#") {
            continue;
        }
        if let Some(at) = memmem::find(line, CALL).filter(|at| is_called(&line[..*at])) {
            let rest = line[at + CALL.len()..].iter().skip_while(|byte| **byte == b' ');
            return Some(rest.take_while(|byte| byte.is_ascii_alphanumeric()).map(|byte| char::from(*byte)).collect());
        }
    }
    None
}

// Whether a word behind this text is called: not in a comment, and not printed. A path may stand before its name.
fn is_called(before: &[u8]) -> bool {
    let before = String::from_utf8_lossy(before);
    let is_comment = before.starts_with('#') || [" #", "\t#", ";#"].iter().any(|mark| before.contains(mark));
    let printed = ["echo", "print", "printf", "Write-Output", "Write-Host"];
    let command = before.split([';', '&', '|', '(', '`', '{']).next_back().unwrap_or_default();
    let first = command.trim_start_matches(['"', '\'', '^']).split_whitespace().next().unwrap_or_default();
    !is_comment && !printed.contains(&first)
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Self {
        match name {
            ShellName::Zsh => Self::Zsh,
            ShellName::Bash => Self::Bash,
            ShellName::Fish => Self::Fish,
            ShellName::PowerShell => Self::PowerShell,
            ShellName::Nushell => Self::Nushell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_a_comment_loads_nothing() {
        let asked = |shell, text: &str| asked_for(shell, text.as_bytes());
        for shell in Shell::ALL {
            assert_eq!(asked(shell, &format!("# x\n  {}\r\n", line_for(shell))).as_deref(), Some(shell.name()));
            assert_eq!(asked(shell, &format!("# {}\n", line_for(shell))), None);
            assert_eq!(asked(shell, "ringlet status\n"), None);
        }
        let commented = "<# as it was\niex (ringlet hook pwsh | Out-String)\n#>\n";
        assert_eq!(asked(Shell::PowerShell, commented), None);
        let both = format!("{commented}<# one #>\n{}", line_for(Shell::PowerShell));
        assert_eq!(asked(Shell::PowerShell, &both).as_deref(), Some("powershell"));
        assert_eq!(asked(Shell::Zsh, "eval \"$(ringlet hook $name)\"").as_deref(), Some(""));
        for line in [
            "alias x=y # once: eval \"$(ringlet hook zsh)\"",
            "echo \"run ringlet hook zsh to install\"",
            "true; print ringlet hook zsh",
        ] {
            assert_eq!(asked(Shell::Zsh, line), None, "{line}");
        }
        for line in [
            "eval \"$(/usr/local/bin/ringlet hook zsh)\"",
            "command -v ringlet >/dev/null && eval \"$(command ringlet hook zsh)\"",
            "source <(ringlet hook zsh)",
            "_evalcache ringlet hook zsh",
            "if true; then eval \"`ringlet hook zsh`\"; fi",
        ] {
            assert_eq!(asked(Shell::Zsh, line).as_deref(), Some("zsh"), "{line}");
        }
    }
}

#[cfg(all(test, unix))]
mod in_a_home {
    use crate::host::testing::Home;

    #[test]
    fn the_code_is_for_the_shell_that_is_named() {
        let mut home = Home::new();
        home.program("claude");
        for shell in ["zsh", "bash", "fish", "nushell"] {
            let code = home.run(&["hook", shell]).succeeds().out;
            assert!(code.contains("claude") && code.contains("announce"), "{code}");
            home.run(&["hook", shell, "--save", "new/folder/hook"]).succeeds();
            assert_eq!(home.read("new/folder/hook"), code);
        }
        // What cannot be made leaves what is there.
        home.write(".config/ringlet/config.toml", "nonsense");
        home.run(&["hook", "nushell", "--save", "new/folder/hook"]).is_refused(1, "config.toml");
        assert!(home.read("new/folder/hook").contains("alias claude"));
    }

    #[test]
    fn a_folder_of_the_command_line_cannot_be_kept_by_functions() {
        let home = Home::new();
        home.run(&["--config-home", "c", "hook", "zsh"]).is_refused(2, "cannot be kept by the functions of the hook");
        // PowerShell takes nothing for an error of its own.
        let ran = home.run(&["--config-home", "c", "hook", "powershell"]);
        assert_eq!((ran.status, ran.out.as_str()), (2, "# failed\n"));
    }
}
