"""The short form of scripts/codec-campaign: every codec, chunk size, level and source, short chunks only."""

from __future__ import annotations

import pytest

from scripts.chunks.campaign import plan, run
from scripts.chunks.sources import SOURCES, is_there
from tests.oracle.libwim_codecs import load_libwim

LONGEST = 36_000


@pytest.mark.parametrize("source", SOURCES)
def test_both_decoders_give_the_plain_bytes(request: pytest.FixtureRequest, source: str) -> None:
    library = load_libwim()
    if source == "hives":
        request.getfixturevalue("shared_data")
    assert is_there(source)
    done = [run(library, cell, seed=2, longest=LONGEST) for cell in plan(220, [source])]
    assert [problem for figures in done for problem in figures.problems] == []
    assert all(figures.chunks == figures.cell.quota for figures in done)
    assert sum(figures.with_calls for figures in done) > 20
