"""What a command found or did: plain values that every report format is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from winpe_certs.edits import Edit
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Reason


class Status(StrEnum):
    """What became of a certificate in an image, or how it was found there.

    `ABSENT`: it was to go, but is in none of the stores that were searched. `MISSING`: it should be there.
    """

    ADDED = "added"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    REMOVED = "removed"
    ABSENT = "absent"
    PRESENT = "present"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class CertificateResult:
    """One certificate in one store of one image. What is not known of it is None or empty.

    `serial` is the serial number in upper-case hexadecimal, `key` the key in words ("RSA, 2048 bits").
    `searched` are all stores that an absent one was looked for in; `store` is then the first of them.
    """

    thumbprint: str
    store: str
    status: Status
    sha256: str | None = None
    subject: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    findings: tuple[Finding, ...] = ()
    searched: tuple[str, ...] = ()
    issuer: str | None = None
    serial: str | None = None
    key: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether it is where it should be, intact, and nothing stored with it takes its trust away."""
        return self.status not in {Status.MISSING, Status.DIFFERENT}


class Verdict(StrEnum):
    """Whether an image would trust a server under one of its names.

    `UNDOCUMENTED`: no public source says what Windows or Windows PE does with something that the answer
    depends on, such as a public root that full Windows would fetch. The reasons name it.
    """

    TRUSTED = "trusted"
    NOT_TRUSTED = "not trusted"
    UNDOCUMENTED = "undocumented"


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of a chain; `origin` is ``sent`` (by the server) or the store that it was found in."""

    thumbprint: str
    sha256: str
    subject: str
    origin: str
    not_before: datetime | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class ServerResult:
    """The answer for one name of one server. `source` says where its certificates came from.

    `chain` runs from the server's certificate upwards, as far as it could be built; `valid_from` and
    `valid_until` are the moments between which all of it is valid, None when there is no such time.
    """

    server: str
    source: str
    verdict: Verdict
    chain: tuple[ChainLink, ...]
    valid_from: datetime | None
    valid_until: datetime | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class MediaResult:
    """What a media certificate (PKCS#12) is. `key` is its kind and size in words.

    `provider` is the name of the cryptographic provider that the file asks for, None when it names none.
    """

    path: str
    thumbprint: str
    sha256: str
    subject: str
    issuer: str
    not_before: datetime | None
    not_after: datetime | None
    key: str
    provider: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One image of one target. `index` is None for folders and hives; `output` is set when `-o` was given.

    `inside` is the path of its file in an .iso. One that has no SOFTWARE hive is not Windows, and nothing was
    looked for in it. `findings` are about the image itself. `readers` have confirmed what is said: of the
    whole hive, or of so many of its `chunks` (read, in all).
    `servers` are the answers about servers, if any were asked for.
    """

    path: str
    index: int | None
    name: str
    changed: bool
    certificates: tuple[CertificateResult, ...]
    readers: tuple[str, ...] = ()
    chunks: tuple[int, int] | None = None
    output: str | None = None
    servers: tuple[ServerResult, ...] = ()
    inside: str = ""
    is_windows: bool = True
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """The manifest of one image: a line for each directory entry, and the SHA-256 of all as a text.

    `inside` is the path of its file in an .iso.
    """

    path: str
    index: int
    name: str
    entries: tuple[str, ...]
    sha256: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that evidence says of an image, and what was found."""

    subject: str
    expected: str
    found: str

    @property
    def holds(self) -> bool:
        """Whether it is as it was said."""
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Attestation:
    """An image held against the evidence of a change; `recorded_as` is the file that the evidence names."""

    path: str
    recorded_as: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Restoration:
    """An image that is what it was before a change: its size in bytes, its SHA-256, and what was cut off.

    Nothing was cut off one that was the original already.
    """

    path: str
    size: int
    sha256: str
    cut: int

    @property
    def changed(self) -> bool:
        """Whether there was anything to undo."""
        return self.cut > 0


@dataclass(frozen=True, slots=True)
class Compaction:
    """A WIM without its dead space: sizes in bytes, lookup table entries that are kept and left out.

    `output` is None for a file that the compact one takes the place of, or that there is nothing to save in.
    With `is_current` the output was there already, and nothing is written.
    """

    path: str
    output: str | None
    size_before: int
    size_after: int
    resources: int
    dropped: int
    is_current: bool = False

    @property
    def saved(self) -> int:
        """Bytes that are saved, 0 for a file that would not get smaller."""
        return max(0, self.size_before - self.size_after)

    @property
    def changed(self) -> bool:
        """Whether anything was written (or would be, in a dry run)."""
        return not self.is_current and (self.output is not None or self.saved > 0)


class Side(StrEnum):
    """Where a certificate stands, of two images that are held against each other."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class PropertyDifference:
    """A property of a Blob that differs: its name, and what it says on each side, None where missing."""

    id: int | None
    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True)
class CertificateDifference:
    """A certificate that is not the same in a store of two images.

    `properties` say how its Blobs differ when both images have it.
    """

    side: Side
    store: str
    thumbprint: str
    subject: str | None = None
    properties: tuple[PropertyDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedImage:
    """One image of two that are compared; `index` is None for folders and hives.

    `inside` is the path of its file in an .iso.
    """

    path: str
    index: int | None
    name: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two images held against each other; `same` counts the certificates that do not differ at all.

    An image that the other side has no counterpart for stands alone, with None for the other.
    """

    first: ComparedImage | None
    second: ComparedImage | None
    same: int = 0
    differences: tuple[CertificateDifference, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the images have the same certificates."""
        return self.first is not None and self.second is not None and not self.differences


class AuditVerdict(StrEnum):
    """How an image stands in an audit. `LOOKED_AT`: nothing was required of it."""

    MET = "met"
    UNMET = "unmet"
    DIRTY = "dirty"
    UNREADABLE = "unreadable"
    NOT_WINDOWS = "not Windows"
    LOOKED_AT = "looked at"


@dataclass(frozen=True, slots=True)
class AuditedImage:
    """One image of an estate, or what stands for the images of something that cannot be read.

    `inside` is the path of its file in an .iso. `certificates` are the required ones, `others` those of the
    root and intermediate stores that there is something to say of. `findings` are about the image itself.
    """

    path: str
    verdict: AuditVerdict
    inside: str = ""
    index: int | None = None
    name: str = ""
    architecture: str = ""
    version: str = ""
    certificates: tuple[CertificateResult, ...] = ()
    others: tuple[CertificateResult, ...] = ()
    servers: tuple[ServerResult, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineUse:
    """The engine that worked on a target, why it was chosen, and the program that it drives, if it does."""

    name: str
    reason: str
    program: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What is to be changed in the hive of one image."""

    path: str
    index: int | None
    name: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a changing command is about to do: edits by image, and command lines of programs.

    A dry run reports it, a real run carries out this very value.
    """

    images: tuple[ImagePlan, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()


class Health(StrEnum):
    """How a line of `doctor` stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class HealthLine:
    """One thing that was looked at, and what to do if it is not well, with the command line that does it."""

    name: str
    state: Health
    message: str
    remedy: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is still mounted, loaded or in a work folder, and how to free it.

    `run` is empty when it is not ours; `problem` says why it could not be freed. `commands` free it, one
    after the other; `alternative` does so by itself.
    """

    run: str
    what: str
    commands: tuple[tuple[str, ...], ...]
    alternative: tuple[str, ...] = ()
    is_freed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is left to do, in words, and the command line that does it, as its words."""

    text: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A target that a command over several has failed on, going on with the next.

    With an `index` it is one image of the target; `inside` is the path of its file in an .iso.
    """

    path: str
    error: WinpeCertsError
    index: int | None = None
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer of one call.

    `holds` is False when a verification said no. `files` are those that `export` wrote (or would write).
    `engine` is that of the last target, `plan` what a changing command was about to do.
    `judged_at` is the moment that answers about servers are for.
    `error` ended the work; what stands in `images` was done before it. `failures` did not end it.
    """

    command: str
    images: tuple[ImageResult, ...] = ()
    certificates: tuple[CertificateResult, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    dry_run: bool = False
    holds: bool = True
    health: tuple[HealthLine, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    engine: EngineUse | None = None
    plan: Plan | None = None
    media: MediaResult | None = None
    manifests: tuple[ManifestResult, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    restored: Restoration | None = None
    audited: tuple[AuditedImage, ...] = ()
    compaction: Compaction | None = None
    comparisons: tuple[Comparison, ...] = ()
    judged_at: datetime | None = None
    error: WinpeCertsError | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was changed (or would be, in a dry run)."""
        if self.compaction is not None:
            return self.compaction.changed
        if self.restored is not None:
            return self.restored.changed
        return any(image.changed for image in self.images) or bool(self.files)
