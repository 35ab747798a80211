"""A runner that starts nothing: it takes note of commands and gives the answers it was told to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from winpe_certs.process import Completed


class Recorder:
    """Answers in order: an exit code, an exit code with output, or an error to raise. Then always 0."""

    def __init__(self, *answers: int | tuple[int, str] | BaseException) -> None:
        self.answers = list(answers)
        self.commands: list[tuple[str, ...]] = []
        self.timeouts: list[float] = []

    def run(
        self, command: Sequence[str], *, timeout: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        self.commands.append(tuple(command))
        self.timeouts.append(timeout)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        code, output = answer if isinstance(answer, tuple) else (answer, "")
        if on_line is not None:
            for line in output.splitlines():
                on_line(line)
        return Completed(tuple(command), code, output, 0.0)
