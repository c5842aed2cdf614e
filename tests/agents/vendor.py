#!/usr/bin/env python3
"""A stand-in for the vendors' services, for the test of logins: Anthropic's and OpenAI's names over TLS, and a gateway.

usage: vendor.py CERTIFICATE KEY READY LOG

Listens on 127.0.0.1 at port 443 with TLS, for whatever names the hosts file leads here, and at port 8080 without, as the
gateway of somebody else. Writes READY once both listen. Each request becomes a JSON line in LOG:

    host, method, path
    sent     the headers that carry credentials, and every header that holds a made-up secret
    asks     whether it is a request to a model
    said     which of the prompts it carries: "outer", "inner", or null where the body is compressed or holds neither
    body     the made-up secrets in the path and the body, which never belong there

Every made-up secret has the text "made-up-" in it, so that it is found under any header name. A prompt with the word RUN-INNER is
answered with a call of the agent's shell tool for `sh ./inner.sh`, once, so that an agent can be started below an agent.
"""

import http.server
import json
import os
import re
import ssl
import sys
import threading

# Nothing is left behind, no compiled module either.
sys.dont_write_bytecode = True
import apis  # noqa: E402

CERTIFICATE, KEY, READY, LOG = sys.argv[1:5]
CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie", "chatgpt-account-id")
SECRET = re.compile(rb"[\w-]*made-up-[\w-]+")
WORD, COMMAND = "RUN-INNER", "sh ./inner.sh"
lock = threading.Lock()


def shell_call(request):
    """The call of Codex's shell tool, once, where the prompt asks for it; None elsewhere.

    For its newest models 0.171 has one tool that runs JavaScript and hands it the others, listed among the input; for
    those that it does not know the shell is a function of its own.
    """
    items = request.get("input", [])
    if WORD not in json.dumps(items) or any(item.get("type", "").endswith("_call_output") for item in items):
        return None
    # Long enough for an agent below: what is not over by then goes on in the background, and Codex ends it.
    arguments = json.dumps({"cmd": COMMAND, "yield_time_ms": 30000})
    for tool in request.get("tools", []):
        if tool.get("type") == "function" and tool.get("name") == "exec_command":
            return {"id": "f", "type": "function_call", "status": "completed", "name": "exec_command", "call_id": "c",
                    "arguments": arguments}
    return {"id": "f", "type": "custom_tool_call", "status": "completed", "name": "exec", "call_id": "c",
            "input": "text(await tools.exec_command(%s))" % arguments}


class Vendor(apis.Handler):
    def record(self, raw=b""):
        path = self.path.split("?")[0]
        sent = {name.lower(): value for name, value in self.headers.items()
                if name.lower() in CREDENTIALS or SECRET.search(value.encode())}
        line = {
            "host": self.headers.get("host"), "method": self.command, "path": self.path, "sent": sent,
            "asks": self.command == "POST" and path.endswith(("/messages", "/responses")),
            "said": next((word for word in ("outer", "inner") if b"prompt-" + word.encode() in raw), None),
            "body": sorted({found.decode() for found in SECRET.findall(self.path.encode() + b" " + raw)}),
        }
        with lock, open(LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def do_HEAD(self):
        self.record()
        self.answer({})

    def do_GET(self):
        self.record()
        path = self.path.split("?")[0]
        if self.headers.get("upgrade"):
            # Codex tries a WebSocket first and falls back to a POST on this answer.
            return self.answer({"error": {"message": "no WebSocket here"}}, 426)
        if path.endswith("/wham/accounts/check"):
            # Codex goes no further with a ChatGPT login before it has seen its account here.
            account = {"id": self.headers.get("chatgpt-account-id", ""), "name": None, "structure": "personal", "profile_picture_url": None,
                       "workspace_backend_origin": "https://chatgpt.com", "account_routing_override": "NO_CONSTRAINT"}
            return self.answer({"accounts": [account], "account_ordering": [account["id"]], "default_account_id": account["id"]})
        if path.endswith("/models"):
            return self.models()
        return self.nothing()

    def do_POST(self):
        raw = self.body()
        self.record(raw)
        try:
            request = json.loads(raw)
        except ValueError:
            # Codex compresses the body for ChatGPT, in a format that Python's library lacks. It always wants a stream.
            request = {"stream": True}
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            return self.answer({"input_tokens": 1})
        if path.endswith("/messages"):
            return self.answer(apis.messages(request, WORD, COMMAND))
        if path.endswith("/responses"):
            return self.answer(apis.responses(request, shell_call(request)))
        return self.nothing()


class Server(http.server.ThreadingHTTPServer):
    context = None

    def handle_error(self, *_):
        """A client that goes away, or refuses the certificate, is no error of the stand-in's."""

    def finish_request(self, request, client_address):
        # The handshake is made in the connection's own thread: a client that says nothing holds nobody else up.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


gateway = Server(("127.0.0.1", 8080), Vendor)
vendors = Server(("127.0.0.1", 443), Vendor)
vendors.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
vendors.context.load_cert_chain(CERTIFICATE, KEY)
threading.Thread(target=gateway.serve_forever, daemon=True).start()
with open(READY + ".new", "w", encoding="utf-8") as file:
    file.write("ready\n")
os.rename(READY + ".new", READY)
vendors.serve_forever()
