//! Reads along with the HTTP server how each request says where it ends.
//!
//! The server's library follows `Transfer-Encoding` where a request has a `Content-Length` as well, and drops the
//! other. Two servers that disagree about the end of a request can be made to see different requests, so such a request
//! is refused, and for that it has to be seen as it came.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How one request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// With its head.
    Bare,
    /// After so many bytes.
    Length(u64),
    /// As its chunks say. What follows is not read along, so such a request is the last of its connection.
    Chunked,
    /// It says it twice, or in no known way.
    Unclear,
}

/// The framings of the requests that were read and not yet answered, in their order.
#[derive(Clone, Default)]
pub(crate) struct Framings(Arc<Mutex<VecDeque<Framing>>>);

impl Framings {
    /// Takes the next one. `None` for a request that was not read along.
    pub(crate) fn next(&self) -> Option<Framing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn push(&self, framing: Framing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(framing);
    }
}

// A framing header is shorter. Of a longer line the beginning is kept.
const LINE: usize = 256;

/// The place in the stream.
#[derive(Debug, Default)]
enum At {
    /// In a head, at the beginning or in the middle of a line.
    #[default]
    Head,
    /// In a body that has so many bytes left.
    Body(u64),
    /// Behind a request whose end is not followed.
    Past,
}

#[derive(Debug, Default)]
struct Scan {
    at: At,
    line: Vec<u8>,
    // Whether a line of the head was read.
    is_inside: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_unclear: bool,
}

impl Scan {
    // Reads bytes, and reports the framing of each head that ends in them.
    fn read(&mut self, mut bytes: &[u8], mut found: impl FnMut(Framing)) {
        while !bytes.is_empty() {
            match self.at {
                At::Past => return,
                At::Body(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[taken..];
                    let left = left - taken as u64;
                    self.at = if left == 0 { At::Head } else { At::Body(left) };
                }
                At::Head => {
                    let end = memchr::memchr(b'\n', bytes);
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    let room = LINE.saturating_sub(self.line.len()).min(part.len());
                    self.line.extend_from_slice(&part[..room]);
                    bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
                    if end.is_some()
                        && let Some(framing) = self.line_ended()
                    {
                        found(framing);
                    }
                }
            }
        }
    }

    fn line_ended(&mut self) -> Option<Framing> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            // The server ignores empty lines before a request.
            return if self.is_inside { Some(self.head_ended()) } else { None };
        }
        if !self.is_inside {
            self.is_inside = true;
            return None;
        }
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Of such a line the end was perhaps not kept.
        let is_cut = line.len() >= LINE - 1;
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.and_then(|text| text.parse().ok());
            self.is_unclear |= is_cut || number.is_none() || self.length.is_some();
            self.length = number;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_unclear |= is_cut || self.is_chunked || !value.eq_ignore_ascii_case(b"chunked");
            self.is_chunked = true;
        }
        None
    }

    fn head_ended(&mut self) -> Framing {
        let Self { length, is_chunked, is_unclear, .. } = std::mem::take(self);
        let framing = match (length, is_chunked) {
            _ if is_unclear => Framing::Unclear,
            (Some(_), true) => Framing::Unclear,
            (Some(length), false) => Framing::Length(length),
            (None, true) => Framing::Chunked,
            (None, false) => Framing::Bare,
        };
        self.at = match framing {
            Framing::Unclear | Framing::Chunked => At::Past,
            Framing::Length(0) | Framing::Bare => At::Head,
            Framing::Length(length) => At::Body(length),
        };
        framing
    }
}

/// A stream of requests that is read along.
pub(crate) struct Heads<S> {
    stream: S,
    scan: Scan,
    framings: Framings,
}

impl<S> Heads<S> {
    pub(crate) fn new(stream: S, framings: Framings) -> Self {
        Self { stream, scan: Scan::default(), framings }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let done = Pin::new(&mut this.stream).poll_read(context, into);
        this.scan.read(&into.filled()[before..], |framing| this.framings.push(framing));
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::Framing::{Bare, Chunked, Length, Unclear};
    use super::*;

    // Reads a text in pieces of a size.
    fn framings(text: &str, size: usize) -> Vec<Framing> {
        let (mut scan, mut found) = (Scan::default(), Vec::new());
        text.as_bytes().chunks(size).for_each(|piece| scan.read(piece, |framing| found.push(framing)));
        found
    }

    #[test]
    fn each_request_says_once_where_it_ends() {
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let post = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}");
        let lengths = post("Content-Length: 5\r\n", "\n\nGET") + get;
        for (text, wanted) in [
            (get.repeat(3), vec![Bare, Bare, Bare]),
            (lengths, vec![Length(5), Bare]),
            (format!("\r\n\r\n{get}"), vec![Bare]),
            (post("content-length:0\r\n", get), vec![Length(0), Bare]),
            (post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n") + get, vec![Chunked]),
            (post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), vec![Unclear]),
            (post("TRANSFER-ENCODING: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), vec![Unclear]),
            (post("content-length: 5\r\ncontent-length: 5\r\n", "12345"), vec![Unclear]),
            (post("content-length: 5, 5\r\n", "12345"), vec![Unclear]),
            (post("content-length: +5\r\n", "12345"), vec![Unclear]),
            (post("content-length: 99999999999999999999\r\n", ""), vec![Unclear]),
            (post("transfer-encoding: gzip, chunked\r\n", ""), vec![Unclear]),
            (post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", ""), vec![Unclear]),
            (post(&format!("content-length: {}5\r\n", "0".repeat(250)), "12345"), vec![Unclear]),
            (post(&format!("content-length:{}5\r\n", " ".repeat(250)), "12345"), vec![Unclear]),
            (post(&format!("transfer-encoding: chunked{}\r\n", " ".repeat(250)), ""), vec![Unclear]),
            (post(&format!("x: {}\r\n", "content-length: 5".repeat(99)), ""), vec![Bare]),
        ] {
            for size in [1, 3, 7, 4096] {
                assert_eq!(framings(&text, size), wanted, "{text:?} in pieces of {size}");
            }
        }
    }
}
