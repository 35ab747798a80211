"""Consoles and pipes of Windows: whatever the code page is, what is printed can be read there."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.unit.cli.conftest import TESTDATA, Program

JAPANESE = "日本語"
GERMAN = "Müller"
_START = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})"
# A console of the child's own, with a code page; what it prints still goes into the pipe.
_CONSOLE = """
import ctypes
kernel = ctypes.WinDLL("kernel32")
assert kernel.SetConsoleOutputCP({page}) and kernel.SetConsoleCP({page})
"""
_PROGRAM = "from winpe_certs.__main__ import main; sys.exit(main())"
_ENCODINGS = {437: "cp437", 932: "cp932", 1252: "cp1252", 65001: "utf-8"}


def called(
    *arguments: object, before: str = "", console: bool = True, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The program in a process of its own, with pipes, and with a console without a window if it has one."""
    unset = {"PYTHONUTF8", "PYTHONIOENCODING"}
    return subprocess.run(
        [sys.executable, "-c", f"{_START}\n{before}\n{_PROGRAM}", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name not in unset} | (environment or {}),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) if console else 0,
    )


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """An image in a folder whose name no code page has as a whole, but that of UTF-8."""
    folder = tmp_path / f"{GERMAN} {JAPANESE}"
    folder.mkdir()
    return Path(shutil.copy(TESTDATA / "boot.wim", folder / "boot.wim"))


def shown(text: str, encoding: str) -> str:
    """A text as it is printed in an encoding that lacks some of it."""
    return "".join(each if each.encode(encoding, "ignore") else f"<U+{ord(each):04X}>" for each in text)


# --- pipes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", _ENCODINGS)
def test_a_pipe_has_the_code_page_of_the_console(named: Path, page: int) -> None:
    """PowerShell reads it in that: [Console]::OutputEncoding is the code page of the console."""
    done = called(*missing(named), before=_CONSOLE.format(page=page))
    assert done.returncode == 1, done.stderr
    name = shown(named.parent.name, _ENCODINGS[page])
    assert f"\\{name}\\boot.wim, image 1" in done.stdout.decode(_ENCODINGS[page])
    assert (JAPANESE in name, GERMAN in name) == (page in {932, 65001}, page != 932)


def test_an_error_in_a_pipe_has_it_too(tmp_path: Path) -> None:
    done = called(
        "verify", tmp_path / f"{GERMAN}.wim", "--thumbprint", "0" * 40, before=_CONSOLE.format(page=437)
    )
    assert done.returncode == 2
    assert f"{GERMAN}.wim: no such file" in done.stderr.decode("cp437")


def test_without_a_console_a_pipe_has_the_code_page_of_the_system(named: Path) -> None:
    done = called(*missing(named), console=False)
    assert done.returncode == 1
    encoding = f"cp{_kernel_page()}"
    assert f"\\{shown(named.parent.name, encoding)}\\boot.wim" in done.stdout.decode(encoding)


def missing(image: Path) -> tuple[object, ...]:
    """A call that reports of an image, with exit code 1."""
    return ("verify", image, "--thumbprint", "0" * 40, "--index", "1")


def _kernel_page() -> int:
    import ctypes

    return int(getattr(ctypes, "WinDLL")("kernel32").GetACP())  # noqa: B009 - only Windows has it


@pytest.mark.parametrize("chosen", [{"PYTHONIOENCODING": "utf-16-le"}, {"PYTHONUTF8": "1"}])
def test_an_encoding_that_somebody_has_chosen_stays(named: Path, chosen: dict[str, str]) -> None:
    done = called(*missing(named), before=_CONSOLE.format(page=437), environment=chosen)
    encoding = chosen.get("PYTHONIOENCODING", "utf-8")
    assert f"\\{named.parent.name}\\boot.wim" in done.stdout.decode(encoding)


def test_a_file_has_the_code_page_of_the_system_and_json_is_ascii(named: Path, tmp_path: Path) -> None:
    """A file that is written with ``>`` by cmd.exe is no pipe; and JSON is the same everywhere."""
    out = tmp_path / "out.txt"
    written = f"import os; os.dup2(os.open({str(out)!r}, os.O_CREAT | os.O_WRONLY | os.O_BINARY), 1)\n"
    code = _CONSOLE.format(page=437) + written
    assert called(*missing(named), "-f", "json", before=code).returncode == 1
    document = json.loads(out.read_bytes().decode("ascii"))
    assert document["images"][0]["path"] == str(named)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--version",), 0),
        (("verify", "{image}", "--thumbprint", "0" * 40), 1),
        (("verify", "{certificate}", "--cert", "{certificate}"), 2),
        (("verify", "{text}", "--cert", "{certificate}"), 3),
    ],
)
def test_exit_codes_are_those_of_the_process(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    text = tmp_path / "x.wim"
    text.write_bytes(b"no image")
    places = {
        "image": TESTDATA / "boot.wim",
        "certificate": TESTDATA / "certs" / "corp-root.cer",
        "text": text,
    }
    done = called(*(each.format(**places) for each in arguments))
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


# --- the console itself -----------------------------------------------------------------------------------

# The child has a console of its own, in the mode in which cmd.exe starts programs, and reads what that shows.
_SCREEN = """
import ctypes, os, sys
from ctypes import wintypes
os.chdir({folder!r})
kernel = ctypes.WinDLL("kernel32")
kernel.CreateFileW.restype = wintypes.HANDLE
assert kernel.SetConsoleOutputCP({page})
screen = wintypes.HANDLE(kernel.CreateFileW("CONOUT$", 0xC0000000, 3, None, 3, 0, None))
assert kernel.SetConsoleMode(screen, 3)
kernel.SetStdHandle(-11, screen)
report, sys.stdout = sys.stdout, open("CONOUT$", "w")
sys.argv[1:] = {arguments!r}
from winpe_certs.__main__ import main
code, mode = main(), wintypes.DWORD()
kernel.GetConsoleMode(screen, ctypes.byref(mode))
room, read = ctypes.create_unicode_buffer(8000), wintypes.DWORD()
kernel.ReadConsoleOutputCharacterW(screen, room, 7999, wintypes.DWORD(0), ctypes.byref(read))
report.write(ascii((code, mode.value, room[: read.value])))
report.flush()
os._exit(0)
"""


@pytest.mark.parametrize("page", [437, 932])
def test_a_console_shows_every_name_and_interprets_escapes(tmp_path: Path, page: int) -> None:
    """In each code page: Python writes Unicode to a console. cmd.exe has switched escape sequences off."""
    name = f"{GERMAN}{JAPANESE}.wim"
    shutil.copy(TESTDATA / "boot.wim", tmp_path / name)
    arguments = list(map(str, missing(Path(name))))
    done = called(before=_SCREEN.format(folder=str(tmp_path), page=page, arguments=arguments))
    assert done.returncode == 0, done.stderr
    exit_code, mode, screen = ast.literal_eval(done.stdout.decode("ascii"))
    assert (exit_code, mode & 4) == (1, 4)
    # Wine 8 takes the mode, and shows the sequences nevertheless.
    screen = re.sub("\x1b\\[[0-9;]*m", "", screen)
    assert "missing AuthRoot" in screen
    assert GERMAN in screen
    assert all(letter in screen for letter in JAPANESE)
    assert "\x1b" not in screen


# --- what PowerShell 5.1 writes with > --------------------------------------------------------------------


def _redirected(path: Path, data: bytes) -> Path:
    """The output of a program as ``>`` of PowerShell 5.1 leaves it: UTF-16 with a mark, and CRLF."""
    lines = data.decode("cp437").splitlines()
    path.write_bytes(b"\xff\xfe" + "".join(f"{line}\r\n" for line in lines).encode("utf-16-le"))
    return path


def test_exports_that_went_through_powershell_are_certificates(
    run: Program, tmp_path: Path, single: Path, certs: Path
) -> None:
    assert run("export", certs / "corp-root.cer", "-o", "root.reg").code == 0
    for source in (certs / "corp-root.pem", tmp_path / "root.reg"):
        data = source.read_bytes()
        plain = data.decode("utf-16").encode("cp437") if data[:2] == b"\xff\xfe" else data
        again = _redirected(tmp_path / f"again{source.suffix}", plain)
        done = run("inject", single, "--cert", again, "--engine", "direct", "--index", "1", "-n")
        assert done.code == 0, done.err


def test_evidence_that_went_through_powershell_is_refused_with_the_reason(
    run: Program, single: Path, root: Path, proof: Path, tmp_path: Path
) -> None:
    done = run("inject", single, "--cert", root, "--engine", "direct", "--index", "1", "--evidence", proof)
    assert done.code == 0
    copy = _redirected(tmp_path / "copy.json", proof.read_bytes())
    for command in (
        ("undo", single, "--evidence", copy),
        ("verify", single, "--evidence", copy),
        ("evidence", "show", copy),
    ):
        refused = run(*command)
        assert refused.code == 3, refused
        assert "UTF-16" in refused.err
        assert "Traceback" not in refused.err
    assert run("undo", single, "--evidence", proof).code == 0


def test_other_files_of_powershell_are_refused_with_the_reason(
    run: Program, single: Path, root: Path, tmp_path: Path
) -> None:
    printed = run(*missing(single), "-f", "json").out
    report = _redirected(tmp_path / "report.json", printed.encode("ascii"))
    calls: list[tuple[object, ...]] = [
        ("verify", single, "--cert", report),
        ("verify", report, "--cert", root),
        ("check-server", single, "--chain", report, "--hostname", "cmg.example.com"),
        ("check-media-certificate", report),
    ]
    for call in calls:
        done = run(*call)
        assert done.code == 3, call
        assert done.err.startswith("error: ")
        assert str(report) in done.err
    audited = run("audit", report, "--require", root)
    assert (audited.code, "unreadable" in audited.out) == (1, True)


def test_a_password_file_of_powershell_is_refused_with_the_cure(
    run: Program, certs: Path, tmp_path: Path
) -> None:
    secret = _redirected(tmp_path / "password.txt", b"secret")
    done = run("check-media-certificate", certs / "corp-root.pfx", "--password-file", secret)
    assert done.code == 2
    assert "Set-Content -Encoding utf8" in done.err
