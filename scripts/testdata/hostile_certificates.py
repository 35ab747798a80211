"""Damaged certificate files, each with one defect."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Callable

from scripts.testdata import bundles, pki


def _der() -> bytes:
    return pki.der("corp-root")


def _pem() -> bytes:
    return pki.pem("corp-root")


def _armoured(label: str, content: bytes) -> bytes:
    lines = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n".encode()


def _blob() -> bytes:
    return pki.registry_blob("corp-root")


def _store() -> bytes:
    return bundles.serialized_store(_blob())


def _policy() -> bytes:
    key = f"{bundles.POLICY_ROOT}\\{pki.thumbprint('corp-root')}"
    return bundles.policy_file(bundles.instruction(key, "Blob", _blob()))


def _nested(levels: int) -> bytes:
    content = b"\x05\x00"
    for _ in range(levels):
        size = len(content)
        content = b"\x30\x83" + size.to_bytes(3, "big") + content
    return content


def _changed(old: bytes, new: bytes) -> bytes:
    assert _der().count(old) >= 1
    return _der().replace(old, new, 1)


CERTIFICATES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (bytes, "The file is empty."),
    "random": (lambda: random.Random(5).randbytes(2000), "The file is noise."),
    "text": (lambda: b"This is not a certificate.\r\n", "The file is a sentence."),
    "der-truncated": (lambda: _der()[:-1], "The certificate lacks its last byte."),
    "der-half": (lambda: _der()[: len(_der()) // 2], "The certificate lacks its second half."),
    "der-trailing": (lambda: _der() + b"\0junk", "Bytes follow the certificate."),
    "der-length-huge": (lambda: b"\x30\x84\x7f\xff\xff\xff" + _der()[4:], "The certificate claims 2 GiB."),
    "der-length-indefinite": (
        lambda: b"\x30\x80" + _der()[4:] + b"\0\0",
        "The length is indefinite: BER, not DER.",
    ),
    "der-nested": (lambda: _nested(3000), "The file is 3,000 nested sequences."),
    "der-bad-time": (lambda: _changed(b"200101000000Z", b"209901000000Z"), "Not-before is a 99th month."),
    "pem-no-end": (lambda: _pem()[: _pem().index(b"-----END")], "The PEM has no last line."),
    "pem-bad-base64": (lambda: _pem()[:200] + b"****" + _pem()[204:], "The PEM has asterisks in its base64."),
    "pem-empty": (lambda: _armoured("CERTIFICATE", b""), "The PEM has nothing between its lines."),
    "pem-not-der": (lambda: _armoured("CERTIFICATE", b"hello, world"), "The PEM holds text."),
    "pem-request": (lambda: _armoured("CERTIFICATE REQUEST", _der()), "The PEM says that it is a request."),
    "pem-second-broken": (
        lambda: _pem() + _armoured("CERTIFICATE", _der()[:-9]),
        "The second certificate of the PEM is cut off.",
    ),
    "private-key": (pki.files()["certs/corp-root.key.pem"], "The file is a private key."),
    "key-and-certificate": (
        lambda: _pem() + pki.files()["certs/corp-root.key.pem"](),
        "A private key stands behind the certificate.",
    ),
    "p7b-truncated": (lambda: pki.files()["certs/chain.p7b"]()[:-50], "The PKCS#7 file is cut off."),
    "p7b-without-certificates": (
        lambda: bytes.fromhex("302306092a864886f70d010702a01630140201013100300b06092a864886f70d0107013100"),
        "The PKCS#7 file has no certificate in it.",
    ),
    "p7b-of-nested-indefinite-lengths": (
        lambda: bytes.fromhex("308006092a864886f70d010702a080") + b"\x30\x80" * 20_000,
        "The PKCS#7 file is 20,000 elements that never end.",
    ),
    "p7b-second-cut": (
        lambda: bundles.pkcs7_ber(_der(), b"\x30\x82\x7f\xff" + _der()[4:]),
        "The second certificate of the PKCS#7 file claims more than there is.",
    ),
    "sst-cut": (lambda: _store()[:-13], "The serialized store ends in the middle of its certificate."),
    "sst-huge-property": (
        lambda: bundles.serialized_store(bytes.fromhex("0900000001000000ffffff7f")),
        "A property of the serialized store claims 2 GiB.",
    ),
    "sst-endless": (
        lambda: bundles.serialized_store(bundles.store_element(9, b"") * 5000, end=b""),
        "The serialized store is 5,000 properties without an end.",
    ),
    "pol-cut": (lambda: _policy()[:-3], "The policy file ends in the middle of its certificate."),
    "pol-huge-value": (
        lambda: _policy().replace(struct.pack("<I", len(_blob())), b"\xff\xff\xff\x7f", 1),
        "A value of the policy file claims 2 GiB.",
    ),
    "pol-without-nul": (
        lambda: bundles.policy_file("[Software".encode("utf-16-le") * 9000),
        "A name of the policy file never ends.",
    ),
    "utf16": (lambda: _pem().decode().encode("utf-16"), "The PEM is written in UTF-16."),
}
