//! One blocking connection to the session bus. Every step obeys the operation's deadline.
//!
//! Calls are queued and sent together, the first in the same write as the authentication and the greeting. Buses that
//! are not Unix sockets of this user or root are refused, since values travel unencrypted. The module knows nothing of
//! keychains. Called by `service`.

use super::address::{self, Address, Candidate, Candidates};
use super::error::ServiceError;
use super::wire::{self, Kind, Message};
use super::writer::{Call, Writer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zeroize::{Zeroize, Zeroizing};

/// The bus itself, as a destination.
pub(super) const BUS: &str = "org.freedesktop.DBus";
/// Bytes received at once. A longer message is read directly into its own buffer.
const STAGING: usize = 8 << 10;
/// The longest line of the authentication that is accepted.
const LINE: usize = 4 << 10;

type Result<T> = std::result::Result<T, ServiceError>;

/// When an operation must have ended, and what an error says it was doing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    end: Option<Instant>,
    whole: Duration,
    pub doing: &'static str,
    /// How long a person may take over a question, if longer.
    person: Option<Duration>,
}

impl Deadline {
    pub(super) fn new(whole: Duration, doing: &'static str, person: Option<Duration>) -> Self {
        // A duration beyond the clock's range means no end.
        Self { end: Instant::now().checked_add(whole), whole, doing, person }
    }

    /// The deadline of a part of the operation, which must end within `most` as well.
    pub(super) fn part(&self, most: Duration) -> Self {
        let part = Self::new(most, self.doing, self.person);
        // An error names `whole`, so that belongs to the end that is chosen.
        match (self.end, part.end) {
            (Some(end), Some(sooner)) if end <= sooner => *self,
            (_, None) => *self,
            _ => part,
        }
    }

    /// The first half of the time that the operation has.
    pub(super) fn half(&self) -> Self {
        self.part(self.whole / 2)
    }

    /// The deadline while a person is asked, who may take longer.
    pub(super) fn for_a_person(&self) -> Self {
        const DOING: &str = "waiting for an answer to the keychain's question";
        match self.person {
            Some(person) => Self::new(person, DOING, None),
            None => Self { doing: DOING, ..*self },
        }
    }

    pub(super) fn passed(&self) -> ServiceError {
        ServiceError::Timeout { doing: self.doing, after: self.whole }
    }

    fn lost(&self) -> ServiceError {
        ServiceError::Lost { doing: self.doing }
    }

    /// The time that is left. It is an error when none is.
    fn left(&self) -> Result<Duration> {
        const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
        match self.end {
            None => Ok(LONGEST),
            Some(end) => match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(self.passed()),
                left => Ok(left.min(LONGEST)),
            },
        }
    }
}

/// A call's number, by which its answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Serial(u32);

/// A connection. Dropped after any failure: a message may have been read in part.
pub(super) struct Bus {
    socket: OwnedFd,
    out: Writer,
    staging: Zeroizing<Vec<u8>>,
    /// What of `staging` is still to be read.
    unread: std::ops::Range<usize>,
    last: u32,
    /// Calls whose answers will be fetched, with the answers that arrived before they were.
    awaited: Vec<(Serial, Option<Message>)>,
    /// The greeting, until it is answered.
    hello: Option<Serial>,
    /// Whether a message has been read in part.
    torn: bool,
}

impl Bus {
    /// Connects to the first address at which a bus answers. With the last of them, authentication and greeting are
    /// queued without waiting for an answer to either; one that others stand behind must answer within its share of the
    /// time.
    pub(super) fn connect(bus: Option<&OsStr>, runtime: &[PathBuf], deadline: &Deadline) -> Result<Self> {
        let deadline = Deadline { doing: CONNECTING, ..*deadline };
        let Candidates { sockets, none } = address::candidates(bus, runtime);
        let mut failed = ServiceError::Absent { why: none.to_owned() };
        for (at, candidate) in sockets.iter().enumerate() {
            let further = u32::try_from(sockets.len() - at - 1).unwrap_or(u32::MAX);
            let outcome = match further {
                0 => Self::reach(candidate, &deadline),
                _ => {
                    let part = deadline.part(deadline.left()? / further.saturating_add(1));
                    Self::reach(candidate, &part).and_then(|mut bus| bus.next(&part).map(|_| bus))
                }
            };
            match outcome {
                Ok(bus) => return Ok(bus),
                // A bus that is there and fails says more than one that is not.
                Err(ServiceError::Absent { .. }) if !matches!(failed, ServiceError::Absent { .. }) => {}
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn reach(candidate: &Candidate, deadline: &Deadline) -> Result<Self> {
        let address = &candidate.address;
        match dial(address, deadline) {
            Ok(socket) => Self::greet(socket, address),
            // A stopped bus whose queue of connections is full.
            Err(Errno::AGAIN | Errno::TIMEDOUT) => Err(deadline.passed()),
            Err(errno) => {
                let why = format!("the session bus at {address} cannot be reached ({errno})");
                // What was deleted meanwhile is not there any more.
                let is_there = candidate.is_usual && errno != Errno::NOENT;
                Err(if is_there { ServiceError::Unreachable { why } } else { ServiceError::Absent { why } })
            }
        }
    }

    fn greet(socket: OwnedFd, address: &Address) -> Result<Self> {
        address.check_owner(&socket)?;
        let mut bus = Self {
            socket,
            out: Writer::default(),
            staging: Zeroizing::new(vec![0; STAGING]),
            unread: 0..0,
            last: 0,
            awaited: Vec::new(),
            hello: None,
            torn: false,
        };
        bus.out.reserve(1024);
        // Without a user name the bus asks the kernel, whose answer is right in a user namespace as well.
        bus.out.raw(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
        bus.hello = Some(bus.ask_bus("Hello", "", |_| {}));
        Ok(bus)
    }

    /// Queues a call whose answer will be fetched with `answer`.
    pub(super) fn ask(&mut self, call: &Call<'_>, body: impl FnOnce(&mut Writer)) -> Serial {
        let serial = self.tell(call, body);
        self.awaited.push((serial, None));
        serial
    }

    /// Queues a call to the bus itself.
    pub(super) fn ask_bus(&mut self, member: &str, signature: &str, body: impl FnOnce(&mut Writer)) -> Serial {
        let (path, interface) = ("/org/freedesktop/DBus", BUS);
        self.ask(&Call { destination: BUS, path, interface, member, signature, flags: 0 }, body)
    }

    /// Queues a call whose answer, if any, is ignored.
    pub(super) fn tell(&mut self, call: &Call<'_>, body: impl FnOnce(&mut Writer)) -> Serial {
        // Zero is no serial. Nobody makes four billion calls on one connection, and an overflow must not panic.
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.out.call(self.last, call, body);
        Serial(self.last)
    }

    /// Makes room for a large argument, so that the buffer does not move while the message is written.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// Returns the answer to a call, a reply or an error. Sends the queued calls first, and ignores other messages.
    pub(super) fn answer(&mut self, serial: Serial, deadline: &Deadline) -> Result<Message> {
        loop {
            if let Some(at) = self.awaited.iter().position(|(known, arrived)| *known == serial && arrived.is_some())
                && let (_, Some(message)) = self.awaited.swap_remove(at)
            {
                return Ok(message);
            }
            if let Some(message) = self.next(deadline)?
                && let Some(slot) = self.awaited.iter_mut().find(|(known, _)| Some(known.0) == message.reply_to)
            {
                slot.1 = Some(message);
            }
        }
    }

    /// Reports whether the connection can be used after a timeout, because no message has been read in part.
    pub(super) fn is_whole(&self) -> bool {
        !self.torn
    }

    /// Ignores the answer to a call.
    pub(super) fn forget(&mut self, serial: Serial) {
        self.awaited.retain(|(known, _)| *known != serial);
    }

    /// Reports whether a message is the answer to a call.
    pub(super) fn answers(message: &Message, serial: Serial) -> bool {
        message.reply_to == Some(serial.0)
    }

    /// Returns the next message, or nothing for one of a kind that no caller waits for.
    pub(super) fn next(&mut self, deadline: &Deadline) -> Result<Option<Message>> {
        if self.hello.is_none() {
            return self.receive(deadline);
        }
        let deadline = Deadline { doing: CONNECTING, ..*deadline };
        self.flush(&deadline)?;
        self.authenticate(&deadline)?;
        let hello = self.hello.take();
        loop {
            let Some(message) = self.receive(&deadline)? else { continue };
            if message.reply_to != hello.map(|serial| serial.0) {
                continue;
            }
            hello.into_iter().for_each(|serial| self.forget(serial));
            return match message.kind {
                Kind::Error => Err(ServiceError::Denied { why: "the session bus does not let us in".to_owned() }),
                _ => Ok(None),
            };
        }
    }

    /// Reads the lines that answer the authentication, up to `OK`, which is all that the sent lines ask for.
    fn authenticate(&mut self, deadline: &Deadline) -> Result<()> {
        loop {
            let line = self.line(deadline)?;
            match line.split(|&b| b == b' ').next() {
                Some(b"OK") => return Ok(()),
                Some(b"DATA") => {}
                Some(b"REJECTED") => {
                    return Err(ServiceError::Denied { why: "the session bus rejects this user".to_owned() });
                }
                _ => return Err(ServiceError::Broken { what: "the session bus does not authenticate".to_owned() }),
            }
        }
    }

    fn line(&mut self, deadline: &Deadline) -> Result<Vec<u8>> {
        loop {
            let unread = &self.staging[self.unread.clone()];
            if let Some(end) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = unread[..end].to_vec();
                self.unread.start += end + 2;
                return Ok(line);
            }
            if unread.len() >= LINE {
                return Err(ServiceError::Broken { what: "the session bus does not authenticate".to_owned() });
            }
            self.fill(deadline)?;
        }
    }

    fn receive(&mut self, deadline: &Deadline) -> Result<Option<Message>> {
        self.flush(deadline)?;
        while self.unread.len() < wire::HEAD {
            self.fill(deadline)?;
        }
        let head = self.staging[self.unread.clone()].first_chunk().expect("the loop above waited for a header");
        // The vector has its final size from the start: it may hold a key, and growing would leave copies behind.
        let mut bytes = Zeroizing::new(vec![0; wire::length(head)?]);
        let there = bytes.len().min(self.unread.len());
        let taken = &mut self.staging[self.unread.start..self.unread.start + there];
        bytes[..there].copy_from_slice(taken);
        taken.zeroize();
        self.unread.start += there;
        let mut filled = there;
        self.torn = true;
        while filled < bytes.len() {
            filled += read(&self.socket, &mut bytes[filled..], deadline)?;
        }
        self.torn = false;
        let message = Message::parse(bytes)?;
        let of_interest = matches!(message.kind, Kind::Reply | Kind::Error | Kind::Signal);
        Ok(of_interest.then_some(message))
    }

    /// Receives more bytes behind the unread ones, which are at most a line or a header.
    fn fill(&mut self, deadline: &Deadline) -> Result<()> {
        self.staging.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let end = self.unread.end;
        self.unread.end += read(&self.socket, &mut self.staging[end..], deadline)?;
        Ok(())
    }

    /// Sends what is queued, then wipes it.
    pub(super) fn flush(&mut self, deadline: &Deadline) -> Result<()> {
        let mut sent = 0;
        while sent < self.out.bytes().len() {
            wait(&self.socket, PollFlags::OUT, deadline)?;
            match send(&self.socket, &self.out.bytes()[sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::AGAIN | Errno::INTR) => {}
                // A message that the other side sent before, such as a rejection, says more than a broken pipe.
                Err(Errno::PIPE | Errno::CONNRESET) => break,
                Err(errno) => return Err(broken(errno)),
            }
        }
        self.out.clear();
        Ok(())
    }

    /// Sends as much as the socket takes at once, for a last call after the deadline.
    pub(super) fn flush_now(&mut self) {
        // Nothing depends on it, so that a full or broken socket is no error.
        let _ = send(&self.socket, self.out.bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        self.out.clear();
    }

    /// Reports, without waiting, whether a kept connection is still open.
    pub(super) fn is_alive(&self) -> bool {
        let mut byte = [0];
        match recv(&self.socket, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, count)) => count > 0,
            Err(errno) => matches!(errno, Errno::AGAIN | Errno::INTR),
        }
    }
}

const CONNECTING: &str = "connecting to the session bus";

fn dial(address: &Address, deadline: &Deadline) -> rustix::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A non-blocking connect fails at once when the queue is full. A blocking one waits for the send timeout.
    let left = deadline.left().map_err(|_| Errno::TIMEDOUT)?.max(Duration::from_millis(1));
    sockopt::set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    loop {
        match connect(&socket, &address.socket) {
            Err(Errno::INTR) if deadline.left().is_ok() => {}
            outcome => return outcome.map(|()| socket),
        }
    }
}

fn wait(socket: &OwnedFd, ready: PollFlags, deadline: &Deadline) -> Result<()> {
    loop {
        let left = deadline.left()?;
        let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        match poll(&mut [PollFd::new(socket, ready)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(broken(errno)),
        }
    }
}

fn read(socket: &OwnedFd, into: &mut [u8], deadline: &Deadline) -> Result<usize> {
    loop {
        wait(socket, PollFlags::IN, deadline)?;
        match recv(socket, &mut *into, RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET | Errno::PIPE) => return Err(deadline.lost()),
            Ok((_, count)) => return Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(broken(errno)),
        }
    }
}

fn broken(errno: Errno) -> ServiceError {
    ServiceError::Broken { what: format!("the session bus connection fails ({errno})") }
}
