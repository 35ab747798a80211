"""Patched images before programs of other hands: nothing changed but what had to, and all of it is sound.

Every sound and tolerated image is patched in place and into a copy. wimlib and 7-Zip judge the image, hivex
and libregf the hive; the numbers of the file format are compared by a small reader of this module.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.testdata import images, pki
from scripts.testdata.build import FOLDER
from scripts.testdata.hives import hive_variant
from scripts.testdata.wim_writer import Entry, build_wim
from tests.conftest import Judge
from winpe_certs.cli.main import main
from winpe_certs.edits import SetValue
from winpe_certs.regf.hive import apply
from winpe_certs.wim.reader import WimFile

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
KEY = "\\Microsoft\\SystemCertificates\\AuthRoot\\Certificates\\" + pki.thumbprint("corp-root")
BLOB = pki.registry_blob("corp-root")


@cache
def _full_hive() -> bytes:
    """A hive that has no room left, so that it grows by a bin."""
    path = tuple(KEY.split("\\")[1:])
    hive = hive_variant("no-free-cells.hiv")
    for number in range(40):
        if len(apply(hive, [SetValue(path, "Blob", 3, BLOB)], now=1)) > len(hive):
            return hive
        hive = apply(hive, [SetValue(("Microsoft", "Filler"), f"{number}", 3, bytes(900))], now=1)
    raise AssertionError


def _growing_hard_linked() -> bytes:
    linked = images.software(_full_hive(), link_group=42)
    back = Entry("RegBack", children=[replace(linked, name="SOFTWARE.BAK", security=2)])
    return build_wim(images.single(back, linked))


GROWING: dict[str, Callable[[], bytes]] = {
    "growing": lambda: build_wim(images.boot_image(_full_hive())),
    "growing-plain": lambda: build_wim(replace(images.boot_image(_full_hive()), compression="none")),
    "growing-hard-linked": _growing_hard_linked,
}
"""Images whose hive gets longer, as those of `images` do not."""
PATCHABLE = (*images.SOUND, *images.TOLERATED, *GROWING)
SINGLE = (
    "single",
    "hard-linked",
    "link-group-mismatch",
    "named-stream",
    "named-stream-entry-hash",
    "short-name",
    "lower-case",
    "narrowed",
    "root-only",
    "case-twins",
    "growing-hard-linked",
)
SECOND_ALONE_TOO = ("boot", "boot-index-1", "no-boot-metadata", "no-boot-index", "low-counts")
COUNTS_TOO_LOW = "low-counts"
NOISY_BEFORE = {"trailing-bytes", COUNTS_TOO_LOW}
"""7-Zip warns of these before anything is done to them."""
HAS_IT_ALREADY = {("authroot-already", 1), ("authroot-already", 2), ("three-images", 3)}

# Offsets in the header: 24 bytes each, but the boot index.
LOOKUP, XML, BOOT_METADATA, BOOT_INDEX, INTEGRITY, SPARE = 0x30, 0x48, 0x60, 0x78, 0x7C, 0x94


@dataclass(frozen=True)
class Case:
    """One way to patch one variant."""

    variant: str
    index: str
    copy: bool

    def __str__(self) -> str:
        return f"{self.variant}-{self.index}{'-copy' if self.copy else ''}"

    @property
    def software(self) -> str:
        return images.SOFTWARE.replace("SOFTWARE", "software" if self.variant == "lower-case" else "SOFTWARE")

    def names(self, index: int) -> set[str]:
        """The paths whose contents change in an image."""
        if (self.variant, index) in HAS_IT_ALREADY or self.index not in {"all", str(index)}:
            return set()
        names = {f"/{self.software}"}
        if self.variant in {"hard-linked", "growing-hard-linked"}:
            names.add("/Windows/System32/config/RegBack/SOFTWARE.BAK")
        return names


def _content(name: str) -> bytes:
    return GROWING[name]() if name in GROWING else images.variant(name)


def _cases() -> Iterator[Case]:
    for name in PATCHABLE:
        choices = ["1"] if name in SINGLE else ["all", "1"]
        choices += ["2"] if name in SECOND_ALONE_TOO else []
        for index in choices:
            yield Case(name, index, copy=False)
            yield Case(name, index, copy=True)


CASES = tuple(_cases())


@dataclass(frozen=True)
class Resource:
    """A resource header: stored size, flags, offset, plain size."""

    stored: int
    flags: int
    offset: int
    plain: int


def _resource(data: bytes, at: int) -> Resource:
    offset, plain = struct.unpack_from("<QQ", data, at + 8)
    return Resource(int.from_bytes(data[at : at + 7], "little"), data[at + 7], offset, plain)


class Wim:
    """A WIM in memory, read by no code of the package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw = path.read_bytes()
        self.images = struct.unpack_from("<I", self.raw, 44)[0]
        self.boot_index = struct.unpack_from("<I", self.raw, BOOT_INDEX)[0]
        table = _resource(self.raw, LOOKUP)
        self.table: list[tuple[Resource, int, bytes]] = []
        for at in range(table.offset, table.offset + table.stored, 50):
            part, count = struct.unpack_from("<HI", self.raw, at + 24)
            assert part == 1
            self.table.append((_resource(self.raw, at), count, self.raw[at + 30 : at + 50]))

    @property
    def metadata(self) -> list[Resource]:
        found = [entry for entry, count, digest in self.table if entry.flags & 2 and count and any(digest)]
        assert len(found) == self.images
        return found

    @property
    def xml(self) -> str:
        place = _resource(self.raw, XML)
        return self.raw[place.offset : place.offset + place.stored].decode("utf-16")

    def chunks(self, blob: bytes) -> list[bytes]:
        """The stored chunks of a compressed blob, or the whole of a blob that is stored plain."""
        entry = next(entry for entry, _, digest in self.table if digest == hashlib.sha1(blob).digest())
        stored = self.raw[entry.offset : entry.offset + entry.stored]
        if not entry.flags & 4:
            return [stored]
        (size,) = struct.unpack_from("<I", self.raw, 20)
        count = -(-entry.plain // size)
        bounds = [0, *struct.unpack_from(f"<{count - 1}I", stored), entry.stored - 4 * (count - 1)]
        return [stored[4 * (count - 1) :][low:high] for low, high in itertools.pairwise(bounds)]


@dataclass(frozen=True)
class Patched:
    """An image before and after; in place both began as the same bytes."""

    case: Case
    before: Wim
    after: Wim


@pytest.fixture(scope="module")
def patch_cache() -> dict[Case, Patched]:
    return {}


@pytest.fixture
def patched(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    patch_cache: dict[Case, Patched],
    capsys: pytest.CaptureFixture[str],
) -> Patched:
    case: Case = request.param
    if case not in patch_cache:
        folder = tmp_path_factory.mktemp("patched")
        before, after = folder / "before.wim", folder / "after.wim"
        content = _content(case.variant)
        before.write_bytes(content)
        written = before.stat()
        extra = ["-o", str(after)]
        if not case.copy:
            shutil.copy2(before, after)
            extra = []
        place = before if case.copy else after
        assert _inject(place, "--index", case.index, *extra) == 0
        capsys.readouterr()
        assert before.read_bytes() == content
        assert before.stat().st_mtime_ns == written.st_mtime_ns
        assert {each.name for each in folder.iterdir()} == {"before.wim", "after.wim"}
        patch_cache[case] = Patched(case, Wim(before), Wim(after))
    return patch_cache[case]


every_case = pytest.mark.parametrize("patched", CASES, ids=str, indirect=True)


def _inject(path: Path, *more: str) -> int:
    return main(["inject", str(path), "--cert", str(CERTIFICATE), *more])


def _words_of_7zip(path: Path, judge: Judge) -> str:
    done = judge("7zz", "t", path)
    assert b"Everything is Ok" in done.stdout
    return str(done.stdout + done.stderr, "utf-8")


def _please(path: Path, judge: Judge, *, noisy: bool = False) -> None:
    judge("wimlib-imagex", "verify", path)
    words = _words_of_7zip(path, judge)
    if not noisy:
        assert not re.search(r"warn|error|fail", words, re.IGNORECASE), words


def _extracted(path: Path, index: int, inside: str, judge: Judge) -> bytes:
    hive: bytes = judge("wimlib-imagex", "extract", path, index, f"/{inside}", "--to-stdout").stdout
    return hive


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    fields = {name.strip(): value.strip() for name, value in pairs}
    fields["set"] = " ".join(line.strip() for line in lines if line.endswith("is set"))
    return fields


Stream = dict[str, str]


@dataclass(frozen=True)
class Listed:
    """A directory entry as wimlib tells it: its own fields, then those of each stream by its heading."""

    fields: dict[str, str]
    streams: dict[str, Stream]


def _listed(path: Path, index: int, judge: Judge) -> dict[str, Listed]:
    text = judge("wimlib-imagex", "dir", path, index, "--detailed").stdout.decode()
    found = {}
    for section in re.split(r"^-{20,}\n", text, flags=re.MULTILINE)[1:]:
        head, *rest = re.split(r"^\t(.*stream.*):\n", section, flags=re.MULTILINE)
        fields = _fields(head.splitlines())
        streams = {
            heading: _fields(body.splitlines()) for heading, body in zip(rest[::2], rest[1::2], strict=True)
        }
        found[fields["Full Path"].strip('"')] = Listed(fields, streams)
    assert "/" in found
    return found


# --- the judges -----------------------------------------------------------------------------------


@every_case
def test_wimlib_and_7zip_find_nothing_wrong(patched: Patched, judge: Judge) -> None:
    case = patched.case
    still_low = case.variant == COUNTS_TOO_LOW and not case.copy and case.index != "all"
    _please(patched.after.path, judge, noisy=still_low)


@pytest.mark.parametrize("name", PATCHABLE)
def test_7zip_warns_beforehand_of_the_named_images_only(name: str, judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(_content(name))
    assert ("WARN" in _words_of_7zip(path, judge)) == (name in NOISY_BEFORE)


@every_case
def test_every_reader_of_hives_sees_the_exact_blob(patched: Patched, judge: Judge, tmp_path: Path) -> None:
    case = patched.case
    for index in range(1, patched.after.images + 1):
        hive = _extracted(patched.after.path, index, case.software, judge)
        with patched.after.path.open("rb") as file:
            own = WimFile(file, "after.wim").read_file(index, images.SOFTWARE.replace("/", "\\"))
        assert hive == own
        old = _extracted(patched.before.path, index, case.software, judge)
        if not case.names(index):
            assert hive == old
            continue
        assert hive != old
        path = tmp_path / "SOFTWARE"
        path.write_bytes(hive)
        exported = judge("hivexregedit", "--export", path, KEY).stdout.decode()
        value = re.search(r'"Blob"=hex\(3\):([0-9a-f,\\\s]+)', exported)
        assert value is not None
        assert bytes.fromhex(re.sub(r"[^0-9a-f]", "", value[1])) == BLOB
        shown = judge("regfexport", "-K", KEY, path).stdout.decode()
        assert "REG_BINARY" in shown
        lines = re.findall(r"^[0-9a-f]{8}: ((?:[0-9a-f]{2} {1,2}){1,16})", shown, re.MULTILINE)
        assert bytes.fromhex("".join(lines)) == BLOB
        judge("hivexsh", path, stdin=f"cd {KEY}\nlsval\n".encode())


# --- nothing else ---------------------------------------------------------------------------------


@every_case
def test_only_the_hive_and_its_last_write_time_differ(patched: Patched, judge: Judge) -> None:
    case = patched.case
    for index in range(1, patched.after.images + 1):
        old, new = (_listed(each.path, index, judge) for each in (patched.before, patched.after))
        assert list(old) == list(new)
        names = case.names(index)
        touched = {old[name].streams["Unnamed data stream"]["Hash"] for name in names}
        touched |= {new[name].streams["Unnamed data stream"]["Hash"] for name in names}
        for path, entry in old.items():
            _compare_entry(path, entry, new[path], changed=path in names)
            for heading, stream in entry.streams.items():
                free = {"Offset in WIM"} if case.copy else set()
                if path in names and heading == "Unnamed data stream":
                    free |= {"Hash", "Uncompressed size", "Compressed size", "Offset in WIM", "Flags"}
                    assert new[path].streams[heading]["Hash"] != stream["Hash"]
                if stream["Hash"] in touched or _shared_elsewhere(patched, stream["Hash"]) or case.copy:
                    free.add("Reference Count")
                assert _without(stream, free) == _without(new[path].streams[heading], free), path


def _compare_entry(path: str, old: Listed, new: Listed, *, changed: bool) -> None:
    free = {"Last Write Time"} if changed else set()
    assert _without(old.fields, free) == _without(new.fields, free), path
    assert list(old.streams) == list(new.streams)
    if changed:
        assert old.fields["Last Write Time"] != new.fields["Last Write Time"]


def _shared_elsewhere(patched: Patched, digest: str) -> bool:
    """Whether the counts of this blob changed because another image was patched."""
    raw = bytes.fromhex(digest.removeprefix("0x"))
    counts = [
        {found: count for _, count, found in each.table if found == raw}
        for each in (patched.before, patched.after)
    ]
    other = any(patched.case.names(index) for index in range(1, patched.after.images + 1))
    return counts[0] != counts[1] and other and raw in _hives(patched)


def _hives(patched: Patched) -> set[bytes]:
    """The hashes of all SOFTWARE hives of both files."""
    found = set()
    for wim in (patched.before, patched.after):
        with wim.path.open("rb") as file:
            opened = WimFile(file, wim.path.name)
            for index in range(1, wim.images + 1):
                entry = opened.directory(index).find_file(images.SOFTWARE.replace("/", "\\"))
                found.add(entry.contents.hash)
    return found


def _without(fields: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in names}


@every_case
def test_7zip_lists_the_same_names_with_the_same_times_to_the_tick(patched: Patched, judge: Judge) -> None:
    case = patched.case
    old, new = (_of_7zip(each.path, judge) for each in (patched.before, patched.after))
    assert set(old) == set(new)
    several = patched.after.images > 1
    changed = {
        (f"{index}{name}" if several else name[1:])
        for index in range(1, patched.after.images + 1)
        for name in case.names(index)
    }
    for path, fields in old.items():
        free = {"Links"}
        if path in changed:
            free |= {"Size", "Packed Size", "Modified", "Method", "SHA-1"}
            assert fields["SHA-1"] != new[path]["SHA-1"]
        assert _without(fields, free) == _without(new[path], free), path
    assert changed <= set(old)


def _of_7zip(path: Path, judge: Judge) -> dict[str, dict[str, str]]:
    text = judge("7zz", "l", "-slt", path).stdout.decode()
    sections = text.partition("\n----------\n")[2].strip().split("\n\n")
    entries = [section for section in sections if section.startswith("Path = ")]
    every = [dict(line.partition(" = ")[::2] for line in entry.splitlines()) for entry in entries]
    # Contents that no name has any more are listed as well, and the XML as if it were a file.
    return {fields["Path"]: fields for fields in every if not fields["Path"].startswith("[")}


@every_case
def test_reference_counts_are_the_number_of_names(patched: Patched, judge: Judge) -> None:
    names: Counter[bytes] = Counter()
    for index in range(1, patched.after.images + 1):
        for entry in _listed(patched.after.path, index, judge).values():
            names.update(bytes.fromhex(stream["Hash"][2:]) for stream in entry.streams.values())
    del names[bytes(20)]
    counts = {digest: count for entry, count, digest in patched.after.table if not entry.flags & 2}
    low = {hashlib.sha1(images.small_hive()).digest()} if patched.case.variant == COUNTS_TOO_LOW else set()
    if patched.case.copy:
        assert counts == dict(names)
        return
    assert set(names) <= set(counts)
    for digest, count in counts.items():
        if digest in low:
            assert count <= names[digest]
        else:
            assert count == names[digest], digest.hex()


@every_case
def test_other_entries_of_the_lookup_table_stay_where_they_are(patched: Patched) -> None:
    before, after = patched.before, patched.after
    assert len({digest for entry, _, digest in after.table if not entry.flags & 2}) == sum(
        1 for entry, _, _ in after.table if not entry.flags & 2
    )
    changed = [bool(patched.case.names(index)) for index in range(1, after.images + 1)]
    for old, new, is_changed in zip(before.metadata, after.metadata, changed, strict=True):
        assert old.plain == new.plain
        assert (old.flags | 4, new.flags & 2) == (new.flags | 4, 2)
        if not patched.case.copy:
            assert (old == new) != is_changed
    if patched.case.copy:
        return
    for (old_place, _, digest), (new_place, _, new_digest) in zip(before.table, after.table, strict=False):
        if not old_place.flags & 2:
            assert (old_place, digest) == (new_place, new_digest)
    assert len(after.table) - len(before.table) == any(changed)


# --- header, XML, integrity -----------------------------------------------------------------------


@every_case
def test_the_header_keeps_all_but_the_places(patched: Patched) -> None:
    old, new = patched.before.raw, patched.after.raw
    assert new[:LOOKUP] == old[:LOOKUP]
    assert new[BOOT_INDEX:INTEGRITY] == old[BOOT_INDEX:INTEGRITY]
    assert new[SPARE:208] == old[SPARE:208]
    for at in (LOOKUP, XML, INTEGRITY):
        assert _resource(new, at).flags == _resource(old, at).flags
        assert _resource(new, at).stored == _resource(new, at).plain
    assert bool(_resource(new, INTEGRITY).offset) == bool(_resource(old, INTEGRITY).offset)


@every_case
def test_the_header_names_the_metadata_of_the_bootable_image(patched: Patched) -> None:
    boot = patched.after.boot_index
    found = patched.after.raw[BOOT_METADATA : BOOT_METADATA + 24]
    was_there = any(patched.before.raw[BOOT_METADATA : BOOT_METADATA + 24])
    if boot and (was_there or patched.case.names(boot)):
        assert _resource(patched.after.raw, BOOT_METADATA) == patched.after.metadata[boot - 1]
    else:
        assert not any(found)


@every_case
def test_the_xml_differs_in_sums_and_time_of_the_patched_images_only(
    patched: Patched, judge: Judge, tmp_path: Path
) -> None:
    texts = []
    for wim in (patched.before, patched.after):
        target = tmp_path / wim.path.with_suffix(".xml").name
        judge("wimlib-imagex", "info", wim.path, f"--extract-xml={target}")
        texts.append(target.read_bytes().decode("utf-16"))
        assert wim.xml.lstrip("\ufeff") == texts[-1].lstrip("\ufeff")
    digits = re.compile(r"(<(TOTALBYTES|HARDLINKBYTES|HIGHPART|LOWPART)>)[^<]+")
    assert digits.sub(r"\1", texts[0]) == digits.sub(r"\1", texts[1])
    old, new = (ET.fromstring(text) for text in texts)  # noqa: S314 - test data
    assert new.findtext("TOTALBYTES") == str(_resource(patched.after.raw, XML).offset)
    for index, (image, now) in enumerate(
        zip(old.findall("IMAGE"), new.findall("IMAGE"), strict=True), start=1
    ):
        names = len(patched.case.names(index))
        grown = _growth(patched, index, judge) if names else 0
        assert (grown > 0) == (bool(names) and patched.case.variant in GROWING)
        for path, change in (("TOTALBYTES", grown * names), ("HARDLINKBYTES", grown * max(0, names - 1))):
            assert int(now.findtext(path, "")) - int(image.findtext(path, "")) == change
        written = "LASTMODIFICATIONTIME"
        assert (_text(image, written) != _text(now, written)) == bool(names)
        assert _text(image, "CREATIONTIME") == _text(now, "CREATIONTIME")
        assert re.fullmatch(r"(0x[0-9A-F]{8}){2}", _text(now, written))


def _growth(patched: Patched, index: int, judge: Judge) -> int:
    sizes = [
        len(_extracted(wim.path, index, patched.case.software, judge))
        for wim in (patched.before, patched.after)
    ]
    return sizes[1] - sizes[0]


def _text(image: ET.Element, path: str) -> str:
    element = image.find(path)
    assert element is not None
    return "".join(element.itertext())


@every_case
def test_the_integrity_table_fits_the_file(patched: Patched) -> None:
    raw = patched.after.raw
    place = _resource(raw, INTEGRITY)
    if not place.offset:
        assert patched.case.variant == "no-integrity"
        return
    lookup = _resource(raw, LOOKUP)
    table = raw[place.offset : place.offset + place.stored]
    size, count, piece = struct.unpack_from("<III", table)
    end = lookup.offset + lookup.stored
    digests = [hashlib.sha1(raw[at : min(at + piece, end)]).digest() for at in range(208, end, piece)]
    assert (size, count) == (12 + 20 * len(digests), len(digests))
    assert table[12:] == b"".join(digests)
    (old_piece,) = struct.unpack_from(
        "<I", patched.before.raw, _resource(patched.before.raw, INTEGRITY).offset + 8
    )
    assert piece == old_piece


@every_case
def test_the_file_ends_with_its_last_part_and_holds_the_old_one_unless_copied(patched: Patched) -> None:
    raw = patched.after.raw
    parts = [_resource(raw, at) for at in (LOOKUP, XML, INTEGRITY)]
    unchanged = not patched.case.copy and patched.before.raw == raw
    if unchanged:
        assert patched.case.variant == "authroot-already"
        return
    assert max(part.offset + part.stored for part in parts) == len(raw)
    if not patched.case.copy:
        old_end = max(
            part.offset + part.stored
            for part in (_resource(patched.before.raw, at) for at in (XML, INTEGRITY))
        )
        assert raw[208:old_end] == patched.before.raw[208:old_end]


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("patched", [case for case in CASES if case.copy], ids=str, indirect=True)
def test_a_copy_holds_live_resources_back_to_back_and_nothing_else(patched: Patched) -> None:
    raw = patched.after.raw
    parts = [_resource(raw, at) for at in (LOOKUP, XML, INTEGRITY)]
    spans = sorted((each.offset, each.offset + each.stored) for each in [*parts, *_places(patched.after)])
    at = 208
    for start, end in spans:
        if end > start:
            assert start == at
            at = end
    assert at == len(raw)


def _places(wim: Wim) -> list[Resource]:
    return [entry for entry, _, _ in wim.table]


@pytest.mark.parametrize("name", PATCHABLE)
def test_a_copy_is_no_larger_than_the_image_patched_in_place_and_has_no_old_hive(
    name: str, tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "boot.wim", tmp_path / "copy.wim"
    path.write_bytes(_content(name))
    before = Wim(path)
    inside = Case(name, "all", copy=True).software
    olds = {index: _extracted(path, index, inside, judge) for index in range(1, before.images + 1)}
    assert _inject(path, "--index", "all", "-o", str(copy)) == 0
    assert _inject(path, "--index", "all") == 0
    capsys.readouterr()
    after = Wim(copy)
    assert len(after.raw) <= path.stat().st_size
    news = [_extracted(copy, index, inside, judge) for index in olds]
    kept = {chunk for new in news for chunk in after.chunks(new)}
    gone = {chunk for old in olds.values() for chunk in before.chunks(old)} - kept
    # A plain last chunk of the old hive may have grown into a longer one of the new hive.
    gone = {chunk for chunk in gone if not any(chunk in new for new in news)}
    assert bool(gone) == (name != "authroot-already")
    assert not [chunk for chunk in gone if chunk in after.raw]
    if name == "authroot-already":
        assert after.raw == before.raw


def test_bytes_left_over_behind_the_end_are_not_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "boot.wim", tmp_path / "copy.wim"
    path.write_bytes(images.variant("trailing-bytes"))
    assert _inject(path, "--index", "all", "-o", str(copy)) == 0
    capsys.readouterr()
    assert b"left over" not in copy.read_bytes()


# --- again and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PATCHABLE)
def test_a_second_time_changes_nothing_and_removal_and_return_are_sound(
    name: str, tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(_content(name))
    assert _inject(path, "--index", "all") == 0
    content, written = path.read_bytes(), path.stat().st_mtime_ns
    capsys.readouterr()
    assert _inject(path, "--index", "all", "--format", "json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["changed"], {image["changed"] for image in report["images"]}) == (False, {False})
    statuses = {found["status"] for image in report["images"] for found in image["certificates"]}
    assert statuses == {"unchanged"}
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, written)

    assert main(["verify", str(path), "--cert", str(CERTIFICATE), "--store", "AuthRoot"]) == 0
    assert main(["remove", str(path), "--cert", str(CERTIFICATE), "--index", "all"]) == 0
    assert main(["verify", str(path), "--cert", str(CERTIFICATE)]) == 1
    _please(path, judge, noisy=name == COUNTS_TOO_LOW)
    assert _inject(path, "--index", "all") == 0
    assert main(["verify", str(path), "--cert", str(CERTIFICATE), "--store", "AuthRoot"]) == 0
    _please(path, judge, noisy=name == COUNTS_TOO_LOW)
    for index in range(1, Wim(path).images + 1):
        hive = tmp_path / "SOFTWARE"
        hive.write_bytes(_extracted(path, index, Case(name, "all", copy=False).software, judge))
        exported = judge("hivexregedit", "--export", hive, KEY).stdout.decode()
        assert BLOB[:16].hex(",") in exported


def test_an_image_patched_alone_and_then_all_of_them_share_one_hive_again_or_stay_sound(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.wim"
    path.write_bytes(images.variant("boot"))
    for index in ("1", "2", "all"):
        assert _inject(path, "--index", index) == 0
        _please(path, judge)
    capsys.readouterr()
    assert main(["verify", str(path), "--cert", str(CERTIFICATE), "--index", "all"]) == 0


# --- through an NTFS volume -----------------------------------------------------------------------


def _volume(path: Path, judge: Judge) -> Path:
    with path.open("wb") as file:
        file.truncate(16 << 20)
    judge("mkntfs", "-F", "-q", path)
    return path


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory, judge: Judge) -> Path:
    """An NTFS volume that the committed image was applied to."""
    path = _volume(tmp_path_factory.mktemp("volume") / "ntfs.img", judge)
    judge("wimlib-imagex", "apply", FOLDER / "boot.wim", 1, path)
    return path


@pytest.mark.parametrize(
    "options",
    [
        ("--compress=LZX",),
        ("--compress=LZX", "--chunk-size=65536"),
        ("--compress=LZX", "--chunk-size=2097152", "--check"),
        ("--compress=XPRESS",),
        ("--compress=XPRESS", "--chunk-size=4096"),
        ("--compress=none", "--check"),
    ],
    ids=" ".join,
)
def test_an_image_captured_from_ntfs_goes_back_to_ntfs_with_only_its_hive_changed(
    options: tuple[str, ...], volume: Path, judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "captured.wim"
    judge("wimlib-imagex", "capture", volume, path, *options)
    before = _listed(path, 1, judge)
    assert _inject(path) == 0
    capsys.readouterr()
    _please(path, judge)
    name = f"/{images.SOFTWARE}"
    between = _listed(path, 1, judge)
    for each, entry in before.items():
        _compare_entry(each, entry, between[each], changed=each == name)
    returned = _volume(tmp_path / "returned.img", judge)
    judge("wimlib-imagex", "apply", path, 1, returned)
    again = tmp_path / "again.wim"
    judge("wimlib-imagex", "capture", returned, again, "--compress=none")
    after = _listed(again, 1, judge)
    assert set(after) == set(before)
    by_volume = {"Link Group ID", "Last Access Time"}
    for each, entry in before.items():
        free = by_volume | ({"Last Write Time"} if each == name else set())
        assert _without(entry.fields, free) == _without(after[each].fields, free), each
        assert list(entry.streams) == list(after[each].streams)
        hashes = [stream["Hash"] for stream in entry.streams.values()]
        now = [stream["Hash"] for stream in after[each].streams.values()]
        assert (hashes == now) == (each != name)
    assert main(["verify", str(again), "--cert", str(CERTIFICATE), "--store", "AuthRoot"]) == 0


def test_a_solid_image_is_refused_and_left_alone(
    volume: Path, judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "solid.wim"
    judge("wimlib-imagex", "capture", volume, path, "--solid")
    content = path.read_bytes()
    assert _inject(path) == 3
    assert "solid" in capsys.readouterr().err
    assert path.read_bytes() == content
