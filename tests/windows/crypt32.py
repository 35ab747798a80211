"""What Windows' crypt32.dll says of chains and stores, asked by ctypes; it shares no code with this program.

Names, structures and numbers are those of wincrypt.h as Microsoft documents it ("CertGetCertificateChain",
"CertVerifyCertificateChainPolicy", "CertOpenStore"). Only tests use this.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import POINTER, Structure, byref, c_char_p, c_uint32, c_void_p, c_wchar_p, sizeof
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

_ENCODING: Final = 0x0001_0001  # X509_ASN_ENCODING | PKCS_7_ASN_ENCODING
_MEMORY, _REGISTRY = 2, 4  # CERT_STORE_PROV_MEMORY, CERT_STORE_PROV_REG
_ADD_ALWAYS: Final = 4
_READ_ONLY: Final = 0x8000
_CACHE_ONLY: Final = 4  # CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL
_POLICY_SSL: Final = 4
_AUTH_SERVER: Final = 2
_SERVER_AUTH: Final = b"1.3.6.1.5.5.7.3.1"
_REVOCATION_UNKNOWN: Final = (
    0x0100_0040  # CERT_TRUST_IS_OFFLINE_REVOCATION, CERT_TRUST_REVOCATION_STATUS_UNKNOWN
)
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)

FRIENDLY_NAME: Final = 11
ENHANCED_KEY_USAGE: Final = 9
SHA1_HASH: Final = 3


class _Context(Structure):
    """CERT_CONTEXT."""

    _fields_ = (
        ("encoding", c_uint32),
        ("encoded", POINTER(ctypes.c_ubyte)),
        ("size", c_uint32),
        ("info", c_void_p),
        ("store", c_void_p),
    )


class _Usages(Structure):
    """CERT_ENHKEY_USAGE inside CERT_USAGE_MATCH."""

    _fields_ = (("type", c_uint32), ("count", c_uint32), ("identifiers", POINTER(c_char_p)))


class _ChainParameters(Structure):
    """CERT_CHAIN_PARA without its extra fields."""

    _fields_ = (("size", c_uint32), ("usage", _Usages))


class _Engine(Structure):
    """CERT_CHAIN_ENGINE_CONFIG of Windows 7 and later."""

    _fields_ = (
        ("size", c_uint32),
        ("restricted_root", c_void_p),
        ("restricted_trust", c_void_p),
        ("restricted_other", c_void_p),
        ("additional_count", c_uint32),
        ("additional", c_void_p),
        ("flags", c_uint32),
        ("timeout", c_uint32),
        ("cached", c_uint32),
        ("cycles", c_uint32),
        ("exclusive_root", c_void_p),
        ("exclusive_trusted_people", c_void_p),
    )


class _Chain(Structure):
    """The beginning of CERT_CHAIN_CONTEXT."""

    _fields_ = (("size", c_uint32), ("errors", c_uint32), ("information", c_uint32))


class _Server(Structure):
    """SSL_EXTRA_CERT_CHAIN_POLICY_PARA."""

    _fields_ = (("size", c_uint32), ("type", c_uint32), ("checks", c_uint32), ("name", c_wchar_p))


class _PolicyParameters(Structure):
    """CERT_CHAIN_POLICY_PARA."""

    _fields_ = (("size", c_uint32), ("flags", c_uint32), ("extra", c_void_p))


class _PolicyStatus(Structure):
    """CERT_CHAIN_POLICY_STATUS."""

    _fields_ = (
        ("size", c_uint32),
        ("error", c_uint32),
        ("chain", c_uint32),
        ("element", c_uint32),
        ("extra", c_void_p),
    )


@cache
def _library() -> Any:
    library: Any = getattr(ctypes, "WinDLL")("crypt32", use_last_error=True)  # noqa: B009 - only Windows has it
    library.CertOpenStore.argtypes = [c_void_p, c_uint32, c_void_p, c_uint32, c_void_p]
    library.CertOpenStore.restype = c_void_p
    library.CertCloseStore.argtypes = [c_void_p, c_uint32]
    library.CertAddEncodedCertificateToStore.argtypes = [
        *(c_void_p, c_uint32, c_char_p, c_uint32, c_uint32, POINTER(POINTER(_Context))),
    ]
    library.CertCreateCertificateContext.argtypes = [c_uint32, c_char_p, c_uint32]
    library.CertCreateCertificateContext.restype = POINTER(_Context)
    library.CertFreeCertificateContext.argtypes = [POINTER(_Context)]
    library.CertEnumCertificatesInStore.argtypes = [c_void_p, POINTER(_Context)]
    library.CertEnumCertificatesInStore.restype = POINTER(_Context)
    library.CertGetCertificateContextProperty.argtypes = [
        *(POINTER(_Context), c_uint32, c_void_p, POINTER(c_uint32)),
    ]
    library.CertEnumCertificateContextProperties.argtypes = [POINTER(_Context), c_uint32]
    library.CertEnumCertificateContextProperties.restype = c_uint32
    library.CertCreateCertificateChainEngine.argtypes = [POINTER(_Engine), POINTER(c_void_p)]
    library.CertFreeCertificateChainEngine.argtypes = [c_void_p]
    library.CertGetCertificateChain.argtypes = [
        *(c_void_p, POINTER(_Context), c_void_p, c_void_p, POINTER(_ChainParameters), c_uint32, c_void_p),
        POINTER(POINTER(_Chain)),
    ]
    library.CertFreeCertificateChain.argtypes = [POINTER(_Chain)]
    library.CertVerifyCertificateChainPolicy.argtypes = [
        *(c_void_p, POINTER(_Chain), POINTER(_PolicyParameters), POINTER(_PolicyStatus)),
    ]
    return library


def _failed(what: str) -> OSError:
    number = getattr(ctypes, "get_last_error")()  # noqa: B009 - only Windows has it
    return OSError(f"{what}: 0x{number & 0xFFFFFFFF:08X}")


@contextmanager
def _store(certificates: Iterable[bytes]) -> Iterator[int]:
    """A store in memory. Raises `OSError` for a certificate that crypt32 cannot read."""
    library = _library()
    store = library.CertOpenStore(_MEMORY, 0, None, 0, None)
    if not store:
        raise _failed("CertOpenStore")
    try:
        for der in certificates:
            if not library.CertAddEncodedCertificateToStore(
                store, _ENCODING, der, len(der), _ADD_ALWAYS, None
            ):
                raise _failed("CertAddEncodedCertificateToStore")
        yield store
    finally:
        library.CertCloseStore(store, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What crypt32 says of a server: the error of the SSL policy, 0 for none, and errors of the chain.

    What it cannot know of revocation without a network does not count: this program asks no list either.
    """

    policy: int
    chain: int

    @property
    def is_trusted(self) -> bool:
        """Whether neither has an error. Wine's SSL policy does not look at every bit of the chain."""
        return self.policy == 0 and not self.chain & ~_REVOCATION_UNKNOWN


def judged(
    sent: tuple[bytes, ...], roots: Iterable[bytes], others: Iterable[bytes], host: str, at: datetime
) -> Answer:
    """Build the chain of `sent`, whose first is the server's, and ask the SSL policy about it for `host`.

    Trusted are `roots` alone (hExclusiveRoot); `others` may stand in between, as what the server sent may.
    Raises `OSError` for what crypt32 cannot read.
    """
    library = _library()
    with ExitStack() as stack:
        root_store = stack.enter_context(_store(roots))
        between = stack.enter_context(_store((*sent[1:], *others)))
        context = library.CertCreateCertificateContext(_ENCODING, sent[0], len(sent[0]))
        if not context:
            raise _failed("CertCreateCertificateContext")
        stack.callback(library.CertFreeCertificateContext, context)
        config, engine = _Engine(size=sizeof(_Engine), exclusive_root=root_store), c_void_p()
        if not library.CertCreateCertificateChainEngine(byref(config), byref(engine)):
            raise _failed("CertCreateCertificateChainEngine")
        stack.callback(library.CertFreeCertificateChainEngine, engine)
        moment = ctypes.c_uint64((at - _EPOCH) // timedelta(microseconds=1) * 10)
        identifiers = (c_char_p * 1)(_SERVER_AUTH)
        wanted = _ChainParameters(sizeof(_ChainParameters), _Usages(0, 1, identifiers))
        chain = POINTER(_Chain)()
        if not library.CertGetCertificateChain(
            engine, context, byref(moment), between, byref(wanted), _CACHE_ONLY, None, byref(chain)
        ):
            raise _failed("CertGetCertificateChain")
        stack.callback(library.CertFreeCertificateChain, chain)
        server = _Server(sizeof(_Server), _AUTH_SERVER, 0, host)
        asked = _PolicyParameters(sizeof(_PolicyParameters), 0, ctypes.cast(ctypes.pointer(server), c_void_p))
        status = _PolicyStatus(size=sizeof(_PolicyStatus))
        if not library.CertVerifyCertificateChainPolicy(_POLICY_SSL, chain, byref(asked), byref(status)):
            raise _failed("CertVerifyCertificateChainPolicy")
        return Answer(status.error, chain.contents.errors)


@dataclass(frozen=True, slots=True)
class Stored:
    """A certificate of a store as crypt32 gives it: its DER, and its properties by number."""

    der: bytes
    properties: dict[int, bytes]


def stored_below(key: int) -> list[Stored]:
    """The certificates of the store whose registry key this is (CERT_STORE_PROV_REG), read-only."""
    library = _library()
    store = library.CertOpenStore(_REGISTRY, 0, None, _READ_ONLY, key)
    if not store:
        raise _failed("CertOpenStore")
    try:
        found, context = [], library.CertEnumCertificatesInStore(store, None)
        while context:
            entry = context.contents
            found.append(Stored(bytes(entry.encoded[: entry.size]), dict(_properties(context))))
            context = library.CertEnumCertificatesInStore(store, context)
        return found
    finally:
        library.CertCloseStore(store, 0)


def _properties(context: Any) -> Iterator[tuple[int, bytes]]:
    library, number = _library(), 0
    while number := library.CertEnumCertificateContextProperties(context, number):
        size = c_uint32()
        if not library.CertGetCertificateContextProperty(context, number, None, byref(size)):
            continue
        data = ctypes.create_string_buffer(size.value)
        if library.CertGetCertificateContextProperty(context, number, data, byref(size)):
            yield number, data.raw[: size.value]
