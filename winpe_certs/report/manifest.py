"""The text of ``manifest``: the lines themselves, so that other programs can compare and hash them."""

from __future__ import annotations

from collections.abc import Iterator

from winpe_certs.results import Report
from winpe_certs.shown import printable


def render(report: Report) -> str:
    """One image's manifest and nothing else; of several images each behind a line that names it."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for manifest in report.manifests:
        if len(report.manifests) > 1:
            inside = f", {printable(manifest.inside)}" if manifest.inside else ""
            name = f" ({printable(manifest.name)})" if manifest.name else ""
            yield (
                f"# {printable(manifest.path)}{inside}, image {manifest.index}{name}: "
                f"{len(manifest.entries)} entries, sha256 {manifest.sha256}"
            )
        yield from manifest.entries
