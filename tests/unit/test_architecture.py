"""The layers of the package: imports point one way, and effects stay at the edge."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "winpe_certs"
MODULES = sorted(PACKAGE.rglob("*.py"))

# For each part, the parts that it may import from (itself always).
ALLOWED = {
    "errors": set(),
    "edits": set(),
    "findings": set(),
    "progress": set(),
    "shown": set(),
    "uppercase": set(),
    "command_lines": {"shown"},
    "results": {"errors", "edits", "findings"},
    "sharing": set(),
    "interrupts": {"errors"},
    "ranges": set(),
    "files": {"errors", "interrupts", "ranges", "sharing", "shown"},
    "jobs": set(),
    "program_output": set(),
    "process": {"command_lines", "errors", "interrupts", "jobs", "program_output", "shown"},
    "certs": {"errors", "edits", "findings", "shown"},
    "regf": {"errors", "edits", "shown", "uppercase"},
    "wim": {"errors", "progress", "shown", "uppercase"},
    "engines": {
        "command_lines", "errors", "edits", "files", "interrupts", "process", "program_output", "progress",
        "ranges", "results", "sharing", "shown", "uppercase", "wim",
    },
    "evidence": {"errors", "shown"},
    "hosts": {"errors", "shown"},
    "connection": {"errors", "hosts", "shown"},
    "verification": {"errors", "edits", "certs", "regf", "shown", "uppercase"},
    "trust": {"command_lines", "errors", "findings", "hosts", "results", "certs", "verification", "shown"},
    "workflows": {
        "command_lines", "errors", "edits", "findings", "finding_codes", "results", "files", "interrupts",
        "process",
        "hosts", "connection", "progress", "certs", "regf", "engines", "verification", "trust", "evidence",
        "shown",
    },
    "finding_codes": {"errors", "findings"},
    "report": {
        "command_lines", "errors", "edits", "findings", "finding_codes", "results", "evidence", "shown",
    },
    "cli": {
        "command_lines", "errors", "files", "findings", "finding_codes", "interrupts", "results", "workflows",
        "report", "engines", "certs", "evidence", "shown",
    },
    "__main__": {"cli"},
    "__init__": set(),
}  # fmt: skip


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if at_run_time:
        tree.body = [node for node in tree.body if not _is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = _part(path)
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "winpe_certs" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] == own or parts[1] in ALLOWED[own], f"{own} imports {name}"


def test_no_import_leads_back_not_even_a_late_one() -> None:
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    needs = {
        name: {other for other in _imports(path, at_run_time=True) if other in names}
        for name, path in names.items()
    }
    TopologicalSorter(needs).prepare()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_files_module_writes_files(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    forbidden = {"write_bytes", "write_text", "rename", "unlink", "truncate", "mkstemp", "fsync", "copyfile"}
    calls = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if _part(path) != "files":
        assert not calls & forbidden


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_files_package_opens_files_and_looks_at_them(path: Path) -> None:
    """It knows long names, sharing and the errors of Windows."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    # An entry of a listing has a `stat` of its own, a stream may be the null device.
    looks = {"resolve", "realpath", "samefile", "iterdir", "listdir", "lstat", "read_bytes"}
    looks |= set() if path.name == "estate.py" else {"stat", "scandir"}
    if _part(path) != "files":
        assert not methods & looks
        assert "open" not in names or path.name == "streams.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_process_module_starts_programs(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    starts = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if _part(path) != "process":
        assert "subprocess" not in {name.split(".")[0] for name in _imports(path)}
        assert not starts & {"system", "popen", "startfile", "posix_spawn", "execv", "spawnv"}
        # A child that only decodes runs no program.
        assert "fork" not in starts or path.name == "parallel.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_connection_module_opens_connections(path: Path) -> None:
    if _part(path) != "connection":
        networks = {"socket", "ssl", "OpenSSL", "http", "urllib.request", "aiohttp", "requests"}
        assert not {name for name in _imports(path) if name in networks or name.split(".")[0] in networks}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


def test_pure_parts_touch_neither_disk_nor_clock_nor_environment() -> None:
    pure = {"certs", "regf", "trust", "evidence", "report", "hosts", "edits", "findings", "results"}
    pure |= {"command_lines", "finding_codes", "shown"}
    for path in MODULES:
        if _part(path) in pure:
            roots = {name.split(".")[0] for name in _imports(path)}
            assert not roots & {"os", "pathlib", "tempfile", "shutil", "subprocess", "time", "socket"}, path
