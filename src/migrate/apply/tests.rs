//! The protocol against stores that break it, and against files that change under it.

use super::*;
use crate::env::Env;
use crate::migrate::plan;
use crate::store::memory::MemoryStore;
use crate::store::{Detail, Item, ItemName, Keys, Query, SERVICE, Store, StoreError};
use std::cell::RefCell;
use std::rc::Rc;

const KEY: &str = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
const OTHER: &str = "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST";

/// What goes wrong with a store that is not itself to blame in everything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Forgets,
    Changes,
    LockedBeforeTheWrite,
    LockedAfterIt,
}

struct Faulty {
    kept: Rc<MemoryStore>,
    fault: Fault,
    // Done when a key is stored: what somebody else does in the meantime.
    meanwhile: Rc<dyn Fn()>,
    handles: Rc<RefCell<usize>>,
}

impl Store for Faulty {
    fn place(&self) -> String {
        "the keychain".into()
    }
    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let read_back = *self.handles.borrow() > 1 && name.service == SERVICE;
        let changed = || Item {
            account: name.account.to_owned(),
            attributes: Vec::new(),
            value: Some(Secret::new(b"sk-ant-another".to_vec())),
        };
        match self.fault {
            Fault::Forgets if read_back => Ok(None),
            Fault::Changes if read_back => Ok(Some(changed())),
            Fault::LockedAfterIt if read_back => Err(StoreError::Locked),
            _ => self.kept.get(name, detail),
        }
    }
    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        if self.fault == Fault::LockedBeforeTheWrite {
            return Err(StoreError::Locked);
        }
        (self.meanwhile)();
        self.kept.put(name, value, attributes)
    }
    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        self.kept.delete(name)
    }
    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        self.kept.list(query)
    }
    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Rig {
    _home: tempfile::TempDir,
    paths: Paths,
    file: PathBuf,
    kept: Rc<MemoryStore>,
}

fn before() -> String {
    format!("# mine\nexport ANTHROPIC_API_KEY={KEY}\n")
}

impl Rig {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().canonicalize().expect("it is there");
        let paths = Paths::new(&Env::from_pairs([("HOME", root.as_os_str())])).expect("a home");
        let file = root.join(".zshrc");
        fs::write(&file, before()).expect("written");
        Self { _home: home, paths, file, kept: Rc::default() }
    }

    fn plan(&self) -> Plan {
        Plan::new(plan::scan(&[], std::slice::from_ref(&self.file)), &BTreeMap::new())
    }

    fn apply(&self, plan: &Plan, fault: Fault, meanwhile: impl Fn() + 'static) -> Result<Report, MigrateError> {
        let (meanwhile, handles): (Rc<dyn Fn()>, _) = (Rc::new(meanwhile), Rc::new(RefCell::new(0)));
        let kept = &self.kept;
        let open = || {
            *handles.borrow_mut() += 1;
            let (kept, meanwhile, handles) = (Rc::clone(kept), Rc::clone(&meanwhile), Rc::clone(&handles));
            Keys::of(Faulty { kept, fault, meanwhile, handles })
        };
        let _lock = lock(&self.paths).expect("nobody else runs");
        apply(&Setup { paths: &self.paths, open: &open, run: "20261101T000000Z-1".into() }, plan, None)
    }

    /// The store without any fault.
    fn keys(&self) -> Keys {
        let (kept, handles) = (Rc::clone(&self.kept), Rc::default());
        Keys::of(Faulty { kept, fault: Fault::None, meanwhile: Rc::new(|| ()), handles })
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).expect("readable")
    }
}

#[test]
fn a_store_that_does_not_give_the_key_back_changes_no_file() {
    for (fault, says) in [
        (Fault::Forgets, "the keychain took anthropic/default and has lost it; no file was changed"),
        (Fault::Changes, "the keychain took anthropic/default and gave it back changed; no file was changed"),
        (Fault::LockedBeforeTheWrite, "the keychain is locked"),
        (Fault::LockedAfterIt, "the keychain is locked"),
    ] {
        let rig = Rig::new();
        let error = rig.apply(&rig.plan(), fault, || {}).expect_err("refused");
        assert_eq!(error.to_string(), says);
        assert!(error.hint().is_some());
        assert_eq!(rig.text(), before());
        assert_eq!(Journal::all(&rig.paths).expect("readable").runs.len(), 0, "{says}");
        // The next run goes on from there.
        rig.apply(&rig.plan(), Fault::None, || {}).expect("done");
        assert_eq!(rig.text(), "# mine\n");
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_planned_again_with_the_same_keys() {
    let rig = Rig::new();
    let plan = rig.plan();
    let file = rig.file.clone();
    let report = rig.apply(&plan, Fault::None, move || {
        fs::write(&file, format!("export EDITOR=vi\n{}", before())).expect("written");
    });
    assert!(matches!(report.expect("done").files[..], [(_, End::Done)]));
    assert_eq!(rig.text(), "export EDITOR=vi\n# mine\n");
    let journals = Journal::all(&rig.paths).expect("readable");
    let undone = crate::migrate::undo::undo(&rig.paths, &rig.keys(), Some(&journals.runs[0].run)).expect("undone");
    assert!(undone.files[0].left.is_empty());
    assert_eq!(rig.text(), format!("export EDITOR=vi\n{}", before()));
}

#[test]
fn a_file_that_got_another_key_meanwhile_is_left_alone() {
    let rig = Rig::new();
    let plan = rig.plan();
    let file = rig.file.clone();
    let more = format!("{}export OPENAI_API_KEY={OTHER}\n", before());
    let text = more.clone();
    let report =
        rig.apply(&plan, Fault::None, move || fs::write(&file, &text).expect("written")).expect("the keys are stored");
    let [(_, End::Kept(why))] = &report.files[..] else { panic!("{report:?}") };
    assert!(why.contains("changed meanwhile"), "{why}");
    assert_eq!(rig.text(), more);
    // The key that was stored is used again.
    rig.apply(&Plan::new(plan::scan(&[], std::slice::from_ref(&rig.file)), &BTreeMap::new()), Fault::None, || {})
        .expect("done");
    assert_eq!(rig.text(), "# mine\n");
}

#[test]
fn a_file_that_became_a_link_or_went_away_meanwhile_is_left_alone() {
    for replace in [true, false] {
        let rig = Rig::new();
        let plan = rig.plan();
        let file = rig.file.clone();
        let other = file.with_file_name("other");
        let report = rig.apply(&plan, Fault::None, move || {
            fs::rename(&file, &other).expect("moved");
            #[cfg(unix)]
            if replace {
                std::os::unix::fs::symlink(&other, &file).expect("linked");
            }
        });
        let report = report.expect("the keys are stored");
        // Through the link it is the same file, planned again at its real place.
        let done = matches!(report.files[..], [(_, End::Done)]);
        assert_eq!(done, replace && cfg!(unix), "{report:?}");
        let other = fs::read_to_string(rig.file.with_file_name("other")).expect("there");
        assert_eq!(other, if done { "# mine\n".to_owned() } else { before() });
    }
}

#[test]
fn a_line_is_added_behind_what_is_there() {
    let rig = Rig::new();
    for (text, becomes) in
        [("", "hook\n"), ("a\n", "a\nhook\n"), ("a", "a\nhook\n"), ("a\r\nb\r\n", "a\r\nb\r\nhook\r\n")]
    {
        fs::write(&rig.file, text).expect("written");
        assert_eq!(add_line(&rig.file, "hook"), Ok(()));
        assert_eq!(rig.text(), becomes);
    }
    let fresh = rig.file.with_file_name("new").join("config.fish");
    assert_eq!(add_line(&fresh, "hook"), Ok(()));
    assert_eq!(fs::read_to_string(fresh).expect("there"), "hook\n");
    fs::write(&rig.file, b"\xff\xfea\0\n\0").expect("written");
    assert!(add_line(&rig.file, "hook").is_err_and(|why| why.contains("UTF-8")));
}
