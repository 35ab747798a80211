from __future__ import annotations

import time

import pytest

from winpe_certs.cli.near import near_ones

NAMES = [
    *("--at", "--cert", "--chain", "--codec", "--dism", "--index", "--index-b", "--log-path", "--output"),
    *("--password-env", "--password-file", "--reg", "--store", "--thumbprint"),
]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("--ouput", ("--output",)),
        ("--outputt", ("--output",)),
        ("--ouptut", ("--output",)),
        ("--output", ("--output",)),
        ("--OUTPUT", ("--output",)),
        ("--thumprnt", ("--thumbprint",)),
        ("--thumb", ("--thumbprint",)),
        ("--password", ("--password-env", "--password-file")),
        ("--certificate", ("--cert",)),
        ("--indx", ("--index",)),
        ("--index_b", ("--index-b", "--index")),
        ("--rge", ("--reg",)),
    ],
)
def test_near_ones(word: str, found: tuple[str, ...]) -> None:
    assert near_ones(word, NAMES) == found


@pytest.mark.parametrize(
    "word", ["--xyz", "--ta", "--a", "--", "", "--root", "--reg-path", "--port", "--input", "--ou"]
)
def test_none_is_near(word: str) -> None:
    assert near_ones(word, NAMES) == ()


def test_long_words_cost_nothing() -> None:
    started = time.process_time()
    assert near_ones("x" * 10_000_000, NAMES) == ()
    assert near_ones("thumbprint" * 5, NAMES) == ()
    assert time.process_time() - started < 1
