//! The shell code that `ringlet hook` prints: one function for each agent, and the directory notice.
//!
//! The code is in shell files under `/shell`. This module fills them in, joins them into one line and wraps that so
//! that the user's aliases and options do not apply. It only handles text: it reads no configuration and no file, and
//! does not decide which agents there are. Called by `hook` and by `commands`.

mod quote;
mod seen;

pub use quote::quote;
pub(crate) use seen::{NameKind, ShellNames, VARIABLE};

use crate::env::Env;
use crate::hint::{Hint, Piece};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A shell that Ringlet can hook into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shell {
    /// zsh, 5.0.8 or newer.
    Zsh,
    /// bash, 3.2 or newer.
    Bash,
    /// fish, 3.6 or newer.
    Fish,
    /// PowerShell, both `pwsh` and Windows PowerShell.
    PowerShell,
    /// nushell, 0.108 or newer.
    Nushell,
}

impl Shell {
    /// Returns the shell into which the user would paste commands, as `SHELL` says.
    pub fn of_user(env: &Env) -> Self {
        let shell = env.non_empty("SHELL").map(PathBuf::from).unwrap_or_default();
        match shell.file_stem().and_then(|name| name.to_str()).unwrap_or_default() {
            "fish" => Self::Fish,
            "zsh" => Self::Zsh,
            "pwsh" | "powershell" => Self::PowerShell,
            "nu" => Self::Nushell,
            _ if cfg!(windows) => Self::PowerShell,
            _ => Self::Bash,
        }
    }

    /// Writes a hint with its commands quoted for this shell.
    pub fn write_hint(self, hint: &Hint) -> String {
        let command = |words: &[OsString]| {
            // The only built-in command in hints whose name differs between shells.
            if let ([unset, name], Some(own)) = (words, self.unset())
                && unset == "unset"
            {
                return format!("{own}{}", self.word(name));
            }
            let words = words.iter().map(|word| self.word(word)).collect::<Vec<_>>().join(" ");
            // These two take a quoted word for a value. An operator runs it.
            match self {
                Self::PowerShell if words.starts_with(['\'', '(']) => format!("& {words}"),
                Self::Nushell if words.starts_with(['\'', '"']) => format!("^{words}"),
                _ => words,
            }
        };
        let pieces = hint.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Command(words) => format!("`{}`", command(words)),
        });
        pieces.collect()
    }

    // Returns the prefix of a variable's name that removes it, if that is not `unset`.
    fn unset(self) -> Option<&'static str> {
        match self {
            Self::Zsh | Self::Bash => None,
            Self::Fish => Some("set -e "),
            Self::PowerShell => Some("Remove-Item Env:"),
            Self::Nushell => Some("hide-env "),
        }
    }

    // Quotes a word only if it must be: users read commands before they paste them.
    fn word(self, word: &OsStr) -> String {
        let plain =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-' | b':' | b'+' | b'=');
        let bytes = word.as_encoded_bytes();
        if !bytes.is_empty() && !bytes.starts_with(b"=") && bytes.iter().all(plain) {
            return word.to_string_lossy().into_owned();
        }
        // A word that the shell cannot take is shown as it is.
        quote(self, bytes).unwrap_or_else(|_| word.to_string_lossy().into_owned())
    }

    /// Every shell, in the order messages list them.
    pub const ALL: [Self; 5] = [Self::Zsh, Self::Bash, Self::Fish, Self::PowerShell, Self::Nushell];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zsh => "zsh",
            Self::Bash => "bash",
            Self::Fish => "fish",
            Self::PowerShell => "powershell",
            Self::Nushell => "nushell",
        }
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shell {
    type Err = ShellError;

    /// Reads a shell's name as [`Shell::name`] gives it; `pwsh` and `nu` are names of programs.
    fn from_str(name: &str) -> Result<Self, ShellError> {
        let name = match name {
            "pwsh" => "powershell",
            "nu" => "nushell",
            name => name,
        };
        Self::ALL.into_iter().find(|shell| shell.name() == name).ok_or_else(|| ShellError::Unknown(name.to_owned()))
    }
}

/// Why there is no code for a shell.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Not one of [`Shell::ALL`].
    #[error("no shell is called {0:?}; known are zsh, bash, fish, powershell and nushell")]
    Unknown(String),
    /// A NUL cannot be part of any shell's word.
    #[error("a NUL cannot be passed in shell code")]
    Nul,
    /// PowerShell's and nushell's strings are Unicode; a path that is not cannot be written in one.
    #[error("a path that is not Unicode cannot be written in PowerShell or nushell")]
    NotUnicode,
    /// A relative path would mean another file in every directory.
    #[error("{0:?} is not an absolute path, and shell code needs one")]
    NotAbsolute(PathBuf),
    /// A command's name that is not `[a-z0-9][a-z0-9._-]*`.
    #[error("{0:?} cannot be a function's name")]
    Name(String),
    /// A command's name that a shell uses itself; see [`reserved`].
    #[error("{0:?} is a word of the shells' own, and a function of that name would break them")]
    Reserved(String),
    /// PowerShell wants links, and there is no directory of them.
    #[error("PowerShell's aliases need a directory of links, and none is known")]
    NoLinks,
    /// PowerShell would take the link's path as a pattern, and could run another file that matches.
    #[error("the directory of links {0:?} has a '[' or ']' in its path, which PowerShell takes as a pattern")]
    Brackets(PathBuf),
}

/// What the templates are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    /// The absolute path of the binary that the functions call.
    pub ringlet: &'a Path,
    /// The agents' commands, such as `claude`: `[a-z0-9][a-z0-9._-]*`, none of them [`reserved`].
    pub commands: &'a [String],
    /// Absolute directories at which the notice's search upwards ends.
    pub ceilings: &'a [PathBuf],
    /// PowerShell alone: the absolute directory of links to `ringlet`, each named after an agent.
    pub links: Option<&'a Path>,
    /// Whether the profile of the directory is kept in `RINGLET_PROFILE`, for a prompt.
    pub prompt: bool,
}

/// The environment variable that asks `ringlet` for completions; its value is the shell's name.
pub(crate) const COMPLETE_VARIABLE: &str = "COMPLETE";

const ZSH: &str = include_str!("../../shell/ringlet.zsh");
const BASH: &str = include_str!("../../shell/ringlet.bash");
const FISH: &str = include_str!("../../shell/ringlet.fish");
const POWERSHELL: &str = include_str!("../../shell/ringlet.ps1");
const NUSHELL: &str = include_str!("../../shell/ringlet.nu");
const COMPLETION: &str = include_str!("../../shell/completion.ps1");
const NUSHELL_COMPLETION: &str = include_str!("../../shell/completion.nu");

/// Renders the code for one shell to evaluate: one line that ends with a newline, or for PowerShell ASCII lines.
///
/// A Unix path in another encoding is written with escapes, so the text is always UTF-8.
pub fn render(shell: Shell, hook: &Hook) -> Result<String, ShellError> {
    for name in hook.commands {
        check(name)?;
    }
    let ringlet = path_word(shell, hook.ringlet)?;
    let ceilings = ceilings(shell, hook.ceilings)?;
    let links = match (shell, hook.links) {
        (Shell::PowerShell, Some(links)) => Some(checked_links(links)?),
        (Shell::PowerShell, None) if !hook.commands.is_empty() => return Err(ShellError::NoLinks),
        _ => None,
    };
    let word = |name: &str| match name.strip_prefix("link:") {
        Some(command) => {
            let links = links.expect("links are checked before an agent is written");
            path_word(shell, &links.join(format!("{command}{}", std::env::consts::EXE_SUFFIX)))
        }
        None if name == "ringlet" => Ok(ringlet.clone()),
        None => Ok(ceilings.clone()),
    };
    let template = match shell {
        Shell::Zsh => ZSH,
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        Shell::PowerShell => POWERSHELL,
        Shell::Nushell => NUSHELL,
    };
    let lines = each_agent(template, hook.commands, hook.prompt);
    match shell {
        Shell::Zsh => {
            let code = quote(shell, fill(&one_line(&lines), word)?.as_bytes())?;
            Ok(format!("'builtin' 'emulate' 'zsh' '-o' 'no_aliases' '-c' {code}\n"))
        }
        Shell::Bash => {
            let code = quote(shell, fill(&one_line(&lines), word)?.as_bytes())?;
            Ok(format!(
                "'builtin' 'shopt' '-q' 'expand_aliases' && __ringlet_aliases=-s || __ringlet_aliases=-u; \
                 'builtin' 'shopt' '-u' 'expand_aliases'; 'builtin' 'eval' {code}; \
                 'builtin' 'shopt' \"$__ringlet_aliases\" 'expand_aliases'; 'builtin' 'unset' '-v' \
                 '__ringlet_aliases'\n"
            ))
        }
        Shell::Fish => Ok(fill(&one_line(&lines), word)? + "\n"),
        Shell::PowerShell | Shell::Nushell => Ok(fill(&lines.join("\n"), word)? + "\n"),
    }
}

/// Renders the registration of completions in PowerShell or nushell. `ringlet` may be a name to be found on PATH.
pub fn render_completion(shell: Shell, ringlet: &Path) -> Result<String, ShellError> {
    let template = if shell == Shell::Nushell { NUSHELL_COMPLETION } else { COMPLETION };
    let lines = each_agent(template, &[], false);
    let word = |name: &str| match name {
        "variable" => quote(shell, COMPLETE_VARIABLE.as_bytes()),
        _ => path_text(ringlet).and_then(|path| quote(shell, path)),
    };
    Ok(fill(&lines.join("\n"), word)? + "\n")
}

/// Reports whether a function of that name would hide a command that a shell, or the hook itself, needs.
pub(crate) fn reserved(name: &str) -> bool {
    RESERVED.split(' ').any(|word| word == name)
}

/// Reserved words, special built-ins, and the commands that the hook's own code uses, of any of the shells.
const RESERVED: &str = "\
    alias and append begin break builtin case catch cd command complete const contains continue coproc declare def \
    default do done each echo elif else elseif emulate end env esac eval exec exit export extern false fi finally for \
    foreach from function functions get hide hide-env if in is-empty let local loop match module mut nocorrect noglob \
    not or overlay param path print printf process prompt read readonly repeat return ringlet scope select set setopt \
    shift shopt source split status str string switch test then throw time trap true try type typeset unalias \
    unfunction unset until use where while with-env";

fn check(name: &str) -> Result<(), ShellError> {
    let ok =
        |at: usize, c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (at > 0 && matches!(c, '.' | '_' | '-'));
    if name.is_empty() || !name.chars().enumerate().all(|(at, c)| ok(at, c)) {
        return Err(ShellError::Name(name.to_owned()));
    }
    if reserved(name) { Err(ShellError::Reserved(name.to_owned())) } else { Ok(()) }
}

fn checked_links(links: &Path) -> Result<&Path, ShellError> {
    if path_text(links)?.iter().any(|byte| matches!(byte, b'[' | b']')) {
        return Err(ShellError::Brackets(links.to_owned()));
    }
    Ok(links)
}

/// Returns a path's bytes. Outside Unix a path may hold unpaired surrogates, which shell code cannot.
fn path_text(path: &Path) -> Result<&[u8], ShellError> {
    match path.to_str() {
        Some(text) => Ok(text.as_bytes()),
        None if cfg!(unix) => Ok(path.as_os_str().as_encoded_bytes()),
        None => Err(ShellError::NotUnicode),
    }
}

fn path_word(shell: Shell, path: &Path) -> Result<String, ShellError> {
    if !path.is_absolute() {
        return Err(ShellError::NotAbsolute(path.to_owned()));
    }
    quote(shell, path_text(path)?)
}

/// Writes the ceilings as the shell's list: patterns of a `case`, or words. It is never empty, since a `case` needs a
/// pattern.
///
/// The templates compare them with paths that have no slash at their end, so the root is empty. PowerShell's have the
/// form that .NET gives them.
fn ceilings(shell: Shell, ceilings: &[PathBuf]) -> Result<String, ShellError> {
    let mut words = Vec::new();
    for ceiling in ceilings {
        if !ceiling.is_absolute() {
            return Err(ShellError::NotAbsolute(ceiling.clone()));
        }
        let mut text = path_text(ceiling)?;
        if shell != Shell::PowerShell || text.len() > 1 {
            while let [rest @ .., b'/'] = text {
                text = rest;
            }
        }
        words.push(quote(shell, text)?);
    }
    if words.is_empty() {
        words.push(quote(shell, b".")?);
    }
    Ok(words.join(match shell {
        Shell::Zsh | Shell::Bash => "|",
        Shell::Fish | Shell::Nushell => " ",
        Shell::PowerShell => ", ",
    }))
}

/// Returns a template's lines without comments. The lines between `# each agent` and `# end` are repeated for each
/// command. Those between `# with prompt`, or `# without prompt`, and `# end` are for that case alone.
fn each_agent(template: &str, commands: &[String], prompt: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section: Option<Vec<&str>> = None;
    let mut is_left_out = false;
    let all = template.replace("@agents@", &commands.join(" "));
    for line in all.lines().map(str::trim) {
        match (line, &mut section) {
            ("# with prompt", None) => is_left_out = !prompt,
            ("# without prompt", None) => is_left_out = prompt,
            ("# end", None) => is_left_out = false,
            _ if is_left_out => {}
            ("# each agent", _) => section = Some(Vec::new()),
            ("# end", Some(body)) => {
                let body = std::mem::take(body);
                lines.extend(commands.iter().flat_map(|name| body.iter().map(|line| line.replace("@agent@", name))));
                section = None;
            }
            (line, _) if line.is_empty() || line.starts_with('#') => {}
            (line, Some(body)) => body.push(line),
            (line, None) => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Joins lines of zsh, bash or fish with `;`, except after a word that opens a block.
fn one_line(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            let opens = ["do", "then", "else", "{", "in", ";;"]
                .iter()
                .any(|word| text.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with(' ')));
            text.push_str(if opens { " " } else { "; " });
        }
        text.push_str(line);
    }
    text
}

/// Puts a word for every `'@name@'`, in one pass: what a word holds is not looked at again.
fn fill(template: &str, word: impl Fn(&str) -> Result<String, ShellError>) -> Result<String, ShellError> {
    let mut text = String::with_capacity(2 * template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("'@") {
        let (name, tail) = after.split_once("@'").expect("a template's placeholder is closed");
        text.push_str(before);
        text.push_str(&word(name)?);
        rest = tail;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hints_words_are_quoted_for_the_shell_that_reads_them() {
        let hint = Hint::from("look, then run ").command(["ringlet", "allow", "/a b/$(x)'"]).and(" again");
        for (shell, text) in [
            (Shell::Bash, r"look, then run `ringlet allow '/a b/$(x)'\'''` again"),
            (Shell::Zsh, r"look, then run `ringlet allow '/a b/$(x)'\'''` again"),
            (Shell::Fish, r"look, then run `ringlet allow '/a b/$(x)\''` again"),
            (Shell::PowerShell, "look, then run `ringlet allow '/a b/$(x)'''` again"),
        ] {
            assert_eq!(shell.write_hint(&hint), text);
        }
        for (shell, text) in
            [(Shell::Zsh, "unset A_B"), (Shell::Fish, "set -e A_B"), (Shell::PowerShell, "Remove-Item Env:A_B")]
        {
            assert_eq!(shell.write_hint(&Hint::run(["unset", "A_B"])), format!("run `{text}`"));
        }
        // A program whose path must be quoted.
        let program = Hint::run(["/a b/claude", "x y"]);
        assert_eq!(Shell::PowerShell.write_hint(&program), "run `& '/a b/claude' 'x y'`");
        assert_eq!(Shell::Fish.write_hint(&program), "run `'/a b/claude' 'x y'`");
        assert!(Shell::PowerShell.write_hint(&Hint::run(["/\u{e9}/claude"])).starts_with("run `& ('/' + [char]0x"));
        let plain = Hint::run(["ringlet", "profiles", "edit", "work", "model=m-1.2:x"]);
        assert_eq!(Shell::PowerShell.write_hint(&plain), "run `ringlet profiles edit work model=m-1.2:x`");
        // What is empty, a file search of zsh's, or no ASCII.
        let odd = Hint::run(["x", "", "=ls", "caf\u{e9}"]);
        assert_eq!(Shell::Zsh.write_hint(&odd), "run `x '' '=ls' 'caf\u{e9}'`");
        assert!(
            Shell::PowerShell.write_hint(&odd).contains(" ('caf' + [char]"),
            "{}",
            Shell::PowerShell.write_hint(&odd)
        );
        assert_eq!(Shell::Bash.write_hint(&Hint::run(["x", "\u{202e}a"])), r"run `x $'\342\200\256a'`");
    }

    #[test]
    fn the_users_shell_is_told_by_its_name() {
        for (path, shell) in [
            ("/usr/bin/fish", Shell::Fish),
            ("/bin/zsh", Shell::Zsh),
            ("/opt/pwsh", Shell::PowerShell),
            ("/bin/tcsh", Shell::Bash),
        ] {
            assert_eq!(Shell::of_user(&Env::from_pairs([("SHELL", path)])), shell, "{path}");
        }
    }
}
