"""Every code of the registry can be raised: for each there is an input that makes the program raise it.

Real bytes through the real functions. Where no small input is known, the bound or the clock that stands
between is moved, and nothing else.
"""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata import media_pki, pki
from scripts.testdata.hive_writer import build_hive
from scripts.testdata.hives import certificate_key, hive_variant, software, usual_stores
from scripts.testdata.images import variant
from scripts.testdata.isos import make_iso
from scripts.testdata.odd_chains import odd_cases
from scripts.testdata.trust_pki import cases
from tests.oracle.test_microsoft_programme import ODDLY_SIGNED, _by_thumbprint
from tests.unit.certs import making
from tests.unit.cli.conftest import Program
from tests.unit.engines.test_reg_program import HIVE, IN_USE, KEY, STILL, reg
from tests.unit.trust.certificates import make as make_linked
from tests.unit.trust.test_matrix import _answers
from tests.unit.trust.test_search import _answer, _renewed
from winpe_certs.certs.blob import Blob, parse
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.findings import examine
from winpe_certs.certs.media import examine_media
from winpe_certs.certs.pkcs12 import read_media
from winpe_certs.certs.stores import Location, Store
from winpe_certs.certs.stores import certificate_key as key_of
from winpe_certs.edits import SetValue, ValueType
from winpe_certs.engines.choose import Kind
from winpe_certs.engines.dism_codes import explain as explain_dism
from winpe_certs.engines.estate import Source
from winpe_certs.errors import CertificateError, UsageError, WinpeCertsError
from winpe_certs.finding_codes.registry import ALLOWABLE, ENTRIES, SKIPPABLE
from winpe_certs.process import Completed, ProcessRunner
from winpe_certs.regf.hive import apply
from winpe_certs.trust import answer as answers
from winpe_certs.trust import paths
from winpe_certs.trust.revocation import revocation_reasons
from winpe_certs.wim.codecs.interface import Compression
from winpe_certs.wim.resource import ChunkDecoder
from winpe_certs.workflows.audit_image import lost
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.export import export
from winpe_certs.workflows.injections import injection_of, injections
from winpe_certs.workflows.inputs import Inputs, Wanted

NOT_YET: set[str] = set()
"""Codes that nothing raises yet."""

AT = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = pki.thumbprint("corp-root")
CASES = {case.name: case for case in [*cases(), *odd_cases()]}
ASKED = ("--hostname", "cmg.contoso.example", "--at", "2026-06-01")


@dataclass(frozen=True)
class Bench:
    """What an input may be made with."""

    run: Program
    folder: Path
    hive: Path
    image: Path
    certs: Path
    patch: pytest.MonkeyPatch

    def seen(self, *arguments: object) -> set[str]:
        """The codes and kinds in the JSON document of a call."""
        return set(_codes(self.run(*arguments, "-f", "json").document))

    def file(self, name: str, data: bytes) -> Path:
        """A file with these bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def holding(self, *narrowing: tuple[int, bytes]) -> Path:
        """A hive that has the root in AuthRoot, with these properties."""
        stores = {**usual_stores(), "AuthRoot": [certificate_key("corp-root", *narrowing)]}
        return self.file("holding.hiv", build_hive(software(stores, class_ids=40)))

    def storing(self, blob: bytes, store: str = "AuthRoot", where: Location = Location.MACHINE) -> Path:
        """A hive that has a Blob of the root in a store."""
        edit = SetValue(key_of(store, ROOT, where), "Blob", ValueType.BINARY, blob)
        return self.file("storing.hiv", apply(hive_variant("software-1.5.hiv"), [edit], now=1))

    @property
    def root(self) -> Path:
        """The root that tests inject."""
        return self.certs / "corp-root.cer"


def _codes(document: Any) -> Iterator[str]:
    """Every code of a finding or reason, and every kind of error, wherever it is in a document."""
    if isinstance(document, dict):
        if "code" in document and "severity" in document:
            yield document["code"]
        if "kind" in document:
            yield document["kind"]
        for value in document.values():
            yield from _codes(value)
    elif isinstance(document, list):
        for value in document:
            yield from _codes(value)


Raiser = Callable[[Bench], set[str]]


def _examined(der: bytes) -> set[str]:
    return {each.code for each in examine(Certificate.from_der(der, "x"), AT)}


def _in_case(name: str) -> Raiser:
    """Certificates of a case of the matrix, each judged by itself."""

    def run(_: Bench) -> set[str]:
        case = CASES[name]
        ders = [*case.sent, *(der for _, der in case.stores)]
        certificates = [Certificate.from_der(der, "x") for der in ders]
        return {each.code for certificate in certificates for each in examine(certificate, case.at)}

    return run


def _asked(name: str) -> Raiser:
    """The answer for a case of the matrix."""

    def run(_: Bench) -> set[str]:
        return {reason.code for each in _answers(CASES[name]) for reason in each.reasons}

    return run


def _media(name: str) -> Raiser:
    def run(_: Bench) -> set[str]:
        store = read_media(media_pki.VARIANTS[name](), media_pki.PASSWORD, "media.pfx")
        return {each.code for each in examine_media(store, AT)}

    return run


def _is_ca(_: Bench) -> set[str]:
    data = media_pki.certificates_only("weak-root")
    return {each.code for each in examine_media(read_media(data, media_pki.PASSWORD, "x"), AT)}


def _narrowed(property_id: int, data: str) -> Raiser:
    return lambda bench: bench.seen("verify", bench.holding((property_id, bytes.fromhex(data))), "-t", ROOT)


def _revocation(*urls: str) -> Raiser:
    return lambda _: {each.code for each in revocation_reasons(make_linked("a", "b", lists=urls or None))}


def _refused(*arguments: str) -> Raiser:
    """An error of a call; ``{name}`` stands for something of the bench."""

    def run(bench: Bench) -> set[str]:
        given = {"hive": bench.hive, "image": bench.image, "root": bench.root, "certs": bench.certs}
        return bench.seen(*(word.format(**given) for word in arguments))

    return run


def _reading(name: str, data: Callable[[], bytes]) -> Raiser:
    return lambda bench: bench.seen("list", bench.file(name, data()))


def _broken_signature(_: Bench) -> set[str]:
    der = bytearray(making.root_der())
    der[-1] ^= 1
    return _examined(bytes(der))


def _programme(_: Bench) -> set[str]:
    return {each.code for each in examine(_by_thumbprint()[ODDLY_SIGNED], AT)}


def _wrong_hash(bench: Bench) -> set[str]:
    der = pki.der("corp-root")
    blob = struct.pack("<III", 3, 1, 20) + bytes(20) + struct.pack("<III", 0x20, 1, len(der)) + der
    return bench.seen("verify", bench.storing(blob), "-t", ROOT)


def _damaged(bench: Bench) -> set[str]:
    return bench.seen("verify", bench.storing(b"no Blob at all"), "-t", ROOT)


def _disallowed(bench: Bench) -> set[str]:
    return bench.seen("verify", bench.hive, "-c", bench.certs / "disallowed-root.cer")


def _moved(store: Store) -> Raiser:
    def run(_: Bench) -> set[str]:
        certificate = Certificate.from_der(pki.der("corp-root"), "x")
        wanted = Wanted(certificate.thumbprint, "x.reg", certificate, store=store)
        return {each.code for each in injection_of(wanted, certificate, None, Moment(AT)).findings}

    return run


def _disallowed_unread(bench: Bench) -> set[str]:
    path = ("Microsoft", "SystemCertificates", "AuthRoot", "AutoUpdate")
    hive = bench.storing(pki.registry_blob("corp-root"))
    edit = SetValue(path, "DisallowedCertEncodedCtl", ValueType.BINARY, b"no list")
    hive.write_bytes(apply(hive.read_bytes(), [edit], now=1 << 57))
    return bench.seen("verify", hive, "-t", ROOT)


def _odd_key_name(bench: Bench) -> set[str]:
    edit = SetValue(
        key_of(Store.AUTH_ROOT, "0" * 40), "Blob", ValueType.BINARY, pki.registry_blob("corp-root")
    )
    bench.hive.write_bytes(apply(bench.hive.read_bytes(), [edit], now=1 << 57))
    return bench.seen("verify", bench.hive, "-t", ROOT)


def _copies_left(bench: Bench) -> set[str]:
    path = key_of(Store.ROOT, ROOT, Location.POLICY)
    edit = SetValue(path, "Blob", ValueType.BINARY, pki.registry_blob("corp-root"))
    bench.hive.write_bytes(apply(bench.hive.read_bytes(), [edit], now=1 << 57))
    return bench.seen("remove", bench.hive, "-t", ROOT)


def _disallows_used(bench: Bench) -> set[str]:
    assert bench.run("inject", bench.hive, "-c", bench.root).code == 0
    return bench.seen("inject", bench.hive, "-c", bench.root, "--store", "Disallowed")


def _other_store(bench: Bench) -> set[str]:
    assert bench.run("inject", bench.hive, "-c", bench.root, "--store", "CA").code == 0
    return bench.seen("verify", bench.hive, "-c", bench.root)


def _lower_case(bench: Bench) -> set[str]:
    path = (*key_of("AuthRoot", ROOT)[:-1], ROOT.lower())
    edit = SetValue(path, "Blob", ValueType.BINARY, pki.registry_blob("corp-root"))
    lower = bench.file("lower.hiv", apply(hive_variant("software-1.5.hiv"), [edit], now=1))
    return bench.seen("verify", lower, "-c", bench.root)


def _untidy(bench: Bench) -> set[str]:
    data = bytearray(hive_variant("software-1.5.hiv"))
    (root,) = struct.unpack_from("<I", data, 36)
    struct.pack_into("<H", data, 4096 + root + 6, 0x20)
    return bench.seen("verify", bench.file("offreg.hiv", bytes(data)), "-c", bench.root, "--full-check")


def _blob_differs(bench: Bench) -> set[str]:
    return bench.seen("verify", bench.holding((11, "My root\0".encode("utf-16-le"))), "-c", bench.root)


def _required(bench: Bench) -> set[str]:
    old = bench.file("old.cer", making.make(subject="Microsoft Root Authority"))
    assert bench.run("inject", bench.hive, "-c", old).code == 0
    return bench.seen("remove", bench.hive, "-c", old, "--allow", "required-root")


def _live(_: Bench) -> set[str]:
    certificate = Certificate.from_der(pki.der("corp-root"), "HKLM")
    wanted = Wanted(certificate.thumbprint, "HKLM", certificate, live_store="ROOT (machine)")
    report = export(Inputs((wanted,), ()), hive_name="x", dry_run=True, moment=Moment(AT))
    return {each.code for found in report.certificates for each in found.findings}


def _not_windows(bench: Bench) -> set[str]:
    return bench.seen("audit", bench.file("data.wim", variant("software-missing")))


def _other_images(bench: Bench) -> set[str]:
    content = {"sources/boot.wim": variant("small"), "a.wim": variant("small")}
    return bench.seen("list", bench.file("media.iso", make_iso(content)))


def _expiring(bench: Bench) -> set[str]:
    wim = bench.file("boot.wim", variant("authroot-already"))
    return bench.seen("audit", wim, "--require", bench.root, "--min-days", "3650", "--at", "2044-01-01")


def _lost(error: Exception | str) -> Raiser:
    def run(bench: Bench) -> set[str]:
        return {each.code for each in lost(Source(bench.image, Kind.WIM), error).findings}

    return run


def _public_root(bench: Bench) -> set[str]:
    ours = (Certificate.from_der(pki.der("corp-root"), "ours"),)
    bench.patch.setattr(answers, "public_roots", lambda: ours)
    return bench.seen("check-server", bench.hive, "--chain", bench.certs / "cmg-chain.pem", *ASKED)


def _policy_store(bench: Bench) -> set[str]:
    hive = bench.storing(pki.registry_blob("corp-root"), "ROOT", Location.POLICY)
    return bench.seen("check-server", hive, "--chain", bench.certs / "cmg-chain.pem", *ASKED)


def _search_ended(bench: Bench) -> set[str]:
    bench.patch.setattr(paths, "MOST_PATHS", 1)
    bench.patch.setattr(paths, "_MOST_EDGES", 1)
    found, _ = _answer(_renewed(5, -1, faults="dates"))
    return {each.code for each in found.reasons}


def _kind(call: Callable[[], object]) -> set[str]:
    with pytest.raises(WinpeCertsError) as caught:
        call()
    return {caught.value.kind}


def _password(bench: Bench) -> set[str]:
    media = bench.file("media.pfx", pki.media_pfx())
    wrong = bench.file("wrong.txt", b"not this\n")
    return bench.seen("check-media-certificate", media, "--password-file", wrong)


def _blob_kind(bench: Bench) -> set[str]:
    head = "Windows Registry Editor Version 5.00\r\n\r\n"
    key = rf"[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\SystemCertificates\AuthRoot\Certificates\{ROOT}]"
    text = f'{head}{key}\r\n"Blob"=hex:00,01,02\r\n'
    return bench.seen("inject", bench.hive, "-c", bench.file("a.reg", text.encode("utf-16")))


def _reg_file(bench: Bench) -> set[str]:
    text = "Windows Registry Editor Version 6.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\r\n"
    return bench.seen("inject", bench.hive, "-c", bench.file("a.reg", text.encode("utf-16")))


def _hive_kind(bench: Bench) -> set[str]:
    data = bytearray(bench.hive.read_bytes())
    data[4096 : 4096 + 4] = b"xxxx"
    return bench.seen("verify", bench.file("bad.hiv", bytes(data)), "-c", bench.root, "--full-check")


def _chunk(_: Bench) -> set[str]:
    return _kind(lambda: ChunkDecoder(Compression.LZX, 1 << 15).decode(bytes(100), 1 << 15))


def _guard(bench: Bench) -> set[str]:
    managed = bench.file("boot.ABC00012.wim", variant("small"))
    return bench.seen("inject", managed, "-c", bench.root, "-i", "1")


def _environment(bench: Bench) -> set[str]:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.patch.setattr("os.fsync", full)
    return bench.seen("inject", bench.hive, "-c", bench.root)


def _dism(_: Bench) -> set[str]:
    done = Completed(("DISM.exe", "/Mount-Image"), 0xC1420127, "Error: 0xc1420127\n", 1.0)
    return {explain_dism(done).kind}


def _image_lost(bench: Bench) -> set[str]:
    from winpe_certs.engines.aftermath import Noted, ended_error, look_again

    garbage = bench.file("garbage.wim", b"no WIM at all")
    hive = "Windows\\System32\\config\\SOFTWARE"
    before = Noted(b"", b"", ())
    found = look_again(garbage, 1, hive, old=b"", before=before, verify=lambda _images, _index: None)
    error = explain_dism(Completed(("DISM.exe", "/Unmount-Image"), 0xC142010C, "", 1.0))
    return {ended_error(error, found, "garbage.wim", save=None, cleanup=()).kind}


def _no_memory(bench: Bench) -> set[str]:
    def none_left(*_: object) -> None:
        raise MemoryError

    bench.patch.setattr("winpe_certs.workflows.planning.read_stored", none_left)
    return bench.seen("inject", bench.hive, "-c", bench.root)


def _reg(_bench: Bench) -> set[str]:
    program, _, _ = reg((1, "ERROR: Access is denied.\n"))
    return _kind(lambda: program.load(KEY, HIVE))


def _program_missing(_: Bench) -> set[str]:
    return _kind(lambda: ProcessRunner().run(["/nowhere/at/all"], timeout=5))


def _program_start(bench: Bench) -> set[str]:
    nothing = bench.file("nothing.exe", b"\0\1\2\3")
    nothing.chmod(0o755)
    return _kind(lambda: ProcessRunner().run([str(nothing)], timeout=5))


def _program_timeout(_: Bench) -> set[str]:
    sleeper = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    return _kind(lambda: ProcessRunner().run(sleeper, timeout=0.1))


def _output(bench: Bench) -> set[str]:
    class Full:
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self) -> None:
            """Nothing was taken."""

        def isatty(self) -> bool:
            return False

    from winpe_certs.cli.output import show_document

    bench.patch.setattr(sys, "stdout", Full())
    found = _kind(lambda: show_document("x"))
    sys.stdout.close()  # it replaced the lost one
    return found


def _verification(bench: Bench) -> set[str]:
    bench.patch.setattr("winpe_certs.workflows.planning.read_stored", _reads_nothing)
    return bench.seen("inject", bench.hive, "-c", bench.root)


def _reads_nothing(hive: bytes, origin: str) -> Any:
    """What readers see who miss what was written."""
    from winpe_certs.verification.stored import StoredCertificates, read_stored

    return StoredCertificates((), read_stored(hive, origin).readers)


def _cleanup(_bench: Bench) -> set[str]:
    program, _, _ = reg(*[IN_USE, STILL] * 20)
    return _kind(lambda: program.unload(KEY))


def _interrupted(bench: Bench) -> set[str]:
    def ctrl_c(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    bench.patch.setattr("winpe_certs.workflows.writing.edit_hive", ctrl_c)
    return bench.seen("inject", bench.hive, "-c", bench.root)


def _expectation(bench: Bench) -> set[str]:
    chain = bench.certs / "other-chain.pem"
    return bench.seen(
        "inject", bench.hive, "-c", bench.root, "--expect-chain", chain, "--hostname", "nobody.example"
    )


RAISERS: dict[str, Raiser] = {
    "not-a-ca": _in_case("rsa-three-levels"),
    "no-cert-sign": _in_case("intermediate-without-cert-sign"),
    "no-basic-constraints": _in_case("root-says-nothing"),
    "not-self-signed": _in_case("rsa-three-levels"),
    "programme-signature": _programme,
    "broken-signature": _broken_signature,
    "expired": _in_case("cross-old-root-expired"),
    "expires-soon": _in_case("last-second"),
    "not-yet-valid": _in_case("server-not-yet-valid"),
    "weak-key": _in_case("rsa-1024-server"),
    "undocumented-key": _in_case("server-key-brainpool256"),
    "weak-signature": _in_case("sha-1-intermediate"),
    "critical-name-constraints": _in_case("constraints-permitted"),
    "no-server-auth": _in_case("server-use-client-only"),
    "name-encoding-differs": _asked("issuer-type-differs-at-root"),
    "unreadable": _in_case("length-indefinite-name-root"),
    "unreadable-part": _in_case("printable-8-bit-root"),
    "narrowed-eku": _narrowed(0x09, "300a06082b06010505070302"),
    "narrowed-names": _narrowed(0x54, "300aa0083006820461626364"),
    "narrowed-disabled": _narrowed(0x68, "0000000000000000"),
    "narrowed-disallowed-eku": _narrowed(0x7A, "300a06082b06010505070301"),
    "narrowed-archived": _narrowed(0x13, ""),
    "narrowed-not-before": _narrowed(0x7E, "0000000000000000"),
    "wrong-cached-hash": _wrong_hash,
    "disallowed": _disallowed,
    "from-disallowed": _moved(Store.DISALLOWED),
    "disallowed-unread": _disallowed_unread,
    "odd-key-name": _odd_key_name,
    "copies-left": _copies_left,
    "disallows-used": _disallows_used,
    "moved-store": _moved(Store.CA),
    "other-store": _other_store,
    "lower-case-key": _lower_case,
    "untidy-hive": _untidy,
    "blob-differs": _blob_differs,
    "damaged": _damaged,
    "required-root": _required,
    "live-store": _live,
    "not-windows": _not_windows,
    "other-images": _other_images,
    "expiring": _expiring,
    "memory": _lost(MemoryError()),
    "died": _lost("it was killed"),
    "defect": _lost(ValueError("oops")),
    "root-not-in-image": _asked("self-signed-server-not-in-image"),
    "public-root-not-in-image": _public_root,
    "issuer-missing": _asked("intermediate-missing"),
    "issuer-not-sent": _asked("issuer-on-the-web"),
    "issuer-in-wrong-store": _asked("self-signed-server-in-ca"),
    "issuer-has-other-key": _asked("new-key-old-root"),
    "key-identifier-differs": _asked("key-of-nobody"),
    "issuer-other-certificate": _asked("exact-other-serial-server"),
    "judged-unreadable": _asked("length-indefinite-name-root"),
    "intermediate-in-root-store": _asked("intermediate-sent-and-in-root"),
    "policy-store": _policy_store,
    "search-ended": _search_ended,
    "invalid-chain": _asked("namesake-without-identifiers"),
    "name-constraints": _asked("constraints-other-permitted"),
    "name-mismatch": _asked("names-one-of-two"),
    "common-name-only": _asked("names-common-name-only"),
    "curve-not-enabled": _asked("server-key-p521"),
    "wrong-key-usage": _asked("server-key-crl-sign"),
    "never-valid": _asked("never-valid-together"),
    "validity-short": _asked("last-second"),
    "revocation-ldap-only": _revocation("ldap:///CN=a"),
    "revocation-no-list": _revocation(),
    "revocation-internal": _revocation("http://pki01/root.crl"),
    "revocation-https": _revocation("https://crl.contoso.com/root.crl"),
    "revocation-unreachable": _revocation("file://server/root.crl"),
    "no-private-key": _media("certificate-only"),
    "no-client-auth": _media("wrong-usage"),
    "no-extended-key-usage": _media("no-usage"),
    "is-ca": _is_ca,
    "media-key-kind": _media("ec"),
    "media-sha1": _media("sha1"),
    "media-provider": _media("good"),
    "usage": _refused("inject"),
    "expectation": _expectation,
    "certificate": _refused("inject", "{hive}", "-c", "{image}"),
    "private-key": _refused("inject", "{hive}", "-c", "{certs}/corp-root.pfx"),
    "password": _password,
    "blob": _blob_kind,
    "reg-file": _reg_file,
    "hive": _hive_kind,
    "hive-dirty": _reading("dirty.hiv", lambda: hive_variant("software-dirty.hiv")),
    "wim": _reading("short.wim", lambda: variant("small")[:100]),
    "wim-chunk": _chunk,
    "wim-unsupported": _reading("split.wim", lambda: variant("split")),
    "guard": _guard,
    "target": _reading("text.wim", lambda: b"no image"),
    "evidence": lambda bench: bench.seen("verify", bench.image, "--evidence", bench.file("e.json", b"{}")),
    "environment": _environment,
    "connection": _refused("check-server", "{hive}", "--connect", "127.0.0.1:1", "--connect-timeout", "2"),
    "dism": _dism,
    "reg": _reg,
    "program-missing": _program_missing,
    "program-start": _program_start,
    "program-timeout": _program_timeout,
    "output": _output,
    "no-memory": _no_memory,
    "image-lost": _image_lost,
    "verification": _verification,
    "cleanup": _cleanup,
    "interrupted": _interrupted,
}


@pytest.fixture
def bench(
    run: Program, tmp_path: Path, hive: Path, image: Path, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    return Bench(run, tmp_path, hive, image, certs, monkeypatch)


def test_there_is_an_input_for_every_code() -> None:
    assert set(RAISERS) == set(ENTRIES) - NOT_YET


@pytest.mark.parametrize("code", RAISERS)
def test_its_input_raises_it(bench: Bench, code: str) -> None:
    assert code in RAISERS[code](bench)


def _wanted(code: str) -> tuple[Wanted, datetime]:
    """A certificate on its way in that has a finding, and the moment when it has it."""
    if code == "broken-signature":
        broken = bytearray(making.root_der())
        broken[-1] ^= 1
        return _of(bytes(broken)), AT
    if code == "programme-signature":
        return _of(_by_thumbprint()[ODDLY_SIGNED].der), datetime(2020, 1, 1, tzinfo=UTC)
    if code in LIMITS:
        return _of(pki.der("corp-root"), parse(pki.registry_blob("corp-root", LIMITS[code]), "x")), AT
    if code == "wrong-cached-hash":
        der = pki.der("corp-root")
        data = struct.pack("<III", 3, 1, 20) + bytes(20) + struct.pack("<III", 0x20, 1, len(der)) + der
        return _of(der, parse(data, "x")), AT
    if code in STORES:
        return replace(_of(pki.der("corp-root")), store=STORES[code]), AT
    for case in CASES.values():
        for der in (*case.sent, *(each for _, each in case.stores)):
            if code in {each.code for each in examine(Certificate.from_der(der, "x"), case.at)}:
                return _of(der), case.at
    return _of(TWO_ENCODINGS), AT


def _of(der: bytes, blob: Blob | None = None) -> Wanted:
    certificate = Certificate.from_der(der, "x")
    return Wanted(certificate.thumbprint, "x", certificate, blob)


LIMITS = {
    "narrowed-eku": (0x09, bytes.fromhex("300a06082b06010505070302")),
    "narrowed-names": (0x54, bytes.fromhex("300aa0083006820461626364")),
    "narrowed-disabled": (0x68, bytes(8)),
    "narrowed-disallowed-eku": (0x7A, bytes.fromhex("300a06082b06010505070301")),
    "narrowed-archived": (0x13, b""),
    "narrowed-not-before": (0x7E, bytes(8)),
}
STORES = {"from-disallowed": "Disallowed", "moved-store": "CA"}
TWO_ENCODINGS = making.handmade(issuer=making.distinguished_name(b"old  ROOT", 0x0C))
# Those are found in an image or in the pieces of a file, so other tests have them.
ELSEWHERE = {"disallowed", "damaged"}


@pytest.mark.parametrize("code", sorted(SKIPPABLE - ELSEWHERE))
def test_skip_leaves_out_what_has_the_finding(code: str) -> None:
    wanted, at = _wanted(code)
    with pytest.raises(UsageError, match="no certificate is left to go in") as caught:
        injections(Inputs((wanted,), ()), (), frozenset(), frozenset({code}), Moment(at))
    assert caught.value.details.startswith(f"left out ({code}): x: ")


@pytest.mark.parametrize("code", sorted(ALLOWABLE - {"disallowed", "required-root"}))
def test_allow_lets_in_what_has_the_finding(code: str) -> None:
    wanted, at = _wanted(code)
    given = Inputs((wanted,), ())
    with pytest.raises(CertificateError) as caught:
        injections(given, (), frozenset(), frozenset(), Moment(at))
    assert f"--allow {code}" in caught.value.resolution
    (injection,) = injections(given, (), ALLOWABLE, frozenset(), Moment(at)).going_in
    assert (code, True) in {(each.code, each.allowed) for each in injection.findings}
