use super::super::unopened::Unopened;
use super::super::{Detail, Include, ItemName, PRIVATE_ACCOUNT, PRIVATE_SERVICE, Query, SERVICE, Store, StoreError};
use super::held::{Held, Holder};
use super::{EncryptedStore, OpenedBy, identity, opened_by};
use crate::age_file;
use crate::env::Env;
use crate::paths::Paths;
use crate::secret::Secret;
use age::x25519::Identity;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const KEY: &str = "sk-ant-api03-CANARYCANARYCANARY";
/// Little work, which no test needs.
const WORK: u8 = 4;

struct Place {
    folder: tempfile::TempDir,
    paths: Paths,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("UTF-8");
        let paths = Paths::new(&Env::from_pairs([("HOME", home), ("XDG_RUNTIME_DIR", home)])).expect("paths");
        Self { folder, paths }
    }

    fn make_identity(&self) -> Identity {
        identity::make(&self.paths, &secret("pass"), WORK).expect("made").identity
    }

    // In place of the kernel: what is held lies in a file.
    fn hold(&self, identity: &Identity) {
        let text = age_file::identity_text(identity);
        std::fs::write(self.folder.path().join("held"), &*text).expect("written");
    }

    fn lock(&self) {
        std::fs::remove_file(self.folder.path().join("held")).expect("removed");
    }

    fn store(&self) -> EncryptedStore {
        EncryptedStore::with(&self.paths, |paths| {
            let text = std::fs::read(paths.home.join("held")).ok()?;
            let identity = age_file::only_identity(&text)?;
            Some(Held { identity, left: Duration::from_secs(60), holder: Holder::Kernel })
        })
    }

    /// A store that is unlocked, and its identity.
    fn unlocked() -> (Self, EncryptedStore, Identity) {
        let place = Self::new();
        let identity = place.make_identity();
        place.hold(&identity);
        let store = place.store();
        (place, store, identity)
    }

    fn write(&self, file: &Path, bytes: &[u8]) {
        std::fs::write(file, bytes).expect("written");
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).expect("chmod");
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn own(account: &str) -> ItemName<'_> {
    ItemName { service: SERVICE, account }
}

fn names(store: &EncryptedStore) -> Result<Vec<String>, StoreError> {
    let query =
        Query { service: SERVICE, include: Include::Names, prefix: "", wanted: &|_| true, progress: &|_, _| () };
    Ok(store.list(&query)?.into_iter().map(|item| item.account).collect())
}

fn value(store: &EncryptedStore, name: ItemName<'_>) -> Result<Option<String>, StoreError> {
    let found = store.get(name, Detail::Value)?.and_then(|item| item.value);
    Ok(found.map(|value| String::from_utf8(value.expose().to_vec()).expect("text")))
}

#[test]
fn keys_are_stored_listed_and_removed_and_nothing_readable_is_left_on_the_disk() {
    let (place, store, identity) = Place::unlocked();
    assert_eq!(value(&store, own("anthropic/work")).expect("no file yet"), None);
    store.put(own("anthropic/work"), &secret(KEY), None).expect("stored");
    store.put(own("openai/default"), &secret("sk-other"), None).expect("stored");
    assert_eq!(value(&store, own("anthropic/work")).expect("readable").as_deref(), Some(KEY));
    assert_eq!(names(&store).expect("readable"), ["anthropic/work", "openai/default"]);
    let file = place.paths.encrypted_credentials();
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let sealed = std::fs::read(&file).expect("there");
    let text = age_file::decrypt(&sealed, std::iter::once(&identity as _)).expect("opened");
    let text = std::str::from_utf8(&text).expect("text");
    assert!(text.contains(&format!("[anthropic.work]\nkey = \"{KEY}\"")), "{text}");
    for entry in std::fs::read_dir(file.parent().expect("a folder")).expect("readable") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        assert!(memchr::memmem::find(&bytes, b"CANARY").is_none());
    }
    assert!(store.delete(own("openai/default")).expect("removed"));
    assert!(!store.delete(own("openai/default")).expect("nothing to remove"));
    assert_eq!(names(&store).expect("readable"), ["anthropic/work"]);
}

#[test]
fn what_is_no_key_lies_in_the_second_file() {
    let (place, store, _) = Place::unlocked();
    let private = ItemName { service: PRIVATE_SERVICE, account: PRIVATE_ACCOUNT };
    let foreign = ItemName { service: "tool", account: "a:b:c" };
    let attributes = [("kind".to_owned(), "token".to_owned())];
    store.put(private, &secret("private"), None).expect("stored");
    store.put(foreign, &secret("foreign"), Some(&attributes)).expect("stored");
    assert!(!place.paths.encrypted_credentials().exists() && place.paths.encrypted_services().exists());
    assert_eq!(value(&store, private).expect("readable").as_deref(), Some("private"));
    let found = store.get(foreign, Detail::Current).expect("readable").expect("there");
    assert_eq!(found.attributes, attributes);
    store.put(foreign, &secret("newer"), None).expect("stored");
    let found = store.get(foreign, Detail::Current).expect("readable").expect("there");
    assert_eq!((found.value.expect("a value").expose(), found.attributes), (&b"newer"[..], attributes.to_vec()));
    let query =
        Query { service: "tool", include: Include::Names, prefix: "a:", wanted: &|_| true, progress: &|_, _| () };
    assert_eq!(store.list(&query).expect("readable").len(), 1);
    assert_eq!(names(&store).expect("readable"), [""; 0]);
}

#[test]
fn a_locked_file_gives_names_and_no_value() {
    let (place, store, _) = Place::unlocked();
    store.put(own("anthropic/work"), &secret(KEY), None).expect("stored");
    assert_eq!(store.state(), Ok(()));
    place.lock();
    let locked = StoreError::Unopened(Unopened::Locked);
    assert_eq!(names(&store).expect("the index"), ["anthropic/work"]);
    assert_eq!(value(&store, own("anthropic/work")), Err(locked.clone()));
    assert_eq!(store.peek(own("anthropic/work")), Err(locked.clone()));
    assert_eq!(store.put(own("anthropic/work"), &secret(KEY), None), Err(locked.clone()));
    assert_eq!(store.delete(own("anthropic/work")), Err(locked.clone()));
    assert_eq!(store.state(), Err(locked));
    let place_of_it = place.paths.encrypted_credentials().display().to_string();
    assert_eq!(store.locked_collection(SERVICE), Ok(Some(place_of_it)));
}

#[test]
fn an_identity_is_made_once_and_opened_by_its_passphrase() {
    let place = Place::new();
    let store = place.store();
    let file = place.paths.identity();
    assert_eq!(opened_by(&place.paths), Ok(OpenedBy::Nothing));
    assert_eq!(store.locked_collection(SERVICE), Ok(None));
    let none = StoreError::Unopened(Unopened::NoIdentity(file.clone()));
    assert_eq!(store.put(own("anthropic/work"), &secret(KEY), None), Err(none.clone()));
    assert_eq!(store.state(), Err(none));
    let identity = place.make_identity();
    assert_eq!(opened_by(&place.paths), Ok(OpenedBy::Passphrase));
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let opened = identity::open_by(&place.paths, &secret("pass")).expect("opened");
    assert_eq!(Some(opened.of), identity::digest(&place.paths).expect("readable"));
    assert_eq!(opened.identity.to_public().to_string(), identity.to_public().to_string());
    let wrong = identity::open_by(&place.paths, &secret("other")).map(|_| ());
    assert_eq!(wrong, Err(StoreError::Unopened(Unopened::WrongPassphrase)));
    let again = identity::make(&place.paths, &secret("pass"), WORK).map(|_| ());
    assert_eq!(again, Err(StoreError::Unopened(Unopened::Meanwhile(file.clone()))));
    place.hold(&identity);
    store.put(own("anthropic/work"), &secret(KEY), None).expect("stored");
    // Without its identity a file is lost, and a new one would hide that.
    std::fs::remove_file(&file).expect("removed");
    let orphaned = opened_by(&place.paths).expect_err("no identity");
    assert!(matches!(orphaned, StoreError::Unopened(Unopened::Orphaned { .. })), "{orphaned:?}");
    let again = identity::make(&place.paths, &secret("pass"), WORK).map(|_| ());
    assert_eq!(again, Err(orphaned));
    assert!(!file.exists());
}

#[test]
fn a_wrong_identity_file_is_named() {
    let place = Place::new();
    let file = place.paths.identity();
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let open = || identity::open_by(&place.paths, &secret("pass")).map(|_| ()).expect_err("refused").to_string();
    place.write(&file, b"AGE-SECRET-KEY-1CANARY");
    let said = open();
    assert!(said.ends_with("identity.age is no age file, or is cut off") && !said.contains("CANARY"), "{said}");
    for text in ["", "# none\n", "AGE-SECRET-KEY-1CANARY\n", "a\nb\n"] {
        place.write(&file, &age_file::encrypt_by(text.as_bytes(), "pass", WORK).expect("encrypted"));
        let said = open();
        assert!(said.ends_with("holds no identity, or more than one") && !said.contains("CANARY"), "{said}");
    }
    let one = || age_file::identity_text(&Identity::generate());
    let two = [one().as_slice(), one().as_slice()].concat();
    place.write(&file, &age_file::encrypt_by(&two, "pass", WORK).expect("encrypted"));
    assert!(open().ends_with("holds no identity, or more than one"));
}

#[test]
fn files_that_others_may_read_and_texts_of_another_form_are_refused() {
    let (place, store, identity) = Place::unlocked();
    store.put(own("anthropic/work"), &secret(KEY), None).expect("stored");
    let file = place.paths.encrypted_credentials();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
    let refused = value(&store, own("anthropic/work")).expect_err("open to others");
    assert!(matches!(refused, StoreError::Unsafe { .. }), "{refused:?}");
    let with = |text: &[u8]| {
        place.write(&file, &age_file::encrypt(text, &[identity.to_public()]).expect("encrypted"));
        let said = value(&store, own("anthropic/work")).expect_err("another form").to_string();
        assert!(!said.contains("CANARY"), "{said}");
        let changed = store.put(own("a/b"), &secret("k"), None).expect_err("another form").to_string();
        assert!(!changed.contains("CANARY"), "{changed}");
        said
    };
    assert!(with(b"\n\nkey CANARY").contains("credentials.age:3: is not of the form"));
    assert!(with(b"[anthropic.work]\nkee = \"CANARY\"\n").contains("is not of the form"));
    assert!(with(b"[anthropic.work]\nkey = \"CANARY\xff\"\n").contains("not UTF-8"));
    // Another identity than the one that is held.
    place.write(&file, &age_file::encrypt(b"", &[Identity::generate().to_public()]).expect("encrypted"));
    let said = value(&store, own("anthropic/work")).expect_err("for another").to_string();
    assert!(said.contains("is encrypted for another identity"), "{said}");
}

#[test]
fn one_entry_of_a_large_file_is_found_and_a_comment_stays() {
    let (place, store, identity) = Place::unlocked();
    let entries: String = (0..2000).map(|n| format!("[openai.k{n}]\nkey = \"value-{n}\"\n\n")).collect();
    let text = format!("# mine\n{entries}");
    std::fs::create_dir_all(place.paths.encrypted_credentials().parent().expect("a folder")).expect("a folder");
    let sealed = age_file::encrypt(text.as_bytes(), &[identity.to_public()]).expect("encrypted");
    place.write(&place.paths.encrypted_credentials(), &sealed);
    assert_eq!(value(&store, own("openai/k1999")).expect("readable").as_deref(), Some("value-1999"));
    assert_eq!(value(&store, own("openai/k2000")).expect("readable"), None);
    store.put(own("openai/k5"), &secret("newer"), None).expect("stored");
    assert_eq!(value(&store, own("openai/k5")).expect("readable").as_deref(), Some("newer"));
    let sealed = std::fs::read(place.paths.encrypted_credentials()).expect("there");
    let text = age_file::decrypt(&sealed, std::iter::once(&identity as _)).expect("opened");
    assert!(text.starts_with(b"# mine\n[openai.k0]"));
}
