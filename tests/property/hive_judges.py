"""Four readers of hives that share no code with the package or each other, and how each is compared.

regipy and hivex are exact. python-registry and libregf have ways of their own, which are written down where
they are excused (`may_say`); whatever one of them cannot tell, the exact ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import _missing
from tests.property import judge_hivex, judge_libregf, judge_python_registry, judge_regipy
from tests.property.hive_dump import Dump, Key, KeyPath, Value, as_dump, bounded


def _exactly(_said: Value, _stored: Value, _minor: int) -> bool:
    """No excuse: what is said differs from what is stored."""
    return False


def _as_is(path: KeyPath) -> KeyPath:
    return path


def _up_to_zero(path: KeyPath) -> KeyPath:
    """The one excuse for names of keys: libregf ends them at a NUL, which the format allows."""
    return tuple(name.split("\0")[0] for name in path)


@dataclass(frozen=True)
class Judge:
    """One reader: how it reads a file, which values it may state otherwise, how it spells a path."""

    name: str
    read: Callable[[str], Iterator[tuple[KeyPath, Key]]]
    may_say: Callable[[Value, Value, int], bool] = _exactly
    spelled: Callable[[KeyPath], KeyPath] = _as_is

    def dump(self, path: Path) -> Dump:
        """All keys of the hive in this file; raises `Unreadable`."""
        return as_dump(bounded(self.read(str(path))))

    def disagreements(self, said: Dump, expected: Mapping[KeyPath, Key], minor: int) -> list[str]:
        """What this judge has said otherwise than expected of a hive."""
        found = []
        said = dict(said)
        for names, key in expected.items():
            answer = said.pop(self.spelled(names), None)
            if answer is None:
                found.append(f"{self.name} does not see the key {names}")
            elif answer != key:
                found += [
                    f"{self.name}, key {names}: {what}" for what in self._differences(answer, key, minor)
                ]
        return found + [f"{self.name} sees a key {names}" for names in said]

    def _differences(self, said: Key, stored: Key, minor: int) -> Iterator[str]:
        if len(said.values) != len(stored.values):
            yield f"{[value.name for value in said.values]}, not {[value.name for value in stored.values]}"
        for answer, value in zip(said.values, stored.values, strict=False):
            if answer != value and not self.may_say(answer, value, minor):
                yield f"{_short(answer)}, not {_short(value)}"
        for what, answer_field, field in zip(Key._fields[1:], said[1:], stored[1:], strict=True):
            if None not in (answer_field, field) and answer_field != field:
                yield f"{what} is {answer_field!r}, not {field!r}"


def _short(value: Value) -> str:
    return f"{value.name!r} of type {value.kind} with {len(value.data)} bytes {value.data[:40]!r}"


REGIPY = Judge("regipy", judge_regipy.read)
PYTHON_REGISTRY = Judge("python-registry", judge_python_registry.read, judge_python_registry.may_say)
HIVEX = Judge("hivex", judge_hivex.read)
LIBREGF = Judge("libregf", judge_libregf.read, judge_libregf.may_say, _up_to_zero)
JUDGES = (REGIPY, PYTHON_REGISTRY, HIVEX, LIBREGF)


def require_judges() -> None:
    """Skip, or fail where judges are required, without the two libraries."""
    for name, library in (("hivex", judge_hivex), ("libregf", judge_libregf)):
        if not library.is_there():
            _missing("judges", f"the library of {name} is not installed")
