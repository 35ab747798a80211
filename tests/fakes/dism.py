"""A fake DISM.exe: ``python -m tests.fakes.dism STATE-FOLDER ARGUMENT...``.

Mounting extracts with wimlib-imagex; a commit updates the image in place with what has changed, so that its
position, name, description, flags, boot index and integrity table stay. Numbers and words are DISM's; how it
behaves after a half-done unmount is what its users report.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.fakes.state import (
    HIVES,
    MOUNTS,
    hang,
    leave,
    load,
    make_noise,
    note_call,
    save,
    say,
    take_fault,
)
from tests.linux_programs import run_program

_FILE_NOT_FOUND, _PATH_NOT_FOUND, _ACCESS_DENIED, _INVALID_PARAMETER = 2, 3, 5, 87
_OPEN_FILES, _FOLDER_NOT_EMPTY, _NOT_A_MOUNT = 0xC1420117, 0xC1420114, 0xC1420115
_RECAPTURE_FAILED, _PARTLY_UNMOUNTED = 0xC142010C, 0xC142011D
_ALREADY_MOUNTED, _NO_PERMISSION = 0xC1420127, 0xC1510111

_SENTENCES = {
    _FILE_NOT_FOUND: "The system cannot find the file specified.",
    _PATH_NOT_FOUND: "The system cannot find the path specified.",
    _ACCESS_DENIED: "Access is denied.",
    _INVALID_PARAMETER: "The parameter is incorrect.",
    740: "Elevated permissions are required to run DISM.",
    _OPEN_FILES: "The directory could not be completely unmounted. Files are still open in it.",
    _FOLDER_NOT_EMPTY: "The directory is not empty.",
    _NOT_A_MOUNT: "The directory is not a mounted directory.",
    _PARTLY_UNMOUNTED: "The image has been unmounted in part; its changes cannot be committed.",
    _RECAPTURE_FAILED: "The image could not be captured again.",
    _ALREADY_MOUNTED: "The specified image in the specified wim is already mounted for read/write access.",
    _NO_PERMISSION: "You do not have permissions to mount and modify this image.",
}
_WORDS = {
    "en": {
        "title": "Deployment Image Servicing and Management tool",
        "version": "Version",
        "error": "Error",
        "log": "The DISM log file can be found at {}",
        "done": "The operation completed successfully.",
        "mount": "Mounting image",
        "save": "Saving image",
        "unmount": "Unmounting image",
    },
    "de": {
        "title": "Tool zur Imageverwaltung für die Bereitstellung",
        "version": "Version",
        "error": "Fehler",
        "log": "Die DISM-Protokolldatei befindet sich unter {}",
        "done": "Der Vorgang wurde erfolgreich beendet.",
        "mount": "Das Image wird bereitgestellt",
        "save": "Das Image wird gespeichert",
        "unmount": "Die Bereitstellung des Images wird aufgehoben",
    },
    "zh": {
        "title": "部署映像服务和管理工具",
        "version": "版本",
        "error": "错误",
        "log": "可以在 {} 上找到 DISM 日志文件",
        "done": "操作成功完成。",
        "mount": "正在安装映像",
        "save": "正在保存映像",
        "unmount": "正在卸载映像",
    },
}
_OPTIONS = {
    "mount": {"/imagefile", "/index", "/mountdir", "/readonly", "/optimize", "/checkintegrity"},
    "unmount": {"/mountdir", "/commit", "/discard", "/checkintegrity"},
    "remount": {"/mountdir"},
    "cleanup_mountpoints": set(),
    "mounted_images": set(),
    "version": set(),
}
_COMMANDS = {
    "/mount-image": "mount",
    "/unmount-image": "unmount",
    "/remount-image": "remount",
    "/cleanup-mountpoints": "cleanup_mountpoints",
    "/get-mountedimageinfo": "mounted_images",
    "/?": "version",
}
_GLOBAL = {"/english", "/logpath", "/scratchdir", "/loglevel", "/norestart", "/quiet"}


class _Program:
    def __init__(self, state: Path, arguments: list[str]) -> None:
        self.state = state
        self.options: dict[str, str] = {}
        for argument in arguments:
            name, _, value = argument.partition(":")
            self.options[name.lower()] = value
        behaviour = load(state, "dism-behaviour")
        self.errors = _WORDS[behaviour.get("language", "en")]
        self.words = _WORDS["en"] if "/english" in self.options else self.errors
        self.noise = int(behaviour.get("noise", 0))
        commands = [name for name in self.options if name in _COMMANDS]
        self.command = _COMMANDS[commands[0]] if len(commands) == 1 else ""
        self.step = self.command
        if self.command == "unmount":
            self.step = "unmount_commit" if "/commit" in self.options else "unmount_discard"
        note_call(state, "dism", self.step, arguments)

    def run(self) -> NoReturn:
        say()
        say(self.words["title"])
        say(f"{self.words['version']}: 10.0.26100.1150")
        say()
        make_noise(self.noise)
        unknown = set(self.options) - _GLOBAL - set(_COMMANDS) - _OPTIONS.get(self.command, set())
        if not self.command or unknown:
            self.error(_INVALID_PARAMETER)
        self.fault(after=False)
        getattr(self, self.command)()
        self.fault(after=True)
        say(self.words["done"])
        leave(0)

    def fault(self, *, after: bool) -> None:
        fault = take_fault(self.state, "dism", self.step, after=after)
        if fault is None:
            return
        if fault["kind"] == "hang":
            say("[=====                      10.0%                           ]", end="\r")
            hang(stubborn=fault["stubborn"])
        self.error(fault["code"], fault["message"])

    def error(self, code: int, sentence: str = "") -> NoReturn:
        log = Path(self.options.get("/logpath") or self.state / "dism.log")
        number = f"0x{code:08x}" if code >= 0x80000000 else str(code)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"Error DISM {self.step} {number}\n")
        say()
        say(f"{self.errors['error']}: {number}")
        say()
        say(sentence or _SENTENCES.get(code, "The operation failed."))
        say()
        say(self.errors["log"].format(log))
        leave(code)

    def bars(self, heading: str) -> None:
        say(self.words[heading])
        for percent in (3.0, 45.0, 100.0):
            filled = int(percent * 0.58)
            bar = "=" * filled + " " * (58 - filled)
            text = f"{percent:.1f}%"
            start = 26 if percent == 100.0 else 27
            say(f"\r[{bar[:start]}{text}{bar[start + len(text) :]}]", end="")
        say()

    def folder(self) -> str:
        if not self.options.get("/mountdir"):
            self.error(_INVALID_PARAMETER)
        return os.path.normpath(self.options["/mountdir"])

    def mount_of(self, folder: str) -> dict[str, Any]:
        mount = load(self.state, MOUNTS).get(folder)
        if mount is None:
            self.error(_NOT_A_MOUNT)
        found: dict[str, Any] = mount
        return found

    def keep(self, folder: str, mount: dict[str, Any] | None) -> None:
        mounts = load(self.state, MOUNTS)
        mounts.pop(folder, None)
        if mount is not None:
            mounts[folder] = mount
        save(self.state, MOUNTS, mounts)

    # The commands.

    def version(self) -> None:
        say("DISM.exe [dism_options] {Imaging_command} [<Imaging_arguments>]")

    def mount(self) -> None:
        folder, image = self.folder(), Path(self.options.get("/imagefile", ""))
        writable = "/readonly" not in self.options
        if not image.is_file():
            self.error(_FILE_NOT_FOUND)
        if not Path(folder).is_dir():
            self.error(_PATH_NOT_FOUND)
        if any(Path(folder).iterdir()) or folder in load(self.state, MOUNTS):
            self.error(_FOLDER_NOT_EMPTY)
        index = self.options.get("/index", "")
        if not index.isdecimal():
            self.error(_INVALID_PARAMETER)
        for mount in load(self.state, MOUNTS).values():
            if mount["writable"] and (mount["image"], mount["index"]) == (str(image), int(index)):
                self.error(_ALREADY_MOUNTED)
        if writable and not image.stat().st_mode & 0o222:
            self.error(_NO_PERMISSION)
        self.bars("mount")
        if _wimlib("apply", image, index, folder) != 0:
            shutil.rmtree(folder)
            Path(folder).mkdir()
            self.error(_INVALID_PARAMETER)
        mount = {"image": str(image), "index": int(index), "writable": writable, "status": "Ok"}
        self.keep(folder, {**mount, "before": _contents(Path(folder)), "partly": False})

    def unmount(self) -> None:
        if ("/commit" in self.options) == ("/discard" in self.options):
            self.error(_INVALID_PARAMETER)
        folder = self.folder()
        mount = self.mount_of(folder)
        commit = "/commit" in self.options
        if commit:
            say(f"Image File : {mount['image']}")
            say(f"Image Index : {mount['index']}")
            if mount["status"] != "Ok" or mount["partly"]:
                self.error(_PARTLY_UNMOUNTED)
            if not mount["writable"]:
                self.error(_ACCESS_DENIED)
            if not Path(mount["image"]).is_file():
                self.error(_FILE_NOT_FOUND)
            self.bars("save")
            if not _save(Path(folder), mount):
                self.error(_RECAPTURE_FAILED)
            self.keep(folder, {**mount, "before": _contents(Path(folder)), "partly": True})
        hives = [Path(path).resolve() for path in load(self.state, HIVES).values()]
        if any(hive.is_relative_to(Path(folder).resolve()) for hive in hives):
            self.error(_OPEN_FILES)
        if commit:
            self.fault(after=True)
        self.bars("unmount")
        for entry in Path(folder).iterdir() if Path(folder).is_dir() else ():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        self.keep(folder, None)

    def remount(self) -> None:
        folder = self.folder()
        mount = self.mount_of(folder)
        if mount["status"] == "Invalid":
            self.error(_NOT_A_MOUNT)
        self.keep(folder, {**mount, "status": "Ok"})

    def cleanup_mountpoints(self) -> None:
        mounts = load(self.state, MOUNTS)
        save(
            self.state,
            MOUNTS,
            {folder: mount for folder, mount in mounts.items() if mount["status"] != "Invalid"},
        )

    def mounted_images(self) -> None:
        say("Mounted images:")
        say()
        for folder, mount in load(self.state, MOUNTS).items():
            say(f"Mount Dir : {folder}")
            say(f"Image File : {mount['image']}")
            say(f"Image Index : {mount['index']}")
            say(f"Mounted Read/Write : {'Yes' if mount['writable'] else 'No'}")
            say(f"Status : {mount['status']}")
            say()


def _wimlib(*arguments: object, commands: str | None = None) -> int:
    stdin = None if commands is None else commands.encode()
    return run_program(["wimlib-imagex", *map(str, arguments)], stdin=stdin).returncode


def _contents(folder: Path) -> dict[str, str]:
    """What stands in a folder: path to digest, or "" for a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        digest = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.relative_to(folder).as_posix()] = digest
    return found


def _save(folder: Path, mount: dict[str, Any]) -> bool:
    """Bring an image up to date with its mount folder."""
    before, now = mount["before"], _contents(folder)
    commands = [
        f'delete --force --recursive "/{path}"'
        for path in before
        if path not in now and (Path(path).parent.as_posix() in {".", *now})
    ]
    for path, digest in now.items():
        is_changed = path not in before or (digest != "" and before[path] != digest)
        # A new folder is added with all that is in it.
        if is_changed and Path(path).parent.as_posix() in {".", *before}:
            commands.append(f'add "{folder / path}" "/{path}"')
    if not commands:
        return True
    return _wimlib("update", mount["image"], mount["index"], commands="\n".join(commands) + "\n") == 0


if __name__ == "__main__":
    _Program(Path(sys.argv[1]), sys.argv[2:]).run()
