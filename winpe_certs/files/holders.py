"""Which programs have a file open, as the restart manager of Windows knows them.

Sources: Microsoft, "RmStartSession", "RmRegisterResources", "RmGetList", "RM_PROCESS_INFO". Where there is no
restart manager, as in Windows PE, or it knows nothing, nobody is named.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from winpe_certs.shown import printable

# RM_PROCESS_INFO: process and when it started, names of program and service (UTF-16, ended by a zero), type,
# status, session, whether it can be restarted.
_ENTRY: Final = struct.Struct("<I8s512s128siIIi")
_MOST_NAMED: Final = 5


def parse_holders(data: bytes) -> Iterator[tuple[int, str]]:
    """Number and name of each process in an array of RM_PROCESS_INFO."""
    for number, _, program, service, *_ in _ENTRY.iter_unpack(data):
        name = _text(program) or "a program without a name"
        also = _text(service)
        yield number, f"{name}, service {also}" if also else name


def _text(field: bytes) -> str:
    return printable(field.decode("utf-16-le", "replace").partition("\0")[0])


def named(holders: list[tuple[int, str]]) -> str:
    """A sentence that names the programs other than this one; empty without any."""
    others = [f"{name} (process {number})" for number, name in holders if number != os.getpid()]
    if not others:
        return ""
    more = len(others) - _MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"It is open in {'; '.join(others[:_MOST_NAMED])}{rest}."


if sys.platform == "win32":
    import contextlib
    import ctypes
    from ctypes import wintypes

    _MORE_DATA: Final = 234
    # The list may grow between two questions.
    _ATTEMPTS: Final = 4
    _KEY_LENGTH: Final = 33

    def who_holds(path: Path) -> str:
        """A sentence that names the programs that have a file open; empty when nothing is known of any."""
        try:
            manager = ctypes.WinDLL("rstrtmgr")
        except OSError:
            return ""
        session = wintypes.DWORD()
        if manager.RmStartSession(ctypes.byref(session), 0, ctypes.create_unicode_buffer(_KEY_LENGTH)):
            return ""
        with contextlib.ExitStack() as stack:
            stack.callback(manager.RmEndSession, session)
            names = (wintypes.LPCWSTR * 1)(os.path.abspath(path))  # noqa: PTH100 - without a look at the disk
            if manager.RmRegisterResources(session, 1, names, 0, None, 0, None):
                return ""
            return named(list(parse_holders(_entries(manager, session))))

    def _entries(manager: ctypes.WinDLL, session: wintypes.DWORD) -> bytes:
        room = 0
        for _ in range(_ATTEMPTS):
            entries = ctypes.create_string_buffer(room * _ENTRY.size)
            needed, count, reasons = wintypes.UINT(), wintypes.UINT(room), wintypes.DWORD()
            answer = manager.RmGetList(
                session,
                ctypes.byref(needed),
                ctypes.byref(count),
                entries if room else None,
                ctypes.byref(reasons),
            )
            if answer != _MORE_DATA:
                return b"" if answer else entries.raw[: min(count.value, room) * _ENTRY.size]
            room = needed.value
        return b""

else:

    def who_holds(path: Path) -> str:  # noqa: ARG001 - the same call on every system
        """Nothing: other systems refuse nobody a file because it is open."""
        return ""
