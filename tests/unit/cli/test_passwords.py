"""Where a password comes from, and that it is shown nowhere."""

from __future__ import annotations

import getpass
import io
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from winpe_certs.cli.passwords import LARGEST_FILE, password_source
from winpe_certs.errors import EnvironmentFailure, UsageError, WinpeCertsError

SECRET = "Geheim-42 ä"  # noqa: S105 - of these tests


def refusal(source: Callable[[], str]) -> WinpeCertsError:
    """The error of a source, which must not show the secret anywhere, its causes included."""
    with pytest.raises(WinpeCertsError) as raised:
        source()
    error: BaseException | None = raised.value
    while error is not None:
        assert "Geheim" not in str(error) + repr(error) + repr(error.args)
        error = error.__cause__
    return raised.value


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "password.txt"
        path.write_bytes(data)
        return path

    return write


def test_two_sources_at_once_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        password_source(tmp_path / "nothing", "NOTHING")


class TestFile:
    @pytest.mark.parametrize(
        "data",
        [
            SECRET.encode(),
            SECRET.encode() + b"\n",
            SECRET.encode() + b"\r\n",
            b"\xef\xbb\xbf" + SECRET.encode() + b"\r\nanother line\r\n",
        ],
        ids=["bare", "line-feed", "windows", "mark"],
    )
    def test_the_first_line(self, file: Callable[[bytes], Path], data: bytes) -> None:
        assert password_source(file(data), None)() == SECRET

    def test_blanks_and_odd_separators_belong_to_it(self, file: Callable[[bytes], Path]) -> None:
        for password in (" two blanks ", "a\tb", "a\x0bb\x85c\u2028d", "\r x", "end\r\r"):
            assert password_source(file(password.encode() + b"\r\nrest"), None)() == password

    def test_it_is_read_when_it_is_needed(self, tmp_path: Path) -> None:
        path = tmp_path / "later"
        source = password_source(path, None)
        path.write_bytes(b"x")
        assert source() == "x"

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "the first line is empty"),
            (b"\r\nGeheim", "the first line is empty"),
            (b"\xef\xbb\xbf\n", "the first line is empty"),
            (SECRET.encode("utf-16"), "not text in UTF-8"),
            (SECRET.encode("utf-16-le"), "not text in UTF-8"),
            (SECRET.encode("latin-1"), "not text in UTF-8"),
            (b"Geheim\0", "not text in UTF-8"),
            (b"Geheim" * LARGEST_FILE, "too large"),
        ],
        ids=range(8),
    )
    def test_what_is_refused(self, file: Callable[[bytes], Path], data: bytes, words: str) -> None:
        path = file(data)
        error = refusal(password_source(path, None))
        assert isinstance(error, UsageError)
        assert error.message == f"{path}: {error.message.partition(': ')[2]}"
        assert words in error.message

    def test_a_password_given_as_a_path_is_not_shown(self, tmp_path: Path) -> None:
        for path in (tmp_path / SECRET, Path("Geheim\0"), tmp_path / "x" / SECRET):
            assert isinstance(refusal(password_source(path, None)), UsageError)

    def test_a_folder(self, tmp_path: Path) -> None:
        assert isinstance(refusal(password_source(tmp_path, None)), UsageError | EnvironmentFailure)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_arguments: object, **_options: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "open", fail)
        error = refusal(password_source(tmp_path / "password.txt", None))
        assert isinstance(error, EnvironmentFailure)
        assert "Input/output error" in error.message


class TestEnvironment:
    def test_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEDIA_PASSWORD", SECRET)
        assert password_source(None, "MEDIA_PASSWORD")() == SECRET

    def test_none_and_an_empty_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MEDIA_PASSWORD", raising=False)
        assert isinstance(refusal(password_source(None, "MEDIA_PASSWORD")), UsageError)
        monkeypatch.setenv("MEDIA_PASSWORD", "")
        assert isinstance(refusal(password_source(None, "MEDIA_PASSWORD")), UsageError)

    def test_a_password_given_as_a_name_is_not_shown(self) -> None:
        source = password_source(None, SECRET)
        assert "Geheim" not in repr(source)
        assert isinstance(refusal(source), UsageError)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class TestTerminal:
    @pytest.mark.parametrize("missing", ["stdin", "stderr"])
    @pytest.mark.parametrize("kind", ["file", "none", "closed"])
    def test_without_one_the_options_are_named(
        self, monkeypatch: pytest.MonkeyPatch, missing: str, kind: str
    ) -> None:
        stream: io.StringIO | None = io.StringIO() if kind != "none" else None
        if stream and kind == "closed":
            stream.close()
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(sys, missing, stream)
        error = refusal(password_source(None, None))
        assert isinstance(error, UsageError)
        assert "--password-file" in error.resolution
        assert "--password-env" in error.resolution

    def asked(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], str]) -> Callable[[], str]:
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(getpass, "getpass", lambda _prompt, stream: answer() if stream else "")
        return password_source(None, None)

    def test_the_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.asked(monkeypatch, lambda: SECRET)() == SECRET

    def test_an_end_of_input_is_no_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def end() -> str:
            raise EOFError

        assert isinstance(refusal(self.asked(monkeypatch, end)), UsageError)

    def test_a_terminal_that_would_show_it_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def show() -> str:
            warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
            return SECRET

        assert isinstance(refusal(self.asked(monkeypatch, show)), UsageError)

    def test_an_interrupt_stays_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt() -> str:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.asked(monkeypatch, interrupt)()


# The terminal becomes that of the session, so that Ctrl-C on it is a signal.
PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from winpe_certs.cli.passwords import password_source
try:
    password = password_source(None, None)()
except KeyboardInterrupt:
    sys.exit("interrupted")
print(len(password), file=sys.stderr)
"""


@pytest.mark.posix("terminal")
class TestRealTerminal:
    def talk(self, typed: bytes) -> str:
        """What is seen on a terminal of its own when `typed` answers the prompt."""
        import pty

        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        seen = b""
        answered = False
        limit = time.monotonic() + 30
        try:
            while time.monotonic() < limit:
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        piece = os.read(ours, 4096)
                    except OSError:
                        break
                    if not piece:
                        break
                    seen += piece
                if b"PKCS#12 file: " in seen and not answered:
                    answered = True
                    os.write(ours, typed)
            child.wait(10)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait()
            os.close(ours)
        return seen.decode()

    def test_what_is_typed_is_not_seen(self) -> None:
        seen = self.talk(SECRET.encode() + b"\n")
        assert seen.splitlines()[-1] == str(len(SECRET))
        assert "Geheim" not in seen

    def test_control_c_at_the_prompt(self) -> None:
        seen = self.talk(b"Gehe\x03")
        assert seen.splitlines()[-1].endswith("interrupted")
        assert "Gehe" not in seen
