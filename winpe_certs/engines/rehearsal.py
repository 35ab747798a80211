"""A target as its replacements would leave it, in memory."""

from __future__ import annotations

from collections.abc import Mapping

from winpe_certs.engines.base import ImageInfo, Images, Replacement


class Rehearsed:
    """Images of which some files are read as they would be after the replacements."""

    def __init__(self, source: Images, replacements: Mapping[tuple[int | None, str], Replacement]) -> None:
        self._source = source
        self._replacements = replacements

    @property
    def images(self) -> tuple[ImageInfo, ...]:
        """The images of the source."""
        return self._source.images

    def read(self, index: int | None, path: str) -> bytes:
        """The new contents of a file, or those of the source."""
        replacement = self._replacements.get((index, path))
        return self._source.read(index, path) if replacement is None else replacement.new
