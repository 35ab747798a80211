"""Ctrl-C and the signals that end a program: obeyed at once, or held until what happened is reported.

Between a commit and the moment that evidence and report are out, an interrupt must not cost the account of
what was changed. It is remembered then, and the run ends with it as soon as everything is reported. Only work
whose time is bounded is done meanwhile; SIGKILL ends a run at any moment.

The state belongs to the process, as its signal handlers do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from winpe_certs.errors import Interrupted


@dataclass(slots=True)
class _State:
    """`is_once`: the first interrupt is obeyed, and those that come while it is dealt with are held."""

    is_held: bool = False
    is_once: bool = False
    arrivals: int = 0

    @property
    def was_heard(self) -> bool:
        return self.arrivals > 0


_STATE = _State()


def reset() -> None:
    """Forget earlier interrupts and obey the next: a new command line begins."""
    _STATE.is_held = _STATE.is_once = False
    _STATE.arrivals = 0


def arrive() -> None:
    """Note an interrupt. Raises `KeyboardInterrupt` unless interrupts are held."""
    _STATE.arrivals += 1
    if _STATE.is_held:
        return
    # Before it is raised: a second one must not cut the clean-up after the first.
    _STATE.is_held = _STATE.is_once
    raise KeyboardInterrupt


def hold() -> None:
    """Hold interrupts from here on: something is about to be changed."""
    _STATE.is_held = True


def heard() -> bool:
    """Whether there was an interrupt, held or not."""
    return _STATE.was_heard


def arrivals() -> int:
    """How many interrupts there were.

    Python may lose a `KeyboardInterrupt`: one raised while an object is finalised is printed and forgotten.
    Whoever waits for long compares this number.
    """
    return _STATE.arrivals


def error_if_heard(details: str) -> Interrupted | None:
    """The error of a run that ends because of an interrupt, with what was done; None when there was none."""
    if not _STATE.was_heard:
        return None
    error = Interrupted()
    error.details = details
    return error


@contextlib.contextmanager
def obeyed_once() -> Iterator[None]:
    """Obey the first interrupt of the block, until the block calls `hold`; afterwards they are held.

    Raises `KeyboardInterrupt` at once when there was one already.
    """
    try:
        _STATE.is_once = True
        _STATE.is_held = False
        if _STATE.was_heard:
            _STATE.is_held = True
            raise KeyboardInterrupt
        yield
    finally:
        _STATE.is_held = True


@contextlib.contextmanager
def obeyed() -> Iterator[None]:
    """Obey every interrupt of the block, also where they are held: it waits for a program that may hang."""
    was_held, was_once, heard_before = _STATE.is_held, _STATE.is_once, _STATE.was_heard
    _STATE.is_held = _STATE.is_once = False
    try:
        yield
    finally:
        _STATE.is_once = was_once
        _STATE.is_held = was_held or (was_once and _STATE.was_heard and not heard_before)


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Only count the interrupts of the block, which takes no time: whoever calls this looks at `arrivals`."""
    before = _STATE.is_held
    _STATE.is_held = True
    try:
        yield
    finally:
        _STATE.is_held = before


@contextlib.contextmanager
def held(details: str) -> Iterator[None]:
    """Hold interrupts for the block; then raise `Interrupted` for one that came, with `details` on the block.

    Within a longer hold it is that which says when the run ends.
    """
    before, heard_before = _STATE.is_held, _STATE.was_heard
    _STATE.is_held = True
    try:
        yield
    finally:
        _STATE.is_held = before
    if _STATE.was_heard and not heard_before and not before:
        _STATE.is_held = _STATE.is_once
        error = Interrupted()
        error.details = details
        raise error


@contextlib.contextmanager
def held_no_longer() -> Iterator[None]:
    """Let a hold that begins in the block end with it: what the block has changed is only a copy.

    Raises `KeyboardInterrupt` at the end for an interrupt that was held meanwhile.
    """
    before = _STATE.is_held
    yield
    # After an error the hold stays: what follows is clean-up.
    _STATE.is_held = before
    if _STATE.was_heard and not before:
        _STATE.is_held = _STATE.is_once
        raise KeyboardInterrupt
