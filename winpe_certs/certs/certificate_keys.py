r"""Which registry keys are certificates, and whether each is whole: shared by .reg exports and policy files.

A certificate's key is ``...\SystemCertificates\<store>\Certificates\<thumbprint>`` with the value ``Blob``.
Microsoft, "System Store Locations", names the places: the machine's own stores, those of group policy,
enterprise, services, and those of users. Exports are also made of the 32-bit view (``WOW6432Node``) and of
hives that were loaded under any name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from winpe_certs.certs import blob as blobs
from winpe_certs.certs.blob_remarks import blob_remarks
from winpe_certs.certs.der import SEQUENCE, DerError, read_element
from winpe_certs.certs.entries import DamagedEntry, FoundCertificate
from winpe_certs.certs.stores import BLOB_VALUE, canonical_store_name
from winpe_certs.certs.thumbprints import THUMBPRINT
from winpe_certs.edits import ValueType
from winpe_certs.errors import CertificateError, InputError
from winpe_certs.shown import shown_text

_STORES = (
    r"(?:WOW6432Node\\)?(?:Policies\\)?Microsoft"
    r"\\(?:SystemCertificates|EnterpriseCertificates|Cryptography\\Services\\[^\\]+\\SystemCertificates)"
    r"(?:\\(?P<below>.*))?"
)

_MACHINE_OR_USER = r"HKEY_(?:LOCAL_MACHINE|USERS)\\[^\\]+(?:\\Software)?|HKEY_CURRENT_USER\\Software"
EXPORTED_STORES = re.compile(rf"(?:{_MACHINE_OR_USER})\\{_STORES}", re.IGNORECASE | re.DOTALL)
"""Where a .reg export has stores; ``below`` is what follows the folder of the stores."""

POLICY_STORES = re.compile(rf"Software\\{_STORES}", re.IGNORECASE | re.DOTALL)
"""Where a policy file has stores: it leaves the root of the registry out."""

_FRAME = re.compile(r"[^\\]+(?:\\(?:Certificates|CRLs|CTLs))?", re.IGNORECASE)
_CERTIFICATE = re.compile(r"(?P<store>[^\\]+)\\Certificates\\(?P<name>[^\\]+)", re.IGNORECASE)
_MOST_QUOTED = 10
_LONGEST_SHOWN = 160


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One value of a key; `place` names it in messages."""

    name: str
    type: int
    data: bytes
    place: str


@dataclass(slots=True)
class StoreKey:
    """What a file says about one key, however often it names it.

    `values` are by folded name, the last of a name counts. `notes` say why something of it was not read.
    """

    path: str
    place: str
    values: dict[str, KeyValue] = field(default_factory=dict)
    notes: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """What a key turned out to be: a certificate, a damaged one, or neither; and what to say of it."""

    entry: FoundCertificate | DamagedEntry | None
    warnings: tuple[str, ...]


def is_certificate_key(path: str, stores: re.Pattern[str]) -> bool:
    """Whether a key is that of a certificate, by its path."""
    match = stores.fullmatch(path)
    return bool(match and match["below"] and _CERTIFICATE.fullmatch(match["below"]))


def judge_key(key: StoreKey, stores: re.Pattern[str], again: str) -> JudgedKey:
    """Read the certificate of a key, if it is one; `again` says how to get a damaged one once more."""
    match = stores.fullmatch(key.path)
    below = (match["below"] or "") if match else None
    certificate = _CERTIFICATE.fullmatch(below) if below else None
    if certificate is None:
        if below is None or key.values or (below and not _FRAME.fullmatch(below)):
            return JudgedKey(None, (f"{key.place}: not a certificate key: ignored ({shown(key.path)})",))
        return JudgedKey(None, ())
    try:
        found = _certificate(key, certificate, again)
    except InputError as error:
        return JudgedKey(DamagedEntry(error), ())
    return JudgedKey(found, tuple(_remarks(key, found, certificate["name"])))


def _certificate(key: StoreKey, match: re.Match[str], again: str) -> FoundCertificate:
    name = match["name"].upper()
    if not THUMBPRINT.fullmatch(name):
        raise CertificateError(
            f"{key.place}: the key's name {shown(match['name'])} is not a thumbprint",
            details=quoted(key.notes())
            or "A certificate's key is named by its SHA-1, 40 hexadecimal digits.",
            resolution=f"If this is a template, fill it in. {again}",
        )
    value = key.values.get(BLOB_VALUE.casefold())
    if value is None:
        raise CertificateError(
            f"{key.place}: the key {name} has no readable value 'Blob'",
            details=quoted(key.notes()),
            resolution=again,
        )
    if value.type != ValueType.BINARY:
        raise CertificateError(
            f"{value.place}: 'Blob' has type {value.type} instead of 3 (hex:, REG_BINARY)",
            resolution=again,
        )
    blob = blobs.parse(value.data, value.place)
    found = hashlib.sha1(blob.certificate_der, usedforsecurity=False).hexdigest().upper()
    if found != name:
        if not _is_whole(blob.certificate_der):
            raise CertificateError(
                f"{key.place}: the certificate in the key {name} is damaged",
                details="It is not one whole DER sequence.",
                resolution=again,
            )
        raise CertificateError(
            f"{key.place}: the key is named {name}, but its certificate is {found}",
            details="A certificate's key is named by its SHA-1.",
            resolution=again,
        )
    return FoundCertificate(blob.certificate_der, key.place, blob, canonical_store_name(match["store"]))


def _is_whole(der: bytes) -> bool:
    try:
        element = read_element(der)
    except DerError:
        return False
    return element.tag == SEQUENCE and element.end == len(der)


def _remarks(key: StoreKey, found: FoundCertificate, name: str) -> Iterator[str]:
    for folded, value in key.values.items():
        if folded != BLOB_VALUE.casefold():
            yield f"{value.place}: the value {shown(value.name)} is no part of a certificate: ignored"
    if name != name.upper():
        yield f"{found.origin}: the key's name is not in upper case; it will be written so"
    if found.blob is not None:
        yield from blob_remarks(found.blob, found.origin)


def quoted(notes: Sequence[str]) -> str:
    """The first few notes, as the reason why nothing was found."""
    lines = list(notes[:_MOST_QUOTED])
    if len(notes) > _MOST_QUOTED:
        lines.append(f"... and {len(notes) - _MOST_QUOTED} more")
    return "\n".join(lines)


def shown(text: str) -> str:
    """A text of the file for a message: short, and without anything that would disturb a terminal."""
    return shown_text(text, _LONGEST_SHOWN)
