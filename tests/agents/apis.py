"""What both stand-ins answer: the events of the providers' APIs, always with PONG, and the handler's common half.

A prompt that holds a given word is answered once with a call of the agent's shell tool, to see what an agent hands on.
"""

import http.server
import json

TEXT = "PONG"


def messages(request, word, command):
    """Events of the Messages API; a call of the shell tool once, where the prompt holds the word."""
    said = json.dumps(request.get("messages", []))
    shell = next((t["name"] for t in request.get("tools", []) if t.get("name", "").lower() == "bash"), None)
    call = word in said and shell and "tool_result" not in said
    message = {"id": "m", "type": "message", "role": "assistant", "model": request.get("model"), "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    if not request.get("stream"):
        return dict(message, content=[{"type": "text", "text": TEXT}], stop_reason="end_turn")
    if call:
        block = {"type": "tool_use", "id": "t", "name": shell, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"command": command, "description": "x"})}
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


def responses(request, call=None):
    """Events of the Responses API; `call` stands in for the text."""
    item = call or {"id": "i", "type": "message", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}
    usage = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2}
    whole = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": request.get("model"),
             "output": [item], "usage": usage}
    if not request.get("stream"):
        return whole
    # Some take the item from here alone.
    at = {"item_id": item["id"], "output_index": 0}
    if call:
        rest = []
        if call["type"] == "function_call":
            rest = [dict(at, type="response.function_call_arguments.done", arguments=call["arguments"])]
        begun = dict(call, status="in_progress", **({"arguments": ""} if "arguments" in call else {"input": ""}))
    else:
        at["content_index"] = 0
        rest = [
            dict(at, type="response.content_part.added", part={"type": "output_text", "text": "", "annotations": []}),
            dict(at, type="response.output_text.delta", delta=TEXT),
            dict(at, type="response.output_text.done", text=TEXT),
        ]
        begun = dict(item, status="in_progress", content=[])
    events = [
        {"type": "response.created", "response": dict(whole, status="in_progress", output=[])},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        *rest,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [dict(event, sequence_number=number) for number, event in enumerate(events)]


def chat(request):
    """Events of the Chat Completions API, or one answer."""
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": request.get("model", "fake")}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    if not request.get("stream"):
        message = {"role": "assistant", "content": TEXT}
        return dict(whole, choices=[{"index": 0, "message": message, "finish_reason": "stop"}], usage=usage)

    def chunk(delta, reason=None):
        return dict(whole, object="chat.completion.chunk", choices=[{"index": 0, "delta": delta, "finish_reason": reason}])
    return [chunk({"role": "assistant", "content": TEXT}), dict(chunk({}, "stop"), usage=usage)]


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads bodies and writes answers; what is recorded and answered is the stand-in's."""

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

    def answer(self, what, status=200):
        """JSON, or a list of events as a stream of them."""
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

    def nothing(self):
        self.answer({"error": {"type": "not_found_error", "message": "not here"}}, 404)

    def models(self):
        self.answer({"object": "list", "data": [{"id": "fake", "object": "model", "type": "model"}], "models": []})
