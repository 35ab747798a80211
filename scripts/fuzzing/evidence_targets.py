"""What is fuzzed of evidence: files as ``undo``, ``verify --evidence`` and ``evidence show`` read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress

from scripts.testdata.evidence import sample, sparse_sample
from scripts.testdata.evidence_version_1 import as_version_1
from winpe_certs.command_lines import Shell
from winpe_certs.evidence.canonical import from_json, to_json
from winpe_certs.report.evidence import page


def evidence(data: bytes) -> None:
    """A file: what is accepted is what would be written, and can be shown."""
    found = from_json(data, "fuzzed")
    # Version 1 is read and no more written.
    assert found.version == 1 or to_json(found).encode() == data
    for shell in Shell:
        page(found, "evidence.json", shell, markdown=False)
        page(found, "evidence.json", shell, markdown=True)


def seal_evidence(data: bytes) -> bytes:
    """The document with digests that fit and laid out as it should be, if it still is one in JSON."""
    with suppress(ValueError, RecursionError, TypeError, KeyError):
        document = json.loads(data)
        plan = {name: document["plan"][name] for name in ("images", "commands")}
        document["plan"]["sha256"] = _digest(plan)
        document.pop("sha256", None)
        document["sha256"] = _digest(document)
        return (json.dumps(document, indent=2) + "\n").encode("ascii")
    return data


def documents() -> Iterator[bytes]:
    """Evidence of each kind of target, small."""
    for found in (sample(), sparse_sample()):
        yield to_json(found).encode()
        yield as_version_1(json.loads(to_json(found)))


def _digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
