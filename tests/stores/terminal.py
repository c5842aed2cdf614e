"""Runs a command in a pseudo-terminal. usage: terminal.py SECONDS TEXT ANSWER COMMAND...

Types ANSWER each time TEXT has appeared, prints what the command writes, and ends with its status, or with 124 after SECONDS.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

seconds, text, answer = float(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[4], sys.argv[4:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
end, written, typed = time.monotonic() + seconds, b"", 0
while True:
    left = end - time.monotonic()
    if left <= 0:
        os.kill(pid, signal.SIGKILL)
        sys.exit(124)
    if not select.select([terminal], [], [], left)[0]:
        continue
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    written += data
    os.write(1, data)
    if written.count(text) > typed:
        typed += 1
        os.write(terminal, answer + b"\r")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
