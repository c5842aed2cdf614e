//! What is different in this place: over ssh, in tmux, a container, WSL or an editor's terminal.

use crate::commands::Session;
use crate::commands::check::Checks;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use std::path::Path;

/// A place, how it is told, and what is different there.
struct Place {
    text: &'static str,
    before: &'static str,
    command: &'static [&'static str],
    after: &'static str,
    variables: &'static [(&'static str, &'static str)],
    files: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        text: "this is an ssh session: a keychain cannot ask here in a window, and may be another than the desktop's",
        before: "",
        command: &["ringlet", "keychain", "unlock"],
        after: " asks for its password on the terminal",
        variables: &[("SSH_CONNECTION", ""), ("SSH_TTY", "")],
        files: &[],
    },
    Place {
        text: "this is tmux or screen: a window that it starts with a command reads no rc file",
        before: "",
        command: &["ringlet", "shims", "install"],
        after: " makes links that work there",
        variables: &[("TMUX", ""), ("STY", "")],
        files: &[],
    },
    Place {
        text: "this is a container: it has no keychain of its own, and its files end with it",
        before: "",
        command: &["ringlet", "help", "files"],
        after: " says which folders to keep",
        variables: &[("container", "")],
        files: &["/.dockerenv", "/run/.containerenv"],
    },
    Place {
        text: "this is WSL: the Credential Manager of Windows is not reached from here",
        before: "a Secret Service such as GNOME Keyring is; ",
        command: &["ringlet", "doctor"],
        after: " sees it once it runs",
        variables: &[("WSL_DISTRO_NAME", ""), ("WSL_INTEROP", "")],
        files: &[],
    },
    Place {
        text: "this is an editor's terminal: an extension that starts agents knows no function of a shell",
        before: "",
        command: &["ringlet", "shims", "install"],
        after: " makes a link that the extension can be told to start",
        variables: &[("TERM_PROGRAM", "vscode"), ("TERM_PROGRAM", "zed"), ("TERMINAL_EMULATOR", "JetBrains-JediTerm")],
        files: &[],
    },
];

pub(super) fn check(host: &Host, _: &Session, checks: &mut Checks) -> Result<(), Failure> {
    let env = &host.world.env;
    for place in PLACES {
        let is_set = |(name, value): &(&str, &str)| {
            env.non_empty(name).is_some_and(|set| value.is_empty() || set.to_str() == Some(value))
        };
        if place.variables.iter().any(is_set) || place.files.iter().any(|file| Path::new(file).exists()) {
            checks.here(place.text, Hint::from(place.before).command(place.command).and(place.after));
        }
    }
    Ok(())
}
