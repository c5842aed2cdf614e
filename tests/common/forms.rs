//! The forms in which start files give agents an account, in the language of each shell.

/// A form in which an account is written.
pub(crate) struct Form {
    /// The text. `{n}` stands for a name of its own, `{u}` for an endpoint of nobody that is known with its key `{k}`, `{z}` for one
    /// of Z.ai with `{zk}`, `{a}` and `{o}` for a key of Anthropic and one of OpenAI.
    pub text: &'static str,
    /// What is called; it is given two arguments.
    pub call: &'static str,
    /// Whether the keys move.
    pub moves: bool,
}

const fn moves(text: &'static str) -> Form {
    Form { text, call: "{n}", moves: true }
}

const fn stays(text: &'static str) -> Form {
    Form { text, call: "{n}", moves: false }
}

const fn called(call: &'static str, form: Form) -> Form {
    Form { call, ..form }
}

/// Launchers of the shells of Bourne's family.
pub(crate) const POSIX: &[Form] = &[
    moves("{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; }\n"),
    moves("{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_API_KEY={k} command claude \"$@\"; }\n"),
    moves(
        "{n}() {\n  export ANTHROPIC_BASE_URL={u}\n  export ANTHROPIC_AUTH_TOKEN='{k}'\n  claude \"$@\"\n  \
         unset ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN\n}\n",
    ),
    moves(
        "{n}() {\n  ANTHROPIC_BASE_URL={u}; ANTHROPIC_AUTH_TOKEN={k}\n  export ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN\n  \
         claude \"$@\"\n  unset ANTHROPIC_BASE_URL\n  unset ANTHROPIC_AUTH_TOKEN\n}\n",
    ),
    moves(
        "{n}() (\n  export ANTHROPIC_BASE_URL=\"{z}\"\n  export ANTHROPIC_AUTH_TOKEN=\"{zk}\"\n  exec claude \"$@\"\n)\n",
    ),
    moves(
        "{n}() (\n  unset ANTHROPIC_API_KEY\n  export ANTHROPIC_BASE_URL={z} ANTHROPIC_AUTH_TOKEN={zk}\n  claude \"$@\"\n)\n",
    ),
    moves("alias {n}='ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude'\n"),
    moves("alias {n}=\"env ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude --verbose 'a \\\"b\\\"'\"\n"),
    moves("{n}() { env -u ANTHROPIC_API_KEY ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; }\n"),
    moves(
        "{n}() {\n  ANTHROPIC_BASE_URL={u} \\\n  ANTHROPIC_AUTH_TOKEN={k} \\\n  ANTHROPIC_MODEL=big-1 \\\n  \
         ANTHROPIC_SMALL_FAST_MODEL=small-1 \\\n  API_TIMEOUT_MS=600000 \\\n  claude --model fast \"$@\"\n}\n",
    ),
    moves("{n}() { ANTHROPIC_API_KEY={a} claude -p \"it's \\$HOME \\\"x\\\"\" \"$@\"; }\n"),
    moves("{n}() { OPENAI_API_KEY={o} codex --full-auto \"$@\"; }\n"),
    moves("{n}() { OPENAI_BASE_URL=https://gw.example.net/v1 OPENAI_API_KEY={k} codex \"$@\"; }\n"),
    moves(
        "{n}() { if command -v claude >/dev/null; then ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; fi; }\n",
    ),
    moves(
        "{n}() {\n  [ -n \"$HOME\" ] || return 1\n  ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\" || return 3\n}\n",
    ),
    moves(
        "{n}() {\n  echo starting {n} >/dev/null\n  ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\" 2>/dev/null\n}\n",
    ),
    moves("KEY_{n}={k}\n{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN=\"$KEY_{n}\" claude \"$@\"; }\n"),
    moves(
        "{n}() {\n  ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} CLAUDE_CONFIG_DIR=~/.claude-x claude \"$@\"\n}\n",
    ),
    moves(
        "{n}() {\n  ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} CLAUDE_CONFIG_DIR=\"$HOME/.claude-x\" \\\n  \
         claude \"$@\"\n}\n",
    ),
    moves("{n}() { env MINE=kept ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; }\n"),
    moves("{n}() { ANTHROPIC_AUTH_TOKEN={k} ANTHROPIC_BASE_URL={u} MINE=kept claude \"$@\"; }\n"),
    stays("{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} nice claude \"$@\"; }\n"),
    stays("{n}() {\n  cd \"$HOME\" || return\n  ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"\n}\n"),
    stays("{n}() { for x in 1; do ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; done; }\n"),
    stays("{n}() (\n  export ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} 2>/dev/null\n  claude \"$@\"\n)\n"),
    stays("{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN=$(echo {k}) claude \"$@\"; }\n"),
    stays(
        "{n}() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \"$@\" || ANTHROPIC_API_KEY={a} true claude; }\n",
    ),
];

/// Those of bash, zsh and ksh beside these.
pub(crate) const MODERN: &[Form] = &[
    moves(
        "function {n} {\n  typeset -x ANTHROPIC_BASE_URL={u}\n  typeset -x ANTHROPIC_AUTH_TOKEN={k}\n  claude \"$@\"\n}\n",
    ),
    moves("{n}() { [[ -n $HOME ]] && ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN=$'{k}' claude \"$@\"; }\n"),
];

/// Accounts that are a start file's by themselves: each is alone in its file.
pub(crate) const POSIX_ALONE: &[Form] = &[
    called("claude", moves("export ANTHROPIC_BASE_URL={u}\nexport ANTHROPIC_AUTH_TOKEN={k}\n")),
    called("claude", moves("export ANTHROPIC_BASE_URL={u} ANTHROPIC_API_KEY={k}\n")),
    called(
        "claude",
        moves("ANTHROPIC_BASE_URL={z}\nANTHROPIC_AUTH_TOKEN={zk}\nexport ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN\n"),
    ),
    called(
        "claude",
        moves(
            "export ANTHROPIC_BASE_URL={z}\nexport ANTHROPIC_AUTH_TOKEN={zk}\nexport ANTHROPIC_MODEL=glm-5\nexport ANTHROPIC_DEFAULT_OPUS_MODEL=glm-5\n",
        ),
    ),
    called("claude", moves("export ANTHROPIC_API_KEY={a}\n")),
    called("codex", moves("export OPENAI_API_KEY={o}\n")),
    called("codex", moves("export OPENAI_BASE_URL=https://gw.example.net/v1\nexport OPENAI_API_KEY={k}\n")),
    called("aider", moves("export OPENAI_API_KEY={o}\n")),
    called("claude", moves("alias claude='ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude'\n")),
    called("claude", moves("claude() { ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} command claude \"$@\"; }\n")),
    called("x", moves("export ANTHROPIC_API_KEY={a}\nalias x='ANTHROPIC_API_KEY= claude'\n")),
    called("x", moves("export ANTHROPIC_API_KEY={a}\nx() { (unset ANTHROPIC_API_KEY; claude \"$@\"); }\n")),
    called(
        "claude",
        stays(
            "export ANTHROPIC_BASE_URL={u}\nexport ANTHROPIC_AUTH_TOKEN={k}\nx() { (unset ANTHROPIC_AUTH_TOKEN; claude \"$@\"); }\n",
        ),
    ),
    called("x; claude", stays("x() { export ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k}; }\n")),
    called(
        "x two; claude",
        stays(
            "x() {\n  case $1 in\n    one) export ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} ;;\n    \
         two) export ANTHROPIC_BASE_URL={z} ANTHROPIC_AUTH_TOKEN={zk} ;;\n    *) unset ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN ;;\n  esac\n}\n",
        ),
    ),
    called(
        "x",
        moves(
            "export ANTHROPIC_API_KEY={a}\nx() { ANTHROPIC_BASE_URL={u} ANTHROPIC_API_KEY= ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; }\n",
        ),
    ),
    called("x", stays("export ANTHROPIC_BASE_URL={u}\nx() { ANTHROPIC_AUTH_TOKEN={k} nice claude \"$@\"; }\n")),
    called("x", moves("export ANTHROPIC_BASE_URL={u}\nx() { ANTHROPIC_AUTH_TOKEN={k} claude \"$@\"; }\n")),
    called("claude", moves("if true; then\n  export ANTHROPIC_API_KEY={a}\nfi\n")),
    called("claude", stays("if true; then\n  export ANTHROPIC_BASE_URL={u}\n  export ANTHROPIC_AUTH_TOKEN={k}\nfi\n")),
];

pub(crate) const FISH: &[Form] = &[
    moves(
        "function {n}\n    set -lx ANTHROPIC_BASE_URL {u}\n    set -lx ANTHROPIC_AUTH_TOKEN {k}\n    claude $argv\nend\n",
    ),
    moves(
        "function {n} --description 'a launcher'\n    env ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude $argv\nend\n",
    ),
    moves("function {n}\n    ANTHROPIC_BASE_URL={z} ANTHROPIC_AUTH_TOKEN={zk} command claude $argv\nend\n"),
    moves(
        "function {n}\n    set -gx ANTHROPIC_BASE_URL '{z}'\n    set -gx ANTHROPIC_AUTH_TOKEN \"{zk}\"\n    claude $argv\n    \
         set -e ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN\nend\n",
    ),
    moves("alias {n} 'ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude --verbose'\n"),
    moves("alias {n}='env ANTHROPIC_API_KEY={a} claude'\n"),
    moves(
        "function {n}\n    begin\n        set -lx ANTHROPIC_BASE_URL {u}\n        set -lx ANTHROPIC_API_KEY {k}\n        claude -p \"it's\" $argv\n    end\nend\n",
    ),
    moves("function {n}\n    set -q HOME; or return 1\n    set -lx OPENAI_API_KEY {o}\n    codex $argv\nend\n"),
    moves(
        "set -g KEY_{n} {k}\nfunction {n}\n    set -lx ANTHROPIC_BASE_URL {u}\n    set -lx ANTHROPIC_AUTH_TOKEN $KEY_{n}\n    claude $argv\nend\n",
    ),
    moves(
        "function {n}\n    if type -q claude\n        ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude $argv\n    end\nend\n",
    ),
    moves(
        "function {n}\n    set -lx ANTHROPIC_MODEL big\n    set -lx CLAUDE_CODE_MAX_OUTPUT_TOKENS 9\n    set -lx ANTHROPIC_BASE_URL {u}\n    set -lx ANTHROPIC_AUTH_TOKEN {k}\n    claude $argv\nend\n",
    ),
    stays(
        "function {n}\n    set -lx ANTHROPIC_BASE_URL {u} 2>/dev/null\n    set -lx ANTHROPIC_AUTH_TOKEN {k}\n    claude $argv\nend\n",
    ),
    stays("function {n}\n    cd $HOME\n    ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude $argv\nend\n"),
    stays(
        "function {n}\n    set -lx ANTHROPIC_BASE_URL {u}\n    set -lx ANTHROPIC_AUTH_TOKEN (echo {k})\n    claude $argv\nend\n",
    ),
];

pub(crate) const FISH_ALONE: &[Form] = &[
    called("claude", moves("set -gx ANTHROPIC_BASE_URL {u}\nset -gx ANTHROPIC_AUTH_TOKEN {k}\n")),
    called(
        "claude",
        moves("set -gx ANTHROPIC_BASE_URL {z}\nset -gx ANTHROPIC_AUTH_TOKEN {zk}\nset -gx ANTHROPIC_MODEL glm-5\n"),
    ),
    called("claude", moves("set -gx ANTHROPIC_API_KEY {a}\n")),
    called("codex", moves("set -gx OPENAI_BASE_URL https://gw.example.net/v1\nset -gx OPENAI_API_KEY {k}\n")),
    called(
        "claude",
        moves("function claude\n    ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} command claude $argv\nend\n"),
    ),
    called(
        "x",
        moves("set -gx ANTHROPIC_API_KEY {a}\nfunction x\n    set -lx ANTHROPIC_API_KEY\n    claude $argv\nend\n"),
    ),
    called(
        "x; claude",
        stays("function x\n    set -gx ANTHROPIC_BASE_URL {u}\n    set -gx ANTHROPIC_AUTH_TOKEN {k}\nend\n"),
    ),
    called(
        "x two; claude",
        stays(
            "function x\n    switch $argv[1]\n        case one\n            set -gx ANTHROPIC_BASE_URL {u}\n            set -gx ANTHROPIC_AUTH_TOKEN {k}\n        \
         case two\n            set -gx ANTHROPIC_BASE_URL {z}\n            set -gx ANTHROPIC_AUTH_TOKEN {zk}\n    end\nend\n",
        ),
    ),
    called("claude", moves("test -n \"$HOME\"; and set -gx ANTHROPIC_API_KEY {a}\n")),
];

pub(crate) const TCSH: &[Form] = &[
    moves("alias {n} 'env ANTHROPIC_BASE_URL={u} ANTHROPIC_AUTH_TOKEN={k} claude \\!*'\n"),
    moves("alias {n} '(setenv ANTHROPIC_BASE_URL {z}; setenv ANTHROPIC_AUTH_TOKEN {zk}; claude \\!*)'\n"),
    moves("alias {n} 'env ANTHROPIC_API_KEY={a} claude --verbose'\n"),
    moves("alias {n} 'env OPENAI_API_KEY={o} codex'\n"),
    moves(
        "alias {n} 'setenv ANTHROPIC_BASE_URL {u}; setenv ANTHROPIC_AUTH_TOKEN {k}; claude \\!*; unsetenv ANTHROPIC_BASE_URL; unsetenv ANTHROPIC_AUTH_TOKEN'\n",
    ),
];

pub(crate) const TCSH_ALONE: &[Form] = &[
    called("claude", moves("setenv ANTHROPIC_BASE_URL {u}\nsetenv ANTHROPIC_AUTH_TOKEN {k}\n")),
    called("claude", moves("setenv ANTHROPIC_API_KEY {a}\n")),
    called("codex", moves("setenv OPENAI_BASE_URL https://gw.example.net/v1\nsetenv OPENAI_API_KEY {k}\n")),
    called("x", moves("setenv ANTHROPIC_API_KEY {a}\nalias x 'env ANTHROPIC_API_KEY= claude \\!*'\n")),
];

pub(crate) const NU: &[Form] = &[
    moves(
        "def --wrapped {n} [...rest] {\n  $env.ANTHROPIC_BASE_URL = \"{u}\"\n  $env.ANTHROPIC_AUTH_TOKEN = \"{k}\"\n  ^claude ...$rest\n}\n",
    ),
    stays(
        "def --wrapped {n} [...rest] { with-env { ANTHROPIC_BASE_URL: \"{z}\", ANTHROPIC_AUTH_TOKEN: \"{zk}\" } { ^claude ...$rest } }\n",
    ),
    moves("def --wrapped {n} [...rest] { ANTHROPIC_API_KEY={a} ^claude ...$rest }\n"),
];

pub(crate) const POWERSHELL: &[Form] = &[
    moves(
        "function {n} {\n    $env:ANTHROPIC_BASE_URL = '{u}'\n    $env:ANTHROPIC_AUTH_TOKEN = '{k}'\n    & claude @args\n    \
         Remove-Item Env:ANTHROPIC_BASE_URL, Env:ANTHROPIC_AUTH_TOKEN\n}\n",
    ),
    moves(
        "function {n} {\n    try {\n        $env:ANTHROPIC_BASE_URL = \"{z}\"\n        $env:ANTHROPIC_AUTH_TOKEN = \"{zk}\"\n        \
         claude @args\n    } finally {\n        $env:ANTHROPIC_BASE_URL = $null\n        $env:ANTHROPIC_AUTH_TOKEN = $null\n    }\n}\n",
    ),
];

/// The text of a form with keys of its own.
pub(crate) fn filled(text: &str, number: usize) -> String {
    let part = |salt: usize| {
        format!("TEST{:04}FAKE{:04}TESTqwer{:03}FAKEtyui", number * 7 + salt, salt * 131 + number, number)
    };
    let hex = |salt: usize| format!("deadbeef{:04}c0ffee{:06x}deadbeef", number * 3 + salt, 0xabc + number);
    let pairs = [
        ("{n}", format!("l{number}")),
        ("{u}", "https://gw.example.net/anthropic".to_owned()),
        ("{zk}", format!("{}.TEST{number:04}FAKEabcd", &hex(1)[..32])),
        ("{z}", "https://api.z.ai/api/anthropic".to_owned()),
        ("{k}", format!("sk-{}", part(1))),
        ("{a}", format!("sk-ant-api03-{}TESTzxcv", part(2))),
        ("{o}", format!("sk-proj-{}TESTbnmj", part(3))),
    ];
    pairs.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
}
