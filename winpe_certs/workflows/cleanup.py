"""``cleanup``: list, and with `apply` free, what interrupted runs have left mounted or loaded.

What this program did not mount is only touched with `everything`, and by its status as DISM tells it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from winpe_certs.command_lines import PROGRAM
from winpe_certs.engines.dism_program import STATUS_INVALID, STATUS_NEEDS_REMOUNT, Dism, MountedImage
from winpe_certs.engines.records import Record, is_in_folder, is_running, is_same_folder
from winpe_certs.engines.reg_program import Reg
from winpe_certs.engines.setup import EngineOptions, Machine, Workshop
from winpe_certs.errors import CleanupError, EnvironmentFailure, WinpeCertsError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import entries_of, link_status_of
from winpe_certs.files.places import empty_folder, remove_file, remove_folder
from winpe_certs.results import Leftover, Report

_FREE_OURS: Final = (PROGRAM, "cleanup", "--apply")
_FREE_ALL: Final = (*_FREE_OURS, "--all")
# A run's name, also within that of its record of a hive; its work folder is called so too.
_RUN: Final = re.compile(r"(?:winpe-offline-)?(\d+-[0-9a-f]+)(?:-hive)?")
# What a run has in its work folder beside its mount folder; a file is first written under a temporary name.
_WORK_FILE: Final = re.compile(r"edits\.reg|\.edits\.reg\..*\.new")
_WORK_FOLDERS: Final = ("hive", "share")
_REPARSE_POINT: Final = 0x400


def cleanup(options: EngineOptions, machine: Machine, *, apply: bool, everything: bool = False) -> Report:
    """Free leftovers when `apply` is set, otherwise only list them, each with the command that frees it.

    The report's error is a `CleanupError` when something of this program is still there after `apply`, or
    something of others that `everything` should have freed.
    """
    workshop = Workshop(options, machine)
    dism, reg = workshop.dism(), workshop.reg()
    # The mounts first: a run writes its record before it mounts, so none of its mounts is without one here.
    mounts = dism.mounted_images() if dism is not None else ()
    ended, going = _told_apart(machine.records.all())
    busy = _in_folders_of(going, mounts)
    ours = [
        mount
        for mount in mounts
        if mount not in busy and any(_is_mount_of(record, mount) for record in ended)
    ]
    others = [mount for mount in mounts if mount not in busy and mount not in ours]
    freeing = _Freeing(dism, reg, ours, others, busy, apply=apply, everything=everything)
    found = [(record, tuple(freeing.of_record(record))) for record in ended]
    folders = _work_folders(machine.work_root, found, going, freeing)
    left = [item for _, items in found for item in items]
    left += [item for item in folders.values() if item is not None]
    if apply:
        for record, items in found:
            folder = folders.get(_run_of(record))
            if all(item.is_freed for item in (*items, folder) if item is not None):
                machine.records.forget(record)
    left += [freeing.of_others(mount) for mount in others]
    return Report("cleanup", leftovers=tuple(left), dry_run=not apply, error=_remaining(left, apply=apply))


def _told_apart(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The records of runs that have ended, and of those that are going on.

    Hives come first: a loaded hive keeps the mount that it lies in from being freed.
    """
    ended: list[Record] = []
    going: list[Record] = []
    for record in sorted(records, key=lambda record: not record.hive):
        (going if is_running(record) else ended).append(record)
    return ended, going


def _in_folders_of(records: Iterable[Record], mounts: Iterable[MountedImage]) -> list[MountedImage]:
    folders = [record.mount_folder for record in records]
    return [mount for mount in mounts if any(is_same_folder(mount.folder, folder) for folder in folders)]


def _is_mount_of(record: Record, mount: MountedImage) -> bool:
    """Whether a run has made a mount: in its folder somebody else may have mounted another image since."""
    return (
        is_same_folder(mount.folder, record.mount_folder)
        and (mount.image is None or is_same_folder(mount.image, record.image))
        and mount.index in {None, record.index}
    )


@dataclass(frozen=True, slots=True)
class _Freeing:
    """The programs that free things, and whose the mounts are: of ended runs, of others, of running runs."""

    dism: Dism | None
    reg: Reg | None
    ours: list[MountedImage]
    others: list[MountedImage]
    busy: list[MountedImage]
    apply: bool
    everything: bool

    def of_record(self, record: Record) -> Iterator[Leftover]:
        """What a run has left: first the hive, because a loaded hive keeps the mount from being freed."""
        if record.hive:
            yield from self._of_hive(record)
        if not record.mount_folder:
            return
        if self.dism is None:
            found = Leftover(record.run, f"{record.mount_folder} may be mounted", (_FREE_OURS,))
            problem = "there is no DISM.exe on this computer to free it with; name one with --dism"
            yield self._unfreed(found, problem)
            return
        for mount in self.ours:
            if _is_mount_of(record, mount):
                yield self._of_mount(record.run, mount, self.dism, apply=self.apply)

    def of_others(self, mount: MountedImage) -> Leftover:
        """A mount that this program has no record of."""
        assert self.dism is not None  # noqa: S101 - it has listed the mount
        apply = self.apply and self.everything
        found = self._of_mount("", mount, self.dism, apply=apply)
        return found if apply else replace(found, alternative=_FREE_ALL)

    def check_unused(self, folder: Path) -> None:
        """Raise `EnvironmentFailure` while something is mounted in a folder, or an image in it is mounted."""
        for mount in self.dism.mounted_images() if self.dism is not None else ():
            if any(path is not None and is_in_folder(path, folder) for path in (mount.folder, mount.image)):
                raise EnvironmentFailure(f"it is in use: {_described(mount)}")

    def _of_hive(self, record: Record) -> Iterator[Leftover]:
        hive = record.hive
        if self.reg is None:
            found = Leftover(record.run, f"the hive {hive} may be loaded", (("reg", "unload", hive),))
            yield self._unfreed(found, "there is no reg.exe on this computer to unload it with")
            return
        found = Leftover(record.run, f"the hive {hive} is loaded", (self.reg.unload_command(hive),))
        try:
            loaded = self.reg.loaded_hives(hive.partition("\\")[2])
        except WinpeCertsError as error:
            yield replace(found, what=f"the hive {hive} may be loaded", problem=error.message)
            return
        if hive.lower() in map(str.lower, loaded):
            reg = self.reg
            yield _freed(found, lambda: reg.unload(hive)) if self.apply else found

    def _of_mount(self, run: str, mount: MountedImage, dism: Dism, *, apply: bool) -> Leftover:
        folder, what = mount.folder, _described(mount)
        discard = dism.unmount_discard_command(folder=folder)
        if mount.status == STATUS_INVALID:
            return self._of_invalid(run, mount, dism, apply=apply)
        if mount.status == STATUS_NEEDS_REMOUNT:
            found = Leftover(run, what, (dism.remount_command(folder=folder), discard))
            return _freed(found, lambda: _remount_and_discard(dism, folder)) if apply else found
        found = Leftover(run, what, (discard,))
        return _freed(found, lambda: dism.unmount_discard(folder=folder)) if apply else found

    def _of_invalid(self, run: str, mount: MountedImage, dism: Dism, *, apply: bool) -> Leftover:
        """DISM only has one command for corrupt mounts, and that frees all of them."""
        found = Leftover(run, _described(mount), (dism.cleanup_mountpoints_command(),))
        busy, others = _invalid(self.busy), _invalid(self.others)
        problem = ""
        if busy:
            problem = f"DISM would free {busy} with it, and the run that mounted that is still going"
            found = replace(found, commands=(_FREE_OURS,))
        elif run and others and not self.everything:
            problem = f"DISM would free {others} with it, which others have mounted; with --all that is done"
            found = replace(found, commands=(_FREE_ALL,))
        if problem:
            return self._unfreed(found, problem)
        return _freed(found, lambda: _clean_mountpoints(dism, mount.folder)) if apply else found

    def _unfreed(self, found: Leftover, problem: str) -> Leftover:
        return replace(found, problem=problem) if self.apply else found


def _described(mount: MountedImage) -> str:
    return f"image {mount.index} of {mount.image} is mounted in {mount.folder} (status {mount.status})"


def _invalid(mounts: Iterable[MountedImage]) -> str:
    return ", ".join(str(mount.folder) for mount in mounts if mount.status == STATUS_INVALID)


def _remount_and_discard(dism: Dism, folder: Path) -> None:
    dism.remount(folder=folder)
    dism.unmount_discard(folder=folder)


def _clean_mountpoints(dism: Dism, folder: Path) -> None:
    dism.cleanup_mountpoints()
    if any(is_same_folder(mount.folder, folder) for mount in dism.mounted_images()):
        raise EnvironmentFailure("DISM has cleaned up its mounts, and still lists this one")


def _run_of(record: Record) -> str:
    """The name of the run that a record is of, as its work folder has it; empty when it has none."""
    found = _RUN.fullmatch(record.run)
    return found.group(1) if found else ""


def _work_folders(
    root: Path,
    found: list[tuple[Record, tuple[Leftover, ...]]],
    going: Iterable[Record],
    freeing: _Freeing,
) -> dict[str, Leftover | None]:
    """For each ended run its work folder, None when there is none or the run still has something there."""
    folders: dict[str, Leftover | None] = {}
    for run in sorted({_run_of(record) for record, _ in found} - {_run_of(record) for record in going}):
        items = [item for record, items in found if _run_of(record) == run for item in items]
        folder = root / run
        if not run or not os.path.lexists(folder):
            continue
        item = Leftover(run, f"the work folder {folder} is left", (_FREE_OURS,))
        if not freeing.apply:
            folders[run] = item
        elif all(item.is_freed for item in items):
            item = replace(item, commands=(("rmdir", "/s", str(folder)),))
            folders[run] = _freed(item, partial(_remove_work, folder, freeing))
    return folders


def _remove_work(folder: Path, freeing: _Freeing) -> None:
    """Remove what a run makes in its work folder, and the folder; raises when there is anything else."""
    freeing.check_unused(folder)
    with system_errors(folder, "look into the folder"):
        if not _is_folder(folder):
            raise EnvironmentFailure(f"{folder}: this is no plain folder, so it is left alone")
        entries = sorted(entries_of(folder))
        files = [entry for entry in entries if _WORK_FILE.fullmatch(entry.name) and _is_file(entry)]
        folders = [entry for entry in entries if entry.name in _WORK_FOLDERS and _is_folder(entry)]
        full = [entry for entry in folders if all(map(_is_file, entries_of(entry)))]
        mounts = [entry for entry in entries if entry.name == "mount" and _is_folder(entry)]
    for path in files:
        remove_file(path)
    for path in full:
        empty_folder(path)
    for path in (*mounts, folder):
        remove_folder(path)


def _is_file(path: Path) -> bool:
    """Whether this is a file itself, and no link."""
    status = link_status_of(path)
    return stat.S_ISREG(status.st_mode) and not _leads_elsewhere(status)


def _is_folder(path: Path) -> bool:
    """Whether this is a folder itself, and no link or junction."""
    status = link_status_of(path)
    return stat.S_ISDIR(status.st_mode) and not _leads_elsewhere(status)


def _leads_elsewhere(status: os.stat_result) -> bool:
    return bool(getattr(status, "st_file_attributes", 0) & _REPARSE_POINT)


def _freed(found: Leftover, free: Callable[[], None]) -> Leftover:
    try:
        free()
    except WinpeCertsError as error:
        return replace(found, problem=error.message)
    return replace(found, is_freed=True)


def _remaining(left: list[Leftover], *, apply: bool) -> CleanupError | None:
    """What did not go although it should have: everything of ours, and what was tried of others."""
    failed = [item for item in left if not item.is_freed and (item.run or item.problem)]
    if not apply or not failed:
        return None
    commands = list(dict.fromkeys(words for item in failed for words in item.commands))
    is_one = len(commands) == 1
    what = "this command:" if is_one else "the commands that the report names for each of them."
    return CleanupError(
        f"{len(failed)} leftovers could not be freed",
        details="\n".join(f"{item.what}: {item.problem}" for item in failed),
        resolution="Close what has files open there (Explorer, antivirus, regedit). Then run from an "
        f"elevated prompt {what}",
        command=commands[0] if is_one else (),
    )
