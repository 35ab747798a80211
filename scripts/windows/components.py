"""The list of components of the zip, in CycloneDX 1.6 (ECMA-424), with versions and licences."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from scripts.windows.wheels import Distribution, Files

_SHORT: Final = 80
_SPACE: Final = uuid.UUID("5b0f6a2e-6f5c-4c0e-9d1b-6d1f3f6f2c55")
"""For names of lists of components: any fixed value."""

# Libraries that are inside of other files: name, file, how its version stands there, who makes it (for CPE).
_INSIDE: Final = (
    ("openssl", "libcrypto-3.dll", rb"OpenSSL (\d+\.\d+\.\d+[a-z]*) ", "openssl:openssl"),
    ("sqlite", "sqlite3.dll", rb"\0(3\.\d+\.\d+)\0", "sqlite:sqlite"),
    ("expat", "pyexpat.pyd", rb"expat_(\d+\.\d+\.\d+)\0", "libexpat_project:libexpat"),
)
_OPENSSL_IN_CRYPTOGRAPHY: Final = "cryptography/hazmat/bindings/_rust.pyd"


def component_list(
    program: Distribution,
    distributions: Iterable[Distribution],
    *,
    python: Files,
    launcher: Distribution,
    pins: Mapping[str, str],
    date: int,
) -> dict[str, Any]:
    """Give the document. `pins` has the SHA-256 of what was fetched for a library, by the library's name."""
    others = (each for each in distributions if each.name != program.name)
    libraries = sorted(others, key=lambda each: each.name)
    components = [_python(python), *(_library(each, pins) for each in (*libraries, launcher))]
    for component in components:
        if component["name"] == "cryptography":
            data = next(each for each in libraries if each.name == "cryptography").files
            component["components"] = list(
                _inside(data, [("openssl", _OPENSSL_IN_CRYPTOGRAPHY, *_INSIDE[0][2:])])
            )
    own = {**_library(program, {}), "type": "application"}
    # It is in no package index, so that a name of one would be that of something else.
    own["purl"] = f"pkg:generic/{program.name}@{program.version}"
    depends = [_depends(each, {other.name for other in libraries}) for each in (program, *libraries)]
    depends[0]["dependsOn"] = sorted([*depends[0]["dependsOn"], "python", launcher.name])
    content = {
        "metadata": {
            "timestamp": datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": components,
        "dependencies": depends,
    }
    name = uuid.uuid5(_SPACE, json.dumps(content, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{name}",
        "version": 1,
        **content,
    }


def _library(distribution: Distribution, pins: Mapping[str, str]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": distribution.name,
        "name": distribution.name,
        "version": distribution.version,
        "licenses": [_licence(distribution)],
        "purl": f"pkg:pypi/{distribution.name}@{distribution.version}",
    }
    if distribution.name in pins:
        component["hashes"] = [{"alg": "SHA-256", "content": pins[distribution.name]}]
    return component


def _licence(distribution: Distribution) -> dict[str, Any]:
    """The licence as the metadata names it: an SPDX expression, or the words that there are."""
    expression = distribution.metadata["License-Expression"]
    if expression:
        return {"expression": expression}
    words = (distribution.metadata["License"] or "").strip()
    if not words or "\n" in words or len(words) > _SHORT:
        classifiers = distribution.metadata.get_all("Classifier", [])
        names = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
        words = ", ".join(names) or "see the licence files"
    return {"license": {"name": words}}


def _depends(distribution: Distribution, there: set[str]) -> dict[str, Any]:
    return {"ref": distribution.name, "dependsOn": sorted(set(distribution.requires()) & there)}


def _python(files: Files) -> dict[str, Any]:
    version = python_version(files)
    return {
        "type": "platform",
        "bom-ref": "python",
        "name": "python",
        "version": version,
        "description": "CPython for Windows on x86-64, the embeddable package",
        "licenses": [{"license": {"id": "PSF-2.0"}}],
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        "purl": f"pkg:generic/python@{version}",
        "components": list(_inside(files, _INSIDE)),
    }


def python_version(files: Files) -> str:
    """Give the version that the resources of Python's library name ("FileVersion" in UTF-16)."""
    (library,) = (name for name in files if re.fullmatch(r"python3\d+\.dll", name))
    label = "FileVersion".encode("utf-16-le")
    found = re.search(re.escape(label) + rb"\0{2,4}((?:[\d.]\0)+)", files[library])
    if found is None:
        raise LookupError(f"{library} has no version")
    return found[1].decode("utf-16-le")


def _inside(files: Files, wanted: Iterable[tuple[str, str, bytes, str]]) -> Iterator[dict[str, Any]]:
    for name, file, pattern, maker in wanted:
        found = re.search(pattern, files[file])
        if found is None:
            raise LookupError(f"{file} does not say which {name} is in it")
        version = found[1].decode()
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "description": f"in {file}",
            "cpe": f"cpe:2.3:a:{maker}:{version}:*:*:*:*:*:*:*",
            "purl": f"pkg:generic/{name}@{version}",
        }
