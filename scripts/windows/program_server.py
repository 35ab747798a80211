"""Run programs of Linux for tests under Wine, which can neither start them nor wait for them.

``python -m scripts.windows.program_server PREFIX`` prints its port and serves until it is ended: on this
machine, and the judges only. Paths of Windows in words and input become those of Linux: the drive Z is the
root, C is below the prefix.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = frozenset(
    {
        "wimlib-imagex", "hivexregedit", "hivexsh", "hivexget", "hivexml", "openssl", "7zz", "regfexport",
        "xorriso", "genisoimage", "sha256sum",
    }
)  # fmt: skip
_PATH: Final = re.compile(r'([A-Za-z]):[\\/]([^"\r\n]*)')
_TIME_LIMIT: Final = 300


def translated(text: str, prefix: Path) -> str:
    """The text with paths of Linux."""

    def path(match: re.Match[str]) -> str:
        rest = match[2].replace("\\", "/")
        return f"/{rest}" if match[1].upper() == "Z" else f"{prefix}/drive_{match[1].lower()}/{rest}"

    return _PATH.sub(path, text)


class _Handler(socketserver.StreamRequestHandler):
    prefix = Path()

    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        program, *words = request["words"]
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        found = shutil.which(program, path=path) if program in PROGRAMS else None
        if not found:
            self.wfile.write(b'{"code": null}')
            return
        stdin = None if request["stdin"] is None else base64.b64decode(request["stdin"])
        if stdin is not None and b"\0" not in stdin:
            text = stdin.decode("utf-8", "surrogateescape")
            stdin = translated(text, self.prefix).encode("utf-8", "surrogateescape")
        done = subprocess.run(
            [found, *(translated(word, self.prefix) for word in words)],
            check=False,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=_TIME_LIMIT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        answer = {
            "code": done.returncode,
            "out": base64.b64encode(done.stdout).decode("ascii"),
            "err": base64.b64encode(done.stderr).decode("ascii"),
        }
        self.wfile.write(json.dumps(answer).encode("ascii"))


def main() -> None:
    """Serve until the process is ended."""
    _Handler.prefix = Path(sys.argv[1])
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
