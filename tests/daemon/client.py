#!/usr/bin/python3
"""A client of the keychain-auth protocol, written from its documentation and nothing else.

usage: client.py SOCKET [--uid N] [--pipelined] [--then PROGRAM [ARG...]]

Each line of standard input is sent as one message, and the answer to it is printed as one line; `END` says that the
other side has closed the connection. With --pipelined all lines are sent before any answer is read. With --uid it
becomes that user before it connects. With --then it becomes PROGRAM at the end of its input, which finds the
connection, still open, as descriptor 3.
"""

import os
import socket
import sys


def main():
    path, options = sys.argv[1], sys.argv[2:]
    pipelined, then = False, None
    while options:
        option = options.pop(0)
        if option == "--uid":
            os.setuid(int(options.pop(0)))
        elif option == "--pipelined":
            pipelined = True
        elif option == "--then":
            then, options = options, []
        else:
            sys.exit(f"unknown option {option}")
    # Python's sockets are close-on-exec, as the protocol wants them.
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    answers = connection.makefile("rb")

    def show():
        try:
            line = answers.readline()
        except ConnectionResetError:
            line = b""
        sys.stdout.buffer.write(line or b"END\n")
        sys.stdout.buffer.flush()
        return bool(line)

    waiting = 0
    for line in sys.stdin.buffer:
        try:
            connection.sendall(line)
        except BrokenPipeError:
            pass
        waiting += 1
        if not pipelined:
            waiting -= 1
            if not show():
                return
    while waiting and show():
        waiting -= 1
    if then:
        os.dup2(connection.fileno(), 3)
        os.set_inheritable(3, True)
        os.execv(then[0], then)


main()
