"""Damaged WIM files, hives and certificates, each with one defect and a sentence that says what it is.

They are made from the good ones by small edits, when a test asks for them; nothing of this is committed.
Names begin with ``wim/``, ``hive/`` or ``certificate/``. Some are legal or do not matter to most readers, and
merely a trap for careless ones.
"""

from __future__ import annotations

from scripts.testdata.hostile_certificates import CERTIFICATES
from scripts.testdata.hostile_hives import HIVES
from scripts.testdata.hostile_images import IMAGES

_ALL = {
    **{f"wim/{name}": defect for name, defect in IMAGES.items()},
    **{f"hive/{name}": defect for name, defect in HIVES.items()},
    **{f"certificate/{name}": defect for name, defect in CERTIFICATES.items()},
}
HOSTILE = tuple(_ALL)


def hostile(name: str) -> tuple[bytes, str]:
    """Build one damaged file of `HOSTILE`, and say in a sentence what is wrong with it."""
    make, sentence = _ALL[name]
    return make(), sentence
