"""The clock of a call: read once, so that everything that one call changes gets the same time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in UTC."""

    at: datetime

    @classmethod
    def now(cls) -> Moment:
        """This moment."""
        return cls(datetime.now(UTC))

    @property
    def filetime(self) -> int:
        """100-nanosecond intervals since 1601, as Windows counts."""
        return (self.at - _EPOCH) // timedelta(microseconds=1) * 10
