"""The one door to the readers of containers in the library `cryptography`, such as PKCS#12.

It is imported for the first container, not at start-up. What it cannot read becomes a `CertificateError`
with its reason, and its warnings about old files (serial numbers, lengths of names, BER) reach nobody.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from winpe_certs.errors import CertificateError

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
