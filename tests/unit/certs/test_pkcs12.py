"""PKCS#12 stores: what is read, what is refused, and that the private key goes no further."""

from __future__ import annotations

import base64
import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asn1crypto import algos, cms, core, keys
from asn1crypto import pkcs12 as asn1
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from scripts.testdata import media_pki, pki
from scripts.testdata.media_pki import AES_PROVIDER, PASSWORD, VARIANTS, Leaf
from winpe_certs.certs import pkcs12
from winpe_certs.certs.pkcs12 import LARGEST_FILE, MOST_ROUNDS, MediaStore, PasswordError, read_media
from winpe_certs.certs.pkcs12_keys import decrypted
from winpe_certs.errors import CertificateError

Alter = Callable[[Any], None]


def read(data: bytes, password: str | None = PASSWORD) -> MediaStore:
    return read_media(data, password, "media.pfx")


def refused(data: bytes, password: str | None = PASSWORD) -> CertificateError:
    """The refusal, which must come at once and be about the file, not about its password."""
    begin = time.process_time()
    with pytest.raises(CertificateError) as raised:
        read(data, password)
    assert time.process_time() - begin < 10
    assert not isinstance(raised.value, PasswordError)
    assert raised.value.message.startswith("media.pfx: ")
    assert raised.value.resolution
    return raised.value


def every_text(error: BaseException) -> str:
    """All that a traceback of an error could show, its causes and their arguments included."""
    texts = []
    shown: BaseException | None = error
    while shown is not None:
        texts += [str(shown), repr(shown), repr(vars(shown))]
        shown = shown.__cause__ or shown.__context__
    return "\n".join(texts)


class TestReading:
    def test_the_certificate_its_chain_and_its_key(self) -> None:
        store = read(media_pki.store(chain=("corp-issuing", "corp-root")))
        assert store.certificate.der == media_pki.leaf().public_bytes(serialization.Encoding.DER)
        assert store.certificate.extended_key_usage == (ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,)
        assert {each.der for each in store.chain} == {pki.der("corp-issuing"), pki.der("corp-root")}
        assert store.has_key
        assert store.provider is None
        assert not store.provider_is_hidden

    @pytest.mark.parametrize("name", [name for name in VARIANTS if name != "two-keys"])
    def test_every_variant_is_read(self, name: str) -> None:
        store = read(VARIANTS[name]())
        assert store.certificate.subject == "CN=Boot Media"
        assert store.has_key == (name not in {"certificate-only", "other-key"})

    @pytest.mark.parametrize(
        ("name", "provider"),
        [
            ("provider", AES_PROVIDER),
            ("old-provider", media_pki.OLD_PROVIDER),
            ("key-storage-provider", media_pki.KEY_STORAGE_PROVIDER),
            ("nested", AES_PROVIDER),
            ("good", None),
            ("certificate-only", None),
        ],
    )
    def test_the_provider_that_the_key_bag_names(self, name: str, provider: str | None) -> None:
        store = read(VARIANTS[name]())
        assert store.provider == provider
        assert not store.provider_is_hidden

    def test_the_key_bag_in_an_encrypted_part_hides_its_provider(self) -> None:
        store = read(VARIANTS["hidden-key"]())
        assert store.has_key
        assert store.provider is None
        assert store.provider_is_hidden

    def test_the_zero_that_ends_a_c_string_is_no_part_of_the_name(self) -> None:
        assert read(media_pki.with_provider(media_pki.store(), "A\0")).provider == "A"
        assert read(media_pki.with_provider(media_pki.store(), "\0")).provider is None

    def test_a_key_that_belongs_to_no_certificate_counts_as_none(self) -> None:
        assert not read(VARIANTS["other-key"]()).has_key

    def test_without_a_key_the_end_entity_is_meant(self) -> None:
        mixed = media_pki.certificates_only("corp-root", "cmg-server", "corp-issuing")
        store = read(mixed)
        assert store.certificate.der == pki.der("cmg-server")
        assert {each.der for each in store.chain} == {pki.der("corp-root"), pki.der("corp-issuing")}
        assert read(media_pki.certificates_only("corp-root")).certificate.der == pki.der("corp-root")

    def test_without_a_key_several_may_be_meant(self) -> None:
        assert (
            "3 certificates"
            in refused(media_pki.certificates_only("cmg-server", "not-a-ca", "corp-root")).message
        )
        assert "2 certificates" in refused(media_pki.certificates_only("corp-root", "corp-root-2")).message

    def test_several_keys_are_refused_only_if_several_certificates_are_there(self) -> None:
        assert "2 private keys" in refused(media_pki.two_keys()).message
        assert read(media_pki.two_keys(chain=False)).has_key

    def test_a_store_without_a_certificate(self) -> None:
        empty = media_pki.packed([media_pki.data_content(media_pki.key_bags(media_pki.store()))])
        assert "no certificate" in refused(empty).message

    def test_a_store_without_a_mac(self) -> None:
        safe = asn1.Pfx.load(media_pki.store())["auth_safe"]
        bare = asn1.Pfx({"version": "v3", "auth_safe": safe}).dump()
        assert read(bare).has_key
        with pytest.raises(PasswordError):
            read(bare, "wrong")

    def test_lengths_that_are_left_open(self) -> None:
        """Older programs write BER; the library warns of it, and warnings are errors in these tests."""
        made = media_pki.store()
        assert made[:2] == b"\x30\x82"
        assert read(b"\x30\x80" + made[4:] + b"\0\0").has_key


class TestPasswords:
    def test_no_password_and_an_empty_one_open_both_kinds(self) -> None:
        for kind in (None, ""):
            for password in (None, ""):
                assert read(media_pki.unprotected(kind), password).has_key
            with pytest.raises(PasswordError, match="the password is wrong, or the file is damaged"):
                read(media_pki.unprotected(kind), "x")

    @pytest.mark.parametrize("password", [None, ""])
    @pytest.mark.parametrize("name", ["good", "legacy", "ec", "hidden-key"])
    def test_a_missing_password(self, name: str, password: str | None) -> None:
        with pytest.raises(PasswordError, match="needs a password") as raised:
            read(VARIANTS[name](), password)
        assert raised.value.kind == "password"

    @pytest.mark.parametrize(
        "password",
        ["wrong", "Geheim-42 \0", "Geheim-42 \udce4", "x" * 100_000],
        ids=["plain", "zero", "surrogate", "long"],
    )
    def test_a_wrong_password_is_never_shown(self, password: str, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(PasswordError) as raised:
            read(media_pki.store(), password)
        shown = every_text(raised.value) + "".join(capfd.readouterr())
        assert "Geheim" not in shown
        assert "[71, 101" not in shown
        assert len(shown) < 5_000

    def test_old_ciphers_and_parts_for_accounts_are_pointed_out(self) -> None:
        made = media_pki.store()
        enveloped = cms.ContentInfo({"content_type": "1.2.840.113549.1.7.3"})
        enveloped["content"] = cms.EnvelopedData(
            {
                "version": "v0",
                "recipient_infos": [],
                "encrypted_content_info": {
                    "content_type": "data",
                    "content_encryption_algorithm": {"algorithm": "1.2.3"},
                },
            }
        )
        with pytest.raises(PasswordError) as raised:
            read(media_pki.packed([*media_pki.contents(made), enveloped]), "wrong")
        assert "for users or computers" in raised.value.details
        old = altered(VARIANTS["legacy"](), content=lambda each: each["algorithm"].set("pkcs12_sha1_rc2_40"))
        with pytest.raises(PasswordError) as raised:
            read(old, "wrong")
        assert "pkcs12_sha1_rc2_40" in raised.value.details
        assert "--password-file" in raised.value.resolution


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (pki.der("corp-root"), "no PKCS#12 file, but a certificate without a private key"),
            (pki.pem("corp-root"), "no PKCS#12 file, but text (PEM)"),
            (pki.key_pem(pki.private_key("corp-root")), "no PKCS#12 file, but text (PEM)"),
            (base64.b64encode(media_pki.store()), "no PKCS#12 file, but one in Base64"),
            (pki.files()["certs/chain.p7b"](), "no PKCS#12 file, but certificates without a private key"),
            (b"MSWIM\0\0\0" + bytes(200), "this is a Windows image"),
            (b"", "the file is empty"),
            (b"  \r\n", "the file is empty"),
            (b"hello", "this is no PKCS#12 file"),
            (b"\x30\x00", "this is no PKCS#12 file"),
            (b"\x30\x03\x02\x01\xff", "this is no PKCS#12 file"),
            (b"\x30\x82\x01", "this is no PKCS#12 file"),
        ],
        ids=range(12),
    )
    def test_what_a_file_is_instead(self, data: bytes, words: str) -> None:
        assert words in refused(data, None).message

    def test_a_private_key_of_its_own(self) -> None:
        key = pki.private_key("corp-root").private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        assert "but a private key without its certificate" in refused(key).message

    def test_too_large_a_file(self) -> None:
        made = media_pki.store()
        assert "too many" in refused(made + bytes(LARGEST_FILE)).message


def altered(
    data: bytes, *, mac: Alter | None = None, content: Alter | None = None, key: Alter | None = None
) -> bytes:
    """Change the algorithm of the encrypted part or of the key under a MAC that fits, or the MAC itself."""
    encrypted, bags = media_pki.encrypted_contents(data), media_pki.key_bags(data)
    if content:
        for part in encrypted:
            content(part["content"]["encrypted_content_info"]["content_encryption_algorithm"])
            part.dump(force=True)
    if key:
        key(bags[0]["bag_value"]["encryption_algorithm"])
        bags[0].dump(force=True)
    pfx = asn1.Pfx.load(media_pki.packed([media_pki.data_content(bags), *encrypted]))
    if mac:
        mac(pfx["mac_data"])
    return bytes(pfx.dump(force=True))


def pbkdf2_rounds(rounds: int) -> Alter:
    def alter(algorithm: Any) -> None:
        algorithm["parameters"]["key_derivation_func"]["parameters"]["iteration_count"] = rounds

    return alter


def pbes1_rounds(rounds: int) -> Alter:
    def alter(algorithm: Any) -> None:
        algorithm["parameters"]["iterations"] = rounds

    return alter


def mac_rounds(rounds: int) -> Alter:
    def alter(mac: Any) -> None:
        mac["iterations"] = rounds

    return alter


def other_derivation(algorithm: Any) -> None:
    """Scrypt, whose cost is not one count."""
    function = algorithm["parameters"]["key_derivation_func"]
    function["algorithm"] = "1.3.6.1.4.1.11591.4.11"


def pbmac1(rounds: int) -> Alter:
    """RFC 9579: the parameters of the MAC's algorithm name function and rounds."""

    def alter(mac: Any) -> None:
        function = algos.KdfAlgorithm({"algorithm": "pbkdf2"})
        function["parameters"] = algos.Pbkdf2Params(
            {
                "salt": algos.Pbkdf2Salt("specified", core.OctetString(b"salt")),
                "iteration_count": rounds,
                "key_length": 32,
            }
        )
        scheme = algos.EncryptionAlgorithm({"algorithm": "1.2.840.113549.2.9"})
        parameters = algos.Pbes2Params({"key_derivation_func": function, "encryption_scheme": scheme})
        mac["mac"]["digest_algorithm"] = {"algorithm": "1.2.840.113549.1.5.14", "parameters": parameters}

    return alter


class TestCounts:
    @pytest.mark.parametrize(
        "rounds",
        [MOST_ROUNDS + 1, 2**31 - 1, 2**63, 2**100_000, 0, -1],
        ids=["one-more", "31-bits", "64-bits", "endless", "none", "negative"],
    )
    @pytest.mark.parametrize(
        ("name", "place", "alter"),
        [
            ("good", "mac", mac_rounds),
            ("good", "mac", pbmac1),
            ("good", "content", pbkdf2_rounds),
            ("good", "key", pbkdf2_rounds),
            ("legacy", "mac", mac_rounds),
            ("legacy", "content", pbes1_rounds),
            ("legacy", "key", pbes1_rounds),
        ],
    )
    def test_rounds_out_of_range_are_refused_at_once(
        self, name: str, place: str, alter: Callable[[int], Alter], rounds: int
    ) -> None:
        data = altered(VARIANTS[name](), **{place: alter(rounds)})
        for password in (PASSWORD, None, "wrong"):
            assert "iteration counts" in refused(data, password).message

    def test_rounds_are_added_up(self) -> None:
        many = MOST_ROUNDS * 2 // 5
        data = altered(
            media_pki.store(), mac=mac_rounds(many), content=pbkdf2_rounds(many), key=pbkdf2_rounds(many)
        )
        assert "iteration counts" in refused(data).message

    def test_many_rounds_that_are_right_are_read(self) -> None:
        assert read(media_pki.store(encryption=media_pki.modern(rounds=100_000))).has_key
        with pytest.raises(PasswordError):
            read(altered(media_pki.store(), mac=pbmac1(2_000)))

    def test_methods_whose_cost_is_not_known_are_refused(self) -> None:
        store = media_pki.store()
        for place in ("content", "key"):
            error = refused(altered(store, **{place: other_derivation}))
            assert "1.3.6.1.4.1.11591.4.11" in error.details
        unknown = altered(store, mac=lambda mac: mac["mac"]["digest_algorithm"]["algorithm"].set("1.2.3"))
        assert "1.2.3" in refused(unknown).details
        cipher = altered(store, content=lambda algorithm: algorithm["algorithm"].set("1.2.3.4"))
        assert "1.2.3.4" in refused(cipher).details

    def test_signed_instead_of_under_a_password(self) -> None:
        data = asn1.Pfx.load(media_pki.store())
        data["auth_safe"]["content_type"] = "signed_data"
        assert "signed with a key" in refused(data.dump(force=True)).message

    def test_a_key_too_large_to_be_tested_for_primes(self) -> None:
        first, second = 2**9689 - 1, 2**9941 - 1
        numbers = {
            "version": "two-prime",
            "modulus": first * second,
            "public_exponent": 65537,
            "private_exponent": pow(65537, -1, (first - 1) * (second - 1)),
            "prime1": first,
            "prime2": second,
            "exponent1": 1,
            "exponent2": 1,
            "coefficient": 1,
        }
        key = keys.PrivateKeyInfo(
            {
                "version": 0,
                "private_key_algorithm": {"algorithm": "rsa"},
                "private_key": keys.RSAPrivateKey(numbers),
            }
        )
        bag = asn1.SafeBag({"bag_id": "key_bag", "bag_value": key})
        data = media_pki.packed([media_pki.data_content([bag])])
        assert "too large" in refused(data).message

    def test_bags_in_bags_end_somewhere(self) -> None:
        assert read(media_pki.nested(pkcs12.DEEPEST_NESTING)).provider == AES_PROVIDER
        refused(media_pki.nested(pkcs12.DEEPEST_NESTING + 1))
        refused(media_pki.nested(300))

    def test_a_file_full_of_nothing(self) -> None:
        filler = b"\x30\x00" * 300_000
        safe = b"\x30\x83" + len(filler).to_bytes(3, "big") + filler
        data = asn1.Pfx({"version": "v3", "auth_safe": {"content_type": "data", "content": safe}}).dump()
        begin = time.process_time()
        with pytest.raises(CertificateError):
            read(data)
        assert time.process_time() - begin < 20


def key_texts(name: str) -> Iterator[str]:
    """How the secret numbers of a key might be written."""
    key = pki.private_key(name)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        yield str(number)
        yield raw.hex()
        yield repr(raw)[2:-1][:40]
        yield base64.b64encode(raw).decode()[:40]


def test_the_private_key_goes_no_further() -> None:
    """Neither as text nor as bytes, whether all goes well or not, and even if it is not encrypted."""
    texts = []
    raws = []
    for data, password in ((media_pki.unprotected(None), None), (media_pki.store(), PASSWORD)):
        store = read(data, password)
        texts += [repr(store), str(dataclasses.asdict(store))]
        raws += [each.der for each in (store.certificate, *store.chain)]
        for length in range(0, len(data), 97):
            with pytest.raises(CertificateError) as raised:
                read(data[:length], password)
            texts.append(every_text(raised.value))
    found = "\n".join(texts)
    assert "PRIVATE KEY" not in found
    secrets = list(key_texts(media_pki.KEY))
    assert secrets
    assert not [secret for secret in secrets if secret in found]
    key = pki.private_key(media_pki.KEY)
    assert isinstance(key, rsa.RSAPrivateKey)
    prime = key.private_numbers().p.to_bytes(128, "big")
    assert prime in media_pki.unprotected(None)
    assert not [raw for raw in raws if prime in raw]


def without_mac(data: bytes) -> bytes:
    return bytes(asn1.Pfx({"version": "v3", "auth_safe": asn1.Pfx.load(data)["auth_safe"]}).dump())


@pytest.mark.parametrize("seed", range(4))
def test_damage_ends_in_our_error_and_soon(seed: int) -> None:
    """Bytes are changed, taken out, cut off; a store without a MAC lets them reach the inner readers."""
    small = (Leaf(key="stored-root"), Leaf(key="weak-root"))
    plain = media_pki.packed(
        media_pki.contents(media_pki.store(small[1], serialization.NoEncryption(), chain=("corp-root",))),
        None,
    )
    made = [
        media_pki.store(small[0]),
        media_pki.store(small[1], media_pki.legacy()),
        plain,
        media_pki.nested(3),
    ]
    made += [without_mac(each) for each in made]
    chance = random.Random(seed)
    outcomes = set()
    begin = time.process_time()
    for _ in range(200):
        data = bytearray(chance.choice(made))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            place = chance.randrange(len(data)) if data else 0
            change = chance.random()
            if change < 0.7:
                data[place : place + 1] = bytes([chance.randrange(256)])
            elif change < 0.85:
                del data[place : place + chance.randrange(1, 5)]
            else:
                del data[place + 1 :]
        try:
            read(bytes(data), chance.choice((PASSWORD, None)))
            outcomes.add("read")
        except CertificateError as error:
            outcomes.add(type(error).__name__)
    assert time.process_time() - begin < 60
    assert outcomes == {"read", "CertificateError", "PasswordError"}


@pytest.mark.parametrize("encryption", [media_pki.modern, media_pki.legacy])
def test_what_is_looked_at_is_the_key_itself(encryption: Callable[[], Any]) -> None:
    (bag,) = media_pki.key_bags(media_pki.store(encryption=encryption()))
    algorithm, data = (bag["bag_value"][name] for name in ("encryption_algorithm", "encrypted_data"))
    found = decrypted(algorithm, data.native, PASSWORD.encode())
    assert found is not None
    key = serialization.load_der_private_key(found, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.private_numbers() == pki.private_key(media_pki.KEY).private_numbers()
    assert decrypted(algorithm, data.native, b"wrong") is None
    assert decrypted(algorithm, data.native[:-1], PASSWORD.encode()) is None


def test_keys_of_other_kinds_are_not_handed_on() -> None:
    """Those for Diffie-Hellman have a prime as well, which the library would test."""
    info = keys.PrivateKeyInfo.load(
        pki.private_key(media_pki.KEY).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    info["private_key_algorithm"] = {"algorithm": "1.2.840.113549.1.3.1", "parameters": core.Null()}
    bag = asn1.SafeBag({"bag_id": "key_bag", "bag_value": info})
    for part in (media_pki.data_content([bag]), media_pki.encrypted_content([bag])):
        refused(media_pki.packed([part]))
    info = dsa.generate_private_key(1024).private_bytes(  # noqa: S505 - it is never used
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bag = asn1.SafeBag({"bag_id": "key_bag", "bag_value": keys.PrivateKeyInfo.load(info)})
    assert "a kind that TLS in Windows" in refused(media_pki.packed([media_pki.data_content([bag])])).message


def test_a_key_under_a_method_that_cannot_be_looked_through_is_refused() -> None:
    def old(algorithm: Any) -> None:
        algorithm["algorithm"] = "pkcs12_sha1_rc2_40"

    data = altered(media_pki.store(encryption=media_pki.legacy()), key=old)
    assert "pkcs12_sha1_rc2_40 for the private key" in refused(data).details
