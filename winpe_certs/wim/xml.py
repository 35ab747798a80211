"""The XML at the end of a WIM: read for names, changed digit by digit, never written anew.

Elements follow Microsoft's WIM white paper, "XML data". `WIM/TOTALBYTES` is the offset of the XML itself
(as wimlib writes it); the sums of an image are changed by differences, because WIMGAPI counts in its own way.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from winpe_certs.errors import WimError
from winpe_certs.shown import plain_words, shown_text

MAXIMUM_SIZE: Final = 16 << 20
_MAXIMUM_DEPTH: Final = 64
_MOST_ELEMENTS: Final = 200_000
"""The XML of Windows has some sixty elements for each image."""
_LONGEST_PATH: Final = 256
"""Letters of the path of an element that somebody could ask for; longer ones are passed over."""
_NUMBER: Final = re.compile(rb"\s*(0[xX][0-9A-Fa-f]{1,16}|[0-9]{1,20})\s*")
_DECIMAL: Final = re.compile(rb"\s*([0-9]{1,20})\s*")
_VERSION: Final = ("WINDOWS/VERSION/MAJOR", "WINDOWS/VERSION/MINOR", "WINDOWS/VERSION/BUILD")
_ARCHITECTURES: Final = {"0": "x86", "5": "arm", "6": "ia64", "9": "x64", "12": "arm64"}


@dataclass(slots=True)
class _Element:
    """Text of an element, in the pieces that it came in, and its place in the UTF-8 form (bytes)."""

    start: int
    end: int
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ImageXml:
    """What the XML says of one image; `elements` has its texts by path below IMAGE."""

    index: int
    elements: dict[str, _Element] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """Text of an element such as ``WINDOWS/ARCH``, empty when it is missing."""
        element = self.elements.get(path)
        return "".join(element.pieces).strip() if element else ""

    @property
    def name(self) -> str:
        """The image's name."""
        return self.text("NAME")

    @property
    def architecture(self) -> str:
        """Processor architecture as people write it, empty when unknown."""
        return _ARCHITECTURES.get(self.text("WINDOWS/ARCH"), "")

    @property
    def version(self) -> str:
        """Windows version such as ``10.0.26100``, empty when unknown."""
        return ".".join(self.text(path) for path in _VERSION) if self.text(_VERSION[0]) else ""


class WimXml:
    """The XML of a WIM, kept as it is but for the numbers that a patch must change."""

    def __init__(self, raw: bytes, origin: str) -> None:
        """Raises `WimError` when `raw` is no UTF-16LE XML of a WIM."""
        self._origin = origin
        if len(raw) > MAXIMUM_SIZE:
            raise self._damaged(f"it has {len(raw)} bytes")
        self._bom = raw[:2] if raw.startswith(codecs.BOM_UTF16_LE) else b""
        try:
            self._utf8 = raw[len(self._bom) :].decode("utf-16-le").encode()
        except UnicodeDecodeError as error:
            raise self._damaged(f"no UTF-16 at offset {error.start}") from error
        self.images: dict[int, ImageXml] = {}
        self.total: _Element | None = None
        self._path: list[str] = []
        # The path below IMAGE of each open element, None for those that are passed over.
        self._below: list[str | None] = []
        self._elements = 0
        self._image: ImageXml | None = None
        self._open: list[_Element] = []
        self._changes: dict[int, tuple[int, bytes]] = {}
        self._parse()

    def _damaged(self, why: str) -> WimError:
        return WimError(
            f"{self._origin}: the image's XML is damaged: {why}",
            resolution="Copy the image again from its source.",
        )

    def _parse(self) -> None:
        parser = expat.ParserCreate("UTF-8")
        self._parser = parser
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(self._utf8.rstrip(b"\0"), True)
        except expat.ExpatError as error:
            raise self._damaged(plain_words(error) or "it is no XML") from error

    def _doctype(self, *_: object) -> None:
        raise self._damaged("it declares a document type, which no WIM does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        if len(self._path) > _MAXIMUM_DEPTH:
            raise self._damaged(f"its elements are nested more than {_MAXIMUM_DEPTH} deep")
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise self._damaged(f"it has more than {_MOST_ELEMENTS:,} elements")
        self._below.append(self._path_below())
        at = self._utf8.find(b">", self._parser.CurrentByteIndex) + 1
        self._open.append(_Element(at, at))
        if len(self._path) == 2 and tag == "IMAGE":
            index = attributes.get("INDEX", "")
            if not index.isascii() or not index.isdigit() or len(index) > 9:
                raise self._damaged(f"an IMAGE has the index {shown_text(index)}")
            self._image = ImageXml(int(index))

    def _path_below(self) -> str | None:
        """The path below IMAGE of the element that has just begun; empty for IMAGE and what is above it."""
        if len(self._path) <= 2:
            return ""
        above, tag = self._below[-1], self._path[-1]
        if above is None or len(above) + len(tag) >= _LONGEST_PATH:
            return None
        return f"{above}/{tag}" if above else tag

    def _end(self, tag: str) -> None:
        element = self._open.pop()
        element.end = self._parser.CurrentByteIndex
        below = self._below.pop()
        if self._image is not None and below:
            self._image.elements.setdefault(below, element)
        elif self._path == ["WIM", "TOTALBYTES"]:
            self.total = element
        if len(self._path) == 2 and tag == "IMAGE" and self._image is not None:
            self.images.setdefault(self._image.index, self._image)
            self._image = None
        self._path.pop()

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].pieces.append(text)

    def set_total_bytes(self, total: int) -> None:
        """Let ``WIM/TOTALBYTES`` be this number, if the element is there."""
        self._set_number(self.total, str(total))

    def add_to_image(self, index: int, path: str, difference: int) -> None:
        """Change a sum of an image (``TOTALBYTES``, ``HARDLINKBYTES``), if the element is there."""
        element = self._element(index, path)
        number = _DECIMAL.fullmatch(self._utf8, element.start, element.end) if element else None
        if number is not None:
            self._set_number(element, str(max(0, int(number[1]) + difference)))

    def set_image_time(self, index: int, element: str, filetime: int) -> None:
        """Let a time of an image (``LASTMODIFICATIONTIME``) be this FILETIME, if the element is there."""
        self._set_number(self._element(index, f"{element}/HIGHPART"), f"0x{filetime >> 32:08X}")
        self._set_number(self._element(index, f"{element}/LOWPART"), f"0x{filetime & 0xFFFF_FFFF:08X}")

    def _element(self, index: int, path: str) -> _Element | None:
        image = self.images.get(index)
        return image.elements.get(path) if image else None

    def _set_number(self, element: _Element | None, number: str) -> None:
        if element is None:
            return
        digits = _NUMBER.fullmatch(self._utf8, element.start, element.end)
        if digits is not None:
            self._changes[digits.start(1)] = (digits.end(1), number.encode())

    def to_bytes(self) -> bytes:
        """The XML with the changed numbers, as it is stored."""
        pieces = []
        at = 0
        for start, (end, number) in sorted(self._changes.items()):
            pieces += [self._utf8[at:start], number]
            at = end
        pieces.append(self._utf8[at:])
        return self._bom + b"".join(pieces).decode().encode("utf-16-le")
