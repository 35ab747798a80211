"""A progress bar on stderr for steps that take longer than a second; nothing where nobody watches."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_PATIENCE: Final = 1.0


class ProgressBar:
    """Takes progress from the library (`winpe_certs.progress.Progress`) and shows it."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._started = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show how far a step has come, once the command has run for a second."""
        if not self._enabled or time.monotonic() - self._started < _PATIENCE:
            return
        if self._bar is None or self._task is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task(step)
            self._bar.start()
        self._bar.update(self._task, description=step, completed=done, total=total)


def _new_bar() -> Bar:
    from rich.console import Console  # most runs need no bar
    from rich.progress import Progress as Bar

    return Bar(console=Console(stderr=True), transient=True)
