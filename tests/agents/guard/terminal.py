"""Runs a command in a pseudo-terminal. usage: terminal.py SECONDS COMMAND...

Prints what it writes, answers the terminal's own questions, and ends the command three seconds after the answer was seen, or
after SECONDS.
"""

import os
import pty
import re
import select
import signal
import sys
import time

seconds = float(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
import fcntl  # noqa: E402
import struct  # noqa: E402
import termios  # noqa: E402

fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
ANSWERS = ((b"\x1b[6n", b"\x1b[1;1R"), (b"\x1b[c", b"\x1b[?62;22c"), (b"\x1b[>c", b"\x1b[>0;10;1c"), (b"\x1b[5n", b"\x1b[0n"),
           (b"\x1b]10;?", b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"), (b"\x1b]11;?", b"\x1b]11;rgb:0000/0000/0000\x1b\\"), (b"\x1b[?u", b"\x1b[?0u"))
end, whole = time.time() + seconds, b""
answered = False
keys = os.environ.get("REPLAY_KEYS", "")
pressed = time.time() + 6
while time.time() < end:
    ready, _, _ = select.select([fd], [], [], 0.3)
    if ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        whole += data
        os.write(1, data)
        for question, answer in ANSWERS:
            if question in data:
                os.write(fd, answer)
    if keys and time.time() > pressed:
        os.write(fd, keys.encode().decode("unicode_escape").encode())
        keys = ""
    if not answered and b"PONG" in re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", whole):
        answered = True
        end = min(end, time.time() + 3)
try:
    os.kill(pid, signal.SIGKILL)
except OSError:
    pass
