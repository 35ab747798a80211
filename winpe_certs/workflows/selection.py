"""Which images of a target a command works on, and which file of them."""

from __future__ import annotations

from typing import Final

from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.errors import UsageError

SOFTWARE_HIVE: Final = r"Windows\System32\config\SOFTWARE"
ALL: Final = "all"


def parse_index(text: str | None) -> int | str | None:
    """An ``--index`` as typed: a number from 1, ``all``, or nothing; raises `UsageError`."""
    if text is None:
        return None
    if text.lower() == ALL:
        return ALL
    if text.isascii() and text.isdigit() and len(text) < 11 and 0 < int(text) < 1 << 31:
        return int(text)
    raise UsageError(
        f"--index {text}: neither a number from 1 nor 'all'",
        resolution="Leave it out to see which images the file has.",
    )


def select(origin: str, images: Images, index: int | str | None, *, writing: bool) -> list[ImageInfo]:
    """The chosen images; without a choice the only one, or all of them when nothing is written.

    Raises `UsageError`, listing the images, when a choice is missing or does not fit.
    """
    available = list(images.images)
    if index == ALL or (index is None and (len(available) == 1 or not writing)):
        return available
    if index is None:
        raise UsageError(
            f"{origin}: the file has {len(available)} images, so one must be chosen",
            details=_listing(available),
            resolution="Add --index N or --index all. Microsoft's procedure for boot media uses index 1; "
            "Windows Setup media boots the one marked as bootable.",
        )
    chosen = [image for image in available if image.index == index]
    if not chosen and available[0].index is None and index == 1:
        chosen = available
    if not chosen and available[0].index is None:
        raise UsageError(
            f"{origin}: there is no image {index}: a registry hive or a folder has no images to choose from",
            resolution="Leave --index out.",
        )
    if not chosen:
        raise UsageError(
            f"{origin}: there is no image {index}",
            details=_listing(available),
            resolution="Choose one of the images above, or --index all.",
        )
    return chosen


def words_for(origin: str, image: ImageInfo, images: Images) -> tuple[str, ...]:
    """The words that name an image in a command line: its file, and its index where that is needed."""
    if image.index is None or len(images.images) == 1:
        return (origin,)
    return (origin, "--index", str(image.index))


def _listing(images: list[ImageInfo]) -> str:
    lines = []
    for image in images:
        facts = [fact for fact in (image.architecture, image.version) if fact]
        if image.is_bootable:
            facts.append("bootable")
        suffix = f" ({', '.join(facts)})" if facts else ""
        lines.append(f"{image.index}: {image.name or 'without a name'}{suffix}")
    return "\n".join(lines)
