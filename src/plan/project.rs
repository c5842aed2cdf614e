//! The directories of the project that an agent would work on, and the places inside them.
//!
//! Ringlet checks each place that it reads or runs: whoever writes the project must not be able to write there. The
//! same check covers the agent's program, its interpreter, Ringlet's own folders and the agent's folders.

use super::{Context, PlanError};
use crate::config::PROJECT_FILE;
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, Access, NoAccount, Step};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

type Identity = (u64, u64);

/// Looks up the home directory of the user's account in the system. The parameter is the home directory in the
/// environment.
pub(crate) type AccountHome<'a> = &'a dyn Fn(&Path) -> Result<PathBuf, NoAccount>;

/// The directories of a project, and a cache of the paths that were compared with them.
///
/// These are the folder of the nearest project file, every repository that contains the working directory (a submodule
/// lies in another repository), and the working directory itself. A directory that contains the account's home does not
/// count, because everything that the user installed would lie in the project. A smaller directory below it still
/// counts.
pub(crate) struct ProjectFolders<'a> {
    folders: Vec<Folder>,
    home: &'a Path,
    account_home: AccountHome<'a>,
    // Read only if a place lies inside a directory.
    account: OnceCell<Result<HomeAccount, NoAccount>>,
    steps: RefCell<HashMap<OsString, Step>>,
}

struct Folder {
    path: PathBuf,
    identity: Option<Identity>,
    is_marked: bool,
}

impl Folder {
    fn new(path: &Path, is_marked: bool) -> Self {
        Self { path: path.to_owned(), identity: platform::file_identity(path), is_marked }
    }

    fn is(&self, path: &Path, identity: Option<Identity>) -> bool {
        // Both are normalized, and a comparison by components takes longer.
        self.path.as_os_str() == path.as_os_str() || (identity.is_some() && self.identity == identity)
    }
}

struct HomeAccount {
    home: PathBuf,
    above: Vec<(PathBuf, Option<Identity>)>,
}

// The number of links that Linux follows in one path, path_resolution(7).
const MAX_LINKS: usize = 40;

impl<'a> ProjectFolders<'a> {
    /// Returns the directories of the project of the working directory. Neither the settings nor HOME limit the search,
    /// because both may be under examination.
    pub(crate) fn new(context: &Context<'a>) -> Result<Self, PlanError> {
        let mut made = Self {
            folders: Vec::new(),
            home: &context.paths.home,
            account_home: context.account_home,
            account: OnceCell::new(),
            steps: RefCell::default(),
        };
        made.add(context.cwd)?;
        Ok(made)
    }

    /// Adds the directories of the project of another canonical directory.
    pub(crate) fn add(&mut self, directory: &Path) -> Result<(), PlanError> {
        let (mut files, mut repositories) = (Vec::new(), Vec::new());
        let mut mark = |path: &Path, has: &dyn Fn(&str) -> io::Result<bool>| {
            if files.is_empty() && has(PROJECT_FILE)? {
                files.push(Folder::new(path, true));
            } else if has(".git")? {
                repositories.push(Folder::new(path, true));
            }
            Ok(())
        };
        let climbed = platform::ascend(directory, |level| mark(level.path, &|name| level.has(name)).map(|()| true));
        match climbed {
            Ok(()) => {}
            // One directory above cannot be listed. The directories above it can still be checked by their full paths.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                for path in directory.ancestors() {
                    let _ = mark(path, &|name| Ok(path.join(name).symlink_metadata().is_ok()));
                }
            }
            Err(error) => return Err(PlanError::Search { start: directory.into(), error }),
        }
        let itself = Folder::new(directory, false);
        let is_home = itself.path == self.home
            || itself.identity.is_some_and(|identity| platform::file_identity(self.home) == Some(identity));
        self.folders.extend(files);
        if !is_home {
            self.folders.push(itself);
        }
        self.folders.extend(repositories);
        Ok(())
    }

    /// Adds a folder as if it held a project file.
    pub(super) fn with_file_in(mut self, folder: &Path) -> Self {
        self.folders.push(Folder::new(folder, true));
        self
    }

    /// Removes one folder, and every directory that only counts because the agent would work there.
    pub(super) fn around(mut self, folder: &Path) -> Self {
        self.folders.retain(|holder| holder.is_marked && holder.path != folder);
        self
    }

    /// Returns the directory that contains a place, which need not exist. The place counts as it is written, where its
    /// links lead, and on the way there. Directories are compared by identity, so that a second mount of one counts.
    pub(crate) fn holding(&self, place: &Path) -> Option<&Path> {
        if self.folders.is_empty() {
            return None;
        }
        let mut holds = vec![false; self.folders.len()];
        self.walk(place, &mut |path, identity| {
            for (folder, holds) in self.folders.iter().zip(&mut holds) {
                *holds |= folder.is(path, identity);
            }
        });
        let mut found = self.folders.iter().zip(holds).filter_map(|(folder, holds)| holds.then_some(folder));
        found.find(|folder| !self.holds_home(folder)).map(|folder| folder.path.as_path())
    }

    /// Returns the same for a folder of settings. The usual folders below the account's home belong to the user even
    /// inside a project, because people work on their settings, too. A link that leads elsewhere is no usual folder.
    pub(crate) fn holding_settings(&self, place: &Path) -> Option<&Path> {
        self.holding(place).filter(|_| !self.is_usual(place))
    }

    /// Returns the home of the user's account.
    pub(crate) fn account(&self) -> Result<&Path, &NoAccount> {
        self.entry().as_ref().map(|account| account.home.as_path())
    }

    fn entry(&self) -> &Result<HomeAccount, NoAccount> {
        self.account.get_or_init(|| {
            let home = (self.account_home)(self.home)?;
            let home = platform::canonical(&home).unwrap_or(home);
            let mut above = Vec::new();
            self.walk(&home, &mut |path, identity| above.push((path.to_owned(), identity)));
            Ok(HomeAccount { home, above })
        })
    }

    fn holds_home(&self, folder: &Folder) -> bool {
        let Ok(account) = self.entry() else { return false };
        account.above.iter().any(|(path, identity)| folder.is(path, *identity))
    }

    fn is_usual(&self, place: &Path) -> bool {
        const SHARED: [&str; 4] = [".config", ".local/share", ".local/state", ".cache"];
        // A missing folder would be created at this path.
        let leads_to = |expected: &Path| self.walk(place, &mut |_, _| {}) == expected;
        if platform::runtime_base().is_some_and(|base| place.starts_with(&base) && leads_to(place)) {
            return true;
        }
        let Ok(home) = self.account() else { return false };
        // The home directory in the environment may lead to the account's home through links.
        let below = match (place.strip_prefix(home), place.strip_prefix(self.home)) {
            (Ok(below), _) => below,
            (_, Ok(below)) if self.walk(self.home, &mut |_, _| {}) == home => below,
            _ => return false,
        };
        let there = home.join(below);
        let mut parts = below.components();
        let usual = match (parts.next(), parts.next()) {
            (None, _) => true,
            (Some(Component::Normal(only)), None) => only.as_encoded_bytes().starts_with(b"."),
            _ => {
                SHARED.iter().any(|usual| below == Path::new(usual))
                    || Paths::usual(home).iter().any(|usual| there.starts_with(usual))
            }
        };
        usual && leads_to(&there)
    }

    // Reports whether somebody who writes one of these directories could change where a path leads, but could not
    // replace the file itself.
    fn could_redirect(&self, path: &Path, file: &Path) -> bool {
        let holds = |folder: &Folder, path: &Path| {
            let mut holds = false;
            self.walk(path, &mut |path, identity| holds |= folder.is(path, identity));
            holds
        };
        self.folders.iter().any(|folder| holds(folder, path) && !holds(folder, file) && !self.holds_home(folder))
    }

    // Visits every directory on a path in the order of the system, links resolved, and returns where the path ends. A
    // missing part would be created as a plain folder, so a `..` after it leads back.
    pub(super) fn walk(&self, place: &Path, visit: &mut dyn FnMut(&Path, Option<Identity>)) -> PathBuf {
        fn parts(path: &Path) -> impl Iterator<Item = &OsStr> {
            path.components().rev().filter(|part| *part != Component::CurDir).map(Component::as_os_str)
        }
        let mut waiting: Vec<Cow<'_, OsStr>> = parts(place).map(Cow::Borrowed).collect();
        let mut real = PathBuf::new();
        let mut links = 0;
        while let Some(part) = waiting.pop() {
            if *part == *".." {
                real.pop();
                continue;
            }
            real.push(&part);
            // On Windows a drive without its root is the directory in which this process works.
            if cfg!(windows) && matches!(real.components().next_back(), Some(Component::Prefix(_))) {
                continue;
            }
            match self.step(&real) {
                Step::Link(target) if links < MAX_LINKS => {
                    links += 1;
                    // A link below /proc does not lead to its text.
                    visit(&real, platform::file_identity(&real));
                    real.pop();
                    waiting.extend(parts(&target).map(|part| Cow::Owned(part.to_owned())));
                }
                Step::Other(identity) => visit(&real, Some(identity)),
                Step::Link(_) | Step::Nothing => visit(&real, None),
            }
        }
        real
    }

    fn step(&self, path: &Path) -> Step {
        if let Some(step) = self.steps.borrow().get(path.as_os_str()) {
            return step.clone();
        }
        let step = platform::step(path);
        self.steps.borrow_mut().insert(path.as_os_str().to_owned(), step.clone());
        step
    }
}

/// Reports whether a long-lived file may name a program by a path through links, so that the path leads to the new
/// program after an upgrade. Only the user and root may be able to change the links, and no link may lie in a project:
/// neither the working directory's nor one of its own. An account that could replace the program itself does not count:
/// Homebrew's folders are a repository, and its group may write them.
pub(crate) fn is_lasting_path(context: &Context<'_>, path: &Path, file: &Path) -> bool {
    let Ok(mut folders) = ProjectFolders::new(context) else { return false };
    let mut turns = Vec::new();
    folders.walk(path, &mut |path, _| {
        let is_link = matches!(folders.step(path), Step::Link(_));
        turns.extend(path.parent().filter(|_| is_link).map(Path::to_owned));
    });
    let here = folders.folders.len();
    let added = turns.iter().try_for_each(|folder| folders.add(folder));
    let mut at = 0..;
    folders.folders.retain(|folder| at.next().is_some_and(|at| at < here) || folder.is_marked);
    let replaceable: Vec<Access> =
        file.ancestors().skip(1).filter_map(|folder| platform::access(folder).ok()).collect();
    let is_kept = |folder: &PathBuf| {
        let Ok(access) = platform::access(folder) else { return false };
        let is_private = private::check(&access, Privacy::UnwrittenOrRoots).is_ok();
        let mut above = folder.ancestors().skip(1);
        (is_private || replaceable.iter().any(|other| other.lets_the_same(&access)))
            && !platform::invents_modes(folder)
            && above.all(|above| {
                let access = platform::access(above);
                access.is_ok_and(|access| {
                    access.keeps_entries() || replaceable.iter().any(|other| other.lets_the_same(&access))
                })
            })
    };
    !turns.is_empty() && added.is_ok() && turns.iter().all(is_kept) && !folders.could_redirect(path, file)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::env::Env;
    use crate::registry::Registry;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Tree {
        root: tempfile::TempDir,
    }

    impl Tree {
        fn new(folders: &[&str]) -> Self {
            let made = Self { root: tempfile::tempdir().expect("a temporary folder") };
            folders.iter().for_each(|folder| fs::create_dir_all(made.path(folder)).expect("a folder"));
            made
        }

        fn path(&self, below: &str) -> PathBuf {
            self.root.path().canonicalize().expect("there").join(below)
        }

        /// Returns the directory that contains a place, for a working directory, a HOME and an account's home.
        fn holding(&self, cwd: &str, homes: (&str, Option<&str>), ask: &str, settings: bool) -> Option<String> {
            let env = Env::from_pairs([("HOME", self.path(homes.0))]);
            let paths = Paths::new(&env).expect("absolute");
            let (user, registry) = (Settings::read(&paths).expect("none"), Registry::new(&paths));
            let account = homes.1.map(|home| self.path(home)).ok_or(NoAccount::NoEntry(7));
            let context = Context {
                paths: &paths,
                settings: &user,
                registry: &registry,
                env: &env,
                cwd: &self.path(cwd),
                ringlet: None,
                account_home: &move |_| account.clone(),
            };
            let folders = ProjectFolders::new(&context).expect("can be steps at");
            let place = self.path(ask);
            let found = if settings { folders.holding_settings(&place) } else { folders.holding(&place) };
            found.map(|path| path.strip_prefix(self.path("")).expect("below").to_str().expect("text").to_owned())
        }
    }

    #[test]
    fn a_place_is_inside_as_it_is_written_where_its_links_lead_and_on_the_way() {
        let at = Tree::new(&["home", "p/sub/.git", "out/real", "p/cfg"]);
        fs::write(at.path("p/.ringlet.toml"), "").expect("written");
        symlink(at.path("p/cfg"), at.path("out/in")).expect("a link");
        symlink("../p/turn", at.path("out/through")).expect("a link");
        symlink(at.path("out/real"), at.path("p/turn")).expect("a link");
        symlink(at.path("p/missing"), at.path("out/dangling")).expect("a link");
        symlink("loop", at.path("out/loop")).expect("a link");
        for ask in [
            "p",
            "p/x/y",
            "out/../p/x",
            "out/in",
            "out/in/x",
            "out/through",
            "out/through/x",
            "out/dangling/x",
            "p/../out",
        ] {
            assert_eq!(at.holding("p/sub", ("home", Some("home")), ask, false).as_deref(), Some("p"), "{ask}");
        }
        for ask in ["out", "out/x/../y", "pp", "out/real/p", "out/loop/x", "home/.config", ""] {
            assert_eq!(at.holding("p/sub", ("home", Some("home")), ask, false), None, "{ask}");
        }
        // A directory without a project file or repository is a project while an agent works there, unless it is the
        // home directory.
        assert_eq!(at.holding("out", ("home", Some("home")), "out/real", false).as_deref(), Some("out"));
        assert_eq!(at.holding("home", ("home", Some("p")), "home/bin", false), None);
    }

    /// Reports whether a path through links may be kept, from a working directory; the account's home is `home`.
    fn lasts(at: &Tree, cwd: &str, way: &str) -> bool {
        let paths = Paths::new(&Env::from_pairs([("HOME", at.path("home"))])).expect("absolute");
        let (user, registry) = (Settings::read(&paths).expect("none"), Registry::new(&paths));
        let context = Context {
            paths: &paths,
            settings: &user,
            registry: &registry,
            env: &Env::default(),
            cwd: &at.path(cwd),
            ringlet: None,
            account_home: &|home| Ok(home.to_owned()),
        };
        let file = at.path(way).canonicalize().expect("it leads somewhere");
        is_lasting_path(&context, &at.path(way), &file)
    }

    #[test]
    fn a_way_through_links_lasts_where_neither_a_project_nor_others_can_turn_it() {
        let at =
            Tree::new(&["home/bin", "home/.git", "pkg/1", "brew/.git", "brew/bin", "p/.git", "p/bin", "led", "open"]);
        for (file, link) in [
            ("pkg/1/ringlet", "home/bin/ringlet"),
            ("home/bin/ringlet", "led/ringlet"),
            ("brew/1", "brew/bin/ringlet"),
            ("pkg/1/ringlet", "p/bin/ringlet"),
            ("p/bin/ringlet", "led/through"),
            ("p/bin", "led/bin"),
            ("pkg/1/ringlet", "open/ringlet"),
        ] {
            if !at.path(file).exists() {
                fs::write(at.path(file), "x").expect("written");
            }
            symlink(at.path(file), at.path(link)).expect("a link");
        }
        let mode =
            |folder: &str, mode| fs::set_permissions(at.path(folder), PermissionsExt::from_mode(mode)).expect("chmod");
        for cwd in ["home", "pkg", "p"] {
            for way in ["home/bin/ringlet", "led/ringlet", "brew/bin/ringlet", "open/ringlet"] {
                assert!(lasts(&at, cwd, way), "{way} from {cwd}");
            }
            for way in ["pkg/1/ringlet", "p/bin/ringlet", "led/through", "led/bin/ringlet"] {
                assert!(!lasts(&at, cwd, way), "{way} from {cwd}");
            }
        }
        // The working directory counts as a project.
        assert!(!lasts(&at, "led", "led/ringlet"));
        for open in [0o777, 0o1777] {
            mode("open", open);
            assert!(!lasts(&at, "home", "open/ringlet"), "{open:o}");
        }
        // An account that may replace the link may also replace the program.
        mode("open", 0o757);
        mode("pkg", 0o757);
        assert!(lasts(&at, "home", "open/ringlet"));
        mode("pkg", 0o1757);
        assert!(!lasts(&at, "home", "open/ringlet"));
        mode("pkg", 0o755);
        assert!(!lasts(&at, "home", "open/ringlet"));
        mode("home", 0o777);
        assert!(!lasts(&at, "pkg", "home/bin/ringlet") && !lasts(&at, "pkg", "led/ringlet"));
        mode("home", 0o1777);
        assert!(lasts(&at, "pkg", "home/bin/ringlet"), "a sticky folder above keeps what is the user's");
    }

    #[test]
    fn what_holds_the_accounts_home_is_the_users_own_and_lifts_nothing_below() {
        let at = Tree::new(&["u/home/code/x/.git", "u/home/.git", "u/.git"]);
        fs::write(at.path("u/home/.ringlet.toml"), "").expect("written");
        let homes = ("u/home", Some("u/home"));
        let ask = |ask| at.holding("u/home/code/x", homes, ask, false);
        assert_eq!(ask("u/home/.local/bin/claude"), None);
        assert_eq!(ask("u/tools"), None);
        assert_eq!(ask("u/home/code/x/claude").as_deref(), Some("u/home/code/x"));
        // The environment's home does not count if the account has another one.
        let ask = |homes| at.holding("u/home/code/x", homes, "u/home/.config/ringlet", true);
        assert_eq!(ask(("u/home", Some("elsewhere"))).as_deref(), Some("u/home"));
        assert_eq!(ask(("u/home", None)).as_deref(), Some("u/home"));
        assert_eq!(ask(homes), None);
    }

    #[test]
    fn settings_at_their_usual_places_are_the_users_own_but_for_links() {
        let at = Tree::new(&["home/.config/.git", "home/.config/other", "home/.claude/.git", "p/.git"]);
        let homes = ("home", Some("home"));
        for (cwd, ask) in [
            ("home/.config", "home/.config/ringlet"),
            ("home/.config", "home/.config/ringlet/config.toml"),
            ("home/.config", "home/.config"),
            ("home/.claude", "home/.claude"),
        ] {
            assert_eq!(at.holding(cwd, homes, ask, true), None, "{ask}");
            assert_eq!(at.holding(cwd, ("home", None), ask, true).as_deref(), Some(cwd), "{ask}");
        }
        assert_eq!(at.holding("home/.config", homes, "home/.config/other", true).as_deref(), Some("home/.config"));
        symlink(at.path("p/ringlet"), at.path("home/.config/ringlet")).expect("a link");
        assert_eq!(at.holding("p", homes, "home/.config/ringlet/config.toml", true).as_deref(), Some("p"));
    }
}
