#!/usr/bin/env python3
"""A stand-in for the providers, on loopback: answers Messages, Responses, Chat Completions and Gemini requests with PONG.

usage: provider.py PORT_FILE LOG

Writes its port to PORT_FILE once it listens. Each request becomes a JSON line in LOG: method, path, and the headers that
carry credentials. A prompt that holds the word SHELLENV makes it ask Claude Code for a shell command that writes that
shell's environment to shellenv.txt, to see what an agent hands on.
"""

import http.server
import json
import os
import sys

# Nothing is left behind, no compiled module either.
sys.dont_write_bytecode = True
import apis  # noqa: E402

PORT_FILE, LOG = sys.argv[1:3]
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie")
WORD, COMMAND = "SHELLENV", "env > shellenv.txt"


def gemini(path):
    answer = {"candidates": [{"content": {"role": "model", "parts": [{"text": apis.TEXT}]}, "finishReason": "STOP", "index": 0}],
              "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}}
    return [answer] if "stream" in path else answer


class Provider(apis.Handler):
    def record(self):
        sent = {k.lower(): v for k, v in self.headers.items() if k.lower() in CREDENTIALS}
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "headers": sent}) + "\n")

    def do_HEAD(self):
        self.answer({})

    def do_GET(self):
        self.record()
        if self.path.split("?")[0].endswith("/models"):
            return self.models()
        return self.nothing()

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
            return self.answer(apis.messages(request, WORD, COMMAND))
        if path.endswith("/responses"):
            return self.answer(apis.responses(request))
        if path.endswith("/chat/completions"):
            return self.answer(apis.chat(request))
        if "enerateContent" in path:
            return self.answer(gemini(path))
        if path.endswith(":countTokens"):
            return self.answer({"totalTokens": 1})
        return self.nothing()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
with open(PORT_FILE + ".new", "w", encoding="utf-8") as file:
    file.write(str(server.server_address[1]))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
