"""Put winpe-certs, its libraries and Python for Windows into one zip that needs no installation.

    python -m scripts.windows.bundle --python FOLDER --wheels FOLDER --builder FOLDER --output FOLDER

`scripts/build-windows` makes the three folders. The bytes of the zip follow from them and SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema
import referencing

from scripts.windows.archive import sums, zipped
from scripts.windows.components import component_list, python_version
from scripts.windows.launcher import launcher
from scripts.windows.wheels import Distribution, Files, read_wheel, site

PROGRAM: Final = "winpe-certs"
PINS: Final = Path(__file__).parent
_SCHEMAS: Final = "http://cyclonedx.org/schema"
_OF_PYTHON: Final = frozenset({".exe", ".dll", ".pyd", ".zip", ".cat", ".txt"})

README: Final = """\
winpe-certs {version} for Windows (x64), with a Python of its own

Puts root certificates into Windows PE boot images, and proves that they are there.

This folder has been run by Wine with the Windows Python that is in it, never yet on a real Windows or
inside of Windows PE.

Run it
  1. Unpack the whole folder to a place of your choice and leave its parts together.
     A zip from the Internet: first "Unblock" it in its properties, or with PowerShell's Unblock-File.
  2. In a prompt:   winpe-certs.exe --version
                    winpe-certs.exe doctor
                    winpe-certs.exe --help

  Only DISM needs an elevated prompt (--engine dism, the usual one on Windows). With --engine direct the
  right to write the image is enough.

What it does to this machine
  It needs no installation, no registry entry and no network (only check-server --connect uses it).
  It writes the files that you name, and temporary ones: beside those files and in %TEMP%. With DISM it also
  mounts below C:\\winpe_certs. Python keeps what it has compiled in folders __pycache__ here, if it may write
  here; where it may not, each start takes longer.
  To remove it, delete this folder.

What is here
  {program}.exe      starts python\\python.exe -m winpe_certs; that line works as well, without the launcher
  python\\              Python {python} for Windows, of the Python Software Foundation
  site\\                winpe-certs and the libraries that it uses
  LICENSES\\            the licences of all of these
  sbom.cdx.json        the list of components (CycloneDX 1.6)
  SHA256SUMS           the SHA-256 of each file
"""

_NO_LICENCE_TEXT: Final = """\
{name} {version} comes without the text of its licence. Its metadata says:

{lines}
"""


@dataclass(frozen=True)
class Parts:
    """What goes into the zip: the date is that of every file in it (seconds since 1970)."""

    python: Files
    distributions: list[Distribution]
    launcher: Distribution
    pins: dict[str, str]
    date: int

    @property
    def program(self) -> Distribution:
        """winpe-certs itself."""
        return next(each for each in self.distributions if each.name == PROGRAM)

    @property
    def folder(self) -> str:
        """The one folder at the top of the zip."""
        return f"{PROGRAM}-{self.program.version}-win64"


def contents(parts: Parts) -> Files:
    """Give all files of the zip, by their paths below its one folder."""
    version = python_version(parts.python)
    python = dict(parts.python)
    library = next(name for name in python if re.fullmatch(r"python3\d+\.dll", name))
    # The whole of sys.path; without a line `import site`, nothing outside of this folder is looked for.
    paths = [library.replace(".dll", ".zip"), ".", r"..\site"]
    python[library.replace(".dll", "._pth")] = "".join(f"{each}\r\n" for each in paths).encode()
    stub = parts.launcher.files["distlib/t64.exe"]
    readme = README.format(program=PROGRAM, version=parts.program.version, python=version)
    document = component_list(
        parts.program,
        parts.distributions,
        python=parts.python,
        launcher=parts.launcher,
        pins=parts.pins,
        date=parts.date,
    )
    files = {
        f"{PROGRAM}.exe": launcher(stub, parts.date),
        "README.txt": readme.replace("\n", "\r\n").encode("ascii"),
        "sbom.cdx.json": json.dumps(document, indent=2).encode() + b"\n",
        **_below("python", python),
        **_below("site", site(parts.distributions)),
        **_below("LICENSES", _licences(parts, version)),
    }
    files["SHA256SUMS"] = sums(files)
    return files


def archive(parts: Parts) -> bytes:
    """Give the zip."""
    return zipped(_below(parts.folder, contents(parts)), parts.date)


def check_components(document: Any, schemas: Path) -> None:
    """Raise when a list of components is not what CycloneDX's own schema asks for."""
    files = {name: schemas / f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "jsf-0.82")}
    read = {name: json.loads(file.read_bytes()) for name, file in files.items()}
    # The schema refers to the two others by the names of their files.
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(
        (f"{_SCHEMAS}/{files[name].name}", referencing.Resource.from_contents(schema))
        for name, schema in read.items()
    )
    jsonschema.Draft7Validator(read["bom-1.6"], registry=registry).validate(document)


def read_pins(files: Iterable[Path]) -> dict[str, str]:
    """Give the SHA-256 of each pinned requirement, by the library's name."""
    text = "".join(file.read_text(encoding="ascii") for file in files)
    return dict(re.findall(r"^(\S+)==\S+ --hash=sha256:([0-9a-f]{64})$", text, re.MULTILINE))


def _below(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": data for name, data in files.items()}


def _licences(parts: Parts, version: str) -> Files:
    """The licence texts, in a folder for each component."""
    found = {f"python-{version}/LICENSE.txt": parts.python["LICENSE.txt"]}
    for each in (*parts.distributions, parts.launcher):
        texts = each.licences or {"METADATA.txt": _without_licence(each)}
        found |= _below(f"{each.name}-{each.version}", texts)
    return found


def _without_licence(distribution: Distribution) -> bytes:
    labels = ("License-Expression", "License", "Author", "Author-email", "Home-page")
    lines = [f"{label}: {distribution.metadata[label]}" for label in labels if distribution.metadata[label]]
    return _NO_LICENCE_TEXT.format(
        name=distribution.name, version=distribution.version, lines="\n".join(lines)
    ).encode()


def _read_parts(python: Path, wheels: Path, builder: Path, date: int) -> Parts:
    (metadata,) = builder.glob("distlib-*.dist-info")
    launcher_files = {
        path.relative_to(builder).as_posix(): path.read_bytes()
        for path in (*metadata.rglob("*"), builder / "distlib" / "t64.exe")
        if path.is_file()
    }
    return Parts(
        python={each.name: each.read_bytes() for each in python.iterdir() if each.suffix in _OF_PYTHON},
        distributions=[read_wheel(path) for path in sorted(wheels.glob("*.whl"))],
        launcher=Distribution.of(launcher_files),
        pins=read_pins(PINS / f"{name}.txt" for name in ("libraries", "sources", "builder")),
        date=date,
    )


def main() -> None:
    """Write the zip and its hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("python", "wheels", "builder", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    parts = _read_parts(given.python, given.wheels, given.builder, int(os.environ["SOURCE_DATE_EPOCH"]))
    files = contents(parts)
    check_components(json.loads(files["sbom.cdx.json"]), given.builder / "cyclonedx" / "schema" / "_res")
    data = zipped(_below(parts.folder, files), parts.date)
    given.output.mkdir(parents=True, exist_ok=True)
    target = given.output / f"{parts.folder}.zip"
    target.write_bytes(data)
    target.with_name(f"{target.name}.sha256").write_bytes(sums({target.name: data}))
    print(
        f"{target}: {len(data) / 1e6:.1f} MB, unpacked {sum(map(len, files.values())) / 1e6:.1f} MB "
        f"in {len(files)} files, SHA-256 {hashlib.sha256(data).hexdigest()}"
    )


if __name__ == "__main__":
    main()
