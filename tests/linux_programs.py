"""Programs of Linux that judge, also for tests under Wine: there a small server beside Wine runs them.

`scripts/test-windows` starts it (`scripts/windows/program_server.py`) and names its port. On a real Windows
there is none.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence

PORT = "WINPE_CERTS_PROGRAM_SERVER"


def is_there(program: str) -> bool:
    """Whether a program can be run here."""
    return _remote_port() is not None or _path(program) is not None


def run_program(
    words: Sequence[str], *, stdin: bytes | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, its messages in English; raises `FileNotFoundError` where there is none."""
    port = _remote_port()
    if port is not None:
        return _run_by_server(port, words, stdin, timeout)
    path = _path(words[0])
    if path is None:
        raise FileNotFoundError(words[0])
    return subprocess.run(
        [path, *words[1:]],
        check=False,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def _path(program: str) -> str | None:
    if sys.platform == "win32":
        return None
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def _remote_port() -> int | None:
    port = os.environ.get(PORT)
    return int(port) if port and sys.platform == "win32" else None


def _run_by_server(
    port: int, words: Sequence[str], stdin: bytes | None, timeout: float
) -> subprocess.CompletedProcess[bytes]:
    request = {"words": [*words], "stdin": None if stdin is None else base64.b64encode(stdin).decode("ascii")}
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(json.dumps(request).encode("ascii") + b"\n")
        connection.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    answer = json.loads(data)
    if answer["code"] is None:
        raise FileNotFoundError(words[0])
    out, err = (base64.b64decode(answer[name]) for name in ("out", "err"))
    return subprocess.CompletedProcess([*words], answer["code"], out, err)
