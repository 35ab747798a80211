"""What is fuzzed of ISO files: the way to the WIM files in them, and what stands at the place they lead to.

An .iso is mostly empty, so what is fuzzed is a list of the blocks that are not: number, used bytes, contents.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Final, get_args

from scripts.testdata.isos import BLOCK, Tree, in_two_extents, make_iso
from winpe_certs.engines.iso import open_file, wim_files
from winpe_certs.errors import InputError
from winpe_certs.wim.layout import MAGIC

ORIGIN: Final = "fuzzed.iso"
_MOST_BLOCKS: Final = 1024
_HEAD: Final = struct.Struct("<HH")
_CONTENTS: Final = MAGIC + bytes(300)


def iso(data: bytes) -> None:
    """Every WIM file of an .iso, from its first byte to its last."""
    whole = unpacked(data)
    file = io.BytesIO(whole)
    failures: list[InputError] = []
    for found in wim_files(file, ORIGIN):
        try:
            opened = open_file(file, found)
        except InputError as error:
            failures.append(error)
            continue
        assert len(opened.read()) == sum(extent.size for extent in found.extents) <= len(whole)
    if failures:
        raise failures[0]


def packed(whole: bytes) -> bytes:
    """List the blocks of an .iso that are not empty."""
    pieces = []
    for number in range(len(whole) // BLOCK):
        used = whole[number * BLOCK : (number + 1) * BLOCK].rstrip(b"\0")
        if used or number == len(whole) // BLOCK - 1:
            pieces.append(_HEAD.pack(number, len(used)) + used)
    return b"".join(pieces)


def unpacked(data: bytes) -> bytes:
    """Put the blocks of a list where they belong, as far as it can be understood."""
    blocks: dict[int, bytes] = {}
    at = 0
    while at + _HEAD.size <= len(data):
        number, used = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        blocks[number % _MOST_BLOCKS] = data[at : at + used % (BLOCK + 1)]
        at += used % (BLOCK + 1)
    return b"".join(
        blocks.get(number, b"").ljust(BLOCK, b"\0") for number in range(max(blocks, default=0) + 1)
    )


def isos() -> Iterator[bytes]:
    """Yield small ISO files of every tree."""
    files = {"sources/boot.wim": _CONTENTS, "a/b.txt": b"x", "boot.wim": b"no image"}
    for tree in get_args(Tree):
        yield packed(make_iso(files, tree))
    yield packed(in_two_extents(_CONTENTS.ljust(BLOCK, b"\0"), _CONTENTS))


def iso_places(data: bytes) -> Sequence[range]:
    """Where structures are: the contents of blocks, but not what says which blocks these are."""
    places = []
    at = 0
    while at + _HEAD.size <= len(data):
        used = _HEAD.unpack_from(data, at)[1] % (BLOCK + 1)
        at += _HEAD.size
        if used:
            places.append(range(at, min(at + used, len(data))))
        at += used
    return [place for place in places if place]
