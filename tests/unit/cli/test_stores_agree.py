"""All commands answer by one rule which copies of a certificate count, and what distrusts it.

Each case puts keys and values into a hive. ``verify``, ``audit``, ``list`` and ``check-server`` are asked,
then ``inject`` puts the certificate in, and they are asked again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.testdata import pki
from scripts.testdata.hives import hive_variant
from scripts.testdata.trust_lists import SHA1, SHA256, public_key_hash, signature_hash, signed, trust_list
from tests.unit.cli.conftest import Program
from winpe_certs.certs.stores import Location, certificate_key
from winpe_certs.edits import CreateKey, DeleteKey, Edit, SetValue
from winpe_certs.regf.hive import apply

NAME = "corp-root"
T = pki.thumbprint(NAME)
OTHER = "AB" * 20
DER, ANOTHER = pki.der(NAME), pki.der("corp-root-2")
SHA = bytes.fromhex(T)
MACHINE, POLICY, ENTERPRISE = Location.MACHINE, Location.POLICY, Location.ENTERPRISE
NONE, SZ, BINARY, DWORD = 0, 1, 3, 4
ASKED = ("--hostname", "cmg.contoso.example", "--at", "2027-01-31")
AUTO_UPDATE = ("Microsoft", "SystemCertificates", "AuthRoot", "AutoUpdate")
DISABLED = (0x68, bytes(8))
_EMPTY = (DeleteKey(certificate_key("AuthRoot", T)),)


def blob(*elements: tuple[int, bytes], der: bytes = DER) -> bytes:
    """A Blob: some elements, then SHA-1 and certificate as usual."""
    return raw(*elements, (3, SHA), (0x20, der))


def raw(*elements: tuple[int, bytes]) -> bytes:
    """Elements as they are."""
    return b"".join(struct.pack("<III", number, 1, len(data)) + data for number, data in elements)


GOOD = blob()


def put(
    store: str = "AuthRoot",
    data: bytes = GOOD,
    *,
    location: Location = MACHINE,
    name: str = T,
    kind: int = BINARY,
    value: str = "Blob",
) -> Edit:
    """One key with a value."""
    path = (*certificate_key(store, "", location)[:-1], name)
    return SetValue(path, value, kind, data)


def trust(data: bytes, kind: int = BINARY) -> Edit:
    return SetValue(AUTO_UPDATE, "DisallowedCertEncodedCtl", kind, data)


@dataclass(frozen=True)
class Case:
    """Edits of a hive, and the answers: whether it is present, and what check-server says.

    `injected` is whether it is present after inject, None when inject refuses.
    """

    edits: tuple[Edit, ...]
    present: bool
    trusted: str
    injected: bool | None = True


def yes(*edits: Edit) -> Case:
    return Case(edits, present=True, trusted="trusted")


def no(*edits: Edit, injected: bool | None = True) -> Case:
    return Case(edits, present=False, trusted="not trusted", injected=injected)


def unsure(*edits: Edit, injected: bool | None = False) -> Case:
    return Case(edits, present=False, trusted="undocumented", injected=injected)


def refused(*edits: Edit) -> Case:
    return Case((put(), *edits), present=False, trusted="not trusted", injected=None)


CASES = {
    "nothing": no(),
    "as usual": yes(put()),
    "REG_SZ": no(put(kind=SZ)),
    "REG_NONE": no(put(kind=NONE)),
    "REG_DWORD": no(put(data=b"abcd", kind=DWORD)),
    "type 0x20003": no(put(kind=0x20003)),
    "default value": no(put(value="")),
    "value in lower case": yes(put(value="blob")),
    "another value of an odd type beside it": yes(put(), put(value="A", kind=11, data=b"abc")),
    "another value REG_SZ of odd length beside it": yes(put(), put(value="A", kind=SZ, data=b"abc")),
    "key in lower case": yes(put(name=T.lower())),
    "key with a blank": no(put(name=f"{T} ")),
    "key of another name": no(put(name=OTHER)),
    "key of another name beside it": yes(put(), put(name=OTHER)),
    "narrowed under another name beside it": no(put(), put(name=OTHER, data=blob(DISABLED)), injected=False),
    "key holds another certificate": no(put(data=raw((0x20, ANOTHER)))),
    "two certificates, ours first": yes(put(data=raw((3, SHA), (0x20, DER), (0x20, ANOTHER)))),
    "two certificates, ours last": no(put(data=raw((3, SHA), (0x20, ANOTHER), (0x20, DER)))),
    "a CRL in its place": no(put(data=raw((3, SHA), (0x21, DER)))),
    "unknown property after it": yes(put(data=GOOD + raw((0x7777, b"x" * 50)))),
    "four bytes after it": no(put(data=GOOD + bytes(4))),
    "end element": yes(put(data=GOOD + bytes(12))),
    "a byte after the certificate": no(put(data=blob(der=DER + b"\0"))),
    "no SHA-1 property": yes(put(data=raw((0x20, DER)))),
    "encoding 2": no(put(data=struct.pack("<III", 3, 2, 20) + SHA + raw((0x20, DER)))),
    "wrong SHA-1 property": unsure(put(data=raw((3, bytes(20)), (0x20, DER))), injected=True),
    "wrong SHA-1 property second": unsure(
        put(data=raw((3, SHA), (3, bytes(20)), (0x20, DER))), injected=True
    ),
    "empty Blob": no(put(data=b"")),
    "large property": yes(put(data=blob((0x0B, b"F\0" * 20000)))),
    "archived": no(put(data=GOOD + raw((0x13, b"")))),
    "subkeys": yes(put(), CreateKey((*certificate_key("AuthRoot", T), "sub"))),
    "ROOT": yes(put("ROOT")),
    "ROOT in odd case": yes(put("rOoT", value="bLOB")),
    "store with a blank": no(put("AuthRoot ")),
    "store with a long s": no(put("Di\u017fallowed", data=b"x")),
    "root in CA": no(put("CA")),
    "root in TrustedPeople": no(put("TrustedPeople")),
    "ROOT of group policy": yes(put("ROOT", location=POLICY)),
    "ROOT of the enterprise": yes(put("Root", location=ENTERPRISE)),
    "AuthRoot of group policy": no(put(location=POLICY)),
    "AuthRoot of the enterprise": no(put(location=ENTERPRISE)),
    "narrowed in ROOT as well": no(put(), put("ROOT", blob(DISABLED)), injected=False),
    "narrowed in AuthRoot, right in ROOT": no(put(data=blob(DISABLED)), put("ROOT")),
    "narrowed in ROOT of group policy": no(
        put(), put("ROOT", blob(DISABLED), location=POLICY), injected=False
    ),
    "narrowed in ROOT of the enterprise": no(
        put(), put("ROOT", blob(DISABLED), location=ENTERPRISE), injected=False
    ),
    "narrowed in AuthRoot of group policy": yes(put(), put(data=blob(DISABLED), location=POLICY)),
    "narrowed in CA": yes(put(), put("CA", blob(DISABLED))),
    "narrowed REG_SZ in ROOT": no(put(), put("ROOT", blob(DISABLED), kind=SZ), injected=False),
    "right REG_NONE in ROOT": yes(put(), put("ROOT", kind=NONE)),
    "damaged in ROOT": unsure(put(), put("ROOT", b"\x20")),
    "REG_DWORD in ROOT": unsure(put(), put("ROOT", b"abcd", kind=DWORD)),
    "another certificate under its name in ROOT": unsure(put(), put("ROOT", raw((0x20, ANOTHER)))),
    "damaged in ROOT of group policy": unsure(put(), put("ROOT", b"\x20", location=POLICY)),
    "damaged in CA": yes(put(), put("CA", b"\x20")),
    "Disallowed": refused(put("Disallowed")),
    "Disallowed under another name": refused(put("Disallowed", name=OTHER)),
    "Disallowed, key in lower case": refused(put("Disallowed", name=T.lower())),
    "Disallowed, key with a blank": refused(put("Disallowed", b"", name=f"{T} ")),
    "Disallowed, store in lower case": refused(put("disallowed")),
    "Disallowed without a Blob": refused(CreateKey(certificate_key("Disallowed", T))),
    "Disallowed, damaged under its name": refused(put("Disallowed", b"\x20")),
    "Disallowed REG_SZ under another name": refused(put("Disallowed", name=OTHER, kind=SZ)),
    "Disallowed REG_NONE under another name": refused(put("Disallowed", name=OTHER, kind=NONE)),
    "Disallowed of group policy": refused(put("Disallowed", location=POLICY)),
    "Disallowed of the enterprise": refused(put("Disallowed", location=ENTERPRISE)),
    "Disallowed by its SHA-1": refused(put("Disallowed", raw((3, SHA)), name=OTHER)),
    "Disallowed by its signature hash": refused(
        put("Disallowed", raw((15, signature_hash(NAME))), name=OTHER)
    ),
    "Disallowed by its key": refused(put("Disallowed", raw((25, public_key_hash(NAME))), name=OTHER)),
    "Disallowed, another hash": yes(put(), put("Disallowed", raw((15, b"x" * 16)), name=OTHER)),
    "Disallowed, a hash as another property": yes(
        put(), put("Disallowed", raw((3, signature_hash(NAME))), name=OTHER)
    ),
    "Disallowed, another certificate": yes(put(), put("Disallowed", raw((0x20, ANOTHER)), name=OTHER)),
    "Disallowed, an empty key of another name": yes(put(), put("Disallowed", b"", name=OTHER)),
    "Disallowed, damaged under another name": unsure(put(), put("Disallowed", b"\x20", name=OTHER)),
    "Disallowed REG_DWORD under another name": unsure(
        put(), put("Disallowed", b"abcd", name=OTHER, kind=DWORD)
    ),
    "list, signature hash": refused(trust(signed(trust_list([bytes(16), signature_hash(NAME)])))),
    "list, key": refused(trust(signed(trust_list([public_key_hash(NAME)])))),
    "list, SHA-1": refused(trust(signed(trust_list([SHA], SHA1)))),
    "list of every optional part": refused(
        trust(
            signed(
                trust_list([SHA], SHA1, version=True, next_update=True, attributes=True, extensions=True),
                as_octets=True,
            )
        )
    ),
    "list of no optional part": refused(
        trust(signed(trust_list([SHA], SHA1, list_identifier=None, number=None)))
    ),
    "list in a value that is not binary": refused(trust(signed(trust_list([SHA], SHA1)), NONE)),
    "list of others": yes(put(), trust(signed(trust_list([bytes(16), bytes(32)])))),
    "list of others by SHA-256": yes(put(), trust(signed(trust_list([bytes(32)], SHA256)))),
    "empty list": yes(put(), trust(signed(trust_list([])))),
    "empty list of an unknown hash": yes(put(), trust(signed(trust_list([], "1.2.3.4")))),
    "list of an unknown hash": unsure(put(), trust(signed(trust_list([bytes(16)], "1.2.3.4")))),
    "list cut off": unsure(put(), trust(signed(trust_list([SHA], SHA1))[:-1])),
    "list with a byte after it": unsure(put(), trust(signed(trust_list([SHA], SHA1)) + b"\0")),
    "list of another kind": unsure(put(), trust(signed(trust_list([SHA], SHA1), "1.2.840.113549.1.7.1"))),
    "no list": unsure(put(), trust(b"0\x82xx")),
    "empty value": unsure(put(), trust(b"")),
    "list in CTLs": refused(
        SetValue(
            ("Microsoft", "SystemCertificates", "Disallowed", "CTLs", OTHER),
            "Blob",
            BINARY,
            raw((3, bytes(20)), (0x22, signed(trust_list([SHA], SHA1)))),
        )
    ),
    "no list in CTLs of group policy": unsure(
        put(), SetValue((*POLICY.value, "Disallowed", "CTLs", OTHER), "Blob", BINARY, b"\x22")
    ),
    **{
        f"{words} in TrustedPeople": yes(put(), put("TrustedPeople", data, name=OTHER, kind=kind))
        for words, kind, data in (
            ("REG_SZ", SZ, "hello\0".encode("utf-16-le")),
            ("REG_SZ of odd length", SZ, GOOD),
            ("REG_NONE", NONE, GOOD),
            ("REG_DWORD", DWORD, b"abcd"),
            ("REG_DWORD of one byte", DWORD, b"a"),
            ("REG_QWORD of three bytes", 11, b"abc"),
            ("REG_MULTI_SZ of odd length", 7, b"abc"),
            ("REG_FILETIME", 16, b"a"),
            ("type 0x200000", 0x200000, GOOD),
            ("type 0xFFFF0001", 0xFFFF0001, GOOD),
            ("damaged Blob", BINARY, b"\x20"),
        )
    },
    "a name beyond ASCII in TrustedPeople": yes(
        put(), put("TrustedPeople", b"x", name="Schl\u00fcssel \u65e5")
    ),
}


def _codes(certificate: dict[str, object]) -> set[str]:
    found = certificate["findings"]
    assert isinstance(found, list)
    return {each["code"] for each in found if each["severity"] != "info"}


def _present(run: Program, path: Path, root: Path) -> bool:
    """Ask every command that says whether the certificate is there; they must agree."""
    by_file = run("verify", path, "-c", root, "-f", "json")
    assert by_file.code in {0, 1}, by_file.out
    by_hash = run("verify", path, "-t", T, "-f", "json")
    audited = run("audit", path, "--require", root, "-f", "json")
    assert by_hash.code == by_file.code == audited.code
    found = by_file.document["images"][0]["certificates"][0]
    assert (found["status"] == "present") is (by_file.code == 0)
    assert by_hash.document["images"][0]["certificates"][0]["status"] == found["status"]
    listed = run("list", path, "-f", "json")
    assert listed.code == 0, listed.out
    entries = [
        each
        for each in listed.document["images"][0]["certificates"]
        if each["thumbprint"] == T
        and each["store"] in {"AuthRoot", "ROOT", "ROOT (group policy)", "ROOT (enterprise)"}
    ]
    assert any(each["status"] == "present" for each in entries) is (by_file.code == 0), entries
    return by_file.code == 0


def _trusted(run: Program, path: Path, chain: Path) -> str:
    done = run("check-server", path, "--chain", chain, *ASKED, "-f", "json")
    assert done.code in {0, 1}, done.out
    (answer,) = done.document["images"][0]["servers"]
    verdict = answer["verdict"]
    assert isinstance(verdict, str)
    return verdict


@pytest.mark.parametrize("name", CASES)
def test_every_command_gives_the_same_answer(run: Program, tmp_path: Path, certs: Path, name: str) -> None:
    case = CASES[name]
    path, root, chain = tmp_path / "SOFTWARE", certs / "corp-root.cer", certs / "cmg-chain.pem"
    path.write_bytes(apply(hive_variant("narrowed.hiv"), [*_EMPTY, *case.edits], now=1 << 57))
    present = _present(run, path, root)
    assert (present, _trusted(run, path, chain)) == (case.present, case.trusted)
    assert not present or case.trusted == "trusted"
    before = path.read_bytes()
    injected = run("inject", path, "-c", root, "-f", "json")
    if case.injected is None:
        assert injected.code == 3
        assert "disallowed" in injected.document["error"]["details"]
        assert path.read_bytes() == before
        return
    assert injected.code == 0, injected.out
    (result,) = injected.document["images"][0]["certificates"]
    assert result["status"] in {"added", "replaced", "unchanged"}
    verified = run("verify", path, "-c", root, "-f", "json")
    present, codes = verified.code == 0, _codes(verified.document["images"][0]["certificates"][0])
    assert present is case.injected
    assert (_trusted(run, path, chain) == "trusted") is present
    assert present or codes <= _codes(result), "inject says what is still against it"


def test_copies_that_the_same_change_puts_right_are_no_warning(
    run: Program, tmp_path: Path, certs: Path
) -> None:
    path, root = tmp_path / "SOFTWARE", certs / "corp-root.cer"
    edits = [*_EMPTY, put(data=blob(DISABLED)), put("ROOT", blob(DISABLED))]
    path.write_bytes(apply(hive_variant("narrowed.hiv"), edits, now=1 << 57))
    one = run("inject", path, "-c", root, "--dry-run", "-f", "json")
    (result,) = one.document["images"][0]["certificates"]
    assert [each["message"].startswith("The copy in ROOT: ") for each in result["findings"]] == [False, True]
    both = run("inject", path, "-c", root, "-s", "AuthRoot,ROOT", "-f", "json")
    results = both.document["images"][0]["certificates"]
    assert [[each["code"] for each in found["findings"]] for found in results] == [["narrowed-disabled"]] * 2
    assert run("verify", path, "-c", root).code == 0
