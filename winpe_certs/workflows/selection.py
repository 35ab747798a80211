"""Which images of a target a command works on, and which file of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from winpe_certs.command_lines import file_word
from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.errors import UsageError

SOFTWARE_HIVE: Final = r"Windows\System32\config\SOFTWARE"
ALL: Final = "all"

_NUMBERS: Final = re.compile(r"[0-9]+( *, *[0-9]+)*", re.ASCII)
_NUMBER_END: Final = 1 << 31
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that ``--index`` names: by number from 1, by name, or all of them."""

    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    everything: bool = False

    @property
    def single(self) -> int | None:
        """The number of the image when one number is all that was given."""
        return self.numbers[0] if len(self.numbers) == 1 and not self.names else None


def parse_choice(texts: Sequence[str]) -> Choice | None:
    """Read every ``--index`` of a call as typed: ``2``, ``1,3``, ``all``, or the name of an image.

    None when there is none. Numbers and names keep their order, each once. Raises `UsageError`.
    """
    if not texts:
        return None
    numbers: dict[int, None] = {}
    names: dict[str, None] = {}
    everything = False
    for text in (each.strip() for each in texts):
        if _NUMBERS.fullmatch(text):
            numbers |= dict.fromkeys(_number(piece.strip(), text) for piece in text.split(","))
        elif text.lower() == ALL:
            everything = True
        elif text:
            names[text] = None
        else:
            raise UsageError(
                "--index: the value is empty",
                resolution="Give a number, the name of an image, or all; leave it out to see the images.",
            )
    if everything and (numbers or names):
        others = ", ".join(map(str, (*numbers, *names)))
        raise UsageError(
            f"--index: all is given, and also {_shown(others)}",
            resolution="Give --index all by itself, or only the images that you mean.",
        )
    return Choice(tuple(numbers), tuple(names), everything)


def select(origin: str, images: Images, choice: Choice | None, *, writing: bool) -> list[ImageInfo]:
    """The chosen images, numbers before names, each once, in the order of the choice.

    Without a choice the only one, or all of them when nothing is written. Raises `UsageError`, listing the
    images, when a choice is missing or does not fit.
    """
    available = list(images.images)
    if choice is None:
        if len(available) == 1 or not writing:
            return available
        raise UsageError(
            f"{origin}: the file has {len(available)} images, so one must be chosen",
            details=_listing(available),
            resolution="Add --index with a number from the list, or with all. Microsoft's procedure for boot "
            "media uses index 1; Windows Setup media boots the one marked as bootable.",
        )
    if choice.everything:
        return available
    if available[0].index is None:
        _refuse_choosing(origin, choice)
        return available
    chosen = [_numbered(origin, available, number) for number in choice.numbers]
    for name in choice.names:
        chosen += _named(origin, available, name)
    return list({image.index: image for image in chosen}.values())


def words_for(origin: str, image: ImageInfo, images: Images) -> tuple[str, ...]:
    """The words that name an image in a command line: its file, and its index where that is needed."""
    if image.index is None or len(images.images) == 1:
        return (file_word(origin),)
    return (file_word(origin), "--index", str(image.index))


def _number(digits: str, text: str) -> int:
    # The length first: Python refuses to convert thousands of digits.
    if len(digits) < 11 and 0 < int(digits) < _NUMBER_END:
        return int(digits)
    raise UsageError(
        f"--index {_shown(text)}: images are numbered from 1",
        resolution="Leave --index out to see which images the file has.",
    )


def _refuse_choosing(origin: str, choice: Choice) -> None:
    """Raise `UsageError` for a choice that a hive or a folder, which is image 1 of 1, does not have."""
    wrong = [f"image {number}" for number in choice.numbers if number != 1]
    wrong += [f"image named {_shown(name)}" for name in choice.names]
    if wrong:
        raise UsageError(
            f"{origin}: there is no {wrong[0]}: a registry hive or a folder has no images to choose from",
            resolution="Leave --index out.",
        )


def _numbered(origin: str, available: list[ImageInfo], number: int) -> ImageInfo:
    for image in available:
        if image.index == number:
            return image
    raise UsageError(
        f"{origin}: there is no image {number}",
        details=_listing(available),
        resolution="Choose one of the images above, or --index all.",
    )


def _named(origin: str, available: list[ImageInfo], text: str) -> list[ImageInfo]:
    """The image of a name; of a list with commas the image of each piece, if no name has these commas."""
    whole = _of_name(origin, available, text)
    if whole is not None:
        return [whole]
    pieces = [piece.strip() for piece in text.split(",")] if "," in text else []
    found = [
        _numbered(origin, available, _number(piece, text))
        if _NUMBERS.fullmatch(piece)
        else _of_name(origin, available, piece)
        for piece in pieces
    ]
    chosen = [image for image in found if image is not None]
    if chosen and len(chosen) == len(pieces):
        return chosen
    raise UsageError(
        f"{origin}: there is no image named {_shown(text)}",
        details=_listing(available),
        resolution="Choose one of the images above by number or whole name, several with commas, or "
        "--index all.",
    )


def _of_name(origin: str, available: list[ImageInfo], name: str) -> ImageInfo | None:
    """The image with exactly this name, case aside; raises `UsageError` when two have it."""
    found = [
        image for image in available if image.name and image.name.strip().lower() == name.strip().lower()
    ]
    if len(found) > 1:
        numbers = ", ".join(str(image.index) for image in found)
        raise UsageError(
            f"{origin}: {len(found)} images are named {_shown(name)}: {numbers}",
            details=_listing(available),
            resolution=f"Choose by number, for example --index {found[0].index}.",
        )
    return found[0] if found else None


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _listing(images: list[ImageInfo]) -> str:
    lines = []
    for image in images:
        facts = [fact for fact in (image.architecture, image.version) if fact]
        if image.is_bootable:
            facts.append("bootable")
        suffix = f" ({', '.join(facts)})" if facts else ""
        lines.append(f"{image.index}: {image.name or 'without a name'}{suffix}")
    return "\n".join(lines)
