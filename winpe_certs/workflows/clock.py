"""The clock of a call: read once, so that everything that one call changes gets the same time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from winpe_certs.errors import UsageError

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_END: Final = datetime(9990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in UTC."""

    at: datetime

    @classmethod
    def now(cls) -> Moment:
        """This moment."""
        return cls(datetime.now(UTC))

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

    @property
    def filetime(self) -> int:
        """100-nanosecond intervals since 1601, as Windows counts."""
        return (self.at - _EPOCH) // timedelta(microseconds=1) * 10
