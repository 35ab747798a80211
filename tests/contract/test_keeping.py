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
from winpe_certs.errors import EnvironmentFailure
from winpe_certs.files.new import write_new

ROOT = TESTDATA / "certs" / "corp-root.cer"
SOFTWARE = Path("Windows", "System32", "config", "SOFTWARE")
HIDDEN_SYSTEM_ARCHIVE = struct.pack(">I", 0x26)

pytestmark = pytest.mark.posix("modes")
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


@needs_root
@pytest.mark.parametrize(
    ("owner", "group", "permissions", "lost"),
    [
        (1001, 2000, 0o4664, "owner 1001"),
        (6, 2000, 0o664, "owner 6"),
        (65534, 3000, 0o664, "group 3000"),
        (65534, 3000, 0o640, "group 3000"),
        (65534, 3000, 0o2644, "group 3000"),
        (65534, 3000, 0o644, None),
        (65534, 2000, 0o6755, None),
        (1001, 3000, 0o666, None),
    ],
    ids=["setuid", "owner", "group", "group reads", "setgid", "all read", "own", "all write"],
)
def test_a_change_that_would_take_the_file_from_somebody_is_refused(
    tmp_path: Path, image: Path, run: Program, owner: int, group: int, permissions: int, lost: str | None
) -> None:
    """User 6 has a name on every Linux and is in no other group; who 1001 is nobody knows."""
    assert run("inject", image, "--cert", ROOT, "-i", "1").code == 0
    assert run("remove", image, "--cert", ROOT, "-i", "1").code == 0
    os.chown(image, owner, group)
    image.chmod(permissions)
    tmp_path.chmod(0o777)
    before = image.read_bytes()
    done = as_member(tmp_path, "compact", image, "-q")
    if b"No module named" in done.stderr or b"Permission denied" in done.stderr:
        pytest.skip("this checkout is not open to other users")
    assert mode(image) == permissions
    assert [each.name for each in tmp_path.iterdir()] == ["boot.wim"]
    if lost is None:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 4
    assert lost in done.stderr.decode()
    assert (image.stat().st_uid, image.stat().st_gid, image.read_bytes()) == (owner, group, before)


@needs_root
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_file_that_the_system_protects_is_not_replaced(
    judge: Judge, run: Program, image: Path, flag: str
) -> None:
    assert run("inject", image, "--cert", ROOT, "-i", "1").code == 0
    assert run("remove", image, "--cert", ROOT, "-i", "1").code == 0
    before = image.read_bytes()
    if subprocess.run(["chattr", f"+{flag}", str(image)], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no such attributes")
    try:
        done = run("compact", image)
        assert done.code == 4, done.err
        assert image.read_bytes() == before
        assert [each.name for each in image.parent.iterdir()] == ["boot.wim"]
    finally:
        judge("chattr", f"-{flag}", image)


def test_evidence_that_is_replaced_keeps_its_mode(run: Program, image: Path) -> None:
    evidence = image.with_name("evidence.json")
    evidence.write_text("{}")
    evidence.chmod(0o664)
    done = run("inject", image, "--cert", ROOT, "-i", "1", "--evidence", evidence, "--overwrite")
    assert done.code == 0, done.err
    assert mode(evidence) == 0o664
    assert evidence.stat().st_size > 2


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


@needs_root
def test_labels_stay_and_hashes_of_the_old_contents_do_not(run: Program, image: Path) -> None:
    """security.NTACL is where Samba keeps a security descriptor; security.ima is a hash of the contents."""
    assert run("inject", image, "--cert", ROOT, "-i", "1").code == 0
    assert run("remove", image, "--cert", ROOT, "-i", "1").code == 0
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, rights, who)
        for tag, rights, who in ((1, 6, 2**32 - 1), (2, 4, 1001), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1))
    )
    acl += struct.pack("<HHI", 32, 0, 2**32 - 1)
    kept = {"security.NTACL": b"descriptor", "trusted.label": b"x", "system.posix_acl_access": acl}
    try:
        for name, value in kept.items():
            os.setxattr(image, name, value)
        os.setxattr(image, "security.ima", b"\4\1" + bytes(32))
    except OSError:
        pytest.skip("this file system has no such attributes")
    assert run("compact", image).code == 0
    assert {name: os.getxattr(image, name) for name in kept} == kept
    assert "security.ima" not in os.listxattr(image)


def test_attributes_that_cannot_be_read_are_a_reason_to_change_nothing(
    run: Program, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("inject", image, "--cert", ROOT, "-i", "1")
    before = image.read_bytes()

    def fail(*_: object, **__: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "listxattr", lambda *_, **__: ["user.ticket"])
    monkeypatch.setattr(os, "getxattr", fail)
    assert run("compact", image).code == 4
    assert image.read_bytes() == before


@needs_root
@pytest.mark.parametrize("system", ["ext4", "xfs", "btrfs"])
def test_a_hive_stays_what_it_was_on_other_file_systems(
    judge: Judge, request: pytest.FixtureRequest, run: Program, tmp_path: Path, system: str
) -> None:
    if shutil.which(f"mkfs.{system}") is None:
        pytest.skip(f"no mkfs.{system} here")
    volume = tmp_path / "volume"
    with volume.open("wb") as file:
        file.truncate((320 if system == "xfs" else 120) << 20)
    judge(f"mkfs.{system}", "-q", volume)
    folder = tmp_path / "mnt"
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-o", "loop", str(volume), str(folder)], check=False).returncode:
        pytest.skip(f"{system} cannot be mounted here")
    request.addfinalizer(lambda: subprocess.run(["umount", str(folder)], check=False))
    judge("wimlib-imagex", "extract", TESTDATA / "boot.wim", "1", "/Windows", f"--dest-dir={folder}")
    hive = folder / SOFTWARE
    kept = {"user.DOSATTRIB": b"0x26", "security.NTACL": b"descriptor"}
    os.chown(hive, 1001, 2000)
    hive.chmod(0o2640)
    for name, value in kept.items():
        os.setxattr(hive, name, value)
    before = hive.stat()
    assert run("inject", folder, "--cert", ROOT).code == 0
    after = hive.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert {name: os.getxattr(hive, name) for name in kept} == kept


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


@pytest.mark.posix("places")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_links_of_the_system_are_not_replaced_wherever_they_lead(tmp_path: Path, name: str) -> None:
    """Only the look is tried: as root a wrong answer would take /dev/stdout away from everybody."""
    program = (
        "import sys; from pathlib import Path; from winpe_certs.errors import UsageError\n"
        "from winpe_certs.files.new import refuse_existing\n"
        "try: refuse_existing(Path(sys.argv[1]), overwrite=True)\n"
        "except UsageError: sys.exit(2)"
    )
    with (tmp_path / "out").open("wb") as output:
        done = subprocess.run([sys.executable, "-c", program, name], stdout=output, check=False)
    assert done.returncode == 2


def test_a_pipe_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "place"

    def appear(_: Path) -> None:
        place.unlink(missing_ok=True)
        os.mkfifo(place)

    for before in (None, b"old"):
        place.unlink(missing_ok=True)
        if before is not None:
            place.write_bytes(before)
        with pytest.raises(EnvironmentFailure):
            write_new(place, [b"new"], overwrite=True, check=appear)
        assert stat.S_ISFIFO(place.lstat().st_mode)
        assert [each.name for each in tmp_path.iterdir()] == ["place"]


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
    mounted("ntfs-3g", volume)
    assert hive.stat().st_mtime > written  # on the disk too: NTFS-3G may have kept it in memory only
    judge("umount", folder)
    capture = tmp_path / "captured.wim"
    judge("wimlib-imagex", "capture", volume, capture, "PE")
    assert int(_entry(judge, capture)["Attributes"], 16) == 0x26
    assert run("verify", capture, "--cert", ROOT).code == 0


@pytest.fixture
def volume(judge: Judge, tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    with path.open("wb") as file:
        file.truncate(60 << 20)
    judge("mkntfs", "-F", "-q", path)
    judge("wimlib-imagex", "apply", TESTDATA / "boot.wim", "1", path)
    return path


@needs_root
def test_an_ntfs_volume_keeps_what_only_one_file_can_have(
    mounted: Mounted, run: Program, volume: Path
) -> None:
    """The lock keeps the old file open, and with it its object id, until the new one has its place."""
    folder = mounted("ntfs-3g", volume)
    hive = folder / SOFTWARE
    kept = {
        "system.ntfs_object_id": os.urandom(16),
        "system.ntfs_dos_name": b"SOFTWA~1",
        "user.ticket": b"42",
    }
    for name, value in kept.items():
        os.setxattr(hive, name, value)
    assert run("inject", folder, "--cert", ROOT).code == 0
    assert {name: os.getxattr(hive, name)[: len(value)] for name, value in kept.items()} == kept


@needs_root
@pytest.mark.parametrize("shown", ["none", "windows"])
def test_streams_that_a_mount_does_not_show_are_a_reason_to_change_nothing(
    judge: Judge, mounted: Mounted, run: Program, volume: Path, shown: str
) -> None:
    folder = mounted("ntfs-3g", volume)
    os.setxattr(folder / SOFTWARE, "user.ticket", b"42")
    judge("umount", folder)
    mounted("ntfs-3g", "-o", f"streams_interface={shown}", volume)
    before = (folder / SOFTWARE).read_bytes()
    done = run("inject", folder, "--cert", ROOT)
    assert done.code == 4
    assert "streams_interface=xattr" in done.err
    assert (folder / SOFTWARE).read_bytes() == before
    judge("umount", folder)
    mounted("ntfs-3g", volume)
    assert os.getxattr(folder / SOFTWARE, "user.ticket") == b"42"
    assert run("inject", folder, "--cert", ROOT).code == 0
    assert os.getxattr(folder / SOFTWARE, "user.ticket") == b"42"


@needs_root
def test_a_run_that_is_killed_in_a_mounted_wim_is_undone_by_unmounting(
    judge: Judge, mounted: Mounted, run: Program, image: Path
) -> None:
    folder = mounted("wimlib-imagex", "mountrw", image, "1")
    before = image.read_bytes()
    program = (
        "import os, sys; from winpe_certs.engines import folder; from winpe_certs.cli.main import main\n"
        "def half(path, data):\n"
        "    with path.open('r+b') as file: file.write(data[:len(data) // 2])\n"
        "    os.kill(os.getpid(), 9)\n"
        "folder.overwrite = half; main(sys.argv[1:])"
    )
    words = ["inject", str(folder), "--cert", str(ROOT)]
    assert subprocess.run([sys.executable, "-c", program, *words], check=False).returncode == -9
    judge("wimlib-imagex", "unmount", folder)
    assert image.read_bytes() == before
    assert run("inject", image, "--cert", ROOT, "-i", "1").code == 0


def test_a_hive_that_cannot_be_put_back_is_called_damaged(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hive = tmp_path / "SOFTWARE"
    shutil.copy(TESTDATA / "hives" / "software-1.5.hiv", hive)

    def break_off(path: Path, data: bytes) -> None:
        with path.open("r+b") as file:
            file.write(data[:5000])
        raise EnvironmentFailure(f"{path}: cannot write: the disk is full")

    monkeypatch.setattr("winpe_certs.engines.folder.is_in_wim_mount", lambda _: True)
    monkeypatch.setattr("winpe_certs.engines.folder.overwrite", break_off)
    done = run("inject", hive, "--cert", ROOT)
    assert done.code == 4
    assert "could not be put back" in done.err
    assert "without --commit" in done.err


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
