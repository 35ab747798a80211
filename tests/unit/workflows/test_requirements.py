"""What the dates of a required root say, before any image is looked at."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.unit.certs.making import BEGIN, END, load, root_der
from winpe_certs.findings import Severity
from winpe_certs.workflows.inputs import Wanted
from winpe_certs.workflows.requirements import FAILING_DATES, required_root

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "days", "codes"),
    [
        (BEGIN, 90, []),
        (BEGIN - TICK, 90, ["not-yet-valid"]),
        (BEGIN - DAY, 36500, ["expiring", "not-yet-valid"]),
        (END - 90 * DAY, 90, []),
        (END - 90 * DAY + TICK, 90, ["expiring"]),
        (END, 90, ["expiring"]),
        (END, 0, []),
        (END + TICK, 90, ["expired"]),
    ],
)
def test_each_date_that_fails_the_audit_is_told_once(at: datetime, days: int, codes: list[str]) -> None:
    certificate = load(root_der())
    dates = required_root(Wanted(certificate.thumbprint, "root.cer", certificate), days, at).dates
    assert [each.code for each in dates] == codes
    assert {each.code for each in dates} <= FAILING_DATES
    assert all(each.severity is Severity.ERROR and each.advice for each in dates)


def test_a_thumbprint_alone_has_no_dates() -> None:
    assert required_root(Wanted("A" * 40, "--thumbprint"), 90, END + DAY).dates == ()
