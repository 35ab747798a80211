"""Kinds of errors, as `error.kind` of a JSON document has them; in an audit they are codes of findings."""

from __future__ import annotations

from typing import Final

from winpe_certs.errors import ExitCode
from winpe_certs.finding_codes.entry import ERROR, Entry

_AGAIN: Final = "Correct what the error names, then run the same command again."


def _kind(kind: str, exit_code: ExitCode, meaning: str, cause: str, remedy: str = _AGAIN) -> Entry:
    return Entry(kind, (ERROR,), meaning, cause, remedy, exit_code=int(exit_code))


_REFUSED: Final = ExitCode.REFUSED
_FAILED: Final = ExitCode.FAILED

KINDS: Final = (
    _kind(
        "usage",
        ExitCode.USAGE,
        "The command line is wrong.",
        "An option is missing, unknown or contradictory.",
    ),
    _kind(
        "expectation",
        ExitCode.NO,
        "An image would still not trust the server, so it was not changed.",
        "--expect-chain was given, and the chain does not hold with the change.",
        "The reasons are in the report, each with what helps.",
    ),
    _kind(
        "certificate",
        _REFUSED,
        "A certificate file cannot be read, or its certificate must not be injected.",
        "It is no certificate, it is damaged, or a finding refuses it.",
        "Give another file. Findings have codes: --allow and --skip take those that the report names.",
    ),
    _kind(
        "private-key",
        _REFUSED,
        "A certificate file also holds a private key.",
        "A private key has no place in boot media.",
        "Export the certificate without its private key.",
    ),
    _kind(
        "password",
        _REFUSED,
        "A PKCS#12 file needs a password, or another one.",
        "None was given, or it is wrong.",
        "Give it with --password-file or --password-env.",
    ),
    _kind("blob", _REFUSED, "A registry Blob breaks its format.", "It is cut off, or was edited by hand."),
    _kind("reg-file", _REFUSED, "A .reg file cannot be imported as a whole.", "A line breaks the format."),
    _kind(
        "hive",
        _REFUSED,
        "A registry hive is damaged.",
        "It breaks a rule that the work relies on.",
        "Take the image or the hive from its source again.",
    ),
    _kind(
        "hive-dirty",
        _REFUSED,
        "A registry hive was not closed cleanly.",
        "Its log files still hold part of it: it was copied while loaded, or Windows was switched off.",
        "Load and unload it once in Windows, or add --recover.",
    ),
    _kind(
        "wim",
        _REFUSED,
        "A WIM file is damaged.",
        "A structure in it breaks the format, or a digest does not fit.",
        "Copy the image again from its source.",
    ),
    _kind(
        "wim-chunk",
        _REFUSED,
        "A compressed part of a WIM file does not decode.",
        "The file is damaged.",
        "Copy the image again from its source.",
    ),
    _kind(
        "wim-unsupported",
        _REFUSED,
        "A WIM file is of a kind that cannot be worked on.",
        "It is solid (.esd), split, pipable, marked read-only, or of an unknown version.",
        "Export it to a normal WIM first; the error says how.",
    ),
    _kind(
        "guard",
        _REFUSED,
        "The target is protected.",
        "Configuration Manager manages it, it is mounted, it has several names, or Windows needs what would "
        "go.",
        "Do what the error says, or confirm with the option that it names.",
    ),
    _kind(
        "target",
        _REFUSED,
        "A target cannot be worked on.",
        "It is no image, folder or hive, or lacks a file.",
    ),
    _kind(
        "evidence",
        _REFUSED,
        "An evidence file is not, or no longer, what was written.",
        "It was changed or cut off, or it is about another file.",
        "Take it from where it was kept first.",
    ),
    _kind("environment", _FAILED, "The system failed.", "Rights, space, a lock, or a file that vanished."),
    _kind(
        "connection",
        _FAILED,
        "A server could not be asked for its chain.",
        "Its name, the network, or no TLS.",
    ),
    _kind(
        "dism", _FAILED, "DISM ended with a failure.", "The error names its number; explain takes that too."
    ),
    _kind("reg", _FAILED, "reg.exe ended with a failure.", "The error quotes what it said."),
    _kind(
        "program-missing",
        _FAILED,
        "A program that is needed is not there.",
        "It is not installed, or elsewhere.",
    ),
    _kind("program-start", _FAILED, "A program does not start.", "Rights, or it is not for this system."),
    _kind(
        "program-timeout",
        _FAILED,
        "A program did not end in time.",
        "It waits for something, or the disk is slow.",
    ),
    _kind("output", _FAILED, "The report could not be written.", "Standard output is closed or full."),
    _kind(
        "verification",
        _FAILED,
        "What was written could not be confirmed.",
        "The disk or another program interfered. The old state is back where the error says so.",
        "Check the disk, then run the same command again.",
    ),
    _kind(
        "no-memory",
        _FAILED,
        "The system gives no more memory.",
        "Too little is free, or a limit (ulimit, a container's) is too low.",
        "End other programs or raise the limit, then run the same command again.",
    ),
    _kind(
        "image-lost",
        _FAILED,
        "A program that was to save an image has left neither the old one nor the new one.",
        "DISM failed, was ended or was interrupted while it wrote the image file.",
        "Put the image file back from a backup or its source before anything else uses it.",
    ),
    _kind(
        "cleanup",
        ExitCode.CLEANUP_INCOMPLETE,
        "Something is still mounted or loaded.",
        "A program has files open there.",
        "Close it, then run the command that the error names, from an elevated prompt.",
    ),
    _kind(
        "interrupted",
        ExitCode.INTERRUPTED,
        "The run was interrupted.",
        "Ctrl-C, or the system ended it. Images that the report does not list are unchanged.",
        "Run the same command again.",
    ),
)
