"""The chain of a live server, with real servers on the loopback interface."""

from __future__ import annotations

import _thread
import errno
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from scripts.testdata import pki
from tests import needs
from tests.fakes.tls_server import LOOPBACK, LoopbackServer, TlsServer, listener, until_the_end
from winpe_certs.connection import ConnectionFailure, TimeLimit, fetch_chain
from winpe_certs.errors import EnvironmentFailure, ExitCode, UsageError
from winpe_certs.hosts import Endpoint, HostName, parse_endpoint, parse_host
from winpe_certs.workflows import servers

NAME = "cmg.contoso.example"
SENT = (pki.der("cmg-server"), pki.der("corp-issuing"))
# Long enough for a busy computer; what has to time out does so at `SHORT`.
LIMIT = 30.0
SHORT = 0.5
GENEROUS = 5.0
FOUND = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


def fetch(server: LoopbackServer, *, name: str = NAME, limit: float = LIMIT) -> tuple[bytes, ...]:
    return fetch_chain(Endpoint(parse_host(server.host), server.port), parse_host(name), TimeLimit(limit))


def failure(host: str, port: int, *, name: str = NAME, limit: float = LIMIT) -> ConnectionFailure:
    """The failure of a visit."""
    with pytest.raises(ConnectionFailure) as caught:
        fetch_chain(Endpoint(parse_host(host), port), parse_host(name), TimeLimit(limit))
    return caught.value


def free_port() -> int:
    with listener() as listening:
        port: int = listening.getsockname()[1]
        return port


def answers(data: bytes) -> Callable[[socket.socket], None]:
    """A server that waits for the client to speak, answers this, and closes."""

    def talk(plain: socket.socket) -> None:
        plain.recv(1 << 16)
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        until_the_end(plain)

    return talk


def silent(plain: socket.socket) -> None:
    until_the_end(plain)


def looked_up(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int]) -> None:
    """Let every name stand for these addresses."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(*FOUND, address) for address in found])


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "host", "port", "shown"),
        [
            ("cmg.contoso.example", "cmg.contoso.example", 443, "cmg.contoso.example:443"),
            ("cmg.contoso.example:8443", "cmg.contoso.example", 8443, "cmg.contoso.example:8443"),
            ("CMG", "cmg", 443, "cmg:443"),
            ("sccm_01.corp.", "sccm_01.corp", 443, "sccm_01.corp:443"),
            ("192.0.2.10", "192.0.2.10", 443, "192.0.2.10:443"),
            ("192.0.2.10:1", "192.0.2.10", 1, "192.0.2.10:1"),
            ("2001:db8::1", "2001:db8::1", 443, "[2001:db8::1]:443"),
            ("[2001:db8::1]", "2001:db8::1", 443, "[2001:db8::1]:443"),
            ("[2001:db8::1]:65535", "2001:db8::1", 65535, "[2001:db8::1]:65535"),
            ("bücher.example:444", "bücher.example", 444, "xn--bcher-kva.example:444"),
        ],
    )
    def test_names_addresses_and_ports(self, text: str, host: str, port: int, shown: str) -> None:
        endpoint = parse_endpoint(text)
        assert endpoint == Endpoint(parse_host(host), port)
        assert str(endpoint) == shown

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            " cmg.example",
            "cmg .example",
            "cmg.example\n",
            "cmg\x1b[31m.example",
            ":443",
            "cmg.example:",
            "cmg.example:0",
            "cmg.example:65536",
            "cmg.example:https",
            "cmg.example:+443",
            "cmg.example:4_4",
            "cmg.example:४४३",
            "cmg.example:000443",
            "cmg.example:443:443",
            "*.cmg.example",
            "-cmg.example",
            "cmg..example",
            ".example",
            ".",
            "10.0.0.256",
            "127.1",
            "x" * 64,
            ".".join(["x" * 50] * 6),
            "é" * 300,
            "ü" * 60 + ".example",
            "\u2100.example",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[cmg.example]:443",
            "[192.0.2.10]:443",
            "[]",
            "2001:db8::12345",
            "fe80::1%eth0",
            "fe80::1%a;b",
            "2001:db8::1%",
        ],
    )
    def test_what_is_no_server_is_refused_with_advice(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_endpoint(text)
        assert caught.value.resolution
        assert caught.value.message.isprintable()

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("https://cmg.contoso.example", "cmg.contoso.example"),
            ("https://cmg.contoso.example:8443/CCM_Proxy?x=1#y", "cmg.contoso.example:8443"),
            ("cmg.contoso.example/", "cmg.contoso.example"),
            ("https://someone:secret@cmg.contoso.example/", "cmg.contoso.example"),
            ("https://[2001:db8::1]:443/", "[2001:db8::1]:443"),
        ],
    )
    def test_of_a_url_the_name_alone_is_asked_for(self, text: str, name: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_endpoint(text)
        assert caught.value.resolution == f"Give the name alone: {name}"

    @pytest.mark.parametrize("text", ["straße.example:443", "a\u03c2.example"])
    def test_a_name_that_stands_for_two_is_asked_for_in_ascii(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_endpoint(text)
        assert "xn--" in caught.value.resolution

    def test_a_url_without_a_name_gets_the_general_advice(self) -> None:
        with pytest.raises(UsageError) as caught:
            parse_endpoint("https://")
        assert "a colon and its port" in caught.value.resolution


class TestChain:
    def test_it_comes_whole_in_order_and_byte_for_byte(self, tmp_path: Path) -> None:
        with TlsServer(tmp_path) as server:
            assert fetch(server) == SENT
        assert not server.errors

    def test_a_server_that_sends_only_its_own_certificate(self, tmp_path: Path) -> None:
        with TlsServer(tmp_path, chain=pki.pem("cmg-server")) as server:
            assert fetch(server) == SENT[:1]

    def test_an_odd_order_and_strangers_are_kept(self, tmp_path: Path) -> None:
        names = ("cmg-server", "corp-root", "weak-root", "corp-issuing", "corp-root")
        with TlsServer(tmp_path, chain=pki.pem(*names)) as server:
            assert fetch(server) == tuple(pki.der(name) for name in names)

    def test_an_expired_self_signed_certificate_with_a_weak_key_is_no_obstacle(self, tmp_path: Path) -> None:
        key = pki.key_pem(pki.private_key("weak-root"))
        with TlsServer(tmp_path, chain=pki.pem("weak-root"), key=key) as server:
            assert fetch(server) == (pki.der("weak-root"),)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_server_of_one_version(self, tmp_path: Path, version: ssl.TLSVersion) -> None:
        with TlsServer(tmp_path, minimum=version, maximum=version) as server:
            assert fetch(server) == SENT
        assert server.versions == [version.name.replace("_", ".")]

    @pytest.mark.skipif(not ssl.HAS_TLSv1, reason="this Python's OpenSSL has no TLS 1.0 for the server")
    def test_a_server_of_tls_1_0(self, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old = TlsServer(tmp_path, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)
        with old as server:
            assert fetch(server) == SENT
        assert server.versions == ["TLSv1"]

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_server_that_wants_a_client_certificate_has_shown_its_own_by_then(
        self, tmp_path: Path, version: ssl.TLSVersion
    ) -> None:
        with TlsServer(tmp_path, minimum=version, maximum=version, require_client_certificate=True) as server:
            assert fetch(server) == SENT
        assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in str(server.errors[0])
        assert not server.versions

    def test_a_server_that_falls_silent_after_its_certificates(self, tmp_path: Path) -> None:
        """Only the bytes up to the certificates are passed on, then nothing more."""
        version = ssl.TLSVersion.TLSv1_2
        with TlsServer(tmp_path, minimum=version, maximum=version) as server:

            def relay(plain: socket.socket) -> None:
                with socket.create_connection((server.host, server.port)) as behind:
                    behind.sendall(plain.recv(1 << 16))
                    answer = b""
                    while not answer.endswith(bytes.fromhex("160303 0004 0e000000")):  # "server hello done"
                        data = behind.recv(1 << 16)
                        plain.sendall(data)
                        answer += data
                    until_the_end(plain)

            with LoopbackServer(relay) as between:
                assert fetch(between, limit=SHORT) == SENT
        assert not server.versions

    def test_nothing_is_sent_after_the_handshake(self, tmp_path: Path) -> None:
        with TlsServer(tmp_path) as server:
            fetch(server)
        assert server.versions == ["TLSv1.3"]
        assert server.after_handshake == b""
        assert server.connections == 1

    def test_a_server_on_ipv6(self, tmp_path: Path) -> None:
        try:
            listener("::1").close()
        except OSError as error:
            pytest.skip(f"no IPv6 loopback: {error}")
        with TlsServer(tmp_path, host="::1") as server:
            assert fetch(server) == SENT

    def test_a_server_that_sends_no_certificate(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SSL.Connection, "get_peer_cert_chain", lambda _: None)
        with TlsServer(tmp_path) as server:
            assert "the server sent no certificate" in failure(server.host, server.port).message


class TestServerName:
    @pytest.mark.parametrize(
        ("name", "asked_for"),
        [
            (NAME, NAME),
            ("other.contoso.example", "other.contoso.example"),
            ("cmg.contoso.example.", NAME),
            ("bücher.example", "xn--bcher-kva.example"),
            ("192.0.2.10", None),
            ("2001:db8::1", None),
        ],
    )
    def test_the_server_is_asked_for_names_but_not_for_addresses(
        self, tmp_path: Path, name: str, asked_for: str | None
    ) -> None:
        with TlsServer(tmp_path) as server:
            assert fetch(server, name=name) == SENT
        assert server.names == [asked_for]

    @pytest.mark.parametrize(("host", "name"), [(LOOPBACK, "a b"), ("a\0b", NAME), (LOOPBACK, "")])
    def test_what_is_no_name_reaches_no_network(
        self, host: str, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
        with pytest.raises(UsageError):
            fetch_chain(Endpoint(parse_host(host), 443), parse_host(name), TimeLimit(LIMIT))

    def test_a_server_that_does_not_know_the_name(self) -> None:
        alert = bytes.fromhex("150303 0002 02 70")
        with LoopbackServer(answers(alert)) as server:
            error = failure(server.host, server.port)
        assert error.message == (
            f"127.0.0.1:{server.port}: the TLS handshake failed: "
            "the server does not know the name that it was asked for"
        )
        assert "unrecognized name" in error.details


class TestLookUp:
    def test_a_name_that_is_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        error = failure("cmg.contoso.example", 8443)
        assert error.message == "cmg.contoso.example:8443: the name is not found"
        assert "Name or service not known" in error.details
        assert "spelling" in error.resolution
        assert "uses no proxy" in error.resolution
        assert error.command == (
            "openssl", "s_client", "-connect", "cmg.contoso.example:8443",
            "-servername", "cmg.contoso.example", "-showcerts",
        )  # fmt: skip
        assert isinstance(error.__cause__, socket.gaierror)

    def test_name_servers_that_do_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unable(*_: Any, **__: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", unable)
        assert "no name server answers" in failure("cmg.contoso.example", 443).message

    def test_a_look_up_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        over = threading.Event()

        def hang(*_: Any, **__: Any) -> list[Any]:
            over.wait(60)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        try:
            error = failure("cmg.contoso.example", 443, limit=SHORT)
        finally:
            over.set()
        assert error.message.endswith("no answer within 0.5 seconds, during looking up the name")

    def test_a_look_up_that_hangs_keeps_no_process_from_ending(self) -> None:
        code = (
            "import socket, time; socket.getaddrinfo = lambda *a, **b: time.sleep(60)\n"
            "from winpe_certs.connection import *\n"
            "from winpe_certs.hosts import *\n"
            "try: fetch_chain(parse_endpoint('cmg.example'), parse_host('cmg.example'), TimeLimit(0.1))\n"
            "except ConnectionFailure: print('failed')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
        assert done.stdout.strip() == b"failed"

    def test_a_name_without_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_up(monkeypatch)
        assert "cannot be reached" in failure("cmg.contoso.example", 443).message

    def test_the_look_up_gets_the_ascii_form(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, ...]] = []

        def note(*arguments: Any, **_: Any) -> list[Any]:
            asked.append(arguments)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", note)
        error = failure("bücher.example", 443)
        assert asked == [("xn--bcher-kva.example", 443)]
        assert error.message.startswith("xn--bcher-kva.example:443: ")
        assert "xn--bcher-kva.example:443" in error.command


class TestConnecting:
    def test_a_port_where_nobody_listens(self) -> None:
        port = free_port()
        error = failure(LOOPBACK, port)
        assert error.message == f"127.0.0.1:{port}: the connection is refused"
        assert error.details.startswith("127.0.0.1: ")
        assert "nothing listens" in error.resolution
        assert isinstance(error, EnvironmentFailure)
        assert (error.kind, error.exit_code) == ("connection", ExitCode.FAILED)

    def test_an_address_that_refuses_leaves_the_next_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with TlsServer(tmp_path) as server:
            looked_up(monkeypatch, (LOOPBACK, free_port()), (LOOPBACK, server.port))
            assert fetch_chain(parse_endpoint("cmg.example"), parse_host(NAME), TimeLimit(LIMIT)) == SENT

    def test_every_address_that_failed_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_up(monkeypatch, (LOOPBACK, free_port()), (LOOPBACK, free_port()))
        error = failure("cmg.contoso.example", 443)
        assert [line.partition(":")[0] for line in error.details.splitlines()] == [LOOPBACK] * 2

    def test_a_network_without_a_way_to_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_up(monkeypatch, (LOOPBACK, 443))
        monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.ENETUNREACH)
        error = failure("cmg.contoso.example", 443)
        assert error.message == "cmg.contoso.example:443: the server cannot be reached"
        assert error.details.startswith("127.0.0.1: ")

    @pytest.fixture
    def full(self) -> Iterator[int]:
        """A port whose queue of connections is full, so that Linux answers no more."""
        if sys.platform != "linux":
            pytest.skip(needs.SILENCE)
        with socket.socket() as listening:
            listening.bind((LOOPBACK, 0))
            listening.listen(0)
            port: int = listening.getsockname()[1]
            waiting = [socket.socket() for _ in range(8)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex((LOOPBACK, port))
            yield port
            for each in waiting:
                each.close()

    def test_an_address_that_does_not_answer(self, full: int) -> None:
        error = failure(LOOPBACK, full, limit=SHORT)
        assert error.message.endswith("no answer within 0.5 seconds, during the connection")

    def test_an_address_that_does_not_answer_leaves_time_for_the_next_one(
        self, full: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with TlsServer(tmp_path) as server:
            looked_up(monkeypatch, (LOOPBACK, full), (LOOPBACK, server.port))
            assert fetch_chain(parse_endpoint("cmg.example"), parse_host(NAME), TimeLimit(4)) == SENT


class TestNoTls:
    def test_a_server_that_never_answers(self) -> None:
        with LoopbackServer(silent) as server:
            error = failure(server.host, server.port, limit=SHORT)
        assert error.message.endswith("no answer within 0.5 seconds, during the TLS handshake")

    def test_nobody_is_asked_when_the_time_is_over(self) -> None:
        with LoopbackServer(silent) as server:
            error = failure(server.host, server.port, limit=0)
            assert server.connections == 0
        assert error.message.endswith("not asked any more: the time limit of 0 seconds is over")

    def test_names_and_servers_share_one_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limits: list[TimeLimit] = []

        def fetched(_: Endpoint, __: HostName, limit: TimeLimit) -> tuple[bytes, ...]:
            limits.append(limit)
            return SENT

        monkeypatch.setattr(servers, "fetch_chain", fetched)
        servers.gather_servers(servers.Asked(connect=("a.example", "b.example"), connect_seconds=3))
        names = ("c.example", "d.example", "e.example")
        servers.gather_servers(servers.Asked(connect=("a.example",), hostnames=names))
        assert [limit.seconds for limit in limits] == [3, 3, 10, 10, 10]
        assert len(set(map(id, limits))) == 2

    def test_a_server_whose_bytes_drip(self) -> None:
        """Each byte of a record comes in time; all of them together do not."""

        def drip(plain: socket.socket) -> None:
            plain.recv(1 << 16)
            plain.sendall(bytes.fromhex("160303 3f00 02"))
            while True:
                plain.sendall(b"\0")
                time.sleep(0.05)

        with LoopbackServer(drip) as server:
            error = failure(server.host, server.port, limit=SHORT)
        assert error.message.endswith("no answer within 0.5 seconds, during the TLS handshake")

    def test_a_server_that_sends_without_end(self) -> None:
        """A client skips hello requests during a handshake, so their number needs a bound."""
        hello_requests = bytes.fromhex("160303 0004 00000000") * 1000

        def flood(plain: socket.socket) -> None:
            plain.recv(1 << 16)
            while True:
                plain.sendall(hello_requests)

        with LoopbackServer(flood) as server:
            error = failure(server.host, server.port)
        assert error.message.endswith("the TLS handshake failed: the server sends without end")

    def test_plain_http(self) -> None:
        answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        with LoopbackServer(answers(answer)) as server:
            error = failure(server.host, server.port)
        assert error.message.endswith("no TLS there: what answers speaks plain HTTP, not TLS")
        assert error.details == "The answer begins with 'HTTP/1.1 400 Bad Request'"
        assert isinstance(error.__cause__, SSL.Error)

    @pytest.mark.parametrize(
        "answer", [b"220 mail.contoso.example ESMTP\r\n", b"\0" * 4096, b"\xff", b"hm\r\n"]
    )
    def test_what_is_no_tls_at_all(self, answer: bytes) -> None:
        with LoopbackServer(answers(answer)) as server:
            error = failure(server.host, server.port)
        assert error.message.endswith("no TLS there: what answers speaks something else than TLS")
        assert error.details.isprintable()

    def test_garbage_that_begins_like_tls(self) -> None:
        with LoopbackServer(answers(bytes.fromhex("160303 0005") + b"\xaa" * 5)) as server:
            error = failure(server.host, server.port)
        assert "the TLS handshake failed: " in error.message

    def test_a_server_that_closes_without_an_answer(self) -> None:
        with LoopbackServer(answers(b"")) as server:
            error = failure(server.host, server.port)
        assert "closed the connection without an answer" in error.message

    def test_a_server_that_closes_in_the_middle(self) -> None:
        with LoopbackServer(answers(bytes.fromhex("160303 0040 02"))) as server:
            error = failure(server.host, server.port)
        assert "closed the connection in the middle" in error.message

    def test_a_server_that_says_goodbye(self) -> None:
        with LoopbackServer(answers(bytes.fromhex("150303 0002 0100"))) as server:
            error = failure(server.host, server.port)
        assert "the server ended the connection" in error.message

    @pytest.mark.posix("system-words")
    def test_a_server_that_resets_the_connection(self) -> None:
        def reset(plain: socket.socket) -> None:
            plain.recv(1 << 16)
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        with LoopbackServer(reset) as server:
            error = failure(server.host, server.port)
        assert "the connection broke during the TLS handshake" in error.message
        assert error.details

    @pytest.mark.parametrize(
        ("alert", "words"),
        [
            (40, "the server accepts none of the offered ciphers"),
            (70, "the server speaks none of the versions from TLS 1.0 to TLS 1.3"),
            (80, "internal error"),
        ],
    )
    def test_an_alert_is_put_into_words(self, alert: int, words: str) -> None:
        with LoopbackServer(answers(bytes.fromhex("150303 0002 02") + bytes([alert]))) as server:
            error = failure(server.host, server.port)
        assert words in error.message

    def test_a_server_that_knows_only_anonymous_ciphers(self, tmp_path: Path) -> None:
        """With such a cipher the server would send no certificate, so none is offered."""
        version = ssl.TLSVersion.TLSv1_2
        with TlsServer(tmp_path, minimum=version, maximum=version, ciphers="aNULL") as server:
            error = failure(server.host, server.port)
        assert "accepts none of the offered ciphers" in error.message


class TestBounds:
    def test_a_chain_of_more_than_a_hundred_kibibytes_is_refused(self, tmp_path: Path) -> None:
        chain = pki.pem("cmg-server", *["corp-root"] * 120)
        assert len(pki.der("corp-root")) * 120 > 100 * 1024
        with TlsServer(tmp_path, chain=chain) as server:
            error = failure(server.host, server.port)
        assert "more certificates than any chain needs" in error.message

    def test_a_long_chain_below_that_comes_whole(self, tmp_path: Path) -> None:
        names = ["cmg-server", *["corp-root"] * 100]
        with TlsServer(tmp_path, chain=pki.pem(*names)) as server:
            assert fetch(server) == tuple(pki.der(name) for name in names)


def test_an_interrupt_passes_through_and_the_connection_is_closed() -> None:
    closed = threading.Event()

    def interrupt(plain: socket.socket) -> None:
        plain.recv(1 << 16)
        _thread.interrupt_main()
        until_the_end(plain)
        closed.set()

    with LoopbackServer(interrupt) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(server)
        # Long before the server would let go of it.
        assert closed.wait(GENEROUS)
