#!/usr/bin/env python3
"""Measures what the guard costs: `ringlet exec` in a harmless project of each agent, and with the largest hostile files.

usage: bench/guard.py [RINGLET]     [target/shipped/ringlet]

For harmless projects, prints the median and the first quartile of 200 launches, in milliseconds; the agent is a program
that ends at once. For hostile files, prints the fastest of five launches in milliseconds and the peak memory in MiB (GNU
time must be installed). The keys lie in the file store of a temporary home.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RINGLET = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/shipped/ringlet")
HONEST = {
    "claude": ("claude", "anthropic", {".claude/settings.json": '{"permissions":{"allow":["Bash(npm test)"]}}', "CLAUDE.md": "x"}),
    "codex": ("codex", "openai", {".codex/config.toml": 'model = "gpt-5"\n', "AGENTS.md": "x"}),
    "gemini": ("gemini", "google", {".env": "DATABASE_URL=x\nPORT=3000\n", ".gemini/settings.json": '{"ui":{"theme":"x"}}'}),
    "opencode": ("opencode", "anthropic", {"opencode.json": '{"model":"anthropic/x"}', "package.json": "{}", "tsconfig.json": "{}"}),
    "qwen": ("qwen", "dashscope", {".env": "PORT=1\n", "QWEN.md": "x"}),
    "aider": ("aider", "openai", {".aider.conf.yml": "model: gpt-4o\nread: CONVENTIONS.md\n", ".env": "PORT=1\n"}),
}
MIB = 1 << 20


def world():
    root = tempfile.mkdtemp()
    home = root + "/home"
    for folder in (home + "/.config/ringlet", root + "/bin"):
        os.makedirs(folder)
    os.mkdir(root + "/run", 0o700)
    with open(home + "/.config/ringlet/config.toml", "w") as file:
        file.write('[credentials]\nbackend = "file"\n')
    return root, {"HOME": home, "PATH": root + "/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": root + "/run", "TERM": "dumb"}


def prepare(root, env, agent, files):
    command, provider, _ = HONEST[agent]
    home = env["HOME"]
    shutil.copy("/bin/true", root + "/bin/" + command)
    profile = home + "/.ringlet/profiles/" + agent
    os.makedirs(profile, exist_ok=True)
    with open(profile + "/ringlet.toml", "w") as file:
        file.write('agent = "%s"\nprovider = "%s"\n[provider-config]\nkey-alias = "t"\n' % (agent, provider))
    subprocess.run([RINGLET, "-q", "keychain", "set", provider, "t", "--stdin", "--replace"], env=env, input=b"sk-made-up-0123456789",
                   check=True, stderr=subprocess.DEVNULL)
    project = home + "/code/" + agent
    shutil.rmtree(project, ignore_errors=True)
    os.makedirs(project + "/.git")
    for name, content in {".ringlet.toml": 'profile = "%s"\n' % agent, **files}.items():
        path = os.path.join(project, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    subprocess.run([RINGLET, "-q", "allow"], env=env, cwd=project, check=True)
    return project, command


def once(env, project, command):
    start = time.perf_counter()
    done = subprocess.run([RINGLET, "exec", command], env={**env, "PWD": project}, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3, done.returncode


def peak(env, project, command):
    """Returns the peak memory in MiB. GNU time starts the program, since a child's peak is never less than its parent's."""
    words = ["/usr/bin/time", "-f", "%M", RINGLET, "exec", command]
    done = subprocess.run(words, env={**env, "PWD": project}, stderr=subprocess.PIPE)
    return int(done.stderr.split()[-1]) / 1024


def entries(template, between, size):
    made, count = [], 0
    while size > 0:
        made.append(template % count)
        size -= len(made[-1]) + len(between)
        count += 1
    return between.join(made)


HOSTILE = {
    "claude, one long name with many leaves": ("claude", ".claude/settings.json",
        '{"%s":{%s}}' % ("k" * 400_000, entries('"%d":0', ",", 90_000))),
    "claude, as many entries as there may be": ("claude", ".claude/settings.json", '{"x":[%s]}' % ",".join("0" * 16_000)),
    "claude, one long text": ("claude", ".claude/settings.json", '{"model":"%s"}' % ("\\u0041" * 170_000)),
    "claude, invalid bytes": ("claude", ".claude/settings.json", b'{"model":"' + b"\xff" * 500_000 + b'"}'),
    "codex, dotted names": ("codex", ".codex/config.toml", entries("%d" + ".a" * 40 + " = 1", "\n", 30_000)),
    "codex, many tables": ("codex", ".codex/config.toml", entries("[t%d]\na = 1", "\n", 100_000)),
    "gemini, many variables": ("gemini", ".env", entries("A%d=x", "\n", 150_000)),
    "gemini, unclosed quotes": ("gemini", ".env", entries('A%d="x', "\n", 150_000)),
    "gemini, blank lines": ("gemini", ".env", "\n" * 1_000_000),
    "gemini, invalid bytes": ("gemini", ".env", b"A=" + b"\xff" * 500_000),
    "aider, flow style": ("aider", ".aider.conf.yml", "{%s}" % entries("a%d: [x]", ", ", 100_000)),
    "aider, aliases": ("aider", ".aider.conf.yml", "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        "%s: &%s [%s]\n" % (chr(98 + at), chr(98 + at), ",".join(["*" + chr(97 + at)] * 8)) for at in range(6))),
    "aider, a long text": ("aider", ".aider.conf.yml", 'model: "%s"\n' % ("x" * 1_000_000)),
    "opencode, deep": ("opencode", "opencode.json", '{"theme":%s1%s}' % ("[" * 60, "]" * 60)),
}


def main():
    root, env = world()
    try:
        for agent, (_, _, files) in HONEST.items():
            project, command = prepare(root, env, agent, files)
            os.chdir(project)
            taken = []
            for _ in range(200):
                spent, status = once(env, project, command)
                assert status == 0, "%s: status %d" % (agent, status)
                taken.append(spent)
            quarter, middle, _ = statistics.quantiles(taken, n=4)
            print("%-45s %5.2f ms (p25 %.2f)" % ("honest, " + agent, middle, quarter))
        for title, (agent, name, content) in HOSTILE.items():
            project, command = prepare(root, env, agent, {name: content})
            os.chdir(project)
            taken = [once(env, project, command) for _ in range(5)]
            spent, status = min(taken)
            size = os.path.getsize(os.path.join(project, name)) >> 10
            print("%-45s %5.1f ms, %4.1f MiB, %4d KiB, status %d" % (title, spent, peak(env, project, command), size, status))
        project, command = prepare(root, env, "opencode", {"big": b"\0" * (8 * MIB)})
        os.makedirs(project + "/.opencode/plugins")
        for at in range(10_000):
            os.symlink("../../big", project + "/.opencode/plugins/p%d.js" % at)
        os.chdir(project)
        spent, status = once(env, project, command)
        print("%-45s %5.1f ms, %4.1f MiB, status %d" % ("opencode, 10 000 links to 8 MiB", spent, peak(env, project, command), status))
    finally:
        os.chdir("/")
        shutil.rmtree(root)


main()
