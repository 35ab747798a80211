"""Structures, field positions and limits of the regf hive format, and nothing else.

Names and numbers follow M. Suhanov, "Windows registry file format specification". All numbers are
little-endian. A *position* counts from the start of the file, an *offset* from the first hive bin (file
position 4096); offsets are what the structures themselves store.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

NONE: Final = 0xFFFFFFFF
"""An offset that points nowhere."""

U16: Final = Struct("<H")
U32: Final = Struct("<I")
I32: Final = Struct("<i")
U64: Final = Struct("<Q")

# Base block
BASE_BLOCK_SIZE: Final = 4096
BASE_SIGNATURE: Final = b"regf"
BASE_PRIMARY_SEQUENCE: Final = 4
BASE_SECONDARY_SEQUENCE: Final = 8
BASE_MAJOR: Final = 20
BASE_MINOR: Final = 24
BASE_FILE_TYPE: Final = 28
BASE_FILE_FORMAT: Final = 32
BASE_ROOT_CELL: Final = 36
BASE_BINS_SIZE: Final = 40
BASE_CLUSTER: Final = 44
BASE_CHECKSUM: Final = 508
MAJOR_VERSION: Final = 1
MINOR_VERSIONS: Final = range(3, 7)
MINOR_WITH_BIG_DATA: Final = 4
MINOR_WITH_HASH_LEAF: Final = 5
MINOR_WITH_LAYERS: Final = 6
FILE_TYPE_PRIMARY: Final = 0
FILE_FORMAT_DIRECT: Final = 1
CLUSTER: Final = 1

# Hive bins and cells
BIN_SIGNATURE: Final = b"hbin"
BIN_HEADER: Final = Struct("<4sII")
"""Signature, offset, size; then eight reserved bytes, a time and a spare field, in all BIN_HEADER_SIZE."""
BIN_HEADER_SIZE: Final = 32
BIN_ALIGNMENT: Final = 4096
CELL_SIZE_FIELD: Final = 4
CELL_ALIGNMENT: Final = 8
MAXIMUM_BINS_SIZE: Final = 0x7FFF0000
"""The top bit of an offset marks volatile storage, which is never on disk."""

# Key node
KEY_SIGNATURE: Final = b"nk"
KEY_NODE: Final = Struct("<2sHQ15IHH")
"""Signature, flags, time, access bits, parent, subkey count, volatile count, subkey list, volatile list,
value count, value list, security, class, longest subkey name, longest subkey class, longest value name,
longest value data, work field, name length, class length; the name follows."""
KEY_FLAGS: Final = 2
KEY_TIME: Final = 4
KEY_ACCESS_BITS: Final = 12
KEY_LAYER_BITS: Final = 13
KEY_PARENT: Final = 16
KEY_SUBKEY_COUNT: Final = 20
KEY_SUBKEY_LIST: Final = 28
KEY_VALUE_COUNT: Final = 36
KEY_VALUE_LIST: Final = 40
KEY_SECURITY: Final = 44
KEY_CLASS: Final = 48
KEY_LONGEST_SUBKEY_NAME: Final = 52
KEY_LONGEST_SUBKEY_CLASS: Final = 56
KEY_LONGEST_VALUE_NAME: Final = 60
KEY_LONGEST_VALUE_DATA: Final = 64
KEY_NAME_LENGTH: Final = 72
KEY_CLASS_LENGTH: Final = 74
KEY_NAME: Final = 76
KEY_VOLATILE: Final = 0x01
KEY_HIVE_EXIT: Final = 0x02
KEY_HIVE_ENTRY: Final = 0x04
KEY_NO_DELETE: Final = 0x08
KEY_SYMLINK: Final = 0x10
KEY_NAME_IS_ONE_BYTE: Final = 0x20
KEY_PREDEFINED_HANDLE: Final = 0x40
LAYER_SEMANTICS_MASK: Final = 0x03
LAYER_TOMBSTONE: Final = 0x01
LONGEST_NAME_MASK: Final = 0xFFFF
"""Of the longest subkey name only these bits are a length; the others are flags of other meanings."""
MAXIMUM_KEY_NAME: Final = 255
MAXIMUM_LEVELS: Final = 512

# Subkey lists
LIST_HEADER: Final = Struct("<2sH")
FAST_LEAF: Final = b"lf"
HASH_LEAF: Final = b"lh"
INDEX_LEAF: Final = b"li"
INDEX_ROOT: Final = b"ri"
LEAF_ENTRY_SIZES: Final = {FAST_LEAF: 8, HASH_LEAF: 8, INDEX_LEAF: 4}
FAST_LEAF_LIMIT: Final = 507
LEAF_LIMIT: Final = 1012
INDEX_ROOT_LIMIT: Final = 0xFFFF

# Values
VALUE_SIGNATURE: Final = b"vk"
VALUE_NODE: Final = Struct("<2sHIIIHH")
"""Signature, name length, data size, data offset, type, flags, spare; the name follows."""
VALUE_DATA_SIZE: Final = 4
VALUE_DATA_OFFSET: Final = 8
VALUE_TYPE: Final = 12
VALUE_FLAGS: Final = 16
VALUE_NAME: Final = 20
VALUE_NAME_IS_ONE_BYTE: Final = 0x01
VALUE_TOMBSTONE: Final = 0x02
DATA_IS_INLINE: Final = 0x80000000
INLINE_LIMIT: Final = 4
MAXIMUM_VALUE_NAME: Final = 16383
MAXIMUM_VALUE_DATA: Final = 0x3FFFFFFF

# Big data
BIG_DATA_SIGNATURE: Final = b"db"
BIG_DATA: Final = Struct("<2sHI")
"""Signature, segment count, offset of the segment list."""
BIG_DATA_SEGMENT: Final = 16344

# Key security
SECURITY_SIGNATURE: Final = b"sk"
SECURITY: Final = Struct("<2sHIIII")
"""Signature, reserved, forward link, backward link, reference count, descriptor size; descriptor follows."""
SECURITY_FORWARD: Final = 4
SECURITY_BACKWARD: Final = 8
SECURITY_REFERENCES: Final = 12
SECURITY_DESCRIPTOR: Final = 20
DESCRIPTOR_MINIMUM: Final = 20
DESCRIPTOR_REVISION: Final = 1
DESCRIPTOR_SELF_RELATIVE: Final = 0x8000


def cell_size(content: int) -> int:
    """Tell how many bytes a cell for this much content takes, its own size field included."""
    return -(-(content + CELL_SIZE_FIELD) // CELL_ALIGNMENT) * CELL_ALIGNMENT
