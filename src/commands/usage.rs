//! The error of a command line that clap refuses: its message without control characters and without possible keys.

use crate::cli::Cli;
use crate::failure::status as exit;
use crate::host::{Host, World};
use crate::name::shorten;
use crate::output::{OutputOptions, visible};
use clap::Parser;
use std::ffi::{OsStr, OsString};

// clap repeats words as they are, and a newline in one could forge a line of Ringlet's.
fn tamed(arguments: &[OsString]) -> Option<clap::Error> {
    let shown: Vec<OsString> = arguments.iter().map(|word| visible(&word.to_string_lossy()).into()).collect();
    if shown == arguments { None } else { Cli::try_parse_from(shown).err() }
}

// Finds the command of a line that does not parse. The options of every command may stand before its name.
fn names_exec(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "--color" || word == "--config-home" {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return word == "exec";
        }
    }
    false
}

/// Prints clap's error and returns the exit status. clap returns help and version as errors, too.
pub(super) fn refused(host: &mut Host, error: clap::Error) -> i32 {
    let error = tamed(&host.world.arguments).unwrap_or(error);
    let wants =
        |name: &str| host.world.arguments.iter().take_while(|word| *word != "--").any(|word| word == OsStr::new(name));
    let color = match host.world.arguments.iter().position(|word| word == "--color") {
        Some(at) => host.world.arguments.get(at + 1).cloned(),
        None => {
            host.world.arguments.iter().find_map(|word| Some(OsString::from(word.to_str()?.strip_prefix("--color=")?)))
        }
    };
    let color = color.and_then(|when| match when.to_str() {
        Some("always") => Some(true),
        Some("never") => Some(false),
        _ => None,
    });
    host.output.configure(OutputOptions { color, quiet: wants("-q"), ..OutputOptions::default() }, &host.world.env);
    let text = error.render();
    if error.use_stderr() {
        let [plain, painted] =
            [text.to_string(), text.ansi().to_string()].map(|text| without_long_words(&host.world, text));
        host.output.usage(&plain, &painted);
        return if names_exec(&host.world.arguments) { exit::EXEC_FAILED } else { exit::USAGE };
    }
    host.output.help(&text.to_string(), &text.ansi().to_string());
    0
}

// clap repeats a word that it does not expect, and the likeliest one is a pasted key.
fn without_long_words(world: &World, mut text: String) -> String {
    for word in world.arguments.iter().skip(1) {
        let word = word.to_string_lossy();
        for part in [word.as_ref(), word.trim_start_matches('-'), word.split_once('=').map_or("", |(_, value)| value)] {
            let short = shorten(part);
            if short != part {
                text = text.replace(part, &short);
            }
        }
    }
    text
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn a_wrong_command_line_has_the_status_of_its_command() {
        let home = Home::new();
        assert_eq!(home.run(&["nonsense"]).status, exit::USAGE);
        assert_eq!(home.run(&["exec", "--nonsense"]).status, exit::EXEC_FAILED);
        let help = home.run(&["--help"]).succeeds();
        assert!(help.out.contains("Usage:") && help.err.is_empty());
    }

    #[test]
    fn a_pasted_key_is_shortened_and_a_control_character_shown() {
        let home = Home::new();
        let key = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST";
        let ran = home.run(&["keychain", "set", "anthropic", "work", key]);
        assert!(ran.status == 2 && !ran.err.contains("TESTTEST"), "{ran:?}");
        let ran = home.run(&["a\u{1b}[31m"]);
        assert!(ran.err.contains("\\u{1b}") && !ran.err.contains('\u{1b}'), "{ran:?}");
    }
}
