"""The base block: is this a hive that may be read or edited at all, and how is its first page closed again.

Follows M. Suhanov, "Windows registry file format specification", sections "Base block" and "Dirty state of a
hive". Refuses log files, unknown versions, truncated files and hives that were not closed cleanly: Windows
would replay their log files over whatever is written here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor

from winpe_certs.errors import DirtyHiveError, HiveError
from winpe_certs.regf import layout
from winpe_certs.shown import shown_bytes

_TAKE_AGAIN = "Take the file again from its original image and check it, for example with chkdsk and sfc."
_CLOSE_CLEANLY = (
    "Boot the image (or load the hive) once in Windows so that it applies the log files, shut down and "
    "capture again; or take the hive from the original image. The log files beside it (.LOG1, .LOG2) may "
    "hold the missing part: inject and remove replay them with --recover."
)


@dataclass(frozen=True, slots=True)
class BaseBlock:
    """What the base block says about the rest of the file."""

    minor: int
    root: int
    bins_size: int
    sequence: int


def damaged(origin: str, structure: str, offset: int, why: str) -> HiveError:
    """Build the error for a structure that breaks the format, found at this hive offset."""
    return HiveError(
        f"{origin}: {structure} at hive offset 0x{offset:X} is damaged",
        details=why,
        resolution=_TAKE_AGAIN,
    )


def checksum(data: bytes | bytearray) -> int:
    """Compute the base block's checksum: the 127 dwords before it, folded by exclusive or."""
    total = reduce(xor, struct.unpack_from(f"<{layout.BASE_CHECKSUM // 4}I", data))
    if total == 0xFFFFFFFF:
        return 0xFFFFFFFE
    return total or 1


def _refused(origin: str, what: str, details: str, resolution: str = _TAKE_AGAIN) -> HiveError:
    return HiveError(f"{origin}: {what}", details=details, resolution=resolution)


def read_base_block(data: bytes | bytearray, origin: str, *, allow_dirty: bool = False) -> BaseBlock:
    """Read and judge the base block.

    Raises `DirtyHiveError` for a hive that was not closed cleanly (unless allowed), `HiveError` for any other
    file that must not be worked on.
    """
    if len(data) < layout.BASE_BLOCK_SIZE:
        raise _refused(
            origin,
            "the file is too short to be a registry hive",
            f"It has {len(data)} bytes; the base block alone takes {layout.BASE_BLOCK_SIZE}.",
        )
    if data[:4] != layout.BASE_SIGNATURE:
        raise _refused(
            origin,
            "the file is not a registry hive",
            f"The base block at file position 0 starts with {shown_bytes(bytes(data[:4]))}, not 'regf'.",
            r"Name a hive such as Windows\System32\config\SOFTWARE.",
        )

    def field(position: int) -> int:
        return int(layout.U32.unpack_from(data, position)[0])

    file_type = field(layout.BASE_FILE_TYPE)
    if file_type != layout.FILE_TYPE_PRIMARY:
        raise _refused(
            origin,
            "the file is a registry log or an old backup, not a hive",
            f"The base block's file type (position {layout.BASE_FILE_TYPE}) is {file_type}, not 0.",
            "Name the hive itself, the file without .LOG, .LOG1 or .LOG2.",
        )
    major, minor = field(layout.BASE_MAJOR), field(layout.BASE_MINOR)
    if major != layout.MAJOR_VERSION or minor not in layout.MINOR_VERSIONS:
        raise _refused(
            origin,
            f"hive format version {major}.{minor} is unknown",
            f"Versions 1.3 to 1.6 can be edited; the version stands at position {layout.BASE_MAJOR}.",
            "Use a hive of Windows 2000 or newer, or a newer version of this program.",
        )
    file_format, cluster = field(layout.BASE_FILE_FORMAT), field(layout.BASE_CLUSTER)
    if file_format != layout.FILE_FORMAT_DIRECT or cluster != layout.CLUSTER:
        raise _refused(
            origin,
            "the base block describes an unknown file format",
            f"File format {file_format} and cluster {cluster}; both must be 1.",
        )
    primary, secondary = field(layout.BASE_PRIMARY_SEQUENCE), field(layout.BASE_SECONDARY_SEQUENCE)
    if not allow_dirty:
        if field(layout.BASE_CHECKSUM) != checksum(data):
            raise DirtyHiveError(
                f"{origin}: the hive was not closed cleanly: the base block's checksum is wrong",
                details=f"Stored 0x{field(layout.BASE_CHECKSUM):08X}, computed 0x{checksum(data):08X}; "
                "Windows would repair the hive from its log files and overwrite an edit.",
                resolution=_CLOSE_CLEANLY,
            )
        if primary != secondary:
            raise DirtyHiveError(
                f"{origin}: the hive was not closed cleanly: its sequence numbers differ",
                details=f"Primary {primary}, secondary {secondary}; Windows would replay the log files over "
                "an edit.",
                resolution=_CLOSE_CLEANLY,
            )
    bins_size = field(layout.BASE_BINS_SIZE)
    room = len(data) - layout.BASE_BLOCK_SIZE
    if bins_size == 0 or bins_size % layout.BIN_ALIGNMENT or bins_size > layout.MAXIMUM_BINS_SIZE:
        raise _refused(
            origin,
            "the base block gives an impossible size of the hive bins",
            f"Position {layout.BASE_BINS_SIZE} says {bins_size} bytes; it must be a multiple of 4096.",
        )
    if bins_size > room:
        raise _refused(
            origin,
            "the hive is truncated",
            f"The base block promises {bins_size} bytes of hive bins, the file has {room}.",
        )
    return BaseBlock(minor=minor, root=field(layout.BASE_ROOT_CELL), bins_size=bins_size, sequence=primary)


def close_base_block(data: bytearray, bins_size: int, sequence: int) -> None:
    """Write the bins size and the next sequence number, twice, and put the checksum right."""
    following = (sequence + 1) & 0xFFFFFFFF
    layout.U32.pack_into(data, layout.BASE_PRIMARY_SEQUENCE, following)
    layout.U32.pack_into(data, layout.BASE_SECONDARY_SEQUENCE, following)
    layout.U32.pack_into(data, layout.BASE_BINS_SIZE, bins_size)
    layout.U32.pack_into(data, layout.BASE_CHECKSUM, checksum(data))
