"""``inject --replace``: an old certificate goes out and a new one goes in, in one change for each image."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from scripts.testdata.images import variant
from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program, read_document, results_in

OLD, NEW = thumbprint("corp-root"), thumbprint("corp-root-2")


@pytest.fixture
def second(certs: Path) -> Path:
    """The root that comes after `root`."""
    return certs / "corp-root-2.cer"


@pytest.fixture
def estate(run: Program, image: Path, root: Path, tmp_path: Path) -> list[Path]:
    """Three images with the old root, one of them damaged."""
    assert run("inject", image, "-i", "all", "-c", root, "--quiet").code == 0
    folder = tmp_path / "estate"
    folder.mkdir()
    paths = [folder / f"{name}.wim" for name in ("first", "second", "third")]
    for path in paths:
        shutil.copyfile(image, path)
    paths[1].write_bytes(image.read_bytes()[:4000])
    return paths


def test_old_goes_out_and_new_goes_in(run: Program, image: Path, root: Path, second: Path) -> None:
    assert run("inject", image, "-i", "all", "-c", root).code == 0
    done = run("inject", image, "-i", "all", "-c", second, "--replace", OLD, "-f", "json")
    assert (done.code, done.err) == (0, "")
    for entry in done.document["images"]:
        found = [(each["thumbprint"], each["store"], each["status"]) for each in entry["certificates"]]
        assert found == [(OLD, "AuthRoot", "removed"), (NEW, "AuthRoot", "added")]
    assert run("verify", image, "-c", second).code == 0
    assert run("verify", image, "-t", OLD).code == 1


def test_it_is_one_commit(run: Program, image: Path, root: Path, second: Path) -> None:
    assert run("inject", image, "-i", "all", "-c", root).code == 0
    before = image.read_bytes()
    assert run("inject", image, "-i", "all", "-c", second, "--replace", OLD).code == 0
    after = image.read_bytes()
    # What the old header named is all there: one header write separates the two states.
    assert after[208 : len(before)] == before[208:]


def test_a_second_run_changes_nothing(run: Program, image: Path, root: Path, second: Path) -> None:
    assert run("inject", image, "-i", "all", "-c", root).code == 0
    assert run("inject", image, "-i", "all", "-c", second, "--replace", OLD).code == 0
    before = image.read_bytes()
    again = run("inject", image, "-i", "all", "-c", second, "--replace", OLD, "-f", "json")
    assert (again.code, again.document["changed"]) == (0, False)
    assert image.read_bytes() == before


def test_an_old_one_that_no_store_has_is_absent_and_warned_of(
    run: Program, image: Path, root: Path, second: Path
) -> None:
    mistyped = "0" * 40
    assert run("inject", image, "-i", "1", "-c", root).code == 0
    done = run(
        "inject", image, "-i", "all", "-c", second, "--replace", OLD, "--replace", mistyped, "-f", "json"
    )
    assert (done.code, done.document["ok"]) == (0, True)
    first, other = done.document["images"]
    assert [each["status"] for each in first["certificates"]] == ["removed", "absent", "added"]
    assert [each["status"] for each in other["certificates"]] == ["absent", "absent", "added"]
    stores = [each.get("searched") for each in first["certificates"]]
    assert stores == [None, ["AuthRoot", "ROOT", "CA"], None]
    warnings = done.document["warnings"]
    places = [(1, mistyped), (2, OLD), (2, mistyped)]
    assert len(warnings) == len(places)
    for warning, (index, thumb) in zip(warnings, places, strict=True):
        said = (
            f"{image}, image {index}: {thumb} is not in this image, so nothing was taken out; check the thumb"
        )
        assert warning.startswith(said)


def test_people_read_where_it_was_looked_for(run: Program, hive: Path, second: Path) -> None:
    for arguments in ((), ("--dry-run",)):
        done = run("inject", hive, "-c", second, "--replace", OLD, *arguments)
        assert done.code == 0
        assert f"  absent {OLD} (not in AuthRoot, ROOT or CA: nothing to take out)\n" in done.out
        assert f"warning: {hive}: {OLD} is not in this image" in done.out


def test_evidence_says_of_each_store_that_the_old_one_is_not_there(
    run: Program, image: Path, root: Path, second: Path, proof: Path
) -> None:
    command = ["inject", image, "-i", "1", "-c", second, "--replace", OLD, "--evidence", proof]
    assert run(*command).code == 0
    told = [
        (each["store"], each["status"])
        for each in results_in(read_document(proof))
        if each["sha1"] == OLD.lower()
    ]
    assert told == [("AuthRoot", "absent"), ("ROOT", "absent"), ("CA", "absent")]
    assert run("verify", image, "--evidence", proof).code == 0
    # Whoever puts the old root into any of these stores afterwards is found out.
    assert run("inject", image, "-i", "1", "-c", root, "-s", "ROOT").code == 0
    claims = run("verify", image, "--evidence", proof, "-f", "json").document["evidence"][0]["claims"]
    assert [each["subject"] for each in claims if OLD in each["subject"] and not each["ok"]] == [
        f"image 1, ROOT {OLD}"
    ]


def test_an_image_that_fails_leaves_the_others_done_and_is_listed(
    run: Program, estate: list[Path], second: Path
) -> None:
    broken = estate[1].read_bytes()
    done = run("inject", *estate, "-i", "all", "-c", second, "--replace", OLD, "-f", "json")
    assert (done.code, done.document["ok"]) == (3, False)
    assert {entry["path"] for entry in done.document["images"]} == {str(estate[0]), str(estate[2])}
    (failure,) = done.document["failures"]
    assert (failure["path"], failure["code"]) == (str(estate[1]), 3)
    assert failure["resolution"]
    assert estate[1].read_bytes() == broken
    for path in (estate[0], estate[2]):
        assert run("verify", path, "-c", second).code == 0


def test_people_get_a_summary(run: Program, estate: list[Path], second: Path) -> None:
    done = run("inject", *estate, "-i", "all", "-c", second, "--replace", OLD)
    assert f"{estate[1]}: failed" in done.out
    assert "2 changed, 0 with nothing to change, 1 failed" in done.out
    again = run("inject", *estate, "-i", "all", "-c", second, "--replace", OLD, "--quiet")
    assert "0 changed, 2 with nothing to change, 1 failed" in again.out


def test_a_missing_image_does_not_stop_the_others(run: Program, estate: list[Path], second: Path) -> None:
    estate[1].unlink()
    done = run("inject", *estate, "-i", "all", "-c", second, "--replace", OLD, "-f", "json")
    assert done.code == 2
    assert [failure["path"] for failure in done.document["failures"]] == [str(estate[1])]
    assert len(done.document["images"]) == 4


def test_without_a_replacement_the_first_failure_ends_the_work(
    run: Program, estate: list[Path], second: Path
) -> None:
    done = run("inject", *estate, "-i", "all", "-c", second, "-f", "json")
    assert done.code == 3
    assert run("verify", estate[2], "-c", second).code == 1


def test_what_goes_in_cannot_go_out(run: Program, image: Path, root: Path) -> None:
    before = image.read_bytes()
    done = run("inject", image, "-i", "all", "-c", root, "--replace", OLD.lower())
    assert done.code == 2
    assert f"--replace {OLD}: this is the certificate that goes in" in done.err
    assert image.read_bytes() == before


def test_what_is_no_thumbprint_is_wrong_usage(run: Program, image: Path, root: Path) -> None:
    assert run("inject", image, "-i", "all", "-c", root, "--replace", "all").code == 2


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a name that Microsoft lists as required even when it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Microsoft Root Authority")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(1997, 1, 10, tzinfo=UTC))
        .not_valid_after(datetime(2020, 12, 31, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("required") / "required.cer"
    path.write_bytes(certificate.public_bytes(Encoding.DER))
    return path


def test_a_root_that_windows_needs_is_refused_by_name(
    run: Program, image: Path, required: Path, second: Path
) -> None:
    assert run("inject", image, "-i", "all", "-c", required, "--allow", "expired").code == 0
    old = hashlib.sha1(required.read_bytes()).hexdigest().upper()
    before = image.read_bytes()
    done = run("inject", image, "-i", "all", "-c", second, "--replace", old)
    assert done.code == 3
    assert f"refused: Windows itself needs the root {old}" in done.out
    assert run("remove", image, "-i", "all", "-t", old).code == 3
    assert image.read_bytes() == before
    command = ["inject", image, "-i", "all", "-c", second, "--replace", old, "--allow", "required-root"]
    assert run(*command).code == 0
    assert run("verify", image, "-t", old).code == 1


def test_bytes_of_the_old_certificate_are_told(
    run: Program, image: Path, root: Path, second: Path, tmp_path: Path
) -> None:
    def is_told(*arguments: object) -> bool:
        done = run(*arguments, "-f", "json")
        assert done.code == 0
        return any(
            "can still be read in unused bytes" in each and "winpe-certs compact" in each
            for each in done.document["advice"]
        )

    assert not is_told("inject", image, "-c", root, "-i", "1")
    assert is_told("inject", image, "-c", second, "--replace", OLD, "-i", "1")
    assert is_told("remove", image, "-c", second, "-i", "1")
    narrowed = tmp_path / "narrowed.wim"
    narrowed.write_bytes(variant("narrowed"))
    done = run("inject", narrowed, "-c", root, "-f", "json")
    replaced = done.document["images"][0]["certificates"][0]["status"] == "replaced"
    assert replaced == any("can still be read" in each for each in done.document["advice"])
    assert replaced
