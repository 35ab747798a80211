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
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
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
_CLOCK: Final = 10
"""How much longer an item may take by the clock than it may use a processor: it may wait for a network."""
_TOO_LONG: Final = getattr(signal, "SIGPROF", 0)


@dataclass(frozen=True, slots=True)
class Died:
    """What became of a worker, in words."""

    how: str


@dataclass(slots=True)
class _Worker(Generic[Item]):
    """A process, and what it is at: nothing before it has said that it is ready."""

    process: BaseProcess
    pipe: Connection
    number: int | None = None
    until: float = 0.0


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
    seconds: Callable[[Item], float],
    preload: Sequence[str] = (),
    tick: Callable[[], None] = lambda: None,
) -> Generator[tuple[int, Result | Died], None, None]:
    """Number and result of each item, in the order in which they are done.

    `work` and its items are sent to other processes, so they must be picklable. It must not raise: what it
    raises nevertheless ends its process. An item may take its `seconds` of a processor, and ten times as
    many by the clock; then its process is ended. `preload` are modules that workers need, loaded once for
    all where the system can. `tick` is called every half second. Leaving the iterator ends all workers. With
    one process, or one item, everything is done in this one, and so is what is left when the system starts
    no other.
    """
    waiting = iter(range(len(items)))
    processes = min(processes, len(items))
    if processes > 1:
        yield from _shared(_Start(work, seconds, preload), items, processes, waiting, tick)
    for number in waiting:
        yield number, work(items[number])


@dataclass(slots=True)
class _Start(Generic[Item]):
    """How workers are started; `contexts` are the ways that are left to try."""

    work: Callable[[Item], Any]
    seconds: Callable[[Item], float]
    preload: Sequence[str]
    contexts: list[str] = field(default_factory=lambda: ["forkserver", "spawn"])

    def worker(self) -> _Worker[Item] | None:
        """A new worker, None when the system starts no process."""
        while self.contexts:
            with contextlib.suppress(OSError, EOFError, ValueError):
                return _started(_context(self.contexts[0], self.preload), self.work, self.seconds)
            # A fork server needs a socket, whose path in the temporary folder may be too long for one.
            self.contexts.pop(0)
        return None


def _shared(
    start: _Start[Item],
    items: Sequence[Item],
    processes: int,
    waiting: Iterator[int],
    tick: Callable[[], None],
) -> Generator[tuple[int, Any], None, None]:
    """What other processes do of the items that are waiting; it ends early when there are no processes."""
    workers: list[_Worker[Item]] = []
    try:
        while len(workers) < processes and (worker := start.worker()) is not None:
            workers.append(worker)
        while workers:
            tick()
            signs = [sign for each in workers for sign in (each.pipe, each.process.sentinel)]
            ready = wait(signs, _TICK)
            for worker in list(workers):
                if worker.number is not None and time.monotonic() > worker.until:
                    worker.process.kill()
                elif worker.pipe not in ready and worker.process.sentinel not in ready:
                    continue
                number = worker.number
                result = _result(worker)
                if isinstance(result, Died):
                    workers.remove(worker)
                    _end([worker])
                    # One that died at its start would die again; one that died of its item is replaced.
                    if number is not None and (fresh := start.worker()) is not None:
                        workers.append(fresh)
                else:
                    # The next item goes out first: the caller may take its time with this one.
                    _hand_out(worker, items, waiting, start.seconds)
                    if worker.number is None:
                        workers.remove(worker)
                        _end([worker])
                if number is not None:
                    yield number, result
    finally:
        _end(workers)


def _result(worker: _Worker[Any]) -> Any:
    """What a worker has sent, or how it died."""
    with contextlib.suppress(EOFError, OSError):
        if worker.pipe.poll():
            return worker.pipe.recv()
    return Died(_how(worker))


def _end(workers: Sequence[_Worker[Any]]) -> None:
    for worker in workers:
        worker.process.terminate()
        worker.pipe.close()
    for worker in workers:
        worker.process.join(_GRACE)


def _context(name: str, preload: Sequence[str]) -> ForkServerContext | SpawnContext:
    """A way to start workers: not as copies of this process, which has threads and others' pipes."""
    import multiprocessing

    if name == "spawn":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _started(
    context: ForkServerContext | SpawnContext,
    work: Callable[[Item], Any],
    seconds: Callable[[Item], float],
) -> _Worker[Item]:
    ours, theirs = context.Pipe()
    arguments = (theirs, work, seconds, _folder())
    process: BaseProcess = context.Process(target=_serve, args=arguments, daemon=True)
    try:
        with _interrupts_held_back():
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
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


def _hand_out(
    worker: _Worker[Item],
    items: Sequence[Item],
    waiting: Iterator[int],
    seconds: Callable[[Item], float],
) -> None:
    worker.number = next(waiting, None)
    if worker.number is not None:
        item = items[worker.number]
        worker.until = time.monotonic() + _CLOCK * seconds(item)
        # A worker that died since is told of by the pipe's end, which is read next.
        with contextlib.suppress(OSError):
            worker.pipe.send(item)


def _how(worker: _Worker[Any]) -> str:
    worker.process.join(_GRACE)
    code = worker.process.exitcode
    is_late = worker.number is not None and time.monotonic() > worker.until
    if is_late or (_TOO_LONG and code == -_TOO_LONG):
        return "it took too long"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _folder() -> str | None:
    """The current folder, which relative paths of items are meant in."""
    with contextlib.suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - only handed on
    return None


def _serve(
    pipe: Connection, work: Callable[[Any], object], seconds: Callable[[Any], float], folder: str | None
) -> None:
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
        pipe.send(None)
        while True:
            item = pipe.recv()
            _allow(seconds(item))
            result = work(item)
            _allow(0)
            pipe.send(result)


def _allow(seconds: float) -> None:
    """Let this process end by a signal when it has used so many seconds of its processor; 0 for no limit."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)
