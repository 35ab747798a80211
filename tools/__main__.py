"""`python -m tools test`: everything that a change must pass, on any system; scripts/test adds the judges.

On Windows it is `py -m tools test`. The private environment .venv is made when it is missing or outdated.
Arguments that follow go to pytest.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
ENVIRONMENT: Final = REPOSITORY / ".venv"
CHECKS: Final = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy",),
)
# One more than there are processors on a small machine: many tests wait for a program.
TESTS: Final = ("pytest", "-n", "3", "--dist", "loadgroup")


def ready_python() -> str:
    """The Python of an environment that has the project and its tools; made when need be."""
    if Path(sys.prefix) == ENVIRONMENT:
        return sys.executable
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = ENVIRONMENT / "tools-stamp"
    wanted = hashlib.sha256((REPOSITORY / "pyproject.toml").read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        print(f"preparing {ENVIRONMENT}", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True)
        words = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[dev]")
        subprocess.run([str(python), *words], check=True, cwd=REPOSITORY)
        stamp.write_text(wanted, encoding="ascii")
    return str(python)


def test(arguments: Sequence[str]) -> int:
    """Formatting, lint, types, tests; ends at the first that fails, with its exit code."""
    python = ready_python()
    for words in (*CHECKS, (*TESTS, *arguments)):
        code = subprocess.run([python, "-m", *words], check=False, cwd=REPOSITORY).returncode
        if code:
            return code
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="tools", description=__doc__)
    parser.add_argument("command", choices=["test"])
    command, rest = parser.parse_known_args(arguments)
    return {"test": test}[command.command](rest)


if __name__ == "__main__":
    sys.exit(main())
