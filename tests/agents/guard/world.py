"""The closed world of a replay: a stand-in provider, a second server named `elsewhere`, a name server that knows no name, and a
project with a trap in it.

`enter` moves the caller into a network and a mount namespace of its own, where no packet can leave the machine. `World` then runs
the servers and starts clients, each below a process namespace of its own, so that nothing outlives its replay. It judges nothing:
`replay` reads what it returns. It needs Linux, root or user namespaces, and git.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))
import apis  # noqa: E402

KEY = "sk-made-up-key-of-replay-0123456789abcdef0123456789abcdef"
# The bracket keeps the trap's own text from being taken for the key.
PATTERN = "made-up-key-o[f]-replay"
PROMPT = "Say hi, then run the shell command that you were given. REPLAYSHELL"
WORD = "REPLAYSHELL"
COMMAND = "true > tool-shell-ran.txt"
SHELLS = ("bash", "shell", "run_shell_command", "run_terminal_command", "run_terminal_cmd", "exec_command", "shell_command",
          "execute_command", "run_commands", "local_shell", "execute", "terminal", "execute_shell")

TRAP = """#!/bin/sh
# Records that it ran, and whether the key is in its own environment or in that of a process above it.
seen=no
/usr/bin/env | /bin/grep -q '{pattern}' && seen=own
p=$$
while [ "${{p:-0}}" -gt 0 ]; do
  /usr/bin/tr '\\0' '\\n' <"/proc/$p/environ" 2>/dev/null | /bin/grep -q '{pattern}' && [ $seen = no ] && seen=ancestor
  p=$(/usr/bin/awk '/^PPid/ {{print $2}}' "/proc/$p/status" 2>/dev/null)
done
echo "$seen${{1:+:$1}}" >>'{log}'
"""


def enter():
    """Starts the program again in namespaces of its own; returns inside them."""
    here = os.readlink("/proc/self/ns/net")
    outside = os.environ.get("REPLAY_OUTSIDE", here)
    if outside == here:
        words = ["unshare", "--mount", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        os.environ["REPLAY_OUTSIDE"] = here
        os.execvp("unshare", words + [sys.executable] + sys.argv)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def holds_key(data):
    """Whether the bytes hold the key: as it is, percent-encoded or in base64."""
    if isinstance(data, str):
        data = data.encode()
    key = KEY.encode()
    if key in data or key in urllib.parse.unquote_to_bytes(data):
        return True
    for word in re.findall(rb"[A-Za-z0-9+/_=-]{24,}", data):
        try:
            if key[4:-4] in base64.b64decode(word.replace(b"-", b"+").replace(b"_", b"/") + b"==", validate=False):
                return True
        except ValueError:
            pass
    return False


def arguments(properties):
    """Arguments for a shell tool, by the names of its parameters."""
    given = {}
    for name, schema in properties.items():
        if name in ("command", "cmd", "commands", "script"):
            given[name] = ["sh", "-c", COMMAND] if (schema or {}).get("type") == "array" and name != "commands" else COMMAND
            if name == "commands":
                given[name] = [COMMAND]
        elif name == "description":
            given[name] = "x"
        elif name in ("is_background", "background", "run_in_background", "requires_approval"):
            given[name] = False
        elif name == "yield_time_ms":
            # What is not over by then goes on in the background, and Codex ends it.
            given[name] = 60000
    return given or {"command": COMMAND}


def responses_call(request):
    said = json.dumps(request.get("input", []))
    if WORD not in said or "function_call_output" in said:
        return None
    for tool in request.get("tools", []):
        if tool.get("type") == "function" and tool.get("name", "").lower() in SHELLS:
            properties = tool.get("parameters", {}).get("properties", {})
            return {"id": "fc", "type": "function_call", "status": "completed", "name": tool["name"], "call_id": "c",
                    "arguments": json.dumps(arguments(properties))}
    return None


def chat(request):
    """A stream, or one answer, of the Chat Completions API; a call of the shell tool once, where the prompt holds the word."""
    tools = {t.get("function", {}).get("name"): t.get("function", {}) for t in request.get("tools") or []}
    name = next((n for n in tools if n and n.lower() in SHELLS), None)
    model = request.get("model", "fake")
    messages = request.get("messages", [])
    call = name and WORD in json.dumps(messages) and not any(m.get("role") == "tool" for m in messages)
    if call:
        call = [{"index": 0, "id": "call_1", "type": "function", "function": {
            "name": name, "arguments": json.dumps(arguments(tools[name].get("parameters", {}).get("properties", {})))}}]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    reason = "tool_calls" if call else "stop"
    if not request.get("stream"):
        message = {"role": "assistant", "content": apis.TEXT}
        if call:
            message = {"role": "assistant", "content": None, "tool_calls": [{k: v for k, v in call[0].items() if k != "index"}]}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": model, "usage": usage,
                "choices": [{"index": 0, "message": message, "finish_reason": reason}]}

    def chunk(delta, finish=None):
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model,
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    first = {"role": "assistant", "tool_calls": call} if call else {"role": "assistant", "content": apis.TEXT}
    return [chunk(first), dict(chunk({}, reason), usage=usage)]


def gemini(request, path):
    parts = [part for content in request.get("contents", []) for part in content.get("parts", [])]
    tools = [d for t in request.get("tools") or [] for d in t.get("functionDeclarations", [])]
    shell = next((d for d in tools if d.get("name", "").lower() in SHELLS), None)
    part = {"text": apis.TEXT}
    if shell and WORD in json.dumps(parts) and not any("functionResponse" in p for p in parts):
        part = {"functionCall": {"name": shell["name"], "args": {"command": COMMAND, "description": "x"}}}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
              "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}, "modelVersion": "fake"}
    return [answer] if "stream" in path else answer


class Provider(apis.Handler):
    seen = []
    # Where it is set, whoever asks for an answer without this key is refused.
    demands = ""

    def note(self, body=b""):
        Provider.seen.append({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})

    def do_HEAD(self):
        self.answer({})

    def do_GET(self):
        self.note()
        if self.headers.get("upgrade"):
            return self.answer({"error": "no upgrade"}, 426)
        if self.path.split("?")[0].endswith("/models"):
            return self.models()
        return self.nothing()

    def do_POST(self):
        raw = self.body()
        self.note(raw)
        if not any(Provider.demands in value for value in self.headers.values()):
            return self.answer({"error": {"type": "authentication_error", "message": "no such key"}}, 401)
        try:
            request = json.loads(raw)
        except ValueError:
            request = {}
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            return self.answer({"input_tokens": 1})
        if path.endswith("/messages"):
            return self.answer(apis.messages(request, WORD, COMMAND))
        if path.endswith("/chat/completions"):
            return self.answer(chat(request))
        if path.endswith("/responses"):
            return self.answer(apis.responses(request, responses_call(request)))
        if "enerateContent" in path:
            return self.answer(gemini(request, path))
        if path.endswith(":countTokens"):
            return self.answer({"totalTokens": 1})
        return self.nothing()


class Elsewhere(socketserver.BaseRequestHandler):
    """Any connection counts, whatever it speaks; a request is answered with 404 where it is HTTP."""
    seen = []

    def handle(self):
        self.request.settimeout(3)
        data = b""
        try:
            while len(data) < 1 << 20:
                part = self.request.recv(65536)
                if not part:
                    break
                data += part
                head, end, rest = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                if end and len(rest) >= int(length.group(1) if length else 0):
                    break
        except OSError:
            pass
        Elsewhere.seen.append(data)
        try:
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        except OSError:
            pass


class Names(socketserver.BaseRequestHandler):
    """A name server without a name: what is asked is recorded, and the answer is that there is no such name."""
    seen = []

    def handle(self):
        data, out = self.request
        labels, at = [], 12
        while at < len(data) and data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
            at += data[at] + 1
        Names.seen.append(".".join(labels))
        out.sendto(data[:2] + b"\x81\x83" + data[4:6] + b"\0\0\0\0\0\0" + data[12:at + 5], self.client_address)


class Quiet(apis.http.server.ThreadingHTTPServer):
    """A client that is ended in mid-request is nothing to report."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Outcome:
    """What one launch did. `asked` and `answered` together mean that the agent started."""

    def __init__(self):
        self.status = None
        self.out = self.err = ""
        self.provider, self.elsewhere, self.names, self.trap, self.kept = [], [], [], [], []
        self.asked = self.answered = self.shell = False
        self.seconds = 0.0


class World:
    def __init__(self, scratch):
        self.scratch = scratch
        self.home = os.path.join(scratch, "home")
        self.project = os.path.join(self.home, "work", "shop")
        self.trap_log = os.path.join(scratch, "trap.log")
        provider = Quiet(("127.0.0.1", 0), Provider)
        provider.daemon_threads = True
        elsewhere = Threads(("127.0.0.1", 0), Elsewhere)
        names = socketserver.ThreadingUDPServer(("127.0.0.1", 53), Names)
        for server in (provider, elsewhere, names):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.provider = "http://127.0.0.1:%d" % provider.server_address[1]
        self.elsewhere = "http://127.0.0.1:%d" % elsewhere.server_address[1]
        for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"), ("hosts", "127.0.0.1 localhost\n")):
            with open(os.path.join(scratch, name), "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run(["mount", "--bind", os.path.join(scratch, name), "/etc/" + name], check=True)

    def fill(self, text):
        return (text.replace("@ELSEWHERE@", self.elsewhere).replace("@PROVIDER@", self.provider)
                .replace("@PROJECT@", self.project).replace("@HOME@", self.home).replace("@ELSEPORT@", self.elsewhere.rsplit(":", 1)[1]))

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.project, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else self.fill(text).encode())
        os.chmod(path, mode)

    def fresh(self):
        """A fresh home, and in it a repository with one commit and the trap."""
        for name in ("home", "tmp"):
            path = os.path.join(self.scratch, name)
            subprocess.run(["rm", "-rf", path], check=True)
            os.makedirs(path, 0o700)
        if os.path.exists(self.trap_log):
            os.remove(self.trap_log)
        os.makedirs(self.project)
        # Writable for whatever account a client's sandbox runs as.
        open(self.trap_log, "w", encoding="utf-8").close()
        os.chmod(self.trap_log, 0o666)
        self.write("x.sh", TRAP.format(pattern=PATTERN, log=self.trap_log), 0o755)
        self.write("README.md", "A shop.\n")
        self.git("init", "-q", "-b", "main")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "shop")

    def git(self, *words, cwd=None):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=cwd or self.project, check=True,
                       env={"HOME": self.home, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, command, env, cwd=None, pipe=None, seconds=90, terminal=False, path=()):
        """Runs a client below a process namespace. `pipe` names the variable that is to hold the descriptor of the key."""
        for server in (Provider, Elsewhere, Names):
            server.seen = []
        outcome = Outcome()
        given = {"HOME": self.home, "PATH": ":".join([*path, "/usr/local/bin:/usr/bin:/bin"]), "TERM": "xterm-256color" if terminal else "dumb",
                 "LANG": "C.UTF-8", "TMPDIR": os.path.join(self.scratch, "tmp"), "SHELL": "/bin/bash", "USER": "replay"}
        given.update({k: self.fill(v) for k, v in env.items()})
        keep = ()
        if pipe:
            reader, writer = os.pipe()
            os.write(writer, KEY.encode())
            os.close(writer)
            keep = (reader,)
            given[pipe] = str(reader)
        out, err = (os.path.join(self.scratch, name) for name in ("out", "err"))
        words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if terminal:
            words += [sys.executable, os.path.join(HERE, "terminal.py"), str(seconds)]
        began = time.time()
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            client = subprocess.Popen(words + command, cwd=cwd or self.project, env=given, pass_fds=keep, stdin=subprocess.DEVNULL,
                                      stdout=stdout, stderr=stderr, start_new_session=True)
            for fd in keep:
                os.close(fd)
            try:
                outcome.status = client.wait(seconds + (20 if terminal else 0))
            except subprocess.TimeoutExpired:
                client.send_signal(signal.SIGKILL)
                client.wait()
                outcome.status = "timeout"
        outcome.seconds = time.time() - began
        # A request that was sent in the last moment is still on its way to the recording thread.
        time.sleep(0.2)
        outcome.out = open(out, "rb").read().decode("utf-8", "replace")
        outcome.err = open(err, "rb").read().decode("utf-8", "replace")
        outcome.provider, outcome.elsewhere = list(Provider.seen), list(Elsewhere.seen)
        # The machine's own name says nothing about the project.
        outcome.names = sorted({name for name in Names.seen if name.split(".")[0] != socket.gethostname().split(".")[0]})
        outcome.trap = open(self.trap_log, encoding="utf-8").read().split()
        outcome.asked = any(r["method"] == "POST" for r in outcome.provider)
        outcome.answered = apis.TEXT in outcome.out
        outcome.shell = os.path.exists(os.path.join(cwd or self.project, "tool-shell-ran.txt"))
        kept = subprocess.run(["grep", "-rlaE", PATTERN, self.home], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        outcome.kept = sorted(os.path.relpath(line, self.home) for line in kept.splitlines() if not line.endswith("/x.sh"))
        return outcome
