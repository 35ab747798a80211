"""The extensions of a certificate (RFC 5280 section 4.2) that some rule of this program needs.

Each is read for itself: one that cannot be read is named in `unreadable`, with the reason, and spoils no
other. Extensions that no rule needs are never decoded. Of Windows' own, the application policies hold uses in
the syntax of certificate policies (MS-WCCE section 2.2.2.7.7.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from winpe_certs.certs import general_names
from winpe_certs.certs.der import (
    BOOLEAN,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Element,
    bits,
    boolean,
    expect,
    identifier_list,
    number,
    object_identifier,
    read_whole,
)
from winpe_certs.certs.general_names import GeneralName, read_general_name
from winpe_certs.certs.names import ComparableName

SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
ALTERNATIVE_NAME: Final = "2.5.29.17"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
NAME_CONSTRAINTS: Final = "2.5.29.30"
REVOCATION_LISTS: Final = "2.5.29.31"
POLICIES: Final = "2.5.29.32"
POLICY_MAPPINGS: Final = "2.5.29.33"
AUTHORITY_KEY_IDENTIFIER: Final = "2.5.29.35"
POLICY_CONSTRAINTS: Final = "2.5.29.36"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
INHIBIT_ANY_POLICY: Final = "2.5.29.54"
AUTHORITY_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
APPLICATION_POLICIES: Final = "1.3.6.1.4.1.311.21.10"
APPLICATION_POLICY_MAPPINGS: Final = "1.3.6.1.4.1.311.21.11"
APPLICATION_POLICY_CONSTRAINTS: Final = "1.3.6.1.4.1.311.21.12"

NAMES: Final = {
    SUBJECT_KEY_IDENTIFIER: "subject key identifier",
    KEY_USAGE: "key usage",
    ALTERNATIVE_NAME: "subject alternative name",
    BASIC_CONSTRAINTS: "basic constraints",
    NAME_CONSTRAINTS: "name constraints",
    REVOCATION_LISTS: "CRL distribution points",
    POLICIES: "certificate policies",
    AUTHORITY_KEY_IDENTIFIER: "authority key identifier",
    EXTENDED_KEY_USAGE: "extended key usage",
    AUTHORITY_ACCESS: "authority information access",
    APPLICATION_POLICIES: "application policies",
}

# The bits of a key usage, the first one on the left (RFC 5280 section 4.2.1.3).
_KEY_USES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"
_RESPONDER: Final = "1.3.6.1.5.5.7.48.1"


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension as a certificate holds it: its identifier, whether it is critical, and its value."""

    id: str
    is_critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """Whether the subject is a CA, and how many CAs may follow; None for any number."""

    is_ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class AuthorityKeyIdentifier:
    """Which key, or which certificate, issued this one. `serial` is upper-case hexadecimal."""

    key: bytes | None
    issuers: tuple[ComparableName, ...]
    serial: str | None


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """The names that a CA may issue for, and those that it may not."""

    permitted: tuple[GeneralName, ...]
    excluded: tuple[GeneralName, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Where something about the issuer can be fetched: the method in dotted form, and the place."""

    method: str
    place: GeneralName


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the extensions of one certificate say; None or empty for one that is absent or unreadable.

    `unreadable` leads from the names of those that cannot be read to the reasons. `critical` and `present`
    are the identifiers of all extensions that are, whether known or not.
    """

    present: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    basic_constraints: BasicConstraints | None = None
    key_uses: frozenset[str] | None = None
    extended_uses: tuple[str, ...] | None = None
    application_policies: tuple[str, ...] | None = None
    alternative_names: tuple[GeneralName, ...] | None = None
    name_constraints: NameConstraints | None = None
    policies: tuple[str, ...] | None = None
    subject_key: bytes | None = None
    authority_key: AuthorityKeyIdentifier | None = None
    revocation_lists: tuple[GeneralName, ...] | None = None
    access: tuple[Access, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The readable DNS names of the subject alternative name, as they are spelled there."""
        return tuple(str(each.value) for each in self._readable(general_names.DNS))

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """The readable IP addresses of the subject alternative name."""
        found = (each.value for each in self._readable(general_names.ADDRESS))
        return tuple(each for each in found if isinstance(each, IPv4Address | IPv6Address))

    @property
    def revocation_list_urls(self) -> tuple[str, ...]:
        """Where revocation lists are, as it is spelled there."""
        return _urls(self.revocation_lists or ())

    @property
    def responder_urls(self) -> tuple[str, ...]:
        """Where OCSP responders are."""
        return _urls(each.place for each in self.access if each.method == _RESPONDER)

    @property
    def issuer_urls(self) -> tuple[str, ...]:
        """Where the issuer's certificate is."""
        return _urls(each.place for each in self.access if each.method == _CA_ISSUERS)

    @property
    def unread_names(self) -> frozenset[str]:
        """The names of the extensions that cannot be read."""
        return frozenset(name for name, _ in self.unreadable)

    def _readable(self, kind: str) -> tuple[GeneralName, ...]:
        return tuple(
            each for each in self.alternative_names or () if each.kind == kind and each.value is not None
        )


def read_extensions(found: Iterable[Extension]) -> Extensions:
    """Read the extensions of a certificate, each for itself."""
    first: dict[str, Extension] = {}
    unreadable: dict[str, str] = {}
    for each in found:
        if each.id in first:
            unreadable.setdefault(NAMES.get(each.id, f"extension {each.id}"), "the extension occurs twice")
        first.setdefault(each.id, each)
    values: dict[str, Any] = {}
    for identifier, (field, read) in _READERS.items():
        extension = first.get(identifier)
        if extension is None:
            continue
        try:
            values[field] = read(extension.value)
        except DerError as error:
            unreadable[NAMES[identifier]] = str(error)
    return Extensions(
        present=frozenset(first),
        critical=frozenset(each.id for each in first.values() if each.is_critical),
        unreadable=tuple(unreadable.items()),
        **values,
    )


def read_extension(element: Element) -> Extension:
    """Read one element of the list of extensions; an explicit FALSE is read like an absent one."""
    parts = expect(element, SEQUENCE, "an extension").children()
    if len(parts) not in (2, 3):
        raise DerError(element.start, f"an extension has {len(parts)} parts")
    is_critical = boolean(parts[1]) if len(parts) == 3 else False
    value = expect(parts[-1], OCTET_STRING, "the value of an extension").value
    return Extension(object_identifier(parts[0]), is_critical, value)


def read_name_constraints(data: bytes) -> NameConstraints:
    """Read name constraints (RFC 5280 section 4.2.1.10), with which minimum and maximum must be absent.

    Raises `DerError`, also for a base that cannot be read.
    """
    groups: dict[int, tuple[GeneralName, ...]] = {}
    for group in read_whole(data).children():
        if group.tag not in (0xA0, 0xA1) or group.tag in groups:
            raise DerError(group.start, f"a group of constraints has tag 0x{group.tag:02X}")
        subtrees = group.children()
        if not subtrees:
            raise DerError(group.start, "a group of constraints is empty")
        groups[group.tag] = tuple(map(_base, subtrees))
    if not groups:
        raise DerError(0, "there are no constraints in it")
    return NameConstraints(groups.get(0xA0, ()), groups.get(0xA1, ()))


def _base(subtree: Element) -> GeneralName:
    parts = expect(subtree, SEQUENCE, "a subtree").children()
    if len(parts) != 1:
        raise DerError(subtree.start, "a subtree with a minimum or maximum (RFC 5280 forbids them)")
    name = read_general_name(parts[0], with_mask=True)
    if name.fault:
        raise DerError(parts[0].start, f'the base "{name.text}" of a subtree: {name.fault}')
    return name


def _basic_constraints(data: bytes) -> BasicConstraints:
    parts = read_whole(data).children()
    is_ca = boolean(parts.pop(0)) if parts and parts[0].tag == BOOLEAN else False
    length = number(parts.pop(0)) if parts and parts[0].tag == INTEGER else None
    if parts:
        raise DerError(parts[0].start, "basic constraints have another part")
    if length is not None and length < 0:
        raise DerError(0, "the path length is negative")
    # The length of paths below a certificate that is no CA means nothing.
    return BasicConstraints(is_ca, length if is_ca else None)


def _key_usage(data: bytes) -> frozenset[str]:
    octets = bits(read_whole(data, tag=0x03))
    value = int.from_bytes(octets[:2].ljust(2, b"\0"), "big")
    return frozenset(name for place, name in enumerate(_KEY_USES) if value & 0x8000 >> place)


def _policies(data: bytes) -> tuple[str, ...]:
    """Policy identifiers, without their qualifiers."""
    found = []
    for each in read_whole(data).children():
        parts = expect(each, SEQUENCE, "a policy").children()
        if not parts:
            raise DerError(each.start, "a policy is empty")
        found.append(object_identifier(parts[0]))
    return tuple(found)


def _general_names(data: bytes) -> tuple[GeneralName, ...]:
    return tuple(map(read_general_name, read_whole(data).children()))


def _octets(data: bytes) -> bytes:
    return read_whole(data, OCTET_STRING).value


def _authority_key(data: bytes) -> AuthorityKeyIdentifier:
    parts = {each.tag: each for each in read_whole(data).children()}
    issuers = tuple(
        each.value
        for each in map(read_general_name, parts[0xA1].children() if 0xA1 in parts else ())
        if each.kind == general_names.DIRECTORY and isinstance(each.value, tuple | bytes)
    )
    serial = parts[0x82].value if 0x82 in parts else None
    return AuthorityKeyIdentifier(
        key=parts[0x80].value if 0x80 in parts else None,
        issuers=issuers,
        serial=serial_text(serial) if serial is not None else None,
    )


def serial_text(content: bytes) -> str:
    """The content of a serial number as Windows shows it: hexadecimal, without zero octets in front."""
    return (content.lstrip(b"\0") or content[:1]).hex().upper()


def _revocation_lists(data: bytes) -> tuple[GeneralName, ...]:
    """The full names of all distribution points."""
    found: list[GeneralName] = []
    for point in read_whole(data).children():
        for part in expect(point, SEQUENCE, "a distribution point").children():
            for name in part.children() if part.tag == 0xA0 else ():
                # Names relative to the issuer (0xA1) can only be asked of a directory.
                found += map(read_general_name, name.children() if name.tag == 0xA0 else ())
    return tuple(found)


def _access(data: bytes) -> tuple[Access, ...]:
    found = []
    for each in read_whole(data).children():
        parts = expect(each, SEQUENCE, "an access description").children()
        if len(parts) != 2:
            raise DerError(each.start, f"an access description has {len(parts)} parts")
        found.append(Access(object_identifier(parts[0]), read_general_name(parts[1])))
    return tuple(found)


def _urls(names: Iterable[GeneralName]) -> tuple[str, ...]:
    return tuple(
        str(each.value) for each in names if each.kind == general_names.URI and each.value is not None
    )


_READERS: Final[Mapping[str, tuple[str, Callable[[bytes], object]]]] = {
    BASIC_CONSTRAINTS: ("basic_constraints", _basic_constraints),
    KEY_USAGE: ("key_uses", _key_usage),
    EXTENDED_KEY_USAGE: ("extended_uses", identifier_list),
    APPLICATION_POLICIES: ("application_policies", _policies),
    ALTERNATIVE_NAME: ("alternative_names", _general_names),
    NAME_CONSTRAINTS: ("name_constraints", read_name_constraints),
    POLICIES: ("policies", _policies),
    SUBJECT_KEY_IDENTIFIER: ("subject_key", _octets),
    AUTHORITY_KEY_IDENTIFIER: ("authority_key", _authority_key),
    REVOCATION_LISTS: ("revocation_lists", _revocation_lists),
    AUTHORITY_ACCESS: ("access", _access),
}
