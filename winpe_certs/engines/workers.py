"""One function over many items, on all processors: a worker that dies costs its own item, and nothing else.

The pool of the standard library is given up as a whole when one of its processes dies. Here each worker has
one item at a time and a pipe of its own, so it is known what it was at, and another takes its place.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from winpe_certs.wim.parallel import keep_to_one_process

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

_TICK: Final = 0.5
_GRACE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Died:
    """What became of a worker, in words."""

    how: str


@dataclass(slots=True)
class _Worker(Generic[Item]):
    process: BaseProcess
    pipe: Connection
    number: int | None = None


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    processes: int,
    preload: Sequence[str] = (),
    tick: Callable[[], None] = lambda: None,
) -> Generator[tuple[int, Result | Died], None, None]:
    """Number and result of each item, in the order in which they are done.

    `work` and its items are sent to other processes, so they must be picklable. It must not raise: what it
    raises all the same ends its process. `preload` are modules that workers need, loaded once for all where
    the system can. `tick` is called every half second. Leaving the iterator ends all workers. With one
    process, or one item, everything is done in this one.
    """
    processes = min(processes, len(items))
    if processes < 2:
        for number, item in enumerate(items):
            yield number, work(item)
        return
    context = _context(preload)
    workers = [_started(context, work) for _ in range(processes)]
    try:
        waiting = iter(range(len(items)))
        for worker in workers:
            _hand_out(worker, items, waiting)
        while busy := [worker for worker in workers if worker.number is not None]:
            tick()
            ready = wait([worker.pipe for worker in busy], _TICK)
            for worker in busy:
                if worker.pipe not in ready or worker.number is None:
                    continue
                number = worker.number
                try:
                    result: Result | Died = worker.pipe.recv()
                except (EOFError, OSError):
                    result = Died(_how(worker.process))
                    worker.pipe.close()
                    fresh = _started(context, work)
                    worker.process, worker.pipe = fresh.process, fresh.pipe
                # The next item goes out first: the caller may take its time with this one.
                _hand_out(worker, items, waiting)
                yield number, result
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in workers:
            worker.process.join(_GRACE)


def _context(preload: Sequence[str]) -> ForkServerContext | SpawnContext:
    """How workers are started: not as copies of this process, which has threads and others' pipes."""
    import multiprocessing

    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _started(context: ForkServerContext | SpawnContext, work: Callable[[Item], Result]) -> _Worker[Item]:
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=_serve, args=(theirs, work, _folder()), daemon=True)
    with _interrupts_held_back():
        process.start()
    # With the last end on the other side gone, its death is the end of the pipe.
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait; processes that are started meanwhile never get it, also before they can say so."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_out(worker: _Worker[Item], items: Sequence[Item], waiting: Iterator[int]) -> None:
    worker.number = next(waiting, None)
    if worker.number is not None:
        # A worker that died since is told of by the pipe's end, which is read next.
        with contextlib.suppress(OSError):
            worker.pipe.send(items[worker.number])


def _how(process: BaseProcess) -> str:
    process.join(_GRACE)
    code = process.exitcode
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _folder() -> str | None:
    """The current folder, which relative paths of items are meant in."""
    with contextlib.suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - only handed on
    return None


def _serve(pipe: Connection, work: Callable[[Any], object], folder: str | None) -> None:
    """Run in a worker: one item after the other, until the pipe ends."""
    # Ctrl-C reaches every process of the terminal; the one that started this one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_to_one_process()
    # What is loaded by now stays: collecting garbage between items need not look at it.
    gc.freeze()
    if folder is not None:
        with contextlib.suppress(OSError):
            os.chdir(folder)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(work(pipe.recv()))
