from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import variant
from scripts.testdata.pki import thumbprint
from tests import needs
from tests.unit.cli.conftest import Program
from tests.unit.conftest import Children, two_processes
from winpe_certs.engines.direct import WimTarget
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.wim import parallel
from winpe_certs.workflows import inputs

ROOT = thumbprint("corp-root")


def test_a_root_goes_into_auth_root_of_every_image(run: Program, image: Path, root: Path) -> None:
    done = run("inject", image, "--cert", root, "--index", "all", "--format", "json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert (document["schema"], document["command"]) == (1, "inject")
    assert (document["ok"], document["changed"], document["dry_run"]) == (True, True, False)
    assert [entry["index"] for entry in document["images"]] == [1, 2]
    for entry in document["images"]:
        (certificate,) = entry["certificates"]
        assert (certificate["thumbprint"], certificate["store"]) == (ROOT, "AuthRoot")
        assert (certificate["status"], certificate["findings"]) == ("added", [])
        assert certificate["not_after"] == "2045-01-01T00:00:00+00:00"
        assert [name.split()[0] for name in entry["verified_by"]] == ["regipy", "python-registry"]
    assert run("verify", image, "--cert", root).code == 0


def test_a_second_run_says_unchanged_and_does_not_touch_the_file(
    run: Program, image: Path, root: Path
) -> None:
    assert run("inject", image, "-c", root, "-i", "1").code == 0
    before, status = image.read_bytes(), image.stat()
    again = run("inject", image, "-c", root, "-i", "1", "-f", "json")
    assert again.code == 0
    assert again.document["changed"] is False
    assert again.document["images"][0]["certificates"][0]["status"] == "unchanged"
    assert again.document["advice"] == []
    assert image.read_bytes() == before
    assert image.stat().st_mtime_ns == status.st_mtime_ns


def test_several_images_want_a_choice_and_are_listed(run: Program, image: Path, root: Path) -> None:
    before = image.read_bytes()
    done = run("inject", image, "--cert", root)
    assert (done.code, done.out) == (2, "")
    assert "the file has 2 images, so one must be chosen" in done.err
    assert "1: Microsoft Windows PE (x64) (x64, 10.0.26100)" in done.err
    assert "2: Microsoft Windows Setup (x64) (x64, 10.0.26100, bootable)" in done.err
    assert image.read_bytes() == before


@pytest.mark.parametrize("index", ["0", "3", "-1", "x", "", pytest.param("9" * 5000, id="long")])
def test_an_index_that_does_not_fit_is_wrong_usage(run: Program, image: Path, root: Path, index: str) -> None:
    assert run("inject", image, "--cert", root, f"--index={index}").code == 2


def test_only_the_chosen_image_changes(run: Program, image: Path, root: Path) -> None:
    assert run("inject", image, "-c", root, "-i", "2").code == 0
    assert run("verify", image, "-c", root, "-i", "2").code == 0
    assert run("verify", image, "-c", root, "-i", "1").code == 1


def test_a_dry_run_reports_the_plan_and_writes_nothing(run: Program, image: Path, root: Path) -> None:
    before, status, folder = image.read_bytes(), image.stat(), sorted(image.parent.iterdir())
    done = run("inject", image, "-c", root, "-i", "all", "--dry-run", "-f", "json")
    assert done.code == 0
    assert (done.document["dry_run"], done.document["changed"]) == (True, True)
    assert image.read_bytes() == before
    assert (image.stat().st_mtime_ns, sorted(image.parent.iterdir())) == (status.st_mtime_ns, folder)
    assert "would be added" in run("inject", image, "-c", root, "-i", "all", "-n").out


def test_an_output_is_a_copy_and_the_original_is_only_read(
    run: Program, image: Path, root: Path, tmp_path: Path
) -> None:
    before = image.read_bytes()
    image.chmod(0o640)
    out = tmp_path / "new.wim"
    assert run("inject", image, "-c", root, "-i", "1", "-o", out).code == 0
    assert image.read_bytes() == before
    assert run("verify", out, "-c", root, "-i", "1").code == 0
    umask = os.umask(0)
    os.umask(umask)
    assert out.stat().st_mode & 0o777 == 0o666 & ~umask
    again = run("inject", image, "-c", root, "-i", "2", "-o", out)
    assert again.code == 2
    assert "exists already" in again.err
    assert run("inject", image, "-c", root, "-i", "1", "-o", out, "--overwrite").code == 0


@pytest.mark.wine_cannot("links")
def test_an_output_may_not_be_the_image_itself(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.wim"
    link.symlink_to(image)
    for out in (image, link, image.parent):
        done = run("inject", image, "-c", root, "-i", "1", "-o", out, "--overwrite")
        assert done.code == 2
        assert "this is the image itself" in done.err


def test_several_images_go_to_a_folder(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    second = Path(shutil.copy(image, image.parent / "second.wim"))
    out = tmp_path / "out"
    assert run("inject", image, second, "-c", root, "-i", "1", "-o", out).code == 2
    out.mkdir()
    assert run("inject", image, second, "-c", root, "-i", "1", "-o", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["boot.wim", "second.wim"]


def test_several_certificates_go_to_the_stores_that_fit(run: Program, image: Path, certs: Path) -> None:
    done = run(
        "inject", image, "-c", certs / "chain.pem", "-c", certs / "corp-root-2.cer", "-i", "1", "-f", "json"
    )
    assert done.code == 0
    stores = {entry["thumbprint"]: entry["store"] for entry in done.document["images"][0]["certificates"]}
    assert stores == {
        thumbprint("corp-issuing"): "CA",
        ROOT: "AuthRoot",
        thumbprint("corp-root-2"): "AuthRoot",
    }
    assert run("verify", image, "-c", certs / "chain.p7b", "-i", "1").code == 0


def test_a_named_store_is_taken_as_said(run: Program, hive: Path, root: Path) -> None:
    assert run("inject", hive, "-c", root, "--store", "root").code == 0
    assert run("verify", hive, "-c", root).code == 0
    assert run("verify", hive, "-c", root, "--store", "AuthRoot").code == 1
    assert run("inject", hive, "-c", root, "--store", "Rot").code == 2


@pytest.mark.parametrize(("name", "code"), [("not-a-ca.cer", "not-a-ca"), ("expired-root.cer", "expired")])
def test_a_refused_certificate_names_what_allows_it(
    run: Program, hive: Path, certs: Path, name: str, code: str
) -> None:
    before = hive.read_bytes()
    refused = run("inject", hive, "-c", certs / name)
    assert refused.code == 3
    assert f"--allow {code}" in refused.err
    assert hive.read_bytes() == before
    assert run("inject", hive, "-c", certs / name, "--allow", code).code == 0


def test_an_allowed_code_must_exist(run: Program, hive: Path, root: Path) -> None:
    done = run("inject", hive, "-c", root, "--allow", "expird")
    assert done.code == 2
    assert "expired" in done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [("corp-root.key.pem", "private key"), ("corp-root.pfx", "PKCS#12")],
)
def test_private_keys_are_refused(run: Program, hive: Path, certs: Path, name: str, words: str) -> None:
    done = run("inject", hive, "-c", certs / name, "-f", "json")
    assert done.code == 3
    assert done.document["error"]["kind"] == "private-key"
    assert words in done.document["error"]["message"] + done.document["error"]["details"]


def test_a_disallowed_certificate_is_refused(run: Program, hive: Path, certs: Path) -> None:
    done = run("inject", hive, "-c", certs / "disallowed-root.cer")
    assert done.code == 3
    assert "Disallowed" in done.err
    assert run("inject", hive, "-c", certs / "disallowed-root.cer", "--allow", "disallowed").code == 0
    verified = run("verify", hive, "-c", certs / "disallowed-root.cer", "-f", "json")
    assert verified.code == 1
    assert verified.document["images"][0]["certificates"][0]["status"] == "different"


def test_a_narrowed_certificate_is_replaced(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("narrowed.hiv"))
    assert run("verify", hive, "-c", root).code == 1
    done = run("inject", hive, "-c", root, "-f", "json")
    (certificate,) = done.document["images"][0]["certificates"]
    assert certificate["status"] == "replaced"
    assert [finding["code"] for finding in certificate["findings"]] == ["narrowed-eku"]
    assert run("verify", hive, "-c", root).code == 0


def test_a_reg_export_keeps_its_blob(run: Program, hive: Path, root: Path, tmp_path: Path) -> None:
    reg = tmp_path / "corp.reg"
    assert run("export", root, "-o", reg).code == 0
    text = (
        reg.read_bytes()
        .decode("utf-16")
        .replace('"Blob"=hex:', '"Blob"=hex:0d,00,00,00,01,00,00,00,02,00,00,00,41,00,')
    )
    reg.write_bytes(text.encode("utf-16"))
    assert run("inject", hive, "-c", reg).code == 0
    assert run("verify", hive, "-c", reg, "--strict-blob").code == 0
    assert run("verify", hive, "-c", root).code == 0
    strict = run("verify", hive, "-c", root, "--strict-blob", "-f", "json")
    assert strict.code == 1
    (certificate,) = strict.document["images"][0]["certificates"]
    assert [finding["code"] for finding in certificate["findings"]] == ["blob-differs"]
    again = run("inject", hive, "-c", root, "-f", "json").document["images"][0]
    assert (again["changed"], again["certificates"][0]["findings"][0]["code"]) == (False, "blob-differs")


def test_a_deleting_reg_file_points_to_remove(run: Program, hive: Path, tmp_path: Path) -> None:
    reg = tmp_path / "delete.reg"
    key = rf"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\SystemCertificates\AuthRoot\Certificates\{ROOT}"
    reg.write_text(f"Windows Registry Editor Version 5.00\r\n\r\n[-{key}]\r\n", encoding="utf-16")
    done = run("inject", hive, "-c", reg)
    assert done.code == 3
    assert "winpe-certs remove" in done.err


def test_warnings_of_a_reg_file_are_reported_with_their_line(
    run: Program, hive: Path, root: Path, tmp_path: Path
) -> None:
    reg = tmp_path / "corp.reg"
    run("export", root, "-o", reg)
    text = reg.read_bytes().decode("utf-16") + "nonsense\r\n"
    reg.write_bytes(text.encode("utf-16"))
    (warning,) = run("inject", hive, "-c", reg, "-f", "json").document["warnings"]
    assert "corp.reg" in warning
    assert str(len(text.splitlines())) in warning


def test_the_first_failure_ends_the_work_and_keeps_what_was_done(
    run: Program, image: Path, root: Path
) -> None:
    broken = image.parent / "broken.wim"
    broken.write_bytes(variant("small")[:-40])
    last = Path(shutil.copy(image, image.parent / "last.wim"))
    before = last.read_bytes()
    done = run("inject", image, broken, last, "-c", root, "-i", "1", "-f", "json")
    assert done.code == 3
    document = done.document
    assert document["ok"] is False
    assert [Path(entry["path"]).name for entry in document["images"]] == ["boot.wim"]
    assert document["error"]["code"] == 3
    assert "broken.wim" in document["error"]["message"]
    assert run("verify", image, "-c", root, "-i", "1").code == 0
    assert last.read_bytes() == before


@pytest.mark.parametrize("command", ["inject", "remove"])
def test_what_a_failure_leaves_is_told(run: Program, image: Path, root: Path, command: str) -> None:
    if command == "remove":
        assert run("inject", image, "-c", root, "-i", "1").code == 0
    broken, third, last = (image.parent / f"{name}.wim" for name in ("broken", "third", "last"))
    shutil.copy(image, third)
    shutil.copy(image, last)
    broken.write_bytes(variant("small")[:-40])
    rest = f"not reached, because of the error: {third}, {last}"
    rehearsed = run(command, image, broken, third, last, "-c", root, "-i", "1", "-f", "json", "--dry-run")
    assert rehearsed.document["warnings"] == [rest]
    assert rehearsed.document["advice"] == []
    done = run(command, image, broken, third, last, "-c", root, "-i", "1", "-f", "json")
    assert done.code == 3
    assert done.document["warnings"] == [rest]
    assert done.document["advice"][0].startswith("Configuration Manager keeps its own copy")
    again = run(command, image, broken, last, "-c", root, "-i", "1")
    assert again.code == 3
    assert f"warning: not reached, because of the error: {last}\n" in again.out
    assert "What is left to do" not in again.out


def test_nothing_is_said_of_a_rest_that_there_is_not(run: Program, image: Path, root: Path) -> None:
    broken = image.parent / "broken.wim"
    broken.write_bytes(variant("small")[:-40])
    assert run("inject", image, broken, "-c", root, "-i", "1", "-f", "json").document["warnings"] == []
    assert run("inject", image, "-c", root, "-i", "all", "-f", "json").document["warnings"] == []


@pytest.mark.parametrize("names", [("boot.wim", "custom.wim"), ("custom.wim", "boot.wim")])
@pytest.mark.parametrize("command", ["inject", "remove"])
def test_advice_for_images_of_two_kinds_is_given_once(
    run: Program, image: Path, root: Path, names: tuple[str, str], command: str
) -> None:
    if command == "remove":
        assert run("inject", image, "-c", root, "-i", "1").code == 0
    shutil.copy(image, image.parent / "custom.wim")
    paths = [image.parent / name for name in names]
    advice = run(command, *paths, "-c", root, "-i", "1", "-f", "json").document["advice"]
    (told,) = [piece for piece in advice if "keeps its own copy" in piece]
    assert told.startswith("Configuration Manager keeps its own copy")


@pytest.mark.parametrize("command", ["inject", "remove"])
def test_there_is_nothing_left_to_do_for_what_was_not_changed(
    run: Program, image: Path, hive: Path, root: Path, command: str
) -> None:
    done_before = hive if command == "inject" else image
    assert run("inject", done_before, "-c", root, "-i", "1").code == 0
    advice = run(command, hive, image, "-c", root, "-i", "1", "-f", "json").document["advice"]
    assert len(advice) == 3
    assert not any("hive is changed" in piece for piece in advice)


def test_every_target_passes_the_guards_before_the_first_is_written(
    run: Program, image: Path, root: Path
) -> None:
    managed = Path(shutil.copy(image, image.parent / "boot.ABC00012.wim"))
    before = image.read_bytes()
    assert run("inject", image, managed, "-c", root, "-i", "1").code == 3
    assert image.read_bytes() == before


@pytest.mark.parametrize("name", ["boot.ABC00012.wim", "BOOT.XY1000FF.WIM"])
def test_a_managed_copy_is_refused_unless_forced(run: Program, image: Path, root: Path, name: str) -> None:
    managed = image.rename(image.parent / name)
    done = run("inject", managed, "-c", root, "-i", "1")
    assert done.code == 3
    assert "managed by Configuration Manager" in done.err
    assert run("verify", managed, "-c", root).code == 1
    assert run("inject", managed, "-c", root, "-i", "1", "--force-managed-copy").code == 0


@pytest.mark.parametrize("folder", ["SCCMContentLib/DataLib", "SMSPKGD$/X", "RemoteInstall/SMSImages/P1"])
def test_folders_of_the_content_library_are_refused(
    run: Program, image: Path, root: Path, tmp_path: Path, folder: str
) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True)
    managed = image.rename(place / "image.wim")
    assert run("inject", managed, "-c", root, "-i", "1").code == 3


def test_a_name_that_only_looks_managed_is_fine(run: Program, image: Path, root: Path) -> None:
    free = image.rename(image.parent / "boot.ABC0001.wim")
    assert run("inject", free, "-c", root, "-i", "1").code == 0


def test_a_file_with_two_names_is_refused_unless_forced(run: Program, image: Path, root: Path) -> None:
    os.link(image, image.parent / "other.wim")
    done = run("inject", image, "-c", root, "-i", "1")
    assert done.code == 3
    assert "2 hard links" in done.err
    assert run("inject", image, "-c", root, "-i", "1", "-o", image.parent / "new.wim").code == 0
    assert run("inject", image, "-c", root, "-i", "1", "--force-managed-copy").code == 0


def test_a_git_lfs_pointer_is_named_as_such(run: Program, image: Path, root: Path) -> None:
    image.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    done = run("inject", image, "-c", root)
    assert done.code == 3
    assert "git lfs pull" in done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("winpe.wim", "Custom boot images"),
        ("boot.wim", "Update-CMDistributionPoint"),
        ("custom.wim", "If Configuration Manager uses this image"),
    ],
)
def test_the_advice_fits_the_kind_of_image(
    run: Program, image: Path, root: Path, name: str, words: str
) -> None:
    target = image.rename(image.parent / name)
    done = run("inject", target, "-c", root, "-i", "1")
    assert "What is left to do" in done.out
    assert words in done.out
    assert f"AuthRoot\\Certificates\\{ROOT}" in done.out


def test_media_get_advice_of_their_own(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    target = image.rename(sources / "boot.wim")
    assert "The media boots with the change" in run("inject", target, "-c", root, "-i", "1").out
    assert run("verify", tmp_path, "-c", root, "-i", "1").code == 0
    media = run("inject", tmp_path, "-c", root, "-i", "1")
    assert media.code == 2
    assert str(target) in media.err


def test_a_folder_and_a_bare_hive_are_targets_too(
    run: Program, hive: Path, root: Path, tmp_path: Path
) -> None:
    config = tmp_path / "mount" / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    inside = Path(shutil.copy(hive, config / "SOFTWARE"))
    inside.chmod(0o600)
    done = run("inject", tmp_path / "mount", hive, "-c", root, "-f", "json")
    assert done.code == 0
    assert [entry["index"] for entry in done.document["images"]] == [None, None]
    assert inside.read_bytes()[4096:] == hive.read_bytes()[4096:]
    assert needs.IS_WINDOWS or inside.stat().st_mode & 0o777 == 0o600
    assert run("verify", tmp_path / "mount", hive, "-c", root).code == 0
    assert run("inject", tmp_path / "mount", "-c", root, "-o", tmp_path / "x").code == 2
    assert [path.name for path in config.iterdir()] == ["SOFTWARE"]


def test_another_hive_is_no_target(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SYSTEM"
    hive.write_bytes(hive_variant_without_microsoft())
    for command in ("inject", "verify", "list"):
        done = run(command, hive, *(["-c", root] if command != "list" else []))
        assert done.code == 3
        assert "not SOFTWARE" in done.err


def hive_variant_without_microsoft() -> bytes:
    from scripts.testdata.hives import plain_hive

    return plain_hive("SYSTEM")


def test_a_hive_without_certificate_stores_gets_them(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("no-systemcertificates.hiv"))
    assert run("inject", hive, "-c", root, "--full-check").code == 0
    assert run("verify", hive, "-c", root, "--full-check").code == 0


def test_a_dirty_hive_is_refused_with_advice(run: Program, tmp_path: Path, root: Path) -> None:
    hive = tmp_path / "SOFTWARE"
    hive.write_bytes(hive_variant("software-dirty.hiv"))
    before = hive.read_bytes()
    done = run("inject", hive, "-c", root, "-f", "json")
    assert (done.code, done.document["error"]["kind"]) == (3, "hive-dirty")
    assert done.document["error"]["resolution"]
    assert hive.read_bytes() == before


def test_quiet_prints_nothing_on_success_and_verbose_tells_the_steps(
    run: Program, image: Path, root: Path
) -> None:
    quiet = run("inject", image, "-c", root, "-i", "1", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    told = run("inject", image, "-c", root, "-i", "2", "--verbose")
    assert "committed the new header" in told.err


def test_globs_that_no_shell_has_expanded_are_expanded(run: Program, image: Path, root: Path) -> None:
    shutil.copy(image, image.parent / "second.wim")
    done = run("inject", image.parent / "*.wim", "-c", root, "-i", "1", "-f", "json")
    assert len(done.document["images"]) == 2
    assert run("inject", image.parent / "*.esd", "-c", root).code == 2


def test_nothing_to_inject_is_wrong_usage(run: Program, image: Path) -> None:
    assert run("inject", image, "-i", "1").code == 2
    assert run("inject", image, "-i", "1", "-c", "missing.cer").code == 2
    assert run("inject", "missing.wim", "-c", "missing.cer").code == 2


@two_processes
@pytest.mark.parametrize("command", ["inject", "remove"])
def test_a_second_process_decodes_the_hive_and_then_the_metadata(
    run: Program, image: Path, root: Path, command: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1)
    if command == "remove":
        assert run("inject", image, "--cert", root, "--index", "1").code == 0
        children.started.clear()
    assert run(command, image, "--cert", root, "--index", "1", "--codec", "python").code == 0
    assert len(children.started) == 2
    assert children.are_gone()
    assert run("inject", image, "--cert", root, "--index", "7", "--codec", "python").code == 2
    assert children.are_gone()


@two_processes
def test_decoding_has_begun_before_the_certificates_are_read(
    run: Program, image: Path, root: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1)
    real = inputs.gather
    seen: list[int] = []

    def gather(*arguments: Any, **options: Any) -> inputs.Inputs:
        seen.append(len(children.started))
        return real(*arguments, **options)

    monkeypatch.setattr(inputs, "gather", gather)
    call = ("inject", image, "--cert", root, "--index", "1", "--codec", "python")
    assert run(*call).code == 0
    # DISM would read the image itself.
    assert run(*call, "--engine", "dism").code != 0
    assert seen == [1, 2]
    assert children.are_gone()


@two_processes
def test_however_it_ends_no_child_is_left(
    run: Program, image: Path, root: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One child at a time decodes metadata, and it goes when the change is not carried out."""
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1)
    seen: list[int] = []

    def fail(target: WimTarget, _: object) -> None:
        seen.append(len(target.wim._metadata_ahead))
        raise EnvironmentFailure("the disk is on fire")

    monkeypatch.setattr(WimTarget, "commit", fail)
    assert run("inject", image, "--cert", root, "--index", "all", "--codec", "python").code == 4
    assert seen == [1]
    assert children.are_gone()
