"""The certificates that a live TLS server sends: the only module that opens network connections.

Nothing is trusted here and nothing is told: no certificate is verified, no client certificate and no
application data is sent, and what comes back are the bytes of the certificates, to be judged elsewhere.
Therefore old versions and weak ciphers are taken as well, from TLS 1.0 on (RFC 2246, 5246, 8446): a server
that still speaks them has a chain to look at too. Refused: whatever does not speak TLS from its first byte
on (STARTTLS among it), and ciphers that need no certificate.

The connection is a direct one, without any proxy. One time limit covers all look-ups of names, connections
and handshakes of a call, however many servers it asks and however slowly their bytes drip in. OpenSSL
refuses a certificate message of more than 100 KiB, which bounds the chain; `_MOST_BYTES` bounds the whole
handshake.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import selectors
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from winpe_certs.errors import EnvironmentFailure
from winpe_certs.hosts import Endpoint, HostName
from winpe_certs.shown import plain_words, shown_bytes, system_words

if TYPE_CHECKING:
    from OpenSSL import SSL

_LOG = logging.getLogger(__name__)

# Without anonymous and shared-key ciphers, with which a server would send no certificate.
_CIPHERS: Final = b"ALL:!aNULL:!PSK:!SRP:@SECLEVEL=0"
# Waiting goes in short slices: on Windows an interrupt is only noticed between two of them.
_SLICE: Final = 0.1
_CHUNK: Final = 1 << 14
_MOST_BYTES: Final = 1 << 20
# How much of an answer that is no TLS is shown.
_SHOWN: Final = 32
# The types of TLS records, and the one major version that all of them carry (RFC 8446, 5.1).
_RECORD_TYPES: Final = frozenset(range(20, 25))
_MAJOR_VERSION: Final = 3
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})
# What OpenSSL says of a failed handshake, and what it means for the person who reads it.
_IN_WORDS: Final = (
    ("unrecognized name", "the server does not know the name that it was asked for"),
    ("protocol version", "the server speaks none of the versions from TLS 1.0 to TLS 1.3"),
    ("unsupported protocol", "the server speaks none of the versions from TLS 1.0 to TLS 1.3"),
    ("alert handshake failure", "the server accepts none of the offered ciphers"),
    ("excessive message size", "the server sends more certificates than any chain needs (over 100 KiB)"),
)

# As `socket.getaddrinfo` gives it: family, kind, protocol, canonical name, address.
_Found = tuple[Any, Any, int, str, Any]


class ConnectionFailure(EnvironmentFailure):
    """A server's certificates could not be fetched: its name, the network, or no TLS there."""

    kind = "connection"


class TimeLimit:
    """So many seconds from now, for all servers and names of a call together."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, 0 or less when the time is over."""
        return self._end - time.monotonic()


def fetch_chain(endpoint: Endpoint, server: HostName, limit: TimeLimit) -> tuple[bytes, ...]:
    """The DER certificates as the server sent them, its own first, or `ConnectionFailure`.

    The server is asked for the name `server` (RFC 6066) unless that is an address. When the handshake fails
    after the certificates came, as with a server that wants one of the client, they are the result all the
    same. OpenSSL decodes and encodes them again: what is not DER in a server's bytes does not survive that.
    """
    return _Fetch(endpoint, server, limit).run()


class _Fetch:
    """One visit to a server, within a time limit that earlier visits may have used in part."""

    def __init__(self, endpoint: Endpoint, server: HostName, limit: TimeLimit) -> None:
        # RFC 6066 allows no address.
        self._name = "" if server.address else server.text
        self._endpoint = endpoint
        self._limit = limit
        self._deadline = time.monotonic() + limit.left

    def run(self) -> tuple[bytes, ...]:
        if self._limit.left <= 0:
            raise self._failure(
                f"not asked any more: the time limit of {self._limit.seconds:g} seconds is over",
                details="It is for all servers and names of a command together.",
                advice="Give it more time with --connect-timeout, or ask for fewer servers at once.",
            )
        found = self._look_up()
        with contextlib.closing(self._connect(found)) as plain:
            connection = self._session()
            try:
                self._shake_hands(plain, connection)
            except ConnectionFailure as failure:
                chain = _sent(connection)
                if not chain:
                    raise
                _LOG.info("certificates came, the handshake failed: %s", failure.message)
            else:
                chain = _sent(connection)
        _LOG.info("%s sent %d certificates", self._endpoint, len(chain))
        if not chain:
            raise self._failure("the server sent no certificate", advice="Check the port.")
        return chain

    def _look_up(self) -> list[_Found]:
        """The addresses of the host; in a thread, since the system's look-up knows no time limit."""
        answers: queue.SimpleQueue[list[_Found] | Exception] = queue.SimpleQueue()
        arguments = (self._endpoint.host.text, self._endpoint.port, answers)
        threading.Thread(target=_ask_for_addresses, args=arguments, daemon=True).start()
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                answer = answers.get(timeout=min(left, _SLICE))
            except queue.Empty:
                continue
            if isinstance(answer, Exception):
                raise self._not_found(answer) from answer
            return answer
        raise self._timed_out("looking up the name", "Check the name and this computer's name servers.")

    def _connect(self, found: list[_Found]) -> socket.socket:
        """Connect to one address after the other; each gets its share of the time that is left."""
        failures: list[tuple[str, OSError]] = []
        for position, (family, kind, protocol, _, address) in enumerate(found):
            now = time.monotonic()
            until = now + (self._deadline - now) / (len(found) - position)
            _LOG.info("connect: %s (%s)", self._endpoint, address[0])
            try:
                return _connected(socket.socket(family, kind, protocol), address, until)
            except OSError as error:
                _LOG.info("%s: %s", address[0], error)
                failures.append((address[0], error))
        raise self._unreachable(failures) from (failures[-1][1] if failures else None)

    def _session(self) -> SSL.Connection:
        """A TLS client that takes and gives bytes; those that leave the computer pass `_send` alone."""
        from OpenSSL import SSL

        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        # Whether the chain is trusted is the very question that is asked of it afterwards.
        context.set_verify(SSL.VERIFY_NONE)
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_cipher_list(_CIPHERS)
        # For servers from before RFC 5746; OpenSSL leaves this out by default.
        context.set_options(getattr(SSL, "OP_LEGACY_SERVER_CONNECT", 0))
        connection = SSL.Connection(context, None)
        if self._name:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        connection.set_connect_state()
        return connection

    def _shake_hands(self, plain: socket.socket, connection: SSL.Connection) -> None:
        from OpenSSL import SSL

        answer = b""
        received = 0
        while True:
            try:
                connection.do_handshake()
            except SSL.WantReadError:
                done = False
            except SSL.Error as error:
                raise self._no_handshake(error, answer) from error
            else:
                done = True
            try:
                self._send(plain, _outgoing(connection))
                if done:
                    return
                data = self._receive(plain)
            except OSError as error:
                raise self._failure(
                    "the connection broke during the TLS handshake",
                    details=_system_text(error),
                    advice="Check the port, and whether a firewall is in the way.",
                ) from error
            received += len(data)
            answer = (answer + data)[:_SHOWN]
            if not data or received > _MOST_BYTES:
                raise self._ended(answer, endless=bool(data))
            connection.bio_write(data)

    def _send(self, plain: socket.socket, data: bytes) -> None:
        while data:
            if not _ready(plain, selectors.EVENT_WRITE, self._deadline):
                raise self._timed_out("the TLS handshake")
            with contextlib.suppress(BlockingIOError):
                data = data[plain.send(data) :]

    def _receive(self, plain: socket.socket) -> bytes:
        while _ready(plain, selectors.EVENT_READ, self._deadline):
            with contextlib.suppress(BlockingIOError):
                return plain.recv(_CHUNK)
        raise self._timed_out("the TLS handshake")

    # What went wrong, in words.

    def _failure(self, what: str, *, details: str = "", advice: str) -> ConnectionFailure:
        name = ("-servername", self._name) if self._name else ()
        return ConnectionFailure(
            f"{self._endpoint}: {what}",
            details=details,
            resolution=f"{advice} This program connects directly and uses no proxy. Where that cannot work, "
            "run the following on a computer that reaches the server, save the certificates that it prints "
            "to a file, and give that with --chain.",
            command=("openssl", "s_client", "-connect", str(self._endpoint), *name, "-showcerts"),
        )

    def _timed_out(self, doing: str, advice: str = "", details: str = "") -> ConnectionFailure:
        return self._failure(
            f"no answer within {self._limit.seconds:g} seconds, during {doing}",
            details=details,
            advice=advice
            or "Check name and port, and whether a firewall is in the way; or give it more time.",
        )

    def _not_found(self, error: Exception) -> ConnectionFailure:
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            return self._failure(
                "the name could not be looked up: no name server answers",
                details=_look_up_words(error),
                advice="Check this computer's network and name servers, then run the same command again.",
            )
        return self._failure(
            "the name is not found",
            details=_look_up_words(error),
            advice="Check the spelling of the name, and whether this computer's name servers know it.",
        )

    def _unreachable(self, failures: list[tuple[str, OSError]]) -> ConnectionFailure:
        details = "\n".join(f"{address}: {_system_text(error)}" for address, error in failures)
        codes = {error.errno for _, error in failures}
        if errno.ECONNREFUSED in codes:
            return self._failure(
                "the connection is refused", details=details, advice="Check the port: nothing listens on it."
            )
        if errno.ETIMEDOUT in codes:
            return self._timed_out("the connection", details=details)
        return self._failure(
            "the server cannot be reached",
            details=details,
            advice="Check name and port, and this computer's network and firewall.",
        )

    def _no_handshake(self, error: SSL.Error, answer: bytes) -> ConnectionFailure:
        if not _begins_as_tls(answer):
            return self._no_tls(answer)
        said = _reasons(error)
        words = next((words for part, words in _IN_WORDS if part in said), said)
        return self._failure(
            f"the TLS handshake failed: {words}",
            details=f"OpenSSL: {said}" if said != words else "",
            advice="Check the name and the port.",
        )

    def _ended(self, answer: bytes, *, endless: bool) -> ConnectionFailure:
        if answer and not _begins_as_tls(answer):
            return self._no_tls(answer)
        if endless:
            what = "the TLS handshake failed: the server sends without end"
        elif answer:
            what = "the server closed the connection in the middle of the TLS handshake"
        else:
            what = "the server closed the connection without an answer to the TLS handshake"
        return self._failure(
            what,
            advice="Check that the port is one for TLS and that the server knows the name; "
            "a firewall in between may also close connections.",
        )

    def _no_tls(self, answer: bytes) -> ConnectionFailure:
        what = "plain HTTP, not TLS" if answer.startswith(b"HTTP/") else "something else than TLS"
        return self._failure(
            f"no TLS there: what answers speaks {what}",
            details=f"The answer begins with {shown_bytes(answer)}",
            advice="Check the port: that of HTTPS is 443 unless the server was set up otherwise.",
        )


def _ask_for_addresses(host: str, port: int, answers: queue.SimpleQueue[list[_Found] | Exception]) -> None:
    try:
        answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, ValueError) as error:
        answers.put(error)


def _connected(plain: socket.socket, address: Any, until: float) -> socket.socket:
    """The same socket, connected, or closed when this raises."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(plain)
        plain.setblocking(False)
        code = plain.connect_ex(address)
        if code in _UNDER_WAY:
            in_time = _ready(plain, selectors.EVENT_WRITE, until)
            code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if in_time else errno.ETIMEDOUT
        if code:
            raise OSError(code, os.strerror(code))
        undo.pop_all()
    return plain


def _ready(plain: socket.socket, event: int, until: float) -> bool:
    """Wait until the socket can be read or written; False when the time came first."""
    with selectors.DefaultSelector() as selector:
        selector.register(plain, event)
        while (left := until - time.monotonic()) > 0:
            if selector.select(min(left, _SLICE)):
                return True
    return False


def _outgoing(connection: SSL.Connection) -> bytes:
    """What the TLS client wants to have sent."""
    from OpenSSL import SSL

    data = b""
    with contextlib.suppress(SSL.WantReadError):
        while True:
            data += connection.bio_read(_CHUNK)
    return data


def _sent(connection: SSL.Connection) -> tuple[bytes, ...]:
    from OpenSSL import crypto

    chain = connection.get_peer_cert_chain() or []
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in chain)


def _begins_as_tls(answer: bytes) -> bool:
    return answer[:1] == b"" or (answer[0] in _RECORD_TYPES and answer[1:2] in {b"", bytes([_MAJOR_VERSION])})


def _reasons(error: SSL.Error) -> str:
    """What OpenSSL says, without the names of its parts; an orderly end of the connection has no words."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(entry[-1] for entry in entries if entry[-1]) or "the server ended the connection"


def _look_up_words(error: Exception) -> str:
    """What the system says of a name; its number is one that only programmers know."""
    return getattr(error, "strerror", None) or plain_words(error)


def _system_text(error: OSError) -> str:
    """What the system says; Python's own text for the codes of Windows sockets is "Unknown error"."""
    if sys.platform == "win32" and error.errno:
        import ctypes

        return f"{ctypes.FormatError(error.errno)} ({error.errno})"
    return system_words(error)
