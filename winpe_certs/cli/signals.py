"""Being told to end: Ctrl-C and signals, so that files, mounts and locks are taken down on the way out."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from winpe_certs import interrupts

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@contextlib.contextmanager
def ended_by_signals(*, ends_process: bool = False) -> Iterator[None]:
    """Let the signals that end a program raise `KeyboardInterrupt`, or be held (`interrupts`), in the block.

    With `ends_process` they are ignored from then on: the report is out, and its exit code is to be seen.
    One that is ignored stays so: the parent asked for that (nohup, a background job).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts.reset()
    # A handler that was not set from Python is None, and could not be put back.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) not in {signal.SIG_IGN, None}]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            # The interpreter puts back the default of any other handler before the process has ended.
            signal.signal(number, signal.SIG_IGN if ends_process else handler)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    interrupts.arrive()
