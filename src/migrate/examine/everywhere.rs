//! No file that holds a key is said to hold none: a key of every form, at every word's place of every construct.

use super::*;
use crate::migrate::detect::tests::agents_keys;

const POSIX: &[&str] = &[
    "export A=b C=d",
    "A=b x y",
    "env A=b x -y",
    "local a=b; readonly c=d",
    "printf -v A %s b",
    "echo a | read B",
    "read -r A <<< b",
    "cat <<END\na b\nEND\nx",
    "cat <<-'END'\n\ta\nEND",
    "if [ \"$A\" = b ]; then x; elif y; then z; else w; fi",
    "if [[ $A == b && c ]]; then x; fi",
    "case $A in b ) x ;; c | d ) y ;; esac",
    "for k in a b; do x; done",
    "while read k; do x; done <<< a",
    "until a; do b; done > c",
    "f() { local a=$1; b ${2:-c}; }",
    "{ a; } && ( b ) || ! c",
    "a=( b c ); d[e]=f",
    "declare -A a=( [b]=c )",
    "export A=$( b c ) D=`e f`",
    "eval \"$( a b )\"; trap 'c d' EXIT",
    "alias a='b c'",
    "curl -H 'Authorization: Bearer a' https://example.org/b",
    "x <( a b ) > c 2>&1 &",
    "(( a = 1 )); let b=2; test c",
    "set -- a b; unset c; source d",
    "a \\\n  b \\\n  c",
    "export A=\"b ${C:-d} e\"",
];

const FISH: &[&str] = &[
    "set -gx A b",
    "set -gx A b c",
    "set -e A; set -q B; and set C d",
    "echo a | read -gx B",
    "if test $A = b; x; else if y; z; else; w; end",
    "switch $a; case b; c; case '*'; d; end",
    "for k in a b; x $k; end",
    "while read k; x; end < a",
    "function f --description a; b $argv; end",
    "begin; a; end; and b; or c; not d",
    "set h 'Authorization: Bearer a'; curl -H $h b",
    "set -gx A ( b c ) \"d $E\"",
    "abbr -a a 'b c'; alias d 'e f'",
    "env A=b x; A=b y",
    "string match -q a $b; and c",
    "a | b | source; eval \"c d\"",
    "a \\\n  b",
    "set a[1] b; set -a c d",
    "x > a 2>| b &",
];

const CSH: &[&str] = &[
    "setenv A b",
    "set a = b; set c = ( d e )",
    "set a=b c=d; @ e = 1",
    "if ( $A == b ) c",
    "if ( 1 ) then\n a b\nelse\n c\nendif",
    "foreach k ( a b )\n x\nend",
    "switch ( a )\ncase b:\n c\nbreaksw\ndefault:\n d\nendsw",
    "while ( 0 )\n a\nend",
    "alias a 'b c'; alias d e",
    "env A=b x; ( setenv A b ; c )",
    "setenv A `b c`",
    "curl -H 'Authorization: Bearer a' b",
    "cat << END\na b\nEND\nc",
    "a | b > c & d || e && f",
    "setenv A \"b c\"",
    "unsetenv a; source b; eval 'c d'",
];

const POWERSHELL: &[&str] = &[
    "$env:A = 'b'",
    "$env:A, $env:B = 'c', 'd'",
    "$a = 'b' ; $c += 'd'",
    "'a' | Set-Item Env:B",
    "Set-Item -Path Env:A -Value 'b' ; New-Item Env:C -Value d",
    "[Environment]::SetEnvironmentVariable( 'A' , 'b' , 'User' )",
    "Set-Variable -Name a -Value 'b'",
    "if ( $env:A -eq 'b' ) { c } elseif ( $d ) { e } else { f }",
    "switch ( $a ) { 'b' { c } default { d } }",
    "foreach ( $k in 'a' , 'b' ) { x $k }",
    "while ( $a ) { b } ; do { c } until ( 'd' )",
    "try { a } catch { b } finally { c }",
    "function f ( $a = 'b' ) { param( $c = 'd' ) e }",
    "$h = @{ A = 'b' ; 'C' = 'd' }",
    "$a = @( 'b' , 'c' ) ; $d = $e ?? 'f'",
    "Invoke-RestMethod -Headers @{ Authorization = \"Bearer a\" } -Uri b",
    "$x['a'] = 'b' ; $y.c = 'd'",
    "$t = @'\na b\n'@\nc",
    "& 'a' b ; . c ; return 'd'",
    "$env:A = \"$( b c )\" ; d | ForEach-Object { e $_ }",
    "setx A b ; Set-Alias c d",
    "$env:A = ( 'b' ).Trim() ; [string]$c = 'd'",
    "a `\n  b",
    "Write-Output 'a' > b ; c 2>&1",
];

const NUSHELL: &[&str] = &[
    "$env.A = 'b'",
    "load-env { A: 'b' , C: d }",
    "with-env { A: 'b' } { c d }",
    "let a = 'b' ; const c = 'd' ; mut e = f",
    "if $env.A == 'b' { c } else { d }",
    "for k in [ a b ] { x $k }",
    "match $x { 'a' => { b } , _ => { c } }",
    "def f [ a: string = 'b' ] { c }",
    "http get -H [ Authorization 'Bearer a' ] b",
    "$env.A = ( b c | d )",
    "{ A: 'b' } | load-env",
    "[ [k v]; [a 'b'] ] | x",
    "alias a = b c",
    "export-env { $env.A = 'b' }",
    "try { a } catch { b }",
    "a | b | save c ; d out> e",
    "$env.A = $\"b ( c ) d\"",
];

// The words of a text, by their places.
fn words(text: &str) -> Vec<Span> {
    let mut words: Vec<Span> = Vec::new();
    for (at, sign) in text.char_indices().filter(|(_, sign)| !sign.is_whitespace()) {
        match words.last_mut() {
            Some(last) if last.end == at => last.end += sign.len_utf8(),
            _ => words.push(at..at + sign.len_utf8()),
        }
    }
    words
}

#[track_caller]
fn finds_every_key(dialect: Dialect, constructs: &[&str]) {
    let keys = agents_keys();
    let mut wrong = Vec::new();
    for construct in constructs {
        for (place, word) in words(construct).into_iter().enumerate() {
            for (number, (provider, key)) in keys.iter().enumerate() {
                // In place of the word, or behind it; as it is, or in quotes.
                let behind = if (place + number) % 2 == 0 { word.start } else { word.end };
                let quote = ["", "'", "\""][number % 3];
                let (before, after) = (&construct[..behind], &construct[word.end..]);
                let text = format!("{before} {quote}{key}{quote}{after}\n");
                let examined = examine(text.as_bytes(), dialect, Vocabulary::built_in());
                let is_it =
                    |finding: &Finding| finding.provider == *provider && *finding.value == key.as_bytes().to_vec();
                if !examined.findings().iter().any(is_it) {
                    wrong.push(format!("{dialect:?}: {text}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_key_in_bash_zsh_and_sh_is_found() {
    finds_every_key(Dialect::Bash, POSIX);
    finds_every_key(Dialect::Zsh, &POSIX[..12]);
}

#[test]
fn every_key_in_fish_is_found() {
    finds_every_key(Dialect::Fish, FISH);
}

#[test]
fn every_key_in_csh_is_found() {
    finds_every_key(Dialect::Csh, CSH);
}

#[test]
fn every_key_in_powershell_is_found() {
    finds_every_key(Dialect::PowerShell, POWERSHELL);
}

#[test]
fn every_key_in_nushell_is_found() {
    finds_every_key(Dialect::Nushell, NUSHELL);
}

#[test]
fn a_key_beside_its_variables_name_goes_by_that_name() {
    let plain = "sk-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2plFAKEd8gn";
    let maps = "AIzaTESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTES";
    let mut wrong = Vec::new();
    for (dialect, text) in [
        (Dialect::Bash, "read -r NAME <<< @"),
        (Dialect::Bash, "echo @ | read NAME"),
        (Dialect::Bash, "printf -v NAME %s @"),
        (Dialect::Bash, "if [ \"$NAME\" = @ ]; then :; fi"),
        (Dialect::Bash, "[[ $NAME == @ ]]"),
        (Dialect::Bash, "keys=([NAME]=@)"),
        (Dialect::Zsh, "keys=(NAME @)"),
        (Dialect::Zsh, "print -rn -- @ | read -r NAME"),
        (Dialect::Fish, "echo -n @ | read -gx NAME"),
        (Dialect::Fish, "if test $NAME = @; end"),
        (Dialect::Csh, "if ( $NAME == @ ) echo"),
        (Dialect::PowerShell, "'@' | Set-Item Env:NAME"),
        (Dialect::PowerShell, "Write-Output '@' | Set-Content Env:\\NAME"),
        (Dialect::PowerShell, "Set-Variable -Name NAME -Value '@'"),
        (Dialect::PowerShell, "if ($env:NAME -eq '@') { 1 }"),
        (Dialect::PowerShell, "$env:X, $env:NAME = '1', '@'"),
        (Dialect::PowerShell, "$h = @{ NAME = '@' }"),
        (Dialect::Nushell, "{NAME: '@'} | load-env"),
        (Dialect::Nushell, "if $env.NAME == '@' { 1 }"),
    ] {
        for (name, value, provider) in [("DEEPSEEK_API_KEY", plain, "deepseek"), ("GEMINI_API_KEY", maps, "google")] {
            let text = text.replace("@{", "\0").replace('@', value).replace('\0', "@{").replace("NAME", name) + "\n";
            let examined = examine(text.as_bytes(), dialect, Vocabulary::built_in());
            let found: Vec<(&str, &str)> = examined
                .findings()
                .iter()
                .filter(|finding| finding.action != Action::Reported(Reason::NotAgentKey))
                .map(|finding| (finding.variable.as_deref().unwrap_or_default(), finding.provider.as_str()))
                .collect();
            if found != [(name, provider)] {
                wrong.push(format!("{dialect:?}: {text} gives {found:?}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn values_in_a_list_assignment_go_by_their_own_names() {
    let plain = "sk-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2plFAKEd8gn";
    let maps = "AIzaTESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTES";
    let text = format!("$env:DEEPSEEK_API_KEY, $env:GEMINI_API_KEY = '{plain}', '{maps}'\n");
    let examined = examine(text.as_bytes(), Dialect::PowerShell, Vocabulary::built_in());
    let found: Vec<(&str, &str)> = examined
        .findings()
        .iter()
        .map(|finding| (finding.variable.as_deref().unwrap_or_default(), finding.provider.as_str()))
        .collect();
    assert_eq!(found, [("DEEPSEEK_API_KEY", "deepseek"), ("GEMINI_API_KEY", "google")]);
}

#[test]
fn what_only_stands_in_a_line_with_a_name_is_no_key() {
    for (dialect, text) in [
        (
            Dialect::Bash,
            "curl -H \"Authorization: Bearer $OPENAI_API_KEY\" https://example.org/asst_aB3dE5fG7hI9jK1lM3nO\n",
        ),
        (Dialect::Bash, "export OPENAI_API_KEY=$(pass show aB3dE5fG7hI9jK1lM3nO)\n"),
        (Dialect::Bash, "unset OPENAI_API_KEY; ssh -i ~/.ssh/aB3dE5fG7hI9jK1lM3nO x\n"),
        (Dialect::Bash, "[ -z \"$OPENAI_API_KEY\" ] && git checkout 3f2a9c1e8b7d6f5a4c3b2a1908f7e6d5c4b3a291\n"),
        (Dialect::Fish, "set -q OPENAI_API_KEY; or source ~/.config/secrets/openai-2026-11-29.fish\n"),
        (
            Dialect::PowerShell,
            "if (-not $env:OPENAI_API_KEY) { Import-Module Microsoft.PowerShell.SecretManagement2 }\n",
        ),
    ] {
        assert!(examine(text.as_bytes(), dialect, Vocabulary::built_in()).findings().is_empty(), "{text}");
    }
}
