"""Write bcryptprimitives.dll for a Wine that has none: it forwards ProcessPrng to advapi32's RtlGenRandom.

cryptography and pydantic take their random numbers from ProcessPrng(buffer, length). advapi32 exports
RtlGenRandom as SystemFunction036, with the same arguments. A library that only forwards has no code, so no
compiler is needed: one section with an export directory. Layout: Microsoft, "PE Format".

    python -m scripts.windows.prng_dll FILE
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_ALIGNMENT = 0x200
_SECTION_AT = 0x1000
_DIRECTORY_SIZE = 40
_HEADERS_SIZE = 0x200
_AMD64 = 0x8664
_PE32_PLUS = 0x20B
_DLL = 0x2022
_READABLE_DATA = 0x40000040


def export_section(name: str, exported: str, forwarded_to: str) -> bytes:
    """Give an export section whose only function is found in another library."""
    tables = _DIRECTORY_SIZE + 4 + 4 + 2
    texts = [each.encode() + b"\0" for each in (name, exported, forwarded_to)]
    places = [_SECTION_AT + tables + sum(map(len, texts[:number])) for number in range(len(texts))]
    functions, names, ordinals = (_SECTION_AT + _DIRECTORY_SIZE + offset for offset in (0, 4, 8))
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, places[0], 1, 1, 1, functions, names, ordinals)
    return directory + struct.pack("<IIH", places[2], places[1], 0) + b"".join(texts)


def library(section: bytes) -> bytes:
    """Give a DLL for x86-64 with one section, which is its export directory."""
    size = len(section)
    stored = -(-size // _ALIGNMENT) * _ALIGNMENT
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", _AMD64, 1, 0, 0, 0, 240, _DLL)
    optional = struct.pack("<HBBIIIII", _PE32_PLUS, 14, 0, 0, stored, 0, 0, _SECTION_AT)
    optional += struct.pack("<QII", 0x180000000, 0x1000, _ALIGNMENT)
    optional += struct.pack("<HHHHHHI", 6, 0, 0, 0, 6, 0, 0)
    optional += struct.pack("<IIIHH", 2 * _SECTION_AT, _HEADERS_SIZE, 0, 3, 0x160)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += struct.pack("<II", _SECTION_AT, size) + bytes(8 * 15)
    header = struct.pack(
        "<8sIIIIIIHHI", b".edata", size, _SECTION_AT, stored, _HEADERS_SIZE, 0, 0, 0, 0, _READABLE_DATA
    )
    return (dos + coff + optional + header).ljust(_HEADERS_SIZE, b"\0") + section.ljust(stored, b"\0")


def main() -> None:
    """Write the library to the path that the command line names."""
    section = export_section("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036")
    Path(sys.argv[1]).write_bytes(library(section))


if __name__ == "__main__":
    main()
