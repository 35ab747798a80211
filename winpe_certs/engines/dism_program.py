r"""Microsoft's DISM.exe: one method per command, and which of several DISM.exe to use.

Every command has a pure ``*_command`` that gives its argument list; a dry run prints it, the method runs it.
Success is the exit code alone. What must be parsed is asked for in English (``/English``), the rest is shown
as progress. Whoever calls decides when a mount is discarded: nothing here unmounts unasked.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Final

from winpe_certs.engines.dism_codes import SUCCESS, explain
from winpe_certs.process import Completed, ProgramMissingError, Runner
from winpe_certs.progress import Progress, silent

STATUS_OK: Final = "Ok"
STATUS_NEEDS_REMOUNT: Final = "Needs Remount"
STATUS_INVALID: Final = "Invalid"

_BAR: Final = re.compile(r"^\s*\[[= ]*(\d{1,3})(?:[.,]\d+)?%[= ]*\]")
_PHASES: Final = {
    "mounting image": "mounting the image",
    "saving image": "saving the image",
    "unmounting image": "unmounting the image",
    "remounting image": "remounting the image",
}
_VERSION: Final = re.compile(r"\b(\d+\.\d+\.\d+(?:\.\d+)*)\b")
_FIELD: Final = re.compile(r"^(Mount Dir|Image File|Image Index|Mounted Read/Write|Status)\s*:\s*(.*?)\s*$")
# Letters of its output in which DISM says its version.
_BANNER: Final = 1 << 14
_ADK_FOLDERS: Final = {
    "amd64": "amd64",
    "x86_64": "amd64",
    "arm64": "arm64",
    "aarch64": "arm64",
    "x86": "x86",
}
_ADK_TOOLS: Final = r"Windows Kits\10\Assessment and Deployment Kit\Deployment Tools\{machine}\DISM\dism.exe"


@dataclass(frozen=True, slots=True)
class MountedImage:
    """One mount that Windows keeps track of. A damaged one may lack what it was mounted from."""

    folder: Path
    image: Path | None
    index: int | None
    writable: bool
    status: str
    """`STATUS_OK`, `STATUS_NEEDS_REMOUNT` or `STATUS_INVALID`."""


class Dism:
    """DISM.exe at a given path. Every method raises `DismError` and what `Runner.run` raises."""

    def __init__(
        self,
        executable: Path | str,
        runner: Runner,
        *,
        log_path: Path | None = None,
        scratch_dir: Path | None = None,
        timeout: float,
        progress: Progress = silent,
    ) -> None:
        """`timeout` counts for each command, in seconds."""
        self.executable = str(executable)
        self.log_path = log_path
        self._runner = runner
        self._timeout = timeout
        self._progress = progress
        log = () if log_path is None else (f"/LogPath:{log_path}",)
        self._common: tuple[str, ...] = (self.executable, "/English", *log)
        self._scratch: tuple[str, ...] = () if scratch_dir is None else (f"/ScratchDir:{scratch_dir}",)

    def mount_command(self, *, image: Path, index: int, folder: Path) -> tuple[str, ...]:
        """Mount an image for writing, into an empty folder."""
        options = (f"/ImageFile:{image}", f"/Index:{index}", f"/MountDir:{folder}")
        return (*self._common, *self._scratch, "/Mount-Image", *options)

    def unmount_commit_command(self, *, folder: Path) -> tuple[str, ...]:
        """Save the changes of a mount into its image, and unmount it."""
        return (*self._common, *self._scratch, "/Unmount-Image", f"/MountDir:{folder}", "/Commit")

    def unmount_discard_command(self, *, folder: Path) -> tuple[str, ...]:
        """Unmount an image and throw its changes away."""
        return (*self._common, *self._scratch, "/Unmount-Image", f"/MountDir:{folder}", "/Discard")

    def remount_command(self, *, folder: Path) -> tuple[str, ...]:
        """Make a mount usable again whose status is Needs Remount."""
        return (*self._common, "/Remount-Image", f"/MountDir:{folder}")

    def cleanup_mountpoints_command(self) -> tuple[str, ...]:
        """Free what corrupt mounts hold; sound ones stay."""
        return (*self._common, "/Cleanup-Mountpoints")

    def mounted_images_command(self) -> tuple[str, ...]:
        """List the mounts of this computer."""
        return (*self._common, "/Get-MountedImageInfo")

    def version_command(self) -> tuple[str, ...]:
        """Show the banner and the help."""
        return (*self._common, "/?")

    def mount(self, *, image: Path, index: int, folder: Path) -> None:
        """Mount an image for writing, into an empty folder."""
        command = self.mount_command(image=image, index=index, folder=folder)
        self._run(command, doing=f"mount image {index} of {image} in {folder}", step="mounting the image")

    def unmount_commit(self, *, folder: Path) -> Completed:
        """Save the changes of a mount into its image, and unmount it; gives what DISM said."""
        command = self.unmount_commit_command(folder=folder)
        return self._run(command, doing=f"save and unmount the image in {folder}", step="saving the image")

    def unmount_discard(self, *, folder: Path) -> None:
        """Unmount an image and throw its changes away."""
        command = self.unmount_discard_command(folder=folder)
        self._run(command, doing=f"unmount the image in {folder}", step="unmounting the image")

    def remount(self, *, folder: Path) -> None:
        """Make a mount usable again whose status is Needs Remount."""
        command = self.remount_command(folder=folder)
        self._run(command, doing=f"remount the image in {folder}", step="remounting the image")

    def cleanup_mountpoints(self) -> None:
        """Free what corrupt mounts hold; sound ones stay."""
        self._run(self.cleanup_mountpoints_command(), doing="clean up corrupt mounts", step="cleaning up")

    def mounted_images(self) -> tuple[MountedImage, ...]:
        """The mounts of this computer, also those of others."""
        done = self._run(self.mounted_images_command(), doing="list the mounted images", step="looking")
        return tuple(_mounted(done.output))

    def version(self) -> str:
        """The version of this DISM, such as ``10.0.19041.3636``; empty when its banner shows none."""
        # The banner comes before anything can fail.
        done = self._runner.run(self.version_command(), timeout=self._timeout)
        found = _VERSION.search(done.output, 0, _BANNER)
        if found is None and done.code not in SUCCESS:
            raise explain(done, doing="show its version", log_path=self.log_path)
        return found.group(1) if found else ""

    def _run(self, command: tuple[str, ...], *, doing: str, step: str) -> Completed:
        bars = _Bars(step, self._progress)
        done = self._runner.run(command, timeout=self._timeout, on_line=bars)
        if done.code not in SUCCESS:
            raise explain(done, doing=doing, log_path=self.log_path)
        return done


class _Bars:
    """Turns the progress bars of DISM into progress of 100; its headings say which step they belong to."""

    def __init__(self, step: str, progress: Progress) -> None:
        self._step = step
        self._progress = progress
        self._last = ("", -1)

    def __call__(self, line: str) -> None:
        self._step = _PHASES.get(line.strip().lower(), self._step)
        found = _BAR.match(line)
        if found is None:
            return
        now = (self._step, min(int(found.group(1)), 100))
        if now != self._last:
            self._last = now
            self._progress(now[0], now[1], 100)


def _mounted(output: str) -> Iterator[MountedImage]:
    """The records of ``/Get-MountedImageInfo``; each begins with its folder."""
    records: list[dict[str, str]] = []
    for line in io.StringIO(output):
        found = _FIELD.match(line)
        if found is None:
            continue
        name, value = found.groups()
        if name == "Mount Dir":
            records.append({})
        if records:
            records[-1][name] = value
    for record in records:
        image, index = record.get("Image File", ""), record.get("Image Index", "")
        yield MountedImage(
            folder=Path(record["Mount Dir"]),
            image=Path(image) if image else None,
            index=int(index) if index.isdecimal() else None,
            writable=record.get("Mounted Read/Write", "").lower() == "yes",
            status=record.get("Status", ""),
        )


def find_dism(
    explicit: Path | None,
    environment: Mapping[str, str],
    exists: Callable[[Path], bool],
    is_32_bit_python: bool,
    machine: str,
) -> tuple[Path, str]:
    r"""The DISM.exe to use, and why that one.

    The given one; else that of the Windows ADK, which suits newer images; else that of Windows.
    `machine` is what `platform.machine` says. Raises `ProgramMissingError`.
    """
    if explicit is not None:
        if not exists(explicit):
            raise ProgramMissingError(
                f"{explicit}: there is no DISM.exe",
                resolution="Give the path of DISM.exe itself, or leave --dism out to have it looked for.",
            )
        return explicit, "given by --dism"
    tried = []
    for path, reason in _candidates(environment, machine.lower(), is_32_bit_python=is_32_bit_python):
        if exists(path):
            return path, reason
        tried.append(str(path))
    raise ProgramMissingError(
        "there is no DISM.exe on this computer",
        details="\n".join(["Looked for:", *tried]) if tried else "The environment names no Windows folder.",
        resolution="The DISM engine needs Windows: run there, give --dism DISM.EXE, or use --engine direct. "
        "Then this program writes the image itself, without a mount, which Microsoft does not support.",
    )


def _candidates(
    environment: Mapping[str, str], machine: str, *, is_32_bit_python: bool
) -> Iterator[tuple[Path, str]]:
    variables = {name.upper(): value for name, value in environment.items() if value}
    kit = _ADK_FOLDERS.get(machine)
    folders = [variables.get(name) for name in ("PROGRAMFILES(X86)", "PROGRAMFILES", "PROGRAMW6432")]
    for folder in dict.fromkeys(folders):
        if kit and folder:
            yield _windows_path(folder, _ADK_TOOLS.format(machine=kit)), "the Windows ADK's"
    windows = variables.get("WINDIR") or variables.get("SYSTEMROOT")
    if not windows:
        return
    if is_32_bit_python and kit != "x86":
        # System32 means SysWOW64 to a 32-bit program, and that DISM cannot work on a 64-bit Windows.
        yield _windows_path(windows, r"Sysnative\Dism.exe"), "that of Windows, as a 32-bit program reaches it"
    yield _windows_path(windows, r"System32\Dism.exe"), "that of Windows"


def _windows_path(folder: str, rest: str) -> Path:
    return Path(str(PureWindowsPath(folder, rest)))
