"""The failure numbers of DISM that people meet: what each means, why it happens, what to do about it.

DISM's words are translated on other Windows languages, its numbers are not, so only numbers are looked at:
the exit code, or the number after the translated word "Error" at the end of the output.

What a number means is Microsoft's word where their documentation has it ("System Error Codes"); causes and
remedies are from the public reports that `source` names. Where no report is known, the text says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.process import Completed
from winpe_certs.program_output import last_lines

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
NOT_A_MOUNT_POINT: Final = 0xC142011C
HARD_LINK_NOT_SET: Final = 0xC144012E
CLASS_NOT_REGISTERED: Final = 0x80040154

NOTHING_MOUNTED: Final = frozenset(
    {ALREADY_MOUNTED, NO_PERMISSION, FOLDER_NOT_EMPTY, REMOVABLE_MEDIA, NEEDS_ELEVATION}
)
"""Numbers with which DISM refuses to mount before it has touched the folder."""

_FAILURE_BIT: Final = 0x8000_0000
_WIN32: Final = 0x8007_0000
_LAST_LINES: Final = 8
# Lines at the end of its output in which the failure is looked for.
_MOST_JUDGED: Final = 1000
_BAR: Final = re.compile(r"^\[[= ]*\d[\d.,]*%[= ]*\]$")
# "Error: 0xc1420117", "Error: 5", and the same with a translated word and a full-width colon.
_PRINTED: Final = re.compile(
    r"^\s*([^\s:\uff1a]+)\s*[:\uff1a]\s*(0x[0-9a-f]{1,8}|\d{1,10})\s*$", re.IGNORECASE | re.MULTILINE
)
_ANY_FAILURE: Final = re.compile(r"\b0x[89a-f][0-9a-f]{7}\b", re.IGNORECASE)
_LOG: Final = re.compile(r"(?:[a-z]:\\|\\\\|(?<=\s)/)[^\r\n\"<>|]*?\.log\b", re.IGNORECASE)
_MOUNT_FOLDER: Final = "/MountDir"
_NOT_ERRORS: Final = frozenset({"index"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a failure number.

    `source` is where cause and remedy come from; `then` are the arguments of the DISM command that helps,
    with ``/MountDir`` for the mount folder of the command that failed.
    """

    name: str
    cause: str
    remedy: str
    source: str = ""
    then: tuple[str, ...] = ()


class DismError(EnvironmentFailure):
    """DISM ended with a failure; `code` is its number, unsigned."""

    kind = "dism"

    def __init__(
        self,
        message: str,
        *,
        code: int,
        details: str = "",
        resolution: str = "",
        command: tuple[str, ...] = (),
        ran: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, details=details, resolution=resolution, command=command, ran=ran)
        self.code = code


_SYSTEM: Final = "Microsoft, System Error Codes"
_LIST_MOUNTS: Final = ("/Get-MountedImageInfo",)
_DISCARD: Final = ("/Unmount-Image", _MOUNT_FOLDER, "/Discard")

_ELEVATION = Meaning(
    "elevation required",
    "DISM only works for administrators in an elevated prompt.",
    "Open the prompt with Run as administrator, and run the same command again. Where these rights cannot be "
    "had, --engine direct needs none: this program then writes the image itself, which Microsoft does not "
    "support.",
    "Microsoft, DismInitialize function",
)
_ACCESS_DENIED = Meaning(
    "access denied",
    "The prompt is not elevated, or this user may not write to the image, the mount folder or the log.",
    "Open the prompt with Run as administrator; check the permissions of the image and the mount folder.",
    _SYSTEM,
)
_FILE_NOT_FOUND = Meaning(
    "file not found",
    "The image or another file that DISM was told to use is not there.",
    "Check the path of the image.",
    _SYSTEM,
)
_PATH_NOT_FOUND = Meaning(
    "path not found",
    "The mount folder, or a folder of the image's path, is not there.",
    "Check the paths, and that a network drive is connected in the elevated prompt as well.",
    _SYSTEM,
)
_BAD_FORMAT = Meaning(
    "bad format",
    "DISM cannot mount this kind of image. A solid image (.esd) that was renamed to .wim ends like this.",
    "Export the image to a normal WIM first, with DISM /Export-Image and /Compress:max, and use that.",
    "Chuyu-Team/Dism-Multi-language, issue 245",
)
_INVALID_DATA = Meaning(
    "invalid data",
    "DISM cannot use the data of the image. In the one public report known, the capture of the image had "
    "probably not been completed; the cause was not confirmed.",
    "Copy or capture the image again, and compare its size or hash with the source.",
    "MicrosoftLearning/MD-100T00-Windows10, issue 65",
)
_SHARING = Meaning(
    "file in use",
    "Another program has the image or a file of it open: antivirus, Explorer, a content distribution.",
    "Close it or wait until it has finished, then run the same command again.",
    _SYSTEM,
)
_NOT_SUPPORTED = Meaning(
    "not supported there",
    "The volume cannot hold the image or the mount folder (for example a deduplicated volume), or DISM "
    "cannot mount this kind of image.",
    "Put the image and the mount folder on another local NTFS volume.",
    "OSDeploy/OSDBuilder, issue 63",
)
_INVALID_PARAMETER = Meaning(
    "invalid parameter",
    "This DISM does not know an option or cannot use its value: it may be older than the command needs.",
    "Use the DISM of the current Windows ADK (--dism), and check the index and the paths.",
    _SYSTEM,
)
_DISK_FULL = Meaning(
    "disk full",
    "The volume of the image, of the mount folder or of the scratch folder is full.",
    "Free some space there, or use a scratch folder on another volume.",
    _SYSTEM,
)
_BAD_SIGNATURE = Meaning(
    "signature not verified",
    "Windows could not verify the digital signature of a file. Why DISM ends like this while mounting is not "
    "documented; public reports name removable drives and mounts left over from an interrupted run.",
    "Unplug removable drives, free leftover mounts, and run the same command again.",
    "ms-iot/iot-adk-addonkit, issue 131",
    _LIST_MOUNTS,
)
_CORRUPT = Meaning(
    "file or folder corrupted",
    "The image file, or the file system of the volume that it or the mount folder is on, is damaged.",
    "Copy the image again from its source; check the volume with chkdsk, or use another one.",
    "WOA-Project/WOA-Deployer-Rpi, issue 56",
)
_CANCELLED = Meaning(
    "cancelled",
    "The request, for elevation for example, was cancelled.",
    "Run the same command again and let it finish.",
    _SYSTEM,
)

_WIN32_MEANINGS: Final = {
    2: _FILE_NOT_FOUND,
    3: _PATH_NOT_FOUND,
    5: _ACCESS_DENIED,
    11: _BAD_FORMAT,
    13: _INVALID_DATA,
    32: _SHARING,
    50: _NOT_SUPPORTED,
    87: _INVALID_PARAMETER,
    112: _DISK_FULL,
    577: _BAD_SIGNATURE,
    740: _ELEVATION,
    1223: _CANCELLED,
    1392: _CORRUPT,
}

MEANINGS: Final[Mapping[int, Meaning]] = {
    **_WIN32_MEANINGS,
    **{_WIN32 | number: meaning for number, meaning in _WIN32_MEANINGS.items()},
    ALREADY_MOUNTED: Meaning(
        "already mounted",
        "This image of the file is mounted for writing already, by an earlier run or by somebody else.",
        "See its status in the list of mounts. Ok: the person who mounted it unmounts it (/Unmount-Image "
        "with /Commit or /Discard). Needs Remount: /Remount-Image first. Invalid: /Cleanup-Mountpoints.",
        "pbatard/rufus, issue 2199",
        _LIST_MOUNTS,
    ),
    NO_PERMISSION: Meaning(
        "no permission to change the image",
        "The file is read-only (as files copied from an ISO are), lies on a read-only share, or Controlled "
        "Folder Access of Microsoft Defender protects its folder.",
        "Clear the read-only attribute (attrib -r), copy the image to a local folder, or allow DISM in "
        "Controlled Folder Access.",
        "mikecel79/DISMGUI, issue 7",
    ),
    NOT_FULLY_UNMOUNTED: Meaning(
        "not completely unmounted",
        "Something has files of the mount folder open: an Explorer window, a prompt, antivirus, or a "
        "registry hive that is still loaded. A commit may have been saved already.",
        "Close it (reg unload for a hive), then unmount the folder again with /Discard.",
        "ntdevlabs/tiny11builder, issue 329",
        _DISCARD,
    ),
    FOLDER_NOT_EMPTY: Meaning(
        "mount folder not empty",
        "DISM mounts only into an empty folder; an earlier mount may have left files behind.",
        "Use an empty folder. If the list of mounts has one there, unmount it first.",
        "ntdevlabs/tiny11builder, issue 235",
        _LIST_MOUNTS,
    ),
    NOT_A_MOUNT_FOLDER: Meaning(
        "not a mount folder",
        "No image is mounted in this folder (any more).",
        "Nothing is left to unmount; the list of mounts shows what is mounted.",
        "Microsoft, DISM Image Management Command-Line Options",
        _LIST_MOUNTS,
    ),
    NOT_A_MOUNT_POINT: Meaning(
        "not a mount point",
        "DISM looked for a mounted image in a folder and found none. Its log has this number whenever it "
        "looks at an ordinary folder or drive first; by itself it is then no failure.",
        "Look for the error that follows it in the log. If DISM ends with this number, check the path of the "
        "mount folder against the list of mounts.",
        "abbodi1406/BatUtil, issue 18",
        _LIST_MOUNTS,
    ),
    PARTLY_UNMOUNTED: Meaning(
        "commit refused: partly unmounted",
        "An earlier unmount of this folder stopped half-way; its commit has probably succeeded.",
        "Verify the image file, then unmount the folder with /Discard.",
        "Botspot/wor-flasher, issue 158",
        _DISCARD,
    ),
    RECAPTURE_FAILED: Meaning(
        "commit failed",
        "DISM could not save the changes into the image file; it may have run out of space.",
        "Free some space, look into the log, unmount with /Discard and run the same command again.",
        "jeffkl/ManagedWimgApi, issue 96",
        _DISCARD,
    ),
    REMOVABLE_MEDIA: Meaning(
        "mount on removable media",
        "DISM does not mount images on removable media.",
        "Use a mount folder on a fixed NTFS disk.",
        "probonopd/Windows-11-on-Raspberry-Pi-5, issue 1",
    ),
    HARD_LINK_NOT_SET: Meaning(
        "hard link not set",
        "DISM could not make a hard link of the image in the mount folder. The volume cannot hold it, for "
        "example one with deduplication; 0x80070032 (not supported) is next to it in the log.",
        "Use a mount folder on another local NTFS volume, without deduplication.",
        "OSDeploy/OSDBuilder, issue 63; slorelee/wimbuilder2, issue 58",
    ),
    CLASS_NOT_REGISTERED: Meaning(
        "class not registered",
        "A component that this DISM needs is not registered on this computer (REGDB_E_CLASSNOTREG). Which "
        "one, and why, is in its log; no public report about mounting images is known to us.",
        "Use the DISM of this Windows (System32) or of a complete Windows ADK installation (--dism).",
        "Microsoft, COM Error Codes",
    ),
    0xC0000135: Meaning(
        "DISM does not start",
        "A DLL that this DISM needs was not found.",
        "Use the DISM of this Windows (System32) or of a complete Windows ADK installation.",
        "Microsoft, NTSTATUS Values",
    ),
    0xC000013A: Meaning(
        "interrupted",
        "DISM was ended by Ctrl-C or by closing its window.",
        "See in the list of mounts what it left behind, then run the same command again.",
        "Microsoft, NTSTATUS Values",
        _LIST_MOUNTS,
    ),
}


def failure_number(completed: Completed) -> int:
    """The number of a failure: a full exit code, else what is printed, else the exit code as it is.

    Where exit codes have 8 bits, or a wrapper gives its own, the printed number says more.
    """
    if completed.code >= _FAILURE_BIT:
        return completed.code
    output = "\n".join(last_lines(completed.output, _MOST_JUDGED))
    printed = [
        int(number, 0) if number[:2].lower() == "0x" else int(number)
        for word, number in _PRINTED.findall(output)
        if word.lower() not in _NOT_ERRORS
    ]
    numbers = [number for number in printed if 0 < number <= 0xFFFF_FFFF and number not in SUCCESS]
    if numbers:
        return numbers[-1]
    anywhere = _ANY_FAILURE.findall(output)
    return int(anywhere[-1], 16) if anywhere else completed.code


def explain(completed: Completed, *, doing: str = "", log_path: Path | None = None) -> DismError:
    """The error that says what went wrong with a DISM command, why, and what to do next.

    `doing` names the work in a few words ("mount image 1 of boot.wim"); `log_path` is the log that DISM
    was told to write, else the one that its output names.
    """
    code = failure_number(completed)
    meaning = MEANINGS.get(code)
    what = f"DISM cannot {doing}" if doing else "DISM failed"
    named = _LOG.findall("\n".join(last_lines(completed.output, _MOST_JUDGED)))
    log = str(log_path) if log_path is not None else named[-1] if named else ""
    details = [meaning.cause] if meaning else []
    details += [f"DISM: {line}" for line in last_said(completed.output)]
    if log:
        details.append(f"Log: {log}")
    if completed.ended_by:
        message = f"{what}: it was ended by {completed.ended_by}"
        remedy = "See what has ended it (the system does when memory runs out), then run the command again."
    elif meaning is None:
        message = f"{what}: error {code} (0x{code:08X})"
        remedy = f"Look for the last errors in {log or 'the log of DISM'}, then run the same command again."
    else:
        message, remedy = f"{what}: {meaning.name} ({as_printed(code)})", meaning.remedy
    return DismError(
        message,
        code=code,
        details="\n".join(details),
        resolution=remedy,
        command=_next_command(meaning.then, completed.command) if meaning else (),
        ran=completed.command,
    )


def as_printed(code: int) -> str:
    """A number as DISM prints it: small ones in decimal, the others in hexadecimal digits."""
    return f"0x{code:08X}" if code >= _FAILURE_BIT else str(code)


def _next_command(then: tuple[str, ...], failed: Sequence[str]) -> tuple[str, ...]:
    """The DISM command that helps; none when it needs a mount folder and the failed one had none."""
    folder = next((word for word in failed if word.startswith(f"{_MOUNT_FOLDER}:")), "")
    if not then or (_MOUNT_FOLDER in then and not folder):
        return ()
    return (failed[0], *(folder if word == _MOUNT_FOLDER else word for word in then))


def last_said(output: str) -> list[str]:
    """The last lines that DISM printed, shortened, without progress bars."""
    return [line for line in last_lines(output, _MOST_JUDGED) if not _BAR.match(line)][-_LAST_LINES:]
