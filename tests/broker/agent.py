"""What the scripts of stand-in agents share: the address and the token of their launch, and requests."""

import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.parse

BASE = os.environ["ANTHROPIC_BASE_URL"]
HERE = urllib.parse.urlsplit(BASE)
FD = os.environ.get("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR")
TOKEN = os.read(int(FD), 4096).decode() if FD else os.environ.get("ANTHROPIC_API_KEY") or os.environ["ANTHROPIC_AUTH_TOKEN"]


SOCKET = os.environ.get("ANTHROPIC_UNIX_SOCKET")


def connect():
    if SOCKET:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(SOCKET)
        return stream
    return socket.create_connection((HERE.hostname, HERE.port))


def to_end(stream):
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
    return b"".join(parts)


def raw(data):
    """Sends bytes on a connection of their own and returns the first line of the answer and all of it."""
    with connect() as stream:
        stream.sendall(data)
        answer = to_end(stream)
    return answer.split(b"\r\n", 1)[0].decode(), answer


def post(path="/v1/messages", body=b'{"model":"m"}', headers=None, connection=None):
    """Sends a request with the token and returns status, headers and body of the answer."""
    own = connection is None
    if own:
        connection = http.client.HTTPConnection(HERE.hostname, HERE.port)
        connection.sock = connect()
    connection.request("POST", HERE.path + path, body, {"x-api-key": TOKEN, **(headers or {})})
    answer = connection.getresponse()
    read = answer.read()
    if own:
        connection.close()
    return answer.status, answer, read


def say(**values):
    print(json.dumps(values), flush=True)
