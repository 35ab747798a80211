"""What evidence says of the call itself: what was overridden, which file a certificate came from, who
confirmed the result; and what it does not say when it is redacted.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program, read_document, results_in
from winpe_certs.certs.stores import Store, certificate_key
from winpe_certs.edits import SetValue
from winpe_certs.regf.hive import edit_hive
from winpe_certs.verification.readers import reader_versions


def _options(document: dict[str, Any], kind: str) -> list[tuple[str, str | None]]:
    return [(each["name"], each["value"]) for each in document["run"][kind]]


def test_overrides_are_named_with_what_they_let_in(
    run: Program, image: Path, certs: Path, proof: Path, tmp_path: Path
) -> None:
    managed = Path(shutil.copy(image, tmp_path / "boot.ABC00012.wim"))
    codes = ("--allow", "not-a-ca", "--allow", "expired", "--skip", "damaged")
    done = run(
        *("inject", managed, "-i", "1", "-c", certs / "expired-root.cer", *codes, "--force-managed-copy"),
        *("--recover", "--overwrite", "--evidence", proof, "--full-check", "--store", "ROOT"),
    )
    assert done.code == 0, done.err
    document = read_document(proof)
    assert _options(document, "overrides") == [
        ("--allow", "not-a-ca"),
        ("--allow", "expired"),
        ("--skip", "damaged"),
        ("--overwrite", None),
        ("--force-managed-copy", None),
        ("--recover", None),
    ]
    assert _options(document, "options") == [("--index", "1"), ("--store", "ROOT"), ("--full-check", None)]
    (result,) = results_in(document)
    (finding,) = [each for each in result["findings"] if each["code"] == "expired"]
    assert (finding["severity"], finding["allowed"], bool(finding["message"])) == ("error", True, True)
    shown = run("evidence", "show", proof).out
    assert "Given to override refusals: --allow not-a-ca, --allow expired, --skip damaged" in shown
    assert "1 certificate had findings that were allowed." in shown
    assert "finding" in shown
    assert "expired (allowed): " in shown


def test_each_certificate_has_its_file_and_its_place_in_it(
    run: Program, image: Path, certs: Path, proof: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    for name in ("corp-root.cer", "corp-root-2.cer"):
        assert run("export", certs / name, "--as", "pem", "-o", tmp_path / f"{name}.pem").code == 0
        bundle.write_bytes(
            (bundle.read_bytes() if bundle.exists() else b"") + (tmp_path / f"{name}.pem").read_bytes()
        )
    single = certs / "corp-issuing.cer"
    assert run("inject", image, "-i", "1", "-c", "bundle.pem", "-c", single, "--evidence", proof).code == 0
    sources = [each["source"] for each in results_in(read_document(proof))]
    assert [each["file"] for each in sources] == [str(bundle), str(bundle), str(single)]
    assert [each["sha256"] for each in sources] == [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in (bundle, bundle, single)
    ]
    assert [each["entry"] for each in sources] == ["certificate 1", "certificate 2", None]


def test_a_certificate_given_by_its_thumbprint_has_no_source(
    run: Program, image: Path, root: Path, proof: Path
) -> None:
    run("inject", image, "-i", "1", "-c", root)
    named = hashlib.sha1(root.read_bytes()).hexdigest()
    assert run("remove", image, "-i", "1", "-t", named, "--evidence", proof).code == 0
    assert [each["source"] for each in results_in(read_document(proof))] == [None]
    assert "source   none: given by its thumbprint" in run("evidence", "show", proof).out


def test_paths_are_absolute_wherever_the_call_was_made(
    run: Program, image: Path, root: Path, proof: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(root, image.parent / "root.cer")
    monkeypatch.chdir(image.parent)
    assert run("inject", "boot.wim", "-i", "1", "-c", "root.cer", "--evidence", proof).code == 0
    document = read_document(proof)
    (result,) = results_in(document)
    assert (result["file"], result["source"]["file"]) == (str(image), str(image.parent / "root.cer"))
    assert (document["targets"][0]["file"], document["plan"]["images"][0]["images"][0]["file"]) == (
        str(image),
        str(image),
    )
    assert run("verify", "boot.wim", "--evidence", proof).code == 0


def test_who_confirmed_the_result_and_when(run: Program, image: Path, root: Path, proof: Path) -> None:
    assert run("inject", image, "-i", "all", "-c", root, "--evidence", proof).code == 0
    document = read_document(proof)
    confirmed = document["targets"][0]["confirmed"]
    assert confirmed["readers"] == list(reader_versions())
    assert document["run"]["started"] <= confirmed["at"] <= document["run"]["finished"]
    assert (
        f"The result was confirmed by {' and '.join(reader_versions())}, at "
        in run("evidence", "show", proof).out
    )


def test_redacted_bytes_hold_nothing_of_user_host_and_folders(
    run: Program, certs: Path, tmp_path: Path
) -> None:
    """A damaged Blob that is replaced is told of with the path of the hive: that loses its folders too."""
    secret = tmp_path / "secret-project" / "deep"
    secret.mkdir(parents=True)
    damaged = SetValue(certificate_key(Store.AUTH_ROOT, thumbprint("corp-root")), "Blob", 3, b"no Blob")
    sound = (certs.parent / "hives" / "software-1.5.hiv").read_bytes()
    (secret / "SOFTWARE").write_bytes(edit_hive(sound, [damaged], now=0, origin="hive").data)
    for name in ("corp-root.cer", "expired-root.cer", "corp-root-2.cer"):
        shutil.copy(certs / name, secret)
    proof = tmp_path / "e.json"
    done = run(
        *("inject", Path("secret-project", "deep", "SOFTWARE"), "-c", secret / "corp-root.cer"),
        *("-c", Path("secret-project/deep/expired-root.cer"), "--allow", "expired"),
        *("--replace", Path("secret-project/deep/corp-root-2.cer"), "--evidence", proof, "--redact"),
    )
    assert done.code == 0, done.err
    data = proof.read_bytes()
    words = {getpass.getuser(), platform.node(), socket.gethostname(), "secret-project", "deep"}
    # A user named root is a word of certificates too.
    assert [word for word in words - {"", "root"} | {tmp_path.name} if word.encode() in data] == []
    # On Windows names of keys look like paths.
    assert os.sep == "\\" or b"/SOFTWARE" not in data
    document = read_document(proof)
    assert ("--replace", "corp-root-2.cer") in _options(document, "options")
    assert {each["source"]["file"] for each in results_in(document)} == {
        "corp-root.cer",
        "expired-root.cer",
        "corp-root-2.cer",
    }
    told = [each["message"] for result in results_in(document) for each in result["findings"]]
    assert [words for words in told if "Replaced: SOFTWARE" in words]
    assert run("verify", secret / "SOFTWARE", "--evidence", proof).code == 0
