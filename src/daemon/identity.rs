//! Who a client is, as policy knows it: from what the kernel says of the process at the other end.
//!
//! The file that runs is opened through the process itself and hashed, so that a file which took its path meanwhile
//! cannot pass for it. Hashes are remembered by the file's stamp, which changes with a content.
//! Of an interpreter the script counts as well, which is what the client says of itself: the command line is its own to
//! write. It must name the script by an absolute path without links, which no turned link and no working directory can
//! lead elsewhere. Where it does not, the client is an interpreter alone, which nobody can register. Where the system
//! tells no command line (macOS, Windows), that holds for every script.

use super::interpreters::is_interpreter;
use super::policy::{Client, Hash, Policy, Program};
use crate::digest::Digest;
use crate::pins::measure_unless_known;
use crate::platform::{self, Peer};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Hashes that are remembered; beyond that all are forgotten.
const MOST_HASHES: usize = 256;

/// Hashes of files that were hashed before.
#[derive(Default)]
pub struct Hashes(Mutex<HashMap<String, Digest>>);

impl Hashes {
    fn of(&self, file: &File) -> io::Result<Hash> {
        let all = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |stamp: &str| all().get(stamp).copied();
        let keep = |stamp: &str, digest| {
            let mut all = all();
            if all.len() >= MOST_HASHES {
                all.clear();
            }
            all.insert(stamp.to_owned(), digest);
        };
        Ok(Hash(measure_unless_known(file, known, keep)?.digest))
    }
}

/// A client, and what tells that the process still runs the same file.
pub struct Identity {
    /// The process.
    pub peer: Peer,
    /// What policy knows it by.
    pub client: Client,
    /// Why it is known as an interpreter alone.
    pub no_script: Option<&'static str>,
    file: (u64, u64),
    image: u64,
}

impl Identity {
    /// Finds out which program a peer is. The policy adds the interpreters of registered scripts to those known by
    /// name.
    pub fn of(peer: Peer, hashes: &Hashes, policy: &Policy) -> io::Result<Self> {
        // Whatever the process has become since it was accepted is seen by `still_holds`.
        let image = peer.first_image.ok_or_else(|| io::Error::other("what it ran when it connected is not told"))?;
        if !peer.has_our_numbers()? {
            return Err(io::Error::other("it runs in a pid namespace of its own"));
        }
        let running = peer.program()?;
        let file = platform::opened_identity(&running.file)?;
        let runs = Program { hash: hashes.of(&running.file)?, path: running.path };
        let runs_scripts = is_interpreter(&runs.path) || policy.runs_scripts(&runs);
        let (client, no_script) = match runs_scripts.then(|| script(&peer)) {
            None => (Client { program: runs, interpreter: None }, None),
            Some(Err(why)) => (Client { program: runs, interpreter: None }, Some(why)),
            Some(Ok(path)) => {
                let opened = platform::open_file(&path).map_err(|error| io::Error::other(error.to_string()))?;
                let program = Program { hash: hashes.of(&opened.file)?, path };
                (Client { program, interpreter: Some(runs) }, None)
            }
        };
        let made = Self { peer, client, no_script, file, image };
        if !made.still_holds() {
            return Err(io::Error::other("it does not run what it ran when it connected"));
        }
        Ok(made)
    }

    /// Reports whether the process still runs the image that was examined. After another `execve` it does not, even if
    /// the same interpreter now runs another script.
    pub fn still_holds(&self) -> bool {
        self.peer.execution().is_ok_and(|now| now == (self.file, self.image))
    }

    /// Reports whether the program's path still leads to the file that runs. A file that was replaced has no path under
    /// which it could be registered.
    pub fn has_its_path(&self) -> bool {
        self.client.interpreter.is_some()
            || platform::file_identity(&self.client.program.path).is_some_and(|file| file == self.file)
    }
}

/// Reports whether a peer may be a registered program, by its paths alone. This decides only in which queue it waits.
pub(crate) fn may_be(peer: &Peer, policy: &Policy) -> bool {
    let Ok(running) = peer.program() else { return false };
    let is_script = || script(peer).is_ok_and(|path| policy.names(&path, Some(&running.path)));
    policy.names(&running.path, None) || is_script()
}

// The script is the first argument of the interpreter. An option in its place (`-c`, `-m`) means that no file is run.
fn script(peer: &Peer) -> Result<PathBuf, &'static str> {
    let arguments = peer.arguments().map_err(|_| "this system does not tell which script it runs")?;
    let named = arguments.get(1).filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let named = Path::new(named.ok_or("its command line names no script behind the interpreter")?);
    if !named.is_absolute() {
        return Err("its command line names the script by a relative path; start it by the absolute one");
    }
    let real = named.canonicalize().map_err(|_| "the script that its command line names cannot be found")?;
    if real != named {
        return Err("its command line names the script by a path with a link in it; start it by the path without");
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_changes_faster_than_its_times_is_hashed_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("script");
        let hashes = Hashes::default();
        for n in 0..500 {
            // The same length, in place: only the times tell, if they do.
            let content = format!("{n:08}");
            fs::write(&path, &content).expect("written");
            let hash = hashes.of(&File::open(&path).expect("there")).expect("hashed");
            assert_eq!(hash, Hash(Digest::of(content.as_bytes())), "{n}");
        }
    }

    #[test]
    fn a_hash_is_remembered_and_threads_agree_on_it() {
        let hashes = Hashes::default();
        let this = std::env::current_exe().expect("known");
        let hashes_of_threads: Vec<Hash> = std::thread::scope(|scope| {
            let one = || hashes.of(&File::open(&this).expect("there")).expect("hashed");
            let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(hashes_of_threads.iter().all(|hash| *hash == hashes_of_threads[0]));
    }
}
