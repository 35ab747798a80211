"""The command lines that put an image right, as their words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.trust.words import named

_PROGRAM: Final = "winpe-certs"
_NOT_FOR_FILES: Final = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Remedies:
    """Command lines for one image; `image` are the words that name it (path, and index if it has one).

    Certificate files in them are named after the certificate: the person has to bring the file.
    """

    image: tuple[str, ...]

    def inject(self, certificate: Certificate, store: str = "") -> tuple[str, ...]:
        """Put a certificate into the image; into the store for its kind unless one is named."""
        command = self.inject_file(file_name(named(certificate)), store)
        return command if certificate.is_ca else (*command, "--allow", "not-a-ca")

    def inject_file(self, file: str, store: str = "") -> tuple[str, ...]:
        """Put the certificate of a file into the image."""
        where = ("--store", str(store)) if store else ()
        return (_PROGRAM, "inject", *self.image, "--cert", file, *where)

    def remove(self, certificate: Certificate, store: str) -> tuple[str, ...]:
        """Take a certificate out of one store."""
        return (
            _PROGRAM, "remove", *self.image, "--thumbprint", certificate.thumbprint, "--store", str(store)
        )  # fmt: skip


def file_name(name: str) -> str:
    """A name for the file of a certificate, safe in every shell."""
    return f"{_NOT_FOR_FILES.sub('-', name).strip('-')[:60] or 'certificate'}.cer"
