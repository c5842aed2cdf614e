//! The protocol against stores that break it, and against files that change under it.

use super::*;
use crate::env::Env;
use crate::migrate::accounts::Machine;
use crate::migrate::entries;
use crate::migrate::files::Found;
use crate::migrate::plan::{Choices, Reading};
use crate::migrate::recover::recover;
use crate::migrate::vocabulary::Vocabulary;
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
        Plan::of(&Found::default(), std::slice::from_ref(&self.file), &Machine::empty(Vocabulary::built_in()))
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
    let undone = crate::migrate::undo::undo(&rig.paths, &rig.keys(), &|_| false, Some(&journals.runs[0].run), &|| true)
        .expect("undone");
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
    rig.apply(
        &Plan::of(&Found::default(), std::slice::from_ref(&rig.file), &Machine::empty(Vocabulary::built_in())),
        Fault::None,
        || {},
    )
    .expect("done");
    assert_eq!(rig.text(), "# mine\n");
}

#[test]
fn a_store_that_its_agent_writes_meanwhile_is_left_alone() {
    let rig = Rig::new();
    fs::remove_file(&rig.file).expect("removed");
    let file = rig.file.with_file_name(".local").join("share/opencode/auth.json");
    fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    let (store, key) = (entries::Store::OpenCode, "sk-a8c3e107b52d94f6a8c3e107b52d94f6");
    let own = format!("{{\n  \"deepseek\": {{\n    \"type\": \"api\",\n    \"key\": \"{key}\"\n  }}\n}}");
    let written = |text: &str| fs::write(&file, text).expect("written");
    let plan = || {
        let env = Env::from_pairs([("HOME", rig.paths.home.as_os_str())]);
        let found = crate::migrate::files::find(&rig.paths, &env);
        let mut machine = Machine::empty(Vocabulary::built_in());
        machine.stores.insert(store, entries::OwnSettings { file: file.clone(), ..Default::default() });
        let mut choices = Choices::default();
        choices.entries.insert((file.clone(), "deepseek".to_owned()));
        let mut reading = Reading::new(&found, &[]);
        let scan = reading.scan(&machine, &choices);
        reading.plan(scan, &machine, &BTreeMap::new(), &choices)
    };
    written(&own);
    let (planned, path) = (plan(), file.clone());
    let newer = own.replace("\n}", ",\n  \"xai\": {\"type\": \"oauth\"}\n}");
    let text = newer.clone();
    let report = rig.apply(&planned, Fault::None, move || fs::write(&path, &text).expect("written")).expect("stored");
    let [(_, End::Kept(why))] = &report.files[..] else { panic!("{report:?}") };
    assert!(why.contains("changed meanwhile"), "{why}");
    assert_eq!(fs::read_to_string(&file).expect("there"), newer);
    assert_eq!(Journal::all(&rig.paths).expect("readable").runs.len(), 0);
    // The next run takes the entry out of what the agent wrote, and undo puts it into what that writes then.
    rig.apply(&plan(), Fault::None, || {}).expect("done");
    assert_eq!(fs::read_to_string(&file).expect("there"), "{\n  \"xai\": {\"type\": \"oauth\"}\n}");
    written("{\n  \"deepseek\": {}\n}");
    let left = &rig.undo(true).files[0].left;
    assert!(matches!(&left[..], [(_, crate::migrate::undo::Why::Store)]), "{left:?}");
    written("{}");
    assert!(rig.undo(true).files[0].left.is_empty());
    assert_eq!(fs::read_to_string(&file).expect("there"), own);
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

impl Rig {
    fn journal(&self) -> Journal {
        let mut all = Journal::all(&self.paths).expect("readable").runs;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn undo(&self, consents: bool) -> crate::migrate::undo::Undone {
        let _lock = lock(&self.paths).expect("nobody else runs");
        recover(&self.paths).expect("recovered");
        crate::migrate::undo::undo(&self.paths, &self.keys(), &|_| false, None, &|| consents).expect("undone")
    }

    fn settings(&self) -> PathBuf {
        self.paths.config()
    }

    fn profile(&self) -> PathBuf {
        self.paths.profiles().join("kimi").join("ringlet.toml")
    }

    /// A plan that makes a profile, and changes the settings, which are there.
    fn plan_with_profile(&self) -> Plan {
        platform::create_private_folder(self.settings().parent().expect("a folder")).expect("made");
        fs::write(self.settings(), "# mine\n").expect("written");
        let mut plan = self.plan();
        let keys: Vec<KeyName> = plan.keys.iter().map(|key| key.name.clone()).collect();
        let made = |path: PathBuf, before: Option<&str>, after: &str| MadeFile {
            path,
            before: before.map(|text| text.as_bytes().to_vec()),
            after: after.as_bytes().to_vec(),
            keys: keys.clone(),
        };
        plan.made = vec![
            made(self.profile(), None, "agent = \"claude\"\n"),
            made(self.settings(), Some("# mine\n"), "# mine\ndefault-profile = \"kimi\"\n"),
        ];
        plan
    }

    #[track_caller]
    fn is_as_before(&self) {
        assert_eq!(self.text(), before());
        assert!(!self.profile().parent().expect("a folder").exists());
        assert_eq!(fs::read_to_string(self.settings()).expect("there"), "# mine\n");
    }
}

#[test]
fn what_is_made_is_private_and_goes_with_its_statements() {
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    assert_eq!(fs::read_to_string(rig.profile()).expect("made"), "agent = \"claude\"\n");
    #[cfg(unix)]
    for (path, mode) in [(rig.profile(), 0o600), (rig.profile().parent().expect("a folder").to_owned(), 0o700)] {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(path).expect("there").mode() & 0o777, mode);
    }
    let done = rig.undo(true);
    assert!(done.made.iter().all(|(_, end)| *end == made::MadeEnd::Taken(made::Taken::Back)), "{done:?}");
    rig.is_as_before();
    assert_eq!(rig.journal().stage, Stage::Undone);
}

#[test]
fn what_is_made_stays_without_consent_or_where_somebody_changed_it() {
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    rig.undo(false);
    assert_eq!(rig.text(), before());
    assert!(rig.profile().exists());
    assert_eq!(rig.journal().stage, Stage::Undone);

    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    fs::write(rig.profile(), "agent = \"codex\"\n").expect("written");
    let done = rig.undo(true);
    let ends: Vec<_> = done.made.iter().map(|(_, end)| end.clone()).collect();
    use made::{MadeEnd::Taken, Taken::Back, Taken::Changed};
    assert_eq!(ends, [Taken(Changed), Taken(Back)]);
    assert!(rig.profile().exists());
}

#[test]
fn the_profile_of_a_key_that_is_not_back_stays_until_it_is() {
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    let name: KeyName = "anthropic/default".parse().expect("a name");
    rig.keys().remove(&name).expect("removed");
    let done = rig.undo(true);
    assert!(done.made.iter().all(|(_, end)| *end == made::MadeEnd::Waits), "{done:?}");
    assert!(rig.profile().exists());
    rig.keys().set(&name, &Secret::new(KEY.into())).expect("stored");
    rig.undo(true);
    rig.is_as_before();
}

#[test]
fn what_is_made_must_be_what_it_was_when_the_plan_was_made() {
    let rig = Rig::new();
    let plan = rig.plan_with_profile();
    fs::write(rig.settings(), "# other\n").expect("written");
    let error = rig.apply(&plan, Fault::None, || {}).expect_err("refused");
    assert!(error.to_string().ends_with("config.toml was changed meanwhile; no file was changed"), "{error}");
    assert!(rig.keys().names().expect("listed").is_empty());
    assert!(!rig.profile().exists() && rig.text() == before());
    // While the keys are stored.
    let rig = Rig::new();
    let (plan, settings) = (rig.plan_with_profile(), rig.settings());
    let error = rig.apply(&plan, Fault::None, move || fs::write(&settings, "# other\n").expect("written"));
    assert!(matches!(error, Err(MigrateError::Stale(_))));
    assert!(!rig.profile().exists() && rig.text() == before());
    assert_eq!(Journal::all(&rig.paths).expect("readable").runs.len(), 0);
}

#[test]
fn a_store_that_fails_and_a_file_that_is_kept_leave_no_profile() {
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::Forgets, || {}).expect_err("refused");
    rig.is_as_before();
    let plan = rig.plan_with_profile();
    let (file, text) = (rig.file.clone(), format!("{}export OPENAI_API_KEY={OTHER}\n", before()));
    let rig_text = text.clone();
    // The key is there by now, so that nothing is stored: the file is changed before.
    fs::write(&file, &rig_text).expect("written");
    let report = rig.apply(&plan, Fault::None, || {}).expect("done");
    assert!(matches!(report.files[..], [(_, End::Kept(_))]), "{report:?}");
    assert!(!rig.profile().exists());
    assert_eq!(rig.text(), text);
    assert_eq!(Journal::all(&rig.paths).expect("readable").runs.len(), 0);
}

#[test]
fn a_run_that_was_killed_leaves_profiles_only_with_rewritten_files() {
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    let (mut journal, clean) = (rig.journal(), rig.text());
    journal.stage = Stage::Stored;
    journal.files[0].done = false;
    // Killed behind the file: it is done.
    journal.write(&rig.paths).expect("written");
    assert!(recover(&rig.paths).expect("recovered").continued.is_some());
    assert!(rig.profile().exists() && rig.text() == clean);
    // Killed before it, with one of two files made.
    journal.write(&rig.paths).expect("written");
    fs::write(&rig.file, before()).expect("written");
    fs::write(rig.settings(), "# mine\n").expect("written");
    assert!(recover(&rig.paths).expect("recovered").continued.is_none());
    rig.is_as_before();
    // Killed within an undo, behind the file.
    let rig = Rig::new();
    rig.apply(&rig.plan_with_profile(), Fault::None, || {}).expect("done");
    let profile = fs::read(rig.profile()).expect("there");
    rig.undo(true);
    let mut journal = rig.journal();
    journal.stage = Stage::Undoing;
    journal.made.iter_mut().for_each(|made| made.undone = false);
    journal.write(&rig.paths).expect("written");
    platform::create_private_folder(rig.profile().parent().expect("a folder")).expect("made");
    fs::write(rig.profile(), profile).expect("written");
    recover(&rig.paths).expect("recovered");
    rig.is_as_before();
    assert_eq!(rig.journal().stage, Stage::Undone);
}

#[test]
fn a_line_is_added_behind_what_is_there_and_goes_with_the_run() {
    for (more, becomes) in
        [("", "hook\n"), ("a\n", "a\nhook\n"), ("a", "a\nhook\n"), ("a\r\nb\r\n", "a\r\nb\r\nhook\n")]
    {
        // In the file that was cleaned, and in another one.
        for own in [true, false] {
            let rig = Rig::new();
            let text = before() + more;
            fs::write(&rig.file, &text).expect("written");
            let other = rig.file.with_file_name("other");
            fs::write(&other, more).expect("written");
            let run = rig.apply(&rig.plan(), Fault::None, || {}).expect("done").run;
            let file = if own { &rig.file } else { &other };
            assert_eq!(add_line(&rig.paths, &|| rig.keys(), &run, file, "hook"), Ok(()));
            let now = fs::read_to_string(file).expect("there");
            assert_eq!(now, if own { format!("# mine\n{becomes}") } else { becomes.to_owned() });
            rig.undo(true);
            assert_eq!((rig.text(), fs::read_to_string(&other).expect("there")), (text, more.to_owned()));
            assert_eq!(rig.journal().stage, Stage::Undone);
        }
    }
}

#[test]
fn a_start_file_is_made_for_a_line_and_goes_with_it() {
    let rig = Rig::new();
    let run = rig.apply(&rig.plan(), Fault::None, || {}).expect("done").run;
    let fresh = rig.file.with_file_name("new").join("config.fish");
    assert_eq!(add_line(&rig.paths, &|| rig.keys(), &run, &fresh, "hook"), Ok(()));
    assert_eq!(fs::read_to_string(&fresh).expect("there"), "hook\n");
    rig.undo(true);
    assert!(!fresh.parent().expect("a folder").exists());
    let rig = Rig::new();
    let run = rig.apply(&rig.plan(), Fault::None, || {}).expect("done").run;
    fs::write(&rig.file, b"\xff\xfea\0\n\0").expect("written");
    let added = add_line(&rig.paths, &|| rig.keys(), &run, &rig.file, "hook");
    assert!(added.is_err_and(|why| why.contains("UTF-8")));
}

#[test]
fn a_line_that_was_being_added_is_recovered() {
    let rig = Rig::new();
    let run = rig.apply(&rig.plan(), Fault::None, || {}).expect("done").run;
    let clean = rig.text();
    add_line(&rig.paths, &|| rig.keys(), &run, &rig.file, "hook").expect("added");
    let hooked = rig.text();
    for text in [&clean, &hooked] {
        let mut journal = rig.journal();
        journal.files.last_mut().expect("the line").done = false;
        let whole = journal.clone();
        journal.write(&rig.paths).expect("written");
        fs::write(&rig.file, text).expect("written");
        recover(&rig.paths).expect("recovered");
        assert_eq!(rig.journal().files.len(), if *text == hooked { 2 } else { 1 });
        whole.write(&rig.paths).expect("written");
    }
    fs::write(&rig.file, &hooked).expect("written");
    rig.undo(true);
    assert_eq!(rig.text(), before());
}

#[test]
fn a_file_in_utf16_is_edited_and_restored_in_its_encoding() {
    let key = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
    for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
        let wide = |text: &str| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let rig = Rig::new();
        let file = rig.file.with_file_name("profile.ps1");
        let text = format!(
            "\u{feff}# caf\u{e9} \u{1f511}\r\n$env:ANTHROPIC_API_KEY = '{key}'\r\n\
             # \u{2713} ANTHROPIC_API_KEY={key}\r\nif ($a) {{ $env:OPENAI_API_KEY = '{OTHER}'; b }}\r\n"
        );
        let after = "\u{feff}# caf\u{e9} \u{1f511}\r\n\
                     # \u{2713} ANTHROPIC_API_KEY=<moved-to-ringlet:anthropic/default>\r\nif ($a) { b }\r\n";
        fs::write(&file, wide(&text)).expect("written");
        let plan = Plan::of(&Found::default(), std::slice::from_ref(&file), &Machine::empty(Vocabulary::built_in()));
        let report = rig.apply(&plan, Fault::None, || ()).expect("applied");
        assert!(matches!(report.files.as_slice(), [(_, End::Done)]), "{report:?}");
        assert_eq!(fs::read(&file).expect("readable"), wide(after));
        let folder = journal::folder(&rig.paths).join("20261101T000000Z-1");
        let written = fs::read(folder.join("journal.json")).expect("a journal");
        for value in [key, OTHER] {
            let pieces = value.as_bytes().windows(16);
            let wide_pieces: Vec<Vec<u8>> =
                pieces.clone().map(|piece| piece.iter().flat_map(|byte| [*byte, 0]).collect()).collect();
            let digits: Vec<String> = wide_pieces.iter().map(|piece| crate::digest::hex(piece)).collect();
            let holds = |part: &[u8]| memchr::memmem::find(&written, part).is_some();
            assert!(!pieces.into_iter().any(holds) && !wide_pieces.iter().any(|part| holds(part)));
            assert!(!digits.iter().any(|digits| holds(digits.as_bytes())));
        }
        // Somebody adds a line in the meantime.
        let edited = format!("{after}c \u{e9}\r\n");
        for (now, wanted) in [(after.to_owned(), text.clone()), (edited, format!("{text}c \u{e9}\r\n"))] {
            let journal_before = fs::read(folder.join("journal.json")).expect("a journal");
            fs::write(&file, wide(&now)).expect("written");
            rig.undo(true);
            assert_eq!(fs::read(&file).expect("readable"), wide(&wanted));
            fs::write(folder.join("journal.json"), journal_before).expect("written");
        }
    }
}
