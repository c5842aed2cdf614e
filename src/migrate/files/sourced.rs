//! Which files a start file sources, found in its text alone.
//!
//! A path counts when it is literal, or begins with what can be known without running anything: `~`, `$HOME`,
//! `$ZDOTDIR`, the configuration's folder. A path too many costs one look at a file; so the text is not parsed, and
//! code that is never reached counts, too.

use std::path::{Path, PathBuf};

/// What may stand for a folder in a path.
pub(super) struct Known<'a> {
    pub(super) home: &'a Path,
    pub(super) config: &'a Path,
    pub(super) zdotdir: Option<&'a Path>,
}

/// The files named by `source` and `.`, in order; a relative one is looked for at home and in the file's own folder.
pub(super) fn files(bytes: &[u8], folder: &Path, known: &Known<'_>) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(bytes);
    let mut paths = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut rest = line;
        let mut fresh = true;
        while let Some((word, quoted, after)) = next_word(rest) {
            let reads = fresh && !quoted && matches!(word.as_str(), "source" | ".");
            if reads && let Some((path, ..)) = next_word(after) {
                match expand_in(&path, folder, known) {
                    Some(path) if path.is_absolute() => paths.push(path),
                    Some(path) => paths.extend([known.home.join(&path), folder.join(&path)]),
                    None => {}
                }
            }
            // `builtin`, `then` and the like may stand before a command; so may a condition's end.
            let opens = ["builtin", "command", "then", "do", "else", "and", "or", "{", "(", "!", "]", "]]"];
            fresh = !quoted && (opens.contains(&word.as_str()) || word.is_empty());
            rest = after;
        }
    }
    paths
}

/// The folder or file that the last plain assignment to a name gives it.
pub(super) fn value_of(name: &str, bytes: &[u8], known: &Known<'_>) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = None;
    for line in text.lines() {
        let line = line.trim_start();
        let line = ["export ", "typeset -gx ", "typeset -x ", "declare -x "]
            .iter()
            .find_map(|word| line.strip_prefix(word))
            .unwrap_or(line)
            .trim_start();
        if let Some((value, ..)) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).and_then(next_word) {
            found = expand(&value, known).or(found);
        }
    }
    found
}

/// A path with its first part expanded; `None` when more would have to be known. Only absolute ones.
pub(super) fn expand(text: &str, known: &Known<'_>) -> Option<PathBuf> {
    expand_in(text, Path::new(""), known).filter(|path| path.is_absolute())
}

fn expand_in(text: &str, folder: &Path, known: &Known<'_>) -> Option<PathBuf> {
    // fish and PowerShell have names of their own for the folder of the file or of the configuration.
    let fish = known.config.join("fish");
    let zdotdir = known.zdotdir.unwrap_or(known.home);
    let starts: [(&str, &Path); 22] = [
        ("~", known.home),
        ("${HOME}", known.home),
        ("$HOME", known.home),
        ("$env:HOME", known.home),
        ("${env:HOME}", known.home),
        ("$env:USERPROFILE", known.home),
        ("${ZDOTDIR:-$HOME}", zdotdir),
        ("${ZDOTDIR:-${HOME}}", zdotdir),
        ("${ZDOTDIR:-~}", zdotdir),
        ("${ZDOTDIR}", zdotdir),
        ("$ZDOTDIR", zdotdir),
        ("${XDG_CONFIG_HOME:-$HOME/.config}", known.config),
        ("${XDG_CONFIG_HOME:-${HOME}/.config}", known.config),
        ("${XDG_CONFIG_HOME:-~/.config}", known.config),
        ("${XDG_CONFIG_HOME}", known.config),
        ("$XDG_CONFIG_HOME", known.config),
        ("$__fish_config_dir", &fish),
        ("$PSScriptRoot", folder),
        ("${0:A:h}", folder),
        ("${0:h}", folder),
        ("$(dirname $0)", folder),
        ("%h", known.home),
    ];
    let start = starts.iter().find_map(|(start, folder)| {
        let rest = text.strip_prefix(start)?;
        (rest.is_empty() || rest.starts_with(['/', '\\'])).then_some((*folder, rest))
    });
    let (base, rest) = start.unwrap_or((Path::new(""), text));
    let open = ['$', '`', '*', '?', '[', '(', '{', '<', '~', '\0'];
    if rest.contains(open) || text.is_empty() || (rest.is_empty() && base.as_os_str().is_empty()) {
        return None;
    }
    match start {
        // PowerShell's paths may be written with either.
        Some(_) if rest.starts_with('\\') => Some(base.join(rest.replace('\\', "/").trim_start_matches('/'))),
        Some(_) => Some(base.join(rest.trim_start_matches('/'))),
        None => Some(PathBuf::from(rest)),
    }
}

// The next word, without its quotes, whether it had any, and what follows. An empty word is a separator.
fn next_word(text: &str) -> Option<(String, bool, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut quoted = false;
    // `${...}` and `$(...)` may hold blanks.
    let mut depth = 0usize;
    let mut signs = text.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        match (quote, sign) {
            (Some(open), _) if sign == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(sign);
                quoted = true;
            }
            (Some('"') | None, '\\') if matches!(signs.peek(), Some((_, ' ' | '"' | '\'' | '$' | '\\'))) => {
                word.extend(signs.next().map(|(_, sign)| sign));
            }
            (None, '{' | '(') if word.ends_with('$') || depth > 0 => {
                depth += 1;
                word.push(sign);
            }
            (None, '}' | ')') if depth > 0 => {
                depth -= 1;
                word.push(sign);
            }
            (None, ' ' | '\t') if depth == 0 => return Some((word, quoted, &text[at..])),
            (None, ';' | '&' | '|' | ')') if depth == 0 => {
                return match word.is_empty() && !quoted {
                    true => Some((word, false, &text[at + 1..])),
                    false => Some((word, quoted, &text[at..])),
                };
            }
            _ => word.push(sign),
        }
    }
    (!text.is_empty()).then_some((word, quoted, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> Known<'static> {
        Known { home: Path::new("/h"), config: Path::new("/h/.config"), zdotdir: Some(Path::new("/z")) }
    }

    fn shown(text: &str) -> Vec<String> {
        files(text.as_bytes(), Path::new("/f"), &known()).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn literal_and_home_paths_are_found_in_every_shells_way() {
        for (text, want) in [
            ("source ~/.secrets", "/h/.secrets"),
            (". \"$HOME/.secrets\" # mine", "/h/.secrets"),
            ("  . ${HOME}/a\\ b", "/h/a b"),
            ("[ -f ~/.env ] && . ~/.env", "/h/.env"),
            ("[[ -r $HOME/.x ]] && source $HOME/.x || true", "/h/.x"),
            ("if [ -f ~/.bashrc ]; then . ~/.bashrc; fi", "/h/.bashrc"),
            ("set -a; source '/opt/keys'; set +a", "/opt/keys"),
            ("source \"${ZDOTDIR:-$HOME}/.zsecrets\"", "/z/.zsecrets"),
            ("source ${ZDOTDIR:-${HOME}}/a; source $ZDOTDIR/b", "/z/a /z/b"),
            ("test -f ~/a.fish; and source ~/a.fish", "/h/a.fish"),
            ("source $__fish_config_dir/keys.fish", "/h/.config/fish/keys.fish"),
            (". \"$PSScriptRoot\\keys.ps1\"", "/f/keys.ps1"),
            ("if ( -f ~/.keys ) source ~/.keys", "/h/.keys"),
            ("builtin source $XDG_CONFIG_HOME/k", "/h/.config/k"),
            ("source .secrets", "/h/.secrets /f/.secrets"),
            ("{ . ~/a; }", "/h/a"),
        ] {
            assert_eq!(shown(text), want.split(' ').fold(Vec::new(), joined), "{text}");
        }
    }

    // "a b" is one path in one of the cases.
    fn joined(mut paths: Vec<String>, part: &str) -> Vec<String> {
        match paths.last_mut() {
            Some(last) if !part.starts_with('/') => last.push_str(&format!(" {part}")),
            _ => paths.push(part.to_owned()),
        }
        paths
    }

    #[test]
    fn what_only_running_the_code_would_tell_is_not_followed() {
        for text in [
            "# source ~/.secrets",
            "source $DOTFILES/keys",
            "for f in ~/.zsh/*.zsh; do source $f; done",
            "source <(kubectl completion zsh)",
            ". `which x`",
            "source ~other/x",
            "echo source ~/.secrets",
            "source",
            "source ~/.zsh/*.zsh",
            "eval \"$(x)\"",
            "./run ~/x",
        ] {
            assert_eq!(shown(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_plain_assignment_tells_the_folder() {
        let text = b"ZDOTDIR=/a\nexport ZDOTDIR=\"$HOME/.config/zsh\" # here\nXZDOTDIR=/b\nZDOTDIR=$(pwd)\n";
        assert_eq!(value_of("ZDOTDIR", text, &known()), Some("/h/.config/zsh".into()));
        assert_eq!(value_of("ZDOTDIR", b"", &known()), None);
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[ ;.&|${}()'\"\\\\~/a-c\n]{0,60}",
        ) {
            files(&bytes, Path::new("/f"), &known());
            files(format!("source {text}").as_bytes(), Path::new("/f"), &known());
            value_of("A", format!("A={text}").as_bytes(), &known());
        }
    }
}
