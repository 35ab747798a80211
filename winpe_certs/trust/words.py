"""How certificates are called in sentences."""

from __future__ import annotations

from typing import Final

from winpe_certs.certs.certificate import Certificate

_LONGEST: Final = 120


def named(certificate: Certificate) -> str:
    """The common name in quotes, or the whole subject if there is none, or the thumbprint."""
    parts = certificate.subject.split(", ")
    common = next((part[3:] for part in parts if part.startswith("CN=")), "")
    return f'"{shortened(common or certificate.subject or certificate.thumbprint)}"'


def shortened(text: str) -> str:
    """A text of a certificate, cut if it is absurdly long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
