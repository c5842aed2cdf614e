//! The file store on files of every form.

use super::super::Keys;
use super::document::entry_alone;
use super::entry::SMALL;
use super::index::Index;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use zeroize::Zeroizing;

/// A file store and its parts.
struct Rig {
    keys: Keys,
    document: Document,
    file: PathBuf,
}

impl std::ops::Deref for Rig {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.keys
    }
}

fn store(content: Option<&str>) -> (tempfile::TempDir, Rig) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("credentials.toml");
    if let Some(content) = content {
        std::fs::write(&file, content).expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");
    }
    let document = || Document::new(file.clone());
    let (keys, services) = (document(), Document::new(folder.path().join("services.toml")));
    let store = FileStore { keys, services, private: folder.path().join("secret"), listing: Mutex::default() };
    (folder, Rig { keys: Keys::of(store), document: document(), file })
}

fn cut_out(file: &Path, pair: Pair<'_>) -> Option<Zeroizing<String>> {
    entry_alone(&std::fs::File::open(file).expect("readable"), pair)
}

fn key(name: &str) -> KeyName {
    name.parse().expect("valid")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

#[test]
fn comments_and_other_entries_survive_a_change() {
    let before = "# mine\n[anthropic.work]   # the firm's\nkey = \"old\" # note\n\n[openai.default]\nkey = 'x'\n";
    let (_folder, store) = store(Some(before));
    store.set(&key("anthropic/work"), &secret("new")).expect("set");
    let text = std::fs::read_to_string(&store.file).expect("readable");
    assert_eq!(text, before.replace("\"old\"", "\"new\""));
    store.set(&key("minimax/a.b"), &secret("m\"'\\")).expect("set");
    assert_eq!(store.get(&key("minimax/a.b")).expect("found").expose(), b"m\"'\\");
    store.remove(&key("minimax/a.b")).expect("removed");
    assert_eq!(std::fs::read_to_string(&store.file).expect("readable"), text);
}

#[test]
fn a_comment_on_the_file_outlives_the_entry_below_it() {
    let text = "# the firm's keys\n\n# work\n[anthropic.work]\nkey = \"k\"\n\n# mine\n[openai.x]\nkey = \"k\"\n# end\n";
    let (_folder, store) = store(Some(text));
    let read = || std::fs::read_to_string(&store.file).expect("readable");
    store.remove(&key("anthropic/work")).expect("removed");
    assert_eq!(read(), "# the firm's keys\n\n# mine\n[openai.x]\nkey = \"k\"\n# end\n");
    store.remove(&key("openai/x")).expect("removed");
    assert_eq!(read(), "# the firm's keys\n\n# end\n");
}

#[test]
fn the_file_is_private_from_its_first_byte_and_a_wider_one_is_refused() {
    let (_folder, store) = store(None);
    assert!(matches!(store.get(&key("a/b")), Err(StoreError::NotFound { .. })));
    store.set(&key("a/b"), &secret("k")).expect("set");
    assert_eq!(std::fs::metadata(&store.file).expect("there").permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o601] {
        std::fs::set_permissions(&store.file, PermissionsExt::from_mode(mode)).expect("chmod");
        assert!(matches!(store.get(&key("a/b")), Err(StoreError::Unsafe { .. })), "{mode:o}");
        assert!(matches!(store.set(&key("a/c"), &secret("k")), Err(StoreError::Unsafe { .. })), "{mode:o}");
    }
}

#[test]
fn a_damaged_file_is_named_by_line_and_never_quoted_or_changed() {
    for (content, line) in [
        ("[anthropic]\ndefault = \"sk-canary\"\n", 2),
        ("[anthropic.default]\nkey = \"sk-canary\n", 2),
        ("[anthropic.default]\nkey = \"k\"\nsk-canary = 1\n", 3),
        ("a = \"sk-canary\"", 1),
    ] {
        let (_folder, store) = store(Some(content));
        let errors = [
            store.get(&key("anthropic/default")).expect_err("damaged"),
            store.set(&key("a/b"), &secret("k")).expect_err("damaged"),
        ];
        for error in errors {
            assert!(matches!(&error, StoreError::File { line: Some(at), .. } if *at == line), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&store.file).expect("readable"), content);
    }
}

#[test]
fn one_entry_of_a_large_file_is_found_without_the_others() {
    let mut text: String = (0..2000).map(|n| format!("[p.a{n}]\nkey = \"value-{n}\"\n\n")).collect();
    let (_folder, store) = store(Some(&text));
    // Every one of them, so also those that lie across two blocks.
    for n in 0..2000 {
        assert_eq!(store.get(&key(&format!("p/a{n}"))).expect("found").expose(), format!("value-{n}").as_bytes());
    }
    assert!(matches!(store.get(&key("p/a2000")), Err(StoreError::NotFound { .. })));
    // What looks like the header inside a multi-line string is not one.
    text.push_str("[q.z]\nkey = \"\"\"\n[p.a2001]\nkey = \"decoy\"\n\"\"\"\n");
    std::fs::write(&store.file, &text).expect("written");
    assert!(matches!(store.get(&key("p/a2001")), Err(StoreError::NotFound { .. })));
    // A second header of the same name is an error, as it is in a small file.
    std::fs::write(&store.file, text + "[p.a1]\nkey = \"again\"\n").expect("written");
    assert!(matches!(store.get(&key("p/a1")), Err(StoreError::File { .. })));
}

#[test]
fn hierarchical_targets_are_cut_out_of_a_large_file_as_well() {
    let (_folder, store) = store(None);
    let names: Vec<String> = (0..3000).map(|n| format!("prod/team-{}/shop:{n}/key.a@b+c", n % 7)).collect();
    let text: String = names.iter().map(|name| format!("[bench.\"{name}\"]\nkey = \"of {name}\"\n\n")).collect();
    std::fs::write(&store.file, text).expect("written");
    std::fs::set_permissions(&store.file, PermissionsExt::from_mode(0o600)).expect("chmod");
    store.document.put(("bench", &names[7]), &secret("new"), Some(&[("env".into(), "prod".into())])).expect("set");
    for (n, name) in names.iter().enumerate().skip(7).step_by(100).chain([(2999, &names[2999])]) {
        let pair = ("bench", name.as_str());
        let cut = cut_out(&store.file, pair).expect("in the form that we write");
        assert!(cut.len() < 200, "{}", *cut);
        let (value, attributes) = store.document.find(pair).expect("readable").expect("there");
        let wanted = if n == 7 { "new".to_owned() } else { format!("of {name}") };
        assert_eq!((value.expose(), attributes.len()), (wanted.as_bytes(), usize::from(n == 7)));
    }
    // In another form it is still found, if with more effort.
    std::fs::write(&store.file, format!("{}[bench.'a/b']\nkey = \"c\"\n", "#\n".repeat(SMALL))).expect("written");
    assert!(cut_out(&store.file, ("bench", "a/b")).is_none());
    assert_eq!(store.document.find(("bench", "a/b")).expect("readable").expect("there").0.expose(), b"c");
}

#[test]
fn attributes_below_a_header_of_their_own_are_found_in_a_large_file() {
    let own = "[bench.b]\nkey = \"c\"\n[bench.b.attributes]\nenv = \"prod\"\n";
    let (_folder, store) = store(Some(&format!("{own}{}", "#\n".repeat(SMALL))));
    let (value, attributes) = store.document.find(("bench", "b")).expect("readable").expect("there");
    assert_eq!((value.expose(), attributes), (&b"c"[..], vec![("env".into(), "prod".into())]));
}

#[test]
fn what_a_killed_change_left_is_gone_after_the_next() {
    let (folder, store) = store(None);
    let stray = folder.path().join(".ringlet-credentials.toml-x123456789abcdef.tmp");
    std::fs::write(&stray, "[a.b]\nkey = \"k\"\n").expect("written");
    store.set(&key("a/b"), &secret("k")).expect("set");
    assert!(!stray.exists());
    // A file of the user's own is none.
    let own = folder.path().join(".ringlet-credentials.toml-2026-11-28");
    std::fs::write(&own, "a backup").expect("written");
    store.set(&key("a/b"), &secret("k")).expect("set");
    assert!(own.exists());
}

proptest! {
    #[test]
    fn any_sequence_of_changes_reads_back(
        changes in proptest::collection::vec(
            ("[a-c]", "[a-z][a-z0-9.]{0,3}", proptest::option::of("[!-~][ -~]{0,39}")),
            1..12,
        ),
    ) {
        let (_folder, store) = store(None);
        let mut model = BTreeMap::new();
        for (provider, alias, text) in changes {
            let name = key(&format!("{provider}/{alias}"));
            match text {
                Some(text) => {
                    store.set(&name, &secret(&text)).expect("set");
                    model.insert(name, text);
                }
                None => {
                    assert_eq!(store.remove(&name).is_ok(), model.remove(&name).is_some());
                }
            }
        }
        assert_eq!(store.names().expect("listed"), model.keys().cloned().collect::<Vec<_>>());
        for (name, text) in model {
            assert_eq!(store.get(&name).expect("found").expose(), text.as_bytes());
        }
    }
}

fn large() -> (tempfile::TempDir, Rig) {
    let text: String = (0..3000).map(|n| format!("[p.a{n:04}]\nkey = \"value-{n:04}\"\n\n")).collect();
    store(Some(&text))
}

#[test]
fn an_index_is_that_of_the_file_and_lists_without_values() {
    let (_folder, store) = large();
    let file = || std::fs::File::open(&store.file).expect("readable");
    let index = Index::new(&file()).expect("every entry has its usual form");
    assert!(index.is_of(&file()) && index.names().count() == 3000);
    for n in 0..3000 {
        let name = format!("a{n:04}");
        let text = index.entry(&file(), ("p", &name)).expect("readable").expect("there");
        assert_eq!(*text, format!("[p.{name}]\nkey = \"value-{n:04}\"\n\n"));
    }
    assert!(index.entry(&file(), ("p", "a3000")).expect("readable").is_none());
    // Another content of the same size in the same file, and another file in its place, are not the index's.
    let text = std::fs::read_to_string(&store.file).expect("readable");
    std::fs::write(&store.file, text.replace("a0007", "b0007")).expect("written");
    assert!(!index.is_of(&file()) && !index.lasts());
    assert!(store.contains(&key("p/b0007")).expect("found") && !store.contains(&key("p/a0007")).expect("not found"));
    let index = Index::new(&file()).expect("as before");
    std::fs::rename(&store.file, store.file.with_extension("old")).expect("renamed");
    std::fs::write(&store.file, &text).expect("written");
    assert!(!index.is_of(&file()));
}

#[test]
fn only_files_in_which_every_entry_has_its_usual_form_are_indexed() {
    let (folder, _) = store(None);
    let path = folder.path().join("entries");
    let index = |text: &str| {
        std::fs::write(&path, text).expect("written");
        Index::new(&std::fs::File::open(&path).expect("readable"))
    };
    let names =
        |text: &str| index(text).map(|index| index.names().map(|(a, b)| format!("{a}/{b}")).collect::<Vec<_>>());
    let all = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(""), all(&[]));
    assert_eq!(names("# only\n\n# words"), all(&[]));
    assert_eq!(names("# w\n[a.b]\nkey = \"[x.y]\"\n[a.\"c/d\"] # c\r\nkey = 'k'"), all(&["a/b", "a/c/d"]));
    for other in [
        "[a.b]\nkey = \"\"\"\n[c.d]\nkey = \"decoy\"\n\"\"\"\n",
        "[a.b]\nkey = '''\n[c.d]\n'''\n",
        "[a]\nb.key = \"k\"\n",
        "[a]\nb = { key = \"k\" }\n",
        "a.b.key = \"k\"\n",
        "[a.b]\nkey = \"k\"\n[a.b]\nkey = \"k\"\n",
        "[a.b]\nkey = \"k\"\n[c.d]\nkey = 1\n",
        "[a.b]\nkey = \"k\"\n[c.d\nkey = \"k\"\n",
        "[a.b.c]\nkey = \"k\"\n",
        "[[a.b]]\nkey = \"k\"\n",
        "[a.b]\n",
        "[a.b]\nkey = \"k\"\nother = 1\n",
    ] {
        assert_eq!(names(other), None, "{other}");
    }
    assert!(index(&format!("[a.b]\nkey = \"{}\"\n", "k".repeat(70_000))).is_none());
}

#[test]
fn a_file_that_is_asked_again_and_again_answers_from_what_it_is_now() {
    let (_folder, store) = large();
    let text = std::fs::read_to_string(&store.file).expect("readable");
    for round in 0..4 {
        let text = text.replace("value-", &format!("round{round}-"));
        std::fs::write(&store.file, &text).expect("written");
        for n in [0, 7, 2999] {
            let value = format!("round{round}-{n:04}");
            assert_eq!(store.get(&key(&format!("p/a{n:04}"))).expect("found").expose(), value.as_bytes());
            assert_eq!(store.names().expect("listed").len(), 3000);
        }
        assert!(matches!(store.get(&key("p/a3000")), Err(StoreError::NotFound { .. })));
    }
}
