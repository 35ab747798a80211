r"""Windows: decisions that keep a mount, a folder or a write from going wrong, and the facts they need.

Decisions are plain functions of facts, so they can be judged anywhere. The facts come from the registry and
a few calls of the Win32 API, which are asked only on Windows; elsewhere they are unknown, and what is unknown
is not held against anybody.

Sources: Microsoft's pages on GetDriveTypeW, GetVolumeInformationW, file naming ("Naming Files, Paths, and
Namespaces"), icacls and well-known SIDs. What stands below ``WIMMount\Mounted Images`` is not documented by
Microsoft; see `mounted_images`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, Final

from winpe_certs.engines.live_stores import Registry, open_machine_key, system_registry
from winpe_certs.errors import GuardError
from winpe_certs.files.failures import system_errors
from winpe_certs.files.paths import entries_of, is_same_file, resolved

LONGEST_WORK_FOLDER: Final = 80
"""Characters; what stands in an image adds up to 180 more, and many programs end at 260."""

ADMINISTRATORS: Final = "*S-1-5-32-544"
SYSTEM: Final = "*S-1-5-18"

_LOG: Final = logging.getLogger(__name__)
_MOUNTED_IMAGES: Final = r"SOFTWARE\Microsoft\WIMMount\Mounted Images"
_FOLDER_ACCESS: Final = r"Windows Defender\Windows Defender Exploit Guard\Controlled Folder Access"
_BLOCK: Final = 1
_DRIVE_FIXED: Final = 3
_DRIVE_KINDS: Final = {
    2: "a removable drive",
    4: "a network drive",
    5: "an optical drive",
    6: "a RAM disk",
}
_UNC: Final = re.compile(r"\\\\(?:[?.]\\UNC\\|(?![?.]\\))[^\\]+\\[^\\]+", re.IGNORECASE)
_EMPTY_REMEDY: Final = (
    "Use an empty folder, or one that does not exist yet. If DISM /Get-MountedImageInfo lists an image "
    "there, unmount it first."
)
_FIXED_REMEDY: Final = "Use a folder on a fixed NTFS disk of this computer."


# Mounted images


@dataclass(frozen=True, slots=True)
class MountedImage:
    """A mount as Windows has it noted in the registry."""

    path: str
    """The .wim."""
    folder: str
    index: int | None
    status: int | None
    """As stored; undocumented (3 has been seen for a mount that was unmounted half-way)."""


def mounted_images(registry: Registry | None = None) -> tuple[MountedImage, ...]:
    r"""The images that DISM and others have mounted; none elsewhere than on Windows.

    Each mount is a key ``HKLM\SOFTWARE\Microsoft\WIMMount\Mounted Images\{GUID}`` with the values
    ``WIM Path``, ``Mount Path``, ``Image Index`` and ``Status``. Microsoft does not document them: the names
    are those that public servicing scripts read, and none is known to tell a read-only mount. A registry that
    may not be read counts as no mounts. `Dism.mounted_images` asks DISM itself, which needs elevation.
    """
    source = system_registry() if registry is None else registry
    return () if source is None else tuple(_mounted(source))


def refuse_mounted(image: PurePath, mounted: tuple[MountedImage, ...]) -> None:
    """Raise `GuardError` when an image is mounted: a later commit of that mount would undo this change."""
    found = [one for one in mounted if _same_file(str(image), one.path)]
    if not found:
        return
    lines = [f"image {one.index or '(unknown)'} in {one.folder or 'an unknown folder'}" for one in found]
    folder = found[0].folder
    if folder:
        free = "free it as follows, from an elevated prompt (/Commit in place of /Discard keeps its changes)"
        command: tuple[str, ...] = ("DISM", "/Unmount-Image", f"/MountDir:{folder}", "/Discard")
    else:
        free = "free it as follows, from an elevated prompt"
        command = ("DISM", "/Cleanup-Mountpoints")
    raise GuardError(
        f"{image}: this file is mounted: {'; '.join(lines)}",
        details="Whoever unmounts it with /Commit would save over a change made now.",
        resolution="Let the program that mounted it finish, and run the same command again. If the mount is "
        f"not needed, {free}; if its folder is gone, DISM /Cleanup-Mountpoints frees it.",
        command=command,
    )


def _mounted(registry: Registry) -> Iterator[MountedImage]:
    try:
        with open_machine_key(registry, _MOUNTED_IMAGES) as key:
            names = [registry.EnumKey(key, index) for index in range(registry.QueryInfoKey(key)[0])]
    except FileNotFoundError:
        return
    except OSError as error:
        # A mounted image is open, so opening it exclusively still fails: this guard only explains better.
        _LOG.info("cannot list the mounted images: %s", error)
        return
    for name in names:
        try:
            with open_machine_key(registry, rf"{_MOUNTED_IMAGES}\{name}") as key:
                path = _text(registry, key, "WIM Path")
                folder = _text(registry, key, "Mount Path")
                index, status = _number(registry, key, "Image Index"), _number(registry, key, "Status")
        except OSError as error:
            # It may have been unmounted since the names were listed.
            _LOG.info("cannot read the mount %s: %s", name, error)
            continue
        if path or folder:
            yield MountedImage(path, folder, index, status)


def _same_file(one: str, other: str) -> bool:
    if not other:
        return False
    if _plain(one) == _plain(other):
        return True
    try:
        # Short names, drive letters made by subst, links: only the disk knows.
        return is_same_file(Path(one), Path(other))
    except (OSError, ValueError):
        return False


def _plain(path: str) -> PureWindowsPath:
    r"""A path without ``\\?\``; two of these are equal in any case and with either slash."""
    text = path.replace("/", "\\")
    if text.upper().startswith("\\\\?\\UNC\\"):
        return PureWindowsPath("\\\\" + text[8:])
    return PureWindowsPath(text.removeprefix("\\\\?\\"))


# Folders to mount and to work in


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What is known of a folder that is to be mounted or worked in.

    On other systems than Windows `drive_type` and `file_system` are None, and rules of Windows do not apply.
    """

    exists: bool
    is_folder: bool
    is_empty: bool
    blocked_by: str | None = None
    """A file that stands where one of its parent folders would be made."""
    drive_type: int | None = None
    """As GetDriveTypeW gives it."""
    file_system: str | None = None
    temporary: tuple[str, ...] = ()
    """The folders that %TEMP% and %TMP% name, as given and resolved."""


def refuse_bad_work_folder(folder: PurePath, facts: FolderFacts, *, must_be_empty: bool = True) -> None:
    """Raise `GuardError` with everything that speaks against a folder, and what to do about each.

    A mount folder must be empty, a scratch folder need not be.
    """
    problems = tuple(_problems(folder, facts, must_be_empty=must_be_empty))
    if problems:
        raise GuardError(
            f"{folder}: not a folder to {'mount' if must_be_empty else 'work'} in: {problems[0][0]}",
            details="\n".join(problem for problem, _ in problems[1:]),
            resolution=" ".join(dict.fromkeys(remedy for _, remedy in problems)),
        )


def default_work_root(environment: Mapping[str, str]) -> PureWindowsPath:
    r"""The folder for mounts and scratch files: ``winpe_certs`` at the root of the system's drive."""
    drives = [value for name, value in environment.items() if name.upper() == "SYSTEMDRIVE" and value]
    return PureWindowsPath((drives[0] if drives else "C:") + "\\", "winpe_certs")


def _problems(folder: PurePath, facts: FolderFacts, *, must_be_empty: bool) -> Iterator[tuple[str, str]]:
    if facts.exists and not facts.is_folder:
        yield "it is a file", "Name a folder."
    elif must_be_empty and facts.exists and not facts.is_empty:
        yield "it is not empty", _EMPTY_REMEDY
    elif facts.blocked_by:
        yield f"it cannot be made: {facts.blocked_by} is a file", "Name another folder."
    if facts.drive_type is None:
        return
    text = str(folder)
    if not text.isascii():
        yield "its path has characters outside ASCII", "Use a path of plain letters, such as C:\\winpe_certs."
    if len(text) > LONGEST_WORK_FOLDER:
        yield (
            f"its path has {len(text)} characters, more than {LONGEST_WORK_FOLDER}",
            "Use a short path, such as C:\\winpe_certs.",
        )
    if is_unc(text):
        yield "it is on a network share", _FIXED_REMEDY
    elif facts.drive_type != _DRIVE_FIXED:
        kind = _DRIVE_KINDS.get(facts.drive_type, "no drive that is known")
        yield f"it is on {kind}", _FIXED_REMEDY
    elif (facts.file_system or "").upper() != "NTFS":
        yield (
            f"its volume is {facts.file_system or 'of an unknown file system'}, not NTFS",
            _FIXED_REMEDY,
        )
    if any(_is_below(text, temporary) for temporary in facts.temporary):
        yield (
            "it is a folder for temporary files, which clean-up programs empty and others may write to",
            "Use a folder outside %TEMP%, such as C:\\winpe_certs.",
        )


def _is_below(path: str, parent: str) -> bool:
    return _plain(path).is_relative_to(_plain(parent))


def folder_facts(folder: Path, environment: Mapping[str, str]) -> FolderFacts:
    """What is to be known of a folder. Raises `EnvironmentFailure` when it may not be looked at."""
    temporary = _temporary(environment)
    with system_errors(folder, "look at"):
        absolute = resolved(folder)
        near = next((one for one in (absolute, *absolute.parents) if one.exists()), absolute)
        exists, is_folder = near == absolute and near.exists(), near.is_dir()
        facts = FolderFacts(
            exists,
            is_folder=exists and is_folder,
            is_empty=not exists or (is_folder and next(entries_of(near), None) is None),
            blocked_by=None if exists or is_folder or not near.exists() else str(near),
            temporary=temporary,
        )
        if sys.platform == "win32":
            drive_type, file_system = _volume(near)
            return replace(facts, drive_type=drive_type, file_system=file_system)
        else:  # noqa: RET505 - mypy knows platforms by their branches
            return facts


def _temporary(environment: Mapping[str, str]) -> tuple[str, ...]:
    given = [value for name, value in environment.items() if name.upper() in {"TEMP", "TMP"} and value]
    # Resolved too, because Windows likes to name them short: C:\Users\ADMINI~1\AppData\Local\Temp.
    return tuple(dict.fromkeys([*given, *(str(resolved(Path(value))) for value in given)]))


if sys.platform == "win32":

    def _volume(near: Path) -> tuple[int, str | None]:
        """The type of the drive that a folder is on, and its file system."""
        import ctypes  # Windows only

        root = ctypes.create_unicode_buffer(1024)
        if not ctypes.windll.kernel32.GetVolumePathNameW(str(near), root, len(root)):
            raise ctypes.WinError()
        name = ctypes.create_unicode_buffer(64)
        known = ctypes.windll.kernel32.GetVolumeInformationW(
            root.value, None, 0, None, None, None, name, len(name)
        )
        return int(ctypes.windll.kernel32.GetDriveTypeW(root.value)), name.value if known else None


def restriction_command(folder: PurePath, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The icacls command that leaves a folder to administrators and the system alone.

    Groups are named by SID, because their names are translated. For a folder that this run has just made:
    what an older folder grants explicitly, and its owner, stay.
    """
    roots = [value for name, value in environment.items() if name.upper() == "SYSTEMROOT" and value]
    # By its full path: an elevated program must not take what the search path offers.
    icacls = PureWindowsPath(roots[0] if roots else r"C:\Windows", "System32", "icacls.exe")
    everything = ":(OI)(CI)F"
    grants = ("/grant:r", ADMINISTRATORS + everything, "/grant:r", SYSTEM + everything)
    return (str(icacls), str(folder), "/inheritance:r", *grants, "/q")


def restrict_to_administrators(folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Leave a new folder to administrators alone: on Windows the command to run, elsewhere mode 0700."""
    if sys.platform == "win32":
        return restriction_command(folder, environment)
    else:  # noqa: RET505 - mypy knows platforms by their branches
        with system_errors(folder, "restrict to its owner"):
            folder.chmod(0o700)
        return ()


# Paths, rights, other programs


def is_unc(path: str) -> bool:
    r"""Whether a path names a network share, as ``\\server\share`` and ``\\?\UNC\server\share`` do."""
    return _UNC.match(path.replace("/", "\\")) is not None


def is_remote(path: Path) -> bool:
    """Whether a file is on another machine: on a share, also by the letter of a mapped drive."""
    if sys.platform == "win32":
        from winpe_certs.files.windows import is_on_another_machine

        return is_unc(str(path)) or is_on_another_machine(path)
    else:  # noqa: RET505 - mypy knows platforms by their branches
        return is_unc(str(path))


def is_elevated() -> bool:
    """Whether this process has an administrator's rights (elsewhere: is root)."""
    if sys.platform == "win32":
        import ctypes  # Windows only

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    else:  # noqa: RET505 - mypy knows platforms by their branches
        return os.geteuid() == 0


def controlled_folder_access(registry: Registry | None = None) -> bool | None:
    r"""Whether Microsoft Defender guards protected folders from programs; None when unknown.

    Group policy (``HKLM\SOFTWARE\Policies\Microsoft\...``) comes before the computer's own setting. The value
    EnableControlledFolderAccess is 0 off, 1 block, 2 audit, 3 and 4 the same for disk sectors only
    (Microsoft, policy CSP Defender/EnableControlledFolderAccess); only 1 blocks files.
    """
    source = system_registry() if registry is None else registry
    if source is None:
        return None
    for parent in (r"SOFTWARE\Policies\Microsoft", r"SOFTWARE\Microsoft"):
        try:
            with open_machine_key(source, rf"{parent}\{_FOLDER_ACCESS}") as key:
                setting = _number(source, key, "EnableControlledFolderAccess")
        except OSError:
            continue
        if setting is not None:
            return setting == _BLOCK
    return None


def _value(registry: Registry, key: Any, name: str) -> object:
    try:
        return registry.QueryValueEx(key, name)[0]
    except FileNotFoundError:
        return None


def _text(registry: Registry, key: Any, name: str) -> str:
    data = _value(registry, key, name)
    return data if isinstance(data, str) else ""


def _number(registry: Registry, key: Any, name: str) -> int | None:
    data = _value(registry, key, name)
    return data if isinstance(data, int) else None
