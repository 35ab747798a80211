"""When interrupts are obeyed, and when they are held."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from winpe_certs import interrupts
from winpe_certs.errors import Interrupted


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    interrupts.reset()
    yield
    interrupts.reset()


def test_an_interrupt_is_obeyed_each_time() -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            interrupts.arrive()


def test_the_first_of_a_target_is_obeyed_and_its_clean_up_is_not_cut_short() -> None:
    cleaned = False
    with pytest.raises(KeyboardInterrupt), interrupts.obeyed_once():  # noqa: PT012 - all of it is the case
        try:
            interrupts.arrive()
        finally:
            interrupts.arrive()
            cleaned = True
    assert cleaned
    interrupts.arrive()
    assert interrupts.error_if_heard("done") is not None


def test_after_hold_it_is_remembered_and_the_next_target_is_not_begun() -> None:
    with interrupts.obeyed_once():
        interrupts.hold()
        interrupts.arrive()
    with pytest.raises(KeyboardInterrupt), interrupts.obeyed_once():
        pytest.fail("begun")


def test_a_short_hold_ends_in_an_error_unless_a_longer_one_goes_on() -> None:
    with pytest.raises(Interrupted, match="interrupted") as caught, interrupts.held("written"):
        interrupts.arrive()
    assert caught.value.details == "written"
    interrupts.hold()
    with interrupts.held("written"):
        interrupts.arrive()


def test_a_hold_for_a_copy_ends_with_the_copy() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.obeyed_once():  # noqa: PT012 - all of it is the case
        with interrupts.held_no_longer():
            interrupts.hold()
            interrupts.arrive()
        pytest.fail("went on")
    interrupts.reset()
    with pytest.raises(KeyboardInterrupt), interrupts.held_no_longer():
        interrupts.arrive()


def test_a_program_that_is_waited_for_can_always_be_interrupted() -> None:
    """Also while interrupts are held, and after one: the program may hang."""
    interrupts.reset()
    with interrupts.obeyed_once():
        with pytest.raises(KeyboardInterrupt), interrupts.obeyed():
            interrupts.arrive()
        interrupts.arrive()  # held: the first is being dealt with
        with pytest.raises(KeyboardInterrupt), interrupts.obeyed():
            interrupts.arrive()
        interrupts.arrive()
    interrupts.hold()
    with pytest.raises(KeyboardInterrupt), interrupts.obeyed():
        interrupts.arrive()
    interrupts.arrive()
    interrupts.reset()
