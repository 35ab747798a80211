"""``check-media-certificate`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from scripts.testdata import media_pki, pki
from tests.unit.cli.conftest import Program
from winpe_certs.cli import passwords

AT = ("--at", "2027-01-31")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    path = tmp_path / "media.pfx"
    path.write_bytes(pki.media_pfx())
    return path


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password.txt"
    path.write_bytes(pki.PFX_PASSWORD + b"\r\n")
    return path


def test_a_fit_certificate(run: Program, media: Path, password: Path) -> None:
    done = run("check-media-certificate", media, "--password-file", password, *AT)
    assert done.code == 0
    assert "\nfit as a media certificate\n" in done.out
    assert "CN=Contoso boot media" in done.out
    assert "RSA, 2048 bits" in done.out


def test_the_password_from_the_environment(
    run: Program, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIA_PASSWORD", pki.PFX_PASSWORD.decode())
    assert run("check-media-certificate", media, "--password-env", "MEDIA_PASSWORD", *AT).code == 0


def test_the_password_from_the_terminal(run: Program, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_from_terminal", pki.PFX_PASSWORD.decode)
    done = run("check-media-certificate", media, *AT)
    assert done.code == 0
    assert pki.PFX_PASSWORD.decode() not in done.out.split()


def test_without_a_password_it_says_how_to_give_one(run: Program, media: Path) -> None:
    done = run("check-media-certificate", media, *AT)
    assert done.code == 2
    assert "--password-env" in done.err


def test_a_wrong_password_is_refused_and_not_shown(run: Program, media: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("swordfish")
    done = run("check-media-certificate", media, "--password-file", wrong, *AT, "--verbose")
    assert done.code == 3
    assert "password" in done.err
    assert "swordfish" not in done.err + done.out


def test_json_has_the_facts_and_no_secret(run: Program, media: Path, password: Path) -> None:
    done = run("check-media-certificate", media, "--password-file", password, *AT, "-f", "json")
    found = done.document["media"]
    assert found["thumbprint"] == pki.thumbprint("media-client")
    assert found["key"] == "RSA, 2048 bits"
    assert [finding["code"] for finding in found["findings"]] == ["media-provider"]
    assert done.document["ok"] is True
    numbers = pki.private_key("media-client").private_numbers()
    assert isinstance(numbers, rsa.RSAPrivateNumbers)
    text = json.dumps(done.document)
    for part in (numbers.d, numbers.p):
        assert f"{part:x}" not in text.lower()
        assert str(part) not in text


def test_an_expired_one_is_not_fit(run: Program, media: Path, password: Path) -> None:
    done = run("check-media-certificate", media, "--password-file", password, "--at", "2036-01-01")
    assert done.code == 1
    assert "error (expired)" in done.out
    assert "\nnot fit as a media certificate\n" in done.out


@pytest.mark.parametrize(
    ("name", "at", "line"),
    [
        # A remark is no warning.
        ("good", "2027-01-31", "fit as a media certificate"),
        ("sha1", "2027-01-31", "fit as a media certificate, with 1 warning"),
        ("sha1", "2038-12-20", "fit as a media certificate, with 2 warnings"),
    ],
)
def test_the_answer_says_how_many_warnings_there_are(
    run: Program, media: Path, tmp_path: Path, name: str, at: str, line: str
) -> None:
    media.write_bytes(media_pki.VARIANTS[name]())
    (tmp_path / "password.txt").write_text(media_pki.PASSWORD)
    done = run("check-media-certificate", media, "--password-file", "password.txt", "--at", at)
    assert (done.code, done.out.splitlines()[-1]) == (0, line)


def test_what_is_no_pkcs12_is_refused(run: Program, root: Path, password: Path) -> None:
    done = run("check-media-certificate", root, "--password-file", password)
    assert done.code == 3
    assert "Traceback" not in done.err


def test_a_missing_file_is_wrong_usage(run: Program) -> None:
    assert run("check-media-certificate", "missing.pfx").code == 2
    folder = run("check-media-certificate", ".")
    assert folder.code == 2
    assert "this is a folder" in folder.err
