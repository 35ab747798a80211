"""How certificates and texts out of them are put into sentences: bounded, whatever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.names import COMMON_NAME, Name

LONGEST_SHOWN: Final = 200
MOST_LISTED: Final = 10


def named(certificate: Certificate) -> str:
    """The common name in quotes, or the whole subject if there is none, or the thumbprint."""
    shown = common_name(certificate.subject_name) or certificate.subject or certificate.thumbprint
    return f'"{shortened(shown)}"'


def common_name(name: Name) -> str:
    """The common name out of a name; empty if there is none, or none that can be read."""
    return next(iter(reversed(name.texts(COMMON_NAME))), "")


def until(certificate: Certificate) -> str:
    """The last day of a certificate's validity."""
    ends = certificate.not_after
    return f"{ends:%Y-%m-%d}" if ends is not None else "an unreadable date"


def listed(texts: Sequence[str], most: int = MOST_LISTED) -> str:
    """Texts from a file, one after another for a message; neither many nor long ones make it long."""
    shown = [shortened(text) for text in texts[:most]]
    return ", ".join(shown) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def shortened(text: str) -> str:
    """A text from a file, cut where it would swamp a message."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
