"""A file of an image whose chunks are decoded when somebody needs them."""

from __future__ import annotations

from winpe_certs.wim.resource import Resource


class Pages:
    """The plain bytes of a compressed resource, zeros where nothing was needed yet.

    What is there has not been held against the SHA-1 of the whole; `whole` does that.
    """

    def __init__(self, resource: Resource, digest: bytes) -> None:
        """`digest` is the SHA-1 that the whole must have."""
        self._resource = resource
        self._digest = digest
        self._is_missing = bytearray(b"\x01") * resource.chunk_count
        self.data = bytearray(resource.plain_size)

    def need(self, start: int, size: int) -> None:
        """Make sure that these bytes are there, as far as the file goes; raises `WimError` for bad chunks."""
        length = self._resource.chunk_size
        end = min(start + size, len(self.data))
        for number in range(max(start, 0) // length, -(-end // length)):
            if self._is_missing[number]:
                plain = self._resource.plain_chunk(number)
                self.data[number * length : number * length + len(plain)] = plain
                self._is_missing[number] = 0

    def whole(self) -> bytes:
        """All plain bytes, their SHA-1 checked."""
        return self._resource.read_all(self._digest)

    @property
    def chunks(self) -> tuple[int, int]:
        """How many chunks were needed so far, and how many there are."""
        total = len(self._is_missing)
        return total - sum(self._is_missing), total
