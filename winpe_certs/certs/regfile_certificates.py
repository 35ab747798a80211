r"""Takes the certificates out of a .reg export: which keys are certificate keys, and whether each is whole.

Certificate keys are ``...\SystemCertificates\<store>\Certificates\<thumbprint>`` below
HKEY_LOCAL_MACHINE (under SOFTWARE or whatever name an offline hive was loaded as) and below
HKEY_CURRENT_USER\Software, with the Policies and EnterpriseCertificates variants. Everything else in the
file is passed over with a warning; deleting a certificate is refused, because a file that is given as a
certificate must not take one away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from winpe_certs.certs import blob as blobs
from winpe_certs.certs.blob import Blob, PropertyId
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.regfile_layout import (
    DeleteRegKey,
    DeleteRegValue,
    RegFile,
    RegWarning,
    SetRegValue,
)
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.certs.stores import BLOB_VALUE, THUMBPRINT, canonical_store_name
from winpe_certs.edits import ValueType
from winpe_certs.errors import CertificateError
from winpe_certs.shown import shown_text

STORES = re.compile(
    r"(?:HKEY_LOCAL_MACHINE\\[^\\]+|HKEY_CURRENT_USER\\Software)"
    r"\\(?:Policies\\)?Microsoft\\(?:System|Enterprise)Certificates(?:\\(?P<below>.*))?",
    re.IGNORECASE | re.DOTALL,
)
FRAME = re.compile(r"[^\\]+(?:\\(?:Certificates|CRLs|CTLs))?", re.IGNORECASE)
CERTIFICATE = re.compile(r"(?P<store>[^\\]+)\\Certificates\\(?P<name>[^\\]+)", re.IGNORECASE)
MOST_QUOTED_WARNINGS = 10
EXPORT_AGAIN = "Export the certificate's key again with regedit, or start from the certificate file (.cer)."


@dataclass(frozen=True, slots=True)
class RegCertificate:
    """A certificate as a .reg file holds it; `origin` is the file and the line of its key."""

    certificate: Certificate
    blob: Blob
    store: str
    origin: str


@dataclass(slots=True)
class _Key:
    """What the file says about one key, however often it names it."""

    path: str
    line: int
    values: dict[str, SetRegValue] = field(default_factory=dict)


def reg_certificates(data: bytes, origin: str) -> tuple[list[RegCertificate], list[str]]:
    """Read the certificates of a .reg file, and the warnings about everything else in it."""
    reg = parse_reg(data, origin)
    keys = _keys(reg, origin)
    warnings: list[tuple[int, str]] = [(warning.line, str(warning)) for warning in reg.warnings]
    found = []
    for key in keys:
        match = STORES.fullmatch(key.path)
        below = (match["below"] or "") if match else None
        place = f"{origin}, line {key.line}"
        certificate = CERTIFICATE.fullmatch(below) if below else None
        if certificate is not None:
            found.append(_certificate(key, certificate, place, reg.warnings))
            warnings.extend((key.line, text) for text in _remarks(key, found[-1], certificate["name"]))
        elif below is None or key.values or (below and not FRAME.fullmatch(below)):
            warnings.append((key.line, f"{place}: not a certificate key: ignored ({_shown(key.path)})"))
    texts = [text for _, text in sorted(warnings, key=lambda entry: entry[0])]
    if not found:
        raise CertificateError(
            f"{origin}: there is no certificate in this .reg file",
            details=_quoted(texts),
            resolution="Export ...\\SystemCertificates\\AuthRoot\\Certificates\\<thumbprint>, the"
            " key of the root.",
        )
    return found, texts


def _keys(reg: RegFile, origin: str) -> list[_Key]:
    """Collect the operations by key; names compare without case, and the last value of a name counts."""
    keys: dict[str, _Key] = {}
    # The values of a key follow each other: its path, which may be long, is looked at once.
    path, folded, inside = "", "", False
    for operation in reg.operations:
        if operation.key != path:
            path, folded = operation.key, operation.key.casefold()
            inside = STORES.fullmatch(path) is not None
        if isinstance(operation, DeleteRegKey | DeleteRegValue) and inside:
            raise CertificateError(
                f"{origin}, line {operation.line}: this .reg file deletes {_shown(operation.key)}",
                details="A certificate file can only add certificates.",
                resolution="Use winpe-certs remove to take a certificate out of an image.",
            )
        key = keys.setdefault(folded, _Key(operation.key, operation.line))
        if isinstance(operation, SetRegValue):
            key.values[operation.name.casefold()] = operation
    return list(keys.values())


def _certificate(
    key: _Key, match: re.Match[str], place: str, warnings: Sequence[RegWarning]
) -> RegCertificate:
    name = match["name"].upper()
    if not THUMBPRINT.fullmatch(name):
        raise CertificateError(
            f"{place}: the key's name {_shown(match['name'])} is not a thumbprint",
            details=_quoted([str(warning) for warning in warnings])
            or "A certificate's key is named by its SHA-1, 40 hexadecimal digits.",
            resolution=f"If this is a template, fill it in. {EXPORT_AGAIN}",
        )
    value = key.values.get(BLOB_VALUE.casefold())
    if value is None:
        raise CertificateError(
            f"{place}: the key {name} has no readable value 'Blob'",
            details=_quoted([str(warning) for warning in warnings if warning.line > key.line]),
            resolution=EXPORT_AGAIN,
        )
    if value.type != ValueType.BINARY:
        raise CertificateError(
            f"{origin_of(place, value.line)}: 'Blob' has type {value.type} instead of 3 (hex:, REG_BINARY)",
            resolution=EXPORT_AGAIN,
        )
    blob = blobs.parse(value.data, origin_of(place, value.line))
    certificate = Certificate.from_der(blob.certificate_der, place)
    if certificate.thumbprint != name:
        raise CertificateError(
            f"{place}: the key is named {name}, but its certificate is {certificate.thumbprint}",
            details=f"The certificate in it: {certificate.subject}",
            resolution=EXPORT_AGAIN,
        )
    return RegCertificate(certificate, blob, canonical_store_name(match["store"]), place)


def origin_of(place: str, line: int) -> str:
    """The place of another line in the same file."""
    return f"{place.rpartition(', line ')[0]}, line {line}"


def _remarks(key: _Key, found: RegCertificate, name: str) -> list[str]:
    remarks = [
        f"{origin_of(found.origin, value.line)}: the value {_shown(value.name)} is no part of a"
        " certificate: ignored"
        for folded, value in key.values.items()
        if folded != BLOB_VALUE.casefold()
    ]
    if name != name.upper():
        remarks.append(f"{found.origin}: the key's name is not in upper case; it will be written so")
    if found.blob.get(PropertyId.KEY_PROV_INFO) is not None:
        remarks.append(
            f"{found.origin}: the Blob names a private key on the donor computer (property 0x02);"
            " the key itself is not in this file, but start from the certificate file to leave its name out"
        )
    return remarks


def _quoted(warnings: Sequence[str]) -> str:
    """The first few warnings, as the reason why nothing was found."""
    shown = list(warnings[:MOST_QUOTED_WARNINGS])
    if len(warnings) > MOST_QUOTED_WARNINGS:
        shown.append(f"... and {len(warnings) - MOST_QUOTED_WARNINGS} more")
    return "\n".join(shown)


def _shown(text: str) -> str:
    return shown_text(text, 160)
