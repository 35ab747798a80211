"""Two independent readers of registry hives, regipy and python-registry, behind one small interface.

They confirm that a key is there and what its Blob is. Both are weak judges of a damaged hive, so the caller
looks the same paths up with the bounds-checked reader of `winpe_certs.regf` first.
"""

from __future__ import annotations

import io
import logging
from importlib import import_module
from typing import Any, Final, Protocol

from winpe_certs.certs.stores import BLOB_VALUE
from winpe_certs.edits import KeyPath, ValueType
from winpe_certs.errors import HiveError
from winpe_certs.shown import plain_words

# For each reader: its package, and where that says its own version.
_VERSIONS: Final = {"regipy": ("regipy", "__version__"), "python-registry": ("Registry", "_version_")}

# File position of the content of the cell at offset 0; the mark of data in the value itself; what is longer
# is in segments. M. Suhanov, "Windows registry file format specification".
_FIRST_CELL: Final = 4096 + 4
_INLINE: Final = 0x80000000
_SEGMENT: Final = 16344


class BlobReader(Protocol):
    """Reads Blobs of certificate stores from a hive."""

    name: str

    def blobs(self, store_key: KeyPath) -> dict[str, bytes | None] | None:
        """Blobs by name of the certificate's key; None as a Blob that is no binary value.

        The answer is None when the store has no such key.
        """


class RegipyReader:
    """The hive as regipy reads it."""

    def __init__(self, hive: bytes) -> None:
        from regipy.registry import NKRecord, RegistryHive
        from regipy.structs import REGF_HEADER

        # It reports oddities of hives through logging; what counts comes back as a value or an exception.
        logging.getLogger("regipy").addHandler(logging.NullHandler())
        logging.getLogger("regipy").propagate = False

        class HiveInMemory(RegistryHive):  # type: ignore[misc] # regipy is untyped
            """Its constructor takes a path only; a hive inside an image has none."""

            def __init__(self, data: bytes) -> None:
                self._stream = io.BytesIO(data)
                self.header = REGF_HEADER.parse_stream(self._stream)
                cell = next(self.get_hbin_at_offset().iter_cells(self._stream))
                self.root = NKRecord(cell, self._stream)

        self.name = _name_of("regipy")
        self._root = HiveInMemory(hive).root
        self._value_key: Any = import_module("regipy.structs").VALUE_KEY

    def blobs(self, store_key: KeyPath) -> dict[str, bytes | None] | None:
        """See `BlobReader`."""
        key: Any = self._root
        for name in store_key:
            key = key.get_subkey(name, raise_on_missing=False)
            if key is None:
                return None
        found: dict[str, bytes | None] = {}
        for certificate in key.iter_subkeys():
            found[certificate.name] = self._blob(certificate)
        return found

    def _blob(self, certificate: Any) -> bytes | None:
        """The binary value Blob of a key, by regipy's own structures.

        Its `get_value` decodes every value of the key on the way, and gives up at one whose data does not fit
        its type; nobody has asked for that one. It also gives REG_NONE as it gives REG_BINARY.
        """
        stream: io.BytesIO = self._root._stream  # noqa: SLF001 - keys offer no other way to it
        header = certificate.header
        for number in range(certificate.values_count):
            stream.seek(_FIRST_CELL + header.values_list_offset + 4 * number)
            offset = int.from_bytes(stream.read(4), "little")
            stream.seek(_FIRST_CELL + offset)
            value = self._value_key.parse_stream(stream)
            encoding = "latin-1" if value.flags.VALUE_COMP_NAME else "utf-16-le"
            if not value.name_size or value.name.decode(encoding, "replace").lower() != BLOB_VALUE.lower():
                continue
            if int(value.data_type) != ValueType.BINARY:
                return None
            if value.data_size >= _INLINE:
                return bytes(value.data_offset.to_bytes(4, "little")[: value.data_size - _INLINE])
            read = certificate.read_value(value, stream)
            if value.data_size > _SEGMENT and read.value[:2] == b"db":
                return bytes(certificate._parse_indirect_block(stream, read))  # noqa: SLF001 - as get_value does
            return bytes(read.value)
        return None


class PythonRegistryReader:
    """The hive as python-registry reads it."""

    def __init__(self, hive: bytes) -> None:
        from Registry import Registry

        self.name = _name_of("python-registry")
        self._registry = Registry
        self._root = Registry.Registry(io.BytesIO(hive)).root()

    def blobs(self, store_key: KeyPath) -> dict[str, bytes | None] | None:
        """See `BlobReader`."""
        key = self._root
        for name in store_key:
            try:
                key = key.subkey(name)
            except self._registry.RegistryKeyNotFoundException:
                return None
        found: dict[str, bytes | None] = {}
        for certificate in key.subkeys():
            try:
                # It decodes no other value of the key.
                value = certificate.value(BLOB_VALUE)
            except self._registry.RegistryValueNotFoundException:
                found[certificate.name()] = None
            else:
                is_binary = value.value_type() == self._registry.RegBin
                found[certificate.name()] = bytes(value.raw_data()) if is_binary else None
        return found


def reader_versions() -> tuple[str, ...]:
    """Both readers with their versions."""
    return tuple(map(_name_of, _VERSIONS))


def _name_of(reader: str) -> str:
    """A reader with its version, from the package itself if it says so."""
    package, attribute = _VERSIONS[reader]
    said = getattr(import_module(package), attribute, None)
    if isinstance(said, str):
        return f"{reader} {said}"
    # Takes as long to import as the reader itself: it parses what is installed as e-mail headers.
    from importlib.metadata import version

    return f"{reader} {version(reader)}"


def import_readers() -> None:
    """Import what `open_readers` needs, for those who have to wait for the hive anyway."""
    for module in ("regipy.registry", "Registry.Registry"):
        import_module(module)


def open_readers(hive: bytes, origin: str) -> tuple[BlobReader, ...]:
    """Both readers of a hive; raises `HiveError` naming the one that cannot open it."""
    return tuple(
        _guarded(name, reader, hive, origin)
        for name, reader in (("regipy", RegipyReader), ("python-registry", PythonRegistryReader))
    )


def _guarded(name: str, reader: type[Any], hive: bytes, origin: str) -> BlobReader:
    try:
        opened: BlobReader = reader(hive)
    except MemoryError:
        raise
    except Exception as error:
        raise unreadable(name, error, origin) from error
    return opened


def unreadable(reader: str, error: Exception, origin: str) -> HiveError:
    """The error for a hive that an independent reader cannot read (they raise whatever they run into)."""
    return HiveError(
        f"{origin}: the independent reader {reader} cannot read this hive",
        details=plain_words(error),
        resolution="The hive is damaged or unusual: take the image from its source again.",
    )
