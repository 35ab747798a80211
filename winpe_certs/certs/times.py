"""Times in certificates (RFC 5280 section 4.1.2.5), also in the forms that X.690 allowed before DER.

Seconds may be missing, fractions are cut off, and a time may name its distance from UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from winpe_certs.certs.der import GENERALIZED_TIME, SEQUENCE, UTC_TIME, DerError, Element, expect

_AFTER_DATE: Final = (
    rb"(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?:[.,]\d+)?"
    rb"(?:Z|(?P<sign>[+-])(?P<ahead_hours>\d\d)(?P<ahead_minutes>\d\d)?)?"
)
_FORMS: Final = {
    UTC_TIME: re.compile(rb"(?P<date>\d{6})" + _AFTER_DATE),
    GENERALIZED_TIME: re.compile(rb"(?P<date>\d{8})" + _AFTER_DATE),
}
# RFC 5280 section 4.1.2.5.1: two digits of a year from 50 on are of the twentieth century.
_FIRST_OF_THE_OLD_CENTURY: Final = 50


def read_validity(element: Element) -> tuple[datetime, datetime]:
    """Read the moments between which a certificate is valid, as aware datetimes; raises `DerError`."""
    parts = expect(element, SEQUENCE, "the validity").children()
    if len(parts) != 2:
        raise DerError(element.start, f"the validity has {len(parts)} parts instead of 2")
    return read_time(parts[0]), read_time(parts[1])


def read_time(element: Element) -> datetime:
    """Read a UTCTime or GeneralizedTime as an aware datetime; raises `DerError`."""
    form = _FORMS.get(element.tag)
    if form is None:
        raise DerError(element.start, f"a time has tag 0x{element.tag:02X}")
    found = form.fullmatch(element.value)
    if found is None:
        raise DerError(element.start, "a time that is no time")
    digits = found["date"].decode()
    if element.tag == UTC_TIME:
        digits = f"{'19' if int(digits[:2]) >= _FIRST_OF_THE_OLD_CENTURY else '20'}{digits}"
    try:
        moment = datetime(
            int(digits[:4]),
            int(digits[4:6]),
            int(digits[6:]),
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"] or 0),
            tzinfo=UTC,
        )
        return moment - _ahead(found)
    except (ValueError, OverflowError) as error:
        raise DerError(element.start, "a time that no calendar has") from error


def _ahead(found: re.Match[bytes]) -> timedelta:
    if found["sign"] is None:
        return timedelta(0)
    ahead = timedelta(hours=int(found["ahead_hours"]), minutes=int(found["ahead_minutes"] or 0))
    return ahead if found["sign"] == b"+" else -ahead
