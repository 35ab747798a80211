"""Every way to spell a file on Windows: one file, under whatever name, or a clear refusal."""

from __future__ import annotations

import builtins
import ctypes
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.files.paths import is_pattern, is_special_name, matching, reachable

DIRECT = ("--engine", "direct", "--index", "1")
ORIGINAL = (TESTDATA / "boot.wim").read_bytes()
# The limit of a path without the prefix (Microsoft, "Maximum Path Length Limitation").
MAX_PATH = 260


def short_name(path: Path) -> str:
    """The 8.3 form of a path, as the system gives it."""
    room = ctypes.create_unicode_buffer(1024)
    kernel: Any = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009 - only Windows has it
    assert kernel.GetShortPathNameW(str(path), room, len(room))
    return room.value


def holds(run: Program, image: object, root: Path) -> bool:
    return run("verify", image, "--cert", root, "--index", "1").code == 0


# Other names of the same file, from its path.
SPELLINGS: dict[str, Callable[[Path], str]] = {
    "forward slashes": lambda image: str(image).replace("\\", "/"),
    "upper case": lambda image: str(image).upper(),
    "prefix": lambda image: f"\\\\?\\{image}",
    "device prefix": lambda image: f"\\\\.\\{image}",
    "dots": lambda image: f"{image.parent}\\x\\..\\.\\boot.wim",
    "trailing dot": lambda image: f"{image}.",
    "trailing blank": lambda image: f"{image} ",
    "of the drive": lambda image: f"{image.drive}boot.wim",
    "relative": lambda _: "boot.wim",
    "8.3": short_name,
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_each_spelling_is_the_file(
    run: Program, single: Path, root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(single.parent)
    (single.parent / "x").mkdir()
    other = SPELLINGS[kind](single)
    refused = run("inject", single, "--cert", root, *DIRECT, "-o", other, "--overwrite")
    assert (refused.code, single.read_bytes() == ORIGINAL) == (2, True)
    assert "this is the image itself" in refused.err
    assert run("inject", other, "--cert", root, *DIRECT).code == 0
    assert holds(run, single, root)
    assert run("compact", other).code == 0
    assert holds(run, single, root)
    assert sorted(each.name for each in single.parent.iterdir()) == ["boot.wim", "x"]


def test_a_file_that_is_given_twice_in_other_case_is_changed_once(
    run: Program, single: Path, root: Path
) -> None:
    done = run("inject", single, str(single).upper(), "--cert", root, *DIRECT, "-f", "json")
    assert (done.code, len(done.document["images"])) == (0, 1)


def test_two_outputs_that_differ_in_case_only_are_one(
    run: Program, single: Path, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(single, other / "BOOT.WIM")
    results = tmp_path / "results"
    results.mkdir()
    done = run("inject", single, other / "BOOT.WIM", "--cert", root, *DIRECT, "-o", results)
    assert done.code == 2
    assert "the same file name" in done.err
    assert list(results.iterdir()) == []


# --- names that are no names of files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nul", "NUL.wim", "con", "con.wim", "aux", "com1.txt", "CONIN$", "lpt9 .wim"]
)
def test_a_device_is_no_image_no_certificate_and_no_output(
    run: Program, single: Path, root: Path, name: str
) -> None:
    given = run("verify", name, "--cert", root)
    assert given.code == 3
    assert "not a plain file" in given.err
    assert run("verify", single, "--cert", name).code == 2
    for options in (("-o", name), ("--evidence", name)):
        done = run("inject", single, "--cert", root, *DIRECT, *options, "--overwrite")
        assert done.code == 2
        assert "the name of a device" in done.err or "neither a file nor a folder" in done.err
    assert single.read_bytes() == ORIGINAL


def test_a_stream_of_a_file_is_no_file(run: Program, single: Path, root: Path) -> None:
    for name in (f"{single}:x", f"{single}::$DATA"):
        assert run("inject", name, "--cert", root, *DIRECT).code in {2, 3}
        assert run("inject", single, "--cert", root, *DIRECT, "-o", name, "--overwrite").code == 2
    assert [each.name for each in single.parent.iterdir()] == ["boot.wim"]
    assert single.read_bytes() == ORIGINAL


def test_names_that_only_look_like_devices_are_files() -> None:
    for name in (
        "null.wim",
        "com.wim",
        "com10.txt",
        "C:\\con-images\\boot.wim",
        "\\\\?\\C:\\nul",
        "xcon",
        "c:b",
    ):
        assert not is_special_name(name)
    for name in ("C:\\x\\COM\u00b9.log", "c:nul", "D:/a/prn", "\\\\?\\C:\\a:s", "b.wim:Zone.Identifier"):
        assert is_special_name(name)


@pytest.mark.parametrize("name", ["new.wim.", "new.wim ", "new.wim. . "])
def test_trailing_dots_and_blanks_of_an_output_are_dropped_as_the_system_does(
    run: Program, single: Path, root: Path, name: str
) -> None:
    assert run("inject", single, "--cert", root, *DIRECT, "-o", f"{single.parent}\\{name}").code == 0
    assert sorted(each.name for each in single.parent.iterdir()) == ["boot.wim", "new.wim"]
    again = run("inject", single, "--cert", root, *DIRECT, "-o", f"{single.parent}\\new.wim.", "-n")
    assert again.code == 0


# --- long paths -------------------------------------------------------------------------------------------


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse long paths without the prefix, as Windows does where nobody has lifted the limit."""

    def limit(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            for one in arguments[: 2 if name in {"link", "replace", "rename"} else 1]:
                path = os.fspath(one) if isinstance(one, str | Path) else ""
                if len(os.path.abspath(path)) >= MAX_PATH and not path.startswith("\\\\?\\"):  # noqa: PTH100
                    raise OSError(0, "The system cannot find the path specified", path, 3)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for name in (
        "stat",
        "lstat",
        "open",
        "link",
        "replace",
        "rename",
        "unlink",
        "scandir",
        "listdir",
        "chmod",
    ):
        limit(os, name)
    for owner in (io, builtins):
        limit(owner, "open")


@pytest.mark.parametrize("prefix", ["", "\\\\?\\"])
@pytest.mark.parametrize("spare", [5, -90])
@pytest.mark.usefixtures("limited")
def test_a_path_of_any_length_is_a_path(
    run: Program, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, spare: int
) -> None:
    """Also one that is within the limit while the temporary file beside it is not."""
    folder = f"\\\\?\\{tmp_path}"
    while len(folder) - 4 < MAX_PATH - spare - len("\\boot.wim"):
        folder += "\\" + "d" * max(1, min(60, MAX_PATH - spare - len("\\boot.wim") - len(folder) + 3))
        os.mkdir(folder)  # noqa: PTH102
    shutil.copyfile(TESTDATA / "boot.wim", f"{folder}\\boot.wim")
    image = f"{prefix}{folder[4:]}\\boot.wim"
    assert (len(f"{folder[4:]}\\boot.wim") < MAX_PATH) is (spare > 0)
    try:
        os.path.realpath(image, strict=True)
    except OSError as error:
        # Wine 8 answers "more data" for the final name of a long path. There is no link on the way.
        assert error.winerror == 234  # type: ignore[attr-defined] # noqa: PT017 - on Windows there is one
        monkeypatch.setattr(os.path, "realpath", lambda path, **_: os.path.abspath(path))  # noqa: PTH100
    proof, copy = f"{image[:-8]}evidence.json", f"{image[:-8]}a.wim"
    done = run("inject", image, "--cert", root, *DIRECT, "--evidence", proof)
    assert (done.code, done.err) == (0, ""), done.err
    assert holds(run, image, root)
    assert run("undo", image, "--evidence", proof).code == 0
    assert run("inject", image, "--cert", root, *DIRECT, "-o", copy).code == 0
    assert holds(run, copy, root)
    assert sorted(os.listdir(folder)) == ["a.wim", "boot.wim", "evidence.json"]  # noqa: PTH208


def test_only_long_paths_get_the_prefix(tmp_path: Path) -> None:
    long = "x" * 250
    assert reachable(Path("boot.wim")) == Path("boot.wim")
    assert str(reachable(tmp_path / long)) == f"\\\\?\\{tmp_path}\\{long}"
    assert str(reachable(Path(f"\\\\server\\share\\{long}"))) == f"\\\\?\\UNC\\server\\share\\{long}"
    assert str(reachable(Path(f"\\\\?\\C:\\{long}"))) == f"\\\\?\\C:\\{long}"


# --- shares -----------------------------------------------------------------------------------------------


def test_a_share_under_each_spelling(run: Program, share: str, root: Path) -> None:
    shutil.copy(TESTDATA / "boot.wim", share)
    for spelling in (share, share.replace("\\", "/"), f"\\\\?\\UNC{share[1:]}"):
        assert run("inject", f"{spelling}\\boot.wim", "--cert", root, *DIRECT).code == 0
        assert holds(run, f"{spelling}\\boot.wim", root)
        assert run("remove", f"{spelling}\\boot.wim", "--cert", root, *DIRECT).code == 0
    refused = run(
        "inject", f"{share}\\boot.wim", "--cert", root, *DIRECT, "-o", f"{share}\\BOOT.WIM", "--overwrite"
    )
    assert refused.code == 2


def test_an_administrative_share(run: Program, single: Path, root: Path) -> None:
    place = f"\\\\localhost\\{single.drive[0]}$"
    if not os.path.isdir(place):  # noqa: PTH112 - what is asked for is how the system takes this spelling
        needs.cannot_here("shares")
    image = f"{place}{str(single)[2:]}"
    assert run("inject", image, "--cert", root, *DIRECT).code == 0
    assert holds(run, single, root)


# --- patterns ---------------------------------------------------------------------------------------------


def test_patterns_on_a_share(run: Program, share: str, root: Path) -> None:
    for name in ("one.wim", "two.wim", "two.txt"):
        shutil.copy(TESTDATA / "boot.wim", f"{share}\\{name}")
    for pattern in (f"{share}\\*.wim", f"{share}\\*.WIM", f"\\\\?\\UNC{share[1:]}\\*.wim"):
        done = run("inject", pattern, "--cert", root, *DIRECT, "-n", "-f", "json")
        assert (done.code, len(done.document["images"])) == (0, 2)
    nothing = run("inject", f"{share}\\x*.wim", "--cert", root, *DIRECT)
    assert nothing.code == 2
    assert f"nothing matches {share}\\x*.wim" in nothing.err


def test_brackets_in_names(run: Program, tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "[new] images"
    folder.mkdir()
    for name in ("[ab].wim", "a.wim", "b.wim", "c.wim"):
        shutil.copy(TESTDATA / "boot.wim", folder / name)

    def changed(pattern: str) -> list[str]:
        done = run("inject", pattern, "--cert", root, *DIRECT, "-n", "-f", "json")
        assert done.code == 0
        return [Path(each["path"]).name for each in done.document["images"]]

    assert changed(str(folder / "[ab].wim")) == ["[ab].wim"]
    (folder / "[ab].wim").unlink()
    assert changed(str(folder / "[ab].wim")) == ["a.wim", "b.wim"]
    assert changed(str(folder / "[!a]*.WIM")) == ["b.wim", "c.wim"]
    assert changed(f"\\\\?\\{folder}\\?.wim") == ["a.wim", "b.wim", "c.wim"]
    for wrong in ("[z-a].wim", "[.wim", "[]", "*[", "**\\*.esd"):
        assert run("verify", str(folder / wrong), "--cert", root).code == 2


def test_the_prefix_is_no_pattern(run: Program, tmp_path: Path, root: Path) -> None:
    done = run("verify", f"\\\\?\\{tmp_path}\\missing.wim", "--cert", root)
    assert done.code == 2
    assert "no such file or folder" in done.err
    assert is_pattern("\\\\?\\C:\\*.wim")
    assert not is_pattern("\\\\?\\UNC\\server\\share\\boot.wim")
    assert matching(f"\\\\?\\{tmp_path}\\missing*") == []
