"""Measures requests to the daemon's socket, beside the same lookups in the keychain; used by run and peers."""

import contextlib
import json
import statistics
import subprocess
import time
from pathlib import Path

from world import FIRST

SERVICE = "bench"
ENTRIES = 10_000
VALUE = "v" * 108
# The number of names below each prefix.
GROUP = 10
PATIENCE = 60
CASES = ("exact read", "prefix read of 10", "search for 10", "search for all")
ASKED = (10_000, 100_000)


def targets():
    """Hierarchical names, `environment/workspace/project/name`."""
    for n in range(ENTRIES):
        group, last = divmod(n, GROUP)
        yield f"{('dev', 'staging', 'prod')[group % 3]}/team-{group % 50:02}/project-{group:04}/key-{last}"


NAMES = list(targets())
WANTED = NAMES[ENTRIES // 2 + 3]
PREFIX = WANTED.rpartition("/")[0] + "/"
# About as many as a person's keyring may hold.
SOME = NAMES[ENTRIES // 2 : ENTRIES // 2 + 200]


def request(case):
    fields = {"type": "REQUEST", "service": SERVICE}
    fields |= {
        "exact read": {"action": "read", "targets": [WANTED]},
        "prefix read of 10": {"action": "read", "match": "prefix", "targets": [PREFIX]},
        "search for 10": {"action": "search", "targets": [PREFIX]},
        "search for all": {"action": "search"},
    }[case]
    return json.dumps(fields)


class Daemon:
    """A running daemon with a home of its own, and the client registered with it."""

    def __init__(self, root, name, ringlet, load, *, keychain=None):
        self.home = root / f"daemon-{name}"
        config = self.home / ".config/ringlet"
        config.mkdir(parents=True, mode=0o700)
        (self.home / "run").mkdir(mode=0o700)
        backend = "system-only" if keychain else "file"
        (config / "config.toml").write_text(f'[credentials]\nbackend = "{backend}"\n[daemon]\nport = 0\n')
        if not keychain:
            file = config / "services.toml"
            file.touch(mode=0o600)
            file.write_text("".join(f'[{SERVICE}."{name}"]\nkey = "{VALUE}"\n\n' for name in NAMES))
        self.env = {"HOME": str(self.home), "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "USER": "somebody"}
        self.env["XDG_RUNTIME_DIR"] = str(self.home / "run")
        if keychain:
            self.env["DBUS_SESSION_BUS_ADDRESS"] = keychain.address
        self.ringlet, self.load = ringlet, load
        self.socket = self.home / "run/ringlet/agent.sock"

    def __enter__(self):
        words = [self.ringlet, "-q", "daemon", "register", self.load, "--read", SERVICE, "--search"]
        subprocess.run(words, env=self.env, check=True)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([*FIRST, self.ringlet, "daemon", "start", "--foreground"], env=self.env, **quiet)
        deadline = time.monotonic() + PATIENCE
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SystemExit("the daemon does not come up")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, case, clients, requests):
        return output_of(self.load, "daemon", self.socket, clients, requests, request(case), request("exact read"))

    def memory(self):
        """Returns the resident memory now and its peak, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines())
        return [int(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]


def output_of(*words):
    """Runs a program and returns what it printed as JSON."""
    done = subprocess.run([*FIRST, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


class Taken:
    """How long the requests of one case took, over all turns."""

    def __init__(self):
        self.seconds, self.nanoseconds = 0, []

    def add(self, answer):
        self.seconds += answer["seconds"]
        self.nanoseconds += answer["nanoseconds"]

    def rate(self):
        return len(self.nanoseconds) / self.seconds

    def at(self, percent):
        """Returns a percentile of the requests' times, in milliseconds."""
        if len(self.nanoseconds) == 1:
            return self.nanoseconds[0] / 1e6
        return statistics.quantiles(self.nanoseconds, n=100, method="inclusive")[percent - 1] / 1e6


# For each store and number of clients: the exact reads in a turn, and the requests of each other case. gnome-keyring takes
# so long to list ten thousand items that these cases run once in all (None), and not with 64 clients. A search for all
# writes ten thousand records into the audit log: 64 at once would take longer than the daemon allows.
TURN = {
    "keychain, 200 entries": {1: (1000, 20), 64: (20, 1)},
    "keychain, 10 000 entries": {1: (200, None), 64: (3, 0)},
    "file, 10 000 entries": {1: (1000, 20), 64: (20, 1)},
}


def measure(root, ringlet, some, many, rounds, say):
    """Returns the times by store, case, number of clients and side; and the memory by what had been asked until then."""
    load = root / "load"
    subprocess.run(["cc", "-O2", "-o", load, Path(__file__).resolve().parent / "load.c"], check=True)
    keychains = dict(zip(TURN, (some, many, None)))
    found, memory = {}, {}

    def alone(keychain):
        bus = keychain.address.removeprefix("unix:path=")
        return lambda _, *numbers: output_of(load, "keychain", bus, *numbers, SERVICE, WANTED)

    with contextlib.ExitStack() as stack:
        daemons = {}
        for n, (store, keychain) in enumerate(keychains.items()):
            daemons[store] = stack.enter_context(Daemon(root, n, ringlet, load, keychain=keychain))
        for turn in range(rounds):
            say(f"asking the daemon, turn {turn + 1} of {rounds}")
            for store, numbers in TURN.items():
                for clients, (reads, others) in numbers.items():
                    for case in CASES:
                        requests = reads if case == "exact read" else (turn == 0) if others is None else others
                        if case == CASES[-1] and clients > 1 and keychains[store] is not some:
                            continue
                        sides = [("daemon", daemons[store].ask)]
                        if case == "exact read" and keychains[store]:
                            sides.append(("alone", alone(keychains[store])))
                        # The sides begin in turn.
                        for side, ask in sides[:: 1 - 2 * (turn % 2)]:
                            if requests:
                                taken = found.setdefault((store, case, clients, side), Taken())
                                taken.add(ask(case, clients, int(requests)))
        for store, daemon in daemons.items():
            memory[f"{store}, after all of the above"] = daemon.memory()
    with Daemon(root, "fresh", ringlet, load, keychain=some) as fresh:
        made = 0
        memory["keychain, 200 entries, at the start"] = fresh.memory()
        for count in ASKED:
            say(f"asking the daemon, memory after {count} requests")
            fresh.ask("exact read", 64, (count - made) // 64)
            made = count
            memory[f"keychain, 200 entries, after {count} exact reads"] = fresh.memory()
    return found, memory


def report(found, memory, row, verdict):
    row("what", "against", "wanted", "found")
    row("---", "---", "---", "---")
    for store in TURN:
        for clients in TURN[store]:
            if (beside := found.get((store, "exact read", clients, "alone"))) is None:
                continue
            share = found[store, "exact read", clients, "daemon"].at(50) / beside.at(50)
            row(f"exact read, {store}, median of {clients}", "the keychain's own lookup", "≤ 1.5x", verdict(share, 1.5, unit="x"))
    early, late = (values[0] for values in list(memory.values())[-2:])
    row("resident memory after 100 000 exact reads", "", "≤ 20 MiB", verdict(late, 20, digits=1, unit=" MiB"))
    row("the same", "after 10 000", "no growth", f"{late - early:+.2f} MiB")
    print()
    row("store", "asked", "clients", "requests", "a second", "median ms", "p90", "p99")
    row(*["---"] * 8)
    for (store, case, clients, side), taken in found.items():
        name = case if side == "daemon" else "the keychain's own lookup"
        times = (f"{taken.at(percent):.2f}" for percent in (50, 90, 99))
        row(store, name, clients, len(taken.nanoseconds), f"{taken.rate():.1f}", *times)
    print()
    row("the daemon's memory", "resident, MiB", "at most until then")
    row("---", "---", "---")
    for what, (now, most) in memory.items():
        row(what, f"{now:.1f}", f"{most:.1f}")
