"""The certificate stores of a running Windows, over a registry that behaves as `winreg` is documented to."""

from __future__ import annotations

from typing import Any, Final, Self

import pytest

from winpe_certs.engines.live_stores import LiveCertificate, Registry, find_live, system_registry
from winpe_certs.errors import BlobError, EnvironmentFailure, UsageError

THUMBPRINT: Final = "1A8D2CC87D14C0B37372F979E20945250B635A45"
MACHINE: Final = r"SOFTWARE\Microsoft\SystemCertificates"
POLICY: Final = r"SOFTWARE\Policies\Microsoft\SystemCertificates"
ENTERPRISE: Final = r"SOFTWARE\Microsoft\EnterpriseCertificates"


class FakeKey:
    """An open key of `FakeRegistry`; closing is counted."""

    def __init__(self, registry: FakeRegistry, path: str) -> None:
        self.path = path
        self._registry = registry
        registry.open_keys += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._registry.open_keys -= 1


class FakeRegistry:
    """Both roots as one table of keys and their values, with the errors that `winreg` raises.

    Keys of the user begin with ``user:``.

    Names are found in any case. A 32-bit Python sees the 64-bit view only when it asks for it, so a key is
    there only for calls that do. `denied` keys raise as Windows does for missing rights.
    """

    HKEY_LOCAL_MACHINE = 0x8000_0002
    HKEY_CURRENT_USER = 0x8000_0001
    KEY_READ = 0x2_0019
    KEY_WOW64_64KEY = 0x100
    REG_SZ = 1
    REG_BINARY = 3
    REG_DWORD = 4

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, tuple[Any, int]]] = {}
        self.denied: set[str] = set()
        self.opened: list[str] = []
        self.open_keys = 0

    def set(self, path: str, name: str, data: Any, kind: int) -> None:
        """Make a key, those above it, and a value of it."""
        parts = path.split("\\")
        for count in range(1, len(parts) + 1):
            self.keys.setdefault("\\".join(parts[:count]), {})
        self.keys[path][name] = (data, kind)

    def OpenKey(self, key: Any, sub_key: str, reserved: int = 0, access: int = 0x2_0019) -> FakeKey:  # noqa: N802
        assert key in {self.HKEY_LOCAL_MACHINE, self.HKEY_CURRENT_USER}
        assert reserved == 0
        sub_key = f"user:{sub_key}" if key == self.HKEY_CURRENT_USER else sub_key
        self.opened.append(sub_key)
        if sub_key.casefold() in {path.casefold() for path in self.denied}:
            raise PermissionError(13, "Access is denied")
        for path in self.keys:
            if path.casefold() == sub_key.casefold() and access & self.KEY_WOW64_64KEY:
                return FakeKey(self, path)
        raise FileNotFoundError(2, "The system cannot find the file specified")

    def QueryInfoKey(self, key: FakeKey, /) -> tuple[int, int, int]:  # noqa: N802
        return len(self._children(key)), len(self.keys[key.path]), 0

    def EnumKey(self, key: FakeKey, index: int, /) -> str:  # noqa: N802
        children = self._children(key)
        if index >= len(children):
            raise OSError(22, "No more data is available")
        return children[index]

    def QueryValueEx(self, key: FakeKey, name: str, /) -> tuple[Any, int]:  # noqa: N802
        for stored, value in self.keys[key.path].items():
            if stored.casefold() == name.casefold():
                return value
        raise FileNotFoundError(2, "The system cannot find the file specified")

    def _children(self, key: FakeKey) -> list[str]:
        head = key.path.casefold() + "\\"
        return [
            p[len(head) :] for p in self.keys if p.casefold().startswith(head) and "\\" not in p[len(head) :]
        ]


def holding(*places: tuple[str, str], blob: bytes = b"blob") -> FakeRegistry:
    """A registry with the certificate in these places, each a parent key and a store."""
    registry = FakeRegistry()
    for parent, store in places:
        registry.set(rf"{parent}\{store}\Certificates\{THUMBPRINT}", "Blob", blob, FakeRegistry.REG_BINARY)
    return registry


def test_a_root_of_the_machine_is_found_with_its_bytes_and_its_key() -> None:
    registry = holding((MACHINE, "ROOT"), blob=b"\x03\x00")
    assert find_live(THUMBPRINT, registry) == (
        LiveCertificate(
            "ROOT", "machine", rf"HKEY_LOCAL_MACHINE\{MACHINE}\ROOT\Certificates\{THUMBPRINT}", b"\x03\x00"
        ),
    )


def test_machine_stores_come_first_then_policy_then_enterprise() -> None:
    places = [
        (parent, store) for parent in (ENTERPRISE, POLICY, MACHINE) for store in ("CA", "ROOT", "AuthRoot")
    ]
    found = find_live(THUMBPRINT, holding(*places))
    assert [(one.location, one.store) for one in found] == [
        ("machine", "AuthRoot"), ("machine", "ROOT"), ("machine", "CA"),
        ("group policy", "AuthRoot"), ("group policy", "ROOT"), ("group policy", "CA"),
        ("enterprise", "AuthRoot"), ("enterprise", "ROOT"), ("enterprise", "CA"),
    ]  # fmt: skip


def test_a_root_of_the_user_alone_is_found_last_and_said_to_be_theirs() -> None:
    for parent, location in (
        (r"Software\Microsoft\SystemCertificates", "current user"),
        (r"Software\Policies\Microsoft\SystemCertificates", "group policy of the current user"),
    ):
        (found,) = find_live(THUMBPRINT, holding((f"user:{parent}", "ROOT")))
        assert (found.location, found.store) == (location, "ROOT")
        assert found.key_path == rf"HKEY_CURRENT_USER\{parent}\ROOT\Certificates\{THUMBPRINT}"
        both = find_live(THUMBPRINT, holding((f"user:{parent}", "AuthRoot"), (MACHINE, "CA")))
        assert [one.location for one in both] == ["machine", location]


@pytest.mark.parametrize("parent", [POLICY, ENTERPRISE])
def test_a_root_that_came_by_policy_or_directory_is_found(parent: str) -> None:
    assert [one.store for one in find_live(THUMBPRINT, holding((parent, "ROOT")))] == ["ROOT"]


@pytest.mark.parametrize("spelling", [THUMBPRINT.lower(), THUMBPRINT.title()])
def test_the_case_of_key_names_does_not_matter(spelling: str) -> None:
    registry = FakeRegistry()
    registry.set(
        rf"Software\microsoft\systemcertificates\Root\certificates\{THUMBPRINT.lower()}", "blob", b"x", 3
    )
    found = find_live(spelling, registry)
    assert [(one.store, one.blob) for one in found] == [("ROOT", b"x")]
    assert found[0].key_path.endswith(THUMBPRINT)


def test_other_stores_and_other_certificates_are_no_answer() -> None:
    registry = holding((MACHINE, "Disallowed"), (MACHINE, "My"))
    registry.set(rf"{MACHINE}\ROOT\Certificates\{'0' * 40}", "Blob", b"other", FakeRegistry.REG_BINARY)
    assert find_live(THUMBPRINT, registry) == ()


def test_a_key_without_a_blob_is_no_certificate() -> None:
    registry = FakeRegistry()
    registry.set(rf"{MACHINE}\ROOT\Certificates\{THUMBPRINT}", "Other", b"x", FakeRegistry.REG_BINARY)
    assert find_live(THUMBPRINT, registry) == ()


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ("text", FakeRegistry.REG_SZ, "type 1"),
        (7, FakeRegistry.REG_DWORD, "type 4"),
        (b"bytes", 0, "type 0"),
        (None, FakeRegistry.REG_BINARY, "empty"),
        (b"", FakeRegistry.REG_BINARY, "empty"),
    ],
)
def test_a_blob_that_is_no_binary_value_is_refused(data: Any, kind: int, words: str) -> None:
    registry = FakeRegistry()
    registry.set(rf"{MACHINE}\CA\Certificates\{THUMBPRINT}", "Blob", data, kind)
    with pytest.raises(BlobError, match=words) as caught:
        find_live(THUMBPRINT, registry)
    assert rf"{MACHINE}\CA\Certificates\{THUMBPRINT}" in caught.value.message
    assert caught.value.resolution


def test_a_denied_key_is_a_failure_of_the_surroundings() -> None:
    """Going on to the next store would report another certificate than the first one."""
    registry = holding((MACHINE, "ROOT"))
    registry.denied.add(rf"{MACHINE}\AuthRoot\Certificates\{THUMBPRINT}")
    with pytest.raises(EnvironmentFailure, match="access is denied") as caught:
        find_live(THUMBPRINT, registry)
    assert "elevated" in caught.value.resolution
    assert isinstance(caught.value.__cause__, PermissionError)


def test_another_registry_error_says_what_windows_said(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = holding((MACHINE, "ROOT"))

    def broken(*_: object) -> tuple[Any, int]:
        raise OSError(5, "The configuration registry database is corrupt")

    monkeypatch.setattr(registry, "QueryValueEx", broken)
    with pytest.raises(EnvironmentFailure) as caught:
        find_live(THUMBPRINT, registry)
    assert "database is corrupt" in caught.value.details


def test_every_key_is_closed_again() -> None:
    registry = holding((MACHINE, "ROOT"), (POLICY, "CA"))
    find_live(THUMBPRINT, registry)
    assert registry.open_keys == 0


@pytest.mark.parametrize(
    "text", ["", "12", THUMBPRINT[:-1] + "G", rf"{THUMBPRINT[:-4]}\..\x", THUMBPRINT + "\n"]
)
def test_only_a_thumbprint_becomes_part_of_a_key(text: str) -> None:
    registry = FakeRegistry()
    with pytest.raises(UsageError, match="not a thumbprint"):
        find_live(text, registry)
    assert registry.opened == []


@pytest.mark.posix("elsewhere")
def test_elsewhere_than_on_windows_it_says_so_and_how_to_go_on() -> None:
    assert system_registry() is None
    with pytest.raises(UsageError, match="needs Windows") as caught:
        find_live(THUMBPRINT)
    assert "alone" not in caught.value.details, "a file may have been given too"
    assert "certificate file, without --thumbprint" in caught.value.resolution
    assert caught.value.command == ("certutil", "-store", "Root", THUMBPRINT, f"{THUMBPRINT}.cer")


def test_the_fake_has_what_the_protocol_names() -> None:
    registry: Registry = FakeRegistry()
    assert registry.KEY_READ
