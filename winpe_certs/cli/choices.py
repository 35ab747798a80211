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
            resolution="It is for one server; give the others to check-server, with --server.",
        )
    return files[0] if files else None


def stores_named(names: Sequence[str] | None) -> tuple[Store, ...]:
    """The stores of every `--store`, each once; none for `auto`. Raises `UsageError`."""
    from winpe_certs.certs.stores import parse_store_name
    from winpe_certs.errors import UsageError

    pieces = [piece.strip() for name in names or () for piece in name.split(",")]
    chosen = [piece for piece in pieces if piece.lower() != "auto"]
    if chosen and len(chosen) < len(pieces):
        raise UsageError(
            f"--store: auto is given, and also {', '.join(chosen)[:100]}",
            resolution="Leave auto out, or all the others: it picks the store by the kind of certificate.",
        )
    return tuple(dict.fromkeys(parse_store_name(piece) for piece in chosen))
