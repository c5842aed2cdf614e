use super::*;
use proptest::prelude::*;

// Commands with `·` between words; what a shell would replace in brackets.
fn shown(text: &str, tongue: Tongue) -> Vec<String> {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let piece = |piece: &Piece<'_>| match piece {
        Piece::Plain(text) => show(text),
        Piece::Quoted(text) => format!("'{}'", show(text)),
        Piece::Variable(text, _) => format!("<{}>", show(text)),
        Piece::Code(text, _) => format!("[{}]", show(text)),
        Piece::Unknown => "?".to_owned(),
    };
    let word = |word: &Word<'_>| word.pieces.iter().map(piece).collect::<String>().replace("''", "");
    let command = |command: &Command<'_>| {
        let mut words: Vec<_> = command.words.iter().map(word).collect();
        words.extend(command.inputs.iter().map(|input| format!("<{}", word(input))));
        words.join("·")
    };
    commands(text.as_bytes(), tongue).iter().map(command).collect()
}

#[test]
fn commands_are_cut_where_the_shells_cut_them() {
    use Tongue::{Csh, Fish, Nushell, Posix, PowerShell, Zsh};
    for (tongue, text, want) in [
        (Posix, "[ -f ~/a ] && . \"$HOME/b c\" # d", "[·-f·~/a·] .·<HOME>'/b_c'"),
        (Posix, "if x; then source y; fi", "if x then source·y fi"),
        (Posix, "f() { a \"$1\"; }\nb", "f·() { a·<1> } b"),
        (Posix, "a=(b 'c'\n d) e", "a=·b·'c'·d·e"),
        (Posix, "for f in a{b,c} $(ls -l); do x; done", "for·f·in·a{b,c}·[ls_-l] do x done"),
        (Posix, "cat <<'E' >x 2>&1\nsource y's\nE\nz <<<w <v", "cat z·<v"),
        (Posix, "a <(b c) ${d:-\"${e}\"} `f`", "a·[b_c]·<d:-\"${e}\">·[f]"),
        (Posix, "case $a in (b|c) d;; e) f;; esac", "case·<a>·in ( b c ) d e ) f esac"),
        (Posix, "it's\nsource a", "it's source·a"),
        (Zsh, "for f (~/a/*.zsh(N) b) source $f", "for·f·~/a/*.zsh(N)·b source·<f>"),
        (Zsh, "g() { source $1 }", "g·() { source·<1> }"),
        (Zsh, "source ${0:A:h}/a $0:A:h/b", "source·<0:A:h>/a·<0:A:h>/b"),
        (Fish, "test -f a; and source (dirname (status -f))/b", "test·-f·a and source·[dirname_(status_-f)]/b"),
        (Fish, "set -l d '$x\\'' \"$y/z\"", "set·-l·d·'$x·<y>'/z'"),
        (Csh, "if ( -f ~/a ) source ~/a", "if source·~/a"),
        (Csh, "foreach f ( a b )\nsource $f:h\nend", "foreach·f·a·b source·<f:h> end"),
        (PowerShell, ". (Join-Path $PSScriptRoot 'a.ps1') # b", ".·[Join-Path_$PSScriptRoot_'a.ps1']"),
        (PowerShell, "gci $d\\*.ps1 | % { . $_.FullName }", "gci·<d>\\*.ps1 % { .·<_>.FullName }"),
        (Nushell, "source ($nu.home-path | path join 'a.nu')", "source·[$nu.home-path_|_path_join_'a.nu']"),
        (Nushell, "source $\"(x)/a.nu\"", "source·[x]'/a.nu'"),
    ] {
        let shown: Vec<_> = shown(text, tongue).iter().map(|command| command.replace(' ', "_")).collect();
        assert_eq!(shown.join(" "), want, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_cut(
        text in "[ ;.&|${}()'\"\\\\~/a-c\n<>`@#=]{0,80}",
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        use Tongue::{Csh, Fish, Nushell, Posix, PowerShell, Zsh};
        for tongue in [Posix, Zsh, Fish, Csh, PowerShell, Nushell] {
            for command in commands(text.as_bytes(), tongue) {
                assert!(command.start <= command.end && command.end <= text.len());
            }
            commands(&bytes, tongue);
        }
    }
}
