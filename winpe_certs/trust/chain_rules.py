"""The rules about a chain as a whole: signatures, path lengths, critical extensions, names, policies.

RFC 5280 section 6.1; where Windows is known to differ, or where nothing is known, it is said at the rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.extensions import (
    APPLICATION_POLICY_CONSTRAINTS,
    APPLICATION_POLICY_MAPPINGS,
    INHIBIT_ANY_POLICY,
    NAMES,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
)
from winpe_certs.certs.object_identifiers import with_name
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.certificate_rules import Role
from winpe_certs.trust.constraints import NameComparisons, common_name_faults
from winpe_certs.trust.issuers import has_named_key
from winpe_certs.trust.names import is_named_by_subject
from winpe_certs.trust.paths import CertificationPath, Signatures
from winpe_certs.trust.policies import policies_hold
from winpe_certs.trust.words import listed, named

_UNDERSTOOD: Final = frozenset(
    {
        *NAMES,
        POLICY_MAPPINGS,
        POLICY_CONSTRAINTS,
        INHIBIT_ANY_POLICY,
        APPLICATION_POLICY_MAPPINGS,
        APPLICATION_POLICY_CONSTRAINTS,
    }
)
# Extensions of standards that Windows may know: which of them it processes is not documented.
_STANDARD: Final = frozenset(
    {
        "2.5.29.9",  # subject directory attributes
        "2.5.29.16",  # private key usage period
        "2.5.29.18",  # issuer alternative name
        "2.5.29.46",  # freshest CRL
        "1.2.840.113549.1.9.15",  # S/MIME capabilities
        "1.3.6.1.5.5.7.1.3",  # qualified certificate statements
        "1.3.6.1.5.5.7.1.11",  # subject information access
        "1.3.6.1.5.5.7.48.1.5",  # no check of an OCSP responder's certificate
        "2.16.840.1.113730.1.1",  # Netscape certificate type
    }
)
# Microsoft's own extensions. That Windows processes those understood is documented, of the rest nothing is.
_MICROSOFT: Final = "1.3.6.1.4.1.311."


def role_of(path: CertificationPath, certificate: Certificate) -> Role:
    """What a certificate is in a chain."""
    if certificate is path.leaf:
        return Role.SERVER
    if certificate is path.anchor and (path.is_complete or certificate.is_self_signed):
        return Role.ROOT
    return Role.INTERMEDIATE


def in_words(path: CertificationPath, certificate: Certificate) -> str:
    """What a certificate is in a chain, with its name, to begin a sentence with."""
    return f"The {role_of(path, certificate)} {named(certificate)}"


def maps_policies(path: CertificationPath) -> bool:
    """Whether a CA of a chain says that application policies stand for others."""
    return any(APPLICATION_POLICY_MAPPINGS in each.extensions.present for each in path.certificates[1:])


def chain_reasons(
    path: CertificationPath, signatures: Signatures, comparisons: NameComparisons
) -> Iterator[Reason]:
    """Everything that is against the links of a chain, whatever image it is for."""
    yield from _signatures(path, signatures)
    yield from _path_lengths(path)
    yield from _critical_extensions(path)
    yield from _identifiers(path)
    yield from _encodings(path)
    yield from _constraints(path, comparisons)
    yield from _policies(path)


def _signatures(path: CertificationPath, signatures: Signatures) -> Iterator[Reason]:
    for child, issuer in itertools.pairwise(path.certificates):
        holds = signatures.holds(child, issuer)
        if holds is False:
            yield Reason(
                "invalid-chain",
                Severity.ERROR,
                f"{in_words(path, child)} was not signed by the key of {named(issuer)}: its signature does "
                "not fit.",
                "Have the PKI team check the chain: the certificate may be damaged, or the CA may have "
                "another certificate of that name with another key.",
            )
        elif signatures.is_beyond_bound(child, issuer):
            yield Reason(
                "search-ended",
                Severity.WARNING,
                f"{in_words(path, child)} has a signature by {named(issuer)} that was not checked: the "
                "certificates make too many to check them all.",
                "Give the chain that the server really sends, without further certificates.",
                undocumented=True,
            )
        elif holds is None:
            yield Reason(
                "invalid-chain",
                Severity.WARNING,
                f"{in_words(path, child)} has a signature by {named(issuer)} that cannot be checked here.",
                "Have it issued again with SHA-256 and an RSA or EC key.",
                undocumented=True,
            )


def _path_lengths(path: CertificationPath) -> Iterator[Reason]:
    """The trust anchor's limit counts as well, as it does for Windows and OpenSSL."""
    below = 0
    for certificate in path.certificates[1:]:
        constraints = certificate.extensions.basic_constraints
        limit = constraints.path_length if constraints else None
        if limit is not None and below > limit:
            yield Reason(
                "invalid-chain",
                Severity.ERROR,
                f"{in_words(path, certificate)} allows {limit} CAs below it, but there are {below}.",
                "Have the PKI team check the path length of its basic constraints.",
            )
        below += not certificate.is_self_issued


def _critical_extensions(path: CertificationPath) -> Iterator[Reason]:
    for certificate in path.certificates:
        unknown = sorted(certificate.extensions.critical - _UNDERSTOOD)
        if not unknown:
            continue
        which = listed([with_name(each) for each in unknown])
        is_root = certificate is path.anchor
        if not is_root and not all(each in _STANDARD or each.startswith(_MICROSOFT) for each in unknown):
            yield Reason(
                "invalid-chain",
                Severity.ERROR,
                f"{in_words(path, certificate)} has a critical extension that is not understood: {which}.",
                "Have it issued without this extension, or with the extension not critical.",
            )
        else:
            yield Reason(
                "invalid-chain",
                Severity.WARNING,
                f"{in_words(path, certificate)} has a critical extension ({which}). What Windows "
                f"does with it{' in a root' if is_root else ''} is not documented.",
                "To be sure, have it issued with the extension not critical.",
                undocumented=True,
            )


def _identifiers(path: CertificationPath) -> Iterator[Reason]:
    """An issuer that fits although it does not have the key identifier that its child names."""
    for child, issuer in itertools.pairwise(path.certificates):
        if not has_named_key(issuer, child):
            yield Reason(
                "key-identifier-differs",
                Severity.WARNING,
                f"{in_words(path, child)} names a key identifier that {named(issuer)} does not have. Whether "
                "Windows takes that certificate as its issuer is not documented.",
                "Have it issued again by a CA whose certificate has the key identifier that it writes.",
                undocumented=True,
            )


def _encodings(path: CertificationPath) -> Iterator[Reason]:
    for child, issuer in itertools.pairwise(path.certificates):
        if not child.issuer_name.has_same_letters(issuer.subject_name):
            yield Reason(
                "name-encoding-differs",
                Severity.WARNING,
                f"{in_words(path, child)} names its issuer in other letters than {named(issuer)} names "
                "itself; they are the same only as Unicode counts them (full-width letters, ligatures). "
                "Whether Windows does is not documented.",
                "Have it issued again by a CA that copies its own name.",
                undocumented=True,
            )
        elif child.issuer_name.der != issuer.subject_name.der:
            yield Reason(
                "name-encoding-differs",
                Severity.WARNING,
                f"{in_words(path, child)} names its issuer in another encoding (string type, case or blanks) "
                f"than {named(issuer)} names itself. Windows compares names byte for byte in places.",
                "Have it issued again by a CA that copies its own name.",
            )


def _constraints(path: CertificationPath, comparisons: NameComparisons) -> Iterator[Reason]:
    """A CA's name constraints hold for everything below it but self-issued CAs (RFC 5280 section 6.1.4)."""
    for position, authority in enumerate(path.certificates[1:], start=1):
        constraints = authority.extensions.name_constraints
        if constraints is None:
            continue
        if is_named_by_subject(path.leaf) and common_name_faults(constraints, path.leaf):
            yield Reason(
                "name-constraints",
                Severity.WARNING,
                f"{in_words(path, authority)} has name constraints that do not allow the common name of "
                f"{named(path.leaf)}. Whether Windows applies them to common names is not documented.",
                "Have the certificate issued with a subject alternative name.",
                undocumented=True,
            )
        for certificate in path.certificates[:position]:
            if certificate.is_self_issued and certificate is not path.leaf:
                continue
            faults = comparisons.faults_below(authority, certificate)
            if not faults:
                continue
            certain = [fault.text for fault in faults if fault.is_certain]
            yield Reason(
                "name-constraints",
                Severity.ERROR if certain else Severity.WARNING,
                f"{in_words(path, authority)} may not issue for names of {named(certificate)}: "
                + listed(certain or [fault.text for fault in faults])
                + ("" if certain else ". What Windows does then is not documented."),
                "Use names that the CA is allowed to issue for, or another CA.",
                undocumented=not certain,
            )


def _policies(path: CertificationPath) -> Iterator[Reason]:
    """Certificate policies matter only where a CA requires some: without constraints any will do."""
    if not any(POLICY_CONSTRAINTS in each.extensions.present for each in path.certificates):
        return
    try:
        holds = policies_hold(path.certificates)
    except DerError as error:
        yield Reason(
            "invalid-chain",
            Severity.WARNING,
            f"A CA of the chain demands a certificate policy, but the policies cannot be read ({error}).",
            "Have the PKI team check the policies of the chain.",
            undocumented=True,
        )
        return
    if not holds:
        yield Reason(
            "invalid-chain",
            Severity.ERROR,
            "A CA of the chain demands a certificate policy, and none runs through the whole chain.",
            "Have the PKI team check the policies of the chain.",
        )
