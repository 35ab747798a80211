"""The certificates and thumbprints that a command was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.sources import LARGEST_FILE, CertificateFile, read_certificates
from winpe_certs.certs.stores import normalise_thumbprint
from winpe_certs.engines.choose import is_certificate
from winpe_certs.errors import UsageError
from winpe_certs.files import PathKind, path_kind, system_errors


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that a command is about: by its file, or by its thumbprint alone.

    `blob` is the Blob that a .reg export had for it and `store` the store that it was exported from; `origin`
    says where it came from, `live_store` names the store of the running Windows if it came from there.
    """

    thumbprint: str
    origin: str
    certificate: Certificate | None = None
    blob: Blob | None = None
    store: str | None = None
    live_store: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All certificates of a call, each once, what a person should know about their files, and these."""

    wanted: tuple[Wanted, ...]
    warnings: tuple[str, ...]
    files: tuple[Path, ...] = ()


def read_certificate_file(path: Path) -> CertificateFile:
    """The certificates of one file; raises `UsageError` without one, and as `read_certificates` does."""
    kind = path_kind(path)
    if kind is PathKind.FOLDER:
        raise UsageError(
            f"{path}: this is a folder, not a certificate file",
            resolution="Give the certificate files in it, each by its own path.",
        )
    if kind is PathKind.OTHER:
        raise UsageError(
            f"{path}: not a plain file", resolution="Save the certificate to a file and give that."
        )
    if kind is not PathKind.FILE:
        raise UsageError(f"{path}: no such certificate file", resolution="Check the path.")
    with system_errors(path, "read"), path.open("rb") as file:
        # Not all of a boot image that was given by mistake.
        data = file.read(LARGEST_FILE + 1)
    return read_certificates(data, str(path))


def gather(
    files: Iterable[Path],
    thumbprints: Iterable[str] = (),
    *,
    live: Iterable[Wanted] = (),
    targets: Iterable[Path] = (),
) -> Inputs:
    """Read the certificate files; raises `UsageError` when nothing was given or a file is missing.

    `live` are certificates that were found in the stores of the running Windows. `targets` are the images of
    a command with ``--cert``: a certificate among them has lost its option.
    """
    _refuse_certificates(targets)
    files = tuple(files)
    wanted: dict[str, Wanted] = {each.thumbprint: each for each in live}
    warnings: list[str] = []
    for path in files:
        found = read_certificate_file(path)
        warnings += found.warnings
        for entry in found.entries:
            thumbprint = entry.certificate.thumbprint
            if thumbprint in wanted:
                warnings.append(
                    f"{entry.origin}: the same certificate as {wanted[thumbprint].origin}: ignored"
                )
                continue
            wanted[thumbprint] = Wanted(thumbprint, entry.origin, entry.certificate, entry.blob, entry.store)
    for text in thumbprints:
        thumbprint = normalise_thumbprint(text)
        wanted.setdefault(thumbprint, Wanted(thumbprint, "--thumbprint"))
    if not wanted:
        raise UsageError(
            "no certificate was given", resolution="Give the certificate file (see --help of the command)."
        )
    return Inputs(tuple(wanted.values()), tuple(warnings), files)


def _refuse_certificates(targets: Iterable[Path]) -> None:
    """Raise `UsageError` for a certificate among the images: it stands there when --cert is not repeated."""
    for path in targets:
        if is_certificate(path):
            raise UsageError(
                f"{path} is a certificate, not an image",
                resolution="Put --cert before each certificate file, this one included.",
            )
