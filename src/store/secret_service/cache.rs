//! The last listing of a large keyring, in a file of Ringlet's own: names alone, never a value.
//!
//! It holds for one service on one bus and for the keyring files as they were; see [`super::listing`]. Anything in it
//! that is not as it was written makes it no cache at all.

#[cfg(doc)]
use super::keyrings::COLLECTIONS;
use crate::platform;
use crate::platform::private::{self, Privacy};
use memchr::{memchr, memrchr};
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

/// An item and its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The end of the item's object path, behind [`COLLECTIONS`].
    pub item: &'a str,
    pub account: &'a str,
}

impl<'a> Name<'a> {
    /// The collection that holds the item, as its object path spells it.
    pub(super) fn collection(&self) -> Option<&'a str> {
        memrchr(b'/', self.item.as_bytes()).map(|slash| &self.item[..slash])
    }
}

/// A listing, sorted by account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing<'a> {
    pub source: Source,
    pub names: Vec<Name<'a>>,
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Cache(PathBuf);

impl Cache {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// The text of the listing; nothing where there is none that can be used.
    pub(super) fn read(&self) -> Option<String> {
        let bytes = private::read(&self.0, 64 << 20, Privacy::Unread).ok()??;
        String::from_utf8(bytes).ok()
    }

    /// Keeps a listing. A crash leaves the old file or the new one, 0600; that it cannot be kept is no error.
    pub(super) fn keep(&self, listing: &Listing<'_>) {
        let Some(text) = listing.to_text() else { return };
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        let _ = platform::create_private_folder(folder).and_then(|()| platform::replace_file(&self.0, text.as_bytes()));
    }
}

impl<'a> Listing<'a> {
    /// The listing that a text holds; nothing where the text is not as it was written.
    pub(super) fn in_text(text: &'a str) -> Option<Self> {
        let mut rest = text;
        if line(&mut rest)? != FORMAT {
            return None;
        }
        let mut field = || line(&mut rest).map(str::to_owned);
        let source = Source { owner: field()?, folder: field()?, service: field()?, stamp: field()? };
        let count: usize = field()?.parse().ok()?;
        let mut names = Vec::with_capacity(count.min(rest.len()));
        while !rest.is_empty() {
            let (item, account) = cut(line(&mut rest)?, b' ')?;
            names.push(Name { item, account });
        }
        (names.len() == count).then_some(Self { source, names })
    }

    // Nothing where a line could not be told from the next.
    fn to_text(&self) -> Option<String> {
        let Source { owner, folder, service, stamp } = &self.source;
        let mut text = format!("{FORMAT}\n{owner}\n{folder}\n{service}\n{stamp}\n{}\n", self.names.len());
        for Name { item, account } in &self.names {
            writeln!(text, "{item} {account}").ok()?;
        }
        let lines = text.matches(|c: char| c.is_control()).count();
        (lines == self.names.len() + 6).then_some(text)
    }
}

// Takes a line from the start of a text; nothing where no newline ends it.
fn line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (line, after) = cut(rest, b'\n')?;
    *rest = after;
    Some(line)
}

// What stands before and behind a byte of ASCII.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = memchr(at, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [Name<'_>; 2] =
        [Name { item: "login/1", account: "a/b" }, Name { item: "login/2", account: "c/d with blanks" }];

    fn listing(names: &[Name<'static>]) -> Listing<'static> {
        Listing {
            source: Source {
                owner: ":1.2 00ff".into(),
                folder: "/k".into(),
                service: "ringlet".into(),
                stamp: "login.keyring 1 2".into(),
            },
            names: names.to_vec(),
        }
    }

    #[test]
    fn a_listing_reads_back_and_what_is_cut_short_is_none() {
        let text = listing(&NAMES).to_text().expect("it can be written");
        assert_eq!(Listing::in_text(&text), Some(listing(&NAMES)));
        for length in 0..text.len() {
            assert_eq!(Listing::in_text(&text[..length]), None, "{length}");
        }
        assert_eq!(Listing::in_text(&text.replace("listing 1", "listing 2")), None);
        assert_eq!(Listing::in_text(&text.replace("\n2\n", "\n1\n")), None);
        assert_eq!(Listing::in_text(&(text + "login/3 e/f\n")), None);
    }

    #[test]
    fn a_name_with_a_line_end_is_not_kept() {
        assert_eq!(listing(&[Name { account: "a\nlogin/9 c", ..NAMES[0] }]).to_text(), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_no_cache() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("state/listing");
        let cache = Cache::new(file.clone());
        assert_eq!(cache.read(), None);
        cache.keep(&listing(&NAMES));
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(cache.read(), listing(&NAMES).to_text());
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        assert_eq!(cache.read(), None);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");
        std::fs::write(&file, b"ringlet listing 1\n\xff\n").expect("written");
        assert_eq!(cache.read(), None);
    }
}
