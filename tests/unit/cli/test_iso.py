"""The reading commands on an .iso: read in place, never changed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from scripts.testdata.images import variant
from scripts.testdata.isos import make_iso, udf_alone
from tests.unit.cli.conftest import Program
from winpe_certs.certs.certificate_files import as_pem
from winpe_certs.engines.iso import ExtentFile
from winpe_certs.wim.manifest import digest, manifest
from winpe_certs.wim.reader import WimFile

AT = ("--at", "2026-06-01")
BOOT = "sources/boot.wim"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Installation media without the root: boot.wim, and an install.wim that has it."""
    path = tmp_path / "media.iso"
    path.write_bytes(
        make_iso({"sources/install.wim": variant("authroot-already"), BOOT: variant("small"), "a.esd": b"x"})
    )
    return path


def test_the_boot_image_is_judged_and_the_others_are_named(run: Program, media: Path, root: Path) -> None:
    done = run("verify", media, "-c", root, "-f", "json")
    assert (done.code, done.err) == (1, "")
    found = [(each["path"], each["inside"], each["index"]) for each in done.document["images"]]
    assert found == [(str(media), BOOT, 1), (str(media), BOOT, 2)]
    (remark,) = done.document["images"][0]["findings"]
    assert (remark["code"], remark["severity"]) == ("other-images", "info")
    assert "a.esd, sources/install.wim" in remark["message"]
    assert done.document["images"][1]["findings"] == []
    assert f"{media}, {BOOT}, image 2 (Microsoft Windows Setup (x64))" in run("list", media).out
    assert [each["index"] for each in run("list", media, "-i", "2", "-f", "json").document["images"]] == [2]
    assert run("list", media, "-i", "3").code == 2


def test_no_advice_names_the_iso_in_a_command(run: Program, media: Path, root: Path, certs: Path) -> None:
    (advice,) = run("verify", media, "-c", root, "-f", "json").document["advice"]
    assert f"Copy {BOOT} out of it" in advice
    assert "winpe-certs inject" not in advice
    whole = media.with_name("whole.pem")
    names = ("cmg-server", "corp-issuing", "corp-root")
    whole.write_bytes(as_pem([(certs / f"{name}.cer").read_bytes() for name in names]))
    chain = ("--chain", whole, "--hostname", "cmg.contoso.example", *AT)
    inside = media.with_name("boot.wim")
    inside.write_bytes(variant("small"))
    assert f"winpe-certs inject {inside}" in run("check-server", inside, *chain).out
    done = run("check-server", media, *chain, "-f", "json")
    assert done.code == 1
    reasons = [each for image in done.document["images"] for each in image["servers"][0]["reasons"]]
    assert reasons
    assert all(each["command"] is None for each in reasons)
    assert f"Copy {BOOT} out of it" in done.document["advice"][0]
    assert f"inject {media}" not in run("check-server", media, *chain).out


def test_what_is_read_is_what_the_wim_says(run: Program, media: Path, tmp_path: Path, root: Path) -> None:
    inside = tmp_path / "boot.wim"
    inside.write_bytes(variant("small"))
    assert run("diff", media, inside).code == 0
    done = run("diff", media, media.with_name("with.iso"))
    assert done.code == 2
    shutil.copy(media, tmp_path / "with.iso")
    (tmp_path / "with.iso").write_bytes(make_iso({BOOT: variant("authroot-already")}, "joliet"))
    differing = run("diff", media, tmp_path / "with.iso", "-f", "json")
    assert differing.code == 1
    assert {each["second"]["inside"] for each in differing.document["comparisons"]} == {BOOT}
    assert f"with.iso, {BOOT}, image 1" in run("diff", media, tmp_path / "with.iso").out
    assert run("verify", tmp_path / "with.iso", "-c", root).code == 0
    assert run("verify", tmp_path / "with.iso", "-c", root, "--full-check").code == 0


def test_its_manifest_is_that_of_the_wim(run: Program, media: Path) -> None:
    entries = manifest(WimFile(io.BytesIO(variant("small")), "x"), 1)
    done = run("manifest", media, "-i", "1", "-f", "json")
    (found,) = done.document["manifests"]
    assert (found["path"], found["inside"], found["sha256"]) == (str(media), BOOT, digest(entries))
    assert f"# {media}, {BOOT}, image 1" in run("manifest", media).out


def test_media_for_two_architectures_has_two_boot_images(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "both.iso"
    files = {"x64/sources/boot.wim": variant("authroot-already"), "x86/sources/boot.wim": variant("single")}
    path.write_bytes(make_iso({**files, "x64/sources/install.wim": variant("three-images")}))
    done = run("verify", path, "-c", root, "-f", "json")
    assert done.code == 1
    assert [(each["inside"], each["certificates"][0]["status"]) for each in done.document["images"]] == [
        ("x64/sources/boot.wim", "present"),
        ("x64/sources/boot.wim", "present"),
        ("x86/sources/boot.wim", "missing"),
    ]
    assert run("diff", path, path).code == 3


def test_without_a_boot_image_all_are_judged(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "deploy.iso"
    files = {
        "Boot/LiteTouchPE_x64.wim": variant("authroot-already"),
        "Drivers/data.wim": variant("software-missing"),
        "Boot/broken.wim": b"no image",
    }
    path.write_bytes(make_iso(files))
    done = run("verify", path, "-c", root, "-f", "json")
    assert done.code == 3
    assert [(each["inside"], each["windows"]) for each in done.document["images"]] == [
        ("Boot/LiteTouchPE_x64.wim", True),
        ("Boot/LiteTouchPE_x64.wim", True),
        ("Drivers/data.wim", False),
    ]
    (failure,) = done.document["failures"]
    assert (failure["inside"], failure["code"]) == ("Boot/broken.wim", 3)


@pytest.mark.parametrize("command", ["verify", "list", "manifest", "diff", "audit"])
def test_udf_alone_is_a_kind_that_is_not_read(run: Program, tmp_path: Path, root: Path, command: str) -> None:
    path = tmp_path / "u.iso"
    path.write_bytes(udf_alone({BOOT: variant("small")}))
    more: dict[str, list[object]] = {"verify": ["-c", root], "diff": [path], "audit": ["--require", root]}
    done = run(command, path, *more.get(command, []))
    assert done.code == (1 if command == "audit" else 3)
    told = done.out + done.err
    assert "of a kind that is not read here: UDF without ISO 9660" in told
    assert "Copy sources/boot.wim out of it" in told
    assert "damaged" not in told
    assert "download" not in told


def test_an_iso_with_too_many_to_choose_from_is_refused(run: Program, tmp_path: Path) -> None:
    path = tmp_path / "many.iso"
    path.write_bytes(make_iso({f"{number}.wim": b"x%d" % number for number in range(51)}))
    done = run("list", path)
    assert (done.code, "51 WIM files in this .iso may be its boot image" in done.err) == (3, True)


def test_an_iso_without_a_wim_says_so(run: Program, tmp_path: Path, root: Path) -> None:
    path = tmp_path / "linux.iso"
    path.write_bytes(make_iso({"isolinux/isolinux.cfg": b"x"}))
    done = run("verify", path, "-c", root)
    assert done.code == 3
    assert "there is no WIM file in this .iso" in done.err
    assert run("audit", path).code == 0


@pytest.mark.parametrize(
    "arguments",
    [["inject", "-i", "all"], ["remove", "-i", "all"], ["compact"], ["inject", "-i", "1", "-o", "o.wim"]],
)
def test_an_iso_is_never_changed(run: Program, media: Path, root: Path, arguments: list[str]) -> None:
    before = media.read_bytes()
    certificate = [] if arguments[0] == "compact" else ["-c", root]
    done = run(arguments[0], media, *certificate, *arguments[1:])
    assert done.code == 3
    assert "the files in an .iso cannot be changed in place" in done.err
    assert "Copy sources/boot.wim out of it" in done.err
    assert media.read_bytes() == before


def test_no_more_of_it_is_read_than_is_needed(
    run: Program, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a .wim: chunks of the hive as they are needed, and nothing of the other images."""
    path = tmp_path / "large.iso"
    path.write_bytes(make_iso({BOOT: variant("boot"), "sources/install.wim": variant("three-images")}))
    read: list[int] = []
    into = ExtentFile.readinto

    def counted(file: ExtentFile, buffer: bytearray) -> int:
        read.append(into(file, buffer))
        return read[-1]

    monkeypatch.setattr(ExtentFile, "readinto", counted)
    done = run("verify", path, "-c", root, "-i", "1", "-f", "json")
    chunks = done.document["images"][0]["chunks"]
    assert 0 < chunks["read"] < chunks["of"]
    assert sum(read) < len(variant("boot")) / 2


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04" + bytes(60), "it is a ZIP archive"),
        (b"MZ" + bytes(60), "it is a program"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "its first bytes are 01 02 03 04 05 06 07 08"),
        (b"", "the file is empty"),
        (bytes(512), "it begins with zeros"),
    ],
)
def test_what_is_no_target_is_named_in_words(
    run: Program, tmp_path: Path, root: Path, data: bytes, what: str
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    for command in ("verify", "inject"):
        done = run(command, path, "-c", root)
        assert done.code == 3
        assert what in done.err
        assert "b'" not in done.err
