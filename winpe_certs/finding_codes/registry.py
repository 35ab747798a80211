"""All codes, and the options and names that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from winpe_certs.finding_codes.certificates import CERTIFICATES
from winpe_certs.finding_codes.entry import Entry
from winpe_certs.finding_codes.images import IMAGES
from winpe_certs.finding_codes.kinds import KINDS
from winpe_certs.finding_codes.media import MEDIA
from winpe_certs.finding_codes.servers import SERVERS

GROUPS: Final[Mapping[str, tuple[Entry, ...]]] = {
    "Certificates": CERTIFICATES,
    "Images and their stores": IMAGES,
    "Chains of servers": SERVERS,
    "Media certificates": MEDIA,
    "Kinds of errors": KINDS,
}
"""The entries by what they are about."""

ENTRIES: Final[Mapping[str, Entry]] = {entry.code: entry for group in GROUPS.values() for entry in group}

ALLOWABLE: Final = frozenset(code for code, entry in ENTRIES.items() if entry.allow)
"""The codes that ``--allow`` takes."""

SKIPPABLE: Final = frozenset(code for code, entry in ENTRIES.items() if entry.skip)
"""The codes that ``--skip`` takes."""
