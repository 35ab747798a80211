"""The test data: made anew it is byte for byte what is committed, and judges that are not ours accept it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scripts.bench_image import build_bench_image
from scripts.testdata import build, hives, images, pki
from scripts.testdata.hive_writer import REG_SZ, Hive, Key, Value, build_hive, text
from scripts.testdata.hostile import HOSTILE, hostile
from scripts.testdata.security import key_descriptors
from scripts.testdata.wim_writer import walk
from tests.conftest import REPOSITORY, Judge
from winpe_certs.regf.check import check

IMAGES = {"three-images": 3} | dict.fromkeys(
    (
        "single",
        "xpress-2",
        "hard-linked",
        "link-group-mismatch",
        "named-stream",
        "named-stream-entry-hash",
        "short-name",
        "lower-case",
        "narrowed",
        "root-only",
    ),
    1,
)


def _written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# --- what is committed ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", build.files())
def test_a_committed_file_is_what_the_builder_makes(name: str) -> None:
    assert (build.FOLDER / name).read_bytes() == build.files()[name]()


def test_the_command_finds_nothing_to_write() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "make-testdata", "--check"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_the_command_writes_what_is_missing_and_names_what_differs(tmp_path: Path) -> None:
    assert build.PFX in build.write(tmp_path)
    assert build.differing(tmp_path) == []
    (tmp_path / "certs" / "corp-root.cer").write_bytes(b"changed")
    (tmp_path / build.PFX).unlink()
    assert build.differing(tmp_path) == ["certs/corp-root.cer", build.PFX]


def test_the_folder_is_small_and_holds_nothing_else() -> None:
    files = [path for path in build.FOLDER.rglob("*") if path.is_file()]
    keys = {f"keys/{name}.key.pem" for name in pki.RECIPES}
    expected = {*build.files(), build.PFX, *keys, "README.md", ".gitattributes"}
    assert {path.relative_to(build.FOLDER).as_posix() for path in files} == expected
    assert sum(path.stat().st_size for path in files) < 1_500_000


def test_the_readme_describes_each_file() -> None:
    described = (build.FOLDER / "README.md").read_text(encoding="utf-8")
    missing = [name for name in [*build.files(), build.PFX] if f"`{name}`" not in described]
    assert missing == []


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", pki.RECIPES)
def test_a_certificate_is_signed_by_its_issuer(name: str) -> None:
    found = pki.certificate(name)
    issuer = pki.certificate(pki.RECIPES[name].issuer or name)
    if not pki.RECIPES[name].sha1:
        found.verify_directly_issued_by(issuer)
        return
    key = issuer.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert found.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.5"
    key.verify(found.signature, found.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303


def test_openssl_agrees_about_the_chain(judge: Judge) -> None:
    folder = build.FOLDER / "certs"
    done = judge("openssl", "pkcs7", "-inform", "DER", "-in", folder / "chain.p7b", "-print_certs", "-noout")
    assert done.stdout.count(b"subject=") == 2
    judge(
        "openssl",
        "verify",
        "-CAfile",
        folder / "corp-root.pem",
        "-untrusted",
        folder / "chain.pem",
        folder / "cmg-chain.pem",
    )


# --- hives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in hives.HIVES if name != "software-dirty.hiv"])
def test_a_hive_breaks_no_invariant(name: str) -> None:
    assert check(hives.hive_variant(name)) == ()


@pytest.mark.parametrize("name", ["SYSTEM", "DEFAULT"])
def test_a_plain_hive_breaks_no_invariant(name: str) -> None:
    assert check(hives.plain_hive(name)) == ()


def test_the_dirty_hive_is_dirty_and_nothing_else() -> None:
    assert [violation.invariant for violation in check(hives.hive_variant("software-dirty.hiv"))] == ["dirty"]


@pytest.mark.parametrize("name", hives.HIVES)
def test_hivex_and_libregf_read_a_hive(name: str, judge: Judge, tmp_path: Path) -> None:
    path = _written(tmp_path, "SOFTWARE", hives.hive_variant(name))
    exported = judge("hivexregedit", "--export", path, "\\").stdout.decode("utf-8", "replace")
    assert exported.count("[\\Classes\\CLSID\\{") >= 40
    assert ("\\SystemCertificates\\ROOT\\" in exported) == (name != "no-systemcertificates.hiv")
    listed = judge("regfexport", path)
    assert b"level 24" in listed.stdout
    assert listed.stderr == b""


def test_hivex_finds_the_stored_blob(judge: Judge, tmp_path: Path) -> None:
    path = _written(tmp_path, "SOFTWARE", hives.hive_variant("software-1.5.hiv"))
    key = f"\\Microsoft\\SystemCertificates\\ROOT\\Certificates\\{pki.thumbprint('stored-root')}"
    exported = judge("hivexregedit", "--export", path, key).stdout.decode()
    found = re.search(r'"Blob"=hex\(3\):([0-9a-f,\\\s]+)', exported)
    assert found is not None
    assert bytes.fromhex(re.sub(r"[^0-9a-f]", "", found[1])) == pki.registry_blob("stored-root")


@pytest.mark.parametrize(
    ("minor", "kinds"), [(5, (b"lh", b"ri", b"db")), (3, (b"lf", b"li"))], ids=["1.5", "1.3"]
)
def test_the_committed_hives_have_every_kind_of_list_of_their_version(
    minor: int, kinds: tuple[bytes, ...]
) -> None:
    content = hives.hive_variant(f"software-1.{minor}.hiv")
    starts = {content[place : place + 2] for place in range(4096 + 4, len(content), 8)}
    assert set(kinds) <= starts


@pytest.mark.parametrize("count", [0, 1, 507, 508, 1012, 1013, 2100])
@pytest.mark.parametrize("minor", [3, 5, 6])
def test_lists_of_any_length_are_sound(count: int, minor: int) -> None:
    keys = [Key(f"key {position}", [Value("", REG_SZ, text("x"))]) for position in range(count)]
    hive = build_hive(Hive(Key("root", subkeys=keys, security=0), key_descriptors()[:1]), minor)
    assert check(hive) == ()


def test_the_large_hive_has_the_size_that_was_asked_for() -> None:
    large = hives.scale_hive(keys=3000, target_bytes=2_000_000, seed=3)
    assert abs(len(large) - 2_000_000) < 200_000
    assert check(large) == ()


# --- images ---------------------------------------------------------------------------------------


def _listed(path: Path, judge: Judge) -> str:
    """What wimlib says of the SOFTWARE file in the first image."""
    done = judge("wimlib-imagex", "dir", path, 1, "--detailed", f"--path=/{images.SOFTWARE}")
    return str(done.stdout, "utf-8")


def _stored_share(path: Path, judge: Judge) -> float:
    listed = re.findall(r"(Uncompressed|Compressed) size\s*= (\d+)", _listed(path, judge))
    sizes = {kind: int(size) for kind, size in listed}
    return sizes["Compressed"] / sizes["Uncompressed"]


@pytest.mark.parametrize("name", images.SOUND)
def test_a_sound_image_pleases_every_judge(name: str, judge: Judge, tmp_path: Path) -> None:
    path = _written(tmp_path, "boot.wim", images.variant(name))
    judge("wimlib-imagex", "verify", path)
    tested = judge("7zz", "t", path)
    assert b"WARN" not in (tested.stdout + tested.stderr).upper()


@pytest.mark.parametrize("name", images.TOLERATED)
def test_wimlib_accepts_a_tolerated_image(name: str, judge: Judge, tmp_path: Path) -> None:
    judge("wimlib-imagex", "verify", _written(tmp_path, "boot.wim", images.variant(name)))


@pytest.mark.parametrize("name", images.SOUND)
def test_the_hive_comes_out_as_it_went_in(name: str, judge: Judge, tmp_path: Path) -> None:
    path = _written(tmp_path, "boot.wim", images.variant(name))
    special = {
        "boot": "software-1.5.hiv",
        "authroot-already": "in-authroot.hiv",
        "narrowed": "narrowed.hiv",
        "root-only": "root-only.hiv",
    }
    expected = hives.hive_variant(special.get(name, "no-free-cells.hiv"))
    wanted = "lower-case" if name == "lower-case" else "SOFTWARE"
    inside = images.SOFTWARE.replace("SOFTWARE", "software") if wanted == "lower-case" else images.SOFTWARE
    for index in range(1, IMAGES.get(name, 2) + 1):
        got = judge("wimlib-imagex", "extract", path, index, f"/{inside}", "--to-stdout").stdout
        assert got == (hives.hive_variant("in-authroot.hiv") if index == 3 else expected)


def test_every_file_of_the_committed_image_comes_out_as_it_went_in(judge: Judge, tmp_path: Path) -> None:
    judge("wimlib-imagex", "apply", build.FOLDER / "boot.wim", 2, tmp_path / "out")
    described = images.boot_image(hives.hive_variant("software-1.5.hiv")).images[1]
    contents = sorted(entry.data for entry in walk(described.root) if entry.data is not None)
    assert sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()) == contents


def test_the_committed_image_is_compressed_and_has_what_the_tool_must_keep(judge: Judge) -> None:
    path = build.FOLDER / "boot.wim"
    assert _stored_share(path, judge) < 0.5
    assert re.search(r"Reference Count\s*= 2\n", _listed(path, judge))
    everything = judge("wimlib-imagex", "dir", path, 2, "--detailed").stdout.decode()
    assert len(set(re.findall(r"Security Descriptor = (\w+)", everything))) == 4
    assert 'Short Name          = "PROGRA~1"' in everything
    assert "Zone.Identifier" in everything
    assert re.search(r"Link Count\s*= 2\n", everything)
    told = judge("wimlib-imagex", "info", path).stdout.decode()
    assert re.search(r"Boot Index:\s+2\n", told)
    assert "Integrity info" in told


@pytest.mark.parametrize(
    "name", ["xpress", "xpress-2", "chunk-64k", "chunk-128k", "hard-linked", "no-integrity"]
)
def test_a_variant_is_compressed(name: str, judge: Judge, tmp_path: Path) -> None:
    assert _stored_share(_written(tmp_path, "boot.wim", images.variant(name)), judge) < 0.5


@pytest.mark.parametrize(
    ("name", "flags"), [("plain-software", ""), ("none", ""), ("stored-chunks", "WIM_RESHDR_FLAG_COMPRESSED")]
)
def test_a_variant_is_stored_plain(name: str, flags: str, judge: Judge, tmp_path: Path) -> None:
    path = _written(tmp_path, "boot.wim", images.variant(name))
    assert _stored_share(path, judge) >= 1
    found = re.search(r"Flags +=(.*)", _listed(path, judge))
    assert found is not None
    assert found[1].strip() == flags


@pytest.mark.parametrize("mixed", [False, True])
def test_the_image_to_measure_with_is_built_once_and_sound(judge: Judge, tmp_path: Path, mixed: bool) -> None:
    judge("wimlib-imagex", "--version")
    sizes = {"files": 100, "total": 600_000, "hive_keys": 400, "hive_bytes": 500_000}
    path = build_bench_image(tmp_path, mixed=mixed, **sizes)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    judge("wimlib-imagex", "verify", path)
    judge("7zz", "t", path)
    hive = judge("wimlib-imagex", "extract", path, 1, f"/{images.SOFTWARE}", "--to-stdout").stdout
    assert check(hive) == ()
    written = path.stat().st_mtime_ns
    assert build_bench_image(tmp_path, mixed=mixed, **sizes).stat().st_mtime_ns == written


@pytest.mark.parametrize("name", images.VARIANTS)
def test_a_variant_is_the_same_each_time(name: str) -> None:
    assert images.VARIANTS[name]() == images.variant(name)


# --- damaged files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_file_is_the_same_each_time_and_says_what_is_wrong(name: str) -> None:
    content, sentence = hostile(name)
    assert (content, sentence) == hostile(name)
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert len(content) < 1_000_000


def test_damaged_files_differ_from_each_other_and_from_the_good_ones() -> None:
    good = {images.variant("single"), hives.hive_variant("no-free-cells.hiv"), pki.der("corp-root")}
    contents = [hostile(name)[0] for name in HOSTILE]
    assert not good & set(contents)
    duplicates = len(contents) - len(set(contents))
    assert duplicates == 3, "empty files of each kind, and a header alone is a truncation as well"


def test_wimlib_refuses_most_damaged_images(judge: Judge, tmp_path: Path) -> None:
    accepted = []
    names = [name for name in HOSTILE if name.startswith("wim/")]
    for name in names:
        path = _written(tmp_path, "hostile.wim", hostile(name)[0])
        if judge("wimlib-imagex", "verify", path, check=False).returncode == 0:
            accepted.append(name)
    assert len(accepted) < len(names) / 3, accepted
