//! Lines of a log file: all of them in big blocks, or only the first or last. Memory stays bounded whatever the file
//! holds. Called by `log`, `verify`, `query` and `uses`.

use super::files;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// The longest record, in bytes. Two paths of 4 KiB whose every byte is escaped stay far below.
pub(super) const MAX_LINE: usize = 256 << 10;

/// The bytes that are read at once. Larger blocks were not faster, and this one fits a second-level cache.
const BLOCK: usize = 256 << 10;

/// What ended a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A newline, as every whole record.
    Newline,
    /// The end of the file: the write was cut short.
    File,
    /// More than [`MAX_LINE`] bytes; the rest of it was passed over.
    TooLong,
}

/// Reads the first bytes of a file line by line, without the newlines.
pub(super) struct Lines<'a> {
    file: &'a File,
    unread: Range<u64>,
    block: Vec<u8>,
    filled: Range<usize>,
    skipping: bool,
}

impl<'a> Lines<'a> {
    /// `length` is taken under the lock, so that a line being appended meanwhile is not seen half. Several readers may
    /// read one file.
    pub(super) fn new(file: &'a File, length: u64) -> Self {
        let block = usize::try_from(length).unwrap_or(usize::MAX).min(BLOCK + MAX_LINE);
        Self { file, unread: 0..length, block: vec![0; block], filled: 0..0, skipping: false }
    }

    /// The lines of the last `most` of the bytes. Where these begin within the file, the first line is left out, since
    /// it may have begun before them.
    pub(super) fn tail(file: &'a File, length: u64, most: u64) -> Self {
        let start = length.saturating_sub(most);
        Self { unread: start..length, skipping: start > 0, ..Self::new(file, length.min(most)) }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(&[u8], End)>> {
        Ok(self.advance()?.map(|(line, end)| (&self.block[line], end)))
    }

    fn advance(&mut self) -> io::Result<Option<(Range<usize>, End)>> {
        let mut searched = self.filled.start;
        loop {
            let Range { start, end } = self.filled;
            if let Some(newline) = memchr::memchr(b'\n', &self.block[searched..end]).map(|at| searched + at) {
                self.filled.start = newline + 1;
                if std::mem::take(&mut self.skipping) {
                    searched = self.filled.start;
                    continue;
                }
                return Ok(Some((start..newline, End::Newline)));
            }
            if self.skipping {
                self.filled = 0..0;
            } else if end - start > MAX_LINE {
                self.skipping = true;
                self.filled = 0..0;
                return Ok(Some((start..end, End::TooLong)));
            } else {
                self.block.copy_within(start..end, 0);
                self.filled = 0..end - start;
            }
            searched = self.filled.end;
            if self.fill()? == 0 {
                let rest = std::mem::replace(&mut self.filled, 0..0);
                return Ok((!rest.is_empty()).then_some((rest, End::File)));
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let start = self.filled.end;
        let left = usize::try_from(self.unread.end - self.unread.start).unwrap_or(usize::MAX);
        let into = &mut self.block[start..];
        let most = left.min(into.len());
        let read = files::read_at(self.file, &mut into[..most], self.unread.start)?;
        self.unread.start += read as u64;
        self.filled.end += read;
        Ok(read)
    }
}

/// The file's last line, whether or not a newline ends it; empty for an empty file. Of a line longer than
/// [`MAX_LINE`] only the end is returned, which no record's digest matches.
pub(super) fn last_line(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let from = length.saturating_sub(MAX_LINE as u64 + 1);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(length - from).read_to_end(&mut tail)?;
    if tail.last() == Some(&b'\n') {
        tail.pop();
    }
    let start = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
    tail.drain(..start);
    Ok(tail)
}

/// Reports whether the file does not end in a newline, so that its last line was cut short.
pub(super) fn is_torn(file: &File, length: u64) -> io::Result<bool> {
    let Some(at) = length.checked_sub(1) else { return Ok(false) };
    let mut last = [0];
    match files::read_at(file, &mut last, at)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(last != *b"\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("written");
        file.rewind().expect("rewound");
        file
    }

    fn all(bytes: &[u8]) -> Vec<(Vec<u8>, End)> {
        let file = file_of(bytes);
        let mut lines = Lines::new(&file, bytes.len() as u64);
        std::iter::from_fn(|| lines.next().expect("read").map(|(line, end)| (line.to_vec(), end))).collect()
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(
            lines in prop::collection::vec(prop_oneof![9 => 0..2000_usize, 1 => 0..MAX_LINE], 0..60),
            rest in 0..3000_usize,
        ) {
            let line = |(i, length): (usize, &usize)| vec![b'a' + (i % 26) as u8; *length];
            let mut want: Vec<_> = lines.iter().enumerate().map(|numbered| (line(numbered), End::Newline)).collect();
            let mut text: Vec<u8> = want.iter().flat_map(|(line, _)| [&line[..], b"\n"].concat()).collect();
            if rest > 0 {
                want.push((vec![b'!'; rest], End::File));
                text.extend(vec![b'!'; rest]);
            }
            prop_assert!(all(&text) == want);
        }
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_is_whole() {
        let text = [&vec![b'x'; 3 * (BLOCK + MAX_LINE) + 5][..], b"\nnext\n"].concat();
        let got = all(&text);
        assert_eq!(got.iter().map(|(_, end)| *end).collect::<Vec<_>>(), [End::TooLong, End::Newline]);
        assert_eq!(got[1].0, b"next");
        assert_eq!(all(&text[..text.len() - 6]).len(), 1);
    }

    #[test]
    fn what_is_appended_after_the_length_was_taken_is_not_seen() {
        let file = file_of(b"one\ntwo\n");
        let mut lines = Lines::new(&file, 4);
        assert_eq!(lines.next().expect("read"), Some((&b"one"[..], End::Newline)));
        assert_eq!(lines.next().expect("read"), None);
    }

    #[test]
    fn the_last_line_is_found_without_reading_the_file() {
        let long = [&vec![b'\n'; 1 << 20][..], b"last"].concat();
        for (text, want, torn) in [
            (&b""[..], &b""[..], false),
            (b"a", b"a", true),
            (b"a\nb\n", b"b", false),
            (b"a\nb", b"b", true),
            (b"a\n\n", b"", false),
            (&long, b"last", true),
        ] {
            assert_eq!(last_line(&mut file_of(text), text.len() as u64).expect("read"), want);
            assert_eq!(is_torn(&file_of(text), text.len() as u64).expect("read"), torn);
        }
    }
}
