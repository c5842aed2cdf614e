//! The head file: the log's last line, the last line that was dropped at its start, and the line that is being written.
//!
//! The chain alone cannot show that lines are missing at its end or, once files have been dropped, at its start. The
//! head remembers the last line's number and digest, those of the last line that rotation dropped (the anchor), and,
//! while a line is being written, that line's digest. It is one record of fixed size, overwritten in place in one
//! write under the lock; a digest of its own shows when that write was cut.
//!
//! An append writes the head (announcing the line), the line, and the head again. So wherever a process
//! dies, the log ends either at the head's last line or at the announced one, and anything else is damage.

use super::AuditError;
use super::chain::Link;
use super::files::{self, Files, Standing};
use crate::digest::Digest;
use std::fs::File;
use std::path::PathBuf;

/// The head file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The last line that is known to be written.
    pub last: Link,
    /// The digest of the line after it, while that one is being written.
    pub announced: Option<Digest>,
    /// The last line that rotation dropped.
    pub anchor: Link,
}

/// The state of the head file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// A whole head.
    Valid(Head),
    /// No file, or an empty one.
    Absent,
    /// Something else.
    Damaged,
}

const TITLE: &str = "ringlet-audit-head 1";

impl Head {
    /// The head of a log without lines.
    pub(super) const NEW: Self = Self { last: Link::START, announced: None, anchor: Link::START };

    fn to_text(self) -> String {
        // Fixed widths: an overwrite covers the old record exactly, and 512 bytes are one sector.
        let body = format!(
            "{TITLE} last={:020} {} announced={} anchor={:020} {}",
            self.last.n,
            self.last.hash,
            self.announced.unwrap_or(Digest::NONE),
            self.anchor.n,
            self.anchor.hash
        );
        format!("{body} sum={}\n", Digest::of(body.as_bytes()))
    }

    fn from_text(text: &str) -> Option<Self> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once(" sum=")?;
        let words: Vec<_> = body.strip_prefix(TITLE)?.split_ascii_whitespace().collect();
        let [last, last_hash, announced, anchor, anchor_hash] = words[..] else { return None };
        let announced: Digest = announced.strip_prefix("announced=")?.parse().ok()?;
        let link = |n: &str, name: &str, hash: &str| {
            Some(Link { n: n.strip_prefix(name)?.parse().ok()?, hash: hash.parse().ok()? })
        };
        let head = Self {
            last: link(last, "last=", last_hash)?,
            announced: (announced != Digest::NONE).then_some(announced),
            anchor: link(anchor, "anchor=", anchor_hash)?,
        };
        (sum.parse() == Ok(Digest::of(body.as_bytes())) && head.to_text() == text).then_some(head)
    }
}

impl Stored {
    /// Reads a head; an unreadable file is an error, a wrong content is not.
    pub(super) fn read(files: &Files) -> Result<Self, AuditError> {
        match files::open_for_reading(&files.head())? {
            Some(file) => Self::from_file(&file).map_err(AuditError::io("read", files.head())),
            None => Ok(Self::Absent),
        }
    }

    fn from_file(file: &File) -> std::io::Result<Self> {
        let mut bytes = [0; 1024];
        let length = files::read_at(file, &mut bytes, 0)?;
        let bytes = &bytes[..length];
        if bytes.is_empty() {
            return Ok(Self::Absent);
        }
        let head = std::str::from_utf8(bytes).ok().and_then(Head::from_text);
        Ok(head.map_or(Self::Damaged, Self::Valid))
    }
}

/// The head file, open for appends; the caller holds the lock.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    path: PathBuf,
    standing: Option<Standing>,
    length: u64,
}

impl HeadFile {
    /// Opens or creates the file (0600) and reads it.
    pub(super) fn open(files: &Files) -> Result<(Self, Stored), AuditError> {
        let path = files.head();
        let file = files::open_private(&path, files::Write::InPlace)?;
        let meta = file.metadata().map_err(AuditError::io("examine", &path))?;
        let stored = Stored::from_file(&file).map_err(AuditError::io("read", &path))?;
        Ok((Self { file, path, standing: Standing::of(&meta), length: meta.len() }, stored))
    }

    /// Reads the file again after others may have written it; none where the path leads to another file by now.
    pub(super) fn read_again(&mut self) -> Result<Option<Stored>, AuditError> {
        let Some(meta) = Standing::of_path(self.standing, &self.path) else { return Ok(None) };
        self.length = meta.len();
        Stored::from_file(&self.file).map(Some).map_err(AuditError::io("read", &self.path))
    }

    /// Overwrites the record. A crash leaves the old one or the new one.
    pub(super) fn store(&mut self, head: &Head) -> Result<(), AuditError> {
        let text = head.to_text();
        let written = files::write_at_start(&self.file, text.as_bytes());
        // Damage may have left more bytes than a record has, which an overwrite would leave in place.
        let cut = written.and_then(|()| match self.length > text.len() as u64 {
            true => self.file.set_len(text.len() as u64),
            false => Ok(()),
        });
        cut.map_err(AuditError::io("write", &self.path))?;
        self.length = text.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let link = |n: u64| Link { n, hash: Digest::of(&n.to_le_bytes()) };
        Head { last: link(u64::MAX), announced: Some(Digest::of(b"next")), anchor: link(3) }
    }

    #[test]
    fn every_head_has_the_same_length_and_fits_a_sector() {
        assert_eq!(head().to_text().len(), Head::NEW.to_text().len());
        assert!(head().to_text().len() <= 512, "{}", head().to_text().len());
    }

    #[test]
    fn a_head_reads_back_and_no_changed_byte_passes() {
        let text = head().to_text();
        assert_eq!(Head::from_text(&text), Some(head()));
        assert_eq!(Head::from_text(&Head::NEW.to_text()), Some(Head::NEW));
        for at in 0..text.len() {
            assert_eq!(Head::from_text(&text[..at]), None);
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(std::str::from_utf8(&bytes).ok().and_then(Head::from_text), None, "byte {at}");
        }
    }
}
