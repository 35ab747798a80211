"""``check-media-certificate``: tells whether a PKCS#12 file is fit as client certificate of boot media."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.media import CHANGE_PROVIDER, RECOMMENDED_PROVIDER, examine_media
from winpe_certs.certs.pkcs12 import LARGEST_FILE, MediaStore, PasswordError, read_media
from winpe_certs.command_lines import file_word
from winpe_certs.errors import UsageError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.findings import Finding, Severity
from winpe_certs.results import MediaResult, Report
from winpe_certs.workflows.clock import Moment


def check_media_certificate(path: Path, password: Callable[[], str], moment: Moment) -> Report:
    """Examine a file; `password` is called once, and only if the file does not open without one.

    Raises `UsageError` when there is no such file, `CertificateError` when it cannot be read.
    """
    kind = path_kind(path)
    if kind is PathKind.FOLDER:
        raise UsageError(f"{path}: this is a folder", resolution="Give the path of the .pfx file in it.")
    if kind is not PathKind.FILE:
        raise UsageError(f"{path}: no such file", resolution="Give the path of the .pfx file.")
    with system_errors(path, "read"), open_to_read(path) as file:
        data = file.read(LARGEST_FILE + 1)
    store = _read(data, password, str(path))
    certificate = store.certificate
    findings = tuple(_with_command(each, str(path)) for each in examine_media(store, moment.at))
    media = MediaResult(
        path=str(path),
        thumbprint=certificate.thumbprint,
        sha256=certificate.sha256,
        subject=certificate.subject,
        issuer=certificate.issuer,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        key=_key_words(certificate),
        provider=store.provider,
        findings=findings,
    )
    holds = all(finding.severity is not Severity.ERROR for finding in findings)
    return Report("check-media-certificate", media=media, holds=holds)


def _read(data: bytes, password: Callable[[], str], origin: str) -> MediaStore:
    try:
        return read_media(data, None, origin)
    except PasswordError:
        # Asked for outside, so that what goes wrong there does not seem to come from here.
        pass
    return read_media(data, password(), origin)


def _with_command(finding: Finding, path: str) -> Finding:
    """Add the command that imports the file with the recommended provider, where that is the advice."""
    if finding.advice != CHANGE_PROVIDER:
        return finding
    return replace(finding, command=("certutil", "-csp", RECOMMENDED_PROVIDER, "-importPFX", file_word(path)))


def _key_words(certificate: Certificate) -> str:
    bits = certificate.key_bits
    return certificate.key_kind if bits is None else f"{certificate.key_kind}, {bits} bits"
