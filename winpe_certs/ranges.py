"""Ranges of open files, copied into another open file by the system itself where it can do that.

Only `winpe_certs.files` opens files for writing and hands them over.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from dataclasses import dataclass
from typing import BinaryIO, Final

_COPIED_AT_ONCE: Final = 4 << 20
_CANNOT_COPY_ITSELF: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of an open file that are to be copied as they are."""

    file: BinaryIO
    offset: int
    size: int


def write_all(target: io.RawIOBase, data: bytes) -> None:
    """Write all bytes to a file without a buffer, however few it takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) or 0 :]


def copy_range(source: FileRange, target: io.RawIOBase) -> None:
    """Copy a range to where a file without a buffer stands.

    Raises `OSError`, also when the source ends before the range does.
    """
    done = _copied_by_system(source, target)
    source.file.seek(source.offset + done)
    while done < source.size:
        piece = source.file.read(min(_COPIED_AT_ONCE, source.size - done))
        if not piece:
            raise OSError(errno.EIO, "the file has become shorter while it was copied")
        write_all(target, piece)
        done += len(piece)


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
