"""Makes the files on which `ringlet migrate --dry-run` is measured beside ripgrep: a usual home, and large histories.

Used by peers. ripgrep gets the same patterns. All keys are made up, with TEST and FAKE inside. The text comes from a
seeded generator, so that every run searches the same bytes.
"""

import random
import re
import shutil
import string
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
HISTORY_BYTES = 100_000_000
KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-oat01-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2pl",
    "OPENAI_API_KEY": "sk-proj-TESTq7xwFAKEz3mvTESTT3BlbkFJTESTw9rtFAKEb5ycTESTh2pl",
    "GROQ_API_KEY": "gsk_TESTw9rtFAKEb5ycTESTh2plFAKEd8gnTESTq7xwFAKEz3mvTEST",
    "XAI_API_KEY": "xai-" + "TESTw9rtFAKEb5ycTESTh2plFAKEd8gnTESTq7xw" * 2,
    "DEEPSEEK_API_KEY": "sk-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2plFAKEd8gn",
    "MISTRAL_API_KEY": "TESTq7xwFAKEz3mvTESTw9rtFAKEb5yc",
}

# The forms of `src/migrate/detect/patterns.rs`, in ASCII classes: ripgrep takes twice as long for its Unicode `\w`.
WORD, DASHED = "[A-Za-z0-9_]", "[A-Za-z0-9_-]"
PATTERNS = [
    f"sk-ant-(api03|admin01)-{DASHED}{{93}}AA",
    f"sk-ant-oat01-{DASHED}{{20,}}",
    f"sk-(proj|svcacct|admin)-{DASHED}{{20,}}T3BlbkFJ{DASHED}{{20,}}",
    f"sk-{WORD}{{20}}T3BlbkFJ{WORD}{{20}}",
    f"AIza{DASHED}{{35}}",
    f"AQ\\.Ab8{DASHED}{{20,}}",
    "sk-or-v1-[0-9a-f]{64}",
    f"xai-{WORD}{{80}}",
    "gsk_[A-Za-z0-9]{52}",
    f"pplx-{WORD}{{48}}",
    f"r8_{DASHED}{{37}}",
    f"nvapi-{DASHED}{{64}}",
    "ABSK[A-Za-z0-9+/]{109,269}={0,2}",
    "csk-[a-z0-9]{48}",
    f"tgp_v1_{DASHED}{{43}}",
    "crsr_[0-9a-f]{64}",
    f"gh[pousr]_{WORD}{{20,}}",
    f"github_pat_{WORD}{{20,}}",
    "AKIA[A-Z0-9]{16}",
    "npm_[A-Za-z0-9]{20,}",
    "sk_live_[A-Za-z0-9]{20,}",
]


def patterns():
    """Returns the patterns of values, and those of the known variables with a value after them."""
    source = (HERE.parent / "src/migrate/detect.rs").read_text()
    names = re.findall(r'^    \("([A-Z_]+)", "', source, re.MULTILINE)
    value = "[\"']?[A-Za-z0-9_.+/=-]{20,}"
    any_of = f"({'|'.join(names)})[\"']?"
    return [*PATTERNS, f"{any_of} *[=:]+ *{value}", f"set(env|x)?( -[a-zA-Z-]+)* +{any_of} +{value}"]


# --- A usual home -----------------------------------------------------------------------------------------------------

LINES = {
    "sh": [
        "# Where programs of one's own are.",
        'export PATH="$HOME/.local/bin:$PATH"',
        "export EDITOR=vim",
        "alias ll='ls -alF --color=auto'",
        "alias gs='git status --short --branch'",
        'if [ -r "$HOME/.config/local/env" ]; then\n    . "$HOME/.config/local/env"\nfi',
        'case "$TERM" in\n    xterm*|screen*) export COLORTERM=truecolor ;;\n    *) ;;\nesac',
        'mkcd() {\n    mkdir -p "$1" && cd "$1"\n}',
        'for folder in "$HOME/go/bin" "$HOME/.cargo/bin"; do\n    [ -d "$folder" ] && PATH="$folder:$PATH"\ndone',
        'command -v lesspipe >/dev/null 2>&1 && eval "$(SHELL=/bin/sh lesspipe)"',
        "export LESS='-R --mouse'",
        "umask 022",
        "",
    ],
    "bash": [
        "shopt -s histappend checkwinsize globstar",
        "HISTSIZE=100000 HISTCONTROL=ignoreboth",
        "PS1='${debian_chroot:+($debian_chroot)}\\[\\033[01;32m\\]\\u@\\h\\[\\033[00m\\]:\\w\\$ '",
        'if [[ -f /usr/share/bash-completion/bash_completion && ! $POSIXLY_CORRECT ]]; then\n    . /usr/share/bash-completion/bash_completion\nfi',
        'port() { ss -ltnp | awk -v p=":$1" \'$4 ~ p { print $6 }\'; }',
    ],
    "zsh": [
        "setopt auto_cd hist_ignore_all_dups share_history",
        "autoload -Uz compinit && compinit -d ~/.cache/zcompdump",
        "zstyle ':completion:*' matcher-list 'm:{a-z}={A-Za-z}'",
        "plugins=(git docker kubectl zsh-autosuggestions)",
        "bindkey '^R' history-incremental-search-backward",
        "path=(~/.local/bin $path)\ntypeset -U path",
        "# Uncomment the following line to use case-sensitive completion.",
        "# CASE_SENSITIVE=\"true\"",
    ],
    "fish": [
        "set -gx EDITOR vim",
        "fish_add_path ~/.local/bin",
        "abbr -a gco git checkout",
        "if status is-interactive\n    set -g fish_greeting\nend",
        "function mkcd --description 'make a folder and enter it'\n    mkdir -p $argv[1]; and cd $argv[1]\nend",
        "for folder in ~/go/bin ~/.cargo/bin\n    test -d $folder; and fish_add_path $folder\nend",
        "",
    ],
    "csh": ["setenv EDITOR vim", "alias ll 'ls -alF'", "set history = 1000", "if ( -r ~/.aliases ) source ~/.aliases", ""],
    "pwsh": [
        "Set-Alias ll Get-ChildItem",
        "$env:EDITOR = 'vim'",
        "function mkcd($path) {\n    New-Item -ItemType Directory -Force $path | Out-Null\n    Set-Location $path\n}",
        "if (Get-Module -ListAvailable PSReadLine) {\n    Set-PSReadLineOption -EditMode Emacs\n}",
        "",
    ],
    "pairs": ["LANG=en_GB.UTF-8", "# A comment", "EDITOR=vim"],
}

# Thirty files: the shell that each is for, and its number of statements.
HOME = {
    ".profile": ("sh", 15), ".bash_profile": ("bash", 12), ".bashrc": ("bash", 70), ".bash_aliases": ("bash", 40),
    ".bash_logout": ("bash", 3), ".kshrc": ("sh", 20), ".xprofile": ("sh", 8), ".xsessionrc": ("sh", 8),
    ".zshenv": ("zsh", 10), ".zprofile": ("zsh", 12), ".zshrc": ("zsh", 90), ".zlogin": ("zsh", 5), ".zlogout": ("zsh", 3),
    ".oh-my-zsh/custom/aliases.zsh": ("zsh", 40), ".oh-my-zsh/custom/functions.zsh": ("zsh", 40),
    ".oh-my-zsh/custom/keys.zsh": ("zsh", 4), ".config/fish/config.fish": ("fish", 50),
    ".config/fish/conf.d/path.fish": ("fish", 8), ".config/fish/conf.d/abbr.fish": ("fish", 30),
    ".config/fish/conf.d/keys.fish": ("fish", 4), ".config/fish/functions/mkcd.fish": ("fish", 6),
    ".config/fish/functions/prompt.fish": ("fish", 25), ".tcshrc": ("csh", 30), ".cshrc": ("csh", 15), ".login": ("csh", 5),
    ".config/powershell/profile.ps1": ("pwsh", 20),
    ".config/powershell/Microsoft.PowerShell_profile.ps1": ("pwsh", 40),
    ".config/environment.d/10-local.conf": ("pairs", 8), ".config/environment.d/50-keys.conf": ("pairs", 3),
    ".pam_environment": ("pairs", 4),
}  # fmt: skip
SECRETS = {
    ".zshrc": "export ANTHROPIC_API_KEY='@'",
    ".bashrc": 'export OPENAI_API_KEY="@"',
    ".oh-my-zsh/custom/keys.zsh": "export GROQ_API_KEY=@",
    ".config/fish/conf.d/keys.fish": "set -gx XAI_API_KEY @",
    ".config/powershell/profile.ps1": "$env:DEEPSEEK_API_KEY = '@'",
    ".config/environment.d/50-keys.conf": "MISTRAL_API_KEY=@",
}


def with_key(line):
    name = next(name for name in KEYS if name in line)
    return line.replace("@", KEYS[name])


def usual_home(home):
    chance = random.Random(1)
    for name, (kind, count) in HOME.items():
        choices = LINES[kind] + (LINES["sh"] if kind in ("bash", "zsh") else [])
        lines = [chance.choice(choices) for _ in range(count)]
        if name in SECRETS:
            lines.insert(len(lines) // 2, with_key(SECRETS[name]))
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    return len(SECRETS)


# --- Histories --------------------------------------------------------------------------------------------------------

WORDS = """git commit -m push pull checkout main origin rebase fixup log --oneline diff --stat docker compose up -d build run --rm
kubectl get pods -n staging logs -f ssh deploy@web-1.example.org cd ~/work/shop ../infra ls -la cat README.md grep -rn TODO src
vim nano make -j8 test cargo clippy npm ci python3 -m venv .venv pip install -r requirements.txt curl -sS
https://api.example.org/v1/items jq -r .data[] sudo apt-get update systemctl restart nginx tail -n 100 /var/log/syslog find .
-name *.rs -mtime -2 task-list disk-usage psql -h localhost export unset $OPENAI_API_KEY echo man tar xzf rsync -av scp chmod
+x terraform plan ansible-playbook site.yml kill %1 htop claude codex exec""".split()


def commands(chance):
    """Commands as people type them: many short ones, seldom a hash, a long line, or a word about a key."""
    while True:
        line = " ".join(chance.choices(WORDS, k=chance.randint(1, 10)))
        rare = chance.random()
        if rare < 0.01:
            line += f" {chance.getrandbits(160):040x}"
        elif rare < 0.012:
            line += " " + "".join(chance.choices(string.ascii_letters + string.digits + "+/", k=400))
        yield line


HISTORIES = {
    ".bash_history": (0.4, lambda n, line: f"{line}\n"),
    ".zsh_history": (0.4, lambda n, line: f": {1_600_000_000 + 40 * n}:0;{line}\n"),
    ".local/share/fish/fish_history": (0.2, lambda n, line: f"- cmd: {line}\n  when: {1_600_000_000 + 40 * n}\n"),
}
TYPED = {
    ".bash_history": ["export OPENAI_API_KEY=@", "GROQ_API_KEY=@ opencode"],
    ".zsh_history": ['export ANTHROPIC_API_KEY="@"', "MISTRAL_API_KEY=@ vibe"],
    ".local/share/fish/fish_history": ["set -gx XAI_API_KEY @", "set -x DEEPSEEK_API_KEY @"],
}


def histories(home):
    """Three shells' histories with two keys in each."""
    chance = random.Random(2)
    typed = commands(chance)
    # So many different lines, again and again in another order: a history repeats itself, and Python is slow.
    known = [next(typed) for _ in range(20_000)]
    for name, (share, form) in HISTORIES.items():
        lines, size, n = [], 0, 0
        while size < HISTORY_BYTES * share:
            line = form(n, known[chance.randrange(len(known))])
            lines.append(line)
            size += len(line)
            n += 1
        for at, secret in zip((len(lines) // 3, len(lines) - 5), TYPED[name]):
            lines[at] = form(at, with_key(secret))
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines))
    return sum(map(len, TYPED.values()))


# --- The commands -----------------------------------------------------------------------------------------------------


class Scans:
    """The homes, the commands that run over them, and how many keys each should list and does list."""

    def __init__(self, root, ringlet):
        self.homes = {}
        self.commands = {}
        self.keys = {}
        listed = root / "patterns"
        listed.write_text("\n".join(patterns()) + "\n")
        rg, gitleaks = shutil.which("rg"), shutil.which("gitleaks")
        for name, make in (("30 rc files", usual_home), ("100 MB of history", histories)):
            home = root / f"scan-{len(self.homes)}"
            home.mkdir()
            hidden = make(home)
            files = [str(file) for file in sorted(home.rglob("*")) if file.is_file()]
            env = {"HOME": str(home), "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "USER": "somebody"}
            self.homes[name] = home
            self.add(name, "ringlet migrate", env, ringlet, "migrate", "--dry-run", "--json")
            if name.startswith("100"):
                # Its status depends on what it found, and the timer refuses any but 0.
                self.add(name, "ringlet doctor", env, "/bin/sh", "-c", '"$0" doctor 2>&1; :', ringlet)
            if rg:
                self.add(name, "rg", env, rg, "-n", "--hidden", "-f", listed, *files)
                self.add(name, "rg -j1", env, rg, "-j1", "-n", "--hidden", "-f", listed, *files)
            if gitleaks:
                self.add(name, "gitleaks dir", env, gitleaks, "dir", "--no-banner", "--exit-code", "0", home)
            for kind in ("ringlet migrate", "rg"):
                if (name, kind) in self.commands:
                    self.keys[name, kind] = (self.count(name, kind), hidden)

    def add(self, name, kind, env, *words):
        self.commands[name, kind] = (self.homes[name], env, words)

    def count(self, name, kind):
        folder, env, words = self.commands[name, kind]
        done = subprocess.run([str(word) for word in words], cwd=folder, env=env, capture_output=True, check=False)
        mark = rb'"line":' if kind.startswith("ringlet") else rb"\n"
        return len(re.findall(mark, done.stdout))
