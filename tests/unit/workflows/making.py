"""What tests of several workflows put into files and hives."""

from __future__ import annotations

from typing import Final

from scripts.testdata.der_pieces import bits, identifier, integer, octets, sequence

UNREADABLE: Final = sequence(
    sequence(integer(1), octets(b"\xff" * 144)), sequence(identifier("1.2.3")), bits(b"\xff")
)
"""The frame of a certificate (RFC 5280, 4.1), with no recognisable fields in it."""
