"""What options say, where that is less than what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winpe_certs.certs.stores import Store


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


def stores_to_empty(names: Sequence[str] | None) -> tuple[tuple[Store, ...], bool]:
    """The stores of a command that takes certificates out, and whether ``all`` was asked for."""
    from winpe_certs.errors import UsageError

    pieces = [piece.strip() for name in names or () for piece in name.split(",")]
    others = [piece for piece in pieces if piece.lower() != "all"]
    if len(others) == len(pieces):
        return stores_named(names), False
    if others:
        raise UsageError(
            f"--store: all is given, and also {', '.join(others)[:100]}",
            resolution="Leave all out, or the others. It means every store but Disallowed.",
        )
    return (), True


def stores_to_fill(names: Sequence[str] | None) -> tuple[Store, ...]:
    """The same of a command that puts certificates in; raises `UsageError` for trust and distrust at once."""
    from winpe_certs.certs.stores import Store
    from winpe_certs.errors import UsageError

    stores = stores_named(names)
    if Store.DISALLOWED in stores and len(stores) > 1:
        raise UsageError(
            "--store: Disallowed is given, and also a store of certificates that are trusted",
            details="What is in Disallowed is distrusted, whatever other store has it.",
            resolution="Give Disallowed by itself, or leave it out.",
        )
    return stores
