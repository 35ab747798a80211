"""What a command found or did: plain values that every report format is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from winpe_certs.edits import Edit
from winpe_certs.errors import WinpeCertsError
from winpe_certs.findings import Finding, Reason


class Status(StrEnum):
    """What became of a certificate in an image, or how it was found there."""

    ADDED = "added"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    REMOVED = "removed"
    PRESENT = "present"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class CertificateResult:
    """One certificate in one store of one image. What is not known of it is None or empty."""

    thumbprint: str
    store: str
    status: Status
    sha256: str | None = None
    subject: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether it is where it should be, intact, and nothing stored with it takes its trust away."""
        return self.status not in {Status.MISSING, Status.DIFFERENT}


class Verdict(StrEnum):
    """Whether an image would trust a server under one of its names.

    `UNDOCUMENTED`: the chain ends at a public root that is not in the image. Full Windows would fetch it;
    what Windows PE does is not documented.
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
    not_before: datetime
    not_after: datetime


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
    not_before: datetime
    not_after: datetime
    key: str
    provider: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One image of one target. `index` is None for folders and hives; `output` is set when `-o` was given.

    `servers` are the answers about servers, if any were asked for.
    """

    path: str
    index: int | None
    name: str
    changed: bool
    certificates: tuple[CertificateResult, ...]
    readers: tuple[str, ...] = ()
    output: str | None = None
    servers: tuple[ServerResult, ...] = ()


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
    """One thing that was looked at, and what to do if it is not well."""

    name: str
    state: Health
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is still mounted, loaded or in a work folder, and how to free it.

    `run` is empty when it is not ours; `problem` says why it could not be freed.
    """

    run: str
    what: str
    command: str
    is_freed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer of one call.

    `holds` is False when a verification said no. `files` are those that `export` wrote (or would write).
    `engine` is that of the last target, `plan` what a changing command was about to do.
    `judged_at` is the moment that answers about servers are for.
    `error` ended the work; what stands in `images` was done before it.
    """

    command: str
    images: tuple[ImageResult, ...] = ()
    certificates: tuple[CertificateResult, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    dry_run: bool = False
    holds: bool = True
    health: tuple[HealthLine, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    engine: EngineUse | None = None
    plan: Plan | None = None
    media: MediaResult | None = None
    judged_at: datetime | None = None
    error: WinpeCertsError | None = None

    @property
    def changed(self) -> bool:
        """Whether anything was changed (or would be, in a dry run)."""
        return any(image.changed for image in self.images) or bool(self.files)
