"""``explain``: what a code, a number or a name means that this program, DISM or smsts.log shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from winpe_certs.engines.dism_codes import MEANINGS, SUCCESS, Meaning, as_printed
from winpe_certs.errors import ExitCode
from winpe_certs.finding_codes import winhttp
from winpe_certs.finding_codes.entry import Entry
from winpe_certs.finding_codes.exit_codes import EXIT_MEANINGS
from winpe_certs.finding_codes.explanation import Explanation, Topic
from winpe_certs.finding_codes.registry import ENTRIES

_EXIT: Final = re.compile(r"exit(?:[ -]?code)?[ :=-]+(?P<rest>.+)", re.IGNORECASE)
_DISM: Final = re.compile(r"(?:dism|error)[ :=-]+(?P<rest>.+)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?P<hex>0x[0-9a-f]{1,8})|-?[0-9]{1,10}", re.IGNORECASE | re.ASCII)
_UNSIGNED: Final = 0xFFFF_FFFF
_LOW: Final = 0xFFFF
_FIRST_HRESULT: Final = 0x8000_0000
_RESTART: Final = Meaning(
    "success, restart needed",
    "The work is done. The running Windows would need a restart; an image that is not running does not.",
    "Nothing has to be done.",
    "Microsoft, System Error Codes",
)


def explain(text: str) -> tuple[Explanation, ...]:
    """Say what a code, a name or a number means, for everything that has it; empty when nothing does.

    ``exit 3`` asks for our exit code only, ``dism 5`` for the number of DISM only. Case does not matter.
    """
    wanted = " ".join(text.split())
    if asked := _EXIT.fullmatch(wanted):
        return tuple(_exit_code(asked["rest"]))
    if (asked := _DISM.fullmatch(wanted)) and (number := _number(asked["rest"])) is not None:
        return tuple(_dism(number))
    found = _number(wanted)
    if found is not None:
        is_flag = wanted.lower().startswith("0x")
        return (*_exit_code(wanted), *_dism(found), *_winhttp_number(found, is_flag=is_flag))
    code = wanted.lower().replace("_", "-")
    entries = [ENTRIES[code]] if code in ENTRIES else []
    return (*map(_of_entry, entries), *_winhttp_name(wanted))


def everything() -> tuple[Explanation, ...]:
    """Explain everything that can be asked for, each once."""
    return (
        *map(_of_entry, ENTRIES.values()),
        *(_of_exit_code(code) for code in ExitCode),
        *(_of_winhttp(name) for name in winhttp.NAMES),
        *(_of_dism(number, meaning) for number, meaning in _once(MEANINGS)),
    )


def names() -> tuple[str, ...]:
    """Everything that has a name, for suggestions."""
    return (*ENTRIES, *winhttp.NAMES)


def _once(meanings: Mapping[int, Meaning]) -> Iterator[tuple[int, Meaning]]:
    """Each meaning once: errors of Windows are known by their plain number and as HRESULT."""
    seen: set[int] = set()
    for number, meaning in meanings.items():
        if id(meaning) not in seen:
            seen.add(id(meaning))
            yield number, meaning


def _number(text: str) -> int | None:
    """A number in decimal or hexadecimal digits, as unsigned 32 bits; some programs show negative ones."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    number = int(text, 16) if found["hex"] else int(text)
    return number & _UNSIGNED if -_FIRST_HRESULT <= number <= _UNSIGNED else None


def _exit_code(text: str) -> Iterator[Explanation]:
    number = _number(text)
    if number is not None and not text.lower().startswith("0x") and number in set(ExitCode):
        yield _of_exit_code(ExitCode(number))


def _dism(number: int) -> Iterator[Explanation]:
    if number in SUCCESS and number:
        yield _of_dism(number, _RESTART)
    elif number in MEANINGS:
        yield _of_dism(number, MEANINGS[number])


def _winhttp_number(number: int, *, is_flag: bool) -> Iterator[Explanation]:
    """The error of a number, or the flags of a bit field, which logs show in hexadecimal digits."""
    error = number & _LOW if number & ~_LOW == winhttp.HRESULT else number
    if error in winhttp.ERRORS:
        yield _of_winhttp(winhttp.ERRORS[error])
    elif is_flag and number and not number & ~sum(winhttp.FLAGS):
        yield from (_of_winhttp(name) for bit, name in winhttp.FLAGS.items() if number & bit)


def _winhttp_name(text: str) -> Iterator[Explanation]:
    name = text.upper().replace("-", "_")
    for prefix in (winhttp.FLAG_PREFIX, winhttp.ERROR_PREFIX):
        name = name.removeprefix(prefix)
    for candidate in (name, f"CERT_{name}"):
        if candidate in winhttp.NAMES:
            yield _of_winhttp(candidate)
            return


def _of_entry(entry: Entry) -> Explanation:
    is_kind = entry.exit_code is not None
    return Explanation(
        Topic.ERROR if is_kind else Topic.FINDING,
        entry.code,
        entry.meaning,
        entry.cause,
        entry.remedy,
        severities=() if is_kind else tuple(map(str, entry.severities)),
        allow=None if is_kind else entry.allow,
        skip=None if is_kind else entry.skip,
        related=tuple(filter(None, (f"exit code {entry.exit_code}" if is_kind else "", entry.winhttp))),
    )


def _of_exit_code(code: ExitCode) -> Explanation:
    said = EXIT_MEANINGS[code]
    kinds = tuple(entry.code for entry in ENTRIES.values() if entry.exit_code == code)
    return Explanation(
        Topic.EXIT_CODE, str(int(code)), said.meaning, said.cause, said.remedy, int(code), related=kinds
    )


def _of_dism(number: int, meaning: Meaning) -> Explanation:
    needs_folder = any(word.startswith("/MountDir") for word in meaning.then)
    return Explanation(
        Topic.DISM,
        as_printed(number),
        meaning.name,
        meaning.cause,
        meaning.remedy,
        number,
        source=meaning.source,
        command=() if needs_folder or not meaning.then else ("DISM", *meaning.then),
    )


def _of_winhttp(name: str) -> Explanation:
    said = winhttp.NAMES[name]
    numbers = {known: number for number, known in (*winhttp.FLAGS.items(), *winhttp.ERRORS.items())}
    is_error = numbers[name] in winhttp.ERRORS
    return Explanation(
        Topic.WINHTTP,
        name,
        said.meaning,
        said.cause,
        said.remedy,
        numbers[name],
        source=winhttp.ERRORS_SOURCE if is_error else winhttp.FLAGS_SOURCE,
        related=tuple(entry.code for entry in ENTRIES.values() if entry.winhttp == name),
    )
