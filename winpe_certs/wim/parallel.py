"""Decoding the chunks of a large resource on two processors, where the system can fork.

Chunks are independent, and decoding them in Python takes most of the time that reading a hive takes. A child
process decodes the second half while this one decodes the first. Whatever goes wrong with the child, this
process decodes its half too, so that errors are found and told in one place.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Final

# Below this a child costs more than it saves (a fork and two copies of its half take some 10 ms).
FEWEST_CHUNKS: Final = 64
_PIECE: Final = 1 << 20

_alone = False


def keep_to_one_process() -> None:
    """Start no child from here on: for a process that is itself one of as many as there are processors."""
    global _alone  # noqa: PLW0603 - it is about the process as a whole
    _alone = True


class SecondHalf:
    """Plain bytes that a child process decodes meanwhile; `take` waits for them."""

    def __init__(self, decode: Callable[[int], bytes | memoryview], numbers: Sequence[int]) -> None:
        """Start decoding the chunks with these numbers; `decode` must need no file position."""
        self._reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Newer Pythons warn of forks beside threads; this child takes no lock and only computes.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child == 0:
            os.close(self._reading)
            _decode_and_send(decode, numbers, writing)
        os.close(writing)

    def take(self, size: int) -> bytes | None:
        """The `size` plain bytes of all chunks, None when the child has failed."""
        pieces = []
        with open(self._reading, "rb", closefd=False) as pipe:
            while piece := pipe.read(_PIECE):
                pieces.append(piece)
        plain = b"".join(pieces)
        return plain if len(plain) == size else None

    def end(self) -> None:
        """End the child, whatever it is doing."""
        os.close(self._reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def can_share(chunk_count: int) -> bool:
    """Whether a resource is large enough, and the machine fit, for two processes."""
    return (
        not _alone
        and chunk_count >= FEWEST_CHUNKS
        and sys.platform != "win32"
        and hasattr(os, "fork")
        and (os.cpu_count() or 1) > 1
    )


def _decode_and_send(
    decode: Callable[[int], bytes | memoryview], numbers: Sequence[int], writing: int
) -> None:
    """Run in the child: nothing of it may reach the parent's files, handlers or terminal."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        view = memoryview(b"".join(decode(number) for number in numbers))
        while view:
            view = view[os.write(writing, view) :]
    finally:
        os._exit(0)
