"""The rules about a single certificate of a chain: dates, right to issue, uses, key, what can be read.

What Windows does where no public source says it is not guessed: the reason is then marked as undocumented.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from winpe_certs.certs.certificate import ALGORITHM, PUBLIC_KEY, VALIDITY, Certificate
from winpe_certs.certs.extensions import (
    ALTERNATIVE_NAME,
    APPLICATION_POLICIES,
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    NAMES,
    SUBJECT_KEY_IDENTIFIER,
)
from winpe_certs.certs.findings import lacks_basic_constraints
from winpe_certs.certs.keys import EC, RSA, PublicKey
from winpe_certs.certs.signatures import is_usable
from winpe_certs.certs.usages import ServerUse, deciding_list, server_use
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.words import listed, named

INVALID_CA: Final = "INVALID_CA"
DATE_INVALID: Final = "CERT_DATE_INVALID"
WRONG_USAGE: Final = "CERT_WRONG_USAGE"

_REFUSED_RSA: Final = 1024
_WEAK_RSA: Final = 2048
# Microsoft, "CNG Algorithm Identifiers": RSA keys have 512 to 16384 bits.
_LARGEST_RSA: Final = 16384
_SERVER_USES: Final = frozenset({"digital_signature", "key_encipherment", "key_agreement"})
# Microsoft, "TLS Elliptic Curves in Windows 10 version 1607 and later": these two are enabled (and
# curve25519, which no certificate has), the others are supported and not enabled. The brainpool curves are
# listed with the latter; reports of certificates on them go both ways, so they are left undocumented.
_ENABLED_CURVES: Final = frozenset({"secp256r1", "secp384r1"})
_SWITCHED_OFF_CURVES: Final = frozenset(
    {
        "secp521r1", "secp192r1", "secp192k1", "secp224r1", "secp224k1", "secp256k1", "secp160r1",
        "secp160k1", "secp160r2",
    }
)  # fmt: skip
_UNCOMPRESSED: Final = b"\x04"  # SEC 1 section 2.3.3
_CA_CURVES: Final = _ENABLED_CURVES | {"secp521r1"}

# Parts that rules need: of any certificate, of the server's, and of a CA's.
_NEEDED_OF_ALL: Final = frozenset(
    {
        VALIDITY,
        PUBLIC_KEY,
        ALGORITHM,
        "an extension",
        *(NAMES[each] for each in (KEY_USAGE, EXTENDED_KEY_USAGE, APPLICATION_POLICIES)),
    }
)
_NEEDED_OF_SERVERS: Final = frozenset(
    {NAMES[ALTERNATIVE_NAME], NAMES[AUTHORITY_KEY_IDENTIFIER], NAMES[BASIC_CONSTRAINTS]}
)
_NEEDED_OF_CAS: Final = frozenset(
    NAMES[each]
    for each in (BASIC_CONSTRAINTS, NAME_CONSTRAINTS, SUBJECT_KEY_IDENTIFIER, AUTHORITY_KEY_IDENTIFIER)
)


class Role(StrEnum):
    """What a certificate is in a chain, as sentences call it."""

    SERVER = "server's certificate"
    INTERMEDIATE = "intermediate"
    ROOT = "root"


def certificate_reasons(certificate: Certificate, role: Role, at: datetime) -> Iterator[Reason]:
    """Everything that is against a certificate in its role, as of a moment (an aware datetime)."""
    who = f"The {role} {named(certificate)}"
    yield from _dates(certificate, who, at)
    if role is not Role.SERVER:
        yield from _right_to_issue(certificate, who)
    yield from _uses(certificate, role, who)
    yield from _key(certificate, role, who)
    if role is not Role.ROOT:
        yield from _own_signature(certificate, who)
    yield from _unreadable_parts(certificate, role, who)


def _dates(certificate: Certificate, who: str, at: datetime) -> Iterator[Reason]:
    begins, ends = certificate.not_before, certificate.not_after
    if ends is not None and ends < at:
        yield Reason(
            "expired",
            Severity.ERROR,
            f"{who} expired on {ends:%Y-%m-%d %H:%M} UTC.",
            "Have it renewed; if this date is not the real one, correct the clock of the computer.",
            DATE_INVALID,
        )
    elif begins is not None and at < begins:
        yield Reason(
            "not-yet-valid",
            Severity.ERROR,
            f"{who} is valid only from {begins:%Y-%m-%d %H:%M} UTC.",
            "Windows PE starts with the clock of the firmware: set it right (in Windows PE: date, time).",
            DATE_INVALID,
        )


def _right_to_issue(certificate: Certificate, who: str) -> Iterator[Reason]:
    if not certificate.is_ca:
        # Unreadable basic constraints say neither yes nor no.
        if NAMES[BASIC_CONSTRAINTS] not in certificate.unread_parts:
            yield Reason(
                "not-a-ca",
                Severity.ERROR,
                f"{who} is no certificate authority (basic constraints), yet it issued another one.",
                "Have the PKI team check the chain.",
                INVALID_CA,
            )
    elif certificate.key_usage_cert_sign is False:
        yield Reason(
            "no-cert-sign",
            Severity.ERROR,
            f"{who} may not sign certificates: its key usage lacks it.",
            "Have the PKI team check the chain.",
        )
    elif lacks_basic_constraints(certificate):
        yield Reason(
            "no-basic-constraints",
            Severity.WARNING,
            f"{who} is of version 3 and has no basic constraints. Windows builds chains below such roots "
            "(Microsoft Root Authority is one); other systems refuse them.",
            "Ask the PKI team for basic constraints when the root is renewed.",
        )


def _uses(certificate: Certificate, role: Role, who: str) -> Iterator[Reason]:
    """Windows nests extended key usages: a use must be allowed by every certificate of the chain."""
    use = server_use(certificate.extensions)
    if use is ServerUse.UNDOCUMENTED:
        yield Reason(
            "no-server-auth",
            Severity.WARNING,
            f"{who} does not name server authentication: its {deciding_list(certificate.extensions)} have "
            "other uses, of which it is not documented whether Windows takes them for TLS servers.",
            "Have it issued from a template with server authentication, serverAuth (1.3.6.1.5.5.7.3.1).",
            WRONG_USAGE,
            undocumented=True,
        )
    if use is ServerUse.NO:
        yield Reason(
            "no-server-auth",
            Severity.ERROR,
            f"{who} is not for server authentication: its {deciding_list(certificate.extensions)} do not "
            "include it.",
            "Have it issued from a template with server authentication, serverAuth (1.3.6.1.5.5.7.3.1).",
            WRONG_USAGE,
        )
    key_uses = certificate.extensions.key_uses
    if role is Role.SERVER and key_uses is not None and not key_uses & _SERVER_USES:
        yield Reason(
            "wrong-key-usage",
            Severity.WARNING,
            f"{who} has a key usage without any use that TLS has for a server's key. Whether Windows looks "
            "at it is not documented.",
            "Have it issued with digital signature and key encipherment.",
            WRONG_USAGE,
            undocumented=True,
        )


def _key(certificate: Certificate, role: Role, who: str) -> Iterator[Reason]:
    key = certificate.key
    if key.kind == RSA:
        yield from _rsa_key(key, who)
    elif role is Role.SERVER and key.kind == EC and key.curve in _SWITCHED_OFF_CURVES:
        yield Reason(
            "curve-not-enabled",
            Severity.ERROR,
            f"{who} has a key on the curve {key.curve}. Windows does not enable that curve for TLS by "
            "default, so the handshake fails.",
            "Have it issued with an RSA key, or an EC key on P-256 or P-384.",
        )
    elif key.curve not in (_ENABLED_CURVES if role is Role.SERVER else _CA_CURVES) and key.kind:
        yield from _undocumented_key(f"{who} has a key of the kind {key}")
    elif key.kind == EC and key.key[:1] != _UNCOMPRESSED:
        yield from _undocumented_key(f"{who} has a key whose point is not written with both coordinates")
    elif key.kind == EC and not is_usable(key.info):
        yield from _undocumented_key(f"{who} has a key that is damaged or encoded in an unusual way")


def _rsa_key(key: PublicKey, who: str) -> Iterator[Reason]:
    is_refused = key.bits is not None and key.bits < _REFUSED_RSA
    if key.bits is None or not (is_refused or is_usable(key.info) or key.lacks_sign):
        yield from _undocumented_key(f"{who} has an RSA key that is damaged or encoded in an unusual way")
    elif key.bits > _LARGEST_RSA:
        yield from _undocumented_key(f"{who} has an RSA key of {key.bits} bits")
    elif key.bits < _WEAK_RSA:
        yield Reason(
            "weak-key",
            Severity.ERROR if is_refused else Severity.WARNING,
            f"{who} has a key of only {key.bits} bits.",
            "Windows refuses RSA keys below 1024 bits (KB 2661254); renew it with 2048 or more.",
        )


def _undocumented_key(what: str) -> Iterator[Reason]:
    yield Reason(
        "undocumented-key",
        Severity.WARNING,
        f"{what}. Whether TLS in Windows takes it is not documented.",
        "To be sure, have it issued with an RSA key of 2048 to 4096 bits, or an EC key on P-256 or P-384.",
        undocumented=True,
    )


def _own_signature(certificate: Certificate, who: str) -> Iterator[Reason]:
    used_hash = certificate.signature_hash
    if used_hash in ("md5", "md4", "md2"):
        yield Reason(
            "weak-signature",
            Severity.ERROR,
            f"{who} is signed with {used_hash.upper()}, which can be forged.",
            "Have it issued again with SHA-256.",
        )
    elif used_hash == "sha1":
        yield Reason(
            "weak-signature",
            Severity.WARNING,
            f"{who} is signed with SHA-1. By Microsoft's plan Windows refuses that below public roots only; "
            "Configuration Manager's documentation calls it not trusted.",
            "Have it issued again with SHA-256.",
        )


def _unreadable_parts(certificate: Certificate, role: Role, who: str) -> Iterator[Reason]:
    # Whoever cannot process a critical extension must refuse the certificate (RFC 5280 section 4.2).
    critical = {NAMES[each] for each in certificate.extensions.critical if each in NAMES}
    needed = _NEEDED_OF_ALL | (_NEEDED_OF_SERVERS if role is Role.SERVER else _NEEDED_OF_CAS)
    if certificate.extensions.application_policies is not None:
        # Where there are application policies Windows ignores the other list of uses.
        needed -= {NAMES[EXTENDED_KEY_USAGE]}
    needed |= critical
    parts = certificate.unreadable
    missed = [f"{part} ({why})" for part, why in parts if part in needed]
    if missed:
        yield Reason(
            "unreadable-part",
            Severity.WARNING,
            f"{who} has parts that cannot be read and that the answer depends on: {listed(missed)}. What "
            "Windows makes of them is not documented.",
            "Have it issued again without this fault.",
            undocumented=True,
        )
    others = [f"{part} ({why})" for part, why in parts if part not in needed]
    if others:
        yield Reason(
            "unreadable-part",
            Severity.WARNING,
            f"{who} has parts that cannot be read; the answer does not depend on them: {listed(others)}.",
            "Have it issued without this fault when it is renewed.",
        )
