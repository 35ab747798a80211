"""The console of Windows: whether it interprets escape sequences, and how what is read at it is encoded."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import codecs
    import ctypes
    import msvcrt
    import os
    from ctypes import wintypes
    from functools import cache
    from typing import Final

    _OUTPUT: Final = -11
    _ERROR: Final = -12
    _INTERPRETS: Final = 0x4
    _PIPE: Final = 3

    def pipe_encoding(descriptor: int) -> str | None:
        """The encoding of text for a pipe; None for anything else, and where somebody has chosen it.

        Python writes the ANSI code page into pipes (CPython, "sys.stdout"). PowerShell and cmd.exe read them
        in the output code page of the console, which is an OEM one unless somebody has changed it
        (Microsoft, "about_Character_Encoding", of [Console]::OutputEncoding; "Console Code Pages"). Without a
        console nobody has such a code page.
        """
        if sys.flags.utf8_mode or os.environ.get("PYTHONIOENCODING"):
            return None
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.GetFileType.argtypes = [wintypes.HANDLE]
        if kernel32.GetFileType(msvcrt.get_osfhandle(descriptor)) != _PIPE:
            return None
        name = f"cp{kernel32.GetConsoleOutputCP()}"
        try:
            codecs.lookup(name)
        except LookupError:
            return None
        return name

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

    def pipe_encoding(descriptor: int) -> str | None:  # noqa: ARG001 - the same call on every system
        """None: elsewhere the locale is that of everybody."""
        return None

    def takes_escapes(*, to_stderr: bool) -> bool:  # noqa: ARG001 - the same call on every system
        """Whether a terminal interprets escape sequences: elsewhere than on Windows it does."""
        return True
