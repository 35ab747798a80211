"""Self-relative security descriptors as [MS-DTYP] 2.4.6 lays them out, shared by the hive and the WIM writer.

Header of 20 bytes (revision 1, control, offsets of owner, group, SACL, DACL), then the parts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SELF_RELATIVE = 0x8000
_DACL_PRESENT = 0x0004
_DACL_PROTECTED = 0x1000

INHERIT_BOTH = 0x03
FILE_ALL = 0x001F01FF
FILE_READ = 0x001200A9
KEY_ALL = 0x000F003F
KEY_READ = 0x00020019


def sid(*subauthorities: int, authority: int = 5) -> bytes:
    """Build the security identifier S-1-<authority>-<subauthorities>."""
    head = bytes([1, len(subauthorities)]) + authority.to_bytes(6, "big")
    return head + struct.pack(f"<{len(subauthorities)}I", *subauthorities)


SYSTEM = sid(18)
ADMINISTRATORS = sid(32, 544)
USERS = sid(32, 545)
EVERYONE = sid(0, authority=1)
TRUSTED_INSTALLER = sid(80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464)


@dataclass(frozen=True, slots=True)
class Grant:
    """An access-allowed entry."""

    who: bytes
    mask: int
    flags: int = 0


def descriptor(owner: bytes, group: bytes, *grants: Grant, protected: bool = True) -> bytes:
    """Build a descriptor with a DACL of access-allowed entries and no SACL."""
    entries = b"".join(
        struct.pack("<BBHI", 0, grant.flags, 8 + len(grant.who), grant.mask) + grant.who for grant in grants
    )
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), len(grants), 0) + entries
    control = _SELF_RELATIVE | _DACL_PRESENT | (_DACL_PROTECTED if protected else 0)
    owner_at = 20 + len(acl)
    head = struct.pack("<BBHIIII", 1, 0, control, owner_at, owner_at + len(owner), 0, 20)
    return head + acl + owner + group


def key_descriptors() -> tuple[bytes, ...]:
    """Give what the keys of the test hives carry: the usual one, an open one, a closed one."""
    usual = [
        Grant(ADMINISTRATORS, KEY_ALL, INHERIT_BOTH),
        Grant(SYSTEM, KEY_ALL, INHERIT_BOTH),
        Grant(USERS, KEY_READ, INHERIT_BOTH),
    ]
    return (
        descriptor(ADMINISTRATORS, SYSTEM, *usual),
        descriptor(SYSTEM, SYSTEM, *usual, Grant(EVERYONE, KEY_READ, INHERIT_BOTH), protected=False),
        descriptor(TRUSTED_INSTALLER, TRUSTED_INSTALLER, Grant(TRUSTED_INSTALLER, KEY_ALL), usual[1]),
    )


def file_descriptors() -> tuple[bytes, ...]:
    """Give what the files of the test images carry; the last one is for the hives alone."""
    full = [Grant(SYSTEM, FILE_ALL, INHERIT_BOTH), Grant(ADMINISTRATORS, FILE_ALL, INHERIT_BOTH)]
    return (
        descriptor(TRUSTED_INSTALLER, TRUSTED_INSTALLER, *full, Grant(USERS, FILE_READ, INHERIT_BOTH)),
        descriptor(SYSTEM, SYSTEM, *full, Grant(EVERYONE, FILE_READ), protected=False),
        descriptor(ADMINISTRATORS, SYSTEM, Grant(TRUSTED_INSTALLER, FILE_ALL), Grant(USERS, FILE_READ)),
        descriptor(SYSTEM, SYSTEM, Grant(SYSTEM, FILE_ALL), Grant(ADMINISTRATORS, FILE_ALL)),
    )
