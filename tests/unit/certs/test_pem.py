"""PEM as it arrives: joined, pasted into one line, carried through JSON, saved in mixed encodings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.unit.certs import making
from tests.unit.certs.making import pem
from winpe_certs.certs.sources import CertificateFile, read_parts
from winpe_certs.errors import CertificateError, NoCertificateError, PrivateKeyError

ROOT, SUB = making.root_der(), making.intermediate_der()
ONE, TWO = pem(ROOT), pem(SUB)
FIRST, SECOND = ONE.decode(), TWO.decode()


def read(data: bytes) -> CertificateFile:
    return read_parts(data, "x.pem")


def flat(text: str, between: str) -> str:
    return between.join(text.strip().split("\n"))


JOINED = {
    "no-line-break": ONE.rstrip() + TWO,
    "no-line-break-crlf": pem(ROOT, line_end="\r\n").rstrip() + pem(SUB, line_end="\r\n"),
    "text-on-the-same-line": b"root: " + ONE.rstrip() + b" sub: " + TWO.rstrip() + b" end",
    "bom-between": b"\xef\xbb\xbf" + ONE + b"\xef\xbb\xbf" + TWO,
    "bom-inside": (FIRST.replace("\nMII", "\n\ufeffMII") + SECOND).encode(),
    "one-line": (flat(FIRST, "") + flat(SECOND, "")).encode(),
    "blanks": (flat(FIRST, " ") + " " + flat(SECOND, "  ")).encode(),
    "tabs": (flat(FIRST, "\n\t") + "\t" + flat(SECOND, "\t")).encode(),
    "written-n": (flat(FIRST, "\\n") + "\\n" + flat(SECOND, "\\n")).encode(),
    "written-rn": (flat(FIRST, "\\r\\n") + "\\r\\n" + flat(SECOND, "\\r\\n")).encode(),
    "json": json.dumps({"certificate": FIRST + SECOND}).encode(),
    "json-of-json": json.dumps(json.dumps({"certificate": FIRST + SECOND})).encode(),
    "json-escaped": json.dumps([FIRST, SECOND]).replace("/", "\\/").replace("+", "\\u002B").encode(),
    "continued-lines": (flat(FIRST, " \\\n") + "\n" + flat(SECOND, "\\\n")).encode(),
    "utf-16": (FIRST + SECOND).encode("utf-16"),
    "two-utf-16": FIRST.encode("utf-16") + SECOND.encode("utf-16"),
    "utf-16-then-ascii": FIRST.encode("utf-16") + TWO,
    "ascii-then-utf-16": ONE + SECOND.encode("utf-16"),
    "utf-16-le-then-be": FIRST.encode("utf-16") + b"\xfe\xff" + SECOND.encode("utf-16-be"),
    "ascii-then-utf-16-odd": ONE + b"\n" + SECOND.encode("utf-16"),
    "umlaut-before": "Zertifikat für Büro\n".encode("latin-1") + ONE + TWO,
    "umlaut-before-utf-8": "Zertifikat für Büro\n".encode() + ONE + "é".encode() + TWO,
}


@pytest.mark.parametrize("kind", list(JOINED))
def test_joined_and_flattened_files_have_both_certificates(kind: str) -> None:
    file = read(JOINED[kind])
    assert [entry.certificate.der for entry in file.entries] == [ROOT, SUB]
    assert (file.warnings, file.damaged) == ((), ())


@pytest.mark.parametrize("kind", list(JOINED))
def test_a_private_key_among_them_is_refused(kind: str) -> None:
    key = making.ec_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for data in (
        JOINED[kind] + key,
        key.rstrip() + JOINED[kind],
        JOINED[kind] + key.decode().encode("utf-16"),
    ):
        with pytest.raises(PrivateKeyError, match="a private key is in this file"):
            read(data)


BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
DAMAGED = {
    "cut": ("text\ntext\n" + FIRST[:90] + "\n" + SECOND, "line 3: the block 'CERTIFICATE' is cut off"),
    "cut-in-one-line": (SECOND + flat(FIRST, "")[:400], "the block 'CERTIFICATE' is cut off"),
    "cut-before-the-next": (FIRST[:400] + SECOND, "line 1: the block 'CERTIFICATE' is cut off"),
    "without-begin": (SECOND + FIRST[30:], "expected no end here: its begin is missing"),
    "other-end": (SECOND + FIRST.replace("END CERT", "END X509 CERT"), "a block ends as 'X509 CERTIFICATE'"),
    "no-base64": (SECOND + FIRST.replace("MII", "M*I"), "holds something that is not base64"),
    "empty": (SECOND + BEGIN + END, "the block 'CERTIFICATE' is empty"),
    "four-hyphens-before-begin": (SECOND + FIRST[1:], "the marker BEGIN of a certificate lacks hyphens"),
    "four-hyphens-after-begin": (
        SECOND + FIRST.replace("CERTIFICATE-----\nMII", "CERTIFICATE----\nMII"),
        "lacks",
    ),
    "four-hyphens-at-the-end": (SECOND + FIRST.rstrip()[:-1], "the block 'CERTIFICATE' is cut off"),
    "hyphens-lost-both-times": (
        FIRST.replace("-----", "---") + SECOND,
        "line 1: the marker BEGIN of a certificate lacks hyphens",
    ),
    "a-request": (SECOND + FIRST.replace("MII", "BAD!"), "not base64"),
    "cut-inside": (SECOND + pem(ROOT[:300]).decode(), "x.pem, certificate 2: "),
    "pkcs7-without-certificates": (
        SECOND + pem(making.pkcs7(), "PKCS7").decode(),
        "no certificates can be read",
    ),
}


@pytest.mark.parametrize("kind", list(DAMAGED))
def test_a_block_that_is_damaged_is_named_beside_the_good_one(kind: str) -> None:
    text, words = DAMAGED[kind]
    file = read(text.encode())
    assert [entry.certificate.der for entry in file.entries] == [SUB]
    assert words in "\n".join(each.error.message for each in file.damaged)
    assert all(each.error.resolution for each in file.damaged)


def test_lines_are_counted_whatever_ends_them() -> None:
    for end in ("\n", "\r\n", "\r"):
        file = read(pem(ROOT, line_end=end) + f"one{end}two{end}{BEGIN}".encode())
        line = pem(ROOT).count(b"\n") + 3
        assert file.damaged[0].error.message == f"x.pem, line {line}: the block 'CERTIFICATE' is cut off"


def test_text_about_markers_is_only_text() -> None:
    file = read(b"certificate begin and end: see below\n-----\n--- BEGIN OF LIST ---\n" + ONE)
    assert ([entry.certificate.der for entry in file.entries], file.damaged) == ([ROOT], ())


PGP = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\nmQEN\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"


def test_blocks_of_other_programs_are_no_damage() -> None:
    file = read(PGP + ONE + b"-----BEGIN DH PARAMETERS-----\nAA\n" + TWO + b"-----END X-----\n")
    assert [entry.certificate.der for entry in file.entries] == [ROOT, SUB]
    assert file.damaged == ()
    lines = 1 + (PGP + ONE).count(b"\n"), (PGP + ONE + TWO).count(b"\n") + 3
    assert file.warnings == (
        "x.pem, line 1: the block 'PGP PUBLIC KEY BLOCK' holds something that is not base64: ignored",
        f"x.pem, line {lines[0]}: the block 'DH PARAMETERS' is cut off: ignored",
        f"x.pem, line {lines[1]}: a block ends as 'X', expected no end here: its begin is missing: ignored",
    )
    with pytest.raises(NoCertificateError, match="there is no certificate in this file") as caught:
        read(PGP)
    assert "PGP" in caught.value.details


def test_a_block_that_begins_as_another_and_ends_as_a_certificate_is_damaged() -> None:
    file = read(ONE + TWO.replace(b"BEGIN CERTIFICATE", b"BEGIN CERTIFICAT"))
    assert "expected the end of 'CERTIFICAT'" in file.damaged[0].error.message


def test_a_request_under_the_label_of_a_certificate_is_called_a_request() -> None:
    from tests.unit.certs.test_sources import _request

    file = read(ONE + pem(_request()))
    assert "this block is a certificate request" in file.damaged[0].error.message


def test_certificates_in_der_that_follow_each_other_are_read() -> None:
    file = read(ROOT + SUB)
    assert [(each.origin, each.certificate.der) for each in file.entries] == [
        ("x.pem, certificate 1", ROOT),
        ("x.pem, certificate 2", SUB),
    ]
    cut = read(ROOT + SUB[:-5])
    assert [each.certificate.der for each in cut.entries] == [ROOT]
    assert cut.damaged[0].error.message.startswith("x.pem, certificate 2: ")
    blank = read(ROOT + b"\r\n")
    assert [each.certificate.der for each in blank.entries] == [ROOT]
    assert blank.warnings == ("x.pem: 2 blank bytes after the certificate are left out",)
    assert read(ROOT + b"junk").entries == ()


def test_a_key_after_a_certificate_in_der_is_refused() -> None:
    key = making.ec_key().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(PrivateKeyError):
        read(ROOT + key)


def test_too_many_certificates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from winpe_certs.certs import sources

    monkeypatch.setattr(sources, "MOST_CERTIFICATES", 1)
    for data in (ONE + TWO, ROOT + SUB):
        with pytest.raises(CertificateError, match="more than 1 certificates are too many"):
            read(data)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("glued.pem", 2),
        ("bom-concat.pem", 2),
        ("utf16-concat.pem", 2),
        ("escaped-n.pem", 1),
        ("oneline.pem", 1),
    ],
)
def test_the_shared_files_are_read(shared_data: Path, name: str, count: int) -> None:
    path = next((shared_data / "cases" / "osd").glob(f"21-*/{name}"))
    file = read_parts(path.read_bytes(), name)
    assert len(file.entries) == count
    assert (file.warnings, file.damaged) == ((), ())
