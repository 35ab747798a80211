"""A certificate: its facts, old roots, and refusals that name the file and the reason."""

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

SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")


def test_facts_of_a_root() -> None:
    der = making.root_der()
    root = load(der)
    assert root.der == der
    assert root.thumbprint == making.sha1(der)
    assert len(root.sha256) == 64
    assert root.sha256 == root.sha256.upper()
    assert root.subject == root.issuer == "CN=Contoso Root CA, O=Contoso, C=US"
    assert (root.not_before, root.not_after) == (making.BEGIN, making.END)
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


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("06032a0304", "1.2.3.4"), ("06072a8648ce3d020106052b81040006", "EC")],
    ids=["unknown-kind", "unknown-curve"],
)
def test_a_key_that_the_library_does_not_know_leaves_the_names_to_decide(algorithm: str, kind: str) -> None:
    key = element(0x30, element(0x30, bytes.fromhex(algorithm)), element(0x03, b"\0\4", bytes(28)))
    root = load(handmade(public_key=key, signature=bytes(256)))
    assert (root.key_kind, root.key_bits) == (kind, None)
    assert root.is_self_signed
    assert not root.has_broken_signature


def test_a_key_that_is_no_point_of_its_curve_leaves_the_names_to_decide() -> None:
    der = bytearray(making.second_root_der())
    der[der.index(bytes.fromhex("034200")) + 20] ^= 1
    root = load(bytes(der))
    assert (root.key_kind, root.key_bits, root.is_self_signed) == ("EC", None, True)


def test_signature_algorithms_that_differ_inside_and_outside_are_a_broken_signature() -> None:
    der = making.root_der()
    place = der.rindex(SHA256_WITH_RSA) + len(SHA256_WITH_RSA) - 1
    with_sha384_outside = der[:place] + b"\x0c" + der[place + 1 :]
    assert load(with_sha384_outside).has_broken_signature


@pytest.mark.parametrize("algorithm", [making.SHA1_WITH_RSA, making.MD5_WITH_RSA], ids=["sha1", "md5"])
def test_signatures_with_old_hashes_are_checked_as_well(algorithm: bytes) -> None:
    assert load(handmade(algorithm=algorithm)).is_self_signed
    assert load(handmade(algorithm=algorithm, signature=bytes(256))).has_broken_signature


def test_ed25519_has_no_hash_of_its_own_and_verifies() -> None:
    certificate = load(make(key=making.ed25519_key()))
    assert certificate.signature_hash is None
    assert (certificate.key_kind, certificate.key_bits) == ("Ed25519", None)
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

    @pytest.mark.parametrize("content", [b"\0", b"\xff", b"\x80\0", b"\0\xff", bytes(1) + b"\xff" * 30])
    def test_serial_numbers_of_any_sign_and_length(self, content: bytes) -> None:
        assert load(handmade(serial=content)).is_self_signed

    @pytest.mark.parametrize(
        ("time", "moment"),
        [
            (b"\x17\x0d500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
            (b"\x17\x0d491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
            (b"\x18\x0f19960102030405Z", datetime(1996, 1, 2, 3, 4, 5, tzinfo=UTC)),
            (b"\x18\x0f99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ],
        ids=["utc-1950", "utc-2049", "generalized", "no-expiry"],
    )
    def test_times(self, time: bytes, moment: datetime) -> None:
        assert load(handmade(times=(time, time))).not_before == moment


@pytest.mark.parametrize(
    ("tag", "content", "shown"),
    [
        (0x13, b"Plain", "CN=Plain"),
        (0x0C, "Größe".encode(), "CN=Größe"),
        (0x1E, "Größe".encode("utf-16-be"), "CN=Größe"),
        (0x14, b"Plain", "CN=Plain"),
        (0x0C, b"Contoso, Inc.", "CN=Contoso\\, Inc."),
        (0x0C, b" blanks ", "CN=\\ blanks\\ "),
        (0x0C, b"\x1b[2Jroot", "CN=\x1b[2Jroot"),
        (0x0C, b"", "CN="),
        (0x0C, b"a" * 100, f"CN={'a' * 100}"),
    ],
    ids=["printable", "utf8", "bmp", "t61", "comma", "blanks", "terminal-escape", "empty", "long"],
)
def test_names_are_readable(tag: int, content: bytes, shown: str) -> None:
    """Making them harmless for a terminal is the report's work."""
    assert load(handmade(subject=making.distinguished_name(content, tag))).subject == shown


def test_names_have_the_attributes_that_rfc_4514_has_no_name_for() -> None:
    parts = [("2a864886f70d010901", b"a@b.c"), ("550405", b"7"), ("550461", b"VAT-1"), ("2a03", b"x")]
    attributes = [
        element(0x31, element(0x30, element(0x06, bytes.fromhex(number)), element(0x0C, text)))
        for number, text in parts
    ]
    shown = load(handmade(subject=element(0x30, *attributes))).subject
    assert shown == "1.2.3=x, organizationIdentifier=VAT-1, serialNumber=7, emailAddress=a@b.c"


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


def _extension(number: str, content: bytes, times: int = 1) -> bytes:
    extension = element(0x30, bytes.fromhex(number), element(0x04, content)) * times
    return handmade(version=2, extensions=element(0xA3, element(0x30, extension)))


def _damage(kind: str) -> bytes:
    der = making.root_der()
    good = b"\x17\x0d300101000000Z"
    return {
        "empty": b"",
        "trailing-byte": der + b"\0",
        "cut": der[:-1],
        "not-der": b"hello world",
        "indefinite-length": b"\x30\x80" + der[4:] + b"\0\0",
        "only-two-parts": element(0x30, element(0x30), element(0x30)),
        "version-4": handmade(version=3),
        "version-and-more": handmade(extensions=b"\x05\x00"),
        "extension-twice": _extension("0603551d0e", b"\x04\x01x", 2),
        "damaged-extension": _extension("0603551d13", b"\x30\x03\x02\x01\xff"),
        "general-name-of-unknown-type": _extension("0603551d11", b"\x30\x02\xa3\x00"),
        "impossible-date": handmade(times=(b"\x17\x0d960231000000Z", good)),
        "time-of-text": handmade(times=(b"\x17\x0dabcdefghijklZ", good)),
        "time-without-seconds": handmade(times=(b"\x17\x0b9601020304Z", good)),
        "empty-serial": handmade(serial=b""),
        "name-not-a-sequence": handmade(subject=b"\x31\x00"),
        "name-of-other-characters": handmade(subject=making.distinguished_name(b"Gr\xf6\xdfe")),
        "name-of-odd-type": handmade(subject=making.distinguished_name(b"", 0x30)),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "It ends too early."),
        ("trailing-byte", "More bytes follow"),
        ("cut", "It ends too early."),
        ("not-der", "It ends too early."),
        ("indefinite-length", "A length in it"),
        ("only-two-parts", "serial"),
        ("version-4", "3 is not a valid X509 version"),
        ("version-and-more", "signed part"),
        ("extension-twice", "Duplicate 2.5.29.14 extension"),
        ("damaged-extension", "rules of DER"),
        ("general-name-of-unknown-type", "cannot be read here"),
        ("impossible-date", "In its "),
        ("time-of-text", "In its "),
        ("time-without-seconds", "In its "),
        ("empty-serial", "serial"),
        ("name-not-a-sequence", "issuer"),
        ("name-of-other-characters", "rules of DER"),
        ("name-of-odd-type", "omething else is there"),
    ],
)
def test_damage_is_refused_with_file_and_reason(kind: str, reason: str) -> None:
    with pytest.raises(CertificateError, match=r"test\.cer: not a readable X\.509") as caught:
        load(_damage(kind))
    assert reason in caught.value.details
    assert caught.value.resolution


def test_an_unknown_critical_extension_does_not_matter() -> None:
    extension = element(0x30, bytes.fromhex("06032a0304"), b"\1\1\xff", element(0x04, b"\5\0"))
    assert load(handmade(version=2, extensions=element(0xA3, element(0x30, extension)))).is_self_signed


def test_every_prefix_of_a_certificate_is_refused() -> None:
    der = making.root_der()
    for length in range(len(der)):
        with pytest.raises(CertificateError):
            Certificate.from_der(der[:length], "cut.cer")


def test_importing_the_modules_does_not_load_cryptography() -> None:
    """Start-up time: only reading a certificate needs the library."""
    code = (
        "import sys\n"
        "import winpe_certs.certs.blob, winpe_certs.certs.stores, winpe_certs.certs.regfile_reader\n"
        "import winpe_certs.certs.regfile_writer, winpe_certs.certs.regexport, winpe_certs.certs.sources\n"
        "import winpe_certs.certs.certificate, winpe_certs.certs.new_blob, winpe_certs.certs.findings\n"
        "assert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
