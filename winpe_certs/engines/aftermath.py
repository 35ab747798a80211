"""What an image is after a program that was to change it has failed, was ended, or was interrupted.

Whether DISM has saved an image before it failed only the file can say. So the file is read again, with this
program's own reader: the image is the old one, the new one, or neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from winpe_certs.engines.base import Verification
from winpe_certs.engines.direct import WimImages, open_for_reading
from winpe_certs.engines.dism_codes import last_said
from winpe_certs.errors import (
    CleanupError,
    EnvironmentFailure,
    ImageLostError,
    ImageState,
    Interrupted,
    VerificationFailure,
    WimError,
    WinpeCertsError,
)
from winpe_certs.process import Completed
from winpe_certs.shown import cause_words
from winpe_certs.wim.directory import Directory
from winpe_certs.wim.layout import ATTRIBUTE_REPARSE_POINT, NO_HASH
from winpe_certs.wim.reader import PlainBytes
from winpe_certs.wim.resource import RETRY

Result = TypeVar("Result")

# So many times a look at the file begins anew after an interrupt; a user who goes on wants to leave at once.
_MOST_INTERRUPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Noted:
    """What an image file holds, as far as saving one image must leave it alone.

    `files` is a digest of the paths and contents of that image, without the hive and the log files that
    Windows keeps beside it: what a program that captures files again must keep. `metadata` is the SHA-1 of
    all that the image says of its files, `others` are those of the other images, in order.
    """

    files: bytes
    metadata: bytes
    others: tuple[bytes, ...]


@dataclass(slots=True)
class Save:
    """A program that was to save an image: its command line, and what it said if it came to its end."""

    command: tuple[str, ...]
    done: Completed | None = None


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What an image is now, and how that was found out, in words that end no sentence."""

    state: ImageState
    why: str


def noted(path: Path, index: int, hive_path: str) -> Noted:
    """Note what is in a WIM file before an image of it is serviced. Raises as `open_for_reading` does."""
    with open_for_reading(path) as images:
        return _noted(images, index, hive_path)


def look_again(
    path: Path, index: int, hive_path: str, *, old: bytes, before: Noted, verify: Verification
) -> Aftermath:
    """Read an image again, and say whether its hive is the `old` one, one that `verify` confirms, or another.

    Raises nothing for a file that cannot be read: that is neither of the two.
    """
    try:
        return uninterrupted(lambda: _looked(path, index, hive_path, old, before, verify))
    except WinpeCertsError as error:
        return Aftermath(ImageState.NEITHER, error.message)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, the image is not known
        return Aftermath(ImageState.NEITHER, f"it could not be read: {cause_words(error)}")


def uninterrupted(look: Callable[[], Result]) -> Result:
    """The result of a short look, which begins anew when Ctrl-C ends it: a report depends on it."""
    for _ in range(_MOST_INTERRUPTS):
        try:
            return look()
        except KeyboardInterrupt:
            continue
    return look()


def ended_error(
    error: BaseException,
    found: Aftermath,
    image: str,
    *,
    save: Save | None,
    cleanup: tuple[str, ...],
) -> WinpeCertsError:
    """The error for work on an image that `error` has ended, with what the image is now.

    `image` names it in messages. `save` is None when the image was not to be saved yet. `cleanup` is the
    command line that frees what a program may have left half mounted.
    """
    told = as_ours(error)
    if found.state is ImageState.NEITHER and not isinstance(told, CleanupError):
        told = _lost(told, found, image, save, cleanup)
    elif save is not None or found.state is not ImageState.OLD:
        say_state(told, found, image)
    told.image_state = found.state
    return told


def as_ours(error: BaseException) -> WinpeCertsError:
    """What has ended some work, as an error of this program."""
    if isinstance(error, WinpeCertsError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted()
    return EnvironmentFailure(
        f"the work on the image has ended: {cause_words(error)}",
        resolution="End other programs, then run the same command again.",
    )


def _lost(
    error: WinpeCertsError, found: Aftermath, image: str, save: Save | None, cleanup: tuple[str, ...]
) -> ImageLostError:
    said = ["DISM has left the image so. What happened:", error.message, error.details]
    if save is not None and save.done is not None:
        said.append(f"DISM: exit code {save.done.code}")
        said += [f"DISM: {line}" for line in last_said(save.done.output)]
    return ImageLostError(
        f"{image} is neither the old one nor the new one: {found.why}",
        details="\n".join(part for part in said if part),
        resolution="Put the image file back from a backup or its source before anything else uses it. "
        "What DISM may have left half mounted, this frees:",
        command=cleanup,
        ran=error.ran or (save.command if save is not None else ()),
    )


def say_state(error: WinpeCertsError, found: Aftermath, image: str) -> None:
    """Say what the image is, and what to do next."""
    words = {
        ImageState.OLD: "is the old one, so nothing is changed",
        ImageState.NEW: "is the new one, so the change is made",
        ImageState.NEITHER: "is neither the old one nor the new one: put the file back from a backup or its "
        "source",
    }
    line = f"The file was read again. {image} {words[found.state]}; {found.why}."
    error.details = "\n".join(part for part in (error.details, line) if part)
    if isinstance(error, CleanupError | Interrupted):
        return
    if found.state is ImageState.NEW:
        error.resolution = (
            "The image needs nothing more. Look in the log of DISM for what failed after it was saved."
        )
        error.command = ()
    elif isinstance(error, VerificationFailure):
        error.resolution = "Run the same command again, or try --engine direct."


def _looked(
    path: Path, index: int, hive_path: str, old: bytes, before: Noted, verify: Verification
) -> Aftermath:
    with open_for_reading(path) as images:
        now = _noted(images, index, hive_path)
        hive = images.read(index, hive_path)
        if now.others != before.others:
            return Aftermath(ImageState.NEITHER, "other images in the file are not what they were")
        if now.files != before.files:
            return Aftermath(ImageState.NEITHER, "other files of the image are not what they were")
        if hive == old and now.metadata != before.metadata:
            return Aftermath(ImageState.NEITHER, "it was written again, with the old hive")
        if hive == old:
            return Aftermath(ImageState.OLD, "its hive and its other files are those of before")
        try:
            verify(images, index)
        except WinpeCertsError as error:
            return Aftermath(ImageState.NEITHER, f"its hive is another one: {error.message}")
    return Aftermath(ImageState.NEW, "its hive is the new one, its other files are those of before")


def _noted(images: WimImages, index: int, hive_path: str) -> Noted:
    wim = images.wim
    if wim.lookup_table.end_of_resources() > wim.size:
        raise WimError(f"{wim.origin}: the file ends before the last of its resources", resolution=RETRY)
    numbered = enumerate(wim.metadata_entries, start=1)
    others = tuple(entry.hash for number, entry in numbered if number != index)
    stored = wim.lookup_table.hashes()
    entries = []
    for path, entry in Directory(PlainBytes(wim.metadata_bytes(index)), wim.origin).walk():
        if _is_of_hive(path, hive_path):
            continue
        # Where a link leads is written in more than one way.
        is_link = bool(entry.attributes & ATTRIBUTE_REPARSE_POINT)
        contents = NO_HASH if is_link else entry.contents.hash
        # A name whose contents are not in the file (any more) is not what it was.
        is_stored = contents == NO_HASH or contents in stored
        what = f"{path}\0{entry.is_directory}\0{is_link}\0{is_stored}\0".encode("utf-8", "surrogatepass")
        entries.append(hashlib.sha256(what + contents).digest())
    files = hashlib.sha256(b"".join(sorted(entries))).digest()
    return Noted(files, wim.metadata_entries[index - 1].hash, others)


def _is_of_hive(path: str, hive_path: str) -> bool:
    """Whether a file is the hive, or one of those that Windows keeps beside a hive under its name."""
    path, hive_path = path.upper(), hive_path.upper()
    rest = path.removeprefix(hive_path)
    return rest != path and "\\" not in rest and rest[:1] in {"", ".", "{"}
