"""What is fuzzed of hives: reader, editor, structure check, log files, and what two other readers see."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from scripts.fuzzing.logs import unpacked
from scripts.testdata import pki
from winpe_certs.certs.stores import BLOB_VALUE, Location, Store, certificate_key, store_key
from winpe_certs.edits import CreateKey, DeleteKey, DeleteValue, Edit, KeyPath, SetValue
from winpe_certs.engines.base import ImageInfo
from winpe_certs.errors import HiveError, TargetError
from winpe_certs.regf.check import HARMLESS, check
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import read_stored
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import stored_result
from winpe_certs.workflows.recovery import recovered

ORIGIN: Final = "fuzzed"
NOW: Final = 133_000_000_000_000_000
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)

# A walk of every key is nobody's work here; cycles are found by the structure check.
_DEEPEST: Final = 8
_MOST_KEYS: Final = 300


def read_hive(data: bytes) -> None:
    """Look-ups: keys, values and their data, a bounded number of them."""
    hive = Hive(data, ORIGIN)
    for location in Location:
        hive.subkeys(location.value)
    pending: list[KeyPath] = [()]
    for _ in range(_MOST_KEYS):
        if not pending:
            break
        path = pending.pop()
        with suppress(HiveError):
            hive.values(path)
        with suppress(HiveError):
            hive.value(path, BLOB_VALUE)
        with suppress(HiveError):
            names = hive.subkeys(path) or []
            if len(path) < _DEEPEST:
                pending += [(*path, name) for name in names[:_MOST_KEYS]]


def edit_hive(data: bytes) -> None:
    """Every edit is refused or leaves a hive that is no worse, says what was asked, and stays so."""
    known = {violation.invariant for violation in check(data)}
    refused: HiveError | None = None
    for edits in _edits():
        try:
            edited = apply(data, edits, now=NOW, origin=ORIGIN)
        except HiveError as error:
            refused = error
            continue
        found = {violation.invariant for violation in check(edited)}
        assert found <= known, f"{sorted(found - known)} after {[type(edit).__name__ for edit in edits]}"
        assert apply(edited, edits[-1:], now=NOW, origin=ORIGIN) is edited
        last = edits[-1]
        if isinstance(last, SetValue):
            assert Hive(edited, ORIGIN).value(last.path, last.name) == (last.type, last.data)
    if refused is not None:
        raise refused


def check_hive(data: bytes) -> None:
    """``--full-check`` judges anything, and raises for nothing."""
    for violation in check(data):
        assert violation.invariant
        assert violation.message


def stored_certificates(data: bytes) -> None:
    """``list`` and ``check-server``: what is in the stores, by regipy and python-registry."""
    found = read_stored(data, ORIGIN)
    for each in found.certificates:
        stored_result(each, ORIGIN, Moment(AT))
    ImageStores.from_stored(found)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The place of a hive and its logs, as ``--recover`` reads them."""

    logs: dict[str, bytes]

    @property
    def images(self) -> tuple[ImageInfo, ...]:
        """None: the hive lies in a folder."""
        return ()

    def read(self, index: int | None, path: str) -> bytes:
        """A log by its suffix."""
        log = self.logs.get(path.rpartition(".")[2])
        if index is not None or log is None:
            raise TargetError(f"{ORIGIN}: there is no {path}")
        return log


def recover_hive(data: bytes) -> None:
    """``--recover``: a dirty hive and its log files."""
    hive, first, second = unpacked(data)
    found = recovered(_Folder({"LOG1": first, "LOG2": second}), None, hive, ORIGIN)
    Hive(found.data, ORIGIN)
    if found.remark:
        assert {violation.invariant for violation in check(found.data)} <= set(HARMLESS)


@cache
def _edits() -> tuple[list[Edit], ...]:
    thumbprint = pki.thumbprint("corp-root-2")
    key = certificate_key(Store.AUTH_ROOT, thumbprint)
    blob = pki.registry_blob("corp-root-2")
    return (
        [SetValue(key, BLOB_VALUE, 3, blob)],
        [DeleteKey(certificate_key(Store.ROOT, pki.thumbprint("stored-root")))],
        [
            DeleteKey(store_key(Store.ROOT)),
            SetValue(("Test",), "long", 3, bytes(40_000)),
            DeleteValue(("Test",), "one"),
            CreateKey(("aaa", "b")),
            SetValue(key, BLOB_VALUE, 3, blob),
        ],
        [DeleteKey(("Microsoft",)), CreateKey(("Microsoft", "zzz"))],
    )
