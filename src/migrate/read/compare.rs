//! The reader that a language had before and this one, side by side on random compositions of real fragments.

use crate::migrate::csh;
use crate::migrate::dialect::Dialect;
use crate::migrate::examine::analyzed;
use crate::migrate::model::Script;
use crate::migrate::testing::{mistral, openai, scrubbed, summary};
use proptest::prelude::*;
use std::collections::BTreeSet;

// Lines and blocks as people write them; `@` and `%` are keys.
const CSH: &[&str] = &[
    "setenv OPENAI_API_KEY @\n",
    "setenv OPENAI_API_KEY \"@\"   # openai\n",
    "setenv MISTRAL_API_KEY '%'; setenv EDITOR vim\n",
    "setenv OPENAI_API_KEY \\\n   @\n",
    "set OPENAI_API_KEY = @\n",
    "set A=1 OPENAI_API_KEY=@ B = ( c d ) C=$HOME\n",
    "set OPENAI_API_KEY=(@ %)\n",
    "set -r MISTRAL_API_KEY = \"%\"\n",
    "setenv COPY $OPENAI_API_KEY\n",
    "setenv COPY \"${OPENAI_API_KEY:q}\"\n",
    "setenv MISTRAL_API_KEY `pass show mistral`\n",
    "setenv MISTRAL_API_KEY `echo %`\n",
    "# setenv OPENAI_API_KEY @\n",
    "#OPENAI_API_KEY=@ old\n",
    "if ( $?TMUX ) setenv TERM screen-256color\n",
    "if ( ! $?OPENAI_API_KEY ) setenv OPENAI_API_KEY @ # c\n",
    "if ( -r ~/.keys && -o ~/.keys ) source ~/.keys\n",
    "if ( $x == @ ) echo a\n",
    "test -r x && setenv OPENAI_API_KEY @ || echo no\n",
    "alias ds 'setenv ANTHROPIC_BASE_URL https://x.example; setenv OPENAI_API_KEY @; claude \\!*'\n",
    "alias ll 'ls -l'\n",
    "env OPENAI_API_KEY=@ codex exec\n",
    "claude --api-key @\n",
    "eval 'setenv OPENAI_API_KEY @'\n",
    "( setenv OPENAI_API_KEY @ ; codex )\n",
    "( setenv OPENAI_API_KEY @ ) > /dev/null\n",
    "setenv OPENAI_API_KEY @ > file\n",
    "setenv OPENAI_API_KEY @ >& /dev/null\n",
    "setenv OPENAI_API_KEY @ &\n",
    "cat << EOF > out\nOPENAI_API_KEY=@\nEOF\n",
    "set path = ( ~/bin $path /opt )\n",
    "set prompt = '%n@%m %~ %# '\n",
    "@ n = ( $n + 1 )\n",
    "unset x y\n",
    "echo \"it's\" `date` !$ $x[1]\n",
    "setenv A 1\r\n",
    "\n",
    "   \t\n",
    "switch ( $OSTYPE )\n case linux:\n\
  setenv OPENAI_API_KEY @\n  breaksw\n case a:\n case b*:\n  setenv B 1\n default:\n  setenv MISTRAL_API_KEY %\nendsw\n",
];

// What is put around other fragments.
const AROUND: &[(&str, &str)] = &[
    ("if ( 1 ) then\n", "endif\n"),
    ("if ( 0 ) then\n  echo a\nelse\n", "endif\n"),
    ("if ( $?A ) then # why\n  echo a\nelse if ( 1 ) then\n", "else\n  echo b\nendif\n"),
    ("foreach x ( a b $c )\n", "end\n"),
    ("while ( $n < 3 )\n", "end\n"),
    ("switch ( a )\ncase a:\n", "breaksw\nendsw\n"),
    ("", ""),
];

fn composed() -> impl Strategy<Value = String> {
    let line = prop::sample::select(CSH).prop_map(str::to_owned);
    let block = prop::collection::vec(line, 1..6).prop_map(|lines| lines.concat());
    block.prop_recursive(3, 24, 4, |inner| {
        (prop::sample::select(AROUND), prop::collection::vec(inner, 1..3))
            .prop_map(|((open, close), parts)| format!("{open}{}{close}", parts.concat()))
    })
}

// One byte more or less, as of a file that is being edited.
fn torn() -> impl Strategy<Value = String> {
    let signs = &["", "'", "\"", "(", ")", "\n", ";", "#", "\\", "`"][..];
    (composed(), any::<prop::sample::Index>(), prop::sample::select(signs)).prop_map(|(text, at, with)| {
        let at = at.index(text.len());
        format!("{}{with}{}", &text[..at], &text[at + usize::from(with.is_empty())..])
    })
}

fn filled(text: &str) -> String {
    text.replace('@', &openai(7)).replace('%', &mistral(3))
}

fn shown(text: &str, script: Script) -> (String, Vec<String>) {
    let examined = analyzed(text.as_bytes(), Dialect::Csh, script);
    (String::from_utf8_lossy(&scrubbed(text.as_bytes(), &examined)).into_owned(), summary(&examined))
}

// Where a shell refuses the file, the readers may differ in how far they go; what stayed for another reason stays.
fn stays_as_before(was: &[String], is: &[String]) -> bool {
    let place = |finding: &String| finding.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
    let moves = |finding: &&String| finding.contains(" moved ");
    let stays = |finding: &&String| !moves(finding) && !finding.ends_with(" unparsed");
    let stayed: BTreeSet<String> = was.iter().filter(stays).map(place).collect();
    let moved: BTreeSet<String> = was.iter().filter(moves).map(place).collect();
    is.iter().filter(moves).map(place).all(|place| !stayed.contains(&place) || moved.contains(&place))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csh_is_read_as_before(text in composed()) {
        let text = filled(&text);
        let (was, is) = (csh::read(text.as_bytes()), super::read(text.as_bytes(), Dialect::Csh));
        prop_assert_eq!(shown(&text, was), shown(&text, is), "{}", text);
    }

    #[test]
    fn what_stayed_in_torn_csh_stays(text in torn()) {
        let text = filled(&text);
        let (was, is) = (csh::read(text.as_bytes()), super::read(text.as_bytes(), Dialect::Csh));
        let (was, is) = (shown(&text, was).1, shown(&text, is).1);
        prop_assert!(stays_as_before(&was, &is), "{}\nwas: {:#?}\nis: {:#?}", text, was, is);
    }
}
