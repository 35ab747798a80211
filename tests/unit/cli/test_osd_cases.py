"""Inputs that people really had, out of public reports, with the right answer for each.

The files are those of the shared data folder, each with a README that names its source. Roots go into the
hive once as this program puts them there, and once unread, as regedit would.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Program
from winpe_certs.edits import SetValue
from winpe_certs.regf.hive import apply
from winpe_certs.workflows.clock import Moment

HOST = "cmg.example.net"
AT = ("--at", "2027-01-31")
JSON = ("--format", "json")

REG_BINARY = 3
FILE_TIME = 133_000_000_000_000_000

TRUSTED, NOT_TRUSTED, UNDOCUMENTED = "trusted", "not trusted", "undocumented"
EXIT_CODES = {TRUSTED: 0, NOT_TRUSTED: 1, UNDOCUMENTED: 1}


@pytest.fixture(autouse=True)
def _a_day_in_2027(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chains of the cases end in 2030, and not all commands have an option for the date."""
    day = Moment(datetime(2027, 1, 31, tzinfo=UTC))
    monkeypatch.setattr(Moment, "now", lambda: day)


@pytest.fixture
def cases(shared_data: Path) -> Path:
    return shared_data / "cases" / "osd"


def _only(cases: Path, number: str) -> Path:
    (folder,) = cases.glob(f"{number}-*")
    return folder


def put_unread(hive: Path, certificate: Path, *, lower: bool = False) -> str:
    """Put the bytes of a certificate into AuthRoot without reading them; returns the name of their key."""
    der = certificate.read_bytes()
    digest = hashlib.sha1(der).digest()
    name = digest.hex() if lower else digest.hex().upper()
    blob = struct.pack("<III", 3, 1, 20) + digest + struct.pack("<III", 0x20, 1, len(der)) + der
    path = ("Microsoft", "SystemCertificates", "AuthRoot", "Certificates", name)
    hive.write_bytes(apply(hive.read_bytes(), [SetValue(path, "Blob", REG_BINARY, blob)], now=FILE_TIME))
    return name


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    (image,) = document["images"]
    (answer,) = image["servers"]
    found: dict[str, Any] = answer
    return found


CHAINS = [
    ("01", "root.cer", "chain.pem", TRUSTED, "common-name-only", ""),
    ("02", "root.cer", "chain.pem", TRUSTED, "", ""),
    # These two are below the root of another case.
    ("02", "../01-cmg-common-name-only/root.cer", "chain-intermediate.pem", TRUSTED, "", ""),
    ("02", "../01-cmg-common-name-only/root.cer", "chain-leaf-email.pem", TRUSTED, "", ""),
    ("03", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("04", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("06", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("06", "root.cer", "chain-critical-false.pem", TRUSTED, "", ""),
    ("07", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("08", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("11", "root.cer", "chain.pem", TRUSTED, "", ""),
    ("11", "root.cer", "chain-intermediate.pem", TRUSTED, "", ""),
    ("12", "root.cer", "chain.pem", NOT_TRUSTED, "no-server-auth", ""),
    ("12", "root.cer", "chain-only-policies.pem", NOT_TRUSTED, "no-server-auth", ""),
    ("12", "root.cer", "chain-intermediate.pem", NOT_TRUSTED, "no-server-auth", ""),
    ("12", "root.cer", "chain-eku-client-policies-server.pem", TRUSTED, "", "no-server-auth"),
    ("13", "root.cer", "chain.pem", TRUSTED, "no-basic-constraints", "not-a-ca"),
    ("13", "root-with-keyusage.cer", "chain-with-keyusage.pem", TRUSTED, "", "no-basic-constraints"),
    ("14", "root.cer", "chain.pem", NOT_TRUSTED, "curve-not-enabled", ""),
    ("15", "root.cer", "chain.pem", UNDOCUMENTED, "undocumented-key", ""),
    ("15", "root.cer", "chain-leaf.pem", UNDOCUMENTED, "undocumented-key", ""),
    # Read part by part, this root is no longer one that cannot be read.
    ("18", "root.cer", "chain.pem", TRUSTED, "", "root-not-in-image"),
    ("24", "root.cer", "chain.pem", TRUSTED, "name-encoding-differs", ""),
    ("26", "root.cer", "chain.pem", NOT_TRUSTED, "issuer-other-certificate", "issuer-has-other-key"),
]


@pytest.mark.parametrize("placed", ["injected", "unread"])
@pytest.mark.parametrize(
    ("number", "root", "chain", "verdict", "code", "absent"),
    CHAINS,
    ids=[f"{number}-{chain.removesuffix('.pem')}" for number, _, chain, _, _, _ in CHAINS],
)
def test_a_server_is_judged(
    run: Program,
    cases: Path,
    hive: Path,
    placed: str,
    number: str,
    root: str,
    chain: str,
    verdict: str,
    code: str,
    absent: str,
) -> None:
    folder = _only(cases, number)
    if placed == "unread":
        put_unread(hive, folder / root)
    else:
        assert run("inject", hive, "--cert", folder / root, *JSON).code == 0
    done = run("check-server", hive, "--chain", folder / chain, "--hostname", HOST, *AT, *JSON)
    answer = _answer(done.document)
    codes = {reason["code"] for reason in answer["reasons"]}
    assert answer["verdict"] == verdict, codes
    assert {code} - {""} <= codes
    assert absent not in codes
    assert done.code == EXIT_CODES[verdict]


@pytest.mark.parametrize(
    ("number", "root", "chain"),
    [(number, root, chain) for number, root, chain, verdict, _, _ in CHAINS if verdict == TRUSTED],
)
def test_injection_goes_on_when_the_chain_is_trusted(
    run: Program, cases: Path, hive: Path, number: str, root: str, chain: str
) -> None:
    folder = _only(cases, number)
    expected = ("--expect-chain", folder / chain, "--hostname", HOST)
    assert run("inject", hive, "--cert", folder / root, *expected).code == 0
    assert run("verify", hive, "--cert", folder / root).code == 0


def test_the_reason_of_another_serial_names_it(run: Program, cases: Path, hive: Path) -> None:
    folder = _only(cases, "26")
    put_unread(hive, folder / "root.cer")
    done = run("check-server", hive, "--chain", folder / "chain.pem", "--hostname", HOST, *AT)
    assert "4D" in done.out
    assert "another key" not in done.out


def test_what_is_in_the_image_is_never_called_missing(run: Program, cases: Path, hive: Path) -> None:
    folder = _only(cases, "18")
    name = put_unread(hive, folder / "root.cer")
    assert run("verify", hive, "--thumbprint", name).code == 0
    done = run("check-server", hive, "--chain", folder / "chain.pem", "--hostname", HOST, *AT)
    assert "not in this image" not in done.out
    assert "inject" not in done.out


def test_publishers_and_refused_ones_need_not_be_roots(run: Program, cases: Path, hive: Path) -> None:
    folder = _only(cases, "17")
    assert run("inject", hive, "--cert", folder / "codesign.cer", "--store", "TrustedPublisher").code == 0
    assert run("inject", hive, "--cert", folder / "old.cer", "--store", "Disallowed").code == 0


@pytest.mark.parametrize(
    ("number", "file"),
    [
        ("19", "store.sst"),
        ("20", "wow.reg"),
        ("20", "hku.reg"),
        ("20", "hku-default.reg"),
        ("21", "glued.pem"),
        ("21", "bom-concat.pem"),
        ("21", "utf16-concat.pem"),
        ("21", "escaped-n.pem"),
        ("21", "oneline.pem"),
        ("28", "Registry.pol"),
    ],
)
def test_a_file_of_certificates_is_taken(
    run: Program, cases: Path, hive: Path, number: str, file: str
) -> None:
    path = _only(cases, number) / file
    done = run("inject", hive, "--cert", path, *JSON)
    assert done.code == 0
    added = [each for image in done.document["images"] for each in image["certificates"]]
    assert {each["status"] for each in added} == {"added"}
    assert run("verify", hive, "--cert", path).code == 0


def test_every_certificate_of_joined_files_is_taken(run: Program, cases: Path, hive: Path) -> None:
    folder = _only(cases, "21")
    counts = {
        file: sum(
            len(image["certificates"])
            for image in run("inject", hive, "--cert", folder / file, "--dry-run", *JSON).document["images"]
        )
        for file in ("glued.pem", "bom-concat.pem", "utf16-concat.pem", "oneline.pem", "escaped-n.pem")
    }
    for file, count in counts.items():
        data = (folder / file).read_bytes().replace(b"\0", b"")
        distinct = set(data.split(b"-----BEGIN CERTIFICATE-----")[1:])
        assert 1 <= count <= len(distinct), file
    assert counts["glued.pem"] == counts["bom-concat.pem"] == counts["utf16-concat.pem"]


def _udf_without_iso_9660() -> bytes:
    """A volume recognition sequence with UDF only (ECMA-167 part 2), and an anchor where UDF has it."""
    sectors = bytearray(2048 * 600)
    for number, identifier in ((16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")):
        sectors[number * 2048 : number * 2048 + 7] = b"\0" + identifier + b"\1"
    tag = struct.pack("<HHBBHHHI", 2, 2, 0, 0, 0, 0, 0, 256)
    sectors[256 * 2048 : 256 * 2048 + len(tag)] = tag
    return bytes(sectors)


@pytest.mark.parametrize(("command", "code"), [("list", 3), ("audit", 0)])
def test_a_udf_image_is_called_one(run: Program, tmp_path: Path, command: str, code: int) -> None:
    image = tmp_path / "winpe.iso"
    image.write_bytes(_udf_without_iso_9660())
    done = run(command, image)
    assert done.code == code
    said = done.out + done.err
    assert "UDF" in said
    assert "boot.wim" in said
    assert "again" not in said


def test_a_key_in_lower_case_is_remarked_and_put_right(run: Program, cases: Path, hive: Path) -> None:
    root = _only(cases, "01") / "root.cer"
    put_unread(hive, root, lower=True)
    remarked = run("verify", hive, "--cert", root, *JSON)
    assert remarked.code == 0
    assert "lower-case-key" in remarked.out
    assert "lower-case-key" in run("list", hive, *JSON).out
    done = run("inject", hive, "--cert", root, *JSON)
    assert done.code == 0
    assert done.document["changed"] is True
    again = run("verify", hive, "--cert", root, *JSON)
    assert again.code == 0
    assert "lower-case-key" not in again.out
