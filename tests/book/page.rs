//! A page of the book: its code blocks, and what stands in the comments before them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A page, with the lines of what it includes.
pub(crate) struct Page {
    /// Its file.
    pub file: PathBuf,
    /// Its own lines.
    pub lines: Vec<String>,
}

/// One command of a session.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    /// What is typed, with the lines that continue it.
    pub text: String,
    /// The lines of the page that show what it prints, counted from 0.
    pub output: Range<usize>,
}

/// What a page has a shell do.
#[derive(Debug)]
pub(crate) enum Step {
    /// `<!-- book: setup`: commands that the reader does not see.
    Setup(String),
    /// A block with the info `console`.
    Session(Vec<Typed>),
    /// One command on a terminal. Each answer is typed when the text before it has appeared.
    Terminal(Typed, Vec<(String, String)>),
    /// `<!-- book: not run, because ... -->` before a block.
    Exempt(String),
}

impl Page {
    /// Reads a page.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { file: file.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    /// Returns what the page has a shell do, in order. A block that shows a session and is neither run nor exempt is a
    /// fault, and so is an exemption without a reason.
    pub(crate) fn steps(&self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        let mut answers = None;
        let mut at = 0;
        while at < self.lines.len() {
            let line = &self.lines[at];
            let place = at + 1;
            let wrong = |why: &str| format!("{}:{place}: {why}", self.file.display());
            if line.starts_with("<!-- book:") {
                let Some(end) = (at..self.lines.len()).find(|at| self.lines[*at].ends_with("-->")) else {
                    return Err(wrong("the comment does not end"));
                };
                let comment = Comment::read(&self.lines[at..=end]).map_err(|why| wrong(&why))?;
                let block = (end + 1..self.lines.len()).find(|at| !self.lines[*at].trim().is_empty());
                at = end + 1;
                if let Comment::Setup(commands) = comment {
                    steps.push(Step::Setup(commands));
                    continue;
                }
                let Some(block) = block.filter(|at| is_code(&self.lines[*at])) else {
                    return Err(wrong("the comment stands right before a block"));
                };
                at = block;
                match comment {
                    Comment::NotRun(reason) => {
                        steps.push(Step::Exempt(reason));
                        at = self.end_of_block(block);
                    }
                    Comment::Typed(pairs) => answers = Some(pairs),
                    Comment::Setup(_) => {}
                }
            } else if let Some(info) = line.strip_prefix("```") {
                let end = self.end_of_block(at);
                let block = at + 1..end - 1;
                if info == "console" {
                    let commands = self.commands(block);
                    if commands.is_empty() {
                        return Err(wrong("no line of the block begins with `$ `"));
                    }
                    steps.push(match (answers.take(), commands.as_slice()) {
                        (None, _) => Step::Session(commands),
                        (Some(answers), [command]) => Step::Terminal(command.clone(), answers),
                        (Some(_), _) => return Err(wrong("a block that is typed at has one command")),
                    });
                } else if self.lines[block].iter().any(|line| is_command(line)) {
                    return Err(wrong(
                        "a block with commands of ringlet has the info `console`, or a reason before it",
                    ));
                }
                at = end;
            } else if line.strip_prefix("    ").is_some_and(is_command) {
                return Err(wrong("a session stands between ```console and ```"));
            } else {
                at += 1;
            }
        }
        Ok(steps)
    }

    // The line after a block.
    fn end_of_block(&self, start: usize) -> usize {
        let is_end = |at: &usize| match self.lines[start].starts_with("```") {
            true => self.lines[at - 1] == "```",
            false => !self.lines[*at].starts_with("    "),
        };
        (start + 2..self.lines.len()).find(is_end).unwrap_or(self.lines.len())
    }

    fn commands(&self, block: Range<usize>) -> Vec<Typed> {
        let mut commands: Vec<Typed> = Vec::new();
        for at in block {
            let line = &self.lines[at];
            if let Some(text) = line.strip_prefix("$ ") {
                commands.push(Typed { text: text.to_owned(), output: at + 1..at + 1 });
                continue;
            }
            let Some(last) = commands.last_mut() else { continue };
            if let Some(more) = line.strip_prefix("> ").filter(|_| last.output.is_empty()) {
                last.text = format!("{}\n{more}", last.text);
                last.output = at + 1..at + 1;
            } else {
                last.output.end = at + 1;
            }
        }
        commands
    }
}

/// What a comment before a block says.
enum Comment {
    Setup(String),
    Typed(Vec<(String, String)>),
    NotRun(String),
}

impl Comment {
    fn read(lines: &[String]) -> Result<Self, String> {
        let text = lines.join("\n");
        let text = text.trim_start_matches("<!-- book:").trim_end_matches("-->").trim();
        if let Some(commands) = text.strip_prefix("setup\n") {
            return Ok(Self::Setup(commands.to_owned()));
        }
        if let Some(answers) = text.strip_prefix("typed\n") {
            let pair = |line: &str| {
                let (after, text) = line.split_once(" <= ").or_else(|| Some((line.strip_suffix(" <=")?, "")))?;
                Some((after.to_owned(), text.to_owned()))
            };
            let pairs: Option<_> = answers.lines().map(pair).collect();
            return pairs.map(Self::Typed).ok_or_else(|| "an answer is written as `TEXT <= ANSWER`".to_owned());
        }
        match text.strip_prefix("not run, because").map(str::trim) {
            Some("") => Err("the reason is empty".to_owned()),
            Some(reason) => Ok(Self::NotRun(reason.split_whitespace().collect::<Vec<_>>().join(" "))),
            None => Err("a comment of the book is `setup`, `typed` or `not run, because REASON`".to_owned()),
        }
    }
}

fn is_code(line: &str) -> bool {
    line.starts_with("```") || line.starts_with("    ")
}

fn is_command(line: &str) -> bool {
    line.starts_with("$ ") || line.starts_with("ringlet ") || line.starts_with("eval \"$(ringlet")
}

/// Compares what a command has printed with what a page shows. `...` in a line stands for any text, and on a line of
/// its own for any lines. Blanks at the end of a
/// line do not count, and two of them count as more.
pub(crate) fn is_as_shown(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.iter().all(|line| line.trim().is_empty()),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=printed.len()).any(|skipped| is_as_shown(rest, &printed[skipped..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((line, after)) => is_same_line(first.trim_end(), line.trim_end()) && is_as_shown(rest, after),
            None => first.trim().is_empty() && is_as_shown(rest, printed),
        },
    }
}

fn is_same_line(shown: &str, printed: &str) -> bool {
    is_same_text(&even(shown), &even(printed))
}

// A line whose columns are two blanks apart. How far apart they are depends on the length of the world's own path.
fn even(line: &str) -> String {
    let text = line.trim_start();
    let columns: Vec<&str> = text.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    format!("{}{}", &line[..line.len() - text.len()], columns.join("  "))
}

fn is_same_text(shown: &str, printed: &str) -> bool {
    match shown.split_once("...") {
        None => shown == printed,
        Some((before, after)) => printed.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| is_same_text(after, &rest[at..]))
        }),
    }
}
