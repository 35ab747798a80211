"""The one door to the X.509 reader of the library `cryptography`.

It is imported on the first certificate, not at start-up. What it cannot read becomes a `CertificateError`
with its reason, and its warnings about old files (serial numbers, lengths of names, BER) reach nobody.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winpe_certs.errors import CertificateError

if TYPE_CHECKING:
    from cryptography import x509

ODD_LENGTH = "Attribute's length must be"
BER = "PKCS#7 certificates could not be parsed as DER"


@contextmanager
def reading(refusal: str, resolution: str) -> Iterator[None]:
    """Run the library's readers: their errors are raised as `CertificateError`, their warnings are silenced.

    Extensions, names and keys are read when they are asked for, so that belongs inside as well.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.utils import CryptographyDeprecationWarning
    from cryptography.x509 import (
        DuplicateExtension,
        InvalidVersion,
        UnsupportedGeneralNameType,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        warnings.filterwarnings("ignore", ODD_LENGTH, UserWarning)
        warnings.filterwarnings("ignore", BER, UserWarning)
        try:
            yield
        except (
            DuplicateExtension,
            InvalidVersion,
            OverflowError,
            TypeError,
            UnsupportedAlgorithm,
            UnsupportedGeneralNameType,
            ValueError,
        ) as error:
            raise CertificateError(refusal, details=str(error), resolution=resolution) from error


@contextmanager
def reading_certificate(der: bytes, origin: str) -> Iterator[x509.Certificate]:
    """Load exactly one DER certificate; bytes behind it are refused."""
    with reading(
        f"{origin}: not a readable X.509 certificate",
        "Export the certificate again (DER or Base-64 encoded X.509) and try once more.",
    ):
        from cryptography import x509

        yield x509.load_der_x509_certificate(der)
