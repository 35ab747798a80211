"""An estate of images, judged as a whole."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import variant
from scripts.testdata.isos import make_iso
from scripts.testdata.pki import thumbprint
from tests.unit.cli.conftest import Program, Run
from winpe_certs.engines import estate as estate_engine
from winpe_certs.engines import workers
from winpe_certs.engines.base import ImageInfo, Images
from winpe_certs.verification.stored import read_stored
from winpe_certs.wim.reader import WimFile
from winpe_certs.workflows import audit as workflow
from winpe_certs.workflows import audit_image
from winpe_certs.workflows.selection import SOFTWARE_HIVE

AT = ("--at", "2027-01-31")
ROOT = thumbprint("corp-root")


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many processors the machine seems to have."""
    monkeypatch.setattr(workflow, "processors", lambda: request.param)
    count: int = request.param
    return count


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """A share as a site may have it, with an image of every kind of trouble."""
    estate = tmp_path / "estate"
    good, without = variant("authroot-already"), variant("small")
    _put(estate / "OSD/boot/x64/boot.wim", good)
    _put(estate / "OSD/boot/x64/boot.ABC00005.wim", without)
    _put(estate / "OSD/boot/i386/dirty.wim", variant("software-dirty"))
    _put(estate / "OSD/boot/i386/narrowed.wim", variant("narrowed"))
    _put(estate / "RemoteInstall/SMSImages/SMS00001/boot.SMS00001.wim", good)
    _put(estate / "media/sources/boot.wim", good)
    _put(estate / "media/sources/install.esd", variant("lzms"))
    _put(estate / "iso/media.iso", make_iso({"sources/boot.wim": good, "sources/data.wim": without[:9000]}))
    _put(estate / "broken/short.wim", good[: len(good) // 2])
    _put(estate / "broken/header.wim", good[:100])
    _put(estate / "broken/broken.iso", make_iso({"a.wim": good})[:40_000])
    _put(estate / "broken/three.wim", _with_one_broken_image())
    _put(estate / "data/files.wim", variant("software-missing"))
    _put(estate / "mounted/Windows/System32/config/SOFTWARE", hive_variant("in-authroot.hiv"))
    return estate


def _with_one_broken_image() -> bytes:
    """Two of three images share the hive; a chunk of the third one's is damaged."""
    whole = bytearray(variant("three-images"))
    wim = WimFile(io.BytesIO(whole), "three.wim")
    digest = wim.directory(3).find_file(SOFTWARE_HIVE).contents.hash
    entry = wim.lookup_table.find(digest)
    assert entry is not None
    at = entry.resource.offset + entry.resource.stored_size // 2
    whole[at : at + 64] = bytes(64)
    return bytes(whole)


def _verdicts(run: Run) -> dict[str, list[str]]:
    seen: dict[str, list[str]] = {}
    for image in run.document["images"]:
        path = image["path"].replace("\\", "/").partition("estate/")[2]
        seen.setdefault(f"{path}, {image['inside']}" if image["inside"] else path, []).append(
            image["verdict"]
        )
    return seen


def _image(run: Run, name: str) -> dict[str, Any]:
    return next(image for image in run.document["images"] if Path(image["path"]).as_posix().endswith(name))


def test_every_image_is_judged_and_a_bad_one_stops_nothing(
    run: Program, estate: Path, root: Path, processes: int
) -> None:
    done = run("audit", estate, "--require", root, *AT, "-f", "json", "--codec", "python")
    assert (done.code, done.err) == (1, ""), processes
    assert _verdicts(done) == {
        "OSD/boot/i386/dirty.wim": ["dirty"],
        "OSD/boot/i386/narrowed.wim": ["unmet"],
        "OSD/boot/x64/boot.ABC00005.wim": ["unmet", "unmet"],
        "OSD/boot/x64/boot.wim": ["met", "met"],
        "RemoteInstall/SMSImages/SMS00001/boot.SMS00001.wim": ["met", "met"],
        "broken/broken.iso": ["unreadable"],
        "broken/header.wim": ["unreadable"],
        "broken/short.wim": ["unreadable"],
        "broken/three.wim": ["unmet", "unmet", "unreadable"],
        "data/files.wim": ["not Windows"],
        "iso/media.iso, sources/boot.wim": ["met", "met"],
        "iso/media.iso, sources/data.wim": ["unreadable"],
        "media/sources/boot.wim": ["met", "met"],
        "media/sources/install.esd": ["unreadable"],
        "mounted": ["met"],
    }
    assert done.document["ok"] is False
    assert done.document["totals"] == {
        "met": 9, "unmet": 5, "dirty": 1, "unreadable": 6, "not Windows": 1, "looked at": 0,
    }  # fmt: skip
    (finding,) = _image(done, "dirty.wim")["findings"]
    assert (finding["code"], finding["severity"]) == ("hive-dirty", "error")
    (finding,) = _image(done, "install.esd")["findings"]
    assert finding["code"] == "wim-unsupported"
    assert "(ESD), which cannot be read here." in finding["message"]
    good = _image(done, "x64/boot.wim")
    assert (good["architecture"], good["version"]) == ("x64", "10.0.26100")
    assert [each["status"] for each in good["certificates"]] == ["present"]


def test_the_text_has_a_line_for_each_image_and_says_what_is_wrong(
    run: Program, estate: Path, root: Path
) -> None:
    done = run("audit", estate, "-r", root, *AT)
    assert done.code == 1
    table = done.out.split("\n\n", maxsplit=1)[0].splitlines()
    assert table[0].split() == ["verdict", "file", "index", "name", "arch", "build"]
    assert len(table) == 1 + 22
    assert sum(line.startswith("met ") for line in table) == 9
    assert f"missing AuthRoot {ROOT}" in done.out
    assert "error (hive-dirty)" in done.out
    assert "22 images in 15 files: 9 met, 5 unmet, 1 dirty, 6 unreadable, 1 not Windows" in done.out
    assert "judged as of 2027-01-31" in done.out
    # Of images that are as they should be there is nothing more to say.
    assert "x64/boot.wim, image 1" not in done.out.replace("\\", "/")


def test_an_estate_in_order_is_a_yes_and_quiet_says_nothing(run: Program, estate: Path, root: Path) -> None:
    for folder in ("broken", "OSD/boot/i386", "iso"):
        shutil.rmtree(estate / folder)
    (estate / "OSD/boot/x64/boot.ABC00005.wim").unlink()
    (estate / "media/sources/install.esd").unlink()
    done = run("audit", estate, "--require", root, *AT)
    assert (done.code, done.err) == (0, "")
    assert "7 met, 1 not Windows" in done.out
    assert run("audit", estate, "--require", root, *AT, "--quiet").out == ""


def test_without_requirements_it_tells_what_there_is(run: Program, estate: Path) -> None:
    done = run("audit", estate, *AT, "-f", "json")
    assert done.code == 0
    assert done.document["totals"]["looked at"] == 14
    assert done.document["totals"]["unreadable"] == 6
    image = _image(done, "x64/boot.wim")
    assert image["certificates"] == []
    (other,) = image["others"]
    assert other["thumbprint"] == thumbprint("expired-root")
    assert [(each["code"], each["severity"]) for each in other["findings"]] == [("expired", "info")]


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ("expired-root", "expired"),
        ("disallowed-root", "disallowed"),
        ("not-yet-valid-root", "not-yet-valid"),
    ],
)
def test_what_is_against_a_required_certificate(
    run: Program, image: Path, certs: Path, certificate: str, code: str
) -> None:
    done = run("audit", image, "--require", certs / f"{certificate}.cer", *AT, "-f", "json")
    assert done.code == 1
    (result,) = done.document["images"][0]["certificates"]
    assert code in {each["code"] for each in result["findings"]}


def test_days_are_counted_to_the_day(run: Program, tmp_path: Path, root: Path) -> None:
    image = _put(tmp_path / "boot.wim", variant("authroot-already"))
    until = run("list", image, "-i", "1", "-f", "json").document["images"][0]["certificates"]
    (day,) = [each["not_after"][:10] for each in until if each["thumbprint"] == ROOT]
    year = int(day[:4])
    at = f"{year - 1}{day[4:]}"
    assert run("audit", image, "-r", root, "--at", at, "--min-days", "360").code == 0
    soon = run("audit", image, "-r", root, "--at", at, "--min-days", "370", "-f", "json")
    assert soon.code == 1
    (result,) = soon.document["images"][0]["certificates"]
    assert [each["code"] for each in result["findings"] if each["severity"] == "error"] == ["expiring"]
    gone = run("audit", image, "-r", root, "--at", f"{year + 1}{day[4:]}", "--min-days", "0", "-f", "json")
    assert gone.code == 1
    assert gone.document["images"][0]["certificates"][0]["findings"][-1]["code"] == "expired"


def test_a_bundle_of_several_is_required_as_a_whole(run: Program, tmp_path: Path, certs: Path) -> None:
    image = _put(tmp_path / "boot.wim", variant("authroot-already"))
    pems = [
        subprocess.run(
            [sys.executable, "-c", _TO_PEM, certs / f"{name}.cer"], check=True, capture_output=True
        ).stdout
        for name in ("corp-root", "corp-root-2")
    ]
    bundle = _put(tmp_path / "roots.pem", b"".join(pems))
    assert run("audit", image, "--require", bundle, *AT).code == 0
    more = run("audit", image, "--require", bundle, "-r", certs / "constrained-root.cer", *AT, "-f", "json")
    assert more.code == 1
    statuses = [each["status"] for each in more.document["images"][0]["certificates"]]
    assert statuses == ["present", "present", "missing"]


_TO_PEM = "import ssl,sys;sys.stdout.write(ssl.DER_cert_to_PEM_cert(open(sys.argv[1],'rb').read()))"


def test_servers_are_asked_about_in_every_image(run: Program, estate: Path, certs: Path) -> None:
    whole = estate / "chain.pem"
    whole.write_bytes(b"".join((certs / name).read_bytes() for name in ("cmg-chain.pem", "corp-root.pem")))
    chain = ("--chain", whole, "--hostname", "cmg.contoso.example")
    done = run("audit", estate / "OSD/boot/x64", *chain, *AT, "-f", "json")
    assert done.code == 1
    assert _verdicts(done) == {
        "OSD/boot/x64/boot.ABC00005.wim": ["unmet", "unmet"],
        "OSD/boot/x64/boot.wim": ["met", "met"],
    }
    answers = [answer["verdict"] for image in done.document["images"] for answer in image["servers"]]
    assert answers == ["not trusted", "not trusted", "trusted", "trusted"]
    assert run("audit", estate / "media/sources/boot.wim", *chain, *AT).code == 0
    told = run("audit", estate / "OSD/boot/x64", *chain, *AT).out
    assert "INVALID_CA" in told
    assert re.search("^ +winpe-certs inject", told, re.MULTILINE)


def test_no_command_is_given_that_would_have_to_change_an_iso(
    run: Program, tmp_path: Path, certs: Path
) -> None:
    media = _put(tmp_path / "media.iso", make_iso({"sources/boot.wim": variant("small")}))
    chain = ("--chain", certs / "cmg-chain.pem", "--hostname", "cmg.contoso.example")
    done = run("audit", media, *chain, *AT)
    assert done.code == 1
    assert "INVALID_CA" in done.out
    assert "next:" not in done.out


def test_nothing_to_look_at_is_wrong_usage(run: Program, tmp_path: Path, root: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("audit", tmp_path / "empty", "-r", root).code == 2
    assert run("audit", tmp_path / "missing", "-r", root).code == 2
    assert run("audit").code == 2
    twice = ("--chain", root, "--chain", root, "--hostname", "x")
    assert run("audit", tmp_path, *twice).code == 2


def test_data_alone_does_not_meet_a_requirement(run: Program, tmp_path: Path, root: Path) -> None:
    image = _put(tmp_path / "data.wim", variant("software-missing"))
    done = run("audit", image, "-r", root, *AT)
    assert done.code == 1
    assert "Nothing here is an image of Windows" in done.out
    assert run("audit", image, *AT).code == 0


def test_a_hive_that_several_images_share_is_read_once(
    run: Program, image: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[ImageInfo] = []

    def counted(images: Images, info: ImageInfo, path: str) -> bytes:
        reads.append(info)
        return estate_engine.read(images, info, path)

    monkeypatch.setattr(audit_image, "read", counted)
    assert run("audit", image, "-r", root, *AT).code == 1
    assert len(reads) == 1


def test_a_defect_met_in_one_image_is_told_and_the_rest_goes_on(
    run: Program, estate: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "processors", lambda: 1)

    def broken(hive: bytes, origin: str) -> object:
        if "ABC00005" in origin:
            raise MemoryError
        if "SMS00001" in origin:
            raise KeyError("oops")
        return read_stored(hive, origin)

    monkeypatch.setattr(audit_image, "read_stored", broken)
    done = run("audit", estate, "--require", root, *AT, "-f", "json")
    assert done.code == 1
    assert _image(done, "ABC00005.wim")["findings"][0]["code"] == "memory"
    assert _image(done, "SMS00001.wim")["findings"][0]["code"] == "defect"
    assert _image(done, "x64/boot.wim")["verdict"] == "met"


def test_a_process_that_dies_is_told_of(
    run: Program, estate: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_all(work: Any, items: Any, **_: object) -> Any:
        for number, item in enumerate(items):
            yield number, workers.Died("it was ended by SIGKILL") if "ABC" in item.path.name else work(item)

    monkeypatch.setattr(workflow, "run_all", run_all)
    done = run("audit", estate / "OSD/boot/x64", "--require", root, *AT)
    assert done.code == 1
    assert "error (died): The process that read it died: it was ended by SIGKILL." in done.out
    assert "2 met, 1 unreadable" in done.out


@pytest.mark.posix("signals")
def test_ctrl_c_ends_it_and_leaves_no_process(estate: Path, root: Path) -> None:
    good = estate / "OSD/boot/x64/boot.wim"
    for number in range(400):
        shutil.copy(good, estate / f"copy-{number}.wim")
    process = subprocess.Popen(
        [sys.executable, "-m", "winpe_certs", "audit", estate, "-r", root, "-f", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    time.sleep(1.5)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["kind"] == "interrupted"
    assert err == b""
    for _ in range(50):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a process was left behind")
