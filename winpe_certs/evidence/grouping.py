"""Images that have the same to be said of them: said once, with the list of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from winpe_certs.evidence.document import ImagesOf

_Said = TypeVar("_Said", bound=Hashable)


def grouped(told: Iterable[tuple[str, int | None, _Said]]) -> list[tuple[tuple[ImagesOf, ...], _Said]]:
    """What is said, each once, with the images (file, index) that it is said of; the first come first."""
    places: dict[_Said, dict[str, list[int]]] = {}
    for file, index, said in told:
        indexes = places.setdefault(said, {}).setdefault(file, [])
        if index is not None:
            indexes.append(index)
    return [
        (tuple(ImagesOf(file, tuple(indexes)) for file, indexes in files.items()), said)
        for said, files in places.items()
    ]


def includes(images: Iterable[ImagesOf], file: str, index: int | None) -> bool:
    """Whether an image is among these."""
    return any(each.file == file and (index is None or index in each.indexes) for each in images)
