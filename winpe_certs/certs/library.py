"""The one door to the readers of containers in the library `cryptography`, such as PKCS#12.

It is imported for the first container, not at start-up. What it cannot read becomes a `CertificateError`
with its reason, and its warnings about old files (serial numbers, lengths of names, BER) reach nobody.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from winpe_certs.errors import CertificateError
from winpe_certs.shown import plain_words

ODD_LENGTH = "Attribute's length must be"
BER = "PKCS#7 certificates could not be parsed as DER"


# How the library's parser names what is wrong, and what that means.
_KINDS = {
    "ShortData": "it ends too early",
    "ExtraData": "more bytes follow than belong to it",
    "UnexpectedTag": "something else is there than the format wants",
    "InvalidLength": "a length in it is not one of DER",
    "EncodedDefault": "it writes out what DER leaves out",
    "InvalidSetOrdering": "its elements are not in the order of DER",
}
_KIND = re.compile(r"kind: (\w+)")
_PLACE = re.compile(r'"\w+::(\w+)"')


def _in_words(error: Exception) -> str:
    """What the library found, without the names of its own parts."""
    said = str(error)
    kind = _KIND.search(said)
    if kind is None:
        return plain_words(error) or "A part of it is of a kind that cannot be read here."
    what = _KINDS.get(kind[1], "it breaks the rules of DER")
    places = _PLACE.findall(said)
    place = places[-1].replace("_", " ").replace("tbs cert", "signed part") if places else ""
    return f"In its {place}: {what}." if place else f"{what[0].upper()}{what[1:]}."


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
            raise CertificateError(refusal, details=_in_words(error), resolution=resolution) from error
