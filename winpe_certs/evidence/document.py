r"""What an evidence file says: plain values, in the order of the document (docs/evidence.md).

SHA-1 and SHA-256 are lower-case hexadecimal here; sizes are bytes; times are UTC. A *manifest* is the text
that ``winpe-certs manifest`` prints for an image, one line per directory entry. A lone surrogate, which names
in images and paths may have and UTF-8 may not, is written as its escape (``\ud800``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias

from winpe_certs.evidence.forms import Between, Hexadecimal, InUtc, Many

FORMAT: Final = "winpe-certs evidence"
VERSION: Final = 1

Sha1: TypeAlias = Annotated[str, Hexadecimal(20)]
Sha256: TypeAlias = Annotated[str, Hexadecimal(32)]
Size: TypeAlias = Annotated[int, Between(0, (1 << 63) - 1)]
ImageIndex: TypeAlias = Annotated[int, Between(1, (1 << 31) - 1)]
ValueType: TypeAlias = Annotated[int, Between(0, (1 << 32) - 1)]
Time: TypeAlias = Annotated[datetime, InUtc()]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's whole contents."""

    size: Size
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class ManifestDigest:
    """An image's manifest: how many directory entries it has, and the SHA-256 of its text (UTF-8)."""

    entries: Size
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class EntryChange:
    """A directory entry whose manifest line differs; one that is new or gone has only one of the lines."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ValueState:
    """A registry value: the number of its type, the size of its data and the data's SHA-256."""

    type: ValueType
    size: Size
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A registry value that differs; one that is new or gone has only one of the states."""

    key: str
    name: str
    before: ValueState | None
    after: ValueState | None


@dataclass(frozen=True, slots=True)
class HiveChange:
    """The hive of an image before and after; paths of keys start below the root of the hive."""

    path: str
    before: FileState
    after: FileState
    keys_added: Many[str]
    keys_removed: Many[str]
    values: Many[ValueChange]


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """One image. Folders and bare hives have no index and no manifest; only chosen images have a `hive`."""

    index: ImageIndex | None
    name: str
    architecture: str
    build: str
    manifest_before: ManifestDigest | None
    manifest_after: ManifestDigest | None
    changed_entries: Many[EntryChange]
    hive: HiveChange | None


@dataclass(frozen=True, slots=True)
class WayBack:
    """What `undo` needs: the old header and the size to cut the file to.

    `sha256` is that of the file that comes out. It is the original bit for bit unless that had leftover bytes
    of an interrupted run behind its end, which are not kept (`is_original` is false then).
    """

    header: Annotated[str, Hexadecimal(208)]
    size: Size
    sha256: Sha256
    is_original: bool


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """One target. `file` is the file that the states are of: the WIM, the hive, or the hive in a folder.

    `output` is the file that was written instead of it with `-o`, `no_way_back` why there is no `way_back`.
    """

    file: str
    kind: Literal["wim", "folder", "hive"]
    output: str | None
    engine: str
    engine_reason: str
    engine_program: str | None
    engine_version: str | None
    before: FileState
    after: FileState
    images: Many[ImageEvidence]
    way_back: WayBack | None
    no_way_back: str


@dataclass(frozen=True, slots=True)
class CertificateEvidence:
    """A certificate that the run was about, and what became of it in an image of a target."""

    file: str
    index: ImageIndex | None
    store: str
    status: str
    sha1: Sha1
    sha256: Sha256 | None
    subject: str | None
    not_before: Time | None
    not_after: Time | None


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """One edit of a hive: what is done to which key or value, and the data that a value gets."""

    action: Literal["create-key", "set-value", "delete-value", "delete-key"]
    key: str
    name: str | None = None
    type: ValueType | None = None
    data: Annotated[str, Hexadecimal()] | None = None


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """The edits for the hive of one image."""

    file: str
    index: ImageIndex | None
    edits: Many[PlannedEdit]


@dataclass(frozen=True, slots=True)
class PlanEvidence:
    """What was planned. `commands` are those of programs (DISM, reg.exe); `sha256` is that of the plan.

    It is computed over the canonical JSON of ``images`` and ``commands`` (`canonical.plan_digest`).
    """

    images: Many[PlannedImage]
    commands: Many[Many[str]]
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class ToolEvidence:
    """What did it: this program's version, Python's, and those of the libraries by name."""

    version: str
    python: str
    libraries: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """The run. `user` and `host` are None when they were left out (``--redact``).

    `error` is the message that ended the run; what stands in the document was done before.
    """

    command: str
    started: Time
    finished: Time
    user: str | None
    host: str | None
    change_id: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The whole document; its digest is added when it is written (`canonical`)."""

    tool: ToolEvidence
    run: RunEvidence
    certificates: Many[CertificateEvidence]
    plan: PlanEvidence
    targets: Many[TargetEvidence]
