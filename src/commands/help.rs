//! `ringlet help`: the topics that are no command, and each command's own help.

use super::usage;
use crate::cli::Cli;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::closest;
use crate::output::Style;
use clap::{CommandFactory, Parser};

/// The topics and their texts.
pub(super) const TOPICS: &[(&str, &str)] = &[
    ("profiles", include_str!("help/profiles.txt")),
    ("trust", include_str!("help/trust.txt")),
    ("delivery", include_str!("help/delivery.txt")),
    ("files", include_str!("help/files.txt")),
    ("environment", include_str!("help/environment.txt")),
    ("exit-status", include_str!("help/exit-status.txt")),
];

/// `ringlet help [TOPIC]`
pub(super) fn run(host: &mut Host, words: &[String]) -> Result<i32, Failure> {
    if let [word] = words
        && let Some((_, text)) = TOPICS.iter().find(|(name, _)| name == word)
    {
        host.output.raw(text);
        return Ok(0);
    }
    // A command's own help is what clap prints for `--help`.
    let command = words.iter().try_fold(Cli::command(), |command, word| command.find_subcommand(word).cloned());
    if command.is_none() {
        let commands = Cli::command();
        let names = commands.get_subcommands().filter(|sub| !sub.is_hide_set()).map(clap::Command::get_name);
        let names: Vec<&str> = names.chain(TOPICS.iter().map(|(name, _)| *name)).collect();
        let failure = Failure::usage("there is no such topic or command");
        return Err(match words.first().and_then(|word| closest(word, names.iter().copied())) {
            Some(meant) => failure.hint(Hint::from("did you mean ").command(["ringlet", "help", meant]).and("?")),
            None => failure.hint("run `ringlet help`"),
        });
    }
    let words = ["ringlet"].into_iter().chain(words.iter().map(String::as_str)).chain(["--help"]);
    let error = Cli::try_parse_from(words).expect_err("help is an error of clap's");
    let status = usage::refused(host, error);
    if status == 0 && matches!(host.world.arguments.as_slice(), [_, _]) {
        host.output.line(&[]);
        host.output.line(&[(Style::Bold, "Topics:"), (Style::Plain, " ringlet help TOPIC")]);
        let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
        host.output.data(&format!("  {}", names.join(", ")));
    }
    Ok(status)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn topics_and_commands_are_explained_and_others_are_not_known() {
        let home = Home::new();
        for (name, text) in TOPICS {
            assert_eq!(home.run(&["help", name]).succeeds().out, *text);
            assert!(text.lines().all(|line| line.len() <= 80) && text.is_ascii(), "{name}");
        }
        assert_eq!(home.run(&["help", "keychain", "set"]).out, home.run(&["keychain", "set", "--help"]).out);
        let all = home.run(&["help"]).succeeds().out;
        assert!(all.starts_with(&home.run(&["--help"]).out) && all.contains("exit-status"), "{all}");
        home.run(&["help", "trsut"]).is_refused(2, "did you mean `ringlet help trust`?");
        home.run(&["help", "qqqqq"]).is_refused(2, "run `ringlet help`");
    }
}
