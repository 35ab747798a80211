"""What is fuzzed of certificates: files, Blobs, .reg exports, PKCS#12 stores, chains, constraints, hosts.

Each function takes a file as the commands take it, goes through what the commands do with it, and returns;
what it raises is judged by `scripts.fuzzing.targets`.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

from scripts.fuzzing.chains import rich_leaf
from winpe_certs.certs.blob import PropertyId, parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import DerError, read_element
from winpe_certs.certs.entries import FoundCertificate
from winpe_certs.certs.extensions import read_name_constraints
from winpe_certs.certs.findings import examine
from winpe_certs.certs.media import examine_media
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.pkcs12 import PasswordError, read_media
from winpe_certs.certs.regfile_certificates import reg_certificates
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.certs.sources import read_parts
from winpe_certs.certs.stores import Location, Store, default_store, edits_for
from winpe_certs.errors import UsageError
from winpe_certs.hosts import HostName, parse_endpoint, parse_host
from winpe_certs.trust.answer import judge
from winpe_certs.trust.constraints import NameComparisons
from winpe_certs.trust.distrust import Distrust
from winpe_certs.trust.limits import Limits, limit_reasons, limits_of
from winpe_certs.trust.names import name_reasons
from winpe_certs.trust.server import chain_from
from winpe_certs.trust.stores import ImageStores
from winpe_certs.verification.stored import StoredCertificate, StoredCertificates, StoredList
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.describe import blob_findings, stored_result

ORIGIN: Final = "fuzzed"
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD: Final = "test"  # noqa: S105 - of test data
_MOST_CHAINED: Final = 40


def certificate_file(data: bytes) -> None:
    """``--cert FILE``: read, examined, made into a Blob for a store."""
    for entry in read_parts(data, ORIGIN).entries:
        certificate = entry.certificate
        examine(certificate, AT)
        blob = entry.blob or blob_for(certificate)
        stored = blob.to_bytes()
        assert parse(stored, ORIGIN) == blob
        edits_for(stored, default_store(certificate), certificate.thumbprint)
        _ = certificate.remarks, certificate.subject, certificate.issuer


def blob(data: bytes) -> None:
    """A Blob in a hive, as ``list`` and ``check-server`` see it."""
    thumbprint = hashlib.sha1(_first_certificate(data), usedforsecurity=False).hexdigest().upper()
    stored = StoredCertificate(Location.MACHINE, Store.ROOT, thumbprint, data)
    stored_result(stored, ORIGIN, _moment())
    ImageStores.from_stored(StoredCertificates((stored, replace(stored, store=Store.DISALLOWED)), ()))
    found = parse(data, ORIGIN)
    assert found.to_bytes() == data
    blob_findings(found)
    limit_reasons(limits_of(found), ORIGIN, _server(), AT, NameComparisons())


def trust_list(data: bytes) -> None:
    """A list of distrusted certificates, in its value and as an element of a Blob: it makes an answer."""
    element = struct.pack("<III", PropertyId.TRUST_LIST, 1, len(data)) + data
    lists = (StoredList("value", data, is_blob=False), StoredList("key", element, is_blob=True))
    distrust = Distrust.from_stored(StoredCertificates((), (), lists))
    is_read = not distrust.unread
    assert distrust.of(_server()) is not None or is_read or distrust.doubts(_server())


def reg_file(data: bytes) -> None:
    """A .reg export: its operations, then its certificates."""
    parse_reg(data, ORIGIN)
    for each in reg_certificates(data, ORIGIN).found:
        if isinstance(each, FoundCertificate) and each.blob is not None:
            blob_findings(each.blob)


def media_store(data: bytes) -> None:
    """``check-media-certificate FILE``, without and with a password."""
    try:
        store = read_media(data, None, ORIGIN)
    except PasswordError:
        store = read_media(data, PASSWORD, ORIGIN)
    examine_media(store, AT)


def server_chain(data: bytes) -> None:
    """``check-server``: certificates one behind the other, sent by a server and held by an image."""
    certificates: list[Certificate] = []
    at = 0
    with suppress(DerError):
        while at < len(data) and len(certificates) < _MOST_CHAINED:
            end = read_element(data, at).end
            certificates.append(Certificate.from_der(data[at:end], f"{ORIGIN}, certificate at {at}"))
            at = end
    if not certificates:
        Certificate.from_der(data[at:], ORIGIN)
    hosts = [HostName("cmg.contoso.example", None), parse_host("192.0.2.10")]
    chain = chain_from(certificates, server="cmg", source=ORIGIN, hosts=hosts)
    held = tuple(
        StoredCertificate(location, store, each.thumbprint, blob_for(each).to_bytes())
        for each in certificates
        for location, store in ((Location.MACHINE, Store.CA), (Location.POLICY, Store.ROOT))
    )
    for stored in (held, ()):
        judge(chain, ImageStores.from_stored(StoredCertificates(stored, ())), AT, ("boot.wim",))


def name_constraints(data: bytes) -> None:
    """Property 0x54 of a Blob, applied to a server with every kind of name."""
    limits = Limits(constraints=(data,))
    limit_reasons(limits, ORIGIN, _server(), AT, NameComparisons())
    with suppress(DerError):  # what it promises its callers
        read_name_constraints(data)


def host(data: bytes) -> None:
    """``--hostname`` and ``--connect``, as the system hands arguments over."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(UsageError):
        endpoint = parse_endpoint(text)
        assert parse_endpoint(str(endpoint)) == endpoint
    found = parse_host(text)
    assert parse_host(found.text) == found
    name_reasons(_server(), found)


def _first_certificate(data: bytes) -> bytes:
    """The certificate of a Blob, found without judging anything, to name its key by."""
    at = 0
    while at + 12 <= len(data):
        number = int.from_bytes(data[at : at + 4], "little")
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        if number == PropertyId.CERTIFICATE:
            return data[at + 12 : at + 12 + size]
        at += 12 + size
    return b""


@cache
def _moment() -> Moment:
    return Moment(AT)


@cache
def _server() -> Certificate:
    return Certificate.from_der(rich_leaf(), "server")
