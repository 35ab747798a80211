r"""Microsoft's reg.exe: loading a hive under HKEY_LOCAL_MACHINE, importing into it, unloading it again.

A loaded hive keeps its file open, so an image with one cannot be unmounted: `Reg.loaded` unloads on every way
out, tries again while somebody still has a handle open, and says how to free the hive when that fails.
Every command has a pure ``*_command``; a dry run prints it, the method runs it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Final

from winpe_certs.errors import CleanupError, EnvironmentFailure, WinpeCertsError
from winpe_certs.process import Completed, ProgramStartError, Runner
from winpe_certs.program_output import last_lines
from winpe_certs.shown import cause_words

PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the attempts to unload a hive: antivirus and indexers let go after a while."""

_ROOTS: Final = {"HKEY_LOCAL_MACHINE": "HKLM"}


class RegError(EnvironmentFailure):
    """reg.exe ended with a failure."""

    kind = "reg"


def unique_hive_name() -> str:
    """A name for a loaded hive that no other run uses, such as ``winpe-offline-4711-9f86d081``."""
    return f"winpe-offline-{os.getpid()}-{secrets.token_hex(4)}"


class Reg:
    r"""reg.exe at a given path. Keys are written ``HKLM\name\...``.

    Methods raise `RegError` and what `Runner.run` raises; those that unload raise `CleanupError`.
    """

    def __init__(
        self,
        executable: Path | str,
        runner: Runner,
        *,
        timeout: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout` counts for each command, in seconds."""
        self.executable = str(executable)
        self._runner = runner
        self._timeout = timeout
        self._pause = pause

    def load_command(self, key: str, hive_path: PurePath) -> tuple[str, ...]:
        """Load a hive file as a key."""
        return (self.executable, "load", key, str(hive_path))

    def import_file_command(self, path: PurePath) -> tuple[str, ...]:
        """Import a .reg file."""
        return (self.executable, "import", str(path))

    def query_command(self, key: str) -> tuple[str, ...]:
        """Show a key: its values and the names of its subkeys."""
        return (self.executable, "query", key)

    def unload_command(self, key: str) -> tuple[str, ...]:
        """Unload a hive."""
        return (self.executable, "unload", key)

    def load(self, key: str, hive_path: Path) -> None:
        """Load a hive file as a key; `loaded` is the way that also unloads it."""
        self._run(self.load_command(key, hive_path), f"load the hive {hive_path} as {key}")

    def import_file(self, path: Path) -> None:
        """Import a .reg file."""
        self._run(self.import_file_command(path), f"import {path}")

    def query(self, key: str) -> str:
        """What reg.exe shows of a key: its values and the names of its subkeys."""
        return self._run(self.query_command(key), f"show the key {key}").output

    def has(self, key: str) -> bool:
        """Whether a key is there and can be read."""
        return self._runner.run(self.query_command(key), timeout=self._timeout).code == 0

    def loaded_hives(self, prefix: str) -> tuple[str, ...]:
        r"""The keys directly under HKEY_LOCAL_MACHINE whose names begin with `prefix`, as ``HKLM\name``."""
        names = []
        for line in self.query("HKLM").splitlines():
            root, _, name = line.strip().partition("\\")
            if _ROOTS.get(root.upper(), root.upper()) == "HKLM" and name.lower().startswith(prefix.lower()):
                names.append(f"HKLM\\{name}")
        return tuple(names)

    def unload(self, key: str) -> None:
        """Unload a hive, trying again after growing pauses. Raises `CleanupError` when it stays loaded.

        An interrupt is raised only after the hive has been unloaded, or a second one has come.
        """
        interrupt: KeyboardInterrupt | None = None
        failure: RegError | None = None
        for pause in (0.0, *PAUSES):
            try:
                if pause:
                    self._pause(pause)
                failure = self._unload_once(key)
            except KeyboardInterrupt as again:
                if interrupt is not None:
                    raise self._still_loaded(key, failure) from again
                interrupt = again
                continue
            except EnvironmentFailure as error:
                raise self._still_loaded(key, error) from error
            if failure is None:
                break
        else:
            raise self._still_loaded(key, failure) from (interrupt or failure)
        if interrupt is not None:
            raise interrupt

    @contextlib.contextmanager
    def loaded(self, key: str, hive_path: Path) -> Iterator[None]:
        """A hive file loaded as a key for the length of the block, and unloaded whatever happens in it.

        When unloading fails as well, `CleanupError` is raised from the block's error.
        """
        try:
            self.load(key, hive_path)
        except (RegError, ProgramStartError):
            raise
        except BaseException as first:
            # A command that was ended may have loaded the hive all the same.
            if self._is_loaded(key):
                self._unload_after(first, key)
            raise
        try:
            yield
        except BaseException as first:
            self._unload_after(first, key)
            raise
        self.unload(key)

    def _unload_after(self, first: BaseException, key: str) -> None:
        try:
            self.unload(key)
        except CleanupError as error:
            said = first.message if isinstance(first, WinpeCertsError) else cause_words(first)
            error.details = f"{error.details}\nBefore that: {said}".lstrip()
            raise error from first

    def _unload_once(self, key: str) -> RegError | None:
        """Try to unload; what is in the way, or None when the hive is not loaded (any more)."""
        done = self._runner.run(self.unload_command(key), timeout=self._timeout)
        if done.code == 0 or not self._is_loaded(key):
            return None
        return _failure(done, f"unload {key}")

    def _is_loaded(self, key: str) -> bool:
        """Whether a hive is loaded as this key; True when that cannot be found out."""
        name = key.partition("\\")[2].lower()
        try:
            return f"hklm\\{name}" in map(str.lower, self.loaded_hives(name))
        except EnvironmentFailure:
            return True

    def _still_loaded(self, key: str, failure: WinpeCertsError | None) -> CleanupError:
        return CleanupError(
            f"the registry hive {key} is still loaded",
            details=failure.details if failure is not None else "",
            resolution="Close what has it open (regedit, antivirus), then run from an elevated prompt:",
            command=("reg", "unload", key),
        )

    def _run(self, command: tuple[str, ...], doing: str) -> Completed:
        done = self._runner.run(command, timeout=self._timeout)
        if done.code != 0:
            raise _failure(done, doing)
        return done


def _failure(done: Completed, doing: str) -> RegError:
    said = last_lines(done.output)
    return RegError(
        f"reg.exe cannot {doing} (exit code {done.code})",
        details="\n".join(f"reg.exe: {line}" for line in said),
        ran=done.command,
        resolution="Run from an elevated prompt (Run as administrator), check the paths, and make sure that "
        "no other program has the hive open.",
    )
