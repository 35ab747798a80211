from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from scripts.schema import SCHEMA, SCHEMAS, schema
from scripts.testdata.evidence import sample
from tests.unit.evidence.strategies import DOCUMENTS
from winpe_certs.evidence.canonical import to_json
from winpe_certs.evidence.document import Evidence

VALIDATOR = Draft202012Validator(
    json.loads(SCHEMA.read_text(encoding="utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
)
Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("version", SCHEMAS)
def test_the_file_is_what_the_dataclasses_say(version: int) -> None:
    found = SCHEMAS[version].read_text(encoding="utf-8")
    assert found == schema(version), "run: python -m scripts.schema"


def test_it_is_a_schema_and_says_which() -> None:
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == "urn:winpe-certs:evidence:2"
    described = [document, *document["$defs"].values()]
    assert all(each["title"] and each["description"] for each in described)
    assert all(each["additionalProperties"] is False for each in described)
    assert all(set(each["required"]) == set(each["properties"]) for each in described)


@settings(deadline=None, max_examples=40)
@given(DOCUMENTS)
def test_what_is_written_is_valid(evidence: Evidence) -> None:
    VALIDATOR.validate(json.loads(to_json(evidence)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.pop("format"), id="no format"),
        pytest.param(lambda d: d.update(format="winpe-certs report"), id="other format"),
        pytest.param(lambda d: d.update(version=1), id="other version"),
        pytest.param(lambda d: d.update(version="2"), id="version as text"),
        pytest.param(lambda d: d.update(comment=""), id="key of its own"),
        pytest.param(lambda d: d.pop("sha256"), id="no digest"),
        pytest.param(lambda d: d.update(sha256="0" * 63), id="short digest"),
        pytest.param(lambda d: d.update(sha256="A" * 64), id="upper case"),
        pytest.param(lambda d: d.update(targets={}), id="object for a list"),
        pytest.param(lambda d: d["run"].pop("user"), id="left out instead of null"),
        pytest.param(lambda d: d["tool"]["libraries"].update(regipy=6), id="version of a library as number"),
        pytest.param(lambda d: d["targets"][0].update(kind="iso"), id="other kind"),
        pytest.param(lambda d: d["targets"][0]["before"].update(size=-1), id="negative size"),
        pytest.param(lambda d: d["targets"][0]["before"].update(size=1.5), id="size with a fraction"),
        pytest.param(lambda d: d["targets"][0]["before"].update(size=1 << 63), id="size beyond 63 bits"),
        pytest.param(lambda d: d["targets"][0]["way_back"].update(header="00"), id="short header"),
        pytest.param(lambda d: d["targets"][0]["images"][0].update(index=0), id="image 0"),
        pytest.param(lambda d: d["differences"][0].update(values=[1]), id="value as number"),
        pytest.param(lambda d: d["plan"]["images"][0]["edits"][0].update(action="format"), id="other action"),
        pytest.param(lambda d: d["plan"]["images"][0]["edits"][1].update(data="abc"), id="half a byte"),
        pytest.param(lambda d: d["run"]["overrides"][0].pop("value"), id="override without its value"),
        pytest.param(lambda d: d["certificates"][0]["images"][0].update(indexes=[0]), id="in image 0"),
        pytest.param(lambda d: d["targets"][0]["confirmed"].update(at=None), id="confirmed at no time"),
        pytest.param(lambda d: d["plan"].update(commands=["a b"]), id="command as text"),
        pytest.param(lambda d: d["certificates"][0]["results"][0].update(sha1="A" * 40), id="capitals"),
    ],
)  # fmt: skip
def test_what_is_broken_is_not_valid(change: Break) -> None:
    document = json.loads(to_json(sample()))
    assert VALIDATOR.is_valid(document)
    change(document)
    assert not VALIDATOR.is_valid(document)
