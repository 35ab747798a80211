"""wimlib's own account of an image, entry by entry, beside our manifest of it.

Also through NTFS: wimlib applies an image to a volume and captures the volume into a new one, with numbers,
places and order of its own, and the manifest stays the same text.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.testdata import wim_writer
from scripts.testdata.images import SOUND, TOLERATED, single, small_hive, software, variant
from scripts.testdata.wim_writer import Entry, build_wim
from tests.conftest import Judge
from winpe_certs.report.manifest import render
from winpe_certs.results import Report
from winpe_certs.wim.reader import WimFile
from winpe_certs.workflows.manifest import manifests
from winpe_certs.workflows.selection import Choice

_NO_HASH = "0" * 40
_UNIX_DATA = 0x337DD873


@dataclass
class Account:
    """What can be said of one entry by both."""

    attributes: int = 0
    descriptor: str = "-"
    times: tuple[datetime, ...] = ()
    contents: str = "-"
    streams: list[tuple[str, str]] = field(default_factory=list)
    short_name: str = ""
    reparse_tag: int | None = None
    link: str = ""
    extra: str = ""


def of_wimlib(text: str) -> dict[str, Account]:
    """The accounts in what ``wimlib-imagex dir --detailed`` prints."""
    accounts: dict[str, Account] = {}
    groups: dict[str, list[str]] = {}
    for block in re.split(r"^-{70,}\n", text, flags=re.MULTILINE)[1:]:
        head, *streams = re.split(r"^\t(?=.*stream.*:$)", block, flags=re.MULTILINE)
        fields = dict(re.findall(r"^(\w[\w ]*?) += (.*)$", head, re.MULTILINE))
        path = fields["Full Path"][1:-1].replace("/", "\\")
        account = accounts[path] = Account(
            int(fields["Attributes"], 16), short_name=fields["Short Name"][1:-1]
        )
        if "Security Descriptor" in fields:
            raw = bytes.fromhex(fields["Security Descriptor"])
            account.descriptor = hashlib.sha256(raw).hexdigest()
        account.times = tuple(
            datetime.strptime(fields[name], "%a %b %d %H:%M:%S %Y UTC").replace(tzinfo=UTC)
            for name in ("Creation Time", "Last Write Time", "Last Access Time")
        )
        if "Reparse Tag" in fields:
            account.reparse_tag = int(fields["Reparse Tag"], 16)
        if "UNIX Data" in fields:
            numbers = re.fullmatch(r"uid:(\d+) gid:(\d+) mode:(\d+) rdev:(\w+)", fields["UNIX Data"])
            assert numbers
            uid, gid, mode, device = (int(numbers[at + 1], base) for at, base in enumerate((10, 10, 8, 16)))
            item = struct.pack("<IIIIII", _UNIX_DATA, 16, uid, gid, mode, device)
            account.extra = hashlib.sha256(item.rstrip(b"\0")).hexdigest()
        if int(fields["Link Count"]) > 1:
            groups.setdefault(fields["Link Group ID"], []).append(path)
        for stream in streams:
            named = re.match(r'Named data stream "(.*)":', stream)
            found = re.search(r"^Hash += 0x([0-9a-f]{40})$", stream, re.MULTILINE)
            assert found
            text_hash = "-" if found[1] == _NO_HASH else found[1]
            if named:
                account.streams.append((named[1], text_hash))
            else:
                account.contents = text_hash
        account.streams.sort()
    for paths in groups.values():
        for path in paths:
            accounts[path].link = min(paths)
    return accounts


def of_manifest(text: str) -> dict[str, Account]:
    """The same out of the text of a manifest; times to the second, as wimlib tells them."""
    accounts: dict[str, Account] = {}
    for line in text.splitlines():
        path, *parts = line.split("\t")
        pairs = [part.split("=", 1) for part in parts]
        fields = dict(pairs)
        accounts[path] = Account(
            int(fields.pop("attributes"), 16),
            fields.pop("sd"),
            tuple(_moment(fields.pop(name)) for name in ("created", "written", "accessed")),
            fields.pop("sha1"),
            [
                (value.rpartition(":")[0], value.rpartition(":")[2])
                for name, value in pairs
                if name == "stream"
            ],
            fields.pop("short", ""),
            int(fields.pop("reparse"), 16) if "reparse" in fields else None,
            fields.pop("link", ""),
            fields.pop("extra", ""),
        )
        assert fields.keys() <= {"stream", "reparse-flags"}
    return accounts


def _moment(text: str) -> datetime:
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)


def our_report(path: Path, index: int = 1) -> Report:
    report = manifests([path], index=Choice(numbers=(index,)))
    assert report.error is None
    return report


def our_text(path: Path, index: int = 1) -> str:
    """What `winpe-certs manifest` prints."""
    return render(our_report(path, index))


@pytest.fixture
def wimlib_account(judge: Judge) -> Callable[[Path, int], dict[str, Account]]:
    def ask(path: Path, index: int) -> dict[str, Account]:
        return of_wimlib(judge("wimlib-imagex", "dir", path, index, "--detailed").stdout.decode())

    return ask


Ask = Callable[[Path, int], dict[str, Account]]


def _reparse_data(target: str) -> bytes:
    encoded = target.encode("utf-16-le")
    return struct.pack("<HHHHI", 0, len(encoded), 0, len(encoded), 1) + encoded * 2


def everything() -> bytes:
    """An image with one of each: links, streams of files, folders and links, attributes, short names."""
    link = Entry("link", _reparse_data("hosts"), attributes=0x420, reparse_tag=0xA000000C)
    linked = software(small_hive(), link_group=42)
    inside = [Entry("deep", children=[Entry("Größe 日本 😀.txt", b"x", short_name="GRE~1.TXT", security=1)])]
    return build_wim(
        single(
            replace(
                linked, streams=[("note", b"an alternate stream"), ("empty", b"")], short_name="SOFTWA~1"
            ),
            Entry("one", b"linked twice", link_group=9, security=1),
            Entry("two", b"linked twice", link_group=9, security=1),
            Entry("three", b"linked twice", link_group=10),
            link,
            replace(link, name="link with a stream", streams=[("s", b"abc")]),
            Entry("folder", children=inside, streams=[("onfolder", b"xyz")], attributes=0x12),
            Entry("odd", b"", attributes=wim_writer.READ_ONLY | wim_writer.HIDDEN | wim_writer.SYSTEM),
            Entry(
                "old", b"1", times=(116_444_736_000_000_001, 132_000_000_000_000_002, 131_999_999_999_999_999)
            ),
        )
    )


@pytest.mark.parametrize(
    "name", sorted({*SOUND, *TOLERATED, "software-reparse", "software-encrypted"} - {"hard-linked"})
)
def test_wimlib_gives_the_same_account_of_every_entry(wimlib_account: Ask, tmp_path: Path, name: str) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(variant(name))
    for index in range(1, WimFile(io.BytesIO(variant(name)), name).header.image_count + 1):
        ours = of_manifest(our_text(image, index))
        assert len(ours) > 20
        assert ours == wimlib_account(image, index)


def test_names_of_one_file_that_disagree_are_told_as_they_are_stored(
    wimlib_account: Ask, tmp_path: Path
) -> None:
    """wimlib gives all names of a file what the first of them says; the manifest keeps what each says."""
    image = tmp_path / "boot.wim"
    image.write_bytes(variant("hard-linked"))
    ours, theirs = of_manifest(our_text(image)), wimlib_account(image, 1)
    differing = [path for path in ours if ours[path] != theirs[path]]
    assert len(differing) == 1
    one, other = (account for account in ours.values() if account.link == ours[differing[0]].link)
    assert one.descriptor != other.descriptor
    ours[differing[0]].descriptor = theirs[differing[0]].descriptor
    assert ours == theirs


def test_wimlib_gives_the_same_account_of_one_of_each(wimlib_account: Ask, tmp_path: Path) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(everything())
    ours = of_manifest(our_text(image))
    assert ours == wimlib_account(image, 1)
    config = "\\Windows\\System32\\config\\"
    assert ours[f"{config}two"].link == f"{config}one"
    assert ours[f"{config}three"].link == ""
    assert ours[f"{config}link with a stream"].reparse_tag == 0xA000000C
    assert ours[f"{config}folder"].streams


def test_wimlib_gives_the_same_account_of_what_it_captured(
    judge: Judge, wimlib_account: Ask, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(b"x" * 100_000)
    (tree / "twin").hardlink_to(tree / "sub" / "file")
    (tree / "link").symlink_to("twin")
    (tree / "only for me").write_bytes(b"")
    (tree / "only for me").chmod(0o600)
    image = tmp_path / "captured.wim"
    judge("wimlib-imagex", "capture", tree, image, "--unix-data")
    ours = of_manifest(our_text(image))
    assert ours == wimlib_account(image, 1)
    assert ours["\\twin"].link == ours["\\sub\\file"].link == "\\sub\\file"
    assert ours["\\link"].reparse_tag == 0xA000000C
    assert len({account.extra for account in ours.values()}) > 2


HOSTS, LINKED = "hosts", "crypt32.dll"
MOMENT = struct.pack("<Q", 131_000_000_000_000_000)
CHANGES = [
    ("attributes", HOSTS, 8, struct.pack("<I", 0x21)),
    ("descriptor", HOSTS, 12, struct.pack("<i", 1)),
    ("created", HOSTS, 40, MOMENT),
    ("accessed", HOSTS, 48, MOMENT),
    ("written", HOSTS, 56, MOMENT),
    ("contents", HOSTS, 64, bytes(range(20))),
    ("link", LINKED, 88, struct.pack("<Q", 8)),
    ("name", HOSTS, 102, b"H"),
]


@pytest.mark.parametrize(
    ("file", "at", "value"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_the_comparison_sees_one_changed_field(
    wimlib_account: Ask, tmp_path: Path, file: str, at: int, value: bytes
) -> None:
    """The manifest of a changed image beside wimlib's account of the unchanged one."""

    def change(metadata: bytes) -> bytes:
        place = metadata.index(file.encode("utf-16-le")) - 102 + at
        return metadata[:place] + value + metadata[place + len(value) :]

    wim = replace(single(software(small_hive())), compression="none")
    sound, changed = tmp_path / "sound.wim", tmp_path / "changed.wim"
    sound.write_bytes(build_wim(wim))
    changed.write_bytes(build_wim(replace(wim, edit_metadata=change)))
    theirs = wimlib_account(sound, 1)
    assert of_manifest(our_text(sound)) == theirs
    ours = of_manifest(our_text(changed))
    differing = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    assert differing
    assert all(path.lower().endswith(f"\\{file}") for path in differing)


@pytest.mark.parametrize("name", ["everything", "small", "named-stream", "none", "xpress"])
def test_the_text_stays_through_an_ntfs_volume(judge: Judge, tmp_path: Path, name: str) -> None:
    before, volume, after = tmp_path / "before.wim", tmp_path / "volume", tmp_path / "after.wim"
    before.write_bytes(everything() if name == "everything" else variant(name))
    with volume.open("wb") as file:
        file.truncate(16 << 20)
    judge("mkntfs", "-F", "-Q", "-q", volume)
    judge("wimlib-imagex", "apply", before, 1, volume)
    judge("wimlib-imagex", "capture", volume, after, "captured")
    assert our_text(after) == our_text(before)


def test_the_text_stays_when_wimlib_writes_the_metadata_anew(judge: Judge, tmp_path: Path) -> None:
    image = tmp_path / "boot.wim"
    image.write_bytes(everything())
    before = our_text(image)
    stored = _metadata_of(image)
    (tmp_path / "empty").write_bytes(b"")
    judge("wimlib-imagex", "update", image, 1, "--command", f"add '{tmp_path / 'empty'}' /added")
    judge("wimlib-imagex", "update", image, 1, "--command", "delete /added")
    after = our_text(image)
    assert _metadata_of(image) != stored
    # The root's times are those of its change; nothing else differs.
    assert after.splitlines()[1:] == before.splitlines()[1:]


def _metadata_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return WimFile(file, str(path)).metadata_bytes(1)


def test_the_digest_is_sha256sum_of_the_text(judge: Judge, tmp_path: Path) -> None:
    image, text = tmp_path / "boot.wim", tmp_path / "manifest.txt"
    image.write_bytes(everything())
    report = our_report(image)
    text.write_bytes(render(report).encode())
    assert judge("sha256sum", text).stdout.split()[0].decode() == report.manifests[0].sha256
    judge("sort", "-c", text)
