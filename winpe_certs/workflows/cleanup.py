"""``cleanup``: list, and with `apply` free, what interrupted runs have left mounted or loaded.

What this program did not mount is only touched with `everything`, and by its status as DISM tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from winpe_certs.engines.dism_program import STATUS_INVALID, STATUS_NEEDS_REMOUNT, Dism, MountedImage
from winpe_certs.engines.records import Record, is_running
from winpe_certs.engines.reg_program import Reg
from winpe_certs.engines.setup import EngineOptions, Machine, Workshop
from winpe_certs.errors import CleanupError, WinpeCertsError
from winpe_certs.process import quoted
from winpe_certs.results import Leftover, Report


def cleanup(options: EngineOptions, machine: Machine, *, apply: bool, everything: bool = False) -> Report:
    """Free leftovers when `apply` is set, otherwise only list them, each with the command that frees it.

    The report's error is a `CleanupError` when something is still there after `apply`.
    """
    workshop = Workshop(options, machine)
    dism, reg = workshop.dism(), workshop.reg()
    records = [record for record in machine.records.all() if not is_running(record.process)]
    mounts = dism.mounted_images() if dism is not None else ()
    left: list[Leftover] = []
    for record in records:
        left += _of_record(record, mounts, dism, reg, apply=apply)
        if apply and all(item.is_freed for item in left if item.run == record.run):
            machine.records.forget(record)
    ours = {record.mount_folder for record in machine.records.all()} | {r.mount_folder for r in records}
    for mount in mounts:
        if str(mount.folder) not in ours and dism is not None:
            left.append(_of_others(mount, dism, apply=apply and everything))
    return Report("cleanup", leftovers=tuple(left), dry_run=not apply, error=_remaining(left, apply=apply))


def _of_record(
    record: Record, mounts: tuple[MountedImage, ...], dism: Dism | None, reg: Reg | None, *, apply: bool
) -> Iterator[Leftover]:
    """What a run has left: first the hive, because a loaded hive keeps the mount from being freed."""
    if record.hive and reg is not None:
        name = record.hive.partition("\\")[2]
        if record.hive.lower() in map(str.lower, reg.loaded_hives(name)):
            found = Leftover(
                record.run, f"the hive {record.hive} is loaded", quoted(reg.unload_command(record.hive))
            )
            yield _freed(found, lambda: reg.unload(record.hive)) if apply else found
    if dism is None:
        yield Leftover(
            record.run, f"{record.mount_folder} may be mounted", "winpe-certs cleanup --dism DISM.exe"
        )
        return
    for mount in mounts:
        if str(mount.folder) == record.mount_folder:
            yield _of_mount(record.run, mount, dism, apply=apply)


def _of_others(mount: MountedImage, dism: Dism, *, apply: bool) -> Leftover:
    found = _of_mount("", mount, dism, apply=apply)
    return (
        found if apply else replace(found, command=f"{found.command}   or: winpe-certs cleanup --apply --all")
    )


def _of_mount(run: str, mount: MountedImage, dism: Dism, *, apply: bool) -> Leftover:
    folder = mount.folder
    what = f"image {mount.index} of {mount.image} is mounted in {folder} (status {mount.status})"
    discard = quoted(dism.unmount_discard_command(folder=folder))
    if mount.status == STATUS_INVALID:
        found = Leftover(run, what, quoted(dism.cleanup_mountpoints_command()))
        return _freed(found, dism.cleanup_mountpoints) if apply else found
    if mount.status == STATUS_NEEDS_REMOUNT:
        found = Leftover(run, what, f"{quoted(dism.remount_command(folder=folder))}   then: {discard}")
        return _freed(found, lambda: _remount_and_discard(dism, folder)) if apply else found
    found = Leftover(run, what, discard)
    return _freed(found, lambda: dism.unmount_discard(folder=folder)) if apply else found


def _remount_and_discard(dism: Dism, folder: Path) -> None:
    dism.remount(folder=folder)
    dism.unmount_discard(folder=folder)


def _freed(found: Leftover, free: Callable[[], None]) -> Leftover:
    try:
        free()
    except WinpeCertsError as error:
        return replace(found, problem=error.message)
    return replace(found, is_freed=True)


def _remaining(left: list[Leftover], *, apply: bool) -> CleanupError | None:
    failed = [item for item in left if item.problem]
    if not apply or not failed:
        return None
    return CleanupError(
        f"{len(failed)} leftovers could not be freed",
        details="\n".join(f"{item.what}: {item.problem}" for item in failed),
        resolution="Close what has files open there, then run, elevated: "
        + "   ".join(item.command for item in failed),
    )
