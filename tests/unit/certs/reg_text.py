"""Short ways to read .reg text in the tests."""

from __future__ import annotations

from winpe_certs.certs.regfile_layout import CreateRegKey, RegFile, SetRegValue
from winpe_certs.certs.regfile_reader import parse_reg

K = "HKEY_CURRENT_USER\\Test"
V5 = "Windows Registry Editor Version 5.00"
START = f"{V5}\n\n[{K}]\n"


def read(text: str) -> RegFile:
    return parse_reg(text.encode("ascii"), "t.reg")


def values(text: str, start: str = START) -> list[tuple[str, int, bytes]]:
    operations = read(start + text).operations
    return [(each.name, each.type, each.data) for each in operations if isinstance(each, SetRegValue)]


def keys(text: str) -> list[str]:
    return [each.key for each in read(f"{V5}\n{text}").operations if isinstance(each, CreateRegKey)]


def sz(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"
