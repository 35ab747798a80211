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
VERSION: Final = 2

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
class HiveState:
    """The file of an image's hive, before and after; `Difference` has what differs in it."""

    path: str
    before: FileState
    after: FileState


@dataclass(frozen=True, slots=True)
class ImagesOf:
    """Images of one file, by their indexes; none for a folder or a bare hive, which are one image."""

    file: str
    indexes: Many[ImageIndex]


HiveDifference: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[ValueChange, ...]]
"""Keys added, keys removed and values that differ in one hive."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in the hives of images that changed alike; paths of keys start below the hive's root."""

    images: Many[ImagesOf]
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
    hive: HiveState | None


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
class Confirmation:
    """Who saw in the hives what was planned, after it was written: readers with versions; and when."""

    readers: Many[str]
    at: Time


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """One target. `file` is the file that the states are of: the WIM, the hive, or the hive in a folder.

    `output` is the file that was written instead of it with `-o`, `no_way_back` why there is no `way_back`.
    `confirmed` is None when that was not reached.
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
    confirmed: Confirmation | None
    way_back: WayBack | None
    no_way_back: str


@dataclass(frozen=True, slots=True)
class FindingEvidence:
    """A finding about a certificate. `allowed`: it would have refused it, and a person let it in."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class SourceEvidence:
    """The file that a certificate was read from, with the SHA-256 of its bytes.

    `entry` says where in it, when it holds more. Standard input is `-`.
    """

    file: str
    sha256: Sha256
    entry: str | None


@dataclass(frozen=True, slots=True)
class CertificateEvidence:
    """A certificate that the run was about, and what became of it.

    One that was given by its thumbprint has no source.
    """

    store: str
    status: str
    sha1: Sha1
    sha256: Sha256 | None
    subject: str | None
    not_before: Time | None
    not_after: Time | None
    source: SourceEvidence | None
    findings: Many[FindingEvidence]


@dataclass(frozen=True, slots=True)
class CertificatesOf:
    """What became of the certificates in images that got the same."""

    images: Many[ImagesOf]
    results: Many[CertificateEvidence]


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """One edit of a hive: what is done to which key or value, and the data that a value gets."""

    action: Literal["create-key", "set-value", "delete-value", "delete-key"]
    key: str
    name: str | None = None
    type: ValueType | None = None
    data: Annotated[str, Hexadecimal()] | None = None


@dataclass(frozen=True, slots=True)
class PlannedImages:
    """The edits for the hives of images that get the same."""

    images: Many[ImagesOf]
    edits: Many[PlannedEdit]


@dataclass(frozen=True, slots=True)
class PlanEvidence:
    """What was planned. `commands` are those of programs (DISM, reg.exe); `sha256` is that of the plan.

    It is computed over the canonical JSON of ``images`` and ``commands`` (`canonical.plan_digest`).
    """

    images: Many[PlannedImages]
    commands: Many[Many[str]]
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class ToolEvidence:
    """What did it: this program's version, Python's, and those of the libraries by name."""

    version: str
    python: str
    libraries: dict[str, str]


@dataclass(frozen=True, slots=True)
class GivenOption:
    """An option of the command line, and its value if it takes one."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """The run. `user` and `host` are None when they were left out (``--redact``).

    `overrides` are the options that let pass what is refused without them, `options` the others that decide
    what is done.
    `error` is the message that ended the run; the document lists what was done before.
    """

    command: str
    started: Time
    finished: Time
    user: str | None
    host: str | None
    change_id: str | None
    overrides: Many[GivenOption]
    options: Many[GivenOption]
    error: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The whole document; its digest is added when it is written (`canonical`).

    One of `version` 1 was read from a file that knows nothing of overrides, options, sources, findings and
    confirmations: they are empty then, which says nothing.
    """

    version: int
    tool: ToolEvidence
    run: RunEvidence
    certificates: Many[CertificatesOf]
    plan: PlanEvidence
    targets: Many[TargetEvidence]
    differences: Many[Difference]
