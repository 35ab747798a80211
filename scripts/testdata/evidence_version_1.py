"""Evidence of version 1, which the first releases wrote, made out of a document of version 2.

Only Python's `json` and `hashlib` take part: the package can read this form, and writes it no more.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def as_version_1(document: dict[str, Any]) -> bytes:
    """The file that a release with version 1 would have written for the same run."""
    run = {name: each for name, each in document["run"].items() if name not in {"overrides", "options"}}
    plan: dict[str, Any] = {
        "images": [
            {"file": file, "index": index, "edits": group["edits"]}
            for group in document["plan"]["images"]
            for file, index in _images(group)
        ],
        "commands": document["plan"]["commands"],
    }
    body = {
        "format": document["format"],
        "version": 1,
        "tool": document["tool"],
        "run": run,
        "certificates": [
            {"file": file, "index": index}
            | {name: each for name, each in result.items() if name not in {"source", "findings"}}
            for group in document["certificates"]
            for file, index in _images(group)
            for result in group["results"]
        ],
        "plan": {**plan, "sha256": _digest(plan)},
        "targets": [_target(document, target) for target in document["targets"]],
    }
    return (json.dumps({**body, "sha256": _digest(body)}, indent=2) + "\n").encode("ascii")


def _images(group: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(place["file"], index) for place in group["images"] for index in place["indexes"] or [None]]


def _target(document: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    told = {name: each for name, each in target.items() if name != "confirmed"}
    told["images"] = [
        {**image, "hive": image["hive"] and _hive(document, target["file"], image)}
        for image in target["images"]
    ]
    return told


def _hive(document: dict[str, Any], file: str, image: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        (each for each in document["differences"] if (file, image["index"]) in _images(each)),
        {"keys_added": [], "keys_removed": [], "values": []},
    )
    return {**image["hive"], **{name: found[name] for name in ("keys_added", "keys_removed", "values")}}


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
