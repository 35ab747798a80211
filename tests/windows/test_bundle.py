"""The zip for a Windows without Python, unpacked and run as its user would: a program with pipes.

`scripts/build-windows` makes it; nothing here does. Without a zip of this very source these tests are
skipped, or fail when ``WINPE_CERTS_REQUIRE`` has the word ``bundle``.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from scripts.windows.archive import zipped
from scripts.windows.launcher import COMMAND
from tests import needs
from tests.conftest import REPOSITORY, REQUIRED
from tests.fakes.tls_server import LoopbackServer, TlsServer, until_the_end
from tests.unit.cli.conftest import TESTDATA
from winpe_certs import __version__

NAME = f"winpe-certs-{__version__}-win64"
ZIP = REPOSITORY / "dist" / f"{NAME}.zip"
ROOT = TESTDATA / "certs" / "corp-root.cer"
HOST = "cmg.contoso.example"
AT = ("--at", "2027-01-31")
DIRECT = ("--engine", "direct", "--index", "1")
# Blanks, quotes, percent signs, backslashes before a quote and at the end, nothing, letters of no code page.
WORDS = ["a b", 'say "yes"', "100%", "%PATH%", "^&|<>", "end\\", 'b\\"c', "", "*.wim", "Ünï 日本"]


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded


@dataclass(frozen=True)
class Unpacked:
    """The folder of the zip, and folders beside it for temporary files and to work in."""

    folder: Path
    temporary: Path
    work: Path

    @property
    def program(self) -> Path:
        return self.folder / "winpe-certs.exe"

    def environment(self) -> dict[str, str]:
        """The variables of this process without those for Python, and the folder for temporary files."""
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("PYTHON")}
        return {**kept, "TEMP": str(self.temporary), "TMP": str(self.temporary)}

    def start(self, program: Path, words: Iterable[object], data: bytes = b"") -> Done:
        """Run a program with pipes for its standard streams."""
        done = subprocess.run(
            [program, *map(str, words)],
            input=data,
            capture_output=True,
            check=False,
            cwd=self.work,
            env=self.environment(),
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words: object) -> Done:
        """Run winpe-certs.exe; bad input never ends in a traceback."""
        done = self.start(self.program, words)
        assert b"Traceback" not in done.err
        return done

    def variant(self, name: str, main: str) -> Path:
        """The same launcher, beside the real one, with other lines of Python."""
        data = self.program.read_bytes()
        path = self.folder / f"{name}.exe"
        stub = data[: data.index(COMMAND)]
        path.write_bytes(stub + COMMAND + b"\n" + zipped({"__main__.py": main.encode()}, 0))
        return path


def _missing(reason: str) -> None:
    if "bundle" in REQUIRED:
        pytest.fail(f"{reason}, and WINPE_CERTS_REQUIRE asks for bundle")
    pytest.skip(reason)


def _is_of_this_source(archive: ZipFile) -> bool:
    """Whether the package in the zip has the files of the repository."""
    inside = f"{NAME}/site/"
    names = (name for name in archive.namelist() if name.startswith(f"{inside}winpe_certs/"))
    there = {name.removeprefix(inside): archive.read(name) for name in names}
    files = (path for path in (REPOSITORY / "winpe_certs").rglob("*") if path.is_file())
    here = {
        path.relative_to(REPOSITORY).as_posix(): path.read_bytes() for path in files if path.suffix != ".pyc"
    }
    return there == here


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The zip, unpacked below a folder whose name has blanks and letters beyond the ANSI code page."""
    if not ZIP.is_file():
        _missing(f"{needs.NO_ZIP}: scripts/build-windows makes {ZIP.name}")
    place = tmp_path_factory.mktemp("bundle") / "Ünpacked 日本 ö"
    unpacked = Unpacked(place / NAME, place / "temp", place / "work")
    with ZipFile(ZIP) as archive:
        if not _is_of_this_source(archive):
            _missing(f"{needs.NO_ZIP}: scripts/build-windows makes {ZIP.name} anew")
        archive.extractall(place)
    unpacked.temporary.mkdir()
    unpacked.work.mkdir()
    return unpacked


@pytest.fixture
def copy(bundle: Unpacked) -> Iterator[Path]:
    """A fresh copy of a boot.wim where the program works."""
    path = Path(shutil.copy(TESTDATA / "boot.wim", bundle.work / "boot image.wim"))
    yield path
    path.unlink()


# --- the launcher -----------------------------------------------------------------------------------------


def test_the_version_is_printed(bundle: Unpacked) -> None:
    done = bundle("--version")
    assert (done.code, done.out.strip(), done.err) == (0, f"winpe-certs {__version__}".encode(), b"")


def test_without_the_launcher_it_is_the_same_program(bundle: Unpacked) -> None:
    done = bundle.start(bundle.folder / "python" / "python.exe", ["-m", "winpe_certs", "--version"])
    assert (done.code, done.out.strip(), done.err) == (0, f"winpe-certs {__version__}".encode(), b"")


def test_words_and_bytes_pass_through_the_launcher_unchanged(bundle: Unpacked) -> None:
    main = "import json, sys; sys.stderr.write(json.dumps(sys.argv[1:]))\n"
    main += "sys.stdout.buffer.write(sys.stdin.buffer.read())"
    data = bytes(range(256)) * 999
    done = bundle.start(bundle.variant("echo", main), WORDS, data)
    assert json.loads(done.err) == WORDS
    assert (done.code, done.out) == (0, data)


@pytest.mark.parametrize("code", [0, 1, 70, 130, 255])
def test_the_exit_code_is_that_of_python(bundle: Unpacked, code: int) -> None:
    assert bundle.start(bundle.variant("ends", f"raise SystemExit({code})"), []).code == code


_CONSOLE = """
import ctypes, subprocess, sys
pipe = subprocess.PIPE
started = subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe, stderr=pipe)
sys.stdin.readline()
kernel = ctypes.WinDLL("kernel32")
kernel.SetConsoleCtrlHandler(None, True)
assert kernel.GenerateConsoleCtrlEvent(0, 0)
out, err = started.communicate(timeout=60)
print(started.returncode, "Traceback" in err.decode("ascii", "replace"))
"""


def _never_answers(plain: socket.socket) -> None:
    until_the_end(plain)


def test_ctrl_c_reaches_the_program_and_the_launcher_waits_for_it(bundle: Unpacked, hive: Path) -> None:
    """A console of its own, so that the key ends nothing else; the server never answers."""
    with LoopbackServer(_never_answers) as server:
        words = ["check-server", hive, "--connect", f"127.0.0.1:{server.port}", "--connect-timeout", "60"]
        console = subprocess.Popen(
            [sys.executable, "-c", _CONSOLE, bundle.program, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NEW_CONSOLE"),  # noqa: B009 - only Windows has it
            env=bundle.environment(),
        )
        while not server.connections and console.poll() is None:
            time.sleep(0.05)
        out, _ = console.communicate(b"\n", timeout=90)
    assert out.split() == [b"130", b"False"]


# --- the commands -----------------------------------------------------------------------------------------


def test_a_root_goes_in_is_found_and_goes_out_again(bundle: Unpacked, copy: Path) -> None:
    before = copy.read_bytes()
    assert bundle("verify", copy, "-c", ROOT, "-i", "1").code == 1
    proof = bundle.work / "evidence.json"
    done = bundle("inject", copy, "-c", ROOT, *DIRECT, "--evidence", proof, "-f", "json")
    assert (done.code, done.err) == (0, b"")
    assert done.document["images"][0]["changed"] is True
    assert bundle("verify", copy, "-c", ROOT, "-i", "1").code == 0
    assert bundle("verify", copy, "-c", ROOT, "-i", "2").code == 1
    assert bundle("verify", copy, "--evidence", proof).code == 0
    # The versions of the libraries come from their metadata, which is a part of the zip.
    tool = json.loads(proof.read_bytes())["tool"]
    assert {"regipy", "python-registry", "cryptography"} <= set(json.dumps(tool).split('"'))
    assert bundle("undo", copy, "--evidence", proof).code == 0
    assert copy.read_bytes() == before
    proof.unlink()


def test_a_server_is_judged_by_a_file_and_by_a_connection(
    bundle: Unpacked, copy: Path, tmp_path: Path
) -> None:
    chain = ("--chain", TESTDATA / "certs" / "cmg-chain.pem", "--hostname", HOST)
    assert bundle("check-server", copy, "-i", "1", *chain, *AT).code == 1
    assert bundle("inject", copy, "-c", ROOT, *DIRECT, "-q").code == 0
    done = bundle("check-server", copy, "-i", "1", *chain, *AT)
    assert done.code == 0
    assert f"trusted {HOST}".encode() in done.out
    with TlsServer(tmp_path) as server:
        live = ("--connect", f"127.0.0.1:{server.port}", "--hostname", HOST)
        done = bundle("check-server", copy, "-i", "1", *live, *AT, "-f", "json")
    assert (done.code, server.names) == (0, [HOST])
    assert done.document["images"][0]["servers"][0]["verdict"] == "trusted"


@pytest.fixture
def estate(bundle: Unpacked) -> Iterator[Path]:
    """A folder with three images; one of them has the root."""
    folder = bundle.work / "images"
    folder.mkdir()
    for number in range(3):
        shutil.copy(TESTDATA / "boot.wim", folder / f"boot{number}.wim")
    assert bundle("inject", folder / "boot1.wim", "-c", ROOT, "--engine", "direct", "-i", "all").code == 0
    yield folder
    shutil.rmtree(folder)


def _verdicts(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(Path(image["path"]).name, image["verdict"]) for image in document["images"]}


def test_images_of_an_estate_are_looked_at_by_several_processes(bundle: Unpacked, estate: Path) -> None:
    done = bundle("audit", estate, "--require", ROOT, *AT, "-f", "json")
    assert (done.code, done.err) == (1, b"")
    assert _verdicts(done.document) == {("boot0.wim", "unmet"), ("boot1.wim", "met"), ("boot2.wim", "unmet")}
    assert bundle("audit", estate / "boot1.wim", estate / "boot1.wim", "--require", ROOT, *AT).code == 0


def test_the_machine_is_looked_at(bundle: Unpacked) -> None:
    done = bundle("doctor", "-f", "json")
    lines = {line["name"]: line for line in done.document["checks"]}
    assert done.code == (0 if done.document["ok"] else 1)
    assert "regipy" in lines["readers"]["message"]
    assert [lines[name]["state"] for name in ("direct engine", "readers", "codec")] == ["ok"] * 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("frobnicate",), 2),
        (("verify", "no such file.wim", "-c", ROOT), 2),
        (("verify", TESTDATA / "boot.wim", "-c", "100% missing.cer"), 2),
        (("verify", ROOT, "-c", ROOT), 2),
        (("inject", "damaged.wim", "-c", ROOT, *DIRECT), 3),
        (("verify", TESTDATA / "boot.wim", "-c", TESTDATA / "boot.wim"), 3),
    ],
)
def test_bad_input_has_its_exit_code(bundle: Unpacked, words: tuple[object, ...], code: int) -> None:
    damaged = bundle.work / "damaged.wim"
    damaged.write_bytes((TESTDATA / "boot.wim").read_bytes()[:300])
    done = bundle(*words)
    damaged.unlink()
    assert (done.code, done.out) == (code, b"")
    assert done.err


_IMPORT_ALL = """
import importlib, pkgutil, winpe_certs
names = [each.name for each in pkgutil.walk_packages(winpe_certs.__path__, "winpe_certs.")]
for name in names:
    importlib.import_module(name)
print(*sorted(names))
"""


def test_every_module_can_be_imported(bundle: Unpacked) -> None:
    done = bundle.start(bundle.folder / "python" / "python.exe", ["-c", _IMPORT_ALL])
    assert (done.code, done.err) == (0, b"")
    files = (REPOSITORY / "winpe_certs").rglob("*.py")
    modules = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in files
    }
    assert set(done.out.decode().split()) == modules - {"winpe_certs"}


def test_nothing_outside_of_the_folder_is_looked_for(bundle: Unpacked) -> None:
    """A module in the working folder, or one that a variable names, is never taken for one of ours."""
    for name in ("typer.py", "sitecustomize.py"):
        (bundle.work / name).write_text("raise SystemExit(99)")
    environment = {**bundle.environment(), "PYTHONPATH": str(bundle.work), "PYTHONHOME": str(bundle.work)}
    done = subprocess.run(
        [bundle.program, "--version"],
        input=b"",
        capture_output=True,
        check=False,
        cwd=bundle.work,
        env=environment,
    )
    for name in ("typer.py", "sitecustomize.py"):
        (bundle.work / name).unlink()
    assert (done.returncode, done.stderr) == (0, b"")


# --- what it leaves ---------------------------------------------------------------------------------------


def _is_wine() -> bool:
    library = getattr(ctypes, "WinDLL")("ntdll")  # noqa: B009 - only Windows has it
    return hasattr(library, "wine_get_version")


def _files(top: Path, *left_out: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of all files, and the folders, below a folder."""
    found: dict[Path, tuple[int, int]] = {}
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if Path(folder, name) not in left_out]
        found |= {Path(folder, name): (0, 0) for name in names}
        for name in files:
            status = Path(folder, name).lstat()
            found[Path(folder, name)] = (status.st_size, status.st_mtime_ns)
    return found


def _of_the_machine(left_out: Path) -> list[object]:
    """What a program could leave: not all of C:, where Wine has links to folders of the other system."""
    profile = Path(os.environ["USERPROFILE"])
    folders = [Path(os.environ["ALLUSERSPROFILE"]), Path(os.environ["WINDIR"]), profile / "AppData"]
    link = profile / "AppData" / "Roaming" / "Microsoft" / "Windows" / "Templates"
    tops = [Path("C:\\"), profile]
    return [*(sorted(top.iterdir()) for top in tops), *(_files(folder, left_out, link) for folder in folders)]


def _registry() -> dict[str, object]:
    """All keys and values of the user and of programs."""
    import winreg

    registry: Any = winreg
    found: dict[str, object] = {}

    def walk(root: Any, path: str) -> None:
        with registry.OpenKey(root, path) as key:
            try:
                keys, values, _ = registry.QueryInfoKey(key)
            except OSError:  # Wine has keys that can be opened and not asked
                return
            found[f"{root}\\{path}"] = [registry.EnumValue(key, number) for number in range(values)]
            names = [registry.EnumKey(key, number) for number in range(keys)]
        for name in names:
            walk(root, f"{path}\\{name}" if path else name)

    walk(registry.HKEY_CURRENT_USER, "Software")
    walk(registry.HKEY_LOCAL_MACHINE, "Software\\Microsoft")
    return found


def test_nothing_is_left_but_what_was_asked_for(
    bundle: Unpacked, copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not _is_wine():
        pytest.skip(needs.QUIET_MACHINE)
    base = tmp_path_factory.getbasetemp().parent
    others = _of_the_machine(base)
    registry = _registry()
    work = set(_files(bundle.work))
    assert bundle("inject", copy, "-c", ROOT, *DIRECT, "-o", bundle.work / "out.wim").code == 0
    for words in (
        ("doctor",),
        ("inject", copy, "-c", ROOT, *DIRECT),
        ("verify", copy, "-c", ROOT, "-i", "1"),
        ("audit", bundle.work),
        (
            "check-server",
            copy,
            "-i",
            "1",
            "--chain",
            TESTDATA / "certs" / "cmg-chain.pem",
            "--hostname",
            HOST,
        ),
        ("verify", "missing.wim", "-c", ROOT),
    ):
        assert bundle(*words).code in {0, 1, 2}
    assert _of_the_machine(base) == others
    assert _registry() == registry
    assert set(_files(bundle.work)) - work == {bundle.work / "out.wim"}
    (bundle.work / "out.wim").unlink()
    assert list(bundle.temporary.iterdir()) == []


def test_the_folder_is_what_its_sums_say(bundle: Unpacked) -> None:
    """Here at the end: what the program has done above has changed none of its files."""
    lines = (bundle.folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    added = re.compile(r".*/__pycache__/.*\.pyc|(echo|ends)\.exe|SHA256SUMS")
    there = {
        path.relative_to(bundle.folder).as_posix(): path
        for path in bundle.folder.rglob("*")
        if path.is_file()
    }
    assert {name for name in there if not added.fullmatch(name)} == set(sums)
    for name, digest in sums.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == digest, name
