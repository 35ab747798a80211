"""ISO files for tests, written with pycdlib."""

from __future__ import annotations

import io
from typing import Literal

from pycdlib import PyCdlib

Tree = Literal["iso9660", "joliet", "udf"]
BLOCK = 2048


def make_iso(files: dict[str, bytes], tree: Tree = "udf") -> bytes:
    """An .iso with these files; a UDF or Joliet name is not cut to 8.3."""
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


def _also(tree: Tree, path: str) -> dict[str, str]:
    return {} if tree == "iso9660" else {f"{tree}_path": path}


def in_two_extents(first: bytes, second: bytes) -> bytes:
    """An ISO 9660 file BOOT.WIM of two extents, as files above 4 GiB have them."""
    assert len(first) % BLOCK == 0
    made = bytearray(make_iso({"BOOT.WIM": first, "BOOT.WIN": second, "BETWEEN.TXT": b"x"}, "iso9660"))
    at = made.find(b"BOOT.WIN;1")
    made[at : at + 10] = b"BOOT.WIM;1"
    # The flags stand eight bytes before the name: this record is not the file's last (ECMA-119, 9.1.6).
    at = made.find(b"BOOT.WIM;1")
    made[at - 8] |= 0x80
    return bytes(made)
