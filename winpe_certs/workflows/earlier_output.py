"""Whether an output is already there: as an earlier run of the same command has written it.

What is written depends on the clock of the run. So the time that the earlier run has stamped its change with
is looked up in its output, the change is made again with it, and then the bytes can be compared.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from winpe_certs.engines.choose import Kind, Place
from winpe_certs.engines.direct import WimImages, open_for_reading
from winpe_certs.engines.folder import read_file
from winpe_certs.errors import MissingFileError, WinpeCertsError
from winpe_certs.regf import layout
from winpe_certs.workflows.selection import SOFTWARE_HIVE

# A key node follows the size of its cell, and cells begin at multiples of 8 (`regf.layout`).
_KEY_NODES: Final = re.compile(rb"(?s)nk..(.{8})")


def stamp_of(place: Place, output: Path) -> int | None:
    """The FILETIME that a change of `place` has in `output` and that `place` has not; None without one."""
    try:
        if place.kind is Kind.WIM:
            with open_for_reading(place.path) as before, open_for_reading(output) as after:
                stamps = set(_write_times(after).items()) - set(_write_times(before).items())
                times = {time for _, time in stamps}
        else:
            times = _key_times(output) - _key_times(place.path)
    except WinpeCertsError:
        # Whatever it is, it is not what this command would write.
        return None
    return times.pop() if len(times) == 1 else None


def _write_times(images: WimImages) -> dict[int, int]:
    found = {}
    for image in images.images:
        if image.index is None:
            continue
        try:
            found[image.index] = images.wim.directory(image.index).find_file(SOFTWARE_HIVE).write_time
        except MissingFileError:
            continue
    return found


def _key_times(hive: Path) -> set[int]:
    data = read_file(hive)
    return {
        layout.U64.unpack(match[1])[0]
        for match in _KEY_NODES.finditer(data)
        if match.start() % 8 == layout.CELL_SIZE_FIELD
    }
