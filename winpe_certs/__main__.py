"""``python -m winpe_certs`` and the program ``winpe-certs``."""

from __future__ import annotations

import gc
import os
import sys

from winpe_certs.cli.streams import open_missing_descriptors

_FAILED = 4
_NO_MEMORY = b"error: there is not enough memory to start\nnext: End other programs, or raise the limit.\n"


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    # Before the rest is imported: the next file that is opened must not become a standard stream.
    open_missing_descriptors()
    try:
        from winpe_certs.cli import main as program

        code = program.main()
    except MemoryError:
        os.write(2, _NO_MEMORY)
        return _FAILED
    except ImportError as error:
        # A library that the system cannot load for want of memory says so only in words.
        if "memory" not in str(error):
            raise
        os.write(2, _NO_MEMORY)
        return _FAILED
    # What goes with the process need not be searched for cycles first: that takes a twentieth of a run.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
