"""What `compact` saved: for people, and its part of the JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from winpe_certs.results import Compaction
from winpe_certs.shown import printable


def compaction_parts(done: Compaction, *, dry_run: bool) -> Iterator[RenderableType]:
    """How much smaller the file is now, or would be."""
    line = Text(printable(done.path), style="bold")
    if done.output is not None:
        line.append(f" -> {printable(done.output)}")
    if done.is_current:
        line.append(": unchanged, it is this compact copy already", style="default")
    elif done.saved == 0:
        line.append(": copied, nothing to save" if done.output else ": nothing to save", style="default")
    else:
        line.append(f": {'would save' if dry_run else 'saved'} {done.saved} bytes", style="default")
    yield line
    sizes = str(done.size_before) if done.saved == 0 else f"{done.size_before} -> {done.size_after}"
    dropped = f", {done.dropped} left out" if done.dropped else ""
    yield Padding(
        Text(f"{sizes} bytes; {done.resources} resources kept as they are stored{dropped}"), (0, 0, 0, 2)
    )
    if done.changed and not dry_run:
        yield Padding(Text("read back and compared with the original", style="dim"), (0, 0, 0, 2))


def compaction_document(done: Compaction) -> dict[str, Any]:
    """The keys of `compaction`."""
    return {
        "path": done.path,
        "output": done.output,
        "size_before": done.size_before,
        "size_after": done.size_after,
        "saved": done.saved,
        "resources": done.resources,
        "dropped": done.dropped,
        "status": "unchanged" if not done.changed else "written",
    }
