"""The work that one file may cause, counted in steps: a sum over all of its images.

Each resource, folder and table is bounded on its own. A small file can still name ten thousand of them, or
name one ten thousand times, so the sum is bounded as well.
"""

from __future__ import annotations

from typing import Final

from winpe_certs.errors import WimError

ALWAYS_ALLOWED: Final = 250_000
"""Steps; one is the time that a look at one directory entry takes (about 10 microseconds)."""
BYTES_PER_STEP: Final = 8
"""Stored bytes for which a file is allowed one more step. An entry takes at least ten of them."""
CONTENTS: Final = 500
"""Steps for a file that is read from an image: what comes after is a hive that three readers open."""
_QUICK_BYTES: Final = 4096
_SLOW_BYTES: Final = 1024
_SLOW_STORED_BYTES: Final = 16


class Work:
    """Steps that a file has left."""

    def __init__(self, file_size: int, origin: str) -> None:
        """`file_size` is in bytes; `origin` names the file in messages."""
        self._left = ALWAYS_ALLOWED + file_size // BYTES_PER_STEP
        self._origin = origin

    def spend(self, steps: int) -> None:
        """Count steps; raises `WimError` when the file has none left."""
        self._left -= steps
        if self._left < 0:
            raise WimError(
                f"{self._origin}: reading its images takes far more work than a file of this size should",
                details="Its images have more folders, entries or contents than the file has room for.",
                resolution="Do not trust this file: copy it again from its source. If it is sound, export "
                "one image at a time with wimlib-imagex export.",
            )

    def read(self, size: int) -> None:
        """Count the reading of so many stored bytes."""
        self.spend(size // _QUICK_BYTES)

    def decode(self, stored_size: int, plain_size: int, *, is_slow: bool) -> None:
        """Count the decoding of a chunk (sizes in bytes); Python's own decoders are the slow ones."""
        if is_slow:
            self.spend(1 + stored_size // _SLOW_STORED_BYTES + plain_size // _SLOW_BYTES)
        else:
            self.spend(1 + plain_size // _QUICK_BYTES)
