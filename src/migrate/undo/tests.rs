//! Places in files that were edited after a run, and keys that are no longer what they were.

use super::*;
use crate::migrate::dialect::Dialect;
use crate::migrate::keyset::Key;
use crate::migrate::testing::{openai, scrub};
use crate::migrate::tokens::Recorder;
use proptest::prelude::*;
use std::path::Path;

fn seal() -> Seal {
    Seal::new(Secret::new(b"seal".to_vec()))
}

// The record of a file with keys, what the scrub left of it, and the keys.
fn recorded(before: &str, dialect: Dialect) -> (FileRecord, Vec<u8>, Vec<Result<Secret, Why>>) {
    let (after, examined) = scrub(before.as_bytes(), dialect);
    let cuts = examined.cuts(before.as_bytes(), &|_| "default".to_owned());
    let keys: Vec<&[u8]> = examined.findings().iter().map(|finding| finding.value.as_slice()).collect();
    let numbered = keys.iter().enumerate().map(|(number, value)| Key { value, number: Some(number) });
    let seal = seal();
    let recorder = Recorder::new(numbered.collect(), &seal);
    let record =
        FileRecord::new(Path::new("/rc"), (before.as_bytes(), &after), Encoding::Bytes, &cuts, &recorder, &seal);
    (record.expect("recorded"), after, keys.iter().map(|key| Ok(Secret::new(key.to_vec()))).collect())
}

// What comes of an edited file: its text, and the lines of what is left.
#[track_caller]
fn undone(before: &str, edit: &dyn Fn(&str) -> String) -> (String, Vec<(usize, Why)>) {
    let (record, after, keys) = recorded(before, Dialect::Zsh);
    let edited = edit(std::str::from_utf8(&after).expect("text"));
    let done = image(&record, edited.as_bytes(), &keys, &seal()).expect("it can be tried");
    let left = done.left.iter().map(|(at, why)| (record.cuts[*at].number, why.clone())).collect();
    (String::from_utf8(done.bytes.to_vec()).expect("text"), left)
}

fn file() -> String {
    format!(
        "# mine\nexport EDITOR=vim\nexport OPENAI_API_KEY={}\nexport PAGER=less\n\nalias l=ls\nif true; then\n  \
        export GEMINI_API_KEY={}\nfi\nA=1; export XAI_API_KEY={}; B=1\n# end\n",
        openai(1),
        openai(2),
        openai(3)
    )
}

#[test]
fn an_edit_beside_a_place_does_not_hide_it() {
    let before = file();
    for (was, is) in [
        ("EDITOR=vim", "EDITOR=nano"),
        ("PAGER=less", "PAGER=most"),
        ("# mine\n", "# mine\nexport NEW=1\n"),
        ("alias l=ls\n", ""),
        ("# end\n", "# end\n# more\n"),
        ("# end\n", ""),
        ("# mine\n", ""),
        ("fi\n", "fi\n# between\n"),
        ("A=1; ", "A=2; "),
        ("; B=1", "; B=2; C=3"),
        ("export EDITOR=vim\n", ""),
    ] {
        let (now, left) = undone(&before, &|after| after.replace(was, is));
        assert_eq!((now, left), (before.replace(was, is), vec![]), "{was:?} became {is:?}");
    }
    let both = |text: &str| text.replace("EDITOR=vim", "EDITOR=nano").replace("PAGER=less", "PAGER=most");
    assert_eq!(undone(&before, &both), (both(&before), vec![]));
}

#[test]
fn a_line_exactly_between_the_neighbours_makes_the_place_uncertain() {
    let before = file();
    let (now, left) = undone(&before, &|after| after.replace("export PAGER", "else\nexport PAGER"));
    assert_eq!(left, [(3, Why::Edited)]);
    assert!(!now.contains(&openai(1)) && now.contains(&openai(2)) && now.contains(&openai(3)), "{now}");
}

#[test]
fn lines_alike_beside_a_place_do_not_hide_a_line_that_was_put_there() {
    let key = format!("export OPENAI_API_KEY={}\n", openai(1));
    for (above, below) in [("", "\n\n"), ("a\nb\n", "\n\nc\n"), ("\n\n", ""), ("a\n\n\n", "b\nc\n")] {
        let (before, line) = (format!("{above}{key}{below}"), above.lines().count() + 1);
        let between = format!("{above}# new\n{below}");
        assert_eq!(undone(&before, &|_| between.clone()), (between.clone(), vec![(line, Why::Edited)]), "{before:?}");
        // A line elsewhere hides nothing.
        let farther = |text: &str| format!("# new\n# newer\n{text}# newest\n");
        if !above.is_empty() && !below.is_empty() {
            assert_eq!(undone(&before, &farther), (farther(&before), vec![]), "{before:?}");
        }
    }
}

#[test]
fn moved_lines_take_their_keys_with_them() {
    let before = file();
    let (block, _) = before.split_once("\nalias").expect("there");
    let moved = |text: &str, block: &str| format!("{}{block}", text.replacen(block, "", 1));
    let key = format!("export OPENAI_API_KEY={}\n", openai(1));
    let (now, left) = undone(&before, &|after| moved(after, &block.replace(&key, "")));
    assert_eq!((now, left), (moved(&before, block), vec![]));
}

#[test]
fn lines_that_are_there_twice_are_no_places() {
    let before = format!("C=1\nA={}; B=1\n", openai(1));
    let (now, left) = undone(&before.replace("A=", "OPENAI_API_KEY="), &|after| format!("{after}{after}"));
    assert_eq!((now.as_str(), left), ("C=1\nB=1\nC=1\nB=1\n", vec![(2, Why::Ambiguous)]));
    // Copies of a place are no better when the place itself is edited away.
    let block = "if true; then\n  echo a\nfi\n";
    let before = format!("{block}export OPENAI_API_KEY={}\n{block}{block}{block}", openai(1));
    let (now, left) = undone(&before, &|after| after.replacen("echo a", "echo b", 2));
    assert_eq!(left.len(), 1, "{now}");
    assert!(!now.contains("OPENAI_API_KEY"));
    assert_eq!(undone(&before, &|_| String::new()).1.len(), 1);
}

#[test]
fn many_keys_come_back_into_an_edited_file_in_time_in_proportion_to_its_lines() {
    // An HMAC of each line for each key would take longer than the tests may.
    let line = |at: usize| format!("A{at}={}; B{at}=1\n", openai(at as u32));
    let before: String = (0..5_000).map(line).collect();
    let (record, after, keys) = recorded(&before, Dialect::DotEnv);
    let edited = [b"# earlier\n", after.as_slice(), b"# later\n"].concat();
    let undone = image(&record, &edited, &keys, &seal()).expect("every line is there once");
    assert_eq!(*undone.bytes, [b"# earlier\n", before.as_bytes(), b"# later\n"].concat());
}

#[test]
fn the_record_of_what_is_left_holds_for_the_file_as_it_is_then() {
    let before = file();
    let (record, after, keys) = recorded(&before, Dialect::Zsh);
    let seal = seal();
    let some: Vec<Result<Secret, Why>> =
        keys.iter()
            .enumerate()
            .map(|(at, key)| {
                if at == 1 {
                    Err(Why::Damaged)
                } else {
                    Ok(Secret::new(key.as_ref().expect("a key").expose().to_vec()))
                }
            })
            .collect();
    let edited = String::from_utf8(after).expect("text").replace("alias l=ls", "alias l=exa");
    let first = image(&record, edited.as_bytes(), &some, &seal).expect("done");
    assert_eq!((first.back.as_slice(), first.left.len(), &first.before), (&[0, 2][..], 1, &None));
    let rest = FileRecord { before: None, after: digest(&first.bytes), cuts: first.cuts, ..record };
    let now = String::from_utf8(first.bytes.to_vec()).expect("text").replace("# end", "# the end");
    for now in [now.as_bytes(), first.bytes.as_slice()] {
        let then = image(&rest, now, &keys, &seal).expect("done");
        assert!(then.left.is_empty());
        let text = String::from_utf8(then.bytes.to_vec()).expect("text");
        assert_eq!(text.replace("# the end", "# end"), before.replace("alias l=ls", "alias l=exa"));
    }
}

// A file of lines, some with a key, and edits: at a line, remove, replace or insert before.
fn edited() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, u8)>)> {
    (proptest::collection::vec(0..7u8, 1..14), proptest::collection::vec((0..14usize, 0..3u8), 0..4))
}

proptest! {
    // Whatever is edited, a statement that comes back stands between lines between which it stood.
    #[test]
    fn a_statement_comes_back_between_its_own_neighbours_or_not_at_all((kinds, edits) in edited()) {
        let line = |(at, kind): (usize, &u8)| match kind {
            0 | 1 => format!("export OPENAI_API_KEY={}\n", openai(at as u32)),
            2 => format!("L={at}; export OPENAI_API_KEY={}; R={at}\n", openai(at as u32)),
            3 => "\n".to_owned(),
            4 => "fi\n".to_owned(),
            _ => format!("line={at}\n"),
        };
        let lines: Vec<String> = kinds.iter().enumerate().map(line).collect();
        let before = lines.concat();
        let (record, after, keys) = recorded(&before, Dialect::DotEnv);
        let mut now: Vec<String> =
            String::from_utf8(after).expect("text").split_inclusive('\n').map(str::to_owned).collect();
        for (number, (at, edit)) in edits.iter().enumerate().filter(|(_, (at, _))| *at < kinds.len()) {
            match edit {
                _ if *at >= now.len() => now.push(format!("new={number}\n")),
                0 => drop(now.remove(*at)),
                1 => now[*at] = format!("new={number}\n"),
                _ => now.insert(*at, format!("new={number}\n")),
            }
        }
        let now = now.concat();
        let done = image(&record, now.as_bytes(), &keys, &seal()).expect("done");
        let text = String::from_utf8(done.bytes.to_vec()).expect("text");
        // What was there stays.
        let rest: String = text.split_inclusive('\n').map(|line| match line.split_once("export ") {
            Some((left, right)) if line.starts_with("L=") => format!("{left}{}", right.split_once("; ").expect("R").1),
            Some(_) => String::new(),
            None => line.to_owned(),
        }).collect();
        prop_assert_eq!(&rest, &now);
        // Unedited numbered lines above it before are above it now, but for moved ones, which no edit makes.
        let shown: Vec<&str> = text.split_inclusive('\n').collect();
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("KEY")) {
            let Some(at) = shown.iter().position(|other| other == line) else { continue };
            for (other, neighbour) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("line=")) {
                if let Some(there) = shown.iter().position(|shown| shown == neighbour) {
                    prop_assert_eq!(there < at, other < place, "{} and {} in\n{}", place, other, text);
                }
            }
        }
    }
}
