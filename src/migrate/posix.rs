//! bash, zsh and POSIX sh, read as statements that set variables.
//!
//! Two readers have to agree before a byte may go. This one knows every construct of the three shells that decides
//! where a statement begins and ends, and what its words come to; the shells' published grammars (tree-sitter's) must
//! then see the same statement in the same place. They are not enough by themselves: an unusual zsh construct turns a
//! whole file into one error, and bash's runs an assignment into the next line's command. What this one cannot read to
//! its end, and what no grammar confirms, is reported and never touched. Nothing is ever run. Called by `examine`.

mod compound;
mod simple;
mod word;

use crate::migrate::detect;
use crate::migrate::dialect::Dialect;
use crate::migrate::model::{Fixed, Node, Reason, Script, Span, text_start};
use crate::migrate::read::confirm::{Grammar, confirm};
use crate::migrate::read::report::settle;
use word::{Word, identifier};
use zeroize::Zeroizing;

/// Reads a file of bash, zsh or sh.
pub(super) fn read(bytes: &[u8], dialect: Dialect) -> Script {
    let zsh = dialect == Dialect::Zsh;
    let mut reader = Reader::new(bytes, zsh);
    let mut nodes = reader.file();
    confirm(bytes, &GRAMMAR, &mut nodes, &mut reader.fixed);
    Script { nodes, comments: reader.comments, fixed: reader.fixed, filler: ":", continuation: Some(b'\\') }
}

// bash's is zsh's, too: it has no statement of its own that sets a variable. zsh's own grammar is larger than the whole
// rest of ringlet, and some files send it astray for minutes.
const GRAMMAR: Grammar = Grammar {
    language: || tree_sitter_bash::LANGUAGE.into(),
    statements: &[
        "declaration_command",
        "variable_assignment",
        "variable_assignments",
        "command",
        "redirected_statement",
    ],
    prepare: |_| (),
};

/// The text does not go on as the language wants it to.
struct Unreadable;

type Result<T> = std::result::Result<T, Unreadable>;

// Far beyond what anybody writes, and far within a thread's stack.
const DEEPEST: usize = 60;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    zsh: bool,
    comments: Vec<Span>,
    fixed: Vec<Fixed>,
    // Here-documents whose text begins at the next line.
    pending: Vec<HereDocument>,
    // What commands only pass on, long enough for a key: the words of `echo`, the text of here-strings.
    passed: Vec<Passed>,
    // How many programs run so far in the function or subshell that is being read.
    programs: usize,
    depth: usize,
    // Where the last statement began that could not be read.
    stuck: Option<usize>,
}

struct Passed {
    span: Span,
    text: Zeroizing<Vec<u8>>,
}

struct HereDocument {
    end: Vec<u8>,
    tabs: bool,
    // Whether a backslash joins lines in it: the end's word has no quotes.
    joins: bool,
}

// No key is shorter.
const SHORTEST: usize = 20;

const CLOSING: &[&[u8]] = &[b"then", b"do", b"done", b"fi", b"elif", b"else", b"esac", b"}"];

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], zsh: bool) -> Self {
        Self {
            bytes,
            at: text_start(bytes),
            zsh,
            comments: vec![],
            fixed: vec![],
            pending: vec![],
            passed: vec![],
            programs: 0,
            depth: 0,
            stuck: None,
        }
    }

    // Statement by statement, so that what cannot be read spoils only what follows it: just so far a shell gets, too.
    fn file(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            self.passed.clear();
            let ready = self.newlines();
            let (start, fixed, comments) = (self.at, self.fixed.len(), self.comments.len());
            let ended = ready.and_then(|()| self.statement(false, &mut nodes)).and_then(|more| match self.peek() {
                Some(_) if !more => Err(Unreadable),
                _ => Ok(more),
            });
            match ended {
                Ok(true) => {}
                Ok(false) => return nodes,
                Err(Unreadable) => {
                    // A shell runs nothing of a line that it cannot read.
                    let line = self.bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    let from = nodes.iter().take_while(|node| node.span().end <= line).count();
                    let broken = nodes.split_off(from);
                    let start = broken.first().map_or(start, |node| node.span().start.min(start));
                    self.fixed.truncate(fixed);
                    self.comments.truncate(comments);
                    self.report(start..self.bytes.len(), Reason::Unparsed);
                    self.stuck = Some(start);
                    return nodes;
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at.min(self.bytes.len())..]
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            return Err(Unreadable);
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    // The unquoted characters up to the next blank or operator.
    fn token(&self) -> &'a [u8] {
        let rest = self.rest();
        let ends =
            |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')');
        &rest[..rest.iter().position(ends).unwrap_or(rest.len())]
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn takes_word(&mut self, word: &[u8]) -> bool {
        let found = self.token() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, text: &[u8]) -> Result<()> {
        self.blanks();
        if self.takes(text) { Ok(()) } else { Err(Unreadable) }
    }

    fn expect_word(&mut self, word: &[u8]) -> Result<()> {
        self.blanks();
        if self.takes_word(word) { Ok(()) } else { Err(Unreadable) }
    }

    // The carriage return of a CRLF line counts as a blank.
    fn blanks(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t', ..] | [b'\r', b'\n', ..] => self.at += 1,
                [b'\\', b'\n', ..] => self.at += 2,
                [b'\\', b'\r', b'\n', ..] => self.at += 3,
                _ => return,
            }
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let size = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.at += size;
        let end = if rest[..size].ends_with(b"\r") { self.at - 1 } else { self.at };
        self.comments.push(start..end);
    }

    /// Blanks, comments and line ends, with the here-documents that begin behind them.
    fn newlines(&mut self) -> Result<()> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'#') => self.comment(),
                Some(b'\n') => {
                    self.at += 1;
                    self.here_documents();
                }
                _ => return Ok(()),
            }
        }
    }

    fn here_documents(&mut self) {
        for document in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut body = start;
            let mut joined = false;
            while self.at < self.bytes.len() {
                let rest = self.rest();
                let size = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |size| size + 1);
                let mut line = &rest[..size];
                line = line.strip_suffix(b"\n").unwrap_or(line);
                line = line.strip_suffix(b"\r").unwrap_or(line);
                if document.tabs {
                    line = &line[line.iter().take_while(|byte| **byte == b'\t').count()..];
                }
                self.at += size;
                if line == document.end && !joined {
                    break;
                }
                let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
                joined = document.joins && backslashes % 2 == 1;
                body = self.at;
            }
            self.report(start..body, Reason::HereDocument);
        }
    }

    /// Statements up to a closing word, a `)`, a case arm's end or the file's.
    fn list(&mut self, condition: bool) -> Result<Vec<Node>> {
        self.nested(|reader| {
            let mut nodes = Vec::new();
            while reader.statement(condition, &mut nodes)? {}
            Ok(nodes)
        })
    }

    // One statement and its separator; false where the list ends.
    fn statement(&mut self, condition: bool, nodes: &mut Vec<Node>) -> Result<bool> {
        loop {
            self.newlines()?;
            if self.peek() == Some(b';') && !self.at_arm_end() {
                self.at += 1;
            } else {
                break;
            }
        }
        let token = self.token();
        if self.peek().is_none_or(|byte| byte == b')') || self.at_arm_end() || CLOSING.contains(&token) {
            return Ok(false);
        }
        if self.zsh && token == b"end" {
            return Ok(false);
        }
        let node = self.and_or()?;
        self.blanks();
        match self.rest() {
            [b'&', ..] => {
                self.at += 1;
                if self.zsh && matches!(self.peek(), Some(b'|' | b'!')) {
                    self.at += 1;
                }
                // What a background job sets is lost with it.
                if matches!(node, Node::Setting(_) | Node::List { .. }) {
                    let span = node.span().clone();
                    self.settle(vec![node], Reason::Background);
                    nodes.push(Node::Other(span));
                } else {
                    nodes.push(node);
                }
                return Ok(true);
            }
            [] | [b'\n' | b';' | b')' | b'#', ..] => {}
            // zsh ends a condition at `{`, and a body wherever `}` stands.
            _ if self.zsh && (condition || matches!(self.token(), b"}")) => {
                nodes.push(node);
                return Ok(!condition);
            }
            // A compound command may stand right before the word that closes what it is in: `{ ( a ) }`, `( a ) fi`.
            _ if CLOSING.contains(&self.token()) && closes_itself(&node) => {}
            _ => return Err(Unreadable),
        }
        nodes.push(node);
        Ok(true)
    }

    fn at_arm_end(&self) -> bool {
        matches!(self.rest(), [b';', b';' | b'&' | b'|', ..])
    }

    fn and_or(&mut self) -> Result<Node> {
        let start = self.at;
        let (first, mut wrapped) = self.pipeline()?;
        let mut end = first.span().end;
        let mut operands = vec![first];
        loop {
            self.blanks();
            if !(self.takes(b"&&") || self.takes(b"||")) {
                break;
            }
            wrapped = true;
            self.newlines()?;
            let (operand, _) = self.pipeline()?;
            end = operand.span().end;
            operands.push(operand);
        }
        match operands.pop() {
            Some(only) if operands.is_empty() && !wrapped => Ok(only),
            last => {
                operands.extend(last);
                Ok(Node::List { span: start..end, operands })
            }
        }
    }

    // A pipeline, and whether `!` or `time` stands before it.
    fn pipeline(&mut self) -> Result<(Node, bool)> {
        let mut wrapped = false;
        loop {
            self.blanks();
            if self.takes_word(b"!") {
                wrapped = true;
            } else if self.takes_word(b"time") {
                wrapped = true;
                self.blanks();
                self.takes_word(b"-p");
            } else {
                break;
            }
        }
        self.blanks();
        let start = self.at;
        if wrapped && matches!(self.peek(), None | Some(b'\n' | b';')) {
            return Ok((Node::Other(start..start), wrapped));
        }
        let first = self.command()?;
        let mut parts = vec![first];
        loop {
            self.blanks();
            if !matches!(self.rest(), [b'|', next, ..] if *next != b'|') {
                break;
            }
            self.at += 1;
            self.takes(b"&");
            self.newlines()?;
            parts.push(self.command()?);
        }
        if parts.len() == 1 {
            return Ok((parts.remove(0), wrapped));
        }
        let end = parts.last().map_or(start, |node| node.span().end);
        let mut bodies = Vec::new();
        for part in parts {
            match part {
                Node::Compound { bodies: own, .. } => bodies.extend(own),
                Node::Other(_) => {}
                other => self.settle(vec![other], Reason::Argument),
            }
        }
        Ok((Node::Compound { span: start..end, bodies }, wrapped))
    }

    /// Reports whatever keys stand in these bytes.
    fn report(&mut self, span: Span, reason: Reason) {
        for hit in detect::hits(&self.bytes[span.clone()]) {
            let name = hit.name.as_ref().map(|name| &self.bytes[span.start + name.start..span.start + name.end]);
            let at = span.start + hit.name.as_ref().map_or(hit.value.start, |name| name.start);
            let value = Zeroizing::new(self.bytes[span.start + hit.value.start..span.start + hit.value.end].to_vec());
            self.fixed.push(Fixed { name: name.and_then(identifier), at, value, reason });
        }
    }

    /// Reports the keys in a word, as written and as the shell would see it.
    fn look_into(&mut self, word: &Word, reason: Reason) {
        let before = self.fixed.len();
        self.report(word.span.clone(), reason);
        let Some(text) = word.literal() else { return };
        for hit in detect::hits(text) {
            let value = &text[hit.value];
            if self.fixed[before..].iter().any(|fixed| fixed.value.as_slice() == value) {
                continue;
            }
            let name = hit.name.and_then(|name| identifier(&text[name]));
            self.fixed.push(Fixed { name, at: word.span.start, value: Zeroizing::new(value.to_vec()), reason });
        }
    }

    /// Remembers a word that its command only passes on.
    fn passes(&mut self, word: &Word) {
        if let Some(text) = word.literal().filter(|text| text.len() >= SHORTEST) {
            self.passed.push(Passed { span: word.span.clone(), text: Zeroizing::new(text.to_vec()) });
        }
    }

    /// Reports what is passed on within these bytes as a key of this name.
    fn report_passed(&mut self, within: &Span, name: &str, at: usize, reason: Reason) {
        for Passed { span, text } in &self.passed {
            if within.start <= span.start && span.end <= within.end {
                self.fixed.push(Fixed { name: Some(name.to_owned()), at, value: text.clone(), reason });
            }
        }
    }

    /// Turns settings that nothing can be cut out of into reports.
    fn settle(&mut self, nodes: Vec<Node>, reason: Reason) {
        for node in nodes {
            settle(node, reason, &mut self.fixed);
        }
    }
}

fn closes_itself(node: &Node) -> bool {
    match node {
        Node::List { operands, .. } => operands.last().is_some_and(closes_itself),
        Node::Compound { .. } | Node::Other(_) => true,
        Node::Setting(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck(text: &str, zsh: bool) -> Option<usize> {
        let mut reader = Reader::new(text.as_bytes(), zsh);
        reader.file();
        reader.stuck
    }

    #[test]
    fn what_only_zsh_knows_is_read_to_its_end() {
        for text in [
            "for f (~/.zsh/*.zsh(N)) source $f\n",
            "() { local x=$1; print $x } arg\n",
            "if [[ $OSTYPE == darwin* ]] { echo mac } elif (( 1 )) { echo b } else { echo other }\n",
            "if [[ -n 1 ]] echo short\n",
            "case $TERM in\n  (xterm*|rxvt*) precmd() { print -Pn \"\\e]0;%n\\a\" } ;;\n  (a|b)*) x=1 ;|\nesac\n",
            "case $x; in (a) b;; esac\n",
            "repeat 3 echo hi\nforeach x (a b c)\n  echo $x\nend\n",
            "x=${${(M)${(f)\"$(ls -l)\"}:#*\\ }% }\n",
            "[[ $v = <->#(a|b)# ]] && x=( (../)#main(N[-1]) )\n",
            "{ echo a } always { echo b }\n",
            "{echo a }; f() {echo b}\n",
            "function a b { echo $0 }\nfunction { echo anonymous }\n",
            "ls **/*(.om[1,3]) =(cat) <->\nprint -l ${(s:}:)x}\n",
            "echo a &! echo b &| echo c\n",
            "function() { emulate -L zsh } a b\nfunction { echo } c # d\n",
            "eval exp\\=\\( ${tmp:gs/\\\\{/\\{/:gs/\\\\}/\\}/} \\) 2>/dev/null\n",
        ] {
            assert_eq!(stuck(text, true), None, "{text}");
        }
    }

    #[test]
    fn what_bash_knows_is_read_to_its_end() {
        for text in [
            "x=$(case a in a) echo b;; esac)\n",
            "[[ $x =~ ^(a|b)\\ c$ ]] && y=${x//\\}/z}\n",
            "shopt -s extglob; ls !(a|b)@(c).d\n",
            "for ((i = 0; i < 3; i++)); do echo $((i << 1)); done\n",
            "cat <<-'A' <<B | tr a b\n\tfoo ' \\\n\tA\nbar $(\nB\necho\n",
            "while read -r l; do :; done < <(ls)\ncoproc c { cat; }\nselect x in a b; do break; done\n",
            "if ! ( a ) then b; fi\n{ ( a ) }\nf() ( a )\n",
            "a=(x [3]=y 'z' # why\n)\ndeclare -A m=([k]=\"v\")\nm[a b]=c\n",
            "f() { echo; } 2>/dev/null\nf() ( echo ) >&2 <x\n",
            "exec {fd}>&1 2>|x &>>y <&-\ntime -p ls | wc\n",
            "echo ${x:-\"}\"} \"${x:-it's}\" ${x#\\}} $'a\\'b' $\"c\" a[ b\n",
        ] {
            assert_eq!(stuck(text, false), None, "{text}");
        }
    }

    #[test]
    fn what_no_shell_accepts_stops_the_reading_there() {
        for (text, at) in
            [("a=1\nb='\nc=2\n", 4), ("if true; then\n", 0), ("a\n}\nb\n", 2), ("x=$(ls\n", 0), ("f() {\n", 0)]
        {
            assert_eq!(stuck(text, false), Some(at), "{text}");
        }
    }

    #[test]
    fn brackets_without_an_end_cost_no_more_than_their_length() {
        // Reading on from every guess again would take longer than the tests may.
        for piece in ["$(a[", "${x:-$((", "((", "{ a[1 $(", "x=(", "$[", "`", "export A=$(", "f() {"] {
            for zsh in [false, true] {
                stuck(&piece.repeat(2000), zsh);
            }
        }
    }
}
