"""Whatever is written is read back the same, and damaged bytes raise only the errors of this program."""

from __future__ import annotations

import functools
import struct
import time

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.testdata import bundles
from tests.unit.certs import making
from winpe_certs.certs.blob import Blob, Property, cached_hash_errors, narrowing, parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.regfile_layout import CreateRegKey, RegKey, RegValue, SetRegValue
from winpe_certs.certs.regfile_reader import parse_reg
from winpe_certs.certs.regfile_writer import write_reg
from winpe_certs.certs.signatures import is_signed_by
from winpe_certs.certs.sources import read_certificates, read_parts
from winpe_certs.certs.thumbprints import normalise_thumbprint
from winpe_certs.errors import UsageError, WinpeCertsError

SEEDED = settings(derandomize=True, deadline=None, max_examples=300)

text = st.text(st.characters(exclude_characters="\0\r\n"), max_size=100)
names = text.filter(lambda name: not name.endswith("\\"))
terminated = st.binary(max_size=120).map(lambda data: data[: len(data) // 2 * 2] + b"\0\0")
values = st.one_of(
    st.builds(RegValue, text, st.sampled_from([0, 1, 3, 4, 5, 8, 11, 0xFFFFFFFF]), st.binary(max_size=300)),
    st.builds(RegValue, text, st.sampled_from([1, 2, 7]), terminated),
    st.builds(
        RegValue, text, st.just(1), text.map(lambda each: each.encode("utf-16-le", "surrogatepass") + b"\0\0")
    ),
)
keys = st.builds(
    RegKey, names.map(lambda name: f"HKEY_LOCAL_MACHINE\\k{name}"), st.lists(values, max_size=4).map(tuple)
)
properties = st.lists(
    st.builds(
        Property, st.integers(0, 0xFFFFFFFF).filter(lambda number: number != 0), st.binary(max_size=60)
    ),
    max_size=6,
)


@SEEDED
@given(st.lists(keys, max_size=4))
def test_reg_files_are_read_as_they_were_written(written: list[RegKey]) -> None:
    reg = parse_reg(write_reg(written), "x.reg")
    found: list[RegKey] = []
    for operation in reg.operations:
        if isinstance(operation, CreateRegKey):
            found.append(RegKey(operation.key))
        elif isinstance(operation, SetRegValue):
            value = RegValue(operation.name, operation.type, operation.data)
            found[-1] = RegKey(found[-1].path, (*found[-1].values, value))
    assert reg.warnings == ()
    assert found == written


@SEEDED
@given(properties, properties, st.binary(max_size=40), st.sampled_from([b"", bytes(12)]))
def test_blobs_are_read_as_they_were_written(
    before: list[Property], behind: list[Property], der: bytes, end: bytes
) -> None:
    blob = Blob((*before, Property(0x20, der), *behind), end)
    assert parse(blob.to_bytes(), "x") == blob
    narrowing(blob)
    cached_hash_errors(blob)


@SEEDED
@given(st.binary(max_size=200))
def test_random_blobs_are_read_exactly_or_refused(data: bytes) -> None:
    try:
        blob = parse(data, "x")
    except WinpeCertsError:
        return
    assert blob.to_bytes() == data


PIECES = [*'[]-"=0,\\\n ;#@x\r\0\t', "hex:", "hex(2):", "1f,", "dword:", "HKEY_LOCAL_MACHINE\\a"]


@settings(SEEDED, max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_mixture_of_reg_grammar_reads(pieces: list[str]) -> None:
    start = '[HKEY_LOCAL_MACHINE\\SOFTWARE]\n"a"='
    reg = parse_reg(f"REGEDIT4\n{start}{''.join(pieces)}".encode(), "x.reg")
    lines = [operation.line for operation in reg.operations]
    assert lines == sorted(lines)


LONGEST_SECONDS = 5.0
"""For a file of a few thousand bytes, on a busy computer."""

CHANGES = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4)


@functools.cache
def _samples() -> dict[str, bytes]:
    root = making.root_der()
    blob = blob_for(making.load(root)).to_bytes()
    return {
        "der": root,
        "handmade": making.handmade(),
        "pem": making.pem(root) + making.pem(making.intermediate_der()),
        "reg": export_reg([(blob, making.sha1(root), "ROOT")], "SOFTWARE"),
        "reg-ansi": export_reg([(blob, making.sha1(root), "ROOT")], "SOFTWARE")[2::2],
        "pkcs7": making.pkcs7(root, making.intermediate_der()),
        "pkcs7-ber": bundles.pkcs7_ber(root, bundles.ATTRIBUTE_CERTIFICATE, making.intermediate_der()),
        "store": bundles.serialized_store(blob, bundles.store_element(0x21, b"crl"), blob),
        "serialized": blob,
        "policy": bundles.policy_file(
            bundles.instruction("Software\\x", "y", b"z", 1),
            bundles.instruction(f"{bundles.POLICY_ROOT}\\{making.sha1(root)}", "Blob", blob),
        ),
        "joined": making.pem(root).rstrip() + making.pem(root).decode().encode("utf-16"),
        "pkcs12": struct.pack(">BBBBB", 0x30, 0x82, 2, 1, 3) + root,
    }


@pytest.mark.parametrize("kind", list(_samples()))
@settings(SEEDED, max_examples=200)
@given(changes=CHANGES, cut=st.integers(0))
def test_mutated_files_raise_only_our_errors(kind: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(_samples()[kind])
    for place, byte in changes:
        data[place % len(data)] = byte
    if cut % 3 == 0:
        del data[cut % len(data) :]
    message = "x"
    begun = time.process_time()
    try:
        found = read_parts(bytes(data), "x")
    except WinpeCertsError as error:
        message = error.message
    else:
        assert found.entries or found.damaged
        assert all(entry.error.message.startswith("x") for entry in found.damaged)
        assert all(warning.startswith("x") for warning in found.warnings)
    assert message.startswith("x")
    assert time.process_time() - begun < LONGEST_SECONDS


def test_every_single_byte_of_a_certificate_may_be_damaged() -> None:
    """Each byte set to values that make lengths and tags go wrong: an error, or another certificate."""
    original = making.make(key=making.ec_key())
    signature = x509.load_der_x509_certificate(original).signature
    unused_bits = original.rindex(signature) - 1  # of no meaning when the last bit is zero
    for place in range(len(original)):
        for byte in (0x00, 0x1F, 0x30, 0x7F, 0x80, 0x84, 0xFF, original[place] ^ 1):
            data = bytearray(original)
            data[place] = byte
            try:
                certificate = Certificate.from_der(bytes(data), "x")
            except WinpeCertsError:
                continue
            blob_for(certificate)
            structure = certificate.structure
            checked = structure is not None and is_signed_by(structure, structure.key.encoded) is not None
            if checked and bytes(data) != original and place != unused_bits:
                assert not certificate.is_self_signed


@SEEDED
@given(st.binary(max_size=300))
def test_random_bytes_raise_only_our_errors(data: bytes) -> None:
    starts = (b"", b"\x30", b"\xff\xfe", b"REGEDIT4\n", b"-----BEGIN ", b"PReg\1\0\0\0", b"\0\0\0\0CERT")
    for candidate in (start + data for start in starts):
        try:
            found = read_certificates(candidate, "x")
        except WinpeCertsError:
            continue
        # A few bytes may be one DER element, but never a certificate that can be read.
        assert all(entry.certificate.fault for entry in found.entries)


@SEEDED
@given(st.text(max_size=60))
def test_any_text_is_a_thumbprint_or_refused(pasted: str) -> None:
    try:
        answer = normalise_thumbprint(pasted)
    except UsageError as error:
        message = error.message
    else:
        assert len(answer) in {40, 64}
        assert set(answer) <= set("0123456789ABCDEF")
        return
    assert all(character.isprintable() or character.isspace() for character in message)
    assert len(message.splitlines()) == 1


ders = st.integers(0, 9).map(lambda number: making.element(0x30, making.element(0x0C, bytes([number]) * 20)))


@SEEDED
@given(
    st.lists(st.tuples(properties, ders), min_size=1, max_size=4),
    st.sampled_from([b"", bundles.store_element(0x21, b"crl")]),
)
def test_stores_give_back_the_blobs_that_were_written(
    written: list[tuple[list[Property], bytes]], between: bytes
) -> None:
    """Whatever the properties are: all but those that stand for a context or for the end."""
    blobs = [
        Blob((*(each for each in before if each.id not in {0x20, 0x21, 0x22}), Property(0x20, der)))
        for before, der in written
    ]
    found = read_parts(bundles.serialized_store(*(blob.to_bytes() + between for blob in blobs)), "x")
    first = {blob.certificate_der: blob for blob in reversed(blobs)}
    assert {entry.certificate.der: entry.blob for entry in found.entries} == first
    assert len(found.entries) + sum("the same certificate" in each for each in found.warnings) == len(blobs)


@SEEDED
@given(st.lists(st.tuples(st.sampled_from(["pem", "der", "ber"]), ders), min_size=1, max_size=5), st.data())
def test_joined_files_give_every_certificate_once(
    files: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    """PEM blocks and PKCS#7 in PEM, joined by nothing, blanks, marks or prose, in any mix of encodings."""
    joints = st.sampled_from(["", "\n", " ", "\ufeff", "\r\n\r\n", "issuer: x\n", "\\n"])
    codecs = st.sampled_from(["ascii", "utf-16-le", "utf-16-be"])
    joined = b""
    for how, der in files:
        content = {"pem": der, "der": making.pkcs7(der), "ber": bundles.pkcs7_ber(der)}[how]
        text = making.pem(content, "CERTIFICATE" if how == "pem" else "PKCS7").decode().strip()
        joint = data.draw(joints)
        codec = data.draw(codecs)
        joined += (text + joint).encode("utf-8" if codec == "ascii" else codec)
    found = read_parts(joined, "x")
    assert [entry.certificate.der for entry in found.entries] == list(dict.fromkeys(der for _, der in files))
    assert found.damaged == ()
