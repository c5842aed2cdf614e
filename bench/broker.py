#!/usr/bin/env python3
"""Measures what the broker costs: the same client and the same server over TLS, directly and through it.

usage: bench/broker.py [RINGLET]     [target/shipped/ringlet]

Builds bench/broker, starts its server on loopback with a certificate that openssl makes, and runs its client as an agent by
`ringlet exec`, in turn with the key of its own and with the broker. Times are medians: of a request of 40 KB on a kept
connection, until the first byte of a stream of events, and of an answer of 64 MB; and of launches of a program that ends at
once. Memory is the sidecar's, with the system's authorities loaded. The keys lie in the file store of a temporary home.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RINGLET = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/shipped/ringlet")
TARGET = HERE.parent / "target/bench-broker"
ROUNDS = 5
AGENT = """title = "Bench"
command = "bench-agent"
provider = "anthropic"
[[api]]
protocol = "anthropic"
key = "BENCH_KEY"
base-url = "BENCH_URL"
"""


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", "--target-dir", TARGET], cwd=HERE / "broker", check=True)
    return TARGET / "release/bench-broker"


def certificates(folder):
    """Makes an authority and a certificate for localhost."""
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=bench", "-days", "2")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "server.csr",
        "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
        "-days", "2", "-extfile", "names")


def world(folder, program, port):
    home = folder / "home"
    (folder / "run").mkdir(mode=0o700)
    (folder / "bin").mkdir()
    shutil.copy(program, folder / "bin/bench-agent")
    files = {".config/ringlet/config.toml": '[credentials]\nbackend = "file"\n', ".config/ringlet/agents/bench.toml": AGENT}
    for name in ("broker", "direct"):
        files[f".ringlet/profiles/{name}/ringlet.toml"] = (
            f'agent = "bench"\nprovider = "anthropic"\nendpoint = "https://localhost:{port}"\ndelivery = "{name}"\n'
        )
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    env = {"HOME": str(home), "PATH": f"{folder}/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": f"{folder}/run", "TERM": "dumb",
           "SSL_CERT_FILE": str(folder / "ca.pem")}
    (home / "work").mkdir()
    subprocess.run([RINGLET, "-q", "keychain", "set", "anthropic", "default", "--stdin"], env=env, cwd=home / "work",
                   input=b"sk-made-up-0123456789", check=True)
    return env


def launch(env, folder, name):
    start = time.perf_counter()
    subprocess.run([RINGLET, "exec", "--profile", name, "bench"], env=env, cwd=folder / "home/work", check=True)
    return (time.perf_counter() - start) * 1e3


def client(env, folder, name):
    """Runs the client; returns its times, and the memory of its sidecar in MiB."""
    words = [RINGLET, "exec", "--profile", name, "bench"]
    running = subprocess.Popen(words, env={**env, "BENCH_ROUNDS": "2000"}, cwd=folder / "home/work", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    times = json.loads(running.stdout.readline())
    memory = [proportional(pid) for pid in sidecars(running.pid)]
    running.communicate("\n")
    return times, memory


def sidecars(agent):
    wanted = f"broker\0--of\0{agent}\0".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "cmdline").read_bytes():
                    yield entry.name
            except OSError:
                pass


def proportional(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def row(*cells):
    print("| " + " | ".join(cells) + " |")


def main():
    program = build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        server = subprocess.Popen([program, "server", folder / "server.pem", folder / "server.key"], stdout=subprocess.PIPE, text=True)
        try:
            env = world(folder, program, int(server.stdout.readline()))
            found, memory = {"broker": [], "direct": []}, []
            for _ in range(ROUNDS):
                for way, all in found.items():
                    times, own = client(env, folder, way)
                    all.append(times)
                    memory += own
            launches = {"broker": [], "direct": []}
            for _ in range(205):
                for way, all in launches.items():
                    all.append(launch(env, folder, way))
        finally:
            server.kill()
    middle = lambda way, what: statistics.median(times[what] for times in found[way])
    row("what", "direct", "through the broker", "found", "wanted")
    row("---", "---", "---", "---", "---")
    for what, text, wanted in (("small", "request of 40 KB, kept connection", 0.15), ("events", "first byte of events", 1)):
        direct, through = middle("direct", what), middle("broker", what)
        row(text, f"{direct:.3f} ms", f"{through:.3f} ms", f"+{through - direct:.3f} ms", f"≤ +{wanted} ms")
    direct, through = middle("direct", "large"), middle("broker", "large")
    speed = lambda time: f"{(64 << 20) / 1e3 / time:.0f} MB/s"
    row("answer of 64 MiB", speed(direct), speed(through), f"{direct / through:.2f}x", "≥ 0.8x")
    direct, through = (statistics.median(launches[way][5:]) for way in ("direct", "broker"))
    row("launch", f"{direct:.2f} ms", f"{through:.2f} ms", f"+{through - direct:.2f} ms", "≤ +1.5 ms")
    row("memory of the sidecar (Pss)", "", f"{statistics.median(memory):.1f} MiB", "", "≤ 8 MiB")


if __name__ == "__main__":
    main()
