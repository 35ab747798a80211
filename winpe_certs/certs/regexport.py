r"""Certificates → the .reg file that regedit would have exported for the offline hive of a boot image.

Keys are under ``HKEY_LOCAL_MACHINE\<hive name>\Microsoft\SystemCertificates\<store>\Certificates``,
the name being the one that the hive is loaded under (``winpe-offline`` in Microsoft's procedure), in
alphabetical order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from winpe_certs.certs.regfile_layout import RegKey, RegValue
from winpe_certs.certs.regfile_writer import write_reg
from winpe_certs.certs.stores import BLOB_VALUE, certificate_key
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, SetValue, ValueType
from winpe_certs.errors import CertificateError, RegFileError, UsageError
from winpe_certs.shown import shown_text

FORBIDDEN = frozenset("\\/[]")


def export_reg(items: Sequence[tuple[bytes, str, str]], hive_name: str) -> bytes:
    """Write Blobs, each given with its thumbprint and its store, as a .reg file."""
    checked_hive_name(hive_name)
    blobs: dict[str, bytes] = {}
    for blob, thumbprint, store in items:
        path = "\\".join(("HKEY_LOCAL_MACHINE", hive_name, *certificate_key(store, thumbprint)))
        if blobs.setdefault(path, blob) != blob:
            raise CertificateError(
                f"two different Blobs for the certificate {thumbprint} in {store}",
                resolution="Give each certificate once.",
            )
    keys = [
        RegKey(path, (RegValue(BLOB_VALUE, ValueType.BINARY, blobs[path]),))
        for path in sorted(blobs, key=str.upper)
    ]
    return write_reg(keys)


def edits_as_reg(edits: Sequence[Edit], hive_name: str) -> bytes:
    """Write edits of a hive as the .reg file that carries them out when the hive is loaded as `hive_name`."""
    keys = []
    for edit in edits:
        path = "\\".join(("HKEY_LOCAL_MACHINE", checked_hive_name(hive_name), *edit.path))
        match edit:
            case SetValue():
                keys.append(RegKey(path, (RegValue(edit.name, edit.type, edit.data),)))
            case CreateKey():
                keys.append(RegKey(path))
            case DeleteKey():
                keys.append(RegKey(path, is_deletion=True))
            case DeleteValue():
                raise RegFileError(
                    f"deleting a single value ({shown_text(edit.name)} of {path}) is not written as .reg"
                )
            case _:
                assert_never(edit)
    return write_reg(keys)


def checked_hive_name(name: str) -> str:
    """Give the name back if a hive can be loaded under it and a .reg file can hold it."""
    if not name.strip() or not name.isprintable() or FORBIDDEN & set(name):
        raise UsageError(
            f"{shown_text(name)} cannot be the name of a loaded hive",
            resolution="Use the name below HKLM that you give to reg load, for example winpe-offline or"
            " SOFTWARE.",
        )
    return name
