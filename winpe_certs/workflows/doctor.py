"""``doctor``: whether this machine is ready, line by line, each with a remedy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from winpe_certs.command_lines import PROGRAM
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.codecs import codecs
from winpe_certs.engines.records import Record, is_running
from winpe_certs.engines.setup import EngineOptions, Machine, Opening, Workshop
from winpe_certs.engines.windows_guards import controlled_folder_access, is_elevated
from winpe_certs.errors import EnvironmentFailure, WinpeCertsError
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.results import Health, HealthLine, Report
from winpe_certs.verification.readers import reader_versions

# A mounted boot image takes about three times what its file weighs; 2 GiB is room for one of usual size.
_ROOM_TO_MOUNT: Final = 2 << 30


def doctor(options: EngineOptions, machine: Machine) -> Report:
    """Look at everything that the engines rely on; `holds` is False when something is missing for good."""
    lines = tuple(_lines(options, machine))
    return Report("doctor", health=lines, holds=all(line.state is not Health.FAIL for line in lines))


def _lines(options: EngineOptions, machine: Machine) -> Iterator[HealthLine]:
    yield HealthLine("direct engine", Health.OK, "patches WIM files itself; needs no rights and no program")
    yield HealthLine("readers", Health.OK, ", ".join(reader_versions()))
    yield _codec()
    yield from _wimlib()
    yield from _dism(options, machine)
    yield from _room(options, machine)
    yield from _left_behind(machine)


def _codec() -> HealthLine:
    try:
        found = codecs()
    except WinpeCertsError as error:
        return HealthLine("codec", Health.FAIL, f"{error.message}: {error.details}", error.resolution)
    if found.is_slow:
        return HealthLine(
            "codec", Health.OK, "Python alone; libwim, where it is installed, is some 25 times as fast"
        )
    return HealthLine("codec", Health.OK, f"{found.name}, found on this machine")


def _wimlib() -> Iterator[HealthLine]:
    path = shutil.which("wimlib-imagex")
    if path:
        yield HealthLine(
            "wimlib", Health.OK, f"{path}; not needed, good for a second opinion (wimlib-imagex verify)"
        )
    else:
        yield HealthLine("wimlib", Health.OK, "wimlib-imagex is not installed; it is not needed")


def _dism(options: EngineOptions, machine: Machine) -> Iterator[HealthLine]:
    wanted = machine.is_windows or options.dism is not None
    if not wanted:
        yield HealthLine("DISM", Health.OK, "not on Windows: the DISM engine can only be planned (--dry-run)")
        return
    workshop = Workshop(options, machine)
    try:
        engine = workshop.engine_for(Place(Path("boot.wim"), Kind.WIM), Opening(0))
    except WinpeCertsError as error:
        yield HealthLine("DISM", Health.FAIL, error.message, error.resolution)
        return
    if engine.name == "dism":
        yield HealthLine("DISM", Health.OK, f"{engine.program}, version {engine.version or 'unknown'}")
    if is_elevated():
        yield HealthLine("rights", Health.OK, "elevated, as DISM needs it")
    else:
        yield HealthLine(
            "rights",
            Health.WARN,
            "not elevated: DISM will refuse",
            "Start the prompt as administrator, or use --engine direct.",
        )
    if controlled_folder_access():
        yield HealthLine(
            "Controlled Folder Access",
            Health.WARN,
            "Microsoft Defender keeps programs from writing to protected folders (DISM says 0xC1510111)",
            "Allow DISM.exe and python.exe there, or work outside of Documents, Desktop and the like.",
        )
    try:
        mounted = workshop.mounted_images()
    except WinpeCertsError as error:
        yield HealthLine("mounts", Health.WARN, error.message, error.resolution)
        return
    if not mounted:
        yield HealthLine("mounts", Health.OK, "nothing is mounted")
    for mount in mounted:
        yield HealthLine(
            "mounts",
            Health.WARN,
            f"image {mount.index} of {mount.image} is mounted in {mount.folder} "
            f"({'read/write' if mount.writable else 'read-only'}, status {mount.status})",
            "If a run of winpe-certs left it, the command below lists it as such and says how to free it. "
            "Otherwise ask the person who mounted it.",
            (PROGRAM, "cleanup"),
        )


def _room(options: EngineOptions, machine: Machine) -> Iterator[HealthLine]:
    for name, named in (
        ("room to mount", options.mount_dir),
        ("room for scratch files", options.scratch_dir),
    ):
        folder = named or machine.work_root
        try:
            there = (each for each in (folder, *folder.parents) if path_kind(each) is not PathKind.MISSING)
            near = next(there, None)
        except EnvironmentFailure as error:
            yield HealthLine(name, Health.WARN, error.message, error.resolution)
            continue
        if near is None:
            yield HealthLine(name, Health.WARN, f"{folder} cannot be found", "Name another folder.")
            continue
        if not near.is_dir():
            yield HealthLine(name, Health.WARN, f"{folder}: {near} is a file", "Name another folder.")
            continue
        is_missing = named is not None and near != named
        if is_missing and named is options.scratch_dir:
            yield HealthLine(
                name,
                Health.WARN,
                f"{folder} is not there, and DISM wants its scratch folder to exist",
                "Make the folder first, or leave --scratch-dir out.",
            )
            continue
        free = shutil.disk_usage(near).free
        text = f"{free / 1e9:.1f} GB free at {folder}"
        if is_missing:
            text += ", which is not there yet: it is made when an image is mounted"
        if free < _ROOM_TO_MOUNT:
            yield HealthLine(name, Health.WARN, text, "Free some space, or name a folder on another volume.")
        else:
            yield HealthLine(name, Health.OK, text)


def _left_behind(machine: Machine) -> Iterator[HealthLine]:
    left = [record for record in machine.records.all() if not is_running(record)]
    if not left:
        yield HealthLine("interrupted runs", Health.OK, "none left anything behind")
    for record in left:
        yield HealthLine(
            "interrupted runs",
            Health.WARN,
            f"run {record.run} may have left {_what(record)}",
            "Free it from an elevated prompt:",
            (PROGRAM, "cleanup", "--apply"),
        )


def _what(record: Record) -> str:
    """What a run may have left, as its record tells it."""
    hive = [f"the hive {record.hive} loaded"] if record.hive else []
    mount = [f"{record.mount_folder} mounted"] if record.mount_folder else []
    return " and ".join(hive + mount) or "its folders"
