"""What a run finds around itself that its evidence names: who runs it, and what it is installed with."""

from __future__ import annotations

import contextlib
import getpass
import re
from importlib import metadata


def user() -> str | None:
    """The name of whoever runs this, if there is one."""
    # Without a name in the environment and in the password database there is none to tell.
    with contextlib.suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return None


def installed() -> dict[str, str]:
    """The versions of what this program is installed with; those of test tools are none of its business."""
    try:
        required = metadata.requires("winpe-certs") or []
    except metadata.PackageNotFoundError:
        return {}
    names = [
        match[0] for line in required if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))
    ]
    versions = {}
    for name in sorted(names, key=str.lower):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
