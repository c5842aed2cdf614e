//! The whole file's findings are the measure: in pieces it has the same, wherever a piece ends.

use super::*;
use crate::migrate::accounts::Machine;
use crate::migrate::examine;
use crate::migrate::files::{Candidate, Found, Role};
use crate::migrate::plan::Plan;
use crate::migrate::vocabulary::Vocabulary;
use proptest::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

const SMALLEST: usize = BEHIND + AHEAD + 1;
const ALL: [Dialect; 3] = [Dialect::History, Dialect::Text, Dialect::Structured];
const GROQ: &str = "gsk_TESTw9rtFAKEb5ycTESTh2plFAKEd8gnTESTq7xwFAKEz3mvTEST";
const PLAIN: &str = "sk-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2plFAKEd8gn";
const MAPS: &str = "AIzaTESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTES";

// What stands in histories, with `@`, `%` and `&` for the keys.
const PIECES: &[&str] = &[
    "export OPENAI_API_KEY=@\n",
    "OPENAI_API_KEY=\"@\" codex 'a question'\n",
    ": 1718000000:0;GROQ_API_KEY=% x\n",
    "- cmd: set -gx --path GROQ_API_KEY %\n  when: 1718000000\n",
    "curl -H 'Authorization: Bearer %' https://example.org\n",
    "$env:DEEPSEEK_API_KEY = '@'\r\n",
    "\"OPENAI_API_KEY\" :\n  \"@\",\n",
    "- name: MISTRAL_API_KEY\n  value: @\n",
    "<key>OPENAI_API_KEY</key>\n\t<string>@</string>\n",
    "echo % % OTHER=%\n",
    "GOOGLE_MAPS_API_KEY=& GOOGLE_API_KEY=&\n",
    "openai-api-key: @q\n",
    "curl -H 'Bearer *' x*y GLM_API_KEY=*\n",
    "*",
    "- deepseek=@x\n",
    "sk-proj-TESTq7xwFAKEz3mvTESTT3BlbkFJTESTw9rtFAKEb5ycTEST\n",
    "gsk_KEY=1 AKIAIza_TOKEN ABSKAKIA csk-ant- _KEY_KEY\n",
    "git commit -m 'a message' && git push\n",
    "\n",
    "\0\0\0",
    " ",
    "\"",
    "set ",
    "\\n",
    "\u{e9}",
    "@",
    "%",
];

// A value that no pattern and no name makes a key, and one that other rules see, too.
const OWN: &str = "own.TESTq7xwFAKEz3mvTESTw9";

fn known() -> Known {
    Known::new([(OWN.as_bytes(), "moonshot"), (PLAIN.as_bytes(), "deepseek")])
}

fn keyed(text: &str) -> String {
    text.replace('@', PLAIN).replace('%', GROQ).replace('&', MAPS).replace('*', OWN)
}

fn described(findings: &[Finding]) -> Vec<String> {
    let describe = |finding: &Finding| {
        let Finding { line, offset, variable, provider, action, .. } = finding;
        let value = String::from_utf8_lossy(&finding.value);
        format!("{line} {offset} {variable:?} {provider} {action:?} {value}")
    };
    findings.iter().map(describe).collect()
}

#[track_caller]
fn agree(bytes: &[u8], dialect: Dialect, size: usize, whole: &[String]) {
    let seen = look_by_pieces(bytes, dialect, &known(), size);
    assert_eq!(described(&seen.findings), whole, "{dialect:?} in pieces of {size}");
    assert_eq!(seen.trouble, None);
}

fn whole(bytes: &[u8], dialect: Dialect) -> Vec<String> {
    described(examine::examine_knowing(bytes, dialect, Vocabulary::built_in(), &known()).findings())
}

#[test]
fn wherever_a_piece_ends_the_findings_are_those_of_the_whole() {
    let all = keyed(&PIECES.concat());
    let text = format!("{}{all}{}{all}", "ls -la\n".repeat(300), "x".repeat(5000));
    for dialect in ALL {
        let want = whole(text.as_bytes(), dialect);
        assert!(want.len() > 20);
        // The boundary goes over every byte of all forms.
        let step = if dialect == Dialect::History { 1 } else { 7 };
        for size in (SMALLEST..SMALLEST + all.len() + 200).step_by(step) {
            agree(text.as_bytes(), dialect, size, &want);
        }
        agree(text.as_bytes(), dialect, 256 << 10, &want);
    }
}

#[test]
fn a_key_anywhere_in_a_line_longer_than_a_piece_is_found() {
    for before in [0, 1, 2047, 2048, 2049, SMALLEST - 20, SMALLEST, 3 * SMALLEST + 7] {
        let text = format!("ls\n{} A_NAME={GROQ} {}\n{GROQ}", "y".repeat(before), "z".repeat(9000));
        let want = whole(text.as_bytes(), Dialect::History);
        assert_eq!(want.len(), 2);
        for size in (SMALLEST..SMALLEST + 150).step_by(3) {
            agree(text.as_bytes(), Dialect::History, size, &want);
        }
    }
}

#[test]
fn a_file_that_zsh_compiled_is_read_in_its_own_signs() {
    let coded = |text: &str| text.replace('-', "\u{1}").into_bytes();
    let mut bytes = vec![7, 6, 5, 4];
    bytes.extend(std::iter::repeat_n(0, 5000));
    bytes.extend(coded("OPENAI_API_KEY\0sk-ant-oat01-TESTq7xwFAKEz3mvTESTw9rt\0"));
    // zsh's code for a dash inside a word.
    bytes.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0x9b);
    let seen = look_by_pieces(bytes.as_slice(), Dialect::Text, Known::none(), SMALLEST);
    assert_eq!(seen.findings.len(), 1);
    assert_eq!(seen.findings[0].provider, "claude-subscription");
}

#[test]
fn a_file_full_of_keys_is_listed_to_a_limit_and_new_keys_beyond_it() {
    let mut text = format!("{GROQ}\n").repeat(MOST + 500);
    text.push_str(&format!("OPENAI_API_KEY={PLAIN}\n"));
    let seen = look_through(text.as_bytes(), Dialect::History, Known::none());
    assert_eq!(seen.findings.len(), MOST + 1);
    assert_eq!(seen.findings[MOST].line, MOST + 501);
    assert!(seen.trouble.is_some_and(|why| why.contains("after line 1001")));

    let many: String = (0..5 * MOST).map(|n| format!("OPENAI_API_KEY={PLAIN}{n}\n")).collect();
    let seen = look_through(many.as_bytes(), Dialect::History, Known::none());
    assert_eq!(seen.findings.len(), 2 * MOST);
    assert!(seen.trouble.is_some_and(|why| why.contains("after line 2000")));

    let entries: String = (0..5 * MOST).map(|n| format!("openai-api-key: {PLAIN}{n}\n")).collect();
    let seen = look_through(entries.as_bytes(), Dialect::Structured, Known::none());
    assert_eq!(seen.findings.len(), MOST);
    assert!(seen.trouble.is_some());
}

#[test]
fn what_cannot_be_read_to_its_end_is_told_with_what_was_found() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("torn"));
            }
            into[..GROQ.len()].copy_from_slice(GROQ.as_bytes());
            Ok(GROQ.len())
        }
    }
    let seen = look_through(Broken(false), Dialect::History, Known::none());
    assert_eq!(seen.findings.len(), 1);
    assert!(seen.trouble.is_some_and(|why| why.contains("torn")));
}

#[test]
fn a_file_of_any_size_is_looked_through_unless_it_would_be_edited() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = |name: &str| {
        let path = folder.path().join(name);
        let mut file = std::fs::File::create(&path).expect("made");
        file.seek(SeekFrom::Start(17 << 20)).expect("sought");
        write!(file, "\nexport GROQ_API_KEY={GROQ}\n").expect("written");
        path
    };
    let candidate = |path: PathBuf, dialect, role| Candidate { path, dialect, role };
    let candidates = [
        candidate(large(".bash_history"), Dialect::History, Role::Residue),
        candidate(large(".zshrc.bak"), Dialect::Zsh, Role::Residue),
        candidate(large("settings.json"), Dialect::Structured, Role::AgentConfig),
        candidate(large(".bashrc"), Dialect::Bash, Role::Rc),
    ];
    let named = [large(".zsh_history"), large("keys.sh")];
    let plan = Plan::of(&Found::from(candidates.to_vec()), &named, &Machine::empty(Vocabulary::built_in()));
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let found: Vec<_> = plan.files.iter().map(|file| (name(&file.path), file.findings[0].finding.line)).collect();
    let want = [(".zsh_history", 2), (".bash_history", 2), (".zshrc.bak", 2), ("settings.json", 2)];
    assert_eq!(found, want.map(|(name, line)| (name.to_owned(), line)));
    assert!(plan.files.iter().all(|file| file.snapshot.bytes.is_empty()));
    let troubles: Vec<_> = plan.troubles.iter().map(|trouble| (name(&trouble.path), trouble.why.as_str())).collect();
    let why = "it is larger than 16 MiB, which no rc file is";
    assert_eq!(troubles, [("keys.sh".to_owned(), why), (".bashrc".to_owned(), why)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pieces_of_any_text_give_what_the_whole_gives(
        parts in prop::collection::vec((0..PIECES.len(), 0usize..6), 0..60),
        stretch in prop::sample::select(vec![0usize, 1, 700, 2047, 2048, 2100]),
        extra in 0usize..3000,
    ) {
        let mut text = String::new();
        for (at, times) in parts {
            text.push_str(&keyed(PIECES[at]));
            // Blanks between a name and its value, up to what is looked at and beyond.
            text.push_str(&" ".repeat(if times == 5 { stretch } else { 0 }));
        }
        for dialect in ALL {
            let want = whole(text.as_bytes(), dialect);
            let seen = look_by_pieces(text.as_bytes(), dialect, &known(), SMALLEST + extra);
            prop_assert_eq!(described(&seen.findings), want, "{:?}", dialect);
        }
    }

    #[test]
    fn pieces_of_any_bytes_are_looked_through(
        bytes in prop::collection::vec(any::<u8>(), 4000..6000),
        extra in 0usize..300,
    ) {
        for dialect in ALL {
            let want = whole(&bytes, dialect);
            let seen = look_by_pieces(bytes.as_slice(), dialect, &known(), SMALLEST + extra);
            prop_assert_eq!(described(&seen.findings), want);
        }
    }
}
