"""What a reader says of a hive: every key with its path as spelled, and all that a reader can know of it.

Each judge yields its keys in this form; a field that it cannot read is None. Paths are tuples of names below
the root, as in `winpe_certs.edits`, but nothing here comes from the package.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

MOST_KEYS = 200_000
MOST_LEVELS = 600
"""No hive here has as many; a reader that gets this far runs in circles."""


class Unreadable(Exception):  # noqa: N818 - what a judge says of a damaged hive
    """A judge cannot read this hive to its end."""


class Value(NamedTuple):
    """One value; an empty name is the key's default value."""

    name: str
    kind: int
    data: bytes


class Key(NamedTuple):
    """One key: its values in stored order, and what belongs to the key itself."""

    values: tuple[Value, ...]
    written: int | None = None
    class_name: bytes | None = None
    security: bytes | None = None


Dump: TypeAlias = dict[KeyPath, Key]


def name_of(stored: bytes, *, one_byte: bool) -> str:
    """Decode a stored name as Windows does, where a reader has ideas of its own."""
    return stored.decode("latin-1") if one_byte else stored.decode("utf-16-le", "surrogatepass")


def bounded(keys: Iterable[tuple[KeyPath, Key]]) -> list[tuple[KeyPath, Key]]:
    """List the keys of a judge; raise `Unreadable` when it goes on without end."""
    found: list[tuple[KeyPath, Key]] = []
    for path, key in keys:
        if len(found) >= MOST_KEYS or len(path) > MOST_LEVELS:
            raise Unreadable(f"no end after {len(found)} keys at level {len(path)}")
        found.append((path, key))
    return found


def as_dump(keys: Iterable[tuple[KeyPath, Key]]) -> Dump:
    """The keys by path, each of which must be there once."""
    found: Dump = {}
    for path, key in keys:
        assert path not in found, f"the key {path} is there twice"
        found[path] = key
    return found
