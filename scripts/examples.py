"""Run the ``winpe-certs`` examples of README.md and docs/ and put their output after them.

``python -m scripts.examples`` rewrites the pages; a test compares. The examples of one page run in order, in
a folder with a copy of ``testdata/boot.wim`` and the test certificates. Versions of libraries are left as
they are in the text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from scripts.testdata import pki
from winpe_certs.cli.main import main as winpe_certs

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
HELP = REPOSITORY / "docs" / "help.md"
PAGES = (README, HELP, *(REPOSITORY / "docs" / name for name in ("commands.md", "windows.md")))
_BLOCK = re.compile(r"```console\n(\$ winpe-certs (.*)\n)((?:.*\n)*?)```\n")
_RUN = re.compile(r"\b\d+-[0-9a-f]{8}\b")
_VERSION = re.compile(r"(regipy|python-registry) [0-9][0-9.]*[0-9]")


def updated(text: str) -> str:
    """The text with fresh output after every example."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copy(REPOSITORY / "testdata" / "boot.wim", "boot.wim")
        for pattern in ("*.cer", "*-chain.pem"):
            for certificate in (REPOSITORY / "testdata" / "certs").glob(pattern):
                shutil.copy(certificate, certificate.name)
        Path("media.pfx").write_bytes(pki.media_pfx())
        Path("password.txt").write_bytes(pki.PFX_PASSWORD)
        return _BLOCK.sub(lambda match: _example(match[1], match[2], match[3]), text)


def _example(command: str, arguments: str, old: str) -> str:
    output = _VERSION.sub(r"\1 VERSION", _run(shlex.split(arguments)))
    output = _RUN.sub("RUN", output).replace(f"{Path.cwd()}/", "D:\\images\\")
    versions = dict(match[0].split() for match in _VERSION.finditer(old))
    for name in ("regipy", "python-registry"):
        output = output.replace(f"{name} VERSION", f"{name} {versions.get(name, version(name))}")
    return f"```console\n{command}{output}```\n"


def _run(arguments: list[str]) -> str:
    stream = io.StringIO()
    os.environ["COLUMNS"] = "100"
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        winpe_certs(arguments)
    return stream.getvalue()


def main() -> int:
    """Rewrite every page."""
    for page in PAGES:
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
