"""Name constraints: which names a CA may give to the certificates below it (RFC 5280 section 4.2.1.10).

Excluded beats permitted, and permitted names limit only the kinds that occur among them. Where RFC 5280
leaves room, the stricter reading is taken: a wildcard is excluded when one of the hosts it stands for is;
what cannot be judged (names of unknown kinds, malformed ones) is a fault as soon as the constraints speak of
its kind. Beyond RFC 5280: a DNS constraint with a dot in front covers only the names below (so does
OpenSSL), and an empty one covers all names of its kind (OpenSSL: for DNS names). The common name is not
considered, as in `winpe_certs.trust.names`.

Minimum and maximum of a subtree must be absent (RFC 5280); property 0x54 of a Blob is refused with them, the
library does not tell of them in a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import read_element
from winpe_certs.certs.library import reading_certificate
from winpe_certs.errors import CertificateError
from winpe_certs.trust.facts import Facts, facts_of
from winpe_certs.trust.words import listed, shortened

if TYPE_CHECKING:
    from cryptography import x509

# About a second. Real servers have a hundred names and CAs some dozens of constraints.
MOST_COMPARISONS: Final = 2**18
LONGEST_COMPARED: Final = 1000

DNS: Final = "DNS name"
ADDRESS: Final = "IP address"
DIRECTORY: Final = "directory name"
MAIL: Final = "e-mail address"
URI: Final = "URI"
OTHER: Final = "other name"
REGISTERED: Final = "registered identifier"

MAIL_ATTRIBUTE: Final = "1.2.840.113549.1.9.1"


@dataclass(frozen=True, slots=True)
class _Name:
    """A name or a base of the constraints: its kind, the form in which it is compared, and its text."""

    kind: str
    value: Any
    text: str

    @property
    def shown(self) -> str:
        return f"the {self.kind} {shortened(self.text) or '(empty)'}"


class NameComparisons:
    """The comparisons of one judgement: bounded over all of its chains, and each certificate looked at once.

    Chains share their certificates, so the same names meet the same constraints again and again.
    """

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS
        self._known: dict[tuple[bytes, bytes], tuple[str, ...]] = {}

    def faults_below(self, authority: Certificate, certificate: Certificate) -> tuple[str, ...]:
        """Say which names of a certificate the constraints of a CA, if it has any, do not allow."""
        constraints = facts_of(authority).constraints
        if constraints is None:
            return ()
        return self._once(authority.der, certificate, lambda: constraints)

    def faults_by_property(self, der: bytes, certificate: Certificate) -> tuple[str, ...]:
        """Likewise for bare constraints, as property 0x54 of a Blob holds them."""
        return self._once(der, certificate, lambda: read_constraints(der))

    def _once(
        self, source: bytes, certificate: Certificate, constraints: Callable[[], x509.NameConstraints]
    ) -> tuple[str, ...]:
        pair = (source, certificate.der)
        if pair not in self._known:
            try:
                self._known[pair] = self._compare(constraints(), facts_of(certificate))
            except ValueError as error:
                self._known[pair] = (f"they cannot be read, {error}",)
        return self._known[pair]

    def _compare(self, constraints: x509.NameConstraints, facts: Facts) -> tuple[str, ...]:
        count = _count(constraints)
        # Reading a name costs about as much as comparing it; a subject may be a name of two kinds.
        needed = (len(facts.alternative_names) + 2) * (count + 1)
        if needed > self._left:
            return (f"there are too many names and constraints ({count} here) to compare them all",)
        self._left -= needed
        return constraint_faults(constraints, facts)


def constraint_faults(constraints: x509.NameConstraints, facts: Facts) -> tuple[str, ...]:
    """Say which names of a certificate the constraints do not allow; empty when all are allowed."""
    names = tuple(_names(facts))
    count = _count(constraints)
    if len(names) * count > MOST_COMPARISONS:
        return (f"{len(names)} names and {count} constraints are too many to be compared",)
    permitted = tuple(map(_read, constraints.permitted_subtrees or ()))
    excluded = tuple(map(_read, constraints.excluded_subtrees or ()))
    found = (_fault(name, permitted, excluded) for name in names)
    return tuple(fault for fault in found if fault is not None)


def _count(constraints: x509.NameConstraints) -> int:
    return len(constraints.permitted_subtrees or ()) + len(constraints.excluded_subtrees or ())


def read_constraints(der: bytes) -> x509.NameConstraints:
    """Read bare name constraints, as property 0x54 of a Blob holds them; raises `ValueError`."""
    from cryptography import x509

    for group in read_element(der).children():
        if any(len(subtree.children()) != 1 for subtree in group.children()):
            raise ValueError("a subtree with a minimum or maximum (RFC 5280 forbids them)")
    try:
        with reading_certificate(_carrier(der), "name constraints") as loaded:
            return loaded.extensions.get_extension_for_class(x509.NameConstraints).value
    except CertificateError as error:
        raise ValueError(f"not readable as name constraints: {error.details}") from error


def _names(facts: Facts) -> Iterator[_Name]:
    """The names that RFC 5280 puts under constraints: the alternative ones, and those of the subject."""
    alternative = tuple(map(_read, facts.alternative_names))
    yield from alternative
    if facts.subject.rdns:
        yield _directory(facts.subject)
    if not any(name.kind == MAIL for name in alternative):
        for attribute in facts.subject:
            if attribute.oid.dotted_string == MAIL_ATTRIBUTE:
                yield _Name(MAIL, attribute.value, str(attribute.value))


def _read(name: x509.GeneralName) -> _Name:
    from cryptography import x509

    if isinstance(name, x509.DirectoryName):
        return _directory(name.value)
    if isinstance(name, x509.OtherName):
        return _Name(OTHER, None, name.type_id.dotted_string)
    if isinstance(name, x509.RegisteredID):
        return _Name(REGISTERED, None, name.value.dotted_string)
    kinds = {x509.DNSName: DNS, x509.RFC822Name: MAIL, x509.UniformResourceIdentifier: URI}
    return _Name(kinds.get(type(name), ADDRESS), name.value, str(name.value))


def _directory(name: x509.Name) -> _Name:
    return _Name(DIRECTORY, tuple(map(_part, name.rdns)), name.rfc4514_string())


def _part(part: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str | bytes]]:
    """One part of a name; letter case, and how many blanks stand where, do not count (RFC 5280 7.1)."""
    return frozenset(
        (each.oid.dotted_string, " ".join(each.value.casefold().split()))
        if isinstance(each.value, str)
        else (each.oid.dotted_string, each.value)
        for each in part
    )


def _fault(name: _Name, permitted: Sequence[_Name], excluded: Sequence[_Name]) -> str | None:
    lies_in = _LIES_IN.get(name.kind, _cannot_judge)
    meets = _dns_meets if name.kind == DNS else lies_in
    allowed = [base for base in permitted if base.kind == name.kind]
    try:
        for base in excluded:
            if base.kind == name.kind and meets(name.value, base.value):
                return f"{name.shown} is excluded ({shortened(base.text) or 'as all of its kind'})"
        if allowed and not any(lies_in(name.value, base.value) for base in allowed):
            texts = [base.text or "(empty)" for base in allowed]
            return f"{name.shown} is not among the permitted ones ({listed(texts)})"
    except ValueError as error:
        return f"{name.shown} cannot be judged: {error}"
    return None


def _cannot_judge(_name: object, _base: object) -> bool:
    raise ValueError("constraints for names of this kind are not understood")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or len(value) > LONGEST_COMPARED:
        raise ValueError(f"not ASCII, or longer than {LONGEST_COMPARED} characters")
    return value.lower()


def _dns(value: object) -> str:
    text = _text(value)
    if text.endswith("."):
        raise ValueError(f"a dot at the end ({shortened(text)})")
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
        raise ValueError("an address with a mask, or a constraint without one")  # noqa: TRY004 - of the file
    return name in base


def _directory_lies_in(name: tuple[object, ...], base: tuple[object, ...]) -> bool:
    return name[: len(base)] == base


def _mail_lies_in(name: object, base: object) -> bool:
    """Whether a mailbox is the one named, or at the host, or below the domain with a dot in front."""
    _text(name), _text(base)
    mailbox, _, host = str(name).rpartition("@")
    if not mailbox or not host:
        raise ValueError("it is not an e-mail address")
    named, at, wanted = str(base).rpartition("@")
    if at:
        # Only the host's letter case does not count (RFC 5280 section 7.5).
        return (mailbox, host.lower()) == (named, wanted.lower())
    return _host_lies_in(host.lower(), wanted.lower())


def _uri_lies_in(name: object, base: object) -> bool:
    try:
        host = urlsplit(_text(name)).hostname
    except ValueError as error:
        raise ValueError("it is not a readable URI") from error
    if not host or _is_address(host):
        raise ValueError("its host has no name")
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


def _carrier(constraints: bytes) -> bytes:
    """A certificate that is empty but for name constraints: the library reads them nowhere else.

    It has no names, an Ed25519 key (RFC 8410) of zeros, and a signature that nobody checks.
    """
    algorithm = _element(0x30, bytes.fromhex("06032b6570"))
    zeros = _element(0x03, bytes(33))
    nameless = _element(0x30)
    moment = _element(0x17, b"000101000000Z")
    extension = _element(0x30, bytes.fromhex("0603551d1e"), _element(0x04, constraints))
    signed = _element(
        0x30,
        bytes.fromhex("a003020102"),  # version 3
        bytes.fromhex("020101"),  # serial number 1
        algorithm,
        nameless,
        _element(0x30, moment, moment),
        nameless,
        _element(0x30, algorithm, zeros),
        _element(0xA3, _element(0x30, extension)),
    )
    return _element(0x30, signed, algorithm, zeros)


def _element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
