"""``check-server --connect`` against a real TLS server on this computer."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from scripts.testdata import pki
from tests.fakes.tls_server import TlsServer, listener
from tests.unit.cli.conftest import Program

HOST = "cmg.contoso.example"
AT = ("--at", "2027-01-31")


@pytest.fixture
def trusting(run: Program, hive: Path, root: Path) -> Path:
    """A hive with the root in it."""
    assert run("inject", hive, "-c", root).code == 0
    return hive


def test_the_chain_comes_from_the_server(run: Program, trusting: Path, tmp_path: Path) -> None:
    with TlsServer(tmp_path) as server:
        where = f"127.0.0.1:{server.port}"
        done = run("check-server", trusting, "--connect", where, "--hostname", HOST, *AT, "-f", "json")
    assert done.code == 0
    assert server.names == [HOST]
    (answer,) = done.document["images"][0]["servers"]
    assert (answer["server"], answer["source"], answer["verdict"]) == (
        HOST,
        f"connected to {where}",
        "trusted",
    )
    (warning,) = done.document["warnings"]
    assert "a proxy that inspects TLS may have answered" in warning


def test_without_a_name_the_one_that_was_connected_to_counts(
    run: Program, trusting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, **more: real("127.0.0.1", port, **more))
    with TlsServer(tmp_path) as server:
        done = run("check-server", trusting, "--connect", f"{HOST}:{server.port}", *AT)
        wrong = run("check-server", trusting, "--connect", f"127.0.0.1:{server.port}", *AT)
    assert done.code == 0
    assert f"trusted {HOST}" in done.out
    assert wrong.code == 1
    assert "CERT_CN_INVALID" in wrong.out


def test_a_server_that_forgets_its_intermediate(run: Program, trusting: Path, tmp_path: Path) -> None:
    with TlsServer(tmp_path, chain=pki.pem("cmg-server")) as server:
        where = ("--connect", f"127.0.0.1:{server.port}", "--hostname", HOST)
        done = run("check-server", trusting, *where, *AT)
    assert done.code == 1
    assert "issuer-missing, INVALID_CA" in done.out
    assert "have the server send it" in done.out


def test_a_server_is_asked_under_every_name(run: Program, trusting: Path, tmp_path: Path) -> None:
    """It may have another certificate for each."""
    with TlsServer(tmp_path) as server:
        names = ("--hostname", HOST, "--hostname", "cmg.corp.example")
        done = run(
            "check-server", trusting, "--connect", f"127.0.0.1:{server.port}", *names, *AT, "-f", "json"
        )
    assert server.names == [HOST, "cmg.corp.example"]
    answers = done.document["images"][0]["servers"]
    assert [answer["verdict"] for answer in answers] == ["trusted", "not trusted"]


def test_files_and_live_servers_in_one_call(
    run: Program, trusting: Path, tmp_path: Path, certs: Path
) -> None:
    with TlsServer(tmp_path) as server:
        files = ("--chain", certs / "cmg-chain.pem", "--hostname", HOST)
        done = run(
            "check-server", trusting, *files, "--connect", f"127.0.0.1:{server.port}", *AT, "-f", "json"
        )
    answers = done.document["images"][0]["servers"]
    assert [(answer["server"], answer["verdict"]) for answer in answers] == [
        (HOST, "trusted"),
        ("127.0.0.1", "not trusted"),
    ]


def test_a_server_that_demands_a_client_certificate_has_shown_its_own(
    run: Program, trusting: Path, tmp_path: Path
) -> None:
    with TlsServer(tmp_path, require_client_certificate=True, maximum=ssl.TLSVersion.TLSv1_2) as server:
        where = ("--connect", f"127.0.0.1:{server.port}", "--hostname", HOST)
        assert run("check-server", trusting, *where, *AT).code == 0


def test_a_server_that_does_not_answer_is_a_failure_of_the_system(run: Program, trusting: Path) -> None:
    with listener() as listening:
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        done = run("check-server", trusting, "--connect", where, "--connect-timeout", "0.5", "-f", "json")
    assert done.code == 4
    assert done.document["error"]["kind"] == "connection"
    assert "--chain" in done.document["error"]["resolution"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_the_time_limit_must_be_one(run: Program, trusting: Path, seconds: str) -> None:
    done = run("check-server", trusting, "--connect", "127.0.0.1:1", "--connect-timeout", seconds)
    assert done.code in {2, 4}
    assert "Traceback" not in done.err
