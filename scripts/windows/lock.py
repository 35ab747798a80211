"""Turn pip's installation report into pinned requirements with hashes, one a line.

python -m scripts.windows.lock REPORT [LEFT-OUT...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name


def requirements(report: dict[str, Any], left_out: frozenset[str] = frozenset()) -> Iterator[str]:
    """Give the requirement of each distribution in the report, sorted by name."""
    pins = {
        canonicalize_name(item["metadata"]["name"]): (
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in report["install"]
    }
    for name, (version, digest) in sorted(pins.items()):
        if name not in left_out:
            yield f"{name}=={version} --hash=sha256:{digest}"


def main() -> None:
    """Print the requirements of the report that the command line names."""
    report = json.loads(Path(sys.argv[1]).read_bytes())
    print(*requirements(report, frozenset(sys.argv[2:])), sep="\n")


if __name__ == "__main__":
    main()
