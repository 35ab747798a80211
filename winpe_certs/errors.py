"""One error family for the whole program, and the exit code that each branch of it stands for.

The library raises, the command line renders: nothing here prints or exits.
Every error says what happened and where (`message`), why (`details`) and what to do next (`resolution`, and
`command` where a command line does it). `ran` is the command line of another program that failed.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller; the numbers are a contract (see README, "Exit codes")."""

    DONE = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    FAILED = 4
    CLEANUP_INCOMPLETE = 5
    DEFECT = 70
    INTERRUPTED = 130


class ImageState(StrEnum):
    """What an image is after a program that was to save it has failed, was ended, or was interrupted."""

    OLD = "old"
    NEW = "new"
    NEITHER = "neither"


class WinpeCertsError(Exception):
    """Root of every error that a person at the keyboard may see."""

    exit_code: ClassVar[ExitCode] = ExitCode.DEFECT
    kind: ClassVar[str] = "defect"

    def __init__(
        self,
        message: str,
        *,
        details: str = "",
        resolution: str = "",
        command: tuple[str, ...] = (),
        ran: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.resolution = resolution
        self.command = command
        self.ran = ran
        self.image_state: ImageState | None = None
        """What the image is now, where another program was at work on it and the image was read again."""

    @property
    def _parts(self) -> tuple[object, ...]:
        return (self.message, self.details, self.resolution, self.command, self.ran)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._parts == other._parts

    def __hash__(self) -> int:
        return hash((type(self), *self._parts))


class UsageError(WinpeCertsError):
    """The command line asks for something that cannot be meant."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class InputError(WinpeCertsError):
    """An input file is refused: damaged, unsupported, or too risky to work on."""

    exit_code = ExitCode.REFUSED
    kind = "input"


class CertificateError(InputError):
    """A certificate file cannot be read, or its certificate must not be injected."""

    kind = "certificate"


class NoCertificateError(CertificateError):
    """A file that was given as a certificate file is something else."""


class PrivateKeyError(CertificateError):
    """A certificate file also holds a private key, which has no place in boot media."""

    kind = "private-key"


class BlobError(InputError):
    """A registry certificate Blob breaks the property list format."""

    kind = "blob"


class RegFileError(InputError):
    """A .reg file cannot be imported as a whole."""

    kind = "reg-file"


class HiveError(InputError):
    """A registry hive breaks an invariant that the requested work relies on."""

    kind = "hive"


class DirtyHiveError(HiveError):
    """A registry hive was not closed cleanly: its log files still hold part of it."""

    kind = "hive-dirty"


class WimError(InputError):
    """A WIM file is damaged."""

    kind = "wim"


class UnsupportedWimError(WimError):
    """A WIM file is sound as far as we can tell, but of a kind that must not be patched in place."""

    kind = "wim-unsupported"


class ChunkError(WimError):
    """A compressed chunk of a WIM resource does not decode."""

    kind = "wim-chunk"


class GuardError(InputError):
    """The target is protected for a reason that a person must confirm away."""

    kind = "guard"


class TargetError(InputError):
    """A target is not an image, folder or hive that can be worked on."""

    kind = "target"


class MissingFileError(TargetError):
    """An image or folder does not have the file that was looked for."""


class EvidenceError(InputError):
    """An evidence file is not, or no longer, what was written."""

    kind = "evidence"


class EnvironmentFailure(WinpeCertsError):  # noqa: N818 - a failure of the surroundings, not of the input
    """The system or an external program failed: rights, space, a lock, a vanished file."""

    exit_code = ExitCode.FAILED
    kind = "environment"


class VerificationFailure(EnvironmentFailure):
    """What was written could not be confirmed, and has been taken back."""

    kind = "verification"


class ImageLostError(EnvironmentFailure):
    """A program that was to save an image has left neither the old one nor the new one."""

    kind = "image-lost"


class CleanupError(WinpeCertsError):
    """Something that this program set up could not be taken down again."""

    exit_code = ExitCode.CLEANUP_INCOMPLETE
    kind = "cleanup"


class Interrupted(WinpeCertsError):  # noqa: N818 - what happened is no error
    """A person or the system ended the run."""

    exit_code = ExitCode.INTERRUPTED
    kind = "interrupted"

    def __init__(self) -> None:
        super().__init__(
            "interrupted",
            details="Images not listed above are unchanged.",
            resolution="Run the same command again: what is done already stays unchanged.",
        )
