"""Archives whose bytes follow from their contents and one date, and lists of SHA-256 in sha256sum's form."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# A zip has no dates before this one (PKWARE, APPNOTE.TXT, 4.4.6: MS-DOS time).
_EARLIEST: Final = 315532800
_REGULAR_FILE: Final = 0o100644 << 16
_UNIX: Final = 3


def zipped(files: Mapping[str, bytes], date: int) -> bytes:
    """Give a zip of the files, sorted by name, all of the same date (seconds since 1970, UTC)."""
    moment = time.gmtime(max(date, _EARLIEST))
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = ZipInfo(name, moment[:6])
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR_FILE
            archive.writestr(entry, files[name])
    return target.getvalue()


def sums(files: Mapping[str, bytes]) -> bytes:
    """Give a line for each file, as ``sha256sum --check`` reads it."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode()
