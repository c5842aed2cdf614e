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

CERTIFICATE, KEY, READY, LOG = sys.argv[1:5]
CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie", "chatgpt-account-id")
SECRET = re.compile(rb"[\w-]*made-up-[\w-]+")
TEXT = "PONG"
COMMAND = "sh ./inner.sh"
lock = threading.Lock()


def messages(request):
    """Events of the Messages API."""
    said = json.dumps(request.get("messages", []))
    shell = next((t["name"] for t in request.get("tools", []) if t.get("name", "").lower() == "bash"), None)
    call = "RUN-INNER" in said and shell and "tool_result" not in said
    message = {"id": "m", "type": "message", "role": "assistant", "model": request.get("model"), "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    if not request.get("stream"):
        return dict(message, content=[{"type": "text", "text": TEXT}], stop_reason="end_turn")
    if call:
        block = {"type": "tool_use", "id": "t", "name": shell, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"command": COMMAND, "description": "inner"})}
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": TEXT}
    reason = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": reason, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def shell_call(request):
    """The call of Codex's shell tool, once, where the prompt asks for it; None elsewhere.

    For its newest models 0.171 has one tool that runs JavaScript and hands it the others, listed among the input; for
    those that it does not know the shell is a function of its own.
    """
    items = request.get("input", [])
    if "RUN-INNER" not in json.dumps(items) or any(item.get("type", "").endswith("_call_output") for item in items):
        return None
    # Long enough for an agent below: what is not over by then goes on in the background, and Codex ends it.
    arguments = json.dumps({"cmd": COMMAND, "yield_time_ms": 30000})
    for tool in request.get("tools", []):
        if tool.get("type") == "function" and tool.get("name") == "exec_command":
            return {"id": "f", "type": "function_call", "status": "completed", "name": "exec_command", "call_id": "c",
                    "arguments": arguments}
    return {"id": "f", "type": "custom_tool_call", "status": "completed", "name": "exec", "call_id": "c",
            "input": "text(await tools.exec_command(%s))" % arguments}


def responses(request):
    """Events of the Responses API."""
    item = shell_call(request) or {"id": "i", "type": "message", "role": "assistant", "status": "completed",
                                   "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}
    usage = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2}
    whole = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": request.get("model"),
             "output": [item], "usage": usage}
    return [
        {"type": "response.created", "sequence_number": 0, "response": dict(whole, status="in_progress", output=[])},
        {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item},
        {"type": "response.completed", "sequence_number": 2, "response": whole},
    ]


class Vendor(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

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

    def answer(self, what, status=200):
        kind = "application/json"
        data = json.dumps(what).encode()
        if isinstance(what, list):
            kind = "text/event-stream"
            data = "".join("event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)) for event in what).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def nothing(self):
        self.answer({"error": {"type": "not_found_error", "message": "not here"}}, 404)

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
            return self.answer({"object": "list", "data": [{"id": "fake", "object": "model", "type": "model"}], "models": []})
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
            return self.answer(messages(request))
        if path.endswith("/responses"):
            return self.answer(responses(request))
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
