"""Servers on the loopback interface: a real TLS server, and one that says whatever it is told.

Both serve one connection after the other in a thread of their own, which ends with the block:

    with TlsServer(tmp_path) as server:
        chain = fetch_chain(Endpoint(server.host, server.port), "cmg.contoso.example", TimeLimit(10))
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.testdata import pki

LOOPBACK = "127.0.0.1"
# How long a server waits for a client that has gone silent, so that no test hangs.
PATIENCE = 10.0

Talk = Callable[[socket.socket], None]


def listener(host: str = LOOPBACK) -> socket.socket:
    """A socket that listens on a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.bind((host, 0))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def until_the_end(plain: socket.socket) -> bytes:
    """Everything that the other side still sends until it closes the connection, however it does that."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := plain.recv(1 << 16):
            data += more
    return data


class LoopbackServer:
    """Hands each connection to `talk`; `connections` counts them."""

    def __init__(self, talk: Talk, *, host: str = LOOPBACK) -> None:
        self.host = host
        self.connections = 0
        self._talk = talk
        self._listening = listener(host)
        self.port: int = self._listening.getsockname()[1]
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name=f"server on port {self.port}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join(2 * PATIENCE)
        self._stopped.close()
        self._listening.close()
        assert not self._thread.is_alive(), "a connection to the test server was left open"

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is self._stopped for key, _ in selector.select()):
                    return
                plain, _ = self._listening.accept()
                self.connections += 1
                with plain, contextlib.suppress(ConnectionError):
                    plain.settimeout(PATIENCE)
                    self._talk(plain)


class TlsServer(LoopbackServer):
    """A TLS server that finishes the handshake, says nothing, and waits until the client closes.

    `chain` is sent as it is (PEM, the server's own certificate first), `key` belongs to that first one (PEM).
    With `require_client_certificate` only clients with a certificate of "corp-root" are served.
    `ciphers` is for TLS 1.2 and before, in the words of OpenSSL.

    Afterwards `names` holds the name that each client asked for (None: it sent none), `versions` the version
    of each finished handshake, `errors` what failed, and `after_handshake` every byte that clients sent after
    the end of the handshake. The test reads them when the block is over.
    """

    def __init__(
        self,
        folder: Path,
        *,
        chain: bytes | None = None,
        key: bytes | None = None,
        minimum: ssl.TLSVersion | None = None,
        maximum: ssl.TLSVersion | None = None,
        require_client_certificate: bool = False,
        ciphers: str = "ALL",
        host: str = LOOPBACK,
    ) -> None:
        self.names: list[str | None] = []
        self.versions: list[str | None] = []
        self.errors: list[ssl.SSLError] = []
        self.after_handshake = b""
        chain_file, key_file = folder / "server-chain.pem", folder / "server-key.pem"
        chain_file.write_bytes(pki.pem("cmg-server", "corp-issuing") if chain is None else chain)
        key_file.write_bytes(pki.key_pem(pki.private_key("cmg-server")) if key is None else key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The level decides which keys and signatures may be loaded: all of them.
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.load_cert_chain(chain_file, key_file)
        context.sni_callback = self._note_name
        # Tickets would go out after the handshake, to a client that has closed by then.
        context.num_tickets = 0
        if minimum is not None:
            context.minimum_version = minimum
        if maximum is not None:
            context.maximum_version = maximum
        if require_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=pki.pem("corp-root").decode("ascii"))
        self._context = context
        super().__init__(self._shake_hands, host=host)

    def _note_name(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        self.names.append(name)

    def _shake_hands(self, plain: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self._context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            done = refused = False
            try:
                session.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self.errors.append(error)
                refused = True
            plain.sendall(outgoing.read())
            if refused:
                # Closing with bytes unread would take the alert back from the client.
                with contextlib.suppress(OSError):
                    plain.shutdown(socket.SHUT_WR)
                until_the_end(plain)
                return
            if done:
                self.versions.append(session.version())
                self.after_handshake += incoming.read() + until_the_end(plain)
                return
            data = plain.recv(1 << 16)
            if not data:
                return
            incoming.write(data)
