"""A fake reg.exe: ``python -m tests.fakes.reg STATE-FOLDER ARGUMENT...``.

A loaded hive is a file that is remembered; hivex reads it and writes it. Of .reg text only what hivexregedit
gets right is imported: ASCII.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tests.fakes.state import HIVES, hang, leave, load, make_noise, note_call, save, say, take_fault
from tests.linux_programs import run_program

_MACHINE = "HKEY_LOCAL_MACHINE"
_ALWAYS_THERE = ("HARDWARE", "SAM", "SECURITY", "SOFTWARE", "SYSTEM")
_HEADERS = ("Windows Registry Editor Version 5.00", "REGEDIT4")
_NOT_FOUND = "The system was unable to find the specified registry key or value."
_WORDS = {
    "en": ("ERROR: ", "The operation completed successfully."),
    "de": ("FEHLER: ", "Der Vorgang wurde erfolgreich beendet."),
    "zh": ("错误: ", "操作成功完成。"),
}
_TYPES = {"0": "REG_NONE", "2": "REG_EXPAND_SZ", "3": "REG_BINARY", "7": "REG_MULTI_SZ", "b": "REG_QWORD"}


class _Program:
    def __init__(self, state: Path, arguments: list[str]) -> None:
        self.state = state
        self.step = arguments[0].lower() if arguments else ""
        self.arguments = arguments[1:]
        behaviour = load(state, "reg-behaviour")
        self.prefix, self.done = _WORDS[behaviour.get("language", "en")]
        self.noise = int(behaviour.get("noise", 0))
        self.logs = bool(behaviour.get("logs"))
        self.commands: dict[str, tuple[Callable[..., None], int]] = {
            "load": (self.load, 2),
            "unload": (self.unload, 1),
            "import": (self.import_file, 1),
            "query": (self.query, 1),
        }
        note_call(state, "reg", self.step, arguments)

    def run(self) -> NoReturn:
        make_noise(self.noise)
        command, count = self.commands.get(self.step, (self.load, -1))
        if len(self.arguments) != count:
            self.error("Invalid syntax.")
        self.fault(after=False)
        command(*self.arguments)
        self.fault(after=True)
        if self.step != "query":
            say(self.done)
        leave(0)

    def fault(self, *, after: bool) -> None:
        fault = take_fault(self.state, "reg", self.step, after=after)
        if fault is None:
            return
        if fault["kind"] == "hang":
            hang(stubborn=fault["stubborn"])
        self.error(fault["message"] or "Access is denied.", fault["code"])

    def error(self, sentence: str, code: int = 1) -> NoReturn:
        sys.stderr.buffer.write(f"{self.prefix}{sentence}\r\n".encode())
        leave(code)

    def load(self, key: str, path: str) -> None:
        root, name = self.split(key)
        hives = load(self.state, HIVES)
        if root != _MACHINE or not name or "\\" in name:
            self.error("Invalid key name.")
        if name.lower() in {known.split("\\")[1].lower() for known in hives} | {
            known.lower() for known in _ALWAYS_THERE
        }:
            self.error("The process cannot access the file because it is being used by another process.")
        hive = Path(path)
        if not hive.is_file():
            self.error("The system cannot find the file specified.")
        if hive.read_bytes()[:4] != b"regf":
            self.error("The configuration registry database is corrupt.")
        if self.logs:
            for number in (1, 2):
                hive.with_name(f"{hive.name}.LOG{number}").touch()
        save(self.state, HIVES, {**hives, f"HKLM\\{name}": str(hive.resolve())})

    def unload(self, key: str) -> None:
        hives = load(self.state, HIVES)
        _, name = self.split(key)
        kept = {known: path for known, path in hives.items() if known.split("\\")[1].lower() != name.lower()}
        if len(kept) == len(hives):
            self.error("The parameter is incorrect.")
        save(self.state, HIVES, kept)

    def import_file(self, path: str) -> None:
        if not Path(path).is_file():
            self.error("The system cannot find the file specified.")
        for key, section in self.sections(_decoded(Path(path).read_bytes())):
            _, path_in_machine = self.split(key)
            name, *parts = path_in_machine.split("\\")
            hive = self.hive(name)
            if hive is None:
                self.error("Error accessing the registry.")
            # hivexregedit creates the last key of a path only.
            above = ["\\".join([_MACHINE, name, *parts[:depth]]) for depth in range(1, len(parts))]
            headings = [] if section.startswith("[-") else [f"[{parent}]" for parent in above]
            merged = run_program(
                ["hivexregedit", "--merge", "--prefix", f"{_MACHINE}\\{name}", hive],
                stdin="\n\n".join([*headings, section]).encode("ascii"),
            )
            if merged.returncode != 0:
                self.error("Error accessing the registry.")

    def sections(self, text: str) -> list[tuple[str, str]]:
        """Each key of a .reg text with all its lines, in order."""
        lines = text.replace("\r\n", "\n").split("\n")
        if lines[0].strip() not in _HEADERS or not text.isascii():
            self.error("The specified file is not a registry script.")
        found: list[tuple[str, list[str]]] = []
        for line in lines[1:]:
            heading = re.fullmatch(r"\[-?(.*)\]\s*", line)
            if heading:
                found.append((heading.group(1), []))
            if found:
                found[-1][1].append(line)
            elif line.strip():
                self.error("The specified file is not a registry script.")
        return [(key, "\n".join([*body, ""])) for key, body in found]

    def query(self, key: str) -> None:
        root, path = self.split(key)
        if root != _MACHINE:
            self.error("Invalid key name.")
        if not path:
            loaded = [known.split("\\")[1] for known in load(self.state, HIVES)]
            say()
            for name in sorted([*_ALWAYS_THERE, *loaded], key=str.lower):
                say(f"{_MACHINE}\\{name}")
            return
        name, _, inner = path.partition("\\")
        hive = self.hive(name)
        if hive is None and name.upper() in _ALWAYS_THERE and not inner:
            return
        if hive is None:
            self.error(_NOT_FOUND)
        inside = inner if inner.startswith("\\") else f"\\{inner}"
        values = _output("hivexget", hive, inside)
        subkeys = _output("hivexsh", hive, stdin=f"cd {inside}\nls\n".encode())
        if values is None or subkeys is None:
            self.error(_NOT_FOUND)
        say()
        say(f"{_MACHINE}\\{path}")
        for line in values.splitlines():
            say(f"    {_shown(line)}")
        say()
        for subkey in subkeys.splitlines():
            say(f"{_MACHINE}\\{path}\\{subkey}")

    def hive(self, name: str) -> str | None:
        for known, path in load(self.state, HIVES).items():
            if known.split("\\")[1].lower() == name.lower():
                return str(path)
        return None

    def split(self, key: str) -> tuple[str, str]:
        root, _, rest = key.partition("\\")
        root = {"HKLM": _MACHINE}.get(root.upper(), root.upper())
        return root, rest.rstrip("\\")


def _decoded(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF16_LE):
        return data.decode("utf-16")
    return data.decode("utf-8-sig", errors="replace")


def _output(program: str, *arguments: str, stdin: bytes = b"") -> str | None:
    """What a program of hivex prints; None when it fails."""
    done = run_program([program, *arguments], stdin=stdin)
    if done.returncode != 0 or b"not found" in done.stderr:
        return None
    return done.stdout.decode("utf-8", errors="replace")


def _shown(line: str) -> str:
    """A value as reg.exe shows it, from the form that .reg text has."""
    name, _, value = line.partition('"=')
    name = {'"@': '"(Default)'}.get(name, name)[1:]
    kind, _, data = value.partition(":")
    if kind.startswith("hex("):
        return f"{name}    {_TYPES.get(kind[4:-1], kind)}    {data.replace(',', '').upper()}"
    if kind == "dword":
        return f"{name}    REG_DWORD    {int(data, 16):#x}"
    return f"{name}    REG_SZ    {value.strip(chr(34))}"


if __name__ == "__main__":
    _Program(Path(sys.argv[1]), sys.argv[2:]).run()
