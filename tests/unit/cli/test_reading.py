from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program

ROOT = thumbprint("corp-root")


def test_a_missing_certificate_is_a_no(run: Program, image: Path, root: Path) -> None:
    done = run("verify", image, "--cert", root, "--format", "json")
    assert (done.code, done.err) == (1, "")
    assert done.document["ok"] is False
    assert "error" not in done.document
    assert [entry["certificates"][0]["status"] for entry in done.document["images"]] == ["missing"] * 2


def test_a_root_counts_in_root_too_and_it_is_said_where(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("root-only.hiv"))
    done = run("verify", hive, "-c", root, "-f", "json")
    assert done.code == 0
    assert done.document["images"][0]["certificates"][0]["store"] == "ROOT"
    strict = run("verify", hive, "-c", root, "-s", "AuthRoot", "-f", "json")
    assert strict.code == 1
    (certificate,) = strict.document["images"][0]["certificates"]
    assert (certificate["status"], certificate["findings"][0]["code"]) == ("missing", "other-store")
    assert "ROOT" in certificate["findings"][0]["message"]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "\u200e{}",
        " {} ",
        "{:lower}",
        "{:colons}",
        "{:blanks}",
    ],
)
def test_a_thumbprint_may_come_from_the_clipboard(run: Program, hive: Path, root: Path, text: str) -> None:
    run("inject", hive, "-c", root)
    forms = {
        "{:lower}": ROOT.lower(),
        "{:colons}": ":".join(ROOT[at : at + 2] for at in range(0, 40, 2)),
        "{:blanks}": " ".join(ROOT[at : at + 2] for at in range(0, 40, 2)),
    }
    assert run("verify", hive, "-t", forms.get(text) or text.format(ROOT)).code == 0


@pytest.mark.parametrize("text", ["", "12", "G" * 40, "G" * 64])
def test_what_is_no_thumbprint_is_wrong_usage(run: Program, hive: Path, text: str) -> None:
    done = run("verify", hive, "-t", text)
    assert done.code == 2


def test_an_expired_certificate_that_is_there_is_present(run: Program, hive: Path, certs: Path) -> None:
    done = run("verify", hive, "-c", certs / "expired-root.cer", "-f", "json")
    assert done.code == 0
    assert done.document["images"][0]["certificates"][0]["findings"][0]["code"] == "expired"


def test_list_shows_every_store_with_findings(run: Program, hive: Path) -> None:
    done = run("list", hive, "-f", "json")
    assert done.code == 0
    shown = {
        (entry["store"], entry["thumbprint"]): [finding["code"] for finding in entry["findings"]]
        for entry in done.document["images"][0]["certificates"]
    }
    assert shown == {
        ("Disallowed", thumbprint("disallowed-root")): [],
        ("ROOT", thumbprint("stored-root")): [],
        ("ROOT", thumbprint("expired-root")): ["expired"],
    }
    only = run("list", hive, "-s", "disallowed", "-f", "json").document["images"][0]["certificates"]
    assert [entry["store"] for entry in only] == ["Disallowed"]


def test_list_in_text_has_a_line_for_each(run: Program, hive: Path) -> None:
    lines = run("list", hive).out.splitlines()
    (line,) = [line for line in lines if thumbprint("expired-root") in line]
    assert line.split()[0] == "ROOT"
    assert "2011" in line
    assert line.endswith("expired")
    assert run("list", hive, "-s", "My").out.splitlines()[1].strip() == "no certificates"


def test_remove_takes_out_what_inject_put_in(run: Program, image: Path, root: Path) -> None:
    run("inject", image, "-c", root, "-i", "all")
    done = run("remove", image, "--thumbprint", ROOT, "-i", "all", "-f", "json")
    assert done.code == 0
    statuses = [entry["certificates"][0]["status"] for entry in done.document["images"]]
    assert statuses == ["removed", "removed"]
    assert any("unused bytes" in advice for advice in done.document["advice"])
    assert run("verify", image, "-c", root).code == 1
    before, status = image.read_bytes(), image.stat()
    again = run("remove", image, "-c", root, "-i", "all", "-f", "json")
    assert (again.code, again.document["changed"]) == (0, False)
    absent = [entry["certificates"][0] for entry in again.document["images"]]
    assert [(each["status"], each["searched"]) for each in absent] == [
        ("absent", ["AuthRoot", "ROOT", "CA"]),
        ("absent", ["AuthRoot", "ROOT", "CA"]),
    ]
    assert (image.read_bytes(), image.stat().st_mtime_ns) == (before, status.st_mtime_ns)


def test_remove_looks_in_root_as_well_unless_a_store_is_named(
    run: Program, tmp_path: Path, root: Path
) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("root-only.hiv"))
    named = run("remove", hive, "-c", root, "-s", "AuthRoot", "-f", "json")
    (absent,) = named.document["images"][0]["certificates"]
    assert (absent["status"], absent["store"], absent["searched"]) == ("absent", "AuthRoot", ["AuthRoot"])
    told = run("remove", hive, "-t", ROOT, "-s", "AuthRoot").out
    assert f"  absent {ROOT} (not in AuthRoot: nothing to take out)\n" in told
    done = run("remove", hive, "-c", root, "-f", "json")
    (certificate,) = done.document["images"][0]["certificates"]
    assert (certificate["store"], certificate["status"]) == ("ROOT", "removed")


def test_export_writes_what_inject_reads(run: Program, root: Path, hive: Path, tmp_path: Path) -> None:
    done = run("export", root, "-f", "json")
    assert done.code == 0
    assert done.document["files"] == [f"{ROOT}.reg"]
    data = (tmp_path / f"{ROOT}.reg").read_bytes()
    assert data.startswith(b"\xff\xfe")
    text = data.decode("utf-16")
    key = rf"HKEY_LOCAL_MACHINE\winpe-offline\Microsoft\SystemCertificates\AuthRoot\Certificates\{ROOT}"
    assert text.splitlines()[2] == f"[{key}]"
    assert run("export", root).code == 2
    assert run("export", root, "--overwrite", "--hive-name", "OFF").code == 0
    assert "\\OFF\\Microsoft\\" in (tmp_path / f"{ROOT}.reg").read_bytes().decode("utf-16")
    assert run("inject", hive, "-c", tmp_path / f"{ROOT}.reg").code == 0
    assert run("verify", hive, "-c", root, "--strict-blob").code == 0


def test_export_of_several_into_one_file_and_on_a_dry_run(run: Program, certs: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.reg"
    assert run("export", certs / "chain.pem", "-o", out, "--dry-run").code == 0
    assert not out.exists()
    assert run("export", certs / "chain.pem", "-o", out).code == 0
    text = out.read_bytes().decode("utf-16")
    assert text.count("\r\n[HKEY") == 2
    assert "\\CA\\Certificates\\" in text


def test_names_cannot_forge_terminal_output(run: Program, hive: Path, certs: Path) -> None:
    for arguments in (["inject", hive, "-c", certs / "markup-root.cer"], ["list", hive]):
        out = run(*arguments).out
        assert "[bold red]Fake[/]" in out
        assert "\x1b" not in out


def test_export_does_not_replace_what_it_reads(run: Program, root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "root.cer"
    copy.write_bytes(root.read_bytes())
    done = run("export", copy, "-o", copy, "--overwrite")
    assert done.code == 2
    assert "this is a file that the command reads" in done.err
    assert copy.read_bytes() == root.read_bytes()
