"""The test hives: SOFTWARE of a Windows PE image in small, variants of it, a large one to measure with."""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Callable, Sequence
from functools import cache

from scripts.testdata import pki
from scripts.testdata.clock import SERVICED
from scripts.testdata.hive_writer import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    Hive,
    Key,
    Value,
    build_hive,
    sealed,
    text,
)
from scripts.testdata.security import key_descriptors

STORES = (
    "AuthRoot",
    "CA",
    "Disallowed",
    "FlightRoot",
    "My",
    "ROOT",
    "SmartCardRoot",
    "Trust",
    "TrustedPeople",
    "TrustedPublisher",
)
_CLIENT_AUTH_ONLY = (0x09, bytes.fromhex("300a06082b06010505070302"))
_VOCABULARY = """
    Application Catalog Class Component Device Driver Engine Factory Handler Helper Host Image Interface
    Manager Microsoft Module Network Object Package Policy Provider Proxy Server Service Session Setup
    Shell Storage System Task Update User Windows
"""
_WORDS = _VOCABULARY.split()


def string(name: str, content: str) -> Value:
    """Make a REG_SZ value."""
    return Value(name, REG_SZ, text(content))


def number(name: str, content: int) -> Value:
    """Make a REG_DWORD value."""
    return Value(name, REG_DWORD, struct.pack("<I", content))


def certificate_key(name: str, *narrowing: tuple[int, bytes]) -> Key:
    """Make the key in which a store keeps one certificate."""
    return Key(pki.thumbprint(name), [Value("Blob", REG_BINARY, pki.registry_blob(name, *narrowing))])


def _stores(content: dict[str, Sequence[Key]]) -> Key:
    stores = []
    for name in STORES:
        parts = [Key("Certificates", subkeys=content.get(name, ())), Key("CRLs"), Key("CTLs")]
        stores.append(Key(name, subkeys=parts, security=1 if name == "ROOT" else None))
    return Key("SystemCertificates", subkeys=stores, written=SERVICED)


def _guid(dice: random.Random) -> str:
    return "{" + str(uuid.UUID(int=dice.getrandbits(128), version=4)).upper() + "}"


def _phrase(dice: random.Random, words: int) -> str:
    return " ".join(dice.choice(_WORDS) for _ in range(words))


def _class_ids(dice: random.Random, count: int) -> Key:
    """Make many keys in one, most of them empty, as registrations of components are."""
    keys = []
    for position in range(count):
        path = f"%SystemRoot%\\System32\\{dice.choice(_WORDS).lower()}{position % 97}.dll"
        server = [
            Key(
                "InprocServer32",
                [
                    Value("", REG_EXPAND_SZ, text(path)),
                    string("ThreadingModel", dice.choice(["Both", "Free"])),
                ],
            )
        ]
        busy = position % 12 == 0
        keys.append(Key(_guid(dice), [string("", _phrase(dice, 3))] if busy else (), server if busy else ()))
    return Key("CLSID", subkeys=keys)


def _windows_nt() -> Key:
    current = [
        string("ProductName", "Windows PE"),
        string("EditionID", "WindowsPE"),
        string("CurrentVersion", "6.3"),
        string("CurrentBuild", "26100"),
        string("CurrentBuildNumber", "26100"),
        number("CurrentMajorVersionNumber", 10),
        number("CurrentMinorVersionNumber", 0),
        number("UBR", 1),
        string("InstallationType", "WindowsPE"),
        string("SystemRoot", "X:\\windows"),
        number("InstallDate", 0x660A6458),
        Value("InstallTime", REG_QWORD, struct.pack("<Q", SERVICED)),
        Value("DigitalProductId", REG_BINARY, bytes(range(164))),
        string("RegisteredOwner", ""),
    ]
    winpe = Key(
        "WinPE",
        [string("InstRoot", "X:\\"), string("CustomBackground", "%SystemRoot%\\system32\\winpe.jpg")],
        [Key("OC", subkeys=[Key(name) for name in ("WinPE-NetFX", "WinPE-PowerShell", "WinPE-WMI")])],
    )
    fonts = Key("Fonts", [string(f"Segoe UI {style} (TrueType)", "segoeui.ttf") for style in _WORDS[:12]])
    return Key("Windows NT", subkeys=[Key("CurrentVersion", current, [winpe, fonts])])


def _odd_names(dice: random.Random) -> Key:
    """Make keys whose names and values are legal and unusual."""
    names = [
        "Größe",
        "Straße_ß",
        "Ünïcödé",
        "ÿ",
        "µ-controller",
        "日本語",
        "Русский",
        "русский язык",
        "Ελληνικά",
        "smile \U0001f600",
        "_after Z",
        "a b",
        "a-b",
        "~tilde",
        "x" * 255,
    ]
    values = [
        Value("", REG_SZ, b""),
        Value("empty", REG_BINARY, b""),
        Value("one", REG_BINARY, b"\x01"),
        Value("four", REG_BINARY, b"1234"),
        Value("five", REG_BINARY, b"12345"),
        Value("Größe", REG_DWORD, b"\x07\0\0\0"),
        Value("日本", REG_MULTI_SZ, text("a\0b\0")),
        Value("one segment", REG_BINARY, dice.randbytes(16344)),
        Value("two segments", REG_BINARY, b"block " * 2725),
        Value("three segments", REG_BINARY, dice.randbytes(4096) * 9),
        Value("kind out of the ordinary", 0x12345, b"kept as it is"),
    ]
    deep = Key("level 24")
    for level in range(23, 0, -1):
        deep = Key(f"level {level}", subkeys=[deep])
    classed = Key("with class", class_name="Shell", subkeys=[Key("child", class_name="A longer class name")])
    return Key(
        "Test", values, [*(Key(name, [string("", name)]) for name in names), deep, classed], security=2
    )


def software(
    stores: dict[str, Sequence[Key]] | None,
    *,
    class_ids: int = 1030,
    more: Sequence[Key] = (),
    scatter: int | None = 7,
    leaf_limit: int | None = None,
    seed: int = 1,
) -> Hive:
    """Describe a SOFTWARE hive with these certificates in its stores; None leaves SystemCertificates out."""
    dice = random.Random(seed)
    services = [
        Key(_phrase(dice, 2) + f" {position}", [string("DllName", "x.dll"), number("Start", position)])
        for position in range(60 if class_ids > 100 else 8)
    ]
    microsoft = [
        Key("Cryptography", [string("MachineGuid", "00000000-0000-4000-8000-000000000000")]),
        Key("Windows", subkeys=[Key("CurrentVersion", subkeys=services)]),
        _windows_nt(),
        *([] if stores is None else [_stores(stores)]),
    ]
    root = Key(
        "CMI-CreateHive{00000000-7465-7374-6461-746100000001}",
        subkeys=[
            Key("Classes", subkeys=[_class_ids(dice, class_ids), Key(".txt", [string("", "txtfile")])]),
            Key("Microsoft", subkeys=microsoft),
            _odd_names(dice),
            *more,
        ],
        security=0,
    )
    descriptors = key_descriptors() if stores is not None else (key_descriptors()[0], key_descriptors()[2])
    if stores is None:
        root = _without_second_descriptor(root)
    return Hive(root, descriptors, scatter=scatter, leaf_limit=leaf_limit)


def _without_second_descriptor(key: Key) -> Key:
    security = 1 if key.security == 2 else key.security
    subkeys = [_without_second_descriptor(subkey) for subkey in key.subkeys]
    return Key(key.name, key.values, subkeys, security, key.class_name, key.written)


def usual_stores() -> dict[str, Sequence[Key]]:
    """Give what the stores hold before the tool is run: neither of the corporate roots."""
    return {
        "ROOT": [certificate_key("stored-root"), certificate_key("expired-root")],
        "Disallowed": [certificate_key("disallowed-root")],
    }


def _dirty() -> bytes:
    clean = build_hive(software(usual_stores(), class_ids=40))
    (sequence,) = struct.unpack_from("<I", clean, 4)
    return sealed(clean[:4] + struct.pack("<I", sequence + 1) + clean[8:])


def _narrowed() -> bytes:
    stores = {**usual_stores(), "AuthRoot": [certificate_key("corp-root", _CLIENT_AUTH_ONLY)]}
    return build_hive(software(stores, class_ids=40))


def _in_root_only() -> bytes:
    stores = usual_stores()
    stores["ROOT"] = [*stores["ROOT"], certificate_key("corp-root")]
    return build_hive(software(stores, class_ids=40))


def _in_auth_root() -> bytes:
    stores = {**usual_stores(), "AuthRoot": [certificate_key("corp-root"), certificate_key("corp-root-2")]}
    return build_hive(software(stores, class_ids=40))


def _small_lists() -> bytes:
    return build_hive(software(usual_stores(), class_ids=40, leaf_limit=6))


HIVES: dict[str, Callable[[], bytes]] = {
    "software-1.5.hiv": lambda: build_hive(software(usual_stores())),
    "software-1.3.hiv": lambda: build_hive(software(usual_stores(), class_ids=600, scatter=8), minor=3),
    "software-dirty.hiv": _dirty,
    "no-systemcertificates.hiv": lambda: build_hive(software(None, class_ids=40)),
    "narrowed.hiv": _narrowed,
    "root-only.hiv": _in_root_only,
    "in-authroot.hiv": _in_auth_root,
    "small-lists.hiv": _small_lists,
    "no-free-cells.hiv": lambda: build_hive(software(usual_stores(), class_ids=40, scatter=None)),
}
COMMITTED = (
    "software-1.5.hiv",
    "software-1.3.hiv",
    "software-dirty.hiv",
    "no-systemcertificates.hiv",
    "narrowed.hiv",
    "root-only.hiv",
)


@cache
def hive_variant(name: str) -> bytes:
    """Build one of `HIVES`."""
    return HIVES[name]()


def plain_hive(name: str) -> bytes:
    """Build a small hive of another kind: ``SYSTEM`` or ``DEFAULT``."""
    subkeys = [Key("Setup", [number("SystemSetupInProgress", 1), string("CmdLine", "winpeshl.exe")])]
    root = Key(f"ROOT-{name}", subkeys=subkeys, security=0)
    return build_hive(Hive(root, key_descriptors()[:1], f"emRoot\\System32\\Config\\{name}"))


def _measured_content(dice: random.Random, keys: int, filler: int) -> list[Key]:
    """Make the bulk of a large hive: registrations with strings, and `filler` bytes in binary values."""
    groups: list[Key] = []
    made = 0
    binary = max(filler // max(keys // 40, 1), 8)
    while made < keys:
        entries = []
        for _ in range(min(900, keys - made)):
            component = _phrase(dice, 2).lower().replace(" ", "-")
            path = f"%SystemRoot%\\WinSxS\\amd64_{component}_{dice.randrange(10**8)}"
            values = [
                string("", _phrase(dice, 3)),
                string("Path", path),
                number("Flags", dice.getrandbits(32)),
            ]
            if dice.random() < 1 / 40:
                size = dice.randrange(binary // 2, binary * 3 // 2 + 1)
                random_part = dice.randbytes(size // 16)
                pattern = struct.pack("<IIHH", dice.getrandbits(16), 1, dice.getrandbits(8), 3)
                values.append(Value("Data", REG_BINARY, (random_part + pattern * size)[:size]))
            entries.append(Key(_guid(dice), values))
        made += len(entries)
        groups.append(Key(f"{dice.choice(_WORDS)} {len(groups):03}", subkeys=entries))
    return groups


def scale_hive(keys: int = 26_000, target_bytes: int = 15_000_000, seed: int = 1) -> bytes:
    """Build a large SOFTWARE-like hive of about `keys` keys and `target_bytes` bytes, to measure with.

    The content is mixed so that LZX makes about a quarter of it: class ids, strings, binary data.
    """

    def built(filler: int) -> bytes:
        bulk = _measured_content(random.Random(seed), keys, filler)
        return build_hive(software(usual_stores(), more=[Key("Bulk", subkeys=bulk)], seed=seed))

    bare = built(0)
    missing = target_bytes - len(bare)
    if missing <= 0:
        return bare
    grown = len(built(missing)) - len(bare)
    return built(missing * missing // max(grown, 1))
