from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.testdata.images import small_hive, variant
from tests.unit.conftest import Children, two_processes
from winpe_certs.engines import ahead
from winpe_certs.engines.ahead import head_start
from winpe_certs.engines.codecs import use
from winpe_certs.engines.direct import WimTarget
from winpe_certs.wim import parallel
from winpe_certs.wim.codecs.choice import Codec
from winpe_certs.wim.reader import WimFile
from winpe_certs.workflows.selection import SOFTWARE_HIVE

pytestmark = two_processes


@pytest.fixture(autouse=True)
def _worth_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our images are small: let every resource be worth a second process, as if there were no libwim."""
    monkeypatch.setattr(parallel, "FEWEST_CHUNKS", 1)
    use(Codec.PYTHON)
    yield
    use(Codec.AUTO)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "boot.wim"
    path.write_bytes(variant("small"))
    return path


def test_the_work_goes_on_where_it_was_begun(image: Path, children: Children) -> None:
    with head_start(image, 1, SOFTWARE_HIVE) as begun, WimTarget(image, clock=0) as target:
        assert begun is not None
        target.read_ahead(1, SOFTWARE_HIVE, begun)
        assert target.read(1, SOFTWARE_HIVE) == small_hive()
    assert len(children.started) == 1
    assert children.are_gone()


def test_without_an_index_it_begins_with_the_image_that_boots(image: Path, children: Children) -> None:
    with head_start(image, None, SOFTWARE_HIVE) as begun, WimTarget(image, clock=0) as target:
        target.read_ahead(target.wim.header.boot_index, SOFTWARE_HIVE, begun)
        target.read(target.wim.header.boot_index, SOFTWARE_HIVE)
    assert len(children.started) == 1


def test_another_file_of_the_image_is_not_taken_for_it(image: Path, children: Children) -> None:
    with head_start(image, 1, r"Windows\System32\crypt32.dll") as begun, WimTarget(image, clock=0) as target:
        assert begun is not None
        target.read_ahead(1, SOFTWARE_HIVE, begun)
        assert target.read(1, SOFTWARE_HIVE) == small_hive()
    assert len(children.started) == 2
    assert children.are_gone()


def test_a_file_that_has_changed_meanwhile_is_read_from_its_beginning(
    image: Path, children: Children
) -> None:
    """Even where the resource lies as before: here it was damaged, and is put right."""
    whole = image.read_bytes()
    with image.open("rb") as file:
        last = WimFile(file, "boot.wim").file_resource(1, SOFTWARE_HIVE).header.end - 9
    image.write_bytes(whole[:last] + bytes([whole[last] ^ 0x55]) + whole[last + 1 :])
    with head_start(image, 1, SOFTWARE_HIVE) as begun:
        assert begun is not None
        image.write_bytes(whole)
        os.utime(image, ns=(1, 1))
        with WimTarget(image, clock=0) as target:
            target.read_ahead(1, SOFTWARE_HIVE, begun)
            assert target.read(1, SOFTWARE_HIVE) == small_hive()
    assert len(children.started) == 2
    assert children.are_gone()


def test_what_nobody_has_taken_over_ends(image: Path, children: Children) -> None:
    with head_start(image, 1, SOFTWARE_HIVE):
        assert len(children.started) == 1
    assert children.are_gone()


@pytest.mark.parametrize(
    "content", [b"", b"MSWIM", variant("split"), variant("software-missing"), variant("small")[:4000]]
)
def test_what_is_wrong_is_left_to_whoever_opens_the_image_in_earnest(
    image: Path, content: bytes, children: Children
) -> None:
    image.write_bytes(content)
    with head_start(image, 1, SOFTWARE_HIVE) as begun:
        assert begun is None
    assert children.started == []


def test_no_file_a_folder_and_a_pipe_give_none(tmp_path: Path, children: Children) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with head_start(path, 1, SOFTWARE_HIVE) as begun:
            assert begun is None
    assert children.started == []


def test_a_quick_decoder_needs_none(image: Path, children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "codecs", lambda: SimpleNamespace(is_slow=False))
    with head_start(image, 1, SOFTWARE_HIVE) as begun:
        assert begun is None
    assert children.started == []
