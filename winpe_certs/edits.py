"""What to change in a registry hive, as plain values that know nothing of certificates or files.

A key path is a tuple of key names below the hive's root key, for example
``("Microsoft", "SystemCertificates", "AuthRoot")``. Names compare as Windows compares them, without case.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str, ...]


class ValueType(IntEnum):
    """Registry value types that this program writes itself; any 32-bit number may stand in a hive."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    MULTI_SZ = 7


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Make sure that a key and all its parents exist."""

    path: KeyPath


@dataclass(frozen=True, slots=True)
class SetValue:
    """Make sure that a value has this type and data; its key is created when missing.

    `name` is empty for a key's default value. `type` is the registry's 32-bit type number.
    """

    path: KeyPath
    name: str
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class DeleteValue:
    """Make sure that a value does not exist."""

    path: KeyPath
    name: str


@dataclass(frozen=True, slots=True)
class DeleteKey:
    """Make sure that a key and everything below it do not exist."""

    path: KeyPath


Edit: TypeAlias = CreateKey | SetValue | DeleteValue | DeleteKey
