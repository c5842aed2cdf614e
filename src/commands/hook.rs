//! `ringlet hook`: the shell code for an rc file.

use super::{AuditWanted, Setting, shims};
use crate::cli::ShellName;
use crate::failure::Failure;
use crate::host::Host;
use crate::shell::{self, Shell};

/// Prints the code, and for PowerShell makes the links its aliases lead to.
pub(super) fn run(host: &mut Host, shell: ShellName) -> Result<i32, Failure> {
    let shell = Shell::from(shell);
    let done = code(host, shell);
    match &done {
        Ok(code) => host.output.raw(code),
        // PowerShell's Invoke-Expression adds an error of its own where it is given nothing.
        Err(_) if shell == Shell::PowerShell => host.output.raw("# failed\n"),
        Err(_) => {}
    }
    done.map(|_| 0)
}

fn code(host: &Host, shell: Shell) -> Result<String, Failure> {
    super::refuse_config_home(&host.world, "the functions of the hook")?;
    let setting = Setting::new(&host.world, AuditWanted::default())?;
    let commands = crate::hook::commands(&setting.paths, &setting.settings, &setting.registry, &host.world.env)?;
    let links = setting.paths.shims();
    let ringlet = setting.lasting_path(&host.world)?;
    if shell == Shell::PowerShell {
        shims::link(&setting, &ringlet, &commands)?;
    }
    let hook = shell::Hook {
        ringlet: &ringlet,
        commands: &commands,
        ceilings: &setting.settings.ceiling_dirs,
        links: (shell == Shell::PowerShell).then_some(links.as_path()),
    };
    Ok(shell::render(shell, &hook)?)
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Self {
        match name {
            ShellName::Zsh => Self::Zsh,
            ShellName::Bash => Self::Bash,
            ShellName::Fish => Self::Fish,
            ShellName::PowerShell => Self::PowerShell,
        }
    }
}
