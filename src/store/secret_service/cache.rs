//! The last listing of a large keyring, in a file of Ringlet's own: names alone, never a value.
//!
//! It holds for one service on one bus and for the keyring files as they were; see [`super::listing`]. Anything in it that
//! is not as it was written makes it no cache at all.

use super::keyrings::COLLECTIONS;
use crate::platform;
use crate::platform::private::{self, Privacy};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const FORMAT: &str = "ringlet listing 1";

/// What the listing was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The bus and, on it, the owner of the service's name.
    pub owner: String,
    /// The folder of the keyring files.
    pub folder: String,
    /// The service whose items are listed.
    pub service: String,
    /// The stamp of the keyring files.
    pub stamp: String,
}

/// An item's object path and its account.
pub(super) type Name = (String, String);

/// A listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub source: Source,
    pub names: Vec<Name>,
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Cache(PathBuf);

impl Cache {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// The listing; nothing where there is none that can be used.
    pub(super) fn read(&self) -> Option<Listing> {
        let bytes = private::read(&self.0, 64 << 20, Privacy::Unread).ok()??;
        parsed(&String::from_utf8(bytes).ok()?)
    }

    /// Keeps a listing. A crash leaves the old file or the new one, 0600; that it cannot be kept is no error.
    pub(super) fn keep(&self, listing: &Listing) {
        let Some(text) = written(listing) else { return };
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        let _ = platform::create_private_folder(folder).and_then(|()| platform::replace_file(&self.0, text.as_bytes()));
    }
}

// Nothing where a line could not be told from the next.
fn written(listing: &Listing) -> Option<String> {
    let Source { owner, folder, service, stamp } = &listing.source;
    let mut text = format!("{FORMAT}\n{owner}\n{folder}\n{service}\n{stamp}\n{}\n", listing.names.len());
    for (path, account) in &listing.names {
        let item = path.strip_prefix(COLLECTIONS)?;
        writeln!(text, "{item} {account}").ok()?;
    }
    let lines = text.matches(|c: char| c.is_control()).count();
    (lines == listing.names.len() + 6).then_some(text)
}

fn parsed(text: &str) -> Option<Listing> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != FORMAT {
        return None;
    }
    let mut line = || lines.next().map(str::to_owned);
    let source = Source { owner: line()?, folder: line()?, service: line()?, stamp: line()? };
    let count: usize = line()?.parse().ok()?;
    let names: Option<Vec<Name>> = lines
        .map(|line| {
            let (item, account) = line.split_once(' ')?;
            Some((format!("{COLLECTIONS}{item}"), account.to_owned()))
        })
        .collect();
    names.filter(|names| names.len() == count).map(|names| Listing { source, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let names = ["a/b", "c/d with blanks"].iter().zip(1..);
        Listing {
            source: Source {
                owner: ":1.2 00ff".into(),
                folder: "/k".into(),
                service: "ringlet".into(),
                stamp: "login.keyring 1 2".into(),
            },
            names: names.map(|(name, id)| (format!("{COLLECTIONS}login/{id}"), (*name).to_owned())).collect(),
        }
    }

    #[test]
    fn a_listing_reads_back_and_what_is_cut_short_is_none() {
        let text = written(&listing()).expect("it can be written");
        assert_eq!(parsed(&text), Some(listing()));
        for length in 0..text.len() {
            assert_eq!(parsed(&text[..length]), None, "{length}");
        }
        assert_eq!(parsed(&text.replace("listing 1", "listing 2")), None);
        assert_eq!(parsed(&text.replace("\n2\n", "\n1\n")), None);
        assert_eq!(parsed(&(text + "login/3 e/f\n")), None);
    }

    #[test]
    fn a_name_with_a_line_end_is_not_kept() {
        let mut listing = listing();
        listing.names[0].1 = "a\nlogin/9 c".into();
        assert_eq!(written(&listing), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_no_cache() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("state/listing");
        let cache = Cache::new(file.clone());
        assert_eq!(cache.read(), None);
        cache.keep(&listing());
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(cache.read(), Some(listing()));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        assert_eq!(cache.read(), None);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");
        std::fs::write(&file, b"ringlet listing 1\n\xff\n").expect("written");
        assert_eq!(cache.read(), None);
    }
}
