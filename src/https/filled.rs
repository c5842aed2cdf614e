//! A stream whose reads are as full as they can be at once.
//!
//! TLS hands out one record a read, 16 KiB at most. Whoever passes on what was read would make a system call for each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that reads on while something is there and there is room for it.
pub(super) struct Filled<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Filled<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = into.filled().len();
        while into.remaining() > 0 {
            let before = into.filled().len();
            match Pin::new(&mut self.0).poll_read(context, into) {
                Poll::Ready(Ok(())) if into.filled().len() > before => {}
                // The end, an error and the wait come with the next read, unless nothing was read in this one.
                other if into.filled().len() == start => return other,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filled<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    // Hands out three bytes a read, as TLS hands out records.
    struct Records<S>(S);

    impl<S: AsyncRead + Unpin> AsyncRead for Records<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut part = [0; 3];
            let mut read = ReadBuf::new(&mut part);
            let done = Pin::new(&mut self.0).poll_read(context, &mut read);
            into.put_slice(read.filled());
            done
        }
    }

    #[test]
    fn a_read_takes_what_is_there_and_waits_for_nothing_more() {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
            let (mut ours, theirs) = duplex(64);
            let mut filled = Filled(Records(theirs));
            let mut buffer = [0; 9];
            ours.write_all(b"0123456").await.expect("written");
            assert_eq!(filled.read(&mut buffer).await.expect("read"), 7, "what is there, although there is room");
            ours.write_all(b"0123456789ab").await.expect("written");
            assert_eq!(filled.read(&mut buffer).await.expect("read"), 9, "as much as there is room for");
            drop(ours);
            assert_eq!(filled.read(&mut buffer).await.expect("read"), 3);
            assert_eq!(filled.read(&mut buffer).await.expect("read"), 0, "the end");
        });
    }
}
