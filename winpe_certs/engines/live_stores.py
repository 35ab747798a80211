r"""Certificates in the stores of the Windows that is running, read from its registry through `winreg`.

A store is a key whose subkeys are named by thumbprint and hold the value ``Blob`` (Microsoft, "System Store
Locations"). Searched in this order, first AuthRoot, then ROOT, then CA of each: the machine's own stores,
those of group policy, those of the enterprise; then those of the current user and of their group policy. A
root that was imported by hand is in ROOT, and one that arrived by group policy or from the directory is only
in the other two places, so a search of AuthRoot alone misses both. Stores of a user come last: a machine that
is installed knows no user.

Only bytes and names come back. Refused: anything but a thumbprint as the name of a key, a ``Blob`` that is no
binary value, and every system but Windows.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from winpe_certs.errors import BlobError, EnvironmentFailure, UsageError
from winpe_certs.shown import shown_text, system_words

STORES: Final = ("AuthRoot", "ROOT", "CA")
_MACHINE: Final = "HKEY_LOCAL_MACHINE"
_USER: Final = "HKEY_CURRENT_USER"
LOCATIONS: Final = (
    ("machine", _MACHINE, r"SOFTWARE\Microsoft\SystemCertificates"),
    ("group policy", _MACHINE, r"SOFTWARE\Policies\Microsoft\SystemCertificates"),
    ("enterprise", _MACHINE, r"SOFTWARE\Microsoft\EnterpriseCertificates"),
    ("current user", _USER, r"Software\Microsoft\SystemCertificates"),
    ("group policy of the current user", _USER, r"Software\Policies\Microsoft\SystemCertificates"),
)
_THUMBPRINT: Final = re.compile("[0-9A-Fa-f]{40}")
_SHA256: Final = re.compile("[0-9A-Fa-f]{64}")


class Registry(Protocol):
    """What is used of the module `winreg`; the seam at which tests put their own registry."""

    @property
    def HKEY_LOCAL_MACHINE(self) -> int:  # noqa: N802 - winreg's names
        """The root key of the machine."""

    @property
    def HKEY_CURRENT_USER(self) -> int:  # noqa: N802
        """The root key of the user that runs the program."""

    @property
    def KEY_READ(self) -> int:  # noqa: N802
        """The right to read values and to list subkeys."""

    @property
    def KEY_WOW64_64KEY(self) -> int:  # noqa: N802
        """Asks for the 64-bit view, which a 32-bit program does not see by itself."""

    @property
    def REG_BINARY(self) -> int:  # noqa: N802
        """The type of a binary value."""

    def OpenKey(self, key: Any, sub_key: str, reserved: int = ..., access: int = ...) -> Any:  # noqa: N802
        """An open key, which is a context manager. Raises `OSError`."""

    def QueryInfoKey(self, key: Any, /) -> tuple[int, int, int]:  # noqa: N802
        """The number of subkeys, the number of values, the last-write time."""

    def EnumKey(self, key: Any, index: int, /) -> str:  # noqa: N802
        """The name of a subkey."""

    def QueryValueEx(self, key: Any, name: str, /) -> tuple[Any, int]:  # noqa: N802
        """The data and the type of a value. Raises `OSError`."""


@dataclass(frozen=True, slots=True)
class LiveCertificate:
    """A certificate as it stands in a store of this Windows."""

    store: str
    """AuthRoot, ROOT or CA."""
    location: str
    """Whose store, as in `LOCATIONS`."""
    key_path: str
    blob: bytes


def find_live(thumbprint: str, registry: Registry | None = None) -> tuple[LiveCertificate, ...]:
    """Every place where this Windows holds a certificate, in the order of the search; empty when nowhere.

    `thumbprint` is its 40 hexadecimal digits, in any case. `registry` is `winreg` unless a test says
    otherwise. Raises `UsageError` elsewhere than on Windows, `EnvironmentFailure` when a store may not be
    read, `BlobError` when what is stored is no certificate Blob.
    """
    if _SHA256.fullmatch(thumbprint):
        raise UsageError(
            f"{thumbprint} is a SHA-256 fingerprint, not a thumbprint",
            details="Windows names the certificates in its stores by their SHA-1 (40 digits).",
            resolution="Give the field Thumbprint of the certificate viewer, or the certificate file.",
        )
    if not _THUMBPRINT.fullmatch(thumbprint):
        raise UsageError(
            f"{shown_text(thumbprint, 100)} is not a thumbprint",
            details="The registry names certificates by 40 hexadecimal digits.",
            resolution="Copy the field Thumbprint of the certificate viewer (Details tab).",
        )
    source = system_registry() if registry is None else registry
    if source is None:
        raise UsageError(
            "looking a certificate up in the stores of this computer needs Windows",
            details="--thumbprint was given, and there is no Windows registry here to look it up in.",
            resolution="Give the certificate file, without --thumbprint. On a Windows computer that trusts "
            "the root, the console certlm.msc exports it, and so does this command:",
            command=("certutil", "-store", "Root", thumbprint.upper(), f"{thumbprint.upper()}.cer"),
        )
    found = []
    for location, root, parent in LOCATIONS:
        for store in STORES:
            path = rf"{parent}\{store}\Certificates\{thumbprint.upper()}"
            blob = _read_blob(source, root, path)
            if blob is not None:
                found.append(LiveCertificate(store, location, rf"{root}\{path}", blob))
    return tuple(found)


def system_registry() -> Registry | None:
    """The registry of this Windows; None elsewhere."""
    if sys.platform == "win32":
        import winreg  # Windows only

        return winreg
    else:  # noqa: RET505 - mypy knows platforms by their branches
        return None


def open_machine_key(registry: Registry, path: str) -> Any:
    """A key below HKEY_LOCAL_MACHINE for reading, in the 64-bit view also for a 32-bit Python."""
    access = registry.KEY_READ | registry.KEY_WOW64_64KEY
    return registry.OpenKey(registry.HKEY_LOCAL_MACHINE, path, 0, access)


def _read_blob(registry: Registry, root: str, path: str) -> bytes | None:
    """The Blob of a certificate's key; None without the key, or without a Blob in it."""
    access = registry.KEY_READ | registry.KEY_WOW64_64KEY
    top = registry.HKEY_LOCAL_MACHINE if root == _MACHINE else registry.HKEY_CURRENT_USER
    try:
        with registry.OpenKey(top, path, 0, access) as key:
            data, kind = registry.QueryValueEx(key, "Blob")
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse_unreadable(rf"{root}\{path}", error)
    if kind != registry.REG_BINARY or not isinstance(data, bytes) or not data:
        # winreg gives None for a binary value of no bytes.
        what = "empty" if kind == registry.REG_BINARY and not data else f"a value of type {kind}, not binary"
        raise BlobError(
            rf"{root}\{path}: the value Blob is {what}",
            resolution="The store of this computer is damaged there: start from the certificate file (.cer).",
        )
    return data


def _refuse_unreadable(path: str, error: OSError) -> NoReturn:
    denied = isinstance(error, PermissionError)
    raise EnvironmentFailure(
        f"{path}: cannot read this key" + (": access is denied" if denied else ""),
        details=system_words(error),
        resolution=(
            "Run the same command from an elevated prompt (Run as administrator), or give the certificate "
            "file."
            if denied
            else "Give the certificate file instead."
        ),
    ) from error
