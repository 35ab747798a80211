r"""Takes the certificates out of a .reg export.

What is a certificate's key, `certificate_keys` knows. Everything else in the file is passed over with a
warning. Deleting a certificate is refused, because a file that is given as a certificate must not take one
away.
"""

from __future__ import annotations

from functools import partial

from winpe_certs.certs.certificate_keys import (
    EXPORTED_STORES,
    KeyValue,
    StoreKey,
    judge_key,
    quoted,
    shown,
)
from winpe_certs.certs.entries import MOST_CERTIFICATES, Contents
from winpe_certs.certs.regfile_layout import DeleteRegKey, DeleteRegValue, RegFile, SetRegValue
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.errors import CertificateError, NoCertificateError

EXPORT_AGAIN = "Export the certificate's key again with regedit, or start from the certificate file (.cer)."


def reg_certificates(data: bytes, origin: str) -> Contents:
    """The certificates of a .reg file with their Blobs, and the warnings about everything else in it.

    Raises `RegFileError` when it cannot be imported, `CertificateError` when it deletes a certificate, and
    `NoCertificateError` when it has none.
    """
    reg = parse_reg(data, origin)
    warnings: list[tuple[int, str]] = [(warning.line, str(warning)) for warning in reg.warnings]
    contents = Contents()
    for line, key in _keys(reg, origin):
        judged = judge_key(key, EXPORTED_STORES, EXPORT_AGAIN)
        warnings += [(line, text) for text in judged.warnings]
        if judged.entry is not None:
            contents.found.append(judged.entry)
        if len(contents.found) > MOST_CERTIFICATES:
            raise CertificateError(
                f"{origin}: more than {MOST_CERTIFICATES} certificates are too many",
                resolution="Export only the keys of the certificates you want.",
            )
    contents.warnings += [text for _, text in sorted(warnings, key=lambda entry: entry[0])]
    if not contents.found:
        raise NoCertificateError(
            f"{origin}: there is no certificate in this .reg file",
            details=quoted(contents.warnings),
            resolution="Export ...\\SystemCertificates\\AuthRoot\\Certificates\\<thumbprint>, the"
            " key of the root.",
        )
    return contents


def _keys(reg: RegFile, origin: str) -> list[tuple[int, StoreKey]]:
    """The operations by key, each with its line; names compare without case."""
    keys: dict[str, tuple[int, StoreKey]] = {}
    # The values of a key follow each other: its path, which may be long, is looked at once.
    path, folded, inside = "", "", False
    for operation in reg.operations:
        if operation.key != path:
            path, folded = operation.key, operation.key.casefold()
            inside = EXPORTED_STORES.fullmatch(path) is not None
        if isinstance(operation, DeleteRegKey | DeleteRegValue) and inside:
            raise CertificateError(
                f"{origin}, line {operation.line}: this .reg file deletes {shown(operation.key)}",
                details="A certificate file can only add certificates.",
                resolution="Use winpe-certs remove to take a certificate out of an image.",
            )
        if folded not in keys:
            place = f"{origin}, line {operation.line}"
            key = StoreKey(operation.key, place, notes=partial(_notes, reg, operation.line))
            keys[folded] = (operation.line, key)
        if isinstance(operation, SetRegValue):
            place = f"{origin}, line {operation.line}"
            value = KeyValue(operation.name, operation.type, operation.data, place)
            keys[folded][1].values[operation.name.casefold()] = value
    return list(keys.values())


def _notes(reg: RegFile, line: int) -> list[str]:
    """What the reader passed over after a key, and about the file as a whole."""
    return [str(warning) for warning in reg.warnings if warning.line > line or not warning.line]
