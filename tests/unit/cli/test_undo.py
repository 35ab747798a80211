"""``undo`` from the outside: the original bit for bit, or a refusal that says what is different."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from scripts.testdata import images
from tests.conftest import Judge
from tests.contract.dism_machine import ready_station
from tests.unit.cli.conftest import Program
from winpe_certs.engines import restore, setup
from winpe_certs.engines.survey import hash_parts
from winpe_certs.errors import GuardError
from winpe_certs.files import locked

REST = b"left over from an interrupted run" * 300


@dataclass(frozen=True)
class Changed:
    """An image that was changed with evidence, and what it was."""

    image: Path
    proof: Path
    before: bytes
    after: bytes


def change(
    run: Program, image: Path, certificate: Path, name: str = "evidence.json", *more: object
) -> Changed:
    before = image.read_bytes()
    proof = image.parent.parent / name
    done = run("inject", image, "-c", certificate, "-i", "all", "--evidence", proof, *more)
    assert done.code == 0, done.err
    return Changed(image, proof, before, image.read_bytes())


@pytest.fixture
def changed(run: Program, image: Path, root: Path) -> Changed:
    return change(run, image, root)


def assert_refused(
    run: Program, changed: Changed, *words: str, code: int = 3, image: Path | None = None
) -> None:
    """Undo is refused with these words, dry or not, and the image is not touched."""
    place = image or changed.image
    before, written = place.read_bytes(), place.stat().st_mtime_ns
    for more in ((), ("--dry-run",)):
        done = run("undo", place, "--evidence", changed.proof, "-f", "json", *more)
        assert done.code == code
        assert (place.read_bytes(), place.stat().st_mtime_ns) == (before, written)
        error = done.document["error"]
        told = "\n".join((error["message"], error["details"], error["resolution"]))
        assert [word for word in words if word not in told] == []


def assert_nothing_to_undo(run: Program, changed: Changed) -> None:
    """The image is the original already: it is not touched, dry or not, and that is no failure."""
    written = changed.image.stat().st_mtime_ns
    for more in ((), ("--dry-run",)):
        done = run("undo", changed.image, "--evidence", changed.proof, "-f", "json", *more)
        assert (done.code, done.document["changed"], done.document["restored"]["cut"]) == (0, False, 0)
        assert done.document["restored"]["sha256"] == hashlib.sha256(changed.before).hexdigest()
        assert changed.image.stat().st_mtime_ns == written
    told = run("undo", changed.image, "--evidence", changed.proof)
    assert (told.code, told.err) == (0, "")
    assert "nothing to undo, it is what it was before the change" in told.out


# --- the way back -----------------------------------------------------------------------------------


def test_the_original_comes_back_bit_for_bit(run: Program, changed: Changed) -> None:
    inode = changed.image.stat().st_ino
    done = run("undo", changed.image, "--evidence", changed.proof, "-f", "json")
    assert (done.code, changed.image.read_bytes()) == (0, changed.before)
    assert changed.image.stat().st_ino == inode
    assert (done.document["changed"], done.document["warnings"]) == (True, [])
    assert done.document["restored"] == {
        "path": str(changed.image),
        "size": len(changed.before),
        "sha256": hashlib.sha256(changed.before).hexdigest(),
        "cut": len(changed.after) - len(changed.before),
    }


def test_a_dry_run_checks_everything_and_writes_nothing(run: Program, changed: Changed) -> None:
    written = changed.image.stat().st_mtime_ns
    done = run("undo", changed.image, "--evidence", changed.proof, "--dry-run")
    assert (done.code, changed.image.read_bytes()) == (0, changed.after)
    assert changed.image.stat().st_mtime_ns == written
    assert "would be what it was before the change" in done.out


@pytest.mark.parametrize("name", sorted({*images.SOUND, *images.TOLERATED} - {"split"}))
def test_every_kind_of_image_comes_back(run: Program, root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "adk").mkdir()
    image = tmp_path / "adk" / "some.wim"
    image.write_bytes(images.variant(name))
    change_made = change(run, image, root)
    if change_made.before == change_made.after:
        assert_nothing_to_undo(run, change_made)
        return
    done = run("undo", image, "--evidence", change_made.proof, "-f", "json")
    assert done.code == 0, done.err
    if done.document["warnings"]:
        assert len(image.read_bytes()) < len(change_made.before)
        assert change_made.before.startswith(image.read_bytes())
    else:
        assert image.read_bytes() == change_made.before


def test_a_removal_is_undone_too(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    run("inject", image, "-c", root, "-i", "1")
    before = image.read_bytes()
    assert run("remove", image, "-c", root, "-i", "1", "--evidence", tmp_path / "e.json").code == 0
    assert run("undo", image, "--evidence", tmp_path / "e.json").code == 0
    assert image.read_bytes() == before


def test_two_changes_are_undone_the_newest_first(run: Program, image: Path, root: Path, certs: Path) -> None:
    first = change(run, image, root, "1.json")
    second = change(run, image, certs / "corp-root-2.cer", "2.json")
    assert_refused(
        run,
        first,
        f"size: {len(second.after)} bytes instead of {len(first.after)}",
        "The bytes of the image before the change are all in it",
        "undo the newest change first",
    )
    assert run("undo", image, "--evidence", second.proof).code == 0
    assert image.read_bytes() == first.after
    assert run("undo", image, "--evidence", first.proof).code == 0
    assert image.read_bytes() == first.before


def test_a_second_time_there_is_nothing_to_undo(run: Program, changed: Changed) -> None:
    assert run("undo", changed.image, "--evidence", changed.proof).code == 0
    assert_nothing_to_undo(run, changed)
    assert changed.image.read_bytes() == changed.before


@pytest.mark.parametrize("missing", [0, 1, 5000])
def test_half_way_is_brought_to_the_end(run: Program, changed: Changed, missing: int) -> None:
    """The old header is back; of what was appended a power failure has left some."""
    half_way = changed.before[:208] + changed.after[208 : len(changed.after) - missing]
    changed.image.write_bytes(half_way)
    assert run("verify", changed.image, "--evidence", changed.proof).code == 1
    for more in (["--dry-run"], []):
        done = run("undo", changed.image, "--evidence", changed.proof, "-f", "json", *more)
        assert (done.code, done.document["restored"]["cut"]) == (0, len(half_way) - len(changed.before))
    assert changed.image.read_bytes() == changed.before


def test_leftovers_behind_the_original_are_not_brought_back_and_told(
    run: Program, image: Path, root: Path
) -> None:
    sound = image.read_bytes()
    image.write_bytes(sound + REST)
    made = change(run, image, root)
    way_back = json.loads(made.proof.read_bytes())["targets"][0]["way_back"]
    assert (way_back["size"], way_back["is_original"]) == (len(sound), False)
    done = run("undo", image, "--evidence", made.proof, "-f", "json")
    assert (done.code, image.read_bytes()) == (0, sound)
    assert "Behind the end of the original lay bytes of an interrupted run" in done.document["warnings"][0]
    # The same bytes behind the original, put back from elsewhere, are as unused as those of a run cut short.
    image.write_bytes(sound + REST)
    assert run("undo", image, "--evidence", made.proof).code == 0
    assert image.read_bytes() == sound


def test_one_of_several_targets_is_found_by_its_contents_wherever_it_lies(
    run: Program, image: Path, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "boot.wim"
    other.parent.mkdir()
    other.write_bytes(images.variant("three-images"))
    before = {image: image.read_bytes(), other: other.read_bytes()}
    proof = tmp_path / "e.json"
    options = ("-c", root, "-i", "1", "--evidence", proof)
    assert run("inject", image, other, *options).code == 0
    moved = tmp_path / "moved.wim"
    other.rename(moved)
    assert run("undo", moved, "--evidence", proof).code == 0
    assert moved.read_bytes() == before[other]
    assert ": nothing to undo" in run("undo", moved, "--evidence", proof).out
    # Half way, with two targets of one name.
    image.write_bytes(before[image][:208] + image.read_bytes()[208:])
    assert run("undo", image, "--evidence", proof).code == 0
    assert image.read_bytes() == before[image]
    stranger = tmp_path / "stranger.wim"
    stranger.write_bytes(images.variant("single"))
    assert "it is not clear what the evidence says of" in run("undo", stranger, "--evidence", proof).err


@pytest.mark.wine_cannot("links")
def test_undo_goes_through_a_link(run: Program, changed: Changed, tmp_path: Path) -> None:
    (tmp_path / "link.wim").symlink_to(changed.image)
    assert run("undo", tmp_path / "link.wim", "--evidence", changed.proof).code == 0
    assert changed.image.read_bytes() == changed.before
    assert (tmp_path / "link.wim").is_symlink()


# --- anything else is refused -----------------------------------------------------------------------


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


MIDDLE = 90_000
KEPT, LOST = "are all in it; what differs lies elsewhere", "are not all in it any more"
TAMPERED: dict[str, tuple[Callable[[Changed], bytes], str]] = {
    # The header of the changed image is no part of the original.
    "first byte of the header": (lambda made: _flipped(made.after, 0), ""),
    "header, flags": (lambda made: _flipped(made.after, 16), KEPT),
    "header, unused": (lambda made: _flipped(made.after, 200), KEPT),
    "a resource in use": (lambda made: _flipped(made.after, 1000), LOST),
    "amid the old part": (lambda made: _flipped(made.after, MIDDLE), LOST),
    "last old byte": (lambda made: _flipped(made.after, len(made.before) - 1), LOST),
    "first new byte": (lambda made: _flipped(made.after, len(made.before)), KEPT),
    "last new byte": (lambda made: _flipped(made.after, len(made.after) - 1), KEPT),
    "one byte less": (lambda made: made.after[:-1], KEPT),
    "one byte more": (lambda made: made.after + b"\0", KEPT),
    "old length, new header": (lambda made: made.after[: len(made.before)], KEPT),
    "shorter than before": (lambda made: made.after[: len(made.before) - 1], LOST),
    "only a header": (lambda made: made.after[:208], LOST),
    "old header, one byte more": (lambda made: made.before[:208] + made.after[208:] + b"x", KEPT),
    "old header, damaged": (lambda made: _flipped(made.before + made.after[len(made.before) :], 5000), LOST),
    "the original, damaged": (lambda made: _flipped(made.before, 5000), LOST),
    "another image": (lambda _: images.variant("single"), LOST),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_an_image_that_was_tampered_with_is_refused(run: Program, changed: Changed, how: str) -> None:
    tamper, word = TAMPERED[how]
    changed.image.write_bytes(tamper(changed))
    assert_refused(run, changed, *([word, "SHA-256: ", "instead of"] if word else []))


def test_the_original_put_back_needs_no_undo(run: Program, changed: Changed) -> None:
    changed.image.write_bytes(changed.before)
    assert_nothing_to_undo(run, changed)


@pytest.mark.parametrize("at", [*range(3, 40, 9), 1000, 2000, -2, -40, -80, -700])
def test_one_byte_of_the_evidence_is_enough(run: Program, changed: Changed, at: int) -> None:
    changed.proof.write_bytes(_flipped(changed.proof.read_bytes(), at))
    assert_refused(run, changed)
    assert run("verify", changed.image, "--evidence", changed.proof).code == 3


@pytest.mark.parametrize("field", ["header", "size", "sha256", "after"])
def test_forged_evidence_with_a_digest_of_its_own_cannot_harm_the_image(
    run: Program, changed: Changed, field: str
) -> None:
    document = json.loads(changed.proof.read_bytes())
    target = document["targets"][0]
    if field == "header":
        target["way_back"]["header"] = "00" * 208
    elif field == "size":
        # What it would be cut to has the very digest, but is no image.
        header = bytes.fromhex(target["way_back"]["header"])
        target["way_back"] |= {"size": 0, "sha256": hashlib.sha256(header).hexdigest()}
    elif field == "sha256":
        target["way_back"]["sha256"] = "0" * 64
    else:
        target["after"]["sha256"] = "0" * 64
    seal(changed.proof, document)
    done = run("undo", changed.image, "--evidence", changed.proof)
    assert done.code == 3
    assert changed.image.read_bytes() == changed.after


def seal(proof: Path, document: dict[str, Any]) -> None:
    """Write a document with a digest that fits it, as anybody can."""
    document.pop("sha256", None)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    document["sha256"] = hashlib.sha256(canonical).hexdigest()
    proof.write_text(json.dumps(document, indent=2) + "\n", newline="\n")


@pytest.mark.parametrize(
    ("place", "junk", "cut", "words"),
    [
        (0, bytes(208), 208, "not a WIM file"),
        (0, b"", -1000, "do not fit the image"),
        (0, b"", 1000, "do not fit the image"),
        (24, bytes(16), 0, "do not fit the image"),
        (0x78, b"\x07", 0, "the boot index is 7"),
        (0x78, b"\x01", 0, "do not fit the image"),
    ],
    ids=["no header", "shorter", "longer", "identity", "boot index", "other boot image"],
)
def test_a_forged_way_back_whose_digests_all_fit_is_refused(
    run: Program, changed: Changed, place: int, junk: bytes, cut: int, words: str
) -> None:
    document = json.loads(changed.proof.read_bytes())
    way_back = document["targets"][0]["way_back"]
    header = bytearray.fromhex(way_back["header"])
    header[place : place + len(junk)] = junk
    size = cut if cut == 208 else way_back["size"] + cut
    restored = bytes(header) + changed.after[208:size]
    way_back |= {"header": header.hex(), "size": size, "sha256": hashlib.sha256(restored).hexdigest()}
    seal(changed.proof, document)
    assert_refused(run, changed, "the way back does not lead to the image", words)
    if cut in {-1000, 1000}:
        changed.image.write_bytes(bytes(header) + changed.after[208:])
        assert_refused(run, changed, "the way back does not lead to the image", words)


def test_a_forged_way_back_to_other_images_is_refused(run: Program, changed: Changed) -> None:
    document = json.loads(changed.proof.read_bytes())
    document["targets"][0]["images"][1]["manifest_before"]["sha256"] = "0" * 64
    seal(changed.proof, document)
    assert_refused(run, changed, "images with other manifests")


def test_a_copy_has_no_way_back(run: Program, image: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wim"
    made = change(run, image, root, "evidence.json", "-o", out)
    assert_refused(run, made, "there is no way back", "the original is the way back", image=out)
    assert_nothing_to_undo(run, made)


def test_neither_has_a_change_by_dism(
    run: Program, tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "machine"
    home.mkdir()
    station = ready_station(home, judge, monkeypatch)
    before, proof = station.image.read_bytes(), tmp_path / "e.json"
    ran = station.run("--evidence", proof)
    assert ran.code == 0, ran.out
    made = Changed(station.image, proof, before, station.image.read_bytes())
    assert_refused(run, made, "there is no way back", "DISM", "a copy of the original is the way back")
    (target,) = json.loads(proof.read_bytes())["targets"]
    assert (target["engine"], target["engine_program"]) == ("dism", str(station.dism.path))
    assert any(
        "Mount-Image" in word
        for words in json.loads(proof.read_bytes())["plan"]["commands"]
        for word in words
    )
    assert run("verify", station.image, "--evidence", proof).code == 0
    again = tmp_path / "redacted.json"
    assert station.run("--evidence", again, "--redact", command="remove").code == 0
    assert str(tmp_path).encode() not in again.read_bytes()
    assert json.loads(again.read_bytes())["plan"]["commands"] == []


@pytest.mark.parametrize("what", ["image", "evidence"])
def test_a_file_that_is_not_there(run: Program, changed: Changed, what: str) -> None:
    words = {"image": [Path("no.wim"), changed.proof], "evidence": [changed.image, Path("no.json")]}[what]
    assert run("undo", words[0], "--evidence", words[1]).code == 2
    assert run("undo", changed.image, "--evidence", changed.image).code == 3
    assert changed.image.read_bytes() == changed.after


# --- the system says no -----------------------------------------------------------------------------


def test_a_read_only_image_is_told_and_a_dry_run_works(
    run: Program, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = locked._open_exclusively

    def refuse(path: Path, *, writing: bool) -> BinaryIO:
        if writing:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, writing=writing)

    monkeypatch.setattr(locked, "_open_exclusively", refuse)
    done = run("undo", changed.image, "--evidence", changed.proof)
    assert done.code == 4
    assert "cannot write: permission denied" in done.err
    assert run("undo", changed.image, "--evidence", changed.proof, "-n").code == 0
    assert changed.image.read_bytes() == changed.after


def test_an_image_that_somebody_works_on_is_left_alone(run: Program, changed: Changed) -> None:
    with locked.LockedFile(changed.image):
        assert run("undo", changed.image, "--evidence", changed.proof).code == 4
    assert changed.image.read_bytes() == changed.after


def test_a_mounted_image_is_left_alone(
    run: Program, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: setup.Machine, path: Path) -> None:
        raise GuardError(f"{path} is mounted")

    monkeypatch.setattr(setup.Machine, "refuse_mounted", refuse)
    assert run("undo", changed.image, "--evidence", changed.proof).code == 3
    assert changed.image.read_bytes() == changed.after


@pytest.mark.posix("locks")
@pytest.mark.parametrize("fault", ["other bytes", "error", "interrupt"])
def test_a_disk_that_does_not_give_back_the_original_gets_the_new_header_again(
    run: Program, changed: Changed, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    seen: list[bytes] = []

    def fail(*_: object) -> list[str]:
        seen.append(changed.image.read_bytes())
        if fault == "error":
            raise OSError(errno.EIO, "bad sector")
        if fault == "interrupt":
            raise KeyboardInterrupt
        return ["0" * 64]

    real = hash_parts
    monkeypatch.setattr(restore, "hash_parts", lambda *given: real(*given) if not seen_all() else fail())
    calls: list[int] = []

    def seen_all() -> bool:
        calls.append(1)
        return len(calls) > 1

    done = run("undo", changed.image, "--evidence", changed.proof)
    assert done.code == {"other bytes": 4, "error": 4, "interrupt": 130}[fault]
    assert seen == [changed.before[:208] + changed.after[208:]]
    assert changed.image.read_bytes() == changed.after


def test_a_cut_that_fails_is_told_and_the_next_run_does_it(
    run: Program, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "bad sector")

    with monkeypatch.context() as patch:
        patch.setattr(locked.LockedFile, "_cut", fail)
        done = run("undo", changed.image, "--evidence", changed.proof)
    assert done.code == 4
    assert "cannot cut off its end" in done.err
    assert changed.image.read_bytes() == changed.before[:208] + changed.after[208:]
    assert run("undo", changed.image, "--evidence", changed.proof).code == 0
    assert changed.image.read_bytes() == changed.before
