use crate::migrate::dialect::Dialect;
use crate::migrate::model::Node;

// Where the reading stopped: all that follows is one node.
fn stuck(text: &str, zsh: bool) -> Option<usize> {
    let script = crate::migrate::read::read(
        text.as_bytes(),
        if zsh { Dialect::Zsh } else { Dialect::Bash },
        crate::migrate::vocabulary::Terms::built_in(),
    );
    match script.nodes.last() {
        Some(Node::Other(span)) if span.end == text.len() => Some(span.start),
        _ => None,
    }
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
