"""Patience with files that another program holds for a moment, as antivirus does on Windows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

ATTEMPTS: Final = 7
_LOG: Final = logging.getLogger(__name__)
_ACCESS_DENIED: Final = 5
_SHARING_VIOLATION: Final = 32
_Result = TypeVar("_Result")


def retry_sharing(
    action: Callable[[], _Result],
    *,
    pause: Callable[[float], None] | None = None,
    attempts: int = ATTEMPTS,
) -> _Result:
    """Do something to a file, again after growing pauses if Windows says that somebody else has it.

    Windows errors 5 and 32 are tried again; every other error passes at once, and the last of these too.
    `attempts` counts the first one.
    """
    for attempt in range(1, attempts):
        try:
            return action()
        except OSError as error:
            if getattr(error, "winerror", None) not in {_ACCESS_DENIED, _SHARING_VIOLATION}:
                raise
            _LOG.info("attempt %d of %d: %s", attempt, attempts, error)
        (pause or time.sleep)(0.1 * 2 ** (attempt - 1))
    return action()
