from __future__ import annotations

import random

import pytest

from winpe_certs.engines.held import Held


def test_contents_come_back_in_any_order() -> None:
    dice = random.Random(1)
    contents = {(index, path): dice.randbytes(3_000) for index in (1, 2, 3) for path in ("a", "b")}
    held = Held()
    for key, data in contents.items():
        held.add(key, data)
    assert len(held) == 6
    for _ in range(50):
        key = dice.choice([*contents])
        assert held[key] == contents[key]
    assert dict(held) == contents


def test_images_that_share_contents_hold_them_once() -> None:
    shared, other = bytes(5_000), b"x" * 5_000
    held = Held()
    for index, data in enumerate((shared, shared, other, shared), start=1):
        held.add((index, "a"), data)
    assert [held[index, "a"] for index in (1, 2, 3, 4)] == [shared, shared, other, shared]
    assert held[1, "a"] is held[2, "a"]


def test_what_is_held_is_not_exchanged() -> None:
    held = Held()
    held.add((1, "a"), b"one")
    held.add((2, "a"), b"two")
    with pytest.raises(ValueError, match="held already"):
        held.add((1, "a"), b"three")
    with pytest.raises(KeyError):
        held[3, "a"]
