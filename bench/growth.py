#!/usr/bin/env python3
"""What `ringlet migrate --dry-run FILE` takes for files of 1 MB and 4 MB: seconds of processor time, and peak memory.

usage: bench/growth.py PROGRAM [NAME[:KIND]...]     every file's name and kind unless told otherwise; needs GNU time

A time four times as long is linear. The memory is given in sizes of the file of 4 MB, less what the program takes for
an empty one. A row ends with what is above 2 s, six times the time of 1 MB, or 20 times the file.
"""

import os
import resource
import subprocess
import sys
import tempfile

BODY = ("Te5TrQ8kFaKe2WxYz7Lm9PbN" * 4)[:74]
SMALL, LARGE = 1_000_000, 4_000_000
LIMIT = 60


def repeat(piece, before="", after=""):
    """The piece as often as it fits."""
    return lambda size: before + piece * (size // len(piece)) + after


def numbered(piece, before="", after=""):
    """The piece again and again: with a key of its own for `@`, a gateway's for `@g`, its number for `#N`, the next for `#M`."""

    def text(size):
        pieces, length, number = [before], 0, 0
        while length < size:
            key = f"sk-proj-{BODY}T3BlbkFJ{BODY[:-6]}{number:06}"
            one = piece.replace("@g", f"sk-{BODY[:32]}{number:06}").replace("@", key)
            one = one.replace("#N", str(number)).replace("#M", str(number + 1))
            pieces.append(one)
            length, number = length + len(one), number + 1
        return "".join([*pieces, after])

    return text


COMMON = {
    **{f"open {sign}": repeat(sign) for sign in ["(", "{", "[", '"', "'", "`", "$(", "${", '"$(', '{"a":']},
    **{f"many {sign}": repeat(sign) for sign in ["\\", "$", "~", "*[a", "()", "{}", '""', "'\"", ";", "<", "!", "#"]},
    "line ends": repeat("\n"),
    "CRLF": repeat("\r\n"),
    "blanks": repeat(" "),
    "statements": repeat("a\n"),
    "statements in a line": repeat("a;"),
    "words": repeat("a "),
    "long word": repeat("a"),
    "long string": repeat("a b", 'echo "', '"\n'),
    "escapes": repeat('\\"', 'echo "', '"\n'),
    "&&": repeat("a && "),
    "pipeline": repeat("a | "),
    "&": repeat("a & "),
    "here-documents": repeat("a <<E\nb\nE\n"),
    "here-document": repeat("b c\n", "a <<E\n", "E\n"),
    "redirections": repeat("a >b "),
    "comments": repeat("# a\n"),
    "long comment": repeat("ab ", "#", "\n"),
    "comments with keys": numbered("# x @\n"),
    "words with keys": numbered("@ ", "echo ", "\n"),
    "continued lines": repeat("a \\\n"),
    "substitutions": repeat("(a) "),
}
URL = "https://gw.example.net/a"
PAIR = f"ANTHROPIC_BASE_URL={URL} ANTHROPIC_AUTH_TOKEN=@g"
POSIX = {
    "launchers": numbered(f'l#N() {{ {PAIR} claude "$@"; }}\n'),
    "launchers in aliases": numbered(f"alias l#N='{PAIR} claude'\n"),
    "launchers that refer to others' variables": numbered(
        f"export K#N=@g\nl#N() {{ ANTHROPIC_BASE_URL={URL} ANTHROPIC_AUTH_TOKEN=$K#N claude; }}\n"
    ),
    "launchers of one name": numbered(f"claude() {{ {PAIR} command claude; }}\n"),
    "launchers that stay": numbered(f'l#N() {{ cd a; {PAIR} claude "$@"; }}\n'),
    "setters": numbered(f"s#N() {{ export {PAIR}; }}\n"),
    "pairs at top level": numbered(f"export {PAIR}\n"),
    "arms with pairs": numbered(f"#N) export {PAIR} ;;\n", "s() {\ncase $1 in\n", "esac\n}\n"),
    "keys": numbered("export OPENAI_API_KEY=@\n"),
    "keys in a block": numbered("export OPENAI_API_KEY=@\n", "if true; then\n", "fi\n"),
    "keys with &&": numbered(" && export OPENAI_API_KEY=@", "true", "\n"),
    "keys in a statement": numbered("A#N=@ ", "export ", "\n"),
    "copies": numbered("export V#M=$V#N\n"),
    "list": repeat("a ", "a=(", ")\n"),
    "arms": repeat("b) c;;\n", "case a in\n", "esac\n"),
}
FILES = {
    ".bashrc": POSIX,
    ".zshrc": POSIX,
    "config.fish": {
        "launchers": numbered(f"function l#N\n{PAIR} claude $argv\nend\n"),
        "launchers in aliases": numbered(f"alias l#N 'env {PAIR} claude'\n"),
        "setters": numbered(
            f"function s#N\nset -gx ANTHROPIC_BASE_URL {URL}\nset -gx ANTHROPIC_AUTH_TOKEN @g\nend\n"
        ),
        "pairs at top level": numbered(f"set -gx ANTHROPIC_BASE_URL {URL}\nset -gx ANTHROPIC_AUTH_TOKEN @g\n"),
        "keys": numbered("set -gx OPENAI_API_KEY @\n"),
        "keys in a block": numbered("set -gx OPENAI_API_KEY @\n", "if true\n", "end\n"),
        "keys with &&": numbered(" && set -gx OPENAI_API_KEY @", "true", "\n"),
        "keys in a statement": numbered("A#N=@ ", "export ", "\n"),
        "literals in a block": repeat("set A abcdefghijklmnop\n", "if true\n", "end\n"),
        "copies": numbered("set -gx V#M $V#N\n"),
        "list": repeat("a ", "set x ", "\n"),
        "joined lines": repeat("a\nand b\n"),
        "else if": repeat("else if b\nc\n", "if a\n", "end\n"),
        "arms": repeat("case b\nc\n", "switch a\n", "end\n"),
        "variables": repeat("$a", "echo ", "\n"),
    },
    ".cshrc": {
        "launchers in aliases": numbered(f"alias l#N 'env {PAIR} claude \\!*'\n"),
        "pairs at top level": numbered(f"setenv ANTHROPIC_BASE_URL {URL}\nsetenv ANTHROPIC_AUTH_TOKEN @g\n"),
        "keys": numbered("setenv OPENAI_API_KEY @\n"),
        "keys in a block": numbered("setenv OPENAI_API_KEY @\n", "if (1) then\n", "endif\n"),
        "keys with &&": numbered(" && setenv OPENAI_API_KEY @", "true", "\n"),
        "keys in a statement": numbered("A#N=@ ", "set ", "\n"),
        "copies": numbered("setenv V#M $V#N\n"),
        "list": repeat("a ", "set x = (", ")\n"),
        "lists": repeat("x=(a) ", "set ", "\n"),
        "ifs in a line": repeat("if (a) b;"),
        "else if": repeat("else if (b) then\nc\n", "if (a) then\n", "endif\n"),
        "arms": repeat("case b:\nc\n", "switch (a)\n", "endsw\n"),
        "subshells": repeat("(a)\n"),
    },
    "config.nu": {
        "launchers": numbered("def l#N [] {\n$env.ANTHROPIC_API_KEY = \"@g\"\n^claude\n}\n"),
        "keys": numbered('$env.OPENAI_API_KEY = "@"\n'),
        "keys in a block": numbered('$env.OPENAI_API_KEY = "@"\n', "if true {\n", "}\n"),
        "keys in a statement": numbered('A#N: "@", ', "load-env {", "}\n"),
        "copies": numbered("$env.V#M = $env.V#N\n"),
        "list": repeat("a ", "let x = [", "]\n"),
        "lists": repeat("[a] ", "let x = [", "]\n"),
        "record": repeat("a: b, ", "let x = {", "}\n"),
        "closures": repeat("{|x| a} ", "let x = [", "]\n"),
        "blocks": repeat("do { a }\n"),
        "raw strings": repeat("r#'a'# "),
        "interpolation": repeat("(a)", 'print $"', '"\n'),
        "arms": repeat("a => {b}, ", "match x {", "}\n"),
    },
    "profile.ps1": {
        "launchers": numbered(
            f"function l#N {{\n$env:ANTHROPIC_BASE_URL = '{URL}'\n$env:ANTHROPIC_AUTH_TOKEN = '@g'\nclaude @args\n}}\n"
        ),
        "keys": numbered("$env:OPENAI_API_KEY = '@'\n"),
        "keys in a block": numbered("$env:OPENAI_API_KEY = '@'\n", "if (1) {\n", "}\n"),
        "list": repeat("1,", "$a = @(", "1)\n"),
    },
    ".env": {"keys": numbered("OPENAI_API_KEY=@\n"), "copies": numbered("V#M=$V#N\n")},
}


def run(program, path, home):
    """The seconds, the peak memory in bytes, and the status of one run."""
    log = os.path.join(home, "time")
    # A process's peak counts what its parent had when it began, so the parent has to be small.
    ended = subprocess.run(
        ["time", "-q", "-o", log, "-f", "%U %S %M", program, "migrate", "--dry-run", path],
        # Launchers become profiles where `ringlet` is on PATH.
        env={"HOME": home, "PATH": f"{os.path.dirname(os.path.abspath(program))}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT)),
    )
    with open(log) as file:
        user, system, peak = file.read().splitlines()[-1].split()
    return float(user) + float(system), int(peak) * 1024, ended.returncode


def main():
    program, *wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        for name, own in FILES.items():
            path = os.path.join(home, name)
            for kind, text in {**COMMON, **own}.items():
                if wanted and name not in wanted and f"{name}:{kind}" not in wanted:
                    continue
                runs = []
                for size in (0, SMALL, LARGE):
                    with open(path, "w", newline="") as file:
                        file.write(text(size) if size else "")
                    runs.append(run(os.path.abspath(program), path, home))
                os.unlink(path)
                (_, least, _), (small, _, _), (large, most, status) = runs
                memory = (most - least) / LARGE
                notes = [
                    note
                    for note, is_so in (
                        ("slow", large > 2),
                        ("grows", large > 0.3 and large > 6 * small),
                        ("large", memory > 20),
                        (f"status {status}", status > 1),
                    )
                    if is_so
                ]
                print(f"{name:12} {kind:22} {small:6.2f} s {large:6.2f} s {memory:6.1f} x  {', '.join(notes)}", flush=True)


if __name__ == "__main__":
    main()
