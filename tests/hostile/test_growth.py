"""Claims that would cost memory or time without end: refused at once, naming the file and the place.

The limits are tight on purpose: all of these files are smaller than a megabyte, so nothing that they say may
lead to more work than their own size asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.testdata import images
from scripts.testdata.build import FOLDER
from scripts.testdata.hive_writer import REG_SZ, Hive, Key, Value, build_hive, text
from scripts.testdata.hives import hive_variant, software, usual_stores
from scripts.testdata.hostile import hostile
from scripts.testdata.security import key_descriptors
from tests.hostile.isolated import Isolated, Outcome

CERTIFICATE = FOLDER / "certs" / "corp-root.cer"
MAXIMUM_SECONDS = 5
MAXIMUM_PEAK = 100 << 20
CELLS = 4096


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated() as running:
        yield running


def _refused(outcome: Outcome, path: Path, *words: str) -> None:
    assert outcome.code == 3, (outcome.stdout, outcome.stderr)
    assert outcome.seconds < MAXIMUM_SECONDS
    assert outcome.peak < MAXIMUM_PEAK
    first = outcome.stderr.splitlines()[0]
    assert first.startswith(f"error: {path}")
    for word in words:
        assert word in outcome.stderr


ABSURD = {
    "wim/lookup-huge": ("lookup table", "offset 111747", str(1 << 55)),
    "wim/lookup-past-end": ("lookup table", f"offset {1 << 40}"),
    "wim/lookup-missing": ("the lookup table has metadata for 0",),
    "wim/xml-huge": ("XML", "offset 112547", str(1 << 55)),
    "wim/xml-past-end": ("XML", f"offset {1 << 40}"),
    "wim/xml-entity-bomb": ("XML", "document type"),
    "wim/image-count-2g": (str(1 << 31), "header offset 0x2c"),
    "wim/chunk-size-2g": (str(1 << 31), "header offset 0x14"),
    "wim/resource-huge": (r"Windows\System32\config\SOFTWARE", "offset 32176", str(1 << 55)),
    "wim/resource-plain-huge": (r"Windows\System32\config\SOFTWARE", "offset 32176", str(1 << 55)),
    "wim/metadata-huge": ("metadata of image 1", "offset 110427", str(1 << 55)),
    "wim/metadata-plain-huge": ("metadata of image 1", "offset 110427", str(1 << 55)),
    "wim/chunk-table-past-end": (r"Windows\System32\config\SOFTWARE", "claims 1000000000 bytes", "offset"),
    "wim/chunk-past-end": (r"Windows\System32\config\SOFTWARE", "chunk 2", "2147579700"),
    "wim/security-count": ("image 1", "metadata at offset 0", str(1 << 31)),
    "wim/security-length": ("image 1", "metadata at offset 0", str(1 << 31)),
    "wim/directory-past-end": ("image 1", f"metadata at offset {1 << 50}"),
    "wim/directory-itself": ("image 1", r"Windows\System32\config"),
    "wim/directory-cycle": ("image 1", r"Windows\System32\config"),
    "wim/directory-deep": ("image 1", "there is no Windows"),
    "wim/entry-length-wrap": ("image 1", "metadata at offset 4104", str((1 << 64) - 8)),
    "wim/stream-count": ("image 1", "metadata at offset"),
    "wim/stream-length-0": ("image 1", "metadata at offset 3608"),
    "hive/bins-size-huge": ("size of the hive bins",),
    "hive/bin-size-huge": ("hive bin at hive offset 0x0",),
    "hive/subkey-count": ("subkey list at hive offset",),
    "hive/subkey-list-count": ("subkey list at hive offset",),
    "hive/subkey-list-past-end": ("hive offset 0x7FFFFFF0",),
    "hive/subkey-cycle": ("key node at hive offset 0x20",),
    "hive/root-past-end": ("key node at hive offset 0x7FFFFFF0",),
    "certificate/der-length-huge": ("certificate",),
    "certificate/der-nested": ("DER",),
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_claim_is_refused_at_once_where_it_stands(
    name: str, isolated: Isolated, tmp_path: Path
) -> None:
    path, image = tmp_path / "absurd.bin", tmp_path / "boot.wim"
    path.write_bytes(hostile(name)[0])
    image.write_bytes(images.variant("single"))
    target = (image, "--cert", path) if name.startswith("certificate/") else (path, "--cert", CERTIFICATE)
    _refused(isolated.run("inject", *target), path, *ABSURD[name])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wim/directory-cycle-elsewhere", ("image 1", "metadata at offset", "leads back into the tree")),
        ("wim/directory-twice", ("image 1", "metadata at offset", "leads back into the tree")),
        ("wim/stream-length-huge", ("image 1", "metadata at offset 3608")),
        ("wim/integrity-count", ("integrity table", "4294967295 pieces")),
        ("wim/integrity-size", ("integrity table", "4294967280")),
        ("wim/integrity-piece-0", ("integrity table", "pieces of 0 bytes")),
    ],
)
def test_a_copy_walks_everything_and_refuses_what_has_no_end(
    name: str, words: tuple[str, ...], isolated: Isolated, tmp_path: Path
) -> None:
    path, copy = tmp_path / "absurd.wim", tmp_path / "copy.wim"
    path.write_bytes(hostile(name)[0])
    _refused(isolated.run("inject", path, "--cert", CERTIFICATE, "-o", copy), path, *words)
    assert not copy.exists()


def test_directories_nested_three_thousand_deep_are_walked_without_recursion(
    isolated: Isolated, tmp_path: Path
) -> None:
    """They are legal; only SOFTWARE is missing, so the walk is asked for on another image of the file."""
    from winpe_certs.wim.reader import WimFile

    path = tmp_path / "deep.wim"
    path.write_bytes(hostile("wim/directory-deep")[0])
    with path.open("rb") as file:
        assert sum(1 for _ in WimFile(file, "deep.wim").directory(1).walk()) == 3002
    _refused(isolated.run("list", path), path)


# --- lists that lead back into themselves ---------------------------------------------------------


def _list_of(hive: bytes, name: str) -> int:
    """The place in the file of a key's list of subkeys."""
    place = hive.index(b"nk", CELLS)
    while hive[place + 76 : place + 76 + len(name)] != name.encode() or hive[place : place + 2] != b"nk":
        place = hive.index(b"nk", place + 1)
    (offset,) = struct.unpack_from("<I", hive, place + 28)
    return CELLS + int(offset) + 4


def _index_of_itself() -> bytes:
    """A list of lists whose first entry is the list itself."""
    hive = bytearray(hive_variant("software-1.5.hiv"))
    place = hive.index(b"ri", CELLS)
    (size,) = struct.unpack_from("<i", hive, place - 4)
    assert size < 0
    struct.pack_into("<I", hive, place + 4, place - 4 - CELLS)
    return bytes(hive)


def _list_loop(name: str) -> bytes:
    """The subkeys of a key, become a list of lists that names itself and nothing else."""
    hive = bytearray(hive_variant("no-free-cells.hiv"))
    place = _list_of(bytes(hive), name)
    (count,) = struct.unpack_from("<H", hive, place + 2)
    hive[place : place + 2] = b"ri"
    struct.pack_into(f"<{count * 2}I", hive, place + 4, *[place - 4 - CELLS] * (count * 2))
    return bytes(hive)


def _node_loop() -> bytes:
    """SystemCertificates is its own only subkey, many times."""
    hive = bytearray(hive_variant("no-free-cells.hiv"))
    place = _list_of(bytes(hive), "SystemCertificates")
    (count,) = struct.unpack_from("<H", hive, place + 2)
    parent = hive.index(b"SystemCertificates", CELLS) - 76 - 4 - CELLS
    for number in range(count):
        struct.pack_into("<I", hive, place + 4 + 8 * number, parent)
    return bytes(hive)


@pytest.mark.parametrize("command", ["list", "verify", "inject"])
@pytest.mark.parametrize(
    "make",
    [lambda: _list_loop("SystemCertificates"), lambda: _list_loop("Microsoft"), _node_loop],
    ids=["certificates-list", "microsoft-list", "key-of-itself"],
)
def test_a_loop_on_the_way_to_the_stores_is_refused_with_its_place(
    make: Callable[[], bytes], command: str, isolated: Isolated, tmp_path: Path
) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(make())
    more = () if command == "list" else ("--cert", CERTIFICATE)
    _refused(isolated.run(command, path, *more), path, "hive offset 0x")
    assert path.read_bytes() == make()


def test_a_loop_elsewhere_is_found_by_the_full_check(isolated: Isolated, tmp_path: Path) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(_index_of_itself())
    for command in ("verify", "inject"):
        outcome = isolated.run(command, path, "--cert", CERTIFICATE, "--full-check")
        _refused(outcome, path, "broken invariants", "offset 0x")
    assert path.read_bytes() == _index_of_itself()


# --- legal and large ------------------------------------------------------------------------------


def test_many_keys_cost_no_more_than_their_size(isolated: Isolated, tmp_path: Path) -> None:
    many = [Key(f"key {number:05}", [Value("", REG_SZ, text("x"))]) for number in range(20_000)]
    root = software(usual_stores(), class_ids=10, more=[Key("many", subkeys=many)], scatter=None)
    path = tmp_path / "SOFTWARE"
    path.write_bytes(build_hive(root))
    for command in ("inject", "verify"):
        outcome = isolated.run(command, path, "--cert", CERTIFICATE)
        assert outcome.code == 0, outcome.stderr
        assert outcome.seconds < MAXIMUM_SECONDS
        assert outcome.peak < MAXIMUM_PEAK + 4 * path.stat().st_size


def test_a_hive_of_nothing_but_a_root_is_no_software_hive(isolated: Isolated, tmp_path: Path) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(build_hive(Hive(Key("root", security=0), key_descriptors()[:1])))
    _refused(isolated.run("inject", path, "--cert", CERTIFICATE), path, "not SOFTWARE")
