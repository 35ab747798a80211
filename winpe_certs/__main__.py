"""``python -m winpe_certs`` and the program ``winpe-certs``."""

from __future__ import annotations

import gc
import sys

from winpe_certs.cli import main as program


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    code = program.main(ends_process=True)
    # What goes with the process need not be searched for cycles first: that takes a twentieth of a run.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
