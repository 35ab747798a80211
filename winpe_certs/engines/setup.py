"""Which engine works on a target, and everything that it needs, from what the caller asked for.

Never switched silently: the choice is `auto` (DISM for WIM files on Windows, this program's own patcher
elsewhere) or what was asked for, and its reason is part of the report.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Final

from winpe_certs.engines.base import Target
from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.direct import WimTarget
from winpe_certs.engines.folder import FolderImages, FolderTarget, HiveImages
from winpe_certs.engines.windows_guards import (
    default_work_root,
    folder_facts,
    is_remote,
    mounted_images,
    refuse_bad_work_folder,
    refuse_mounted,
    restrict_to_administrators,
)
from winpe_certs.errors import EnvironmentFailure, UsageError
from winpe_certs.files.paths import PathKind, path_kind, resolved
from winpe_certs.files.places import make_folder, remove_folder
from winpe_certs.process import ProcessRunner, ProgramMissingError, Runner
from winpe_certs.progress import Progress, silent
from winpe_certs.results import EngineUse

# Most runs patch a WIM where it lies; what only the other ways need is imported on them.
if TYPE_CHECKING:
    from winpe_certs.engines.dism import DismTarget
    from winpe_certs.engines.dism_program import Dism, MountedImage
    from winpe_certs.engines.hive_writer import HiveWriter
    from winpe_certs.engines.records import Records
    from winpe_certs.engines.reg_program import Reg

REG_TIMEOUT: Final = 300.0
_ICACLS_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the caller asked for. Times are in seconds."""

    engine: str = "auto"
    hive_editor: str = "native"
    dism: Path | None = None
    reg: Path | None = None
    mount_dir: Path | None = None
    scratch_dir: Path | None = None
    log_path: Path | None = None
    dism_timeout: float = 3600.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What an engine needs to know of the machine that it runs on."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    runner: Runner = field(default_factory=ProcessRunner)
    is_windows: bool = sys.platform == "win32"

    @property
    def work_root(self) -> Path:
        """Where runs mount and work unless they are told otherwise."""
        if self.is_windows:
            return Path(str(default_work_root(self.environment)))
        return self.state / "work"

    @property
    def state(self) -> Path:
        """Where records of runs are kept."""
        named = self.environment.get("WINPE_CERTS_STATE")
        if named:
            return Path(named)
        if self.is_windows:
            return Path(self.environment.get("PROGRAMDATA", r"C:\ProgramData"), "winpe_certs")
        home = self.environment.get("XDG_STATE_HOME") or Path(
            self.environment.get("HOME", "/"), ".local", "state"
        )
        return Path(home, "winpe_certs")

    @property
    def records(self) -> Records:
        """The records of runs."""
        from winpe_certs.engines.records import Records

        return Records(self.state / "runs")

    def refuse_mounted(self, path: Path) -> None:
        """Raise `GuardError` for an image file that Windows has mounted."""
        if self.is_windows:
            refuse_mounted(path, mounted_images())


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a target for changes; `clock` is the FILETIME that changed files of a WIM get."""

    clock: int
    output: Path | None = None
    overwrite: bool = False
    dry_run: bool = False
    progress: Progress = silent


def choose_engine(place: Place, options: EngineOptions, machine: Machine) -> EngineUse:
    """The engine for a target; raises `UsageError` for one that cannot be meant."""
    asked = options.engine
    if asked not in {"auto", "direct", "dism"}:
        raise UsageError(f"--engine {asked}: there is no such engine", resolution="Use auto, direct or dism.")
    if options.hive_editor not in {"native", "reg"}:
        raise UsageError(
            f"--hive-editor {options.hive_editor}: there is no such editor", resolution="Use native or reg."
        )
    if place.kind is not Kind.WIM:
        if asked == "dism":
            raise UsageError(
                f"{place.path}: --engine dism mounts WIM files, and this is {place.kind.value}",
                resolution="Leave --engine out, or give the .wim.",
            )
        return EngineUse("folder", f"the target is {place.kind.value}")
    if asked == "direct" or (asked == "auto" and not machine.is_windows):
        if options.hive_editor == "reg":
            raise UsageError(
                "--hive-editor reg needs a hive in a folder, and the direct engine mounts nothing",
                resolution="Add --engine dism, or leave --hive-editor out.",
            )
        return EngineUse(
            "direct", "asked for by --engine" if asked == "direct" else "auto: this is not Windows"
        )
    return EngineUse("dism", "asked for by --engine" if asked == "dism" else "auto: this is Windows")


def _absolute(options: EngineOptions) -> EngineOptions:
    """The same options with paths that mean the same from any folder."""
    return replace(
        options,
        engine=options.engine.lower(),
        hive_editor=options.hive_editor.lower(),
        dism=_absolute_path(options.dism),
        reg=_absolute_path(options.reg),
        mount_dir=_absolute_path(options.mount_dir),
        scratch_dir=_absolute_path(options.scratch_dir),
        log_path=_absolute_path(options.log_path),
    )


def _absolute_path(path: Path | None) -> Path | None:
    """A path made absolute; one of a Windows machine stays, for plans that are made elsewhere."""
    if path is None or (os.name != "nt" and PureWindowsPath(path).drive):
        return path
    return resolved(path)


class Workshop:
    """Opens targets with the engine that fits, for one run: one set of folders, programs and names."""

    def __init__(self, options: EngineOptions, machine: Machine) -> None:
        self.options = _absolute(options)
        self.machine = machine

    @cached_property
    def _hive_name(self) -> str:
        from winpe_certs.engines.reg_program import unique_hive_name

        return unique_hive_name()

    @property
    def _run(self) -> str:
        return self._hive_name.removeprefix("winpe-offline-")

    def engine_for(self, place: Place, how: Opening) -> EngineUse:
        """The engine for a target, with path and version of its program; a dry run starts nothing to ask."""
        engine = choose_engine(place, self.options, self.machine)
        if engine.name != "dism":
            return engine
        if how.output is not None:
            raise UsageError(
                f"{place.path}: -o works with the direct engine only; DISM saves into what it has mounted",
                resolution="Copy the image and change the copy, or use --engine direct.",
            )
        path, why = self._dism_path(dry_run=how.dry_run)
        version = None if how.dry_run else self._dism(path, silent).version()
        return EngineUse("dism", f"{engine.reason}; {why}", path, version or None)

    def open(self, place: Place, how: Opening) -> Target:
        """Open a target; raises before anything is written or mounted."""
        on_share = place.kind is Kind.WIM and how.output is None and is_remote(place.path)
        if on_share and not how.dry_run:
            from winpe_certs.engines.staging import StagedTarget

            self.machine.refuse_mounted(place.path)
            copy = self._run_folder / place.path.name
            reopen = partial(self._open_copy, place, how)
            return StagedTarget(place.path, copy, reopen, self._prepare_folder, wait=self.options.wait)
        return self._open(place, how)

    def _open_copy(self, place: Place, how: Opening, path: Path) -> Target:
        return self._open(replace(place, path=path), how)

    def _open(self, place: Place, how: Opening) -> Target:
        engine = choose_engine(place, self.options, self.machine)
        if engine.name == "direct":
            self.machine.refuse_mounted(place.path)
            return WimTarget(
                place.path,
                clock=how.clock,
                output=how.output,
                overwrite=how.overwrite,
                dry_run=how.dry_run,
                wait=self.options.wait,
                progress=how.progress,
            )
        if engine.name == "dism":
            return self._open_dism(place, how)
        if place.kind is Kind.HIVE:
            source: FolderImages = HiveImages(resolved(place.path))
        elif how.output is None:
            source = FolderImages(place.path)
        else:
            raise UsageError(
                f"{place.path}: -o cannot be used with a folder, which is changed in place",
                resolution="Leave -o out, or give the image file instead of the folder.",
            )
        return FolderTarget(
            source,
            self._writer(dry_run=how.dry_run),
            output=how.output,
            overwrite=how.overwrite,
            dry_run=how.dry_run,
            wait=self.options.wait,
        )

    def dism(self) -> Dism | None:
        """DISM, None where there is none."""
        try:
            path, _ = self._dism_path(dry_run=False)
        except ProgramMissingError:
            return None
        return self._dism(path, silent)

    def reg(self) -> Reg | None:
        """reg.exe, None where there is none."""
        return self._reg() if self.machine.is_windows or self.options.reg is not None else None

    def _reg(self) -> Reg:
        from winpe_certs.engines.reg_program import Reg

        root = self.machine.environment.get("SYSTEMROOT", r"C:\Windows")
        path = self.options.reg or Path(str(PureWindowsPath(root, "System32", "reg.exe")))
        return Reg(path, self.machine.runner, timeout=REG_TIMEOUT)

    def mounted_images(self) -> tuple[MountedImage, ...]:
        """What is mounted on this machine, by anybody."""
        dism = self.dism()
        return () if dism is None else dism.mounted_images()

    def _open_dism(self, place: Place, how: Opening) -> DismTarget:
        from winpe_certs.engines.dism import DismTarget, Workplace

        path, _ = self._dism_path(dry_run=how.dry_run)
        mount_folder = self.options.mount_dir or Path(str(self._shown_folder(dry_run=how.dry_run) / "mount"))
        if not how.dry_run:
            self._check_folders(mount_folder)
        return DismTarget(
            resolved(place.path),
            dism=self._dism(path, how.progress),
            writer=self._writer(dry_run=how.dry_run),
            records=self.machine.records,
            workplace=Workplace(
                self._run,
                mount_folder,
                is_own=self.options.mount_dir is None,
                prepare=partial(self._prepare, mount_folder),
                tidy=partial(self._tidy, mount_folder),
            ),
            progress=how.progress,
        )

    def _dism_path(self, *, dry_run: bool) -> tuple[str, str]:
        from winpe_certs.engines.dism_program import find_dism

        try:
            path, why = find_dism(
                self.options.dism,
                self.machine.environment,
                lambda path: path_kind(path) is not PathKind.MISSING,
                struct.calcsize("P") == 4,
                platform.machine(),
            )
        except ProgramMissingError:
            if dry_run and self.options.dism is None and not self.machine.is_windows:
                return "DISM.exe", "shown as Windows would run it"
            raise
        return str(path), why

    def _dism(self, path: str, progress: Progress) -> Dism:
        from winpe_certs.engines.dism_program import Dism

        return Dism(
            path,
            self.machine.runner,
            log_path=self.options.log_path,
            scratch_dir=self.options.scratch_dir,
            timeout=self.options.dism_timeout,
            progress=progress,
        )

    def _writer(self, *, dry_run: bool) -> HiveWriter:
        from winpe_certs.engines.hive_writer import NativeWriter, RegWriter

        if self.options.hive_editor == "native":
            return NativeWriter()
        return RegWriter(
            self._reg(),
            hive_name=self._hive_name,
            folder=self._shown_folder(dry_run=dry_run),
            prepare=self._prepare_folder,
            records=self.machine.records,
        )

    @property
    def _run_folder(self) -> Path:
        """The run's own folder."""
        return self.machine.work_root / self._run

    def _shown_folder(self, *, dry_run: bool) -> PurePath:
        """The run's own folder; a dry run elsewhere shows where it would be on Windows."""
        if dry_run and not self.machine.is_windows:
            return default_work_root(self.machine.environment) / self._run
        return self._run_folder

    def _check_folders(self, mount_folder: Path) -> None:
        environment = self.machine.environment
        refuse_bad_work_folder(mount_folder, folder_facts(mount_folder, environment))
        if self.options.scratch_dir is not None:
            facts = folder_facts(self.options.scratch_dir, environment)
            refuse_bad_work_folder(self.options.scratch_dir, facts, must_be_empty=False)

    def _prepare_folder(self) -> None:
        """Make the run's own folder, for administrators only, before anything is put into it."""
        for each in (self._run_folder.parent, self._run_folder):
            if path_kind(each) is PathKind.MISSING:
                make_folder(each)
                self._restrict(each)

    def _prepare(self, mount_folder: Path) -> None:
        """Make the mount folder in the run's own, unless the caller has named one."""
        if self.options.mount_dir is None:
            self._prepare_folder()
        make_folder(mount_folder)

    def _restrict(self, folder: Path) -> None:
        command = restrict_to_administrators(folder, self.machine.environment)
        if not command:
            return
        done = self.machine.runner.run(command, timeout=_ICACLS_TIMEOUT)
        if done.code:
            raise EnvironmentFailure(
                f"{folder}: cannot restrict the folder to administrators",
                details=f"exit code {done.code}: {done.output.strip()}",
                ran=tuple(command),
                resolution="Run elevated, or name an empty folder of your own with --mount-dir.",
            )

    def _tidy(self, mount_folder: Path) -> None:
        """Remove the folders of this run; what somebody else named or filled stays."""
        if self.options.mount_dir is None:
            for folder in (mount_folder, mount_folder.parent):
                with contextlib.suppress(EnvironmentFailure):
                    remove_folder(folder)
