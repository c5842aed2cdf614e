//! The identity while it is unlocked: the kernel holds it, or the running daemon where the kernel does not.
//!
//! What is held is a text, `SECONDS DIGEST AGE-SECRET-KEY-1...`: until when, the digest of the `identity.age` that was
//! opened, and the identity. While that file is another one or missing, nothing is held: a key that is encrypted for an
//! identity which no file holds would be lost. The name has the digest of the path of `identity.age`, so that two
//! configurations hold two identities. The daemon is asked over a socket of its own, with a line for each question;
//! `daemon` has the other side.

use super::identity::{Opened, digest};
use crate::age_file::{only_identity, secret_text};
use crate::digest::Digest;
use crate::paths::Paths;
use crate::platform::Line;
use age::x25519::Identity;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The time limit of a question to the daemon.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest question and answer: two words, a name, a number, a digest and an identity are some 300 bytes.
pub(crate) const MOST: usize = 512;

/// What is said where the daemon does not know this program.
pub(super) const REFUSES: &str = "the daemon refuses; it may be of another version";

/// An identity that is held.
pub(crate) struct Held {
    /// The identity.
    pub(super) identity: Identity,
    /// How long it is held from now on.
    pub left: Duration,
    /// What holds it.
    pub holder: Holder,
}

/// What holds an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The kernel.
    Kernel,
    /// The running daemon.
    Daemon,
}

/// Why nothing holds an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotHeld {
    /// Why the kernel does not.
    pub kernel: String,
    /// Why the daemon does not.
    pub daemon: String,
}

/// The name under which the identity of these paths is held.
pub(crate) fn name(paths: &Paths) -> String {
    // One folder has one name, by whatever links a shell leads to it.
    let file = paths.identity();
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    let file = folder.zip(file.file_name()).map_or_else(|| file.clone(), |(folder, name)| folder.join(name));
    let digest = Digest::of(file.as_os_str().as_encoded_bytes()).to_string();
    format!("ringlet:{}", &digest[..32])
}

/// The socket at which the daemon holds identities.
pub(crate) fn socket(paths: &Paths) -> io::Result<PathBuf> {
    #[cfg(windows)]
    {
        let _ = paths;
        Ok(PathBuf::from(format!(r"\\.\pipe\ringlet-identity-{}", crate::platform::own_user()?)))
    }
    #[cfg(not(windows))]
    Ok(paths.runtime().join("identity.sock"))
}

/// Finds the identity of the file as it is now. Nobody is asked anything.
pub(super) fn find(paths: &Paths) -> Option<Held> {
    let of = digest(paths).ok()??;
    let read = |text: &[u8], holder| read(text, &of, holder);
    // Where the kernel refuses, nothing was held there.
    let kernel = kernel::held(&name(paths)).ok().flatten();
    if let Some(held) = kernel.and_then(|text| read(&text, Holder::Kernel)) {
        return Some(held);
    }
    let answer = ask(paths, "give", b"").ok()?;
    read(answer.strip_prefix(b"held ")?, Holder::Daemon)
}

// What a text holds, if it is of this file and its time is not over.
fn read(text: &[u8], of: &Digest, holder: Holder) -> Option<Held> {
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let seconds = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let left = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.duration_since(SystemTime::now()).ok()?;
    let is_of_file = words.next()? == of.to_string().as_bytes();
    let identity = only_identity(words.next()?)?;
    is_of_file.then_some(Held { identity, left, holder })
}

fn text(opened: &Opened, time: Duration) -> Zeroizing<Vec<u8>> {
    let until = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = Zeroizing::new(Vec::with_capacity(MOST));
    text.extend_from_slice(format!("{} {} ", until.as_secs(), opened.of).as_bytes());
    text.extend_from_slice(&secret_text(&opened.identity));
    text
}

/// Has the kernel hold an identity for some time, or else the daemon, in place of an older one.
pub(super) fn hold(paths: &Paths, opened: &Opened, time: Duration) -> Result<Holder, NotHeld> {
    let text = text(opened, time);
    let kernel = match kernel::hold(&name(paths), &text, time) {
        Ok(()) => return Ok(Holder::Kernel),
        Err(error) => error.to_string(),
    };
    match ask(paths, "hold", &text) {
        Ok(answer) if answer.as_slice() == b"held" => Ok(Holder::Daemon),
        Ok(_) => Err(NotHeld { kernel, daemon: REFUSES.into() }),
        Err(error) => {
            let is_absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
            let daemon = match is_absent {
                true => "the daemon is not running".to_owned(),
                false => format!("the daemon does not answer: {error}"),
            };
            Err(NotHeld { kernel, daemon })
        }
    }
}

/// Ends what is held, everywhere; `false` where nothing was.
pub(super) fn end(paths: &Paths) -> Result<bool, String> {
    // A kernel that refuses the calls holds nothing.
    let in_kernel = kernel::end(&name(paths)).unwrap_or(false);
    let in_daemon = match ask(paths, "end", b"") {
        Ok(answer) if answer.as_slice() == b"refused" => return Err(REFUSES.into()),
        Ok(answer) => answer.as_slice() == b"ended",
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => false,
        Err(error) => return Err(format!("the daemon does not answer: {error}")),
    };
    Ok(in_kernel || in_daemon)
}

/// The connection of this process to the daemon.
enum Known {
    /// There is none.
    Not,
    /// At this socket the daemon has looked at this process, and gave it this word, with which each question begins.
    By(PathBuf, Line, Vec<u8>),
    /// The daemon did not answer, at this time.
    Mute(Instant),
}

static KNOWN: Mutex<Known> = Mutex::new(Known::Not);

/// So long a daemon that did not answer is not asked again.
const MUTE: Duration = Duration::from_secs(10);

/// Has the daemon look at this process, where it may be asked later on. Once a process has closed itself to all others
/// (`platform::harden`), the kernel does not tell a daemon of a plain user which program it runs.
pub(crate) fn introduce(paths: &Paths) {
    let Ok(socket) = socket(paths) else { return };
    let may_be_asked = || match kernel::held(&name(paths)) {
        Ok(Some(_)) => false,
        Ok(None) => paths.identity().exists(),
        Err(_) => true,
    };
    if cfg!(target_os = "linux") && socket.exists() && may_be_asked() {
        // What goes wrong is told when it is asked.
        let _ = known(&mut KNOWN.lock().unwrap_or_else(PoisonError::into_inner), &socket);
    }
}

/// Whether the daemon was asked a moment ago and did not answer.
pub(super) fn is_mute() -> bool {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    matches!(&*known, Known::Mute(at) if at.elapsed() < MUTE)
}

// Whether the daemon knows this process; else it has refused it.
fn known(known: &mut Known, socket: &Path) -> io::Result<bool> {
    match known {
        Known::By(at, ..) if at == socket => return Ok(true),
        Known::Mute(at) if at.elapsed() < MUTE => return Err(io::ErrorKind::TimedOut.into()),
        _ => {}
    }
    let opened = Line::open(socket, MOST, PATIENCE);
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        *known = Known::Mute(Instant::now());
    }
    let (line, said) = opened?;
    let Some(word) = said.strip_prefix(b"known ") else { return Ok(false) };
    *known = Known::By(socket.to_owned(), line, word.to_vec());
    Ok(true)
}

fn ask(paths: &Paths, word: &str, text: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let socket = socket(paths)?;
    let mut connection = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let was_known = matches!(&*connection, Known::By(..));
    let mut once = || {
        if !known(&mut connection, &socket)? {
            return Ok(Zeroizing::new(b"refused".to_vec()));
        }
        let Known::By(at, mut line, own) = std::mem::replace(&mut *connection, Known::Not) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut question = Zeroizing::new(Vec::with_capacity(2 * MOST));
        for part in [&own, b" ".as_slice(), word.as_bytes(), b" ", name(paths).as_bytes(), b" ", text, b"\n"] {
            question.extend_from_slice(part);
        }
        let answer = line.ask(&question, MOST, PATIENCE);
        *connection = match &answer {
            Ok(_) => Known::By(at, line, own),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Known::Mute(Instant::now()),
            Err(_) => Known::Not,
        };
        answer
    };
    match once() {
        // The daemon has ended since, and another one may run.
        Err(error) if was_known && error.kind() != io::ErrorKind::TimedOut => once(),
        done => done,
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::{Duration, Zeroizing, io};
    use crate::platform;
    use std::ffi::CString;

    fn named(name: &str) -> CString {
        CString::new(name).expect("a name of hexadecimal digits")
    }

    pub(super) fn held(name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        platform::held_key(&named(name))
    }

    pub(super) fn hold(name: &str, text: &[u8], time: Duration) -> io::Result<()> {
        platform::hold_key(&named(name), text, time)
    }

    pub(super) fn end(name: &str) -> io::Result<bool> {
        platform::end_key(&named(name))
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Duration, Zeroizing, io};

    fn none() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "this system's kernel holds no keys")
    }

    pub(super) fn held(_: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        Err(none())
    }

    pub(super) fn hold(_: &str, _: &[u8], _: Duration) -> io::Result<()> {
        Err(none())
    }

    pub(super) fn end(_: &str) -> io::Result<bool> {
        Err(none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_for_its_own_file_and_until_its_time_is_over() {
        let hour = Duration::from_secs(3600);
        let (of, other) = (Digest::of(b"the file"), Digest::of(b"another one"));
        let opened = Opened { identity: Identity::generate(), of };
        let held = read(&text(&opened, hour), &of, Holder::Kernel).expect("held");
        assert_eq!(held.identity.to_public().to_string(), opened.identity.to_public().to_string());
        assert!(held.left <= hour);
        assert!(read(&text(&opened, hour), &other, Holder::Kernel).is_none());
        assert!(read(&text(&opened, Duration::ZERO), &of, Holder::Kernel).is_none());
        // The form of an earlier version, which does not name its file.
        let secret = String::from_utf8(secret_text(&opened.identity).to_vec()).expect("text");
        assert!(read(format!("9999999999 {secret}").as_bytes(), &of, Holder::Kernel).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_has_one_name_by_whatever_link() {
        use crate::env::Env;
        let folder = tempfile::tempdir().expect("a folder");
        let (home, link) = (folder.path().join("home"), folder.path().join("link"));
        let of = |home: &std::path::Path| Paths::new(&Env::from_pairs([("HOME", home)])).expect("paths");
        std::fs::create_dir_all(of(&home).identity().parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(&home, &link).expect("linked");
        assert_eq!(name(&of(&home)), name(&of(&link)));
        assert_ne!(name(&of(&home)), name(&of(folder.path())));
    }
}
