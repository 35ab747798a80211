"""Writes the committed files of ``testdata``, or says which of them differ from what would be written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from scripts.testdata import hives, images, pki
from scripts.testdata.evidence import sample
from scripts.testdata.evidence_version_1 import as_version_1
from winpe_certs.evidence.canonical import to_json

FOLDER = Path(__file__).resolve().parents[2] / "testdata"
PFX = "certs/corp-root.pfx"


def files() -> dict[str, Callable[[], bytes]]:
    """List the files that every build makes alike, each with its maker."""
    made = pki.files()
    for name in hives.COMMITTED:
        made[f"hives/{name}"] = partial(hives.hive_variant, name)
    made["boot.wim"] = partial(images.variant, "boot")
    made["evidence/version-1.json"] = _evidence_version_1
    return made


def _evidence_version_1() -> bytes:
    return as_version_1(json.loads(to_json(sample())))


def differing(folder: Path = FOLDER) -> list[str]:
    """Name the files that are missing or differ; of the salted .pfx only the presence counts."""
    found = []
    for name, make in files().items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != make():
            found.append(name)
    if not (folder / PFX).is_file():
        found.append(PFX)
    return found


def write(folder: Path = FOLDER) -> list[str]:
    """Write what is missing or differs, and name it."""
    changed = differing(folder)
    makers = {**files(), PFX: pki.pfx}
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(makers[name]())
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: 0 when all files are (or now are) as they should be, 1 when --check finds others."""
    parser = argparse.ArgumentParser(prog="make-testdata", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    checking = parser.parse_args(arguments).check
    names = differing() if checking else pki.generate_missing_keys() + write()
    for name in names:
        print(("differs: " if checking else "wrote: ") + name)
    return 1 if checking and names else 0
