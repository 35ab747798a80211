"""What the exit codes of this program mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from winpe_certs.errors import ExitCode


@dataclass(frozen=True, slots=True)
class ExitMeaning:
    """What an exit code means: in a few words, why it came, what to do."""

    meaning: str
    cause: str
    remedy: str


EXIT_MEANINGS: Final[Mapping[ExitCode, ExitMeaning]] = {
    ExitCode.DONE: ExitMeaning(
        "done or verified",
        "What was asked for is done, or was so already, or a verification says yes.",
        "Nothing has to be done.",
    ),
    ExitCode.NO: ExitMeaning(
        "verification says no",
        "A verification was completed, and its answer is no. It never means a failure.",
        "The report says what is missing or different, and what helps.",
    ),
    ExitCode.USAGE: ExitMeaning(
        "wrong usage",
        "An option is missing, unknown, twice or contradictory, or a named file does not exist. Nothing was "
        "done.",
        "Correct the command line. --help after a command lists its options.",
    ),
    ExitCode.REFUSED: ExitMeaning(
        "input refused",
        "A certificate, hive or image is damaged, of an unsupported kind, or protected. What the report "
        "does not name as changed is unchanged.",
        "The error says what helps; its kind and codes can be given to explain.",
    ),
    ExitCode.FAILED: ExitMeaning(
        "the system or a program failed",
        "Rights, space, the network, DISM or reg.exe. A target that failed is what it was.",
        "Remove the cause that the error names, then run the same command again.",
    ),
    ExitCode.CLEANUP_INCOMPLETE: ExitMeaning(
        "clean-up incomplete",
        "Something is still mounted or loaded, because a program has files open there.",
        "Close what has files open there, then run cleanup --apply from an elevated prompt.",
    ),
    ExitCode.DEFECT: ExitMeaning(
        "a defect of this program",
        "Something unforeseen happened. Nothing was committed unless the report says so.",
        "Please report it with the output of the same command and -vv.",
    ),
    ExitCode.INTERRUPTED: ExitMeaning(
        "interrupted",
        "Ctrl-C, or the system ended the run. Images that the report does not list are unchanged.",
        "Run the same command again: what is done stays unchanged.",
    ),
}
