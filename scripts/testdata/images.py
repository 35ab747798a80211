"""The test images: a boot.wim with two images as Windows media have them, and its variants."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from scripts.testdata import wim_writer
from scripts.testdata.clock import CAPTURED, INSTALLED, SERVICED
from scripts.testdata.hives import hive_variant, plain_hive
from scripts.testdata.security import file_descriptors
from scripts.testdata.wim_writer import Entry, Image, Wim, build_wim, digest

SOFTWARE = "Windows/System32/config/SOFTWARE"
_SOFTWARE_SECURITY = 3
_PATTERN = b"Nothing in this file is Microsoft's; it only compresses like the files of a boot image. "


def _program(size: int, seed: int) -> bytes:
    """Make bytes like machine code: repeated instructions with calls (E8) between them."""
    dice = random.Random(seed)
    made = bytearray(b"MZ\x90\0" + bytes(60))
    while len(made) < size:
        made += dice.choice(
            [b"\x48\x89\x5c\x24\x08", b"\x48\x83\xec\x28", b"\xc3\xcc\xcc", b"\x33\xc0", b"\x90" * 7]
        )
        made += b"\xe8" + struct.pack("<i", dice.randrange(-len(made), 60_000))
    return bytes(made[:size])


def software(hive: bytes, **changes: object) -> Entry:
    """Make the directory entry of the SOFTWARE hive, with its own security descriptor and times."""
    entry = Entry("SOFTWARE", hive, security=_SOFTWARE_SECURITY, times=(INSTALLED + 11, CAPTURED, SERVICED))
    return replace(entry, **changes)  # type: ignore[arg-type]


def _system32(config: Sequence[Entry]) -> Entry:
    noise = random.Random(5).randbytes(20_000)
    return Entry(
        "System32",
        children=[
            Entry(
                "Boot", children=[Entry("winload.efi", _program(70_000, 1), attributes=wim_writer.READ_ONLY)]
            ),
            Entry("config", children=config, security=2),
            Entry(
                "drivers", children=[Entry("etc", children=[Entry("hosts", b"127.0.0.1 localhost\r\n" * 40)])]
            ),
            Entry("en-US", children=[Entry("wpeinit.exe.mui", _PATTERN * 30)]),
            Entry("crypt32.dll", _program(40_000, 2), security=1, link_group=7),
            Entry("incompressible.bin", noise),
            Entry("startnet.cmd", b"wpeinit\r\n", short_name="STARTN~1.CMD"),
            Entry("Größe ü 日本.txt", _PATTERN, attributes=wim_writer.HIDDEN | wim_writer.ARCHIVE),
            Entry("empty.log", b""),
            Entry(
                "winpe.jpg",
                noise[:9000],
                streams=[("Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n")],
            ),
        ],
    )


def tree(config: Sequence[Entry], more: Sequence[Entry] = ()) -> Entry:
    """Make the directories of a Windows PE image around these files in ``config``."""
    hives = [
        Entry("DEFAULT", plain_hive("DEFAULT"), security=3),
        Entry("SYSTEM", plain_hive("SYSTEM"), security=3),
    ]
    side_by_side = Entry(
        "amd64_microsoft-windows-crypt32-dll_31bf3856ad364e35_10.0.26100.1_none_0",
        children=[Entry("crypt32.dll", _program(40_000, 2), security=1, link_group=7)],
        short_name="AMD64_~1.0_N",
    )
    windows = Entry(
        "Windows",
        children=[
            Entry("Boot", children=[Entry("PXE", children=[Entry("wdsmgfw.efi", _program(9000, 3))])]),
            Entry("Fonts"),
            Entry("INF", children=[Entry("setupapi.ev1", _PATTERN * 5)]),
            _system32([*hives, *config]),
            Entry("WinSxS", children=[side_by_side]),
            Entry("win.ini", b"; for 16-bit app support\r\n"),
        ],
    )
    program_files = Entry("Program Files", children=[Entry("Common Files")], short_name="PROGRA~1")
    return Entry("", children=[program_files, Entry("Users"), windows, *more])


def windows_pe(config: Sequence[Entry]) -> Image:
    """Describe the image "Microsoft Windows PE (x64)" with these files in ``config``."""
    name = "Microsoft Windows PE (x64)"
    return Image(name, tree(config), file_descriptors(), name)


def windows_setup(config: Sequence[Entry]) -> Image:
    """Describe the image "Microsoft Windows Setup (x64)", which has a folder ``sources`` besides."""
    name = "Microsoft Windows Setup (x64)"
    sources = Entry(
        "sources", children=[Entry("setup.exe", _program(12_000, 4)), Entry("lang.ini", b"en-us = 3\r\n" * 9)]
    )
    setup = Entry("setup.exe", _program(2_000, 6))
    return Image(name, tree(config, [setup, sources]), file_descriptors(), name, flags="2")


def boot_image(hive: bytes) -> Wim:
    """Describe the boot.wim of installation media: both images share one SOFTWARE blob, the second boots."""
    entries = [software(hive)]
    return Wim([windows_pe(entries), windows_setup(entries)], boot_index=2)


def single(*config: Entry) -> Wim:
    """Describe a boot image as ConfigMgr has it: one image, bootable, with these files in ``config``."""
    return Wim([windows_pe(config)], boot_index=1)


def small_hive() -> bytes:
    """Give the hive that the variants hold."""
    return hive_variant("no-free-cells.hiv")


def _patched(wim: Wim, offset: int, content: bytes) -> bytes:
    built = build_wim(wim)
    return built[:offset] + content + built[offset + len(content) :]


def _flagged(flag: int, without: int = 0, compression: str = "lzx") -> bytes:
    plain = build_wim(replace(single(software(small_hive())), compression=compression))
    flags = struct.unpack_from("<I", plain, 16)[0] & ~without | flag
    return plain[:16] + struct.pack("<I", flags) + plain[20:]


def _usual(**changes: object) -> bytes:
    return build_wim(replace(boot_image(small_hive()), **changes))  # type: ignore[arg-type]


def _config(*config: Entry) -> bytes:
    return build_wim(single(*config))


_STREAMS = [("note", b"an alternate stream of the hive"), ("empty", b"")]


def _hard_linked() -> bytes:
    linked = software(small_hive(), link_group=42)
    back = Entry("RegBack", children=[replace(linked, name="SOFTWARE.BAK", security=2)])
    return _config(back, linked)


def _same_group_other_content() -> bytes:
    linked = software(small_hive(), link_group=42)
    return _config(linked, replace(linked, name="SOFTWARE.BAK", data=b"another file with the same number"))


def _three_images() -> bytes:
    other = windows_pe([software(hive_variant("in-authroot.hiv"))])
    wim = boot_image(small_hive())
    return build_wim(replace(wim, images=[*wim.images, replace(other, name="Custom & <third>")]))


def beside_data(index: int = 1) -> bytes:
    """Build a boot.wim of three images, of which this one holds drivers, and no Windows."""
    files = Entry("", children=[Entry("Drivers", children=[Entry("net.inf", _PATTERN * 3)])])
    drivers = Image("Drivers", files, file_descriptors(), windows=False)
    wim = boot_image(small_hive())
    images = [*wim.images]
    images.insert(index - 1, drivers)
    return build_wim(replace(wim, images=images, boot_index=2 if index == 3 else 3))


def with_dirty(*indexes: int) -> bytes:
    """Build a boot.wim of three images, of which these have a hive that was not closed cleanly."""
    wim = boot_image(small_hive())
    dirty = windows_pe([software(hive_variant("software-dirty.hiv"))])
    images = [dirty if index in indexes else wim.images[0] for index in (1, 2, 3)]
    return build_wim(replace(wim, images=images, boot_index=3))


SOUND: dict[str, Callable[[], bytes]] = {
    "boot": lambda: build_wim(boot_image(hive_variant("software-1.5.hiv"))),
    "small": _usual,
    "xpress": lambda: _usual(compression="xpress"),
    "xpress-2": lambda: _flagged(0x200000, without=0x20000, compression="xpress"),
    "none": lambda: _usual(compression="none"),
    "single": lambda: _config(software(small_hive())),
    "no-integrity": lambda: _usual(integrity_piece=None),
    "integrity-pieces": lambda: _usual(integrity_piece=32768),
    "hard-linked": _hard_linked,
    "link-group-mismatch": _same_group_other_content,
    "named-stream": lambda: _config(software(small_hive(), streams=_STREAMS)),
    "named-stream-entry-hash": lambda: _config(software(small_hive(), streams=_STREAMS, hash_in_entry=True)),
    "plain-software": lambda: _usual(plain=frozenset([digest(small_hive())])),
    "stored-chunks": lambda: _usual(stored_chunks=True),
    "no-boot-index": lambda: _usual(boot_index=0),
    "boot-index-1": lambda: _usual(boot_index=1),
    "three-images": _three_images,
    "chunk-64k": lambda: _usual(chunk_size=65536),
    "chunk-128k": lambda: _usual(chunk_size=131072),
    "short-name": lambda: _config(software(small_hive(), short_name="SOFTWA~1")),
    "lower-case": lambda: _config(software(small_hive(), name="software")),
    "authroot-already": lambda: build_wim(boot_image(hive_variant("in-authroot.hiv"))),
    "narrowed": lambda: _config(software(hive_variant("narrowed.hiv"))),
    "root-only": lambda: _config(software(hive_variant("root-only.hiv"))),
}
TOLERATED: dict[str, Callable[[], bytes]] = {
    "trailing-bytes": lambda: _usual() + b"left over from an interrupted run" * 100,
    "low-counts": lambda: _usual(count_offsets={digest(small_hive()): -1}),
    "no-boot-metadata": lambda: _usual(boot_metadata=False),
    "case-twins": lambda: _config(software(small_hive()), software(b"regf of another case", name="Software")),
    "no-stores": lambda: _config(software(hive_variant("no-systemcertificates.hiv"))),
}
REFUSED: dict[str, Callable[[], bytes]] = {
    "split": lambda: _patched(single(software(small_hive())), 42, struct.pack("<H", 2)),
    "solid-version": lambda: _patched(single(software(small_hive())), 12, struct.pack("<I", 0xE00)),
    "unknown-version": lambda: _patched(single(software(small_hive())), 12, struct.pack("<I", 0x10E00)),
    "write-in-progress": lambda: _flagged(0x40),
    "read-only": lambda: _flagged(0x04),
    "lzms": lambda: _flagged(0x80000, without=0x40000),
    "two-compressions": lambda: _flagged(0x20000),
    "pipable": lambda: _patched(single(software(small_hive())), 0, b"WLPWM\0\0\0"),
    "software-encrypted": lambda: _config(software(small_hive(), attributes=wim_writer.ENCRYPTED)),
    "software-reparse": lambda: _config(
        software(struct.pack("<HH", 0, 4) + b"link", attributes=wim_writer.REPARSE, reparse_tag=0xA000000C)
    ),
    "software-directory": lambda: _config(Entry("SOFTWARE")),
    "software-missing": _config,
    "software-empty": lambda: _config(software(b"")),
    "software-dirty": lambda: _config(software(hive_variant("software-dirty.hiv"))),
    "case-twins-only-other": lambda: _config(
        software(small_hive(), name="Software"), software(b"regf", name="software")
    ),
}
VARIANTS = SOUND | TOLERATED | REFUSED


@cache
def variant(name: str) -> bytes:
    """Build one of `VARIANTS`.

    `SOUND` ones please every judge. `TOLERATED` ones are odd, yet occur: a patcher copes with them.
    `REFUSED` ones are what the tool must not patch.
    """
    return VARIANTS[name]()
