"""The sentences of the page: each says what the document shows, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.testdata.evidence import KEY, SOFTWARE, image, sample, sparse_sample, state
from winpe_certs.command_lines import Shell
from winpe_certs.evidence.document import (
    EntryChange,
    Evidence,
    ImagesOf,
    ManifestDigest,
    TargetEvidence,
    ValueChange,
    ValueState,
)
from winpe_certs.report.evidence import page
from winpe_certs.report.evidence_words import numbers, summary

NOTHING_ELSE = (
    "Nothing else in these images changed: their manifests and hives were compared before and after."
)
LINKED = EntryChange("\\copy", "\\copy\tsha1=11\tlink=\\a", "\\copy\tsha1=22\tlink=\\a")


def _said(evidence: Evidence) -> str:
    return " ".join(summary(evidence))


def _target(**more: object) -> TargetEvidence:
    return replace(sample().targets[0], **more)  # type: ignore[arg-type] # fields by name


def _with(*targets: TargetEvidence) -> Evidence:
    return replace(sample(), targets=targets)


def test_all_of_a_plain_change() -> None:
    done, rest, overrides, confirmed = summary(sample())
    assert done == (
        "On 2026-03-01 at 08:00 UTC inject put 1 certificate (CN=Contoso Corporate Root CA, O=Contoso Test "
        "Data, C=US) into 1 image of boot.wim."
    )
    assert rest == NOTHING_ELSE
    assert overrides == (
        "Given to override refusals: --allow weak-signature, --recover; 1 certificate had findings that were "
        "allowed."
    )
    assert confirmed == (
        "The result was confirmed by regipy 6.5.0 and python-registry 1.3.1, at 08:00:01 UTC on 2026-03-01."
    )


def test_a_run_that_ended_early_and_changed_nothing() -> None:
    said = _said(sparse_sample())
    assert "It was ended by an error; what is listed here was done before." in said
    assert "No byte of these files changed." in said
    assert "No refusal was overridden." in said
    assert "The result was not confirmed in SOFTWARE." in said
    assert "changed no file." in _said(replace(sample(), targets=()))


def test_other_entries_are_named_whatever_they_are() -> None:
    hive = image().changed_entries[0]
    for other in (EntryChange("\\x.log", None, "\\x.log\tsha1=1"), EntryChange("\\x.log", "a", "b")):
        said = _said(_with(_target(images=(replace(image(), changed_entries=(hive, other)),))))
        assert "Beside the hive there changed: \\x.log (image 1)." in said
        assert NOTHING_ELSE not in said
    # In an image that was not chosen even the hive is something else.
    said = _said(_with(_target(images=(image(), replace(image(), index=2, hive=None)))))
    assert f"Beside the hive there changed: {SOFTWARE} (image 2)." in said


def test_another_name_of_the_hive_is_no_other_file() -> None:
    hive = EntryChange(SOFTWARE, f"{SOFTWARE}\tsha1=11\tlink=\\a", f"{SOFTWARE}\tsha1=22\tlink=\\a")
    linked = replace(image(), changed_entries=(hive, LINKED))
    assert NOTHING_ELSE in _said(_with(_target(images=(linked,))))
    elsewhere = replace(LINKED, after="\\copy\tsha1=33\tlink=\\a")
    other = replace(image(), changed_entries=(hive, elsewhere))
    assert "Beside the hive there changed: \\copy" in _said(_with(_target(images=(other,))))


@pytest.mark.parametrize(
    "change",
    [
        {"manifest_before": None},
        {"manifest_after": None},
        {"changed_entries": ()},
        {"manifest_after": ManifestDigest(37, "a" * 64)},
    ],
)
def test_manifests_that_do_not_show_it_are_not_taken_for_proof(change: dict[str, object]) -> None:
    odd = replace(image(), **change)  # type: ignore[arg-type] # fields by name
    said = _said(_with(_target(images=(odd,))))
    assert "Whether anything else changed is not shown by this evidence." in said
    assert NOTHING_ELSE not in said


@pytest.mark.parametrize(
    ("added", "values", "is_all"),
    [
        ((KEY,), (), True),
        ((KEY.rpartition("\\")[0], KEY), (), True),
        ((KEY, "Microsoft\\Other"), (), False),
        ((KEY,), (ValueChange("Microsoft", "x", None, ValueState(1, 2, "0" * 64)),), False),
        ((KEY,), (ValueChange(KEY, "x", None, ValueState(1, 2, "0" * 64)),), True),
    ],
)
def test_in_the_hive_only_the_keys_of_the_certificates_count_as_theirs(
    added: tuple[str, ...], values: tuple[ValueChange, ...], is_all: bool
) -> None:
    found = replace(sample().differences[0], keys_added=added, values=values)
    said = _said(replace(sample(), differences=(found,)))
    assert (NOTHING_ELSE in said) is is_all
    assert ("In the hive there changed more than these certificates" in said) is not is_all


def test_folders_and_hives_have_no_manifest() -> None:
    bare = replace(
        image(), index=None, name="", manifest_before=None, manifest_after=None, changed_entries=()
    )
    hive = _said(_with(_target(kind="hive", images=(bare,))))
    assert "Nothing else in the hive changed: all of its keys and values were compared" in hive
    folder = _said(_with(_target(kind="folder", images=(bare,))))
    assert "other files of a folder were not compared" in folder


def test_a_target_that_nobody_confirmed_is_named() -> None:
    other = _target(file="other.wim", confirmed=None)
    assert "The result was not confirmed in other.wim." in _said(_with(_target(), other))


@pytest.mark.parametrize(
    ("found", "words"),
    [([1], "1"), ([1, 2, 3], "1-3"), ([1, 3, 4, 9], "1, 3-4, 9"), ([3, 1, 2, 2], "1-3"), ([], "")],
)
def test_numbers_in_a_row(found: list[int], words: str) -> None:
    assert numbers(found) == words


def test_equal_images_and_files_are_shown_once() -> None:
    where = (ImagesOf("boot.wim", tuple(range(1, 11))), ImagesOf("b.wim", tuple(range(1, 11))))
    images = tuple(replace(image(), index=index, name=f"PE {index}") for index in range(1, 10))
    odd = replace(image(), index=10, name="PE 10", manifest_before=ManifestDigest(38, "a" * 64))
    target = _target(images=(*images, odd))
    assert target.confirmed is not None
    later = replace(target.confirmed, at=target.confirmed.at.replace(minute=59))
    evidence = replace(
        _with(
            target, replace(target, file="b.wim", confirmed=later), _target(file="c.wim", after=state("7"))
        ),
        differences=(replace(sample().differences[0], images=where),),
        certificates=(replace(sample().certificates[0], images=where),),
    )
    shown = page(evidence, "e.json", Shell.POSIX, markdown=False)
    assert "into 20 images of 2 files." in shown
    assert shown.count("Images 1-9 alike") == 1
    assert shown.count("Image 10: PE 10") == 1
    assert "2 files alike" in shown
    assert "confirmed  by regipy 6.5.0 and python-registry 1.3.1, 2026-03-01 08:59:01 UTC" in shown
    assert "File c.wim" in shown
    assert [name for name in ("PE 1\n", "PE 9\n") if name not in shown] == []
    assert [file for file in ("b.wim", "boot.wim", "c.wim") if f"undo {file} " not in shown] == []
    assert "boot.wim, images 1-10; b.wim, images 1-10" in shown
