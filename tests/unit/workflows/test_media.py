"""``check-media-certificate`` as a workflow: the file, the question for the password, and the answer."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scripts.testdata import media_pki, pki
from scripts.testdata.media_pki import AES_PROVIDER, PASSWORD, VARIANTS
from winpe_certs.certs.pkcs12 import LARGEST_FILE, PasswordError
from winpe_certs.errors import CertificateError, EnvironmentFailure, UsageError
from winpe_certs.results import Report
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.media import check_media_certificate

MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))


@dataclasses.dataclass
class Asked:
    """Gives a password and counts how often it was asked for."""

    password: str = PASSWORD
    times: int = 0

    def __call__(self) -> str:
        self.times += 1
        return self.password


def unasked() -> str:
    pytest.fail("asked for a password")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "media.pfx"
        path.write_bytes(data)
        return path

    return write


def check(path: Path, password: Callable[[], str] = unasked) -> Report:
    return check_media_certificate(path, password, MOMENT)


def test_a_good_file(made: Callable[[bytes], Path]) -> None:
    path = made(VARIANTS["provider"]())
    asked = Asked()
    report = check(path, asked)
    assert asked.times == 1
    assert report.command == "check-media-certificate"
    assert report.holds
    assert not report.changed
    assert report.media is not None
    assert report.media.path == str(path)
    assert report.media.subject == "CN=Boot Media"
    assert report.media.issuer.startswith("CN=Contoso Issuing CA 1")
    assert report.media.key == "RSA, 2048 bits"
    assert report.media.provider == AES_PROVIDER
    assert report.media.not_after == datetime(2039, 1, 1, tzinfo=UTC)
    assert len(report.media.thumbprint) == 40
    assert len(report.media.sha256) == 64
    assert report.media.findings == ()


@pytest.mark.parametrize(
    ("name", "holds"),
    [("good", True), ("sha1", True), ("expired", False), ("ec", False), ("certificate-only", False)],
)
def test_errors_say_no_and_nothing_else_does(
    made: Callable[[bytes], Path], name: str, *, holds: bool
) -> None:
    report = check(made(VARIANTS[name]()), Asked())
    assert report.holds == holds
    assert report.media is not None
    assert report.media.findings


def test_the_words_for_another_key(made: Callable[[bytes], Path]) -> None:
    report = check(made(VARIANTS["ec"]()), Asked())
    assert report.media is not None
    assert report.media.key == "EC, 256 bits"


@pytest.mark.parametrize("password", [None, ""])
def test_nobody_is_asked_for_a_password_that_is_not_needed(
    made: Callable[[bytes], Path], password: str | None
) -> None:
    assert check(made(media_pki.unprotected(password))).media is not None


def test_a_wrong_password_is_asked_for_once(made: Callable[[bytes], Path]) -> None:
    asked = Asked("wrong")
    with pytest.raises(PasswordError, match="the password is wrong"):
        check(made(VARIANTS["good"]()), asked)
    assert asked.times == 1


def test_an_error_of_the_source_is_not_one_of_the_file(made: Callable[[bytes], Path]) -> None:
    def nowhere() -> str:
        raise UsageError("no terminal")

    with pytest.raises(UsageError) as raised:
        check(made(VARIANTS["good"]()), nowhere)
    assert raised.value.__context__ is None


def test_files_that_no_password_helps(made: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="but a certificate without a private key"):
        check(made(pki.der("corp-root")))
    with pytest.raises(CertificateError, match="2 private keys"):
        check(made(VARIANTS["two-keys"]()), Asked())
    with pytest.raises(CertificateError, match="too many"):
        check(made(media_pki.store() + bytes(LARGEST_FILE)))
    with pytest.raises(UsageError, match="no such file"):
        check(tmp_path / "nothing.pfx")
    with pytest.raises(UsageError, match="this is a folder"):
        check(tmp_path)


@pytest.mark.posix("modes")
def test_a_file_that_may_not_be_read(made: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(VARIANTS["good"]())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # By hand: root, as which tests often run, may read every file.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(EnvironmentFailure, match="permission denied"):
        check(path)


def test_neither_key_nor_password_is_in_the_report(made: Callable[[bytes], Path]) -> None:
    report = check(made(VARIANTS["good"]()), Asked())
    text = repr(report) + str(dataclasses.asdict(report))
    key = pki.private_key(media_pki.KEY)
    assert isinstance(key, rsa.RSAPrivateKey)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert PASSWORD not in text
    assert "PRIVATE KEY" not in text
    assert pem.decode().splitlines()[1] not in text
    numbers = key.private_numbers()
    for number in (numbers.d, numbers.p, numbers.q):
        assert str(number) not in text
        assert f"{number:x}" not in text
