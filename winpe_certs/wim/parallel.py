"""Decoding the chunks of a large resource on two processors, where the system can fork.

Chunks are independent, and decoding them takes much of the time that reading a hive takes. A child process
decodes from the last chunk down, into memory that both share, while this one decodes from the first up; where
they meet depends on how fast each is, so neither waits for the other. Whatever goes wrong with the child,
this process decodes its chunks too, so that errors are found and told in one place.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Final, TypeAlias

# Below this a child costs more than it saves (a fork, and touching the shared memory, take some 5 ms).
FEWEST_CHUNKS: Final = 24
# A library decodes so many times as fast as Python.
FEWEST_QUICK_CHUNKS: Final = 256

_OURS, _TAKEN, _DONE = range(3)

Decode: TypeAlias = Callable[[int], bytes | memoryview]
"""From a chunk's number to its plain bytes."""

_alone = False


def keep_to_one_process() -> None:
    """Start no child from here on: for a process that is itself one of as many as there are processors."""
    global _alone  # noqa: PLW0603 - it is about the process as a whole
    _alone = True


class SharedDecoding:
    """A resource that a child process decodes from its end; `finish` decodes the rest, `end` comes last."""

    def __init__(self, decode: Decode, plain_size: int, chunk_size: int) -> None:
        """Start the child; `decode` must need no file position."""
        self._plain = mmap.mmap(-1, plain_size)
        self._plain_size = plain_size
        self._chunk_size = chunk_size
        self._count = -(-plain_size // chunk_size)
        # Numbers of chunks: those below the first are this process's, those from the second on the child's,
        # and from the third on the child has decoded them.
        self._fronts = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self._fronts[_TAKEN] = self._fronts[_DONE] = self._count
        parent = os.getpid()
        with warnings.catch_warnings():
            # Newer Pythons warn of forks beside threads; this child takes no lock and only computes.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child == 0:
            self._help(decode, parent)

    def finish(self, decode: Decode, tell: Callable[[int], None]) -> bytes:
        """All plain bytes; raises as `decode` does. `tell` hears how many chunks are done."""
        fronts, number = self._fronts, 0
        pieces: list[bytes | memoryview] = []
        while number < fronts[_TAKEN]:
            fronts[_OURS] = number + 1
            pieces.append(decode(number))
            number += 1
            tell(min(number + self._count - fronts[_DONE], self._count))
        # What the child has written counts once it has ended, and ended well.
        done = fronts[_DONE] if self._ended_well() else self._count
        done = max(done, number)
        pieces += map(decode, range(number, done))
        with memoryview(self._plain) as plain:
            pieces.append(plain[done * self._chunk_size :])
            whole = b"".join(pieces)
            pieces.clear()
        return whole

    def end(self) -> None:
        """End the child, whatever it is doing."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._ended_well()

    def _put(self, number: int, plain: bytes | memoryview) -> None:
        at = number * self._chunk_size
        self._plain[at : min(at + self._chunk_size, self._plain_size)] = plain

    def _ended_well(self) -> bool:
        """Wait for the child."""
        try:
            _, status = os.waitpid(self._child, 0)
        except ChildProcessError:
            return False
        finally:
            self._child = 0
        return os.waitstatus_to_exitcode(status) == 0

    def _help(self, decode: Decode, parent: int) -> None:
        """Run in the child: nothing of it may reach the parent's files, handlers or terminal."""
        code = 1
        try:
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # What is ignored stays so: nohup counts for every process of a run.
                if signal.getsignal(each) is not signal.SIG_IGN:
                    signal.signal(each, signal.SIG_DFL)
            fronts = self._fronts
            for number in reversed(range(self._count)):
                # Whoever has lost its parent has nobody to decode for.
                if number < fronts[_OURS] or os.getppid() != parent:
                    break
                fronts[_TAKEN] = number
                self._put(number, decode(number))
                fronts[_DONE] = number
            code = 0
        finally:
            os._exit(code)


def may_fork() -> bool:
    """Whether the machine is fit for two processes."""
    return not _alone and sys.platform != "win32" and hasattr(os, "fork") and (os.cpu_count() or 1) > 1


def can_share(chunk_count: int, *, is_slow: bool = True) -> bool:
    """Whether a resource is large enough, and the machine fit, for two processes."""
    return chunk_count >= (FEWEST_CHUNKS if is_slow else FEWEST_QUICK_CHUNKS) and may_fork()
