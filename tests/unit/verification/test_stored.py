from __future__ import annotations

from importlib.metadata import version

import pytest

from scripts.testdata.hive_writer import Hive as HiveDescription
from scripts.testdata.hive_writer import Key, Value, build_hive
from scripts.testdata.hives import hive_variant, software, usual_stores
from scripts.testdata.pki import registry_blob, thumbprint
from winpe_certs.certs.stores import Location, store_key
from winpe_certs.errors import DirtyHiveError, HiveError
from winpe_certs.verification import stored
from winpe_certs.verification.readers import (
    PythonRegistryReader,
    RegipyReader,
    open_readers,
    reader_versions,
)
from winpe_certs.verification.stored import read_stored

READERS = [RegipyReader, PythonRegistryReader]
BINARY, DWORD = 3, 4


def hive_with(*values: Value, name: str = "A" * 40) -> bytes:
    """A hive with one certificate key in AuthRoot."""
    stores = Key("AuthRoot", subkeys=[Key("Certificates", subkeys=[Key(name, values=list(values))])])
    microsoft = Key("Microsoft", subkeys=[Key("SystemCertificates", subkeys=[stores])])
    return build_hive(
        HiveDescription(
            Key("ROOT", subkeys=[microsoft]), descriptors=[software(usual_stores()).descriptors[0]]
        )
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", [1, 4, 5, 127, 129, 900, 16344, 16345, 40000])
def test_a_blob_of_any_size_is_read_whole(reader: type[RegipyReader], size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    found = reader(hive_with(Value("Blob", BINARY, data))).blobs(store_key("AuthRoot"))
    assert found == {"A" * 40: data}


@pytest.mark.parametrize("reader", READERS)
def test_a_store_that_is_not_there_is_none_and_a_key_without_blob_has_none(
    reader: type[RegipyReader],
) -> None:
    hive = hive_with(Value("Other", BINARY, b"x"))
    assert reader(hive).blobs(store_key("ROOT")) is None
    assert reader(hive).blobs(store_key("AuthRoot")) == {"A" * 40: None}
    number = hive_with(Value("Blob", DWORD, b"\1\2\3\4"))
    assert reader(number).blobs(store_key("AuthRoot")) == {"A" * 40: None}


def test_both_readers_are_named_with_their_versions() -> None:
    names = [reader.name for reader in open_readers(hive_with(), "SOFTWARE")]
    assert [name.split()[0] for name in names] == ["regipy", "python-registry"]
    assert all(name.split()[1][0].isdigit() for name in names)


def test_reads_every_store_of_every_location() -> None:
    found = read_stored(hive_variant("software-1.5.hiv"), "SOFTWARE")
    places = {(entry.location, entry.store, entry.key_name) for entry in found.certificates}
    assert (Location.MACHINE, "Disallowed", thumbprint("disallowed-root")) in places
    (root,) = found.find(thumbprint("stored-root"))
    assert root.blob == registry_blob("stored-root")


def test_readers_that_disagree_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Liar:
        name = "liar 1.0"

        def blobs(self, _: object) -> dict[str, bytes | None]:
            return {"A" * 40: b"something else"}

    hive = hive_with(Value("Blob", BINARY, b"x" * 20))
    monkeypatch.setattr(stored, "open_readers", lambda data, origin: (*open_readers(data, origin), Liar()))
    with pytest.raises(HiveError, match=r"liar 1\.0 reads the key .* in another way"):
        read_stored(hive, "SOFTWARE")


def test_a_reader_that_gives_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "broken 1.0"

        def blobs(self, _: object) -> dict[str, bytes | None]:
            raise IndexError("oops")

    monkeypatch.setattr(stored, "open_readers", lambda _, __: (Broken(),))
    with pytest.raises(HiveError, match=r"broken 1\.0 cannot read this hive") as caught:
        read_stored(hive_with(), "SOFTWARE")
    assert "oops" in caught.value.details


def test_a_dirty_hive_is_refused_before_any_reader_sees_it() -> None:
    with pytest.raises(DirtyHiveError):
        read_stored(hive_variant("software-dirty.hiv"), "SOFTWARE")


def test_readers_tell_the_versions_that_are_installed() -> None:
    names = ("regipy", "python-registry")
    assert reader_versions() == tuple(f"{name} {version(name)}" for name in names)


def test_a_reader_that_does_not_tell_its_version_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told = reader_versions()
    monkeypatch.delattr("Registry._version_")
    assert reader_versions() == told
