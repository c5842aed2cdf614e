//! The counts of what passed the broker: requests and tokens, by day, key, launch and model. Never any text.
//!
//! Each day has a folder, and each key a file in it. A file holds lines of one length, one for each launch and model. A
//! launch overwrites its own lines in place, in one write, so that a process that is killed leaves whole lines. A lock
//! on the file makes a limit hold for all launches together. `meter` writes them.

mod line;
#[cfg(target_os = "linux")]
mod meter;

#[cfg(target_os = "linux")]
pub(crate) use line::Origin;
pub(crate) use line::{Counts, Line};
#[cfg(target_os = "linux")]
pub(crate) use meter::{Limits, Meter, Stop};

use crate::name::KeyName;
use crate::percent;
use jiff::civil::Date;
use std::fs;
use std::io;
use std::path::Path;

/// What was counted, in one line of one day.
#[derive(Debug)]
pub(crate) struct Used {
    /// The key.
    pub key: KeyName,
    /// The line.
    pub line: Line,
}

/// Reads the counts from a day on, the oldest first.
pub(crate) fn read(folder: &Path, since: Date) -> io::Result<Vec<Used>> {
    let mut all = Vec::new();
    let mut days: Vec<Date> = names(folder)?.iter().filter_map(|name| name.parse().ok()).collect();
    days.retain(|day| *day >= since);
    days.sort_unstable();
    for day in days {
        let folder = folder.join(day.to_string());
        let mut keys = names(&folder)?;
        keys.sort_unstable();
        for name in keys {
            let key = percent::decoded(name.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
            let Some(key): Option<KeyName> = key else { continue };
            let lines = line::lines(&fs::read(folder.join(name))?);
            all.extend(lines.into_iter().map(|line| Used { key: key.clone(), line }));
        }
    }
    Ok(all)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
    }
}
