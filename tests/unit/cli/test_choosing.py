"""Which images and which stores a call is about: several of each, images by number or by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.testdata import pki
from scripts.testdata.images import boot_image
from scripts.testdata.wim_writer import build_wim
from tests.unit.cli.conftest import TESTDATA, Program
from winpe_certs.errors import UsageError
from winpe_certs.workflows.selection import Choice, parse_choice

ROOT = pki.thumbprint("corp-root")
PE = "Microsoft Windows PE (x64)"
SETUP = "Microsoft Windows Setup (x64)"


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """An image file whose images have the names that give trouble."""
    names = ("One", "Two, with a comma", "twice", "TWICE", "3", "all", "Größe", "  padded ")
    hive = (TESTDATA / "hives" / "root-only.hiv").read_bytes()
    wim = boot_image(hive)
    first = wim.images[0]
    path = tmp_path / "named.wim"
    images = [replace(first, name=name, description=name) for name in names]
    path.write_bytes(build_wim(replace(wim, images=images, boot_index=1)))
    return path


def listed(run: Program, path: Path, *options: object) -> list[int]:
    """The numbers of the images that `list` shows."""
    done = run("list", path, *options, "-f", "json")
    assert done.code == 0, done.document["error"]
    return [each["index"] for each in done.document["images"]]


@pytest.mark.parametrize(
    ("texts", "choice"),
    [
        ([], None),
        (["2"], Choice((2,))),
        (["2", "1"], Choice((2, 1))),
        (["1,3", " 4 , 1", "3"], Choice((1, 3, 4))),
        (["007"], Choice((7,))),
        (["ALL"], Choice(everything=True)),
        (["all", "All"], Choice(everything=True)),
        (["a", "1", "a", "A"], Choice((1,), ("a", "A"))),
        (["1,x"], Choice(names=("1,x",))),
        (["1-3"], Choice(names=("1-3",))),
        (["\u0661"], Choice(names=("\u0661",))),
    ],
)
def test_what_is_typed_is_a_choice(texts: Sequence[str], choice: Choice | None) -> None:
    assert parse_choice(texts) == choice


@pytest.mark.parametrize(
    "texts",
    [["0"], ["1,0"], ["2147483648"], ["9" * 5000], ["1," * 5000 + "0"], [" "], ["all", "1"], ["x", "all"]],
)
def test_what_is_no_choice_is_refused(texts: Sequence[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_choice(texts)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "options",
    [
        ("-i", "1", "--index", "2"),
        ("--index", "1,2"),
        ("--index=2, 1",),
        ("-i", PE, "-i", SETUP.upper()),
        ("--index", f"{PE},{SETUP}"),
        ("--index", f"1,{SETUP}"),
        ("-i", "2", "-i", PE, "-i", "2"),
        ("-iall",),
    ],
)
def test_every_image_that_is_chosen_is_changed(
    run: Program, image: Path, root: Path, options: tuple[str, ...]
) -> None:
    assert run("inject", image, "-c", root, *options).code == 0
    assert run("verify", image, "-c", root, "--index", "1").code == 0
    assert run("verify", image, "-c", root, "--index", "2").code == 0
    assert run("remove", image, "-c", root, *options).code == 0
    assert run("verify", image, "-c", root, "--index", "1").code == 1
    assert run("verify", image, "-c", root, "--index", "2").code == 1


@pytest.mark.parametrize("options", [("-i", "2"), ("-i", SETUP), ("-i", "2,2"), ("-i", SETUP, "-i", "2")])
def test_no_other_image_is_changed(run: Program, image: Path, root: Path, options: tuple[str, ...]) -> None:
    assert run("inject", image, "-c", root, *options).code == 0
    assert run("verify", image, "-c", root, "--index", "1").code == 1
    assert run("verify", image, "-c", root, "--index", "2").code == 0
    for chosen in ("1,2", "all"):
        assert run("verify", image, "-c", root, "--index", chosen).code == 1


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["one"], [1]),
        (["Two, with a comma"], [2]),
        (["two, WITH a comma,One"], None),
        (["One,3"], [1, 3]),
        (["One, größe"], [1, 7]),
        (["GRÖSSE"], None),
        (["padded"], [8]),
        (["  padded "], [8]),
        (["3"], [3]),
        (["all"], [1, 2, 3, 4, 5, 6, 7, 8]),
        (["on"], None),
        (["One,"], None),
        ([","], None),
        (["One,nine"], None),
        (["One,9"], None),
        (["9"], None),
    ],
)
def test_names_are_whole_and_case_does_not_matter(
    run: Program, named: Path, texts: list[str], numbers: list[int] | None
) -> None:
    options = [word for text in texts for word in ("--index", text)]
    if numbers is not None:
        assert listed(run, named, *options) == numbers
        return
    refused = run("list", named, *options)
    assert refused.code == 2
    assert "there is no image" in refused.err
    assert "\n  2: Two, with a comma" in refused.err


def test_the_order_of_the_choice_is_kept(run: Program, named: Path) -> None:
    assert listed(run, named, "-i", "8,2", "-i", "One") == [8, 2, 1]


def test_a_name_of_two_images_is_no_choice(run: Program, named: Path) -> None:
    for text in ("twice", "TWICE", "One,Twice"):
        refused = run("list", named, "--index", text)
        assert refused.code == 2
        assert "2 images are named" in refused.err
        assert ": 3, 4\n" in refused.err
        assert refused.err.endswith("Choose by number, for example --index 3.\n")


def test_what_has_no_images_has_no_names(run: Program, hive: Path) -> None:
    for text in ("x", "1,2", "all,1"):
        refused = run("list", hive, "--index", text)
        assert refused.code == 2
        assert "has no images to choose from" in refused.err
    assert run("list", hive, "--index", "1", "-i", "1").code == 0
    assert run("list", hive, "--index", "all").code == 0


def test_a_choice_that_fits_one_of_two_files_is_refused_for_the_other(
    run: Program, image: Path, named: Path, root: Path
) -> None:
    before = named.read_bytes()
    done = run("inject", image, named, "-c", root, "--index", "2", "--index", PE)
    assert done.code == 2
    assert f"named.wim: there is no image named {PE}" in done.err
    assert named.read_bytes() == before


def test_all_is_no_choice_beside_others(run: Program, image: Path) -> None:
    refused = run("list", image, "-i", "all", "-i", "2", "-i", "x")
    assert refused.code == 2
    assert refused.err.startswith("error: --index: all is given, and also 2, x\n")
    assert listed(run, image, "-i", "all", "-i", "ALL") == [1, 2]


def test_manifests_of_several(run: Program, image: Path) -> None:
    done = run("manifest", image, "--index", f"2,{PE}", "-f", "json")
    assert [each["index"] for each in done.document["manifests"]] == [2, 1]


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ((), [(1, 1), (2, 2)]),
        (("-i", "1,2"), [(1, 1), (2, 2)]),
        (("-i", PE), [(1, 1)]),
        (("-i", "1,2", "--index-b", "2,1"), [(1, 2), (2, 1)]),
        (("-i", "1", "-i", "2", "--index-b", "2", "--index-b", PE), [(1, 2), (2, 1)]),
        (("-i", "1", "--index-b", "2,1"), [(1, 2), (1, 1)]),
        (("-i", "2,1", "--index-b", SETUP), [(2, 2), (1, 2)]),
        (("-i", "all", "--index-b", "2,1"), [(1, 1), (2, 2)]),
    ],
)
def test_images_are_compared_as_they_are_chosen(
    run: Program, image: Path, options: tuple[str, ...], pairs: list[tuple[int, int]]
) -> None:
    done = run("diff", image, image, *options, "-f", "json")
    found = [(each["first"]["index"], each["second"]["index"]) for each in done.document["comparisons"]]
    assert found == pairs


def test_a_choice_of_three_and_of_two_cannot_be_compared(run: Program, image: Path, named: Path) -> None:
    refused = run("diff", named, image, "-i", "1,2,5", "--index-b", "1,2")
    assert refused.code == 2
    assert "--index chooses 3 images, and --index-b 2" in refused.err


@pytest.mark.parametrize(("options", "index"), [(("-i", "2"), 2), (("-i", PE), None), (("-i", "1,2"), None)])
def test_decoding_begins_early_when_one_number_is_chosen(
    run: Program,
    image: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    index: int | None,
) -> None:
    from winpe_certs.engines import ahead

    begun: list[int | None] = []
    start = ahead.head_start

    def watched(path: Path, chosen: int | None, inside: str) -> object:
        begun.append(chosen)
        return start(path, chosen, inside)

    monkeypatch.setattr(ahead, "head_start", watched)
    assert run("inject", image, "-c", root, *options).code == 0
    assert begun == [index]


def stores_of(run: Program, path: Path, *options: object) -> set[str]:
    """The stores that `list` finds the root in."""
    done = run("list", path, *options, "-f", "json")
    found = [each for image in done.document["images"] for each in image["certificates"]]
    return {each["store"] for each in found if each["thumbprint"] == ROOT}


@pytest.mark.parametrize(
    "options",
    [("-s", "AuthRoot", "--store", "root"), ("--store", "ROOT, authroot"), ("-sROOT,AuthRoot,ROOT",)],
)
def test_a_certificate_goes_into_every_store_that_is_named(
    run: Program, hive: Path, root: Path, options: tuple[str, ...]
) -> None:
    done = run("inject", hive, "-c", root, *options, "-f", "json")
    assert done.code == 0
    assert [each["status"] for each in done.document["images"][0]["certificates"]] == ["added", "added"]
    assert stores_of(run, hive) == {"AuthRoot", "ROOT"}
    again = run("inject", hive, "-c", root, *options, "-f", "json")
    assert [each["status"] for each in again.document["images"][0]["certificates"]] == ["unchanged"] * 2
    assert stores_of(run, hive, "-s", "ROOT", "-s", "CA") == {"ROOT"}
    assert stores_of(run, hive, "--store", "CA,Disallowed") == set()


def test_a_certificate_counts_in_each_of_the_stores(run: Program, hive: Path, root: Path) -> None:
    run("inject", hive, "-c", root, "-s", "ROOT")
    for options, code in (
        (("-s", "AuthRoot", "-s", "ROOT"), 0),
        (("-s", "ROOT,CA"), 0),
        (("-s", "AuthRoot", "-s", "CA"), 1),
        (("-s", "AuthRoot"), 1),
    ):
        assert run("verify", hive, "-c", root, *options).code == code, options
        assert run("verify", hive, "-t", ROOT, *options).code == code, options


def test_what_is_missing_in_several_stores_is_put_where_it_belongs(
    run: Program, hive: Path, root: Path
) -> None:
    for options, store in (
        (("-s", "CA,ROOT"), " --store CA"),
        (("-s", "CA,AuthRoot"), ""),
        (("-s", "AuthRoot"), " --store AuthRoot"),
        ((), ""),
    ):
        said = run("verify", hive, "-c", root, *options).out
        (command,) = [line for line in said.splitlines() if "winpe-certs inject" in line]
        assert command.endswith(f"--cert {root}{store}"), options


def test_a_certificate_is_taken_out_of_every_store_that_is_named(
    run: Program, hive: Path, root: Path
) -> None:
    run("inject", hive, "-c", root, "-s", "ROOT,AuthRoot,CA")
    assert run("remove", hive, "-t", ROOT, "-s", "ROOT", "-s", "CA").code == 0
    assert stores_of(run, hive) == {"AuthRoot"}
    done = run("remove", hive, "-t", ROOT, "-s", "ROOT,CA", "-f", "json")
    (absent,) = done.document["images"][0]["certificates"]
    assert (done.code, absent["status"]) == (0, "absent")


def test_an_export_into_several_stores_is_one_file(run: Program, root: Path, tmp_path: Path) -> None:
    assert run("export", root, "-s", "ROOT,AuthRoot").code == 0
    (written,) = tmp_path.glob("*.reg")
    text = written.read_text(encoding="utf-16")
    assert [store in text for store in ("\\ROOT\\", "\\AuthRoot\\", "\\CA\\")] == [True, True, False]


@pytest.mark.parametrize("command", ["inject", "export"])
def test_trust_and_distrust_at_once_are_refused(run: Program, hive: Path, root: Path, command: str) -> None:
    arguments = (hive, "-c", root) if command == "inject" else (root,)
    for options in (("-s", "Disallowed", "-s", "ROOT"), ("-s", "AuthRoot,disallowed")):
        refused = run(command, *arguments, *options)
        assert refused.code == 2
        assert "Disallowed is given, and also a store" in refused.err
    assert stores_of(run, hive, "-s", "Disallowed,ROOT") == set()


def test_auto_goes_by_itself(run: Program, hive: Path, root: Path) -> None:
    assert run("inject", hive, "-c", root, "-s", "AUTO", "-s", "auto").code == 0
    assert stores_of(run, hive) == {"AuthRoot"}
    refused = run("inject", hive, "-c", root, "-s", "auto", "-s", "ROOT")
    assert refused.code == 2
    assert refused.err.startswith("error: --store: auto is given, and also ROOT\n")


@pytest.mark.parametrize("text", ["ROOT,nonsense", "nonsense", ",", "ROOT,", "all"])
def test_a_store_that_is_none_is_refused(run: Program, hive: Path, root: Path, text: str) -> None:
    for arguments in (("inject", hive, "-c", root), ("verify", hive, "-c", root), ("list", hive)):
        refused = run(*arguments, "-s", text)
        assert refused.code == 2
        assert "certificate store" in refused.err
