"""A moment in which nobody else opens a file, where the system has that: the write lease of Linux.

A program that opens a leased file for reading or writing, or truncates it by its name, waits until the
lease is given up (fcntl(2), "Leases"). The lease is refused while somebody else has the file open, and some
file systems have none; then the block runs without it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

if sys.platform == "linux":
    import fcntl
    import signal

    @contextlib.contextmanager
    def nobody_else_opens(descriptor: int) -> Iterator[None]:
        """Keep others from opening the file for the length of the block, which must be short: no sync."""
        try:
            # Who waits is announced by a signal; SIGIO, which would be sent otherwise, ends a program.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)

else:

    @contextlib.contextmanager
    def nobody_else_opens(descriptor: int) -> Iterator[None]:  # noqa: ARG001 - the signature of the other
        """Nothing; on Windows nobody else can write to a file that is locked here anyway."""
        yield
