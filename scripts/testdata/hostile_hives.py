"""Damaged hives, each made from the small good one by one edit, with the checksum made right again."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from functools import cache

from scripts.testdata import pki
from scripts.testdata.hive_writer import REG_BINARY, REG_SZ, Key, Value, build_hive, sealed, text
from scripts.testdata.hives import certificate_key, hive_variant, software, usual_stores

_CELLS = 4096
_NONE = 0xFFFFFFFF


@cache
def _good() -> bytes:
    return hive_variant("no-free-cells.hiv")


def _put(offset: int, layout: str, *numbers: int) -> bytes:
    good = _good()
    packed = struct.pack(layout, *numbers)
    assert 0 <= offset <= len(good) - len(packed)
    return good[:offset] + packed + good[offset + len(packed) :]


def _header(offset: int, layout: str, *numbers: int) -> bytes:
    return sealed(_put(offset, layout, *numbers))


def _node(name: str) -> int:
    """Find a key node by its name: the place in the file where its cell's data begins."""
    encoded = name.encode("latin-1")
    place = _CELLS
    while True:
        place = _good().index(encoded, place + 1)
        start = place - 76
        if _good()[start : start + 2] == b"nk" and _number(start + 72, "<H") == len(encoded):
            return start


def _number(offset: int, layout: str = "<I") -> int:
    (number,) = struct.unpack_from(layout, _good(), offset)
    assert isinstance(number, int)
    return number


def _cell(offset: int) -> int:
    """Give where in the file the data of a cell begins."""
    return _CELLS + offset + 4


def _in_node(name: str, offset: int, layout: str, *numbers: int) -> bytes:
    return _put(_node(name) + offset, layout, *numbers)


def _list_of(name: str) -> int:
    return _cell(_number(_node(name) + 28))


def _first_value(name: str) -> int:
    return _cell(_number(_cell(_number(_node(name) + 40))))


def _security_of(name: str) -> int:
    return _cell(_number(_node(name) + 44))


def _long_value(offset: int, layout: str, *numbers: int) -> bytes:
    """Damage the record of the first value that is split into segments."""
    place = _good().index(b"db\x02\x00")
    return _put(place + offset, layout, *numbers)


def _swapped_subkeys() -> bytes:
    place = _list_of("SystemCertificates") + 4
    good = _good()
    first, second = good[place : place + 8], good[place + 8 : place + 16]
    return good[:place] + second + first + good[place + 16 :]


def _with_stores(keys: Sequence[Key]) -> bytes:
    return build_hive(software({**usual_stores(), "AuthRoot": keys}, class_ids=10, scatter=None))


def _with_blob(blob: bytes, kind: int = REG_BINARY) -> bytes:
    return _with_stores([Key(pki.thumbprint("corp-root"), [Value("Blob", kind, blob)])])


def _blob() -> bytes:
    return pki.registry_blob("corp-root")


def _element(number: int, encoding: int, data: bytes) -> bytes:
    return struct.pack("<III", number, encoding, len(data)) + data


def _deep() -> bytes:
    nest = Key("level")
    for _ in range(400):
        nest = Key("level", subkeys=[nest])
    return build_hive(software(usual_stores(), class_ids=10, more=[nest], scatter=None))


def _wrong_checksum() -> bytes:
    return _put(508, "<I", 0x12345678)


HIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (bytes, "The file is empty."),
    "garbage": (lambda: random.Random(4).randbytes(30_000), "The file is noise."),
    "header-only": (lambda: _good()[:_CELLS], "The file ends behind its first block."),
    "truncated": (lambda: _good()[: len(_good()) // 2], "The second half of the file is missing."),
    "truncated-in-header": (lambda: _good()[:300], "The file is cut off within its first block."),
    "dirty": (
        lambda: hive_variant("software-dirty.hiv"),
        "The sequence numbers differ: a log is to be replayed.",
    ),
    "checksum": (_wrong_checksum, "The checksum of the first block is wrong."),
    "major-version": (lambda: _header(20, "<I", 2), "The version is 2.5."),
    "minor-version-2": (lambda: _header(24, "<I", 2), "The version is 1.2."),
    "minor-version-9": (lambda: _header(24, "<I", 9), "The version is 1.9."),
    "log-file": (lambda: _header(28, "<I", 6), "The file says that it is a transaction log."),
    "bins-size-huge": (lambda: _header(40, "<I", 0x7FFFF000), "The bins claim nearly 2 GiB."),
    "bins-size-odd": (lambda: _header(40, "<I", 4097), "The size of the bins is no multiple of 4096."),
    "bins-size-short": (lambda: _header(40, "<I", 4096), "The size of the bins counts one of many."),
    "root-past-end": (lambda: _header(36, "<I", 0x7FFFFFF0), "The root key lies behind the file."),
    "root-none": (lambda: _header(36, "<I", _NONE), "There is no root key."),
    "bin-signature": (lambda: _put(_CELLS, "<I", 0), "The first bin has no signature."),
    "bin-size-0": (lambda: _put(_CELLS + 8, "<I", 0), "The first bin claims 0 bytes."),
    "bin-size-huge": (lambda: _put(_CELLS + 8, "<I", 0xFFFFF000), "The first bin claims 4 GiB."),
    "cell-size-0": (lambda: _put(_node("AuthRoot") - 4, "<i", 0), "The cell of AuthRoot has size 0."),
    "cell-size-past-bin": (
        lambda: _put(_node("AuthRoot") - 4, "<i", -0x10000),
        "The cell of AuthRoot runs past its bin.",
    ),
    "cell-free": (lambda: _put(_node("AuthRoot") - 4, "<i", 88), "The cell of AuthRoot is marked free."),
    "node-signature": (lambda: _in_node("AuthRoot", 0, "<2s", b"xx"), "AuthRoot is no key node."),  # type: ignore[arg-type]
    "node-parent": (lambda: _in_node("AuthRoot", 16, "<I", 0x20), "AuthRoot names another parent."),
    "name-length": (lambda: _in_node("AuthRoot", 72, "<H", 60000), "The name of AuthRoot has 60,000 bytes."),
    "name-length-0": (lambda: _in_node("AuthRoot", 72, "<H", 0), "The name of AuthRoot is empty."),
    "subkey-count": (
        lambda: _in_node("SystemCertificates", 20, "<I", 1 << 31),
        "SystemCertificates counts 2^31 subkeys.",
    ),
    "subkey-count-0": (
        lambda: _in_node("SystemCertificates", 20, "<I", 0),
        "SystemCertificates counts no subkeys and has a list.",
    ),
    "subkey-list-past-end": (
        lambda: _in_node("SystemCertificates", 28, "<I", 0x7FFFFFF0),
        "The subkey list of SystemCertificates lies behind the file.",
    ),
    "subkey-list-unaligned": (
        lambda: _in_node("SystemCertificates", 28, "<I", 0x21),
        "The subkey list of SystemCertificates lies at an odd place.",
    ),
    "subkey-list-signature": (
        lambda: _put(_list_of("SystemCertificates"), "<H", 0),
        "The subkey list of SystemCertificates is of no known kind.",
    ),
    "subkey-list-count": (
        lambda: _put(_list_of("SystemCertificates") + 2, "<H", 65535),
        "The subkey list of SystemCertificates has more entries than room.",
    ),
    "subkey-cycle": (
        lambda: _put(_list_of("AuthRoot") + 4, "<I", 0x20),
        "The root key is a subkey of AuthRoot.",
    ),
    "subkey-order": (_swapped_subkeys, "The first two subkeys of SystemCertificates are in the wrong order."),
    "subkey-hash": (
        lambda: _put(_list_of("SystemCertificates") + 8, "<I", 1),
        "The hash of the first subkey of SystemCertificates is wrong.",
    ),
    "value-count": (lambda: _in_node("WinPE", 36, "<I", 1 << 30), "WinPE counts 2^30 values."),
    "value-list-past-end": (
        lambda: _in_node("WinPE", 40, "<I", 0x7FFFFFF0),
        "The value list of WinPE lies behind the file.",
    ),
    "value-size": (
        lambda: _put(_first_value(pki.thumbprint("stored-root")) + 4, "<I", 0x7FFFFFFF),
        "A certificate's Blob claims 2 GiB.",
    ),
    "value-data-past-end": (
        lambda: _put(_first_value(pki.thumbprint("stored-root")) + 8, "<I", 0x7FFFFFF0),
        "A certificate's Blob lies behind the file.",
    ),
    "value-name-length": (
        lambda: _put(_first_value(pki.thumbprint("stored-root")) + 2, "<H", 60000),
        "The name of the Blob value has 60,000 bytes.",
    ),
    "segments-count": (lambda: _long_value(2, "<H", 65535), "A long value counts 65,535 segments."),
    "segments-list": (
        lambda: _long_value(4, "<I", 0x7FFFFFF0),
        "A long value's segments lie behind the file.",
    ),
    "security-none": (lambda: _in_node("AuthRoot", 44, "<I", _NONE), "AuthRoot has no security descriptor."),
    "security-no-descriptor": (
        lambda: _in_node("AuthRoot", 44, "<I", 0x20),
        "The security descriptor of AuthRoot is a key node.",
    ),
    "security-count": (
        lambda: _put(_security_of("AuthRoot") + 12, "<I", 1),
        "The security descriptor counts one user and has many.",
    ),
    "security-ring": (
        lambda: _put(_security_of("AuthRoot") + 4, "<I", 0x7FFFFFF0),
        "The ring of security descriptors leads behind the file.",
    ),
    "deep": (_deep, "Keys are nested 400 deep: legal, and too deep for careless recursion."),
    "blob-empty": (lambda: _with_blob(b""), "The Blob of corp-root is empty."),
    "blob-bare": (lambda: _with_blob(pki.der("corp-root")), "The Blob of corp-root is the bare DER."),
    "blob-cut": (lambda: _with_blob(_blob()[:-7]), "The Blob of corp-root is cut off."),
    "blob-junk": (lambda: _with_blob(_blob() + b"junk"), "The Blob of corp-root has four more bytes."),
    "blob-length": (
        lambda: _with_blob(_blob()[:8] + struct.pack("<I", 0xFFFFFFF0) + _blob()[12:]),
        "The first element of the Blob claims 4 GiB.",
    ),
    "blob-encoding": (
        lambda: _with_blob(_blob()[:4] + struct.pack("<I", 0x10001) + _blob()[8:]),
        "The first element of the Blob has encoding 0x10001, must be 1.",
    ),
    "blob-no-certificate": (
        lambda: _with_blob(_blob()[: -len(pki.der("corp-root")) - 12]),
        "The Blob of corp-root has no certificate in it.",
    ),
    "blob-broken-certificate": (
        lambda: _with_blob(_element(0x20, 1, pki.der("corp-root")[:-20])),
        "The certificate in the Blob is cut off.",
    ),
    "blob-other-certificate": (
        lambda: _with_blob(pki.registry_blob("corp-root-2")),
        "The certificate in the Blob is another than its key's name says.",
    ),
    "blob-text": (
        lambda: _with_blob(text("not binary"), REG_SZ),
        "The Blob of corp-root is a string.",
    ),
    "blob-missing": (
        lambda: _with_stores([Key(pki.thumbprint("corp-root"))]),
        "The certificate's key is empty.",
    ),
    "blob-key-name": (
        lambda: _with_stores([Key("not a thumbprint", certificate_key("corp-root").values)]),
        "The certificate's key is not called by its thumbprint.",
    ),
    "blob-key-lower-case": (
        lambda: _with_stores([Key(pki.thumbprint("corp-root").lower(), certificate_key("corp-root").values)]),
        "The certificate's key is called by its thumbprint in lower case.",
    ),
}
