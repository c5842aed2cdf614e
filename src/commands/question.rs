//! Questions on the terminal: a yes or no, or a letter, with `?` for what each letter means.

use crate::failure::Failure;
use crate::host::Host;
use crate::output::Style;

/// Reports whether an answer is a yes. The empty answer is none.
pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks a question whose answer is yes if only Enter was pressed. Without a terminal it is no.
pub(super) fn is_yes_or_enter(host: &Host, question: &str) -> bool {
    let answer = host.world.console.ask(&format!("ringlet: {question} [Y/n] "));
    answer.is_some_and(|answer| answer.trim().is_empty() || is_yes(&answer))
}

/// Asks until the answer is not `?`, which explains the letters. Returns `None` without a terminal.
pub(super) fn ask(host: &mut Host, question: &str, letters: &[(&str, &str)]) -> Result<Option<String>, Failure> {
    loop {
        // What the question is about must be on the screen before it.
        host.output.flush()?;
        let answer = host.world.console.ask(&format!("ringlet: {question}: "));
        match answer.as_deref().map(str::trim) {
            Some("?") => {}
            other => return Ok(other.map(str::to_owned)),
        }
        let rows = letters
            .iter()
            .map(|(letter, what)| vec![(Style::Bold, format!("  {letter}")), (Style::Plain, (*what).to_owned())]);
        host.output.table(&rows.collect::<Vec<_>>());
    }
}

/// Returns the letter that an answer stands for, which may be its word; a blank for the empty answer, and `?` for any
/// other.
pub(super) fn letter(answer: &str) -> char {
    const WORDS: &[&str] = &["yes", "no", "all", "choose", "keep", "default", "name", "skip", "here", "login", "key"];
    let answer = answer.to_ascii_lowercase();
    match answer.chars().next() {
        None => ' ',
        Some(first) if answer.len() == 1 || WORDS.contains(&answer.as_str()) => first,
        Some(_) => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_letter_or_its_word_and_nothing_else_is_a_yes() {
        assert_eq!(
            ["y", "YES", "", "yesterday", "c", "here", "\u{e9}"].map(letter),
            ['y', 'y', ' ', '?', 'c', 'h', '?']
        );
        let yes = ["y", " Yes ", "YES\n"];
        assert!(yes.iter().all(|answer| is_yes(answer)));
        assert!(["", "n", "yes please", "ja"].iter().all(|answer| !is_yes(answer)));
    }
}
