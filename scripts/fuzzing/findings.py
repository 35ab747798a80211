"""Findings: kept as files, one for each place where something went wrong, as small as they come.

A finding is a file for which a target raised what it must not. What it raised and where tells findings apart.
"""

from __future__ import annotations

import hashlib
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scripts.fuzzing.targets import Target

_PACKAGE: Final = f"{os.sep}winpe_certs{os.sep}"
_TARGETS: Final = f"{os.sep}fuzzing{os.sep}"
_MINIMISE_SECONDS: Final = 30


def failure_of(target: Target, data: bytes) -> str | None:
    """What is wrong with a target's answer to a file: the kind of error and its place; None for nothing."""
    try:
        target.accepts(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return described(error)
    return None


def described(error: BaseException) -> str:
    """The kind of an error and the innermost line of this project that it came through."""
    place = "?"
    for frame in traceback.extract_tb(error.__traceback__):
        if _PACKAGE in frame.filename or _TARGETS in frame.filename:
            place = f"{Path(frame.filename).stem}.{frame.name}:{frame.lineno}"
    return f"{type(error).__name__} at {place}"


class Findings:
    """The findings of one target in a folder; of two with one failure the smaller file is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._last_words: dict[str, str] = {}

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [self._path(failure) for failure in self._sizes]

    def add(self, error: BaseException, data: bytes) -> None:
        """Keep a file that made a target raise this."""
        failure = described(error)
        if len(data) >= self._sizes.get(failure, len(data) + 1):
            return
        self._sizes[failure] = len(data)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path(failure).write_bytes(data)
        details = "".join(traceback.format_exception(error))
        self._path(failure).with_suffix(".txt").write_text(f"{failure}\n\n{details}", encoding="utf-8")

    def _path(self, failure: str) -> Path:
        digest = hashlib.sha1(failure.encode(), usedforsecurity=False).hexdigest()[:8]
        return self._folder / f"{failure.partition(' ')[0]}-{digest}.bin"


def minimised(data: bytes, fails: Callable[[bytes], bool], seconds: float = _MINIMISE_SECONDS) -> bytes:
    """The file with everything left out, or zeroed, that it fails without."""
    deadline = time.monotonic() + seconds
    step = max(1, len(data) // 2)
    while step and time.monotonic() < deadline:
        at, is_smaller = 0, False
        while at < len(data) and time.monotonic() < deadline:
            shorter = data[:at] + data[at + step :]
            zeroed = data[:at] + bytes(len(data[at : at + step])) + data[at + step :]
            if fails(shorter):
                data, is_smaller = shorter, True
                continue
            if zeroed != data and fails(zeroed):
                data = zeroed
            at += step
        step = step if is_smaller and step > 1 else step // 2
    return data
