"""The public roots, by Mozilla's list as the library certifi ships it.

Microsoft's own list is not at hand offline; most of Mozilla's roots are in both. So a root of this list is
called public, and nothing more is concluded from it.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.pem import pem_blocks
from winpe_certs.errors import CertificateError


@cache
def public_roots() -> tuple[Certificate, ...]:
    """Every root of the list that can be read."""
    import certifi  # only chains without a root in the image need it

    found = []
    for block in pem_blocks(certifi.contents(), "certifi"):
        try:
            found.append(Certificate.from_der(block.data, f"certifi, line {block.line}"))
        except CertificateError:
            continue
    return tuple(found)


def list_name() -> str:
    """Which list that was, for messages."""
    return f"Mozilla's list, certifi {version('certifi')}"
