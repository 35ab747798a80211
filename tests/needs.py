"""What tests need that a system may not have: one table of reasons, for the marks that stand at the tests.

``@pytest.mark.posix("signals")`` leaves a test out on Windows, ``windows`` elsewhere, ``wine_cannot`` under
Wine, whose Windows lacks something. A module that cannot even be imported on Windows stands in `MODULES`.
docs/windows.md prints the reasons, and no test is left out on Windows for another one.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

IS_WINDOWS: Final = sys.platform == "win32"
REPOSITORY: Final = Path(__file__).resolve().parent.parent

POSIX: Final = {
    "signals": "signals of POSIX are sent, such as SIGKILL and SIGHUP",
    "fork": "processes are forked and held to limits of time and memory, as only POSIX has them",
    "modes": "modes and owners of files are looked at, or a privilege is given up",
    "places": "links, named pipes, devices or /proc are looked at",
    "system-calls": "system calls that Windows does not have are made to fail",
    "strace": "system calls are counted or made to fail by strace",
    "locks": "locks of POSIX are held, beside which others may read; Windows lets nobody open the file",
    "shell": "commands are pasted into a POSIX shell",
    "paths": "paths are spelled as on POSIX",
    "terminal": "a pseudo-terminal of POSIX is typed into",
    "locale": "the locale of a program is looked at, which Windows' own do not take from LC_ALL",
    "elsewhere": "it says what happens where there is no Windows",
    "system-words": "messages of the C library are compared",
}
WINDOWS: Final = {"windows": "files, processes and stores of Windows are used"}
WINE_CANNOT: Final = {
    "links": "Wine 8 says that it makes a symbolic link, and makes none",
    "shares": "a share of this machine is used, which it does not offer; Wine has only those of its prefix",
    "streams": "Wine 8 has no alternate streams: a file of that name appears",
    "code-page": "a Chinese DISM speaks, and the code page of this console is a Western one",
    "dism": "there must be no DISM, and Wine 8 has a DISM.exe that does nothing",
    "lists": "access control lists are set by icacls, which does nothing in Wine 8",
}
TWO_PROCESSES: Final = "a second process decodes, for which this system has no fork or no second processor"
NO_LIBWIM: Final = "libwim decodes, and it is not installed"
SILENCE: Final = "a server keeps silent when its queue is full, and other systems than Linux refuse"
SMALL_DISK: Final = "a small disk is mounted, as only root may and only on Linux"
QUIET_MACHINE: Final = "what a run leaves on the machine is looked for; on a real Windows others write too"
NO_ZIP: Final = "the zip for a Windows without Python is tested, and none has been built from this source"
OWN: Final = (TWO_PROCESSES, NO_LIBWIM, SILENCE, SMALL_DISK, QUIET_MACHINE, NO_ZIP)
"""Reasons that a test finds out by itself, whatever the system."""
JUDGES: Final = "programs of Linux that judge are started: wimlib-imagex, openssl, hivexsh and others"

MODULES: Final[dict[str, str]] = {
    "tests/contract/test_dism_interrupts.py": "signals",
    "tests/contract/test_interruptions.py": "signals",
    "tests/contract/test_locks.py": "locks",
    "tests/contract/test_meanwhile.py": "locks",
    "tests/contract/test_second_writer.py": "locks",
    "tests/hostile/test_corpus.py": "fork",
    "tests/hostile/test_growth.py": "fork",
    "tests/hostile/test_images_hostile.py": "fork",
    "tests/hostile/test_manifest_hostile.py": "fork",
    "tests/hostile/test_regressions.py": "fork",
    "tests/hostile/test_sums.py": "fork",
    "tests/oracle/test_crash_matrix.py": "strace",
}
"""Modules that only a POSIX system imports, with the key of the reason."""

_MARKS: Final[dict[str, tuple[dict[str, str], Callable[[], bool]]]] = {
    "posix": (POSIX, lambda: not IS_WINDOWS),
    "windows": (WINDOWS, lambda: IS_WINDOWS),
    "wine_cannot": (WINE_CANNOT, lambda: not is_wine()),
}


def is_wine() -> bool:
    """Whether this Windows is Wine, by the function that its ntdll.dll has and no other."""
    if not IS_WINDOWS:
        return False
    libraries: Any = getattr(ctypes, "windll")  # noqa: B009 - only Windows has it
    return hasattr(libraries.ntdll, "wine_get_version")


def cannot_here(key: str) -> NoReturn:
    """Leave out the test that runs, for what it found missing itself."""
    pytest.skip(f"wine_cannot: {WINE_CANNOT[key]}")


def leave_out(items: list[pytest.Item]) -> None:
    """Skip the tests whose marks ask for what this system does not have."""
    for item in items:
        for name, (reasons, is_met) in _MARKS.items():
            for mark in item.iter_markers(name):
                (key,) = mark.args
                if not is_met():
                    item.add_marker(pytest.mark.skip(reason=f"{name}: {reasons[key]}"))


def module_reason(path: Path) -> str | None:
    """Why a module is not imported here; None for one that is."""
    key = MODULES.get(path.relative_to(REPOSITORY).as_posix()) if path.is_relative_to(REPOSITORY) else None
    return f"posix: {POSIX[key]}" if key and IS_WINDOWS else None


class LeftOut(pytest.Module):
    """A module that is not imported, and is reported with the reason."""

    reason = ""

    def collect(self) -> list[pytest.Item]:
        """Skip the module."""
        raise pytest.skip.Exception(self.reason, allow_module_level=True)
