"""Keys and signatures: which kinds Windows is known to work with, and which only exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scripts.testdata import der_pieces as der
from scripts.testdata import odd_certificates as odd
from scripts.testdata.key_pool import public_key_info
from scripts.testdata.odd_case import below, case
from scripts.testdata.odd_certificates import ISSUING, ROOT, SERVER, Parts
from scripts.testdata.trust_cases import AGREES, NOT_TRUSTED, TRUSTED, UNDOCUMENTED, Case

_KNOWS = "it knows the kind of key; of Windows that is not documented"
_ENABLED = "it judges certificates, not which curves a client offers"

_SIGNS = odd.key_usage(der.bits(b"\x80", 7))  # the only use of a key that cannot encrypt


def cases() -> Iterator[Case]:
    """Every case about keys and signatures."""
    yield from _curves()
    yield from _other_kinds()
    yield from _keys_written_otherwise()
    yield from _pss_keys()
    yield from _signatures()


_RSA = der.identifier("1.2.840.113549.1.1.1")


def _key_bits(key: str) -> bytes:
    """The BIT STRING of an RSA key; in front of it is the algorithm with its NULL."""
    return der.content_of(public_key_info(key))[len(der.sequence(_RSA, der.null())) :]


def _server(key: str, issuer: Parts = ISSUING) -> Parts:
    return odd.changed(replace(SERVER, key=key, issuer=issuer), _SIGNS)


# fmt: off

def _curves() -> Iterator[Case]:
    for curve, verdict, codes, why in (
        ("p256", TRUSTED, "", AGREES),
        ("p384", TRUSTED, "", AGREES),
        ("p521", NOT_TRUSTED, "curve-not-enabled", _ENABLED),
        ("p224", NOT_TRUSTED, "curve-not-enabled", _ENABLED),
        ("p192", NOT_TRUSTED, "curve-not-enabled", _ENABLED),
        ("secp256k1", NOT_TRUSTED, "curve-not-enabled", _ENABLED),
        ("brainpool256", UNDOCUMENTED, "undocumented-key", _KNOWS),
        ("brainpool384", UNDOCUMENTED, "undocumented-key", _KNOWS),
        ("brainpool512", UNDOCUMENTED, "undocumented-key", _KNOWS),
    ):
        yield case(f"server-key-{curve}", verdict, "The curve of the server's key.",
                   [_server(f"{curve} server"), ISSUING], codes=codes, openssl=why)
    for curve, verdict, codes, why in (
        ("p256", TRUSTED, "", AGREES),
        ("p384", TRUSTED, "", AGREES),
        ("p521", TRUSTED, "", AGREES),
        ("p224", UNDOCUMENTED, "undocumented-key", _KNOWS),
        ("secp256k1", UNDOCUMENTED, "undocumented-key", _KNOWS),
        ("brainpool256", UNDOCUMENTED, "undocumented-key", _KNOWS),
    ):
        issuing = replace(ISSUING, key=f"{curve} issuing")
        yield case(f"intermediate-key-{curve}", verdict, "The curve of an intermediate's key.",
                   below(issuing), codes=codes, openssl=why)
        root = replace(ROOT, key=f"{curve} root")
        yield case(f"root-key-{curve}", verdict, "The curve of a root's key.",
                   below(replace(ISSUING, issuer=root)), [root], codes=codes, openssl=why)
    for used_hash in ("sha384", "sha512"):
        issuing = replace(ISSUING, key="p521 issuing")
        server = replace(SERVER, issuer=issuing, signed_with=used_hash)
        yield case(f"p521-with-{used_hash}", TRUSTED, "A CA on P-521 signs with a longer hash.",
                   [server, issuing])
    self_signed = replace(_server("p521 server"), issuer=None)
    yield case("self-signed-server-p521", NOT_TRUSTED, "Its own root, on a curve that is not enabled.",
               [self_signed], [self_signed], codes="curve-not-enabled", openssl=_ENABLED)


def _other_kinds() -> Iterator[Case]:
    for kind, why in (("ed25519", _KNOWS), ("ed448", _KNOWS), ("dsa2048", _KNOWS), ("mldsa87", AGREES)):
        root = replace(ROOT, key=f"{kind} root")
        issuing = replace(ISSUING, key=f"{kind} issuing")
        for place, sent, roots in (
            ("server", (_server(f"{kind} server"), ISSUING), (ROOT,)),
            ("intermediate", below(issuing), (ROOT,)),
            ("root", below(replace(ISSUING, issuer=root)), (root,)),
        ):
            yield case(f"{place}-key-{kind}", UNDOCUMENTED, "A kind of key that no page on Windows names.",
                       sent, roots, codes="undocumented-key", openssl=why)


def _keys_written_otherwise() -> Iterator[Case]:
    point = public_key_info("p256 server")[-64:]
    compressed = bytes([2 + (point[-1] & 1)]) + point[:32]
    p256 = der.sequence(der.identifier("1.2.840.10045.2.1"), der.identifier("1.2.840.10045.3.1.7"))
    explicit = der.sequence(der.identifier("1.2.840.10045.2.1"), _p256_in_full())
    for name, about, info, why in (
        ("compressed", "A point with one coordinate.", der.sequence(p256, der.bits(compressed)), _KNOWS),
        ("explicit", "The parameters of P-256 written out, which can be used to deceive.",
         der.sequence(explicit, der.bits(b"\x04" + point)), AGREES),
        ("no-point", "A point that does not lie on the curve.",
         der.sequence(p256, der.bits(b"\x04" + bytes(64))), AGREES),
    ):
        yield case(f"server-key-{name}", UNDOCUMENTED, about,
                   [replace(_server("p256 server"), key_info=info), ISSUING], openssl=why)
    rsa, bare_rsa = der.sequence(_RSA, der.null()), der.sequence(_RSA)
    numbers = der.content_of(_key_bits(SERVER.key))[1:]
    modulus = der.content_of(der.content_of(numbers))[1:257]
    negative = der.sequence(der.element(der.INTEGER, modulus), der.integer(65537))
    for name, about, key, why in (
        ("of-17000-bits", "RSA longer than the 16,384 bits of CNG.", (1 << 16999 | 1, 65537), _KNOWS),
        ("exponent-1", "An exponent of 1.", (1 << 2047 | 1, 1), _KNOWS),
        ("of-three-numbers", "A third number in the key.", (1 << 2047 | 1, 65537, 3), AGREES),
    ):
        numbers_given = der.bits(der.sequence(*map(der.integer, key)))
        yield case(f"server-key-rsa-{name}", UNDOCUMENTED, about,
                   [replace(SERVER, key_info=der.sequence(rsa, numbers_given)), ISSUING],
                   codes="undocumented-key", openssl=why)
    hybrid = bytes([6 + (point[-1] & 1)]) + point
    yield case("server-key-hybrid", UNDOCUMENTED, "A point in the hybrid form of X9.62.",
               [replace(_server("p256 server"), key_info=der.sequence(p256, der.bits(hybrid))), ISSUING],
               codes="undocumented-key", openssl=_KNOWS)
    yield case("server-key-negative-modulus", TRUSTED, "A modulus without the zero octet in front.",
               [replace(SERVER, key_info=der.sequence(rsa, der.bits(negative))), ISSUING])
    yield case("server-key-rsa-without-null", TRUSTED, "RSA without the NULL that belongs to it.",
               [replace(SERVER, key_info=der.sequence(bare_rsa, _key_bits(SERVER.key))), ISSUING])


def _p256_in_full() -> bytes:
    """The parameters of P-256 (SEC 2), as ECParameters of X9.62."""
    prime = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1
    b = bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
    base = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    field = der.sequence(der.identifier("1.2.840.10045.1.1"), der.integer(prime))
    curve = der.sequence(der.octets((prime - 3).to_bytes(32)), der.octets(b))
    return der.sequence(der.integer(1), field, curve, der.octets(base), der.integer(order), der.integer(1))


def _pss_keys() -> Iterator[Case]:
    def pss_key(key: str) -> bytes:
        return der.sequence(der.sequence(der.identifier(odd.PSS)), _key_bits(key))

    root = replace(ROOT, key_info=pss_key(ROOT.key), pss=True)
    issuing = replace(ISSUING, key_info=pss_key(ISSUING.key))
    for name, sent, roots in (
        ("server", [replace(SERVER, key_info=pss_key(SERVER.key)), ISSUING], [ROOT]),
        ("intermediate", [replace(SERVER, issuer=issuing, pss=True), issuing], [ROOT]),
        ("root", below(replace(ISSUING, issuer=root, pss=True)), [root]),
    ):
        yield case(f"{name}-key-pss", UNDOCUMENTED, "A key with the identifier id-RSASSA-PSS.", sent, roots,
                   codes="undocumented-key", openssl=_KNOWS)
    for used_hash in ("sha256", "sha384", "sha512"):
        signed = replace(ISSUING, pss=True, signed_with=used_hash)
        yield case(f"pss-signature-{used_hash}", TRUSTED, "A usual RSA key, and a signature with PSS.",
                   below(signed))


def _signatures() -> Iterator[Case]:
    for used_hash, verdict, why in (
        ("sha1", TRUSTED, AGREES),
        ("md5", NOT_TRUSTED, "it has no minimum unless asked for a security level"),
    ):
        for place, sent in (
            ("server", (replace(SERVER, signed_with=used_hash), ISSUING)),
            ("intermediate", below(replace(ISSUING, signed_with=used_hash))),
        ):
            yield case(f"{place}-signed-with-{used_hash}", verdict, "An old hash below the root.", sent,
                       codes="weak-signature", openssl=why)
        root = replace(ROOT, signed_with=used_hash)
        yield case(f"root-signed-with-{used_hash}", TRUSTED, "How a root signed itself does not matter.",
                   below(replace(ISSUING, issuer=root)), [root])
    md2 = der.sequence(der.identifier("1.2.840.113549.1.1.2"), der.null())
    yield case("server-signed-with-md2", NOT_TRUSTED, "MD2 can be forged.",
               [replace(SERVER, algorithm=md2), ISSUING], codes="weak-signature")
    other = der.sequence(der.identifier("1.2.840.113549.1.1.12"), der.null())
    yield case("algorithms-differ-server", NOT_TRUSTED, "The signed part names another algorithm.",
               [replace(SERVER, inner_algorithm=other), ISSUING])
    yield case("algorithms-differ-intermediate", NOT_TRUSTED, "The same one level higher.",
               below(replace(ISSUING, inner_algorithm=other)))
    unknown = der.sequence(der.identifier("1.3.6.1.4.1.55555.3"))
    yield case("algorithm-unknown-server", UNDOCUMENTED, "An algorithm that nobody knows.",
               [replace(SERVER, algorithm=unknown), ISSUING])
    ec = replace(ISSUING, key="p256 issuing")
    with_null = der.sequence(der.identifier("1.2.840.10045.4.3.2"), der.null())
    yield case("algorithm-ecdsa-with-null", TRUSTED, "ECDSA with a NULL that does not belong to it.",
               [replace(SERVER, issuer=ec, algorithm=with_null), ec])
    for name, signature in (
        ("empty", der.bits(b"")),
        ("short", der.bits(bytes(255))),
        ("zeros", der.bits(bytes(256))),
    ):
        yield case(f"signature-{name}", NOT_TRUSTED, "A signature that cannot fit.",
                   [replace(SERVER, signature=signature), ISSUING], codes="invalid-chain")
    for name, signature in (("no-integers", der.bits(b"\x30\x03abc")), ("zeros-ec", der.bits(bytes(70)))):
        yield case(f"signature-{name}", NOT_TRUSTED, "A signature of ECDSA that cannot fit.",
                   [replace(SERVER, issuer=ec, signature=signature), ec], codes="invalid-chain")
    octets = replace(SERVER, signature=der.octets(bytes(256)))
    yield case("signature-of-another-type", UNDOCUMENTED, "An OCTET STRING in the place of the signature.",
               [octets, ISSUING], codes="unreadable")
    yield case("signature-of-another-key", NOT_TRUSTED, "Names and identifiers fit, another key signed.",
               [replace(SERVER, signer="rsa2048 other"), ISSUING], codes="invalid-chain")
