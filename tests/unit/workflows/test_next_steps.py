"""What `verify` prints can be run: `inject` takes every certificate that a command brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.testdata.hives import hive_variant
from scripts.testdata.images import variant
from scripts.testdata.isos import make_iso
from scripts.testdata.pki import thumbprint
from tests.unit.workflows.making import UNREADABLE
from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.certificate_files import as_pem
from winpe_certs.certs.new_blob import blob_for
from winpe_certs.certs.regexport import export_reg
from winpe_certs.certs.stores import Store
from winpe_certs.results import Report, Status
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.inject import inject
from winpe_certs.workflows.inputs import Inputs, Wanted, gather
from winpe_certs.workflows.selection import parse_choice
from winpe_certs.workflows.verify import verify
from winpe_certs.workflows.writing import WriteOptions

CERTS = Path(__file__).resolve().parents[3] / "testdata" / "certs"
MOMENT = Moment(datetime(2026, 6, 1, tzinfo=UTC))


def _der(name: str) -> bytes:
    return (CERTS / f"{name}.cer").read_bytes()


def _missing(report: Report) -> set[str]:
    return {
        each.thumbprint
        for image in report.images
        for each in image.certificates
        if each.status is Status.MISSING
    }


@dataclass(frozen=True)
class Desk:
    """Somebody who asks, and does what the answer says."""

    folder: Path

    @property
    def hive(self) -> Path:
        """A hive without the certificates that are asked for."""
        path = self.folder / "SOFTWARE"
        if not path.exists():
            path.write_bytes(hive_variant("software-1.5.hiv"))
        return path

    def file(self, name: str, *certificates: str) -> Path:
        """Write certificates of the test data into one PEM file."""
        path = self.folder / name
        path.write_bytes(as_pem([_der(each) for each in certificates]))
        return path

    def ask(self, inputs: Inputs, *targets: Path, stores: tuple[Store, ...] = ()) -> Report:
        """Verify."""
        return verify(targets or [self.hive], inputs, stores=stores, moment=MOMENT)

    def obey(self, command: Sequence[str]) -> Report:
        """Carry out an `inject` that was printed, as the command line does."""
        program, verb, *rest = command
        assert (program, verb) == ("winpe-certs", "inject")
        options: dict[str, list[str]] = {"--cert": [], "--index": [], "--store": [], "--skip": [], "": []}
        while rest:
            word = rest.pop(0)
            options[word if word in options else ""].append(rest.pop(0) if word in options else word)
        return inject(
            list(map(Path, options[""])),
            gather(map(Path, options["--cert"])),
            WriteOptions(index=parse_choice(options["--index"])),
            stores=tuple(map(Store, options["--store"])),
            skipped=frozenset(options["--skip"]),
            moment=MOMENT,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk in an empty folder."""
    return Desk(tmp_path)


def test_the_rest_of_a_file_that_is_refused_in_part_goes_in(desk: Desk) -> None:
    """A chain as a server sends it: no one has to take it apart."""
    chain = desk.file("chain.pem", "cmg-server", "corp-issuing", "corp-root", "expired-root")
    inputs = gather([chain])
    report = desk.ask(inputs)
    command, *words = report.advice
    assert command.command[-6:] == ("--cert", str(chain), "--skip", "not-a-ca", "--skip", "expired")
    (server,) = words
    assert server.command == ()
    assert f"{thumbprint('cmg-server')} (CN=cmg.contoso.example" in server.text
    assert "this is a server's certificate, issued by CN=Contoso Issuing CA 1" in server.text
    assert "give that (at the top" in server.text
    done = desk.obey(command.command)
    assert (done.error, done.changed) == (None, True)
    assert _missing(desk.ask(inputs)) == {thumbprint("cmg-server")}


def test_one_command_for_several_files_skips_what_any_of_them_needs(desk: Desk) -> None:
    inputs = gather(
        [
            desk.file("a.pem", "corp-root", "cmg-server"),
            desk.file("b.pem", "corp-root-2"),
            desk.file("c.pem", "not-a-ca"),
        ]
    )
    first, *_ = desk.ask(inputs).advice
    assert first.command.count("--cert") == 2, "nothing of c.pem can go in"
    assert desk.obey(first.command).error is None
    assert _missing(desk.ask(inputs)) == {thumbprint("cmg-server"), thumbprint("not-a-ca")}


@pytest.mark.parametrize("name", ["cmg-server", "not-a-ca", "media-client"])
def test_what_inject_refuses_is_never_suggested(desk: Desk, name: str) -> None:
    report = desk.ask(gather([CERTS / f"{name}.cer"]))
    (advice,) = report.advice
    assert advice.command == ()
    assert "inject does not take it" in advice.text
    assert ("this is a server's certificate" in advice.text) == (name == "cmg-server")


def test_what_is_there_already_may_still_stand_in_the_way_of_its_file(desk: Desk) -> None:
    """The expired root is in the image, and in the file of the one that is missing."""
    both = desk.file("both.pem", "expired-root", "corp-root")
    report = desk.ask(gather([both]))
    (advice,) = report.advice
    assert advice.command[-2:] == ("--skip", "expired")
    assert desk.obey(advice.command).error is None
    assert desk.ask(gather([both])).holds


def test_what_its_file_has_as_distrusted_is_left_out(desk: Desk) -> None:
    certificate = Certificate.from_der(_der("corp-root"), "root")
    server = Certificate.from_der(_der("cmg-server"), "server")
    path = desk.folder / "publisher.reg"
    items = [
        (blob_for(certificate).to_bytes(), certificate.thumbprint, "AuthRoot"),
        (blob_for(server).to_bytes(), server.thumbprint, "Disallowed"),
    ]
    path.write_bytes(export_reg(items, "winpe-offline"))
    report = desk.ask(gather([path]))
    command, refused = report.advice
    assert set(command.command[command.command.index("--skip") + 1 :: 2]) == {"not-a-ca", "from-disallowed"}
    assert "inject does not take it" in refused.text
    assert desk.obey(command.command).error is None


@pytest.mark.parametrize(
    "origin", ["-", "-, certificate 2", "/dev/fd/63", "/proc/self/status", "gone.cer, line 9"]
)
def test_what_is_no_file_any_more_is_not_named(desk: Desk, origin: str) -> None:
    certificate = Certificate.from_der(_der("corp-root"), origin)
    file = Path(origin.partition(",")[0])
    for files in ((), (file,)):
        inputs = Inputs((Wanted(certificate.thumbprint, origin, certificate),), (), files)
        (advice,) = desk.ask(inputs).advice
        assert advice.command == ()
        assert "no file to name" in advice.text


def test_the_file_is_the_one_that_was_read_and_no_other_that_begins_like_it(desk: Desk) -> None:
    short, long = desk.file("root", "corp-root-2"), desk.file("root, line 1.pem", "corp-root")
    report = desk.ask(gather([short, long]))
    (advice,) = report.advice
    assert [word for word in advice.command if word.startswith(str(desk.folder / "root"))] == [
        str(long),
        str(short),
    ] or advice.command.count("--cert") == 2
    assert desk.obey(advice.command).error is None
    assert desk.ask(gather([short, long])).holds


@pytest.mark.parametrize("store", [Store.TRUSTED_PUBLISHER, Store.DISALLOWED, Store.ROOT])
def test_a_store_is_judged_by_what_concerns_it(desk: Desk, store: Store) -> None:
    """A trusted publisher need not be a CA, nor must a distrusted certificate."""
    inputs = gather([desk.file("leaf.pem", "cmg-server")])
    (advice,) = desk.ask(inputs, stores=(store,)).advice
    if store is Store.ROOT:
        assert advice.command == ()
        return
    assert desk.obey(advice.command).error is None
    report = desk.ask(inputs, stores=(store,))
    assert report.holds
    (result,) = report.images[0].certificates
    assert [each.code for each in result.findings] == []
    assert result.store == str(store)


def test_an_iso_gets_words_and_a_thumbprint_too(desk: Desk) -> None:
    media = desk.folder / "x.iso"
    media.write_bytes(make_iso({"sources/boot.wim": variant("small")}))
    (advice,) = desk.ask(gather([CERTS / "corp-root.cer"]), media).advice
    assert (advice.command, "Copy sources/boot.wim out of it" in advice.text) == ((), True)
    (bare,) = desk.ask(gather([], ["A" * 40])).advice
    assert bare.command == ()


def test_a_certificate_of_which_nothing_can_be_read_is_named_by_its_thumbprint(desk: Desk) -> None:
    path = desk.folder / "odd.cer"
    path.write_bytes(UNREADABLE)
    report = desk.ask(gather([path]))
    (advice,) = report.advice
    assert advice.command == ()
    assert "(unreadable)" in advice.text
