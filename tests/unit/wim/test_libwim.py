from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import os
import random
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.chunks.libwim import LibWim
from tests import needs
from tests.conftest import REQUIRED, Judge
from winpe_certs.errors import ChunkError, EnvironmentFailure, UnsupportedWimError, UsageError, WimError
from winpe_certs.wim import libwim, resource
from winpe_certs.wim.codecs.choice import Codec, choose
from winpe_certs.wim.codecs.interface import PYTHON, Compression
from winpe_certs.wim.layout import ResourceHeader
from winpe_certs.wim.libwim import VARIABLE, LibwimCodecs
from winpe_certs.wim.reader import WimFile
from winpe_certs.wim.resource import ChunkDecoder, Resource

CHUNK_SIZES = {
    Compression.XPRESS: range(12, 17),
    Compression.LZX: range(15, 22),
    Compression.LZMS: range(15, 27),
}
CASES = [(kind, 1 << order) for kind, orders in CHUNK_SIZES.items() for order in orders]
IDS = [f"{kind.value}-{chunk_size}" for kind, chunk_size in CASES]
SMALL = 60_000  # plain bytes of a last chunk, where the chunk size is greater


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> LibwimCodecs:
    """The installed libwim; without it a skip, or a failure where judges are required."""
    monkeypatch.delenv(VARIABLE, raising=False)
    try:
        return libwim.load()
    except EnvironmentFailure as error:
        if "judges" in REQUIRED:
            pytest.fail(f"{error.message}, and WINPE_CERTS_REQUIRE asks for judges")
        pytest.skip(needs.NO_LIBWIM)


def sample(size: int) -> bytes:
    generator = random.Random(size)
    words = [generator.randbytes(generator.randrange(2, 9)) + b"\xe8" for _ in range(60)]
    return b"".join(generator.choices(words, k=size // 3))[:size]


@pytest.mark.parametrize(("kind", "chunk_size"), CASES, ids=IDS)
def test_every_kind_decodes_at_every_chunk_size(
    library: LibwimCodecs, kind: Compression, chunk_size: int
) -> None:
    """To the plain bytes; so do Python's codecs, but for LZMS."""
    decode = library.decoder(kind)
    sizes = {min(chunk_size, SMALL), 700, min(chunk_size, SMALL) - 1}
    with LibWim(library.path).compressor(kind, chunk_size, 50) as compress:
        for plain in map(sample, sizes):
            stored = compress(plain)
            assert stored is not None
            assert decode(stored, len(plain), chunk_size) == plain
            if kind is not Compression.LZMS:
                assert PYTHON.decoder(kind)(stored, len(plain), chunk_size) == plain


@pytest.mark.parametrize(
    ("kind", "chunk_size"),
    [case for case in CASES if case[0] is not Compression.LZMS],
    ids=[name for name in IDS if "LZMS" not in name],
)
def test_what_it_compresses_python_decodes(library: LibwimCodecs, kind: Compression, chunk_size: int) -> None:
    plain = sample(min(chunk_size, SMALL))
    stored = library.compress(kind, plain, chunk_size)
    assert stored is not None
    assert len(stored) < len(plain)
    assert PYTHON.decoder(kind)(stored, len(plain), chunk_size) == plain


def test_what_does_not_shrink_is_to_be_stored_plain(library: LibwimCodecs) -> None:
    noise = random.Random(5).randbytes(5000)
    for plain in (noise, b"", b"a", b"ab"):
        assert library.compress(Compression.LZX, plain, 32768) is None
        assert library.compress(Compression.XPRESS, plain, 32768) is None
    assert library.compress(Compression.NONE, bytes(100), 32768) is None
    assert PYTHON.compress(Compression.LZX, bytes(100), 32768) is None


def test_damage_is_a_chunk_error(library: LibwimCodecs) -> None:
    for kind in CHUNK_SIZES:
        decode = library.decoder(kind)
        with pytest.raises(ChunkError, match=f"{kind.value} chunk: libwim cannot decode its 300 bytes"):
            decode(b"\xff" * 300, 32768, 32768)
        for data, size in [(b"", 100), (b"abc", 0), (b"abc", 32769), (b"abc", -1), (b"abcd", 4)]:
            with pytest.raises(ChunkError, match=f"{len(data)} bytes stored, {size} "):
                decode(data, size, 32768)


def test_a_plain_size_that_ends_the_library_does_not_reach_it(library: LibwimCodecs) -> None:
    plain = sample(5000)
    with LibWim(library.path).compressor(Compression.LZMS, 32768, 50) as compress:
        stored = compress(plain)
    assert stored is not None
    for size in range(1, 20):
        with pytest.raises(ChunkError, match=f"bytes stored, {size} "):
            library.decoder(Compression.LZMS)(stored, size, 32768)


def test_changed_chunks_are_plain_bytes_or_an_error(library: LibwimCodecs) -> None:
    generator = random.Random(6)
    for kind in CHUNK_SIZES:
        decode = library.decoder(kind)
        with LibWim(library.path).compressor(kind, 32768, 50) as compress:
            stored = compress(sample(20_000))
        assert stored is not None
        refused = 0
        for _ in range(400):
            changed = bytearray(stored)
            for _ in range(generator.randrange(1, 5)):
                changed[generator.randrange(len(changed))] = generator.randrange(256)
            del changed[generator.choice((len(changed), generator.randrange(2, len(changed)))) :]
            try:
                assert len(decode(bytes(changed), 20_000, 32768)) == 20_000
            except ChunkError:
                refused += 1
        assert refused


def test_plain_chunks_and_impossible_sizes_go_as_in_python(library: LibwimCodecs) -> None:
    assert library.decoder(Compression.NONE)(b"abc", 3, 32768) == b"abc"
    for kind, chunk_size in [
        (Compression.LZMS, 1 << 27),
        (Compression.LZX, 1 << 14),
        (Compression.LZX, 40000),
    ]:
        with pytest.raises(UnsupportedWimError, match=f"{kind.value} chunks of {chunk_size} bytes"):
            library.decoder(kind)(b"abcd", 20, chunk_size)
    with pytest.raises(UnsupportedWimError, match="not written"):
        library.compress(Compression.LZMS, bytes(1000), 32768)
    with pytest.raises(WimError, match="too many"):
        library.compress(Compression.LZX, bytes(40000), 32768)


def test_each_thread_has_a_handle_of_its_own_and_gives_it_back(library: LibwimCodecs) -> None:
    counting = Counting(library.path)
    codecs = LibwimCodecs(counting, library.path)
    plain = sample(30_000)
    stored = library.compress(Compression.LZX, plain, 32768)
    assert stored is not None
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(
            number for number in range(50) if codecs.decoder(Compression.LZX)(stored, 30_000, 32768) != plain
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (counting.made, counting.freed) == (4, 4)


@pytest.mark.posix("fork")
def test_both_sides_of_a_fork_go_on(library: LibwimCodecs) -> None:
    plain = sample(30_000)
    stored = library.compress(Compression.LZX, plain, 32768)
    assert stored is not None
    decode = library.decoder(Compression.LZX)
    assert decode(stored, 30_000, 32768) == plain
    child = os.fork()
    if child == 0:
        os._exit(0 if decode(stored, 30_000, 32768) == plain else 1)
    assert decode(stored, 30_000, 32768) == plain
    assert os.waitpid(child, 0)[1] == 0


class Counting:
    """The real library, counting the decompressors that it gives and gets back."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self.made = self.freed = 0
        create, free = self._library.wimlib_create_decompressor, self._library.wimlib_free_decompressor

        def counted_create(*arguments: Any) -> int:
            self.made += 1
            code: int = create(*arguments)
            return code

        def counted_free(pointer: ctypes.c_void_p) -> int:
            self.freed += 1
            free(pointer)
            return 0

        self.wimlib_create_decompressor = counted_create
        self.wimlib_free_decompressor = counted_free

    def __getattr__(self, name: str) -> Callable[..., int]:
        function: Callable[..., int] = getattr(self._library, name)
        return function


def fake(version: tuple[int, int, int], *, without: str = "") -> Any:
    names = [
        f"{action}_{what}" for action in ("create", "free") for what in ("compressor", "decompressor")
    ] + ["compress", "decompress"]
    functions: dict[str, Any] = {f"wimlib_{name}": lambda *_: 2 for name in names if name != without}
    functions["wimlib_get_version"] = lambda: version[0] << 20 | version[1] << 10 | version[2]
    return SimpleNamespace(**functions)


def test_tells_its_version() -> None:
    assert LibwimCodecs(fake((1, 14, 4)), "x").name == "libwim 1.14.4"


@pytest.mark.parametrize("version", [(1, 12, 9), (0, 99, 0), (2, 0, 0)])
def test_other_versions_are_refused(version: tuple[int, int, int]) -> None:
    with pytest.raises(EnvironmentFailure, match=r"libwim [\d.]+ is not supported") as caught:
        LibwimCodecs(fake(version), "x")
    assert VARIABLE in caught.value.resolution


def test_a_library_that_is_no_libwim_is_refused() -> None:
    libraries: list[Any] = [SimpleNamespace(), fake((1, 14, 0), without="decompress")]
    for library in libraries:
        with pytest.raises(EnvironmentFailure, match="x cannot be used as libwim"):
            LibwimCodecs(library, "x")


def test_a_handle_that_is_not_given_is_a_failure_of_the_system() -> None:
    codecs = LibwimCodecs(fake((1, 14, 4)), "x")
    with pytest.raises(EnvironmentFailure, match="gives no LZX decompressor") as caught:
        codecs.decoder(Compression.LZX)(b"abcd", 20, 32768)
    assert "error code is 2" in caught.value.details


def not_there(name: str) -> Any:
    raise OSError(f"{name}: not there")


def test_a_missing_library_is_told_with_the_remedy() -> None:
    with pytest.raises(EnvironmentFailure, match="libwim is not installed") as caught:
        libwim.find("", not_there)
    assert "not there" in caught.value.details
    assert "libwim15" in caught.value.resolution
    assert VARIABLE in caught.value.resolution


@pytest.mark.parametrize(
    ("system", "names"),
    [
        ("linux", ["libwim.so.15"]),
        ("win32", ["libwim-15.dll"]),
        ("darwin", ["/opt/homebrew/lib/libwim.15.dylib", "/usr/local/lib/libwim.15.dylib"]),
    ],
)
def test_the_places_of_each_system(monkeypatch: pytest.MonkeyPatch, system: str, names: list[str]) -> None:
    tried: list[str] = []

    def opener(name: str) -> Any:
        tried.append(name)
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", system)
        with contextlib.suppress(EnvironmentFailure):
            libwim.find("", opener)
    assert tried == names


def test_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    there = LibwimCodecs(fake((1, 14, 4)), "x")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(libwim, "load", lambda: there)
    assert choose("python") is PYTHON
    assert choose() is choose(Codec.LIBWIM) is choose("auto") is there
    monkeypatch.setattr(libwim, "load", lambda: libwim.find("", not_there))
    assert choose() is PYTHON
    with pytest.raises(EnvironmentFailure):
        choose("libwim")
    with pytest.raises(UsageError, match="no codec 'zlib'"):
        choose("zlib")


def test_a_wrong_name_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "libwim.so"))
    for codec in (Codec.AUTO, Codec.LIBWIM):
        with pytest.raises(EnvironmentFailure, match=rf"{VARIABLE} names .*libwim\.so, but"):
            choose(codec)
    assert choose(Codec.PYTHON) is PYTHON


def test_the_environment_may_name_the_library(library: LibwimCodecs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, library.path)
    assert choose().name == library.name


def capture(judge: Judge, folder: Path, *options: str) -> tuple[Path, bytes]:
    """An image by wimlib-imagex with one file of many chunks, and the bytes of that file."""
    source = folder / "source"
    (source / "sub").mkdir(parents=True)
    plain = sample(400_000) + bytes(3_000)
    (source / "sub" / "file").write_bytes(plain)
    (source / "other").write_bytes(sample(3_000))
    judge("wimlib-imagex", "capture", source, folder / "made.wim", "--compress=LZMS", *options)
    return folder / "made.wim", plain


@pytest.mark.parametrize("chunk_size", [1 << 15, 1 << 17, 1 << 26])
def test_an_lzms_image_by_wimlib_is_read_through(
    library: LibwimCodecs, judge: Judge, tmp_path: Path, chunk_size: int
) -> None:
    path, plain = capture(judge, tmp_path, f"--chunk-size={chunk_size}")
    with path.open("rb") as file:
        wim = WimFile(file, "made.wim", codecs=library)
        assert (wim.header.compression, wim.decoder.chunk_size) == (Compression.LZMS, chunk_size)
        assert wim.read_file(1, r"sub\file") == plain
        entry = wim.lookup_table.find(hashlib.sha1(plain).digest())
        assert entry is not None
        assert entry.resource.is_compressed
        with pytest.raises(UnsupportedWimError, match="cannot be patched here"):
            wim.header.refuse_unpatchable("made.wim")


def test_an_lzms_image_stays_refused_without_the_library(judge: Judge, tmp_path: Path) -> None:
    path, _ = capture(judge, tmp_path)
    with path.open("rb") as file, pytest.raises(UnsupportedWimError, match="solid or LZMS image"):
        WimFile(file, "made.wim")


def test_solid_resources_stay_refused(library: LibwimCodecs, judge: Judge, tmp_path: Path) -> None:
    path, _ = capture(judge, tmp_path, "--solid")
    with path.open("rb") as file:
        wim = WimFile(file, "made.wim", codecs=library)
        with pytest.raises(WimError, match="solid or spanned"):
            wim.read_file(1, r"sub\file")


def test_solid_files_of_other_kinds_stay_refused(library: LibwimCodecs, judge: Judge, tmp_path: Path) -> None:
    path, _ = capture(judge, tmp_path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, 16, 0x40002)
    with pytest.raises(UnsupportedWimError, match="solid or LZMS image"):
        WimFile(io.BytesIO(raw), "other.wim", codecs=library)


def test_a_quick_decoder_starts_no_second_process_for_a_few_chunks(
    library: LibwimCodecs, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = sample(32768) * 70
    coded = library.compress(Compression.LZX, plain[:32768], 32768)
    assert coded is not None
    table = b"".join(struct.pack("<I", len(coded) * number) for number in range(1, 70))
    stored = table + coded * 70
    monkeypatch.setattr(resource, "SharedDecoding", None)
    decoder = ChunkDecoder(Compression.LZX, 32768, library)
    header = ResourceHeader(len(stored), 4, 0, len(plain))
    read = Resource(io.BytesIO(stored), header, decoder, file_size=len(stored), origin="x")
    assert read.read_all() == plain
