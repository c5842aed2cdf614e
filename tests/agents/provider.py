#!/usr/bin/env python3
"""A stand-in for the providers, on loopback: answers Messages, Responses and Gemini requests with PONG.

usage: provider.py PORT_FILE LOG

Writes its port to PORT_FILE once it listens. Each request becomes a JSON line in LOG: method, path, and the headers that
carry credentials. A prompt that holds the word SHELLENV makes it ask Claude Code for a shell command that writes that
shell's environment to shellenv.txt, to see what an agent hands on.
"""

import http.server
import json
import os
import sys

PORT_FILE, LOG = sys.argv[1:3]
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie")
TEXT = "PONG"
COMMAND = "env > shellenv.txt"


def messages(request):
    """Events of the Messages API; a tool call once, where the prompt asks for it."""
    said = json.dumps(request.get("messages", []))
    shell = next((t["name"] for t in request.get("tools", []) if t.get("name", "").lower() == "bash"), None)
    call = "SHELLENV" in said and shell and "tool_result" not in said
    message = {"id": "m", "type": "message", "role": "assistant", "model": request.get("model"), "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    if call:
        block = {"type": "tool_use", "id": "t", "name": shell, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"command": COMMAND, "description": "x"})}
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": TEXT}
    if not request.get("stream"):
        return dict(message, content=[{"type": "text", "text": TEXT}], stop_reason="end_turn")
    reason = "tool_use" if call else "end_turn"
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def responses(request):
    """Events of the Responses API."""
    item = {"id": "i", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}
    usage = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2}
    whole = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": request.get("model"),
             "output": [item], "usage": usage}
    if not request.get("stream"):
        return whole
    return [
        {"type": "response.created", "sequence_number": 0, "response": dict(whole, status="in_progress", output=[])},
        {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item},
        {"type": "response.completed", "sequence_number": 2, "response": whole},
    ]


def gemini(path):
    answer = {"candidates": [{"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP", "index": 0}],
              "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}
    return [answer] if "stream" in path else answer


class Provider(http.server.BaseHTTPRequestHandler):
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

    def record(self):
        sent = {k.lower(): v for k, v in self.headers.items() if k.lower() in CREDENTIALS}
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "headers": sent}) + "\n")

    def answer(self, what, status=200):
        kind = "application/json"
        data = json.dumps(what).encode()
        if isinstance(what, list):
            kind = "text/event-stream"
            named = (("event: %s\n" % e["type"] if "type" in e else "") + "data: %s\n\n" % json.dumps(e) for e in what)
            data = "".join(named).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self):
        self.answer({})

    def do_GET(self):
        self.record()
        if self.path.split("?")[0].endswith("/models"):
            return self.answer({"object": "list", "data": [{"id": "fake", "object": "model", "type": "model"}], "models": []})
        return self.answer({"error": {"type": "not_found_error", "message": "not here"}}, 404)

    def do_POST(self):
        raw = self.body()
        self.record()
        try:
            request = json.loads(raw)
        except ValueError:
            request = {}
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            return self.answer({"input_tokens": 1})
        if path.endswith("/messages"):
            return self.answer(messages(request))
        if path.endswith("/responses"):
            return self.answer(responses(request))
        if "enerateContent" in path:
            return self.answer(gemini(path))
        if path.endswith(":countTokens"):
            return self.answer({"totalTokens": 1})
        return self.answer({"error": {"type": "not_found_error", "message": "not here"}}, 404)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
with open(PORT_FILE + ".new", "w", encoding="utf-8") as file:
    file.write(str(server.server_address[1]))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
