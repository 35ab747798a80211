r"""A lock for the name of a file, which stays when another file takes that name.

On Windows a file that is open without sharing cannot be replaced, so it is let go for a moment; the lock of
its name keeps other runs of this program out of that moment, and is the only lock of a file that is replaced
as a whole. It is a mutex of the machine: it ends with its process, and other machines and other programs do
not know of it. Elsewhere the lock of the file itself does all of this.
Sources: Microsoft, "CreateMutexW", "Kernel object namespaces".
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import hashlib
    import os
    from ctypes import wintypes
    from typing import Final

    _ACCESS_DENIED: Final = 5
    _OURS: Final = frozenset({0, 0x80})  # WAIT_OBJECT_0; WAIT_ABANDONED, whose owner was ended
    _PREFIX: Final = "\\\\?\\"
    _PREFIX_OF_SHARES: Final = "\\\\?\\unc\\"

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateMutexW.restype = wintypes.HANDLE
    _kernel32.CreateMutexW.argtypes = [wintypes.LPVOID, wintypes.BOOL, wintypes.LPCWSTR]
    _kernel32.WaitForSingleObject.restype = wintypes.DWORD
    _kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    _kernel32.ReleaseMutex.argtypes = [wintypes.HANDLE]
    _kernel32.CloseHandle.argtypes = [wintypes.HANDLE]

    # A thread may take a mutex that it has a second time.
    _HELD: set[str] = set()

    class NameLock:
        """The lock of one name, until it is closed."""

        def __init__(self, name: str, handle: int) -> None:
            self._name = name
            self._handle: int | None = handle
            _HELD.add(name)

        def close(self) -> None:
            """Let the name go."""
            if self._handle is not None:
                _kernel32.ReleaseMutex(self._handle)
                _kernel32.CloseHandle(self._handle)
                self._handle = None
                _HELD.discard(self._name)

    def lock_name(path: Path) -> NameLock:
        """Lock the name of a file; raises `BlockingIOError` when another run has it, `OSError` otherwise."""
        name = _mutex_name(path)
        if name in _HELD:
            raise BlockingIOError
        handle = _kernel32.CreateMutexW(None, False, name)
        if not handle:
            number = ctypes.get_last_error()
            # It is there, made by a user with other rights.
            if number == _ACCESS_DENIED:
                raise BlockingIOError
            raise ctypes.WinError(number)
        if _kernel32.WaitForSingleObject(handle, 0) not in _OURS:
            _kernel32.CloseHandle(handle)
            raise BlockingIOError
        return NameLock(name, handle)

    def _mutex_name(path: Path) -> str:
        """A name for a path that is the same for each of its spellings."""
        place = os.path.normcase(os.path.realpath(path))
        if place.startswith(_PREFIX_OF_SHARES):
            place = f"\\\\{place.removeprefix(_PREFIX_OF_SHARES)}"
        digest = hashlib.sha256(place.removeprefix(_PREFIX).encode("utf-8", "surrogatepass")).hexdigest()
        return f"Global\\winpe-certs-{digest[:32]}"

else:

    class NameLock:
        """No lock."""

        def close(self) -> None:
            """There is nothing to let go."""

    def lock_name(path: Path) -> NameLock:  # noqa: ARG001 - the same call on every system
        """Nothing: the lock of the file lasts until the end, also when another has its name."""
        return NameLock()
