"""The certificates and thumbprints that a command was given."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from winpe_certs.certs.blob import Blob
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.entries import DamagedEntry
from winpe_certs.certs.sources import CertificateFile, SourceCertificate
from winpe_certs.certs.thumbprints import normalise_thumbprint
from winpe_certs.engines.choose import expand, is_certificate
from winpe_certs.errors import EnvironmentFailure, InputError, UsageError
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.workflows.given_files import STANDARD_INPUT, GivenFile, read_given
from winpe_certs.workflows.refusing import raise_unread, refused_damage, refused_file

_LOOKS_LIKE_A_PATH = re.compile(r"[/\\.]|[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a certificate was read: the file (what is none is named as it was given), its bytes' SHA-256.

    `entry` says where in it, when it holds more.
    """

    file: Path
    is_file: bool
    sha256: str
    entry: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that a command is about: by its file, or by its thumbprint alone.

    `blob` is the Blob that its file had for it and `store` the store that it was exported from; `origin` says
    where it came from, `live_store` names the store of the running Windows if it came from there.
    """

    thumbprint: str
    origin: str
    certificate: Certificate | None = None
    blob: Blob | None = None
    store: str | None = None
    live_store: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The certificates of a call without duplicates, with warnings about their files.

    `damaged` are certificates that cannot be read, `unread` the errors of whole files. `files` can be read
    again by their paths.
    """

    wanted: tuple[Wanted, ...]
    warnings: tuple[str, ...]
    files: tuple[Path, ...] = ()
    damaged: tuple[DamagedEntry, ...] = ()
    unread: tuple[InputError, ...] = ()

    @property
    def sources(self) -> dict[str, Source]:
        """Where the certificates were read, by their thumbprints."""
        return {each.thumbprint: each.source for each in self.wanted if each.source is not None}

    @property
    def total(self) -> int:
        """How many certificates were given, readable or not."""
        return len(self.wanted) + len(self.damaged) + len(self.unread)

    def refuse_unread(self) -> None:
        """Raise an error that names everything that could not be read, if there is anything."""
        raise_unread([*map(refused_file, self.unread), *map(refused_damage, self.damaged)])


def gather(
    files: Iterable[Path],
    thumbprints: Iterable[str] = (),
    *,
    live: Iterable[Wanted] = (),
    targets: Iterable[Path] = (),
    keep_damaged: bool = False,
) -> Inputs:
    """Read certificate files, folders, pipes and standard input (``-``).

    `live` are certificates that were found in the stores of the running Windows. `targets` are the images of
    a command with ``--cert``: a certificate among them has lost its option. With `keep_damaged` the caller
    judges what cannot be read; otherwise all of it is refused here.

    Raises `UsageError` when nothing was given or a file is missing, `PrivateKeyError` for a private key,
    `InputError` for what is refused, and `EnvironmentFailure`.
    """
    _refuse_certificates(targets)
    wanted: dict[str, Wanted] = {each.thumbprint: each for each in live}
    warnings: list[str] = []
    read: list[Path] = []
    damaged: list[DamagedEntry] = []
    unread: list[InputError] = []
    # Patterns are ours where no shell has expanded them, as for images.
    for path in expand(map(str, files)):
        given = read_given(path)
        warnings += given.warnings
        for file in given.files:
            read += [file.path] if file.path is not None else []
            if isinstance(file.content, InputError):
                unread.append(file.content)
                continue
            warnings += file.content.warnings
            damaged += file.content.damaged
            _add(file, file.content, wanted, warnings)
    for text in thumbprints:
        thumbprint = normalise_thumbprint(text)
        wanted.setdefault(thumbprint, Wanted(thumbprint, "--thumbprint"))
    if not wanted and not damaged and not unread:
        raise UsageError(
            "no certificate was given",
            resolution="Give the certificate file; the help of the command says how.",
        )
    inputs = Inputs(tuple(wanted.values()), tuple(warnings), tuple(read), tuple(damaged), tuple(unread))
    if not keep_damaged:
        inputs.refuse_unread()
    return inputs


def gather_replaced(texts: Iterable[str]) -> Inputs:
    """The certificates of ``--replace``: thumbprints, or files, each with all of its certificates.

    Raises as `gather`, and `UsageError` for a text that is neither.
    """
    texts = tuple(texts)
    files = [text for text in texts if _is_file(text)]
    return gather(map(Path, files), [text for text in texts if text not in files])


def read_chain_file(path: Path) -> CertificateFile:
    """The certificates of a server's chain; what is damaged becomes a warning, for it may not be needed.

    Raises as `gather`, and the error of what is damaged when nothing else is there.
    """
    given = read_given(path)
    entries: list[SourceCertificate] = []
    warnings = [*given.warnings]
    damaged: list[DamagedEntry] = []
    for file in given.files:
        if isinstance(file.content, InputError):
            raise file.content
        entries += file.content.entries
        warnings += file.content.warnings
        damaged += file.content.damaged
    if not entries:
        raise_unread(map(refused_damage, damaged))
    warnings += [f"{each.error.message}: left out of the chain" for each in damaged]
    unique = {entry.certificate.der: entry for entry in entries}
    return CertificateFile(tuple(unique.values()), tuple(warnings))


def _add(file: GivenFile, content: CertificateFile, wanted: dict[str, Wanted], warnings: list[str]) -> None:
    for entry in content.entries:
        thumbprint = entry.certificate.thumbprint
        if thumbprint in wanted:
            warnings.append(f"{entry.origin}: the same certificate as {wanted[thumbprint].origin}: ignored")
            continue
        source = Source(file.name, file.path is not None, file.sha256, _place_in(file, entry.origin))
        wanted[thumbprint] = Wanted(
            thumbprint, entry.origin, entry.certificate, entry.blob, entry.store, source=source
        )


def _place_in(file: GivenFile, origin: str) -> str | None:
    """Where in its file a certificate is, from the words that name it."""
    name = str(file.name)
    return origin.removeprefix(name).lstrip(",: ") or None if origin.startswith(name) else None


def _is_file(text: str) -> bool:
    """An existing path is a file, whatever its name; anything that is no thumbprint can only be a path."""
    try:
        if text == STANDARD_INPUT or path_kind(Path(text)) is not PathKind.MISSING:
            return True
    except EnvironmentFailure as error:
        # What is too long for a name of the system names no file.
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.ENAMETOOLONG:
            raise
    try:
        normalise_thumbprint(text)
    except UsageError as error:
        if _LOOKS_LIKE_A_PATH.search(text):
            raise UsageError(
                f"--replace {text}: no such certificate file",
                resolution="Give the thumbprint of the old certificate, or the path of its file.",
            ) from error
        raise
    return False


def _refuse_certificates(targets: Iterable[Path]) -> None:
    """Raise `UsageError` for a certificate among the images: it is there when --cert is not repeated."""
    targets = tuple(targets)
    for path in targets:
        try:
            is_given_wrongly = is_certificate(path)
        except EnvironmentFailure:
            # Of several images one that cannot be read is reported in its turn.
            if len(targets) == 1:
                raise
            continue
        if is_given_wrongly:
            raise UsageError(
                f"{path} is a certificate, not an image",
                resolution="Put --cert before each certificate file, this one included.",
            )
