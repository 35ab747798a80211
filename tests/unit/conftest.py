"""What tests of several parts share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from tests import needs
from winpe_certs.wim.parallel import may_fork

two_processes = pytest.mark.skipif(not may_fork(), reason=needs.TWO_PROCESSES)


@dataclass
class Children:
    """The child processes that this one has started since the test began."""

    started: list[int] = field(default_factory=list)

    def are_gone(self) -> bool:
        """Whether each has ended and was waited for."""
        return all(map(_is_gone, self.started))


def _is_gone(child: int) -> bool:
    try:
        os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    """The children that are started from here on; other tests leave some that live on."""
    children = Children()
    fork = os.fork

    def counted() -> int:
        child = fork()
        children.started.append(child)
        return child

    monkeypatch.setattr(os, "fork", counted)
    return children
