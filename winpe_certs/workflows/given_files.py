"""Reads what is given as a certificate file: a file, a folder of them, a pipe, or standard input.

Never more is read than a certificate file may have. A pipe that stays silent ends in an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.certs.file_kinds import refuse_by_content
from winpe_certs.certs.sources import LARGEST_FILE, CertificateFile, read_parts
from winpe_certs.errors import (
    EnvironmentFailure,
    InputError,
    NoCertificateError,
    PrivateKeyError,
    UsageError,
)
from winpe_certs.files.failures import system_errors
from winpe_certs.files.opened import open_to_read
from winpe_certs.files.paths import PathKind, entries_of, is_special_name, path_kind, status_of

STANDARD_INPUT: Final = "-"
# What is there is gone when the command line is run again.
_PASSING: Final = ("/dev/", "/proc/")
_MOST_FILES: Final = 5_000
_HEAD: Final = 64
_SHOWN: Final = 20
_PIPE_SECONDS: Final = 60.0
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class GivenFile:
    """One file with what is in it, or the error of one that as a whole cannot be read.

    `path` is None for what is no file that could be read once more; `name` is as it was given. `sha256` is
    that of the bytes that were read.
    """

    path: Path | None
    name: Path
    sha256: str
    content: CertificateFile | InputError


@dataclass(frozen=True, slots=True)
class Given:
    """What one argument names: the files, and warnings about what a folder holds besides."""

    files: tuple[GivenFile, ...]
    warnings: tuple[str, ...] = ()


def read_given(path: Path) -> Given:
    """Read the files that a path names.

    Raises `UsageError` when there is nothing to read, `PrivateKeyError` for a file with a private key, and
    `EnvironmentFailure` when the system refuses.
    """
    if str(path) == STANDARD_INPUT:
        return Given((_given(None, path, _from_standard_input()),))
    kind = path_kind(path)
    if kind is PathKind.MISSING:
        raise UsageError(f"{path}: no such certificate file", resolution="Check the path.")
    if kind is PathKind.FOLDER:
        return _folder(path)
    if kind is PathKind.FILE:
        return Given((_given(path, path, _from_file(path)),))
    return Given((_given(None, path, _from_pipe(path)),))


def _given(path: Path | None, name: Path, data: bytes) -> GivenFile:
    return GivenFile(path, name, hashlib.sha256(data).hexdigest(), _read(data, str(name)))


def _read(data: bytes, origin: str) -> CertificateFile | InputError:
    try:
        return read_parts(data, origin)
    except PrivateKeyError:
        raise
    except InputError as error:
        return error


def _folder(folder: Path) -> Given:
    """Every certificate file of a folder, in the order in which people count; not what lies deeper."""
    with system_errors(folder, "list the folder"):
        names = sorted((each.name for each in entries_of(folder)), key=_natural)
    if len(names) > _MOST_FILES:
        raise UsageError(
            f"{folder}: {len(names)} files are too many for a folder of certificates",
            details=f"At most {_MOST_FILES} are looked at.",
            resolution="Put the certificates you want into a folder of their own.",
        )
    files: list[GivenFile] = []
    warnings: list[str] = []
    left = LARGEST_FILE
    for name in names:
        path = folder / name
        reason = _no_certificate(path)
        if reason:
            warnings.append(f"passed over: {reason}")
            continue
        data = _from_file(path, left)
        if len(data) > left:
            raise UsageError(
                f"{folder}: its files have more than {LARGEST_FILE} bytes",
                resolution="Put the certificates you want into a folder of their own.",
            )
        left -= len(data)
        try:
            file = _given(path, path, data)
        except PrivateKeyError as error:
            warnings.append(f"passed over: {error.message}")
            continue
        if isinstance(file.content, NoCertificateError):
            warnings.append(f"passed over: {file.content.message}")
        else:
            files.append(file)
    if not files:
        raise UsageError(
            f"{folder}: there is no certificate file in this folder",
            details="\n".join(warnings[:_SHOWN]),
            resolution="Give the folder that holds the certificates; folders in it are not looked into.",
        )
    return Given(tuple(files), tuple(warnings))


def _no_certificate(path: Path) -> str:
    """What something in a folder is that need not be read to see that it is no certificate file."""
    kind = path_kind(path)
    if kind is PathKind.FOLDER:
        return f"{path}: a folder, not looked into"
    if kind is not PathKind.FILE:
        return f"{path}: {'a link to nothing' if kind is PathKind.MISSING else 'not a plain file'}"
    with system_errors(path, "read"):
        size = status_of(path).st_size
    if size > LARGEST_FILE:
        return f"{path}: {size} bytes are too many for a certificate file"
    try:
        refuse_by_content(_from_file(path, _HEAD), str(path))
    except NoCertificateError as error:
        return error.message
    return ""


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Root2 comes before Root10; without case, which breaks ties."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    # Every second piece is digits, because the pattern is a group.
    return [(int(piece), "") if at % 2 else (-1, piece) for at, piece in enumerate(pieces)], name


def _from_file(path: Path, most: int = LARGEST_FILE) -> bytes:
    with system_errors(path, "read"), open_to_read(path) as file:
        # Not all of a boot image that was given by mistake.
        return file.read(most + 1)


def _from_standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            f"{STANDARD_INPUT}: standard input is a terminal",
            resolution="Lead a file or a program's output into it: openssl ... | winpe-certs ... --cert -",
        )
    with system_errors(Path(STANDARD_INPUT), "read"):
        data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if not data:
        raise UsageError(
            f"{STANDARD_INPUT}: nothing came from standard input",
            resolution="It can be read only once, so give - for one option only.",
        )
    return data


def _from_pipe(path: Path) -> bytes:
    """What comes out of a pipe or device, until it ends; a writer may never come."""
    if not hasattr(select, "poll"):
        if is_special_name(str(path)):
            raise UsageError(
                f"{path}: this is the name of a device, or of a stream of a file",
                resolution="Give a certificate under another name.",
            )
        return _from_file(path)
    pieces: list[bytes] = []
    size = 0
    with _opened(path) as descriptor:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while size <= LARGEST_FILE:
            if not poll.poll(_PIPE_SECONDS * 1000):
                raise EnvironmentFailure(
                    f"{path}: nothing came out of this pipe for {_PIPE_SECONDS:.0f} seconds",
                    resolution="Check the program that writes into it, or save the certificate to a file.",
                )
            piece = os.read(descriptor, _PIECE)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A pipe, open for reading; opening does not wait for its other end."""
    with system_errors(path, "read"):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and os.isatty(descriptor):
                raise UsageError(
                    f"{path}: this is a terminal, not a certificate file",
                    resolution="Save the certificate to a file and give that.",
                )
            yield descriptor
        finally:
            os.close(descriptor)


def lasting_name(file: Path) -> str | None:
    """The name of a file that is still there for the next command; None for standard input and pipes."""
    if str(file) == STANDARD_INPUT or str(file).startswith(_PASSING):
        return None
    return str(file) if path_kind(file) in {PathKind.FILE, PathKind.FOLDER} else None
