"""`verify` decodes the chunks that its answer needs, and says so; `--full-check` decodes them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Program
from winpe_certs.errors import HiveError
from winpe_certs.verification import stored
from winpe_certs.verification.readers import BlobReader, RegipyReader
from winpe_certs.verification.stored import read_stored, read_stored_in_part
from winpe_certs.wim.pages import Pages
from winpe_certs.wim.reader import WimFile

SOFTWARE = r"Windows\System32\config\SOFTWARE"


@pytest.fixture
def patched(run: Program, image: Path, root: Path) -> Path:
    assert run("inject", image, "-i", "all", "-c", root, "--quiet").code == 0
    return image


def _pages(file: WimFile) -> Pages:
    pages = file.file_pages(1, SOFTWARE)
    assert pages is not None
    return pages


def test_the_report_says_how_much_was_read(run: Program, patched: Path, root: Path) -> None:
    document = run("verify", patched, "-c", root, "-i", "1", "-f", "json").document
    (entry,) = document["images"]
    assert [name.split()[0] for name in entry["verified_by"]] == ["regipy", "python-registry"]
    assert 0 < entry["chunks"]["read"] <= entry["chunks"]["of"]
    assert (
        f"of {entry['chunks']['of']} chunks of the hive" in run("verify", patched, "-c", root, "-i", "1").out
    )


def test_a_full_check_reads_the_whole_hive(run: Program, patched: Path, root: Path) -> None:
    document = run("verify", patched, "-c", root, "--full-check", "-f", "json").document
    assert all("chunks" not in entry for entry in document["images"])


def test_a_part_gives_the_same_answer_as_the_whole(patched: Path) -> None:
    with patched.open("rb") as file:
        wim = WimFile(file, "boot.wim")
        pages = _pages(wim)
        assert read_stored_in_part(pages, "part") == read_stored(wim.read_file(1, SOFTWARE), "whole")
        assert pages.whole() == wim.read_file(1, SOFTWARE)


def test_what_was_not_needed_is_zeros(patched: Path) -> None:
    with patched.open("rb") as file:
        wim = WimFile(file, "boot.wim")
        pages = _pages(wim)
        plain = wim.read_file(1, SOFTWARE)
        assert (pages.chunks[0], bytes(pages.data)) == (0, bytes(len(plain)))
        size = wim.decoder.chunk_size
        pages.need(size - 1, 2)
        assert pages.chunks[0] == 2
        assert bytes(pages.data) == plain[: 2 * size] + bytes(len(plain) - 2 * size)
        pages.need(len(plain) - 1, 100)
        assert pages.data[-1] == plain[-1]


def test_where_a_part_does_not_do_the_whole_is_read(
    run: Program, patched: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stored._require_agreement
    monkeypatch.setattr(stored, "_require_agreement", partial(_agreed_on_bytes_alone, real))
    document = run("verify", patched, "-c", root, "-f", "json").document
    assert document["ok"]
    assert all("chunks" not in entry for entry in document["images"])


def _agreed_on_bytes_alone(
    real: Callable[..., None], readers: Sequence[BlobReader], contents: object, origin: str
) -> None:
    """As readers behave that go where the part has zeros."""
    if "read_stored_in_part" in {frame.function for frame in inspect.stack()}:
        raise HiveError(f"{origin}: zeros")
    real(readers, contents, origin)


def test_readers_that_see_something_else_are_not_believed(
    patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RegipyReader, "blobs", lambda *_: {"0" * 40: b"another"})
    with patched.open("rb") as file:
        assert read_stored_in_part(_pages(WimFile(file, "boot.wim")), "part") is None
