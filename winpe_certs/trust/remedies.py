"""The command lines that put an image right, as their words. They name only files that exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine, refusals
from winpe_certs.command_lines import PROGRAM, file_word
from winpe_certs.findings import Reason

_FROM_IMAGE: Final = "This command takes its file out of the image; then inject that file."


@dataclass(frozen=True, slots=True)
class Remedies:
    """Command lines for one image; `image` are the words that name it (path, and index if it has one).

    Without words there are no command lines: an image in an .iso is changed by none.
    `file` holds `contents`, and is None when there is no file to name. `held` are the certificates (DER) that
    are somewhere in the image. `at` is the moment for which certificates are looked over.
    """

    image: tuple[str, ...]
    file: str | None
    contents: tuple[Certificate, ...]
    held: frozenset[bytes]
    at: datetime

    def put_in(self, reason: Reason, certificate: Certificate, store: str = "") -> Reason:
        """Add the command that puts a certificate into the image, if there is one that would work.

        It goes into the store for its kind unless one is named.
        """
        refused = self._refusals(certificate)
        if refused:
            return replace(reason, advice=f"{reason.advice} {_how_it_goes_in(refused)}".strip())
        if not self.image:
            return reason
        if self.file is not None and certificate in self.contents:
            return replace(reason, command=inject_command(self.image, self.file, self._skips(), store))
        if certificate.der in self.held:
            command = (PROGRAM, "export", *self.image, "--thumbprint", certificate.thumbprint, "--as", "der")
            return replace(reason, advice=f"{reason.advice} {_FROM_IMAGE}".strip(), command=command)
        return reason

    def remove(self, certificate: Certificate, store: str) -> tuple[str, ...]:
        """Take a certificate out of one store."""
        if not self.image:
            return ()
        return (
            PROGRAM, "remove", *self.image, "--thumbprint", certificate.thumbprint, "--store", str(store)
        )  # fmt: skip

    def _refusals(self, certificate: Certificate) -> tuple[str, ...]:
        return tuple(found.code for found in refusals(examine(certificate, self.at), ()))

    def _skips(self) -> tuple[str, ...]:
        """What `inject` must leave out of the file, the server's own certificate among it."""
        codes = (self._refusals(each) for each in self.contents)
        return tuple(dict.fromkeys(code for found in codes for code in found))


def inject_command(
    image: Sequence[str], file: str, skipped: Sequence[str], store: str = ""
) -> tuple[str, ...]:
    """The command that puts the certificates of a file into an image, but for those with a finding."""
    where = ("--store", str(store)) if store else ()
    skips = [word for code in skipped for word in ("--skip", code)]
    return (PROGRAM, "inject", *image, "--cert", file_word(file), *where, *skips)


def _how_it_goes_in(codes: Sequence[str]) -> str:
    allowing = " ".join(f"--allow {code}" for code in codes)
    return (
        f"inject refuses it as it is ({', '.join(codes)}); if that is known and meant to be, add {allowing}."
    )
