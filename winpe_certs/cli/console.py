"""The console of Windows: cmd.exe shows escape sequences as letters unless it is asked to interpret them."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes
    from functools import cache
    from typing import Final

    _OUTPUT: Final = -11
    _ERROR: Final = -12
    _INTERPRETS: Final = 0x4

    @cache
    def takes_escapes(*, to_stderr: bool) -> bool:
        """Ask the console of a standard stream to interpret escape sequences; False when it does not.

        Source: Microsoft, "Console Virtual Terminal Sequences". cmd.exe switches this off for each program.
        """
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.GetStdHandle.restype = wintypes.HANDLE
        kernel32.GetConsoleMode.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
        kernel32.SetConsoleMode.argtypes = [wintypes.HANDLE, wintypes.DWORD]
        handle = kernel32.GetStdHandle(_ERROR if to_stderr else _OUTPUT)
        mode = wintypes.DWORD()
        if not kernel32.GetConsoleMode(handle, mode):
            return False
        if mode.value & _INTERPRETS:
            return True
        return bool(kernel32.SetConsoleMode(handle, mode.value | _INTERPRETS))

else:

    def takes_escapes(*, to_stderr: bool) -> bool:  # noqa: ARG001 - the same call on every system
        """Whether a terminal interprets escape sequences: elsewhere than on Windows it does."""
        return True
