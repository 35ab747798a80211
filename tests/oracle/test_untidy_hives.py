"""Hives as other programs leave them are edited, and are no less sound afterwards, as their readers say."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import pytest

from scripts.testdata import hives
from tests.conftest import Judge, read_hive
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.regf.check import HARMLESS, check

ROOT = TESTDATA / "certs" / "corp-root.cer"
THUMBPRINT = "1A8D2CC87D14C0B37372F979E20945250B635A45"
KEY = rf"Microsoft\SystemCertificates\AuthRoot\Certificates\{THUMBPRINT}"
BASE = 4096


def _broken(data: bytes) -> Counter[str]:
    return Counter(each.invariant for each in check(data))


def _security_counts(data: bytes) -> dict[int, tuple[int, int]]:
    """Of each security cell its count and how many keys use it, by a walk of its own."""

    def u32(at: int) -> int:
        return int(struct.unpack_from("<I", data, at)[0])

    def keys_of(offset: int) -> list[int]:
        at = BASE + offset + 4
        kind, count = data[at : at + 2], struct.unpack_from("<H", data, at + 2)[0]
        if kind == b"ri":
            return [key for place in range(count) for key in keys_of(u32(at + 4 + 4 * place))]
        step = 4 if kind == b"li" else 8
        return [u32(at + 4 + step * place) for place in range(count)]

    uses: Counter[int] = Counter()
    pending = [u32(36)]
    while pending:
        at = BASE + pending.pop() + 4
        uses[u32(at + 44)] += 1
        if u32(at + 20):
            pending += keys_of(u32(at + 28))
    return {cell: (u32(BASE + cell + 4 + 12), count) for cell, count in uses.items()}


def _readable_by_others(judge: Judge, hive: Path) -> None:
    exported = judge("regfexport", hive).stdout.decode(errors="replace")
    assert THUMBPRINT in exported
    listed = judge("hivexregedit", "--export", "--prefix", "HKEY_LOCAL_MACHINE\\SOFTWARE", hive, f"\\{KEY}")
    assert THUMBPRINT.encode() in listed.stdout


@pytest.mark.shared_files("cases/formats/*/SOFTWARE.hiv.xz")
@pytest.mark.parametrize("options", [(), ("--full-check",)])
def test_they_are_edited(
    run: Program, judge: Judge, shared_file: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(read_hive(shared_file))
    before = _broken(hive.read_bytes())
    assert before
    assert set(before) <= set(HARMLESS)
    done = run("inject", hive, "--cert", ROOT, *options)
    assert done.code == 0, done.err
    assert ("untidy-hive" in done.out) is bool(options)
    after = _broken(hive.read_bytes())
    assert after <= before
    assert run("verify", hive, "--cert", ROOT, "--full-check").code == 0
    _readable_by_others(judge, hive)
    assert run("remove", hive, "--cert", ROOT, *options).code == 0
    assert _broken(hive.read_bytes()) <= before
    for count, uses in _security_counts(hive.read_bytes()).values():
        assert count >= uses


@pytest.mark.shared_files("cases/formats/low-security-count/SOFTWARE.hiv.xz")
def test_a_count_that_is_too_low_is_set_right_and_said(
    run: Program, shared_file: Path, tmp_path: Path
) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(read_hive(shared_file))
    assert any(count < uses for count, uses in _security_counts(hive.read_bytes()).values())
    done = run("inject", hive, "--cert", ROOT)
    assert done.code == 0
    assert "was too low" in done.out
    assert all(count == uses for count, uses in _security_counts(hive.read_bytes()).values())
    assert _broken(hive.read_bytes()) == Counter()


@pytest.mark.parametrize("name", ["software-1.5.hiv", "software-1.3.hiv"])
def test_what_hivex_has_edited_is_edited_again(run: Program, judge: Judge, tmp_path: Path, name: str) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hives.hive_variant(name))
    text = tmp_path / "x.reg"
    keys = "[\\Microsoft\\Hivex]\r\n\r\n" + "".join(
        f'[\\Microsoft\\Hivex\\Key{number}]\r\n"Value"=hex:{"41," * 400}42\r\n\r\n' for number in range(20)
    )
    text.write_bytes(f"Windows Registry Editor Version 5.00\r\n\r\n{keys}".encode())
    judge("hivexregedit", "--merge", "--prefix", "", hive, text)
    delete = "".join(f"[-\\Microsoft\\Hivex\\Key{number}]\r\n\r\n" for number in range(5, 15))
    text.write_bytes(f"Windows Registry Editor Version 5.00\r\n\r\n{delete}".encode())
    judge("hivexregedit", "--merge", "--prefix", "", hive, text)
    before = _broken(hive.read_bytes())
    assert set(before) <= set(HARMLESS)
    assert run("inject", hive, "--cert", ROOT, "--full-check").code == 0
    assert _broken(hive.read_bytes()) <= before
    _readable_by_others(judge, hive)


def test_real_damage_is_refused_and_nothing_is_changed(run: Program, tmp_path: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    data = bytearray(hives.hive_variant("software-1.5.hiv"))
    (root,) = struct.unpack_from("<I", data, 36)
    data[BASE + root + 4 : BASE + root + 6] = b"xx"
    hive.write_bytes(data)
    for options in ((), ("--full-check",)):
        assert run("inject", hive, "--cert", ROOT, *options).code == 3
        assert hive.read_bytes() == data
