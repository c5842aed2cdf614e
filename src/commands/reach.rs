//! How the calling shell resolves an agent's command, and whether Ringlet is called. Used by `status` and `doctor`.

use crate::output::Style;
use crate::plan::{self, Context};
use crate::shell::{NameKind, ShellNames};

/// What an agent's command is in the calling shell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The hook's function.
    Function,
    /// One of Ringlet's links, found on PATH.
    Link,
    /// An alias that leads elsewhere.
    Alias,
    /// Somebody else's function.
    OwnFunction,
    /// The agent's program.
    Program,
    /// The shell's hook did not say.
    Unseen,
}

impl Reach {
    /// Finds out what a command is, by what the shell's hook said and by PATH.
    pub(super) fn of(context: &Context<'_>, shell: Option<&ShellNames>, command: &str) -> Self {
        match shell.map(|seen| seen.kind(command)) {
            Some(NameKind::Ringlet) => Self::Function,
            Some(NameKind::Alias) => Self::Alias,
            Some(NameKind::Function) => Self::OwnFunction,
            _ if plan::leads_here(context, command) => Self::Link,
            Some(NameKind::Program) => Self::Program,
            None => Self::Unseen,
        }
    }

    /// Reports whether the typed command is started by Ringlet.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Function | Self::Link)
    }

    /// Returns the word for `--json`, or `None` if the shell's hook did not say.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Function => Some("function"),
            Self::Link => Some("link"),
            Self::Alias => Some("alias"),
            Self::OwnFunction => Some("own-function"),
            Self::Program => Some("program"),
            Self::Unseen => None,
        }
    }

    /// Returns the style in which it is shown.
    pub(super) fn style(self) -> Style {
        match self {
            Self::Function | Self::Link => Style::Good,
            Self::Alias | Self::OwnFunction | Self::Program => Style::Bad,
            Self::Unseen => Style::Warn,
        }
    }

    /// Returns a description, and what mends it.
    pub(super) fn describe(self, command: &str) -> (String, Option<&'static str>) {
        let (is, hint) = match self {
            Self::Function => ("ringlet's function", None),
            Self::Link => ("ringlet's link on PATH", None),
            Self::Alias => ("an alias that leads past ringlet", Some("take it out, or put the hook's line below it")),
            Self::OwnFunction => {
                ("a function that is not ringlet's", Some("take it out, or have it call `ringlet exec`"))
            }
            Self::Program => {
                ("the program itself, without ringlet", Some("open a new shell, or run the hook's line in this one"))
            }
            Self::Unseen => {
                let hint = "a new shell is hooked once its start file has the hook's line";
                return ("this shell is not hooked, or cannot be seen".to_owned(), Some(hint));
            }
        };
        (format!("`{command}` is {is}"), hint)
    }
}
