"""Certificates as people have them, through the program: bundles, stores, folders, pipes, odd keys."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from Registry import Registry

from scripts.testdata import bundles, pki
from tests.unit.certs import making
from tests.unit.cli.conftest import Program
from winpe_certs.certs.stores import certificate_key, store_key
from winpe_certs.edits import DeleteKey, Edit, SetValue
from winpe_certs.regf.hive import apply
from winpe_certs.regf.reading import Hive

ROOT, ISSUING = pki.der("corp-root"), pki.der("corp-issuing")
T, U = pki.thumbprint("corp-root"), pki.thumbprint("corp-issuing")
JSON = ("-f", "json")
FILE_TIME = 133_000_000_000_000_000


def certificates(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    (image,) = document["images"]
    return [(each["thumbprint"], each["store"], each["status"]) for each in image["certificates"]]


def codes(document: dict[str, Any]) -> dict[str, str]:
    (image,) = document["images"]
    return {
        finding["code"]: finding["severity"] for each in image["certificates"] for finding in each["findings"]
    }


def put(hive: Path, store: str, name: str, blob: bytes) -> None:
    """Set a certificate's key under a name as it is, with another value beside its Blob."""
    path = (*store_key(store), name)
    edits: list[Edit] = [
        DeleteKey(certificate_key(store, name)),
        SetValue(path, "Blob", 3, blob),
        SetValue(path, "Note", 1, b"x\0\0\0"),
    ]
    hive.write_bytes(apply(hive.read_bytes(), edits, now=FILE_TIME))


class TestLowerCaseKeys:
    @pytest.mark.parametrize("name", [T.lower(), T[:20] + T[20:].lower()])
    def test_inject_puts_the_name_right_and_keeps_the_rest(self, run: Program, hive: Path, name: str) -> None:
        blob = bundles.store_element(0x0B, b"A\0\0\0") + pki.registry_blob("corp-root")
        put(hive, "AuthRoot", name, blob)
        certificate = Path("root.cer")
        certificate.write_bytes(ROOT)
        done = run("inject", hive, "-c", certificate, *JSON)
        assert certificates(done.document) == [(T, "AuthRoot", "replaced")]
        assert codes(done.document) == {"blob-differs": "info", "lower-case-key": "info"}
        # One reader that shares no code with the editor sees the key, its name and both values.
        folder = Registry.Registry(str(hive)).open("\\".join(store_key("AuthRoot")))
        (key,) = [each for each in folder.subkeys() if each.name().upper() == T]
        assert key.name() == T
        assert {value.name(): value.raw_data() for value in key.values()} == {
            "Blob": blob,
            "Note": b"x\0\0\0",
        }
        again = run("inject", hive, "-c", certificate, *JSON)
        assert (again.document["changed"], certificates(again.document)[0][2]) == (False, "unchanged")

    def test_a_narrowed_blob_below_an_odd_name_is_replaced_as_well(self, run: Program, hive: Path) -> None:
        put(hive, "AuthRoot", T.lower(), pki.registry_blob("corp-root", (0x13, b"")))
        Path("root.cer").write_bytes(ROOT)
        done = run("inject", hive, "-c", "root.cer", *JSON)
        assert codes(done.document) == {"narrowed-archived": "warning", "lower-case-key": "info"}
        assert run("verify", hive, "-c", "root.cer").code == 0

    def test_a_dry_run_changes_nothing(self, run: Program, hive: Path) -> None:
        put(hive, "AuthRoot", T.lower(), pki.registry_blob("corp-root"))
        before = hive.read_bytes()
        Path("root.cer").write_bytes(ROOT)
        assert run("inject", hive, "-c", "root.cer", "--dry-run", *JSON).document["changed"] is True
        assert hive.read_bytes() == before

    def test_it_is_put_right_in_every_store_that_is_named(self, run: Program, hive: Path) -> None:
        for store in ("AuthRoot", "ROOT"):
            put(hive, store, T.lower(), pki.registry_blob("corp-root"))
        Path("root.cer").write_bytes(ROOT)
        assert run("inject", hive, "-c", "root.cer", "--store", "AuthRoot", "--store", "ROOT").code == 0
        stored = Hive(hive.read_bytes())
        for store in ("AuthRoot", "ROOT"):
            assert T in (stored.subkeys(store_key(store)) or [])


class TestStores:
    def test_distrusting_what_the_image_uses_is_warned_of(self, run: Program, hive: Path, root: Path) -> None:
        assert run("inject", hive, "-c", root).code == 0
        done = run("inject", hive, "-c", root, "--store", "Disallowed", *JSON)
        assert done.code == 0
        assert codes(done.document) == {"disallows-used": "warning"}
        assert "AuthRoot" in done.out

    def test_distrusting_what_it_does_not_use_is_not(self, run: Program, hive: Path, certs: Path) -> None:
        done = run("inject", hive, "-c", certs / "corp-root-2.cer", "--store", "Disallowed", *JSON)
        assert codes(done.document) == {}

    def test_a_server_s_certificate_may_be_trusted_as_a_person(
        self, run: Program, hive: Path, certs: Path
    ) -> None:
        path = certs / "cmg-server.cer"
        assert run("inject", hive, "-c", path).code == 3
        assert run("inject", hive, "-c", path, "--store", "TrustedPeople").code == 0
        assert run("verify", hive, "-c", path, "--store", "TrustedPeople").code == 0
        listed = run("list", hive, "--store", "TrustedPeople", *JSON)
        assert codes(listed.document) == {}


class TestIntermediates:
    def test_with_its_root_in_the_call_or_the_image_it_is_no_warning(
        self, run: Program, hive: Path, root: Path, certs: Path
    ) -> None:
        alone = run("inject", hive, "-c", certs / "corp-issuing.cer", "--dry-run", *JSON)
        assert codes(alone.document)["not-self-signed"] == "warning"
        for arguments in (("-c", root), ()):
            done = run("inject", hive, "-c", certs / "corp-issuing.cer", *arguments, *JSON)
            assert done.code == 0
            assert codes(done.document)["not-self-signed"] == "info"

    def test_a_root_that_goes_out_in_the_same_change_does_not_count(
        self, run: Program, hive: Path, root: Path, certs: Path
    ) -> None:
        assert run("inject", hive, "-c", root).code == 0
        done = run("inject", hive, "-c", certs / "corp-issuing.cer", "--replace", root, *JSON)
        assert codes(done.document)["not-self-signed"] == "warning"

    def test_in_a_root_store_it_stays_one(self, run: Program, hive: Path, root: Path, certs: Path) -> None:
        done = run("inject", hive, "-c", certs / "corp-issuing.cer", "-c", root, "--store", "ROOT", *JSON)
        assert codes(done.document)["not-self-signed"] == "warning"


class TestFiles:
    def test_replace_takes_a_file_and_means_all_that_is_in_it(
        self, run: Program, hive: Path, root: Path, certs: Path
    ) -> None:
        old = Path("old.pem")
        old.write_bytes(making.pem(ROOT) + making.pem(ISSUING))
        assert run("inject", hive, "-c", old).code == 0
        done = run("inject", hive, "-c", certs / "corp-root-2.cer", "--replace", old, *JSON)
        assert certificates(done.document) == [
            (T, "AuthRoot", "removed"),
            (U, "CA", "removed"),
            (pki.thumbprint("corp-root-2"), "AuthRoot", "added"),
        ]
        missing = run("inject", hive, "-c", root, "--replace", "missing.cer")
        assert (missing.code, "missing.cer: no such certificate file" in missing.err) == (2, True)

    def test_a_folder_goes_in_as_a_whole(self, run: Program, hive: Path) -> None:
        Path("f").mkdir()
        Path("f/a.cer").write_bytes(ROOT)
        Path("f/b.p7b").write_bytes(bundles.pkcs7_ber(ISSUING, ROOT))
        Path("f/readme.txt").write_bytes(b"hello")
        done = run("inject", hive, "-c", "f", *JSON)
        assert certificates(done.document) == [(T, "AuthRoot", "added"), (U, "CA", "added")]
        first, second = done.document["warnings"]
        assert first.startswith(f"passed over: {Path('f/readme.txt')}: ")
        here, there = Path("f/b.p7b"), Path("f/a.cer")
        assert second == f"{here}, certificate 2: the same certificate as {there}: ignored"
        assert run("verify", hive, "-c", "f").code == 0
        assert run("remove", hive, "-c", "f").code == 0
        assert run("export", "f", "-o", "out.reg").code == 0

    def test_a_bundle_with_a_bad_certificate_is_refused_as_a_whole_and_named(
        self, run: Program, hive: Path
    ) -> None:
        before = hive.read_bytes()
        Path("b.pem").write_bytes(
            b"".join(map(making.pem, (ROOT, ISSUING[:-1], pki.der("cmg-server"), pki.der("expired-root"))))
        )
        done = run("inject", hive, "-c", "b.pem")
        assert (done.code, hive.read_bytes() == before) == (3, True)
        assert "3 of 4 certificates are refused" in done.err
        for code in ("--skip damaged", "--skip not-a-ca", "--skip expired", "--allow not-a-ca"):
            assert code in done.err
        for command in (("verify", hive, "-c"), ("export",), ("audit", hive, "-r")):
            other = run(*command, "b.pem")
            assert (other.code, "b.pem, certificate 2" in other.err) == (3, True)
            assert "--skip" not in other.err

    def test_skip_takes_the_rest_and_says_what_it_leaves(self, run: Program, hive: Path) -> None:
        Path("b.pem").write_bytes(
            b"".join(map(making.pem, (ROOT, ISSUING[:-1], pki.der("cmg-server"), pki.der("expired-root"))))
        )
        skips = [word for code in ("damaged", "not-a-ca", "expired") for word in ("--skip", code)]
        done = run("inject", hive, "-c", "b.pem", *skips, *JSON)
        assert certificates(done.document) == [(T, "AuthRoot", "added")]
        assert [warning.split(":")[0] for warning in done.document["warnings"]] == [
            "left out (damaged)", "left out (not-a-ca)", "left out (expired)",
        ]  # fmt: skip
        again = run("inject", hive, "-c", "b.pem", "--skip", "damaged", "--skip", "not-a-ca")
        assert (again.code, "expired: It expired" in again.err) == (3, True)
        nothing = run("inject", hive, "-c", "b.pem", *skips, "--skip", "no-such-code")
        assert nothing.code == 2
        Path("c.pem").write_bytes(making.pem(pki.der("cmg-server")))
        left = run("inject", hive, "-c", "c.pem", *skips)
        assert (left.code, "no certificate is left to go in" in left.err) == (2, True)
        assert "cmg.contoso.example" in left.err

    def test_what_is_allowed_is_called_so(self, run: Program, hive: Path, certs: Path) -> None:
        done = run("inject", hive, "-c", certs / "expired-root.cer", "--allow", "expired", *JSON)
        (finding,) = done.document["images"][0]["certificates"][0]["findings"]
        assert (finding["code"], finding["allowed"]) == ("expired", True)

    def test_what_is_disallowed_can_be_skipped_for_one_image(
        self, run: Program, hive: Path, certs: Path, root: Path
    ) -> None:
        both = ("-c", certs / "disallowed-root.cer", "-c", root)
        done = run("inject", hive, *both, "--skip", "disallowed", *JSON)
        assert certificates(done.document) == [(T, "AuthRoot", "added")]
        (warning,) = done.document["warnings"]
        assert warning.startswith(f"left out (disallowed): {hive}: CN=Contoso Distrusted Root CA")

    def test_a_disallowed_one_of_several_is_named_once(
        self, run: Program, hive: Path, certs: Path, root: Path
    ) -> None:
        done = run("inject", hive, "-c", certs / "disallowed-root.cer", "-c", root)
        assert done.code == 3
        assert "--allow disallowed" in done.err
        assert "To inject only the others: --skip disallowed" in done.err


def test_a_damaged_certificate_that_a_chain_does_not_need_is_a_warning(
    run: Program, hive: Path, root: Path
) -> None:
    assert run("inject", hive, "-c", root).code == 0
    chain = [pki.der("cmg-server"), pki.der("corp-root-2")[:-1], ISSUING]
    Path("chain.pem").write_bytes(b"".join(map(making.pem, chain)))
    names = ("--hostname", "cmg.contoso.example")
    for command in (
        ("check-server", hive, "--chain", "chain.pem", *names),
        ("check-server", hive, "--server", "cmg.contoso.example=chain.pem"),
        ("audit", hive, "--chain", "chain.pem", *names),
        ("inject", hive, "-c", root, "--expect-chain", "chain.pem", *names),
    ):
        done = run(*command, *JSON)
        assert (done.code, done.err) == (0, ""), done.out
        (warning,) = done.document["warnings"]
        assert warning.startswith("chain.pem, certificate 2: ")
        assert warning.endswith(": left out of the chain")


@pytest.mark.posix("shell")
@pytest.mark.parametrize("how", ['--cert - < "$0"', '--cert <(cat "$0")', '--cert /dev/stdin < "$0"'])
def test_pipes_as_a_shell_makes_them(hive: Path, root: Path, how: str) -> None:
    command = f'"{sys.executable}" -m winpe_certs inject "{hive}" {how} --quiet'
    done = subprocess.run(["bash", "-c", command, str(root)], check=False, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha1(ROOT).hexdigest().upper() in str(
        Hive(hive.read_bytes()).subkeys(store_key("AuthRoot"))
    )


@pytest.mark.posix("shell")
def test_a_chain_may_come_out_of_a_pipe(hive: Path, root: Path, certs: Path, run: Program) -> None:
    assert run("inject", hive, "-c", root).code == 0
    call = f'"{sys.executable}" -m winpe_certs check-server "{hive}"'
    for how in (f"--chain <(cat {certs}/cmg-chain.pem) --hostname cmg.contoso.example",
                f"--server cmg.contoso.example=- < {certs}/cmg-chain.pem"):  # fmt: skip
        done = subprocess.run(["bash", "-c", f"{call} {how}"], check=False, capture_output=True, timeout=120)
        assert (done.returncode, b"trusted" in done.stdout) == (0, True), done.stderr
