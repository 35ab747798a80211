"""OpenSSL judges what the matrix of servers and images expects; nothing of this program is asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest
from cryptography import x509

from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.trust_cases import AGREES, TRUSTED, Case
from scripts.testdata.trust_pki import cases
from tests.conftest import Judge

ANY_POLICY = "2.5.29.32.0"

_CANNOT_READ = (b"Could not read ", b"Error loading file ")


def _pem(path: Path, certificates: Iterable[bytes]) -> Path:
    path.write_text("".join(map(DER_cert_to_PEM_cert, certificates)), encoding="ascii")
    return path


def _roots(case: Case) -> list[bytes]:
    """OpenSSL would fill gaps with intermediates that stand beside its roots; Windows does not."""
    return [der for store, der in case.stores if store in {"AuthRoot", "ROOT"} and _may_be_a_root(der)]


def _may_be_a_root(der: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            subject, issuer = certificate.subject, certificate.issuer
        except (ValueError, x509.InvalidVersion):  # what the library cannot read is where it belongs
            return True
    return subject == issuer


def _arguments(case: Case, folder: Path) -> Iterator[object]:
    """All but the host. The roots of this computer are never asked."""
    yield from ("-no-CApath", "-no-CAstore", "-purpose", "sslserver")
    yield from ("-policy_check", "-policy", ANY_POLICY)
    yield from ("-attime", int(case.at.timestamp()))
    roots = _roots(case)
    yield from ("-CAfile", _pem(folder / "roots.pem", roots)) if roots else ("-no-CAfile",)
    between = [*case.sent[1:], *(der for store, der in case.stores if store == "CA")]
    if between:
        yield from ("-untrusted", _pem(folder / "between.pem", between))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_accepted(judge: Judge, case: Case, host: str, folder: Path) -> bool:
    kind = "-verify_ip" if _is_address(host) else "-verify_hostname"
    server = _pem(folder / "server.pem", case.sent[:1])
    done = judge("openssl", "verify", *_arguments(case, folder), kind, host, server, check=False)
    assert (b"server.pem: OK" in done.stdout) is (done.returncode == 0)
    # Without this an option that OpenSSL does not know would count as a refusal.
    refuses = b" depth lookup: " in done.stderr
    cannot_read = any(words in done.stderr for words in _CANNOT_READ)
    assert (refuses or cannot_read) is (done.returncode != 0), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("case", [*cases(), *odd_cases()], ids=lambda case: str(case.name))
def test_the_expected_verdicts_are_those_of_openssl(judge: Judge, case: Case, tmp_path: Path) -> None:
    answers = [_is_accepted(judge, case, host, tmp_path) for host in case.hosts]
    expected = [verdict == TRUSTED for verdict in case.verdicts]
    if case.openssl == AGREES:
        assert answers == expected
    else:
        assert answers != expected, f"OpenSSL does agree, although {case.openssl}"
