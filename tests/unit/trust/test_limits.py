from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from tests.unit.certs import making
from tests.unit.certs.making import element
from tests.unit.trust.certificates import excluding, make, permitting
from winpe_certs.certs.blob import FILETIME, FILETIME_EPOCH, Blob, Property, PropertyId
from winpe_certs.findings import Reason, Severity
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.limits import ADVICE, Limits, limit_reasons, limits_of

WHERE = "The root Contoso Root CA in AuthRoot"
LEAF = make(names=["cmg.contoso.com"])  # issued on making.BEGIN
DAY = timedelta(days=1)

SERVER_AUTH = bytes.fromhex("06082b06010505070301")
CLIENT_AUTH = bytes.fromhex("06082b06010505070302")
ANY_USE = bytes.fromhex("0604551d2500")


def _limits(*properties: tuple[int, bytes]) -> Limits:
    certificate = Property(PropertyId.CERTIFICATE, making.root_der())
    return limits_of(Blob((*(Property(*each) for each in properties), certificate)))


def _reasons(*properties: tuple[int, bytes], at: datetime = making.NOW) -> tuple[Reason, ...]:
    return limit_reasons(_limits(*properties), WHERE, LEAF, at, NameComparisons())


def _filetime(moment: datetime) -> bytes:
    return FILETIME.pack((moment - FILETIME_EPOCH) // timedelta(microseconds=1) * 10)


def _uses(*identifiers: bytes) -> bytes:
    return element(0x30, *identifiers)


def _codes(reasons: tuple[Reason, ...]) -> list[tuple[str, Severity, str]]:
    return [(reason.code, reason.severity, reason.winhttp) for reason in reasons]


def test_a_blob_without_such_properties_limits_nothing() -> None:
    limits = _limits((PropertyId.SHA1_HASH, bytes(20)), (PropertyId.FRIENDLY_NAME, b"a\0\0\0"), (0x9999, b""))
    assert limits == Limits()
    assert limits.is_empty
    assert limits.ends is None
    assert limit_reasons(limits, WHERE, LEAF, making.NOW, NameComparisons()) == ()


@pytest.mark.parametrize("number", [0x09, 0x7A, 0x54, 0x68, 0x7E, 0x7F, 0x13])
def test_each_such_property_makes_the_limits_other_than_empty(number: int) -> None:
    assert not _limits((number, b"")).is_empty


def test_every_reason_says_where_and_gives_the_advice_to_start_from_the_file() -> None:
    found = _reasons(*((number, b"\xff") for number in (0x09, 0x7A, 0x54, 0x68, 0x7E, 0x13)))
    assert [reason.code for reason in found] == [
        "narrowed-eku",
        "narrowed-disallowed-eku",
        "narrowed-names",
        "narrowed-disabled",
        "narrowed-not-before",
        "narrowed-archived",
    ]
    for reason in found:
        is_readable = reason.code == "narrowed-archived"
        assert (reason.severity is Severity.ERROR) is is_readable
        assert reason.undocumented is not is_readable
        assert reason.message.startswith(f"{WHERE} ")
        assert reason.message.endswith(".")
        assert (reason.advice, reason.command) == (ADVICE, ())


@pytest.mark.parametrize("uses", [_uses(SERVER_AUTH), _uses(CLIENT_AUTH, SERVER_AUTH), _uses(ANY_USE)])
def test_uses_with_server_authentication_narrow_nothing(uses: bytes) -> None:
    assert _reasons((0x09, uses)) == ()


JUNK = [b"", b"junk", _uses(SERVER_AUTH) + b"\0"]


@pytest.mark.parametrize("number", [0x09, 0x7A, 0x54, 0x68, 0x7E])
@pytest.mark.parametrize("data", JUNK, ids=["empty", "junk", "rest"])
def test_what_windows_makes_of_a_property_that_cannot_be_read_is_not_documented(
    number: int, data: bytes
) -> None:
    (reason,) = _reasons((number, data))
    assert (reason.severity, reason.undocumented) == (Severity.WARNING, True)


@pytest.mark.parametrize("uses", [_uses(CLIENT_AUTH), _uses()])
def test_uses_without_server_authentication_take_servers_away(uses: bytes) -> None:
    assert _codes(_reasons((0x09, uses))) == [("narrowed-eku", Severity.ERROR, "CERT_WRONG_USAGE")]


def test_of_several_lists_of_uses_each_one_narrows() -> None:
    assert len(_reasons((0x09, _uses(SERVER_AUTH)), (0x09, _uses(CLIENT_AUTH)))) == 1


@pytest.mark.parametrize("uses", [_uses(SERVER_AUTH), _uses(CLIENT_AUTH, ANY_USE)])
def test_taken_uses_with_server_authentication_take_servers_away(uses: bytes) -> None:
    assert _codes(_reasons((0x7A, uses))) == [("narrowed-disallowed-eku", Severity.ERROR, "CERT_WRONG_USAGE")]


@pytest.mark.parametrize("uses", [_uses(CLIENT_AUTH), _uses()])
def test_taken_uses_without_server_authentication_matter_to_nobody(uses: bytes) -> None:
    assert _reasons((0x7A, uses)) == ()


def test_names_of_the_server_within_the_constraints_are_fine() -> None:
    assert _reasons((0x54, permitting(x509.DNSName(".contoso.com")).public_bytes())) == ()


@pytest.mark.parametrize(
    ("der", "told"),
    [
        (excluding(x509.DNSName("contoso.com")).public_bytes(), "cmg.contoso.com is excluded (contoso.com)"),
        (
            permitting(x509.DNSName("fabrikam.com")).public_bytes(),
            "cmg.contoso.com is not among the permitted ones (fabrikam.com)",
        ),
    ],
)
def test_names_outside_the_constraints_are_errors(der: bytes, told: str) -> None:
    (reason,) = _reasons((0x54, der))
    assert (reason.code, reason.severity) == ("narrowed-names", Severity.ERROR)
    assert told in reason.message


@pytest.mark.parametrize("offset", [timedelta(), DAY])
def test_a_root_is_disabled_from_the_moment_on(offset: timedelta) -> None:
    (reason,) = _reasons((0x68, _filetime(making.NOW)), at=making.NOW + offset)
    assert (reason.code, reason.severity) == ("narrowed-disabled", Severity.ERROR)
    assert reason.message == f"{WHERE} is disabled from 2026-06-01 00:00 UTC (property 0x68)."


def test_a_root_that_will_be_disabled_is_a_warning_until_then() -> None:
    (reason,) = _reasons((0x68, _filetime(making.NOW)), at=making.NOW - timedelta(seconds=1))
    assert (reason.code, reason.severity) == ("narrowed-disabled", Severity.WARNING)
    assert reason.message == f"{WHERE} will be disabled from 2026-06-01 00:00 UTC (property 0x68)."


@pytest.mark.parametrize("data", [b"", b"\0" * 4, b"\0" * 9, b"\xff" * 8])
def test_an_unreadable_date_leaves_open_when_it_disables(data: bytes) -> None:
    limits = _limits((0x68, _filetime(making.END)), (0x68, data))
    assert limits.disabled_from == (making.END, None)
    assert limits.ends == making.END
    (reason,) = _reasons((0x68, data))
    assert (reason.code, reason.undocumented) == ("narrowed-disabled", True)
    assert "unreadable date" in reason.message


def test_a_date_of_zero_has_disabled_since_1601() -> None:
    assert _limits((0x68, bytes(8))).ends == datetime(1601, 1, 1, tzinfo=UTC)
    assert _codes(_reasons((0x68, bytes(8)))) == [("narrowed-disabled", Severity.ERROR, "")]


def test_the_earliest_of_several_dates_counts() -> None:
    limits = _limits((0x68, _filetime(making.END)), (0x68, _filetime(making.NOW)))
    assert limits.ends == making.NOW


@pytest.mark.parametrize("uses", [(), (_uses(SERVER_AUTH),), (_uses(ANY_USE),)])
@pytest.mark.parametrize(("offset", "refused"), [(-DAY, True), (timedelta(), False), (DAY, False)])
def test_a_server_certificate_issued_after_the_date_is_refused(
    uses: tuple[bytes, ...], offset: timedelta, refused: bool
) -> None:
    date = (0x7E, _filetime(making.BEGIN + offset))
    found = _reasons(date, *((0x7F, each) for each in uses))
    assert _codes(found) == ([("narrowed-not-before", Severity.ERROR, "")] if refused else [])


def test_one_list_with_server_authentication_among_others_is_enough() -> None:
    date = (0x7E, _filetime(making.BEGIN - DAY))
    assert _reasons(date, (0x7F, _uses(CLIENT_AUTH)), (0x7F, _uses(SERVER_AUTH)))


def test_the_date_does_not_matter_when_it_is_about_other_uses() -> None:
    assert _reasons((0x7E, _filetime(making.BEGIN - DAY)), (0x7F, _uses(CLIENT_AUTH))) == ()
    assert _reasons((0x7E, b"junk"), (0x7F, _uses(CLIENT_AUTH))) == ()


@pytest.mark.parametrize("uses", [b"junk", b""])
def test_an_unreadable_date_or_list_leaves_open_whom_it_refuses(uses: bytes) -> None:
    (reason,) = _reasons((0x7E, b""))
    assert (reason.code, reason.undocumented) == ("narrowed-not-before", True)
    (reason,) = _reasons((0x7E, _filetime(making.BEGIN - DAY)), (0x7F, uses))
    assert (reason.code, reason.undocumented) == ("narrowed-not-before", True)


def test_uses_without_a_date_of_issue_mean_nothing() -> None:
    assert _reasons((0x7F, _uses(SERVER_AUTH))) == ()


def test_an_archived_certificate_is_skipped_by_windows() -> None:
    (reason,) = _reasons((0x13, b""))
    assert reason.message == f"{WHERE} is marked as archived (property 0x13): Windows skips it."
