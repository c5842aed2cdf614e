//! The only printer: data and shell code to stdout, messages to stderr.
//!
//! Names of files and directories come from strangers, so control characters are made visible before they reach a
//! terminal. A closed pipe ends the output silently. Colours are used on terminals only, and `NO_COLOR` turns them off.

use crate::env::Env;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::name::is_unprintable;
use crate::shell::Shell;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// The options of the command line about output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OutputOptions {
    /// Whether colours are used; `None` decides by the terminal.
    pub color: Option<bool>,
    /// Whether data is printed as JSON.
    pub json: bool,
    /// Whether only errors and warnings are printed.
    pub quiet: bool,
    /// Whether more is printed than usual.
    pub verbose: bool,
}

/// Where output goes.
pub(crate) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    color_out: bool,
    color_err: bool,
    options: OutputOptions,
    shell: Shell,
    failed: Option<io::Error>,
    /// The memory of the line that was written last, for the next one.
    line: String,
    /// Whether stderr is a terminal, which can show progress.
    has_terminal: bool,
    /// The columns that the shown progress takes.
    progress: usize,
}

/// A colour or weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Neither colour nor weight.
    Plain,
    /// For what matters most.
    Bold,
    /// For what matters least.
    Dim,
    /// For what is in order.
    Good,
    /// For what the user should look at.
    Warn,
    /// For what is wrong.
    Bad,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

impl Output {
    /// Prints to the process's own streams.
    pub(crate) fn standard() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let (color_out, color_err) = (out.is_terminal(), err.is_terminal());
        let out = Box::new(io::BufWriter::new(out));
        Self {
            out,
            err: Box::new(err),
            color_out,
            color_err,
            options: OutputOptions::default(),
            shell: Shell::Bash,
            failed: None,
            line: String::new(),
            has_terminal: color_err,
            progress: 0,
        }
    }

    /// Prints to other streams, without colours.
    #[cfg(all(test, unix))]
    pub(crate) fn to(out: impl Write + 'static, err: impl Write + 'static) -> Self {
        Self { out: Box::new(out), err: Box::new(err), color_out: false, color_err: false, ..Self::standard() }
    }

    /// Applies the options of the command line, and decides on colours.
    pub(crate) fn configure(&mut self, options: OutputOptions, env: &Env) {
        // https://no-color.org: any value but the empty one; TERM=dumb cannot show them.
        let plain = env.non_empty("NO_COLOR").is_some() || env.get("TERM").is_some_and(|term| term == "dumb");
        let decide = |terminal: bool| options.color.unwrap_or(terminal && !plain);
        self.color_out = decide(self.color_out);
        self.color_err = decide(self.color_err);
        self.options = options;
        self.shell = Shell::of_user(env);
    }

    /// Reports whether data is wanted as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        self.options.json
    }

    /// Reports whether `--verbose` was given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.options.verbose
    }

    /// Prints a line of data that consists of pieces.
    pub(crate) fn line(&mut self, pieces: &[(Style, &str)]) {
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        paint(&mut text, pieces, self.color_out);
        self.write(text.as_bytes());
        self.line = text;
    }

    /// Prints a line of data without colours.
    pub(crate) fn data(&mut self, text: &str) {
        self.line(&[(Style::Plain, text)]);
    }

    /// Prints text for a program, unchanged.
    pub(crate) fn raw(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    /// Prints data as JSON, followed by a newline.
    pub(crate) fn json(&mut self, data: &impl Serialize) {
        let mut text = serde_json::to_vec_pretty(data).expect("our data has only string keys");
        text.push(b'\n');
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        self.write(visible_in_json(&text).as_bytes());
    }

    /// Prints a table with two blanks between its columns. Widths count a terminal's columns: most Chinese, Japanese
    /// and Korean letters take two, and combining marks none.
    pub(crate) fn table(&mut self, rows: &[Vec<(Style, String)>]) {
        let mut widths: Vec<usize> = Vec::new();
        for row in rows {
            for (at, (_, cell)) in row.iter().enumerate() {
                let width = shown_width(cell);
                match widths.get_mut(at) {
                    Some(widest) => *widest = width.max(*widest),
                    None => widths.push(width),
                }
            }
        }
        for row in rows {
            let last = row.len().saturating_sub(1);
            let padded: Vec<(Style, String)> = row
                .iter()
                .enumerate()
                .flat_map(|(at, (style, cell))| {
                    let gap = if at == last { 0 } else { widths[at] + 2 - shown_width(cell) };
                    [(*style, cell.clone()), (Style::Plain, " ".repeat(gap))]
                })
                .collect();
            let pieces: Vec<(Style, &str)> = padded.iter().map(|(style, cell)| (*style, cell.as_str())).collect();
            self.line(&pieces);
        }
    }

    /// Prints what was done, for a person; silent with `--quiet`.
    pub(crate) fn note(&mut self, text: impl Into<Hint>) {
        if !self.options.quiet {
            let text = self.written(&text.into());
            self.message(Style::Dim, None, &text);
        }
    }

    /// Shows the progress of long work on a line of the terminal that the next call overwrites; silent with `--quiet`.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.has_terminal && !self.options.quiet {
            let text = format!("ringlet: {}", visible(text));
            let columns = self.progress;
            let _ = write!(self.err, "\r{text:columns$}");
            self.progress = text.chars().count();
        }
    }

    /// Clears the line of progress, if there is one.
    pub(crate) fn end_progress(&mut self) {
        let columns = std::mem::take(&mut self.progress);
        if columns > 0 {
            let _ = write!(self.err, "\r{:columns$}\r", "");
        }
    }

    /// Prints a warning, which is not an error.
    pub(crate) fn warn(&mut self, text: impl Into<Hint>) {
        let text = self.written(&text.into());
        self.message(Style::Warn, Some("warning"), &text);
    }

    /// Prints a failure and its hints.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.message(Style::Bad, Some("error"), &failure.message);
        for hint in &failure.hints {
            let text = self.written(hint);
            self.message(Style::Good, Some("hint"), &text);
        }
    }

    /// Returns a hint as text. Its commands can be pasted into the user's shell.
    pub(crate) fn written(&self, hint: &Hint) -> String {
        self.shell.write_hint(hint)
    }

    /// Prints a line for a person without the prefix of messages, such as that of `ringlet announce`.
    pub(crate) fn plain_stderr(&mut self, text: &str) {
        let _ = self.err.write_all(painted(&[(Style::Dim, text)], self.color_err).as_bytes());
    }

    /// Prints help, with colours or without.
    pub(crate) fn help(&mut self, plain: &str, painted: &str) {
        let text = if self.color_out { painted } else { plain };
        self.write(text.as_bytes());
    }

    /// Prints the error of a wrong command line, with colours or without.
    pub(crate) fn usage(&mut self, plain: &str, painted: &str) {
        // clap repeats the user's words, and a hostile name may be among them. Then no colours are used.
        let tame: String = plain.lines().map(|line| visible(line) + "\n").collect();
        let text = match (tame.trim_end() != plain.trim_end(), self.color_err) {
            (true, _) => tame,
            (false, true) => painted.to_owned(),
            (false, false) => plain.to_owned(),
        };
        let _ = self.err.write_all(format!("ringlet: {text}").as_bytes());
    }

    fn message(&mut self, style: Style, kind: Option<&str>, text: &str) {
        let label = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
        let pieces = [(Style::Plain, "ringlet: "), (style, label.as_str()), (Style::Plain, text)];
        // On a terminal a message stands below the data that was printed before it.
        if let Err(error) = self.out.flush() {
            self.failed.get_or_insert(error);
        }
        // If standard error cannot be written, there is no other place to report that.
        let _ = self.err.write_all(painted(&pieces, self.color_err).as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none()
            && let Err(error) = self.out.write_all(bytes)
        {
            self.failed = Some(error);
        }
    }

    /// Prints data as JSON on one line, for a reader of lines.
    pub(crate) fn json_line(&mut self, data: &impl Serialize) {
        let text = serde_json::to_string(data).expect("our data has only string keys");
        self.write(visible_in_json(&text).as_bytes());
        self.write(b"\n");
    }

    /// Writes all buffered output before the process ends or becomes another program. A closed pipe is no failure.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.flush().map(drop)
    }

    /// Writes all buffered output. Returns `false` if nobody reads it any more.
    pub(crate) fn flush(&mut self) -> Result<bool, Failure> {
        let flushed = self.out.flush();
        match self.failed.take().or(flushed.err()) {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Some(error) => Err(Failure::new(format!("the output cannot be written: {error}"))),
            None => Ok(true),
        }
    }
}

// Returns the number of a terminal's columns that a cell takes.
fn shown_width(cell: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(visible(cell).as_str())
}

fn painted(pieces: &[(Style, &str)], color: bool) -> String {
    let mut line = String::new();
    paint(&mut line, pieces, color);
    line
}

fn paint(line: &mut String, pieces: &[(Style, &str)], color: bool) {
    for (style, text) in pieces {
        let has_style = color && *style != Style::Plain && !text.is_empty();
        line.push_str(if has_style { style.code() } else { "" });
        push_visible(line, text);
        line.push_str(if has_style { "\x1b[0m" } else { "" });
    }
    line.push('\n');
}

/// Escapes the characters that JSON leaves as they are: the rest of the control characters, and those that reorder
/// text. They can stand in strings only, so the data stays the same.
fn visible_in_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns text in which control characters, newlines included, and characters that reorder text are made visible.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

fn push_visible(shown: &mut String, text: &str) {
    // The prefix of a canonical path of Windows is left out.
    let text = if cfg!(windows) { Cow::Owned(text.replace(r"\\?\", "")) } else { Cow::Borrowed(text) };
    // A listing of many names has nothing else.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return shown.push_str(&text);
    }
    for c in text.chars() {
        if is_unprintable(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_in_line_whatever_the_letters() {
        assert_eq!(["abcd", "\u{9879}\u{76ee}", "e\u{301}", "\u{1b}"].map(shown_width), [4, 4, 1, 6]);
    }

    #[test]
    fn nothing_raw_reaches_the_terminal() {
        assert_eq!(visible("a\x1b[31m\n\u{9b}\u{202e}"), "a\\u{1b}[31m\\n\\u{9b}\\u{202e}");
        assert_eq!(visible("caf\u{e9}"), "caf\u{e9}");
        assert_eq!(visible_in_json("[\n\"\u{7f}\u{9b}\u{202e}\u{e9}\"]"), "[\n\"\\u007f\\u009b\\u202e\u{e9}\"]");
        assert_eq!(painted(&[(Style::Bad, "x\x1b")], true), "\x1b[1;31mx\\u{1b}\x1b[0m\n");
    }
}
