"""Any file that a person may give as a certificate, and what each wrong one is told."""

from __future__ import annotations

import base64
import functools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tests.unit.certs import making
from tests.unit.certs.making import element, pem
from winpe_certs.certs.sources import CertificateFile, read_certificates
from winpe_certs.errors import BlobError, CertificateError, PrivateKeyError

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
NO_PASSWORD = serialization.NoEncryption()
PASSWORD = serialization.BestAvailableEncryption(b"secret")
PKCS8, TRADITIONAL, OPENSSH = (
    serialization.PrivateFormat.PKCS8,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.PrivateFormat.OpenSSH,
)
ROOT, SUB = making.root_der(), making.intermediate_der()


def read(data: bytes) -> CertificateFile:
    return read_certificates(data, "chain")


def ders(data: bytes) -> list[bytes]:
    return [entry.certificate.der for entry in read(data).entries]


def origins(data: bytes) -> list[str]:
    return [entry.origin for entry in read(data).entries]


def p7b(encoding: serialization.Encoding = DER, *certificates: bytes) -> bytes:
    loaded = [x509.load_der_x509_certificate(each) for each in certificates or (ROOT, SUB)]
    return pkcs7.serialize_certificates(loaded, encoding)


class TestAccepted:
    def test_der(self) -> None:
        file = read(ROOT)
        assert ders(ROOT) == [ROOT]
        assert file.entries[0].origin == "chain"
        assert file.entries[0].blob is None
        assert file.entries[0].store is None
        assert file.warnings == ()

    @pytest.mark.parametrize("label", ["CERTIFICATE", "X509 CERTIFICATE"])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
    def test_pem(self, label: str, line_end: str) -> None:
        assert ders(pem(ROOT, label, line_end)) == [ROOT]
        assert origins(pem(ROOT, label, line_end)) == ["chain"]

    def test_pem_with_many_and_text_between(self) -> None:
        text = b"subject=CN = x\n" + pem(ROOT) + b"\n\nissuer: -- y\n" + pem(SUB, line_end="\r\n") + b"end"
        assert ders(text) == [ROOT, SUB]
        assert origins(text) == ["chain, certificate 1", "chain, certificate 2"]

    @pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig", "utf-16-le"])
    def test_pem_saved_by_powershell(self, codec: str) -> None:
        assert ders(pem(ROOT).decode().encode(codec)) == [ROOT]

    def test_indented_pem(self) -> None:
        assert ders(b"\n".join(b"  " + line for line in pem(ROOT).splitlines())) == [ROOT]

    def test_trusted_certificate_of_openssl(self) -> None:
        settings = element(0x30, element(0x30, bytes.fromhex("06082b06010505070301")))
        file = read(pem(ROOT + settings, "TRUSTED CERTIFICATE"))
        assert file.entries[0].certificate.der == ROOT
        assert "trust settings" in file.warnings[0]

    @pytest.mark.parametrize("label", ["PKCS7", "CMS"])
    def test_pkcs7_in_pem(self, label: str) -> None:
        assert sorted(ders(pem(p7b(), label))) == sorted([ROOT, SUB])

    def test_pkcs7_in_der(self) -> None:
        assert sorted(ders(p7b())) == sorted([ROOT, SUB])
        assert origins(p7b(DER, ROOT)) == ["chain"]

    def test_pkcs7_in_ber(self) -> None:
        assert sorted(ders(b"\x30\x80" + p7b()[4:] + b"\0\0")) == sorted([ROOT, SUB])

    def test_pkcs7_keeps_order_and_bytes(self) -> None:
        """Programs do not sort the certificates as DER asks for."""
        old = making.handmade(serial=b"\xff", subject=making.distinguished_name(b""))
        for chain in ([ROOT, SUB, old], [old, SUB, ROOT]):
            assert ders(making.pkcs7(*chain)) == chain

    def test_pkcs7_as_plain_base64(self) -> None:
        assert ders(base64.encodebytes(p7b(DER, ROOT))) == [ROOT]

    def test_base64_without_markers(self) -> None:
        assert ders(base64.encodebytes(ROOT).replace(b"\n", b"\r\n")) == [ROOT]

    def test_the_same_certificate_twice_collapses_with_a_warning(self) -> None:
        file = read(pem(ROOT) + pem(SUB) + pem(ROOT))
        assert [entry.certificate.der for entry in file.entries] == [ROOT, SUB]
        assert file.warnings == (
            "chain, certificate 3: the same certificate as chain, certificate 1: ignored",
        )

    def test_other_blocks_are_ignored_with_a_warning(self) -> None:
        file = read(pem(b"x", "X509 CRL") + pem(ROOT) + pem(b"x", "DH PARAMETERS"))
        assert [entry.certificate.der for entry in file.entries] == [ROOT]
        assert file.warnings[0] == "chain, line 1: a block 'X509 CRL' is ignored"


@functools.cache
def _keys() -> dict[str, bytes]:
    key, curve = making.rsa_key(), making.ec_key()
    certificate = x509.load_der_x509_certificate(ROOT)
    p12 = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, PASSWORD)
    return {
        "pem-pkcs8": key.private_bytes(PEM, PKCS8, NO_PASSWORD),
        "pem-encrypted": key.private_bytes(PEM, PKCS8, PASSWORD),
        "pem-rsa": key.private_bytes(PEM, TRADITIONAL, NO_PASSWORD),
        "pem-ec": curve.private_bytes(PEM, TRADITIONAL, NO_PASSWORD),
        "pem-openssh": key.private_bytes(PEM, OPENSSH, NO_PASSWORD),
        "pem-behind-certificate": pem(ROOT) + key.private_bytes(PEM, PKCS8, NO_PASSWORD),
        "pem-cut": pem(ROOT) + b"-----BEGIN PRIVATE KEY-----\nMIIE",
        "pem-in-utf16": key.private_bytes(PEM, PKCS8, NO_PASSWORD).decode().encode("utf-16"),
        "pem-in-reg": b"REGEDIT4\n; -----BEGIN RSA PRIVATE KEY-----\n",
        "pem-lying-label": pem(key.private_bytes(DER, PKCS8, NO_PASSWORD)),
        "putty": b"PuTTY-User-Key-File-3: ssh-rsa\r\n",
        "der-pkcs8": key.private_bytes(DER, PKCS8, NO_PASSWORD),
        "der-encrypted": key.private_bytes(DER, PKCS8, PASSWORD),
        "der-rsa": key.private_bytes(DER, TRADITIONAL, NO_PASSWORD),
        "der-ec": curve.private_bytes(DER, TRADITIONAL, NO_PASSWORD),
        "der-ec-pkcs8": curve.private_bytes(DER, PKCS8, NO_PASSWORD),
        "pkcs12": p12,
        "pkcs12-ber": b"\x30\x80" + p12[4:] + b"\0\0",
        "pkcs12-base64": base64.encodebytes(p12),
    }


@pytest.mark.parametrize("kind", list(_keys()))
def test_private_keys_are_refused(kind: str) -> None:
    with pytest.raises(PrivateKeyError, match="private key") as caught:
        read(_keys()[kind])
    assert caught.value.message.startswith("chain")
    assert "OpenSSL's pkcs12 command" in caught.value.resolution


def _request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(making.name("x"))
    return builder.sign(making.ec_key(), hashes.SHA256()).public_bytes(DER)


def _revocation_list() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(making.name("x"))
    builder = builder.last_update(making.BEGIN).next_update(making.BEGIN + timedelta(days=9))
    return builder.sign(making.ec_key(), hashes.SHA256()).public_bytes(DER)


def _public_key() -> bytes:
    return making.ec_key().public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _wrong(kind: str) -> bytes:
    block = pem(ROOT).decode()
    iso = bytearray(0x8800)
    iso[:4] = b"\1\2\3\4"
    iso[0x8001:0x8006] = b"CD001"
    return {
        "empty": b"",
        "blank": b" \r\n",
        "zeros": bytes(4096),
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "wim": b"MSWIM\0\0\0" + bytes(200),
        "hive": b"regf" + bytes(4092),
        "exe": b"MZ" + bytes(200),
        "iso": bytes(iso),
        "sst": b"\0\0\0\0CERT" + bytes(12),
        "serialized": b"\3\0\0\0\1\0\0\0\2\0\0\0ab",
        "policy": b"PReg\1\0\0\0",
        "policy-version": b"PReg\2\0\0\0",
        "request": _request(),
        "request-pem": pem(_request(), "NEW CERTIFICATE REQUEST"),
        "crl": _revocation_list(),
        "crl-pem": pem(_revocation_list(), "X509 CRL"),
        "public-key": _public_key(),
        "public-key-pem": pem(_public_key(), "PUBLIC KEY"),
        "other-der": element(0x30, element(0x04, bytes(200))),
        "prose": b"Dear colleague, please find attached\n",
        "trailing-bytes": ROOT + b"\0x",
        "cut-der": ROOT[:300],
        "pem-without-end": block[: len(block) // 2].encode(),
        "pem-next-begin": (block[: len(block) // 2] + "\n" + block).encode(),
        "pem-without-begin": block[block.index("\n") + 1 :].encode(),
        "pem-other-end": block.replace("END CERTIFICATE", "END X509 CRL").encode(),
        "pem-not-base64": block.replace("MII", "M!!", 1).encode(),
        "pem-missing-line": "\n".join(block.split("\n")[:1] + block.split("\n")[2:]).encode(),
        "pem-empty": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "pkcs7-cut": p7b()[:-9],
        "pkcs7-trailing": p7b() + b"\1",
        "pkcs7-empty": making.pkcs7(),
        "pkcs7-not-signed": element(
            0x30, bytes.fromhex("06092a864886f70d010701"), element(0xA0, element(0x04, b"\xff"))
        ),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "the file is empty"),
        ("blank", "the file is empty"),
        ("zeros", "the file is empty"),
        ("lfs", "Git LFS pointer"),
        ("wim", "Windows image"),
        ("hive", "registry hive"),
        ("exe", "Windows program"),
        ("iso", "disc image"),
        ("sst", "there is no certificate in this serialized store"),
        ("serialized", "there is no certificate in it"),
        ("policy", "there is no certificate in this policy file"),
        ("policy-version", "its version is 2 instead of 1"),
        ("request", "certificate request"),
        ("request-pem", "certificate request"),
        ("crl", "revocation list"),
        ("crl-pem", "revocation list"),
        ("public-key", "bare public key"),
        ("public-key-pem", "bare public key"),
        ("other-der", "DER file of another kind"),
        ("prose", "no certificate file"),
        ("trailing-bytes", "not a whole certificate"),
        ("cut-der", "not a whole certificate"),
        ("pem-without-end", "chain, line 1: the block 'CERTIFICATE' is cut off"),
        ("pem-next-begin", "chain, line 1: the block 'CERTIFICATE' is cut off"),
        ("pem-without-begin", "expected no end here"),
        ("pem-other-end", "a block ends as 'X509 CRL', expected the end of 'CERTIFICATE' (line 1)"),
        ("pem-not-base64", "chain, line 1: the block 'CERTIFICATE' holds something that is not base64"),
        ("pem-missing-line", "not a whole certificate"),
        ("pem-empty", "chain, line 1: the block 'CERTIFICATE' is empty"),
        ("pkcs7-cut", "the PKCS#7 file is cut off"),
        ("pkcs7-trailing", "1 bytes after the PKCS#7 structure"),
        ("pkcs7-empty", "no certificates can be read from this PKCS#7 file"),
        ("pkcs7-not-signed", "no certificates can be read from this PKCS#7 file"),
    ],
)
def test_wrong_files_are_told_what_they_are(kind: str, message: str) -> None:
    with pytest.raises((CertificateError, BlobError)) as caught:
        read(_wrong(kind))
    assert not isinstance(caught.value, PrivateKeyError)
    assert caught.value.message.startswith("chain")
    assert message in caught.value.message
    assert caught.value.resolution


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pkcs7-empty", "no certificate"),
        ("pkcs7-not-signed", "plain data; only signed data has a list of certificates"),
    ],
)
def test_a_pkcs7_refusal_has_a_reason(kind: str, reason: str) -> None:
    with pytest.raises(CertificateError) as caught:
        read(_wrong(kind))
    assert reason in caught.value.details
    assert "Include all certificates in the certification path" in caught.value.resolution


def test_the_second_certificate_of_a_chain_is_named_when_it_is_damaged() -> None:
    with pytest.raises(CertificateError, match=r"^chain, certificate 2: "):
        read(pem(ROOT) + pem(SUB[:-1]))


def test_a_certificate_whose_signature_is_no_bit_string_is_still_one() -> None:
    """What is odd about it is said when it is read as a certificate."""
    outer = element(0x30, ROOT[4:])
    signature = outer.rindex(b"\x03\x82\x01\x01")
    odd = (
        ROOT[: signature - len(outer) + len(ROOT)] + b"\x04" + ROOT[signature - len(outer) + len(ROOT) + 1 :]
    )
    (entry,) = read(odd).entries
    assert (entry.certificate.der, bool(entry.certificate.fault)) == (odd, True)
