r"""What a .reg file consists of, as plain values shared by its reader and its writer.

There is no specification of the format by Microsoft beyond the support article on .reg files; both sides
follow what regedit was measured to write and read. Key paths are full paths as they stand in the text,
``HKEY_LOCAL_MACHINE\...``; value data is as the registry holds it (text is UTF-16LE with its NUL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

HEADER_5 = "Windows Registry Editor Version 5.00"
HEADER_4 = "REGEDIT4"

ROOTS = (
    "HKEY_LOCAL_MACHINE",
    "HKEY_CURRENT_USER",
    "HKEY_CLASSES_ROOT",
    "HKEY_USERS",
    "HKEY_CURRENT_CONFIG",
    "HKEY_DYN_DATA",
    "HKEY_PERFORMANCE_DATA",
)
ABBREVIATED_ROOTS = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKU": "HKEY_USERS",
    "HKCC": "HKEY_CURRENT_CONFIG",
}


def is_root(name: str) -> bool:
    """Whether this is the full name of a registry root, in any case."""
    return name.upper() in ROOTS


@dataclass(frozen=True, slots=True)
class RegValue:
    """A value to write; `name` is empty for the default value, `type` is the registry's type number."""

    name: str
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RegKey:
    """A key to write, with its values in the order in which they shall stand; or one to delete, without."""

    path: str
    values: tuple[RegValue, ...] = ()
    is_deletion: bool = False


@dataclass(frozen=True, slots=True)
class CreateRegKey:
    """``[KEY]``: the key is created if it is missing."""

    key: str
    line: int


@dataclass(frozen=True, slots=True)
class DeleteRegKey:
    """``[-KEY]``: the key and all below it are deleted."""

    key: str
    line: int


@dataclass(frozen=True, slots=True)
class SetRegValue:
    """``"name"=data``: the value is set."""

    key: str
    name: str
    type: int
    data: bytes
    line: int


@dataclass(frozen=True, slots=True)
class DeleteRegValue:
    """``"name"=-``: the value is deleted."""

    key: str
    name: str
    line: int


RegOperation: TypeAlias = CreateRegKey | DeleteRegKey | SetRegValue | DeleteRegValue


@dataclass(frozen=True, slots=True)
class RegWarning:
    """Something in a .reg file that regedit would pass over in silence; line 0 is about the whole file."""

    origin: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.origin}, line {self.line}" if self.line else self.origin
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class RegFile:
    """What a .reg file asks for, in its order, and what in it asks for nothing."""

    operations: tuple[RegOperation, ...]
    warnings: tuple[RegWarning, ...]
