"""``python -m winpe_certs`` and the program ``winpe-certs``."""

from __future__ import annotations

import gc
import sys

from winpe_certs.cli.memory import is_no_memory, show_no_memory
from winpe_certs.cli.streams import open_missing_descriptors

_FAILED = 4


def main() -> int:
    """Run the command line of this process; returns its exit code."""
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


if __name__ == "__main__":
    sys.exit(main())
