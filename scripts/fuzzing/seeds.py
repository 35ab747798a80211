"""The sound files that fuzzing begins with: small ones of every kind, from the makers of the test data.

Files of ``testdata`` and of the shared data (the folder named by WINPE_CERTS_SHARED_DATA, or
``../shared/data``) join them where they are small enough. Without the shared data there are fewer.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from asn1crypto import pkcs12
from cryptography.hazmat.primitives.serialization import NoEncryption

from scripts.fuzzing import chains, evidence_targets, iso_target, logs
from scripts.testdata import bundles, lzx_encoder, media_pki, pki, wim_writer, xpress_encoder
from scripts.testdata.hive_writer import REG_BINARY, REG_DWORD, REG_SZ, Hive, Key, Value, build_hive, text
from scripts.testdata.hives import STORES, certificate_key
from scripts.testdata.hostile_certificates import CERTIFICATES
from scripts.testdata.security import file_descriptors, key_descriptors
from scripts.testdata.trust_lists import SHA1, public_key_hash, signature_hash, signed, trust_list
from scripts.testdata.wim_writer import Entry, Image, Wim, build_wim

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SHARED_DATA: Final = Path(os.environ.get("WINPE_CERTS_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")

_LARGEST_PACKED: Final = 1 << 16
_CHUNK: Final = 1 << 15


def seeds(target: str, largest: int) -> tuple[bytes, ...]:
    """The files of at most `largest` bytes for a target, each once, always in the same order."""
    return tuple(dict.fromkeys(data for data in _MAKERS[target]() if len(data) <= largest))


def _files(folder: Path, pattern: str) -> Iterator[bytes]:
    for path in sorted(folder.glob(pattern)):
        if path.suffix != ".xz":
            yield path.read_bytes()
        elif path.stat().st_size <= _LARGEST_PACKED:
            yield lzma.decompress(path.read_bytes())


def _certificates() -> Iterator[bytes]:
    yield from _files(REPOSITORY / "testdata" / "certs", "*")
    yield from (chains.rich_leaf(), chains.issuing_ca(), chains.root_ca())
    yield pki.pem("corp-root-2").replace(b"CERTIFICATE-", b"TRUSTED CERTIFICATE-")
    yield pki.pem("corp-root-2").decode().encode("utf-16")
    yield b"".join(pki.pem("corp-root-2").splitlines(keepends=True)[1:-1])
    yield _reg_export()
    yield from _stores()
    for make, _ in CERTIFICATES.values():
        yield make()


def _stores() -> Iterator[bytes]:
    """Files with several certificates: PKCS#7 in BER, serialized stores and certificates, policy files."""
    first, second = pki.der("corp-root-2"), pki.der("stored-root")
    blobs = [pki.registry_blob(name) for name in ("corp-root-2", "stored-root")]
    yield bundles.pkcs7_ber(first, bundles.ATTRIBUTE_CERTIFICATE, second)
    lists = [bundles.store_element(number, b"list") for number in (0x21, 0x22)]
    yield bundles.serialized_store(blobs[0], *lists, blobs[1])
    yield blobs[0]
    orders = [bundles.instruction("Software\\Contoso", "**del.x", b" \0", 1)]
    for name, each in zip(("corp-root-2", "stored-root"), blobs, strict=True):
        key = f"{bundles.POLICY_ROOT}\\{pki.thumbprint(name)}"
        orders.append(bundles.instruction(key, "Blob", each))
    yield bundles.policy_file(*orders)


def _blobs() -> Iterator[bytes]:
    usages = bytes.fromhex("300a06082b06010505070302")
    moment = bytes.fromhex("00803ed5deb19d01")
    yield from map(pki.registry_blob, ("corp-root", "corp-root-2", "constrained-root"))
    for narrowing in (
        [(0x09, usages), (0x13, b"")],
        [(0x54, constraints) for constraints in chains.bare_constraints()],
        [(0x68, moment), (0x7A, usages), (0x7E, moment), (0x7F, usages), (0x02, b"a key")],
    ):
        yield pki.registry_blob("corp-root-2", *narrowing)
    yield pki.registry_blob("corp-root-2") + bytes(12)
    yield from _files(SHARED_DATA / "reg-exports" / "hive-blobs", "*.bin")


def _reg_export(*names: str) -> bytes:
    lines = ["Windows Registry Editor Version 5.00", ""]
    for name in names or ("corp-root-2",):
        key = f"SOFTWARE\\Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\{pki.thumbprint(name)}"
        data = [f"{byte:02x}" for byte in pki.registry_blob(name)]
        rows = [",".join(data[at : at + 25]) for at in range(0, len(data), 25)]
        lines += [f"[HKEY_LOCAL_MACHINE\\{key}]", '"Blob"=hex:' + ",\\\n  ".join(rows), ""]
    return "\r\n".join(lines).replace("\n  ", "\r\n  ").encode()


def _reg_files() -> Iterator[bytes]:
    export = _reg_export()
    yield export
    yield export.decode().encode("utf-16")
    yield export.replace(b"Windows Registry Editor Version 5.00", b"REGEDIT4").replace(b"\r\n", b"\n")
    yield _reg_export("corp-root-2", "stored-root")
    grammar = (
        '[HKEY_LOCAL_MACHINE\\a]\n@="x"\n"a\\\\\\"b"=dword:0000001f\n"c"=hex(2):41,00,\\\n ;\n  00,00\n'
        '"d"=-\n[-HKEY_USERS\\b]\n'
    )
    yield f"REGEDIT4\n{grammar}".encode()
    yield f"Windows Registry Editor Version 5.00\n{grammar}".encode("utf-16-be")
    yield from _files(SHARED_DATA / "reg-exports", "*.reg")


def _media_stores() -> Iterator[bytes]:
    """Stores without encryption and MAC, so that nothing in them comes from chance and changes are seen."""
    ec_leaf = media_pki.Leaf(key="stored-root")
    for chain in ((), ("corp-root-2",)):
        parts = media_pki.contents(media_pki.store(ec_leaf, NoEncryption(), chain=chain))
        yield media_pki.packed(parts, None, rounds=1)
        content = {"content_type": "data", "content": pkcs12.AuthenticatedSafe(parts).dump()}
        yield pkcs12.Pfx({"version": "v3", "auth_safe": content}).dump()
    yield from _files(REPOSITORY / "testdata" / "certs", "*.pfx")


def _chains() -> Iterator[bytes]:
    leaf, issuing, root = chains.rich_leaf(), chains.issuing_ca(), chains.root_ca()
    yield from (leaf + issuing + root, leaf + issuing, leaf, root, root + issuing + leaf, leaf + root)


def _constraints() -> Iterator[bytes]:
    yield from chains.bare_constraints()


def _hosts() -> Iterator[bytes]:
    for text_ in (
        "cmg.contoso.example",
        "cmg.contoso.example:8443",
        "CMG.Contoso.Example.",
        "192.0.2.10",
        "[2001:db8::1]:443",
        "2001:db8::1",
        "fe80::1%eth0",
        "büro.contoso.example",
        "xn--bro-hoa.contoso.example",
        "*.contoso.example",
        "https://cmg.contoso.example/path",
        "a_b-c.example",
        "10.0.0.256",
        "日本語。example",
    ):
        yield text_.encode()


@cache
def _small_hive(minor: int, *, is_long: bool = False, leaf_limit: int | None = None) -> bytes:
    """A SOFTWARE hive in a few bins: some stores with certificates, and keys and values of every kind."""
    held = {"ROOT": ("stored-root",), "Disallowed": ("disallowed-root",)}
    stores = [
        Key(
            name,
            subkeys=[Key("Certificates", subkeys=[certificate_key(each) for each in held.get(name, ())])],
            security=1 if name == "ROOT" else None,
        )
        for name in STORES[:6]
    ]
    values = [
        Value("", REG_SZ, text("default")),
        Value("one", REG_BINARY, b"\x01"),
        Value("four", REG_DWORD, b"1234"),
        Value("five", REG_BINARY, b"12345"),
        Value("日本", REG_SZ, text("x")),
        Value("long", REG_BINARY, bytes(17_000 if is_long else 400)),
    ]
    policy = Key("Microsoft", subkeys=[Key("SystemCertificates", subkeys=[Key("ROOT")])])
    root = Key(
        "root",
        subkeys=[
            Key("Microsoft", subkeys=[Key("SystemCertificates", subkeys=stores)], class_name="class"),
            Key("Policies", subkeys=[policy]),
            Key("Test", values, [Key(name) for name in ("Größe", "a b", "日本語", "x" * 40, "_")], 2),
        ],
        security=0,
    )
    return build_hive(Hive(root, key_descriptors(), scatter=3, leaf_limit=leaf_limit), minor)


def _hives() -> Iterator[bytes]:
    yield _small_hive(5)
    yield _small_hive(3)
    yield _small_hive(6, leaf_limit=3)
    yield _small_hive(5, is_long=True)
    yield build_hive(Hive(Key("root", security=0), key_descriptors()[:1]))
    for folder in ("minimal", "adversarial", "synth", "dirty", "real"):
        yield from _files(SHARED_DATA / "hives" / folder, "*.xz")
    yield from _files(REPOSITORY / "testdata" / "hives", "*.hiv")


def _dirty_hives() -> Iterator[bytes]:
    yield from logs.dirty_hives(_small_hive(5))
    yield from logs.dirty_hives(_small_hive(3))
    for hive in sorted((SHARED_DATA / "hives" / "dirty").glob("*Dirty*Hive.xz")):
        first, second = (
            lzma.decompress(path.read_bytes()) if path.exists() else b""
            for path in (hive.with_name(hive.name.replace(".xz", f".LOG{n}.xz")) for n in (1, 2))
        )
        yield logs.packed(lzma.decompress(hive.read_bytes()), first, second)


def _image(name: str = "Windows PE") -> Image:
    """A tree with everything that an entry can have, and little in its files."""
    hive = Entry("SOFTWARE", b"regf, a hive in name only. " * 9, security=1, link_group=5)
    config = Entry("config", children=[hive, Entry("SYSTEM", b"system"), replace(hive, name="SOFTWARE.BAK")])
    streams = [("Zone.Identifier", b"ZoneId=3")]
    system = Entry("System32", children=[config, Entry("a.txt", b"text" * 50, streams=streams)])
    link = Entry("link", b"\0\0\4\0link", attributes=wim_writer.REPARSE, reparse_tag=0xA000000C)
    windows = Entry("Windows", children=[system, Entry("empty.log", b""), link], short_name="WINDOW~1")
    return Image(name, Entry("", children=[Entry("Users"), windows]), file_descriptors()[:2], name)


def _wims() -> Iterator[bytes]:
    plain = Wim([_image()], compression="none", boot_index=1, integrity_piece=700)
    yield build_wim(plain)
    yield build_wim(replace(plain, integrity_piece=None))
    yield build_wim(replace(plain, images=[_image("one"), _image("two")], boot_index=2))
    for compression in ("lzx", "xpress"):
        yield build_wim(replace(plain, compression=compression))
        yield build_wim(replace(plain, compression=compression, stored_chunks=True, integrity_piece=None))


def _part(wim: bytes, at: int) -> bytes:
    """The resource that the header of an uncompressed file names at `at`."""
    size = int.from_bytes(wim[at : at + 7], "little")
    offset = int.from_bytes(wim[at + 8 : at + 16], "little")
    return wim[offset : offset + size]


def _parts(at: int) -> Iterator[bytes]:
    for wim in _wims():
        yield _part(wim, at)


def _headers() -> Iterator[bytes]:
    yield from (wim[: wim_writer.HEADER_SIZE] for wim in _wims())


def _metadata() -> Iterator[bytes]:
    yield wim_writer.metadata(_image())
    flat = Entry("", children=[Entry(f"file {number}", b"x") for number in range(9)])
    yield wim_writer.metadata(Image("flat", flat, ()))


def _integrity_tables() -> Iterator[bytes]:
    for wim in _wims():
        table = _part(wim, 0x7C)
        if table:
            lookup_end = int.from_bytes(wim[0x38:0x40], "little") + int.from_bytes(wim[0x30:0x37], "little")
            yield (lookup_end - wim_writer.HEADER_SIZE).to_bytes(8, "little") + table


def _plain_chunks() -> Iterator[bytes]:
    yield b"a"
    yield b"ab" * 300
    yield b"".join(b"line %d of some text\r\n" % number for number in range(90))
    yield wim_writer.metadata(_image())
    yield b"MZ" + b"".join(b"\xe8" + number.to_bytes(4, "little") + b"\x90" * 3 for number in range(300))
    yield _small_hive(5)[:20_000]


def _chunks(
    compress: Callable[[bytes, int], bytes | None], chunk_byte: int, chunk_size: int
) -> Iterator[bytes]:
    for plain in _plain_chunks():
        coded = compress(plain, chunk_size)
        if coded is not None:
            yield bytes((chunk_byte,)) + len(plain).to_bytes(2, "little") + coded


def _lzx() -> Iterator[bytes]:
    yield from _chunks(lzx_encoder.compress, 0, _CHUNK)
    yield from _chunks(lzx_encoder.compress, 6, 1 << 21)
    # An uncompressed block: its type and size, three recent offsets, the bytes.
    yield bytes.fromhex("000800 00600080 010000000100000001000000") + b"abcdefgh"


def _xpress() -> Iterator[bytes]:
    yield from _chunks(xpress_encoder.compress, 3, _CHUNK)
    yield from _chunks(xpress_encoder.compress, 0, 1 << 12)


def _trust_lists() -> Iterator[bytes]:
    names = ("corp-root", "corp-issuing")
    hashes = [make(name) for name in names for make in (signature_hash, public_key_hash)]
    yield signed(trust_list(hashes))
    yield signed(
        trust_list(hashes, version=True, next_update=True, attributes=True, extensions=True), as_octets=True
    )
    yield signed(trust_list([bytes(20)], SHA1, list_identifier=None, number=None))
    yield signed(trust_list([]))


_MAKERS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "certificate": _certificates,
    "blob": _blobs,
    "trust-list": _trust_lists,
    "reg": _reg_files,
    "pkcs12": _media_stores,
    "chain": _chains,
    "constraints": _constraints,
    "evidence": evidence_targets.documents,
    "host": _hosts,
    "hive-reader": _hives,
    "hive-editor": _hives,
    "hive-check": _hives,
    "hive-log": _dirty_hives,
    "stored": _hives,
    "wim": _wims,
    "wim-patch": _wims,
    "wim-header": _headers,
    "wim-lookup": partial(_parts, 0x30),
    "wim-metadata": _metadata,
    "wim-xml": partial(_parts, 0x48),
    "wim-integrity": _integrity_tables,
    "iso": iso_target.isos,
    "lzx": _lzx,
    "xpress": _xpress,
}
