"""Hives that are kept until evidence of their change is written: all but the last in compressed form.

Eight hives of 15 MB would take 120 MB otherwise, and each is looked at only now and then.
"""

from __future__ import annotations

import zlib
from typing import Final

# Hives shrink to a fifth even so, in a quarter of a second.
_LEVEL: Final = 1


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
