"""crypt32 judges the matrix of servers and images, and the odd chains; nothing of this program is asked.

It is the crypt32.dll of the system that the tests run on: Wine's, whose limits are listed, or Windows' own.
"""

from __future__ import annotations

import contextlib
import warnings
from fnmatch import fnmatchcase
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.trust_cases import TRUSTED, UNDOCUMENTED, Case
from scripts.testdata.trust_pki import cases
from tests import needs
from tests.oracle.test_trust_openssl import _roots
from tests.windows.crypt32 import judged

_CURVE_SIZES: Final = {32, 48, 66}
# So that a pattern fits no case in which crypt32 agrees.
DIFFERENCES: Final[dict[str, tuple[str, ...]]] = {
    "it verifies neither RSASSA-PSS nor signatures by P-521": (
        *("pss-signatures", "pss-signature-*", "intermediate-key-p521", "root-key-p521", "p521-with-*"),
    ),
    "it does not compare the uses of a chain with those that are asked for": (
        *("server-use-client-only", "server-use-mail-only", "intermediate-use-client-only"),
        *("root-use-client-only", "policies-client-*", "policies-unknown-*"),
    ),
    "it has no rules for weak hashes, short keys and curves": (
        *("md5-server", "md5-intermediate", "rsa-512-server", "small-rsa-key-that-is-damaged"),
        *("server-key-p521", "server-key-p224", "server-key-p192", "server-key-secp256k1"),
        *("server-signed-with-md5", "intermediate-signed-with-md5"),
    ),
    "it knows neither policies nor application policies as critical extensions": (
        *("policies-demanded-and-there", "policies-demanded-any", "policies-any-not-inhibited"),
        *("policies-critical-both-*", "policies-critical-server-*", "policies-critical-all-*"),
        *("application-mappings-critical-*", "application-constraints-critical-*"),
    ),
    "its SSL policy compares no addresses, no star after letters, no common name beside other names": (
        *("names-ip", "names-ipv6", "constraints-network-permitted", "names-wildcard-with-prefix"),
        *("common-name-universal", "alternative-nul-before", "alternative-nul-after"),
        *("alternative-unknown-tag-*", "alternative-x400-*"),
        *("alternative-mail-only", "alternative-url-only", "alternative-directory-only"),
        "alternative-nothing-only",
    ),
    "it does not decode a certificate, or one beside it": (
        *("serial-empty-*", "begins-generalized-no-seconds-*", "begins-generalized-fraction-*"),
        *("begins-generalized-offset-*", "begins-year-1-*", "unreadable-root-beside-the-right-one"),
        *("unreadable-root-signature-*-beside-*", "unreadable-root-field-*-beside-*"),
        "unreadable-root-endless-beside-*",
    ),
    "it takes key usages of an unusual form, or beside a claim to be a CA, for wrong ones": (
        *("key-usage-trailing-zeros-root", "key-usage-trailing-zeros-intermediate"),
        *("key-usage-unused-0-server", "key-usage-four-octets-*", "key-usage-not-critical-server"),
        "server-claims-to-be-a-ca",
    ),
    "it takes no old root without extensions for a CA": (
        *("root-of-version-1", "root-with-no-extensions", "old-root-of-version-1", "old-root-of-version-2"),
        *("old-root-of-version-1-said", "old-root-of-version-1-with-extensions"),
        "old-server-of-version-1-with-extensions",
    ),
    "it finds issuers by the identifier of their key, whatever their names and algorithms": (
        *("issuer-text-differs", "issuer-accent-differs", "issuer-order-differs", "algorithms-differ-*"),
        *("root-with-nothing-only-sent", "unreadable-namesake-in-a-store-that-does-not-count"),
    ),
    "it compares an issuer and serial number in an authority key identifier in another way": (
        *("exact-right-intermediate", "exact-right-with-key-intermediate"),
    ),
    "it counts self-issued certificates as path length": ("new-key-rollover-is-not-counted",),
    "it compares the endings of names without their dots": ("constraints-similar-ending",),
    "Disallowed is read from the stores of the system, which the test leaves alone": (
        *("disallowed-server", "disallowed-intermediate", "disallowed-root"),
        *("disallowed-intermediate-in-ca", "disallowed-self-signed-server"),
    ),
}
"""Why crypt32 of Wine 8 answers otherwise, with patterns of names. They say nothing of Windows."""


def reason_for(name: str) -> str | None:
    """Why crypt32 may answer otherwise in a case."""
    found = [
        reason
        for reason, patterns in DIFFERENCES.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    assert len(found) <= 1, (name, found)
    return found[0] if found else None


def _is_trusted(case: Case, host: str) -> bool:
    others = [der for store, der in case.stores if store == "CA"]
    try:
        return judged(case.sent, _roots(case), others, host, case.at).is_trusted
    except OSError:
        return False


def _differs(case: Case) -> bool:
    answers = zip(case.hosts, case.verdicts, strict=True)
    return any(
        _is_trusted(case, host) != (verdict == TRUSTED)
        for host, verdict in answers
        if verdict != UNDOCUMENTED
    )


def _is_hard_for_wine(case: Case) -> bool:
    """Whether a signature by ECDSA has a number that is shorter than the curve's, as one in a hundred has.

    Wine 8 does not verify these: in eight runs all that differed without a reason had one. They are made anew
    each time, so no list of names can have them.
    """
    for der in (*case.sent, *(der for _, der in case.stores)):
        with contextlib.suppress(ValueError, x509.InvalidVersion), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers = decode_dss_signature(x509.load_der_x509_certificate(der).signature)
            if any((number.bit_length() + 7) // 8 not in _CURVE_SIZES for number in numbers):
                return True
    return False


@pytest.mark.parametrize("case", [*cases(), *odd_cases()], ids=lambda case: str(case.name))
def test_crypt32_says_the_same_or_there_is_a_reason(case: Case) -> None:
    differs, reason = _differs(case), reason_for(case.name)
    if differs and needs.is_wine() and _is_hard_for_wine(case):
        return
    if differs:
        assert reason is not None, "crypt32 says otherwise"
    else:
        # Windows' own does not have the limits of Wine's.
        assert reason is None or not needs.is_wine(), f"crypt32 does agree, although {reason}"
