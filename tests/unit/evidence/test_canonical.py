from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.testdata.evidence import sample
from tests.unit.evidence.strategies import DOCUMENTS
from winpe_certs.errors import EvidenceError, ExitCode
from winpe_certs.evidence import canonical
from winpe_certs.evidence.canonical import Document, from_json, plan_digest, to_json
from winpe_certs.evidence.document import Evidence

TEXT = to_json(sample())
DATA = TEXT.encode("ascii")


def _refused(data: bytes) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        from_json(data, "change.json")
    error = caught.value
    assert error.message.startswith("change.json: ")
    assert error.details
    assert error.resolution
    assert error.__suppress_context__ or error.__cause__ is None
    return error


def _sealed(document: dict[str, Any]) -> bytes:
    """A document with a digest that fits, as somebody could write it who means harm."""
    body = {name: value for name, value in document.items() if name != "sha256"}
    compact = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["sha256"] = hashlib.sha256(compact.encode()).hexdigest()
    return (json.dumps(body, indent=2) + "\n").encode()


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS)
def test_what_is_written_is_read_back(evidence: Evidence) -> None:
    text = to_json(evidence)
    assert text.isascii()
    assert from_json(text.encode(), "file") == evidence


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS, st.data())
def test_any_single_changed_byte_is_refused(evidence: Evidence, data: st.DataObject) -> None:
    document = bytearray(to_json(evidence).encode())
    at = data.draw(st.integers(0, len(document) - 1))
    document[at] ^= data.draw(st.integers(1, 255))
    _refused(bytes(document))


@pytest.mark.parametrize("byte", [b"\n", b" ", b"0", b"a", b'"', b","])
def test_every_position_of_a_document_is_guarded(byte: bytes) -> None:
    # Every 7th position: all of them with each byte would take minutes.
    for at in range(0, len(DATA), 7):
        if DATA[at : at + 1] != byte:
            _refused(DATA[:at] + byte + DATA[at + 1 :])
            _refused(DATA[:at] + byte + DATA[at:])
    for at in range(0, len(DATA), 7):
        _refused(DATA[:at] + DATA[at + 1 :])


def test_the_document_begins_with_its_format_and_ends_with_its_digest() -> None:
    document = json.loads(TEXT)
    assert list(document) == ["format", *(f.name for f in fields(Evidence)), "sha256"]
    assert TEXT.startswith('{\n  "format": "winpe-certs evidence",\n  "version": 2,\n')
    assert TEXT.endswith('"\n}\n')


def test_the_digest_is_over_sorted_json_without_blanks_and_can_be_checked_without_us() -> None:
    document = json.loads(TEXT)
    said = document.pop("sha256")
    compact = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert said == hashlib.sha256(compact.encode()).hexdigest()


def test_the_digest_of_the_plan_can_be_checked_without_us() -> None:
    plan = json.loads(TEXT)["plan"]
    said = plan.pop("sha256")
    compact = json.dumps(plan, sort_keys=True, separators=(",", ":"))
    assert said == hashlib.sha256(compact.encode()).hexdigest()
    evidence = sample()
    assert said == plan_digest(list(evidence.plan.images), [list(each) for each in evidence.plan.commands])


def test_what_is_read_is_what_is_written() -> None:
    """`Document` repeats the fields of `Evidence`, because its own come before and after them."""
    own = [(each.name, each.type) for each in fields(Document)]
    assert own[2:-1] == [(each.name, each.type) for each in fields(Evidence)][1:]


def test_lone_surrogates_are_written_as_their_escape() -> None:
    evidence = sample()
    torn = replace(evidence, targets=(replace(evidence.targets[0], file="a\ud800b"),))
    read = from_json(to_json(torn).encode(), "file")
    assert read.targets[0].file == "a\\ud800b"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no evidence of winpe-certs"),
        (b"MSWIM\0\0\0", "no evidence of winpe-certs"),
        (b"\xff\xfe{\x00", "no evidence of winpe-certs"),
        (b"\xef\xbb\xbf" + DATA, "no evidence of winpe-certs"),
        (b"[]", "no evidence of winpe-certs"),
        (DATA.replace(b"winpe-certs evidence", b"another", 1), "no evidence of winpe-certs"),
        (DATA.replace(b'"version": 2', b'"version": 3', 1), "version 3, and this program knows version 2"),
        (DATA.replace(b'"version": 2', b'"version": 0', 1), "$.version"),
        (DATA.replace(b'"version": 2', b'"version": 1', 1), "as evidence of version 1 has it"),
        (DATA.replace(b"Windows PE", b"Windows \xff\xff", 1), "not JSON"),
        (DATA[:-2], "not JSON"),
        (DATA[:500], "not JSON"),
        (DATA + b"x", "not JSON"),
        (DATA.replace(b'"size": 5000', b'"size": NaN', 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": 5e3', 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": -1', 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": 9223372036854775808', 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": ' + b"9" * 4000, 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": ' + b"9" * 10_000, 1), "not JSON"),
        (DATA.replace(b'"size": 5000', b'"size": "5000"', 1), "$.targets[0].before.size"),
        (DATA.replace(b'"size": 5000', b'"size": ' + b"[" * 100_000, 1), "not JSON"),
        (DATA.replace(b"\\\\System32", b"\\ud800", 1), "not JSON"),
        (DATA.replace(b"1" * 64, b"A" * 64, 1), "$.targets[0].before.sha256"),
        (DATA.replace(b'"00ff"', b'"00f"', 1), "$.plan.images[0].edits[1].data"),
        (DATA.replace(b"08:00:00Z", b"08:00:00", 1), "$.run.started"),
        (DATA.replace(b"08:00:00Z", b"08:00:00+01:00", 1), "$.run.started"),
        (DATA.replace(b'"user"', b'"USER"', 1), "$.run.user"),
        (DATA.replace(b'"user": "ann"', b'"user": "ann", "x": 1', 1), "$.run.x"),
        (DATA.replace(b'"ann"', b'"bob"', 1), "the file was changed after it was written"),
        (DATA.replace(b'"user": "ann"', b'"user": "bob",\n    "user": "ann"', 1), "line 16: not written as"),
        (DATA.replace(b'"ann"', b'"\\u0061nn"', 1), "line 16: not written as"),
        (DATA.replace(b"\n", b"\r\n"), "line 1: not written as"),
        (DATA + b"\n", "not written as"),
        (DATA[:-1], "not written as"),
        (json.dumps(json.loads(TEXT)).encode(), "line 1: not written as"),
        (DATA.replace(b"[", b"[" + b"0," * canonical.MOST_VALUES, 1), "too many values"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_refused_in_words(data: bytes, words: str) -> None:
    assert words in _refused(data).message


def test_a_file_of_any_size_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "LARGEST", len(DATA) - 1)
    assert "too large" in _refused(DATA).message


def test_a_digest_that_fits_does_not_help_what_is_not_in_the_schema() -> None:
    document = json.loads(TEXT)
    document["targets"][0]["kind"] = "disk"
    assert "$.targets[0].kind" in _refused(_sealed(document)).message


def test_a_plan_with_the_digest_of_another_is_refused() -> None:
    document = json.loads(TEXT)
    document["plan"]["sha256"] = "0" * 64
    assert "$.plan.sha256: not the digest of the plan" in _refused(_sealed(document)).message


def test_a_document_sealed_anew_is_accepted_for_the_digest_is_no_signature() -> None:
    document = json.loads(TEXT)
    document["run"]["user"] = "bob"
    assert from_json(_sealed(document), "file").run.user == "bob"


def test_a_million_wrong_values_are_one_error() -> None:
    hostile = DATA.replace(b'"targets": [', b'"targets": [' + b"{}," * 150_000, 1)
    assert "$.targets[0].file" in _refused(hostile).message


def test_a_refusal_is_that_of_an_input() -> None:
    error = _refused(b"")
    assert (error.exit_code, error.kind) == (ExitCode.REFUSED, "evidence")


def test_writing_needs_no_validation_library() -> None:
    code = (
        "import sys; import winpe_certs.evidence.canonical; "
        "print(sorted({'pydantic', 'pydantic_core', 'annotated_types'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
