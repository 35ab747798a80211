"""What is given as a certificate file: files, folders, pipes, standard input, and what is refused of it."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from scripts.testdata import bundles
from tests.unit.certs import making
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.errors import CertificateError, EnvironmentFailure, PrivateKeyError, UsageError
from winpe_certs.workflows import given_files, inputs
from winpe_certs.workflows.inputs import Inputs, gather, gather_replaced, read_chain_file

ROOT, OTHER, SUB = making.root_der(), making.second_root_der(), making.intermediate_der()
T, U = making.sha1(ROOT), making.sha1(OTHER)
KEY = making.ec_key().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def ders(found: Inputs) -> list[bytes]:
    return [each.certificate.der for each in found.wanted if each.certificate is not None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, data: bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


class TestFolders:
    def test_every_certificate_file_counts_in_the_order_in_which_people_count(self) -> None:
        made = [making.make(f"Root {number}", key=making.ec_key()) for number in (1, 2, 10)]
        for name, data in zip(("root1.cer", "root2.pem", "root10.p7b"), made, strict=True):
            as_file: dict[str, bytes] = {"root2.pem": making.pem(data), "root10.p7b": making.pkcs7(data)}
            write(f"f/{name}", as_file.get(name, data))
        found = gather([Path("f")])
        assert ders(found) == made
        assert found.files == (Path("f/root1.cer"), Path("f/root2.pem"), Path("f/root10.p7b"))
        assert found.warnings == ()

    @pytest.mark.posix("places")
    def test_what_is_no_certificate_is_named_and_never_read_further(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(given_files, "LARGEST_FILE", 5000)
        write("f/a.cer", ROOT)
        write("f/boot.wim", b"MSWIM\0\0\0" + bytes(9000))
        write("f/big.bin", b"MZ" + bytes(9000))
        write("f/key.pem", KEY)
        write("f/notes.txt", b"hello")
        write("f/other.reg", b"REGEDIT4\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\x]\n")
        Path("f/deeper").mkdir()
        write("f/deeper/b.cer", OTHER)
        Path("f/gone.cer").symlink_to("nowhere")
        os.mkfifo("f/pipe")
        found = gather([Path("f")])
        assert ders(found) == [ROOT]
        assert [warning.split(": ")[1] for warning in found.warnings] == [
            "f/big.bin", "f/boot.wim", "f/deeper", "f/gone.cer", "f/key.pem, line 1", "f/notes.txt",
            "f/other.reg", "f/pipe",
        ]  # fmt: skip
        assert all(warning.startswith("passed over: ") for warning in found.warnings)
        assert "a private key is in this file" in found.warnings[4]

    def test_an_empty_folder_is_wrong_usage(self) -> None:
        write("f/notes.txt", b"hello")
        with pytest.raises(UsageError, match="there is no certificate file in this folder") as caught:
            gather([Path("f")])
        assert str(Path("f/notes.txt")) in caught.value.details

    def test_a_damaged_certificate_file_is_refused_and_not_passed_over(self) -> None:
        write("f/a.cer", ROOT)
        write("f/b.cer", OTHER[:-1])
        write("f/c.p7b", making.pkcs7(SUB)[:300])
        with pytest.raises(CertificateError, match="2 certificates cannot be read") as caught:
            gather([Path("f")])
        named = [Path(line.split(":")[0]).as_posix() for line in caught.value.details.splitlines()]
        assert named == ["f/b.cer", "f/c.p7b"]

    def test_what_is_read_is_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write("f/a.cer", ROOT)
        write("f/b.cer", OTHER)
        monkeypatch.setattr(given_files, "LARGEST_FILE", len(ROOT) + 10)
        with pytest.raises(UsageError, match="its files have more than"):
            gather([Path("f")])
        monkeypatch.setattr(given_files, "_MOST_FILES", 1)
        with pytest.raises(UsageError, match="2 files are too many"):
            gather([Path("f")])


def test_natural_order_takes_any_name() -> None:
    names = ["b", "A10", "a9", "a²", "", "9", "10", "a" * 200 + "1" * 50, "A9"]
    ordered = sorted(names, key=given_files._natural)
    assert ordered.index("A9") < ordered.index("a9") < ordered.index("A10")
    assert ordered.index("9") < ordered.index("10")


@pytest.fixture
def pipe() -> Iterator[tuple[Path, int]]:
    """A pipe as process substitution hands it over, and its end for writing."""
    reading, writing = os.pipe()
    yield Path(f"/dev/fd/{reading}"), writing
    os.close(reading)


class TestPipes:
    @pytest.mark.posix("places")
    @pytest.mark.parametrize("size", [0, 200_000], ids=["small", "larger-than-the-pipe"])
    def test_process_substitution(self, pipe: tuple[Path, int], size: int) -> None:
        path, writing = pipe
        data = making.pem(ROOT) + b"\n" * size + making.pem(SUB)

        def write_slowly() -> None:
            with os.fdopen(writing, "wb") as file:
                file.write(data[:10])
                file.flush()
                file.write(data[10:])

        thread = threading.Thread(target=write_slowly)
        thread.start()
        found = gather([path])
        thread.join()
        assert ders(found) == [ROOT, SUB]
        assert found.files == ()
        assert found.wanted[0].origin == f"{path}, certificate 1"

    @pytest.mark.posix("places")
    def test_a_named_pipe_whose_writer_comes_later(self) -> None:
        os.mkfifo("pipe")
        thread = threading.Thread(target=lambda: Path("pipe").write_bytes(ROOT))
        thread.start()
        assert ders(gather([Path("pipe")])) == [ROOT]
        thread.join()

    @pytest.mark.posix("places")
    def test_a_silent_pipe_ends_in_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(given_files, "_PIPE_SECONDS", 0.05)
        os.mkfifo("pipe")
        with pytest.raises(EnvironmentFailure, match="nothing came out of this pipe"):
            gather([Path("pipe")])

    @pytest.mark.posix("places")
    def test_an_endless_device_is_read_no_further_than_a_file_may_go(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(given_files, "LARGEST_FILE", 200_000)
        with pytest.raises(CertificateError, match="the file is empty"):
            gather([Path("/dev/zero")])
        with pytest.raises(CertificateError, match="the file is empty"):
            gather([Path("/dev/null")])

    @pytest.mark.posix("places")
    def test_a_terminal_is_no_file(self) -> None:
        master, terminal = os.openpty()
        try:
            with pytest.raises(UsageError, match="this is a terminal"):
                gather([Path(os.ttyname(terminal))])
        finally:
            os.close(master)
            os.close(terminal)


class TestStandardInput:
    def given(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    def test_it_is_read_by_its_dash(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given(making.pem(ROOT), monkeypatch)
        found = gather([Path("-")])
        assert (ders(found), found.files, found.wanted[0].origin) == ([ROOT], (), "-")

    def test_it_can_be_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given(ROOT, monkeypatch)
        assert ders(gather([Path("-")])) == [ROOT]
        with pytest.raises(UsageError, match="nothing came from standard input") as caught:
            gather([Path("-")])
        assert "only once" in caught.value.resolution

    @pytest.mark.posix("places")
    def test_a_terminal_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        master, terminal = os.openpty()
        with os.fdopen(terminal) as file:
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(UsageError, match="standard input is a terminal"):
                gather([Path("-")])
        os.close(master)
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(UsageError, match="standard input"):
            gather([Path("-")])


class TestPatterns:
    def test_a_pattern_that_no_shell_has_expanded_means_what_it_matches(self) -> None:
        write("a.cer", ROOT)
        write("b.cer", OTHER)
        assert ders(gather([Path("*.cer")])) == [ROOT, OTHER]
        with pytest.raises(UsageError, match=r"nothing matches \*\.crt"):
            gather([Path("*.crt")])

    def test_a_file_that_is_called_so_is_that_file(self) -> None:
        write("[a].cer", ROOT)
        assert ders(gather([Path("[a].cer")])) == [ROOT]


class TestRefusals:
    def test_all_that_is_damaged_in_all_files_is_named_at_once(self) -> None:
        a = write("a.pem", making.pem(ROOT) + making.pem(SUB[:-1]) + making.pem(OTHER[:-2]))
        b = write("b.cer", OTHER[:-1])
        c = write("c.txt", b"hello")
        with pytest.raises(CertificateError, match=r"^4 certificates cannot be read") as caught:
            gather([a, b, c, a])
        lines = caught.value.details.splitlines()
        assert [line.partition(": ")[0] for line in lines] == [
            "c.txt", "a.pem, certificate 2", "a.pem, certificate 3", "b.cer",
        ]  # fmt: skip

    def test_the_only_one_is_raised_as_it_is(self) -> None:
        with pytest.raises(CertificateError, match=r"^a\.pem, certificate 2: "):
            gather([write("a.pem", making.pem(ROOT) + making.pem(SUB[:-1]))])
        with pytest.raises(CertificateError, match=r"^c\.txt: this is no certificate file"):
            gather([write("c.txt", b"hello")])

    def test_a_private_key_is_refused_before_anything_else(self) -> None:
        files = [write("b.cer", OTHER[:-1]), write("key.pem", KEY)]
        with pytest.raises(PrivateKeyError):
            gather(files)

    def test_kept_damage_is_the_caller_s(self) -> None:
        files = [write("a.pem", making.pem(ROOT) + making.pem(SUB[:-1])), write("c.txt", b"hello")]
        found = gather(files, keep_damaged=True)
        assert (ders(found), len(found.damaged), len(found.unread), found.total) == ([ROOT], 1, 1, 3)

    def test_the_same_certificate_of_two_files_is_one(self) -> None:
        blob = blob_for(making.load(ROOT)).to_bytes()
        files = [write("a.sst", bundles.serialized_store(blob)), write("b.cer", ROOT)]
        found = gather(files)
        assert [each.blob is not None for each in found.wanted] == [True]
        assert found.warnings == ("b.cer: the same certificate as a.sst, certificate 1: ignored",)


class TestReplaced:
    def test_thumbprints_and_files_mean_all_that_is_in_them(self) -> None:
        write("old.pem", making.pem(OTHER) + making.pem(SUB))
        found = gather_replaced([T.lower(), "old.pem"])
        assert {each.thumbprint for each in found.wanted} == {T, U, making.sha1(SUB)}
        assert found.files == (Path("old.pem"),)

    def test_a_file_with_the_name_of_a_thumbprint_is_a_file(self) -> None:
        write(T, OTHER)
        assert [each.thumbprint for each in gather_replaced([T]).wanted] == [U]

    def test_a_folder_means_every_certificate_in_it(self) -> None:
        write("old/a.cer", ROOT)
        write("old/b.cer", OTHER)
        assert [each.thumbprint for each in gather_replaced(["old"]).wanted] == [T, U]

    @pytest.mark.parametrize("text", ["old.cer", "missing/old", "C:\\old.cer", "Prüfung"])
    def test_a_path_to_nothing_is_a_missing_file(self, text: str) -> None:
        with pytest.raises(UsageError, match="no such certificate file"):
            gather_replaced([text])

    @pytest.mark.parametrize(
        "text",
        [T[:-1], T + "0", "xyz", "A" * 5000, f"{T} {U}"],
        ids=["short", "long", "no-digits", "endless", "two"],
    )
    def test_anything_else_is_a_mistyped_thumbprint(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            gather_replaced([text])
        assert "no such certificate file" not in caught.value.message


class TestChains:
    def test_damaged_entries_are_warnings(self) -> None:
        path = write("chain.pem", making.pem(making.server_der()) + making.pem(SUB[:-1]) + making.pem(ROOT))
        found = read_chain_file(path)
        assert [each.certificate.der for each in found.entries] == [making.server_der(), ROOT]
        (warning,) = found.warnings
        assert warning.startswith("chain.pem, certificate 2: ")
        assert warning.endswith(": left out of the chain")

    def test_nothing_but_damage_is_an_error(self) -> None:
        with pytest.raises(CertificateError):
            read_chain_file(write("chain.pem", making.pem(SUB[:-1])))

    def test_a_folder_of_single_files_is_a_chain(self) -> None:
        write("c/1-leaf.cer", making.server_der())
        write("c/2-issuing.cer", SUB)
        write("c/2-issuing-again.cer", SUB)
        found = read_chain_file(Path("c"))
        assert [each.certificate.der for each in found.entries] == [making.server_der(), SUB]


def test_thumbprints_go_with_files() -> None:
    found = inputs.gather([write("a.cer", ROOT)], [T, U])
    assert [(each.thumbprint, each.certificate is None) for each in found.wanted] == [(T, False), (U, True)]
