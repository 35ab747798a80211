"""Fixed instants: everything that is built here is dated, and nothing looks at the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def filetime(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> int:
    """Give a date as Windows counts it: units of 100 ns since 1601, in UTC."""
    return (datetime(year, month, day, hour, minute, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 10


INSTALLED = filetime(2024, 4, 1, 7, 30)
CAPTURED = filetime(2024, 4, 1, 8, 15) + 1_234_567
SERVICED = filetime(2024, 9, 10, 13, 5) + 7_654_321
