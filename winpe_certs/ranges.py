"""Ranges of open files, copied into another open file by the system itself where it can do that.

Only `winpe_certs.files` opens files for writing and hands them over.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeAlias

Read: TypeAlias = Callable[[int, int], bytes]
_COPIED_AT_ONCE: Final = 4 << 20
_CANNOT_COPY_ITSELF: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of an open file that are to be copied as they are.

    `read` gives bytes of it by offset and size, all or an error, whatever other threads read there meanwhile.
    """

    file: BinaryIO
    offset: int
    size: int
    read: Read


def reader(file: BinaryIO, in_turn: Read) -> Read:
    """What reads a file by offset and size without moving it, so that threads need not wait for each other.

    `in_turn` does the same one at a time: where the system cannot do better, and where bytes are missing.
    """
    if sys.platform == "win32":
        return in_turn
    else:  # noqa: RET505 - mypy knows platforms by their branches

        def read(offset: int, size: int) -> bytes:
            data = os.pread(file.fileno(), size, offset)
            return data if len(data) == size else in_turn(offset, size)

        return read


def write_all(target: io.RawIOBase, data: bytes) -> None:
    """Write all bytes to a file without a buffer, however few it takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) or 0 :]


def copy_range(source: FileRange, target: io.RawIOBase) -> None:
    """Copy a range to where a file without a buffer stands; raises `OSError`, and as its `read` does."""
    for done in range(_copied_by_system(source, target), source.size, _COPIED_AT_ONCE):
        size = min(_COPIED_AT_ONCE, source.size - done)
        write_all(target, source.read(source.offset + done, size))


def _copied_by_system(source: FileRange, target: io.RawIOBase) -> int:
    """How many bytes the system itself has copied; few systems and not all file systems can do that."""
    done = 0
    if sys.platform == "linux":
        try:
            while done < source.size:
                count = os.copy_file_range(
                    source.file.fileno(),
                    target.fileno(),
                    source.size - done,
                    offset_src=source.offset + done,
                )
                if count == 0:
                    break
                done += count
        except OSError as error:
            if error.errno not in _CANNOT_COPY_ITSELF:
                raise
    return done
