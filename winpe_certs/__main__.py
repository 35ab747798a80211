"""``python -m winpe_certs`` and the program ``winpe-certs``."""

from __future__ import annotations

import sys

from winpe_certs.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
