"""Dirty hives of real machines: what comes of them is what Windows made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import read_hive
from winpe_certs.errors import HiveError
from winpe_certs.regf.check import check
from winpe_certs.regf.logs import Log, recover

# What Windows 7 wrote when it had recovered the hive and went on using it: numbers, time and name in the base
# block with its checksum, the time in the first bin, and one byte of a key node.
USED_BY_WINDOWS_7 = frozenset(
    [*range(4, 0x14), *range(0x30, 0x70), *range(0x1FC, 0x200), *range(0x1014, 0x101C), 0x6BDC8]
)


def _dirty(folder: Path, name: str) -> bytes:
    return read_hive(folder / "hives" / "dirty" / f"{name}.xz")


def _recovered(folder: Path, name: str, *logs: str) -> bytes:
    found = [Log(log, _dirty(folder, log)) for log in logs]
    return recover(_dirty(folder, name), found, name).data


def test_the_result_is_that_of_windows_10_byte_for_byte(shared_data: Path) -> None:
    name = "NewDirtyHive1-NewDirtyHive"
    wanted = _dirty(shared_data, "NewDirtyHive1-RecoveredHive_Windows10")
    assert _recovered(shared_data, name, f"{name}.LOG1", f"{name}.LOG2") == wanted
    assert _recovered(shared_data, name, f"{name}.LOG2", f"{name}.LOG1") == wanted
    assert {violation.invariant for violation in check(wanted)} == {"leak"}


def test_the_result_is_that_of_windows_7_but_for_what_it_wrote_afterwards(shared_data: Path) -> None:
    found = _recovered(shared_data, "yarp-OldDirtyHive", "yarp-OldDirtyHive.LOG1")
    wanted = _dirty(shared_data, "OldDirtyHive-RecoveredHive_Windows7")
    assert len(found) == len(wanted)
    different = {at for at, (ours, theirs) in enumerate(zip(found, wanted, strict=True)) if ours != theirs}
    assert different <= USED_BY_WINDOWS_7
    assert check(found) == ()


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("regipy-UsrClass.dat", ("regipy-UsrClass.dat.LOG1", "regipy-UsrClass.dat.LOG2")),
        (
            "regipy-transactions_NTUSER.DAT",
            ("regipy-transactions_ntuser.dat.log1", "regipy-transactions_ntuser.dat.log2"),
        ),
    ],
)
def test_hives_of_running_machines_become_whole(shared_data: Path, name: str, logs: tuple[str, ...]) -> None:
    assert check(_recovered(shared_data, name, *logs)) == ()


def test_a_log_with_a_wrong_checksum_is_not_used(shared_data: Path) -> None:
    with pytest.raises(HiveError, match="no usable log file"):
        _recovered(shared_data, "BadLogHive1-BadLogHive", "BadLogHive1-BadLogHive.LOG1")


@pytest.mark.parametrize("name", ["regipy-NTUSER_with_winscp.DAT", "regipy-SECURITY"])
def test_without_logs_there_is_no_recovery(shared_data: Path, name: str) -> None:
    with pytest.raises(HiveError, match="no usable log file"):
        _recovered(shared_data, name)
