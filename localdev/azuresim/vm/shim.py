"""What a program on a simulated VM's PATH really is: it hands its arguments to the simulator and shows the answer.

Run as ``python -IS shim.py <unix socket> <name> [argument ...]`` by a two-line shell script named like the program.
Frames from the simulator: one byte kind, four bytes length, payload.  Kinds: 1 standard output, 2 standard error,
3 "send your standard input", 0 "exit with the code that stands in the length".
"""

import os
import signal
import socket
import sys


def main() -> int:
    """Forward one call."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(sys.argv[1])
    except OSError:
        os.write(2, f"{sys.argv[2]}: the simulated VM is off\n".encode())
        return 126
    request = "\0".join([os.getcwd(), *sys.argv[2:]]).encode("utf-8", "surrogateescape")  # noqa: PTH109 - import time
    channel.sendall(len(request).to_bytes(4, "big") + request)
    stream = channel.makefile("rb")
    while True:
        head = stream.read(5)
        if len(head) < 5:
            os.write(2, f"{sys.argv[2]}: the simulated VM went off\n".encode())
            return 126
        kind, size = head[0], int.from_bytes(head[1:], "big")
        if kind == 0:
            if size == 128 + signal.SIGKILL:
                os.kill(os.getpid(), signal.SIGKILL)
            return size
        if kind == 3:
            chunks = []
            while chunk := os.read(0, 65536):
                chunks.append(chunk)
            data = b"".join(chunks)
            channel.sendall(len(data).to_bytes(4, "big") + data)
            continue
        data = stream.read(size)
        while data:
            data = data[os.write(kind, data) :]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
