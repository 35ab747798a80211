"""The failure numbers of DISM that people meet: what each means, why it happens, what to do about it.

DISM's words are translated on other Windows languages, its numbers are not, so only numbers are looked at:
the exit code, or the number that stands behind the translated word "Error" at the end of the output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.process import Completed, quoted

SUCCESS: Final = frozenset({0, 3010})
"""Exit codes of success; 3010 asks for a restart, which an image that is not running does not need."""

ALREADY_MOUNTED: Final = 0xC1420127
NO_PERMISSION: Final = 0xC1510111
NOT_FULLY_UNMOUNTED: Final = 0xC1420117
FOLDER_NOT_EMPTY: Final = 0xC1420114
NOT_A_MOUNT_FOLDER: Final = 0xC1420115
PARTLY_UNMOUNTED: Final = 0xC142011D
RECAPTURE_FAILED: Final = 0xC142010C
REMOVABLE_MEDIA: Final = 0xC1420134
NEEDS_ELEVATION: Final = 740

NOTHING_MOUNTED: Final = frozenset(
    {ALREADY_MOUNTED, NO_PERMISSION, FOLDER_NOT_EMPTY, REMOVABLE_MEDIA, NEEDS_ELEVATION}
)
"""Numbers with which DISM refuses to mount before it has touched the folder."""

_FAILURE_BIT: Final = 0x8000_0000
_WIN32: Final = 0x8007_0000
_LAST_LINES: Final = 8
_BAR: Final = re.compile(r"^\[[= ]*\d[\d.,]*%[= ]*\]$")
# "Error: 0xc1420117", "Error: 5", and the same with a translated word and a full-width colon.
_PRINTED: Final = re.compile(
    r"^\s*([^\s:\uff1a]+)\s*[:\uff1a]\s*(0x[0-9a-f]{1,8}|\d{1,10})\s*$", re.IGNORECASE | re.MULTILINE
)
_ANY_FAILURE: Final = re.compile(r"\b0x[89a-f][0-9a-f]{7}\b", re.IGNORECASE)
_LOG: Final = re.compile(r"(?:[a-z]:\\|\\\\|(?<=\s)/)[^\r\n\"<>|]*?\.log\b", re.IGNORECASE)
_NOT_ERRORS: Final = frozenset({"index"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a failure number stands for."""

    name: str
    cause: str
    remedy: str


class DismError(EnvironmentFailure):
    """DISM ended with a failure; `code` is its number, unsigned."""

    kind = "dism"

    def __init__(self, message: str, *, code: int, details: str = "", resolution: str = "") -> None:
        super().__init__(message, details=details, resolution=resolution)
        self.code = code


_ELEVATION = Meaning(
    "elevation required",
    "DISM only works for administrators in an elevated prompt.",
    "Open the prompt with Run as administrator, and run the same command again.",
)
_ACCESS_DENIED = Meaning(
    "access denied",
    "The prompt is not elevated, or this user may not write to the image, the mount folder or the log.",
    "Open the prompt with Run as administrator; check the permissions of the image and the mount folder.",
)
_FILE_NOT_FOUND = Meaning(
    "file not found",
    "The image or another file that DISM was told to use is not there.",
    "Check the path of the image.",
)
_PATH_NOT_FOUND = Meaning(
    "path not found",
    "The mount folder, or a folder of the image's path, is not there.",
    "Check the paths, and that a network drive is connected in the elevated prompt as well.",
)
_SHARING = Meaning(
    "file in use",
    "Another program has the image or a file of it open: antivirus, Explorer, a content distribution.",
    "Close it or wait until it has finished, then run the same command again.",
)
_NOT_SUPPORTED = Meaning(
    "not supported there",
    "The volume cannot hold the image or the mount folder (for example a deduplicated volume), or DISM "
    "cannot mount this kind of image.",
    "Put the image and the mount folder on another local NTFS volume.",
)
_INVALID_PARAMETER = Meaning(
    "invalid parameter",
    "This DISM does not know an option or cannot use its value: it may be older than the command needs.",
    "Use the DISM of the current Windows ADK (--dism), and check the index and the paths.",
)
_DISK_FULL = Meaning(
    "disk full",
    "The volume of the image, of the mount folder or of the scratch folder is full.",
    "Free some space there, or use a scratch folder on another volume.",
)
_CANCELLED = Meaning(
    "cancelled",
    "The request, for elevation for example, was cancelled.",
    "Run the same command again and let it finish.",
)

_WIN32_MEANINGS: Final = {
    2: _FILE_NOT_FOUND,
    3: _PATH_NOT_FOUND,
    5: _ACCESS_DENIED,
    32: _SHARING,
    50: _NOT_SUPPORTED,
    87: _INVALID_PARAMETER,
    112: _DISK_FULL,
    740: _ELEVATION,
    1223: _CANCELLED,
}

MEANINGS: Final[Mapping[int, Meaning]] = {
    **_WIN32_MEANINGS,
    **{_WIN32 | number: meaning for number, meaning in _WIN32_MEANINGS.items()},
    ALREADY_MOUNTED: Meaning(
        "already mounted",
        "This image of the file is mounted for writing already, by an earlier run or by somebody else.",
        "See DISM /Get-MountedImageInfo. Status Ok: whoever mounted it unmounts it (/Unmount-Image with "
        "/Commit or /Discard). Needs Remount: /Remount-Image first. Invalid: /Cleanup-Mountpoints.",
    ),
    NO_PERMISSION: Meaning(
        "no permission to change the image",
        "The file is read-only (as files copied from an ISO are), lies on a read-only share, or Controlled "
        "Folder Access of Microsoft Defender protects its folder.",
        "Clear the read-only attribute (attrib -r), copy the image to a local folder, or allow DISM in "
        "Controlled Folder Access.",
    ),
    NOT_FULLY_UNMOUNTED: Meaning(
        "not completely unmounted",
        "Something has files of the mount folder open: an Explorer window, a prompt, antivirus, or a "
        "registry hive that is still loaded. A commit may have been saved already.",
        "Close it (reg unload for a hive), then unmount the folder again with /Discard.",
    ),
    FOLDER_NOT_EMPTY: Meaning(
        "mount folder not empty",
        "DISM mounts only into an empty folder; an earlier mount may have left files behind.",
        "Use an empty folder. If an image is mounted there (/Get-MountedImageInfo), unmount it first.",
    ),
    NOT_A_MOUNT_FOLDER: Meaning(
        "not a mount folder",
        "No image is mounted in this folder (any more).",
        "Nothing is left to unmount; /Get-MountedImageInfo shows what is mounted.",
    ),
    PARTLY_UNMOUNTED: Meaning(
        "commit refused: partly unmounted",
        "An earlier unmount of this folder stopped half-way; its commit has probably succeeded.",
        "Verify the image file, then unmount the folder with /Discard.",
    ),
    RECAPTURE_FAILED: Meaning(
        "commit failed",
        "DISM could not save the changes into the image file; it may have run out of space.",
        "Free some space, look into the log, unmount with /Discard and run the same command again.",
    ),
    REMOVABLE_MEDIA: Meaning(
        "mount on removable media",
        "DISM does not mount images on removable media.",
        "Use a mount folder on a fixed NTFS disk.",
    ),
    0xC0000135: Meaning(
        "DISM does not start",
        "A DLL that this DISM needs was not found.",
        "Use the DISM of this Windows (System32) or of a complete Windows ADK installation.",
    ),
    0xC000013A: Meaning(
        "interrupted",
        "DISM was ended by Ctrl-C or by closing its window.",
        "See DISM /Get-MountedImageInfo for what it left behind, then run the same command again.",
    ),
}


def failure_number(completed: Completed) -> int:
    """The number of a failure: a full exit code, else what is printed, else the exit code as it is.

    Where exit codes have 8 bits, or a wrapper gives its own, the printed number says more.
    """
    if completed.code >= _FAILURE_BIT:
        return completed.code
    printed = [
        int(number, 0) if number[:2].lower() == "0x" else int(number)
        for word, number in _PRINTED.findall(completed.output)
        if word.lower() not in _NOT_ERRORS
    ]
    numbers = [number for number in printed if 0 < number <= 0xFFFF_FFFF and number not in SUCCESS]
    if numbers:
        return numbers[-1]
    anywhere = _ANY_FAILURE.findall(completed.output)
    return int(anywhere[-1], 16) if anywhere else completed.code


def explain(completed: Completed, *, doing: str = "", log_path: Path | None = None) -> DismError:
    """The error that says what went wrong with a DISM command, why, and what to do next.

    `doing` names the work in a few words ("mount image 1 of boot.wim"); `log_path` is the log that DISM
    was told to write, else the one that its output names.
    """
    code = failure_number(completed)
    number = f"0x{code:08X}" if code >= _FAILURE_BIT else str(code)
    meaning = MEANINGS.get(code)
    what = f"DISM cannot {doing}" if doing else "DISM failed"
    named = _LOG.findall(completed.output)
    log = str(log_path) if log_path is not None else named[-1] if named else ""
    details = [meaning.cause] if meaning else []
    details += [f"Command: {quoted(completed.command)}"]
    details += [f"DISM: {line}" for line in _said(completed.output)]
    if log:
        details.append(f"Log: {log}")
    if meaning is None:
        message = f"{what}: error {code} (0x{code:08X})"
        remedy = f"Look for the last errors in {log or 'the log of DISM'}, then run the same command again."
    else:
        message, remedy = f"{what}: {meaning.name} ({number})", meaning.remedy
    return DismError(message, code=code, details="\n".join(details), resolution=remedy)


def _said(output: str) -> list[str]:
    """The last lines that DISM printed, without progress bars."""
    lines = [line.strip() for line in output.splitlines()]
    return [line for line in lines if line and not _BAR.match(line)][-_LAST_LINES:]
