"""Undo the translation of x86 call instructions that LZX applies before it compresses.

Format: MS-PATCH "E8 preprocessing". Call targets (the four bytes after 0xE8) are stored absolute, so that
calls of one function look alike; here they become relative again. In a WIM this is always on, positions
count from the start of the chunk, and the "file size" is a constant. Data that only looks like a call
makes the round trip as well.
"""

from __future__ import annotations

from struct import Struct

from winpe_certs.wim.codecs.lzx_layout import CALL_FILE_SIZE, CALL_FREE_TAIL, CALL_OPCODE

_TARGET = Struct("<i")


def undo_call_translation(chunk: bytearray) -> None:
    """Make the call targets of a decoded chunk relative again, in place."""
    # `find` hops from opcode to opcode: most chunks of a hive hold a few only.
    find = chunk.find
    read = _TARGET.unpack_from
    limit = len(chunk) - CALL_FREE_TAIL
    position = find(CALL_OPCODE, 0, max(limit, 0))
    while position >= 0:
        (target,) = read(chunk, position + 1)
        if 0 <= target < CALL_FILE_SIZE:
            _TARGET.pack_into(chunk, position + 1, target - position)
        elif -position <= target < 0:
            _TARGET.pack_into(chunk, position + 1, target + CALL_FILE_SIZE)
        position = find(CALL_OPCODE, position + 5, limit)
