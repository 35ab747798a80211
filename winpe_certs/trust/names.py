"""The name a client asks for, and whether a certificate has it.

Wildcards as Schannel accepts them (Microsoft KB 258858), not as RFC 9525 would: ``w*.contoso.com`` counts,
stars further right or within a label do not. A star stands for at least one character: the article shows none
that stands for nothing. An IP address is matched by an iPAddress entry only (RFC 9110 section 4.3.5).

Windows compares with "the DNS name or common name" (HTTPSPolicyCallbackData), wildcards too. The common name
counts where the certificate has neither a DNS name nor an IP address as an alternative name; browsers ignore
it (RFC 9525 section 2), so that is a warning.
"""

from __future__ import annotations

from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.extensions import ALTERNATIVE_NAME, NAMES
from winpe_certs.certs.general_names import ADDRESS, DNS
from winpe_certs.certs.names import COMMON_NAME
from winpe_certs.findings import Reason, Severity
from winpe_certs.hosts import HostName
from winpe_certs.trust.words import listed

A_LABEL: Final = "xn--"
_ASK: Final = (
    "Ask for the name that the client uses, or have a certificate issued that has it as a subject "
    "alternative name. A server for intranet and internet clients needs both of its names."
)
_MISMATCH: Final = "CERT_CN_INVALID"


def name_reasons(certificate: Certificate, host: HostName) -> tuple[Reason, ...]:
    """Say what speaks against a certificate for a host: errors, warnings, or what is not documented."""
    extensions = certificate.extensions
    if host.address is not None and host.address in extensions.addresses:
        return ()
    if host.address is None and any(_covers(name, host.text) for name in extensions.dns_names):
        return ()
    unread = _unread_names(certificate)
    if unread:
        return (_undocumented(f"Whether the certificate is for {host.text} cannot be told: {unread}"),)
    if host.address is None and any(
        _covers(name.removesuffix("."), host.text) for name in extensions.dns_names
    ):
        message = f"The certificate names {host.text} with a dot at the end. Whether Windows takes that"
        return (_undocumented(f"{message} is not documented"),)
    if not is_named_by_subject(certificate):
        return (_mismatch(certificate, host),)
    return _by_common_name(certificate, host)


def is_named_by_subject(certificate: Certificate) -> bool:
    """Whether a certificate has neither a DNS name nor an IP address but in its subject."""
    return not any(each.kind in (DNS, ADDRESS) for each in certificate.extensions.alternative_names or ())


def _by_common_name(certificate: Certificate, host: HostName) -> tuple[Reason, ...]:
    common_names = certificate.subject_name.texts(COMMON_NAME)
    if certificate.subject_name.has_unread(COMMON_NAME):
        message = f"Whether the certificate is for {host.text} cannot be told: its common name cannot be read"
        return (_undocumented(message),)
    if any(each.value is None and each.fault for each in certificate.extensions.alternative_names or ()):
        message = (
            "The certificate has an alternative name that cannot be read, and otherwise only a common name"
        )
        return (_undocumented(f"{message}. Whether Windows falls back to that is not documented"),)
    if host.address is not None:
        if host.text in common_names:
            return (
                _undocumented(
                    f"The certificate names {host.text} only as its common name, not as an IP address. What "
                    "Windows makes of that is not documented"
                ),
            )
        return (_mismatch(certificate, host),)
    covered = [_covers(name, host.text) for name in common_names]
    if not any(covered):
        if any(_covers(_in_ascii(name).removesuffix("."), host.text) for name in common_names):
            return (
                _undocumented(
                    f"The common name of the certificate ({listed(common_names)}) is {host.text} written in "
                    "another way. Whether Windows takes it is not documented"
                ),
            )
        return (_mismatch(certificate, host),)
    if not all(covered):
        return (
            _undocumented(
                f"The certificate has several common names ({listed(common_names)}). Which of them Windows "
                "takes is not documented"
            ),
        )
    return (
        Reason(
            "common-name-only",
            Severity.WARNING,
            f"The certificate names {host.text} only as its common name. Windows falls back to that; "
            "browsers and other clients do not.",
            "Ask for a certificate with the name as a subject alternative name next time.",
        ),
    )


def _in_ascii(name: str) -> str:
    """A host name with foreign letters in the form that DNS uses; empty when it has none."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _unread_names(certificate: Certificate) -> str:
    """Why a name that Windows may see cannot be seen here; empty when all can."""
    if NAMES[ALTERNATIVE_NAME] in certificate.unread_parts:
        return "its subject alternative name cannot be read"
    for each in certificate.extensions.alternative_names or ():
        if each.kind in (DNS, ADDRESS) and each.value is None:
            return f"its {each.kind} {listed([each.text])} is left out, because {each.fault}"
    return ""


def _undocumented(message: str) -> Reason:
    return Reason("name-mismatch", Severity.WARNING, f"{message}.", _ASK, _MISMATCH, undocumented=True)


def _mismatch(certificate: Certificate, host: HostName) -> Reason:
    message = f"The certificate is not for {host.text}: {_what_it_names(certificate, host)}."
    return Reason("name-mismatch", Severity.ERROR, message, _ASK, _MISMATCH)


def _covers(pattern: str, host: str) -> bool:
    """Whether a DNS name of a certificate, perhaps with a wildcard, covers a host."""
    if not pattern.isascii():  # lower() would turn foreign letters (the Kelvin sign) into ASCII ones
        return False
    pattern = pattern.lower()
    if "*" not in pattern:
        return pattern == host
    label, _, behind = pattern.partition(".")
    host_label, _, host_behind = host.partition(".")
    prefix, star, rest = label.partition("*")
    if not star or rest:
        return False
    if behind != host_behind or "." not in behind:  # a star further right fits no host either
        return False
    if prefix and host_label.startswith(A_LABEL):
        return False  # a part of an A-label is no part of the name that it stands for
    return host_label.startswith(prefix) and len(host_label) > len(prefix)


def _what_it_names(certificate: Certificate, host: HostName) -> str:
    extensions = certificate.extensions
    found = [name or "(empty)" for name in (*extensions.dns_names, *map(str, extensions.addresses))]
    if not found:
        common_names = certificate.subject_name.texts(COMMON_NAME)
        own = f"its common name is {listed(common_names)}" if common_names else "it has no common name"
        if extensions.alternative_names is None:
            return f"it has no subject alternative name, and {own}"
        return f"its subject alternative name holds neither DNS names nor IP addresses, and {own}"
    if host.address is not None:
        return f"it names {listed(found)}, and an address counts only as an entry of the kind IP address"
    return f"it names {listed(found)}"
