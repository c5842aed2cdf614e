//! The socket's side: connections, lines and deadlines. `request` decides the answer to a line.
//!
//! A client is a task; what may block (hashing its program, the keychain, the log) runs on other threads, a few at a
//! time, so that a client that is slow, silent or gone holds up nobody else. Every wait has an end.

use super::endpoint::{Listener, Stream, receive, tell_senders};
use super::protocol::{MAX_REQUEST, Reason, Request, Response};
use super::request::{Answer, Handler};
use crate::platform::{Peer, Sender};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// The limits of the clients, and how long each waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a message may take to come, from when the last one was answered.
    pub read: Duration,
    /// How long a client may take to read its answer.
    pub write: Duration,
    /// How long a request may wait for its turn at the keychain.
    pub turn: Duration,
    /// Clients at once; more wait to be accepted.
    pub clients: usize,
    /// Clients at once that are one program; more of it are refused, so that it leaves places to others.
    pub of_one_program: usize,
    /// Unregistered clients that wait to be recorded, one after the other; more are refused without being examined.
    pub strangers: usize,
    /// Requests at the keychain at once that name their targets.
    pub lookups: usize,
    /// The same of those for which names are listed, which may take a keychain's every name; they do not hold up
    /// lookups.
    pub listings: usize,
    /// Clients that are identified at the same time; they do not hold up requests.
    pub arrivals: usize,
    /// How long requests may go on after `stop` became true.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(30),
            write: Duration::from_secs(30),
            turn: Duration::from_secs(10),
            clients: 4096,
            of_one_program: 1024,
            strangers: 32,
            lookups: 8,
            listings: 2,
            arrivals: 4,
            drain: Duration::from_secs(5),
        }
    }
}

/// Answers clients until `stop` becomes true, then lets running requests end.
pub async fn serve(listener: Listener, handler: Arc<Handler>, limits: Limits, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.clients));
    let turns = [limits.lookups, limits.listings].map(|most| Arc::new(Semaphore::new(most)));
    let arrivals = Arc::new(Arrivals {
        expected: Arc::new(Semaphore::new(limits.arrivals)),
        strangers: Arc::new(Semaphore::new(limits.strangers)),
        one_stranger: Arc::new(Semaphore::new(1)),
    });
    let crowds = Arc::new(Crowds::default());
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        while clients.try_join_next().is_some() {}
        match accepted {
            (Ok((stream, _)), Ok(place)) => {
                let client = Client {
                    handler: Arc::clone(&handler),
                    turns: turns.clone(),
                    arrivals: Arc::clone(&arrivals),
                    crowds: Arc::clone(&crowds),
                    limits,
                    stop: stop.clone(),
                };
                clients.spawn(async move {
                    // What went wrong with one connection is that client's affair.
                    let _ = client.run(stream).await;
                    drop(place);
                });
            }
            // Too many open files, most likely: soon there are fewer.
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    let all = async { while clients.join_next().await.is_some() {} };
    let _ = timeout(limits.drain, all).await;
}

/// Limits how many clients are identified at the same time. Unregistered programs have limits of their own, so that
/// neither their number nor the size of their files delays registered ones.
struct Arrivals {
    expected: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    one_stranger: Arc<Semaphore>,
}

impl Arrivals {
    /// Returns `None` when too many unregistered programs wait.
    async fn turn(&self, is_expected: bool) -> io::Result<Option<[Option<OwnedSemaphorePermit>; 2]>> {
        let turn = |of: &Arc<Semaphore>| Arc::clone(of).acquire_owned();
        if is_expected {
            return Ok(Some([Some(turn(&self.expected).await.map_err(io::Error::other)?), None]));
        }
        let Ok(place) = Arc::clone(&self.strangers).try_acquire_owned() else { return Ok(None) };
        let turn = turn(&self.one_stranger).await.map_err(io::Error::other)?;
        Ok(Some([Some(turn), Some(place)]))
    }
}

/// How many connections each program has, by its path.
#[derive(Default)]
struct Crowds(Mutex<HashMap<PathBuf, usize>>);

impl Crowds {
    // Returns `None` when the program has as many as it may.
    fn join(self: &Arc<Self>, program: &Path, most: usize) -> Option<Member> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(program.to_owned()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Member { crowds: Arc::clone(self), program: program.to_owned() })
    }
}

/// One connection of a program, counted until it is dropped.
struct Member {
    crowds: Arc<Crowds>,
    program: PathBuf,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut all = self.crowds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.program) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.program);
            }
        }
    }
}

struct Client {
    handler: Arc<Handler>,
    // The turns for lookups, and those for listings.
    turns: [Arc<Semaphore>; 2],
    arrivals: Arc<Arrivals>,
    crowds: Arc<Crowds>,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

impl Client {
    async fn run(mut self, mut stream: Stream) -> io::Result<()> {
        // Its listener has it, but not if it was asked for after this client had come.
        tell_senders(&stream)?;
        let peer = Peer::of(&stream)?;
        let handler = Arc::clone(&self.handler);
        let Some(turn) = self.arrivals.turn(handler.expects(&peer)).await? else {
            return self.refuse(stream, &refused(Reason::InternalError, true)).await;
        };
        let work = move || {
            let _turn = turn;
            handler.admit(peer).map(Arc::new)
        };
        // A refusal is sent at once: a client that stays silent must not keep a place.
        let identity = match spawn_blocking(work).await.map_err(io::Error::other)? {
            Ok(identity) => identity,
            Err(refusal) => return self.refuse(stream, &refusal).await,
        };
        let Some(_member) = self.crowds.join(&identity.client.program.path, self.limits.of_one_program) else {
            let (handler, identity) = (Arc::clone(&self.handler), Arc::clone(&identity));
            let refusal = spawn_blocking(move || handler.too_many(&identity)).await.map_err(io::Error::other)?;
            return self.refuse(stream, &refusal).await;
        };
        let mut lines = Lines::new(MAX_REQUEST);
        loop {
            // Bytes of another process are refused, even inside a line: any process that has the socket can write to
            // it.
            let own = |sender| identity.peer.wrote(sender);
            let line = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return Ok(()),
                // Silence, or half a line, ends the connection.
                line = timeout(self.limits.read, lines.next(&mut stream, own)) => match line {
                    Ok(line) => line?,
                    Err(_) => return Ok(()),
                },
            };
            let (handler, identity) = (Arc::clone(&self.handler), Arc::clone(&identity));
            let answer = match line {
                Line::End => return Ok(()),
                Line::Foreign(sender) => {
                    let work = move || handler.refuse_sender(&identity, sender);
                    spawn_blocking(work).await.map_err(io::Error::other)?
                }
                Line::TooLong => refused(Reason::MalformedRequest, true),
                Line::Whole(line) => {
                    let request = Request::parse(&line);
                    let listing = request.as_ref().is_ok_and(Request::enumerates);
                    let turns = Arc::clone(&self.turns[usize::from(listing)]);
                    let turn = timeout(self.limits.turn, turns.acquire_owned()).await;
                    let work = move || match (turn, request) {
                        (Ok(Ok(_turn)), request) => handler.answer(&identity, request),
                        (_, Ok(request)) => handler.turn_away(&identity, &request),
                        (_, Err(_)) => refused(Reason::InternalError, false),
                    };
                    spawn_blocking(work).await.map_err(io::Error::other)?
                }
            };
            self.write(&mut stream, &answer).await?;
            if answer.last {
                return close(stream).await;
            }
        }
    }

    async fn refuse(&self, mut stream: Stream, answer: &Answer) -> io::Result<()> {
        self.write(&mut stream, answer).await?;
        close(stream).await
    }

    async fn write(&self, stream: &mut Stream, answer: &Answer) -> io::Result<()> {
        timeout(self.limits.write, stream.write_all(&answer.line)).await.map_err(io::Error::other)?
    }
}

fn refused(reason: Reason, last: bool) -> Answer {
    Answer { line: Response::refused(reason).to_line().expect("a refusal has no value"), last }
}

// What the client is still sending is read, within reason: closed on it, the socket would take the answer back.
async fn close(mut stream: Stream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = (&mut stream).take(16 << 20);
    let _ = timeout(Duration::from_secs(1), tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

/// What a client sent next.
enum Line {
    /// A line without its newline.
    Whole(Zeroizing<Vec<u8>>),
    /// Bytes that another process sent.
    Foreign(Sender),
    /// More than a line may have.
    TooLong,
    /// The end of the connection. A line that was not ended is dropped.
    End,
}

/// The source of lines.
trait Source {
    /// Reads the bytes that have arrived, of one sender at a time.
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, Sender)>> + Send;
}

impl Source for Stream {
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, Sender)>> + Send {
        receive(self, buffer)
    }
}

/// Lines of a stream, in wiped memory that never moves without being wiped.
struct Lines {
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
    longest: usize,
}

impl Lines {
    fn new(longest: usize) -> Self {
        Self { buffer: Zeroizing::new(vec![0; 1024]), filled: 0, longest }
    }

    async fn next(&mut self, from: &mut impl Source, is_own: impl Fn(Sender) -> bool) -> io::Result<Line> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.filled]) {
                let end = searched + at;
                if end > self.longest {
                    return Ok(Line::TooLong);
                }
                let line = Zeroizing::new(self.buffer[..end].to_vec());
                self.buffer.copy_within(end + 1..self.filled, 0);
                self.filled -= end + 1;
                return Ok(Line::Whole(line));
            }
            if self.filled > self.longest {
                return Ok(Line::TooLong);
            }
            searched = self.filled;
            if self.filled == self.buffer.len() {
                let mut larger = Zeroizing::new(vec![0; (2 * self.filled).min(self.longest + 2)]);
                larger[..self.filled].copy_from_slice(&self.buffer);
                self.buffer = larger;
            }
            match from.receive(&mut self.buffer[self.filled..]).await? {
                (0, _) => return Ok(Line::End),
                (_, sender) if !is_own(sender) => return Ok(Line::Foreign(sender)),
                (read, _) => self.filled += read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
    }

    impl Source for tokio::io::DuplexStream {
        async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
            Ok((self.read(buffer).await?, Sender::Unknown))
        }
    }

    async fn lines(pieces: &[&[u8]], longest: usize) -> Vec<String> {
        let (mut ours, mut theirs) = tokio::io::duplex(7);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let writer = tokio::spawn(async move {
            for piece in pieces {
                if theirs.write_all(&piece).await.is_err() {
                    return;
                }
            }
        });
        let mut lines = Lines::new(longest);
        let mut all = Vec::new();
        loop {
            match lines.next(&mut ours, |sender| sender == Sender::Unknown).await.expect("no error") {
                Line::Foreign(sender) => panic!("{sender:?}"),
                Line::Whole(line) => all.push(String::from_utf8_lossy(&line).into_owned()),
                Line::TooLong => {
                    all.push("(too long)".into());
                    break;
                }
                Line::End => break,
            }
        }
        drop(ours);
        writer.await.expect("it ends");
        all
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = format!("one\n\n{}\nfour\nrest without an end", "x".repeat(3000));
        let whole = ["one", "", &"x".repeat(3000), "four"];
        assert_eq!(run(lines(&[text.as_bytes()], 4000)), whole);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(run(lines(&bytes, 4000)), whole);
    }

    #[test]
    fn a_line_may_be_as_long_as_is_allowed_and_no_longer() {
        for longest in [10, 1023, 1024, 1025, 5000] {
            let text = format!("{}\n{}\n", "a".repeat(longest), "b".repeat(longest + 1));
            assert_eq!(run(lines(&[text.as_bytes()], longest)), ["a".repeat(longest).as_str(), "(too long)"]);
            // Reading stops once the limit is passed.
            let endless = "c".repeat(longest + 1);
            assert_eq!(run(lines(&[endless.as_bytes()], longest)), ["(too long)"]);
        }
    }
}
