//! `ringlet hook`: the shell code for an rc file.

use super::{AuditWanted, Setting, shims};
use crate::cli::ShellName;
use crate::failure::Failure;
use crate::host::Host;
use crate::shell::{self, Shell};

/// Prints the code, and for PowerShell makes the links its aliases lead to.
pub(super) fn run(host: &mut Host, shell: ShellName) -> Result<i32, Failure> {
    super::refuse_config_home(&host.world, "the functions of the hook")?;
    let setting = Setting::new(&host.world, AuditWanted::default())?;
    let shell = Shell::from(shell);
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
    let code = shell::render(shell, &hook)?;
    host.output.raw(&code);
    Ok(0)
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
