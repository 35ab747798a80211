"""Being told to end: like Ctrl-C, so that temporary files, mounts and locks are taken down on the way out."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the signals that end a program raise `KeyboardInterrupt` for the length of the block.

    One that is ignored stays so: whoever started this program wants that (nohup, a background job).
    Python itself leaves an ignored SIGINT as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler that was not set from Python is None, and could not be put back.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) not in {signal.SIG_IGN, None}]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise KeyboardInterrupt
