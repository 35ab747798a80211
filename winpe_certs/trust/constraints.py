"""Name constraints: which names a CA may give to the certificates below it (RFC 5280 section 4.2.1.10).

Excluded beats permitted, and permitted names limit only the kinds that occur among them. What cannot be
judged (names of unknown kinds, malformed ones) is an uncertain fault as soon as the constraints speak of its
kind. So is a wildcard of whose hosts some are excluded: RFC 5280 does not speak of it. Beyond RFC 5280: a
DNS constraint with a dot in front covers only the names below (so does OpenSSL), and an empty one covers all
names of its kind (OpenSSL: for DNS names). The common name is not considered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from winpe_certs.certs import names
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError
from winpe_certs.certs.extensions import NameConstraints, read_name_constraints
from winpe_certs.certs.general_names import ADDRESS, DIRECTORY, DNS, MAIL, URI, GeneralName
from winpe_certs.trust.words import listed, shortened

# About a second. Real servers have a hundred names and CAs some dozens of constraints.
MOST_COMPARISONS: Final = 2**18
LONGEST_COMPARED: Final = 1000


@dataclass(frozen=True, slots=True)
class NameFault:
    """A name that constraints do not allow, in words; not certain when it could not be judged."""

    text: str
    is_certain: bool = True


class NameComparisons:
    """The comparisons of one judgement: bounded over all of its chains, and each certificate looked at once.

    Chains share their certificates, so the same names meet the same constraints again and again.
    """

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS
        self._known: dict[tuple[bytes, bytes], tuple[NameFault, ...]] = {}

    def faults_below(self, authority: Certificate, certificate: Certificate) -> tuple[NameFault, ...]:
        """Say which names of a certificate the constraints of a CA, if it has any, do not allow."""
        constraints = authority.extensions.name_constraints
        if constraints is None:
            return ()
        return self._once(authority.der, certificate, lambda: constraints)

    def faults_by_property(self, der: bytes, certificate: Certificate) -> tuple[NameFault, ...]:
        """Likewise for bare constraints, as property 0x54 of a Blob holds them."""
        return self._once(der, certificate, lambda: read_name_constraints(der))

    def _once(
        self, source: bytes, certificate: Certificate, constraints: Callable[[], NameConstraints]
    ) -> tuple[NameFault, ...]:
        pair = (source, certificate.der)
        if pair not in self._known:
            try:
                self._known[pair] = self._compare(constraints(), certificate)
            except DerError as error:
                self._known[pair] = (NameFault(f"they cannot be read ({error})", is_certain=False),)
        return self._known[pair]

    def _compare(self, constraints: NameConstraints, certificate: Certificate) -> tuple[NameFault, ...]:
        count = len(constraints.permitted) + len(constraints.excluded)
        # Reading a name costs about as much as comparing it; a subject may be a name of two kinds.
        needed = (len(certificate.extensions.alternative_names or ()) + 2) * (count + 1)
        if needed > self._left:
            text = f"there are too many names and constraints ({count} here) to compare them all"
            return (NameFault(text, is_certain=False),)
        self._left -= needed
        return constraint_faults(constraints, certificate)


def constraint_faults(constraints: NameConstraints, certificate: Certificate) -> tuple[NameFault, ...]:
    """Say which names of a certificate the constraints do not allow; empty when all are allowed."""
    found = (_fault(each, constraints.permitted, constraints.excluded) for each in _names(certificate))
    return tuple(fault for fault in found if fault is not None)


def common_name_faults(constraints: NameConstraints, certificate: Certificate) -> tuple[NameFault, ...]:
    """Say which common names the DNS constraints would not allow, if they were for common names.

    RFC 5280 does not say so; what Windows does with a certificate that has no other name is not documented.
    """
    names_as_hosts = (
        GeneralName(DNS, text, text) for text in certificate.subject_name.texts(names.COMMON_NAME)
    )
    found = (_fault(each, constraints.permitted, constraints.excluded) for each in names_as_hosts)
    return tuple(fault for fault in found if fault is not None)


def _names(certificate: Certificate) -> Iterator[GeneralName]:
    """The names that RFC 5280 puts under constraints: the alternative ones, and those of the subject."""
    alternative = certificate.extensions.alternative_names or ()
    yield from alternative
    subject = certificate.subject_name
    if not subject.is_empty:
        yield GeneralName(DIRECTORY, subject.comparable, str(subject))
    if not any(name.kind == MAIL for name in alternative):
        for text in subject.texts(names.MAIL):
            yield GeneralName(MAIL, text, text)


def _fault(
    name: GeneralName, permitted: Sequence[GeneralName], excluded: Sequence[GeneralName]
) -> NameFault | None:
    lies_in = _LIES_IN.get(name.kind, _cannot_judge)
    allowed = [base for base in permitted if base.kind == name.kind]
    shown = f"the {name.kind} {shortened(name.text) or '(empty)'}"
    try:
        forbidden = [base for base in excluded if base.kind == name.kind]
        for base in forbidden:
            if lies_in(name.value, base.value):
                return NameFault(f"{shown} is excluded ({shortened(base.text) or 'as all of its kind'})")
        if allowed and not any(lies_in(name.value, base.value) for base in allowed):
            texts = [base.text or "(empty)" for base in allowed]
            return NameFault(f"{shown} is not among the permitted ones ({listed(texts)})")
        for base in forbidden:
            if name.kind == DNS and _dns_meets(name.value, base.value):
                text = f"{shown} stands for excluded hosts too ({shortened(base.text)})"
                return NameFault(text, is_certain=False)
    except _UnjudgeableError as error:
        return NameFault(f"{shown} cannot be judged: {name.fault or error}", is_certain=False)
    return None


class _UnjudgeableError(Exception):
    """A name and a constraint of which it is unknown whether one covers the other; the text says why."""


def _cannot_judge(_name: object, _base: object) -> bool:
    raise _UnjudgeableError("constraints for names of this kind are not understood")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or len(value) > LONGEST_COMPARED:
        raise _UnjudgeableError(f"not ASCII, or longer than {LONGEST_COMPARED} characters")
    return value.lower()


def _dns(value: object) -> str:
    text = _text(value)
    if text.endswith("."):
        raise _UnjudgeableError(f"a dot at the end ({shortened(text)})")
    return text


def _dns_lies_in(name: object, base: object) -> bool:
    """Whether every host that a name stands for is covered: a star stays within its label."""
    found, wanted = _dns(name), _dns(base)
    if wanted.startswith("."):
        return found.endswith(wanted)
    return not wanted or found == wanted or found.endswith(f".{wanted}")


def _dns_meets(name: object, base: object) -> bool:
    """Whether a name stands for any host that is covered: ``*.contoso.com`` does for cmg.contoso.com."""
    if _dns_lies_in(name, base):
        return True
    found, wanted = _dns(name), _dns(base)
    if "*" not in found:
        return False
    labels, base_labels = found.split("."), wanted.removeprefix(".").split(".")
    fewest = len(base_labels) + (1 if wanted.startswith(".") else 0)
    return len(labels) >= fewest and all(
        _label_meets(label, base_label)
        for label, base_label in zip(reversed(labels), reversed(base_labels), strict=False)
    )


def _label_meets(label: str, wanted: str) -> bool:
    prefix, star, behind = label.partition("*")
    if not star:
        return label == wanted
    return bool(behind) or wanted.startswith(prefix)  # stars that Windows does not take may mean anything


def _address_lies_in(name: object, base: object) -> bool:
    if not isinstance(name, IPv4Address | IPv6Address) or not isinstance(base, IPv4Network | IPv6Network):
        raise _UnjudgeableError("an address with a mask, or a constraint without one")
    return name in base


def _directory_lies_in(name: object, base: object) -> bool:
    if not isinstance(name, tuple) or not isinstance(base, tuple):
        raise _UnjudgeableError("it is not the structure of a name")
    return name[: len(base)] == base


def _mail_lies_in(name: object, base: object) -> bool:
    """Whether a mailbox is the one named, or at the host, or below the domain with a dot in front."""
    _text(name), _text(base)
    mailbox, _, host = str(name).rpartition("@")
    if not mailbox or not host:
        raise _UnjudgeableError("it is not an e-mail address")
    named, at, wanted = str(base).rpartition("@")
    if at:
        # Only the host's letter case does not count (RFC 5280 section 7.5).
        return (mailbox, host.lower()) == (named, wanted.lower())
    return _host_lies_in(host.lower(), wanted.lower())


def _uri_lies_in(name: object, base: object) -> bool:
    try:
        host = urlsplit(_text(name)).hostname
    except ValueError as error:
        raise _UnjudgeableError("it is not a readable URI") from error
    if not host or _is_address(host):
        raise _UnjudgeableError("its host has no name")
    return _host_lies_in(host, _text(base))


def _host_lies_in(host: str, wanted: str) -> bool:
    """For mail and URIs a base without a dot in front is that host alone, unlike for DNS names."""
    if wanted.startswith("."):
        return host.endswith(wanted)
    return not wanted or host == wanted


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


_LIES_IN: Final[dict[str, Callable[[Any, Any], bool]]] = {
    DNS: _dns_lies_in,
    ADDRESS: _address_lies_in,
    DIRECTORY: _directory_lies_in,
    MAIL: _mail_lies_in,
    URI: _uri_lies_in,
}
