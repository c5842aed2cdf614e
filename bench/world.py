"""The homes and keychains in which Ringlet is measured, the programs beside it, and the timer; used by run and peers."""

import hashlib
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SHELLS = ("zsh", "bash", "fish")
PATIENCE = 60
OWN_AGENT = """title = "Agent {0}"
command = "agent-{0:04}"
provider = "anthropic"
[[api]]
protocol = "anthropic"
key = "AGENT_KEY"
base-url = "AGENT_URL"
[no-key]
flags = ["--version"]
"""
KEY = "sk-ant-api03-" + "k" * 95


def first_in_line():
    """Returns the words that start a command with priority over all normal processes, if that is allowed; else none."""
    words = ["chrt", "--fifo", "1"]
    try:
        allowed = subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return words if allowed else []


FIRST = first_in_line()


def say(text):
    print(text, file=sys.stderr, flush=True)


def load():
    return " ".join(Path("/proc/loadavg").read_text().split()[:3])


def shipped():
    """Returns the program that is measured: RINGLET, or what release/build makes."""
    if given := os.environ.get("RINGLET"):
        return Path(given)
    say("building")
    build = REPOSITORY / "release/build"
    if not build.exists():
        raise SystemExit("bench: there is no release/build; name a program: RINGLET=PATH bench/run")
    done = subprocess.run([build], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


class World:
    """A home with Ringlet set up in it, and a project whose file is allowed."""

    def __init__(self, root, name, tools, *, backend, entries=1, profiles=1, levels=0, agents=0, folders=0):
        self.home = root / name
        self.project = self.home / "shop"
        self.cwd = self.project.joinpath(*(f"level-{n:03}" for n in range(levels)))
        self.cwd.mkdir(parents=True)
        self.env = {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": ":".join([*self.path_folders(folders), f"{tools.bin}:/usr/local/bin:/usr/bin:/bin"]),
            "TERM": "dumb",
            "USER": "somebody",
        }
        config = self.home / ".config/ringlet"
        config.mkdir(parents=True)
        (config / "config.toml").write_text(f'[credentials]\nbackend = "{backend}"\n')
        for n in range(agents):
            definition = config / "agents" / f"agent-{n:04}.toml"
            definition.parent.mkdir(exist_ok=True)
            definition.write_text(OWN_AGENT.format(n))
        if backend == "file":
            names = ["work"] + [f"other-{n:05}" for n in range(entries - 1)]
            # The wanted entry stands in the middle, as it would on average.
            names[0], names[len(names) // 2] = names[len(names) // 2], names[0]
            text = "".join(f'[anthropic.{name}]\nkey = "{KEY}"\n\n' for name in names)
            credentials = config / "credentials.toml"
            credentials.touch(mode=0o600)
            credentials.write_text(text)
        for n in range(profiles):
            name = "work" if n == 0 else f"other-{n:04}"
            profile = self.home / ".ringlet/profiles" / name / "ringlet.toml"
            profile.parent.mkdir(parents=True)
            profile.write_text(
                'agent = "claude"\nprovider = "anthropic"\n\n'
                f'[provider-config]\nkey-alias = "{"work" if n == 0 else f"other-{n:05}"}"\n'
                "\n[agents.opencode]\n"
            )
        (self.project / ".ringlet.toml").write_text('profile = "work"\n')
        self.ringlet = tools.ringlet
        if backend == "encrypted-file":
            self.unlock(config)
        subprocess.run([self.ringlet, "-q", "allow", self.project], env=self.env, check=True)

    def unlock(self, config):
        """Makes an identity that another one opens, unlocks it, and stores the key. The kernel or a daemon must hold it."""
        own = self.home / "own.txt"
        subprocess.run(["age-keygen", "-o", own], check=True, stderr=subprocess.DEVNULL)
        recipient = subprocess.run(["age-keygen", "-y", own], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        script = f"umask 077; age-keygen 2>/dev/null | age -r {recipient} -o identity.age"
        subprocess.run(["sh", "-c", script], cwd=config, check=True)
        with (config / "config.toml").open("a") as settings:
            settings.write(f'identity = "{own}"\n')
        for words, given in (["unlock"], None), (["set", "anthropic", "work", "--stdin"], KEY):
            done = subprocess.run([self.ringlet, "keychain", *words], env=self.env, input=given, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.splitlines()[0])

    def path_folders(self, count):
        """Makes folders for PATH, each with a few programs that are not agents."""
        for n in range(count):
            folder = self.home / f"path/{n:02}/bin"
            folder.mkdir(parents=True)
            for program in ("build", "check", "serve"):
                (folder / program).touch(mode=0o755)
            yield str(folder)


PASSWORD = b"bench"


def keyring_file(service, accounts):
    """A collection's file as gnome-keyring writes it (gkm-secret-binary.c), with a key of the service for each account.

    The public part has the MD5 digests of the attributes; labels, values and attributes are encrypted with AES-128 in CBC mode,
    with a key made from the password.
    """

    def number(n):
        return struct.pack(">I", n)

    def string(text):
        return number(len(text)) + text.encode()

    def attributes(account, value_of):
        pairs = [("service", service), ("username", account)]
        return number(len(pairs)) + b"".join(string(name) + number(0) + string(value_of(value)) for name, value in pairs)

    # A text that is absent; a time; the empty list and the reserved numbers after an item's times.
    absent, time_of, reserved = number(0xFFFFFFFF), bytes(8), bytes(4 * 4)
    digests, items = [], []
    for n, account in enumerate(accounts, start=1):
        digests.append(number(n) + number(0) + attributes(account, lambda value: hashlib.md5(value.encode()).hexdigest()))
        described = string(f"{service} {account}") + string(KEY) + 2 * time_of + absent + reserved
        items.append(described + attributes(account, str) + number(0))
    plain = b"".join(items)
    plain += bytes(-len(plain) % 16)
    plain = hashlib.md5(plain).digest() + plain
    salt, iterations = bytes(8), 1
    made = PASSWORD + salt
    for _ in range(iterations):
        made = hashlib.sha256(made).digest()
    cipher = ["openssl", "enc", "-aes-128-cbc", "-nopad", "-K", made[:16].hex(), "-iv", made[16:].hex()]
    encrypted = subprocess.run(cipher, input=plain, stdout=subprocess.PIPE, check=True).stdout
    # Format and version; the collection's name, two times, flags and timeout; how the key is made; reserved.
    start = b"GnomeKeyring\n\r\0\n" + bytes(4) + string("Login") + 2 * time_of + 2 * number(0)
    start += number(iterations) + salt + bytes(4 * 4) + number(len(accounts))
    return start + b"".join(digests) + number(len(encrypted)) + encrypted


class Keychain:
    """A private D-Bus session with a gnome-keyring that holds a number of keys in a collection with a password.

    The keys are written into the collection's file before gnome-keyring starts. If they were stored one by one,
    gnome-keyring would write the file once for each of them.
    """

    def __init__(self, root, name, accounts, service="ringlet"):
        self.folder = root / f"keychain-{name}"
        self.service, self.some = service, accounts[0]
        keyrings = self.folder / "data/keyrings"
        keyrings.mkdir(parents=True)
        (self.folder / "run").mkdir(mode=0o700)
        (keyrings / "default").write_text("login")
        file = keyrings / "login.keyring"
        file.touch(mode=0o600)
        file.write_bytes(keyring_file(service, accounts))
        self.address = f"unix:path={self.folder}/run/bus"
        self.env = {"DBUS_SESSION_BUS_ADDRESS": self.address, "XDG_RUNTIME_DIR": f"{self.folder}/run"}
        self.started = []

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def open(self):
        config = self.folder / "bus.conf"
        config.write_text(
            f"<busconfig><type>session</type><listen>{self.address}</listen><auth>EXTERNAL</auth>"
            "<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy></busconfig>"
        )
        bus = self.start("dbus-daemon", "--nofork", "--nopidfile", "--print-address", f"--config-file={config}")
        bus.stdout.readline()
        control = f"--control-directory={self.folder}/run/keyring"
        keyring = self.start("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", control)
        keyring.stdin.write(PASSWORD.decode())
        keyring.stdin.close()
        owned = ["dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
        owned += ["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]
        deadline = time.monotonic() + PATIENCE
        while "true" not in self.ask(*owned):
            if time.monotonic() > deadline:
                raise SystemExit("the keyring does not come up")
            time.sleep(0.05)
        if self.ask("secret-tool", "lookup", "service", self.service, "username", self.some) != KEY:
            raise SystemExit("the keyring has not taken its keys")

    def ask(self, *words):
        return subprocess.run(words, env=self.environment(), capture_output=True, text=True, check=False).stdout

    def environment(self):
        folders = {"HOME": str(self.folder), "XDG_DATA_HOME": f"{self.folder}/data", "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **folders, **self.env}

    def start(self, *words):
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([*FIRST, *words], env=self.environment(), text=True, **streams)
        self.started.append(process)
        return process

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.kill()
            process.wait()


class Tools:
    """Ringlet, an empty program that is built like it, an agent that does nothing, and the timer."""

    def __init__(self, root, mise=None, before=None):
        manifest = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
        self.profile = manifest["profile"]["release"]
        # A copy, so that a build during this run does not change what is measured. A file that the linker wrote also
        # starts more slowly than its copy.
        self.bin = root / "bin"
        self.bin.mkdir()
        self.ringlet = Path(shutil.copy(shipped(), root / "ringlet"))
        self.size = self.ringlet.stat().st_size
        self.empty = root / "empty"
        source = root / "empty.rs"
        source.write_text("fn main() {}\n")
        flags = {"strip": "symbols" if self.profile.get("strip") is True else self.profile.get("strip", "none")}
        flags |= {name: str(self.profile[name]) for name in ("opt-level", "lto", "codegen-units", "panic")}
        edition = f"--edition={manifest['package']['edition']}"
        subprocess.run(
            ["rustc", edition, "-o", self.empty, source, *(f"-C{name}={value}" for name, value in flags.items())], check=True
        )
        # Static and in C: no agent starts faster, so that Ringlet's own share shows best.
        agent = root / "agent.c"
        agent.write_text("int main(void) { return 0; }\n")
        for name in ("claude", "opencode", "mark-start", "mark-end"):
            subprocess.run(["cc", "-O2", "-static", "-s", "-o", self.bin / name, agent], check=True)
        self.timer = root / "timer"
        subprocess.run(["cc", "-O2", "-o", self.timer, HERE / "timer.c"], check=True)
        self.secret_tool = shutil.which("secret-tool")
        self.direnv = shutil.which("direnv")
        self.mise = mise or shutil.which("mise")
        self.before = Path(shutil.copy(before, root / "ringlet-before")) if before else None

    def versions(self):
        def first(*words):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            return (done.stdout or done.stderr).strip().splitlines()[0]

        yield "rustc", first("rustc", "--version")
        for shell in SHELLS:
            yield shell, first(shell, "--version")
        yield "direnv", first(self.direnv, "version") if self.direnv else "not installed"
        yield "mise", first(self.mise, "--version") if self.mise else "not installed"
        for other in ("rg", "gitleaks"):
            yield other, first(other, "--version") if shutil.which(other) else "not installed"
        for package in ("gnome-keyring", "libsecret-tools", "dbus-daemon", "libc6"):
            yield package, first("dpkg-query", "-W", "-f", "${Version}", package)


class Launches:
    """Commands that are timed in turn."""

    def __init__(self):
        self.commands = {}
        self.results = {}

    def add(self, name, cwd, env, *words):
        self.commands[name] = (cwd, [str(word) for word in words], env)

    def measure(self, tools, root, rounds):
        plan = []
        for cwd, words, env in self.commands.values():
            variables = [f"{key}={value}" for key, value in env.items()]
            plan += [str(cwd), str(len(words)), *words, str(len(variables)), *variables]
        file = root / "plan"
        file.write_bytes(b"".join(text.encode() + b"\0" for text in plan))
        done = subprocess.run([*FIRST, tools.timer, str(rounds), file], stdout=subprocess.PIPE, text=True, check=True)
        self.results = {name: {"ms": [], "kib": [], "user": [], "system": []} for name in self.commands}
        names = list(self.commands)
        for line in done.stdout.splitlines():
            which, nanoseconds, kib, user, system = map(int, line.split())
            self.results[names[which]]["ms"].append(nanoseconds / 1e6)
            self.results[names[which]]["kib"].append(kib)
            self.results[names[which]]["user"].append(user / 1e6)
            self.results[names[which]]["system"].append(system / 1e6)

    def median(self, name):
        return statistics.median(self.results[name]["ms"])

    def p10(self, name):
        return statistics.quantiles(self.results[name]["ms"], n=10, method="inclusive")[0]

    def memory(self, name):
        return statistics.median(self.results[name]["kib"]) / 1024


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    release = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    gib = int(memory[1]) / 2**20 if memory else 0
    yield "processor", f"{model[1] if model else os.uname().machine}, {os.cpu_count()} cores, {gib:.0f} GiB"
    yield "system", f"{release[1] if release else 'unknown'}, Linux {os.uname().release}"
