from __future__ import annotations

import pytest

from winpe_certs.errors import WimError
from winpe_certs.wim.xml import WimXml

TEXT = (
    "<WIM><TOTALBYTES>500</TOTALBYTES>"
    '<IMAGE INDEX="1"><NAME>PE &amp; more — é</NAME><TOTALBYTES> 00100 </TOTALBYTES><HARDLINKBYTES>5'
    "</HARDLINKBYTES><LASTMODIFICATIONTIME><HIGHPART>0x01D00000</HIGHPART><LOWPART>0x00000001</LOWPART>"
    "</LASTMODIFICATIONTIME><WINDOWS><ARCH>9</ARCH><VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR>"
    "<BUILD>26100</BUILD></VERSION></WINDOWS></IMAGE>"
    '<IMAGE INDEX="2"><NAME>Setup</NAME><TOTALBYTES>abc</TOTALBYTES></IMAGE></WIM>'
)


def raw(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def test_reads_names_and_versions() -> None:
    xml = WimXml(raw(TEXT), "x")
    image = xml.images[1]
    assert (image.name, image.architecture, image.version) == ("PE & more — é", "x64", "10.0.26100")
    assert xml.images[2].name == "Setup"
    assert (xml.images[2].architecture, xml.images[2].version) == ("", "")


def test_without_changes_gives_the_same_bytes() -> None:
    assert WimXml(raw(TEXT), "x").to_bytes() == raw(TEXT)
    padded = raw(TEXT) + b"\0\0"
    assert WimXml(padded, "x").to_bytes() == padded


def test_changes_digits_and_nothing_else() -> None:
    xml = WimXml(raw(TEXT), "x")
    xml.set_total_bytes(123456)
    xml.add_to_image(1, "TOTALBYTES", 23)
    xml.add_to_image(1, "HARDLINKBYTES", -9)
    xml.set_image_time(1, "LASTMODIFICATIONTIME", 0x01DB_1234_89AB_CDEF)
    expected = (
        TEXT.replace(">500<", ">123456<")
        .replace(" 00100 ", " 123 ")
        .replace(">5<", ">0<")
        .replace("0x01D00000", "0x01DB1234")
        .replace("0x00000001", "0x89ABCDEF")
    )
    assert xml.to_bytes() == raw(expected)


def test_elements_that_are_missing_or_no_numbers_are_left_alone() -> None:
    xml = WimXml(raw(TEXT), "x")
    xml.add_to_image(2, "TOTALBYTES", 23)
    xml.add_to_image(2, "HARDLINKBYTES", 1)
    xml.set_image_time(2, "LASTMODIFICATIONTIME", 1)
    xml.add_to_image(9, "TOTALBYTES", 1)
    assert xml.to_bytes() == raw(TEXT)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no element found"),
        (raw("<WIM>"), "no element found"),
        (raw("<WIM></WIM")[:-1], "no UTF-16"),
        (raw('<WIM><IMAGE INDEX="x"></IMAGE></WIM>'), "has the index 'x'"),
        (raw("<WIM><IMAGE></IMAGE></WIM>"), "has the index ''"),
        (raw('<!DOCTYPE WIM [<!ENTITY a "b">]><WIM>&a;</WIM>'), "document type"),
        (raw("<a>" * 1000 + "</a>" * 1000), "nested more than"),
        (b"\xff\xfe" + b"\0\xd8" * 4, "no UTF-16"),
        (bytes(17 << 20), "it has 17825792 bytes"),
    ],
)
def test_damaged_xml_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(WimError, match=words):
        WimXml(data, "x")
