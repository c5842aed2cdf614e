//! Holds the encrypted file's identity while it is unlocked, on machines whose kernel does not.
//!
//! It has a socket of its own. At once it looks which program a client runs, and greets a Ringlet of this user's with a
//! word: `known WORD`. It then answers lines that begin with the word: `hold NAME SECONDS DIGEST IDENTITY`, `give NAME`
//! or `end NAME`; see `store::encrypted`. Any other program is refused, so that none gets the identity by asking. What
//! is held is in locked memory, and is wiped when its time is over and when the daemon ends. It is never written
//! anywhere.

use super::endpoint::{Listener, Stream, receive, tell_senders};
use crate::digest::Digest;
use crate::platform::{self, Peer};
use crate::secret::Secret;
use crate::store::encrypted::MOST_HELD;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a client may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a Ringlet may say nothing: it may ask a person before it asks this daemon.
const SILENCE: Duration = Duration::from_secs(3600);
/// Clients at once.
const MOST_CLIENTS: usize = 64;
/// Identities at once: one for each configuration.
const MOST: usize = 16;
/// The clock may be set, and a machine that sleeps counts no time, so that the time is looked at so often.
const STEP: Duration = Duration::from_secs(60);
/// The longest time for which an identity is held.
const LONGEST: Duration = Duration::from_secs(8 * 86_400);

/// The identities by their names: until when, and the text with which `give` is answered.
#[derive(Default)]
struct Holds {
    all: Mutex<HashMap<String, (SystemTime, Secret)>>,
    /// Whether a task waits for the end of their time.
    are_watched: AtomicBool,
}

impl Holds {
    // Those whose time is not over.
    fn current(&self) -> MutexGuard<'_, HashMap<String, (SystemTime, Secret)>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        all.retain(|_, (until, _)| *until > now);
        all
    }

    fn answer(&self, line: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let mut word = || words.next().unwrap_or_default();
        let (action, name, text) = (word(), word(), word());
        let Ok(name) = std::str::from_utf8(name) else { return said("refused") };
        match action {
            b"give" => match self.current().get(name) {
                Some((_, text)) => {
                    let mut answer = Zeroizing::new(Vec::with_capacity(MOST_HELD + 8));
                    answer.extend_from_slice(b"held ");
                    answer.extend_from_slice(text.expose());
                    answer
                }
                None => said("none"),
            },
            b"hold" => match until(text) {
                Some(until) => {
                    let mut all = self.current();
                    if all.len() >= MOST && !all.contains_key(name) {
                        return said("refused");
                    }
                    all.insert(name.to_owned(), (until, Secret::new(text.to_vec())));
                    said("held")
                }
                None => said("refused"),
            },
            b"end" => said(if self.current().remove(name).is_some() { "ended" } else { "none" }),
            _ => said("refused"),
        }
    }
}

fn said(word: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(word.as_bytes().to_vec())
}

// Until when a text is to be held; nothing for a text of another form.
fn until(text: &[u8]) -> Option<SystemTime> {
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let seconds = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    Digest::from_hex(words.next()?)?;
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let left = until.duration_since(SystemTime::now()).ok()?;
    (left <= LONGEST && words.next()?.starts_with(b"AGE-SECRET-KEY-1")).then_some(until)
}

/// Answers until `stop` becomes true.
pub(crate) async fn serve(listener: Listener, mut stop: watch::Receiver<bool>) {
    let holds = Arc::new(Holds::default());
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    // The program as it was started, even after an upgrade.
    let own = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let own = own.ok().and_then(|path| platform::file_identity(Path::new(&path)));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        let (Ok((stream, _)), Ok(place)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let holds = Arc::clone(&holds);
        tokio::spawn(async move {
            // What goes wrong with one client concerns that one alone.
            let _ = converse(stream, &holds, own).await;
            drop(place);
        });
    }
}

// What is held must not stay in memory for longer than it may.
fn watch_over(holds: &Arc<Holds>) {
    if holds.current().is_empty() || holds.are_watched.swap(true, Ordering::Relaxed) {
        return;
    }
    let holds = Arc::clone(holds);
    tokio::spawn(async move {
        while !holds.current().is_empty() {
            tokio::time::sleep(STEP).await;
        }
        holds.are_watched.store(false, Ordering::Relaxed);
    });
}

/// What is known of a client's program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Nothing yet.
    Nothing,
    /// It was this daemon's own.
    Own,
}

// Whether a client runs this daemon's own program. A Ringlet closes itself to other processes before it has a secret,
// and from then on the kernel does not tell.
fn is_ringlet(peer: &Peer, own: Option<(u64, u64)>, seen: Seen) -> bool {
    let runs_own = match peer.program().and_then(|program| platform::opened_identity(&program.file)) {
        Ok(file) => Some(file) == own,
        Err(error) => seen == Seen::Own && error.kind() == io::ErrorKind::PermissionDenied,
    };
    runs_own && peer.is_ours() && peer.is_alive()
}

async fn converse(mut stream: Stream, holds: &Arc<Holds>, own: Option<(u64, u64)>) -> io::Result<()> {
    tell_senders(&stream)?;
    let peer = Arc::new(Peer::of(&stream)?);
    let look = |seen| {
        let peer = Arc::clone(&peer);
        spawn_blocking(move || is_ringlet(&peer, own, seen))
    };
    if !look(Seen::Nothing).await.map_err(io::Error::other)? {
        return end(stream, b"refused\n").await;
    }
    // A question that was sent before the look cannot begin with this word.
    let word = Secret::fresh()?;
    let greeting = [b"known ", word.expose(), b"\n"].concat();
    timeout(PATIENCE, stream.write_all(&greeting)).await??;
    loop {
        let Some(line) = timeout(SILENCE, question(&mut stream, &peer)).await?? else { return Ok(()) };
        let asked = line.strip_prefix(word.expose()).and_then(|rest| rest.strip_prefix(b" "));
        let (Some(asked), true) = (asked, look(Seen::Own).await.map_err(io::Error::other)?) else {
            return end(stream, b"refused\n").await;
        };
        let mut answer = holds.answer(asked);
        watch_over(holds);
        answer.push(b'\n');
        timeout(PATIENCE, stream.write_all(&answer)).await??;
    }
}

// One line of the client itself; nothing at its end.
async fn question(stream: &mut Stream, peer: &Peer) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(vec![0u8; 2 * MOST_HELD]);
    let mut filled = 0;
    while filled < line.len() {
        let (read, sender) = receive(stream, &mut line[filled..]).await?;
        if read == 0 || !peer.wrote(sender) {
            return Ok(None);
        }
        filled += read;
        if let Some(end) = memchr::memchr(b'\n', &line[..filled]) {
            line.truncate(end);
            return Ok(Some(line));
        }
    }
    Ok(None)
}

async fn end(mut stream: Stream, last: &[u8]) -> io::Result<()> {
    let said = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        // A pipe that is closed at once takes the answer back.
        let mut rest = [0; 16];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
        Ok(())
    };
    timeout(PATIENCE, said).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(holds: &Holds, line: &str) -> String {
        String::from_utf8(holds.answer(line.as_bytes()).to_vec()).expect("text")
    }

    fn held_text(until: u64) -> String {
        format!("{until} {} AGE-SECRET-KEY-1TEST", Digest::of(b"a file"))
    }

    fn in_seconds(seconds: u64) -> u64 {
        (SystemTime::now() + Duration::from_secs(seconds)).duration_since(UNIX_EPOCH).expect("later").as_secs()
    }

    #[test]
    fn an_identity_is_held_by_its_name_until_it_is_ended_or_its_time_is_over() {
        let holds = Holds::default();
        assert_eq!(asked(&holds, "give a "), "none");
        let text = held_text(in_seconds(3600));
        assert_eq!(asked(&holds, &format!("hold a {text}")), "held");
        assert_eq!(asked(&holds, "give a "), format!("held {text}"));
        assert_eq!(asked(&holds, "give b "), "none");
        assert_eq!(asked(&holds, "end a "), "ended");
        assert_eq!(asked(&holds, "end a "), "none");
        assert_eq!(asked(&holds, &format!("hold a {text}")), "held");
        holds.all.lock().expect("no test panics").get_mut("a").expect("held").0 = SystemTime::now();
        assert_eq!(asked(&holds, "give a "), "none");
        assert!(holds.all.lock().expect("no test panics").is_empty(), "it is wiped");
    }

    #[test]
    fn anything_else_is_refused() {
        let holds = Holds::default();
        let (past, far) = (in_seconds(0) - 10, in_seconds(9 * 86_400));
        for line in [
            "".to_owned(),
            "give".to_owned() + "\u{0}",
            "keep a x".to_owned(),
            "hold a ".to_owned(),
            "hold a x AGE-SECRET-KEY-1TEST".to_owned(),
            format!("hold a {}", held_text(past)),
            format!("hold a {}", held_text(far)),
            format!("hold a {} AGE-SECRET-KEY-1TEST", in_seconds(60)),
            format!("hold a {} sk-something", in_seconds(60)),
            format!("hold a {}", held_text(in_seconds(60)).replace("AGE-SECRET-KEY-1", "sk-")),
        ] {
            assert_eq!(asked(&holds, &line), "refused", "{line:?}");
        }
        for at in 0..MOST + 4 {
            let line = format!("hold name{at} {}", held_text(in_seconds(60)));
            assert_eq!(asked(&holds, &line), if at < MOST { "held" } else { "refused" });
        }
    }
}
