//! `ringlet man`: prints a manual page, or installs all of them.

use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::name::closest;
use crate::paths::Paths;
use crate::platform;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// `ringlet man [COMMAND...] [--install]`
pub(super) fn run(host: &mut Host, words: &[String], install: bool) -> Result<i32, Failure> {
    if install {
        return install_all(host).map(|()| 0);
    }
    let name = std::iter::once("ringlet").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let page = PAGES.iter().find(|(file, _)| file.strip_suffix(".1") == Some(&name));
    let Some((_, text)) = page else {
        let names = PAGES.iter().filter_map(|(file, _)| file.strip_suffix(".1"));
        let failure = Failure::usage("there is no page of that command");
        return Err(match closest(&name, names) {
            Some(meant) => {
                let words = ["ringlet", "man"].into_iter().chain(meant.split('-').skip(1));
                failure.hint(Hint::from("did you mean ").command(words).and("?"))
            }
            None => failure.hint("`ringlet help` lists the commands"),
        });
    };
    host.output.raw(text);
    Ok(0)
}

fn install_all(host: &mut Host) -> Result<(), Failure> {
    if cfg!(windows) {
        return Err(Failure::new("Windows has no manual pages").hint("`ringlet help COMMAND` shows the same"));
    }
    // Root in another's home would leave folders that their owner cannot use.
    super::Session::despite(&host.world, super::AuditWanted::default())?;
    let folder = folder(&host.world)?;
    for (name, text) in PAGES {
        write(&folder, name, text)?;
    }
    let shown = Paths::new(&host.world.env)?.pretty(&folder);
    host.output.note(format!("installed {} pages in {shown}", PAGES.len()));
    let said = Hint::from("").command(["man", "ringlet"]).and(" shows the first; where it finds none, put ");
    host.output.note(said.and(format!("{} in MANPATH", folder.parent().unwrap_or(&folder).display())));
    Ok(())
}

/// Returns the folder in which `man` looks for a user's own pages.
pub(super) fn folder(world: &World) -> Result<PathBuf, Failure> {
    Ok(data_folder(world)?.join("man/man1"))
}

/// Returns the folder of a user's own data.
pub(super) fn data_folder(world: &World) -> Result<PathBuf, Failure> {
    let home = Paths::new(&world.env)?.home;
    Ok(world.env.absolute("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")))
}

/// Reports whether a package has put the pages where every user's `man` looks.
pub(super) fn is_packaged() -> bool {
    let folders = ["/usr/share", "/usr/local/share", "/opt/homebrew/share"];
    let named = ["ringlet.1", "ringlet.1.gz"];
    folders.iter().any(|folder| named.iter().any(|name| Path::new(folder).join("man/man1").join(name).exists()))
}

/// Reports whether the pages that are installed are those of this version; `None` if there are none.
pub(super) fn is_current(folder: &Path) -> Option<bool> {
    let text = |name: &str| platform::read_file(&folder.join(name), 1 << 20).ok().map(|read| read.bytes);
    text("ringlet.1")?;
    Some(PAGES.iter().all(|(name, page)| text(name).is_some_and(|text| text == page.as_bytes())))
}

/// Writes a file that everybody may read, and the folders that it needs.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::io("created", folder, &error))?;
    let file = folder.join(name);
    let done = match file.symlink_metadata() {
        Ok(_) => platform::replace_shared_file(&file, text.as_bytes()),
        Err(_) => platform::create_shared_file(&file, text.as_bytes()),
    };
    done.map_err(|error| Failure::io("written", &file, &error))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn a_page_is_printed_and_all_are_installed_where_man_looks() {
        let home = Home::new();
        assert!(home.run(&["man"]).succeeds().out.contains(".TH ringlet 1"));
        assert!(home.run(&["man", "keychain", "set"]).succeeds().out.contains(".TH ringlet-keychain-set 1"));
        home.run(&["man", "keychain", "sett"]).is_refused(2, "did you mean `ringlet man keychain set`?");
        let ran = home.run(&["man", "--install"]).succeeds();
        assert!(ran.err.contains("~/.local/share/man/man1"), "{ran:?}");
        let folder = home.path.join(".local/share/man/man1");
        assert_eq!(is_current(&folder), Some(true));
        home.write(".local/share/man/man1/ringlet-run.1", "old");
        assert_eq!(is_current(&folder), Some(false));
        home.run(&["man", "--install"]).succeeds();
        assert_eq!((is_current(&folder), is_current(&home.path)), (Some(true), None));
    }
}
