"""The JSON Schema of evidence files, made from the dataclasses that say what an evidence file is.

``python -m scripts.schema`` rewrites ``schema.json`` and ``schema-1.json``, that of version 1, in
``winpe_certs/evidence``; a test compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from winpe_certs.evidence import canonical
from winpe_certs.evidence.document import FORMAT, VERSION

SCHEMA: Final = Path(canonical.__file__).with_name("schema.json")
SCHEMAS: Final = {VERSION: SCHEMA, 1: SCHEMA.with_name("schema-1.json")}


def schema(version: int = VERSION) -> str:
    """The schema as it stands in the file."""
    adapter = canonical.adapter_1() if version == 1 else canonical.adapter()
    generated = adapter.json_schema(mode="serialization")
    head: dict[str, Any] = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:winpe-certs:evidence:{version}",
        "title": f"{FORMAT}, version {version}",
    }
    return json.dumps({**head, **_without(generated, "title")}, indent=2) + "\n"


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def main() -> int:
    """Rewrite the files."""
    for version, path in SCHEMAS.items():
        path.write_text(schema(version), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
