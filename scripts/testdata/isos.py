"""ISO files for tests, written with pycdlib; other programs judge them in `tests/oracle`."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, Literal
from unittest import mock

from pycdlib import PyCdlib

Tree = Literal["iso9660", "joliet", "udf"]
BLOCK = 2048
_WRITTEN = datetime(2024, 4, 1, 8, 15, tzinfo=UTC).timestamp()


def make_iso(files: dict[str, bytes], tree: Tree = "udf") -> bytes:
    """Make an .iso with these files, the same each time; a UDF or Joliet name is not cut to 8.3."""
    # pycdlib dates what it writes and draws a number for UDF, and takes neither from outside.
    with mock.patch("time.time", return_value=_WRITTEN), mock.patch("random.getrandbits", return_value=1):
        return _written(files, tree)


def _written(files: dict[str, bytes], tree: Tree) -> bytes:
    iso = PyCdlib()
    iso.new(
        interchange_level=1, joliet=3 if tree == "joliet" else None, udf="2.60" if tree == "udf" else None
    )
    folders: dict[str, str] = {"": ""}
    for number, (path, data) in enumerate(files.items()):
        *parents, name = path.split("/")
        at = ""
        for folder in parents:
            deeper = f"{at}/{folder}"
            if deeper not in folders:
                folders[deeper] = f"{folders[at]}/{folder.upper()[:8]}"
                iso.add_directory(folders[deeper], **_also(tree, deeper))
            at = deeper
        stem, _, extension = name.upper().rpartition(".")
        short = f"{stem[:8]}.{extension[:3]}" if tree == "iso9660" else f"F{number}.BIN"
        iso.add_fp(io.BytesIO(data), len(data), f"{folders[at]}/{short};1", **_also(tree, f"{at}/{name}"))
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def _also(tree: Tree, path: str) -> dict[str, Any]:
    return {} if tree == "iso9660" else {f"{tree}_path": path}


def in_two_extents(first: bytes, second: bytes) -> bytes:
    """Make an ISO 9660 file BOOT.WIM of two extents, as files above 4 GiB have them."""
    assert len(first) % BLOCK == 0
    made = bytearray(make_iso({"BOOT.WIM": first, "BOOT.WIN": second, "BETWEEN.TXT": b"x"}, "iso9660"))
    at = made.find(b"BOOT.WIN;1")
    made[at : at + 10] = b"BOOT.WIM;1"
    # The flags stand eight bytes before the name: this record is not the file's last (ECMA-119, 9.1.6).
    at = made.find(b"BOOT.WIM;1")
    made[at - 8] |= 0x80
    return bytes(made)


def udf_alone(files: dict[str, bytes]) -> bytes:
    """Make a UDF image without ISO 9660 beside it: the same files, with UDF's own descriptors first."""
    made = bytearray(make_iso(files, "udf"))
    first = 16 * BLOCK
    begin = made.index(b"BEA01", first) - 1
    # Three descriptors say that what follows is UDF (ECMA-167, 2/9.2 to 3/9.1).
    made[first : first + 3 * BLOCK] = made[begin : begin + 3 * BLOCK]
    made[first + 3 * BLOCK : begin + 3 * BLOCK] = bytes(begin - first)
    return bytes(made)
