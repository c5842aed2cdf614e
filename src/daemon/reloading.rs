//! A value that follows a file: each change of the file is in force at once, and the last good content stays in force
//! when a new one is wrong.
//!
//! Each use looks at the file's stamp, one system call, so that no change is ever missed by a moment; a watcher
//! (`notify`) looks as well when the system says that something happened, so that a mistake is in the log and in
//! `status` before anybody asks for anything.

use crate::platform;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Reader<T> = Box<dyn Fn() -> Result<T, String> + Send + Sync>;

/// A value that follows its file.
pub struct Reloading<T> {
    file: PathBuf,
    read: Reader<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamp: Option<String>,
    problem: Option<String>,
}

impl<T> Reloading<T> {
    /// Reads the file for the first time. An invalid file is an error, since there is no last good content.
    pub fn new(file: PathBuf, read: impl Fn() -> Result<T, String> + Send + Sync + 'static) -> Result<Self, String> {
        let stamp = platform::content_stamp(&file).ok();
        let value = Arc::new(read()?);
        Ok(Self { file, read: Box::new(read), state: Mutex::new(State { value, stamp, problem: None }) })
    }

    /// Returns the content that is in force.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.refreshed().value)
    }

    /// Returns why the file's present content is not in force, if it is not.
    pub fn problem(&self) -> Option<String> {
        self.refreshed().problem.clone()
    }

    fn refreshed(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: what comes after it has another stamp, and is read the next time.
        let stamp = platform::content_stamp(&self.file).ok();
        if stamp != state.stamp {
            state.stamp = stamp;
            // An editor that does not replace the file empties it first, and nothing would then be the settings.
            if fs::metadata(&self.file).is_ok_and(|meta| meta.len() == 0) {
                state.problem = Some(format!("{} is empty, as it is while it is being written", self.file.display()));
                return state;
            }
            match (self.read)() {
                Ok(value) => (state.value, state.problem) = (Arc::new(value), None),
                Err(problem) => state.problem = Some(problem),
            }
        }
        state
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_content_stays_until_there_is_a_better_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("n");
        let path = file.clone();
        let number = move || match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<u32>().map_err(|error| error.to_string()),
            Err(_) => Ok(0),
        };
        let reloading = Reloading::new(file.clone(), number).expect("no file is 0");
        assert_eq!(*reloading.current(), 0);
        for (text, value, problem) in [("7", 7, false), ("seven", 7, true), ("78", 78, false), ("", 78, true)] {
            // A new file each time, as a replacement makes one: its stamp is another whatever the clock says.
            fs::write(folder.path().join("next"), text).expect("written");
            fs::rename(folder.path().join("next"), &file).expect("renamed");
            assert_eq!((*reloading.current(), reloading.problem().is_some()), (value, problem), "{text:?}");
        }
        fs::remove_file(&file).expect("removed");
        assert_eq!((*reloading.current(), reloading.problem()), (0, None));
    }

    // A writer that never rests, with every third content wrong, beside readers that never rest: nobody sees a content
    // go back, or one that was never there whole.
    #[test]
    fn readers_beside_a_writer_see_whole_contents_in_their_order() {
        const LAST: u32 = 300;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("n");
        fs::write(&file, "0 0").expect("written");
        let path = file.clone();
        let pair = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            let (a, b) = text.split_once(' ').ok_or("not two")?;
            let number = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
            Ok((number(a)?, number(b)?))
        };
        let reloading = Reloading::new(file.clone(), pair).expect("there");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut before = 0;
                    while before < LAST {
                        let (a, b) = *reloading.current();
                        assert!(a == b && a >= before && a % 3 != 1, "{a} {b} after {before}");
                        before = a;
                    }
                });
            }
            for n in 1..=LAST {
                let text = if n % 3 == 1 { "wrong".to_owned() } else { format!("{n} {n}") };
                fs::write(folder.path().join("next"), text).expect("written");
                fs::rename(folder.path().join("next"), &file).expect("renamed");
            }
        });
        assert_eq!((*reloading.current(), reloading.problem()), ((LAST, LAST), None));
    }
}
