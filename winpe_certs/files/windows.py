"""Windows' own calls for files: Unicode names of any length, explicit sharing, replacing with a way back.

Python's `open` shares a file as the C runtime does and reports a sharing violation as "permission denied";
`_winapi.CreateFile` takes ANSI names before Python 3.13. So files are opened by CreateFileW here.
ReplaceFileW gives the new file the access control list, alternate data streams, attributes, short name and
time of creation of the old one (its remarks). No flag lets it pass over a list or stream that it cannot keep:
then it fails, and the old file stays.
Sources: Microsoft, "CreateFileW", "ReplaceFileW", "GetDriveTypeW", "Maximum Path Length Limitation".
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import contextlib
    import ctypes
    import msvcrt
    import os
    from ctypes import wintypes
    from functools import partial
    from pathlib import Path
    from typing import BinaryIO, Final

    from winpe_certs.sharing import retry_sharing

    SHARE_NOTHING: Final = 0
    SHARE_READING: Final = 1
    SHARE_EVERYTHING: Final = 7
    """What others may do with a file while it is open: nothing, read it, or also write, rename and delete."""

    _GENERIC_READ: Final = 0x8000_0000
    _GENERIC_WRITE: Final = 0x4000_0000
    _OPEN_EXISTING: Final = 3
    _INVALID_HANDLE: Final = ctypes.c_void_p(-1).value
    _DRIVE_REMOTE: Final = 4
    # Above this length a name needs the prefix that switches the limit off.
    _LONGEST: Final = 240

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateFileW.restype = wintypes.HANDLE
    _kernel32.CreateFileW.argtypes = [
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD,
        wintypes.HANDLE,
    ]  # fmt: skip
    _kernel32.ReplaceFileW.restype = wintypes.BOOL
    _kernel32.ReplaceFileW.argtypes = [
        wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD, wintypes.LPVOID, wintypes.LPVOID
    ]  # fmt: skip
    _kernel32.GetDriveTypeW.restype = wintypes.UINT
    _kernel32.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]

    # None of REPLACEFILE_WRITE_THROUGH (not supported), _IGNORE_MERGE_ERRORS and _IGNORE_ACL_ERRORS.
    _KEEP_ALL: Final = 0

    def open_file(path: Path, *, writing: bool = False, share: int = SHARE_EVERYTHING) -> BinaryIO:
        """Open an existing file, for reading or for both; raises `OSError` with the system's own number.

        A sharing violation is waited out for a few seconds.
        """
        return retry_sharing(partial(_open, path, writing=writing, share=share))

    def replace_file(target: Path, replacement: Path) -> None:
        """Put a file in the place of another, whose access control list, attributes and streams it takes.

        The old file is kept under another name until that is done: ReplaceFileW may fail with the target gone
        (error 1177), and then it is put back. Raises `OSError`, with the target and the replacement in place.
        """
        backup = target.with_name(f".{target.name}.{os.urandom(6).hex()}.old")
        try:
            retry_sharing(partial(_replace_file, target, replacement, backup))
        except OSError:
            place, kept = reachable(target), reachable(backup)
            if not place.exists() and kept.exists():
                kept.rename(place)
            raise
        with contextlib.suppress(OSError):
            retry_sharing(reachable(backup).unlink)

    def is_on_another_machine(path: Path) -> bool:
        """Whether a path leads to a share, also by the letter of a mapped drive."""
        # Without a look at the disk, and without the prefix, behind which there is a drive or a share.
        whole = os.path.abspath(path)  # noqa: PTH100
        if whole.upper().startswith(("\\\\?\\UNC\\", "\\\\.\\UNC\\")):
            return True
        root = os.path.splitdrive(whole[4:] if whole.startswith(("\\\\?\\", "\\\\.\\")) else whole)[0]
        return root.startswith("\\\\") or bool(_kernel32.GetDriveTypeW(f"{root}\\") == _DRIVE_REMOTE)

    def _open(path: Path, *, writing: bool, share: int) -> BinaryIO:
        access = _GENERIC_READ | (_GENERIC_WRITE if writing else 0)
        handle = _kernel32.CreateFileW(_native(path), access, share, None, _OPEN_EXISTING, 0, None)
        if handle is None or handle == _INVALID_HANDLE:
            raise _last_error(path)
        flags = os.O_BINARY | (os.O_RDWR if writing else os.O_RDONLY)
        return os.fdopen(msvcrt.open_osfhandle(handle, flags), "r+b" if writing else "rb")

    def _replace_file(target: Path, replacement: Path, backup: Path) -> None:
        names = map(_native, (target, replacement, backup))
        if not _kernel32.ReplaceFileW(*names, _KEEP_ALL, None, None):
            raise _last_error(target)

    def _last_error(path: Path) -> OSError:
        number = ctypes.get_last_error()
        return OSError(0, ctypes.FormatError(number).strip(), str(path), number)

    def reachable(path: Path) -> Path:
        """A path as every call takes it; only a long one is changed."""
        if len(os.path.abspath(path)) < _LONGEST:  # noqa: PTH100 - resolve() would follow links
            return path
        return Path(_native(path))

    def _native(path: Path) -> str:
        r"""A whole path; a long one with the prefix ``\\?\``, which takes no ``.`` and ``..``."""
        whole = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
        if len(whole) < _LONGEST or whole.startswith("\\\\?\\"):
            return whole
        return f"\\\\?\\UNC\\{whole[2:]}" if whole.startswith("\\\\") else f"\\\\?\\{whole}"
