"""``python -m winpe_certs`` and the program ``winpe-certs``."""

from __future__ import annotations

import sys

_FAILED = 4
_INTERRUPTED = 130
_STDERR = 2
_INTERRUPTED_WORDS = b"error: interrupted\nnext: Nothing was begun; run the same command again.\n"


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    _end_at_interrupts()
    import gc

    from winpe_certs.cli.memory import is_no_memory, show_no_memory
    from winpe_certs.cli.streams import open_missing_descriptors

    # Before the rest is imported: the next file that is opened must not become a standard stream.
    open_missing_descriptors()
    if getattr(sys, "frozen", False):
        # One program file is also the interpreter of its workers: such a call does not return.
        from multiprocessing import freeze_support

        freeze_support()
    try:
        import logging

        # hashlib logs a traceback for each hash that there is no memory for.
        logging.getLogger().addHandler(logging.NullHandler())
        from winpe_certs.cli import main as program

        code = program.main(ends_process=True)
    except (MemoryError, ImportError, OSError, SystemError) as error:
        # The program has its own words for what goes wrong once it is there; here it could not be loaded.
        if not is_no_memory(error):
            raise
        show_no_memory(as_json=False)
        return _FAILED
    # What goes with the process need not be searched for cycles first: that takes a twentieth of a run.
    gc.freeze()
    return code


def _end_at_interrupts() -> None:
    """Let Ctrl-C and Ctrl-Break end this process while it is being loaded, which takes half a second.

    An exception would become a traceback out of some import. The program obeys them in its own way later.
    """
    import signal

    for name in ("SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        # One that is ignored stays so: the parent asked for that (nohup, a background job).
        if number is not None and signal.getsignal(number) in {signal.default_int_handler, signal.SIG_DFL}:
            signal.signal(number, _leave)


def _leave(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
    import os

    try:
        os.write(_STDERR, _INTERRUPTED_WORDS)
    finally:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
