"""The certificates that two images do not share: for people, and their part of the JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from winpe_certs.results import (
    CertificateDifference,
    ComparedImage,
    Comparison,
    PropertyDifference,
    Side,
)
from winpe_certs.shown import printable

_SIGNS: Final = {Side.FIRST: "-", Side.SECOND: "+", Side.BOTH: "*"}
_WORDS: Final = {
    Side.FIRST: "only in the first:",
    Side.SECOND: "only in the second:",
    Side.BOTH: "different:",
}
_STYLES: Final = {Side.FIRST: "red", Side.SECOND: "green", Side.BOTH: "yellow"}


def comparison_parts(comparison: Comparison) -> Iterator[RenderableType]:
    """Both images, then each certificate that differs, with the properties that do."""
    first, second = comparison.first, comparison.second
    line = Text()
    if first is None or second is None:
        alone, other = (first or second), ("second" if second is None else "first")
        line.append(_name(alone), style="bold")
        line.append(f": the {other} has no such image of Windows", style="red")
        yield line
        return
    line.append(f"{_name(first)} and {_name(second)}", style="bold")
    if comparison.holds:
        line.append(f": the same {comparison.same} certificates", style="green")
    else:
        line.append(f": {len(comparison.differences)} differ, {comparison.same} are the same")
    yield line
    for difference in comparison.differences:
        yield from _certificate(difference)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """One element of `comparisons`."""
    return {
        "first": _image(comparison.first),
        "second": _image(comparison.second),
        "equal": comparison.holds,
        "same": comparison.same,
        "differences": [
            {
                "side": difference.side,
                "store": difference.store,
                "thumbprint": difference.thumbprint,
                "subject": difference.subject,
                "properties": [
                    {"id": each.id, "name": each.name, "first": each.first, "second": each.second}
                    for each in difference.properties
                ],
            }
            for difference in comparison.differences
        ],
    }


def _certificate(difference: CertificateDifference) -> Iterator[RenderableType]:
    line = Text(f"  {_SIGNS[difference.side]} {_WORDS[difference.side]} ", style=_STYLES[difference.side])
    line.append(printable(f"{difference.store} {difference.thumbprint}"), style="default")
    yield line
    if difference.subject is not None:
        yield _below(printable(difference.subject), 4)
    for each in difference.properties:
        yield from _property(each)


def _property(each: PropertyDifference) -> Iterator[RenderableType]:
    number = "" if each.id is None else f"0x{each.id:02X} "
    yield _below(printable(f"{number}{each.name}"), 4)
    for side, value in (("first: ", each.first), ("second:", each.second)):
        yield _below(f"{side} {'(missing)' if value is None else printable(value)}", 6)


def _name(image: ComparedImage | None) -> str:
    if image is None:
        return "nothing"
    inside = f", {image.inside}" if image.inside else ""
    index = "" if image.index is None else f", image {image.index}"
    name = f" ({image.name})" if image.index is not None and image.name else ""
    return printable(f"{image.path}{inside}{index}{name}")


def _image(image: ComparedImage | None) -> dict[str, Any] | None:
    if image is None:
        return None
    return {
        "path": image.path,
        "inside": image.inside or None,
        "index": image.index,
        "name": image.name,
    }


def _below(text: str, indent: int) -> RenderableType:
    return Padding(Text(text), (0, 0, 0, indent))
