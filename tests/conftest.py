"""What tests share: the one door to the shared data folder, and the judges that are no part of this project.

Locally, a missing judge or folder skips the tests that need it, with the reason.
With ``WINPE_CERTS_REQUIRE=judges,shared-data`` (as CI sets it) a missing one fails them instead.
"""

from __future__ import annotations

import lzma
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests import linux_programs, needs
from winpe_certs import interrupts
from winpe_certs.engines.choose import Place
from winpe_certs.engines.setup import EngineOptions, Machine
from winpe_certs.results import EngineUse

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("WINPE_CERTS_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
REQUIRED = frozenset(os.environ.get("WINPE_CERTS_REQUIRE", "").split(","))

Judge = Callable[..., "subprocess.CompletedProcess[bytes]"]


def _missing(what: str, reason: str) -> None:
    if what in REQUIRED:
        pytest.fail(f"{reason}, and WINPE_CERTS_REQUIRE asks for {what}")
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs another system."""
    needs.leave_out(items)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Do not import what cannot be imported here."""
    reason = needs.module_reason(module_path)
    if reason is None:
        return None
    module: needs.LeftOut = needs.LeftOut.from_parent(parent, path=module_path)
    module.reason = reason
    return module


@pytest.fixture(autouse=True)
def own_interrupts() -> Iterator[None]:
    """Forget interrupts that a test has sent, and put their handler back: both belong to the process."""
    before = signal.getsignal(signal.SIGINT)
    yield
    interrupts.reset()
    if signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=needs.IS_WINDOWS)
def direct_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `auto` take the direct engine on Windows too, unless a test brings a DISM of its own."""
    from winpe_certs.engines import setup

    real = setup.choose_engine

    def choose(place: Place, options: EngineOptions, machine: Machine) -> EngineUse:
        is_open = options.engine == "auto" and options.dism is None and options.hive_editor == "native"
        return real(place, replace(options, engine="direct") if is_open else options, machine)

    monkeypatch.setattr(setup, "choose_engine", choose)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real .reg exports, Blobs and hives."""
    if not SHARED_DATA.is_dir():
        _missing("shared-data", f"no shared data folder at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def shared_file(request: pytest.FixtureRequest) -> Path:
    """One file of the shared data, parametrized by the mark ``shared_files``."""
    path: Path | None = request.param
    if path is None:
        _missing("shared-data", f"no shared data folder at {SHARED_DATA}")
    assert path is not None
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize `shared_file` from the mark ``shared_files("hives/real/*.xz", ...)``."""
    if "shared_file" not in metafunc.fixturenames:
        return
    marks = list(metafunc.definition.iter_markers("shared_files"))
    patterns: Sequence[str] = [pattern for mark in marks for pattern in mark.args]
    files: list[Path | None] = []
    for pattern in patterns:
        files.extend(sorted(SHARED_DATA.glob(pattern)))
    if not files:
        metafunc.parametrize("shared_file", [None], ids=["no-shared-data"], indirect=True)
        return
    metafunc.parametrize("shared_file", files, ids=[p.name for p in files if p], indirect=True)


def read_hive(path: Path) -> bytes:
    """The bytes of a hive file, unpacked when it is an .xz."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Run an external judge: ``judge("wimlib-imagex", "verify", path)``. Fails the test on a non-zero exit.

    ``check=False`` gives the result back whatever the exit code; ``stdin=b"..."`` feeds it.
    """

    def run(
        program: str, *arguments: object, check: bool = True, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        if not linux_programs.is_there(program):
            if needs.IS_WINDOWS:
                pytest.skip(f"judges: {needs.JUDGES}")
            _missing("judges", f"{program} is not installed")
        done = linux_programs.run_program([program, *map(str, arguments)], stdin=stdin)
        if check and done.returncode != 0:
            text = (done.stdout + done.stderr).decode(errors="replace")
            pytest.fail(f"{program} {' '.join(map(str, arguments))}: exit {done.returncode}\n{text}")
        return done

    return run
