"""Certificates out of images: the bytes as they are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import beside_data, software, variant, windows_pe
from scripts.testdata.isos import make_iso
from scripts.testdata.pki import thumbprint
from scripts.testdata.wim_writer import Wim, build_wim
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.certificate_files import Form
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.sources import read_certificates
from winpe_certs.certs.stores import Location, Store, certificate_key
from winpe_certs.command_lines import Shell
from winpe_certs.edits import SetValue, ValueType
from winpe_certs.errors import CertificateError, UsageError
from winpe_certs.regf.hive import apply
from winpe_certs.report import json as json_report
from winpe_certs.results import Report
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.export_images import export_from_images
from winpe_certs.workflows.selection import parse_choice

CERTS = Path(__file__).resolve().parents[3] / "testdata" / "certs"
DER = (CERTS / "corp-root.cer").read_bytes()
ROOT = thumbprint("corp-root")
STORED = thumbprint("stored-root")
OTHER = thumbprint("expired-root")
MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))


def _blob(friendly: bytes = b"") -> bytes:
    """A Blob of the root as Windows stores one; a friendly name makes it another."""
    usual = blob_for(Certificate.from_der(DER, "root")).to_bytes()
    return (
        b"\x0b\0\0\0\1\0\0\0" + len(friendly).to_bytes(4, "little") + friendly + usual if friendly else usual
    )


def _hive(*stored: tuple[Store, bytes, Location], name: str = ROOT) -> bytes:
    edits = [
        SetValue((*certificate_key(store, ROOT, location)[:-1], name), "Blob", ValueType.BINARY, blob)
        for store, blob, location in stored
    ]
    return apply(hive_variant("software-1.5.hiv"), edits, now=1)


@dataclass(frozen=True)
class Exporter:
    """Exports from the files of one folder."""

    folder: Path

    def put(self, name: str, data: bytes) -> Path:
        """Write a target."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def __call__(self, paths: Sequence[Path] | Path, *thumbprints: str, **options: Any) -> Report:
        """Export from targets, with the options of the workflow."""
        given = [paths] if isinstance(paths, Path) else list(paths)
        usual: dict[str, Any] = {"hive_name": "winpe-offline", "moment": MOMENT}
        return export_from_images(given, thumbprints or [ROOT], **usual | options)


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exporter:
    """An exporter in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Exporter(tmp_path)


def _media_folder(export: Exporter, wim: bytes) -> Path:
    return export.put("media/sources/boot.wim", wim).parent.parent


def _tree(export: Exporter, wim: bytes) -> Path:
    del wim
    hive = hive_variant("in-authroot.hiv")
    return export.put("mounted/Windows/System32/config/SOFTWARE", hive).parents[3]


KINDS: dict[str, Callable[[Exporter, bytes], Path]] = {
    "wim": lambda export, wim: export.put("boot.wim", wim),
    "media folder": _media_folder,
    "iso": lambda export, wim: export.put("x.iso", make_iso({"sources/boot.wim": wim, "a.wim": wim})),
    "folder": _tree,
    "hive": lambda export, _: export.put("SOFTWARE", hive_variant("in-authroot.hiv")),
}


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target_gives_every_form(export: Exporter, kind: str, form: Form) -> None:
    target = KINDS[kind](export, variant("authroot-already"))
    report = export(target, form=form)
    assert (report.error, report.failures, report.files) == (None, (), (f"{ROOT}.{form}",))
    written = (export.folder / f"{ROOT}.{form}").read_bytes()
    if form is Form.DER:
        assert written == DER
    elif form is Form.REG:
        file = read_certificates(written, "x.reg")
        (entry,) = file.entries
        assert (entry.certificate.der, entry.store, file.warnings) == (DER, "AuthRoot", ())
    else:
        (read,) = read_certificates(written, "x").entries
        assert read.certificate.der == DER
    (certificate,) = report.certificates
    assert (certificate.thumbprint, certificate.store) == (ROOT, "AuthRoot")
    insides = {image.inside for image in report.images}
    assert insides == ({"sources/boot.wim"} if kind == "iso" else {""})


def test_the_blob_goes_into_the_reg_exactly_as_it_is(export: Exporter) -> None:
    odd = _blob("Größe\0".encode("utf-16-le"))
    target = export.put("SOFTWARE", _hive((Store.ROOT, odd, Location.MACHINE)))
    export(target)
    text = (export.folder / f"{ROOT}.reg").read_bytes()
    (entry,) = read_certificates(text, "x.reg").entries
    assert entry.blob is not None
    assert (entry.blob.to_bytes(), entry.store) == (odd, "ROOT")


def test_of_different_blobs_that_of_the_machines_root_store_wins(export: Exporter) -> None:
    best, second, third = _blob(), _blob(b"b\0\0\0"), _blob(b"c\0\0\0")
    first = export.put(
        "one", _hive((Store.CA, third, Location.MACHINE), (Store.ROOT, second, Location.POLICY))
    )
    other = export.put("two", _hive((Store.ROOT, best, Location.MACHINE)))
    report = export([first, other])
    (entry,) = read_certificates((export.folder / f"{ROOT}.reg").read_bytes(), "x.reg").entries
    assert entry.blob is not None
    assert entry.blob.to_bytes() == best
    (warning,) = report.warnings
    assert f"taken from ROOT of {other}" in warning
    assert f"CA of {first}, ROOT (group policy) of {first}" in warning
    assert export([first, other], form=Form.PEM).warnings == (), "their certificate is the same"


def test_the_same_bytes_in_several_places_are_one(export: Exporter) -> None:
    same = _hive((Store.ROOT, _blob(), Location.MACHINE), (Store.AUTH_ROOT, _blob(), Location.POLICY))
    report = export([export.put("one", same), export.put("two", same)])
    assert (report.warnings, len(report.certificates), len(report.images)) == ((), 1, 2)


def test_what_only_a_policy_has_goes_to_the_machines_store_and_says_so(export: Exporter) -> None:
    target = export.put("SOFTWARE", _hive((Store.ROOT, _blob(), Location.ENTERPRISE)))
    (certificate,) = export(target).certificates
    assert certificate.store == "ROOT"
    assert [each.code for each in certificate.findings] == ["moved-store"]
    text = (export.folder / f"{ROOT}.reg").read_bytes().decode("utf-16")
    assert rf"winpe-offline\Microsoft\SystemCertificates\ROOT\Certificates\{ROOT}]" in text


def test_a_key_in_lower_case_gives_a_reg_that_every_reader_takes(export: Exporter) -> None:
    target = export.put("SOFTWARE", _hive((Store.ROOT, _blob(), Location.MACHINE), name=ROOT.lower()))
    export(target, ROOT.lower())
    assert f"Certificates\\{ROOT}]" in (export.folder / f"{ROOT}.reg").read_bytes().decode("utf-16")


def test_several_go_into_one_file_or_into_one_each(export: Exporter) -> None:
    target = export.put("boot.wim", variant("boot"))
    assert set(export(target, STORED, OTHER, STORED).files) == {f"{STORED}.reg", f"{OTHER}.reg"}
    for form in (Form.REG, Form.PEM, Form.P7B):
        out = export.folder / f"all.{form}"
        assert export(target, STORED, OTHER, form=form, output=out).files == (str(out),)
    found = {each.certificate.thumbprint for each in read_certificates(out.read_bytes(), "x").entries}
    assert found == {STORED, OTHER}
    with pytest.raises(UsageError, match="a DER file holds one certificate, and 2 were given"):
        export(target, STORED, OTHER, form=Form.DER, output=export.folder / "all.der")
    one = export(target, STORED, f"\u200e{STORED}", form=Form.DER, output=export.folder / "one.cer")
    assert one.files == (str(export.folder / "one.cer"),)


def test_what_is_nowhere_is_refused_and_nothing_is_written(export: Exporter) -> None:
    target = export.put("boot.wim", variant("boot"))
    before = sorted(export.folder.iterdir())
    report = export(target, STORED, ROOT, "A" * 40)
    assert isinstance(report.error, CertificateError)
    assert report.error.exit_code == 3
    assert report.error.message == f"{ROOT}, {'A' * 40}: no image given here has these certificates"
    assert report.error.details == "Stores that were looked at: Disallowed, ROOT."
    assert (report.files, sorted(export.folder.iterdir())) == ((), before)


def test_stores_narrow_the_search_and_the_error_names_the_other(export: Exporter) -> None:
    target = export.put("boot.wim", variant("boot"))
    assert export(target, STORED, stores=(Store.ROOT,), dry_run=True).error is None
    error = export(target, STORED, stores=(Store.AUTH_ROOT, Store.CA)).error
    assert error is not None
    assert error.details == f"Stores that were looked at: AuthRoot, CA.\n{STORED} is in ROOT."
    assert "--store" in error.resolution


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_looked_at(export: Exporter) -> None:
    good = export.put("good.wim", variant("authroot-already"))
    bad = export.put("bad.wim", variant("small")[:5000])
    report = export([bad, good])
    assert ([each.path for each in report.failures], report.files) == ([str(bad)], (f"{ROOT}.reg",))
    document = json.loads(json_report.render(report, Shell.POSIX))
    assert (document["ok"], len(document["images"]), len(document["certificates"])) == (False, 2, 1)
    missing = export([bad, good], STORED, "B" * 40, dry_run=True)
    assert "no image that could be read has" in str(missing.error)
    alone = export(bad)
    assert (alone.files, alone.failures, alone.error is None) == ((), (), False)
    assert export([bad, export.folder / "gone"]).files == ()


def test_data_is_passed_over_and_an_index_narrows(export: Exporter) -> None:
    target = export.put("mixed.wim", beside_data())
    report = export(target, STORED, dry_run=True)
    assert [image.is_windows for image in report.images] == [False, True, True]
    one = export(target, STORED, index=parse_choice(["3"]), dry_run=True)
    assert [image.index for image in one.images] == [3]
    assert export(target, STORED, index=parse_choice(["1"])).error is not None


def test_damaged_blobs_are_passed_over_or_refused(export: Exporter) -> None:
    broken = _hive((Store.AUTH_ROOT, _blob()[:-9], Location.MACHINE))
    target = export.put("SOFTWARE", broken)
    error = export(target).error
    assert error is not None
    assert (error.kind, error.exit_code) == ("blob", 3)
    both = export.put(
        "both",
        _hive((Store.AUTH_ROOT, _blob()[:-9], Location.MACHINE), (Store.CA, _blob(), Location.MACHINE)),
    )
    report = export(both)
    assert (report.files, report.certificates[0].store) == ((f"{ROOT}.reg",), "CA")
    assert "passed over: AuthRoot" in report.warnings[0]


def test_a_dry_run_writes_nothing_and_outputs_are_guarded(export: Exporter) -> None:
    target = export.put("boot.wim", variant("authroot-already"))
    assert export(target, dry_run=True).files == (f"{ROOT}.reg",)
    assert not (export.folder / f"{ROOT}.reg").exists()
    export(target)
    assert isinstance(export(target).error, UsageError)
    assert export(target, overwrite=True).error is None
    for output in (target, export.folder, export.folder / "none" / "x.reg"):
        assert isinstance(export(target, output=output, overwrite=True).error, UsageError)
    assert target.read_bytes() == variant("authroot-already")
    media = _media_folder(export, variant("authroot-already"))
    inside = media / "sources" / "boot.wim"
    assert isinstance(export(media, output=inside, overwrite=True).error, UsageError)
    with pytest.raises(UsageError, match="no thumbprint"):
        export_from_images([target], [], hive_name="x", moment=MOMENT)
    with pytest.raises(UsageError):
        export(target, hive_name="a\\b")


def test_a_name_that_says_something_else_is_warned_of(export: Exporter) -> None:
    target = export.put("boot.wim", variant("authroot-already"))
    out = export.folder / "root.cer"
    (warning,) = export(target, output=out).warnings
    assert (
        warning
        == f"-o {out}: this is a .reg file, whatever its name says; --as der or --as pem writes what it says"
    )
    assert export(target, output=out, overwrite=True, form=Form.DER).warnings == ()
    assert export(target, output=export.folder / "x.bin", form=Form.DER).warnings == ()


def test_only_the_chunks_that_are_needed_are_read(export: Exporter) -> None:
    wim = build_wim(
        Wim([windows_pe([software(_hive((Store.ROOT, _blob(), Location.MACHINE)))])], boot_index=1)
    )
    (image,) = export(export.put("boot.wim", wim)).images
    assert image.chunks is not None
    assert image.chunks[0] < image.chunks[1]
