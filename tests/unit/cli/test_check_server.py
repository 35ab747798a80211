"""``check-server`` and ``inject --expect-chain`` from the outside."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata import pki
from scripts.testdata.hive_writer import build_hive
from scripts.testdata.hives import certificate_key, software, usual_stores
from tests.unit.cli.conftest import Program
from winpe_certs.certs.certificate import Certificate
from winpe_certs.trust import answer as answers
from winpe_certs.trust import public_roots as public

HOST = "cmg.contoso.example"
AT = ("--at", "2027-01-31")


@pytest.fixture
def chain(certs: Path) -> Path:
    return certs / "cmg-chain.pem"


def _answers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer for image in document["images"] for answer in image["servers"]]


def _codes(answer: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in answer["reasons"]}


def test_an_image_with_the_root_trusts_the_server(run: Program, image: Path, root: Path, chain: Path) -> None:
    run("inject", image, "-c", root, "-i", "1")
    done = run("check-server", image, "-i", "1", "--chain", chain, "--hostname", HOST, *AT)
    assert done.code == 0
    assert f"trusted {HOST}" in done.out
    assert "[sent]" in done.out
    assert "[AuthRoot]" in done.out
    assert "judged as of 2027-01-31 00:00 UTC" in done.out


def test_an_image_without_it_does_not_and_says_what_helps(run: Program, image: Path, chain: Path) -> None:
    done = run(
        "check-server", image, "-i", "2", "--chain", chain, "--hostname", HOST, *AT, "--format", "json"
    )
    assert done.code == 1
    assert done.document["ok"] is False
    assert done.document["at"] == "2027-01-31T00:00:00+00:00"
    (found,) = _answers(done.document)
    assert found["verdict"] == "not trusted"
    (reason,) = [reason for reason in found["reasons"] if reason["severity"] == "error"]
    assert reason["code"] == "issuer-missing"
    assert reason["winhttp"] == "INVALID_CA"
    assert reason["command"] is None, "there is no file of the root to name"


def test_the_command_names_the_file_that_has_the_root_and_works(
    run: Program, image: Path, tmp_path: Path
) -> None:
    """The server's own certificate is in that file too, and must be left out."""
    whole = tmp_path / "whole chain.pem"
    whole.write_bytes(pki.pem("cmg-server", "corp-issuing", "corp-root"))
    ask = ("check-server", image, "-i", "2", "--chain", whole, "--hostname", HOST, *AT)
    (found,) = _answers(run(*ask, "-f", "json").document)
    (reason,) = [reason for reason in found["reasons"] if reason["severity"] == "error"]
    assert reason["code"] == "root-not-in-image"
    assert reason["command"] == [
        "winpe-certs", "inject", str(image), "--index", "2", "--cert", str(whole), "--skip", "not-a-ca"
    ]  # fmt: skip
    assert run(*reason["command"][1:]).code == 0
    assert run(*ask).code == 0


def test_all_images_are_asked_and_one_no_is_a_no(run: Program, image: Path, root: Path, chain: Path) -> None:
    run("inject", image, "-c", root, "-i", "1")
    done = run("check-server", image, "--chain", chain, "--hostname", HOST, *AT, "--format", "json")
    assert done.code == 1
    assert [answer["verdict"] for answer in _answers(done.document)] == ["trusted", "not trusted"]


def test_every_name_gets_its_own_answer(run: Program, hive: Path, root: Path, chain: Path) -> None:
    run("inject", hive, "-c", root)
    names = ("--hostname", HOST, "--hostname", "cmg.corp.example", "--hostname", "a.cmg.contoso.example")
    done = run("check-server", hive, "--chain", chain, *names, *AT, "--format", "json")
    assert done.code == 1
    assert [(a["server"], a["verdict"]) for a in _answers(done.document)] == [
        (HOST, "trusted"),
        ("cmg.corp.example", "not trusted"),
        ("a.cmg.contoso.example", "trusted"),
    ]
    assert {"CERT_CN_INVALID"} == {
        reason["winhttp"] for reason in _answers(done.document)[1]["reasons"] if reason["severity"] == "error"
    }


def test_several_servers_in_one_call(run: Program, hive: Path, root: Path, certs: Path) -> None:
    run("inject", hive, "-c", root, "-c", certs / "corp-root-2.cer")
    servers = (
        "--server", f"{HOST}={certs / 'cmg-chain.pem'}",
        "--server", f"other.contoso.example={certs / 'other-chain.pem'}",
    )  # fmt: skip
    done = run("check-server", hive, *servers, *AT, "--format", "json")
    assert done.code == 0
    cmg, other = _answers(done.document)
    assert cmg["verdict"] == other["verdict"] == "trusted"
    assert _codes(other) == {"revocation-ldap-only", "validity-short"}
    assert other["valid_until"] == "2028-01-01T00:00:00+00:00"


def test_a_date_outside_of_the_chain_is_named_as_winhttp_does(
    run: Program, hive: Path, root: Path, chain: Path
) -> None:
    run("inject", hive, "-c", root)
    for date, code in (("2019-06-01", "not-yet-valid"), ("2039-06-01", "expired")):
        done = run("check-server", hive, "--chain", chain, "--hostname", HOST, "--at", date, "-f", "json")
        (found,) = _answers(done.document)
        assert found["verdict"] == "not trusted"
        assert {(reason["code"], reason["winhttp"]) for reason in found["reasons"]} == {
            (code, "CERT_DATE_INVALID")
        }


def test_a_missing_intermediate_in_the_image_fills_the_gap(
    run: Program, hive: Path, root: Path, certs: Path
) -> None:
    run("inject", hive, "-c", root)
    alone = ("--chain", certs / "cmg-server.cer", "--hostname", HOST, *AT)
    done = run("check-server", hive, *alone, "-f", "json")
    assert _codes(_answers(done.document)[0]) == {"issuer-missing"}
    run("inject", hive, "-c", certs / "corp-issuing.cer")
    assert run("check-server", hive, *alone).code == 0


def test_a_distrusted_certificate_is_refused_and_the_remedy_works(
    run: Program, hive: Path, root: Path, chain: Path, certs: Path
) -> None:
    run("inject", hive, "-c", root)
    run("inject", hive, "-c", certs / "corp-issuing.cer", "--store", "Disallowed")
    ask = ("check-server", hive, "--chain", chain, "--hostname", HOST, *AT)
    done = run(*ask, "-f", "json")
    (found,) = _answers(done.document)
    assert _codes(found) == {"disallowed"}
    assert run(*found["reasons"][0]["command"][1:]).code == 0
    assert run(*ask).code == 0


@pytest.mark.parametrize(
    ("property_id", "data", "code"),
    [
        (0x09, "300a06082b06010505070302", "narrowed-eku"),
        (0x7A, "300a06082b06010505070301", "narrowed-disallowed-eku"),
        (0x68, "0000000000000000", "narrowed-disabled"),
        (0x13, "", "narrowed-archived"),
        (0x7E, "0000000000000000", "narrowed-not-before"),
        (0x54, "300aa0083006820461626364", "narrowed-names"),
    ],
)
def test_properties_take_trust_away_and_injecting_gives_it_back(
    run: Program,
    hive: Path,
    chain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    property_id: int,
    data: str,
    code: str,
) -> None:
    stores = {
        **usual_stores(),
        "AuthRoot": [certificate_key("corp-root", (property_id, bytes.fromhex(data)))],
    }
    hive.write_bytes(build_hive(software(stores, class_ids=40)))
    ask = ("check-server", hive, "--chain", chain, "--hostname", HOST, *AT)
    done = run(*ask, "-f", "json")
    assert done.code == 1
    (found,) = _answers(done.document)
    (reason,) = found["reasons"]
    assert reason["code"] == code
    # The certificate is taken out of the image, and goes in again without the property.
    monkeypatch.chdir(tmp_path)
    taken_out = run(*reason["command"][1:], "-f", "json")
    assert taken_out.code == 0
    (file,) = taken_out.document["files"]
    assert run("inject", hive, "-c", file).code == 0
    assert run(*ask).code == 0


def test_a_public_root_that_is_missing_is_called_undocumented(
    run: Program, hive: Path, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = (Certificate.from_der(pki.der("corp-root"), "ours"),)
    monkeypatch.setattr(answers, "public_roots", lambda: ours)
    ask = ("check-server", hive, "--chain", certs / "cmg-chain.pem", "--hostname", HOST, *AT)
    done = run(*ask, "-f", "json")
    assert done.code == 1
    (found,) = _answers(done.document)
    assert found["verdict"] == "undocumented"
    assert _codes(found) == {"public-root-not-in-image"}
    wrong = run(*ask[:-4], "--hostname", "other.example", *AT, "-f", "json")
    assert _answers(wrong.document)[0]["verdict"] == "not trusted"


def test_a_public_root_in_the_image_is_an_ordinary_root(
    run: Program, hive: Path, root: Path, chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = (Certificate.from_der(pki.der("corp-root"), "ours"),)
    monkeypatch.setattr(answers, "public_roots", lambda: ours)
    run("inject", hive, "-c", root)
    ask = ("check-server", hive, "--chain", chain, "--hostname", HOST)
    assert run(*ask, *AT).code == 0
    late = run(*ask, "--at", "2046-01-01", "-f", "json")
    assert _answers(late.document)[0]["verdict"] == "not trusted"


def test_the_public_roots_are_read() -> None:
    roots = public.public_roots()
    assert len(roots) > 100
    assert all(root.is_self_signed for root in roots)
    assert "certifi" in public.list_name()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no server was given"),
        (("--hostname", HOST), "no server was given"),
        (("--chain", "missing.pem", "--hostname", HOST), "no such certificate file"),
        (("--server", "name"), "not a name and a file"),
        (("--server", "=x.pem"), "not a name and a file"),
        (("--server", "https://cmg=x.pem"), "not the name of a server"),
        (("--server", "a.b=missing.pem"), "for example cmg.contoso.com=cmg-chain.pem"),
        (("--server", "a.b=."), "no certificate file in this folder"),
        (("--connect", "a", "--connect", "b", "--hostname", "c"), "not clear which server"),
        (("--connect", "https://cmg.contoso.com"), "cmg.contoso.com"),
    ],
)
def test_wrong_usage_is_told_before_the_image_is_opened(
    run: Program, hive: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run("check-server", hive, *arguments)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize("file", ["chain.pem", "./chain.pem"])
def test_a_server_typed_the_other_way_round_is_told_the_right_one(
    run: Program, hive: Path, chain: Path, tmp_path: Path, file: str
) -> None:
    shutil.copy(chain, tmp_path / "chain.pem")
    done = run("check-server", hive, "--server", f"{file}={HOST}")
    assert done.code == 2
    assert "the server's name first" in done.err
    assert "the other way round" in done.err


def test_the_way_out_of_a_store_with_a_key_keeps_the_certificate_of_the_server(
    run: Program, hive: Path, image: Path, root: Path, certs: Path
) -> None:
    for name in ("corp-root.pfx", "corp-root.key.pem"):
        named = (certs / name, "--hostname", HOST)
        for arguments in (
            ("check-server", hive, "--chain", *named),
            ("check-server", hive, "--server", f"{HOST}={certs / name}"),
            ("audit", hive, "--chain", *named),
            ("inject", image, "-c", root, "--expect-chain", *named),
        ):
            done = run(*arguments)
            assert done.code == 3
            assert "OpenSSL's pkcs12 command and its option -nokeys" in done.err
            assert "-cacerts" not in done.err
    assert "-cacerts" in run("inject", image, "-c", certs / "corp-root.pfx").err


def test_a_chain_without_a_name_lists_the_names_of_the_certificate(
    run: Program, hive: Path, chain: Path
) -> None:
    done = run("check-server", hive, "--chain", chain)
    assert done.code == 2
    assert "*.cmg.contoso.example" in done.err


@pytest.mark.parametrize("date", ["tomorrow", "2027-13-01", " ", "0001-01-01", "9999-12-31", "31.01.2027"])
def test_a_date_that_is_none_is_wrong_usage(run: Program, hive: Path, chain: Path, date: str) -> None:
    done = run("check-server", hive, "--chain", chain, "--hostname", HOST, "--at", date)
    assert done.code == 2
    assert "not a date" in done.err


@pytest.mark.parametrize("date", ["2027-01-31T08:00", "2027-01-31T08:00:00+02:00", "20270131", "2027-01-31Z"])
def test_dates_are_iso_8601(run: Program, hive: Path, root: Path, chain: Path, date: str) -> None:
    run("inject", hive, "-c", root)
    done = run("check-server", hive, "--chain", chain, "--hostname", HOST, "--at", date)
    assert done.code == (2 if date.endswith("31Z") else 0)


def test_a_file_of_cas_alone_is_refused_with_the_way_to_get_the_chain(
    run: Program, hive: Path, certs: Path
) -> None:
    done = run("check-server", hive, "--chain", certs / "chain.pem", "--hostname", HOST)
    assert done.code == 3
    assert "there is no server's certificate in it" in done.err
    assert "OpenSSL's s_client" in done.err


def test_the_hive_is_only_read(run: Program, hive: Path, chain: Path) -> None:
    before = (hive.read_bytes(), hive.stat().st_mtime_ns)
    run("check-server", hive, "--chain", chain, "--hostname", HOST)
    assert (hive.read_bytes(), hive.stat().st_mtime_ns) == before


def test_the_report_names_what_to_look_at_when_the_root_is_not_at_fault(
    run: Program, hive: Path, root: Path, chain: Path
) -> None:
    run("inject", hive, "-c", root)
    done = run("check-server", hive, "--chain", chain, "--hostname", HOST, *AT)
    for words in ("clock", "/NoCRLCheck", "proxy", "check-media-certificate", "0x87D00215", "blob.core"):
        assert words in done.out
    other = run("check-server", hive, "--server", f"x.example={chain}", *AT)
    assert "0x87D00215" not in other.out


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_of_several_servers_in_a_file_the_one_with_the_name_is_meant(
    run: Program, hive: Path, root: Path, tmp_path: Path, order: tuple[int, ...]
) -> None:
    run("inject", hive, "-c", root)
    names = ("cmg-server", "other-server", "corp-issuing")
    both = tmp_path / "both.pem"
    both.write_bytes(pki.pem(*(names[number] for number in order)))
    done = run("check-server", hive, "--chain", both, "--hostname", HOST, *AT, "-f", "json")
    assert _answers(done.document)[0]["verdict"] == "trusted"
    assert any(pki.thumbprint("other-server") in warning for warning in done.document["warnings"])
    unclear = run("check-server", hive, "--chain", both, "--hostname", "x.example", *AT)
    assert unclear.code == 3
    assert "cannot be told" in unclear.err
    assert pki.thumbprint("cmg-server") in unclear.err


def test_a_chain_given_twice_is_wrong_usage(run: Program, hive: Path, root: Path, chain: Path) -> None:
    twice = (chain, "--chain", chain, "--hostname", HOST)
    assert run("check-server", hive, "--chain", *twice).code == 2
    expect = ("--expect-chain", chain, "--expect-chain", chain, "--hostname", HOST)
    assert run("inject", hive, "-c", root, *expect).code == 2


@pytest.mark.parametrize("content", [b"", b"no certificate", b"PK\x03\x04", bytes(100)])
def test_what_is_no_chain_is_told_with_the_way_to_get_one(
    run: Program, hive: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "chain.pem").write_bytes(content)
    done = run("check-server", hive, "--chain", "chain.pem", "--hostname", HOST)
    assert done.code == 3
    assert "OpenSSL's s_client" in done.err


def test_a_boot_image_given_as_a_chain_is_not_read_whole(
    run: Program, hive: Path, root: Path, tmp_path: Path
) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    for option in (
        ("check-server", hive, "--chain", "huge"),
        ("inject", hive, "-c", root, "--expect-chain", "huge"),
    ):
        done = run(*option, "--hostname", HOST)
        assert done.code == 3
        assert "too many for a certificate file" in done.err
    assert run("inject", hive, "-c", "huge").code == 3


class TestExpectChain:
    def test_an_image_that_then_trusts_is_committed_and_says_so(
        self, run: Program, image: Path, root: Path, chain: Path
    ) -> None:
        expect = ("--expect-chain", chain, "--hostname", HOST)
        done = run("inject", image, "-c", root, "-i", "all", *expect, "-f", "json")
        assert done.code == 0
        assert [answer["verdict"] for answer in _answers(done.document)] == ["trusted", "trusted"]
        assert run("verify", image, "-c", root).code == 0

    @pytest.mark.parametrize("also", [(), ("--dry-run",)])
    def test_an_image_that_would_still_not_trust_is_left_alone(
        self, run: Program, image: Path, certs: Path, chain: Path, also: tuple[str, ...]
    ) -> None:
        before = image.read_bytes()
        expect = ("--expect-chain", chain, "--hostname", HOST, *also)
        done = run("inject", image, "-c", certs / "corp-root-2.cer", "-i", "1", *expect, "-f", "json")
        assert done.code == 1
        assert done.document["error"]["kind"] == "expectation"
        assert done.document["error"]["message"].startswith(f"{image}, image 1: not changed")
        (refused,) = done.document["images"]
        assert (refused["index"], refused["changed"]) == (1, False)
        assert _codes(refused["servers"][0]) == {"issuer-missing"}
        assert image.read_bytes() == before
        text = run("inject", image, "-c", certs / "corp-root-2.cer", "-i", "1", *expect)
        assert "image 1 (Microsoft Windows PE (x64)): not changed" in text.out
        assert "If it is the root, get its certificate from the PKI team" in text.out

    def test_a_wrong_name_is_refused_too(self, run: Program, hive: Path, root: Path, chain: Path) -> None:
        before = hive.read_bytes()
        names = ("--hostname", HOST, "--hostname", "cmg.corp.example")
        done = run("inject", hive, "-c", root, "--expect-chain", chain, *names)
        assert done.code == 1
        assert "would still not trust cmg.corp.example" in done.err
        assert hive.read_bytes() == before

    def test_an_image_that_had_everything_already_is_judged_as_well(
        self, run: Program, hive: Path, root: Path, chain: Path
    ) -> None:
        run("inject", hive, "-c", root)
        assert run("inject", hive, "-c", root, "--expect-chain", chain, "--hostname", HOST).code == 0
        assert run("inject", hive, "-c", root, "--expect-chain", chain, "--hostname", "x.example").code == 1

    def test_root_and_intermediate_go_to_their_stores(self, run: Program, hive: Path, certs: Path) -> None:
        given = ("-c", certs / "chain.pem", "--expect-chain", certs / "cmg-server.cer", "--hostname", HOST)
        done = run("inject", hive, *given, "-f", "json")
        assert done.code == 0
        stored = {c["store"] for image in done.document["images"] for c in image["certificates"]}
        assert stored == {"AuthRoot", "CA"}

    def test_a_hostname_without_a_chain_is_wrong_usage(self, run: Program, hive: Path, root: Path) -> None:
        done = run("inject", hive, "-c", root, "--hostname", HOST)
        assert done.code == 2
        assert "--expect-chain" in done.err

    def test_a_chain_without_a_hostname_is_wrong_usage(
        self, run: Program, hive: Path, root: Path, chain: Path
    ) -> None:
        assert run("inject", hive, "-c", root, "--expect-chain", chain).code == 2
