"""Takes the certificates out of a PKCS#7 file (.p7b, .p7c): SignedData of RFC 5652 section 5.1.

The structure is taken apart down to the set of certificates (section 10.2.3) and no further, in DER and in
BER, so that each certificate keeps its bytes and a bad one does not hide the rest. Signatures mean nothing
for what is in the set. Attribute certificates and the other choices of that set are left out with a warning.
Refused: a structure of another kind, and one without any certificate.
"""

from __future__ import annotations

from collections.abc import Iterator

from winpe_certs.certs.ber import BerElement, read_ber, read_unclosed
from winpe_certs.certs.der import OBJECT_IDENTIFIER, SEQUENCE, DerError
from winpe_certs.certs.entries import MOST_CERTIFICATES, Contents, FoundCertificate
from winpe_certs.errors import CertificateError, NoCertificateError

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_CONTENT_NAMES = {
    bytes.fromhex("2a864886f70d010701"): "plain data",
    bytes.fromhex("2a864886f70d010703"): "encrypted data",
    bytes.fromhex("2a864886f70d010704"): "encrypted data",
    bytes.fromhex("2a864886f70d010705"): "a digest",
    bytes.fromhex("2a864886f70d010706"): "encrypted data",
}
# szOID_CTL of wincrypt.h: a certificate trust list (.stl) names roots by their hashes and holds none of them.
_TRUST_LIST = bytes.fromhex("2b0601040182370a01")
_EXPLICIT = 0xA0
_CERTIFICATES = 0xA0
_OTHER_CHOICES = {
    0xA0: "an extended certificate of PKCS #6",
    0xA1: "an attribute certificate",
    0xA2: "an attribute certificate",
    0xA3: "a certificate of another format",
}
_BLANKS = b" \t\r\n\0"

EXPORT_CHAIN = (
    "Export the chain again as PKCS #7, with 'Include all certificates in the certification path', or give"
    " the certificates one by one (.cer)."
)


def pkcs7_certificates(data: bytes, origin: str) -> Contents:
    """The certificates of the file in its order, their bytes as they came; raises `CertificateError`."""
    contents = Contents()
    at = 0
    while at < len(data):
        try:
            at = _one(data, at, origin, contents)
        except DerError as error:
            raise _refusal(origin, f"{error.reason} at offset {error.offset}") from error
        rest = data[at:]
        if not rest.strip(_BLANKS):
            break
        if rest[0] != SEQUENCE:
            contents.damaged(
                f"{origin}: {len(rest)} bytes after the PKCS#7 structure belong to nothing",
                resolution=EXPORT_CHAIN,
            )
            break
    if not contents.found:
        raise _refusal(origin, "There is no certificate in it.")
    return contents


def _one(data: bytes, start: int, origin: str, contents: Contents) -> int:
    """Read one ContentInfo; where the next thing in the file begins."""
    outer, is_whole = _whole_or_cut(data, start, len(data))
    parts = _children(outer)
    kind = next(parts, None)
    if outer.tag != SEQUENCE or kind is None or kind.tag != OBJECT_IDENTIFIER:
        raise DerError(start, "no PKCS#7 structure")
    if kind.value != _SIGNED_DATA:
        name = _CONTENT_NAMES.get(kind.value, "something of another kind")
        raise _refusal(origin, f"It holds {name}; only signed data has a list of certificates.")
    wrapper, _ = _whole_or_cut(data, kind.end, outer.content_end)
    signed, _ = _whole_or_cut(data, wrapper.content, wrapper.content_end)
    if wrapper.tag != _EXPLICIT or signed.tag != SEQUENCE:
        raise DerError(wrapper.start, "no signed data")
    found = _certificate_set(signed, origin)
    broken = _read_set(found, origin, contents) if found is not None else ""
    if not is_whole:
        contents.damaged(
            f"{origin}: the PKCS#7 file is cut off after {len(contents.found)} certificates",
            details=f"Its structure claims more than the {len(data) - start} bytes that are there.",
            resolution="Copy the file again, whole, from where it was made.",
        )
    elif broken:
        contents.damaged(
            f"{origin}: the list of certificates breaks off after {len(contents.found)}",
            details=broken,
            resolution=EXPORT_CHAIN,
        )
    return outer.end


def _whole_or_cut(data: bytes, offset: int, limit: int) -> tuple[BerElement, bool]:
    try:
        return read_ber(data, offset, limit), True
    except DerError:
        return read_unclosed(data, offset, limit), False


def _certificate_set(signed: BerElement, origin: str) -> BerElement | None:
    """The set of certificates: after version, digest algorithms and content, before the CRLs."""
    offset = signed.content
    for _ in range(3):
        element = read_ber(signed.source, offset, signed.content_end)
        offset = element.end
    if element.value[2:].startswith(_TRUST_LIST):
        raise NoCertificateError(
            f"{origin}: this is a certificate trust list (.stl), not a file of certificates",
            details="It names certificates by their hashes; those in it only signed the list.",
            resolution="Give the roots themselves: certutil -generateSSTFromWU on Windows writes them into a"
            " .sst file.",
        )
    if offset >= signed.content_end or signed.source[offset] != _CERTIFICATES:
        return None
    return _whole_or_cut(signed.source, offset, signed.content_end)[0]


def _read_set(found: BerElement, origin: str, contents: Contents) -> str:
    """Read the set as far as it makes sense; the reason why it does not beyond that, or nothing."""
    broken = ""
    left_out: dict[str, int] = {}
    try:
        for number, child in enumerate(_children(found), start=1):
            if number > MOST_CERTIFICATES:
                raise _refusal(origin, f"More than {MOST_CERTIFICATES} certificates are too many.")
            if child.tag == SEQUENCE:
                contents.found.append(FoundCertificate(child.encoded))
            else:
                name = _OTHER_CHOICES.get(child.tag, f"an element with tag 0x{child.tag:02X}")
                left_out[name] = left_out.get(name, 0) + 1
    except DerError as error:
        broken = f"{error.reason} at offset {error.offset}"
    contents.warnings += [
        f"{origin}: {name} is left out" + (f" ({count} times)" if count > 1 else "")
        for name, count in left_out.items()
    ]
    return broken


def _children(element: BerElement) -> Iterator[BerElement]:
    offset = element.content
    while offset < element.content_end:
        child = read_ber(element.source, offset, element.content_end)
        yield child
        offset = child.end


def _refusal(origin: str, details: str) -> CertificateError:
    return CertificateError(
        f"{origin}: no certificates can be read from this PKCS#7 file",
        details=details,
        resolution=EXPORT_CHAIN,
    )
