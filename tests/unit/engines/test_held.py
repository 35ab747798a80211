from __future__ import annotations

import random

import pytest

from winpe_certs.engines.held import Contents


@pytest.mark.parametrize("plain", [b"", bytes(50_000), random.Random(1).randbytes(3_000)])
def test_contents_come_back_as_they_were(plain: bytes) -> None:
    contents = Contents(plain)
    assert contents.plain == plain
    for _ in range(2):
        contents.pack()
        assert contents.plain == plain
