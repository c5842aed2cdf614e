//! The result of a command.

use std::process::Output;

/// A key that looks like one of Anthropic's and is none.
pub(crate) const KEY: &str = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTEST";

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit status; `None` after a signal.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Done {
    /// Takes what a process left.
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts success and gives stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// Asserts this status and that stderr says each of these things.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, says: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        for text in says {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }
}
