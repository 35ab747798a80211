"""What options say, where that is less than what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winpe_certs.certs.stores import Store


def single(option: str, files: Sequence[Path] | None) -> Path | None:
    """The file of an option that is meant once; the last of several would silently be the only one."""
    from winpe_certs.errors import UsageError

    if files and len(files) > 1:
        raise UsageError(
            f"{option} is given {len(files)} times",
            resolution="It is for one server; give the others with --server NAME=FILE to check-server.",
        )
    return files[0] if files else None


def store_named(name: str) -> Store | None:
    """The store of `--store`; None for `auto`. Raises `UsageError`."""
    from winpe_certs.certs.stores import parse_store_name

    return None if name.lower() == "auto" else parse_store_name(name)
