from __future__ import annotations

import re
from dataclasses import replace

import pytest

from scripts.testdata.evidence import KEY, SOFTWARE, THUMBPRINT, image, sample
from winpe_certs.command_lines import Shell
from winpe_certs.evidence.document import (
    CertificatesOf,
    Confirmation,
    EntryChange,
    Evidence,
    FindingEvidence,
    GivenOption,
    ImagesOf,
    ManifestDigest,
    SourceEvidence,
    TargetEvidence,
)
from winpe_certs.report.evidence import page
from winpe_certs.report.markdown import escaped

FORGED = "x |\n\n# Forged\r\n| a | b |\x1b[2K<img src=x>[link](http://e.example)`*_~$@ann&amp; www.e.example"


def _text(evidence: Evidence) -> str:
    """The text page with runs of blanks as one, as a person reads it."""
    return re.sub(" +", " ", page(evidence, "e.json", Shell.POSIX, markdown=False))


def _with(evidence: Evidence, target: TargetEvidence) -> Evidence:
    return replace(evidence, targets=(target,))


@pytest.mark.parametrize(
    "words",
    [
        "change CHG42",
        "result done",
        "started 2026-03-01 08:00:00 UTC",
        "by ann on pc",
        "tool winpe-certs 0.1.0, Python 3.11.9",
        "libraries python-registry 1.3.1, regipy 6.5.0",
        'Programs that the plan starts\n DISM.exe /Mount-Image "/MountDir:C:\\a b"',
        "Certificate: added",
        "subject CN=Contoso Corporate Root CA, O=Contoso Test Data, C=US",
        f"SHA-1 {THUMBPRINT}",
        f"SHA-256 {'f' * 64}",
        "valid 2020-01-01 to 2045-01-01",
        "store AuthRoot",
        "in boot.wim, image 1",
        "File boot.wim",
        f"before 5000 bytes, SHA-256 {'1' * 64}",
        f"after 7000 bytes, SHA-256 {'2' * 64}",
        "engine direct: asked for by --engine",
        "Image 1: Microsoft Windows PE (x64)",
        "architecture x64",
        "build 10.0.26100",
        f"manifest before 37 entries, SHA-256 {'a' * 64}",
        f"manifest after 37 entries, SHA-256 {'b' * 64}",
        f"changed entries exactly one: {SOFTWARE}",
        "differs sha1=11 -> sha1=22",
        f"key added {KEY}",
        f"value added {KEY}, value Blob",
        f"after type 3, 1034 bytes, SHA-256 {'e' * 64}",
        "Way back\n winpe-certs undo boot.wim --evidence e.json",
        "the file as it was before, bit for bit",
        "To verify again\n winpe-certs verify --evidence e.json boot.wim",
        "It is no signature",
    ],
)
def test_the_page_says(words: str) -> None:
    assert words in _text(sample())


def test_markdown_says_the_same() -> None:
    shown = re.sub(r"\\([^A-Za-z0-9 ])", r"\1", page(sample(), "e.json", Shell.POSIX, markdown=True))
    assert "\n```\nwinpe-certs undo boot.wim --evidence e.json\n```\n" in shown
    assert f"| changed entries | exactly one: {SOFTWARE} |" in shown
    assert "# Evidence of a change in boot images" in shown.splitlines()
    for fact in re.findall("[0-9a-f]{64}", page(sample(), "e.json", Shell.POSIX, markdown=False)):
        assert fact in shown


def test_no_way_back_says_why() -> None:
    target = replace(sample().targets[0], way_back=None, no_way_back="DISM wrote the file")
    assert "way back none: DISM wrote the file" in _text(_with(sample(), target))


def test_with_an_output_it_is_the_output_that_is_verified() -> None:
    target = replace(sample().targets[0], output="new boot.wim")
    shown = _text(_with(sample(), target))
    assert "written to new boot.wim" in shown
    assert "\n winpe-certs verify --evidence e.json 'new boot.wim'\n" in shown


def test_an_error_and_what_was_left_out_are_said() -> None:
    evidence = sample()
    run = replace(evidence.run, error="boot.wim: the disk is full", user=None, host=None, change_id=None)
    shown = _text(replace(evidence, run=run, targets=(), certificates=()))
    assert "result ended by an error: boot.wim: the disk is full" in shown
    assert "by (left out) on (left out)" in shown
    assert "No file was changed." in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (EntryChange("\\a", None, "line"), "only after line"),
        (EntryChange("\\a", "line", None), "only before line"),
        (EntryChange("\\a", "one\ttwo", "one"), "line before one\\ttwo"),
    ],
)
def test_entries_that_are_not_alike_are_shown_whole(change: EntryChange, words: str) -> None:
    two = replace(image(), changed_entries=(change, EntryChange("\\b", "x", "y")), hive=None)
    shown = _text(_with(sample(), replace(sample().targets[0], images=(two,))))
    assert words in shown
    assert "changed entries 2: \\a, \\b" in shown


def test_a_bare_hive_has_no_manifest_and_nothing_that_changed_is_said() -> None:
    assert image().hive is not None
    bare = replace(
        image(), index=None, name="", manifest_before=None, manifest_after=None, changed_entries=()
    )
    evidence = replace(sample(), differences=())
    shown = _text(_with(evidence, replace(sample().targets[0], kind="hive", images=(bare,))))
    assert "difference no key and no value" in shown
    assert "Contents" in shown
    assert "architecture" not in shown
    assert "manifest" not in shown
    same = replace(image(), changed_entries=(), manifest_after=ManifestDigest(1, "a" * 64))
    assert "changed entries none" in _text(_with(sample(), replace(sample().targets[0], images=(same,))))


def _forged() -> Evidence:
    evidence = sample()
    change = EntryChange(FORGED, FORGED, FORGED + "x")
    forged = replace(
        evidence.certificates[0].results[0],
        subject=FORGED,
        status=FORGED,
        store=FORGED,
        source=SourceEvidence(FORGED, "9" * 64, FORGED),
        findings=(FindingEvidence(FORGED, "error", FORGED, allowed=True),),
    )
    forged_image = replace(image(), name=FORGED, build=FORGED, changed_entries=(change,))
    target = replace(
        evidence.targets[0],
        file=FORGED,
        output=FORGED,
        engine_reason=FORGED,
        confirmed=Confirmation((FORGED,), evidence.run.started),
        way_back=None,
        no_way_back=FORGED,
        images=(forged_image,),
    )
    return replace(
        evidence,
        run=replace(
            evidence.run,
            command=FORGED,
            change_id=FORGED,
            user=FORGED,
            overrides=(GivenOption(FORGED, FORGED),),
            error=FORGED,
        ),
        certificates=(CertificatesOf((ImagesOf(FORGED, (1,)),), (forged,)),),
        targets=(target,),
    )


def test_names_forge_no_line_of_the_text() -> None:
    shown = page(_forged(), FORGED, Shell.POSIX, markdown=False)
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert not [line for line in shown.splitlines() if line.strip().startswith(("# Forged", "| a"))]
    plain = _with(sample(), replace(sample().targets[0], file="F"))
    assert (
        abs(len(shown.splitlines()) - len(page(plain, "e.json", Shell.POSIX, markdown=False).splitlines()))
        < 5
    )


def test_names_forge_no_markup() -> None:
    shown = page(_forged(), "e.json", Shell.POSIX, markdown=True)
    assert "\x1b" not in shown
    assert "\r" not in shown
    blocks = re.findall("^```$(.*?)^```$", shown, re.DOTALL | re.MULTILINE)
    assert blocks
    assert not [line for block in blocks for line in block.splitlines() if line and not line[0].isalpha()]
    for line in re.sub("^```$.*?^```$", "", shown, flags=re.DOTALL | re.MULTILINE).splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3
        assert not re.search(r"(?<!\\)[<>`\[\]@$~]", line)
        assert "www." not in line
    headings = [line for line in shown.splitlines() if line.startswith("#")]
    assert not [line for line in headings if line.startswith("# ") and "Evidence" not in line]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("a\nb", "a\\\\nb"),
        ("<b>", "\\<b\\>"),
        ("1. x", "1\\. x"),
        ("&lt;", "\\&lt;"),
        ("Zürich", "Zürich"),
        ("https://e.example", "https\\://e.example"),
        ("- x-y", "\\- x-y"),
        ("a_b*c", "a\\_b\\*c"),
        ("WWW.e.example", "WWW&#46;e.example"),
    ],
)
def test_markdown_is_escaped(text: str, safe: str) -> None:
    assert escaped(text) == safe
