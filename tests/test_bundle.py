"""The zip for Windows, as far as it needs no download; tests/windows/test_bundle.py runs the real one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.windows import bundle
from scripts.windows.archive import sums, zipped
from scripts.windows.components import component_list
from scripts.windows.launcher import COMMAND, MAIN, launcher
from scripts.windows.lock import requirements
from scripts.windows.wheels import Distribution, Files, WheelError, read_wheel, site
from tests.conftest import REPOSITORY

DATE = 1_700_000_000  # 2023-11-14 22:13:20 UTC
PINS = ("libraries", "sources")


def wheel(folder: Path, name: str, files: Files, metadata: str = "", version: str = "1.0") -> Path:
    """Write a wheel whose RECORD lists all of its files."""
    info = f"{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n"
    every = {**files, f"{info}/METADATA": text.encode(), f"{info}/WHEEL": b"Wheel-Version: 1.0\n"}
    record = "".join(f"{each},sha256=x,{len(data)}\n" for each, data in every.items())
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for each, data in {
            **every,
            f"{info}/RECORD": record.encode() + f"{info}/RECORD,,\n".encode(),
        }.items():
            archive.writestr(each, data)
    return path


@pytest.fixture
def python() -> Files:
    """Files with what is read from those of Python for Windows, and nothing else."""
    return {
        "python.exe": b"MZ",
        "python3.dll": b"MZ",
        "python311.dll": b"MZ" + "FileVersion\0\0".encode("utf-16-le") + "3.11.6\0".encode("utf-16-le"),
        "python311.zip": b"PK",
        "libcrypto-3.dll": b"..\0OpenSSL 3.0.11 19 Sep 2023\0..",
        "sqlite3.dll": b"..\x003.42.0\0..",
        "pyexpat.pyd": b"..\0expat_2.5.0\0..",
        "LICENSE.txt": b"the licence of Python",
    }


@pytest.fixture
def parts(tmp_path: Path, python: Files) -> bundle.Parts:
    """The parts of a small zip: the program, two libraries, the launcher."""
    program = wheel(
        tmp_path,
        "winpe_certs",
        {"winpe_certs/__init__.py": b"", "winpe_certs-1.0.dist-info/licenses/LICENSE": b"ours"},
        "License-Expression: Apache-2.0\nRequires-Dist: rich\nRequires-Dist: uvloop; os_name != 'nt'\n",
    )
    rich = wheel(
        tmp_path,
        "rich",
        {"rich/__init__.py": b"", "rich-1.0.dist-info/LICENSE.txt": b"that of rich"},
        "License: MIT\nRequires-Dist: colorama; os_name == 'nt'\nRequires-Dist: pytest; extra == 'dev'\n",
    )
    colorama = wheel(
        tmp_path, "Colorama", {"colorama.py": b""}, "Classifier: License :: OSI Approved :: BSD\n"
    )
    distlib = wheel(
        tmp_path,
        "distlib",
        {"distlib/t64.exe": b"MZ launcher", "distlib-1.0.dist-info/licenses/LICENSE.txt": b"PSF"},
    )
    return bundle.Parts(
        python=python,
        distributions=[read_wheel(each) for each in (program, rich, colorama)],
        launcher=read_wheel(distlib),
        pins={"rich": "ab" * 32},
        date=DATE,
    )


# --- archives ---------------------------------------------------------------------------------------------


def test_a_zip_depends_on_names_contents_and_date_alone() -> None:
    files = {"b/c": b"one" * 1000, "a": b"two", "B": b""}
    data = zipped(files, DATE)
    assert data == zipped(dict(reversed(files.items())), DATE)
    assert data != zipped(files, DATE + 2)
    with ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        assert archive.testzip() is None
        assert {entry.filename: archive.read(entry) for entry in entries} == files
    assert [entry.filename for entry in entries] == ["B", "a", "b/c"]
    assert {entry.date_time for entry in entries} == {(2023, 11, 14, 22, 13, 20)}
    assert {entry.compress_type for entry in entries} == {ZIP_DEFLATED}


def test_a_date_that_a_zip_cannot_have_becomes_its_first() -> None:
    with ZipFile(io.BytesIO(zipped({"a": b""}, 0))) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    files = {"one": b"1", "two words": b"2"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "SUMS").write_bytes(sums(files))
    check = ["sha256sum", "--check", "--strict", "SUMS"]
    try:
        done = subprocess.run(check, cwd=tmp_path, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("sha256sum is not there to judge")
    assert (done.returncode, done.stdout) == (0, b"one: OK\ntwo words: OK\n")


# --- the launcher -----------------------------------------------------------------------------------------


def test_the_launcher_is_the_stub_a_line_and_a_zip() -> None:
    data = launcher(b"MZ stub", DATE)
    line = b"MZ stub#!<launcher_dir>\\python\\python.exe\n"
    assert data.startswith(line)
    with ZipFile(io.BytesIO(data[len(line) :])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"__main__.py": MAIN}
    assert data == launcher(b"MZ stub", DATE)


def test_python_runs_the_launcher_and_its_exit_code_is_the_programs(tmp_path: Path) -> None:
    program = tmp_path / "winpe-certs.exe"
    program.write_bytes(launcher(b"MZ" + bytes(range(256)) * 9, DATE))
    start = f"import runpy, sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.argv = sys.argv[1:]; "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    for words, code in (("--version", 0), ("verify", 2)):
        done = subprocess.run(
            [sys.executable, "-c", start, program, words], input=b"", capture_output=True, check=False
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
        assert done.stdout.startswith(b"winpe-certs ") is (code == 0)


# --- wheels -----------------------------------------------------------------------------------------------


def test_programs_tests_and_caches_are_left_out_and_the_record_says_so(tmp_path: Path) -> None:
    path = wheel(
        tmp_path,
        "lib",
        {
            "lib/__init__.py": b"x = 1\n",
            "lib/test.py": b"",
            "lib/tests/test_it.py": b"",
            "lib/__pycache__/a.pyc": b"",
            "lib-1.0.data/purelib/lib/more.py": b"",
            "lib-1.0.data/platlib/lib/fast.pyd": b"",
            "lib-1.0.data/scripts/lib": b"",
            "lib-1.0.data/data/share/man/lib.1": b"",
        },
    )
    found = read_wheel(path)
    info = {f"lib-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert set(found.files) == info | {"lib/__init__.py", "lib/test.py", "lib/more.py", "lib/fast.pyd"}
    record = found.files["lib-1.0.dist-info/RECORD"].decode()
    assert {row[0] for row in csv.reader(io.StringIO(record))} == info | {"lib/__init__.py", "lib/test.py"}


@pytest.mark.parametrize("name", ["../outside", "lib/../../outside", "/outside", "lib\\outside"])
def test_a_wheel_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WheelError, match="leads out"):
        read_wheel(wheel(tmp_path, "lib", {name: b""}))


@pytest.mark.parametrize("names", [("same.py", "same.py"), ("Same.py", "same.py")])
def test_two_libraries_with_one_file_on_windows_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    both = [read_wheel(wheel(tmp_path, f"lib{at}", {name: b""})) for at, name in enumerate(names)]
    with pytest.raises(WheelError, match="there already"):
        site(both)


def test_a_library_that_is_needed_on_windows_alone_is_missed(parts: bundle.Parts) -> None:
    assert "colorama.py" in site(parts.distributions)
    with pytest.raises(WheelError, match="rich needs colorama"):
        site([each for each in parts.distributions if each.name != "colorama"])


# --- the zip ----------------------------------------------------------------------------------------------


def test_the_zip_has_one_folder_and_the_same_bytes_whatever_the_order(parts: bundle.Parts) -> None:
    data = bundle.archive(parts)
    other = bundle.Parts(
        python=dict(reversed(parts.python.items())),
        distributions=parts.distributions[::-1],
        launcher=parts.launcher,
        pins=parts.pins,
        date=DATE,
    )
    assert data == bundle.archive(other)
    with ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {name.partition("/")[0] for name in names} == {"winpe-certs-1.0-win64"}
    below = {name.split("/")[1] for name in names}
    assert below == {
        "winpe-certs.exe", "README.txt", "SHA256SUMS", "sbom.cdx.json", "python", "site", "LICENSES",
    }  # fmt: skip


def test_python_is_as_it_came_and_finds_its_libraries(parts: bundle.Parts) -> None:
    files = bundle.contents(parts)
    for name, data in parts.python.items():
        assert files[f"python/{name}"] == data
    assert files["python/python311._pth"] == b"python311.zip\r\n.\r\n..\\site\r\n"
    assert files["winpe-certs.exe"] == launcher(b"MZ launcher", DATE)
    assert COMMAND in files["winpe-certs.exe"]


def test_every_file_has_its_sum(parts: bundle.Parts) -> None:
    files = bundle.contents(parts)
    lines = files.pop("SHA256SUMS").decode().splitlines()
    assert lines == [f"{hashlib.sha256(files[name]).hexdigest()}  {name}" for name in sorted(files)]


def test_every_component_has_its_licence(parts: bundle.Parts) -> None:
    files = bundle.contents(parts)
    licences = {name: data for name, data in files.items() if name.startswith("LICENSES/")}
    assert licences.pop("LICENSES/colorama-1.0/METADATA.txt").startswith(b"colorama 1.0 comes without")
    assert licences == {
        "LICENSES/python-3.11.6/LICENSE.txt": b"the licence of Python",
        "LICENSES/winpe-certs-1.0/LICENSE": b"ours",
        "LICENSES/rich-1.0/LICENSE.txt": b"that of rich",
        "LICENSES/distlib-1.0/LICENSE.txt": b"PSF",
    }
    assert "site/rich-1.0.dist-info/LICENSE.txt" in files


def test_the_page_for_people_is_fit_for_an_old_editor(parts: bundle.Parts) -> None:
    page = bundle.contents(parts)["README.txt"]
    assert page.isascii()
    assert page.count(b"\n") == page.count(b"\r\n") > 10
    assert max(map(len, page.splitlines())) <= 110
    for name in ("python", "site", "LICENSES", "sbom.cdx.json", "SHA256SUMS", "winpe-certs.exe"):
        assert re.search(rb"^  " + re.escape(name.encode()) + rb"\\? ", page, re.MULTILINE), name


# --- the list of components -------------------------------------------------------------------------------


def test_every_library_in_the_folder_is_in_the_list(parts: bundle.Parts) -> None:
    files = bundle.contents(parts)
    document = json.loads(files["sbom.cdx.json"])
    listed = {each["purl"]: each for each in document["components"]}
    there = {match[1] for name in files if (match := re.match(r"site/(.*)-1\.0\.dist-info/METADATA", name))}
    expected = {f"pkg:pypi/{canonicalize_name(name)}@1.0" for name in there} - {"pkg:pypi/winpe-certs@1.0"}
    assert set(listed) == expected | {"pkg:generic/python@3.11.6", "pkg:pypi/distlib@1.0"}
    assert document["metadata"]["component"]["purl"] == "pkg:generic/winpe-certs@1.0"
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert listed["pkg:pypi/rich@1.0"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    inside = listed["pkg:generic/python@3.11.6"]["components"]
    assert {each["purl"] for each in inside} == {
        "pkg:generic/openssl@3.0.11", "pkg:generic/sqlite@3.42.0", "pkg:generic/expat@2.5.0",
    }  # fmt: skip
    assert [each["licenses"] for each in (document["metadata"]["component"], *document["components"])] == [
        [{"expression": "Apache-2.0"}],
        [{"license": {"id": "PSF-2.0"}}],
        [{"license": {"name": "BSD"}}],
        [{"license": {"name": "MIT"}}],
        [{"license": {"name": "see the licence files"}}],
    ]
    depends = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    assert depends == {"winpe-certs": ["distlib", "python", "rich"], "rich": ["colorama"], "colorama": []}


def test_the_list_is_valid_by_its_own_schema(parts: bundle.Parts) -> None:
    found = sorted(REPOSITORY.glob(".windows/builder-*/cyclonedx/schema/_res"))
    if not found:
        pytest.skip("the schema is not there: scripts/build-windows fetches it, and judges by it")
    document = json.loads(bundle.contents(parts)["sbom.cdx.json"])
    bundle.check_components(document, found[-1])
    document["components"][0]["type"] = "thing"
    with pytest.raises(Exception, match="'thing' is not one of"):
        bundle.check_components(document, found[-1])


def test_a_file_that_does_not_say_what_is_in_it_is_an_error(parts: bundle.Parts) -> None:
    python = {**parts.python, "libcrypto-3.dll": b"MZ"}
    with pytest.raises(LookupError, match=r"libcrypto-3\.dll does not say which openssl"):
        component_list(
            parts.program, parts.distributions, python=python, launcher=parts.launcher, pins={}, date=DATE
        )


# --- what is pinned ---------------------------------------------------------------------------------------


def test_all_that_the_project_needs_is_pinned_in_a_version_that_it_allows() -> None:
    text = "".join((bundle.PINS / f"{name}.txt").read_text(encoding="ascii") for name in PINS)
    pinned = dict(re.findall(r"^(\S+)==(\S+) --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(pinned) == len(lines)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), line


def test_a_report_of_pip_becomes_pins() -> None:
    def item(name: str, version: str, digest: str) -> object:
        archive = {"hashes": {"sha256": digest}}
        return {"metadata": {"name": name, "version": version}, "download_info": {"archive_info": archive}}

    report = {
        "install": [item("pyOpenSSL", "2", "cd"), item("A.b", "1", "ab"), item("python-registry", "1", "")]
    }
    assert list(requirements(report, frozenset({"python-registry"}))) == [
        "a-b==1 --hash=sha256:ab",
        "pyopenssl==2 --hash=sha256:cd",
    ]


def test_a_library_without_metadata_is_an_error() -> None:
    with pytest.raises(WheelError, match="0 folders of metadata"):
        Distribution.of({"lib.py": b""})
