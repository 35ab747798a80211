"""``remove`` and ``--replace`` name every copy that still counts, and ``--store all`` takes them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.testdata import pki
from scripts.testdata.hives import hive_variant
from tests.unit.cli.conftest import Program, Run
from tests.unit.cli.test_stores_agree import ENTERPRISE, GOOD, MACHINE, NONE, OTHER, POLICY, T, put
from winpe_certs.edits import Edit
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive
from winpe_certs.verification.stored import stored_in

ASKED = ("--hostname", "cmg.contoso.example", "--at", "2027-01-31")
EVERYWHERE = (
    put(),
    put("ROOT"),
    put("CA"),
    put("TrustedPeople"),
    put(location=POLICY),
    put("ROOT", location=POLICY),
    put("Root", location=ENTERPRISE),
    put("CA", location=ENTERPRISE),
    put("ROOT", name=OTHER),
    put("ROOT", name=T.lower(), location=ENTERPRISE),
    put("My", kind=NONE),
    put("TrustedPublisher", b"\x20"),
)


@pytest.fixture
def software(tmp_path: Path) -> Path:
    return tmp_path / "SOFTWARE"


def _fill(path: Path, *edits: Edit) -> None:
    path.write_bytes(apply(hive_variant("no-systemcertificates.hiv"), edits, now=1 << 57))


def _left(path: Path) -> set[tuple[str, str]]:
    return {(each.store, each.location.name) for each in stored_in(Hive(path.read_bytes())).certificates}


def _warnings(done: Run) -> list[dict[str, Any]]:
    return [
        finding
        for certificate in done.document["images"][0]["certificates"]
        for finding in certificate["findings"]
        if finding["code"] == "copies-left"
    ]


@pytest.mark.parametrize(
    ("left", "place"),
    [
        (put("ROOT", location=POLICY), "ROOT (group policy)"),
        (put("Root", location=ENTERPRISE), "ROOT (enterprise)"),
        (put("ROOT", name=OTHER, location=POLICY), "ROOT (group policy)"),
        (put("ROOT", kind=NONE, location=POLICY), "ROOT (group policy)"),
        (put("ROOT", b"\x20", location=POLICY), "ROOT (group policy)"),
    ],
    ids=["policy", "enterprise", "another name", "REG_NONE", "damaged"],
)
@pytest.mark.parametrize("others", [(put(),), ()], ids=["beside AuthRoot", "by itself"])
def test_a_copy_that_still_counts_is_named_and_the_command_takes_it_out(
    run: Program, software: Path, certs: Path, left: Edit, place: str, others: tuple[Edit, ...]
) -> None:
    _fill(software, left, *others)
    done = run("remove", software, "-c", certs / "corp-root.cer", "-f", "json")
    assert (done.code, done.document["changed"]) == (0, bool(others))
    (warning,) = _warnings(done)
    assert (warning["severity"], place in warning["message"]) == ("warning", True)
    text = run("remove", software, "-c", certs / "corp-root.cer")
    assert text.code == 0
    assert place in text.out
    # What cannot be read is found only by its name, which the command has.
    assert warning["command"] == ["winpe-certs", "remove", str(software), "--thumbprint", T, "--store", "all"]
    again = run(*warning["command"][1:], "-f", "json")
    is_misnamed = OTHER in left.path
    assert (again.code, again.document["changed"], _warnings(again)) == (0, True, [])
    assert _left(software) == set(), is_misnamed


def test_all_takes_every_copy_out_and_leaves_disallowed(run: Program, software: Path) -> None:
    kept = (put("Disallowed", location=POLICY), put("Disallowed"), put("ROOT", data=GOOD[:0], name="CD" * 20))
    _fill(software, *EVERYWHERE, *kept)
    done = run("remove", software, "-t", T, "--store", "all", "-f", "json")
    assert done.code == 0
    removed = [each["store"] for each in done.document["images"][0]["certificates"]]
    assert len(removed) == len(EVERYWHERE) - 1, "keys of one store whose names differ in case are one"
    assert {"AuthRoot (group policy)", "ROOT (enterprise)", "My"} <= set(removed)
    assert _left(software) == {("Disallowed", "MACHINE"), ("Disallowed", "POLICY"), ("ROOT", "MACHINE")}
    before = software.read_bytes()
    again = run("remove", software, "-t", T, "--store", "all")
    assert (again.code, software.read_bytes()) == (0, before)
    assert f"absent {T}" in again.out


def test_without_a_name_policy_stores_are_left_alone(run: Program, software: Path) -> None:
    _fill(software, *EVERYWHERE)
    assert run("remove", software, "-t", T).code == 0
    machine = {store for store, location in _left(software) if location == MACHINE.name}
    assert machine == {"TrustedPeople", "My", "TrustedPublisher"}


def test_to_take_it_out_of_disallowed_is_no_reason_to_warn(run: Program, software: Path) -> None:
    _fill(software, put(), put("Disallowed", name=OTHER))
    done = run("remove", software, "-t", T, "--store", "Disallowed", "-f", "json")
    assert (done.code, done.document["changed"], _warnings(done)) == (0, True, [])
    assert run("verify", software, "-t", T).code == 0


def test_by_sha256_every_copy_goes(run: Program, software: Path) -> None:
    import hashlib

    _fill(software, *EVERYWHERE[:-1])
    sha256 = hashlib.sha256(pki.der("corp-root")).hexdigest()
    assert run("remove", software, "-t", sha256, "-s", "all").code == 0
    assert _left(software) == set()


def test_replace_names_them_too(run: Program, software: Path, certs: Path) -> None:
    _fill(software, put(), put("Root", location=ENTERPRISE))
    new = certs / "corp-root-2.cer"
    done = run("inject", software, "-c", new, "--replace", T, "-f", "json")
    assert done.code == 0
    (warning,) = _warnings(done)
    assert "ROOT (enterprise)" in warning["message"]
    assert f"{software}: {T} still counts" in done.document["warnings"][0]
    chain = certs / "cmg-chain.pem"
    assert run("check-server", software, "--chain", chain, *ASKED).code == 0, "the old root still counts"
    assert run(*warning["command"][1:]).code == 0
    assert run("check-server", software, "--chain", chain, *ASKED).code == 1
    quiet = run("inject", software, "-c", new, "--replace", T, "-f", "json")
    assert _warnings(quiet) == []


def test_the_command_names_the_image_and_the_output(
    run: Program, image: Path, root: Path, tmp_path: Path
) -> None:
    assert run("inject", image, "-i", "2", "-c", root, "-s", "AuthRoot,ROOT").code == 0
    out = tmp_path / "new.wim"
    done = run("remove", image, "-i", "2", "-t", T, "-s", "ROOT", "-o", out, "-f", "json")
    assert done.code == 0
    (warning,) = _warnings(done)
    assert "AuthRoot" in warning["message"]
    assert warning["command"][2:5] == [str(out), "--index", "2"]
    assert run(*warning["command"][1:]).code == 0
    assert run("verify", out, "-i", "2", "-t", T).code == 1


@pytest.mark.parametrize("stores", [("all,ROOT",), ("all", "-s", "AuthRoot"), ("auto,all",)])
def test_all_goes_with_no_other_store(run: Program, software: Path, stores: tuple[str, ...]) -> None:
    _fill(software, put())
    assert run("remove", software, "-t", T, "-s", *stores).code == 2


@pytest.mark.parametrize("command", ["inject", "verify", "list"])
def test_all_is_for_remove(run: Program, software: Path, root: Path, command: str) -> None:
    _fill(software, put())
    given = () if command == "list" else ("-c", root)
    assert run(command, software, *given, "-s", "all").code == 2
