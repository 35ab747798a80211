"""The clock of a call: read once, so that everything that one call changes gets the same time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from winpe_certs.errors import UsageError

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(9990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in UTC: `at` is what is judged by, `stamp` what is written, if that is another one."""

    at: datetime
    stamp: datetime | None = None

    @classmethod
    def now(cls) -> Moment:
        """This moment; what is written gets the time of the variable SOURCE_DATE_EPOCH, if it is set.

        That makes builds repeatable (reproducible-builds.org: seconds since 1970). Raises `UsageError`.
        """
        text = os.environ.get("SOURCE_DATE_EPOCH")
        return cls(datetime.now(UTC), _stamp(text) if text else None)

    @classmethod
    def parse(cls, text: str) -> Moment:
        """A date or a date with a time as typed (ISO 8601); without a zone it is UTC. Raises `UsageError`."""
        try:
            read = datetime.fromisoformat(text.strip())
            # Windows counts from 1601; years at the end leave no room for a zone.
            in_utc = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            in_utc = None
        if in_utc is None or not _EPOCH <= in_utc < _END:
            raise UsageError(
                f"--at {text}: not a date",
                resolution="Write it as 2027-01-31 or 2027-01-31T08:00; without a zone it is UTC.",
            )
        return cls(in_utc)

    def stamped(self, filetime: int) -> Moment:
        """The same moment to judge by, for a change that is stamped with an earlier time."""
        try:
            return Moment(self.at, _EPOCH + timedelta(microseconds=filetime // 10))
        except OverflowError:
            return self

    @property
    def filetime(self) -> int:
        """100-nanosecond intervals since 1601, as Windows counts."""
        return ((self.stamp or self.at) - _EPOCH) // timedelta(microseconds=1) * 10


def _stamp(text: str) -> datetime:
    if text.isascii() and text.isdecimal() and int(text) < (_END - _UNIX_EPOCH).total_seconds():
        return _UNIX_EPOCH + timedelta(seconds=int(text))
    raise UsageError(
        f"SOURCE_DATE_EPOCH={text[:40]}: not a number of seconds since 1970",
        resolution="Unset the variable, or set it as in: SOURCE_DATE_EPOCH=$(date +%s)",
    )
