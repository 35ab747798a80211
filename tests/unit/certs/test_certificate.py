"""A certificate: its facts, old roots, and refusals that name the file and the offset."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.certs import making
from tests.unit.certs.making import element, handmade, load, make
from winpe_certs.certs.certificate import Certificate
from winpe_certs.errors import CertificateError


def test_facts_of_a_root() -> None:
    der = making.root_der()
    root = load(der)
    assert root.der == der
    assert root.thumbprint == making.sha1(der)
    assert len(root.sha256) == 64
    assert root.sha256 == root.sha256.upper()
    assert root.subject == root.issuer == "CN=Contoso Root CA, O=Contoso, C=US"
    assert root.serial == "ABCDEF"
    assert (root.not_before, root.not_after) == (making.BEGIN, making.END)
    assert root.version == 3
    assert root.is_ca
    assert root.is_self_signed
    assert not root.has_broken_signature
    assert (root.key_kind, root.key_bits, root.signature_hash) == ("RSA", 2048, "sha256")
    assert root.extended_key_usage is None
    assert root.key_usage_cert_sign is None


def test_an_intermediate_is_a_ca_but_not_self_signed() -> None:
    certificate = load(making.intermediate_der())
    assert certificate.is_ca
    assert not certificate.is_self_issued
    assert not certificate.is_self_signed
    assert (certificate.key_kind, certificate.key_bits) == ("EC", 256)


def test_a_server_certificate_is_no_ca() -> None:
    certificate = load(making.server_der())
    assert not certificate.is_ca
    assert certificate.extended_key_usage == ("1.3.6.1.5.5.7.3.1",)


def test_version_3_without_basic_constraints_is_no_ca() -> None:
    assert not load(make(ca=None)).is_ca
    assert not load(make(ca=False)).is_ca


@pytest.mark.parametrize("bits", [256, 384, 521])
def test_size_of_an_elliptic_key_is_that_of_its_field(bits: int) -> None:
    certificate = load(make(key=making.ec_key(bits), algorithm=hashes.SHA384()))
    assert (certificate.key_kind, certificate.key_bits) == ("EC", bits)
    assert certificate.signature_hash == "sha384"
    assert certificate.is_self_signed


def test_explicit_curve_parameters_are_measured_and_leave_the_names_to_decide() -> None:
    """No library checks such a signature any more; the prime of the curve tells the size of the key."""
    prime = bytes.fromhex("00ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")
    field = element(0x30, bytes.fromhex("06072a8648ce3d0101"), element(0x02, prime))
    parameters = element(0x30, element(0x02, b"\1"), field)
    algorithm = element(0x30, bytes.fromhex("06072a8648ce3d0201"), parameters)
    key = element(0x30, algorithm, element(0x03, b"\0\4", bytes(64)))
    root = load(handmade(public_key=key, algorithm=bytes.fromhex("06082a8648ce3d040302")))
    assert (root.key_kind, root.key_bits, root.signature_hash) == ("EC", 256, "sha256")
    assert root.is_self_signed
    assert not root.has_broken_signature


def test_a_key_that_is_no_point_of_its_curve_is_a_damaged_one() -> None:
    der = bytearray(making.second_root_der())
    der[der.index(bytes.fromhex("034200")) + 20] ^= 1
    assert load(bytes(der)).has_broken_signature


def test_signature_algorithms_that_differ_inside_and_outside_are_a_broken_signature() -> None:
    der = making.handmade(algorithm=making.OIW_SHA1_WITH_RSA)
    place = der.rindex(making.OIW_SHA1_WITH_RSA)
    inner_ecdsa = der[:place] + bytes.fromhex("06052b0e03021b") + der[place + 7 :]
    assert load(inner_ecdsa).has_broken_signature


def test_ed25519_has_no_hash_of_its_own_and_verifies() -> None:
    certificate = load(make(key=making.ed25519_key()))
    assert certificate.signature_hash is None
    assert (certificate.key_kind, certificate.key_bits) == ("Ed25519", 256)
    assert certificate.is_self_signed


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA512()], ids=["sha256", "sha512"])
def test_rsa_pss_names_its_hash_in_the_parameters(algorithm: hashes.HashAlgorithm) -> None:
    certificate = load(make(algorithm=algorithm, pss=True))
    assert certificate.signature_hash == algorithm.name
    assert certificate.is_self_signed


def test_extensions_that_findings_look_at() -> None:
    permitted = x509.NameConstraints([x509.DNSName("contoso.com")], None)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    certificate = load(make(extensions=((permitted, True), (usage, True), (uses, False))))
    assert certificate.critical_name_constraints
    assert certificate.key_usage_cert_sign is True
    assert certificate.extended_key_usage == ("1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4")
    assert not load(make(extensions=((permitted, False),))).critical_name_constraints


class TestOldRoots:
    """Roots of the nineties load, without a warning to anybody."""

    def test_version_1_self_signed_counts_as_a_ca(self) -> None:
        root = load(handmade())
        assert root.version == 1
        assert root.is_self_signed
        assert root.is_ca

    def test_version_1_signed_by_another_is_no_ca(self) -> None:
        certificate = load(handmade(issuer=making.distinguished_name(b"Somebody Else")))
        assert not certificate.is_ca

    def test_md5_signature(self) -> None:
        root = load(handmade(algorithm=making.MD5_WITH_RSA))
        assert root.signature_hash == "md5"
        assert root.is_self_signed

    def test_oiw_identifier_means_sha1(self) -> None:
        root = load(handmade(algorithm=making.OIW_SHA1_WITH_RSA))
        assert root.signature_hash == "sha1"
        assert root.is_self_signed

    def test_signature_that_cannot_be_checked_leaves_the_names_to_decide(self) -> None:
        root = load(handmade(algorithm=making.MD2_WITH_RSA, signature=bytes(256)))
        assert root.is_self_signed
        assert not root.has_broken_signature

    @pytest.mark.parametrize(
        ("content", "serial"),
        [(b"\0", "00"), (b"\xff", "-01"), (b"\x80\0", "-8000"), (b"\0\xff", "FF"), (b"\x0a\xbc", "0ABC")],
    )
    def test_serial_numbers_of_any_sign(self, content: bytes, serial: str) -> None:
        assert load(handmade(serial=content)).serial == serial

    @pytest.mark.parametrize(
        ("time", "moment"),
        [
            (b"\x17\x0b9601020304Z", datetime(1996, 1, 2, 3, 4, tzinfo=UTC)),
            (b"\x17\x0d500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
            (b"\x17\x0d491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
            (b"\x17\x11960102030405+0200", datetime(1996, 1, 2, 1, 4, 5, tzinfo=UTC)),
            (b"\x18\x0f19960102030405Z", datetime(1996, 1, 2, 3, 4, 5, tzinfo=UTC)),
            (b"\x18\x1119960102030405.5Z", datetime(1996, 1, 2, 3, 4, 5, tzinfo=UTC)),
            (b"\x18\x0f99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ],
        ids=["no-seconds", "utc-1950", "utc-2049", "zone", "generalized", "fraction", "no-expiry"],
    )
    def test_times(self, time: bytes, moment: datetime) -> None:
        assert load(handmade(times=(time, time))).not_before == moment


@pytest.mark.parametrize(
    ("tag", "content", "shown"),
    [
        (0x13, b"Plain", "CN=Plain"),
        (0x0C, "Größe".encode(), "CN=Größe"),
        (0x1E, "Größe".encode("utf-16-be"), "CN=Größe"),
        (0x14, b"Gr\xf6\xdfe", "CN=Größe"),
        (0x13, b"Gr\xf6\xdfe", "CN=Größe"),
        (0x0C, b"Contoso, Inc.", "CN=Contoso\\, Inc."),
        (0x0C, b" blanks ", "CN=\\ blanks\\ "),
        (0x0C, b"\x1b[2Jroot", "CN=\\1B[2Jroot"),
        (0x0C, "a\u202eb".encode(), "CN=a\\E2\\80\\AEb"),
        (0x30, b"", "CN=#3000"),
    ],
    ids=[
        "printable",
        "utf8",
        "bmp",
        "t61",
        "wrong-tag",
        "comma",
        "blanks",
        "terminal-escape",
        "bidi",
        "odd-type",
    ],
)
def test_names_are_readable_and_harmless(tag: int, content: bytes, shown: str) -> None:
    assert load(handmade(subject=making.distinguished_name(content, tag))).subject == shown


def test_a_damaged_signature_is_noticed() -> None:
    der = bytearray(making.root_der())
    der[-5] ^= 1
    certificate = load(bytes(der))
    assert certificate.has_broken_signature
    assert not certificate.is_self_signed


def test_a_rollover_certificate_is_self_issued_but_not_broken() -> None:
    """The new key under the old name, signed by the old key: the identifiers say so."""
    old, new = making.rsa_key(2048, 1), making.rsa_key()
    identifiers: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.SubjectKeyIdentifier.from_public_key(new.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(old.public_key()), False),
    )
    certificate = load(make(key=new, signer=old, extensions=identifiers))
    assert certificate.is_self_issued
    assert not certificate.is_self_signed
    assert not certificate.has_broken_signature


def _damage(kind: str) -> bytes:
    der = making.root_der()
    return {
        "empty": b"",
        "trailing-byte": der + b"\0",
        "cut": der[:-1],
        "not-der": b"hello world",
        "indefinite-length": b"\x30\x80" + der[4:] + b"\0\0",
        "only-two-parts": element(0x30, element(0x30), element(0x30)),
        "version-4": handmade(version=3),
        "version-and-more": handmade(extensions=b"\x05\x00"),
        "extension-twice": handmade(
            version=2,
            extensions=element(
                0xA3, element(0x30, element(0x30, bytes.fromhex("0603551d0e"), element(0x04)) * 2)
            ),
        ),
        "impossible-date": handmade(times=(b"\x17\x0d960231000000Z", b"\x17\x0d300101000000Z")),
        "time-of-text": handmade(times=(b"\x17\x0dabcdefghijklZ", b"\x17\x0d300101000000Z")),
        "empty-serial": handmade(serial=b""),
        "name-not-a-sequence": handmade(subject=b"\x31\x00"),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "an element is cut off"),
        ("trailing-byte", "1 bytes behind the certificate"),
        ("cut", "an element claims"),
        ("not-der", "a certificate has tag|an element claims"),
        ("indefinite-length", "indefinite length"),
        ("only-two-parts", "of 2 parts instead of 3"),
        ("version-4", "unknown certificate version 4"),
        ("version-and-more", "unexpected field"),
        ("extension-twice", "there twice"),
        ("impossible-date", "an impossible time"),
        ("time-of-text", "an unreadable time"),
        ("empty-serial", "INTEGER without content"),
        ("name-not-a-sequence", "the issuer has tag 0x31"),
    ],
)
def test_damage_is_refused_with_file_reason_and_offset(kind: str, reason: str) -> None:
    with pytest.raises(CertificateError, match=r"test\.cer: not a readable X\.509") as caught:
        load(_damage(kind))
    assert any(part in caught.value.details for part in reason.split("|"))
    assert "at offset" in caught.value.details
    assert caught.value.resolution


def test_the_offset_of_damage_inside_an_extension_counts_from_the_start_of_the_file() -> None:
    der = bytearray(making.root_der())
    place = der.index(bytes.fromhex("30030101ff"))
    der[place + 2] = 0x02
    with pytest.raises(CertificateError) as caught:
        load(bytes(der[: place + 2]) + b"\x01\x02\xff" + bytes(der[place + 5 :]))
    assert f"at offset {place + 2} of {len(der)} bytes" in caught.value.details


def test_every_prefix_of_a_certificate_is_refused() -> None:
    der = making.root_der()
    for length in range(len(der)):
        with pytest.raises(CertificateError):
            Certificate.from_der(der[:length], "cut.cer")


def test_importing_the_modules_does_not_load_cryptography() -> None:
    """Start-up time: only checking a signature needs the library."""
    code = (
        "import sys\n"
        "import winpe_certs.certs.blob, winpe_certs.certs.stores, winpe_certs.certs.regfile_reader\n"
        "import winpe_certs.certs.regfile_writer, winpe_certs.certs.regexport, winpe_certs.certs.sources\n"
        "import winpe_certs.certs.certificate, winpe_certs.certs.new_blob, winpe_certs.certs.findings\n"
        "assert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
