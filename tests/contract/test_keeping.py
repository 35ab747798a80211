"""What a file is besides its contents stays when a new one takes its place, or nothing is changed."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Judge
from tests.unit.cli.conftest import TESTDATA, Program

ROOT = TESTDATA / "certs" / "corp-root.cer"
SOFTWARE = Path("Windows", "System32", "config", "SOFTWARE")
HIDDEN_SYSTEM_ARCHIVE = struct.pack(">I", 0x26)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's, mounts those of Linux")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not Path("/dev/fuse").exists(),
    reason="mounting and giving files away needs root and /dev/fuse",
)
Mounted = Callable[..., Path]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return Path(shutil.copy(TESTDATA / "boot.wim", tmp_path / "boot.wim"))


# --- owner, group, mode -----------------------------------------------------------------------------------


def as_member(tmp_path: Path, *words: object) -> subprocess.CompletedProcess[bytes]:
    """Run the program as somebody else, who is in the group 2000."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(mode(folder) | 0o011)
    command = [sys.executable, "-m", "winpe_certs", *map(str, words)]
    return subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "2000", *command],
        capture_output=True,
        check=False,
        env={**os.environ, "HOME": "/nonexistent"},
    )


@needs_root
def test_a_member_of_the_group_does_not_take_the_file_away_from_the_team(tmp_path: Path, image: Path) -> None:
    as_root = [
        sys.executable,
        "-m",
        "winpe_certs",
        "inject",
        str(image),
        "--cert",
        str(ROOT),
        "-i",
        "1",
        "-q",
    ]
    subprocess.run(as_root, check=True)
    os.chown(image, 1001, 2000)
    image.chmod(0o2664)
    os.chown(tmp_path, 1001, 2000)
    tmp_path.chmod(0o775)
    done = as_member(tmp_path, "compact", image, "-q")
    if b"No module named" in done.stderr or b"Permission denied" in done.stderr:
        pytest.skip("this checkout is not open to other users")
    assert done.returncode == 0, done.stderr
    assert (image.stat().st_gid, mode(image)) == (2000, 0o2664)


@needs_root
def test_root_keeps_the_owner(run: Program, image: Path) -> None:
    run("inject", image, "--cert", ROOT, "-i", "1")
    os.chown(image, 1001, 2000)
    image.chmod(0o640)
    assert run("compact", image).code == 0
    assert (image.stat().st_uid, image.stat().st_gid, mode(image)) == (1001, 2000, 0o640)


def test_a_new_output_has_the_mode_of_the_umask_and_a_replaced_one_its_own(run: Program, image: Path) -> None:
    image.chmod(0o600)
    output = image.with_name("out.wim")
    umask = os.umask(0o022)
    try:
        assert run("inject", image, "--cert", ROOT, "-i", "1", "-o", output).code == 0
        assert mode(output) == 0o644
        output.chmod(0o666)
        again = run("inject", image, "--cert", ROOT, "-i", "1", "-o", output, "--overwrite")
        assert again.code == 0
        assert mode(output) == 0o666
    finally:
        os.umask(umask)


def test_extended_attributes_stay(run: Program, image: Path) -> None:
    run("inject", image, "--cert", ROOT, "-i", "1")
    try:
        os.setxattr(image, "user.ticket", b"CHG0042")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    assert run("compact", image).code == 0
    assert os.getxattr(image, "user.ticket") == b"CHG0042"


def test_what_cannot_be_kept_is_a_reason_to_change_nothing(
    run: Program, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("inject", image, "--cert", ROOT, "-i", "1")
    before = image.read_bytes()
    try:
        os.setxattr(image, "user.ticket", b"CHG0042")
    except OSError:
        pytest.skip("this file system has no extended attributes")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "setxattr", refuse)
    done = run("compact", image)
    assert done.code == 4
    assert "user.ticket" in done.err
    assert image.read_bytes() == before
    assert sorted(each.name for each in image.parent.iterdir()) == ["boot.wim"]


# --- what is no file --------------------------------------------------------------------------------------


@pytest.fixture(params=["pipe", "socket", "device", "link to a pipe", "folder"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "place"
    listener = socket.socket(socket.AF_UNIX)
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        os.chdir(tmp_path)
        listener.bind("place")
    elif request.param == "device":
        if os.geteuid() != 0:
            pytest.skip("only root makes devices")
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    elif request.param == "folder":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    yield path
    listener.close()


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    "words",
    [
        ("inject", "IMAGE", "--cert", str(ROOT), "-i", "1", "-o", "PLACE"),
        ("inject", "IMAGE", "--cert", str(ROOT), "-i", "1", "--evidence", "PLACE"),
        ("remove", "IMAGE", "--cert", str(ROOT), "-i", "1", "-o", "PLACE"),
        ("compact", "IMAGE", "-o", "PLACE"),
        ("export", str(ROOT), "-o", "PLACE"),
    ],
    ids=["inject", "evidence", "remove", "compact", "export"],
)
def test_devices_pipes_sockets_and_folders_are_never_replaced(
    run: Program, image: Path, no_file: Path, words: tuple[str, ...], overwrite: tuple[str, ...]
) -> None:
    before, kind = image.read_bytes(), no_file.lstat().st_mode
    given = [{"IMAGE": str(image), "PLACE": str(no_file)}.get(word, word) for word in words]
    done = run(*given, *overwrite)
    if no_file.is_dir() and done.code == 0:
        assert "--evidence" not in words  # an output goes into a folder, under a name of its own
    else:
        assert done.code == 2, done.err
        assert str(no_file) in done.err
    assert no_file.lstat().st_mode == kind
    assert image.read_bytes() == before


# --- mounted images ---------------------------------------------------------------------------------------


@pytest.fixture
def mounted(judge: Judge, tmp_path: Path) -> Iterator[Mounted]:
    """Mount something and give the folder; it is unmounted at the end."""
    folder = tmp_path / "mnt"
    folder.mkdir()

    def mount(*command: object) -> Path:
        judge(*map(str, command), folder)
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], check=False, capture_output=True)


def _entry(judge: Judge, image: Path) -> dict[str, str]:
    """What wimlib says of the hive's directory entry, its contents left out."""
    text = judge("wimlib-imagex", "dir", image, "1", f"--path=/{SOFTWARE.as_posix()}", "--detailed").stdout
    lines = (line.partition("=") for line in text.decode(errors="replace").splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in lines}


def _acl() -> bytes:
    """A protected access control list for SYSTEM and Administrators only."""

    def sid(*numbers: int) -> bytes:
        rest = b"".join(struct.pack("<I", number) for number in numbers[1:])
        return bytes([1, len(numbers) - 1]) + numbers[0].to_bytes(6, "big") + rest

    system, administrators = sid(5, 18), sid(5, 32, 544)
    entries = b"".join(
        struct.pack("<BBHI", 0, 0, 8 + len(who), 0x1F01FF) + who for who in (system, administrators)
    )
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), 2, 0) + entries
    owner, group, at = 20, 20 + len(administrators), 20 + len(administrators) + len(system)
    return struct.pack("<BBHIIII", 1, 0, 0x9004, owner, group, 0, at) + administrators + system + acl


@needs_root
def test_an_ntfs_volume_keeps_acl_attributes_and_creation_time(
    judge: Judge, mounted: Mounted, run: Program, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    with volume.open("wb") as file:
        file.truncate(60 << 20)
    judge("mkntfs", "-F", "-q", volume)
    judge("wimlib-imagex", "apply", TESTDATA / "boot.wim", "1", volume)
    folder = mounted("ntfs-3g", volume)
    hive = folder / SOFTWARE
    os.setxattr(hive, "system.ntfs_acl", _acl())
    os.setxattr(hive, "system.ntfs_attrib_be", HIDDEN_SYSTEM_ARCHIVE)
    names = ("system.ntfs_acl", "system.ntfs_attrib_be", "system.ntfs_crtime_be")
    before = [os.getxattr(hive, name) for name in names]
    written = hive.stat().st_mtime
    assert run("inject", folder, "--cert", ROOT).code == 0
    assert [os.getxattr(hive, name) for name in names] == before
    assert hive.stat().st_mtime > written
    judge("umount", folder)
    capture = tmp_path / "captured.wim"
    judge("wimlib-imagex", "capture", volume, capture, "PE")
    assert int(_entry(judge, capture)["Attributes"], 16) == 0x26
    assert run("verify", capture, "--cert", ROOT).code == 0


@needs_root
@pytest.mark.parametrize("options", [(), ("--unix-data",)])
def test_a_mounted_wim_keeps_the_entry_as_it_is(
    judge: Judge, mounted: Mounted, run: Program, image: Path, options: tuple[str, ...]
) -> None:
    before = _entry(judge, image)
    folder = mounted("wimlib-imagex", "mountrw", *options, image, "1")
    assert run("inject", folder, "--cert", ROOT).code == 0
    judge("wimlib-imagex", "unmount", folder, "--commit")
    after = _entry(judge, image)
    for name in ("Attributes", "Security ID", "Creation Time"):
        assert after.get(name) == before.get(name)
    assert run("verify", image, "--cert", ROOT, "-i", "1").code == 0
