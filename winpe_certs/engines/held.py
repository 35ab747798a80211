"""New contents of files, kept until they are written: of several, all but the last in compressed form.

Eight hives of 15 MB would take 120 MB otherwise, and each is looked at only now and then.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

# Hives shrink to a fifth even so, in a quarter of a second.
_LEVEL: Final = 1

Key: TypeAlias = tuple[int, str]
"""Index of the image, and the path in it."""


class Contents:
    """The contents of one file, which can be kept in compressed form."""

    def __init__(self, plain: bytes) -> None:
        self._data, self._is_packed = plain, False

    @property
    def plain(self) -> bytes:
        """The contents as they are."""
        return zlib.decompress(self._data) if self._is_packed else self._data

    def pack(self) -> None:
        """Keep them in compressed form from here on."""
        if not self._is_packed:
            self._data, self._is_packed = zlib.compress(self._data, _LEVEL), True


class Held(Mapping[Key, bytes]):
    """Contents by image index and path; what is asked for last is at hand as it is."""

    def __init__(self) -> None:
        self._packed: dict[Key, bytes] = {}
        self._names: dict[Key, Key] = {}
        self._last: Key | None = None
        self._plain = b""

    def add(self, key: Key, contents: bytes) -> None:
        """Keep the contents of a file, once each; images often share them, as one object."""
        if self._last is not None and contents is self._plain:
            self._names[key] = self._last
            return
        self._pack_last()
        if key in self._packed:
            raise ValueError(f"{key} is held already")
        self._names[key] = self._last = key
        self._plain = contents

    def __getitem__(self, key: Key) -> bytes:
        name = self._names[key]
        if name != self._last:
            self._pack_last()
            self._last, self._plain = name, zlib.decompress(self._packed[name])
        return self._plain

    def _pack_last(self) -> None:
        if self._last is not None and self._last not in self._packed:
            self._packed[self._last] = zlib.compress(self._plain, _LEVEL)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
