"""An evidence document as JSON and back: one way to write it, so that no byte of it can differ unnoticed.

What is written takes Python's own `json` alone, whose output has been the same for many versions. What is
read is judged by pydantic against the dataclasses of `document`, then written again and compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from winpe_certs.errors import EvidenceError, UsageError
from winpe_certs.evidence.document import (
    FORMAT,
    VERSION,
    CertificatesOf,
    Difference,
    Evidence,
    PlanEvidence,
    PlannedImages,
    RunEvidence,
    Sha256,
    TargetEvidence,
    ToolEvidence,
)
from winpe_certs.evidence.forms import Many

if TYPE_CHECKING:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    from winpe_certs.evidence.version1 import Document as Document1
    from winpe_certs.evidence.version1 import PlanEvidence as PlanEvidence1
    from winpe_certs.evidence.version1 import PlannedImage

LARGEST: Final = 128 << 20
MOST_VALUES: Final = 1_000_000
# What is written stays below half of what is read: a target that is refused adds its plan, and nothing else.
_LARGEST_WRITTEN: Final = LARGEST // 2
_MOST_WRITTEN: Final = MOST_VALUES // 2

_MOST_KEYS: Final = 2_000
"""pydantic notes each unknown key, in up to a kilobyte, so objects are bounded before it starts."""
_LOOKED_AT_ABOVE: Final = 20_000

# What an error, a way back, and the entries that an engine changes beside the hive take at most.
_ROOM_FOR_RUN: Final = 1 << 17
_COMMAS_FOR_RUN: Final = 1_000
_ROOM_FOR_IMAGE: Final = 1 << 12
_COMMAS_FOR_IMAGE: Final = 40

_HEAD: Final = re.compile(rb'\s*\{\s*"format":\s*"([^"\\]{0,80})",\s*"version":\s*([0-9]{1,9})\s*,')
_LONGEST_QUOTED: Final = 80
_Path: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True)
class Document:
    """Evidence as it stands in a file: between what says how to read it and what says that it is whole."""

    __pydantic_config__: ClassVar[ConfigDict] = {
        "extra": "forbid",
        "strict": True,
        # The schema is that of what is written, where every key is present.
        "json_schema_serialization_defaults_required": True,
    }

    format: Literal["winpe-certs evidence"]
    version: Literal[2]
    tool: ToolEvidence
    run: RunEvidence
    certificates: Many[CertificatesOf]
    plan: PlanEvidence
    targets: Many[TargetEvidence]
    differences: Many[Difference]
    sha256: Sha256


def to_json(evidence: Evidence) -> str:
    """The document: ASCII, keys in the order of the dataclasses, last the digest of everything before it."""
    return _sealed({"format": FORMAT, **_plain(evidence)})


def room_for(evidence: Evidence) -> int:
    """Bytes that are enough for evidence of which only the state after the change is still to come.

    Raises `UsageError` when it might be too large to be read again.
    """
    text = to_json(evidence)
    images = sum(len(target.images) for target in evidence.targets)
    size = len(text) * 5 // 4 + _ROOM_FOR_RUN + images * _ROOM_FOR_IMAGE
    commas = text.count(",") + _COMMAS_FOR_RUN + images * _COMMAS_FOR_IMAGE
    if size > _LARGEST_WRITTEN or commas > _MOST_WRITTEN:
        raise UsageError(
            "--evidence: the evidence of this change would be too large to be read again",
            details=f"About {size >> 20} MB and {commas:,} values; at most {_LARGEST_WRITTEN >> 20} MB and "
            f"{_MOST_WRITTEN:,} are written. Nothing of this image was changed.",
            resolution="Split the run: fewer certificates or images a call, each with its own evidence.",
        )
    return size


def from_json(data: bytes, origin: str) -> Evidence:
    """The evidence in a file, if it is exactly what `to_json` writes; raises `EvidenceError` otherwise."""
    version = _refuse_others(data, origin)
    document = _validated(data, origin, version)
    written = _sealed({name: each for name, each in _plain(document).items() if name != "sha256"}).encode()
    if written == data:
        _refuse_other_plan(document.plan, origin)
        return _evidence(document)
    if _digest_in(written) != document.sha256:
        raise EvidenceError(
            f"{origin}: the file was changed after it was written",
            details=f"Its contents have the SHA-256 {_digest_in(written)}, and it says {document.sha256}.",
            resolution="Take the file from where it was kept first: the change record, a backup.",
        )
    raise EvidenceError(
        f"{origin}: line {_first_difference(data, written)}: not written as winpe-certs writes it",
        details="What it says is whole, but blanks, line ends, escapes or the order of keys differ: "
        "an editor or a transfer in text mode has rewritten it.",
        resolution="Take the file from where it was kept first, and copy it as binary.",
    )


def plan_digest(images: Sequence[PlannedImages | PlannedImage], commands: Sequence[Sequence[str]]) -> str:
    """SHA-256 over the canonical JSON of what is planned (sorted keys, no blanks, ASCII)."""
    return _digest({"images": _plain(images), "commands": _plain(commands)})


@cache
def adapter() -> TypeAdapter[Document]:
    """What judges a document: pydantic's view of the dataclasses."""
    from pydantic import TypeAdapter

    return TypeAdapter(Document)


@cache
def adapter_1() -> TypeAdapter[Document1]:
    """What judges a document of version 1."""
    from pydantic import TypeAdapter

    from winpe_certs.evidence import version1

    return TypeAdapter(version1.Document)


def _evidence(document: Document | Document1) -> Evidence:
    if isinstance(document, Document):
        return Evidence(
            document.version,
            document.tool,
            document.run,
            document.certificates,
            document.plan,
            document.targets,
            document.differences,
        )
    from winpe_certs.evidence.version1 import current

    return current(document)


def _plain(value: Any) -> Any:
    """A value as `json` knows it, in the order of its fields."""
    if isinstance(value, str):
        # A lone surrogate has no place in UTF-8, and readers of JSON differ in what they make of its escape.
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {_plain(name): _plain(value[name]) for name in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def _sealed(document: dict[str, Any]) -> str:
    return json.dumps({**document, "sha256": _digest(document)}, indent=2) + "\n"


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _digest_in(written: bytes) -> str:
    """The digest of a document that `to_json` wrote: its last 64 digits."""
    return written[-len('"\n}\n') - 64 :][:64].decode("ascii")


# The byte order marks of UTF-16 and UTF-8.
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def _refuse_others(data: bytes, origin: str) -> int:
    """Refuse what is no evidence by its first bytes: whatever else was given is not parsed at all.

    Gives back the version.
    """
    if len(data) > LARGEST:
        raise EvidenceError(
            f"{origin}: too large for evidence",
            details=f"More than {LARGEST >> 20} MB; what this program writes is far smaller.",
            resolution="Give the file that --evidence has written.",
        )
    if data.startswith(_MARKS):
        raise EvidenceError(
            f"{origin}: no evidence of winpe-certs",
            details="It begins with the mark of UTF-16 or UTF-8, as a copy that the > of Windows PowerShell "
            "or an editor has written.",
            resolution="Give the file that --evidence has written, or copy that file itself.",
        )
    if data.count(b",") > MOST_VALUES:
        raise EvidenceError(
            f"{origin}: too many values for evidence",
            details=f"More than {MOST_VALUES:,}; what this program writes has far fewer.",
            resolution="Give the file that --evidence has written.",
        )
    if data.count(b",") > _LOOKED_AT_ABOVE:
        _refuse_wide(data, origin)
    head = _HEAD.match(data)
    found = head[1].decode("utf-8", "backslashreplace") if head else ""
    if head is None or found != FORMAT:
        raise EvidenceError(
            f"{origin}: no evidence of winpe-certs",
            details=f'Its format is "{found}".' if head else f'It does not begin as "{FORMAT}" in JSON.',
            resolution="Give the file that inject or remove has written with --evidence.",
        )
    if int(head[2]) > VERSION:
        raise EvidenceError(
            f"{origin}: evidence of version {int(head[2])}, and this program knows version {VERSION}",
            details="A newer winpe-certs has written it.",
            resolution="Use the version of winpe-certs that wrote it (`tool` in the file), or a newer one.",
        )
    return int(head[2])


def _refuse_wide(data: bytes, origin: str) -> None:
    """Refuse objects of more keys than any that is written; what else is wrong is found later."""

    def narrow(pairs: list[tuple[str, object]]) -> None:
        if len(pairs) > _MOST_KEYS:
            raise EvidenceError(
                f"{origin}: no evidence of winpe-certs",
                details=f"An object in it has {len(pairs)} keys; what this program writes has far fewer.",
                resolution="Give the file that --evidence has written.",
            )

    with contextlib.suppress(ValueError, RecursionError):
        json.loads(data, object_pairs_hook=narrow)


def _validated(data: bytes, origin: str, version: int) -> Document | Document1:
    from pydantic import ValidationError

    try:
        return (adapter_1() if version == 1 else adapter()).validate_json(data)
    except ValidationError as error:
        raise _refusal(error, origin, version) from None


def _refusal(error: ValidationError, origin: str, version: int) -> EvidenceError:
    count = error.error_count()
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return EvidenceError(
            f"{origin}: not JSON",
            details=_short(first["msg"], 300),
            resolution="The file is cut off or damaged: take it from where it was kept first.",
        )
    more = f" There are {count - 1} more such places." if count > 1 else ""
    return EvidenceError(
        f"{origin}: {_json_path(first['loc'])}: not as evidence of version {version} has it",
        details=f"{_short(first['msg'], 300)}.{more}",
        resolution="The file was changed or is damaged: take it from where it was kept first. The schema is "
        f"winpe_certs/evidence/{'schema-1.json' if version == 1 else 'schema.json'}.",
    )


def _refuse_other_plan(plan: PlanEvidence | PlanEvidence1, origin: str) -> None:
    computed = plan_digest(plan.images, plan.commands)
    if plan.sha256 != computed:
        raise EvidenceError(
            f"{origin}: $.plan.sha256: not the digest of the plan",
            details=f"The plan has the SHA-256 {computed}.",
            resolution="winpe-certs did not write this file: take it from where it was kept first.",
        )


def _json_path(location: _Path) -> str:
    """A place as JSONPath writes it: ``$.targets[0].file``."""
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{_short(step, _LONGEST_QUOTED)}" for step in location
    )


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _first_difference(data: bytes, written: bytes) -> int:
    """The number of the first line that differs."""
    pairs = zip(data.split(b"\n"), written.split(b"\n"), strict=False)
    for number, (one, other) in enumerate(pairs, start=1):
        if one != other:
            return number
    return min(data.count(b"\n"), written.count(b"\n")) + 1
